"""Vietnamese text without its accents, so that spelling with or without accents does not matter."""

from __future__ import annotations

import re
import unicodedata

_MARKS = re.compile("[\u0300-\u036f]+")

_BETWEEN = re.compile(r"[\W_]+")


def _base_letters() -> dict[int, str]:
    """Each precomposed Latin letter and its base letter: one for one, so that places in a text stay the same."""
    table = {ord("đ"): "d", ord("Đ"): "D"}
    for number in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)):
        letters = unicodedata.normalize("NFD", chr(number))
        if len(letters) > 1 and all(unicodedata.combining(mark) for mark in letters[1:]):
            table[number] = letters[0]
    return table


_TABLE = _base_letters()


def fold(text: str) -> str:
    """The text without accents: ``Mã kích hoạt`` and ``Ma kich hoat``, composed or not, become the same.

    A text in NFC without marks of their own (``mail_content.clean``) keeps its length.
    """
    return _MARKS.sub("", unicodedata.normalize("NFC", text)).translate(_TABLE)


def words(text: str) -> str:
    """The folded words in lower case with single blanks between and around them: `` i van ``."""
    return f" {' '.join(_BETWEEN.sub(' ', fold(text).lower()).split())} "
