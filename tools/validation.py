"""Chain and revocation of a certificate, by pyhanko-certvalidator.

Revocation addresses are asked only after the chain led to a trusted root: an address in a certificate that anyone can
issue must not make the server call it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
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
from pyhanko_certvalidator.authority import CertTrustAnchor, derive_quals_from_cert
from pyhanko_certvalidator.path import ValidationPath
from pyhanko_certvalidator.policy_decl import CertRevTrustPolicy, RevocationCheckingPolicy, RevocationCheckingRule

from . import certificate
from .fetching import Fetch, FetchError

Level = Literal["passed", "warning", "blocking"]
Mode = Literal["soft", "hard"]

_MAX_FETCHES = 8
_NOT_ASKED = RevocationCheckingPolicy(RevocationCheckingRule.NO_CHECK, RevocationCheckingRule.NO_CHECK)
_ASKED = RevocationCheckingPolicy(RevocationCheckingRule.CRL_OR_OCSP_REQUIRED, RevocationCheckingRule.NO_CHECK)
_ERRORS = (errors.PathBuildingError, errors.ValidationError, ValueError, TypeError, x509.InvalidVersion)
_CHAIN_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (errors.ExpiredError, "expired"),
    (errors.NotYetValidError, "not_yet_valid"),
    (errors.DisallowedAlgorithmError, "weak_algorithm"),
    (errors.PathBuildingError, "untrusted"),
)


@dataclass(frozen=True)
class Finding:
    """One result. ``detail`` is English text for a log or an expert.

    Codes: ``chain`` and ``revocation`` (passed); ``unreadable``, ``not_for_signing``, ``no_roots``, ``untrusted``,
    ``expired``, ``not_yet_valid``, ``weak_algorithm``, ``chain_invalid``, ``revoked``, ``revocation_unknown``.
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
    ``hard``: it blocks. What is known to be bad blocks in both. Intermediates must be given: they are not fetched. A
    root counts for as long, and for as many authorities below it, as its own certificate says.

    At most eight fetches are made, OCSP before CRL. An answer that settles nothing (stale, signed by a stranger,
    *unknown*) makes the next address be asked. Never raises FetchError.
    """
    unknown: Level = "blocking" if mode == "hard" else "warning"
    try:
        subject = _loaded(der)
        trusted = _Trusted(_roots(map(_loaded, roots), at), [*map(_loaded, intermediates)])
    except (ValueError, TypeError) as error:
        return [Finding("blocking", "unreadable", str(error))]
    if not certificate.may_sign(certificate.load(der)):
        return [Finding("blocking", "not_for_signing", "an authority's own, or for nothing but servers and the like")]
    if not trusted.roots:
        return [Finding(unknown, "no_roots", "no trusted root is configured")]
    try:
        path = _validated(subject, trusted, at)
    except _ERRORS as error:
        code = next((code for kind, code in _CHAIN_ERRORS if isinstance(error, kind)), "chain_invalid")
        return [Finding("blocking", code, str(error))]
    trusted_by = path.first.subject.human_friendly
    return [Finding("passed", "chain", trusted_by), _revocation(path, trusted, at, unknown, fetch)]


@dataclass(frozen=True)
class _Trusted:
    """What chains are built of."""

    roots: list[_Root]
    intermediates: list[asn1_x509.Certificate]


class _Root(CertTrustAnchor):
    """A root within the bounds of its own certificate, except for its policies: those below it may have others."""

    def __init__(self, root: asn1_x509.Certificate) -> None:
        bounds = derive_quals_from_cert(root)
        # The library counts down both, and cannot when only one is given.
        bounds = replace(bounds, max_aa_path_length=bounds.max_path_length)
        if bounds.standard_parameters:
            any_policy = replace(
                bounds.standard_parameters,
                user_initial_policy_set=frozenset(["any_policy"]),
                initial_explicit_policy=False,
            )
            bounds = replace(bounds, standard_parameters=any_policy)
        super().__init__(root, bounds)


def _loaded(der: bytes) -> asn1_x509.Certificate:
    certificate.load(der)  # strict about what the lenient asn1crypto would read only on access
    return asn1_x509.Certificate.load(der, strict=True)


def _roots(roots: Iterable[asn1_x509.Certificate], at: datetime) -> list[_Root]:
    """One anchor for each name and key: of two certificates of one root the one that is valid counts."""
    by_validity = sorted(roots, key=lambda root: (root.not_valid_before <= at <= root.not_valid_after, root.sha256))
    return [
        _Root(root) for root in {(root.subject.hashable, root.public_key.dump()): root for root in by_validity}.values()
    ]


def _validated(
    subject: asn1_x509.Certificate,
    trusted: _Trusted,
    at: datetime,
    *,
    revocation: RevocationCheckingPolicy = _NOT_ASKED,
    crls: Iterable[asn1_crl.CertificateList] = (),
    ocsps: Iterable[asn1_ocsp.OCSPResponse] = (),
) -> ValidationPath:
    context = ValidationContext(
        trust_roots=trusted.roots,
        other_certs=trusted.intermediates,
        moment=at,
        allow_fetching=False,
        revinfo_policy=CertRevTrustPolicy(revocation),
        crls=list(crls),
        ocsps=list(ocsps),
    )
    validator = CertificateValidator(subject, intermediate_certs=trusted.intermediates, validation_context=context)
    try:
        return asyncio.run(validator.async_validate_path())
    except (errors.PathBuildingError, errors.ValidationError):
        raise
    except Exception as error:
        # The library reads what strangers wrote only when it needs it, and trips over it in many ways.
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _revocation(path: ValidationPath, trusted: _Trusted, at: datetime, unknown: Level, fetch: Fetch) -> Finding:
    """Ask about each certificate of the path, the holder's first. Also after one that nobody answers for."""
    failures: list[str] = []
    budget = iter(range(_MAX_FETCHES))
    for own, issuer in _pairs(path):
        try:
            failures += _ask(own, issuer, trusted, at, fetch, budget)
        except errors.RevokedError as error:
            return Finding("blocking", "revoked", str(error))
    asked = next(budget, _MAX_FETCHES)
    if failures:
        return Finding(unknown, "revocation_unknown", "; ".join(failures))
    return Finding("passed", "revocation", f"asked {asked} address(es)")


