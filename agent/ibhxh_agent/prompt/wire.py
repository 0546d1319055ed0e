"""The question as JSON, for the window's own process."""

from __future__ import annotations

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
            [text("label_certificate"), f"{certificate.common_name} ({', '.join(certificate.tax_codes)})"],
            [text("label_issuer"), f"{certificate.issuer_name}, {certificate.serial}"],
            [text("label_validity"), f"{certificate.not_before:%d/%m/%Y} – {certificate.not_after:%d/%m/%Y}"],
            [text("label_token"), question.token_label],
        ],
        "items": [_item(item) for item in question.items],
        "warnings": list(question.warnings),
        "pin_pad": question.pin_pad,
        "pin_kept": question.pin_kept,
    }


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
