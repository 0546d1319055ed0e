"""The stand-in's own key and certificate, which sign its notifications. Worth nothing outside the sandbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from functools import cached_property

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from .store import Store

COMMON_NAME = "BHXH (thu nghiem) - ibhxh-sandbox"


@dataclass(frozen=True)
class VssKey:
    """A private key and its self-signed certificate, both PEM."""

    key: bytes
    certificate: bytes

    @cached_property
    def issued(self) -> x509.Certificate:
        """The certificate, read."""
        return x509.load_pem_x509_certificate(self.certificate)

    @cached_property
    def private_key(self) -> rsa.RSAPrivateKey:
        """The private key, read."""
        key = serialization.load_pem_private_key(self.key, None)
        assert isinstance(key, rsa.RSAPrivateKey)
        return key

    @property
    def subject(self) -> str:
        """The certificate's subject as RFC 4514 text."""
        return self.issued.subject.rfc4514_string()

    @property
    def serial(self) -> str:
        """The certificate's serial, upper-case hex."""
        return f"{self.issued.serial_number:X}"


def load_or_make(store: Store) -> VssKey:
    """The key kept in the data file; made at the first start."""
    kept = store.get_meta("vss_key")
    if kept is None:
        made = _make()
        kept = {"key": made.key.decode(), "certificate": made.certificate.decode()}
        store.set_meta("vss_key", kept)
    return VssKey(kept["key"].encode(), kept["certificate"].encode())


def _make() -> VssKey:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, COMMON_NAME)])
    # Wide enough for every time that a test may move the clock to.
    certificate = self_signed(key, name, datetime(2000, 1, 1, tzinfo=timezone.utc), timedelta(days=365 * 100))
    pem = serialization.Encoding.PEM
    return VssKey(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()),
        certificate.public_bytes(pem),
    )


def self_signed(key: rsa.RSAPrivateKey, name: x509.Name, start: datetime, duration: timedelta) -> x509.Certificate:
    """A certificate of the key by itself, valid from `start` (UTC)."""
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + duration)
        .sign(key, hashes.SHA256())
    )
