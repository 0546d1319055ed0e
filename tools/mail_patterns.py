"""What the mail reader looks for, as data: labels and phrases in plain words, values as small regular expressions.

No real mail of VSS was available (domain.md section 6), so all of this must be correctable by a manager without a new
release. A pattern that a person types must not be able to hang the server: values are limited to a subset of regular
expressions whose cost is bounded, and labels and phrases are no regular expressions at all.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache

_MAX_PHRASES = 60
_MAX_LENGTH = 120
_MAX_CHOICES = 1000
_MARKS = re.compile("[\u0300-\u036f]+")
_ATOM = r"(?:\[\^?(?:\\[-\]\\^/.]|[^\[\]\\])+\]|\\[dwDW.\-/]|[A-Za-z0-9 /_:;,#@%=-])"
_QUANTIFIER = r"(?:\{(\d{1,3})(?:,(\d{1,3}))?\}|(\?))?"
_PIECE = re.compile(rf"(?:{_ATOM}{_QUANTIFIER})|\(\?:|\)\??|\|")


class PatternError(ValueError):
    """``field`` cannot be used. ``code``: ``too_long``, ``too_many``, ``syntax``, ``too_costly``."""

    def __init__(self, code: str, field: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.field = field


@dataclass(frozen=True)
class MailPatterns:
    """Labels stand before a value; phrases tell a kind of mail, ``*`` in them is up to 60 characters of anything.

    Labels and phrases are compared without accents and case. Values are case-sensitive and match whole words.
    """

    code_labels: tuple[str, ...] = (
        "mã kích hoạt",
        "mã xác nhận",
        "mã xác thực",
        "mã kích hoạt đăng ký",
        "activation code",
        "confirmation code",
    )
    code_value: str = "[A-Z0-9]{10}"
    link_path: str = "#/kich-hoat/"
    unit_labels: tuple[str, ...] = ("mã đơn vị", "mã số đơn vị", "mã ĐV", "unit code")
    unit_value: str = "[A-Z]{2}[A-Z0-9]{4}[A-Z]"
    tax_labels: tuple[str, ...] = ("mã số thuế", "MST", "tax code")
    tax_value: str = "[0-9]{10}(?:[- ]?[0-9]{3})?"
    dossier_value: str = "[0-9]{1,6}/20[0-9]{2}/[0-9]{3,5}"
    confirmation_phrases: tuple[str, ...] = (
        "đăng ký * thành công",
        "hoàn tất * thành công",
        "kích hoạt * thành công",
        "xác nhận * thành công",
        "thay đổi * thành công",
        "điều chỉnh * thành công",
        "ngừng * thành công",
        "đã hoàn tất",
        "đã được chấp nhận",
        "registration * successful",
    )
    not_yet_phrases: tuple[str, ...] = (
        "không thành công",
        "chưa thành công",
        "không được chấp nhận",
        "chưa hoàn tất",
        "bị từ chối",
        "thất bại",
        "để đăng ký",
        "để hoàn tất",
        "để kích hoạt",
        "sẽ hết hạn",
        "unsuccessful",
    )


DEFAULT = MailPatterns()


@dataclass(frozen=True)
class Compiled:
    """The same, ready for folded text."""

    code_label: re.Pattern[str]
    code_value: re.Pattern[str]
    link: re.Pattern[str]
    unit: re.Pattern[str]
    tax: re.Pattern[str]
    dossier: re.Pattern[str]
    confirmation: re.Pattern[str]
    not_yet: re.Pattern[str]


def from_mapping(values: Mapping[str, str | Sequence[str]]) -> MailPatterns:
    """Patterns from settings: missing and empty entries keep their default. Raises PatternError."""
    known = {field.name: field.type for field in fields(MailPatterns)}
    chosen: dict[str, str | tuple[str, ...]] = {}
    for name, value in values.items():
        if name not in known:
            raise PatternError("syntax", name, "there is no such pattern")
        if value:
            chosen[name] = value if isinstance(value, str) else tuple(value)
    patterns = MailPatterns(**chosen)  # type: ignore[arg-type]
    compile_patterns(patterns)
    return patterns


def fold(text: str) -> str:
    """The text without accents: ``Mã kích hoạt`` and ``Ma kich hoat``, composed or not, become the same."""
    return _MARKS.sub("", unicodedata.normalize("NFD", text)).replace("đ", "d").replace("Đ", "D")


@lru_cache(maxsize=16)
def compile_patterns(patterns: MailPatterns) -> Compiled:
    """Compile and check. Raises PatternError."""
    return Compiled(
        code_label=_words("code_labels", patterns.code_labels),
        code_value=re.compile(_value("code_value", patterns.code_value)),
        link=_link(patterns.link_path),
        unit=_labelled("unit_labels", patterns.unit_labels, "unit_value", patterns.unit_value),
        tax=_labelled("tax_labels", patterns.tax_labels, "tax_value", patterns.tax_value),
        dossier=re.compile(_value("dossier_value", patterns.dossier_value)),
        confirmation=_words("confirmation_phrases", patterns.confirmation_phrases),
        not_yet=_words("not_yet_phrases", patterns.not_yet_phrases),
    )


def _words(name: str, phrases: tuple[str, ...]) -> re.Pattern[str]:
    return re.compile(_alternatives(name, phrases), re.IGNORECASE)


def _alternatives(name: str, phrases: tuple[str, ...]) -> str:
    if not phrases or len(phrases) > _MAX_PHRASES:
        raise PatternError("too_many", name, f"1 to {_MAX_PHRASES} entries")
    # The longest first: "mã kích hoạt đăng ký" must not be cut to "mã kích hoạt".
    texts = sorted((_phrase(name, phrase) for phrase in phrases), key=len, reverse=True)
    return rf"(?<![^\W_])(?:{'|'.join(texts)})(?![^\W_])"


def _phrase(name: str, phrase: str) -> str:
    if len(phrase) > _MAX_LENGTH or phrase.count("*") > 2:
        raise PatternError("too_long", name, f"at most {_MAX_LENGTH} characters and two *")
    parts = [part.split() for part in fold(phrase).split("*")]
    if not any(any(len(word) > 1 for word in part) for part in parts):
        raise PatternError("syntax", name, "an entry needs a word")
    return r"\b[\s\S]{0,60}?\b".join(r"\s{1,20}".join(map(re.escape, part)) for part in parts)


def _labelled(label_name: str, labels: tuple[str, ...], name: str, value: str) -> re.Pattern[str]:
    """A label, up to 60 characters of anything, the value."""
    label = _alternatives(label_name, labels)
    return re.compile(rf"(?i:{label})[\s\S]{{0,60}}?(?P<value>{_value(name, value)})")


def _link(path: str) -> re.Pattern[str]:
    """An https address that ends in the path and 64 hexadecimal digits, which a mail program may have wrapped.

    Plain http counts on this computer only, where a stand-in of the portal may run.
    """
    if not path or len(path) > _MAX_LENGTH:
        raise PatternError("too_long", "link_path", f"1 to {_MAX_LENGTH} characters")
    wrapped = r"(?:[0-9A-Fa-f](?:\r?\n[> ]{0,4})?){64}(?![0-9A-Fa-f])"
    # No query and no second colon: a filter's own address around the real one is not part of it.
    part = r"[^\s\"'<>()#?&=:]"
    host = rf"(?:https://{part}{{1,255}}|http://(?:127\.0\.0\.1|localhost)(?=[:/]){part}{{0,255}})"
    return re.compile(rf"{host}(?::[0-9]{{1,5}}(?:/{part}{{0,255}})?)?{re.escape(path)}{wrapped}")


def _value(name: str, pattern: str) -> str:
    """The value as a whole word, after a check that it is of the safe subset."""
    if not pattern or len(pattern) > _MAX_LENGTH:
        raise PatternError("too_long", name, f"1 to {_MAX_LENGTH} characters")
    position, choices = 0, 1
    while position < len(pattern):
        piece = _PIECE.match(pattern, position)
        if piece is None:
            raise PatternError("syntax", name, f"not allowed here: {pattern[position : position + 10]!r}")
        choices *= _choices(piece)
        position = piece.end()
    if choices > _MAX_CHOICES:
        raise PatternError("too_costly", name, "too many repetitions of variable length")
    try:
        re.compile(pattern)
    except re.error as error:
        raise PatternError("syntax", name, str(error)) from None
    return rf"(?<![A-Za-z0-9])(?:{pattern})(?![A-Za-z0-9])"


def _choices(piece: re.Match[str]) -> int:
    low, high, optional = piece.groups()
    if optional or piece.group().endswith("?") or piece.group() == "|":
        return 2
    return max(1, int(high) - int(low) + 1) if low and high else 1
