"""Read VSS's mails: what kind of mail it is, the activation code and link, and whom it is about (domain.md section 6).

Reading proves nothing: anyone can send such a mail. Whether a reading may be acted on is the caller's decision.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache

from . import mail_authentication, mail_codes, mail_content, mail_kinds, mail_links
from .folding import fold
from .mail_kinds import MailKind, PhraseError, Phrases
from .tax_code import normalise as normalise_tax_code

__all__ = ["NO_PHRASES", "MailKind", "MailReading", "PhraseError", "Phrases", "read", "read_text", "redact"]

NO_PHRASES: Phrases = {}
NO_UNIT_CODE = "DKTGLD"
"""What replaces the unit code while a unit has none yet."""

_MAX_FOUND = 20
_HIDDEN_CODE = "••••••••••"
_HIDDEN_LINK = "[…]"
# What mail programs write over a mail that they forward: "đã gửi" is a caption there.
_SENT_LINE = re.compile(
    r"^[> *]{0,8}(?:Đã gửi|Ngày gửi|Sent|Date)\s{0,2}\*?:[^\n]{0,80}$", re.IGNORECASE | re.MULTILINE
)
_QUOTED_LINE = re.compile(r"^[ \t]{0,4}>.*$", re.MULTILINE)
_DOSSIER = re.compile(r"(?<![\w/])[0-9]{1,6}/20[0-9]{2}/[0-9]{3,5}(?![\w/])")
_RESULT_CODE = re.compile(r"(?<![^\W_])(?:[A-Z]E[0-9]{3}|I[A-Z][0-9]{1,2})(?![^\W_])")
_TAX = re.compile(
    r"(?<![^\W_])(?:ma so thue|mst|tax code)(?:\s{0,2}/\s{0,2}(?:ma ngan sach|ma nsnn|mns))?(?![^\W_])"
    r"[^0-9\n:]{0,40}:?[\s*>|:]{0,12}(?P<value>[0-9]{12}|[0-9]{10}(?: ?- ?[0-9]{3}|[0-9]{3})?)(?![0-9])",
    re.IGNORECASE,
)
_UNIT_CAPTION = re.compile(
    r"(?<![^\W_])(?:ma (?:so )?don vi|ma dv|ma so (?:bao hiem xa hoi|bhxh)|so dinh danh|unit code)(?![^\W_])",
    re.IGNORECASE,
)
# Right behind the caption any; further on in the line only one with a digit, which no word has.
_UNIT_VALUE = re.compile(
    r"(?:\s{0,3}:?[\s*>|]{0,12}(?P<any>[A-Z]{2}[A-Z0-9]{4}[A-Z]|DKTGLD)"
    r"|[^\n:]{0,40}?:?[\s*>|:]{0,12}(?<![^\W_])(?P<mixed>(?=[A-Za-z]{2,6}[0-9])(?:[A-Z]{2}[A-Z0-9]{4}[A-Z]|[a-z]{2}[a-z0-9]{4}[a-z])))"
    r"(?![^\W_])"
)
_NEXT_CAPTION = r"\s{1,10}(?:so dinh danh|ma so|ma don vi|mst)(?![^\W_])"
_ADDRESSEE = re.compile(
    r"(?<![^\W_])(?:kinh gui|ten don vi|ten doi tuong)(?:\s{0,2}\([^)\n]{0,60}\))?[\s:*>|]{1,12}",
    re.IGNORECASE,
)
_NO_NAMES = re.compile(
    r"(?:quy )?(?:don vi|ong|ba|khach hang|nguoi dung|anh|chi|cong ty|doanh nghiep)\s*(?:[/,.:;!]|$|\n)"
)


@dataclass(frozen=True)
class MailReading:
    """What a mail says. Tuples are in order of appearance without repetition.

    ``urls`` are all links that look like activation links, whatever their scheme and host: never followed. ``codes``
    are found in any kind of mail. ``recipients`` (lower case) are of headers only. ``sender`` and ``sent_at`` (aware
    UTC) are claims. ``notifications`` are attached 01/TB-GD files, unverified. ``is_second_hand``: the words come from
    a mail that is quoted in or attached to this one, or this is an answer or a bounce: its sender vouches for nothing.
    ``has_repeated_headers``: a header that signatures cover once is there twice. ``subject_adds``: the subject names
    a number, code or link that the text does not.
    ``has_no_unit_code``: VSS says that the unit has none yet. ``readable`` is False when the mail could not be taken
    apart.
    """

    kind: MailKind | None = None
    codes: tuple[str, ...] = ()
    urls: tuple[str, ...] = ()
    dossier_numbers: tuple[str, ...] = ()
    unit_codes: tuple[str, ...] = ()
    has_no_unit_code: bool = False
    tax_codes: tuple[str, ...] = ()
    result_codes: tuple[str, ...] = ()
    recipients: tuple[str, ...] = ()
    sender: str = ""
    sent_at: datetime | None = None
    message_id: str = ""
    subject: str = ""
    notifications: tuple[bytes, ...] = ()
    is_second_hand: bool = False
    has_repeated_headers: bool = False
    subject_adds: bool = False
    readable: bool = True
    text: str = field(default="", repr=False)
    authentication_results: tuple[str, ...] = field(default=(), repr=False)

    @property
    def does(self) -> str:
        """What a mail of this kind may do: ``brings_code``, ``confirms``, ``refuses``, ``informs``, or nothing."""
        return self.kind.does if self.kind else ""

    @property
    def sender_domain(self) -> str:
        """The domain of the sender's address, empty when there is not exactly one sender."""
        return self.sender.rpartition("@")[2]

    def is_authenticated_by(self, server: str) -> bool:
        """Whether one's own mail server ``server`` says that the sender's domain sent these words themselves."""
        return not (self.is_second_hand or self.has_repeated_headers or self.subject_adds) and (
            mail_authentication.passes(self.authentication_results, server, self.sender_domain)
        )

    @property
    def facts(self) -> frozenset[str]:
        """The numbers, codes and links in it, of whatever kind."""
        return frozenset(
            (*self.dossier_numbers, *self.unit_codes, *self.tax_codes, *self.result_codes, *self.codes, *self.urls)
        )

    def names(self, company: str) -> bool:
        """Whether the mail is addressed to a unit of this name; without an address line, whether it names it at all.

        Accents, case and line breaks do not matter. A longer name that begins with this one is another unit.
        """
        name = fold(" ".join(company.split()))
        if len(name) < 3 or len(name) > 300:
            return False
        folded = _folded(self.text)
        pattern = r"\s{1,10}".join(map(re.escape, name.split()))
        addressees = [
            found.end()
            for found in _ADDRESSEE.finditer(folded)
            if not _NO_NAMES.match(folded[found.end() : found.end() + 40].lower())
        ][:_MAX_FOUND]
        if addressees:
            exact = re.compile(rf"{pattern}(?=[\s.*|)]{{0,10}}(?:$|\n|[,;(])|{_NEXT_CAPTION})", re.IGNORECASE)
            return any(exact.match(folded, place) for place in addressees)
        anywhere = rf"(?<![^\W_])(?i:{pattern})(?![^\W_])(?!\s{{1,4}}(?:[A-Z0-9&]|-\s))"
        return re.search(anywhere, folded) is not None


