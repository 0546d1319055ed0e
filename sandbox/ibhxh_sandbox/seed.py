"""Units that the sandbox knows from the start, from a JSON file or the control API."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .store import Row, Store
from .units import STATES, new_unit_code, plain_tax_code

_OPTIONAL = ("holder_code", "holder_name", "fingerprint", "serial", "email", "phone")
_KNOWN = {"tax_code", "unit_code", "name", "agency_code", "agency_name", "state", *_OPTIONAL}


def add_units(store: Store, units: Iterable[dict[str, Any]], *, change: bool) -> None:
    """Add units; those whose tax code is known already are changed, or left alone when `change` is False.

    Raises ValueError or KeyError on a wrong one. A unit needs `tax_code`; the rest has
    defaults: `state` is `registered` where a `holder_code` is given, else `new`.
    """
    with store.transaction():
        for unit in units:
            _add(store, unit, change)


def _add(store: Store, given: dict[str, Any], change: bool) -> None:
    unknown = set(given) - _KNOWN
    if unknown:
        raise ValueError(f"unknown: {', '.join(sorted(unknown))}")
    if not all(value is None or isinstance(value, str) for value in given.values()):
        raise ValueError("the values of a unit are texts")
    tax_code = plain_tax_code(given["tax_code"])
    known = store.one("SELECT * FROM unit WHERE tax_code = ?", tax_code)
    if known and not change:
        return
    row: Row = known or {
        "unit_code": given.get("unit_code") or new_unit_code(store),
        "name": f"Đơn vị {tax_code}",
        "agency_code": "001",
        "agency_name": "BHXH",
        "state": "registered" if given.get("holder_code") else "new",
        **dict.fromkeys(_OPTIONAL),
    }
    row = {**row, **given, "tax_code": tax_code}
    if row["state"] not in STATES or (row["state"] == "registered") != bool(row["holder_code"]):
        raise ValueError(f"{tax_code}: a registered unit, and no other, has a holder_code")
    if row["holder_code"]:
        row["holder_name"] = row["holder_name"] or f"I-VAN {row['holder_code']}"
    if known:
        store.update("unit", "tax_code", tax_code, **row)
    else:
        store.insert("unit", row)
