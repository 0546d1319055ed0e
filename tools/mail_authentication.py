"""What a mail server says of a mail's sender: the header Authentication-Results (RFC 8601)."""

from __future__ import annotations

import re
from collections.abc import Iterable

_RESULT = re.compile(r"\s*(dmarc|dkim)\s*=\s*pass(?![\w-])")
_NAME = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?")


def passes(headers: Iterable[str], server: str, sender_domain: str) -> bool:
    """Whether ``server`` (its authserv-id) says that ``sender_domain`` sent the mail: by DMARC, or DKIM of that domain.

    ``headers`` are the mail's, topmost first. Only the topmost of that server is read: what is further down came with
    the mail. One's own server must strip headers that strangers write in its name (RFC 8601, section 5).
    """
    if not sender_domain:
        return False
    for header in headers:
        identity, *results = _bare(header).split(";")
        if identity.lower().split()[:1] == [server.strip().lower()]:
            return any(_passes(result.lower(), sender_domain) for result in results)
    return False


def topmost_server(headers: Iterable[str]) -> str:
    """The authserv-id of the topmost header, in lower case; empty when there is none. Nothing proves whose it is."""
    for header in headers:
        identity = _bare(header).split(";")[0].lower().split()[:1]
        return identity[0] if identity and _NAME.fullmatch(identity[0]) and "." in identity[0] else ""
    return ""


def _bare(header: str) -> str:
    """The header without quoted strings and comments, however deeply those are nested: text in them is no result."""
    kept: list[str] = []
    depth, is_quoted, is_escaped = 0, False, False
    for character in header:
        if is_escaped:
            is_escaped = False
        elif character == "\\" and (depth or is_quoted):
            is_escaped = True
        elif is_quoted:
            is_quoted = character != '"'
        elif depth:
            depth += (character == "(") - (character == ")")
        elif character == "(":
            depth = 1
            kept.append(" ")
        elif character == '"':
            is_quoted = True
            kept.append("_")
        else:
            kept.append(character)
    return "".join(kept)


def _passes(result: str, sender_domain: str) -> bool:
    method = _RESULT.match(result)
    if method is None:
        return False
    # A mail can carry several signatures: the verdict counts for the domain that it names.
    names = "from" if method[1] == "dmarc" else "[di]"
    domains = re.findall(rf"\sheader\.{names}\s*=\s*(?:[^\s;@]*@)?([a-z0-9.-]+)", result)
    return any(sender_domain == domain or sender_domain.endswith(f".{domain}") for domain in domains)
