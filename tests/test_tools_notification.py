"""VSS's notification 01/TB-GD."""

import base64
from datetime import date

from odoo.tests import BaseCase, tagged

from ..tools import notification, notification_verdict
from .samples import mails, signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestNotification(BaseCase):
    def test_everything_that_is_read(self):
        told = notification.read(mails.notification(result="0", error="SE003", description="Sai mã số thuế"))
        self.assertEqual(
            told,
            notification.Notification(
                place="Hà Nội",
                notified_on=date(2026, 3, 2),
                agency_name="BHXH Thành phố Hà Nội",
                unit_name="CÔNG TY THỬ",
                unit_code="TZH490L",
                tax_code="0100109106",
                dossier_number="03706/2026/07906",
                transaction_name="Đăng ký sử dụng dịch vụ I-VAN",
                dossier_type="04",
                transaction_on=date(2026, 3, 2),
                period="03/2026",
                transaction_code="G1",
                result_code="0",
                result="Kết quả",
                error_code="SE003",
                error_description="Sai mã số thuế",
                signer_subject="BHXH Việt Nam",
                signer_serial="54 01",
                signed_at_text="02/03/2026 10:00:01",
                is_receipt=False,
                details=((("STT", "1"), ("NOIDUNG", "Đã nhận")), (("STT", "2"),)),
            ),
        )

    def test_both_ways_to_write_a_date(self):
        for text in ("2026-03-02", "02/03/2026", "2026-03-02T08:00:00+07:00", "02/03/2026 08:00:00"):
            self.assertEqual(notification.read(mails.notification(date=text)).notified_on, date(2026, 3, 2), text)
        for text in ("", "2/3", "2026-13-01", "99/99/9999"):
            self.assertIsNone(notification.read(mails.notification(date=text)).notified_on, text)

    def test_namespace_and_wrapper_do_not_matter(self):
        plain = notification.read(mails.notification())
        spaced = mails.notification().replace(b"<BHXH>", b'<BHXH xmlns="urn:bhxh">')
        bare = mails.notification().split(b"<BHXH>")[1].split(b"</BHXH>")[0]
        wrapped = b"<a><b>" + bare + b"</b></a>"
        for xml in (spaced, bare, wrapped):
            self.assertEqual(notification.read(xml), plain)

    def test_rows_of_plain_text(self):
        rows = b"<CTIET_GDICH><ROW_CTIET>x  y</ROW_CTIET><ROW_CTIET/></CTIET_GDICH>"
        told = notification.read(b"<XACNHAN_GDICH><TTGDICH>" + rows + b"</TTGDICH></XACNHAN_GDICH>")
        self.assertEqual(told.details, ((("ROW_CTIET", "x y"),), (("ROW_CTIET", ""),)))

    def test_zeros_are_no_error(self):
        for code, expected in (("", False), ("0", False), ("000", False), ("SE003", True), ("010", True)):
            self.assertIs(notification.read(mails.notification(error=code)).reports_error, expected, code)

    def test_silent_notification(self):
        told = notification.read(b"<XACNHAN_GDICH/>")
        self.assertEqual((told.unit_code, told.notified_on, told.details), ("", None, ()))

    def test_what_is_none(self):
        for xml, code in (
            (b"<Hoso/>", "not_a_notification"),
            (b"", "empty"),
            (b"%PDF", "encoding"),
            (b"<XACNHAN_GDICH>", "malformed"),
            (b"<!DOCTYPE a><XACNHAN_GDICH/>", "doctype"),
        ):
            with self.assertRaises(notification.NotificationError) as caught:
                notification.read(xml)
            self.assertEqual(caught.exception.code, code)

    def test_s16_codes_and_texts_are_bounded(self):
        """A number of 10 000 characters does not fit into the index of dossier numbers."""
        xml = mails.notification(error="SE003", description="a " * 5000)
        self.assertEqual(len(notification.read(xml).error_description), 4000)
        for code in ("MA_DVI", "MST", "SO_HSO", "MA_GDICH", "MA_LOI", "MALOAI_HSO"):
            with self.assertRaises(notification.NotificationError) as caught:
                notification.read(xml.replace(f"<{code}>".encode(), f"<{code}>{'9' * 65}".encode()))
            self.assertEqual(caught.exception.code, "too_long")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestVerdict(BaseCase):
    """What a notification decides. The titles of 04, 05 and 06 are those of domain.md section 2."""

    def judge(self, result="", error="", title="", kind="", more=""):
        texts = {"KQUA": result, "MA_LOI": error, "TEN_GDICH": title, "MALOAI_HSO": kind}
        parts = "".join(f"<{name}>{text}</{name}>" for name, text in texts.items())
        xml = f"<BHXH><XACNHAN_GDICH><TTGDICH>{parts}{more}</TTGDICH></XACNHAN_GDICH></BHXH>"
        return notification_verdict.judge(notification.read(xml.encode()))

    def test_words(self):
        for verdict, results in {
            "confirmed": (
                *("Đã xác nhận", "Đăng ký thành công", "Đã được chấp nhận", "Chấp nhận", "1. Chấp nhận", "ĐÃ HOÀN TẤT"),
                *("Đồng ý", "Chấp nhận phương thức giao dịch điện tử", "Thay đổi thông tin thành công"),
            ),
            "rejected": (
                *("Không chấp nhận", "không được chấp nhận", "Không thành công", "Từ chối", "Chưa hợp lệ"),
                *("2. Không chấp nhận hồ sơ", "Trả lại hồ sơ", "Không chấp nhận: đã đăng ký thành công trước đó"),
            ),
            "received": (
                *("Đã tiếp nhận, chờ đơn vị xác nhận", "Đang xử lý", "Chờ xử lý", "Chưa xác nhận", "Hẹn trả ngày 3/3"),
                *("Đã nhận hồ sơ thành công", "Đã tiếp nhận hồ sơ thành công"),
            ),
            "unclear": ("", "Kết quả", "1", "???", "1. Chấp nhận 2. Không chấp nhận"),
        }.items():
            for result in results:
                self.assertEqual(self.judge(result), verdict, result)

    def test_error_codes(self):
        self.assertEqual(self.judge("Đã xác nhận", error="XX123"), "rejected")
        for zeros in ("0", "00", "000"):
            self.assertEqual(self.judge("Đã xác nhận", error=zeros), "confirmed")

    def test_d16_taken_up_for_processing_is_no_confirmation(self):
        for result in (
            "1. Chấp nhận để giải quyết hồ sơ",
            "Chấp nhận để giải quyết",
            "1. CHẤP NHẬN HỒ SƠ ĐỂ GIẢI QUYẾT",
            "Đã chấp nhận để xử lý",
        ):
            self.assertEqual(self.judge(result), "received", result)

    def test_d16_a_receipt_confirms_nothing(self):
        """03/TB-TS has the same root, and says when the result is due."""
        for element in ("GIO_NHAN", "NGAY_NHAN", "NGAY_TRA"):
            more = f"<{element}>05/03/2026</{element}>"
            self.assertEqual(self.judge("Thành công", more=more), "received", element)
            self.assertEqual(self.judge("Không chấp nhận", more=more), "rejected")
            self.assertEqual(self.judge("Thành công", more=f"<{element}/>"), "confirmed")
        title = "Thông báo tiếp nhận hồ sơ: Đăng ký sử dụng dịch vụ I-VAN"
        for result in ("", "Thành công", "Đã xác nhận"):
            self.assertEqual(self.judge(result, title=title), "received", result)

    def test_d16_the_title_says_what_it_is_about(self):
        for title, kind in (
            ("Tờ khai đăng ký sử dụng dịch vụ I-VAN", ""),
            ("Tờ khai thay đổi, bổ sung thông tin đăng ký sử dụng dịch vụ I-VAN", "05"),
            ("TỜ KHAI ĐĂNG KÝ NGỪNG SỬ DỤNG DỊCH VỤ I-VAN", ""),
            ("Đăng ký phương thức giao dịch điện tử", ""),
            ("Đăng ký tham gia giao dịch bảo hiểm xã hội điện tử", ""),
            ("Tờ khai", "04/ĐK-IVAN"),
            ("", ""),
            ("", "04"),
        ):
            self.assertEqual(self.judge("Thành công", title=title, kind=kind), "confirmed", title)
        for title, kind in (
            ("Báo tăng lao động", "600"),
            ("Điều chỉnh đóng BHXH, BHYT, BHTN hàng tháng", "600"),
            ("Đăng ký tham gia BHXH lần đầu", "01/BHXH"),
            ("Nộp hồ sơ giao dịch điện tử", ""),
        ):
            for result in ("Thành công", "Không chấp nhận", "Đã xác nhận"):
                self.assertEqual(self.judge(result, title=title, kind=kind), "other", title)
            self.assertEqual(self.judge("", error="SE003", title=title), "other")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestNotificationSignature(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate = signing.certificate("vss", common_name="BHXH Việt Nam", uids=())
        cls.signed = cls.sign(mails.notification())

    @classmethod
    def sign(cls, xml, **knobs):
        """Signed at the end of the root, with a line break after the signature."""
        xml = xml.replace(b"</BHXH>", b"\n</BHXH>")
        knobs = {"key_name": "vss", **knobs}
        node = signing.Signature(cls.certificate, **knobs).xml(signing.canonical(xml))
        return xml.replace(b"\n</BHXH>", node.encode() + b"\n</BHXH>")

    def verdict(self, xml):
        return notification.check_signature(xml, at=signing.NOW)

    def test_valid(self):
        verdict = self.verdict(self.signed)
        self.assertEqual((verdict.state, verdict.certificate_der), ("valid", self.certificate))
        self.assertIn("BHXH Việt Nam", verdict.subject)
        self.assertEqual(notification.read(self.signed), notification.read(mails.notification()))

    def test_namespaces_around_the_signature_are_part_of_it(self):
        """Inclusive canonicalisation carries them into SignedInfo."""
        xml = mails.notification().replace(b"<BHXH>", b'<BHXH xmlns:xsi="urn:x">')
        knobs = {"around": ' xmlns:xsi="urn:x"'}
        self.assertEqual(self.verdict(self.sign(xml, **knobs)).state, "valid")
        self.assertEqual(self.verdict(self.sign(xml)).state, "invalid")

    def test_text_around_a_signature_without_neighbours(self):
        xml = b"<XACNHAN_GDICH>\n\t</XACNHAN_GDICH>"
        node = signing.Signature(self.certificate, key_name="vss").xml(signing.canonical(xml)).encode()
        for place in (b"\n%s\t", b"%s\n\t", b"\n\t%s"):
            self.assertEqual(self.verdict(xml.replace(b"\n\t", place % node)).state, "valid")

    def test_d15_layouts_of_really_signed_files(self):
        """Parts of Object in no namespace, or all of it; SigningTime in a foreign one, without Z (domain.md §3)."""
        stamp = '<SigningTime xmlns="http://example.org/#signatureProperties">{}</SigningTime>'
        properties = (
            '<SignatureProperties xmlns=""><SignatureProperty Target="#sigid">'
            f"{stamp.format('2026-03-02T03:04:05')}</SignatureProperty></SignatureProperties>"
        )
        layouts = (
            f'<Object Id="proid">{properties}</Object>',
            f'<Object Id="proid" xmlns="">{properties}</Object>',
            f'<Object Id="proid">{properties.replace("05</", "05Z</")}</Object>',
        )
        for objects in layouts:
            verdict = self.verdict(self.sign(mails.notification(), objects=objects))
            self.assertEqual((verdict.state, verdict.code), ("valid", ""), objects)
            self.assertEqual(verdict.signed_at is not None, "Z</" in objects)

    def test_d15_subject_in_the_order_of_dotnet(self):
        subject = "C=VN, S=Hà Nội, CN=BHXH Việt Nam, OID.0.9.2342.19200300.100.1.1=MST:0100109106"
        data = f"<X509Data><X509SubjectName>{subject}</X509SubjectName><X509Certificate>"
        key_info = (
            f"<KeyInfo>{data}{base64.b64encode(self.certificate).decode()}</X509Certificate></X509Data></KeyInfo>"
        )
        for order in (key_info, key_info.replace(subject, ", ".join(reversed(subject.split(", "))))):
            self.assertEqual(self.verdict(self.sign(mails.notification(), key_info=order)).state, "valid")

    def test_d15_is_still_strict_on_what_the_signature_covers(self):
        unqualified = self.signed.replace(b"<SignedInfo>", b'<SignedInfo xmlns="">')
        object_ = '<Object xmlns=""><BHXH>x</BHXH></Object>'
        for xml in (unqualified, self.sign(mails.notification(), objects=object_)):
            self.assertEqual(self.verdict(xml).code, "malformed")

    def test_s16_never_raises(self):
        bent = self.signed.replace(b"<BHXH>", b"<BHXH xmlns:n='u'>")
        self.assertEqual((self.verdict(bent).state, self.verdict(bent).code), ("unsupported", "malformed"))

    def test_s16_certificates_that_cannot_be_read(self):
        """Parts of a certificate are read on access only: each of these is well-formed ASN.1 around a fault."""
        for der in signing.odd_certificates("vss"):
            with self.subTest(der=der[:40].hex()):
                xml = self.sign(mails.notification(), x509=base64.b64encode(der).decode())
                self.assertEqual(self.verdict(xml).code, "wrong_certificate")

    def test_s3_canonicalisation_bomb(self):
        namespaces = b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(1500))
        bomb = self.signed.replace(b"<BHXH>", b"<BHXH " + namespaces + b">" + b"<a/>" * 1000)
        self.assertEqual(self.verdict(bomb).state, "unsupported")
        with self.assertRaises(notification.NotificationError) as caught:
            notification.read(bomb)
        self.assertEqual(caught.exception.code, "too_complex")

    def test_unsigned(self):
        self.assertEqual(self.verdict(mails.notification()).state, "none")

    def test_broken(self):
        for xml in (
            self.signed.replace(b"TZH490L", b"TZH490M"),
            self.signed.replace(b"</Signature>\n", b"</Signature>"),
            self.sign(mails.notification(), signature_value=b"0" * 256),
            self.sign(mails.notification(), key_value_of="thief"),
        ):
            verdict = self.verdict(xml)
            self.assertEqual((verdict.state, verdict.certificate_der), ("invalid", None))

    def test_of_another_shape(self):
        part = self.sign(mails.notification(), reference_uri=' URI="#x"')
        old = self.sign(mails.notification(), method=signing.DS + "rsa-sha1", hash_name="sha1")
        for xml, code in ((part, "not_whole_document"), (old, "weak_algorithm"), (b"junk", "malformed")):
            verdict = self.verdict(xml)
            self.assertEqual((verdict.state, verdict.code), ("unsupported", code))
        nothing_else = signing.Signature(self.certificate, key_name="vss").xml(b"").encode()
        self.assertEqual(self.verdict(nothing_else).state, "unsupported")
