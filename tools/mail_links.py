"""Activation links in a text: ``…#/kich-hoat/`` and 64 hexadecimal digits, through what mail programs and filters do.

Links are found for people to see and are never followed. Whether the host is a portal's is the caller's decision.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable
from urllib.parse import unquote

PATH = "#/kich-hoat/"
MAX_LINKS = 20
_MAX_LINK = 4000
_MAX_HOST = 600
# Line ends, quotation marks of replies and the blanks after them may stand within a link, plain blanks may not.
_BREAK = r"(?:=?[ \t]{0,8}\r?\n[> \t]{0,8})?"
_LINK_END = re.compile(
    rf"(?i:#{_BREAK}/{_BREAK}kich-{_BREAK}hoat{_BREAK}/){_BREAK}(?P<hex>(?:[0-9A-Fa-f]{_BREAK}){{63}}[0-9A-Fa-f])(?![0-9A-Za-z])"
)
_LINE_BREAK = re.compile(r"[ \t]{0,8}\r?\n[> \t]{0,8}")
_START = re.compile(r"(?i:https?)://")
_HOST_ONLY = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]{0,200}\.[A-Za-z]{2,24}(?::[0-9]{1,5})?(?:/[^\s\"'<>()#]{0,300})?")
_ADDRESS = re.compile(r"(?i:https?)://[^\s\"'<>()#\\]{1,500}")
_TOKEN = re.compile(r"(?i:https?)://\S{1,4000}")
# Filters' addresses are read from their first mark on: from each of hundreds of marks it would take seconds.
_V2_MARK, _V3_MARK = "/v2/url?", "/v3/__"
_MAX_UNWRAPPED = 20
_V2 = re.compile(r"/v2/url\?(?:[^#\s]{0,2000}?&)?u=([^&\s]{1,3000})")
_V3 = re.compile(r"/v3/__(.{1,3000}?)__;([A-Za-z0-9_\-]{0,400})")
_RUN = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f](?:=?\r?\n[> ]{0,4})?){64}(?![0-9A-Fa-f])")


def find(text: str, links: Iterable[str] = ()) -> tuple[str, ...]:
    """The activation links of a text and of the addresses ``links``, in order of appearance without repetition.

    Read through percent-encoding, Proofpoint's and other filters' addresses around them, and line breaks.
    """
    found = list(_ends(text))
    tokens = (token for token in _TOKEN.findall(text) if "kich" in token.lower())
    unwrapped = 0
    for link in (*tokens, *links):
        if _V2_MARK in link or _V3_MARK in link:
            unwrapped += 1
            if unwrapped > _MAX_UNWRAPPED:
                continue
        for spelling in _spellings(link[:_MAX_LINK]):
            found += _ends(spelling)
        if len(found) > 4 * MAX_LINKS:
            break
    return tuple(dict.fromkeys(found))[:MAX_LINKS]


def _ends(text: str) -> list[str]:
    found = []
    # Each place is looked at once, with a bounded look back for where the address begins.
    for end in _LINK_END.finditer(text):
        start = _begin(text[max(0, end.start() - _MAX_HOST) : end.start()])
        if start:
            found.append(f"{start}{PATH}{re.sub(r'[^0-9A-Fa-f]', '', end['hex'])}")
        if len(found) >= MAX_LINKS:
            break
    return found


def _begin(before: str) -> str:
    """The part of a link before its ``#``, from the text before that; https when it has no scheme."""
    joined = _LINE_BREAK.sub("", before)
    starts = list(_START.finditer(joined))
    if starts and _ADDRESS.fullmatch(joined, starts[-1].start()):
        return joined[starts[-1].start() :]
    bare = re.split(r"[\s\"'<>(),;]", before)[-1]
    return f"https://{bare}" if _HOST_ONLY.fullmatch(bare) else ""


def _spellings(link: str) -> list[str]:
    """The address as it stands and as filters that rewrite addresses have hidden it."""
    spellings = [link]
    second = _V2.match(link, max(0, link.find(_V2_MARK)))
    if second:
        spellings.append(unquote(second[1].replace("-", "%").replace("_", "/")))
    third = _V3.match(link, max(0, link.find(_V3_MARK)))
    if third:
        spellings.append(_unwrap(third[1], third[2]))
    for _round in range(2):
        spellings += [unquote(spelling) for spelling in spellings[-3:]]
    return list(dict.fromkeys(spellings))


def _unwrap(address: str, encoded: str) -> str:
    """Proofpoint's version 3: each ``*`` is the next of the encoded characters, ``**`` and a letter a run of them."""
    try:
        characters = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    except (binascii.Error, ValueError):
        return address
    place = 0

    def replace(run: re.Match[str]) -> str:
        nonlocal place
        length = _RUN.index(run[1]) + 2 if run[1] else 1
        piece = characters[place : place + length]
        place += length
        return piece

    return re.sub(r"\*\*([A-Za-z0-9_-])|\*", replace, address)
