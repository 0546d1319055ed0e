"""What every way of asking for a PIN has in common."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.secret import Secret


@dataclass(frozen=True)
class Item:
    """One document as the person sees it, taken from the document itself, not from what the server says about it.

    :param form: short name, e.g. ``04/ĐK-IVAN``
    """

    form: str
    title: str
    company: str
    tax_code: str
    email: str
    phone: str
    requested_by: str
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Question:
    """One confirmation: one or many documents, one certificate, one PIN.

    :param warnings: sentences that must stand out (final try, failed logins, certificate expired)
    :param pin_pad: the PIN is typed on the reader, not here
    :param pin_kept: the person chose to keep the PIN a while ago; only a yes is needed
    """

    server: str
    certificate: TokenCertificate
    token_label: str
    items: Sequence[Item]
    warnings: tuple[str, ...] = ()
    pin_pad: bool = False
    pin_kept: bool = False


@dataclass
class Answer:
    """The person's decision.

    :param decision: ``sign``, ``refuse``, ``cancel`` (closed, or walked away) or ``no_pin`` (nothing to try)
    :param pin: ``None`` with a PIN pad
    :param keep_minutes: keep the PIN in memory for this long; 0 = forget it after this batch
    """

    decision: str
    pin: Secret | None = None
    keep_minutes: float = 0


class Prompt(Protocol):
    """A way to ask. One question at a time: ``ask``, then ``progress`` any number of times, then ``done``."""

    def ask(self, question: Question) -> Answer:
        """Show and wait for the person."""

    def progress(self, done: int, total: int) -> bool:
        """Show how far the batch is; ``False`` = the person wants to stop."""

    def done(self, message: str) -> None:
        """The batch is over; show the result and let go."""

    def close(self) -> None:
        """The agent ends: take down whatever is still shown."""
