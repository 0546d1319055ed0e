"""What a notification of VSS decides about a registration. Its codes are not published, so only clear words count.

``XACNHAN_GDICH`` is the root of several notifications: 01/TB-GD about a registration, receipts and results of every
other dossier, and 03/TB-TS, by which a dossier is taken up for processing (domain.md section 3). Which one it is
follows from its title and codes; whose it is, from its numbers, which the caller compares.
"""

from __future__ import annotations

import re
from typing import Literal

from .folding import fold
from .notification import Notification

Verdict = Literal["confirmed", "rejected", "received", "unclear", "other"]

# The title of the transaction and the form's code: "Đăng ký giao dịch điện tử", "04/ĐK-IVAN".
_DOES = re.compile(r"\b(dang ky|thay doi|dieu chinh|bo sung|ngung|phuong thuc|(dk|sd|ng) i ?van)\b")
_SERVICE = re.compile(r"\b(i ?van|giao dich (bhxh |bao hiem xa hoi )?dien tu)\b")

_RECEIVED = re.compile(r"\b(tiep nhan|hen tra)\b")

# Words of KQUA, folded, without signs between them. The first row that fits decides.
TABLE: tuple[tuple[Verdict, str, str], ...] = (
    ("unclear", r"^1 .+ 2 (khong|tu choi)", "a form that lists every answer"),
    ("rejected", r"\b(khong|chua) (duoc )?(chap nhan|hop le|thanh cong|dong y)\b", "Không được chấp nhận"),
    ("rejected", r"\b(tu choi|that bai|tra lai)\b", "Trả lại hồ sơ"),
    ("received", r"\bchap nhan (ho so )?de (giai quyet|xu ly)\b", "1. Chấp nhận để giải quyết hồ sơ (03/TB-TS)"),
    ("received", r"\b(da|duoc) (tiep nhan|nhan)\b|\btiep nhan ho so\b|\bhen tra\b", "Đã tiếp nhận hồ sơ"),
    ("received", r"\b(cho|dang) (don vi )?(xac nhan|kich hoat|xu ly|duyet|giai quyet)\b", "Chờ đơn vị xác nhận"),
    ("received", r"\bchua (hoan tat|xac nhan)\b", "Chưa xác nhận"),
    ("confirmed", r"\bda (duoc )?(xac nhan|hoan tat|chap nhan)\b|\bthanh cong\b", "Đã xác nhận"),
    ("confirmed", r"^([1-9] )?(chap nhan|hoan tat|dong y)\b", "Chấp nhận"),
)
_TABLE = tuple((verdict, re.compile(pattern)) for verdict, pattern, _example in TABLE)


def judge(notice: Notification) -> Verdict:
    """Return what the notification says about a registration.

    ``other``: its title names another procedure. ``unclear``: the words say nothing that is known, a person reads them.
    A receipt (by its title, or because it says when the dossier was taken in or its result is due) confirms nothing,
    whatever its words.
    """
    title = _words(f"{notice.transaction_name} {notice.dossier_type}")
    if _words(notice.transaction_name) and not (_DOES.search(title) and _SERVICE.search(title)):
        return "other"
    if notice.reports_error:
        return "rejected"
    words = _words(notice.result)
    verdict: Verdict = next((verdict for verdict, pattern in _TABLE if pattern.search(words)), "unclear")
    is_receipt = notice.is_receipt or _RECEIVED.search(title)
    return "received" if is_receipt and verdict in ("confirmed", "unclear") else verdict


def _words(text: str) -> str:
    """The words without accents, case and what stands between them: ``1. Chấp nhận`` is ``1 chap nhan``."""
    return " ".join(re.findall(r"[a-z0-9]+", fold(text).lower()))
