"""What all reminders share: settings, batches that two workers never do twice, activities in bulk."""

import logging
import re
from collections import Counter

from markupsafe import Markup, escape
from odoo.fields import Domain
from psycopg2 import OperationalError

from .const import TODO
from .vietnam_time import today_in_vietnam

_logger = logging.getLogger(__name__)

# Larger batches take fewer statements for each record, and lock their rows for longer; these for a second or two.
BATCH = 2000
# More activities than these at once are announced to their user in one message, which names so many kinds of them.
MANY = 20
EXAMPLES = 5


def number(env, setting):
    """Return a setting as a whole number of 0 or more; what is none counts as its default."""
    name, default = setting
    text = (env["ir.config_parameter"].sudo().get_param(name) or str(default)).strip()
    return int(text) if text.isdecimal() else default


def numbers(env, setting):
    """Return a setting that lists whole numbers, the smallest first."""
    name, default = setting
    text = env["ir.config_parameter"].sudo().get_param(name) or default
    return sorted({int(part) for part in re.findall(r"[0-9]{1,4}", text) if int(part)})


def is_set(env, name):
    """Return whether a switch is set."""
    return env["ir.config_parameter"].sudo().get_param(name) == "True"


def in_batches(model, domain, remind, size=BATCH):
    """Call `remind(records)` on everything in `domain`, batch by batch, each committed by itself; return whether that
    was all of it: the time of a run of the scheduled action is limited.

    `remind` has to note on the records that it was done, in fields of `domain`. Rows that another worker is at are left
    to it. A record that fails is logged and does not stop the others.
    """
    last_id = 0
    while True:
        try:
            found = model.search(domain & Domain("id", ">", last_id), limit=size, order="id")
            if not found:
                return True
            last_id = found[-1].id
            each(found.try_lock_for_update(allow_referencing=True).filtered_domain(domain), remind)
        except OperationalError:
            # Another worker was quicker since this transaction began; the next run sees what it left.
            model.env.cr.rollback()
            return True
        if not model.env["ir.cron"]._commit_progress(len(found)):
            return len(found) < size


def each(records, remind):
    """Call `remind(records)` for all in one go; where that fails, one by one, and log who failed.

    Raises `OperationalError`, after which the transaction has to be rolled back.
    """
    if not records:
        return
    try:
        with records.env.cr.savepoint():
            remind(records)
    except OperationalError:
        raise
    except Exception:
        if len(records) == 1:
            _logger.exception("The scheduled action failed on %s", records)
            return
        for record in records:
            each(record, remind)


def schedule(env, rows, kind=TODO):
    """Schedule activities of type `kind`; `rows` are `(record, user, texts, deadline)`, without a deadline for today in
    Viet Nam.

    `texts(env)` returns `(summary, note)` in the language of the given environment, which is the user's. A user who
    gets many at once is notified of them in one message, not by a mail for each.
    """
    by_user = {}
    for record, user, texts, deadline in rows:
        by_user.setdefault(user if user.active else env.ref("base.user_admin"), []).append((record, texts, deadline))
    today = today_in_vietnam()
    for user, group in by_user.items():
        is_many = len(group) > MANY
        alike = {}
        for record, texts, deadline in group:
            records = record.browse().sudo().with_context(lang=user.lang, mail_activity_quick_update=is_many)
            alike.setdefault((records, *texts(records.env), deadline or today), []).append(record.id)
        activities = env["mail.activity"]
        for (records, summary, note, deadline), ids in alike.items():
            # Notes are HTML: texts of gateways and mails, and names of people and companies, go into them as text.
            records = records.browse(ids)
            activities += records.activity_schedule(kind, deadline, summary, escape(note or ""), user_id=user.id)
        if is_many:
            _notify_of_many(user, activities.sudo().with_context(lang=user.lang))


def _notify_of_many(user, activities):
    """Tell `user` in one message of all these activities, in the language of their environment."""
    env = activities.env
    counts = Counter(activities.mapped("summary")).most_common(EXAMPLES)
    items = Markup().join(Markup("<li>%s: %s</li>") % (summary, count) for summary, count in counts)
    body = Markup("<p>%s</p><ul>%s</ul>") % (
        env._("You find them in your list of activities; each opens its record."),
        items,
    )
    env["mail.thread"].message_notify(
        partner_ids=user.partner_id.ids,
        subject=env._("BHXH: %(count)s things to do", count=len(activities)),
        body=body,
    )
