"""Text of strangers in one line that shows what it holds."""

import unicodedata

# Control and direction characters, line and paragraph separators, halves of surrogate pairs, private ones.
HIDDEN = frozenset({"Cc", "Cf", "Zl", "Zp", "Cs", "Co"})


def one_line(text: str) -> str:
    """Return `text` with a blank for each character that would hide or rearrange what stands around it."""
    return "".join(" " if unicodedata.category(char) in HIDDEN else char for char in text).strip()
