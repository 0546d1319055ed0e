"""Inputs that are made to be expensive."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping

HEAD = "From: a@vss.gov.vn\r\nTo: ke.toan@example.com\r\nDate: Mon, 02 Mar 2026 10:04:05 +0700\r\nMIME-Version: 1.0\r\n"


class Hostile:
    """Inputs of about `size` bytes, by what there is too much of in them."""

    def __init__(self, size: int) -> None:
        self.size = size

    def _fill(self, piece: str, size: int | None = None) -> str:
        return piece * ((size or self.size) // len(piece.encode("utf-8", "surrogateescape")))

    def markup(self) -> dict[str, str]:
        """XML to put inside an element. The first of each pair is refused by counting; the second just passes that."""
        spaces = [_numbered(" xmlns:n#='urn:n#'", count) for count in (self.size // 40, 14)]
        chain = [
            _numbered("<n xmlns:n#='urn:n#'>", count) + "<b/>" * rest + "</n>" * count
            for count, rest in ((200, self.size // 5), (14, 49_000))
        ]
        attributes = [_numbered(" a#='1'", count) for count in (self.size // 13, 4_800)]
        return {
            "namespaces": f"<n{spaces[0]}>{self._fill('<b/>', self.size // 2)}</n>",
            "namespaces, as many as are allowed": f"<n{spaces[1]}>{'<b/>' * 49_000}</n>",
            "namespaces one below the other": chain[0],
            "namespaces one below the other, as many as are allowed": chain[1],
            "relative namespaces": "<n xmlns:n='u'/>" + self._fill("<b/>"),
            "attributes": f"<n{attributes[0]}/>",
            "attributes, as many as are allowed": f"<n{attributes[1]}/>{self._fill('x')}",
            "one long attribute": f"<n a='{self._fill('&amp;')}'/>",
            "elements": self._fill("<b/>"),
            "elements, as many as are allowed": self._fill("<b>" + "x" * 200 + "</b>"),
            "one in the other": "<b>" * (self.size // 7) + "</b>" * (self.size // 7),
            "one in the other, as deep as is allowed": ("<b>" * 55 + "x" * 10_000 + "</b>" * 55)
            * (self.size // 10_400),
            "not closed": self._fill("<b>"),
            "one line": self._fill("x"),
            "lines": self._fill("\n"),
            "line ends of Windows": self._fill("\r\n"),
            "character references": self._fill("&#65;"),
            "entities": self._fill("&lt;"),
            "letters with marks": self._fill("ế"),
            "CDATA": self._fill("<![CDATA[x]]>"),
            "CDATA in pieces of 200": self._fill("<![CDATA[" + "x" * 200 + "]]>"),
            "comments": self._fill("<!---->"),
            "instructions": self._fill("<?x?>"),
            "base64": base64.encodebytes(bytes(range(256)) * (self.size * 3 // 4 // 256)).decode(),
            "long name": f"<{self._fill('b')}/>",
            "same words": self._fill("chap nhan 1 "),
        }

    def json_bodies(self, member: str) -> dict[str, bytes]:
        """JSON objects; `member` is one that the reader looks at."""
        deep = self.size // 2
        return {
            "lists in lists": b'{"%s": %s%s}' % (member.encode(), b"[" * deep, b"]" * deep),
            "objects in objects": (f'{{"{member}": ' + self._fill('{"a":', self.size)).encode(),
            "many members": ("{" + _numbered('"a#":1,', self.size // 13) + '"b":1}').encode(),
            "the same member": ("{" + self._fill(f'"{member}":[],') + '"b":1}').encode(),
            "long text": json.dumps({member: self._fill("x")}).encode(),
            "escapes": (f'{{"{member}": "' + self._fill("\\u1ebf") + '"}').encode(),
            "halves of pairs": (f'{{"{member}": "' + self._fill("\\ud800") + '"}').encode(),
            "long number": (f'{{"{member}": ' + self._fill("9") + "}").encode(),
            "long fraction": (f'{{"{member}": 0.' + self._fill("9") + "}").encode(),
            "many numbers": (f'{{"{member}": [' + self._fill("1e300,") + "1]}").encode(),
            "many texts": json.dumps({member: ["x"] * (self.size // 5)}).encode(),
            "many objects": (f'{{"{member}": [' + self._fill('{"step":1},') + "{}]}").encode(),
            "many zeros and brackets": self._fill("[0,").encode(),
            "blanks": b" " * self.size + b"{}",
            "base64": json.dumps({member: base64.b64encode(b"x" * (self.size * 3 // 4)).decode()}).encode(),
            "base64 that is none": json.dumps({member: self._fill("=")}).encode(),
        }

    def mails(self) -> dict[str, bytes]:
        """Mails, by what there is too much of."""
        plain = "Content-Type: text/plain; charset=utf-8\r\n"
        html = "Content-Type: text/html; charset=utf-8\r\n"
        found: Mapping[str, str] = {
            **self._headers(),
            **{f"text: {name}": f"{HEAD}{plain}\r\n{text}" for name, text in self._texts().items()},
            **{f"HTML: {name}": f"{HEAD}{html}\r\n{text}" for name, text in self._soups().items()},
            **self._parts(),
        }
        return {name: text.encode("utf-8", "surrogateescape") for name, text in found.items()}

    def _headers(self) -> dict[str, str]:
        half = "b" * (self.size // 2)
        end = "\r\n\r\nMã kích hoạt: BV2VLHCKRA\r\n"
        return {
            "headers": HEAD + _numbered("X-A#: b\r\n", self.size // 13) + end,
            "the same header": HEAD + self._fill("Received: x\r\n") + end,
            "headers without a value": HEAD + self._fill("a:\r\n") + end,
            "recipients in one header": HEAD + "Cc: " + self._fill("a@example.com, ") + end,
            "recipients in many headers": HEAD + self._fill("Cc: a@example.com\r\n") + end,
            "comments in an address": HEAD + "Cc: " + "(" * (self.size // 2) + ")" * (self.size // 2) + end,
            "quotes in an address": HEAD + "Cc: " + self._fill('"\\') + end,
            "angles in an address": HEAD + "Cc: " + self._fill("<") + end,
            "one long header": HEAD + "Subject: " + self._fill("x") + end,
            "folded header": HEAD + "Subject: x" + self._fill("\r\n x") + end,
            "folded blanks": HEAD + "Subject: x" + self._fill("\r\n  ") + end,
            "encoded words": HEAD + "Subject: " + self._fill("=?utf-8?B?TcOj?= ") + end,
            "encoded words that are none": HEAD + "Subject: " + self._fill("=?utf-8?q?") + end,
            "results of authentication": HEAD + self._fill("Authentication-Results: mx; dmarc=pass\r\n") + end,
            "comments in results": HEAD
            + "Authentication-Results: mx; dmarc=fail "
            + "(" * (self.size // 2)
            + ")" * (self.size // 2)
            + end,
            "results in one header": HEAD
            + "Authentication-Results: mx"
            + self._fill("; dmarc=pass header.from=vss.gov.vn")
            + end,
            "dates": HEAD + self._fill("Date: Mon, 02 Mar 2026 10:04:05 +0700\r\n") + end,
            "long date": HEAD + "Date: " + self._fill("1 ") + end,
            "parameters of the type": HEAD + "Content-Type: text/plain" + _numbered("; a#=b", self.size // 12) + end,
            "parameters in pieces": HEAD + "Content-Type: text/plain" + _numbered("; name*#=b", self.size // 16) + end,
            "parameters with quotes": HEAD + 'Content-Type: text/plain; name="' + self._fill('\\"') + end,
            "long boundary": f"{HEAD}Content-Type: multipart/mixed; boundary={half}\r\n\r\n--{half}\r\n",
            "no headers, no body": self._fill("\r\n"),
            "one line": self._fill("x"),
            "bytes that are no text": HEAD + "\r\n" + self._fill("\udcff"),
        }

    def _texts(self) -> dict[str, str]:
        hexadecimal = "57294CE63FA904274EC8635FDBEB84BE7A2D015E8118B8608A940BF0FFB88464"
        return {
            "one line": self._fill("x"),
            "one line of capitals": self._fill("A"),
            "one line of digits": self._fill("9"),
            "lines": self._fill("\n"),
            "blanks": self._fill(" "),
            "no-break blanks": self._fill("\u00a0"),
            "invisible letters": self._fill("\u200b"),
            "marks": "e" + self._fill("\u0301"),
            "words": self._fill("mã kích hoạt "),
            "captions": self._fill("Mã kích hoạt:\n"),
            "codes": self._fill("Mã kích hoạt: BV2VLHCKRA\n"),
            "codes in groups": self._fill("BV2V LHCK RA\n"),
            "codes alone": self._fill("BV2VLHCKRA\n\n"),
            "links": self._fill(f"https://dichvucong.baohiemxahoi.gov.vn/#/kich-hoat/{hexadecimal}\n"),
            "one long link": "https://dichvucong.baohiemxahoi.gov.vn/#/kich-hoat/" + self._fill("A"),
            "links that start": self._fill("https://"),
            "links packed in links": self._fill("https://urldefense.com/v3/__https:%2F%2F"),
            "escapes of links": "https://x.vn/?u=" + self._fill("%25"),
            "dossier numbers": self._fill("Số hồ sơ: 03706/2026/07906 "),
            "tax codes": self._fill("Mã số thuế: 0100109106-001 "),
            "unit codes": self._fill("Mã đơn vị: TZH490L\n"),
            "numbers without end": self._fill("0123456789/2026/"),
            "forwarded": self._fill("To: a@example.com\n"),
            "quoted": self._fill("> "),
            "at signs": self._fill("a@"),
            "passwords": self._fill("Mật khẩu: K7QW2ZPA9X\n"),
            "success": self._fill("đăng ký giao dịch điện tử thành công "),
            "almost success": self._fill("đăng ký " + "x " * 29),
            "colons": self._fill("mã : "),
        }

    def _soups(self) -> dict[str, str]:
        return {
            "one in the other": self._fill("<div>"),
            "inline, one in the other": self._fill("<b>"),
            "tables in tables": self._fill("<table><tr><td>"),
            "never closed": self._fill("<p>x<br>"),
            "closed too often": self._fill("</div>"),
            "angles": self._fill("<"),
            "attributes": "<a " + _numbered("a#=1 ", self.size // 10) + ">x</a>",
            "links": self._fill("<a href=https://x.vn>x</a>"),
            "links with long addresses": self._fill(f"<a href='https://x.vn/?{'a' * 2000}'>x</a>"),
            "pieces of a code": self._fill("<span>B</span>"),
            "entities": self._fill("&nbsp;"),
            "character references": self._fill("&#x1ebf;"),
            "comments": self._fill("<!-- -->"),
            "comments that do not end": self._fill("<!--"),
            "styles": self._fill("<style>a</style>"),
            "cells": "<table>" + self._fill("<tr><td>B</td><td>V</td></tr>"),
            "hidden": self._fill("<div style='display:none'>x</div>"),
            "conditional": self._fill("<!--[if mso]>x<![endif]-->"),
            "one line": self._fill("x"),
        }

    def _parts(self) -> dict[str, str]:
        mixed = "Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        code = "Content-Type: text/plain\r\n\r\nMã kích hoạt: BV2VLHCKRA\r\n"
        nested = _numbered("Content-Type: multipart/mixed; boundary=b#\r\n\r\n--b#\r\n", self.size // 64)
        poison = "<XACNHAN_GDICH" + _numbered(" xmlns:n#='urn:n#'", 1_000) + ">" + "<b/>" * 20_000
        attached = "Content-Type: application/xml; name=a.xml\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
        notice = f"<XACNHAN_GDICH>{'<b/>' * 24_000}{'x' * (self.size // 11)}</XACNHAN_GDICH>"
        return {
            "parts": HEAD + mixed + self._fill(f"--b\r\n{code}"),
            "parts without content": HEAD + mixed + self._fill("--b\r\n"),
            "boundaries in a row": HEAD + mixed + self._fill("--b--\r\n"),
            "parts in parts": HEAD + nested,
            "mails in mails": HEAD + self._fill("Content-Type: message/rfc822\r\n\r\n"),
            "attached mails": HEAD + mixed + self._fill(f"--b\r\nContent-Type: message/rfc822\r\n\r\n{HEAD}{code}"),
            "files of mails": HEAD
            + mixed
            + self._fill(f"--b\r\nContent-Disposition: attachment; filename=a.eml\r\n\r\n{HEAD}{code}"),
            "base64": HEAD
            + "Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n"
            + base64.encodebytes("Mã kích hoạt ".encode() * (self.size * 3 // 4 // 17)).decode(),
            "base64 that is none": HEAD + "Content-Transfer-Encoding: base64\r\n\r\n" + self._fill("=\n"),
            "quoted-printable": HEAD + "Content-Transfer-Encoding: quoted-printable\r\n\r\n" + self._fill("=E1=BA=BF"),
            "quoted-printable, soft breaks": HEAD
            + "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            + self._fill("=\r\n"),
            "quoted-printable, blanks before breaks": HEAD
            + "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
            + self._fill("a    =\r\n"),
            "uuencode": HEAD + "Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 a\r\n" + self._fill("#0V%T\r\n"),
            "format=flowed": HEAD
            + "Content-Type: text/plain; format=flowed; delsp=yes\r\n\r\n"
            + self._fill("ma \r\n"),
            "attached namespaces": HEAD + mixed + self._fill(f"--b\r\n{attached}{poison}\r\n"),
            "attached notifications": HEAD + mixed + self._fill(f"--b\r\n{attached}{notice}\r\n"),
            "utf-16": HEAD + "Content-Type: text/plain; charset=utf-16\r\n\r\n" + self._fill("x"),
            "gb2312": HEAD + "Content-Type: text/plain; charset=gb2312\r\n\r\n" + self._fill("\udcb0\udca1"),
        }


def _numbered(pattern: str, count: int) -> str:
    return "".join(pattern.replace("#", str(number)) for number in range(count))
