"""What the agent reads from a certificate."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

_TAX_PREFIX = "MST:"


class CertificateUnreadable(Exception):
    """The bytes are no X.509 certificate that can be used."""


@dataclass(frozen=True)
class TokenCertificate:
    """A certificate of a token; public data only.

    :param fingerprint: SHA-256 of the DER, lower-case hex
    :param tax_codes: every ``MST:`` among the subject's UIDs (there may be several UIDs, in any order)
    :param not_before: UTC; likewise ``not_after``
    :param rsa_bits: ``None`` when the key is not RSA
    """

    der: bytes
    fingerprint: str
    common_name: str
    issuer_name: str
    serial: str
    tax_codes: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    rsa_bits: int | None

    @classmethod
    def from_der(cls, der: bytes) -> TokenCertificate:
        """Parse.

        :raises CertificateUnreadable: not a certificate
        """
        try:
            certificate = x509.load_der_x509_certificate(der)
            public = certificate.public_key()
            issuer = _first(certificate.issuer, NameOID.COMMON_NAME) or _first(
                certificate.issuer, NameOID.ORGANIZATION_NAME
            )
            uids = [str(item.value) for item in certificate.subject.get_attributes_for_oid(NameOID.USER_ID)]
            return cls(
                der=der,
                fingerprint=hashlib.sha256(der).hexdigest(),
                common_name=_first(certificate.subject, NameOID.COMMON_NAME),
                issuer_name=issuer,
                serial=f"{certificate.serial_number:X}",
                tax_codes=tuple(u[len(_TAX_PREFIX) :].strip() for u in uids if u.upper().startswith(_TAX_PREFIX)),
                not_before=certificate.not_valid_before_utc,
                not_after=certificate.not_valid_after_utc,
                rsa_bits=public.key_size if isinstance(public, rsa.RSAPublicKey) else None,
            )
        except Exception as error:  # whatever a hostile certificate makes the parser raise
            raise CertificateUnreadable(type(error).__name__) from error

    def public_key(self) -> rsa.RSAPublicKey:
        """The RSA public key.

        :raises CertificateUnreadable: the key is of another type
        """
        key = x509.load_der_x509_certificate(self.der).public_key()
        if not isinstance(key, rsa.RSAPublicKey):
            raise CertificateUnreadable("not RSA")
        return key

    def belongs_to(self, tax_code: str) -> bool:
        """The certificate names this tax code (MST); ``0100000000-001`` and ``0100000000`` are different ones."""
        wanted = _normal(tax_code)
        return bool(wanted) and wanted in {_normal(code) for code in self.tax_codes}

    def valid_at(self, moment: datetime) -> bool:
        """Whether ``moment`` (aware) lies within the certificate's validity."""
        return self.not_before <= moment.astimezone(timezone.utc) <= self.not_after

    def subject_text(self) -> str:
        """The subject for ``X509SubjectName``: country first, ``UID`` by name (``C=VN,…,CN=…,UID=MST:…``)."""
        attributes = list(x509.load_der_x509_certificate(self.der).subject.rdns)
        if attributes and attributes[-1].get_attributes_for_oid(NameOID.COUNTRY_NAME):
            attributes.reverse()
        # RFC 4514 writes the last one first, so hand them over turned round.
        return x509.Name(reversed(attributes)).rfc4514_string()


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else ""


def _normal(tax_code: str) -> str:
    return "".join(tax_code.split()).replace("-", "")