@lru_cache(maxsize=4)
def _folded(text: str) -> str:
    """The folded text of a mail, which is compared with the names of all companies that wait for one."""
    return fold(text)


def read(source: bytes, phrases: Phrases = NO_PHRASES) -> MailReading:
    """Read one mail, at most its first 10 MiB and 40 000 characters. Never raises, whatever the mail holds.

    ``phrases`` are further ones by kind (``mail_kinds.check``).
    """
    try:
        content = mail_content.take_apart(source)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError, AssertionError):
        # The email package has raised each of these on some malformed mail. It goes to a person, unread.
        return MailReading(readable=False)
    reading = _read_own(content, phrases)
    return replace(
        reading,
        recipients=content.recipients + (content.attached_recipients if reading.is_second_hand else ()),
        sender=content.sender,
        sent_at=content.sent_at,
        message_id=content.message_id,
        subject=content.subject,
        notifications=content.own.xml_attachments + content.attached.xml_attachments,
        is_second_hand=reading.is_second_hand or content.is_answer,
        has_repeated_headers=content.has_repeated_headers,
        authentication_results=content.authentication_results,
    )


def _read_own(content: mail_content.MailContent, phrases: Phrases) -> MailReading:
    """The sender's own words; where those say nothing, what they quote, then what is attached."""
    fresh = _QUOTED_LINE.sub("", content.own.text)
    has_quotes = fresh != content.own.text
    # A link of the HTML half is not the sender's own when the words around it are only quoted.
    links = () if has_quotes else content.own.links
    # A subject is inherited by answers and by what forwards a mail: it speaks for nobody's own words.
    is_own = not (has_quotes or content.attached.text) or read_text(fresh, phrases, links=links).does
    if is_own:
        reading = read_text(f"{content.subject}\n\n{fresh}", phrases, links=links)
        return replace(reading, subject_adds=_adds(content.subject, fresh, phrases, links))
    quoted = read_text(f"{content.subject}\n\n{_unquoted(content.own.text)}", phrases, links=content.own.links)
    if content.attached.text and not (has_quotes and quoted.does):
        attached = f"{content.subject}\n\n{_unquoted(content.attached.text)}"
        quoted = read_text(attached, phrases, links=content.attached.links)
    return replace(quoted, is_second_hand=True)


