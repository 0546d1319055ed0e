"""Build, check and read the registration dossiers 04/ĐK-IVAN, 05/SĐ-IVAN and 06/NG-IVAN (domain.md section 3).

One table of fields drives the builder and the reader, so an element's name is written once here and once in the XSD.
"""

from __future__ import annotations

import base64
import re
import threading
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from pathlib import Path

from lxml import etree

from . import untrusted_xml

FILE_NAMES = {"04": "04_DK-IVAN.xml", "05": "05_SD-IVAN.xml", "06": "06_NG-IVAN.xml"}
DATE_FORMAT = "%d/%m/%Y"
# How VSS numbers dossiers, as far as seen; others are doubted, not refused.
NUMBER = re.compile(r"[0-9]{5}/20[0-9]{2}/[0-9]{3,5}")
_XSD_FOLDER = Path(__file__).parent / "xsd"
_validating = threading.Lock()


def read_number(text: str | None) -> str | None:
    """Return a dossier number as people type it, without blanks, or None when there is none."""
    return re.sub(r"\s", "", text or "") or None


class DossierError(ValueError):
    """A dossier cannot be built or read.

    ``code``: ``unknown_form``, ``missing``, ``bad_text``, ``malformed``, ``invalid``.
    ``field`` names the attribute of DossierData at fault, where one is.
    """

    def __init__(self, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """One file of ``ToKhais``: form code, description, file name with extension, raw content."""

    form_code: str
    description: str
    file_name: str
    content: bytes


@dataclass(frozen=True, kw_only=True)
class DossierData:
    """The content of one dossier. 05 and 06 use their own fields at the end, which stay None in the other forms."""

    agency_name: str
    agency_code: str
    subject_type: str = "1"
    subject_name: str
    tax_code: str
    phone: str
    email: str
    contact_name: str = ""
    address: str = ""
    contact_address: str = ""
    contact_phone: str = ""
    prepared_on: date
    registered_on: date
    provider_code: str
    provider_name: str
    result_delivery: str = "0"
    attachments: tuple[Attachment, ...] = ()
    old_certificate_serial: str | None = None
    new_certificate_serial: str | None = None
    new_certificate_issuer: str | None = None
    new_certificate_from: date | None = None
    new_certificate_to: date | None = None
    change_text: str | None = None
    stop_date: date | None = None
    stop_reason_code: str | None = None
    stop_reason: str | None = None


@dataclass(frozen=True)
class Field:
    """One element: its ``name`` in the XML, the ``attribute`` of DossierData, and how its text is written."""

    name: str
    attribute: str
    kind: str = "line"
    required: bool = True


# Names and order are those of the registration envelope that is in use; MaIVan/TenIVan are spelt so in it.
_COMMON = (
    Field("TenCoQuan", "agency_name"),
    Field("MaCoQuan", "agency_code"),
    Field("LoaiDoiTuong", "subject_type"),
    Field("TenDoiTuong", "subject_name"),
    Field("MaSoThue", "tax_code"),
    Field("DienThoai", "phone"),
    Field("Email", "email"),
    Field("NguoiLienHe", "contact_name", required=False),
    Field("DiaChi", "address", required=False),
    Field("DiaChiLienHe", "contact_address", required=False),
    Field("DienThoaiLienHe", "contact_phone", required=False),
    Field("NgayLap", "prepared_on", "date"),
    Field("NgayDangKy", "registered_on", "date"),
    Field("MaIVan", "provider_code"),
    Field("TenIVan", "provider_name"),
    Field("PTNhanKetQua", "result_delivery"),
)
# The names of these two groups are this project's own: nothing is published about them (domain.md section 3).
_CHANGE = (
    Field("SoChungThuCu", "old_certificate_serial", required=False),
    Field("SoChungThuMoi", "new_certificate_serial"),
    Field("NhaCungCapMoi", "new_certificate_issuer"),
    Field("HieuLucTu", "new_certificate_from", "date"),
    Field("HieuLucDen", "new_certificate_to", "date"),
    Field("NoiDungThayDoi", "change_text", "text"),
)
_STOP = (
    Field("NgayNgung", "stop_date", "date"),
    Field("MaLyDo", "stop_reason_code", required=False),
    Field("LyDo", "stop_reason", "text"),
)
FORMS: dict[str, tuple[Field, ...]] = {"04": _COMMON, "05": _COMMON + _CHANGE, "06": _COMMON + _STOP}


def build(form: str, data: DossierData) -> bytes:
    """The unsigned dossier as UTF-8 XML with declaration. Raises DossierError (``missing``, ``bad_text``)."""
    root = etree.Element("Hoso")
    content = etree.SubElement(root, "NoiDung")
    for field in _fields(form):
        etree.SubElement(content, field.name).text = _written(field, getattr(data, field.attribute))
    files = etree.SubElement(content, "ToKhais")
    for attachment in data.attachments:
        _add_file(files, attachment)
    etree.SubElement(root, "CKy_Dvi")
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def validate(form: str, xml: bytes) -> list[str]:
    """Check signed or unsigned dossier bytes against the form's XSD; the list of faults, empty when there is none."""
    _fields(form)
    try:
        return _faults(form, untrusted_xml.parse(xml, comments=False))
    except untrusted_xml.UntrustedXmlError as error:
        return [str(error)]


def fields_at_fault(faults: Iterable[str]) -> list[str]:
    """The attributes of DossierData that the faults of ``validate`` are about, each once."""
    attributes = {field.name: field.attribute for fields in FORMS.values() for field in fields}
    names = [name for fault in faults for name in re.findall(r"Element '([A-Za-z]+)'", fault)]
    return list(dict.fromkeys(attributes[name] for name in names if name in attributes))


def read(xml: bytes) -> tuple[str, DossierData]:
    """The form and content of a signed or unsigned dossier. Says nothing about its signature.

    04 has none of the extra elements, 05 and 06 are recognised by theirs.
    Raises DossierError (``malformed``, ``invalid``).
    """
    try:
        root = untrusted_xml.parse(xml, comments=False)
    except untrusted_xml.UntrustedXmlError as error:
        raise DossierError("malformed", str(error)) from None
    form = _form_of(root)
    faults = _faults(form, root)
    if faults:
        raise DossierError("invalid", faults[0])
    texts = {str(element.tag): element.text or "" for element in root.iterfind("NoiDung/*") if element.tag != "ToKhais"}
    values = {field.attribute: _value(field, texts[field.name]) for field in _fields(form)}
    attachments = tuple(_file(element) for element in root.iterfind("NoiDung/ToKhais/FileToKhai"))
    return form, DossierData(attachments=attachments, **values)  # type: ignore[arg-type]


def unsigned(signed: bytes) -> bytes:
    """The dossier as `build` wrote it, out of its signed bytes, whatever fields its form has.

    It is what was asked to be signed when its hash is; nothing is said about the signature. Raises DossierError
    (``malformed``).
    """
    try:
        root = untrusted_xml.parse(signed, comments=False)
    except untrusted_xml.UntrustedXmlError as error:
        raise DossierError("malformed", str(error)) from None
    for place in root.findall("CKy_Dvi"):
        root.replace(place, etree.Element("CKy_Dvi"))
    for leaf in root.iterfind("NoiDung//*"):
        # A parser does not tell an empty text from none; the dossier's writer gives every field a text.
        if not len(leaf) and leaf.text is None and leaf.tag != "ToKhais":
            leaf.text = ""
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8")


def _fields(form: str) -> tuple[Field, ...]:
    try:
        return FORMS[form]
    except KeyError:
        raise DossierError("unknown_form", f"unknown form {form!r}, one of {', '.join(FORMS)}") from None


def _form_of(root: etree._Element) -> str:
    if root.find("NoiDung/SoChungThuMoi") is not None:
        return "05"
    return "06" if root.find("NoiDung/NgayNgung") is not None else "04"


# ASCII, Latin letters with their accents, visible punctuation, and the scripts of Chinese, Japanese and Korean names.
# The token holder's computer refuses everything else, because it could not be seen or looks like a Latin letter.
_FOREIGN = re.compile(
    r"[^\n -~\u00a1-\u00ac\u00ae-\u024f\u1e00-\u1eff\u2010-\u2027\u2030-\u205e\u20a0-\u20bf\u2116\u2122"
    r"\u3001\u3002\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff\uac00-\ud7a3]"
)


def _written(field: Field, value: str | date | None) -> str:
    if isinstance(value, date):
        return value.strftime(DATE_FORMAT) if value.year >= 1000 else _missing(field)
    lines = unicodedata.normalize("NFC", value or "").splitlines()
    words = [" ".join(line.split()) for line in lines]
    text = "\n".join(words).strip() if field.kind == "text" else " ".join(filter(None, words))
    if field.required and not text:
        return _missing(field)
    foreign = _FOREIGN.search(text)
    if foreign:
        raise DossierError("bad_text", f"{field.name} holds U+{ord(foreign[0]):04X}", field.attribute)
    return text


def _missing(field: Field) -> str:
    raise DossierError("missing", f"{field.name} ({field.attribute}) has no value", field.attribute)


def _value(field: Field, text: str) -> str | date:
    if field.kind != "date":
        return text
    try:
        return datetime.strptime(text, DATE_FORMAT).date()
    except ValueError:
        raise DossierError("invalid", f"{field.name}: {text!r} is no date", field.attribute) from None


def _add_file(files: etree._Element, attachment: Attachment) -> None:
    element = etree.SubElement(files, "FileToKhai")
    text = base64.b64encode(attachment.content).decode("ascii")
    values = {
        "MaToKhai": attachment.form_code,
        "MoTaToKhai": attachment.description,
        "TenFile": attachment.file_name,
        "LoaiFile": Path(attachment.file_name).suffix,
        "DoDaiFile": str(len(text)),
    }
    for name, value in values.items():
        etree.SubElement(element, name).text = _written(Field(name, "attachments"), value)
    etree.SubElement(element, "NoiDungFile").text = text


def _file(element: etree._Element) -> Attachment:
    text = element.findtext("NoiDungFile") or ""
    if element.findtext("DoDaiFile") != str(len(text)):
        raise DossierError("invalid", "DoDaiFile is not the length of NoiDungFile", "attachments")
    return Attachment(
        form_code=element.findtext("MaToKhai") or "",
        description=element.findtext("MoTaToKhai") or "",
        file_name=element.findtext("TenFile") or "",
        content=base64.b64decode(text),  # the XSD made sure that it is base64, line breaks allowed
    )


@cache
def _schema(form: str) -> etree.XMLSchema:
    return etree.XMLSchema(etree.parse(str(_XSD_FOLDER / FILE_NAMES[form].replace(".xml", ".xsd"))))


def _faults(form: str, root: etree._Element) -> list[str]:
    # A schema object keeps the log of its last run, so threads must take turns.
    with _validating:
        schema = _schema(form)
        try:
            schema.assertValid(root)
        except etree.DocumentInvalid as error:
            return str(error).splitlines()[:20]
        return []
