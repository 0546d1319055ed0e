"""Certificates as they are on Vietnamese tokens."""

from __future__ import annotations

import datetime as dt

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from ibhxh_agent.certificate import CertificateUnreadable, TokenCertificate


def made(subject):
    name = x509.Name([x509.NameAttribute(oid, value) for oid, value in subject])
    now = dt.datetime(2026, 3, 1, tzinfo=dt.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(pki.key(0).public_key())
    builder = builder.serial_number(0x54AA).not_valid_before(now).not_valid_after(now + dt.timedelta(days=10))
    return TokenCertificate.from_der(builder.sign(pki.key(0), hashes.SHA256()).public_bytes(serialization.Encoding.DER))


def test_several_uids_in_any_order():
    certificate = made(
        [(NameOID.USER_ID, "CCCD:001099"), (NameOID.COMMON_NAME, "A, B, C"), (NameOID.USER_ID, "MST:0100109106-001")]
    )
    assert certificate.tax_codes == ("0100109106-001",) and certificate.common_name == "A, B, C"
    assert certificate.serial == "54AA" and certificate.rsa_bits == 2048
    assert certificate.belongs_to("0100109106-001") and certificate.belongs_to(" 0100109106001 ")
    assert not certificate.belongs_to("0100109106") and not certificate.belongs_to("")


@pytest.mark.parametrize("country_last", [False, True])
def test_the_subject_is_written_with_the_country_first(country_last):
    parts = [
        (NameOID.COUNTRY_NAME, "VN"),
        (NameOID.STATE_OR_PROVINCE_NAME, "Hà Nội"),
        (NameOID.COMMON_NAME, "Công ty, A"),
        (NameOID.USER_ID, "MST:0100109106"),
    ]
    subject = made(list(reversed(parts)) if country_last else parts).subject_text()
    assert subject == r"C=VN,ST=Hà Nội,CN=Công ty\, A,UID=MST:0100109106"


def test_validity():
    certificate = made([(NameOID.COMMON_NAME, "A")])
    assert certificate.valid_at(dt.datetime(2026, 3, 5, tzinfo=dt.timezone.utc))
    assert not certificate.valid_at(dt.datetime(2026, 2, 5, tzinfo=dt.timezone.utc))
    assert not certificate.valid_at(dt.datetime(2026, 4, 5, tzinfo=dt.timezone.utc))
    assert certificate.issuer_name == "A" and certificate.tax_codes == ()


def test_garbage_and_keys_that_are_not_rsa():
    with pytest.raises(CertificateUnreadable):
        TokenCertificate.from_der(b"\x30\x03garbage")
    elliptic = TokenCertificate.from_der(pki.certificate(pki.ec_key()))
    assert elliptic.rsa_bits is None
    with pytest.raises(CertificateUnreadable):
        elliptic.public_key()
