"""Example dossiers, signed with a throw-away key: what the documentation's commands and the tests send.

The signature is made with lxml's canonicalisation and `cryptography`, not with libxmlsec1, which verifies it.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from . import signing
from .vss_key import self_signed

HEAD: dict[str, str] = {
    "TenCoQuan": "BHXH Thành phố Hà Nội",
    "MaCoQuan": "001",
    "LoaiDoiTuong": "1",
    "TenDoiTuong": "Công ty TNHH Ví Dụ",
    "MaSoThue": "0100109106",
    "DienThoai": "0912345678",
    "Email": "ke.toan@vidu.example",
    "NguoiLienHe": "Nguyễn Thị Ví Dụ",
    "DiaChi": "Số 1 phố Ví Dụ, Hà Nội",
    "DiaChiLienHe": "Số 1 phố Ví Dụ, Hà Nội",
    "DienThoaiLienHe": "0912345678",
    "NgayLap": "02/03/2026",
    "NgayDangKy": "02/03/2026",
    "MaIVan": "00001",
    "TenIVan": "I-VAN thử nghiệm",
    "PTNhanKetQua": "0",
}
"""The elements that all forms have, in their order."""
EXTRAS: dict[str, dict[str, str]] = {
    "04": {},
    "05": {
        "SoChungThuCu": "",
        "SoChungThuMoi": "",
        "NhaCungCapMoi": "",
        "HieuLucTu": "",
        "HieuLucDen": "",
        "NoiDungThayDoi": "Thay đổi địa chỉ thư điện tử",
    },
    "06": {"NgayNgung": "02/03/2026", "MaLyDo": "9", "LyDo": "Ví dụ"},
}
"""What forms 05 and 06 add, in their order."""


@dataclass(frozen=True)
class Identity:
    """A key and its certificate."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @property
    def serial(self) -> str:
        """Serial of the certificate, upper-case hex."""
        return f"{self.certificate.serial_number:X}"


def make_identity(
    tax_code: str = HEAD["MaSoThue"],
    *,
    start: datetime | None = None,
    days: int = 36500,
    bits: int = 2048,
    uid: str | None = None,
) -> Identity:
    """A new key with a self-signed certificate of the unit `tax_code`, valid from `start` (UTC; else 01/01/2020).

    `uid` replaces the subject's `MST:<tax_code>`.
    """
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.COMMON_NAME, HEAD["TenDoiTuong"]),
            x509.NameAttribute(NameOID.USER_ID, uid or f"MST:{tax_code}"),
        ]
    )
    start = start or datetime(2020, 1, 1, tzinfo=timezone.utc)
    return Identity(key, self_signed(key, name, start, timedelta(days=days)))


def unsigned(form: str, changes: Mapping[str, str] | None = None) -> etree._Element:
    """The dossier of `form`, with some elements' texts changed."""
    root = etree.Element("Hoso")
    content = etree.SubElement(root, "NoiDung")
    for name, text in {**HEAD, **EXTRAS[form], **(changes or {})}.items():
        etree.SubElement(content, name).text = text
    etree.SubElement(content, "ToKhais")
    etree.SubElement(root, "CKy_Dvi")
    return root


def sign(root: etree._Element, identity: Identity, layout: str = "signed_files") -> bytes:
    """Append the signature to CKy_Dvi in the layout of really signed files (see `signing`); the document as bytes."""
    signing.append(root.find("CKy_Dvi"), identity.key, identity.certificate, datetime.now(timezone.utc), layout)
    return to_bytes(root)


def to_bytes(root: etree._Element) -> bytes:
    """UTF-8 with XML declaration."""
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def request_body(form: str, document: bytes, fields: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """The JSON body of `POST /dossiers` with a new client reference."""
    head = {**HEAD, **(fields or {})}
    return {
        "client_reference": str(uuid.uuid4()),
        "form": form,
        "agency_code": head["MaCoQuan"],
        "tax_code": head["MaSoThue"],
        "unit_code": None,
        "document": base64.b64encode(document).decode(),
        "sha256": hashlib.sha256(document).hexdigest(),
    }


def main(arguments: list[str] | None = None) -> None:
    """`python -m ibhxh_sandbox.example 04 body.json`: write a request body, signed by a new throw-away key."""
    parser = argparse.ArgumentParser(prog="python -m ibhxh_sandbox.example", description=main.__doc__)
    parser.add_argument("form", choices=sorted(EXTRAS))
    parser.add_argument("file", type=Path, help="where the JSON body goes")
    parser.add_argument("--tax-code", default=HEAD["MaSoThue"])
    parser.add_argument("--agency", default=HEAD["MaCoQuan"])
    parser.add_argument("--provider-code", default=HEAD["MaIVan"])
    given = parser.parse_args(arguments)
    fields = {"MaSoThue": given.tax_code, "MaCoQuan": given.agency, "MaIVan": given.provider_code}
    document = sign(unsigned(given.form, fields), make_identity(given.tax_code))
    given.file.write_text(json.dumps(request_body(given.form, document, fields)), encoding="utf-8")


if __name__ == "__main__":
    main()
