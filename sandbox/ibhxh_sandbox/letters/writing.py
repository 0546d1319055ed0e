"""What all mails have in common: what they are about, their headers, a text and an HTML half."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from ..settings import Settings
from ..store import Row
from ..vss_key import VssKey

DOMAIN = "sandbox.example"
"""Right-hand side of the message ids."""
NOTE = "Thư của hệ thống thử nghiệm, không phải của Bảo hiểm xã hội Việt Nam."
NO_UNIT_CODE = "DKTGLD"
"""What today's mail and page show in place of the unit code while a unit has none (domain.md §6)."""


@dataclass(frozen=True)
class Letter:
    """What a mail is about, and who writes it when."""

    dossier: Row
    unit: Row
    portal: str
    """Address of the portal, without a slash at its end."""
    expires: str
    """End of the code's life as people read it."""
    sender: str
    at: datetime
    settings: Settings
    key: VssKey
    new_password: bool = False
    details: Mapping[str, str] = field(default_factory=dict)
    """What the control API sets: see `letters.DETAILS`."""

    @property
    def page(self) -> str:
        """Address of the portal page of this dossier."""
        return f"{self.portal}/#/kich-hoat/{self.dossier['token']}"

    @property
    def fields(self) -> dict[str, str]:
        """The dossier's elements."""
        return dict(json.loads(self.dossier["fields"]))

    @property
    def name(self) -> str:
        """The unit's name."""
        return str(self.unit.get("name") or self.fields["TenDoiTuong"])

    @property
    def unit_code(self) -> str:
        """The unit code; empty while the unit has none."""
        return str(self.unit.get("unit_code") or self.dossier["unit_code"] or "")

    @property
    def identity(self) -> str:
        """What today's mail and page call the unit's identity number."""
        return identity(self.unit)


Writer = Callable[[Letter], EmailMessage]


def identity(unit: Row) -> str:
    """The unit code, or six letters for a unit that has not learned its code from VSS yet."""
    return str(unit["unit_code"]) if unit.get("knows_code") else NO_UNIT_CODE


def envelope(letter: Letter, subject: str, sender: str | None = None) -> EmailMessage:
    """A mail without content."""
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender or letter.sender
    message["To"] = Address(addr_spec=letter.fields["Email"])
    message["Date"] = format_datetime(letter.at)
    message["Message-ID"] = f"<{uuid.uuid4()}@{DOMAIN}>"
    message["Auto-Submitted"] = "auto-generated"
    return message


def compose(
    letter: Letter,
    subject: str,
    lines: list[str],
    facts: Mapping[str, str],
    *,
    sender: str | None = None,
    links: Mapping[str, str] | None = None,
    bold: str | None = None,
) -> EmailMessage:
    """A mail of paragraphs and a table of facts, as text and as HTML.

    :param links: texts that are links in the HTML half, with their addresses; the text half has the addresses
    :param bold: a text that the HTML half shows bold
    """
    paragraphs = ["Kính gửi đơn vị,", *lines]
    text = "\n\n".join(paragraphs) + "\n\n" + "".join(f"{name}: {value}\n" for name, value in facts.items())
    markup = [escape(paragraph) for paragraph in paragraphs]
    for label, address in (links or {}).items():
        text = text.replace(label, label if label == address else f"{label} ({address})")
        anchor = f'<a href="{escape(address)}">{escape(label)}</a>'
        markup = [paragraph.replace(escape(label), anchor) for paragraph in markup]
    if bold:
        markup = [paragraph.replace(bold, f"<b>{bold}</b>") for paragraph in markup]
    rows = "".join(f"<tr><td>{name}:</td><td><b>{escape(value)}</b></td></tr>" for name, value in facts.items())
    message = envelope(letter, subject, sender)
    message.set_content(f"{text}\n{NOTE}\n", cte="quoted-printable")
    message.add_alternative(
        f"<html><body>{''.join(f'<p>{paragraph}</p>' for paragraph in markup)}<table>{rows}</table>"
        f"<p><small>{NOTE}</small></p></body></html>",
        subtype="html",
        cte="base64",
    )
    return message


def attach(message: EmailMessage, xml: bytes | None, name: str = "01_TB-GD.xml") -> EmailMessage:
    """The same mail with a notification attached, where there is one."""
    if xml:
        message.add_attachment(xml, maintype="application", subtype="xml", filename=name)
    return message


def seed_facts(letter: Letter) -> dict[str, str]:
    """The four facts below the mails of the seed."""
    return {
        "Mã đơn vị": letter.unit_code,
        "Tên đơn vị": letter.name,
        "Mã số thuế": letter.fields["MaSoThue"],
        "Số hồ sơ": letter.dossier["dossier_number"] or "",
    }
