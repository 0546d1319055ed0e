"""Units that the sandbox knows from the start, from a JSON file or the control API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .store import Row, Store
from .units import PORTAL, STATES, new_unit_code, plain_tax_code

_OPTIONAL = ("holder_code", "holder_name", "fingerprint", "serial", "email", "phone")
COLUMNS = ("tax_code", "unit_code", "name", "agency_code", "agency_name", "state", *_OPTIONAL)
"""What a unit is given and shown with."""


def add_units(store: Store, units: Iterable[dict[str, Any]], *, change: bool) -> None:
    """Add units; those that are known already are changed, or left alone when `change` is False.

    A unit is known by its unit code, or by its tax code where only one unit has it and no other unit code is given.
    Raises ValueError or KeyError on a wrong one. A unit needs `tax_code`; the rest has
    defaults: `state` is `registered` where a `holder_code` is given, else `new`.
    """
    with store.transaction():
        for unit in units:
            _add(store, unit, change)


def _add(store: Store, given: dict[str, Any], change: bool) -> None:
    unknown = set(given) - set(COLUMNS)
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if not all(value is None or isinstance(value, str) for value in given.values()):
        raise ValueError("the values of a unit are texts")
    tax_code = plain_tax_code(given["tax_code"])
    known = _known(store, tax_code, given.get("unit_code"))
    if known and not change:
        return
    row: Row = known or {
        "unit_code": given.get("unit_code") or new_unit_code(store),
        "name": f"Đơn vị {tax_code}",
        "knows_code": 1,
        "agency_code": "001",
        "agency_name": "BHXH",
        "state": "registered" if given.get("holder_code") else "new",
        **dict.fromkeys(_OPTIONAL),
    }
    row = {**row, **given, "tax_code": tax_code}
    if row["state"] not in STATES or (row["state"] == "registered") != bool(row["holder_code"]):
        raise ValueError(f"{tax_code}: a registered unit, and no other, has a holder_code")
    if row["holder_code"]:
        portal = row["holder_code"] == PORTAL.code
        row["holder_name"] = row["holder_name"] or (PORTAL.name if portal else f"I-VAN {row['holder_code']}")
    if known:
        store.update("unit", "id", known["id"], **row)
    else:
        store.insert("unit", row)


def _known(store: Store, tax_code: str, unit_code: str | None) -> Row | None:
    units = store.all("SELECT * FROM unit WHERE tax_code = ? ORDER BY id", tax_code)
    if unit_code:
        return next((unit for unit in units if unit["unit_code"] == unit_code), None)
    if len(units) > 1:
        raise ValueError(f"{tax_code} has several units: name the unit_code")
    return units[0] if units else None
