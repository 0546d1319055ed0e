"""The checks before signing on wizard and draft: what each says, its remedy, and that nothing slips past them."""

import base64
from datetime import timedelta
from unittest.mock import patch

from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from ..tools import gateways
from .common import IbhxhCommon
from .samples import pki, signing

WIZARD = "l10n_vn_ibhxh.registration.wizard"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestPreflightOfRegistration(IbhxhCommon):
    def _rows(self, record):
        return {row["code"]: row for row in record.preflight}

    def assert_row(self, record, code, level, field=None):
        rows = self._rows(record)
        self.assertIn(code, rows)
        self.assertEqual((rows[code]["level"], rows[code]["field"]), (level, field), rows[code])
        return rows[code]["text"]

    def _nothing_was_asked(self):
        self.assertFalse(self.env["l10n_vn_ibhxh.signing.request"].search([("company_id", "=", self.company.id)]))

    def test_all_is_well(self):
        wizard = self._wizard()
        self.assertFalse([row for row in wizard.preflight if row["level"] in ("warning", "blocking")])
        self.assertFalse(wizard.is_blocked)
        text = self.assert_row(wizard, "validity_ok", "passed")
        self.assertIn("265", text)

    def test_opening_the_wizard_asks_nobody(self):
        with patch.object(type(self.env["l10n_vn_ibhxh.certificate"]), "_trust_fetch") as fetch:
            form = Form(self.env[WIZARD].with_user(self.user))
            form.email = "khac@example.com"
            form.email_repeated = "khac@example.com"
        fetch.assert_not_called()
        self.assertFalse(self.gateway.calls)
        self.assert_row(self._wizard(), "trust_unasked", "unasked")
        self.assert_row(self._wizard(), "provider_unasked", "unasked")

    def test_email_is_typed_twice_when_it_changes(self):
        form = Form(self.env[WIZARD].with_user(self.user))
        form.email = "moi@example.com"
        wizard = form.save()
        self.assertIn("moi@example.com", self.assert_row(wizard, "email_differs", "blocking", "email_repeated"))
        with self.assertRaisesRegex(ValidationError, "moi@example.com"):
            wizard.action_register()
        self._nothing_was_asked()
        form.email_repeated = "moi@example.com"
        self.assertTrue(form.save().action_register()["res_id"])

    def test_each_input_that_is_wrong_names_its_field(self):
        for vals, code, level, field in (
            ({"phone": "12"}, "phone_invalid", "blocking", "phone"),
            ({"phone": False}, "phone_empty", "blocking", "phone"),
            ({"email": "a@", "email_repeated": "a@"}, "email_invalid", "blocking", "email"),
            ({"email": "ketoán@abc.vn", "email_repeated": "ketoán@abc.vn"}, "email_accents", "blocking", "email"),
            ({"unit_code": "T/1"}, "unit_code_invalid", "blocking", "unit_code"),
            ({"unit_code": "123"}, "unit_code_pattern", "warning", "unit_code"),
            ({"agency_id": False}, "agency_empty", "blocking", "agency_id"),
            ({"provider_id": False}, "provider_none", "blocking", "provider_id"),
            ({"certificate_id": False}, "certificate_none", "blocking", "certificate_id"),
            ({"form": "05"}, "form_not_registered", "blocking", "form"),
        ):
            with self.subTest(code):
                wizard = self._wizard(**{"corrects_id": False, **vals})
                wizard.write(vals)
                self.assert_row(wizard, code, level, field)
                if level == "blocking":
                    self.assertTrue(wizard.is_blocked)
                    with self.assertRaises(UserError):
                        wizard.action_register()
        self._nothing_was_asked()

    def test_everything_that_blocks_is_said_at_once(self):
        with self.assertRaises(ValidationError) as caught:
            self._wizard(phone="12", agency_id=False).action_register()
        self.assertIn("12", str(caught.exception))
        self.assertIn("BHXH agency", str(caught.exception))

    def test_k9_name_that_is_not_the_certificates(self):
        """VSS's mails address the legal name; with another one in Odoo the dossier is doubtful."""
        self.company.name = "CÔNG TY TNHH AN PHAT"
        self.assert_row(self._wizard(), "name_ok", "passed")
        self.company.name = "Khách hàng An Phát"
        wizard = self._wizard()
        text = self.assert_row(wizard, "name_certificate", "warning")
        self.assertIn("Khách hàng An Phát", text)
        self.assertIn(self.certificate.name, text)
        self.assertEqual(self._rows(wizard)["name_certificate"]["action"], "action_open_company")
        self.assertFalse(wizard.is_blocked)
        wizard.certificate_id = False
        self.assert_row(wizard, "name_ok", "passed")

    def test_doubtful_tax_code_leads_to_the_company(self):
        self.company.vat = "0100109107"
        wizard = self._wizard()
        self.assertEqual(self._rows(wizard)["tax_code_checksum"]["action"], "action_open_company")
        action = wizard.action_open_company()
        self.assertEqual((action["res_model"], action["res_id"]), ("res.company", self.company.id))

    def test_branch_suffix(self):
        self.company.vat = "0100109106-001"
        wizard = self._wizard()
        wizard.certificate_id = self.certificate
        text = self.assert_row(wizard, "owner_branch", "blocking", "certificate_id")
        self.assertIn("0100109106-001", text)

    def test_days_left(self):
        with self._later(days=250):
            self.agent.last_seen_at = "2026-11-07 03:04:05"
            text = self.assert_row(self._wizard(), "expires_soon", "warning", "certificate_id")
            self.assertIn("15", text)

    def test_confirmed_company_cannot_register_once_more(self):
        self._confirmed()
        wizard = self._wizard()
        self.assertEqual(wizard.offered_forms, ["05", "06"])
        wizard.form = "04"
        self.assert_row(wizard, "form_registered", "blocking", "form")
        with self.assertRaises(ValidationError):
            wizard.action_register()

    def test_which_forms_are_offered(self):
        for state, offered in (
            ("none", ["04"]),
            ("expired", ["04"]),
            ("stopped", ["04"]),
            ("confirmed", ["05", "06"]),
        ):
            self.company.l10n_vn_ibhxh_state = state
            wizard = self._wizard()
            self.assertEqual((wizard.offered_forms, wizard.form), (offered, offered[0]), state)

    def test_nothing_changes_is_a_warning(self):
        self._confirmed()
        wizard = self._wizard(form="05", change_text="VSS yêu cầu")
        self.assert_row(wizard, "form_nothing_changes", "warning", "change_text")
        self.assertTrue(wizard.action_register()["res_id"])

    def test_change_text_follows_what_differs_until_a_person_writes(self):
        self._confirmed()
        form = Form(self.env[WIZARD].with_user(self.user))
        self.assertFalse(form.change_text)
        form.email = form.email_repeated = "moi@example.com"
        self.assertEqual(form.change_text, "Thay đổi thư điện tử: từ ke.toan@example.com thành moi@example.com.")
        form.phone = "0987654321"
        self.assertIn("từ +84912345678 thành +84987654321", form.change_text)
        form.change_text = "Theo công văn số 1"
        form.phone = "0987654322"
        self.assertEqual(form.change_text, "Theo công văn số 1")

    def test_stopping_needs_the_certificate_on_record(self):
        self._confirmed()
        newer = self._plug_in(
            self.agent, self.der, self._new_certificate(serial=8, not_after=signing.NOW + timedelta(days=900))
        )
        wizard = self._wizard(form="06", stop_reason_code="8")
        self.assertEqual(wizard.certificate_id, self.certificate, "not the newest one")
        wizard.certificate_id = newer - self.certificate
        text = self.assert_row(wizard, "certificate_not_registered", "blocking", "certificate_id")
        self.assertIn("CE014", text)
        self.assertEqual(wizard.action_amend_first()["res_id"], wizard.id)
        self.assertEqual((wizard.form, wizard.certificate_id), ("05", newer - self.certificate))

    def test_another_open_registration_blocks_the_draft_too(self):
        registration = self._register()
        registration.action_withdraw()
        rows = self._rows(registration)
        self.assertIn("open_none", rows)
        wizard = self._wizard()
        self.assertEqual(self._rows(wizard)["open_other"]["action"], "action_open_other")
        self.assertEqual(wizard.action_open_other()["res_id"], registration.id)

    def test_draft_is_checked_before_the_holder_is_asked(self):
        registration = self._register()
        registration.action_withdraw()
        self.provider.url = False
        self.assert_row(registration, "provider_unconfigured", "blocking", "provider_id")
        with self.assertRaisesRegex(ValidationError, "gateway address"):
            registration.action_request_signature()
        self.assertEqual(registration.state, "draft")
        self.provider.url = "http://127.0.0.1:9/ivan/v1"
        registration.action_request_signature()
        self.assertEqual(registration.state, "to_sign")
        self.assertFalse(registration.preflight, "shown on drafts only")

    def test_check_now_asks_the_provider(self):
        for ok, code, level in ((True, "provider_reachable", "passed"), (False, "provider_unreachable", "warning")):
            wizard = self._wizard()
            health = gateways.GatewayHealth(ok=ok, clock_skew_seconds=None, message="test")
            with patch.object(self.gateway, "check", lambda health=health: health):
                wizard.action_preflight_check()
            self.assert_row(wizard, code, level)
            self.assertFalse(wizard.is_blocked)
        other = self.provider.copy({"code": "99998", "name": "I-VAN khác"})
        wizard.provider_id = other
        self.assert_row(wizard, "provider_unasked", "unasked")

    def test_switching_the_company_forgets_what_was_proposed_for_the_other(self):
        other = self.env["res.company"].create(
            {"name": "Công ty B", "email": "b@example.com", "l10n_vn_ibhxh_unit_code": "BI0110G"}
        )
        self.company.l10n_vn_ibhxh_unit_code = "TZH490L"
        self.user.company_ids += other
        allowed = [self.company.id, other.id]
        form = Form(self.env[WIZARD].with_user(self.user).with_context(allowed_company_ids=allowed))
        self.assertEqual((form.unit_code, form.email), ("TZH490L", "ke.toan@example.com"))
        form.company_id = other
        self.assertEqual(
            (form.unit_code, form.email, form.email_repeated), ("BI0110G", "b@example.com", "b@example.com")
        )
        self.assertFalse(form.agency_id)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestTrust(IbhxhCommon):
    """Chain and revocation: roots are managed, the network is asked on a press or when signing, soft or hard."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._frozen.stop()
        cls.root = pki.issue("root", "root", is_ca=True, serial=1)
        cls.intermediate = pki.issue("intermediate", "root", is_ca=True, serial=2)
        cls.unit = pki.issue("unit", "intermediate")
        cls._frozen.start()
        cls.certificate = cls._plug_in(cls.agent, pki.der(cls.unit)) - cls.certificate
        cls.env["l10n_vn_ibhxh.trusted.root"].create(
            [
                {"file": base64.b64encode(pki.der(cls.root))},
                {"file": base64.b64encode(pki.der(cls.intermediate)), "is_root": False},
            ]
        )

    def _respond(self, **knobs):
        responder = pki.Responder(self.unit, self.intermediate, at=signing.NOW, **knobs)
        self.startPatcher(
            patch.object(type(self.env["l10n_vn_ibhxh.certificate"]), "_trust_fetch", lambda _self: responder)
        )
        return responder

    def _set_mode(self, mode):
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.trust_mode", mode)

    def _levels(self, wizard):
        return {row["code"]: row["level"] for row in wizard.preflight if row["check"] == "trust"}

    def _wizard_with(self):
        return self._wizard(certificate_id=self.certificate.id)

    def test_good_certificate(self):
        responder = self._respond()
        wizard = self._wizard_with()
        wizard.action_preflight_check()
        self.assertEqual(self._levels(wizard), {"trust_chain": "passed", "trust_revocation": "passed"})
        asked = len(responder.asked)
        self.assertTrue(asked)
        wizard.action_register()
        self.assertEqual(len(responder.asked), asked, "a verdict of the last hour is good enough for signing")

    def test_signing_asks_when_nobody_did(self):
        responder = self._respond()
        self._register(certificate_id=self.certificate.id)
        self.assertTrue(responder.asked)

    def test_revoked_blocks_in_both_modes(self):
        self._respond(revoked=(self.unit,))
        for mode in ("soft", "hard"):
            self._set_mode(mode)
            with self.assertRaisesRegex(ValidationError, "revoked"):
                self._register(certificate_id=self.certificate.id)

    def test_silent_authority_warns_or_blocks(self):
        self._respond(use_ocsp=False, use_crl=False)
        self._set_mode("hard")
        with self.assertRaisesRegex(ValidationError, "could not be checked"):
            self._register(certificate_id=self.certificate.id)
        self._set_mode("soft")
        wizard = self._wizard_with()
        wizard.action_preflight_check()
        self.assertEqual(self._levels(wizard)["trust_revocation_unknown"], "warning")
        self.assertTrue(wizard.action_register()["res_id"])

    def test_mode_change_makes_an_old_verdict_count_no_more(self):
        self._respond(use_ocsp=False, use_crl=False)
        wizard = self._wizard_with()
        wizard.action_preflight_check()
        self._set_mode("hard")
        with self.assertRaises(ValidationError):
            wizard.action_register()

    def test_off(self):
        responder = self._respond(revoked=(self.unit,))
        self._set_mode("off")
        wizard = self._wizard_with()
        wizard.action_preflight_check()
        self.assertFalse(self._levels(wizard))
        wizard.action_register()
        self.assertFalse(responder.asked)

    def test_foreign_root_blocks_and_makes_the_server_call_nobody(self):
        responder = self._respond()
        self.env["l10n_vn_ibhxh.trusted.root"].search([("is_root", "=", True)]).active = False
        self._frozen.stop()
        foreign = pki.issue("foreign", "foreign", is_ca=True, serial=3)
        self._frozen.start()
        self.env["l10n_vn_ibhxh.trusted.root"].create({"file": base64.b64encode(pki.der(foreign))})
        with self.assertRaisesRegex(ValidationError, "does not chain to a trusted root"):
            self._register(certificate_id=self.certificate.id)
        self.assertFalse(responder.asked)

    def test_without_roots_a_warning_says_so(self):
        self.env["l10n_vn_ibhxh.trusted.root"].search([]).unlink()
        wizard = self._wizard_with()
        wizard.action_preflight_check()
        self.assertEqual(self._levels(wizard), {"trust_no_roots": "warning"})

    def test_roots_are_for_managers_and_must_be_certificates(self):
        roots = self.env["l10n_vn_ibhxh.trusted.root"]
        manager = self._new_user("quanly", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        self.assertEqual(len(roots.with_user(manager).search([])), 2)
        self.assertFalse(roots.with_user(self.user).has_access("read"))
        with self.assertRaisesRegex(UserError, "contains no certificate"):
            roots.create({"file": base64.b64encode(b"xin chao")})
