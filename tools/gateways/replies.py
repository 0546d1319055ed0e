"""Strict readers of the contract's JSON bodies: what is missing or of another type makes the outcome unknown."""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any, NoReturn, get_args

from .base import Holder, Progress, Receipt, State, Step, UnknownOutcome
from .transport import Reply

_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]{1,6})?Z")
_MAX_TEXT = 4000
_MAX_STEPS = 100


@dataclass(frozen=True)
class Problem:
    """The body of an error answer."""

    code: str
    description: str
    holder: str | None


@dataclass(frozen=True)
class Health:
    """The body of ``GET /health``; ``time`` is aware UTC, ``provider`` reads like ``00001 TS24``."""

    status: str
    time: datetime
    provider: str


def receipt(reply: Reply, client_reference: str) -> Receipt:
    """The answer to a submission, which must name the reference that was sent. Raises UnknownOutcome."""
    body = _body(reply)
    _same_reference(body, client_reference)
    return Receipt(
        client_reference=client_reference,
        accepted_at=_time(body, "accepted_at"),
        dossier_number=_optional_text(body, "dossier_number"),
        raw=body,
    )


def progress(reply: Reply, client_reference: str) -> Progress:
    """The answer to a question after a dossier. Raises UnknownOutcome."""
    body = _body(reply)
    _same_reference(body, client_reference)
    state = _text(body, "state")
    if state not in get_args(State):
        _bad("state")
    steps = body.get("steps")
    if not isinstance(steps, list) or len(steps) > _MAX_STEPS:
        _bad("steps")
    return Progress(
        state=state,  # type: ignore[arg-type]
        dossier_number=_optional_text(body, "dossier_number"),
        steps=tuple(_step(step) for step in steps),
        holder=_holder(body),
        needs_activation=_flag(body, "needs_activation"),
        notification=_notification(body),
    )


def health(reply: Reply) -> Health:
    """The answer to ``GET /health``. Raises UnknownOutcome."""
    body = _body(reply)
    provider = body.get("provider")
    if not isinstance(provider, dict):
        _bad("provider")
    name = Holder(_text(provider, "code"), _text(provider, "name"))
    return Health(status=_text(body, "status"), time=_time(body, "time"), provider=str(name))


def problem(reply: Reply) -> Problem:
    """An error answer. Raises UnknownOutcome when it is not in the contract's words."""
    body = _body(reply)
    return Problem(code=_text(body, "code"), description=_text(body, "description"), holder=_holder(body))


def is_problem(reply: Reply) -> bool:
    """Whether an error answer is in the contract's words, rather than some other web server's page."""
    try:
        problem(reply)
    except UnknownOutcome:
        return False
    return True


def _body(reply: Reply) -> dict[str, Any]:
    try:
        body = json.loads(reply.body.decode("utf-8"), parse_constant=_bad)
    except (ValueError, RecursionError):
        _bad("JSON")
    if not isinstance(body, dict):
        _bad("JSON object")
    return body


def _same_reference(body: dict[str, Any], client_reference: str) -> None:
    if _text(body, "client_reference").lower() != client_reference:
        _bad("client_reference")


def _step(step: Any) -> Step:
    if not isinstance(step, dict):
        _bad("step")
    number = step.get("step")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 < number <= _MAX_STEPS:
        _bad("step")
    return Step(number, _time(step, "at"), _text(step, "code"), _text(step, "description"), _flag(step, "passed"))


def _holder(body: dict[str, Any]) -> str | None:
    holder = body.get("holder")
    if holder is None:
        return None
    if not isinstance(holder, dict):
        _bad("holder")
    return str(Holder(_text(holder, "code"), _text(holder, "name")))


def _notification(body: dict[str, Any]) -> bytes | None:
    text = body.get("notification")
    if text is None:
        return None
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError, TypeError):
        _bad("notification")


def _text(body: dict[str, Any], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or len(value) > _MAX_TEXT:
        _bad(name)
    return value


def _optional_text(body: dict[str, Any], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name)
    if not isinstance(value, bool):
        _bad(name)
    return value


def _time(body: dict[str, Any], name: str) -> datetime:
    found = _TIME.fullmatch(_text(body, name))
    if not found:
        _bad(name)
    try:
        moment = datetime.strptime(found.group(1), "%Y-%m-%dT%H:%M:%S")
    except ValueError:
        _bad(name)
    fraction = (found.group(2) or ".0")[1:].ljust(6, "0")
    return moment.replace(microsecond=int(fraction), tzinfo=timezone.utc)


def _bad(name: str) -> NoReturn:
    # ``name`` is ours or, from the JSON reader, NaN or Infinity: never content of the answer.
    raise UnknownOutcome(f"the gateway's answer is not as agreed ({name})")
