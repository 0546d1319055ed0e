"""What every way of asking for a PIN has in common."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.document import FORM_NAMES, FORM_TITLES, Row
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text
from ibhxh_agent.untrusted import harmless


@dataclass(frozen=True)
class Item:
    """One document as the person sees it, taken from the document itself, not from what the server says about it.

    :param form: ``04``, ``05`` or ``06``
    :param rows: every field that is signed; the signature is made over the document written from these
    :param requested_by: who asks, in the server's words
    """

    form: str
    rows: tuple[Row, ...]
    requested_by: str = ""

    @property
    def name(self) -> str:
        """The form's short name, e.g. ``04/ĐK-IVAN``."""
        return FORM_NAMES[self.form]

    def shown(self) -> tuple[Row, ...]:
        """All that is shown of the document: its title, its fields, and who asks for it."""
        asks = harmless(self.requested_by, 100)
        return Row(text("label_form"), FORM_TITLES[self.form]), *self.rows, Row(text("label_requested_by"), asks)


@dataclass(frozen=True)
class Question:
    """One confirmation: one or many documents that agree in what decides, one certificate, one PIN.

    :param items: all of one form
    :param warnings: sentences that must stand out (final try, failed logins, another company's name)
    :param pin_pad: the PIN is typed on the reader, not here
    :param part: which of the batch's ``parts`` this is
    :param token: equal for the same token in the same slot with the same certificates
    :param only_token: no other token is plugged in
    """

    server: str
    certificate: TokenCertificate
    token_label: str
    items: Sequence[Item]
    warnings: tuple[str, ...] = ()
    pin_pad: bool = False
    part: int = 1
    parts: int = 1
    token: Hashable = ()
    only_token: bool = True

    def facts(self) -> list[Row]:
        """Who asks for the signature, and what signs."""
        certificate = self.certificate
        owner = f"{certificate.common_name} ({', '.join(certificate.tax_codes)})"
        return [
            Row(text("label_server"), harmless(self.server)),
            Row(text("label_certificate"), harmless(owner)),
            Row(text("label_issuer"), harmless(f"{certificate.issuer_name}, {certificate.serial}")),
            Row(text("label_validity"), f"{certificate.not_before:%d/%m/%Y} – {certificate.not_after:%d/%m/%Y}"),
            Row(text("label_token"), harmless(self.token_label)),
        ]

    def notes(self) -> list[str]:
        """What stands above the documents: which part of a batch this is."""
        return [text("ask_part", part=self.part, parts=self.parts)] if self.parts > 1 else []

    def shared(self) -> list[Row]:
        """What all documents have in common."""
        return [rows[0] for rows in self._columns() if len(set(rows)) == 1]

    def own(self) -> list[list[Row]]:
        """For each document what is not the same in all of them."""
        columns = [rows for rows in self._columns() if len(set(rows)) > 1]
        return [[rows[number] for rows in columns] for number in range(len(self.items))]

    def _columns(self) -> list[tuple[Row, ...]]:
        return list(zip(*(item.shown() for item in self.items), strict=True))


class Decision(str, Enum):
    """What the person wants. Everything that is not a deliberate yes or no is :attr:`LATER`."""

    SIGN = "sign"
    REFUSE = "refuse"
    LATER = "later"
    #: Unattended, and there is no PIN that may be tried.
    NO_PIN = "no_pin"
    #: Unattended, and the PIN was given for another token.
    FOREIGN_PIN = "foreign_pin"


@dataclass
class Answer:
    """The person's decision.

    :param pin: with :attr:`Decision.SIGN`, except with a PIN pad
    """

    decision: Decision
    pin: Secret | None = None


class Prompt(Protocol):
    """A way to ask. One question at a time: ``ask``, then ``progress`` any number of times, then ``done``."""

    #: A person sees the questions.
    attended: bool

    def ask(self, question: Question) -> Answer:
        """Show and wait for the person."""

    def progress(self, done: int, total: int) -> bool:
        """Show how far the batch is; ``False`` = the person wants to stop, or the agent ends."""

    def ending(self) -> bool:
        """The agent ends, or the person's session does: what has no answer was not declined by anybody."""

    def done(self, message: str) -> None:
        """The batch is over; show the result and let go."""

    def login_failed(self) -> None:
        """A login with the last answer's PIN failed: it must never be used again."""

    def close(self) -> None:
        """The agent ends: take down whatever is still shown."""
