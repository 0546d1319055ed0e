"""Readers of what remote signing services send, whatever is in there."""

from __future__ import annotations

import base64
import binascii
import re
import time
from typing import Any

from ..certificate import CertificateError, CertificateInfo, load
from .base import Unanswered

MAX_VALUE_BYTES = 1024
"""A bare RSA signature of 8192 bits."""
MAX_CERTIFICATE_BYTES = 64 * 1024
LIST_SECONDS = 40.0
"""How long a list of certificates may take in all: a person waits for it, and a worker of Odoo."""
_ID = re.compile(r"[!-~]{1,512}")


def decoded(text: Any, most: int) -> bytes:
    """Base64, with the white space that some services put in; empty for anything else, and for what is too long."""
    if not isinstance(text, str) or len(text) > 2 * most + 64:
        return b""
    try:
        found = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
    return found if len(found) <= most else b""


def holder(ders: list[bytes]) -> CertificateInfo | None:
    """What the first certificate says that is a person's or an organisation's, of a chain in whatever order.

    None without one. Only RSA keys count: a signature by another could not be verified later.
    """
    for der in ders:
        try:
            info = load(der)
        except CertificateError:
            continue
        if info.key_type == "RSA" and not info.is_authority:
            return info
    return None


def identity(value: Any) -> str:
    """An id that is given back later: visible ASCII, at most 512 characters; empty for anything else."""
    return value if isinstance(value, str) and _ID.fullmatch(value) else ""


def seconds(value: Any) -> int | None:
    """A limit in seconds of at most an hour, also as digits in a text; None for anything else."""
    number = whole(value)
    return number if number is not None and 0 < number <= 3600 else None


def whole(value: Any) -> int | None:
    """A whole number, also as up to nine digits in a text; None for anything else."""
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,9}", value):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def member(part: Any, name: str) -> Any:
    """A member of an object, None when there is none."""
    return part.get(name) if isinstance(part, dict) else None


def rows(part: Any, name: str) -> list[dict[str, Any]]:
    """The objects in a list that is a member; others are left out."""
    found = member(part, name)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


class Patience:
    """Time for several calls in a row."""

    def __init__(self, total: float) -> None:
        self._end = time.monotonic() + total

    def left(self, most: float) -> float:
        """Seconds for the next call. Raises Unanswered when the time is over."""
        remaining = self._end - time.monotonic()
        if remaining <= 0:
            raise Unanswered("the service takes too long for a list")
        return min(most, remaining)
