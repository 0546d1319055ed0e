"""The signature in two steps, verified by this addon and by libxmlsec1, another implementation."""

import hashlib

import xmlsec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, utils
from lxml import etree
from odoo.tests import BaseCase, tagged

from ..tools import dossier, remote, signature
from .samples import signing
from .test_tools_dossier import FORMS


def raw(digest, key_name="unit"):
    """What a service gives back for a digest: the bare RSA block."""
    return signing.key(key_name).sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def xmlsec_accepts(signed, certificate):
    """Whether libxmlsec1 verifies the signature with the certificate's key."""
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(certificate, xmlsec.KeyFormat.CERT_DER)
    try:
        context.verify(xmlsec.tree.find_node(etree.fromstring(signed), xmlsec.Node.SIGNATURE))
    except xmlsec.Error:
        return False
    return True


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLayout(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate = signing.certificate()

    def finished(self, document, prepared, value):
        return remote.finish(document, prepared.signed_info, value, self.certificate, signing.NOW)

    def test_each_form_is_signed_in_two_steps(self):
        for form, extra in FORMS.items():
            with self.subTest(form):
                document = dossier.build(form, signing.data(**extra))
                prepared = remote.prepare(document)
                signed = self.finished(document, prepared, raw(prepared.digest))
                signature.verify(signed, document, self.certificate, at=signing.NOW)
                self.assertTrue(xmlsec_accepts(signed, self.certificate))

    def test_the_stored_signed_info_gives_the_digest_again(self):
        prepared = remote.prepare(dossier.build("04", signing.data()))
        self.assertEqual(remote.digest_of(prepared.signed_info), prepared.digest)
        self.assertEqual(hashlib.sha256(prepared.signed_info).digest(), prepared.digest)
        self.assertEqual(remote.prepare(dossier.build("04", signing.data())), prepared)

    def test_short_code_is_eight_digits_of_the_digest(self):
        self.assertEqual(remote.short_code(b"\0" * 32), "6170 9175")
        digest = remote.prepare(dossier.build("04", signing.data())).digest
        self.assertRegex(remote.short_code(digest), r"^\d{4} \d{4}$")
