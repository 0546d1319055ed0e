"""What is read from a certificate."""

import hashlib
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID
from odoo.tests import BaseCase, tagged

from ..tools import certificate
from .samples import signing


def _usage(**flags):
    names = (
        "digital_signature content_commitment key_encipherment data_encipherment key_agreement key_cert_sign crl_sign "
        "encipher_only decipher_only"
    )
    return x509.KeyUsage(**{name: flags.get(name, False) for name in names.split()})


def _access(*pairs):
    return x509.AuthorityInformationAccess(
        [x509.AccessDescription(oid, x509.UniformResourceIdentifier(url)) for oid, url in pairs]
    )


def _crl(*urls):
    names = [x509.UniformResourceIdentifier(url) for url in urls]
    return x509.CRLDistributionPoints([x509.DistributionPoint(names, None, None, None)])


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCertificate(BaseCase):
    def test_everything_that_is_read(self):
        der = signing.certificate(
            extensions=(
                _usage(digital_signature=True),
                _access(
                    (AuthorityInformationAccessOID.OCSP, "http://ocsp.example/"),
                    (AuthorityInformationAccessOID.CA_ISSUERS, "http://ca.example/ca.crt"),
                ),
                _crl("http://crl.example/a.crl", "ldap://crl.example/x"),
            )
        )
        info = certificate.load(der)
        self.assertEqual(info.der, der)
        self.assertEqual(info.subject, "UID=MST:0100109106,CN=CÔNG TY TNHH THỬ\\, NGHIỆM,C=VN")
        self.assertEqual(info.common_name, "CÔNG TY TNHH THỬ, NGHIỆM")
        self.assertEqual((info.issuer, info.issuer_name), ("CN=Test CA", "Test CA"))
        self.assertEqual(info.serial, "5404FFFEB7033FB316D672201B7BA4FE")
        self.assertEqual(info.not_before, signing.NOW - timedelta(days=100))
        self.assertEqual(info.not_after, signing.NOW + timedelta(days=265))
        self.assertEqual(info.fingerprint, hashlib.sha256(der).hexdigest())
        self.assertEqual((info.key_type, info.key_bits, info.signature_hash), ("RSA", 2048, "sha256"))
        self.assertEqual(info.ocsp_urls, ("http://ocsp.example/",))
        self.assertEqual(info.crl_urls, ("http://crl.example/a.crl",))
        self.assertIs(info.key_usage_signing, True)

    def test_tax_codes_among_other_uids(self):
        uids = ("CCCD:001200000001", "MST:0100109106-001", "MNS:1056789", "mst: 0100109106", "MST 5", "CMND:1")
        info = certificate.load(signing.certificate(uids=uids))
        self.assertEqual(info.tax_codes, ("0100109106-001", "0100109106"))
        self.assertEqual(info.budget_codes, ("1056789",))

    def test_tax_code_in_the_name_is_not_believed(self):
        info = certificate.load(signing.certificate(common_name="CÔNG TY, UID=MST:0100109106", uids=("CCCD:1",)))
        self.assertEqual(info.tax_codes, ())

    def test_branch_is_not_its_head_office(self):
        head = certificate.load(signing.certificate())
        branch = certificate.load(signing.certificate(uids=("MST:0100109106-001",)))
        for text in ("0100109106", " 0100109106 ", "MST:0100109106"):
            self.assertTrue(certificate.matches_tax_code(head, text))
            self.assertFalse(certificate.matches_tax_code(branch, text))
        for text in ("0100109106-001", "0100109106001"):
            self.assertTrue(certificate.matches_tax_code(branch, text))
            self.assertFalse(certificate.matches_tax_code(head, text))
        for text in ("", "0100109106-002", "100109106", "MST:"):
            self.assertFalse(certificate.matches_tax_code(head, text))

    def test_key_usage(self):
        for usage, expected in (
            (_usage(content_commitment=True), True),
            (_usage(key_encipherment=True), False),
        ):
            self.assertIs(certificate.load(signing.certificate(extensions=(usage,))).key_usage_signing, expected)
        self.assertIsNone(certificate.load(signing.certificate()).key_usage_signing)

    def test_other_keys(self):
        keys = {
            ("EC", 384): ec.generate_private_key(ec.SECP384R1()),
            ("EdDSA", 256): ed25519.Ed25519PrivateKey.generate(),
        }
        for expected, key in keys.items():
            info = certificate.load(signing.certificate(public_key=key.public_key()))
            self.assertEqual((info.key_type, info.key_bits), expected)

    def test_small_serial(self):
        self.assertEqual(certificate.load(signing.certificate(serial=0x0A)).serial, "A")

    def test_what_is_no_certificate(self):
        der = signing.certificate()
        pem = b"-----BEGIN CERTIFICATE-----\n"
        version = der.index(bytes.fromhex("a003020102")) + 4
        newer = der[:version] + b"\x09" + der[version + 1 :]
        for junk in (b"", b"x", der[:-1], der + b"x", newer, pem, b"0" * 100_000):
            with self.assertRaises(certificate.CertificateError):
                certificate.load(junk)
        with self.assertRaisesRegex(certificate.CertificateError, "at most 65536"):
            certificate.load(b"0" * 65537)

    def test_s16_faults_that_show_on_access(self):
        """A computer that reports such a certificate must be answered, and so must a person who uploads it."""
        good = signing.certificate(serial=8)
        for der in signing.odd_certificates():
            with self.assertRaises(certificate.CertificateError):
                certificate.load(der)
            with self.assertRaises(certificate.CertificateError):
                certificate.load_upload(_pem(good) + _pem(der))

    def test_uploads(self):
        der = signing.certificate()
        other = signing.certificate(serial=7)
        authority = signing.certificate(
            common_name="CA", uids=(), extensions=(x509.BasicConstraints(ca=True, path_length=None),)
        )
        pem, other_pem, authority_pem = map(_pem, (der, other, authority))
        for content in (
            der,
            pem,
            pem.replace(b"\n", b"\r\n"),
            b"Bag Attributes\n" + pem,
            authority_pem + pem,
            pem + authority_pem + pem,
        ):
            self.assertEqual(certificate.load_upload(content).der, der)
        for content, code in (
            (b"", "unreadable"),
            (b"\x00" * 100, "unreadable"),
            (b"PK\x03\x04", "unreadable"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "unreadable"),
            (b"-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n", "unreadable"),
            (pem[: len(pem) // 2], "unreadable"),
            (pem + other_pem, "several"),
            (authority_pem, "several"),
            (pem * 100, "too_large"),
            (b"0" * 65537, "too_large"),
            (pem + b"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n", "private_key"),
            (b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n", "private_key"),
        ):
            with self.assertRaises(certificate.CertificateError) as caught:
                certificate.load_upload(content)
            self.assertEqual(caught.exception.code, code, content[:40])


def _pem(der):
    return x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM)
