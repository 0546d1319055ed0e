"""Normalise what people type: e-mail, phone, unit code, tax code."""

from __future__ import annotations

import re
import unicodedata

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from stdnum.exceptions import ValidationError
from stdnum.vn import mst

from .certificate import normalise_tax_code

_UNIT_CODE = re.compile(r"[A-Z]{2}[A-Z0-9]{4}[A-Z]")
_ANY_CODE = re.compile(r"[0-9A-Z]{1,20}(?:-[0-9]{3})?")


class ContactError(ValueError):
    """What was typed cannot be used. ``code``: ``empty``, ``email``, ``phone``, ``unit_code``, ``tax_code``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def email(text: str) -> str:
    """The e-mail address with a lower-case domain, syntax only (no DNS). Raises ContactError."""
    try:
        return validate_email(_given(text), check_deliverability=False).normalized
    except EmailNotValidError as error:
        raise ContactError("email", str(error)) from None


def phone(text: str) -> str:
    """The phone number as E.164, read as a Vietnamese one unless it starts with ``+``. Raises ContactError."""
    try:
        number = phonenumbers.parse(_given(text), "VN")
    except phonenumbers.NumberParseException as error:
        raise ContactError("phone", str(error)) from None
    if not phonenumbers.is_valid_number(number):
        raise ContactError("phone", "no such phone number")
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


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
    """The tax code as 10 or 10-3 digits (or a budget unit's code as typed). Raises ContactError."""
    code = normalise_tax_code(_given(text))
    if not _ANY_CODE.fullmatch(code):
        raise ContactError("tax_code", "10 digits, or 10-3 for a branch")
    return code


def tax_code_warning(text: str) -> str | None:
    """``tax_code_format`` or ``tax_code_checksum`` when stdnum doubts it; such codes exist, so it never blocks."""
    if not re.fullmatch(r"[0-9]{10}(-[0-9]{3})?", text):
        return "tax_code_format"
    try:
        mst.validate(text)
    except ValidationError:
        return "tax_code_checksum"
    return None


def _given(text: str) -> str:
    # NFKC turns full-width digits and no-break blanks of pasted text into plain ones.
    text = unicodedata.normalize("NFKC", text or "").strip()
    if not text:
        raise ContactError("empty", "nothing was entered")
    return text
