"""A corpus of mails: a few base mails, each bent by the transformations that mail programs do to mails.

One real mail is known, the activation mail ``today`` (domain.md section 6); the wording of the others is ours, around
the phrases that domain.md quotes. Beside each base mail stands what a reader must find in it; a transformation changes
the bytes, never the expected reading but for the recipients.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.policy import SMTP
from html import escape
from urllib.parse import quote

HEX = "57294CE63FA904274EC8635FDBEB84BE7A2D015E8118B8608A940BF0FFB88464"
LINK = f"https://dichvucong.baohiemxahoi.gov.vn/#/kich-hoat/{HEX}"
NOTIFICATION = """<?xml version="1.0" encoding="UTF-8"?>
<BHXH><XACNHAN_GDICH><TTDVI><DIADIEM>Hà Nội</DIADIEM><NGAY_THONGBAO>{date}</NGAY_THONGBAO>
<TEN_COQUAN>BHXH Thành phố Hà Nội</TEN_COQUAN><TEN_DVI>CÔNG TY THỬ</TEN_DVI><MA_DVI>TZH490L</MA_DVI>
<MST>0100109106</MST></TTDVI><TTGDICH><SO_HSO>03706/2026/07906</SO_HSO>
<TEN_GDICH>Đăng ký sử dụng dịch vụ I-VAN</TEN_GDICH>
<MALOAI_HSO>04</MALOAI_HSO><NGAY_GDICH>2026-03-02T10:00:00</NGAY_GDICH><KY_KKHAI>03/2026</KY_KKHAI>
<MA_GDICH>G1</MA_GDICH><MA_KQUA>{result}</MA_KQUA><KQUA>Kết quả</KQUA><MA_LOI>{error}</MA_LOI>
<MOTA_LOI>{description}</MOTA_LOI><CTIET_GDICH><ROW_CTIET><STT>1</STT><NOIDUNG>Đã nhận</NOIDUNG></ROW_CTIET>
<ROW_CTIET><STT>2</STT></ROW_CTIET></CTIET_GDICH></TTGDICH><TTCKY_BHXH><TTCKY><SUBJECT>BHXH Việt Nam</SUBJECT>
<SERIAL>54 01</SERIAL><TIME>02/03/2026 10:00:01</TIME></TTCKY></TTCKY_BHXH></XACNHAN_GDICH></BHXH>"""


def notification(*, date: str = "2026-03-02", result: str = "1", error: str = "", description: str = "") -> bytes:
    """A 01/TB-GD."""
    return NOTIFICATION.format(date=date, result=result, error=error, description=description).encode()


@dataclass(frozen=True)
class Base:
    """A mail's text and what must be read from it (fields of MailReading that are not named stay empty)."""

    name: str
    subject: str
    text: str
    expected: dict[str, object]
    attachment: bytes | None = None


@dataclass(frozen=True)
class Sample:
    """One mail as it arrives, with the expected reading."""

    name: str
    source: bytes
    expected: dict[str, object] = field(default_factory=dict)


_UNIT = {"unit_codes": ("TZH490L",), "tax_codes": ("0100109106",), "dossier_numbers": ("03706/2026/07906",)}
_CODE = {"does": "brings_code", "codes": ("BV2VLHCKRA",), "urls": (LINK,)}

