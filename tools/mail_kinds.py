"""The kinds of mail that VSS and I-VANs are known to send, as a table (domain.md section 6).

Only one real mail is known. Phrases are compared without accents and case, word by word; ``…`` matches up to
60 characters within one sentence. The first row that fits counts, and a mail that fits none is left to a person.
Success words alone prove nothing: the rows that confirm want them in one sentence with electronic transactions or
I-VAN, and none of the words of receiving, passwords and other procedures anywhere.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Literal

from .folding import words

Does = Literal["brings_code", "confirms", "refuses", "informs"]
Needs = Literal["nothing", "code", "link"]

MAX_PHRASES = 60
MAX_PHRASE = 120
_GAP = 60
_MAX_SENTENCES = 300
_MAX_SENTENCE = 1000
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|\n[ \t]*\n")


class PhraseError(ValueError):
    """A phrase for ``kind`` cannot be used. ``code``: ``unknown_kind``, ``too_many``, ``too_long``, ``no_words``."""

    def __init__(self, code: str, kind: str, phrase: str = "") -> None:
        super().__init__(f"{kind}: {code} {phrase}")
        self.code = code
        self.kind = kind
        self.phrase = phrase


@dataclass(frozen=True)
class MailKind:
    """One row of the table.

    ``holds``: of each group one phrase has to be there; ``holds_not``: one of these, and it is another kind. ``needs``
    a readable code or an activation link besides. ``form`` is what a confirmation can confirm (04 register, 05 amend,
    06 stop). ``by_number_only``: the words are weak, so only the dossier's own number makes them count.
    """

    name: str
    does: Does
    holds: tuple[tuple[str, ...], ...]
    holds_not: tuple[str, ...] = ()
    needs: Needs = "nothing"
    form: str = ""
    by_number_only: bool = False


CODE_WORDS = (
    "mã kích hoạt",
    "mã số kích hoạt",
    "mã xác nhận",
    "mã xác thực",
    "activation code",
    "confirmation code",
)
"""Words before a code."""

_SUBJECTS = (
    "giao dịch điện tử",
    "giao dịch bảo hiểm xã hội điện tử",
    "giao dịch BHXH điện tử",
    "GD BHXH điện tử",
    "I-VAN",
    "IVAN",
)
_RESET = ("đặt lại mật khẩu", "cấp lại mật khẩu", "quên mật khẩu", "mật khẩu mới", "đổi mật khẩu", "reset password")
_ONE_TIME = ("OTP", "mật khẩu dùng một lần", "mã dùng một lần", "one time password", "one time code")
_LICENCE = ("bản quyền", "phần mềm", "license", "licence", "gói dịch vụ", "gia hạn", "khóa kích hoạt", "số máy")
_CODE_TO_COME = (
    "mã kích hoạt sẽ",
    "sẽ gửi mã kích hoạt",
    "sẽ gửi … mã kích hoạt",
    "sẽ nhận được … mã kích hoạt",
    "chờ … mã kích hoạt",
    "mã xác nhận sẽ",
)
_CODE_IS_HERE = (
    "mã kích hoạt dưới đây",
    "mã kích hoạt sau",
    "mã kích hoạt như sau",
    "mã kích hoạt chỉ có",
    "mã kích hoạt có giá trị",
    "mã kích hoạt có hiệu lực",
    "mã xác nhận dưới đây",
    "mã xác nhận có hiệu lực",
)
_REFUSED = (
    "không được chấp nhận",
    "không chấp nhận",
    "chưa được chấp nhận",
    "bị từ chối",
    "từ chối",
    "không hợp lệ",
    "trả lại",
    "không thành công",
    "chưa thành công",
    "thất bại",
    "unsuccessful",
)
_RECEIVED = ("đã gửi", "đã nộp", "tiếp nhận", "nhận được", "đã nhận hồ sơ", "sẽ được")
_OTHER_PROCEDURES = (
    "mức đóng",
    "báo tăng",
    "báo giảm",
    "truy thu",
    "cấp sổ",
    "cấp thẻ",
    "thẻ BHYT",
    "ốm đau",
    "thai sản",
    "lao động",
    "người tham gia",
    "tờ khai TK1",
    "mẫu D02",
    "giải quyết",
)
_NOT_SETTLED = (
    *_REFUSED,
    *_RECEIVED,
    *_OTHER_PROCEDURES,
    *CODE_WORDS,
    "mật khẩu",
    "password",
    "hướng dẫn",
    "hết hạn",
    "chưa",
    "nếu",
    "trước đó",
    "để đăng ký",
    "để hoàn tất",
    "để kích hoạt",
    "sẽ hết",
    "đang xử lý",
)


def _about(*phrases: str) -> tuple[str, ...]:
    """Each phrase with each name of electronic transactions in the place of ``{}``."""
    return tuple(phrase.format(subject) for phrase, subject in product(phrases, _SUBJECTS))


KINDS: tuple[MailKind, ...] = (
    MailKind("code_with_link", "brings_code", (CODE_WORDS,), holds_not=(*_RESET, *_ONE_TIME), needs="link"),
    MailKind(
        "code",
        "brings_code",
        (CODE_WORDS,),
        holds_not=(*_RESET, *_ONE_TIME, *_LICENCE, *_CODE_TO_COME, "mật khẩu", "password"),
        needs="code",
    ),
    MailKind("one_time_password", "informs", (_ONE_TIME,)),
    MailKind("password_reset", "informs", (_RESET,)),
    MailKind("account", "informs", (("mật khẩu", "password"),)),
    MailKind("licence", "informs", (CODE_WORDS, _LICENCE)),
    MailKind("code_to_come", "informs", (_CODE_TO_COME,)),
    # A code mail whose code nobody could read: for a person, whatever else it says.
    MailKind("code_unreadable", "brings_code", (_CODE_IS_HERE,)),
    MailKind("guidance", "informs", (("hướng dẫn", "hội nghị", "tập huấn", "mời tham dự"),)),
    MailKind(
        "refusal",
        "refuses",
        (_REFUSED, _SUBJECTS),
        holds_not=(*_RECEIVED, *_OTHER_PROCEDURES, "nếu", "trường hợp"),
    ),
    MailKind(
        "stopped",
        "confirms",
        (
            _about(
                "ngừng … {} … thành công",
                "chấp nhận … ngừng … {}",
                "ngừng … {} … được chấp nhận",
                "đã ngừng … {}",
            ),
        ),
        holds_not=(*_NOT_SETTLED, "thay đổi", "điều chỉnh"),
        form="06",
    ),
    MailKind(
        "amended",
        "confirms",
        (
            _about(
                "thay đổi … {} … thành công",
                "thay đổi … {} … được chấp nhận",
                "chấp nhận … thay đổi … {}",
                "điều chỉnh … {} … thành công",
                "điều chỉnh … {} … được chấp nhận",
            ),
        ),
        holds_not=(*_NOT_SETTLED, "ngừng"),
        form="05",
    ),
    MailKind(
        "amended_by_number",
        "confirms",
        (
            (
                "thay đổi thông tin thành công",
                "thay đổi thông tin đăng ký … thành công",
                "thay đổi thông tin đăng ký … được chấp nhận",
            ),
        ),
        holds_not=(*_NOT_SETTLED, "ngừng"),
        form="05",
        by_number_only=True,
    ),
    MailKind(
        "registered",
        "confirms",
        (
            _about(
                "chấp nhận phương thức {}",
                "chấp nhận … đăng ký … {}",
                "đăng ký … {} … thành công",
                "đăng ký … {} … được chấp nhận",
                "hoàn tất … đăng ký … {}",
                "hoàn thành … đăng ký … {}",
            ),
        ),
        holds_not=(*_NOT_SETTLED, "ngừng", "thay đổi", "điều chỉnh"),
        form="04",
    ),
    MailKind("receipt", "informs", (_RECEIVED,)),
    MailKind("ordinary_result", "informs", (_OTHER_PROCEDURES,)),
)
BY_NAME = {kind.name: kind for kind in KINDS}
CORRECTABLE = ("code", "registered", "amended", "stopped", "refusal", "guidance")
"""Kinds that an administrator can give further phrases; for ``code`` they are further words before a code."""

Phrases = Mapping[str, Sequence[str]]


def check(phrases: Phrases) -> dict[str, tuple[str, ...]]:
    """The further phrases by kind, trimmed, without blank ones. Raises PhraseError."""
    checked = {}
    for name, given in phrases.items():
        if name not in CORRECTABLE:
            raise PhraseError("unknown_kind", name)
        if isinstance(given, str) or len(given) > MAX_PHRASES:
            raise PhraseError("too_many", name)
        kept = tuple(" ".join(str(phrase).split()) for phrase in given if str(phrase).strip())
        for phrase in kept:
            if len(phrase) > MAX_PHRASE:
                raise PhraseError("too_long", name, phrase)
            if any(len(piece.split()) < 1 for piece in _pieces(phrase)) or len(words(phrase).replace(" ", "")) < 4:
                raise PhraseError("no_words", name, phrase)
        if kept:
            checked[name] = kept
    return checked


def code_words(phrases: Phrases) -> tuple[str, ...]:
    """What stands before a code, folded, the longest first."""
    return tuple(sorted({words(phrase).strip() for phrase in (*CODE_WORDS, *phrases.get("code", ()))}, key=len))[::-1]


def find(text: str, *, has_code: bool, has_link: bool, phrases: Phrases) -> MailKind | None:
    """The first kind that the text fits, or None. The work is bounded by the length of the text."""
    sentences = Sentences(text)
    for kind in KINDS:
        if (kind.needs == "code" and not has_code) or (kind.needs == "link" and not has_link):
            continue
        if sentences.hold(kind.holds_not):
            continue
        further = phrases.get("code" if kind.name == "code_with_link" else kind.name, ())
        if (further and sentences.hold(further)) or all(sentences.hold(group) for group in kind.holds):
            return kind
    return None


class Sentences:
    """The sentences of a text, each once, as folded words."""

    def __init__(self, text: str) -> None:
        found = (words(sentence[:_MAX_SENTENCE]) for sentence in _SENTENCE_END.split(text, maxsplit=_MAX_SENTENCES))
        self._sentences = tuple(dict.fromkeys(sentence for sentence in found if sentence.strip()))
        self._whole = "\n".join(self._sentences)
        self._known: dict[str, bool] = {}

    def hold(self, phrases: Iterable[str]) -> bool:
        """Whether one of the phrases occurs in one of the sentences."""
        return any(self._holds(phrase) for phrase in phrases)

    def _holds(self, phrase: str) -> bool:
        if phrase not in self._known:
            pieces = _pieces(phrase)
            self._known[phrase] = all(piece in self._whole for piece in pieces) and (
                len(pieces) == 1 or any(_follow(sentence, pieces) for sentence in self._sentences)
            )
        return self._known[phrase]


@lru_cache(maxsize=1024)
def _pieces(phrase: str) -> tuple[str, ...]:
    return tuple(words(piece) for piece in re.split(r"…|\.\.\.", phrase))


def _follow(sentence: str, pieces: tuple[str, ...]) -> bool:
    """Whether the pieces follow each other with at most 60 characters between two."""
    ends = [-1]
    for number, piece in enumerate(pieces):
        starts = _places(sentence, piece)
        if number:
            # The blank that ends one word begins the next one.
            starts = [at for at in starts if (last := bisect_right(ends, at + 1)) and at - ends[last - 1] <= _GAP]
        ends = [at + len(piece) for at in starts]
        if not ends:
            return False
    return True


def _places(sentence: str, piece: str) -> list[int]:
    places, at = [], sentence.find(piece)
    while at >= 0:
        places.append(at)
        at = sentence.find(piece, at + 1)
    return places
