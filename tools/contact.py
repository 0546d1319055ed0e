"""Normalise what people type: e-mail, phone, unit code, tax code."""

from __future__ import annotations

import difflib
import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from . import tax_code as tax_codes

# Endings that no registry sells, and mailboxes that get misspelt: both only ever lead to a warning.
_MISSPELT_ENDINGS = {
    ".com.com": ".com", ".cmo": ".com", ".comm": ".com", ".con": ".com", ".ocm": ".com", ".vnn": ".vn", ".vm": ".vn",
    ".comvn": ".com.vn",
}  # fmt: skip
_MAILBOXES = ("gmail.com", "outlook.com", "hotmail.com", "icloud.com", "yahoo.com", "yahoo.com.vn")
_OTHER_MAILBOXES = frozenset({"mail.com", "email.com", "ymail.com"})
# One letter missing, doubled, wrong or in the wrong place; `outlook.com.vn` is no misspelling.
_ALIKE = 0.885
_UNIT_CODE = re.compile(r"[A-Z]{2}[A-Z0-9]{4}[A-Z]")


class ContactError(ValueError):
    """What was typed cannot be used.

    ``code``: ``empty``, ``email``, ``email_accents``, ``phone``, ``unit_code``, ``tax_code``.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def email(text: str) -> str:
    """The e-mail address with a lower-case domain, in ASCII, syntax only (no DNS). Raises ContactError.

    A Vietnamese keyboard turns ``ketoans@`` into ``ketoán@``: a valid address by the standards, and hardly ever the one
    that was meant. A domain that has accents is taken as its registry writes it, ``xn--…``.
    """
    text = _given(text)
    try:
        address = validate_email(text, check_deliverability=False)
    except EmailNotValidError as error:
        raise ContactError("email", str(error)) from None
    if not text.isascii():
        raise ContactError("email_accents", "letters with accents")
    return f"{address.local_part}@{address.ascii_domain}"


def email_doubt(address: str) -> tuple[str, str] | None:
    """A doubt about a normalised address, as ``(code, suggestion)``; never a reason to refuse it.

    ``email_domain`` (a misspelt domain; the suggestion is the address that was probably meant), ``email_tag`` (a part
    after ``+``; the suggestion is without it) or ``email_yahoo`` (vendors advise against it, domain.md section 6).
    """
    local, _at, domain = address.rpartition("@")
    meant = _meant_domain(domain)
    if meant != domain:
        return "email_domain", f"{local}@{meant}"
    name, plus, _tag = local.partition("+")
    if name and plus:
        return "email_tag", f"{name}@{domain}"
    if domain.startswith(("yahoo.", "ymail.")):
        return "email_yahoo", ""
    return None


def _meant_domain(domain: str) -> str:
    for ending, right in _MISSPELT_ENDINGS.items():
        if domain.endswith(ending):
            domain = domain.removesuffix(ending) + right
            break
    if domain in _OTHER_MAILBOXES:
        return domain
    return next(iter(difflib.get_close_matches(domain, _MAILBOXES, n=1, cutoff=_ALIKE)), domain)


def phone(text: str) -> str:
    """The phone number as E.164, read as a Vietnamese one unless it starts with ``+``. Raises ContactError."""
    try:
        number = phonenumbers.parse(_given(text), "VN")
    except phonenumbers.NumberParseException as error:
        raise ContactError("phone", str(error)) from None
    if not phonenumbers.is_valid_number(number):
        raise ContactError("phone", "no such phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def national_phone(number: str) -> str:
    """An E.164 number as it is dialled in Viet Nam, ``0901234567``; one of another country stays as it is.

    Numbers in real dossiers are written so (domain.md section 3).
    """
    return f"0{number.removeprefix('+84')}" if number.startswith("+84") else number


def unit_code(text: str) -> str:
    """The BHXH unit code in upper case without blanks. Raises ContactError when it holds anything but A-Z and 0-9."""
    code = re.sub(r"[\s.\-]", "", _given(text)).upper()
    if not re.fullmatch(r"[A-Z0-9]{1,20}", code):
        raise ContactError("unit_code", "letters and digits only")
    return code


def unit_code_warning(text: str) -> str | None:
    """``unit_code_pattern`` when the code is not like ``TZH490L``; real codes outside the pattern may exist."""
    return None if _UNIT_CODE.fullmatch(text) else "unit_code_pattern"


def tax_code(text: str) -> str:
    """The tax code as 10, 10-3 or 12 digits (or a budget unit's code as typed). Raises ContactError."""
    code = tax_codes.normalise(_given(text))
    if not tax_codes.is_usable(code):
        raise ContactError("tax_code", "10 digits, 10-3 for a branch, or 12 for a household business")
    return code


def _given(text: str) -> str:
    # NFKC turns full-width digits and no-break blanks of pasted text into plain ones.
    text = unicodedata.normalize("NFKC", text or "").strip()
    if not text:
        raise ContactError("empty", "nothing was entered")
    return text
