"""Public X.509 certificates of signing tokens: what is read from them, never a key."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, ExtensionOID, NameOID

from . import tax_code as tax_codes

MAX_BYTES = 64 * 1024
# A certificate that allows only these purposes does not belong to a signer of documents.
_OTHER_PURPOSES = {
    purpose.dotted_string
    for purpose in (
        ExtendedKeyUsageOID.SERVER_AUTH,
        ExtendedKeyUsageOID.OCSP_SIGNING,
        ExtendedKeyUsageOID.TIME_STAMPING,
        ExtendedKeyUsageOID.CODE_SIGNING,
    )
}
_FAULTS = (
    ValueError,
    TypeError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.InvalidVersion,
    x509.UnsupportedGeneralNameType,
)


class CertificateError(ValueError):
    """The bytes are not one readable certificate. ``code``: ``unreadable``, or one of ``load_upload``'s."""

    def __init__(self, message: str, code: str = "unreadable") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class CertificateInfo:
    """What a certificate says. Times are aware UTC; ``serial`` is upper-case hex without ``0x`` or leading zeros.

    ``purposes`` are the extended key usages (dotted), None where the certificate does not restrict them.
    ``tax_codes`` are those that VSS goes by, normalised: every ``MST:`` UID, or the ``CCCD:`` ones where no UID names
    an organisation. ``misplaced_tax_codes`` are elsewhere in the subject, where VSS does not look (error CE013).
    """

    der: bytes
    subject: str
    common_name: str
    issuer: str
    issuer_name: str
    serial: str
    tax_codes: tuple[str, ...]
    budget_codes: tuple[str, ...]
    misplaced_tax_codes: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    fingerprint: str
    key_type: str
    key_bits: int
    signature_hash: str
    ocsp_urls: tuple[str, ...]
    crl_urls: tuple[str, ...]
    key_usage_signing: bool | None
    is_authority: bool
    purposes: tuple[str, ...] | None


def load(der: bytes) -> CertificateInfo:
    """Read one DER certificate of at most 64 KiB. Raises CertificateError.

    The tax code is in the subject's UID (OID 0.9.2342.19200300.100.1.1) as ``MST:<10, 10-3 or 12 digits>``, of a
    household business also as ``CCCD:<12 digits>``; several UIDs can coexist in any order (domain.md section 7).
    """
    if len(der) > MAX_BYTES:
        raise CertificateError(f"certificate of {len(der)} bytes, at most {MAX_BYTES} are read")
    try:
        return _read(der)
    except _FAULTS as error:
        raise CertificateError(f"not a readable X.509 certificate: {error}") from None


def load_upload(content: bytes) -> CertificateInfo:
    """Read the certificate of a file that a person uploads: DER, or PEM with one or several. Raises CertificateError.

    Of several (a chain) it is the one that is not an authority's. ``code`` of the error says what is wrong with the
    file: ``too_large``, ``private_key`` (which must not be shared), ``several``, ``unreadable``.
    """
    if len(content) > MAX_BYTES:
        raise CertificateError(f"file of {len(content)} bytes, at most {MAX_BYTES} are read", "too_large")
    if b"PRIVATE KEY-----" in content:
        raise CertificateError("the file holds a private key", "private_key")
    if b"-----BEGIN" not in content:
        return load(content)
    try:
        certificates = x509.load_pem_x509_certificates(content)
    except (ValueError, TypeError, x509.InvalidVersion) as error:
        raise CertificateError(f"not a readable PEM file: {error}") from None
    holders = {certificate.public_bytes(Encoding.DER) for certificate in certificates if not _is_authority(certificate)}
    if len(holders) != 1:
        raise CertificateError(f"{len(holders)} certificates of holders in the file, one is expected", "several")
    return load(holders.pop())


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, *_FAULTS):
        return False


def may_sign(info: CertificateInfo) -> bool:
    """Whether the certificate's own restrictions let its holder sign documents: no authority's, no server's."""
    only_others = info.purposes is not None and set(info.purposes) <= _OTHER_PURPOSES
    return info.key_usage_signing is not False and not info.is_authority and not only_others


def matches_tax_code(info: CertificateInfo, tax_code: str) -> bool:
    """Whether the certificate is of exactly this unit: a branch (10-3) is not its head office (10)."""
    expected = tax_codes.normalise(tax_code)
    return bool(expected) and expected in info.tax_codes + info.budget_codes


