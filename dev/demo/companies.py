"""The companies of the demo: invented names, tax codes with a right (or purposely wrong) check digit."""

from __future__ import annotations

from dataclasses import dataclass

from integration.companies import tax_code


@dataclass
class Company:
    """One company; `record` is its id in Odoo once it is there."""

    key: str
    name: str
    tax_code: str
    record: int = 0
    certificate: bytes = b""
    has_token: bool = True


def companies() -> dict[str, Company]:
    """All of them by key: one per scene, so that no scene depends on another."""
    rows = (
        Company("first", "CÔNG TY TNHH MAI VÀNG", tax_code("010999901")),
        Company("refused", "CÔNG TY TNHH SAI MÃ SỐ", tax_code("010999902", right=False)),
        Company("expired", "CÔNG TY CỔ PHẦN CHẬM MỘT NGÀY", tax_code("010999903")),
        Company("mails", "CÔNG TY TNHH NHIỀU THƯ", tax_code("010999909")),
        Company("pin", "CÔNG TY TNHH NHẦM MÃ PIN", tax_code("010999904")),
        Company("token", "CÔNG TY TNHH QUÊN TOKEN", tax_code("010999905")),
        Company("gateway", "CÔNG TY CỔ PHẦN MẤT MẠNG", tax_code("010999906")),
        Company("life", "CÔNG TY TNHH TRỌN ĐỜI", tax_code("010999908")),
        Company("elsewhere", "CÔNG TY TNHH TỰ NỘP TRÊN CỔNG", tax_code("010999910"), has_token=False),
        Company("phone", "CÔNG TY TNHH KÝ BẰNG ĐIỆN THOẠI", tax_code("010999911"), has_token=False),
        Company("yours", "CÔNG TY TNHH ĐẾN LƯỢT BẠN", tax_code("010999907")),
    )
    return {row.key: row for row in rows}
