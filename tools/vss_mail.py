"""Read VSS's mails: the activation code, the confirmation, the notification 01/TB-GD (domain.md section 6).

Reading proves nothing: anybody can send such a mail. Whether a reading may be acted on is the caller's decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.message import Message
from typing import Literal
from urllib.parse import unquote

from . import mail_content, notification
from .mail_patterns import DEFAULT, Compiled, MailPatterns, PatternError, compile_patterns, fold, from_mapping
from .tax_code import normalise as normalise_tax_code

__all__ = ["DEFAULT", "MailPatterns", "MailReading", "PatternError", "from_mapping", "read", "read_text", "redact"]

Kind = Literal["activation", "confirmation", "notification", "unknown"]

_WINDOW = 160
_MAX_FOUND = 20
_HIDDEN_CODE = "••••••••••"
_HIDDEN_LINK = "[…]"
_HEX = re.compile(r"(?<![0-9A-Fa-f])(?:[0-9A-Fa-f](?:=?\r?\n[> ]{0,4})?){64}(?![0-9A-Fa-f])")
_QUOTED_LINE = re.compile(r"^[ \t]{0,4}>.*$", re.MULTILINE)
_QUOTED_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_COMMENT = re.compile(r"\([^()]*\)")
_MIXED = re.compile(r"(?=[A-Z0-9]*[0-9])(?=[A-Z0-9]*[A-Z])[A-Z0-9]+")
# Between a label and a code of digits only, or of letters only, nothing may stand but these words and punctuation.
_FILLER = re.compile(r"(?i:[\W_]|\b(?:cua|don|vi|ban|la|nhu|sau|quy|is|your|dang|ky)\b)*")


@dataclass(frozen=True)
class MailReading:
    """What a mail says. Tuples are in order of appearance without repetition.

    ``urls`` are the activation links (https, path ending in ``#/kich-hoat/`` and 64 hexadecimal digits): shown to
    people, never followed. ``recipients`` are lower-case addresses of the mail's own and any forwarded mail's headers.
    ``sender`` and ``sent_at`` (aware UTC) are claims. ``notifications`` are attached 01/TB-GD files, unverified.
    ``readable`` is False when the mail could not even be taken apart.
    """

    kind: Kind = "unknown"
    codes: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    dossier_numbers: tuple[str, ...] = ()
    unit_codes: tuple[str, ...] = ()
    tax_codes: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    sender: str = ""
    sender_domain: str = ""
    sent_at: datetime | None = None
    message_id: str = ""
    subject: str = ""
    client_reference: str | None = None
    notifications: tuple[bytes, ...] = ()
    readable: bool = True
    authentication_results: tuple[str, ...] = field(default=(), repr=False)

    def is_authenticated_by(self, server: str) -> bool:
        """Whether the mail server ``server`` (authserv-id of RFC 8601) says that the sender's domain sent this mail.

        Counts DMARC, or DKIM of the sender's domain. Only the topmost header of that server is read: what is further
        down came with the mail. One's own server must strip headers that strangers write in its name (RFC 8601, 5).
        """
        for header in self.authentication_results:
            bare = _COMMENT.sub(" ", _QUOTED_STRING.sub("_", header))
            identity, *results = bare.split(";")
            if identity.lower().split()[:1] != [server.strip().lower()]:
                continue
            return any(_passes(result.lower(), self.sender_domain) for result in results)
        return False


def _passes(result: str, sender_domain: str) -> bool:
    method = re.match(r"\s*(dmarc|dkim)\s*=\s*pass(?![\w-])", result)
    if method is None:
        return False
    # A mail can carry two From headers: the server's verdict counts for the one that it names.
    name = "from" if method.group(1) == "dmarc" else "d"
    domain = re.search(rf"\sheader\.{name}\s*=\s*(?:[^\s;@]*@)?([a-z0-9.-]+)", result)
    if not domain:
        return name == "from"
    return bool(sender_domain) and (sender_domain == domain[1] or sender_domain.endswith("." + domain[1]))


def read(message: Message | bytes, patterns: MailPatterns = DEFAULT) -> MailReading:
    """Read one mail, at most its first 10 MiB and 100 000 characters. Never raises, whatever the mail holds.

    Raises PatternError when ``patterns`` cannot be used.
    """
    compiled = compile_patterns(patterns)
    try:
        content = mail_content.take_apart(message)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        # The email package has raised each of these on some malformed mail. It goes to a person, unread.
        return MailReading(readable=False)
    reading = read_text(f"{content.subject}\n{content.text}", patterns, links=content.links)
    fresh = _QUOTED_LINE.sub("", content.text)
    if reading.kind == "activation" and _kind(fold(fresh), False, compiled) == "confirmation":
        # A confirmation that quotes the earlier mail with the code.
        above = read_text(f"{content.subject}\n{fresh}", patterns)
        reading = reading if above.codes or above.urls else replace(reading, kind="confirmation", codes=(), urls=())
    if (reading.kind == "unknown" and content.xml_attachments) or _reports_error(content.xml_attachments):
        reading = replace(reading, kind="notification")
    return replace(
        reading,
        recipients=content.recipients,
        sender=content.sender,
        sender_domain=content.sender.rpartition("@")[2],
        sent_at=content.sent_at,
        message_id=content.message_id,
        subject=content.subject,
        notifications=content.xml_attachments,
        authentication_results=content.authentication_results,
    )


def read_text(text: str, patterns: MailPatterns = DEFAULT, *, links: Iterable[str] = ()) -> MailReading:
    """Read a text that a person pasted, with the addresses of its ``links``. Raises PatternError."""
    compiled = compile_patterns(patterns)
    text = mail_content.clean(text)[: mail_content.MAX_TEXT]
    folded = fold(text)
    # Mail filters rewrite links into their own with the original as an encoded parameter.
    places = [folded, *(unquote(link[:4000]) for link in links)]
    urls = _unique(re.sub(r"[\s>]", "", url) for place in places for url in compiled.link.findall(place))
    tax_codes = _unique(normalise_tax_code(found["value"]) for found in compiled.tax.finditer(folded))
    codes = _codes(folded, compiled, bool(urls))
    known = {tax_code[:10] for tax_code in tax_codes}
    codes = tuple(code for code in codes if code not in known)
    return MailReading(
        kind=_kind(folded, bool(codes or urls), compiled),
        codes=codes,
        urls=urls,
        dossier_numbers=_unique(found.group() for found in compiled.dossier.finditer(folded)),
        unit_codes=_unique(found["value"] for found in compiled.unit.finditer(folded)),
        tax_codes=tax_codes,
    )


def redact(text: str, patterns: MailPatterns = DEFAULT) -> str:
    """The text (plain or HTML) with activation codes and links blanked, fit for a log or a chatter."""
    text = text[: mail_content.MAX_TEXT * 10]
    hidden = _blank(text, patterns)
    if "<" not in text:
        return hidden
    # Mark-up inside of a code or far between label and code hides it from the pass above.
    readable, links = mail_content.html_to_text(hidden)
    for code in read_text(readable, patterns, links=links).codes:
        hidden = hidden.replace(code, _HIDDEN_CODE)
    readable, links = mail_content.html_to_text(hidden)
    left = read_text(readable, patterns, links=links)
    return _blank(readable, patterns) if left.codes or left.urls else hidden


def _blank(text: str, patterns: MailPatterns) -> str:
    reading = read_text(text, patterns)
    text = _HEX.sub(_HIDDEN_LINK, text)
    for code in reading.codes:
        text = text.replace(code, _HIDDEN_CODE)
    value = compile_patterns(patterns).code_value
    return value.sub(lambda found: _HIDDEN_CODE if _MIXED.fullmatch(found.group()) else found.group(), text)


def _codes(folded: str, compiled: Compiled, has_link: bool) -> tuple[str, ...]:
    """Codes after a label: right after it any, further on only those that mix letters and digits."""
    found: list[str] = []
    for label in compiled.code_label.finditer(folded):
        window = folded[label.end() : label.end() + _WINDOW]
        for value in compiled.code_value.finditer(window):
            if _MIXED.fullmatch(value.group()) or _FILLER.fullmatch(window[: value.start()]):
                found.append(value.group())
        if len(found) >= _MAX_FOUND:
            break
    if not found and has_link:
        found = [value.group() for value in compiled.code_value.finditer(folded) if _MIXED.fullmatch(value.group())]
    return _unique(found)


def _kind(folded: str, has_code: bool, compiled: Compiled) -> Kind:
    if has_code:
        return "activation"
    if compiled.confirmation.search(folded) and not compiled.not_yet.search(folded):
        return "confirmation"
    return "unknown"


def _reports_error(notifications: Iterable[bytes]) -> bool:
    """Whether an attached notification names an error: then no friendly wording makes the mail a confirmation."""
    for xml in notifications:
        try:
            if notification.read(xml).reports_error:
                return True
        except notification.NotificationError:
            continue
    return False


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))[:_MAX_FOUND]
