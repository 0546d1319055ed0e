"""VSS's notifications as signed XML: 01/TB-GD, a dossier's receipt and 03/TB-TS share one root (domain.md §3)."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import xmlsec
from lxml import etree

from . import signing
from .clock import VIETNAM, stamp
from .documents import FORMS
from .problems import Refusal
from .store import Row
from .vss_key import VssKey

TAKEN_UP = "1. Chấp nhận để giải quyết hồ sơ"
"""What 03/TB-TS says of a dossier that was taken up for processing: it is not settled (domain.md §3)."""
ORDINARY_TYPE = "600"
"""MALOAI_HSO of the ordinary dossiers. Real types are not known; this is none of the registration's."""


def build(row: Row, unit: Row, at: datetime, refusal: Refusal | None, key: VssKey, layout: str) -> bytes:
    """The notification 01/TB-GD of a dossier's present state, UTF-8 with XML declaration, signed by the stand-in."""
    day = at.astimezone(VIETNAM)
    root, notice = _begin(unit, day, tax_code=json.loads(row["fields"])["MaSoThue"])
    transaction = etree.SubElement(notice, "TTGDICH")
    _fill(
        transaction,
        SO_HSO=row["dossier_number"] or "",
        TEN_GDICH=FORMS[row["form"]],
        MALOAI_HSO=row["form"],
        NGAY_GDICH=_date(day),
        KY_KKHAI=day.strftime("%m/%Y"),
        MA_GDICH=row["reference"],
        MA_KQUA="0" if refusal else "1",
        KQUA=_result(row, refusal),
        MA_LOI=refusal.code if refusal else "",
        MOTA_LOI=refusal.description if refusal else "",
    )
    details = etree.SubElement(etree.SubElement(transaction, "CTIET_GDICH"), "ROW_CTIET")
    details.text = _result(row, refusal)
    return _end(root, notice, at, key, layout)


def receipt(title: str, number: str, unit: Row, at: datetime, key: VssKey, layout: str) -> bytes:
    """The receipt of a dossier: unit code and number, no tax code, no result."""
    day = at.astimezone(VIETNAM)
    root, notice = _begin(unit, day)
    _fill(
        etree.SubElement(notice, "TTGDICH"),
        SO_HSO=number,
        TEN_GDICH=f"Thông báo tiếp nhận hồ sơ: {title}",
        MALOAI_HSO=ORDINARY_TYPE,
        NGAY_GDICH=_date(day),
    )
    return _end(root, notice, at, key, layout)


def taken_up(title: str, dossier_type: str, number: str, unit: Row, at: datetime, key: VssKey, layout: str) -> bytes:
    """03/TB-TS: a dossier is taken up for processing, with times and a telephone number."""
    day = at.astimezone(VIETNAM)
    root, notice = _begin(unit, day, tax_code=unit.get("tax_code"))
    _fill(
        etree.SubElement(notice, "TTGDICH"),
        SO_HSO=number,
        TEN_GDICH=title,
        MALOAI_HSO=dossier_type,
        NGAY_GDICH=_date(day),
        MA_KQUA="1",
        KQUA=TAKEN_UP,
        GIO_NHAN=day.strftime("%H:%M"),
        NGAY_NHAN=_date(day),
        NGAY_TRA=_date(day + timedelta(days=5)),
        DTHOAI_HTRO="1900 0000",
    )
    return _end(root, notice, at, key, layout)


def _begin(unit: Row, day: datetime, tax_code: str | None = None) -> tuple[etree._Element, etree._Element]:
    root = etree.Element("BHXH")
    notice = etree.SubElement(root, "XACNHAN_GDICH")
    texts = {
        "DIADIEM": unit.get("agency_name", ""),
        "NGAY_THONGBAO": _date(day),
        "TEN_COQUAN": unit.get("agency_name", ""),
        "TEN_DVI": unit["name"],
        "MA_DVI": unit["unit_code"],
    }
    _fill(etree.SubElement(notice, "TTDVI"), **texts, **({"MST": tax_code} if tax_code else {}))
    return root, notice


def _end(root: etree._Element, notice: etree._Element, at: datetime, key: VssKey, layout: str) -> bytes:
    seal = etree.SubElement(etree.SubElement(notice, "TTCKY_BHXH"), "TTCKY")
    _fill(seal, SUBJECT=key.subject, SERIAL=key.serial, TIME=stamp(at))
    # Where VSS's own signature stands is not known: the last child of the root is the sandbox's choice.
    if layout == "template":
        _sign_by_template(root, key)
    else:
        signing.append(root, key.private_key, key.issued, at, layout)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _result(row: Row, refusal: Refusal | None) -> str:
    if refusal:
        return "Không chấp nhận"
    return "Đã xác nhận" if row["state"] == "confirmed" else "Đã tiếp nhận, chờ đơn vị xác nhận"


def _date(day: datetime) -> str:
    return day.strftime("%d/%m/%Y")


def _fill(parent: etree._Element, **texts: str) -> None:
    for tag, text in texts.items():
        etree.SubElement(parent, tag).text = text


def _sign_by_template(root: etree._Element, key: VssKey) -> None:
    signature = xmlsec.template.create(root, xmlsec.constants.TransformInclC14N, xmlsec.constants.TransformRsaSha256)
    root.append(signature)
    reference = xmlsec.template.add_reference(signature, xmlsec.constants.TransformSha256, uri="")
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key.key, xmlsec.constants.KeyDataFormatPem)
    context.key.load_cert_from_memory(key.certificate, xmlsec.constants.KeyDataFormatPem)
    context.sign(signature)
