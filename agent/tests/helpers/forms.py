"""Documents to sign."""

from __future__ import annotations

import base64

from lxml import etree

HEAD = {
    "TenCoQuan": "BHXH thành phố Hà Nội",
    "MaCoQuan": "001",
    "LoaiDoiTuong": "1",
    "TenDoiTuong": "Công ty TNHH Hoa Sen & Đối tác",
    "MaSoThue": "0100109106",
    "DienThoai": "+84912345678",
    "Email": "ke.toan@hoasen.example",
    "NguoiLienHe": "Nguyễn Thị Hoa",
    "DiaChi": "1 Tràng Tiền, Hà Nội",
    "DiaChiLienHe": "1 Tràng Tiền, Hà Nội",
    "DienThoaiLienHe": "+84912345678",
    "NgayLap": "05/03/2026",
    "NgayDangKy": "05/03/2026",
    "MaIVan": "00001",
    "TenIVan": "TS24",
    "PTNhanKetQua": "0",
}
EXTRA = {
    "04": {},
    "05": {
        "SoChungThuCu": "5402",
        "SoChungThuMoi": "5403",
        "NhaCungCapMoi": "TEST-CA",
        "HieuLucTu": "01/03/2026",
        "HieuLucDen": "01/03/2029",
        "NoiDungThayDoi": "Gia hạn chứng thư số",
    },
    "06": {"NgayNgung": "01/04/2026", "MaLyDo": "7", "LyDo": "Chuyển sang tổ chức I-VAN khác"},
}


def form(kind: str = "04", attachment: str | None = None, **changes: str) -> bytes:
    """An unsigned dossier as the addon builds it."""
    root = etree.Element("Hoso")
    content = etree.SubElement(root, "NoiDung")
    for name, value in {**HEAD, **EXTRA[kind], **changes}.items():
        etree.SubElement(content, name).text = value
    files = etree.SubElement(content, "ToKhais")
    if attachment is not None:
        entry = etree.SubElement(files, "FileToKhai")
        body = base64.b64encode(attachment.encode()).decode()
        for name, value in {
            "MaToKhai": "D01",
            "MoTaToKhai": "Bảng kê",
            "TenFile": "D01.xml",
            "LoaiFile": ".xml",
            "DoDaiFile": str(len(body)),
            "NoiDungFile": body,
        }.items():
            etree.SubElement(entry, name).text = value
    etree.SubElement(root, "CKy_Dvi")
    return etree.tostring(root, encoding="UTF-8", xml_declaration=True)
