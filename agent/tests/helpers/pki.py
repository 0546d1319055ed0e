"""A certificate authority and certificates like those on Vietnamese tokens."""

from __future__ import annotations

import datetime as dt
import functools

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID

TAX_CODE = "0100109106"


@functools.cache
def key(number: int = 0, bits: int = 2048) -> rsa.RSAPrivateKey:
    """A key; the same number gives the same key within a test run (making one is slow)."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@functools.cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    """A key that is not RSA."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate(
    private: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    tax_code: str | None = TAX_CODE,
    name: str = "CÔNG TY TNHH MỘT THÀNH VIÊN, CHI NHÁNH",
    days: int = 365,
    start: dt.datetime | None = None,
) -> bytes:
    """DER of a certificate; ``tax_code`` None = a certificate that is no company's."""
    start = start or dt.datetime.now(dt.timezone.utc) - dt.timedelta(days=1)
    subject = [
        x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
        x509.NameAttribute(NameOID.STATE_OR_PROVINCE_NAME, "Hà Nội"),
        x509.NameAttribute(NameOID.LOCALITY_NAME, "Ba Đình"),
        x509.NameAttribute(NameOID.COMMON_NAME, name),
    ]
    if tax_code:
        subject.append(x509.NameAttribute(NameOID.USER_ID, f"MST:{tax_code}"))
    issuer = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "TEST CA"),
            x509.NameAttribute(NameOID.COMMON_NAME, "TEST-CA SHA-256"),
        ]
    )
    built = (
        x509.CertificateBuilder()
        .subject_name(x509.Name(subject))
        .issuer_name(issuer)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=days))
        .sign(key(999), hashes.SHA256())
    )
    return built.public_bytes(serialization.Encoding.DER)
