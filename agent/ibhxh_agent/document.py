"""Reads a document before it is signed: a BHXH registration form, of which a person can see every character.

The server is not trusted here. A person who controls it must not get the company's signature on anything that the
token's holder did not see, so the agent never signs the server's bytes as such: it reads the fields of a known form,
refuses what it could not show whole, and writes the document again from the values that it shows (:func:`rebuild`).
Only bytes that are equal to that are signed. There is no place left in which something could hide: no text between
elements, no attachment, comment, attribute, namespace or other encoding.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from lxml import etree

from ibhxh_agent.errors import SigningError
from ibhxh_agent.texts import has_text, text

#: Bytes. With every field at its full length in escaped characters a form has 45 000.
MAX_BYTES = 64 * 1024

_LINE, _TEXT = 500, 4000

#: What may stand in a name, an address or a reason: ASCII, the Latin letters with their accents (Vietnamese is composed
#: of U+00C0–U+01B0 and U+1EA0–U+1EF9), visible punctuation and currency signs, and the scripts of Chinese, Japanese and
#: Korean names. No letters that look like Latin ones (Cyrillic, Greek), nothing invisible, no marks, one kind of blank.
_ALPHABET = (
    r" -~\u00a1-\u00ac\u00ae-\u024f\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2116\u2122"
    r"\u3001\u3002\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff\uac00-\ud7a3"
)
_FOREIGN = re.compile(f"[^{_ALPHABET}]")
_FOREIGN_IN_TEXT = re.compile(rf"[^{_ALPHABET}\n]")

_ANYTHING = r"[\s\S]*"
_DAY = r"(0[1-9]|[12][0-9]|3[01])/(0[1-9]|1[0-2])/[1-9][0-9]{3}"
_PHONE = r"[+(]?[0-9][0-9 ().\-]{5,24}"
_EMAIL = r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+"
_TAX_CODE = r"[0-9]{10}(-[0-9]{3})?|[0-9]{12}|[0-9A-Z]{5,14}"


@dataclass(frozen=True)
class Field:
    """One element that holds a value.

    :param pattern: the whole value
    :param longest: characters
    :param lines: several lines are allowed
    """

    name: str
    pattern: str = _ANYTHING
    longest: int = _LINE
    required: bool = True
    lines: bool = False

    @property
    def label(self) -> str:
        """What people call it."""
        return text(f"field_{self.name}")

    def check(self, value: str) -> None:
        """Nothing of the value could stay unseen.

        :raises SigningError: ``refused``, naming the field
        """
        if not value:
            if self.required:
                raise _refused("field_empty", field=self.label)
            return
        if len(value) > self.longest:
            raise _refused("field_long", field=self.label, longest=self.longest)
        foreign = (_FOREIGN_IN_TEXT if self.lines else _FOREIGN).search(value)
        if foreign:
            raise _refused("field_character", field=self.label, character=f"U+{ord(foreign[0]):04X}")
        # Blanks that are not seen: at the ends of a line, or two together.
        if any(line != " ".join(line.split()) for line in value.split("\n")) or value != value.strip("\n"):
            raise _refused("field_blanks", field=self.label)
        if not re.fullmatch(self.pattern, value):
            raise _refused("field_form", field=self.label, value=value)


#: Element names of the registration envelope, in order; MaIVan and TenIVan are spelt so in it (domain.md §3). Codes
#: stand beside the names that they belong to, as machines go by the codes.
_HEAD = (
    Field("TenCoQuan"),
    Field("MaCoQuan", r"[0-9]{3,5}"),
    Field("LoaiDoiTuong", r"[0-9]"),
    Field("TenDoiTuong"),
    Field("MaSoThue", _TAX_CODE),
    Field("DienThoai", _PHONE),
    Field("Email", _EMAIL, longest=254),
    Field("NguoiLienHe", required=False),
    Field("DiaChi", required=False),
    Field("DiaChiLienHe", required=False),
    Field("DienThoaiLienHe", _PHONE, required=False),
    Field("NgayLap", _DAY),
    Field("NgayDangKy", _DAY),
    Field("MaIVan", r"[0-9]{5}"),
    Field("TenIVan"),
    Field("PTNhanKetQua", r"[0-9]{1,2}"),
)
_CHANGE = (
    Field("SoChungThuCu", r"[0-9A-Fa-f]{1,40}", required=False),
    Field("SoChungThuMoi", r"[0-9A-Fa-f]{1,40}"),
    Field("NhaCungCapMoi"),
    Field("HieuLucTu", _DAY),
    Field("HieuLucDen", _DAY),
    Field("NoiDungThayDoi", longest=_TEXT, lines=True),
)
_STOP = (
    Field("NgayNgung", _DAY),
    Field("MaLyDo", r"[0-9]{1,2}", required=False),
    Field("LyDo", longest=_TEXT, lines=True),
)
#: The fields of each form, in order.
FORMS: dict[str, tuple[Field, ...]] = {"04": _HEAD, "05": _HEAD + _CHANGE, "06": _HEAD + _STOP}

#: Documents that agree in these may be confirmed together; one that differs is asked for by itself.
DECISIVE = ("Email", "MaIVan", "TenIVan", "NoiDungThayDoi", "MaLyDo", "LyDo")

FORM_NAMES = {"04": "04/ĐK-IVAN", "05": "05/SĐ-IVAN", "06": "06/NG-IVAN"}
FORM_TITLES = {
    "04": "Tờ khai đăng ký sử dụng dịch vụ I-VAN (04/ĐK-IVAN)",
    "05": "Tờ khai thay đổi, bổ sung thông tin đăng ký sử dụng dịch vụ I-VAN (05/SĐ-IVAN)",
    "06": "Tờ khai đăng ký ngừng sử dụng dịch vụ I-VAN (06/NG-IVAN)",
}


@dataclass(frozen=True)
class Row:
    """One field as it is shown, whole.

    :param value: exactly what is signed
    :param note: what a code means, beside it
    """

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class Document:
    """A known form.

    :param form: ``04``, ``05`` or ``06``
    :param values: of all its fields, in their order
    """

    form: str
    values: tuple[str, ...]

    def __getitem__(self, name: str) -> str:
        """The value of an element, '' where the form has none of this name."""
        return dict(zip((field.name for field in FORMS[self.form]), self.values, strict=True)).get(name, "")

    @property
    def decisive(self) -> tuple[str, ...]:
        """Form, e-mail, I-VAN and reason: what documents must share to be confirmed together."""
        return self.form, *(self[name] for name in DECISIVE)

    def rows(self) -> tuple[Row, ...]:
        """Every field that is signed, in the order of the document."""
        return tuple(
            Row(field.label, value, _note(field, value))
            for field, value in zip(FORMS[self.form], self.values, strict=True)
        )


def rebuild(form: str, values: Sequence[str]) -> bytes:
    """The document, written from its values in the one way that is signed."""
    elements = "".join(
        f"<{field.name}>{escape(value, quote=False)}</{field.name}>"
        for field, value in zip(FORMS[form], values, strict=True)
    )
    document = f"<Hoso><NoiDung>{elements}<ToKhais/></NoiDung><CKy_Dvi/></Hoso>"
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{document}".encode()


def read(data: bytes) -> Document:
    """Recognise a form whose every byte follows from the values that will be shown.

    :raises SigningError: ``refused``, with the reason in words
    """
    if len(data) > MAX_BYTES:
        raise _refused("document_too_large")
    # Before the parser sees it: no declarations, comments, CDATA or namespaces, and one processing instruction only,
    # the XML declaration. Forms have none of them, and what a parser makes of many of them is costly.
    if any(mark in data for mark in (b"<!", b"xmlns")) or data.count(b"<?") != 1 or b"\0" in data:
        raise _refused("document_malformed")
    try:
        data.decode()
        root = etree.fromstring(data, _parser())
    except (etree.XMLSyntaxError, ValueError):
        raise _refused("document_malformed") from None
    document = _recognise(root)
    for field, value in zip(FORMS[document.form], document.values, strict=True):
        field.check(value)
    if rebuild(document.form, [row.value for row in document.rows()]) != data:
        raise _refused("document_hidden")
    return document


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8", resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False
    )


def _recognise(root: etree._Element) -> Document:
    if root.tag != "Hoso" or _tags(root) != ["NoiDung", "CKy_Dvi"]:
        raise _refused("document_unknown")
    content, signature_place = root
    if len(signature_place):
        raise _refused("document_signed")
    tags = _tags(content)
    form = next((form for form, fields in FORMS.items() if tags == [*(f.name for f in fields), "ToKhais"]), None)
    if form is None:
        raise _refused("document_unknown")
    *simple, files = content
    if len(files):
        raise _refused("document_attachment")
    if any(len(element) for element in simple):
        raise _refused("document_unknown")
    return Document(form, tuple(element.text or "" for element in simple))


def _tags(element: etree._Element) -> list[object]:
    return [child.tag for child in element]


def _note(field: Field, value: str) -> str:
    key = f"note_{field.name}_{value}"
    return text(key) if has_text(key) else ""


def _refused(key: str, **values: object) -> SigningError:
    return SigningError("refused", text(key, **values))
