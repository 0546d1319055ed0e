"""The tax code (mã số thuế, MST): how it is read, written and compared. The one place that knows its shapes.

Organisations have 10 digits, their branches 10-3; since 01/07/2025 household businesses and individuals have the 12
digits of the personal number (domain.md section 7); budget units have other codes (``MNS``, section 4).
"""

from __future__ import annotations

import re
import unicodedata

from stdnum.exceptions import ValidationError
from stdnum.vn import mst

# Half a dozen dashes look alike in pasted text; a full-width colon or digit is made plain by NFKC.
_SEPARATORS = re.compile(r"[\s.\-\u00ad\u2010-\u2015\u2212]+")
_LABEL = re.compile(r"\A(?:MST|MNS|CCCD)\s*:", re.IGNORECASE)
_OWNER = re.compile(r"(MST|MNS|CCCD)\s*:(.{1,60})", re.IGNORECASE | re.DOTALL)
_COUNTRY = re.compile(r"VN(?=(?:[0-9]{10}|[0-9]{12,13})\Z)")
_KNOWN = re.compile(r"[0-9]{10}(?:-[0-9]{3})?|[0-9]{12}")
_USABLE = re.compile(rf"{_KNOWN.pattern}|[0-9A-Z]{{5,14}}")
_PERSON = re.compile(r"[0-9]{12}")
_NAMED = re.compile(
    r"\b(?:MST|M[ÃA] S[ỐO] THU[ẾE])\s?[:\-]?\s?(?:VN)?([0-9]{12,13}|[0-9]{10}(?:\s?-\s?[0-9]{3})?)(?![0-9])",
    re.IGNORECASE,
)
# No attribute of a certificate and no tax code is longer; the rest of a longer text is not read.
_MAX_TEXT = 1000


def normalise(text: str) -> str:
    """``0101234567-001`` from ``0101234567001``, ``MST：0101234567 – 001`` and ``VN0101234567-001``.

    The label and the country before the code go, and so do blanks, dots and dashes in it; letters become capitals.
    What is no code stays readable, so that a message can quote it.
    """
    code = _SEPARATORS.sub("", _LABEL.sub("", _plain(text))).upper()
    code = _COUNTRY.sub("", code)
    return f"{code[:10]}-{code[10:]}" if re.fullmatch(r"[0-9]{13}", code) else code


def is_usable(code: str) -> bool:
    """Whether the normalised ``code`` can be used in a dossier: a known shape, or that of a budget unit's code."""
    return bool(_USABLE.fullmatch(code))


def is_person(code: str) -> bool:
    """Whether the normalised ``code`` is a personal number: the tax code of a household business or an individual."""
    return bool(_PERSON.fullmatch(code))


def doubt(code: str) -> str | None:
    """``tax_code_format`` or ``tax_code_checksum`` where a normalised code looks wrong; real ones exist, so only warn.

    A personal number has no check digit.
    """
    if not _KNOWN.fullmatch(code):
        return "tax_code_format"
    if is_person(code):
        return None
    try:
        mst.validate(code)
    except ValidationError:
        return "tax_code_checksum"
    return None


def same_unit(left: str, right: str) -> bool:
    """Whether two normalised codes are of one organisation: head office and branches share the first 10 digits."""
    stems = [code[:10] for code in (left, right) if _KNOWN.fullmatch(code) and not is_person(code)]
    return len(stems) == 2 and stems[0] == stems[1]


def of_uid(value: str) -> tuple[str, str] | None:
    """``("MST", code)``, ``("MNS", code)`` or ``("CCCD", code)`` of one UID of a certificate's subject, else None.

    A ``CCCD`` counts with 12 digits only; older identity cards have 9 and are nobody's tax code.
    """
    found = _OWNER.fullmatch(_plain(value))
    if not found:
        return None
    label, code = found[1].upper(), normalise(found[2])
    if not is_usable(code) or (label == "CCCD" and not is_person(code)):
        return None
    return label, code


def named_in(text: str) -> str | None:
    """The tax code that a text names as one (``CÔNG TY A, MST 0101234567``), normalised, else None."""
    found = _NAMED.search(_plain(text))
    code = normalise(found[1]) if found else ""
    return code if _KNOWN.fullmatch(code) else None


def bare(text: str) -> str | None:
    """The tax code that is the whole text, with or without its label, normalised, else None."""
    code = normalise(text)
    return code if _KNOWN.fullmatch(code) else None


def _plain(text: str) -> str:
    text = unicodedata.normalize("NFKC", (text or "")[:_MAX_TEXT])
    return "".join(character for character in text if unicodedata.category(character) != "Cf").strip()