# One certificate is read several times for each of the hundreds of dossiers that it signs.
@lru_cache(maxsize=64)
def _read(der: bytes) -> CertificateInfo:
    certificate = x509.load_der_x509_certificate(der)
    owners: dict[str, list[str]] = {"MST": [], "MNS": [], "CCCD": []}
    for value in _names(certificate.subject, NameOID.USER_ID):
        owner = tax_codes.of_uid(value)
        if owner:
            owners[owner[0]].append(owner[1])
    # The personal number of a person acting for an organisation is not the organisation's.
    organisations = owners["MST"] or owners["MNS"]
    key_type, key_bits = _key(certificate)
    hash_algorithm = certificate.signature_hash_algorithm
    issuer_names = _names(certificate.issuer, NameOID.COMMON_NAME) or _names(
        certificate.issuer, NameOID.ORGANIZATION_NAME
    )
    return CertificateInfo(
        der=der,
        subject=certificate.subject.rfc4514_string(),
        common_name=next(iter(_names(certificate.subject, NameOID.COMMON_NAME)), ""),
        issuer=certificate.issuer.rfc4514_string(),
        issuer_name=next(iter(issuer_names), ""),
        serial=f"{certificate.serial_number:X}",
        tax_codes=tuple(owners["MST"] if organisations else owners["CCCD"]),
        budget_codes=tuple(owners["MNS"]),
        misplaced_tax_codes=_misplaced(certificate.subject),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        fingerprint=hashlib.sha256(der).hexdigest(),
        key_type=key_type,
        key_bits=key_bits,
        signature_hash=hash_algorithm.name if hash_algorithm else "",
        ocsp_urls=_ocsp_urls(certificate),
        crl_urls=_crl_urls(certificate),
        key_usage_signing=_key_usage_signing(certificate),
        is_authority=_is_authority(certificate),
        purposes=_purposes(certificate),
    )


def _names(name: x509.Name, oid: x509.ObjectIdentifier) -> list[str]:
    return [str(attribute.value) for attribute in name.get_attributes_for_oid(oid)]


def _misplaced(subject: x509.Name) -> tuple[str, ...]:
    """Tax codes outside the UID: named in O, S, CN or another attribute, or alone as the serialNumber."""
    found: list[str] = []
    for attribute in subject:
        if attribute.oid == NameOID.USER_ID:
            continue
        text = str(attribute.value)
        code = tax_codes.named_in(text)
        if not code and attribute.oid == NameOID.SERIAL_NUMBER:
            code = tax_codes.bare(text)
        if code and code not in found:
            found.append(code)
    return tuple(found)


def _key(certificate: x509.Certificate) -> tuple[str, int]:
    key = certificate.public_key()
    if isinstance(key, rsa.RSAPublicKey):
        return "RSA", key.key_size
    if isinstance(key, ec.EllipticCurvePublicKey):
        return "EC", key.key_size
    if isinstance(key, dsa.DSAPublicKey):
        return "DSA", key.key_size
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        return "EdDSA", len(key.public_bytes_raw()) * 8
    return "other", 0


def _ocsp_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ()
    return _web(item.access_location for item in access if item.access_method == AuthorityInformationAccessOID.OCSP)


def _crl_urls(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    except x509.ExtensionNotFound:
        return ()
    return _web(name for point in points for name in point.full_name or ())


def _web(names: Iterable[x509.GeneralName]) -> tuple[str, ...]:
    """The http(s) addresses among ``names``: LDAP ones are of no use to a server behind a firewall."""
    urls = (name.value for name in names if isinstance(name, x509.UniformResourceIdentifier))
    return tuple(url for url in urls if url.lower().startswith(("http://", "https://")))


def _key_usage_signing(certificate: x509.Certificate) -> bool | None:
    try:
        usage = certificate.extensions.get_extension_for_oid(ExtensionOID.KEY_USAGE).value
    except x509.ExtensionNotFound:
        return None
    return isinstance(usage, x509.KeyUsage) and (usage.digital_signature or usage.content_commitment)


def _purposes(certificate: x509.Certificate) -> tuple[str, ...] | None:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return None
    return tuple(purpose.dotted_string for purpose in usage)
