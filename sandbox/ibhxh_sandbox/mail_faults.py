"""Mails as they come in bad weather: late, twice, out of order, forwarded, without one of their halves."""

from __future__ import annotations

import copy
import unicodedata
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.utils import parseaddr
from html.parser import HTMLParser
from typing import Any

from .letters import LETTERS

KINDS = (
    "duplicate",
    "late",
    "out_of_order",
    "drop",
    "html_only",
    "text_only",
    "base64",
    "no_accents",
    "forwarded_inline",
    "forwarded_attached",
)
"""What can be switched on. `out_of_order` holds an activation mail back until the unit's next other mail was sent."""


@dataclass
class Outgoing:
    """A mail for the outbox."""

    message: EmailMessage
    late_seconds: int = 0
    after_next: bool = False

    @property
    def recipient(self) -> str:
        """The address of the envelope."""
        return parseaddr(str(self.message["To"]))[1]

    @property
    def sender(self) -> str:
        """The sender's address on the envelope."""
        return parseaddr(str(self.message["From"]))[1]


@dataclass
class MailFault:
    """One switch: what happens to the next `count` mails of the kind `letter` (all kinds when None)."""

    kind: str
    letter: str | None
    count: int
    seconds: int
    to: str | None

    def as_json(self) -> dict[str, Any]:
        """As the control API lists it."""
        return {"endpoint": "mail", **vars(self)}


class MailFaults:
    """The switches that are on; several may hit the same mail."""

    def __init__(self) -> None:
        self.active: list[MailFault] = []

    def add(
        self, kind: str, *, letter: str | None = None, count: int = 1, seconds: int = 3600, to: str | None = None
    ) -> None:
        """Switch one on. Raises ValueError for an unknown kind or letter."""
        if kind not in KINDS or letter not in (None, *LETTERS):
            raise ValueError(f"unknown mail fault: {kind} {letter}")
        self.active.append(MailFault(kind, letter, count, seconds, to))

    def apply(self, letter: str, message: EmailMessage) -> list[Outgoing]:
        """What goes into the outbox in place of `message`."""
        outgoing = [Outgoing(message)]
        for fault in self.active:
            if fault.count > 0 and fault.letter in (None, letter):
                fault.count -= 1
                outgoing = _apply(fault, outgoing)
        self.active = [fault for fault in self.active if fault.count > 0]
        return outgoing


def _apply(fault: MailFault, outgoing: list[Outgoing]) -> list[Outgoing]:
    if fault.kind == "drop":
        return []
    if fault.kind == "duplicate":
        return outgoing + copy.deepcopy(outgoing)
    for mail in outgoing:
        if fault.kind == "late":
            mail.late_seconds += fault.seconds
        elif fault.kind == "out_of_order":
            mail.after_next = True
        else:
            mail.message = _rewritten(fault, mail.message)
    return outgoing


def _rewritten(fault: MailFault, message: EmailMessage) -> EmailMessage:
    plain = message.get_body(("plain",))
    html = message.get_body(("html",))
    markup = html.get_content() if html else ""
    text = plain.get_content() if plain else as_text(markup)
    if fault.kind == "forwarded_attached":
        fresh = _headers(message, fault, "Fwd: ")
        fresh.set_content("Chuyển tiếp thư của cơ quan BHXH.\n")
        fresh.add_attachment(message)
        return fresh
    if fault.kind == "forwarded_inline":
        intro = "---------- Forwarded message ---------\n" + "".join(
            f"{name}: {message[name]}\n" for name in ("From", "Date", "Subject", "To")
        )
        quoted = "".join(f"> {line}\n" for line in text.splitlines())
        fresh = _headers(message, fault, "Fwd: ")
        fresh.set_content(f"{intro}\n{quoted}", cte="quoted-printable")
    else:
        fresh = _headers(message, fault, "")
        if fault.kind == "html_only":
            fresh.set_content(markup, subtype="html", cte="quoted-printable")
        elif fault.kind == "text_only":
            fresh.set_content(text, cte="8bit")
        elif fault.kind == "base64":
            fresh.set_content(text, cte="base64")
            fresh.add_alternative(markup, subtype="html", cte="base64")
        else:
            fresh.replace_header("Subject", _without_accents(str(message["Subject"])))
            fresh.set_content(_without_accents(text), cte="7bit")
    for attachment in message.iter_attachments():
        data = attachment.get_content()
        fresh.add_attachment(data, maintype="application", subtype="xml", filename=attachment.get_filename())
    return fresh


def _headers(message: EmailMessage, fault: MailFault, prefix: str) -> EmailMessage:
    fresh = EmailMessage(policy=policy.default)
    for name in ("Subject", "From", "To", "Date", "Message-ID", "Auto-Submitted"):
        fresh[name] = str(message[name])
    fresh.replace_header("Subject", prefix + str(message["Subject"]))
    if prefix:
        fresh.replace_header("From", str(message["To"]))
        fresh.replace_header("To", fault.to or str(message["To"]))
        fresh.replace_header("Message-ID", "<forwarded." + str(message["Message-ID"]).lstrip("<"))
    return fresh


class _Reader(HTMLParser):
    """Writes HTML down as a mail program does that shows text only: blocks as lines, addresses of links behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.text = ""
        self._address = ""

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self._address = dict(attributes).get("href") or ""

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            self.text += f" <{self._address}>"
        elif tag == "td":
            self.text += " "
        elif tag in ("p", "div", "h2", "tr"):
            self.text += "\n\n"

    def handle_data(self, data: str) -> None:
        self.text += data


def as_text(markup: str) -> str:
    """The text of a mail that has an HTML half only."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    return reader.text


def _without_accents(text: str) -> str:
    decomposed = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(character for character in decomposed if not unicodedata.combining(character))
