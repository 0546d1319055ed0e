"""Today's mails: the activation mail in the layout of the one that is known, confirmation and refusal (domain.md §6).

Only the few phrases that domain.md quotes are VSS's; everything around them is the sandbox's own wording.
"""

from __future__ import annotations

import json
from email.message import EmailMessage
from html import escape

from .. import codes
from .writing import NOTE, Letter, attach, compose, envelope

_CHANGED = {
    "04": (
        "Thông báo chấp nhận phương thức giao dịch điện tử",
        "Cơ quan bảo hiểm xã hội thông báo chấp nhận phương thức giao dịch điện tử của đơn vị.",
    ),
    "05": (
        "Thông báo kết quả thay đổi thông tin giao dịch điện tử",
        "Đơn vị đã thay đổi thông tin thành công đối với việc đăng ký giao dịch bảo hiểm xã hội điện tử.",
    ),
    "06": (
        "Thông báo ngừng sử dụng dịch vụ I-VAN",
        "Cơ quan bảo hiểm xã hội chấp nhận việc ngừng sử dụng dịch vụ I-VAN của đơn vị.",
    ),
}
"""Form -> subject and sentence of its confirmation."""


def activation(letter: Letter) -> EmailMessage:
    """The mail with code and link: HTML only, no tax code, no dossier number, the address behind an anchor only.

    Its heading congratulates on a registration that is not finished yet.
    """
    name, identity = escape(letter.name), escape(letter.identity)
    blocks = [
        '<div style="background:#0a4f9e;color:#fff;padding:12px;text-align:center">BẢO HIỂM XÃ HỘI VIỆT NAM</div>',
        "<h2>Chúc mừng Đơn vị/cá nhân đã đăng ký thành công!</h2>",
        f"<p>Kính gửi (đơn vị/cá nhân): <b>{name}</b></p>",
        f"<p>Số định danh: <b>{identity}</b></p>",
        "<p>Cảm ơn đơn vị/cá nhân đã chọn phương thức giao dịch bảo hiểm xã hội điện tử. Bước cuối cùng: gửi mã kích "
        f'hoạt dưới đây trên cổng thông tin, <a href="{escape(letter.page)}">bấm vào đây</a> để mở trang.</p>',
        codes.as_html(letter.dossier["code"], letter.settings.code_layout),
        "<p>Mã kích hoạt chỉ có giá trị trong vòng 24h.</p>",
        '<div style="border:1px solid #999;padding:8px">Thư này chỉ để kiểm tra địa chỉ thư điện tử. Các thông báo sau '
        "này đều được gửi đến đây; nếu không còn dùng địa chỉ này, đơn vị cần thay đổi thông tin.</div>",
        f"<p><small>{NOTE}</small></p>",
    ]
    message = envelope(letter, "Đăng ký giao dịch bảo hiểm xã hội điện tử")
    message.set_content(f"<html><body>{''.join(blocks)}</body></html>", subtype="html", cte="base64")
    return message


def confirmation(letter: Letter) -> EmailMessage:
    """The mail that confirms: unit code and tax code; only the attached notification has the dossier number."""
    subject, sentence = _CHANGED[letter.dossier["form"]]
    facts = {
        "Mã đơn vị": letter.unit_code,
        "Tên đơn vị": letter.name,
        "Mã số thuế/Mã NSNN": letter.fields["MaSoThue"],
    }
    return attach(compose(letter, subject, [sentence], facts), letter.dossier["notification"])


def rejection(letter: Letter) -> EmailMessage:
    """The mail that refuses, with VSS's code in its text."""
    steps: list[dict[str, str]] = json.loads(letter.dossier["steps"])
    failed = next((step for step in steps if not step["passed"]), {"code": "", "description": ""})
    code = letter.details.get("code", failed["code"])
    description = letter.details.get("description", failed["description"])
    lines = [
        "Hồ sơ đăng ký phương thức giao dịch điện tử của đơn vị không được chấp nhận.",
        f"Lý do: {code} - {description}",
    ]
    facts = {
        "Mã đơn vị": letter.unit_code,
        "Tên đơn vị": letter.name,
        "Mã số thuế/Mã NSNN": letter.fields["MaSoThue"],
        "Số hồ sơ": letter.dossier["dossier_number"] or "",
    }
    facts = {caption: value for caption, value in facts.items() if value}
    subject = "Thông báo không chấp nhận phương thức giao dịch điện tử"
    # What the control API writes into a refusal is not what the dossier's own notification says.
    return attach(compose(letter, subject, lines, facts), None if letter.details else letter.dossier["notification"])
