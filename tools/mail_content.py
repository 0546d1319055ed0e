"""A mail taken apart without believing it: headers, readable text, links, XML attachments. Bounded."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from email import message_from_bytes, policy
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses, parsedate_to_datetime
from itertools import islice
from typing import Any

from lxml import etree

MAX_BYTES = 10 * 2**20
MAX_TEXT = 40_000
MAX_PARTS = 200
MAX_ADDRESSES = 50
MAX_ATTACHMENTS = 10
_MAX_HEADERS = 64 * 2**10
_MAX_HEADER = 4000
_MAX_LISTED = 200
_MAX_STRUCTURED = 2000
_MAX_PARAMETERS = 50
_STRUCTURED = {"content-type", "content-disposition", "content-transfer-encoding"}
_MAX_BOUNDARIES = 500
_MAX_DEPTH = 4
_MAX_LINKS = 200
_CHARSETS = re.compile(r"utf-?8|us-ascii|ascii|utf-16(le|be)?|iso-8859-\d{1,2}|latin-?1|(windows-|cp)125\d|gb2312|big5")
# A mail has one of each (RFC 5322 section 3.6, RFC 2045). DKIM covers the lowest, readers take the topmost.
_ONCE = (
    *("from", "to", "cc", "subject", "date", "message-id"),
    *("mime-version", "content-type", "content-transfer-encoding", "content-disposition"),
)
_RECIPIENT_HEADERS = ("to", "cc", "delivered-to", "x-original-to", "resent-to", "envelope-to")
_ADDRESS = re.compile(r"[A-Za-z0-9._%+\-]{1,64}@[A-Za-z0-9.\-]{1,190}\.[A-Za-z]{2,24}")
# Zero-width characters, soft hyphens, and those that turn the direction of writing.
_INVISIBLE = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u2060\ufeff\u00ad\u200e\u200f"))
_INVISIBLE |= dict.fromkeys([*range(0x202A, 0x202F), *range(0x2066, 0x206A), *range(0x300, 0x370)])
_END_OF_HEADERS = re.compile(rb"\r?\n\r?\n|\r\r")
_BOUNDARY = re.compile(rb"[\r\n]--")
_BOUNCES = re.compile(r"^(mailer-daemon|postmaster)@", re.I)
_TEXTS = {"text/plain", "text/html"}
_SKIPPED = {"script", "style", "head", "title", "template", "noscript"}
_INLINE = {"a", "b", "strong", "i", "em", "u", "span", "font", "code", "mark", "small", "big", "tt", "wbr"}
_CELLS = {"td", "th", "br"}


@dataclass(frozen=True)
class MailText:
    """Readable text, the addresses of its links, and the notifications 01/TB-GD beside it."""

    text: str = ""
    links: tuple[str, ...] = ()
    xml_attachments: tuple[bytes, ...] = ()


@dataclass(frozen=True)
class MailContent:
    """What a mail holds. ``sent_at`` (aware UTC) and ``sender`` are the mail's own claim.

    ``own`` are the sender's words; ``attached`` those of attached mails: the sender of this one need not have
    written those. ``is_answer``: an answer or a bounce, which may repeat anybody's words. ``has_repeated_headers``: a
    header that a mail has once is there twice, so that another one may be read than was signed. ``recipients`` are of
    this mail's own headers, ``attached_recipients`` of those of the attached mails.
    """

    subject: str
    own: MailText
    attached: MailText
    sender: str
    recipients: tuple[str, ...]
    attached_recipients: tuple[str, ...]
    sent_at: datetime | None
    message_id: str
    is_answer: bool
    has_repeated_headers: bool
    authentication_results: tuple[str, ...]


def take_apart(source: bytes) -> MailContent:
    """Read a mail, and the mails that are attached to it, up to the bounds of this module."""
    root = _parse(source[:MAX_BYTES])
    headers = _headers(root)
    gathered = {False: _Gathered(), True: _Gathered()}
    attached_recipients: list[str] = []
    for part, is_attached in _parts(root):
        if is_attached:
            attached_recipients += _addresses(_headers(part))
        if not part.is_multipart():
            gathered[is_attached].take(part)
    sender = _sender(headers)
    return MailContent(
        subject=clean(_decoded_header(headers.get("subject", [""])[0])),
        own=gathered[False].result(),
        attached=gathered[True].result(),
        sender=sender,
        recipients=_distinct(_addresses(headers)),
        attached_recipients=_distinct(attached_recipients),
        sent_at=_time(headers.get("date", [""])[0]),
        message_id=headers.get("message-id", [""])[0].strip()[:500],
        is_answer="in-reply-to" in headers
        or root.get_content_type() == "multipart/report"
        or bool(_BOUNCES.search(sender))
        or headers.get("return-path", [""])[0].strip() == "<>"
        or headers.get("auto-submitted", [""])[0].strip().lower().startswith("auto-replied"),
        has_repeated_headers=any(len(headers.get(name, [])) > 1 for name in _ONCE),
        authentication_results=tuple(headers.get("authentication-results", [])),
    )


def listed_headers(source: bytes, names: Collection[str]) -> list[tuple[str, str]]:
    """The headers of a mail whose names (lower case) are asked for, in order, as people read them.

    At most 200, each of at most 4000 characters in one line, which any encoding can write.
    """
    found = ((name, value) for name, value in _parse(source[:MAX_BYTES]).raw_items() if name.lower() in names)
    return [(name, clean(_decoded_header(str(value)[:_MAX_HEADER]))) for name, value in islice(found, _MAX_LISTED)]


class _Gathered:
    """What is gathered of the leaves of a mail."""

    def __init__(self) -> None:
        self._texts: list[str] = []
        self._links: list[str] = []
        self._notifications: list[bytes] = []
        self._length = 0

    def take(self, part: Message) -> None:
        """Take one leaf: a text, or a notification. Files are not the mail, but for a body that has a file name."""
        kind = part.get_content_type()
        is_body = kind in _TEXTS and not _is_file(part)
        if self._length > MAX_TEXT and is_body:
            return
        payload = _payload(part)
        if not is_body:
            if b"XACNHAN_GDICH" in payload and len(self._notifications) < MAX_ATTACHMENTS:
                self._notifications.append(payload)
            return
        text = _decoded(part, payload)
        if kind == "text/html":
            text, links = html_to_text(text)
            self._links += links
        self._texts.append(text)
        self._length += len(text)

    def result(self) -> MailText:
        text = clean("\n\n".join(self._texts)[: 2 * MAX_TEXT])[:MAX_TEXT]
        return MailText(text, tuple(dict.fromkeys(self._links))[:_MAX_LINKS], tuple(self._notifications))


def html_to_text(html: str) -> tuple[str, list[str]]:
    """Readable text of an HTML body, and the addresses of its links. A blank line stands between blocks."""
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
        edge = "" if tag in _INLINE else "\n" if tag in _CELLS else "\n\n"
        if event == "start":
            skipping += tag in _SKIPPED
            if tag == "a" and len(links) < _MAX_LINKS:
                links.append(str(element.get("href") or "")[:_MAX_HEADER])
            pieces += (edge, "" if skipping else _one_line(element.text))
        else:
            skipping -= tag in _SKIPPED
            pieces += (edge, "" if skipping else _one_line(element.tail))
    lines = (" ".join(line.split()) for line in "".join(pieces).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip(), links


def _one_line(text: str | None) -> str:
    return re.sub(r"\s+", " ", text or "")


def clean(text: str) -> str:
    """NFC, plain blanks and line ends, no invisible characters, no accents that belong to no letter."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\xa0", " ").replace("\0", "")
    return unicodedata.normalize("NFC", text).translate(_INVISIBLE)