BASES = (
    Base(
        "labels",
        "Mã kích hoạt đăng ký giao dịch điện tử",
        "Kính gửi Quý đơn vị,\n\nMã đơn vị: TZH490L\nTên đơn vị: CÔNG TY TNHH THỬ NGHIỆM\nMã số thuế: 0100109106\n"
        f"Số hồ sơ: 03706/2026/07906\nMã kích hoạt: BV2VLHCKRA\n\nNhấn vào đây để kích hoạt: {LINK}\n"
        "Mã có hiệu lực trong vòng 24 giờ.\n",
        {**_CODE, **_UNIT},
    ),
    Base(
        "sentence",
        "BHXH Việt Nam: xác nhận đăng ký",
        "Cơ quan BHXH đã tiếp nhận hồ sơ 03706/2026/07906 của đơn vị có MST 0100109106 (mã đơn vị TZH490L), "
        "điện thoại 0901234567. Mã xác nhận đăng ký giao dịch điện tử của đơn vị là BV2VLHCKRA, dùng trong 24 giờ. "
        f"Để hoàn tất đăng ký, đề nghị truy cập {LINK} và nhập mã.\n",
        {**_CODE, **_UNIT},
    ),
    Base(
        "branch",
        "Kich hoat giao dich dien tu",
        f"Mã số thuế: 0100109106-001\nMã xác thực:\n\n    BV2VLHCKRA\n\n{LINK}\n",
        {**_CODE, "tax_codes": ("0100109106-001",)},
    ),
    Base(
        "two codes",
        "Cấp lại mã kích hoạt",
        "Mã số thuế: 0100109106\nMã kích hoạt cũ (không còn dùng): AAAA11BBBB\nMã kích hoạt mới: BV2VLHCKRA\n",
        {"does": "brings_code", "codes": ("AAAA11BBBB", "BV2VLHCKRA"), "tax_codes": ("0100109106",)},
    ),
    Base(
        "confirmed",
        "Xác nhận hoàn tất đăng ký",
        "Đơn vị đã đăng ký giao dịch điện tử với cơ quan BHXH thành công.\nMã đơn vị: TZH490L\nMã số thuế: 0100109106\n"
        "Số hồ sơ: 03706/2026/07906\nLiên hệ: contact@vss.gov.vn, 1900.55.55.64\n",
        {"does": "confirms", **_UNIT},
    ),
    Base(
        "changed",
        "Thay đổi thông tin",
        "Hồ sơ thay đổi thông tin đăng ký của đơn vị TZH490L đã được chấp nhận.\nMã ĐV: TZH490L. MST: 0100109106.\n",
        {"does": "confirms", "unit_codes": ("TZH490L",), "tax_codes": ("0100109106",)},
    ),
    Base(
        "refused",
        "Kết quả hồ sơ",
        "Hồ sơ 03706/2026/07906 đăng ký không thành công: sai mã số thuế 0100109106.\n",
        {"does": "", "tax_codes": ("0100109106",), "dossier_numbers": ("03706/2026/07906",)},
    ),
    Base(
        "reminder",
        "Nhắc nhở",
        "Để hoàn tất thủ tục thành công, đơn vị cần nhập mã kích hoạt đã được gửi. Mã số thuế: 0100109106\n",
        {"does": "", "tax_codes": ("0100109106",)},
    ),
    Base(
        "today",
        "Đăng ký giao dịch bảo hiểm xã hội điện tử",
        "BẢO HIỂM XÃ HỘI VIỆT NAM\n\nChúc mừng Đơn vị/cá nhân đã đăng ký thành công!\n\n"
        "Kính gửi (đơn vị/cá nhân): CÔNG TY TNHH AN PHÁT\n\nSố định danh: TZH490L\n\n"
        "Cảm ơn đơn vị/cá nhân đã đăng ký phương thức giao dịch bảo hiểm xã hội điện tử. Bước cuối cùng: gửi mã "
        f"kích hoạt dưới đây trên cổng thông tin tại {LINK}\n\n"
        "BV2VLHCKRA\n\nMã kích hoạt chỉ có giá trị trong vòng 24h.\n\n"
        "Thư này chỉ để kiểm tra địa chỉ thư điện tử. Các thông báo sau này đều được gửi đến đây.\n",
        {**_CODE, "unit_codes": ("TZH490L",)},
    ),
    Base(
        "accepted",
        "Thông báo chấp nhận phương thức giao dịch điện tử",
        "Cơ quan BHXH thông báo chấp nhận phương thức giao dịch điện tử của đơn vị.\n\nMã đơn vị: TZH490L\n"
        "Mã số thuế/Mã NSNN: 0100109106\n",
        {"does": "confirms", "unit_codes": ("TZH490L",), "tax_codes": ("0100109106",)},
    ),
    Base(
        "refused with a code",
        "Kết quả hồ sơ",
        "Hồ sơ đăng ký phương thức giao dịch điện tử không được chấp nhận.\n\nLý do: CE013 - sai mã số thuế\n\n"
        "Số hồ sơ: 03706/2026/07906\n",
        {"does": "refuses", "result_codes": ("CE013",), "dossier_numbers": ("03706/2026/07906",)},
    ),
    Base(
        "receipt",
        "Thông báo",
        "Đơn vị đã gửi hồ sơ đăng ký tham gia giao dịch điện tử thành công.\nMã số thuế: 0100109106\n"
        "Số hồ sơ: 03706/2026/07906\n",
        {"does": "informs", "tax_codes": ("0100109106",), "dossier_numbers": ("03706/2026/07906",)},
    ),
    Base(
        "code to come",
        "Thông báo",
        "Hồ sơ đăng ký giao dịch điện tử đã được kiểm tra thành công. "
        "Mã kích hoạt sẽ được gửi trong email tiếp theo.\n",
        {"does": "informs"},
    ),
    Base(
        "account",
        "Thông báo",
        "Mã kích hoạt đã được xác nhận thành công. Tên đăng nhập: TZH490L. Mật khẩu: K7QW2ZPA9X\n",
        {"does": "informs"},
    ),
    Base(
        "ordinary",
        "Kết quả giải quyết hồ sơ",
        "Hồ sơ điều chỉnh mức đóng BHXH của đơn vị đã được chấp nhận và giải quyết thành công.\n"
        "Mã số BHXH: TZH490L\nMã số thuế: 0100109106\nSố hồ sơ: 05001/2026/07906\nCổng giao dịch điện tử.\n",
        {
            "does": "informs",
            "unit_codes": ("TZH490L",),
            "tax_codes": ("0100109106",),
            "dossier_numbers": ("05001/2026/07906",),
        },
    ),
    Base(
        "newsletter",
        "Hội nghị khách hàng",
        "CÔNG TY TNHH THUONGMAIX trân trọng kính mời tham dự hội nghị. Hotline 0901234567. Sổ BHXH 0123456789.\n",
        {"does": "informs"},
    ),
    Base(
        "notified",
        "Thông báo kết quả",
        "Xem thông báo 01/TB-GD đính kèm.\n",
        {"does": ""},
        notification(),
    ),
)


