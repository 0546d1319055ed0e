"""VSS's notification 01/TB-GD."""

import base64
from datetime import date

from odoo.tests import BaseCase, tagged

from ..tools import notification
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
                transaction_name="Đăng ký",
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
