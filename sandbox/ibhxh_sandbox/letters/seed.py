"""Mails for the page of 2017, the seed's: their wording is not known, they carry what the page and the guide imply."""

from __future__ import annotations

from email.message import EmailMessage

from ..documents import FORMS
from .writing import Letter, attach, compose, seed_facts


def activation(letter: Letter) -> EmailMessage:
    """The mail with the activation code and the link."""
    code = letter.dossier["code"]
    lines = [
        "Cơ quan Bảo hiểm xã hội đã tiếp nhận hồ sơ đăng ký giao dịch điện tử của đơn vị.",
        f"Mã kích hoạt: {code}",
        'Để hoàn tất đăng ký, hãy mở đường dẫn dưới đây, dán mã kích hoạt vào ô "Mã xác nhận" '
        'và nhấn "Gửi mã xác nhận":',
        letter.page,
        f"Mã kích hoạt có hiệu lực trong 24 giờ, đến {letter.expires}. Quá thời hạn này đơn vị phải đăng ký lại.",
    ]
    subject = "Mã kích hoạt đăng ký giao dịch điện tử BHXH"
    return compose(letter, subject, lines, seed_facts(letter), links={letter.page: letter.page}, bold=code)


def confirmation(letter: Letter) -> EmailMessage:
    """The mail that says that VSS has confirmed, with the notification attached."""
    lines = [f"Bảo hiểm xã hội Việt Nam xác nhận: {FORMS[letter.dossier['form']]} thành công."]
    if letter.new_password:
        lines.append("Mật khẩu đăng nhập cổng thông tin đã được cấp lại theo yêu cầu của đơn vị.")
    message = compose(letter, "Xác nhận hoàn tất đăng ký giao dịch điện tử BHXH", lines, seed_facts(letter))
    return attach(message, letter.dossier["notification"])


def rejection(letter: Letter) -> EmailMessage:
    """The mail that says that VSS has refused the dossier, with the notification attached."""
    lines = [f'Hồ sơ "{FORMS[letter.dossier["form"]]}" không được chấp nhận. Xem thông báo đính kèm.']
    message = compose(letter, "Thông báo kết quả hồ sơ giao dịch điện tử BHXH", lines, seed_facts(letter))
    return attach(message, letter.dossier["notification"])
