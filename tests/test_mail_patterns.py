"""Patterns of the mail reader in a manager's hands, and the box that shows what a mail would do."""

import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..tools import vss_mail
from .common import IbhxhCommon
from .test_mailbox import ACTIVATION, CODE, CONFIRMATION

PARAMETER = "l10n_vn_ibhxh.mail_patterns"
HEADERS = "From: no-reply@vss.gov.vn\nTo: ke.toan@example.com\nDate: Mon, 02 Mar 2026 03:00:00 +0000\n\n"
OTHER_WORDS = ACTIVATION.replace("Mã xác nhận", "Mật mã một lần").split("Vui lòng")[0]


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMailPatterns(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._new_user("quanly", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", cls.company)

    def _box(self, text=None, **vals):
        return self.env["l10n_vn_ibhxh.mail.test"].with_user(self.manager).create({"text": text, **vals})

    def _shown(self, box):
        box.action_try()
        return dict(box.result)

    def _received(self, text):
        return self.env["l10n_vn_ibhxh.mail"]._receive(f"{HEADERS}{text}".encode())

    def test_box_shows_the_outcome_and_changes_nothing(self):
        registration = self._sent()
        shown = self._shown(self._box(HEADERS + ACTIVATION))
        self.assertEqual(shown["Read as"], "Activation code")
        self.assertEqual(shown["Codes"], CODE)
        self.assertIn(registration.name, shown["Belongs to"])
        self.assertIn("24 hours", shown["It would"])
        self.assertEqual(registration.state, "sent")
        self.assertFalse(registration.activation_code)
        self.assertFalse(self.env["l10n_vn_ibhxh.mail"].search([]))

    def test_box_says_what_the_mailbox_then_does(self):
        """For each mail the box's word and the mailbox's deed agree."""
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_sender_domains", "vss.gov.vn")
        registration = self._sent()
        for text, word, state in (
            ("Xin chào", "nothing was recognised", "sent"),
            (ACTIVATION.replace("0100109106", "0312345678"), "No registration waits", "sent"),
            (ACTIVATION + "\nMã xác nhận: QQ2VLHCKRB\n", "several codes", "sent"),
            (ACTIVATION, "24 hours", "to_activate"),
            (CONFIRMATION, "confirm the registration", "confirmed"),
        ):
            with self.subTest(word):
                self.assertIn(word, self._shown(self._box(HEADERS + text))["It would"])
                self._received(text)
                self.assertEqual(registration.state, state)

    def test_box_judges_the_sender(self):
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("l10n_vn_ibhxh.mail_sender_domains", "vss.gov.vn")
        self._sent()
        stranger = HEADERS.replace("vss.gov.vn", "example.net")
        self.assertIn("example.net", self._shown(self._box(stranger + ACTIVATION))["Is the sender trusted?"])
        parameters.set_param("l10n_vn_ibhxh.mail_authentication_server", "mx.example.com")
        shown = self._shown(self._box(HEADERS + ACTIVATION))
        self.assertIn("mx.example.com", shown["Is the sender trusted?"])
        self.assertIn("wait for a person", shown["It would"])
        passed = f"Authentication-Results: mx.example.com; dmarc=pass header.from=vss.gov.vn\n{HEADERS}"
        self.assertIn("24 hours", self._shown(self._box(passed + ACTIVATION))["It would"])

    def test_new_words_are_learnt_without_a_release(self):
        registration = self._sent()
        mail = self._received(OTHER_WORDS)
        self.assertEqual(mail.state, "waiting")
        box = self._box(HEADERS + OTHER_WORDS)
        self.assertEqual(self._shown(box)["Codes"], "–")
        box.code_labels += "\nmật mã một lần"
        self.assertEqual(self._shown(box)["Codes"], CODE)
        self.assertEqual(self.env["l10n_vn_ibhxh.mail"]._patterns(), vss_mail.DEFAULT, "trying saves nothing")
        box.action_save()
        self._received(OTHER_WORDS)
        self.assertEqual(registration.activation_code, CODE)

    def test_pasting_on_the_registration_uses_them_too(self):
        registration = self._sent()
        box = self._box()
        box.code_labels += "\nmật mã một lần"
        box.action_save()
        paste = self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user)
        paste.create({"registration_id": registration.id, "text": OTHER_WORDS}).action_apply()
        self.assertEqual(registration.activation_code, CODE)

    def test_only_what_differs_is_stored(self):
        parameters = self.env["ir.config_parameter"].sudo()
        box = self._box()
        box.action_save()
        self.assertFalse(parameters.get_param(PARAMETER))
        box.unit_value = "[A-Z0-9]{7}"
        box.action_save()
        self.assertEqual(json.loads(parameters.get_param(PARAMETER)), {"unit_value": "[A-Z0-9]{7}"})
        again = self._box()
        self.assertEqual(again.unit_value, "[A-Z0-9]{7}")
        again.action_defaults()
        again.action_save()
        self.assertFalse(parameters.get_param(PARAMETER))

    def test_dangerous_pattern_is_refused_with_its_name(self):
        for value in ("(a+)+$", "[A-Z]{1,999}[0-9]{1,999}", "["):
            box = self._box(code_value=value)
            with self.assertRaisesRegex(UserError, "A code looks like"):
                box.action_save()
        self.assertFalse(self.env["ir.config_parameter"].sudo().get_param(PARAMETER))

    def test_settings_that_cannot_be_read_never_stop_a_mail(self):
        registration = self._sent()
        for text in ("{", '{"code_value": "["}', "[]", '{"unknown": "x"}', '{"code_value": 5}'):
            self.env["ir.config_parameter"].sudo().set_param(PARAMETER, text)
            with mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_mail"):
                self.assertEqual(self.env["l10n_vn_ibhxh.mail"]._patterns(), vss_mail.DEFAULT, text)
                self._received(ACTIVATION)
        self.assertEqual(registration.activation_code, CODE)

    def test_box_is_for_managers(self):
        with self.assertRaises(AccessError):
            self.env["l10n_vn_ibhxh.mail.test"].with_user(self.user).create({"text": "x"})

    def test_result_is_shown_without_mark_up_of_the_mail(self):
        box = self._box(HEADERS.replace("no-reply@vss.gov.vn", "<script>alert(1)</script>@vss.gov.vn") + "Xin chào")
        box.action_try()
        self.assertNotIn("<script", str(box.result_html))
