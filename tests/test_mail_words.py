"""The box that shows what a mail would do, and the words that administrators of all companies teach the reader."""

import json

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import VERIFIED, IbhxhCommon
from .test_mailbox import ACTIVATION, CODE, CONFIRMATION

PARAMETER = "l10n_vn_ibhxh.mail_phrases"
HEADERS = f"{VERIFIED}From: no-reply@vss.gov.vn\nTo: ke.toan@example.com\nDate: Mon, 02 Mar 2026 03:00:00 +0000\n\n"
OTHER_WORDS = ACTIVATION.replace("Mã xác nhận", "Mật mã một lần").split("Vui lòng")[0]


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMailWords(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        manager = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"
        cls.manager = cls._new_user("quanly", manager, cls.company)
        cls.boss = cls._new_user("boss", manager, cls.env["res.company"].search([]))

    def setUp(self):
        super().setUp()
        self._verify_senders()

    def _box(self, text=None, user=None, **vals):
        return self.env["l10n_vn_ibhxh.mail.test"].with_user(user or self.boss).create({"text": text, **vals})

    def _shown(self, box):
        box.action_try()
        return dict(box.result)

    def _received(self, text):
        mail = self.env["l10n_vn_ibhxh.mail"]._receive(f"{HEADERS}{text}".encode())
        self.env.invalidate_all()
        return mail

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
        registration = self._sent()
        for text, word, state in (
            ("Xin chào", "nothing was recognised", "sent"),
            ("Đã nhận hồ sơ đăng ký giao dịch điện tử thành công", "only informs", "sent"),
            (ACTIVATION.replace("0100109106", "0312345678"), "No registration is waiting", "sent"),
            (ACTIVATION + "\nMã xác nhận: QQ2VLHCKRB\n", "several codes", "sent"),
            (ACTIVATION, "24 hours", "to_activate"),
            (CONFIRMATION, "confirm the registration", "confirmed"),
        ):
            with self.subTest(word):
                self.assertIn(word, self._shown(self._box(HEADERS + text))["It would"])
                self._received(text)
                self.assertEqual(registration.state, state)

    def test_box_judges_the_sender(self):
        self._sent()
        stranger = HEADERS.replace("vss.gov.vn", "example.net")
        self.assertIn("example.net", self._shown(self._box(stranger + ACTIVATION))["Is the sender verified?"])
        shown = self._shown(self._box(HEADERS.removeprefix(VERIFIED) + ACTIVATION))
        self.assertIn("mx.example.com", shown["Is the sender verified?"])
        self.assertIn("wait for review", shown["It would"])
        self.assertIn("no headers", self._shown(self._box(ACTIVATION))["It would"])

    def test_b6_box_tells_nothing_of_other_companies(self):
        registration = self._sent()
        other = self.env["res.company"].create({"name": "Công ty khác", "vat": "0312345678"})
        outsider = self._new_user("khac", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", other)
        nothing = self._shown(self._box(HEADERS + ACTIVATION.replace("0100109106", "0399999999"), outsider))
        shown = self._shown(self._box(HEADERS + ACTIVATION, outsider))
        self.assertEqual(shown["Belongs to"], nothing["Belongs to"])
        self.assertEqual(shown["It would"], nothing["It would"])
        self.assertNotIn(registration.name, str(shown))
        self.assertNotIn(self.company.name, str(shown))
        self.assertIn(registration.name, self._shown(self._box(HEADERS + ACTIVATION, self.manager))["Belongs to"])

    def test_new_words_are_learnt_without_a_release(self):
        registration = self._sent()
        mail = self._received(OTHER_WORDS)
        self.assertEqual(mail.state, "waiting")
        box = self._box(HEADERS + OTHER_WORDS)
        self.assertEqual(self._shown(box)["Codes"], "–")
        box.code_words = "mật mã một lần"
        self.assertEqual(self._shown(box)["Codes"], CODE)
        self.assertEqual(self.env["l10n_vn_ibhxh.mail"]._phrases(), {}, "trying saves nothing")
        box.action_save()
        self.assertFalse(box.exists(), "the pasted mail is forgotten")
        self._received(OTHER_WORDS)
        self.assertEqual(registration.activation_code, CODE)
        self.assertEqual(self._box().code_words, "mật mã một lần")

    def test_pasting_on_the_registration_uses_them_too(self):
        registration = self._sent()
        self._box(code_words="mật mã một lần").action_save()
        paste = self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user)
        paste.create({"registration_id": registration.id, "text": OTHER_WORDS}).action_apply()
        self.assertEqual(registration.activation_code, CODE)

    def test_new_words_confirm_only_with_the_usual_proof(self):
        registration = self._sent()
        self._box(registered_phrases="ghi danh … hoàn thành").action_save()
        words = "Việc ghi danh của đơn vị đã hoàn thành.\n"
        for proof, state in (
            ("Mã số thuế: 0100109106\n", "sent"),
            ("Mã đơn vị: TZH490L\n", "sent"),
            ("Số hồ sơ: 03706/2026/001. Mật khẩu: x\n", "sent"),
            ("Số hồ sơ: 03706/2026/001\n", "confirmed"),
        ):
            with self.subTest(proof):
                self._received(words + proof)
                self.assertEqual(registration.state, state)

    def test_what_cannot_be_used_is_refused_with_its_name(self):
        for value in ("x", "…", "y" * 200):
            box = self._box(code_words=value)
            with self.assertRaisesRegex(UserError, "Words before a code"):
                box.action_save()
        self.assertFalse(self.env["ir.config_parameter"].sudo().get_param(PARAMETER))

    def test_settings_that_cannot_be_read_never_stop_a_mail(self):
        registration = self._sent()
        for text in ("{", '{"code": 5}', "[]", '{"unknown": ["x y z"]}', '{"code": "x"}', '{"registered": ["…"]}'):
            self.env["ir.config_parameter"].sudo().set_param(PARAMETER, text)
            with mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_mail"):
                self.assertEqual(self.env["l10n_vn_ibhxh.mail"]._phrases(), {}, text)
                self._received(ACTIVATION)
        self.assertEqual(registration.activation_code, CODE)

    def test_s7_only_administrators_of_all_companies_save(self):
        with self.assertRaises(AccessError):
            self.env["l10n_vn_ibhxh.mail.test"].with_user(self.user).create({"text": "x"})
        box = self._box(user=self.manager, code_words="mật mã một lần")
        self.assertFalse(box.is_phrase_editor)
        with self.assertRaises(AccessError):
            box.action_save()
        self.env["res.company"].create({"name": "Công ty mới"})
        with self.assertRaises(AccessError):
            self._box(code_words="mật mã một lần").action_save()
        self.assertFalse(self.env["ir.config_parameter"].sudo().get_param(PARAMETER))

    def test_only_what_was_typed_is_stored(self):
        parameters = self.env["ir.config_parameter"].sudo()
        box = self._box(code_words="mật mã một lần\n\n  mật  mã hai ")
        box.action_save()
        self.assertEqual(json.loads(parameters.get_param(PARAMETER)), {"code": ["mật mã một lần", "mật mã hai"]})
        self._box(code_words="").action_save()
        self.assertFalse(parameters.get_param(PARAMETER))

    def test_result_is_shown_without_mark_up_of_the_mail(self):
        box = self._box(HEADERS.replace("no-reply@vss.gov.vn", "<script>alert(1)</script>@vss.gov.vn") + "Xin chào")
        box.action_try()
        self.assertNotIn("<script", str(box.result_html))
