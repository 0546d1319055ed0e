"""The question as JSON, for the window's own process."""

from __future__ import annotations

import unicodedata
from typing import Any

from ibhxh_agent.prompt.base import Item, Question
from ibhxh_agent.texts import text


def question_message(question: Question, *, language: str) -> dict[str, Any]:
    """Everything that the window shows, as text; the window itself knows nothing of certificates or servers."""
    certificate = question.certificate
    return {
        "op": "ask",
        "language": language,
        "facts": [
            [text("label_server"), question.server],
            [text("label_certificate"), printable(f"{certificate.common_name} ({', '.join(certificate.tax_codes)})")],
            [text("label_issuer"), printable(f"{certificate.issuer_name}, {certificate.serial}")],
            [text("label_validity"), f"{certificate.not_before:%d/%m/%Y} – {certificate.not_after:%d/%m/%Y}"],
            [text("label_token"), printable(question.token_label)],
        ],
        "items": [_clean(_item(item)) for item in question.items] if len(question.items) == 1 else [],
        "rows": [_clean(_row(item)) for item in question.items] if len(question.items) > 1 else [],
        "warnings": list(question.warnings),
        "pin_pad": question.pin_pad,
        "pin_kept": question.pin_kept,
    }


#: Characters of one value: a hostile server must not push the PIN field off the screen.
_LONGEST = 300


def _item(item: Item) -> list[list[str]]:
    return [
        [text("label_form"), item.title],
        [text("label_company"), item.company],
        [text("label_tax_code"), item.tax_code],
        [text("label_email"), item.email],
        [text("label_phone"), item.phone],
        [text("label_requested_by"), item.requested_by],
        *([name, value] for name, value in item.details),
    ]


def _row(item: Item) -> list[list[str]]:
    return [
        [text("label_form"), item.form],
        [text("label_company"), item.company],
        [text("label_tax_code"), item.tax_code],
        [text("label_email"), item.email],
        [text("label_phone"), item.phone],
        [text("label_requested_by"), item.requested_by],
    ]


def _clean(pairs: list[list[str]]) -> list[list[str]]:
    return [[name, printable(value)] for name, value in pairs]


def printable(value: str) -> str:
    """Without line breaks, control and direction-changing characters (categories Cc, Cf), and not endless."""
    kept = "".join(c if unicodedata.category(c) not in ("Cc", "Cf", "Zl", "Zp") else " " for c in value)
    return kept if len(kept) <= _LONGEST else kept[: _LONGEST - 1] + "…"
