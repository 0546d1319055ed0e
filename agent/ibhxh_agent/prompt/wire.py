"""The question as JSON, for the window's own process."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ibhxh_agent.document import Row
from ibhxh_agent.prompt.base import Question


def question_message(question: Question, *, language: str, opened: bool = False) -> dict[str, Any]:
    """Everything that the window shows, as text; the window itself knows nothing of certificates or servers.

    ``shared`` are the rows that all documents have in common (with one document: all of them), ``own`` those that
    differ, one list for each document of a batch.

    :param opened: the person opened the window, which may then take the keyboard
    """
    batch = len(question.items) > 1
    return {
        "op": "ask",
        "language": language,
        "count": len(question.items),
        "facts": _rows(question.facts()),
        "notes": question.notes(),
        "warnings": list(question.warnings),
        "shared": _rows(question.shared()),
        "own": [_rows(rows) for rows in question.own()] if batch else [],
        "pin_pad": question.pin_pad,
        "opened": opened,
    }


def _rows(rows: Iterable[Row]) -> list[list[str]]:
    return [[row.label, row.value, row.note] for row in rows]
