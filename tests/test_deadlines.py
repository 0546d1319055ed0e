"""Reminders: each on time, each once, none for what does not need it; and cheap."""

from datetime import date, datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..tools import gateways
from .common import IbhxhCommon
from .samples import signing

FOLLOW = "odoo.addons.l10n_vn_ibhxh"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDeadlines(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.parameters = cls.env["ir.config_parameter"].sudo()

    def _activities(self, record, words):
        return record.sudo().activity_ids.filtered(lambda activity: words in activity.summary)

    def _at(self, text):
        """Run the scheduled action at a time (UTC)."""
        with freeze_time(text):
            self.env.invalidate_all()
            self._follow()

    def _waiting_for_code(self):
        registration = self._sent()
        registration._activate("BV2VLHCKRA", False, fields.Datetime.now())
        return registration

    def _renew(self, days=600, agent=None, serial=77, age=1, **knobs):
        """Let the token hold a second certificate of the company, issued `age` days ago; return it."""
        der = self._new_certificate(
            serial=serial,
            not_before=signing.NOW - timedelta(days=age),
            not_after=signing.NOW + timedelta(days=days),
            **knobs,
        )
        before = self.agent.certificate_ids
        return self._plug_in(agent or self.agent, self.der, der) - before

    # -- the code ends -----------------------------------------------------------------------------------------------

    def test_code_is_reminded_of_once_six_hours_before_it_ends(self):
        registration = self._waiting_for_code()
        with self._later(hours=17, minutes=59):
            self._follow()
            self.assertFalse(self._activities(registration, "expires soon"))
        for minutes in (1, 2, 30):
            with self._later(hours=18, minutes=minutes):
                self._follow()
                self.assertEqual(len(self._activities(registration, "expires soon")), 1)
        self.assertEqual(self._activities(registration, "expires soon").user_id, self.user)

    def test_code_hours_are_a_setting(self):
        registration = self._waiting_for_code()
        self.parameters.set_param("l10n_vn_ibhxh.remind_code_hours", "2")
        with self._later(hours=20):
            self._follow()
            self.assertFalse(self._activities(registration, "expires soon"))
        with self._later(hours=22):
            self._follow()
            self.assertTrue(self._activities(registration, "expires soon"))

    def test_no_reminder_when_switched_off(self):
        registration = self._waiting_for_code()
        self.parameters.set_param("l10n_vn_ibhxh.remind_code_hours", "0")
        with self._later(hours=23):
            self._follow()
        self.assertFalse(self._activities(registration, "expires soon"))

    def test_a_new_code_is_reminded_of_again(self):
        registration = self._waiting_for_code()
        with self._later(hours=19):
            self._follow()
            registration._activate("QQ2VLHCKRB", False, fields.Datetime.now())
            registration.sudo().activity_ids.unlink()
            self._follow()
            self.assertFalse(self._activities(registration, "expires soon"))
        with self._later(hours=38):
            self._follow()
            self.assertTrue(self._activities(registration, "expires soon"))

    def test_a_dismissed_reminder_stays_dismissed(self):
        registration = self._waiting_for_code()
        with self._later(hours=19):
            self._follow()
            self._activities(registration, "expires soon").unlink()
            self._follow()
        self.assertFalse(self._activities(registration, "expires soon"))

    def test_confirming_settles_the_reminder(self):
        registration = self._waiting_for_code()
        with self._later(hours=19):
            self._follow()
            registration._confirm(fields.Datetime.now())
        self.assertFalse(registration.sudo().activity_ids)

    def test_reminder_speaks_the_language_of_its_reader(self):
        self.env["res.lang"]._activate_lang("vi_VN")
        self.user.lang = "vi_VN"
        langs = []
        registration = self._waiting_for_code()
        texts = type(registration)._code_texts

        def noted(record, env):
            langs.append(env.lang)
            return texts(record, env)

        with self._later(hours=19), patch.object(type(registration), "_code_texts", noted):
            self._follow()
        self.assertEqual(langs, ["vi_VN"])

    # -- VSS is late -------------------------------------------------------------------------------------------------

    def _due(self, registration, submitted_at):
        registration.sudo().submitted_at = submitted_at
        return registration._answers_due()[registration]

    def test_j_what_companies_share_is_counted_once(self):
        """Companies that work on the same days; one with a holiday of its own is counted by itself."""
        other, other_with = self.env["res.company"].create([{"name": "Đơn vị B"}, {"name": "Đơn vị C"}])
        calendar = self.company.resource_calendar_id
        for company in other | other_with:
            company.resource_calendar_id = calendar.copy({"company_id": company.id})
        self.env["resource.calendar.leaves"].create(
            {
                "name": "Nghỉ",
                "calendar_id": other_with.resource_calendar_id.id,
                "company_id": other_with.id,
                "date_from": datetime(2026, 3, 3, 17, 0),
                "date_to": datetime(2026, 3, 4, 17, 0),
            }
        )
        registrations = self.env["l10n_vn_ibhxh.registration"].create(
            [{"company_id": c.id, "submitted_at": fields.Datetime.now()} for c in (self.company, other, other_with)]
        )
        counted = []
        count = type(calendar).plan_days
        self.patch(type(calendar), "plan_days", lambda *args, **kw: counted.append(1) or count(*args, **kw))
        due = registrations._answers_due()
        self.assertEqual(
            list(due.values()), [datetime(2026, 3, 5, 17, 0), datetime(2026, 3, 5, 17, 0), datetime(2026, 3, 6, 17, 0)]
        )
        self.assertEqual(len(counted), 2)

    def test_three_working_days_over_a_week_end(self):
        # NOW is Monday 2 March 2026, 10:04 in Viet Nam; the third working day after it is Thursday the 5th.
        registration = self._sent()
        self.assertEqual(registration.answer_due_at, datetime(2026, 3, 5, 17, 0))
        with freeze_time("2026-03-06 02:00:00"):
            self.assertEqual(self._due(registration, fields.Datetime.now()), datetime(2026, 3, 11, 17, 0))

    def test_the_day_is_viet_nams(self):
        # 18:00 UTC on Monday is Tuesday in Viet Nam.
        registration = self._sent()
        self.assertEqual(self._due(registration, datetime(2026, 3, 2, 18, 0)), datetime(2026, 3, 6, 17, 0))

    def test_public_holidays_count_whenever_they_are_entered(self):
        registration = self._sent()
        self.company.resource_calendar_id.tz = "Asia/Ho_Chi_Minh"
        holidays = self.env["resource.calendar.leaves"]
        vals = {"name": "Giỗ Tổ", "date_from": "2026-03-03 17:00:00", "date_to": "2026-03-04 16:59:59"}
        stranger = self.env["res.company"].create({"name": "Công ty khác"})
        holidays.with_company(stranger).create({**vals, "calendar_id": False}).flush_recordset()
        self.assertEqual(self._due(registration, fields.Datetime.now()), datetime(2026, 3, 5, 17, 0))
        holidays.with_company(self.company).create({**vals, "calendar_id": False}).flush_recordset()
        self.assertEqual(self._due(registration, fields.Datetime.now()), datetime(2026, 3, 6, 17, 0))
        self._at("2026-03-05 18:00:00")
        self.assertFalse(self._activities(registration, "not answered"), "put off by the holiday")
        self.assertEqual(registration.answer_due_at, datetime(2026, 3, 6, 17, 0))
        self._at("2026-03-06 18:00:00")
        self.assertTrue(self._activities(registration, "not answered"))

    def test_late_answer_is_reported_once(self):
        registration = self._sent()
        self._at("2026-03-05 16:00:00")
        self.assertFalse(self._activities(registration, "not answered"))
        for text in ("2026-03-05 17:01:00", "2026-03-05 18:00:00", "2026-03-09 18:00:00"):
            self._at(text)
            self.assertEqual(len(self._activities(registration, "not answered")), 1, text)

    def test_activities_are_due_on_viet_nams_day(self):
        """At 18:00 UTC the next day has begun there: due on the day before, they would be late from the start."""
        registration = self._sent()
        self._at("2026-03-05 18:00:00")
        self.assertEqual(self._activities(registration, "not answered").date_deadline, date(2026, 3, 6))
        with freeze_time("2026-03-05 18:00:00"):
            registration.sudo()._on_refused("SE003", "MST không khớp")
        self.assertEqual(self._activities(registration, "refused").date_deadline, date(2026, 3, 6))

    def test_answer_days_come_from_the_official_form(self):
        self.env.ref("l10n_vn_ibhxh.form_04").answer_days = 1
        self.assertEqual(self._sent().answer_due_at, datetime(2026, 3, 3, 17, 0))

    def test_company_without_calendar_works_monday_to_friday(self):
        self.company.resource_calendar_id = False
        registration = self._sent()
        self.assertEqual(self._due(registration, datetime(2026, 3, 5, 3, 0)), datetime(2026, 3, 10, 17, 0))

    # -- it does not get away ----------------------------------------------------------------------------------------

    def test_gateway_that_stays_away_is_reported_once(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_before = gateways.Unreachable("down")
        self._send()
        self._follow()
        self.assertFalse(self._activities(registration, "not reached"))
        for hours in (4, 5, 30):
            with self._later(hours=hours, minutes=1):
                self._follow()
                self.assertEqual(len(self._activities(registration, "not reached")), 1)

    # -- the certificate ends ----------------------------------------------------------------------------------------

    def _end_reminders(self, registration, days_left):
        with freeze_time(self.certificate.not_after - timedelta(days=days_left)):
            self.env.invalidate_all()
            self._follow()
            self._follow()
        found = self._activities(registration, "certificate registered with VSS expires")
        count = len(found)
        found.unlink()
        return count

    def test_certificate_end_at_60_30_and_7_days(self):
        registration = self._confirmed()
        seen = {days: self._end_reminders(registration, days) for days in (61, 60, 45, 30, 29, 8, 7, 1, -1)}
        self.assertEqual(seen, {61: 0, 60: 1, 45: 0, 30: 1, 29: 0, 8: 0, 7: 1, 1: 0, -1: 0})

    def test_certificate_end_missed_days_give_one_reminder_not_three(self):
        registration = self._confirmed()
        self.assertEqual(self._end_reminders(registration, 5), 1)
        self.assertEqual(self._end_reminders(registration, 4), 0)

    def test_certificate_days_are_a_setting(self):
        registration = self._confirmed()
        self.parameters.set_param("l10n_vn_ibhxh.remind_certificate_days", "90")
        self.assertEqual([self._end_reminders(registration, days) for days in (91, 90, 30)], [0, 1, 0])

    def test_stopped_company_is_not_reminded(self):
        registration = self._confirmed()
        with self._later(days=1):
            self._confirmed(form="06", stop_reason_code="8")
        self.assertEqual(self._end_reminders(registration, 7), 0)

    def test_company_confirmed_before_odoo_is_reminded_on_its_contact(self):
        self.company.write(
            {
                "l10n_vn_ibhxh_state": "confirmed",
                "l10n_vn_ibhxh_confirmed_at": fields.Datetime.now(),
                "l10n_vn_ibhxh_certificate_id": self.certificate.id,
            }
        )
        self.assertEqual(self._end_reminders(self.company.partner_id, 7), 1)

    # -- the token holds a newer one ---------------------------------------------------------------------------------

    def test_newer_certificate_prepares_form_05(self):
        registration = self._confirmed()
        self._follow()
        self.assertFalse(self.company.l10n_vn_ibhxh_newer_certificate_id)
        newer = self._renew()
        for _run in range(3):
            self._follow()
        self.assertEqual(len(self._activities(registration, "newer certificate")), 1)
        self.assertEqual(registration.newer_certificate_id, newer)
        context = registration.action_amend()["context"]
        wizard = self.env["l10n_vn_ibhxh.registration.wizard"].with_user(self.user).with_context(**context).create({})
        self.assertEqual((wizard.form, wizard.certificate_id), ("05", newer))
        self.assertEqual(wizard.old_certificate_id, self.certificate)
        self.assertIn(newer.serial, wizard.change_text)
        amendment = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        self._sign(amendment, der=newer._der())
        self._send()
        amendment._confirm(fields.Datetime.now())
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, newer)
        self.assertFalse(self.company.l10n_vn_ibhxh_newer_certificate_id)
        self.assertFalse(registration.sudo().activity_ids, "settled with the amendment")
        self._follow()
        self.assertFalse(self.company.l10n_vn_ibhxh_newer_certificate_id)

    def test_what_is_no_newer_certificate(self):
        self._confirmed()
        self._renew(age=101, days=900, serial=1)
        self._renew(uids=("MST:0312345678",), serial=2)
        self._follow()
        self.assertFalse(self.company.l10n_vn_ibhxh_newer_certificate_id, "issued earlier; of another tax code")
        stranger = self._new_agent(self._new_user("nguoi_la", None, self.env["res.company"].create({"name": "Khác"})))
        self._renew(agent=stranger, serial=3)
        self._follow()
        self.assertFalse(self.company.l10n_vn_ibhxh_newer_certificate_id, "reported by a stranger")

    def test_k7_a_replacement_that_does_not_end_later_is_noticed(self):
        """A lost token: the authority issues again with the same end, or a 3-year token gives way to a 1-year one."""
        registration = self._confirmed()
        for serial, days in enumerate((265, 100), 1):
            replaced = self._renew(days=days, age=3 - serial, serial=serial) - self.certificate
            replaced = replaced.filtered(lambda c, serial=serial: int(c.serial, 16) == serial)
            self._follow()
            self.assertEqual(self.company.l10n_vn_ibhxh_newer_certificate_id, replaced, f"ends in {days} days")
            self.assertEqual(self._wizard(form="05").certificate_id, replaced, "proposed, though the other ends later")
        self.assertEqual(len(self._activities(registration, "newer certificate")), 1, "the last one")

    def test_newer_certificate_of_an_unregistered_company_is_no_news(self):
        self._renew()
        self._follow()
        self.assertFalse(self.company.l10n_vn_ibhxh_newer_certificate_id)

    def test_still_newer_certificate_is_told_again(self):
        registration = self._confirmed()
        self._renew(serial=1)
        self._follow()
        newest = self._renew(days=900, serial=2) - self._renew(serial=1)
        self._follow()
        self.assertEqual(self.company.l10n_vn_ibhxh_newer_certificate_id.not_after, max(newest.mapped("not_after")))
        self.assertEqual(len(self._activities(registration, "newer certificate")), 1, "in place of the first")

    # -- many --------------------------------------------------------------------------------------------------------

    def _remind(self):
        """Give the reminders without the rest of the scheduled action, in this transaction."""
        with patch.object(type(self.env["ir.cron"]), "_commit_progress", lambda *args, **kwargs: 1.0):
            self.env["l10n_vn_ibhxh.registration"]._remind()

    def _many(self, count):
        """Create companies with a registration each that waits for its code, straight in the state machine's tables."""
        companies = self.env["res.company"].create([{"name": f"Công ty {count}.{index}"} for index in range(count)])
        return (
            self.env["l10n_vn_ibhxh.registration"]
            .sudo()
            .create(
                [
                    {
                        "company_id": company.id,
                        "state": "to_activate",
                        "user_id": self.user.id,
                        "activation_expires_at": fields.Datetime.now() + timedelta(hours=5),
                    }
                    for company in companies
                ]
            )
        )

    def test_one_that_fails_does_not_stop_the_others(self):
        registrations = self._many(3)
        bad = registrations[1]
        texts = type(bad)._code_texts

        def failing(record, env):
            if record == bad:
                raise ValueError("broken")
            return texts(record, env)

        with patch.object(type(bad), "_code_texts", failing), self.assertLogs(FOLLOW, level="ERROR"):
            self._follow()
        self.assertEqual(registrations.mapped("activation_reminded"), [True, False, True])
        self._follow()
        self.assertTrue(bad.activation_reminded, "tried again at the next run")

    def test_a_run_with_nothing_due_asks_the_database_little(self):
        self._many(20)
        self.parameters.set_param("l10n_vn_ibhxh.remind_code_hours", "1")
        self._remind()
        self.env.invalidate_all()
        with self.assertQueryCount(16):
            self._remind()

    @mute_logger("odoo.sql_db")
    def test_queries_grow_slowly_with_what_is_due(self):
        """Each reminder more costs less than 15 queries, most of them for the mail to its reader."""
        counts = []
        for size in (10, 20):
            self._many(size)
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self._remind()
            self.env.flush_all()
            counts.append(self.env.cr.sql_log_count - before)
        self.assertLess((counts[1] - counts[0]) / 10, 15, counts)

    def test_settings_are_checked_and_stored(self):
        settings = self.env["res.config.settings"]
        settings.create(
            {"l10n_vn_ibhxh_remind_code_hours": 0, "l10n_vn_ibhxh_remind_certificate_days": "90, 10"}
        ).execute()
        self.assertEqual(self.parameters.get_param("l10n_vn_ibhxh.remind_code_hours"), "0")
        self.assertEqual(settings.create({}).l10n_vn_ibhxh_remind_code_hours, 0)
        self.assertEqual(settings.create({}).l10n_vn_ibhxh_remind_certificate_days, "90, 10")
        for vals in (
            {"l10n_vn_ibhxh_remind_certificate_days": "soon"},
            {"l10n_vn_ibhxh_remind_code_hours": -1},
            {"l10n_vn_ibhxh_mail_sender_domains": "vss"},
            {"l10n_vn_ibhxh_mail_authentication_server": "mx example"},
        ):
            with self.subTest(vals), self.assertRaises(ValidationError):
                settings.create(vals).execute()
