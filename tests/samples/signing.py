"""Certificates and enveloped signatures in the layout that is in use, made by hand so that attacks can bend them."""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID
from lxml import etree

from ...tools import dossier

DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = DS + "enveloped-signature"
RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
NOW = datetime(2026, 3, 2, 3, 4, 5, tzinfo=timezone.utc)
TAX_CODE = "0100109106"

_HASHES = {"sha1": hashes.SHA1, "md5": hashes.MD5, "sha256": hashes.SHA256, "sha512": hashes.SHA512}


def key(name: str = "unit", bits: int = 2048) -> rsa.RSAPrivateKey:
    """One RSA key per name and size for the whole run: making them is the slow part."""
    return _key(name, bits)


@cache
def _key(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def certificate(
    name: str = "unit",
    *,
    bits: int = 2048,
    uids: tuple[str, ...] = (f"MST:{TAX_CODE}",),
    common_name: str = "CÔNG TY TNHH THỬ, NGHIỆM",
    serial: int = 0x5404FFFEB7033FB316D672201B7BA4FE,
    not_before: datetime = NOW - timedelta(days=100),
    not_after: datetime = NOW + timedelta(days=265),
    extensions: tuple[x509.ExtensionType, ...] = (),
    public_key: CertificatePublicKeyTypes | None = None,
    attributes: tuple[tuple[x509.ObjectIdentifier, str], ...] = (),
) -> bytes:
    """DER of a certificate of ``public_key``, or of the key ``name``, issued by the key ``ca``."""
    subject = [x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"), x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    subject += [x509.NameAttribute(NameOID.USER_ID, uid) for uid in uids]
    subject += [x509.NameAttribute(oid, text) for oid, text in attributes]
    builder = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test CA")]))
        .public_key(public_key or key(name, bits).public_key())
        .serial_number(serial)
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key("ca"), hashes.SHA256()).public_bytes(Encoding.DER)


def odd_certificates(name: str = "unit") -> list[bytes]:
    """DER of certificates of the key ``name``, well-formed around a fault that shows only when a part is read."""
    faults = (
        (x509.ExtensionOID.AUTHORITY_INFORMATION_ACCESS, "300e300c06082b06010505073001a300"),  # an x400Address
        (x509.ExtensionOID.CRL_DISTRIBUTION_POINTS, "30083006a004a002a300"),
        (
            x509.ExtensionOID.AUTHORITY_INFORMATION_ACCESS,
            "300f300d06082b06010505073001870101",
        ),  # IP of a byte
        (x509.ExtensionOID.KEY_USAGE, "0500"),
        (x509.ExtensionOID.EXTENDED_KEY_USAGE, "0500"),
        (x509.ExtensionOID.BASIC_CONSTRAINTS, "30"),
    )
    return [certificate(name, extensions=(x509.UnrecognizedExtension(oid, bytes.fromhex(raw)),)) for oid, raw in faults]


def data(**changes: object) -> dossier.DossierData:
    """The content of a registration, with ``changes``."""
    values: dict[str, object] = {
        "agency_name": "BHXH Thành phố Hà Nội",
        "agency_code": "001",
        "subject_name": "CÔNG TY TNHH THỬ NGHIỆM & BẠN",
        "tax_code": TAX_CODE,
        "phone": "+84901234567",
        "email": "ke.toan@example.com",
        "contact_name": "Nguyễn Thị Ánh",
        "address": "Số 1 Tràng Thi, Hoàn Kiếm",
        "prepared_on": date(2026, 3, 2),
        "registered_on": date(2026, 3, 2),
        "provider_code": "00001",
        "provider_name": "TS24",
    }
    return dossier.DossierData(**(values | changes))


@dataclass()
class Signature:
    """The knobs of one signature; the defaults give the layout that is in use.

    ``around``: namespace declarations in scope where the signature will stand.
    """

    certificate_der: bytes
    key_name: str = "unit"
    bits: int = 2048
    c14n: str = C14N
    method: str = RSA_SHA256
    digest_method: str = SHA256
    hash_name: str = "sha256"
    digest_hash: str = "sha256"
    transforms: str = f'<Transform Algorithm="{ENVELOPED}"></Transform>'
    reference_uri: str = ' URI=""'
    digest: bytes | None = None
    more_references: str = ""
    method_content: str = ""
    key_value_of: str | None = None
    x509: str | None = None
    key_info: str | None = None
    objects: str | None = None
    signing_time: str = "2026-03-02T03:04:05Z"
    signature_value: bytes | None = None
    around: str = ""

    def xml(self, content: bytes) -> str:
        """The Signature element over ``content``, canonical bytes of the document without it."""
        digest = self.digest if self.digest is not None else hashlib.new(self.digest_hash, content).digest()
        inner = (
            f'<CanonicalizationMethod Algorithm="{self.c14n}"></CanonicalizationMethod>'
            f'<SignatureMethod Algorithm="{self.method}">{self.method_content}</SignatureMethod>'
            f"<Reference{self.reference_uri}><Transforms>{self.transforms}</Transforms>"
            f'<DigestMethod Algorithm="{self.digest_method}"></DigestMethod>'
            f"<DigestValue>{_base64(digest)}</DigestValue></Reference>{self.more_references}"
        )
        signed_info = etree.tostring(
            etree.fromstring(f'<SignedInfo xmlns="{DS}"{self.around}>{inner}</SignedInfo>'), method="c14n"
        )
        value = self.signature_value
        if value is None:
            value = key(self.key_name, self.bits).sign(signed_info, padding.PKCS1v15(), _HASHES[self.hash_name]())
        return (
            f'<Signature xmlns="{DS}" Id="sigid"><SignedInfo>{inner}</SignedInfo>'
            f"<SignatureValue>{_base64(value)}</SignatureValue>{self._key_info()}{self._objects()}</Signature>"
        )

    def _key_info(self) -> str:
        if self.key_info is not None:
            return self.key_info
        numbers = key(self.key_value_of or self.key_name, self.bits).public_key().public_numbers()
        x509_text = self.x509 if self.x509 is not None else _base64(self.certificate_der)
        subject = x509.load_der_x509_certificate(self.certificate_der).subject.rfc4514_string()
        return (
            f"<KeyInfo><KeyValue><RSAKeyValue><Modulus>{_base64(_big_endian(numbers.n))}</Modulus>"
            f"<Exponent>{_base64(_big_endian(numbers.e))}</Exponent></RSAKeyValue></KeyValue>"
            f"<X509Data><X509SubjectName>{subject}</X509SubjectName>"
            f"<X509Certificate>{x509_text}</X509Certificate></X509Data></KeyInfo>"
        )

    def _objects(self) -> str:
        if self.objects is not None:
            return self.objects
        return (
            '<Object Id="proid"><SignatureProperties><SignatureProperty Target="#sigid">'
            f"<SigningTime>{self.signing_time}</SigningTime></SignatureProperty></SignatureProperties></Object>"
        )


def canonical(xml: bytes) -> bytes:
    """C14N 1.0 without comments of a whole document."""
    return etree.tostring(etree.fromstring(xml), method="c14n", with_comments=False)


def sign(unsigned: bytes, certificate_der: bytes, **knobs: object) -> bytes:
    """The unsigned document with a signature at the end of CKy_Dvi, as the agent delivers it."""
    return place(unsigned, Signature(certificate_der, **knobs).xml(canonical(unsigned)))


def place(unsigned: bytes, signature: str) -> bytes:
    """Put the text of a Signature where it belongs, byte for byte."""
    return unsigned.replace(b"<CKy_Dvi/>", b"<CKy_Dvi>" + signature.encode() + b"</CKy_Dvi>")


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def _big_endian(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