def samples() -> Iterator[Sample]:
    """Every base mail in every shape."""
    for base in BASES:
        for name, shape in SHAPES.items():
            message = shape(base)
            source = message if isinstance(message, bytes) else message.as_bytes(policy=SMTP)
            expected: dict[str, object] = {"recipients": ("ke.toan@example.com",), **base.expected}
            if name.startswith("forwarded"):
                # What a text says of its recipient counts for nothing; a mail that is attached has headers of its own.
                is_attached = name in ("forwarded attached", "forwarded as a file")
                expected["recipients"] = ("odoo@example.com",)
                if is_attached:
                    expected["recipients"] = ("odoo@example.com", "ke.toan@example.com")
                expected["is_second_hand"] = is_attached or "quoted" in name
            if base.attachment:
                expected["notifications"] = (base.attachment,)
            yield Sample(f"{base.name} / {name}", source, expected)


def _envelope(subject: str, to: str = "Kế toán <ke.toan@example.com>", sender: str = "noreply@baohiemxahoi.gov.vn"):
    message = EmailMessage()
    message["From"] = f"BHXH Việt Nam <{sender}>"
    message["To"] = to
    message["Subject"] = subject
    message["Date"] = "Mon, 02 Mar 2026 10:04:05 +0700"
    message["Message-ID"] = "<1@baohiemxahoi.gov.vn>"
    return message


def _attach(message: EmailMessage, base: Base) -> EmailMessage:
    if base.attachment:
        message.add_attachment(base.attachment, maintype="application", subtype="octet-stream", filename="01_TB-GD.xml")
    return message


Shape = Callable[[Base], "EmailMessage | bytes"]


def _plain(cte: str = "8bit", change: Callable[[str], str] = str, charset: str = "utf-8") -> Shape:
    def shape(base: Base) -> EmailMessage:
        message = _envelope(base.subject)
        message.set_content(change(base.text), cte=cte, charset=charset)
        return _attach(message, base)

    return shape


def _html(markup: Callable[[str], str], cte: str = "quoted-printable") -> Shape:
    def shape(base: Base) -> EmailMessage:
        message = _envelope(base.subject)
        message.set_content(markup(base.text), subtype="html", cte=cte)
        return _attach(message, base)

    return shape


def _paragraphs(text: str) -> str:
    linked = escape(text).replace(escape(LINK), f'<a href="{escape(LINK)}">đường dẫn này</a>')
    return f"<html><head><title>x</title></head><body><p>{linked.replace(chr(10), '</p><p>')}</p></body></html>"


def _table(text: str) -> str:
    rows = "".join(
        "<tr><td>" + escape(line).replace(": ", ":</td><td><b>&nbsp;") + "</b></td></tr>" for line in text.split("\n")
    )
    return f'<style>td {{color: #ABCDEF0123}}</style><table>{rows}</table><script>var code="XXXXXXXXX1"</script>'


def _filtered_links(text: str) -> str:
    wrapped = "https://filter.example.net/?url=" + quote(LINK, safe="") + "&data=05"
    linked = escape(text).replace(escape(LINK), f'<a href="{escape(wrapped)}">mở</a>')
    return f"<div>{linked.replace(chr(10), '<br>')}</div>"


