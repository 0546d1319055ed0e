from datetime import date, datetime, timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger
from psycopg2.pool import PoolError

from ..tools import gateways
from .common import VERIFIED, IbhxhCommon

CODE = "BV2VLHCKRA"
HEX = "57294CE63FA904274EC8635FDBEB84BE7A2D015E8118B8608A940BF0FFB88464"
LINK = f"https://gddt.baohiemxahoi.gov.vn/#/kich-hoat/{HEX}"
ACTIVATION = f"""Kính gửi đơn vị,
Mã số thuế: 0100109106
Số hồ sơ: 03706/2026/001
Mã xác nhận: {CODE}
Vui lòng truy cập {LINK} để kích hoạt. Mã có hiệu lực trong 24 giờ.
"""
CONFIRMATION = """Đăng ký giao dịch điện tử thành công.
Mã đơn vị: TZH490L
Mã số thuế: 0100109106
Số hồ sơ: 03706/2026/001
"""


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMailbox(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self._verify_senders()

    def _mail(self, body, sender="no-reply@vss.gov.vn", to="bhxh@example.com", message_id=None, headers=VERIFIED):
        """Hand one mail to Odoo's mail gateway and return the inbox record."""
        message_id = message_id or f"<{hash((body, sender, to)) & 0xFFFFFFFF}@vss.gov.vn>"
        raw = (
            f"From: {sender}\nTo: {to}\nSubject: Thong bao\nMessage-Id: {message_id}\n{headers}"
            f"Date: Mon, 02 Mar 2026 03:00:00 +0000\n"
            f"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}"
        )
        result = self.env["mail.thread"].message_process("l10n_vn_ibhxh.mail", raw.encode())
        self.env.invalidate_all()
        return self.env["l10n_vn_ibhxh.mail"].browse(result or [])

    def test_activation_mail_fills_code_link_and_deadline(self):
        registration = self._sent()
        mail = self._mail(ACTIVATION)
        self.assertEqual(mail.state, "done", mail.reason)
        self.assertEqual(registration.state, "to_activate")
        self.assertEqual(registration.activation_code, CODE)
        self.assertEqual(registration.activation_url, LINK)
        self.assertTrue(registration.is_link_shown)
        self.assertEqual(registration.activation_expires_at, datetime(2026, 3, 3, 3, 0))

    def test_sa_a_full_connection_pool_loses_no_mail(self):
        """Odoo marks a mail as read whose reading raised: it is never fetched again."""
        registration = self._sent()
        full = PoolError("The Connection Pool Is Full")
        with (
            patch.object(type(self.env.registry), "cursor", side_effect=full),
            mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_mail_attempt"),
        ):
            mail = self._mail(ACTIVATION)
        self.assertEqual(mail.state, "done", mail.reason)
        self.assertEqual(registration.activation_code, CODE)

    def test_a_mail_that_waits_is_due_on_viet_nams_day(self):
        with freeze_time("2026-03-02 18:00:00"):
            mail = self._mail(CONFIRMATION.replace("0100109106", "0312345678"))
        self.assertEqual(mail.state, "waiting")
        self.assertEqual(mail.sudo().activity_ids.date_deadline, date(2026, 3, 3))

    def test_code_never_reaches_the_chatter(self):
        registration = self._sent()
        mail = self._mail(ACTIVATION)
        for record in (registration, mail):
            texts = " ".join(
                f"{message.body} {message.subject} {message.attachment_ids.mapped('name')}"
                for message in record.sudo().message_ids
            )
            self.assertNotIn(CODE, texts)
            self.assertNotIn(HEX, texts)
        tracked = registration.sudo().message_ids.tracking_value_ids
        self.assertNotIn(CODE, " ".join(filter(None, tracked.mapped("new_value_char"))))

    def test_confirmation_mail_confirms(self):
        registration = self._sent()
        self._mail(ACTIVATION)
        self._mail(CONFIRMATION)
        self.assertEqual(registration.state, "confirmed")
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")

    def test_confirmation_first(self):
        """The code mail of the same minute was used before VSS confirmed."""
        registration = self._sent()
        self._mail(CONFIRMATION)
        mail = self._mail(ACTIVATION)
        self.assertEqual(registration.state, "confirmed")
        self.assertEqual(mail.state, "ignored")

    def test_mail_that_overtakes_the_receipt_is_applied_after_it(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_after = gateways.UnknownOutcome("time-out")
        self._send()
        mail = self._mail(ACTIVATION)
        self.assertEqual((mail.state, mail.registration_id, mail.activity_ids.ids), ("waiting", registration, []))
        self._follow()
        self.assertTrue(mail.is_held)
        self.gateway.fail_after = None
        registration.action_send()
        self._send()
        self._follow()
        self.assertEqual((registration.state, registration.activation_code), ("to_activate", CODE))
        self.assertEqual(mail.state, "done")

    def test_same_mail_twice_is_one(self):
        registration = self._sent()
        self._mail(ACTIVATION, message_id="<one@vss.gov.vn>")
        expires = registration.activation_expires_at
        with self._later(hours=1), mute_logger("odoo.addons.mail.models.mail_thread"):
            self.assertFalse(self._mail(ACTIVATION, message_id="<one@vss.gov.vn>"))
        self.assertEqual(registration.activation_expires_at, expires)

    def test_late_code_revives_an_expired_registration(self):
        registration = self._sent()
        with self._later(hours=24):
            registration._expire()
        mail = self._mail(ACTIVATION)
        self.assertEqual(mail.state, "done", mail.reason)
        self.assertEqual(registration.state, "to_activate")

    def test_code_that_is_too_old_does_not_revive(self):
        registration = self._sent()
        with self._later(hours=24):
            registration._expire()
            mail = self._mail(ACTIVATION)
            self.assertEqual((mail.state, registration.state), ("ignored", "expired"))
            self.assertFalse(registration.activation_code)

    def test_s9_a_mail_never_expires_anything_by_its_date(self):
        registration = self._sent()
        with self._later(hours=24):
            mail = self._mail(ACTIVATION)
            self.assertEqual((mail.state, registration.state), ("ignored", "sent"))

    def test_reasons_speak_the_language_of_their_reader(self):
        self.env["res.lang"]._activate_lang("vi_VN")
        self.user.lang = self.env.ref("base.user_admin").lang = "vi_VN"
        self._sent()
        with self._later(hours=25):
            self.assertIn("24 giờ", self._mail(ACTIVATION).reason)
        stranger = self._mail(ACTIVATION, sender="no-reply@evil.example")
        self.assertIn("miền", stranger.reason)
        self.assertIn("miền", stranger.activity_ids.note)

    def test_strangers_mail_waits_for_a_person(self):
        registration = self._sent()
        mail = self._mail(ACTIVATION, sender="someone@example.net")
        self.assertEqual(mail.state, "waiting")
        self.assertIn("example.net", mail.reason)
        self.assertTrue(mail.activity_ids)
        self.assertEqual(registration.state, "sent")
        mail.write({"registration_id": registration.id})
        mail.action_apply()
        self.assertEqual(registration.activation_code, CODE)
        self.assertEqual(mail.state, "done")

    def test_own_mail_server_must_confirm_when_set(self):
        self._sent()
        self.assertEqual(self._mail(ACTIVATION, headers="").state, "waiting")
        self.assertEqual(self._mail(ACTIVATION, message_id="<two@vss.gov.vn>").state, "done")

    def test_mail_about_another_tax_code_is_left_alone(self):
        registration = self._sent()
        mail = self._mail(ACTIVATION.replace("0100109106", "0312345678"))
        self.assertEqual(mail.state, "waiting")
        self.assertEqual(registration.state, "sent")

    def test_several_codes_wait_for_a_person(self):
        registration = self._sent()
        mail = self._mail(ACTIVATION + "\nMã xác nhận: QQ2VLHCKRB\n")
        self.assertEqual(mail.state, "waiting")
        self.assertEqual(mail.registration_id, registration)
        self.assertEqual(registration.state, "sent")

    def test_foreign_link_is_not_shown(self):
        registration = self._sent()
        self._mail(ACTIVATION.replace("gddt.baohiemxahoi.gov.vn", "baohiemxahoi.gov.vn.example.net"))
        self.assertEqual(registration.activation_code, CODE)
        self.assertFalse(registration.activation_url)

    def test_unreadable_mail_is_kept(self):
        mail = self._mail("Xin chào")
        self.assertEqual((mail.state, mail.kind), ("waiting", "unknown"))
        self.assertTrue(mail.source)

    def test_pasted_mail_or_code(self):
        registration = self._sent()
        for text, link in ((CODE, False), (ACTIVATION, LINK)):
            paste = self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user)
            paste.create({"registration_id": registration.id, "text": text}).action_apply()
            self.assertEqual(registration.activation_code, CODE)
            self.assertEqual(registration.activation_url, link)
        self.assertEqual(registration.activation_expires_at, fields.Datetime.now() + timedelta(hours=24))

    def _paste(self, registration, text=CODE, **vals):
        paste = self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user)
        return paste.create({"registration_id": registration.id, "text": text, **vals}).action_apply()

    def test_k4_the_hours_of_a_pasted_code_run_from_its_mail(self):
        """A person who opens the mailbox in the morning finds a code of the evening before: not a whole day is left."""
        registration = self._sent()
        sent_at = fields.Datetime.now()
        with self._later(hours=20):
            self._paste(registration, received_at=sent_at)
            self.assertEqual(registration.activation_expires_at, sent_at + timedelta(hours=24))
            self.assertEqual(registration.activation_seconds_left, 4 * 3600)

    def test_k4_a_known_code_pasted_again_keeps_its_end(self):
        registration = self._sent()
        self._mail(ACTIVATION)
        end = datetime(2026, 3, 3, 3, 0)
        self.assertEqual(registration.activation_expires_at, end)
        with self._later(hours=2):
            self._paste(registration, ACTIVATION)
            self.assertEqual((registration.activation_code, registration.activation_expires_at), (CODE, end))
        with self._later(hours=20):
            self._follow()
            self.assertTrue(registration.activation_reminded)
            self._paste(registration)
            self.assertEqual(registration.activation_expires_at, end)
            self.assertTrue(registration.activation_reminded, "the reminder is not given twice")
            self._paste(registration, "QQ2VLHCKRB")
            self.assertEqual(registration.activation_expires_at, fields.Datetime.now() + timedelta(hours=24))
            self.assertFalse(registration.activation_reminded, "another code, another end")

    def test_k4_an_earlier_time_corrects_that_of_a_known_code(self):
        registration = self._sent()
        sent_at = fields.Datetime.now()
        with self._later(hours=3):
            self._paste(registration)
            self._paste(registration, received_at=sent_at)
            self.assertEqual(registration.activation_expires_at, sent_at + timedelta(hours=24))

    def test_k4_times_that_cannot_be_right(self):
        registration = self._sent()
        sent_at = fields.Datetime.now()
        with self.assertRaisesRegex(UserError, "future"):
            self._paste(registration, received_at=sent_at + timedelta(minutes=1))
        with self.assertRaisesRegex(UserError, "older than the sending"):
            self._paste(registration, received_at=sent_at - timedelta(hours=1))
        with self._later(hours=24):
            with self.assertRaisesRegex(UserError, "24 hours"):
                self._paste(registration, received_at=sent_at)
            self.assertEqual((registration.state, registration.activation_code), ("sent", False))
            self._paste(registration, received_at=sent_at + timedelta(minutes=30))
            self.assertEqual(registration.activation_expires_at, sent_at + timedelta(hours=24, minutes=30))

    def test_k4_a_person_cannot_apply_a_mail_whose_code_has_ended(self):
        registration = self._sent()
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_authentication_server", False)
        mail = self._mail(ACTIVATION)
        self.assertEqual(mail.state, "waiting")
        with self._later(hours=24):
            with self.assertRaisesRegex(UserError, "24 hours"):
                mail.with_user(self.user).action_apply()
            self.assertEqual((registration.state, registration.activation_code), ("sent", False))

    def test_k4_a_mail_that_does_not_say_when_it_was_sent(self):
        """Its code does not begin again when a person applies it the next day: it was sent before it arrived."""
        registration = self._sent()
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_authentication_server", False)
        received_at = fields.Datetime.now()
        raw = f"From: no-reply@vss.gov.vn\nTo: {self.company.email}\nSubject: Thong bao\n\n{ACTIVATION}"
        mail = self.env["l10n_vn_ibhxh.mail"]._receive(raw.encode())
        self.assertEqual((mail.state, mail.registration_id), ("waiting", registration))
        with self._later(hours=20):
            mail.with_user(self.user).action_apply()
            self.assertEqual(registration.activation_expires_at, received_at + timedelta(hours=24))
