"""A mail taken apart without believing it: headers, readable text, links, XML attachments. Bounded."""

from __future__ import annotations

import copy
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime

from lxml import etree

from .mail_patterns import fold

MAX_BYTES = 10 * 2**20
MAX_TEXT = 100_000
MAX_PARTS = 200
MAX_ADDRESSES = 50
MAX_ATTACHMENTS = 10
_MAX_HEADER = 4000
_MAX_DEPTH = 4
_CHARSETS = re.compile(r"utf-?8|us-ascii|ascii|utf-16(le|be)?|iso-8859-\d{1,2}|latin-?1|(windows-|cp)125\d|gb2312|big5")
_RECIPIENT_HEADERS = ("to", "cc", "delivered-to", "x-original-to", "resent-to", "envelope-to")
_FORWARDED_TO = re.compile(
    r"^[>\s*]{0,8}(?:to|cc|den|toi|gui den|gui toi|nguoi nhan)\s{0,3}\*?:\s{0,3}\*?([^\n]{3,500})$", re.I | re.M
)
_ADDRESS = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}")
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"))
_TEXTS = {"text/plain", "text/html"}
_SKIPPED = {"script", "style", "head", "title", "template", "noscript"}
_INLINE = {"a", "b", "strong", "i", "em", "u", "span", "font", "code", "mark", "small", "big", "tt", "wbr"}


@dataclass(frozen=True)
class MailContent:
    """What a mail holds. ``sent_at`` (aware UTC) and ``sender`` are the mail's own claim."""

    subject: str
    text: str
    links: tuple[str, ...]
    sender: str
    recipients: tuple[str, ...]
    sent_at: datetime | None
    message_id: str
    xml_attachments: tuple[bytes, ...]
    authentication_results: tuple[str, ...]


def take_apart(message: Message | bytes) -> MailContent:
    """Read a mail, and the mails that are attached to it or quoted in it, up to the bounds of this module."""
    root = _tolerant(message)
    headers = _headers(root)
    texts: list[str] = []
    links: list[str] = []
    notifications: list[bytes] = []
    recipients: list[str] = []
    for part in _parts(root):
        recipients += _addresses(_headers(part))
        if part.is_multipart():
            continue
        payload = _payload(part)
        kind = part.get_content_type()
        if b"XACNHAN_GDICH" in payload and kind not in _TEXTS and len(notifications) < MAX_ATTACHMENTS:
            notifications.append(payload)
        elif kind == "text/html" and not _file_name(part):
            text, found = html_to_text(_decoded(part, payload))
            texts.append(text)
            links += found
        elif kind == "text/plain" and not _file_name(part):
            texts.append(_decoded(part, payload))
    text = clean("\n\n".join(texts))[:MAX_TEXT]
    for line in _FORWARDED_TO.findall(fold(text)):
        recipients += _ADDRESS.findall(line)
    senders = _addresses(headers, ("from",))
    return MailContent(
        subject=clean(_decoded_header(headers.get("subject", [""])[0])),
        text=text,
        links=tuple(dict.fromkeys(links)),
        sender=senders[0].lower() if senders else "",
        recipients=tuple(dict.fromkeys(address.lower() for address in recipients))[:MAX_ADDRESSES],
        sent_at=_time(headers.get("date", [""])[0]),
        message_id=headers.get("message-id", [""])[0].strip()[:500],
        xml_attachments=tuple(notifications),
        authentication_results=tuple(headers.get("authentication-results", [])),
    )


def html_to_text(html: str) -> tuple[str, list[str]]:
    """Readable text of an HTML body, and the addresses of its links."""
    parser = etree.HTMLParser(encoding="utf-8", no_network=True, remove_comments=True, remove_pis=True, huge_tree=False)
    try:
        root = etree.fromstring(html[: MAX_TEXT * 10].encode("utf-8", "replace"), parser)
    except (etree.ParserError, etree.XMLSyntaxError, ValueError):
        return "", []
    if root is None:
        return "", []
    pieces: list[str] = []
    links: list[str] = []
    skipping = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = element.tag if isinstance(element.tag, str) else ""
        if event == "start":
            skipping += tag in _SKIPPED
            if tag == "a":
                links.append(str(element.get("href") or ""))
            pieces += ("" if tag in _INLINE else "\n", "" if skipping else element.text or "")
        else:
            skipping -= tag in _SKIPPED
            pieces += ("" if tag in _INLINE else "\n", "" if skipping else element.tail or "")
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return "\n".join(filter(None, lines)), links


