"""Checks before anyone is asked for a PIN. Pure: what needs the database or the network is the ORM's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import datetime
from typing import Literal

from . import contact, folding
from . import tax_code as tax_codes
from .certificate import CertificateInfo, matches_tax_code, may_sign

Level = Literal["passed", "warning", "blocking"]

WARN_DAYS = 30
_MIN_RSA_BITS = 2048
_WEAK_HASHES = ("md5", "sha1")


@dataclass(frozen=True)
class Finding:
    """One check's result: ``values`` fill the sentence of ``code``; ``field`` names the input that resolves it."""

    check: str
    level: Level
    code: str
    values: dict[str, str | int] = dataclass_field(default_factory=dict)
    field: str | None = None


def worst(findings: Iterable[Finding]) -> Level:
    """The gravest level among the findings; ``passed`` when there are none."""
    order: tuple[Level, ...] = ("passed", "warning", "blocking")
    return max((finding.level for finding in findings), key=order.index, default="passed")


def check_owner(certificate: CertificateInfo, tax_code: str) -> Finding:
    """The certificate's tax code is exactly the company's, branch suffix included, and is where VSS looks for it.

    VSS refuses anything else with CE013 (domain.md section 5).
    """
    expected = tax_codes.normalise(tax_code)
    owners = certificate.tax_codes + certificate.budget_codes
    found = owners or certificate.misplaced_tax_codes
    values: dict[str, str | int] = {"certificate": ", ".join(found), "company": expected}
    if matches_tax_code(certificate, tax_code):
        return Finding("owner", "passed", "owner_ok", values)
    if any(tax_codes.same_unit(code, expected) for code in owners):
        code = "owner_branch"
    elif expected in certificate.misplaced_tax_codes:
        code = "owner_misplaced"
    else:
        code = "owner_other" if found else "owner_unknown"
    return Finding("owner", "blocking", code, values, "certificate_id")


def check_validity(certificate: CertificateInfo, *, at: datetime, warn_days: int = WARN_DAYS) -> Finding:
    """The certificate is valid at ``at`` and for more than ``warn_days`` days after."""
    values: dict[str, str | int] = {
        "from": certificate.not_before.isoformat(),
        "to": certificate.not_after.isoformat(),
        "days": (certificate.not_after - at).days,
    }
    if at < certificate.not_before:
        return Finding("validity", "blocking", "not_yet_valid", values, "certificate_id")
    if at > certificate.not_after:
        return Finding("validity", "blocking", "expired", values, "certificate_id")
    if (certificate.not_after - at).days < warn_days:
        return Finding("validity", "warning", "expires_soon", values, "certificate_id")
    return Finding("validity", "passed", "validity_ok", values)


def check_key(certificate: CertificateInfo) -> Finding:
    """RSA of 2048 bits or more, not issued with a weak hash, meant for signing where it says what for."""
    values: dict[str, str | int] = {
        "type": certificate.key_type,
        "bits": certificate.key_bits,
        "hash": certificate.signature_hash,
    }
    if certificate.key_type != "RSA" or certificate.key_bits < _MIN_RSA_BITS:
        return Finding("key", "blocking", "key_unfit", values, "certificate_id")
    if not may_sign(certificate):
        return Finding("key", "blocking", "key_not_for_signing", values, "certificate_id")
    if certificate.signature_hash in _WEAK_HASHES:
        return Finding("key", "warning", "certificate_hash_weak", values, "certificate_id")
    return Finding("key", "passed", "key_ok", values)


def check_tax_code(tax_code: str) -> Finding:
    """The company has a tax code; doubts about its form only warn, as real codes exist that stdnum refuses."""
    return _typed("tax_code", "company_id", tax_code, contact.tax_code, tax_codes.doubt)


def check_name(name: str, common_name: str = "") -> Finding:
    """The name is what the eye sees: a dossier is signed over every character, and the certificate's holder reads it.

    It is the certificate's ``common_name``, empty where none is known, which its authority has checked; VSS's mails
    address the unit by its registered name (domain.md section 6). Accents, case and signs do not matter.

    ``shown`` marks what cannot be seen. Blanks of other kinds become plain ones in the dossier; invisible characters,
    which also turn the direction of writing, are in no name.
    """
    shown = "".join("▯" if _is_odd(character) else character for character in name)
    if any(unicodedata.category(character) in ("Cc", "Cf") for character in name):
        return Finding("name", "blocking", "name_invisible", {"name": shown})
    if name != " ".join(name.split()) or "▯" in shown:
        marked = shown if "▯" in shown else "▯".join(re.split(r"^ +| +$|  +", shown))
        return Finding("name", "warning", "name_blanks", {"name": marked})
    if common_name and folding.words(name) != folding.words(common_name):
        return Finding("name", "warning", "name_certificate", {"name": name, "common_name": common_name})
    return Finding("name", "passed", "name_ok", {"name": name})


def _is_odd(character: str) -> bool:
    return character != " " and unicodedata.category(character) in ("Cc", "Cf", "Zs", "Zl", "Zp")


def check_agency(agency_code: str) -> Finding:
    """The BHXH agency's code has 3 to 5 digits."""
    values: dict[str, str | int] = {"agency_code": agency_code}
    if re.fullmatch(r"[0-9]{3,5}", agency_code, re.ASCII):
        return Finding("agency", "passed", "agency_ok", values)
    return Finding("agency", "blocking", "agency_format" if agency_code else "agency_empty", values, "agency_id")


def check_unit_code(unit_code: str | None) -> Finding:
    """The unit code, which a first registration need not have, looks like one."""
    if not unit_code:
        return Finding("unit_code", "passed", "unit_code_none")
    return _typed("unit_code", "unit_code", unit_code, contact.unit_code, contact.unit_code_warning)


def check_email(email: str, repeated: str | None) -> Finding:
    """The e-mail address is one, and was typed the same twice (None: it was verified otherwise); doubts only warn."""
    finding = _typed("email", "email", email, contact.email)
    if finding.level != "passed":
        return finding
    if repeated is not None and _typed("email", "email_repeated", repeated, contact.email).values != finding.values:
        return Finding("email", "blocking", "email_differs", finding.values, "email_repeated")
    doubt = contact.email_doubt(str(finding.values["email"]))
    if doubt:
        code, suggestion = doubt
        return Finding("email", "warning", code, {**finding.values, "suggestion": suggestion}, "email")
    return finding


def check_phone(phone: str) -> Finding:
    """The phone number is one."""
    return _typed("phone", "phone", phone, contact.phone)


def _typed(
    check_name: str,
    field_name: str,
    text: str,
    normalise: Callable[[str], str],
    doubt: Callable[[str], str | None] = lambda _text: None,
) -> Finding:
    try:
        value = normalise(text)
    except contact.ContactError as error:
        kind = error.code.removeprefix(check_name).removeprefix("_") or "invalid"
        return Finding(check_name, "blocking", f"{check_name}_{kind}", {check_name: text}, field_name)
    warning = doubt(value)
    if warning:
        return Finding(check_name, "warning", warning, {check_name: value}, field_name)
    return Finding(check_name, "passed", f"{check_name}_ok", {check_name: value})
