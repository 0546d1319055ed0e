from datetime import datetime, timedelta, timezone

from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, tagged

from .common import EMAIL, IbhxhCommon
from .samples import signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestWizard(IbhxhCommon):
    def test_proposals_come_from_company_and_token(self):
        form = Form(self.env["l10n_vn_ibhxh.registration.wizard"].with_user(self.user))
        self.assertEqual(form.company_id, self.company)
        self.assertEqual(form.form, "04")
        self.assertEqual(form.certificate_id, self.certificate)
        self.assertEqual(form.certificate_serial, self.certificate.serial)
        self.assertEqual(form.certificate_tax_code, signing.TAX_CODE)
        self.assertEqual(form.email, EMAIL)
        self.assertEqual(form.agency_id, self.agency)
        self.assertEqual(form.provider_id, self.provider)

    def test_register_creates_one_registration_that_waits_for_the_token(self):
        registration = self._register()
        self.assertEqual(registration.state, "to_sign")
        self.assertEqual(registration.phone, "+84912345678")
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "in_progress")
        self.assertEqual(self.company.l10n_vn_ibhxh_registration_id, registration)

    def test_discarding_changes_nothing(self):
        self._wizard(email="someone@example.com")
        self.assertFalse(self.env["l10n_vn_ibhxh.registration"].search([("company_id", "=", self.company.id)]))
        self.assertFalse(self.company.l10n_vn_ibhxh_email)

    def test_open_registration_is_offered_instead_of_a_second_one(self):
        registration = self._register()
        wizard = self._wizard()
        self.assertEqual(wizard.open_registration_id, registration)
        self.assertEqual(wizard.action_register()["res_id"], registration.id)

    def test_bad_email_and_phone_say_what_to_do(self):
        for vals, word in (
            ({"email": "ke.toan@"}, "ke.toan@"),
            ({"phone": "12"}, "12"),
            ({"phone": False}, "e-mail"),
        ):
            with self.assertRaisesRegex(ValidationError, word):
                self._register(**vals)
        self.assertFalse(self.env["l10n_vn_ibhxh.registration"].search([("company_id", "=", self.company.id)]))

    def test_onchange_warns_and_keeps_what_was_typed(self):
        form = Form(self.env["l10n_vn_ibhxh.registration.wizard"].with_user(self.user))
        with self.assertLogs("odoo.tests.form.onchange", level="WARNING") as logs:
            form.email = "ke.toan@"
        self.assertIn("ke.toan@", logs.output[0])
        self.assertEqual(form.email, "ke.toan@")

    def test_without_a_company_nothing_is_proposed(self):
        """Who may choose among companies empties the field first."""
        wizard = self.env["l10n_vn_ibhxh.registration.wizard"].with_user(self.user).new({"company_id": False})
        self.assertFalse(wizard.certificate_id or wizard.email or wizard.agency_id)
        self.assertFalse(wizard.preflight)
        wizard.company_id = self.company
        self.assertEqual((wizard.certificate_id._origin, wizard.email), (self.certificate, EMAIL))

    def test_unit_code_is_upper_case(self):
        form = Form(self.env["l10n_vn_ibhxh.registration.wizard"].with_user(self.user))
        form.unit_code = "tzh490l"
        self.assertEqual(form.unit_code, "TZH490L")

    def test_doubtful_tax_code_warns_but_does_not_block(self):
        self.company.vat = "0100109107"
        certificate = self._plug_in(self.agent, self._new_certificate(uids=("MST:0100109107",), serial=9))
        wizard = self._wizard()
        (doubt,) = [row for row in wizard.preflight if row["check"] == "tax_code"]
        self.assertEqual(doubt["level"], "warning")
        self.assertIn("0100109107", doubt["text"])
        wizard.certificate_id = certificate
        self.assertTrue(wizard.action_register()["res_id"])

    def test_certificate_of_another_tax_code_is_blocked_with_both_shown(self):
        other = (
            self._plug_in(self.agent, self.der, self._new_certificate(uids=("MST:0312345678",), serial=7))
            - self.certificate
        )
        with self.assertRaisesRegex(UserError, "0312345678.*0100109106"):
            self._register(certificate_id=other.id)

    def test_branch_suffix_counts(self):
        self.company.vat = "0100109106-001"
        with self.assertRaisesRegex(UserError, "0100109106-001"):
            self._register(certificate_id=self.certificate.id)

    def test_expired_and_future_certificates_are_neither_proposed_nor_taken(self):
        now = signing.NOW
        expired = self._new_certificate(
            serial=2, not_before=now - timedelta(days=400), not_after=now - timedelta(days=1)
        )
        future = self._new_certificate(
            serial=3, not_before=now + timedelta(days=1), not_after=now + timedelta(days=365)
        )
        both = self._plug_in(self.agent, expired, future)
        wizard = self._wizard()
        self.assertFalse(wizard.available_certificate_ids & both)
        for certificate in both:
            with self.assertRaises(UserError):
                self._register(certificate_id=certificate.id)

    def test_a_certificate_without_an_end_is_shown(self):
        end = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone.utc)
        endless = self._plug_in(self.agent, self._new_certificate(serial=4, not_after=end))
        self.assertIn("9999", endless.display_name)
        self.assertEqual(self._wizard().certificate_id, endless)

    def test_unplugged_certificate_can_still_be_chosen(self):
        self._plug_in(self.agent)
        self.assertFalse(self.certificate.is_online)
        registration = self._register()
        self.assertEqual(registration.certificate_id, self.certificate)
        self.assertIn("plugged in", registration.signing_hint)

    def test_no_certificate_says_plug_in_the_token(self):
        self.agent.action_revoke()
        wizard = self._wizard()
        self.assertFalse(wizard.certificate_id)
        with self.assertRaisesRegex(UserError, "ibhxh-agent"):
            wizard.action_register()

    def test_a_user_who_loses_the_company_loses_its_certificate(self):
        self.user.write({"company_id": self.env.company.id, "company_ids": [Command.set(self.env.company.ids)]})
        self.assertFalse(self.certificate.company_ids)

    def test_a_confirmed_company_is_offered_form_05(self):
        self.company.write({"l10n_vn_ibhxh_confirmed_at": "2026-01-01 00:00:00", "l10n_vn_ibhxh_state": "confirmed"})
        self.assertEqual(self._wizard().form, "05")