def _split_code(text: str) -> str:
    return _paragraphs(text).replace("BV2VLHCKRA", "<span>BV2VL</span><b>HCK</b>RA").replace("AAAA11", "<i>AAAA</i>11")


def _alternative(base: Base) -> EmailMessage:
    message = _envelope(base.subject)
    message.set_content(base.text, cte="quoted-printable")
    message.add_alternative(_paragraphs(base.text), subtype="html", cte="base64")
    return _attach(message, base)


def _forwarded(header: str, quote_with: str) -> Shape:
    def shape(base: Base) -> EmailMessage:
        message = _envelope("Fwd: " + base.subject, to="odoo@example.com", sender="ke.toan@example.com")
        text = header.format(subject=base.subject) + "\n" + base.text
        message.set_content("FYI\n\n" + "\n".join(quote_with + line for line in text.split("\n")), cte="base64")
        return _attach(message, base)

    return shape


def _forwarded_attached(base: Base) -> EmailMessage:
    message = _envelope("Fwd: " + base.subject, to="odoo@example.com", sender="ke.toan@example.com")
    message.set_content("Xem thư đính kèm.")
    message.add_attachment(_alternative(base))
    return message


def _forwarded_eml(base: Base) -> EmailMessage:
    message = _envelope("Fwd: " + base.subject, to="odoo@example.com", sender="ke.toan@example.com")
    message.set_content("Xem thư đính kèm.")
    inner = _alternative(base).as_bytes(policy=SMTP)
    message.add_attachment(inner, maintype="application", subtype="octet-stream", filename="Thư.EML")
    return message


def _without_accents(text: str) -> str:
    bare = "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    return bare.replace("đ", "d").replace("Đ", "D")


def _for_windows_1258(text: str) -> str:
    """Tone marks as letters of their own, as that charset of old Vietnamese Windows has them."""
    pieces: list[str] = []
    for letter in unicodedata.normalize("NFC", text):
        parts = unicodedata.normalize("NFD", letter)
        tones = "".join(part for part in parts if part in "\u0300\u0301\u0303\u0309\u0323")
        pieces.append(unicodedata.normalize("NFC", "".join(part for part in parts if part not in tones)) + tones)
    return "".join(pieces)


def _broken_headers(base: Base) -> bytes:
    """Raw 8-bit headers, no MIME version, a wrong charset, and a header that the modern parser cannot read."""
    source = _plain()(base).as_bytes(policy=SMTP).replace(b'charset="utf-8"', b"charset=x-unknown")
    return b"X-Broken: =?utf-8?q?\xff?= <<<@@@>>>\r\nReply-To: <@[]\r\n" + source


_GMAIL = (
    "---------- Forwarded message ---------\nFrom: BHXH <noreply@baohiemxahoi.gov.vn>\nDate: Mon, Mar 2, 2026\n"
    "Subject: {subject}\nTo: Kế toán <ke.toan@example.com>\n"
)
_OUTLOOK = (
    "________________________________\nTừ: BHXH Việt Nam\nĐã gửi: 02 Tháng Ba 2026\nĐến: ke.toan@example.com\n"
    "Chủ đề: {subject}\n"
)

SHAPES: dict[str, Shape] = {
    "plain": _plain(),
    "quoted-printable": _plain("quoted-printable"),
    "base64": _plain("base64"),
    "decomposed accents": _plain(change=lambda text: unicodedata.normalize("NFD", text)),
    "no accents": _plain(change=_without_accents),
    "loud labels": _plain(change=lambda text: text.replace("Mã ", "MÃ ").replace("kích hoạt:", "KÍCH HOẠT :")),
    "no-break and invisible blanks": _plain("base64", lambda text: text.replace(": ", ":\xa0").replace(" ", " \u200b")),
    "wrapped link": _plain("base64", lambda text: text.replace(HEX, HEX[:20] + "\n" + HEX[20:])),
    "windows-1258": _plain("base64", _for_windows_1258, "windows-1258"),
    "html": _html(_paragraphs),
    "html base64": _html(_paragraphs, "base64"),
    "html table": _html(lambda text: _table(text) + _paragraphs(LINK if LINK in text else "")),
    "html with filtered links": _html(_filtered_links),
    "html with a code in pieces": _html(_split_code),
    "alternative": _alternative,
    "forwarded inline": _forwarded(_GMAIL, ""),
    "forwarded inline and quoted": _forwarded(_GMAIL, "> "),
    "forwarded by a Vietnamese program": _forwarded(_OUTLOOK, ""),
    "forwarded attached": _forwarded_attached,
    "forwarded as a file": _forwarded_eml,
    "broken headers": _broken_headers,
}
