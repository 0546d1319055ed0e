"""Reading a submitted dossier: hostile XML kept out, the sandbox's own XSD, the fields by name."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from importlib import resources

from lxml import etree

from .problems import Refusal

MAX_BYTES = 5 * 2**20
"""Largest accepted dossier, in bytes."""
MAX_DEPTH = 64
FORMS = {
    "04": "Đăng ký sử dụng dịch vụ I-VAN",
    "05": "Thay đổi, bổ sung thông tin đăng ký sử dụng dịch vụ I-VAN",
    "06": "Đăng ký ngừng sử dụng dịch vụ I-VAN",
}
"""The forms that the gateway takes, with the name that mails and notifications use."""
XSD_DIR = resources.files("ibhxh_sandbox") / "xsd"


@dataclass(frozen=True)
class Document:
    """One dossier that is well formed and valid for its form; its signature is not looked at here."""

    form: str
    root: etree._Element
    fields: dict[str, str]
    """Text of each element directly under NoiDung, by element name, outer white space removed."""

    def date(self, name: str) -> date | None:
        """A dd/MM/yyyy field; None where it is absent or empty."""
        text = self.fields.get(name)
        return datetime.strptime(text, "%d/%m/%Y").date() if text else None


def structure_error(what: str) -> Refusal:
    """VSS's answer to a document that it cannot read."""
    return Refusal("CE009", f"Cấu trúc hồ sơ không đúng: {what}")


def parse(data: bytes) -> etree._Element:
    """The root of `data`, without DTD, entities, deep nesting or any access outside. Raises Refusal CE009."""
    if len(data) > MAX_BYTES:
        raise structure_error("tệp XML quá lớn.")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise structure_error("không phải là XML hợp lệ.") from error
    if root.getroottree().docinfo.doctype:
        raise structure_error("không được có DOCTYPE.")
    pending = [(root, 1)]
    while pending:
        element, depth = pending.pop()
        if depth > MAX_DEPTH:
            raise structure_error("các thẻ lồng nhau quá sâu.")
        if not isinstance(element.tag, str):
            # Canonicalisation leaves comments out: one that splits a text could be added to a signed document.
            raise structure_error("không được có chú thích hay chỉ thị xử lý.")
        pending.extend((child, depth + 1) for child in element)
    return root


@cache
def _schema(form: str) -> etree.XMLSchema:
    with resources.as_file(XSD_DIR) as folder:
        return etree.XMLSchema(etree.parse(str(folder / f"{form}.xsd")))


def read(form: str, data: bytes) -> Document:
    """Parse and validate a dossier of `form`. Raises Refusal CE009 with the first thing that is wrong."""
    root = parse(data)
    if root.getroottree().docinfo.encoding not in ("UTF-8", "utf-8"):
        raise structure_error("bảng mã phải là UTF-8.")
    schema = _schema(form)
    if not schema.validate(root):
        first = schema.error_log[0]
        raise structure_error(f"dòng {first.line}: {first.message}")
    content = root.find("NoiDung")
    document = Document(form, root, {child.tag: (child.text or "").strip() for child in content if len(child) == 0})
    for name in ("NgayLap", "NgayDangKy", "HieuLucTu", "HieuLucDen", "NgayNgung"):
        try:
            document.date(name)
        except ValueError:
            raise structure_error(f"{name} không phải là một ngày có thật.") from None
    for attachment in content.iterfind("ToKhais/FileToKhai"):
        _check_attachment(attachment)
    return document


def _check_attachment(attachment: etree._Element) -> None:
    text = attachment.findtext("NoiDungFile") or ""
    if int(attachment.findtext("DoDaiFile")) != len(text):
        raise structure_error("DoDaiFile khác độ dài của NoiDungFile.")
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error:
        raise structure_error("NoiDungFile không phải là base64.") from None
