from datetime import datetime, time, timedelta

from odoo import api, fields, models
from odoo.fields import Domain

from . import reminders
from .const import ACTIVATION_HOURS, ANSWER_OFF, CODE_HOURS, UNSENT_HOURS
from .vietnam_time import UTC, VIETNAM, date_in_vietnam, day_in_vietnam, in_vietnam

SATURDAY = 5
# What went without an answer for longer than this is not dug up.
LATEST = timedelta(days=7)


class L10n_Vn_IbhxhRegistrationReminders(models.AbstractModel):
    """Reminders on registrations, each given once: the code ends soon, VSS is late, a dossier does not get away."""

    _name = "l10n_vn_ibhxh.registration.reminders"
    _description = "Reminders of BHXH registrations"

    def _remind(self):
        """Give every reminder that is due, to the person responsible; return whether there was time for all."""
        now = fields.Datetime.now()
        finished = []
        hours = reminders.number(self.env, CODE_HOURS)
        if hours:
            domain = (
                Domain("state", "=", "to_activate")
                & Domain("activation_reminded", "=", False)
                & Domain("activation_expires_at", "<=", now + timedelta(hours=min(hours, ACTIVATION_HOURS)))
                & Domain("activation_expires_at", ">", now)
            )
            finished.append(reminders.in_batches(self, domain, self._remind_code))
        if not reminders.is_set(self.env, ANSWER_OFF):
            # VSS may take longer than the day after which a form 04 without a code counts as expired.
            no_code_yet = (
                Domain("state", "=", "expired")
                & Domain("activation_received_at", "=", False)
                & Domain("answer_due_at", ">", now - LATEST)
            )
            domain = (
                (Domain("state", "=", "sent") | no_code_yet)
                & Domain("answer_reminded", "=", False)
                & Domain("answer_due_at", "<=", now)
            )
            finished.append(reminders.in_batches(self, domain, self._remind_answer))
        hours = reminders.number(self.env, UNSENT_HOURS)
        if hours:
            domain = (
                Domain("state", "=", "to_send")
                & Domain("unsent_reminded", "=", False)
                & Domain("attempted_at", "<=", now - timedelta(hours=hours))
            )
            finished.append(reminders.in_batches(self, domain, self._remind_unsent))
        finished.append(self.env["res.company"].sudo()._l10n_vn_ibhxh_remind())
        return all(finished)

    # -- the code ends soon --------------------------------------------------------------------------------------------

    @api.model
    def _remind_code(self, registrations):
        registrations.sudo().write({"activation_reminded": True})
        reminders.schedule(
            self.env,
            [(r, r.user_id, r._code_texts, date_in_vietnam(r.activation_expires_at)) for r in registrations],
        )

    def _code_texts(self, env):
        until = in_vietnam(self.activation_expires_at).strftime("%H:%M %d/%m/%Y")
        return (
            env._("The activation code expires soon: %(until)s", until=until),
            env._(
                "Copy the code, open the portal and paste it. After %(until)s (Viet Nam time) VSS no longer "
                "accepts it, and the company has to register again.",
                until=until,
            ),
        )

    # -- VSS is late ---------------------------------------------------------------------------------------------------

    def _answers_due(self):
        """Return `{registration: UTC time by which VSS has to answer}`: the end of the last working day it may take.

        Counted from the day after `submitted_at`, in Viet Nam's days, by the company's working calendar with its public
        holidays; Monday to Friday where the company has none. Companies that work on the same days share one count.
        """
        forms = self.env["l10n_vn_ibhxh.form"].sudo()
        registrations = self.sudo()
        busy = self._companies_with_holidays(registrations)
        counted, result = {}, {}
        for registration in registrations:
            company, calendar = registration.company_id, registration.company_id.resource_calendar_id
            day = in_vietnam(registration.submitted_at).date()
            key = (registration.form, day, company in busy and company, calendar and _working_days(calendar))
            if key not in counted:
                counted[key] = self._answer_due(company, day, forms._get(registration.form, day).answer_days or 3)
            result[registration] = counted[key]
        return result

    @api.model
    def _companies_with_holidays(self, registrations):
        """Return the companies with a holiday that the count of these registrations could meet, seen generously."""
        companies = registrations.company_id
        start = min(registrations.mapped("submitted_at"))
        holidays = self.env["resource.calendar.leaves"].sudo()
        found = holidays.search(
            [
                ("date_to", ">=", start),
                ("time_type", "=", "leave"),
                ("resource_id", "=", False),
                ("company_id", "in", (False, *companies.ids)),
                ("calendar_id", "in", (False, *companies.resource_calendar_id.ids)),
            ]
        )
        calendars = found.filtered(lambda holiday: not holiday.company_id).calendar_id
        if found.filtered(lambda holiday: not holiday.company_id and not holiday.calendar_id):
            return companies
        return found.company_id | companies.filtered(lambda company: company.resource_calendar_id in calendars)

    @api.model
    def _answer_due(self, company, day, days):
        """Return the end (UTC) of the last of so many working `days` of the company after `day` (Viet Nam's)."""
        start = datetime.combine(day + timedelta(days=1), time(), tzinfo=VIETNAM)
        calendar = company.resource_calendar_id
        # Without this, holidays of other companies that have no calendar of their own would count.
        holidays = [("time_type", "=", "leave"), ("company_id", "in", (False, company.id))]
        last = calendar and calendar.plan_days(days, start, compute_leaves=True, domain=holidays)
        if last:
            last_day = last.astimezone(VIETNAM).date()
        else:
            last_day = day
            while days:
                last_day += timedelta(days=1)
                days -= last_day.weekday() < SATURDAY
        end = datetime.combine(last_day + timedelta(days=1), time(), tzinfo=VIETNAM)
        return end.astimezone(UTC).replace(tzinfo=None)

    @api.model
    def _remind_answer(self, registrations):
        """Holidays may have been entered since: what is not due by the calendar of today is put off."""
        now = fields.Datetime.now()
        late = registrations.browse()
        for registration, due_at in registrations._answers_due().items():
            if due_at > now:
                registration.sudo().answer_due_at = due_at
            else:
                late |= registration
        late.sudo().write({"answer_reminded": True})
        # Where it was registered again since, the answer to the later one counts.
        current = late.filtered(lambda r: r.state == "sent" or r == r.company_id.sudo().l10n_vn_ibhxh_registration_id)
        reminders.schedule(self.env, [(r, r.user_id, r._answer_texts, None) for r in current])

    def _answer_texts(self, env):
        return (
            env._("VSS has not answered in time"),
            env._(
                "Dossier %(number)s was due by %(due)s. Check the portal, or ask %(provider)s what is delaying it.",
                number=self.dossier_number or self.name,
                due=day_in_vietnam(self.answer_due_at - timedelta(minutes=1)),
                provider=self.provider_id.name,
            ),
        )

    # -- it does not get away ------------------------------------------------------------------------------------------

    @api.model
    def _remind_unsent(self, registrations):
        registrations.sudo().write({"unsent_reminded": True})
        reminders.schedule(self.env, [(r, r.user_id, r._unsent_texts, None) for r in registrations])

    def _unsent_texts(self, env):
        return (
            env._("The dossier has not reached the I-VAN yet"),
            env._(
                "Odoo keeps trying automatically and nothing is lost. If %(provider)s stays unavailable, ask it "
                "how long this will last.",
                provider=self.provider_id.name,
            ),
        )


def _working_days(calendar):
    """Return what of a calendar decides which days are worked, comparable with that of another calendar."""
    names = ("dayofweek", "hour_from", "hour_to", "day_period", "week_type", "date_from", "date_to", "display_type")
    known = [name for name in names if name in calendar.attendance_ids._fields]
    attendances = sorted(str([attendance[name] for name in known]) for attendance in calendar.attendance_ids)
    return calendar.tz, calendar.two_weeks_calendar, calendar.flexible_hours, calendar.hours_per_day, *attendances
