"""Text and JSON of servers, tokens and drivers, made harmless before they reach a terminal, a log or a window."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

#: Characters of one text at most: a hostile server must not push a question off the screen.
LONGEST = 300
#: Levels of JSON; protocol v1 needs four.
MAX_DEPTH = 20

#: Control and direction-changing characters, line separators, surrogates, private ones, marks that stack on a letter.
_HARMFUL = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co", "Mn", "Me"})
#: Letters and symbols that show nothing.
_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")


def harmless(value: object, longest: int = LONGEST) -> str:
    """One line that cannot rearrange what is shown around it; what is longer ends in "…"."""
    # Composed first, so that Vietnamese letters written as base and mark keep their mark.
    text = unicodedata.normalize("NFC", str(value)[: 4 * longest])
    text = "".join(" " if unicodedata.category(c) in _HARMFUL or c in _INVISIBLE else c for c in text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def loads(data: bytes | bytearray | str) -> Any:
    """The value of a JSON text.

    :raises ValueError: no JSON, or nested more than :data:`MAX_DEPTH` levels deep
    """
    try:
        value = json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level if isinstance(outer, dict | list) for inner in _parts(outer)]
        if not level:
            return value
    raise ValueError("nested too deeply")


def _parts(outer: dict[str, Any] | list[Any]) -> Any:
    return outer.values() if isinstance(outer, dict) else outer