def _ask(
    own: asn1_x509.Certificate,
    issuer: asn1_x509.Certificate,
    trusted: _Trusted,
    at: datetime,
    fetch: Fetch,
    budget: Iterator[int],
) -> list[str]:
    """Ask until an answer settles that the certificate is good; why none did, or nothing. Raises RevokedError."""
    failures = [f"{own.subject.human_friendly}: not settled"]
    for url, body, content_type in _questions(own, issuer):
        if next(budget, None) is None:
            return [*failures, "too many addresses"]
        try:
            answer = fetch(url, body, content_type)
            # By this one answer and for this one certificate: what is above it is checked separately.
            if body is None:
                _validated(own, trusted, at, revocation=_ASKED, crls=[_usable_crl(answer)])
            else:
                _validated(own, trusted, at, revocation=_ASKED, ocsps=[_usable_ocsp(answer)])
        except errors.RevokedError:
            raise
        except (FetchError, *_ERRORS) as error:
            failures.append(f"{url}: {error}")
        else:
            return []
    return failures


def _pairs(path: ValidationPath) -> Iterator[tuple[asn1_x509.Certificate, asn1_x509.Certificate]]:
    """Each certificate of the path but the root, with its issuer; the holder's first."""
    chain = [own for own in path if isinstance(own, asn1_x509.Certificate)]
    yield from reversed([*zip(chain[1:], chain, strict=False)])


def _questions(own: asn1_x509.Certificate, issuer: asn1_x509.Certificate) -> Iterator[tuple[str, bytes | None, str]]:
    """What to ask about one certificate: OCSP first, then its CRLs."""
    info = certificate.load(own.dump())
    holder, authority = (x509.load_der_x509_certificate(one.dump()) for one in (own, issuer))
    # SHA-1 only names the issuer here, as RFC 5019 wants it; nothing is signed with it.
    name_hash = hashes.SHA1()  # nosec B303
    builder = ocsp.OCSPRequestBuilder().add_certificate(holder, authority, name_hash)
    request = builder.build().public_bytes(Encoding.DER)
    for url in info.ocsp_urls[:2]:
        yield url, request, "application/ocsp-request"
    for url in info.crl_urls[:2]:
        yield url, None, ""


def _usable_crl(answer: bytes) -> asn1_crl.CertificateList:
    x509.load_der_x509_crl(answer)  # far faster than asn1crypto in refusing what is none
    return asn1_crl.CertificateList.load(answer, strict=True)


def _usable_ocsp(answer: bytes) -> asn1_ocsp.OCSPResponse:
    ocsp.load_der_ocsp_response(answer)
    response = asn1_ocsp.OCSPResponse.load(answer, strict=True)
    if response["response_status"].native != "successful":
        raise ValueError(f"OCSP answers {response['response_status'].native}")
    return response
