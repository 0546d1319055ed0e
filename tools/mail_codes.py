"""Activation codes in a text: ten letters and digits in any mix (domain.md sections 1 and 6).

A code stands behind a word for it, alone in its line, in groups, or one character to a cell. Nothing that stands
behind *mật khẩu* is a code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from .folding import fold

LENGTH = 10
MAX_CODES = 20
_WINDOW = 160
_REACH = 1500
_MAX_LABELS = 30
_PASSWORD = re.compile(r"\bmat\s{0,3}khau\b|\bpassword\b|\bmatkhau\b", re.IGNORECASE)
_ADDRESS = re.compile(r"(?i:https?://|www\.)\S{1,4000}|[\w.+-]{1,64}@[\w.-]{1,190}")
_WORD = re.compile(r"(?<![^\W_])(?:[A-Z0-9]{10}|[a-z0-9]{10})(?![^\W_])")
_GROUPS = re.compile(r"(?<![^\W_])[A-Z0-9]{2,5}(?:[ \t]{0,2}[-– \t][ \t]{0,2}[A-Z0-9]{1,5}){1,4}(?![^\W_])")
_CELLS = re.compile(r"(?<![^\W_])[A-Za-z0-9](?:[\s|]{1,6}[A-Za-z0-9]){9}(?![^\W_])(?![\s|]{1,6}[A-Za-z0-9](?![^\W_]))")
# Between a word for the code and a code that does not mix letters and digits, nothing else may stand.
_FILLER = re.compile(
    r"(?i:[\W_]|\b(?:cua|don|vi|ban|la|nhu|sau|quy|is|your|dang|ky|moi|cu|giao|dich|dien|tu|bhxh)\b){0,60}"
)
_FOREIGN = re.compile(
    r"(?:giao dich|ho so|thue|mst|ngan sach|dien thoai|hotline|tel|fax|so the|so so|bhxh|dinh danh|don vi|tra cuu"
    r"|khach hang|hop dong|tai khoan|chung thu|serial)[^\n:]{0,40}:?\s*$"
)
_OWN = re.compile(r"ma (?:so )?(?:kich hoat|xac nhan|xac thuc)")
_PHONE = re.compile(r"0|1[89]00")


def find(text: str, labels: Iterable[str], *, has_link: bool = False) -> tuple[str, ...]:
    """The codes in a cleaned text, in capitals; ``labels`` are folded words that stand before one.

    The best place wins: right behind a word for the code, then near it, then alone in a line; with an activation link
    in the mail (``has_link``) anywhere. More than one is for a person to decide.
    """
    folded = fold(text)
    password = _PASSWORD.search(folded)
    text = text[: password.start()] if password else text
    text = _ADDRESS.sub(lambda found: " " * len(found.group()), text)
    places = [found.end() for found in _label(tuple(labels)).finditer(folded, 0, len(text))][:_MAX_LABELS]
    found = [code for place in places for code in _behind(text, folded, place)]
    if not found and places:
        found = _alone(text, folded, places)
    if not found and has_link:
        found = [
            value.group()
            for value in _WORD.finditer(text)
            if _is_mixed(value.group()) and value.group().isupper() and not _is_foreign(folded, value.start())
        ]
    return tuple(dict.fromkeys(code.upper() for code in found))[:MAX_CODES]


def spelled(code: str) -> re.Pattern[str]:
    """What finds a code in a text however it is grouped and whatever its case."""
    return re.compile(r"[\s|\-–.]{0,6}".join(map(re.escape, code)), re.IGNORECASE)


@lru_cache(maxsize=16)
def _label(labels: tuple[str, ...]) -> re.Pattern[str]:
    pieces = (r"\s{1,6}".join(map(re.escape, label.split())) for label in labels)
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(pieces)})(?![^\W_])", re.IGNORECASE)


def _behind(text: str, folded: str, place: int) -> list[str]:
    """The codes behind one word for them: right behind it any, near it those that mix letters and digits."""
    window = text[place : place + _WINDOW]
    filler = _FILLER.match(folded, place, place + _WINDOW)
    at = (filler.end() if filler else place) - place
    direct = _code_at(window, at)
    if direct:
        return [direct]
    return [
        value.group()
        for value in _WORD.finditer(window)
        if _is_mixed(value.group())
        and value.group().isupper()
        and not _is_foreign(folded[place : place + value.start()], value.start())
    ]


def _code_at(window: str, at: int) -> str | None:
    """The code that begins at this place, in any of its shapes."""
    word = _WORD.match(window, at)
    if word and (word.group().isupper() or word.group().isdigit() or _is_mixed(word.group())):
        return word.group()
    cells = _CELLS.match(window, at)
    if cells:
        return re.sub(r"[\s|]", "", cells.group())
    groups = _GROUPS.match(window, at)
    return _joined(groups.group()) if groups else None


def _joined(groups: str) -> str | None:
    """The code of regular groups such as ``BV2V LHCK RA``: all as long as the first, the last no longer."""
    pieces = re.split(r"[-– \t]+", groups)
    sizes = [len(piece) for piece in pieces]
    is_regular = len(set(sizes[:-1])) == 1 and sizes[-1] <= sizes[0]
    return "".join(pieces) if sum(sizes) == LENGTH and is_regular else None


def _alone(text: str, folded: str, places: list[int]) -> list[str]:
    """The codes that have a line, or ten cells, to themselves behind a word for the code."""
    start, end = places[0], places[-1] + _REACH
    region = text[start:end]
    found = []
    for line in re.finditer(r"[^\n]+", region):
        bare = line.group().strip(" \t*_>|\"'“”‘’()[]{}.,:;")
        at = start + line.start()
        if not LENGTH <= len(bare) <= 4 * LENGTH or _is_foreign(folded, at):
            continue
        code = _code_at(bare, 0)
        if code and len(re.sub(r"[\s|–-]", "", bare)) == LENGTH and not (code.isdigit() and _PHONE.match(code)):
            found.append(code)
    found += [
        re.sub(r"[\s|]", "", cells.group())
        for cells in _CELLS.finditer(region)
        if "\n" in cells.group() and not _is_foreign(folded, start + cells.start())
    ]
    return [code for code in found if _is_mixed(code)] or found


def _is_foreign(folded: str, at: int) -> bool:
    """Whether what stands right before, in this line or the one above, says that it is another number."""
    before = folded[max(0, at - 120) : at].lower().rstrip()
    line = before.rpartition("\n")[2]
    return line.endswith(":") and bool(_FOREIGN.search(line)) and not _OWN.search(line)


def _is_mixed(code: str) -> bool:
    return not code.isdigit() and any(character.isdigit() for character in code)
