"""What else arrives at a unit's address: success words, codes and links that have nothing to do with the activation."""

from __future__ import annotations

import secrets
from email.message import EmailMessage

from .. import codes, notification
from ..documents import FORMS
from ..store import Row
from .writing import DOMAIN, Letter, attach, compose

_ORDINARY = "Điều chỉnh mức đóng BHXH, BHYT, BHTN"
IVAN_SENDER = f"ban-quyen@ivan.{DOMAIN}"
"""Who mails the licences: an I-VAN, not VSS."""


def receipt(letter: Letter) -> EmailMessage:
    """The dossier arrived, nothing is decided. Its notification says that it was taken up (domain.md §3)."""
    lines = [
        f'Đơn vị đã gửi hồ sơ "{FORMS[letter.dossier["form"]]}" để tham gia giao dịch điện tử thành công.',
        "Kết quả sẽ được gửi đến địa chỉ này trong vòng 1 giờ làm việc.",
    ]
    facts = {"Tên đơn vị": letter.name, "Mã số thuế": letter.fields["MaSoThue"]}
    number = letter.dossier["dossier_number"]
    if not number:
        return compose(letter, "Đã nhận hồ sơ đăng ký giao dịch điện tử", lines, facts)
    message = compose(letter, "Đã nhận hồ sơ đăng ký giao dịch điện tử", lines, {**facts, "Số hồ sơ": number})
    return attach(
        message, _taken_up(letter, FORMS[letter.dossier["form"]], letter.dossier["form"], number), "03_TB-TS.xml"
    )


def announcement(letter: Letter) -> EmailMessage:
    """The code is only announced."""
    lines = [
        "Hồ sơ đăng ký giao dịch điện tử của đơn vị đã được kiểm tra thành công.",
        "Mã kích hoạt sẽ được gửi trong email tiếp theo.",
    ]
    return compose(letter, "Đăng ký giao dịch điện tử", lines, {"Tên đơn vị": letter.name})


def account(letter: Letter) -> EmailMessage:
    """User name and password of the portal; the password looks just like an activation code."""
    lines = [
        "Mã kích hoạt đã được xác nhận thành công. Đơn vị đăng nhập cổng thông tin bằng tài khoản sau:",
        f"Tên đăng nhập: {letter.unit_code}",
        f"Mật khẩu: {codes.new_code()}",
        "Hãy đổi mật khẩu sau lần đăng nhập đầu tiên.",
    ]
    if letter.new_password:
        lines.insert(1, "Mật khẩu đã được cấp lại theo yêu cầu của đơn vị.")
    facts = {"Tên đơn vị": letter.name, "Mã số thuế": letter.fields["MaSoThue"]}
    return compose(letter, "Tài khoản giao dịch bảo hiểm xã hội điện tử", lines, facts)


def ordinary_receipt(letter: Letter) -> EmailMessage:
    """An ordinary dossier of the unit arrived; it has a number of its own."""
    number = letter.details["number"]
    lines = [f"Cơ quan bảo hiểm xã hội đã tiếp nhận hồ sơ {_ORDINARY}. Đơn vị đã nộp hồ sơ thành công."]
    facts = {"SỐ": number, "Mã dơn vị": letter.unit_code, "Tên đơn vị": letter.name}
    facts = {caption: value for caption, value in facts.items() if value}
    layout = letter.settings.notice_layout
    xml = notification.receipt(_ORDINARY, number, _unit(letter), letter.at, letter.key, layout)
    return attach(compose(letter, "Thông báo tiếp nhận hồ sơ điện tử", lines, facts), xml, "TB_tiep_nhan.xml")


def ordinary_result(letter: Letter) -> EmailMessage:
    """The result of an ordinary dossier of the unit: success words, tax code, a number that is no registration's."""
    number = letter.details["number"]
    lines = [
        f"Hồ sơ {_ORDINARY} của đơn vị đã được chấp nhận và giải quyết thành công.",
        "Đơn vị xem kết quả trên cổng giao dịch điện tử.",
    ]
    facts = {"Mã số BHXH": letter.unit_code, "Mã số thuế": letter.fields["MaSoThue"], "Số hồ sơ": number}
    facts = {caption: value for caption, value in facts.items() if value}
    message = compose(letter, "Kết quả giải quyết hồ sơ giao dịch điện tử", lines, facts)
    return (
        attach(message, _taken_up(letter, _ORDINARY, notification.ORDINARY_TYPE, number), "03_TB-TS.xml")
        if number
        else message
    )


def one_time_password(letter: Letter) -> EmailMessage:
    """A one-time password of the portal."""
    lines = [
        f"Mã xác thực OTP của giao dịch điện tử: {secrets.randbelow(10**6):06}",
        "Mã có hiệu lực trong 5 phút. Không cung cấp mã này cho người khác.",
    ]
    return compose(letter, "Mã xác thực giao dịch điện tử", lines, {"Tên đăng nhập": letter.unit_code})


def password_reset(letter: Letter) -> EmailMessage:
    """A link that looks like the activation's and activates a password."""
    address = f"{letter.portal}/#/mat-khau-moi/{secrets.token_hex(32).upper()}"
    lines = [
        "Cổng thông tin đã nhận yêu cầu cấp lại mật khẩu của đơn vị.",
        "Hãy bấm vào đây để kích hoạt mật khẩu mới.",
        f"Mật khẩu mới: {codes.new_code()}",
    ]
    facts = {"Tên đăng nhập": letter.unit_code}
    return compose(letter, "Cấp lại mật khẩu", lines, facts, links={"bấm vào đây": address})


def licence(letter: Letter) -> EmailMessage:
    """An I-VAN's own "activation code", of a licence of its program."""
    lines = [
        "Cảm ơn quý khách đã gia hạn phần mềm kê khai bảo hiểm xã hội. Gia hạn thành công.",
        f"Mã kích hoạt: {codes.new_code()}",
    ]
    name = letter.dossier["client_name"]
    facts = {"Tên đơn vị": letter.name, "Mã số thuế": letter.fields["MaSoThue"]}
    subject = f"{name}: mã kích hoạt phần mềm"
    return compose(letter, subject, lines, facts, sender=f"{name} <{IVAN_SENDER}>")


def _taken_up(letter: Letter, title: str, dossier_type: str, number: str) -> bytes:
    layout = letter.settings.notice_layout
    return notification.taken_up(title, dossier_type, number, _unit(letter), letter.at, letter.key, layout)


def _unit(letter: Letter) -> Row:
    return {**letter.unit, "name": letter.name, "unit_code": letter.unit_code}