def _adds(subject: str, text: str, phrases: Phrases, links: Iterable[str]) -> bool:
    """Whether the subject names what the text does not. Not every DKIM signature covers a subject."""
    facts = read_text(subject, phrases).facts
    return bool(facts) and not facts <= read_text(text, phrases, links=links).facts


def _unquoted(text: str) -> str:
    return re.sub(r"^(?:[ \t]{0,4}>)+[ \t]?", "", text, flags=re.MULTILINE)


def read_text(text: str, phrases: Phrases = NO_PHRASES, *, links: Iterable[str] = ()) -> MailReading:
    """Read a text that a person pasted, with the addresses of its ``links``."""
    text = mail_content.clean(text[: 2 * mail_content.MAX_TEXT])[: mail_content.MAX_TEXT]
    text = _SENT_LINE.sub("", text)
    folded = fold(text)
    urls = mail_links.find(text, links)
    tax_codes = _unique(normalise_tax_code(found["value"]) for found in _TAX.finditer(folded))
    unit_codes = _unit_codes(text, folded)
    codes = mail_codes.find(text, mail_kinds.code_words(phrases), has_link=bool(urls))
    known = {tax_code[:10] for tax_code in tax_codes}
    codes = tuple(code for code in codes if code not in known)
    return MailReading(
        kind=mail_kinds.find(text, has_code=bool(codes), has_link=bool(urls), phrases=phrases),
        codes=codes,
        urls=urls,
        dossier_numbers=_unique(found.group() for found in _DOSSIER.finditer(folded)),
        unit_codes=tuple(code for code in unit_codes if code != NO_UNIT_CODE),
        has_no_unit_code=NO_UNIT_CODE in unit_codes,
        tax_codes=tax_codes,
        result_codes=_unique(found.group() for found in _RESULT_CODE.finditer(folded)),
        text=text,
    )


def _unit_codes(text: str, folded: str) -> tuple[str, ...]:
    captions = list(_UNIT_CAPTION.finditer(folded))[: 10 * _MAX_FOUND]
    found = (_UNIT_VALUE.match(text, caption.end()) for caption in captions)
    return _unique((value["any"] or value["mixed"]).upper() for value in found if value)


def redact(text: str, codes: Iterable[str] = (), phrases: Phrases = NO_PHRASES) -> str:
    """The text (plain or HTML) with activation codes and links blanked, fit for a log or a chatter.

    ``codes`` are known ones, which are blanked wherever and however they are written.
    """
    text = text[: mail_content.MAX_TEXT * 10]
    codes = tuple(codes)
    hidden = _blank(text, codes, phrases)
    if "<" not in text:
        return hidden
    # Mark-up inside of a code or far between label and code hides it from the pass above.
    readable, links = mail_content.html_to_text(hidden)
    hidden = _blank(hidden, read_text(readable, phrases, links=links).codes, phrases)
    readable, links = mail_content.html_to_text(hidden)
    left = read_text(readable, phrases, links=links)
    return _blank(readable, left.codes, phrases) if left.codes or left.urls else hidden


_MIXED = re.compile(r"(?<![A-Za-z0-9])(?=[A-Z]{0,9}[0-9])(?=[0-9]{0,9}[A-Z])[A-Z0-9]{10}(?![A-Za-z0-9])")


def _blank(text: str, codes: Iterable[str], phrases: Phrases) -> str:
    for code in dict.fromkeys((*codes, *read_text(text, phrases).codes)):
        text = mail_codes.spelled(code).sub(_HIDDEN_CODE, text)
    text = mail_links.HEX.sub(_HIDDEN_LINK, text)
    return _MIXED.sub(_HIDDEN_CODE, text)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))[:_MAX_FOUND]
