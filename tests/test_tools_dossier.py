"""The dossiers: exact bytes, every field, faults named, read back."""

import dataclasses
from datetime import date, datetime

from lxml import etree
from odoo.tests import BaseCase, tagged

from ..tools import dossier
from .samples import signing

CHANGE = {
    "old_certificate_serial": "5401AB",
    "new_certificate_serial": "5404FF",
    "new_certificate_issuer": "Test CA",
    "new_certificate_from": date(2026, 1, 2),
    "new_certificate_to": date(2029, 1, 2),
    "change_text": "Đổi chứng thư số\nvà thư điện tử",
}
STOP = {"stop_date": date(2026, 4, 1), "stop_reason_code": "7", "stop_reason": "Chuyển sang I-VAN khác"}
ATTACHMENT = dossier.Attachment(form_code="D01", description="Tờ khai", file_name="a.b.pdf", content=b"\0PDF\xff")
FORMS = {"04": {}, "05": CHANGE, "06": STOP}

EXPECTED_04 = (
    "<?xml version='1.0' encoding='UTF-8'?>\n"
    "<Hoso><NoiDung><TenCoQuan>BHXH Thành phố Hà Nội</TenCoQuan><MaCoQuan>001</MaCoQuan><LoaiDoiTuong>1</LoaiDoiTuong>"
    "<TenDoiTuong>CÔNG TY TNHH THỬ NGHIỆM &amp; BẠN</TenDoiTuong><MaSoThue>0100109106</MaSoThue>"
    "<DienThoai>+84901234567</DienThoai><Email>ke.toan@example.com</Email><NguoiLienHe>Nguyễn Thị Ánh</NguoiLienHe>"
    "<DiaChi>Số 1 Tràng Thi, Hoàn Kiếm</DiaChi><DiaChiLienHe></DiaChiLienHe><DienThoaiLienHe></DienThoaiLienHe>"
    "<NgayLap>02/03/2026</NgayLap><NgayDangKy>02/03/2026</NgayDangKy><MaIVan>00001</MaIVan><TenIVan>TS24</TenIVan>"
    "<PTNhanKetQua>0</PTNhanKetQua><ToKhais/></NoiDung><CKy_Dvi/></Hoso>"
)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDossier(BaseCase):
    def test_bytes_of_a_registration(self):
        self.assertEqual(dossier.build("04", signing.data()).decode(), EXPECTED_04)

    def test_every_form_is_valid_and_reads_back(self):
        for form, extra in FORMS.items():
            with self.subTest(form=form):
                data = signing.data(attachments=(ATTACHMENT,), **extra)
                xml = dossier.build(form, data)
                self.assertEqual(dossier.validate(form, xml), [])
                self.assertEqual(dossier.read(xml), (form, data))
                signed = signing.sign(xml, signing.certificate())
                self.assertEqual(dossier.validate(form, signed), [])
                self.assertEqual(dossier.read(signed), (form, data))

    def test_extra_elements_stand_between_header_and_files(self):
        for form, names in {
            "05": ["SoChungThuCu", "SoChungThuMoi", "NhaCungCapMoi", "HieuLucTu", "HieuLucDen", "NoiDungThayDoi"],
            "06": ["NgayNgung", "MaLyDo", "LyDo"],
        }.items():
            xml = dossier.build(form, signing.data(**FORMS[form]))
            tags = [element.tag for element in etree.fromstring(xml)[0]]
            start = tags.index("PTNhanKetQua") + 1
            self.assertEqual(tags[start:], [*names, "ToKhais"])

    def test_forms_do_not_pass_for_each_other(self):
        for form, extra in FORMS.items():
            xml = dossier.build(form, signing.data(**extra))
            for other in set(FORMS) - {form}:
                self.assertTrue(dossier.validate(other, xml), (form, other))

    def test_attachment_fields(self):
        xml = dossier.build("04", signing.data(attachments=(ATTACHMENT,)))
        file = etree.fromstring(xml).find("NoiDung/ToKhais/FileToKhai")
        self.assertEqual(
            {element.tag: element.text for element in file},
            {
                "MaToKhai": "D01",
                "MoTaToKhai": "Tờ khai",
                "TenFile": "a.b.pdf",
                "LoaiFile": ".pdf",
                "DoDaiFile": "8",
                "NoiDungFile": "AFBERv8=",
            },
        )

    def test_texts_are_tidied(self):
        data = signing.data(subject_name="  CO\u0302NG  TY\n\tA ", contact_name=None)
        root = etree.fromstring(dossier.build("04", data))
        self.assertEqual(root.findtext("NoiDung/TenDoiTuong"), "CÔNG TY A")
        self.assertEqual(root.findtext("NoiDung/NguoiLienHe"), "")
        stop = dossier.build("06", signing.data(**{**STOP, "stop_reason": " một \r\n\r\n hai "}))
        self.assertEqual(etree.fromstring(stop).findtext("NoiDung/LyDo"), "một\n\nhai")

    def test_what_is_missing_is_named(self):
        required = {"email": "04", "prepared_on": "04", "new_certificate_from": "05", "stop_reason": "06"}
        for field, form in required.items():
            for empty in ("", "  \n", None):
                data = signing.data(**{**FORMS[form], field: empty})
                with self.assertRaises(dossier.DossierError) as caught:
                    dossier.build(form, data)
                self.assertEqual((caught.exception.code, caught.exception.field), ("missing", field))

    def test_characters_that_xml_cannot_hold_or_nobody_sees(self):
        invisible_or_alike = ("a\u200bb", "a\u202eb", "\u0410n Phát", "a\ue000b", "a\u0301\u0301b")
        for text in ("a\0b", "a\x01b", "a\ud800b", "a\uffffb", *invisible_or_alike):
            with self.assertRaises(dossier.DossierError) as caught:
                dossier.build("04", signing.data(subject_name=text))
            self.assertEqual((caught.exception.code, caught.exception.field), ("bad_text", "subject_name"))

    def test_faults_are_found(self):
        for field, value in {
            "agency_code": "1",
            "tax_code": "0100109106/001",
            "phone": "gọi sau",
            "email": "ke.toan",
            "provider_code": "1",
            "subject_type": "12",
            "result_delivery": "x",
            "agency_name": "x" * 501,
        }.items():
            with self.subTest(field=field):
                faults = dossier.validate("04", dossier.build("04", signing.data(**{field: value})))
                name = next(entry.name for entry in dossier.FORMS["04"] if entry.attribute == field)
                self.assertIn(f"'{name}'", faults[0])

    def test_k10_no_dossier_holds_an_address_with_accents(self):
        for email in ("ketoán@abc.vn", "ketoan@côngty.vn"):
            faults = dossier.validate("04", dossier.build("04", signing.data(email=email)))
            self.assertIn("'Email'", "".join(faults), email)

    def test_unusual_codes_are_accepted(self):
        for changes in (
            {"tax_code": "0100109106-001"},
            {"tax_code": "1056789"},
            {"agency_code": "07906"},
            {"agency_code": "0012"},
            {"phone": "(024) 3 936.1778"},
        ):
            self.assertEqual(dossier.validate("04", dossier.build("04", signing.data(**changes))), [], changes)

    def test_structure_faults(self):
        good = dossier.build("04", signing.data())
        for bad in (
            b"<Hoso/>",
            good.replace(b"<ToKhais/>", b""),
            good.replace(b"<ToKhais/>", b"<ToKhais/><ToKhais/>"),
            good.replace(b"<CKy_Dvi/>", b"<CKy_Dvi><x/></CKy_Dvi>"),
            good.replace(b"<Hoso>", b'<Hoso xmlns="urn:x">'),
            good.replace(b"<NoiDung>", b'<NoiDung Id="1">'),
            good.replace(b"<MaCoQuan>001</MaCoQuan>", b""),
            good.replace(b"0100109106", b"01001<!-- -->09106"),
            b"no xml",
        ):
            self.assertTrue(dossier.validate("04", bad))
            with self.assertRaises(dossier.DossierError) as caught:
                dossier.read(bad)
            self.assertIn(caught.exception.code, ("invalid", "malformed"))

    def test_attachment_in_lines(self):
        xml = dossier.build("04", signing.data(attachments=(ATTACHMENT,)))
        lines = xml.replace(b"AFBERv8=", b"AFBE\nRv8=").replace(b"<DoDaiFile>8<", b"<DoDaiFile>9<")
        self.assertEqual(dossier.read(lines)[1].attachments, (ATTACHMENT,))

    def test_impossible_dates_and_file_lengths(self):
        good = dossier.build("04", signing.data(attachments=(ATTACHMENT,)))
        for bad in (
            good.replace(b"<NgayLap>02/03/2026", b"<NgayLap>31/02/2026"),
            good.replace(b"<DoDaiFile>8<", b"<DoDaiFile>9<"),
            good.replace(b"AFBERv8=", b"AFBERv8!"),
            good.replace(b"AFBERv8=", b"AFBERv8"),
        ):
            with self.assertRaises(dossier.DossierError) as caught:
                dossier.read(bad)
            self.assertEqual(caught.exception.code, "invalid")

    def test_unknown_form(self):
        for call in (lambda: dossier.build("07", signing.data()), lambda: dossier.validate("07", b"<a/>")):
            with self.assertRaises(dossier.DossierError) as caught:
                call()
            self.assertEqual(caught.exception.code, "unknown_form")

    def test_table_covers_every_field(self):
        attributes = {field.attribute for fields in dossier.FORMS.values() for field in fields}
        known = {field.name for field in dataclasses.fields(dossier.DossierData)}
        self.assertEqual(attributes | {"attachments"}, known)

    def test_a_moment_is_written_as_its_day(self):
        xml = dossier.build("04", signing.data(prepared_on=datetime(2026, 3, 2, 23, 59)))
        self.assertIn(b"<NgayLap>02/03/2026</NgayLap>", xml)

    def test_number_as_it_is_typed(self):
        self.assertEqual(dossier.read_number(" 03706 / 2026/07906\n"), "03706/2026/07906")
        self.assertTrue(dossier.NUMBER.fullmatch("03706/2026/07906"))
        for nothing in (None, "", " \t"):
            self.assertIsNone(dossier.read_number(nothing))
