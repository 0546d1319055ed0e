"""The stand-in's mails to a unit. The real ones' wording is not known; these carry what the real ones must carry."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from html import escape

from .documents import FORMS
from .store import Row

DOMAIN = "sandbox.example"
"""Right-hand side of the message ids."""


@dataclass(frozen=True)
class Letter:
    """What a mail is about."""

    dossier: Row
    unit: Row
    page: str
    """Address of the portal page of this dossier."""
    expires: str
    """End of the code's life as people read it."""
    new_password: bool


Writer = Callable[[Letter, str, datetime], EmailMessage]


def activation(letter: Letter, sender: str, at: datetime) -> EmailMessage:
    """The mail with the activation code and the link."""
    lines = [
        "Cơ quan Bảo hiểm xã hội đã tiếp nhận hồ sơ đăng ký giao dịch điện tử của đơn vị.",
        f"Mã kích hoạt: {letter.dossier['code']}",
        'Để hoàn tất đăng ký, hãy mở đường dẫn dưới đây, dán mã kích hoạt vào ô "Mã xác nhận" '
        'và nhấn "Gửi mã xác nhận":',
        letter.page,
        f"Mã kích hoạt có hiệu lực trong 24 giờ, đến {letter.expires}. Quá thời hạn này đơn vị phải đăng ký lại.",
    ]
    return _compose(letter, sender, at, "Mã kích hoạt đăng ký giao dịch điện tử BHXH", lines)


def confirmation(letter: Letter, sender: str, at: datetime) -> EmailMessage:
    """The mail that says that VSS has confirmed, with the notification attached."""
    lines = [f"Bảo hiểm xã hội Việt Nam xác nhận: {FORMS[letter.dossier['form']]} thành công."]
    if letter.new_password:
        lines.append("Mật khẩu đăng nhập cổng thông tin đã được cấp lại theo yêu cầu của đơn vị.")
    message = _compose(letter, sender, at, "Xác nhận hoàn tất đăng ký giao dịch điện tử BHXH", lines)
    return _with_notification(message, letter)


def rejection(letter: Letter, sender: str, at: datetime) -> EmailMessage:
    """The mail that says that VSS has refused the dossier, with the notification attached."""
    lines = [f'Hồ sơ "{FORMS[letter.dossier["form"]]}" không được chấp nhận. Xem thông báo đính kèm.']
    message = _compose(letter, sender, at, "Thông báo kết quả hồ sơ giao dịch điện tử BHXH", lines)
    return _with_notification(message, letter)


def _compose(letter: Letter, sender: str, at: datetime, subject: str, lines: list[str]) -> EmailMessage:
    facts = {
        "Mã đơn vị": letter.unit["unit_code"],
        "Tên đơn vị": letter.unit["name"],
        "Mã số thuế": json.loads(letter.dossier["fields"])["MaSoThue"],
        "Số hồ sơ": letter.dossier["dossier_number"] or "",
    }
    note = "Thư của hệ thống thử nghiệm, không phải của Bảo hiểm xã hội Việt Nam."
    paragraphs = ["Kính gửi đơn vị,", *lines]
    text = "\n\n".join(paragraphs) + "\n\n" + "".join(f"{name}: {value}\n" for name, value in facts.items())
    html = (
        "<html><body>"
        + "".join(f"<p>{_html_line(line, letter)}</p>" for line in paragraphs)
        + "<table>"
        + "".join(f"<tr><td>{name}:</td><td><b>{escape(value)}</b></td></tr>" for name, value in facts.items())
        + f"</table><p><small>{note}</small></p></body></html>"
    )
    message = EmailMessage()
    message["Subject"] = subject
    message["From"] = sender
    message["To"] = _recipient(letter)
    message["Date"] = format_datetime(at)
    message["Message-ID"] = f"<{uuid.uuid4()}@{DOMAIN}>"
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(f"{text}\n{note}\n", cte="quoted-printable")
    message.add_alternative(html, subtype="html", cte="base64")
    return message


def _recipient(letter: Letter) -> Address:
    return Address(addr_spec=json.loads(letter.dossier["fields"])["Email"])


def _html_line(line: str, letter: Letter) -> str:
    if line == letter.page:
        return f'<a href="{escape(line)}">{escape(line)}</a>'
    code = letter.dossier["code"]
    return escape(line).replace(code, f"<b>{code}</b>") if code else escape(line)


def _with_notification(message: EmailMessage, letter: Letter) -> EmailMessage:
    xml = letter.dossier["notification"]
    message.add_attachment(xml, maintype="application", subtype="xml", filename="01_TB-GD.xml")
    return message
