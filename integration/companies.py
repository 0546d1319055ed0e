"""Tax codes of companies that do not exist."""

from __future__ import annotations

from collections.abc import Iterator

from stdnum.vn import mst

NO_DIGIT = "10"
"""What the check digit works out as where no tax code begins with these nine digits."""


def tax_code(base: str, *, right: bool = True) -> str:
    """Nine digits with their check digit, the right one or a wrong one."""
    digit = int(mst.calc_check_digit(base))
    return f"{base}{digit if right else (digit + 1) % 10}"


def tax_codes(prefix: str) -> Iterator[str]:
    """All tax codes that begin with these digits, in order; the check digits are right."""
    free = 9 - len(prefix)
    for number in range(1, 10**free):
        base = f"{prefix}{number:0{free}d}"
        if mst.calc_check_digit(base) != NO_DIGIT:
            yield tax_code(base)
