"""What a notification 01/TB-GD decides. Its result codes are not published, so only clear words count."""

from __future__ import annotations

import re
from typing import Literal

from .mail_patterns import fold
from .notification import Notification

Verdict = Literal["confirmed", "rejected", "received", "unclear"]

_NO_ERROR = {"", "0", "00", "000"}
_REFUSED = re.compile(r"\b(khong|chua) (duoc )?(chap nhan|hop le|thanh cong)|tu choi|that bai|tra lai")
_PENDING = re.compile(
    r"\bcho (don vi )?(xac nhan|kich hoat|xu ly|duyet|giai quyet)|dang xu ly|da tiep nhan|tiep nhan ho so"
    r"|chua (hoan tat|xac nhan)"
)
_CONFIRMED = re.compile(r"\bda (xac nhan|hoan tat|duoc chap nhan|chap nhan)|thanh cong|^chap nhan|^hoan tat|^dong y")


def of(told: Notification) -> Verdict:
    """The verdict: an error code or words of refusal reject, words of waiting or of success decide otherwise.

    ``unclear`` when the words say nothing that is known: a person reads them then. The numeric MA_KQUA is not used.
    """
    if told.error_code.strip() not in _NO_ERROR:
        return "rejected"
    words = fold(told.result).lower().strip()
    if _REFUSED.search(words):
        return "rejected"
    if _PENDING.search(words):
        return "received"
    return "confirmed" if _CONFIRMED.search(words) else "unclear"
