"""Following many registrations at once: what is done in one go is what is done for one, and one that fails is alone."""

from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import reminders
from ..tools import gateways
from .common import progress
from .companies import ManyCompanies

FOLLOW = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_registration_following"
REMINDERS = "odoo.addons.l10n_vn_ibhxh.models.reminders"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFollowBatches(ManyCompanies):
    def _waiting(self, count, state="to_activate", **vals):
        """Return `count` registrations that VSS has, one of each of as many companies."""
        companies = self._new_companies(count)
        now = fields.Datetime.now()
        registrations = self.env["l10n_vn_ibhxh.registration"].create(
            [
                {
                    "company_id": company.id,
                    "user_id": self.user.id,
                    "provider_id": self.provider.id,
                    "state": state,
                    "submitted_at": now,
                    "activation_expires_at": now + timedelta(hours=24),
                    **vals,
                }
                for company in companies
            ]
        )
        companies._l10n_vn_ibhxh_update_state()
        self.env.flush_all()
        return registrations

    def test_many_expire_as_one_does(self):
        registrations = self._waiting(3, activation_code="BV2VLHCKRA", activation_received_at=fields.Datetime.now())
        with self._later(hours=25):
            self._follow()
        self.assertEqual(registrations.mapped("state"), ["expired"] * 3)
        self.assertEqual(registrations.company_id.mapped("l10n_vn_ibhxh_state"), ["expired"] * 3)
        self.assertFalse(any(registrations.sudo().mapped("activation_code")))
        for registration in registrations:
            self.assertEqual(registration.activity_ids.summary, "The activation code has expired")
            self.assertIn("To activate → Not activated in time", registration.message_ids[0].body)

    def test_expiry_of_many_reaches_their_batches(self):
        registrations = self._waiting(3, activation_code="BV2VLHCKRA")
        batch = self.env["l10n_vn_ibhxh.batch"].sudo().create({"user_id": self.user.id})
        lines = batch.line_ids.create(
            [{"batch_id": batch.id, "company_id": r.company_id.id, "registration_id": r.id} for r in registrations]
        )
        self.assertEqual(lines.mapped("registration_state"), ["to_activate"] * 3)
        with self._later(hours=25):
            self._follow()
            now = fields.Datetime.now()
        self.env.invalidate_all()
        self.assertEqual(registrations.mapped("state"), ["expired"] * 3)
        self.assertEqual(registrations.company_id.mapped("l10n_vn_ibhxh_state"), ["expired"] * 3)
        self.assertEqual(lines.mapped("registration_state"), ["expired"] * 3)
        self.assertFalse(any(registrations.sudo().mapped("activation_code")))
        for record in (*registrations, *registrations.company_id):
            self.assertEqual((record.write_uid, record.write_date), (self.env.ref("base.user_root"), now))

    def test_one_that_fails_to_expire_does_not_stop_the_others(self):
        registrations = self._waiting(3)
        broken = registrations[1]
        move = type(registrations)._move

        def failing(records, state, **vals):
            if broken in records:
                raise ValueError("broken")
            return move(records, state, **vals)

        with (
            self._later(hours=25),
            mute_logger(REMINDERS),
            patch.object(type(registrations), "_move", failing),
        ):
            self._follow()
        self.assertEqual(registrations.mapped("state"), ["expired", "to_activate", "expired"])

    def test_many_activities_come_in_one_message_few_are_announced_each(self):
        partner = self.user.partner_id
        for count, messages in ((reminders.MANY, reminders.MANY), (reminders.MANY + 1, 1)):
            companies = self._new_companies(count, first=100 * messages)
            before = self.env["mail.notification"].search_count([("res_partner_id", "=", partner.id)])
            reminders.schedule(
                self.env,
                [
                    (company.partner_id, self.user, lambda _env: ("Do it", "note"), fields.Date.today())
                    for company in companies
                ],
            )
            after = self.env["mail.notification"].search_count([("res_partner_id", "=", partner.id)])
            self.assertEqual(after - before, messages)
            self.assertEqual(companies.partner_id.activity_ids.user_id, self.user)
            self.assertEqual(len(companies.partner_id.activity_ids), count)

    def test_code_does_not_expire_before_the_gateway_was_asked(self):
        """VSS may have confirmed meanwhile, and a run may end before it came to this registration."""
        registrations = self._waiting(2, poll_at=fields.Datetime.now())
        self.gateway.answer = progress("confirmed")
        with (
            self._later(hours=25),
            patch(f"{FOLLOW}.time.monotonic", side_effect=range(1000)),
            patch.object(type(self.env["ir.cron"]), "_commit_progress", side_effect=[10.0, *[0.0] * 1000]),
        ):
            registrations._cron_follow()
        self.assertEqual(registrations.mapped("state"), ["confirmed", "to_activate"])

    def test_gateway_that_fails_on_one_answers_for_the_others(self):
        registrations = self._waiting(2, poll_at=fields.Datetime.now())
        asked = []

        def answer(reference):
            asked.append(reference)
            if len(asked) == 1:
                raise gateways.Unreachable("down")
            return progress("confirmed")

        with patch.object(self.gateway, "progress", answer):
            self._follow()
        self.assertEqual(len(asked), 2)
        self.assertEqual(sorted(registrations.mapped("state")), ["confirmed", "to_activate"])
        self.assertTrue(all(registration.poll_at > fields.Datetime.now() for registration in registrations))

    def test_adapter_that_cannot_be_made_keeps_only_its_own_waiting(self):
        """Another addon's adapter may fail with anything."""
        registrations = self._waiting(2, poll_at=fields.Datetime.now())
        broken = self.provider.copy({"code": "00099", "name": "Lỗi"})
        registrations[0].sudo().provider_id = broken
        self.gateway.answer = progress("confirmed")

        def gateway(provider):
            if provider == broken:
                raise TypeError("no such argument")
            return self.gateway

        with patch.object(type(self.provider), "_gateway", gateway), mute_logger(FOLLOW):
            self._follow()
        self.assertEqual(registrations.mapped("state"), ["to_activate", "confirmed"])
        self.assertGreater(registrations[0].poll_at, fields.Datetime.now())
