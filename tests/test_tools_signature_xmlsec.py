"""What this addon's verifier and libxmlsec1, another implementation, say of the same bytes."""

import xmlsec
from lxml import etree
from odoo.tests import BaseCase, tagged

from ..tools import dossier, signature
from .samples import signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAgainstXmlsec(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.unsigned = dossier.build("04", signing.data())
        cls.certificate = signing.certificate()

    def ours(self, signed):
        try:
            return bool(signature.verify(signed, self.unsigned, self.certificate, at=signing.NOW))
        except signature.SignatureError:
            return False

    def theirs(self, signed):
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(self.certificate, xmlsec.KeyFormat.CERT_DER)
        try:
            root = etree.fromstring(signed)
            context.verify(xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE))
        except (xmlsec.Error, etree.XMLSyntaxError):
            return False
        return True

    def test_both_accept_what_is_good(self):
        for hash_name, method in (("sha256", "rsa-sha256"), ("sha512", "rsa-sha512")):
            method = "http://www.w3.org/2001/04/xmldsig-more#" + method
            signed = signing.sign(self.unsigned, self.certificate, method=method, hash_name=hash_name)
            self.assertTrue(self.theirs(signed))
            self.assertTrue(self.ours(signed))

    def test_both_refuse_what_is_broken(self):
        good = signing.sign(self.unsigned, self.certificate)
        broken = {
            "content": good.replace(b"ke.toan@", b"ke.hai@@"),
            "digest": signing.sign(self.unsigned, self.certificate, digest=b"0" * 32),
            "key": signing.sign(self.unsigned, self.certificate, key_name="other", key_value_of="unit"),
            "value": signing.sign(self.unsigned, self.certificate, signature_value=b"0" * 256),
            "signed info": good.replace(b"<Transforms>", b"<Transforms> "),
        }
        for name, signed in broken.items():
            with self.subTest(name):
                self.assertFalse(self.theirs(signed))
                self.assertFalse(self.ours(signed))

    def test_s20_what_xmlsec_reads_differently_or_refuses_is_refused(self):
        good = signing.sign(self.unsigned, self.certificate)
        content = good[good.index(b"?>") + 2 :]
        for declaration in ("", "<?xml version='1.0'?>", "<?xml version='1.0' encoding='utf-8'?>"):
            signed = declaration.encode() + content
            self.assertTrue(self.theirs(signed), declaration)
            self.assertTrue(self.ours(signed), declaration)
        lies = {
            "latin": ("<?xml version='1.0'" + " " * 300 + "encoding='ISO-8859-1'?>").encode() + content,
            "another name of windows-1258": b"<?xml version='1.0' encoding='cp1258'?>" + content,
            "no-break blank": good.replace(b"<SignatureValue>", b"<SignatureValue>&#xA0;"),
            "next line": good.replace(b"<SignatureValue>", b"<SignatureValue>&#x85;"),
        }
        for name, signed in lies.items():
            with self.subTest(name):
                self.assertFalse(self.theirs(signed))
                self.assertFalse(self.ours(signed))

    def test_legal_tricks_that_xmlsec_accepts_are_refused_here(self):
        """Each of these is a valid XML signature of something that is not the whole dossier as asked for."""
        c14n = "".join(f'<Transform Algorithm="{name}"></Transform>' for name in (signing.ENVELOPED, signing.C14N))
        tricks = {
            "sha1 digest": signing.sign(
                self.unsigned, self.certificate, digest_method=signing.DS + "sha1", digest_hash="sha1"
            ),
            "extra transform": signing.sign(self.unsigned, self.certificate, transforms=c14n),
            "comment": signing.sign(self.unsigned, self.certificate).replace(b">0100109106<", b">01001<!-- -->09106<"),
            "other content": signing.sign(
                dossier.build("04", signing.data(email="thief@example.net")), self.certificate
            ),
        }
        for name, signed in tricks.items():
            with self.subTest(name):
                self.assertTrue(self.theirs(signed))
                self.assertFalse(self.ours(signed))