class _Message(Message):
    """A mail or part whose structured headers are of a size that Python's reader takes in good time.

    It counts all quotation marks again at each semicolon, already while a mail is taken apart. What is longer than any
    mail program writes is read without its parameters.
    """

    def get(self, name: str, failobj: Any = None) -> Any:
        value = super().get(name, failobj)
        if name.lower() not in _STRUCTURED or value is failobj:
            return value
        text = str(value)
        is_short = len(text) <= _MAX_STRUCTURED and text.count(";") <= _MAX_PARAMETERS
        return value if is_short else text[:_MAX_STRUCTURED].partition(";")[0]


def _parse(source: bytes) -> Message:
    """The mail under the old header policy: the modern one parses on access and raises on some malformed headers.

    Of headers beyond 64 KiB and of what follows 500 boundaries nothing is read: the parser takes seconds for a
    megabyte of either.
    """
    boundary = next(islice(_BOUNDARY.finditer(source), _MAX_BOUNDARIES, None), None)
    source = source[: boundary.start()] if boundary else source
    end = _END_OF_HEADERS.search(source)
    length = end.start() if end else len(source)
    if length > _MAX_HEADERS:
        kept = source[:_MAX_HEADERS].rpartition(b"\n")[0]
        source = kept + b"\n\n" + (source[end.end() :] if end else b"")
    return message_from_bytes(source, _class=_Message, policy=policy.compat32)


