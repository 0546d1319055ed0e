"""What people type: normalised or refused with a code."""

import unicodedata

from odoo.tests import BaseCase, tagged

from ..tools import contact, tax_code


@tagged("post_install_l10n", "post_install", "-at_install")
class TestContact(BaseCase):
    def assert_refused(self, code, call, *texts):
        for text in texts:
            with self.subTest(text), self.assertRaises(contact.ContactError) as caught:
                call(text)
            self.assertEqual(caught.exception.code, code)

    def test_email(self):
        self.assertEqual(contact.email(" Ke.Toan@Example.COM \n"), "Ke.Toan@example.com")
        self.assertEqual(contact.email("a@b.vn\u00a0"), "a@b.vn")
        self.assert_refused("email", contact.email, "a", "a@", "a@b", "a b@c.vn", "a@c..vn", "a@c.vn,b@c.vn", "A <a@b>")
        self.assert_refused("empty", contact.email, "", "  ", None)

    def test_k10_what_a_vietnamese_keyboard_leaves_in_an_address(self):
        composed = ("ketoán@abc.vn", "ketoan@côngty.vn", "ketoan@abc.việt", "đỗ@abc.vn")
        decomposed = [unicodedata.normalize("NFD", text) for text in composed]
        self.assertNotIn(decomposed[0], composed)
        self.assert_refused("email_accents", contact.email, *composed, *decomposed)
        self.assert_refused("email", contact.email, "kế toán", "ketoán@")
        # Such a domain has a name in plain letters, by which every program finds it.
        self.assertEqual(contact.email("ketoan@XN--cngty-6ta.vn"), "ketoan@xn--cngty-6ta.vn")

    def test_phone(self):
        for text in ("0901234567", "090 123 45 67", "+84 901 234 567", "(84) 901-234-567", "０９０１２３４５６７"):
            self.assertEqual(contact.phone(text), "+84901234567", text)
        self.assertEqual(contact.phone("024 3936 1778"), "+842439361778")
        self.assertEqual(contact.phone("+65 6221 1234"), "+6562211234")
        self.assert_refused("phone", contact.phone, "12", "abc", "0901234567890123", "0001234567", "+999 123")
        self.assert_refused("empty", contact.phone, "", None)

    def test_unit_code(self):
        self.assertEqual(contact.unit_code(" tzh490l "), "TZH490L")
        self.assertEqual(contact.unit_code("TZH-490 L"), "TZH490L")
        self.assert_refused("unit_code", contact.unit_code, "TZH490Đ", "TZH/490", "A" * 21)
        self.assertIsNone(contact.unit_code_warning("BI0110G"))
        for odd in ("TZH4901", "T1H490L", "TZH490", "TZH490LL"):
            self.assertEqual(contact.unit_code_warning(odd), "unit_code_pattern")

    def test_tax_code(self):
        self.assertEqual(contact.tax_code("MST: 0100109106"), "0100109106")
        for text in ("0100109106-001", "0100109106001", "0100109106 - 001"):
            self.assertEqual(contact.tax_code(text), "0100109106-001")
        self.assertEqual(contact.tax_code("1056789"), "1056789")
        self.assert_refused("tax_code", contact.tax_code, "0100109106/001", "Đ", "1" * 30)
        self.assert_refused("empty", contact.tax_code, "")

    def test_tax_code_doubts_never_block(self):
        self.assertIsNone(tax_code.doubt("0100109106"))
        self.assertIsNone(tax_code.doubt("0100109106-001"))
        self.assertEqual(tax_code.doubt("0100109107"), "tax_code_checksum")
        self.assertEqual(tax_code.doubt("1056789"), "tax_code_format")
