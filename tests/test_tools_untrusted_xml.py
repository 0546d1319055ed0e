"""The door for untrusted XML."""

import time

from odoo.tests import BaseCase, tagged

from ..tools import untrusted_xml

BOMB = (
    b"<!DOCTYPE a ["
    + b"".join(b'<!ENTITY e%d "%s">' % (level, b"&e%d;" % (level - 1) * 10 if level else b"ha") for level in range(30))
    + b"]><a>&e29;</a>"
)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestUntrustedXml(BaseCase):
    def assert_refused(self, code, data, **limits):
        start = time.process_time()
        with self.assertRaises(untrusted_xml.UntrustedXmlError) as caught:
            untrusted_xml.parse(data, **limits)
        self.assertEqual(caught.exception.code, code)
        self.assertLess(time.process_time() - start, 2)

    def test_ordinary_documents(self):
        for data in (
            "<a>Đơn vị</a>".encode(),
            '<?xml version="1.0" encoding="UTF-8"?><a>Đơn vị</a>'.encode(),
            "\ufeff<?xml version='1.0' encoding='utf-8'?>\n<a>Đơn vị</a>\n".encode(),
        ):
            self.assertEqual(untrusted_xml.parse(data).text, "Đơn vị")

    def test_size(self):
        self.assert_refused("too_large", b"<a>" + b" " * 5 * 2**20 + b"</a>")
        self.assert_refused("too_large", b"<a/>", max_bytes=3)
        self.assertEqual(untrusted_xml.parse(b"<a/>", max_bytes=4).tag, "a")
        self.assert_refused("too_large", b"a" * 100 * 2**20)

    def test_nothing(self):
        self.assert_refused("empty", b"")
        self.assert_refused("empty", b"\xef\xbb\xbf \n")

    def test_depth(self):
        self.assertIsNotNone(untrusted_xml.parse(b"<a>" * 64 + b"</a>" * 64))
        self.assert_refused("too_deep", b"<a>" * 65 + b"</a>" * 65)
        self.assert_refused("too_deep", b"<a><b><c/></b></a>", max_depth=2)
        self.assert_refused("malformed", b"<a>" * 500_000)

    def test_dtd_and_entities(self):
        for data in (
            b"<!DOCTYPE a><a/>",
            b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
            b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
            b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1/"> %p;]><a/>',
            BOMB,
        ):
            self.assert_refused("doctype", data)
        self.assert_refused("malformed", b"<a>&x;</a>")

    def test_other_encodings_hide_nothing(self):
        text = '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'
        for encoding in ("utf-16", "utf-16-le", "utf-32", "cp037", "utf-7"):
            data = f'<?xml version="1.0" encoding="{encoding}"?>{text}'.encode(encoding)
            with self.assertRaises(untrusted_xml.UntrustedXmlError) as caught:
                untrusted_xml.parse(data)
            self.assertIn(caught.exception.code, ("encoding", "doctype", "malformed"))
        self.assert_refused("encoding", b'<?xml version="1.0" encoding="iso-8859-1"?><a/>')
        self.assert_refused("encoding", b"hello <a/>")

    def test_malformed(self):
        for data in (b"<a>", b"<a/><b/>", b"<a b='1' b='2'/>", b"<a>\0</a>", b"<a>\xff</a>", b"<a:b/>", b"<"):
            self.assert_refused("malformed", data)

    def test_instructions_and_comments(self):
        self.assert_refused("instruction", b'<?xml-stylesheet href="x"?><a/>')
        self.assert_refused("instruction", b"<a><?php x ?></a>")
        self.assert_refused("instruction", b"<a/><?x?>")
        self.assertIsNotNone(untrusted_xml.parse(b"<!-- x --><a><!-- y --></a>"))
        for data in (b"<!-- x --><a/>", b"<a><!-- y --></a>", b"<a/><!-- z -->"):
            self.assert_refused("comment", data, comments=False)

    def test_many_attributes_and_names(self):
        attributes = b" ".join(b'a%d="1"' % number for number in range(100_000))
        start = time.process_time()
        untrusted_xml.parse(b"<a " + attributes + b"/>")
        self.assertLess(time.process_time() - start, 2)
