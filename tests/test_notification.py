import base64
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..tools import notification
from .common import VERIFIED, IbhxhCommon, progress, step
from .samples import signing

XML = """<?xml version="1.0" encoding="UTF-8"?>
<BHXH><XACNHAN_GDICH><TTDVI><NGAY_THONGBAO>02/03/2026</NGAY_THONGBAO><TEN_COQUAN>BHXH Hà Nội</TEN_COQUAN>
<TEN_DVI>Công ty TNHH An Phát</TEN_DVI><MA_DVI>TZH490L</MA_DVI><MST>{tax_code}</MST></TTDVI>
<TTGDICH><SO_HSO>{number}</SO_HSO><KQUA>{result}</KQUA><MA_LOI>{error}</MA_LOI><MOTA_LOI>{description}</MOTA_LOI></TTGDICH>
</XACNHAN_GDICH></BHXH>"""


def xml(tax_code="0100109106", number="03706/2026/001", result="Đã xác nhận", error="", description=""):
    return XML.format(tax_code=tax_code, number=number, result=result, error=error, description=description).encode()


REFUSAL = {"result": "Không chấp nhận", "error": "SE003", "description": "Sai mã số thuế"}


@tagged("post_install_l10n", "post_install", "-at_install")
class TestNotification(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.vss = cls._new_certificate("vss", common_name="BHXH Việt Nam", uids=())
        cls.manager = cls._new_user("quanly", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", cls.company)

    def setUp(self):
        super().setUp()
        self.registration = self._sent()

    def _signed(self, **what):
        unsigned = xml(**what)
        element = signing.Signature(self.vss, key_name="vss").xml(signing.canonical(unsigned))
        return unsigned.replace(b"</BHXH>", element.encode() + b"</BHXH>")

    def _trust(self):
        self.env["ir.config_parameter"].set_param(
            "l10n_vn_ibhxh.vss_certificates", notification.check_signature(self._signed(), at=signing.NOW).fingerprint
        )

    def _mail(self, content, body="Xem thông báo đính kèm.", sender="someone@example.net"):
        attachment = base64.encodebytes(content).decode()
        raw = (
            f"{VERIFIED}From: {sender}\nTo: bhxh@example.com\nSubject: Thong bao\n"
            f"Message-Id: <{hash(content)}@vss.gov.vn>\n"
            "Date: Mon, 02 Mar 2026 03:00:00 +0000\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n"
            f"--b\nContent-Type: text/plain; charset=utf-8\n\n{body}\n"
            "--b\nContent-Type: application/xml; name=01_TB-GD.xml\nContent-Transfer-Encoding: base64\n"
            f"Content-Disposition: attachment; filename=01_TB-GD.xml\n\n{attachment}\n--b--\n"
        )
        mail = self.env["mail.thread"].message_process("l10n_vn_ibhxh.mail", raw.encode())
        self.env.invalidate_all()
        return self.env["l10n_vn_ibhxh.mail"].browse(mail)

    def _upload(self, content, user=None, **vals):
        wizard = self.env["l10n_vn_ibhxh.notification.upload"].with_user(user or self.user)
        return wizard.create(
            {"registration_id": self.registration.id, "file": base64.b64encode(content), **vals}
        ).action_upload()

    # -- by mail -----------------------------------------------------------------------------------------------------

    def test_unsigned_mail_waits_for_a_person_who_may_apply_it(self):
        mail = self._mail(xml())
        self.assertEqual((mail.kind, mail.state, self.registration.state), ("notification", "waiting", "sent"))
        self.assertEqual(mail.registration_id, self.registration)
        self.assertTrue(mail.activity_ids)
        mail.with_user(self.user).action_apply()
        self.assertEqual((mail.state, self.registration.state), ("done", "confirmed"))
        self.assertEqual(self.registration.notification_ids.vouched_by_id, self.user)
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")

    def test_signature_of_a_stranger_proves_nothing(self):
        mail = self._mail(self._signed())
        record = mail.notification_ids
        self.assertEqual((record.signature_state, record.is_trusted), ("valid", False))
        self.assertEqual((mail.state, self.registration.state), ("waiting", "sent"))

    def test_trusted_signature_confirms_from_any_sender(self):
        self._trust()
        mail = self._mail(self._signed())
        self.assertEqual((mail.state, self.registration.state), ("done", "confirmed"), mail.reason)
        record = self.registration.notification_ids
        self.assertEqual((record.is_trusted, record.vouched_by_id.id, record.state), (True, False, "done"))

    def test_trusted_refusal_carries_code_and_remedy(self):
        self._trust()
        self._mail(self._signed(**REFUSAL))
        self.assertEqual(self.registration.state, "rejected")
        self.assertEqual(self.registration.error_code, "SE003")
        self.assertEqual(self.registration.error_message, "Sai mã số thuế")
        self.assertTrue(self.registration.remedy)
        self.assertTrue(self.registration.activity_ids)

    def test_changed_content_is_refused_even_when_a_person_vouches(self):
        self._trust()
        forged = self._signed(**REFUSAL).replace("Không chấp nhận".encode(), "Đã xác nhận".encode())
        forged = forged.replace(b"<MA_LOI>SE003", b"<MA_LOI>")
        mail = self._mail(forged)
        self.assertEqual(mail.notification_ids.signature_state, "invalid")
        self.assertEqual((mail.state, self.registration.state), ("waiting", "sent"))
        with self.assertRaisesRegex(UserError, "signature is broken"):
            mail.with_user(self.user).action_apply()
        with self.assertRaisesRegex(UserError, "signature is broken"):
            self._upload(forged, is_from_vss=True)
        self.assertEqual(self.registration.state, "sent")

    def test_tax_code_and_number_must_both_fit(self):
        self._trust()
        for what in ({"tax_code": "0312345678"}, {"number": "03706/2026/002"}, {"number": ""}, {"tax_code": ""}):
            mail = self._mail(self._signed(**what))
            self.assertEqual((mail.state, mail.registration_id.id), ("waiting", False), what)
            mail.sudo().registration_id = self.registration
            if what != {"number": ""}:
                with self.assertRaises(UserError):
                    mail.with_user(self.user).action_apply()
            self.assertEqual(self.registration.state, "sent")

    def test_confirming_mail_settles_its_own_attachment(self):
        self._verify_senders()
        body = "Đăng ký giao dịch điện tử thành công.\nMã số thuế: 0100109106\nSố hồ sơ: 03706/2026/001\n"
        mail = self._mail(xml(), body=body, sender="no-reply@vss.gov.vn")
        self.assertEqual((mail.kind, mail.state), ("confirmation", "done"))
        self.assertEqual(self.registration.state, "confirmed")
        self.assertEqual(self.registration.notification_ids.state, "done")

    def test_attachment_that_is_no_notification_waits(self):
        mail = self._mail(b"<XACNHAN_GDICH")
        self.assertEqual(mail.state, "waiting")
        self.assertFalse(mail.notification_ids)
        with self.assertRaises(UserError):
            mail.registration_id = self.registration
            mail.action_apply()

    # -- by the gateway ----------------------------------------------------------------------------------------------

    def test_gateway_confirms_by_its_channel_and_keeps_the_file_once(self):
        self.gateway.answer = progress("accepted", step(1), notification=xml())
        self.registration.action_refresh()
        self.assertEqual(self.registration.state, "confirmed")
        record = self.registration.notification_ids
        self.assertEqual((record.source, record.signature_state, record.state), ("gateway", "none", "done"))
        self.assertEqual(base64.b64decode(record.content), xml())
        self.registration.sudo()._apply_progress(self.gateway.answer)
        self.assertEqual(self.registration.notification_ids, record)

    def test_gateway_notification_beside_its_own_verdict(self):
        refused = step(3, "SE003", "Sai mã số thuế", passed=False)
        self.gateway.answer = progress("rejected", step(1), refused, notification=xml(**REFUSAL))
        self.registration.action_refresh()
        self.assertEqual((self.registration.state, self.registration.error_code), ("rejected", "SE003"))
        self.assertEqual(self.registration.notification_ids.state, "done")

    def test_gateway_notification_about_somebody_else_goes_to_a_person(self):
        self.gateway.answer = progress("processing", step(1), notification=xml(tax_code="0312345678"))
        self.registration.action_refresh()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(self.registration.notification_ids.state, "waiting")
        self.assertIn("0312345678", self.registration.activity_ids.note)

    def test_gateway_notification_that_cannot_be_read_goes_to_a_person(self):
        self.gateway.answer = progress("processing", step(1), notification=b"<!DOCTYPE x><XACNHAN_GDICH/>")
        self.registration.action_refresh()
        self.assertFalse(self.registration.notification_ids)
        self.assertTrue(self.registration.activity_ids)

    def test_s16_poison_beside_the_gateways_word_does_not_undo_it(self):
        """Each of these is noted as unreadable; what the gateway says with it is taken."""
        bomb = b"<BHXH " + b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(300)) + b">"
        poisons = {
            "relative namespace": self._signed().replace(b"<BHXH>", b"<BHXH xmlns:n='u'>"),
            "bomb": self._signed().replace(b"<BHXH>", bomb),
            "number that no index takes": xml(number="9" * 10_000),
            "no XML": b"\xff",
            "lying encoding": xml().replace(b"UTF-8", b"UTF-16"),
        }
        for name, poison in poisons.items():
            with self.subTest(name), self.env.cr.savepoint() as point:
                self.gateway.answer = progress("confirmed", step(1), notification=poison)
                self.registration.action_refresh()
                self.assertEqual(self.registration.state, "confirmed")
                self.assertFalse(self.registration.notification_ids)
                self.assertIn("cannot be read", self.registration.activity_ids.mapped("note")[-1])
                point.rollback()
                self.env.invalidate_all()

    def test_s16_certificates_that_cannot_be_read(self):
        for der in signing.odd_certificates("vss"):
            node = signing.Signature(self.vss, key_name="vss", x509=base64.b64encode(der).decode())
            poison = xml().replace(b"</BHXH>", node.xml(signing.canonical(xml())).encode() + b"</BHXH>")
            record = self.env["l10n_vn_ibhxh.notification"]._keep(poison, "gateway", self.registration)
            self.assertEqual(record.signature_state, "invalid")

    @mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_notification")
    def test_s16_fault_of_ours_does_not_undo_the_gateways_word(self):
        self.gateway.answer = progress("confirmed", step(1), notification=xml())
        with patch.object(type(self.env["l10n_vn_ibhxh.notification"]), "_settle", side_effect=KeyError):
            self.registration.action_refresh()
        self.assertEqual(self.registration.state, "confirmed")
        self.assertFalse(self.registration.notification_ids)
        self.assertIn("could not be processed", self.registration.activity_ids.mapped("note")[-1])

    def test_d16_taken_up_for_processing_is_no_confirmation(self):
        self._trust()
        mail = self._mail(self._signed(result="1. Chấp nhận để giải quyết hồ sơ"))
        record = mail.notification_ids
        self.assertEqual((record.verdict, record.state, self.registration.state), ("received", "done", "sent"))
        self.gateway.answer = progress(
            "processing", step(1), notification=xml(result="1. Chấp nhận để giải quyết hồ sơ")
        )
        self.registration.action_refresh()
        self.assertEqual(self.registration.state, "sent")

    def test_d16_result_of_an_ordinary_dossier(self):
        """The own tax code, a good signature, no dossier number known yet: the title says that it is another matter."""
        self._trust()
        self.registration.sudo().dossier_number = False
        content = xml(number="00009/2026/00100").replace(b"<KQUA>", "<TEN_GDICH>Báo tăng</TEN_GDICH><KQUA>".encode())
        self.gateway.answer = progress("processing", step(1), number=None, notification=content)
        self.registration.action_refresh()
        self.assertEqual((self.registration.state, self.registration.dossier_number), ("sent", False))
        self.assertEqual(self.registration.notification_ids.verdict, "other")
        with self.assertRaisesRegex(UserError, "Báo tăng"):
            self.registration.notification_ids.with_user(self.user).action_apply()
        with self.assertRaisesRegex(UserError, "Báo tăng"):
            self._upload(content + b" ", is_from_vss=True)
        self.assertFalse(self.registration.dossier_number)

    def test_d16_ordinary_dossiers_trouble_nobody(self):
        """For years after, VSS sends their notifications to the same address; only doubt makes work."""
        titled = "<TEN_GDICH>Báo tăng lao động</TEN_GDICH><KQUA>".encode()
        content = self._signed(number="00009/2026/00100").replace(b"<KQUA>", titled)
        mail = self._mail(content)
        self.assertEqual((mail.state, mail.notification_ids.verdict), ("ignored", "other"))
        self.assertIn("Báo tăng lao động", mail.reason)
        self.assertFalse(mail.activity_ids)
        self.assertEqual(self.registration.state, "sent")
        self.registration.sudo().dossier_number = False
        doubtful = self._mail(content + b"\n")
        self.assertEqual(doubtful.state, "waiting", "it could be the own number, under a title that nobody knows")
        own = self._mail(xml().replace(b"<KQUA>", titled))
        self.assertEqual(own.state, "waiting")

    def test_received_only_moves_nothing(self):
        told = xml(result="Đã tiếp nhận, chờ đơn vị xác nhận")
        self.gateway.answer = progress("accepted", step(1), notification=told)
        self.registration.action_refresh()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(self.registration.notification_ids.state, "done")

    def test_gateway_settles_the_same_file_in_the_mailbox(self):
        mail = self._mail(xml(**REFUSAL))
        self.assertEqual(mail.state, "waiting")
        self.gateway.answer = progress("processing", step(1), notification=xml(**REFUSAL))
        self.registration.action_refresh()
        self.assertEqual(self.registration.state, "rejected")
        self.assertEqual(mail.state, "done")
        self.assertFalse(mail.activity_ids)

    # -- by a person -------------------------------------------------------------------------------------------------

    def test_upload_needs_the_persons_word(self):
        with self.assertRaisesRegex(UserError, "Nothing proves"):
            self._upload(xml())
        self.assertEqual(self.registration.state, "sent")
        self._upload(xml(), is_from_vss=True)
        self.assertEqual(self.registration.state, "confirmed")
        record = self.registration.notification_ids
        self.assertEqual((record.source, record.vouched_by_id), ("upload", self.user))
        self.assertIn(self.user.name, " ".join(self.registration.message_ids.mapped("body")))

    def test_upload_with_a_trusted_signature_needs_no_word(self):
        self._trust()
        self._upload(self._signed())
        self.assertEqual(self.registration.state, "confirmed")
        self.assertFalse(self.registration.notification_ids.vouched_by_id)

    def test_upload_numbers_a_dossier_that_has_none(self):
        self.registration.sudo().dossier_number = False
        self._upload(xml(result="Đã tiếp nhận, chờ đơn vị xác nhận"), is_from_vss=True)
        self.assertEqual(self.registration.dossier_number, "03706/2026/001")
        self.assertEqual(self.registration.state, "sent")

    def test_upload_of_something_else(self):
        for content in (b"%PDF-1.4", b"<Hoso/>"):
            with self.assertRaisesRegex(UserError, "not a notification"):
                self._upload(content, is_from_vss=True)
        with self.assertRaisesRegex(UserError, "tax code"):
            self._upload(xml(tax_code="0312345678"), is_from_vss=True)
        with self.assertRaisesRegex(UserError, "larger than"):
            self._upload(b"x" * (5 * 2**20 + 1), is_from_vss=True)

    def test_preview_says_what_is_in_the_file(self):
        wizard = self.env["l10n_vn_ibhxh.notification.upload"].with_user(self.user)
        shown = wizard.create({"registration_id": self.registration.id, "file": base64.b64encode(xml(**REFUSAL))})
        for text in ("Công ty TNHH An Phát", "Không chấp nhận", "SE003", "Sai mã số thuế"):
            self.assertIn(text, shown.preview)

    def test_s7_only_a_manager_of_all_companies_trusts_a_signer(self):
        """It is proof for every company of the database from then on."""
        mail = self._mail(self._signed())
        record = mail.notification_ids
        for user in (self.user, self.manager):
            with self.assertRaises(AccessError):
                record.with_user(user).action_trust_signer()
        self.assertFalse(record.is_trusted)
        self.manager.company_ids = self.env["res.company"].search([])
        record.with_user(self.manager).action_trust_signer()
        self.assertTrue(record.is_trusted)
        record.with_user(self.user).action_apply()
        self.assertEqual(self.registration.state, "confirmed")

    def test_late_refusal_never_undoes_a_confirmation(self):
        self._trust()
        self._mail(self._signed())
        mail = self._mail(self._signed(**REFUSAL))
        self.assertEqual((mail.state, self.registration.state), ("waiting", "confirmed"))

    @mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_mail")
    def test_fault_of_ours_leaves_the_mail_to_a_person(self):
        with patch.object(type(self.env["l10n_vn_ibhxh.notification"]), "_from_mail", side_effect=ValueError):
            mail = self._mail(xml())
        self.assertEqual(mail.state, "waiting")
        self.assertTrue(mail.source)

    def test_other_companies_see_nothing(self):
        self._upload(xml(), is_from_vss=True)
        other = self.env["res.company"].create({"name": "Khác"})
        stranger = self._new_user("nguoila", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        notifications = self.env["l10n_vn_ibhxh.notification"].with_user(stranger)
        self.assertFalse(notifications.search([]))
        with self.assertRaises(AccessError):
            self.registration.notification_ids.with_user(stranger).action_apply()
        with self.assertRaises(AccessError):
            self._upload(xml(), user=stranger, is_from_vss=True)
        with self.assertRaises(AccessError):
            self.registration.notification_ids.with_user(self.user).write({"verdict": "rejected"})
