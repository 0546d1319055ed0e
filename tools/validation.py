"""Chain and revocation of a certificate, by pyhanko-certvalidator.

Revocation addresses are asked only after the chain led to a trusted root: an address in a certificate that anybody can
have made must not make the server call it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from pyhanko_certvalidator import CertificateValidator, ValidationContext, errors
from pyhanko_certvalidator.path import ValidationPath

from . import certificate
from .fetching import Fetch, FetchError

Level = Literal["passed", "warning", "blocking"]
Mode = Literal["soft", "hard"]

_MAX_FETCHES = 8
_CHAIN_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (errors.ExpiredError, "expired"),
    (errors.NotYetValidError, "not_yet_valid"),
    (errors.DisallowedAlgorithmError, "weak_algorithm"),
    (errors.PathBuildingError, "untrusted"),
)


@dataclass(frozen=True)
class Finding:
    """One result. ``detail`` is English text for a log or an expert.

    Codes: ``chain`` and ``revocation`` (passed); ``unreadable``, ``no_roots``, ``untrusted``, ``expired``,
    ``not_yet_valid``, ``weak_algorithm``, ``chain_invalid``, ``revoked``, ``revocation_unknown``.
    """

    level: Level
    code: str
    detail: str


def check_chain(
    der: bytes,
    roots: Iterable[bytes],
    intermediates: Iterable[bytes],
    *,
    at: datetime,
    mode: Mode = "soft",
    fetch: Fetch,
) -> list[Finding]:
    """Check the certificate's chain to one of ``roots`` and whether it, or a CA above it, is revoked.

    All certificates are DER. ``at`` (aware) is the time of validity. ``soft``: what cannot be found out warns;
    ``hard``: it blocks. What is known to be bad blocks in both. Intermediates must be given: they are not fetched.
    At most eight fetches are made, OCSP before CRL. Never raises FetchError.
    """
    unknown: Level = "blocking" if mode == "hard" else "warning"
    try:
        subject = _loaded(der)
        anchors = [_loaded(root) for root in roots]
        others = [_loaded(intermediate) for intermediate in intermediates]
    except (ValueError, TypeError) as error:
        return [Finding("blocking", "unreadable", str(error))]
    if not anchors:
        return [Finding(unknown, "no_roots", "no trusted root is configured")]
    try:
        path = _validated(subject, anchors, others, at)
    except (errors.PathBuildingError, errors.ValidationError) as error:
        code = next((code for kind, code in _CHAIN_ERRORS if isinstance(error, kind)), "chain_invalid")
        return [Finding("blocking", code, str(error))]
    trusted_by = path.first.subject.human_friendly
    return [Finding("passed", "chain", trusted_by), _revocation(subject, anchors, others, path, at, unknown, fetch)]


def _loaded(der: bytes) -> asn1_x509.Certificate:
    certificate.load(der)  # strict about what the lenient asn1crypto would read only on access
    return asn1_x509.Certificate.load(der, strict=True)


def _validated(
    subject: asn1_x509.Certificate,
    anchors: list[asn1_x509.Certificate],
    others: list[asn1_x509.Certificate],
    at: datetime,
    *,
    revocation_mode: str = "soft-fail",
    crls: Iterable[asn1_crl.CertificateList] = (),
    ocsps: Iterable[asn1_ocsp.OCSPResponse] = (),
) -> ValidationPath:
    context = ValidationContext(
        trust_roots=anchors,
        other_certs=others,
        moment=at,
        allow_fetching=False,
        revocation_mode=revocation_mode,
        crls=list(crls),
        ocsps=list(ocsps),
    )
    validator = CertificateValidator(subject, intermediate_certs=others, validation_context=context)
    return asyncio.run(validator.async_validate_path())


def _revocation(
    subject: asn1_x509.Certificate,
    anchors: list[asn1_x509.Certificate],
    others: list[asn1_x509.Certificate],
    path: ValidationPath,
    at: datetime,
    unknown: Level,
    fetch: Fetch,
) -> Finding:
    ocsps: list[asn1_ocsp.OCSPResponse] = []
    crls: list[asn1_crl.CertificateList] = []
    failures: list[str] = []
    left = _MAX_FETCHES
    for own, issuer in _pairs(path):
        for url, body, content_type in _questions(own, issuer):
            if left == 0:
                break
            left -= 1
            try:
                answer = fetch(url, body, content_type)
                if body is None:
                    crls.append(asn1_crl.CertificateList.load(answer, strict=True))
                else:
                    ocsps.append(_usable_ocsp(answer))
            except (FetchError, ValueError, TypeError) as error:
                failures.append(f"{url}: {error}")
                continue
            break  # one good answer per certificate is enough
    try:
        _validated(subject, anchors, others, at, revocation_mode="require", crls=crls, ocsps=ocsps)
    except errors.RevokedError as error:
        return Finding("blocking", "revoked", str(error))
    except (errors.PathBuildingError, errors.ValidationError, ValueError, TypeError) as error:
        return Finding(unknown, "revocation_unknown", "; ".join([str(error), *failures]))
    return Finding("passed", "revocation", f"asked {_MAX_FETCHES - left} address(es)")


def _pairs(path: ValidationPath) -> Iterator[tuple[x509.Certificate, x509.Certificate]]:
    """Each certificate of the path but the root, with its issuer."""
    chain = [x509.load_der_x509_certificate(own.dump()) for own in path if isinstance(own, asn1_x509.Certificate)]
    yield from reversed([*zip(chain[1:], chain, strict=False)])


def _questions(own: x509.Certificate, issuer: x509.Certificate) -> Iterator[tuple[str, bytes | None, str]]:
    """What to ask about one certificate: OCSP first, then its CRLs."""
    info = certificate.load(own.public_bytes(Encoding.DER))
    # SHA-1 only names the issuer here, as RFC 5019 wants it; nothing is signed with it.
    name_hash = hashes.SHA1()  # nosec B303
    request = ocsp.OCSPRequestBuilder().add_certificate(own, issuer, name_hash).build().public_bytes(Encoding.DER)
    for url in info.ocsp_urls[:2]:
        yield url, request, "application/ocsp-request"
    for url in info.crl_urls[:2]:
        yield url, None, ""


def _usable_ocsp(answer: bytes) -> asn1_ocsp.OCSPResponse:
    response = asn1_ocsp.OCSPResponse.load(answer, strict=True)
    if response["response_status"].native != "successful":
        raise ValueError(f"OCSP answers {response['response_status'].native}")
    return response
