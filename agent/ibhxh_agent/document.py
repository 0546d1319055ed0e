"""Reads a document before it is signed: only a BHXH registration form, and only the parts that the person will see.

The server is not trusted here. A document that is anything else than a known form is refused, so that nobody who
controls the server can have, say, a contract or a bank order signed with the company's token.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lxml import etree

from ibhxh_agent.errors import SigningError
from ibhxh_agent.texts import text

#: Bytes; an I-VAN registration with attachments stays far below.
MAX_BYTES = 5 * 2**20

#: Element names of the registration envelope, in order (domain facts, section 3).
_HEAD = (
    *("TenCoQuan", "MaCoQuan", "LoaiDoiTuong", "TenDoiTuong", "MaSoThue", "DienThoai", "Email", "NguoiLienHe"),
    *("DiaChi", "DiaChiLienHe", "DienThoaiLienHe", "NgayLap", "NgayDangKy", "MaIVan", "TenIVan", "PTNhanKetQua"),
)
_ATTACHMENT = ["MaToKhai", "MoTaToKhai", "TenFile", "LoaiFile", "DoDaiFile", "NoiDungFile"]
#: What each form has between PTNhanKetQua and ToKhais.
EXTRA_ELEMENTS: Mapping[str, tuple[str, ...]] = {
    "04": (),
    "05": ("SoChungThuCu", "SoChungThuMoi", "NhaCungCapMoi", "HieuLucTu", "HieuLucDen", "NoiDungThayDoi"),
    "06": ("NgayNgung", "MaLyDo", "LyDo"),
}

#: Elements that decide something, shown to the person where a form has them.
SHOWN_EXTRAS: Mapping[str, str] = {
    "SoChungThuMoi": "Chứng thư mới",
    "NoiDungThayDoi": "Nội dung thay đổi",
    "NgayNgung": "Ngày ngừng",
    "LyDo": "Lý do",
    "TenIVan": "Tổ chức I-VAN",
    "TenCoQuan": "Cơ quan BHXH",
}

FORM_NAMES = {"04": "04/ĐK-IVAN", "05": "05/SĐ-IVAN", "06": "06/NG-IVAN"}
FORM_TITLES = {
    "04": "Tờ khai đăng ký sử dụng dịch vụ I-VAN (04/ĐK-IVAN)",
    "05": "Tờ khai thay đổi, bổ sung thông tin đăng ký sử dụng dịch vụ I-VAN (05/SĐ-IVAN)",
    "06": "Tờ khai đăng ký ngừng sử dụng dịch vụ I-VAN (06/NG-IVAN)",
}


@dataclass(frozen=True)
class Document:
    """A known form, parsed.

    :param root: the tree as parsed; signing appends to it
    :param form: ``04``, ``05`` or ``06``
    :param fields: text of every simple element of ``NoiDung``, by element name
    :param attachments: file names of the attached declarations
    """

    root: etree._Element
    form: str
    fields: Mapping[str, str]
    attachments: tuple[str, ...]

    @property
    def title(self) -> str:
        """The form's printed title."""
        return FORM_TITLES[self.form]

    @property
    def company(self) -> str:
        """Name of the unit that registers."""
        return self.fields["TenDoiTuong"]

    @property
    def tax_code(self) -> str:
        """MST in the document."""
        return self.fields["MaSoThue"]


def read(data: bytes) -> Document:
    """Parse and recognise.

    :raises SigningError: ``refused``, with the reason in Vietnamese
    """
    if len(data) > MAX_BYTES:
        raise _refused("document_too_large")
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        strip_cdata=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise _refused("document_malformed") from None
    tree = root.getroottree()
    if tree.docinfo.internalDTD is not None or any(not isinstance(node.tag, str) for node in tree.iter()):
        raise _refused("document_malformed")
    if root.getprevious() is not None or root.getnext() is not None:
        raise _refused("document_malformed")
    if any(node.attrib or node.nsmap for node in root.iter()):
        raise _refused("document_unknown")
    return _recognise(root)


def _recognise(root: etree._Element) -> Document:
    if root.tag != "Hoso" or [child.tag for child in root] != ["NoiDung", "CKy_Dvi"]:
        raise _refused("document_unknown")
    content, signature_place = root
    if len(signature_place) or (signature_place.text or "").strip():
        raise _refused("document_signed")
    names = [child.tag for child in content]
    form = next((form for form, extra in EXTRA_ELEMENTS.items() if names == [*_HEAD, *extra, "ToKhais"]), None)
    if form is None:
        raise _refused("document_unknown")
    *simple, declarations = content
    if any(len(element) for element in simple):
        raise _refused("document_unknown")
    attachments = []
    for entry in declarations:
        if entry.tag != "FileToKhai" or [part.tag for part in entry] != _ATTACHMENT or any(len(part) for part in entry):
            raise _refused("document_unknown")
        attachments.append(entry.findtext("TenFile") or "")
    fields = {str(element.tag): (element.text or "").strip() for element in simple}
    return Document(root=root, form=form, fields=fields, attachments=tuple(attachments))


def _refused(key: str) -> SigningError:
    return SigningError("refused", text(key))
