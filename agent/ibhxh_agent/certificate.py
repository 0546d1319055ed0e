"""What the agent reads from a certificate."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from ibhxh_agent.untrusted import harmless

#: UIDs that name an owner (domain.md §4 and §7): tax code, budget code, personal number.
_OWNER = re.compile(r"(MST|MNS|CCCD)\s*:(.{1,60})", re.IGNORECASE | re.DOTALL)
_SEPARATORS = re.compile(r"[\s.\-\u2010-\u2015\u2212]+")
_COUNTRY = re.compile(r"VN(?=(?:[0-9]{10}|[0-9]{12,13})\Z)")
_CODE = re.compile(r"[0-9]{10}(?:-[0-9]{3})?|[0-9A-Z]{5,14}")
_PERSON = re.compile(r"[0-9]{12}")


class CertificateUnreadable(Exception):
    """The bytes are no X.509 certificate that can be used."""


@dataclass(frozen=True)
class TokenCertificate:
    """A certificate of a token; public data only.

    :param fingerprint: SHA-256 of the DER, lower-case hex
    :param common_name: for people; what could rearrange a screen is gone from it, likewise ``issuer_name``
    :param tax_codes: whose certificate it is, from the subject's UIDs (there may be several, in any order): every
        ``MST:`` and ``MNS:``, or where there is none the ``CCCD:`` of a household business, as written in a dossier
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
                common_name=harmless(_first(certificate.subject, NameOID.COMMON_NAME)),
                issuer_name=harmless(issuer),
                serial=f"{certificate.serial_number:X}",
                tax_codes=_owners(uids),
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
        """The certificate names this tax code; a branch's ``0100000000-001`` is not its head office's."""
        expected = _normal(tax_code)
        return bool(expected) and expected in self.tax_codes

    def names(self, company: str) -> bool:
        """The company's name is in the certificate's, whatever the case, accents, punctuation and blanks."""
        return _letters(company) in _letters(self.common_name)

    def valid_at(self, moment: datetime) -> bool:
        """Whether ``moment`` (aware) lies within the certificate's validity."""
        return self.not_before <= moment.astimezone(timezone.utc) <= self.not_after

    def subject_text(self) -> str:
        """The subject for ``X509SubjectName``: country first, ``UID`` by name (``C=VN,…,CN=…,UID=MST:…``)."""
        attributes = list(x509.load_der_x509_certificate(self.der).subject.rdns)
        if attributes and attributes[-1].get_attributes_for_oid(NameOID.COUNTRY_NAME):
            attributes.reverse()
        # RFC 4514 writes the last one first, so hand them over turned round. It allows any byte to be written in hex,
        # and XML needs that for control characters.
        written = x509.Name(reversed(attributes)).rfc4514_string()
        return "".join(c if c.isprintable() else "".join(f"\\{byte:02X}" for byte in c.encode()) for c in written)


def _first(name: x509.Name, oid: x509.ObjectIdentifier) -> str:
    values = name.get_attributes_for_oid(oid)
    return str(values[0].value) if values else ""


def _owners(uids: list[str]) -> tuple[str, ...]:
    found: dict[str, list[str]] = {"MST": [], "MNS": [], "CCCD": []}
    for uid in uids:
        owner = _OWNER.fullmatch(_plain(uid))
        code = _normal(owner[2]) if owner else ""
        if owner and _CODE.fullmatch(code):
            found[owner[1].upper()].append(code)
    # The personal number of somebody who acts for an organisation is not the organisation's. Old ones have 9 digits.
    return tuple(found["MST"] + found["MNS"]) or tuple(code for code in found["CCCD"] if _PERSON.fullmatch(code))


def _normal(tax_code: str) -> str:
    """``0101234567-001`` from ``VN0101234567 – 001`` and the like."""
    code = _COUNTRY.sub("", _SEPARATORS.sub("", _plain(tax_code)).upper())
    return f"{code[:10]}-{code[10:]}" if re.fullmatch(r"[0-9]{13}", code) else code


def _plain(value: str) -> str:
    """Full-width colons and digits become plain ones."""
    return unicodedata.normalize("NFKC", value[:1000]).strip()


def _letters(name: str) -> str:
    """Letters and digits only, without accents: certificates write names with and without them."""
    spelt = unicodedata.normalize("NFD", name.casefold().replace("đ", "d"))
    return "".join(c for c in spelt if c.isalnum())