def _parts(root: Message) -> Iterator[tuple[Message, bool]]:
    """The mail, its parts and those of attached mails (message/rfc822 or a file ``*.eml``), in reading order.

    With each goes whether it belongs to an attached mail.
    """
    waiting = [(root, _MAX_DEPTH, False)]
    seen = 0
    while waiting and seen < MAX_PARTS:
        part, levels, is_attached = waiting.pop(0)
        seen += 1
        yield part, is_attached
        if part.is_multipart():
            # Asked of a leaf, get_payload() would decode with whatever codec the mail names.
            is_mail = part.get_content_maintype() == "message"
            payload = [child for child in part.get_payload() if isinstance(child, Message)][:MAX_PARTS]
            children = [(child, levels - is_mail, is_attached or is_mail) for child in payload]
        elif _file_name(part).lower().endswith(".eml"):
            children = [(_parse(_payload(part)), levels - 1, True)]
        else:
            continue
        waiting = [child for child in children if child[1] > 0] + waiting[:MAX_PARTS]


def _headers(part: Message) -> dict[str, list[str]]:
    """All headers by lower-case name, undecoded, each of at most 4000 characters."""
    found: dict[str, list[str]] = {}
    for name, value in part.raw_items():
        found.setdefault(name.lower(), []).append(str(value)[:_MAX_HEADER])
    return found


def _addresses(headers: dict[str, list[str]]) -> list[str]:
    """The addresses of all recipients that can be used."""
    values = [value for name in _RECIPIENT_HEADERS for value in headers.get(name, [])][:MAX_ADDRESSES]
    return [address for address in _parsed_addresses(values) if _ADDRESS.fullmatch(address)]


def _sender(headers: dict[str, list[str]]) -> str:
    """The one author in lower case; empty when there are several, whatever their addresses look like, or none."""
    values = headers.get("from", [])
    if any(len(value) >= _MAX_HEADER for value in values):
        return ""
    found = _parsed_addresses(values)
    return found[0].lower() if len(values) == len(found) == 1 and _ADDRESS.fullmatch(found[0]) else ""


def _parsed_addresses(values: list[str]) -> list[str]:
    """Read before decoding, so that an encoded name cannot pose as an address."""
    try:
        return [address for _name, address in getaddresses(values)]
    except (RecursionError, ValueError, IndexError):
        return []  # nested comments by the thousand: no mail program writes such a header


def _payload(part: Message) -> bytes:
    """The content with base64, quoted-printable or uuencode undone, at most 10 MiB."""
    try:
        payload = part.get_payload(decode=True)
    except (ValueError, LookupError):
        return b""
    return payload[:MAX_BYTES] if isinstance(payload, bytes) else b""


def _is_file(part: Message) -> bool:
    """Whether a text is a file and not the body. Some mail programs give the body itself a file name."""
    is_html = part.get_content_type() == "text/html"
    return part.get_content_disposition() == "attachment" or (bool(_file_name(part)) and not is_html)


def _file_name(part: Message) -> str:
    try:
        return part.get_filename() or ""
    except (ValueError, LookupError, TypeError):
        return ""


def _decoded(part: Message, payload: bytes) -> str:
    """Text of a part. Only common charsets are tried: some of Python's codecs are slow on hostile input."""
    declared = str(part.get_param("charset") or "").strip("\"' ").lower()
    payload = payload[: MAX_TEXT * 10]
    text = payload.decode("latin-1")
    for charset in (declared, "utf-8", "cp1258"):
        if _CHARSETS.fullmatch(charset):
            try:
                text = payload.decode(charset)
                break
            except (UnicodeDecodeError, LookupError):
                continue
    if str(part.get_param("format") or "").lower() == "flowed":
        # RFC 3676: a line that ends in a blank goes on in the next one; with DelSp that blank is not of the text.
        is_extra = str(part.get_param("delsp") or "").lower() == "yes"
        text = re.sub(r" \r?\n(?!\r?\n|>)", "" if is_extra else " ", text)
    return text


def _distinct(addresses: list[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(address.lower() for address in addresses))[:MAX_ADDRESSES]


def _decoded_header(value: str) -> str:
    pieces: list[str] = []
    # Raw 8-bit bytes, which no header may hold and many do, are read as UTF-8.
    value = value.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
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
