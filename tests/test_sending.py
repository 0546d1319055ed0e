import base64
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from psycopg2.errors import SerializationFailure

from ..tools import gateways
from .common import IbhxhCommon, progress, step


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSending(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.registration = self._register()
        self._sign(self.registration)

    def test_sent_once_with_the_signed_bytes(self):
        self._send()
        self._send()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(self.registration.dossier_number, "03706/2026/001")
        (dossiers,) = self.gateway.accepted.values()
        self.assertEqual(len(dossiers), 1)
        self.assertEqual(dossiers[0].document, base64.b64decode(self.registration.signed_document))
        self.assertEqual(list(self.gateway.accepted), [self.registration.client_reference])

    def test_lost_answer_is_asked_for_before_anything_is_sent_again(self):
        self.gateway.fail_after = gateways.UnknownOutcome("time-out")
        self._send()
        self.assertEqual(self.registration.state, "to_send")
        self.assertTrue(self.registration.retry_at)
        self.gateway.fail_after = None
        with self._later(minutes=2):
            self._send()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(self.gateway.calls, ["submit", "progress"])
        self.assertEqual(len(self.gateway.accepted[self.registration.client_reference]), 1)

    def test_gateway_down_recovers_by_itself(self):
        self.gateway.fail_before = gateways.Unreachable("down")
        self._send()
        self.assertEqual(self.registration.state, "to_send")
        self.assertEqual(self.registration.error_code, "SE999")
        self.assertTrue(self.registration.error_message)
        self.gateway.fail_before = None
        self._send()
        self.assertEqual(self.registration.state, "to_send", "not before its time")
        with self._later(minutes=2):
            self._send()
        self.assertEqual(self.registration.state, "sent")
        self.assertFalse(self.registration.error_code)

    def test_send_now_does_not_wait(self):
        self.gateway.fail_before = gateways.Unreachable("down")
        self._send()
        self.gateway.fail_before = None
        self.registration.action_send()
        self._send()
        self.assertEqual(self.registration.state, "sent")

    def test_refusal_shows_code_and_remedy(self):
        self.gateway.fail_before = gateways.Refused("SE003", "Sai mã số thuế")
        self._send()
        self.assertEqual(self.registration.state, "rejected")
        self.assertEqual(self.registration.error_code, "SE003")
        self.assertEqual(self.registration.error_message, "Sai mã số thuế")
        self.assertIn("suffix", self.registration.remedy)
        self.assertEqual(self.registration.activity_ids.user_id, self.user)
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "none")

    def test_unknown_code_is_shown_as_received(self):
        self.gateway.fail_before = gateways.Refused("ZZ123", "Lỗi lạ", holder="00110 MISA")
        self._send()
        self.assertEqual((self.registration.error_code, self.registration.error_message), ("ZZ123", "Lỗi lạ"))
        self.assertEqual(self.registration.holder_name, "00110 MISA")

    def test_one_that_fails_does_not_stop_the_others(self):
        second = self._signed_second()
        self.registration.sudo().signed_document = False
        with self.assertLogs("odoo.addons.l10n_vn_ibhxh", level="ERROR"):
            self._send()
        self.assertEqual(self.registration.state, "to_send")
        self.assertEqual(second.sudo().state, "sent")

    def test_a_conflict_with_another_host_alarms_nobody(self):
        """The row was changed since this transaction began: it is looked at again, and nothing is written on it."""
        model = type(self.registration)
        with patch.object(model, "_begin_attempts", side_effect=SerializationFailure):
            self._send()
        self.assertFalse(self.registration.error_message)
        self.assertFalse(self.registration.retry_at)
        self._send()
        self.assertEqual((self.registration.state, self.gateway.calls), ("sent", ["submit"]))

    def test_a_fault_after_another_host_sent_it_is_not_written_on_it(self):
        def sent_by_another(registration, _adapters):
            registration.sudo()._on_accepted(fields.Datetime.now(), "03706/2026/001")
            registration.env.cr.commit()
            raise ZeroDivisionError

        with (
            patch.object(type(self.registration), "_begin_attempts", sent_by_another),
            self.assertLogs("odoo.addons.l10n_vn_ibhxh", level="ERROR"),
        ):
            self._send()
        self.assertEqual(self.registration.state, "sent")
        self.assertFalse(self.registration.error_message)

    def test_several_are_sent_once_each_and_log_it_each(self):
        both = (self.registration | self._signed_second()).sudo()
        self._send()
        self._send()
        self.assertEqual(both.mapped("state"), ["sent", "sent"])
        self.assertEqual({len(dossiers) for dossiers in self.gateway.accepted.values()}, {1})
        self.assertEqual(set(self.gateway.accepted), set(both.mapped("client_reference")))
        for registration in both:
            self.assertEqual(registration.dossier_number, "03706/2026/001")
            self.assertEqual(registration.activation_expires_at, fields.Datetime.now() + timedelta(hours=24))
            self.assertTrue(registration.answer_due_at)
            self.assertEqual(len(registration.message_ids.filtered(lambda m: "Sent" in (m.body or m.preview or ""))), 1)

    def test_a_receipt_whose_consequences_were_lost_is_gone_on_with(self):
        """As after a crash between the two transactions: the gateway is not called again."""
        self.registration.sudo()._get_receipts({})
        self.assertEqual(self.registration.state, "to_send")
        self.assertEqual(self.registration.dossier_number, "03706/2026/001")
        self._send()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(self.gateway.calls, ["submit"])

    def test_consequences_that_fail_do_not_stop_the_others(self):
        second = self._signed_second().sudo()
        due = type(second)._answer_due

        def fail_for_one(registration, *arguments):
            if registration.id == self.registration.id:
                raise ZeroDivisionError
            return due(registration, *arguments)

        with (
            patch.object(type(second), "_answer_due", fail_for_one),
            self.assertLogs("odoo.addons.l10n_vn_ibhxh", level="ERROR"),
        ):
            self._send()
        self.assertEqual((self.registration.state, second.state), ("to_send", "sent"))
        self.assertTrue(self.registration.submitted_at, "the receipt stands")
        self.assertTrue(self.registration.retry_at)
        with self._later(minutes=2):
            self._send()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(self.gateway.calls, ["submit", "submit"])

    def test_steps_and_confirmation_come_from_progress(self):
        self._send()
        self.gateway.answer = progress("confirmed", step(1), step(2), step(3))
        self._follow()
        self.assertEqual(self.registration.state, "confirmed")
        self.assertEqual(self.registration.step_ids.mapped("number"), [1, 2, 3])
        self.assertEqual(self.registration.confirmed_at, datetime(2026, 3, 2, 3, 3))
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, self.certificate)

    def test_late_refusal_comes_from_progress(self):
        self._send()
        self.gateway.answer = progress("rejected", step(1), step(2, "SE004", "Sai cơ quan", passed=False))
        self._follow()
        self.assertEqual(self.registration.state, "rejected")
        self.assertEqual(self.registration.error_code, "SE004")

    def test_code_expires_after_24_hours(self):
        self._send()
        self.registration._activate("BV2VLHCKRA", False, fields.Datetime.now())
        self.assertEqual(self.registration.state, "to_activate")
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "to_activate")
        self.assertEqual(self.company.l10n_vn_ibhxh_activation_expires_at, fields.Datetime.now() + timedelta(hours=24))
        with self._later(hours=23, minutes=59):
            self._follow()
            self.assertEqual(self.registration.state, "to_activate")
        with self._later(hours=24):
            self._follow()
            self.assertEqual(self.registration.state, "expired")
            self.assertEqual(self.company.l10n_vn_ibhxh_state, "expired")
            self.assertFalse(self.registration.activation_code)

    def test_expires_from_submission_when_no_mail_was_seen(self):
        self._send()
        self.gateway.answer = progress("accepted", step(1))
        with self._later(hours=24):
            self._follow()
        self.assertEqual(self.registration.state, "expired")

    def test_register_again_after_expiry_is_filled_in(self):
        self._send()
        self.registration._activate("BV2VLHCKRA", False, fields.Datetime.now())
        with self._later(hours=25):
            self._follow()
            context = self.registration.action_register_again()["context"]
            wizard = (
                self.env["l10n_vn_ibhxh.registration.wizard"].with_user(self.user).with_context(**context).create({})
            )
            self.assertEqual(wizard.email, self.registration.email)
            self.assertEqual(wizard.phone, self.registration.phone)
            again = self.registration.browse(wizard.action_register()["res_id"])
            self.assertNotEqual(again, self.registration)
            self.assertNotEqual(again.client_reference, self.registration.client_reference)
            self.assertEqual(self._sign(again)[0], "signed")

    def test_manual_provider_is_lodged_by_hand(self):
        self.provider.gateway = "manual"
        self._send()
        self.assertEqual(self.registration.state, "to_send")
        context = self.registration.action_lodge()["context"]
        self.env["l10n_vn_ibhxh.lodge"].with_user(self.user).with_context(**context).create({}).action_lodge()
        self.assertEqual(self.registration.state, "sent")
        self.assertFalse(self.gateway.calls)

    def test_person_states_that_it_is_confirmed(self):
        self._send()
        self.registration._activate("BV2VLHCKRA", False, fields.Datetime.now())
        self.registration.action_confirmed_by_person()
        self.assertEqual(self.registration.state, "confirmed")
        self.assertFalse(self.registration.activation_code)
