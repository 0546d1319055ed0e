"""Version numbers of programs, compared as numbers."""

import re

VERSION = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){1,5}")


def version_key(text: str | None) -> tuple[int, ...]:
    """Return what orders versions; trailing zeros, and what is no number, count as nothing."""
    # Not every character that is a digit in Unicode is one for int(): ² is not.
    parts = [int(part) if part.isascii() and part.isdigit() else 0 for part in (text or "").split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)
