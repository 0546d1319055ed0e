"""Notification 01/TB-GD: what VSS tells the unit about a transaction, as signed XML."""

from __future__ import annotations

import json
from datetime import datetime

import xmlsec
from lxml import etree

from .clock import VIETNAM, stamp
from .documents import FORMS
from .problems import Refusal
from .store import Row
from .vss_key import VssKey


def build(row: Row, unit: Row, at: datetime, refusal: Refusal | None, key: VssKey) -> bytes:
    """The notification of a dossier's present state, UTF-8 with XML declaration, signed by the stand-in.

    The place of the signature (last child of the root) is the sandbox's choice; the real one's is not known.
    """
    day = at.astimezone(VIETNAM)
    root = etree.Element("BHXH")
    notice = etree.SubElement(root, "XACNHAN_GDICH")
    _fill(
        etree.SubElement(notice, "TTDVI"),
        DIADIEM=unit.get("agency_name", ""),
        NGAY_THONGBAO=day.strftime("%d/%m/%Y"),
        TEN_COQUAN=unit.get("agency_name", ""),
        TEN_DVI=unit["name"],
        MA_DVI=unit["unit_code"],
        MST=json.loads(row["fields"])["MaSoThue"],
    )
    transaction = etree.SubElement(notice, "TTGDICH")
    _fill(
        transaction,
        SO_HSO=row["dossier_number"] or "",
        TEN_GDICH=FORMS[row["form"]],
        MALOAI_HSO=row["form"],
        NGAY_GDICH=day.strftime("%d/%m/%Y"),
        KY_KKHAI=day.strftime("%m/%Y"),
        MA_GDICH=row["reference"],
        MA_KQUA="0" if refusal else "1",
        KQUA=_result(row, refusal),
        MA_LOI=refusal.code if refusal else "",
        MOTA_LOI=refusal.description if refusal else "",
    )
    details = etree.SubElement(etree.SubElement(transaction, "CTIET_GDICH"), "ROW_CTIET")
    details.text = _result(row, refusal)
    signing = etree.SubElement(etree.SubElement(notice, "TTCKY_BHXH"), "TTCKY")
    _fill(signing, SUBJECT=key.subject, SERIAL=key.serial, TIME=stamp(at))
    _sign(root, key)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _result(row: Row, refusal: Refusal | None) -> str:
    if refusal:
        return "Không chấp nhận"
    return "Đã xác nhận" if row["state"] == "confirmed" else "Đã tiếp nhận, chờ đơn vị xác nhận"


def _fill(parent: etree._Element, **texts: str) -> None:
    for tag, text in texts.items():
        etree.SubElement(parent, tag).text = text


def _sign(root: etree._Element, key: VssKey) -> None:
    signature = xmlsec.template.create(root, xmlsec.constants.TransformInclC14N, xmlsec.constants.TransformRsaSha256)
    root.append(signature)
    reference = xmlsec.template.add_reference(signature, xmlsec.constants.TransformSha256, uri="")
    xmlsec.template.add_transform(reference, xmlsec.constants.TransformEnveloped)
    xmlsec.template.add_x509_data(xmlsec.template.ensure_key_info(signature))
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(key.key, xmlsec.constants.KeyDataFormatPem)
    context.key.load_cert_from_memory(key.certificate, xmlsec.constants.KeyDataFormatPem)
    context.sign(signature)
