"""The units (employers) that this stand-in of VSS knows, and what it refuses them."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass
from typing import Any

from stdnum.vn import mst

from .documents import Document
from .problems import Refusal
from .settings import Settings
from .signatures import PERSONAL_NUMBER, Signer
from .store import Row, Store

STATES = ("new", "waiting", "registered", "stopped")
"""`waiting`: a form 04 was accepted and not activated yet. Only `registered` units have an I-VAN."""


@dataclass(frozen=True)
class Provider:
    """An I-VAN organisation: its code in VSS's list and its name."""

    code: str
    name: str


PORTAL = Provider("VSS", "Cổng dịch vụ công BHXH Việt Nam")
"""VSS's own portal, which holds units just as an I-VAN does (domain.md §2). The code is the sandbox's own."""
MOVING = "7"
"""The reason of a stop: moving to another I-VAN (domain.md §2)."""


def plain_tax_code(text: str) -> str:
    """A tax code without the dash before the branch number, to compare with."""
    return text.strip().replace("-", "")


def serial_number(text: str) -> int | None:
    """A certificate's serial in hex as a number; None for an empty text."""
    return int(text, 16) if text else None


def find_or_create(store: Store, document: Document, unit_code: str | None) -> Row:
    """The dossier's unit; one of an unknown tax code with a valid check digit is made up on the spot.

    Several units under one tax code are distinguished by the unit code, or else by the agency (domain.md §7).
    Raises Refusal SE003 (tax code), SE004 (agency) or SE005 (unit code).
    """
    fields = document.fields
    tax_code = plain_tax_code(fields["MaSoThue"])
    known = store.all("SELECT * FROM unit WHERE tax_code = ? ORDER BY id", tax_code)
    if not known:
        known = [_create(store, document, tax_code, unit_code)]
    if unit_code:
        known = [unit for unit in known if unit["unit_code"] == unit_code.upper()]
        if not known:
            raise Refusal("SE005", f"Mã đơn vị {unit_code} không đúng với mã số thuế {fields['MaSoThue']}.")
    managed = [unit for unit in known if unit["agency_code"] == fields["MaCoQuan"]]
    if not managed:
        raise Refusal(
            "SE004",
            f"Mã cơ quan BHXH {fields['MaCoQuan']} không phải là cơ quan đang quản lý đơn vị có mã số thuế "
            f"{fields['MaSoThue']}.",
        )
    if len(managed) > 1:
        raise Refusal("SE005", f"Mã số thuế {fields['MaSoThue']} có nhiều đơn vị; hồ sơ phải nêu mã đơn vị.")
    return managed[0]


def _create(store: Store, document: Document, tax_code: str, unit_code: str | None) -> Row:
    fields = document.fields
    if not _is_tax_code(tax_code):
        raise Refusal("SE003", f"Mã số thuế {fields['MaSoThue']} không có trong hệ thống của BHXH Việt Nam.")
    if unit_code and store.one("SELECT 1 FROM unit WHERE unit_code = ?", unit_code.upper()):
        raise Refusal("SE005", f"Mã đơn vị {unit_code} là của một đơn vị khác.")
    unit: Row = {
        "tax_code": tax_code,
        "unit_code": unit_code.upper() if unit_code else new_unit_code(store),
        "knows_code": int(bool(unit_code)),
        "name": fields["TenDoiTuong"],
        "agency_code": fields["MaCoQuan"],
        "agency_name": fields["TenCoQuan"],
        "state": "new",
        "holder_code": None,
        "holder_name": None,
        "fingerprint": None,
        "serial": None,
        "email": None,
        "phone": None,
    }
    unit["id"] = store.insert("unit", unit)
    return unit


def _is_tax_code(tax_code: str) -> bool:
    """Whether VSS may know this tax code: a right check digit, or a household's personal number of twelve digits."""
    if PERSONAL_NUMBER.fullmatch(tax_code):
        return tax_code.startswith("0")  # the province of birth, 001 to 096
    return bool(mst.is_valid(tax_code))


def new_unit_code(store: Store) -> str:
    """A unit code that is not taken, in the shape of the real ones (`TZH490L`)."""
    while True:
        head = "".join(secrets.choice(string.ascii_uppercase) for _ in range(2))
        code = f"{head}{secrets.randbelow(10**4):04}{secrets.choice(string.ascii_uppercase)}"
        if store.one("SELECT 1 FROM unit WHERE unit_code = ?", code) is None:
            return code


def check(unit: Row, document: Document, signer: Signer | None, provider: Provider, settings: Settings) -> None:
    """Raise the Refusal, if any, that VSS has for this form in the state that the unit is in.

    :param signer: None for what was filed at the portal itself, where a password replaces the certificate
    """
    held = unit["state"] == "registered"
    if held and unit["holder_code"] != provider.code:
        # A stop that the new I-VAN files for the move is taken, whichever I-VAN has the unit (domain.md §2).
        if (document.form, document.fields.get("MaLyDo")) != ("06", MOVING):
            raise _held_elsewhere(unit, settings)
    elif document.form == "04":
        if held:
            raise Refusal(settings.registered_code, "Đơn vị đã đăng ký giao dịch điện tử với BHXH Việt Nam.")
        return
    elif not held:
        raise Refusal("OE001", "Đơn vị chưa đăng ký giao dịch điện tử với BHXH Việt Nam.")
    if signer is None:
        return
    if is_registered_certificate(unit, signer):
        old = serial_number(document.fields.get("SoChungThuCu", ""))
        if old is None or unit["serial"] is None or old == int(unit["serial"], 16):
            return
    elif document.form == "05" and serial_number(document.fields["SoChungThuMoi"]) == signer.serial:
        return
    raise Refusal("CE014", "Chứng thư số không phải là chứng thư số đã đăng ký với BHXH Việt Nam.")


def _held_elsewhere(unit: Row, settings: Settings) -> Refusal:
    holder = {"code": unit["holder_code"], "name": unit["holder_name"]}
    if holder["code"] == PORTAL.code:
        return Refusal("CE044", f"Đơn vị đang giao dịch trực tiếp trên {holder['name']}.", holder)
    return Refusal(settings.elsewhere_code, f"Đơn vị đang sử dụng dịch vụ I-VAN của {holder['name']}.", holder)


def is_registered_certificate(unit: Row, signer: Signer) -> bool:
    """Whether VSS knows this certificate as the unit's. A unit whose certificate VSS never learned takes any."""
    if unit["fingerprint"]:
        return bool(unit["fingerprint"] == signer.fingerprint)
    return unit["serial"] is None or int(unit["serial"], 16) == signer.serial


def confirmed(form: str, fields: dict[str, str], signer: dict[str, Any], provider: Provider) -> Row:
    """The columns of the unit that change when VSS confirms a dossier."""
    if form == "06":
        return {"state": "stopped", "holder_code": None, "holder_name": None, "fingerprint": None, "serial": None}
    changes: Row = {
        "state": "registered",
        "holder_code": provider.code,
        "holder_name": provider.name,
        "knows_code": 1,
        "email": fields["Email"],
        "phone": fields["DienThoai"],
        "fingerprint": signer["fingerprint"],
        "serial": signer["serial"],
    }
    new = serial_number(fields.get("SoChungThuMoi", ""))
    if new is not None and new != serial_number(signer["serial"] or ""):
        # Signed with the old certificate: of the new one VSS knows only the number until it is used.
        changes.update(fingerprint=None, serial=f"{new:X}")
    return changes
