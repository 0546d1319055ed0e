"""Activation codes, and the ways in which a mail can show one."""

from __future__ import annotations

import secrets
import string

LENGTH = 10
ALPHABETS = {
    "mixed": string.ascii_uppercase + string.digits,
    "letters": string.ascii_uppercase,
    "digits": string.digits,
}
_GROUP = 4


def new_code(letters: str = "mixed") -> str:
    """A code as the two that are known: ten upper-case letters and digits (domain.md §1), or one sort of them only."""
    return "".join(secrets.choice(ALPHABETS[letters]) for _ in range(LENGTH))


def as_html(code: str, layout: str) -> str:
    """The code as today's mail shows it, large and coloured, in one of the layouts of the settings."""
    style = "font-size:28px;font-weight:bold;color:#c00000;text-align:center"
    if layout == "cells":
        cells = "".join(f"<td>{character}</td>" for character in code)
        return f'<table align="center" style="{style}"><tr>{cells}</tr></table>'
    text = code
    if layout == "groups":
        text = " ".join(code[start : start + _GROUP] for start in range(0, len(code), _GROUP))
    return f'<p style="{style}">{text}</p>'
