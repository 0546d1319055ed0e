"""The stand-in's mails: what VSS sends to a unit's address, and what else arrives there (domain.md §6)."""

from __future__ import annotations

from collections.abc import Mapping

from . import besides, seed, today
from .writing import Letter, Writer

__all__ = ["BESIDES", "DETAILS", "LETTERS", "Letter", "Writer", "writer"]

BESIDES: Mapping[str, Writer] = {
    "receipt": besides.receipt,
    "announcement": besides.announcement,
    "account": besides.account,
    "ordinary_receipt": besides.ordinary_receipt,
    "ordinary_result": besides.ordinary_result,
    "one_time_password": besides.one_time_password,
    "password_reset": besides.password_reset,
    "licence": besides.licence,
}
"""Mails that neither bring the code nor confirm anything, whatever their words."""
_EDITIONS: Mapping[str, Mapping[str, Writer]] = {
    "today": {"activation": today.activation, "confirmation": today.confirmation, "rejection": today.rejection},
    "seed": {"activation": seed.activation, "confirmation": seed.confirmation, "rejection": seed.rejection},
}
LETTERS = (*_EDITIONS["today"], *BESIDES)
"""Every kind of mail that the sandbox can write."""
DETAILS = ("code", "description", "number")
"""What the control API may set in a mail: code and description of a refusal; a number, empty for none."""


def writer(kind: str, edition: str) -> Writer:
    """What writes mails of this kind. Raises KeyError."""
    return BESIDES.get(kind) or _EDITIONS[edition][kind]