def clean(text: str) -> str:
    """NFC, plain blanks and line ends, no invisible characters."""
    text = unicodedata.normalize("NFC", text).translate(_INVISIBLE)
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").replace("\0", "")


def _tolerant(message: Message | bytes) -> Message:
    """The mail under the old header policy: the modern one parses on access and raises on some malformed headers."""
    if isinstance(message, bytes):
        return message_from_bytes(message[:MAX_BYTES], policy=policy.compat32)
    own = copy.deepcopy(message)
    for part in own.walk():
        part.policy = policy.compat32
    return own


def _parts(root: Message) -> Iterator[Message]:
    """The mail, its parts and those of attached mails (message/rfc822 or a file ``*.eml``), in reading order."""
    waiting = [(root, _MAX_DEPTH)]
    seen = 0
    while waiting and seen < MAX_PARTS:
        part, levels = waiting.pop(0)
        seen += 1
        yield part
        if part.is_multipart():
            # Asked of a leaf, get_payload() would decode with whatever codec the mail names.
            attached = part.get_content_maintype() == "message"
            children = [(child, levels - attached) for child in part.get_payload() if isinstance(child, Message)]
        elif _file_name(part).lower().endswith(".eml"):
            children = [(message_from_bytes(_payload(part), policy=policy.compat32), levels - 1)]
        else:
            continue
        waiting = [child for child in children if child[1] > 0] + waiting


def _headers(part: Message) -> dict[str, list[str]]:
    """All headers by lower-case name, undecoded, each of at most 4000 characters."""
    found: dict[str, list[str]] = {}
    for name, value in part.raw_items():
        found.setdefault(name.lower(), []).append(str(value)[:_MAX_HEADER])
    return found


def _addresses(headers: dict[str, list[str]], names: tuple[str, ...] = _RECIPIENT_HEADERS) -> list[str]:
    """Addresses of these headers. Read before decoding, so that an encoded name cannot pose as an address."""
    values = [value for name in names for value in headers.get(name, [])][:MAX_ADDRESSES]
    try:
        found = [address for _name, address in getaddresses(values)]
    except (RecursionError, ValueError, IndexError):
        return []  # nested comments by the thousand: no mail program writes such a header
    return [address for address in found if _ADDRESS.fullmatch(address)]


def _payload(part: Message) -> bytes:
    """The content with base64, quoted-printable or uuencode undone, at most 10 MiB."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return b""
    return payload[:MAX_BYTES] if isinstance(payload, bytes) else b""


def _file_name(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, TypeError):
        return ""


def _decoded(part: Message, payload: bytes) -> str:
    """Text of a part. Only common charsets are tried: some of Python's codecs are slow on hostile input."""
    declared = str(part.get_param("charset") or "").strip("\"' ").lower()
    payload = payload[: MAX_TEXT * 10]
    for charset in (declared, "utf-8", "cp1258"):
        if _CHARSETS.fullmatch(charset):
            try:
                return payload.decode(charset)
            except (UnicodeDecodeError, LookupError):
                continue
    return payload.decode("latin-1")


def _decoded_header(value: str) -> str:
    pieces: list[str] = []
    try:
        chunks = decode_header(value)
    except (HeaderParseError, ValueError, LookupError):
        return value
    for chunk, charset in chunks:
        if isinstance(chunk, str):
            pieces.append(chunk)
            continue
        name = (charset or "utf-8").lower()
        try:
            pieces.append(chunk.decode(name if _CHARSETS.fullmatch(name) else "utf-8", "replace"))
        except LookupError:
            pieces.append(chunk.decode("latin-1"))
    return " ".join("".join(pieces).split())


def _time(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
        return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).astimezone(timezone.utc)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
