"""What Odoo writes by itself, as root and in English, is in Vietnamese for people who read Vietnamese."""

import re
import zlib
from datetime import timedelta
from unittest.mock import patch

from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger
from odoo.tools.mail import html_to_inner_content
from odoo.tools.translate import code_translations

from ..tools import gateways
from .common import VERIFIED, IbhxhCommon, progress, step
from .samples import signing
from .test_mailbox import ACTIVATION, CODE

ADDON = "l10n_vn_ibhxh"
VIETNAMESE = "vi_VN"


def _pattern(term):
    """Return what a text looks like that was made of `term`, whatever came in for its placeholders."""
    return re.sub(r"%\\?\(\w+\\?\)s", "(.|\n)*", re.escape(term))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestReaderLanguage(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env["res.lang"]._activate_lang(VIETNAMESE)
        cls.env["ir.module.module"].search([("name", "=", ADDON)])._update_translations(VIETNAMESE)
        cls.user.lang = cls.env.ref("base.user_admin").lang = VIETNAMESE
        terms = code_translations.get_python_translations(ADDON, VIETNAMESE)
        cls.english = [_pattern(term) for term, translated in terms.items() if term != translated]
        cls.vietnamese = [_pattern(translated) for term, translated in terms.items() if term != translated]

    def _assert_vietnamese(self, text):
        self.assertFalse([term for term in self.english if re.fullmatch(term, text)], text)
        self.assertTrue([term for term in self.vietnamese if re.fullmatch(term, text)], text)

    def _assert_told(self, record, note=None):
        """`record` has one activity, and its summary and note (unless this one is expected) are Vietnamese terms."""
        activity = record.sudo().activity_ids
        self.assertEqual(len(activity), 1, activity.mapped("summary"))
        self._assert_vietnamese(activity.summary)
        text = html_to_inner_content(activity.note)
        if note is None:
            self._assert_vietnamese(text)
        else:
            self.assertEqual(text, note)

    def _receive(self, text, sender="no-reply@vss.gov.vn"):
        self._verify_senders()
        message_id = f"<{zlib.crc32(text.encode())}@vss.gov.vn>"
        raw = (
            f"{VERIFIED}From: {sender}\nTo: bhxh@example.com\nSubject: Thong bao\nMessage-Id: {message_id}\n"
            "Date: Mon, 02 Mar 2026 03:00:00 +0000\nContent-Type: text/plain; charset=utf-8\n"
            f"Content-Transfer-Encoding: 8bit\n\n{text}"
        )
        mail_id = self.env["mail.thread"].message_process("l10n_vn_ibhxh.mail", raw.encode())
        self.env.invalidate_all()
        return self.env["l10n_vn_ibhxh.mail"].browse(mail_id)

    def _waiting_for_code(self):
        registration = self._sent()
        self._receive(ACTIVATION)
        return registration

    def test_a_code_has_come(self):
        self._assert_told(self._waiting_for_code())

    def test_the_code_ends_soon(self):
        registration = self._waiting_for_code()
        registration.sudo().activity_ids.unlink()
        with self._later(hours=19):
            self._follow()
            self._assert_told(registration)

    def test_the_code_has_expired(self):
        registration = self._waiting_for_code()
        with self._later(hours=25):
            self._follow()
            self._assert_told(registration)

    def test_vss_is_late(self):
        registration = self._sent()
        registration.sudo().activation_expires_at = False
        with freeze_time("2026-03-05 17:01:00"):
            self._follow()
            self._assert_told(registration)

    def test_the_dossier_does_not_get_away(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_before = gateways.Unreachable("down")
        self._send()
        with self._later(hours=5):
            self._follow()
            self._assert_told(registration)

    def test_refused_at_once(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_before = gateways.Refused("SE003", "MST không khớp")
        self._send()
        known = self.env["l10n_vn_ibhxh.result.code"].with_context(lang=VIETNAMESE)._find("SE003")
        self.assertNotEqual(known.remedy, known.with_context(lang="en_US").remedy)
        self._assert_told(registration, known.remedy)

    def test_refused_later(self):
        registration = self._sent()
        self.gateway.answer = progress("rejected", step(2, "SE003", "MST không khớp", passed=False))
        self._follow()
        known = self.env["l10n_vn_ibhxh.result.code"].with_context(lang=VIETNAMESE)._find("SE003")
        self._assert_told(registration, known.remedy)

    def test_the_gateway_forgot_the_dossier(self):
        registration = self._sent()
        self.gateway.accepted.clear()
        self._follow()
        self._assert_told(registration)

    def test_a_notification_cannot_be_read(self):
        registration = self._sent()
        self.gateway.answer = progress("processing", notification=b"<not-one/>")
        self._follow()
        self._assert_told(registration)

    def test_a_mail_waits(self):
        self._assert_told(self._receive(ACTIVATION))

    def test_a_strangers_mail_waits(self):
        self._sent()
        self._assert_told(self._receive(ACTIVATION, sender="no-reply@evil.example"))

    def test_a_mail_contradicts_the_registration(self):
        self._waiting_for_code()
        self._assert_told(self._receive(ACTIVATION.replace(CODE, "ABCDEFGHIJ").replace("00109106", "00109107")))

    def test_the_certificate_ends(self):
        registration = self._confirmed()
        with freeze_time(self.certificate.not_after - timedelta(days=7)):
            self._follow()
            self._assert_told(registration)

    def test_the_token_holds_a_newer_certificate(self):
        registration = self._confirmed()
        times = {"not_before": signing.NOW - timedelta(days=1), "not_after": signing.NOW + timedelta(days=600)}
        self._plug_in(self.agent, self.der, self._new_certificate(serial=77, **times))
        self._follow()
        self._assert_told(registration)

    def test_the_stop_was_confirmed(self):
        self._confirmed()
        target = self.provider.copy({"code": "90003"})
        with self._later(days=1):
            wizard = self._wizard(provider_id=target.id)
            wizard.action_move()
            stop = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
            self._sign(stop)
            self._send()
            self.gateway.answer = progress("confirmed", step(5))
            self._follow()
            self._assert_told(stop)

    def test_the_form_cannot_be_printed(self):
        registration = self._sent()
        fail = patch.object(type(registration), "_render_form", side_effect=ValueError("broken"))
        with fail, mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_registration_print"):
            for _attempt in range(5):
                self._run("print")
        self._assert_told(registration)

    def test_what_is_logged(self):
        """The chatter is written in the language of the responsible person too."""
        registration = self._sent()
        self.gateway.answer = progress("rejected", step(2, "SE999", "Hệ thống bận", passed=False))
        before = registration.sudo().message_ids
        self._follow()
        self.assertEqual(registration.state, "rejected")
        registration.action_remedy()
        said = [message.body for message in registration.sudo().message_ids - before if message.body]
        self.assertTrue(said)
        for body in said:
            self._assert_vietnamese(html_to_inner_content(body))
