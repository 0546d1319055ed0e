"""Days as people in Viet Nam count them; everything that is stored is UTC."""

from zoneinfo import ZoneInfo

from odoo import fields

VIETNAM = ZoneInfo("Asia/Ho_Chi_Minh")
UTC = ZoneInfo("UTC")


def in_vietnam(moment):
    """Return a naive UTC datetime as an aware one of Viet Nam.

    What has no end ends, by RFC 5280, with the last second of the year 9999: in Viet Nam too, where it would be later.
    """
    try:
        return moment.replace(tzinfo=UTC).astimezone(VIETNAM)
    except OverflowError:
        return moment.replace(tzinfo=VIETNAM)


def date_in_vietnam(moment):
    """Return the day of a naive UTC datetime in Viet Nam."""
    return in_vietnam(moment).date()


def today_in_vietnam():
    """Return the day that it is in Viet Nam now, wherever the user is."""
    return date_in_vietnam(fields.Datetime.now())


def day_in_vietnam(moment):
    """Return the day of a naive UTC datetime in Viet Nam, dd/MM/yyyy, as dossiers write it."""
    return date_in_vietnam(moment).strftime("%d/%m/%Y")
