"""Tolerant readers of the contract's JSON bodies.

What is readable is read; what breaks the contract is named by its member (``Fault``), never by its content.
Only an answer that does not show which dossier it is about, or is no JSON object at all, makes the outcome unknown.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any, NoReturn, get_args

from .base import (
    Answers,
    Fault,
    FaultKind,
    Holder,
    Progress,
    Reason,
    Receipt,
    State,
    Step,
    Unchanged,
    UnknownOutcome,
)
from .transport import Reply

MAX_TEXT = 4000
MAX_CODE = 64
MAX_NAME = 200
MAX_STEPS = 100
MAX_DOSSIERS = 1000
CUT = "…"
"""Ends a text that was longer than is kept."""
CLOCK_SLACK = timedelta(minutes=2)
"""How far a gateway's clock may be ahead of ours before what it says about the present is not believed."""
_MAX_FAULTS = 20
_EARLIEST = datetime(2000, 1, 1, tzinfo=timezone.utc)
_VIETNAM = timezone(timedelta(hours=7))
_TIME = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))? ?(Z|[+-]\d\d(?::?\d\d)?)?", re.ASCII | re.IGNORECASE
)
# PostgreSQL takes no NUL, UTF-8 no lone surrogates, and no sentence needs other control characters.
_UNFIT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff\ufffe\uffff]")
_REPLACEMENT = "\ufffd"
# What an entity tag may consist of (RFC 9110), without quotes and backslash.
_VERSION = re.compile(r"[!#-\[\]-~]{1,64}")


@dataclass(frozen=True)
class Problem:
    """The body of an error answer; code and description are empty where there is none."""

    code: str
    description: str
    holder: str | None
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Health:
    """The body of ``GET /health``; ``time`` is aware UTC, ``provider`` reads like ``00001 TS24``."""

    status: str
    time: datetime | None
    provider: str
    provider_code: str | None = None
    faults: tuple[Fault, ...] = ()


def receipt(reply: Reply, client_reference: str) -> Receipt:
    """The answer to a submission, which must name the reference that was sent. Raises UnknownOutcome.

    A time that cannot be is replaced by the present one.
    """
    body = _Members(_object(reply))
    body.must_be_about(client_reference)
    accepted_at = body.past_time("accepted_at") or datetime.now(timezone.utc)
    number = body.number()
    return Receipt(client_reference, accepted_at, number, raw=_storable(body.values), faults=body.faults())


def progress(reply: Reply, client_reference: str) -> Progress:
    """The answer to a question after a dossier. Raises UnknownOutcome when it is about another one."""
    body = _Members(_object(reply))
    state = _state(body)
    if state is None or body.values.get("client_reference") is not None:
        body.must_be_about(client_reference)
    else:
        body.blame("client_reference", FaultKind.MISSING)
    return _progress(body, state)


def progress_of(reply: Reply, versions: Mapping[str, str]) -> Answers:
    """The answer to a question after several dossiers, for each client reference with the version that was named.

    Entries count only where they name a dossier that was asked about, each once and in one of the agreed ways; of all
    others nothing is believed. Raises UnknownOutcome for an answer without a list.
    """
    body = _Members(_object(reply))
    listed = body.values.get("dossiers")
    if not isinstance(listed, list):
        body.refuse("dossiers")
    if len(listed) > len(versions):
        body.blame("dossiers", FaultKind.COUNT)
    asked = {_uuid(reference): reference for reference in versions}
    found: dict[str, list[_Members]] = {}
    for values in listed[:MAX_DOSSIERS]:
        entry = _Members(values if isinstance(values, Mapping) else {})
        named = entry.reference()
        if named and named in asked:
            found.setdefault(asked[named], []).append(entry)
        else:
            body.blame("dossiers[].client_reference", FaultKind.VALUE)
    answers: dict[str, Progress | Unchanged | None] = {}
    for reference, entries in found.items():
        if len(entries) > 1:
            body.blame("dossiers[].client_reference", FaultKind.REPEATED)
        elif entries[0].values.get("code") is None:
            answers[reference] = _progress(entries[0], _state(entries[0]))
        elif entries[0].is_only("not_found"):
            answers[reference] = None
        elif entries[0].is_only("unchanged") and versions[reference]:
            answers[reference] = Unchanged()
        else:
            body.blame("dossiers[].code", FaultKind.VALUE)
    return Answers(answers, body.faults())


def _progress(body: _Members, state: State | None) -> Progress:
    return Progress(
        state=state,
        dossier_number=body.number(),
        steps=_steps(body, state),
        holder=_holder(body),
        needs_activation=body.flag("needs_activation") or False,
        notification=_notification(body),
        version=_version(body),
        # The receipt has it too, and it counts only where that was lost: what is odd about it is not worth a word.
        accepted_at=_Members(body.values).past_time("accepted_at"),
        faults=body.faults(),
    )


def health(reply: Reply) -> Health:
    """The answer to ``GET /health``, which must have a status. Raises UnknownOutcome."""
    body = _Members(_object(reply))
    status = body.text("status", MAX_CODE)
    if status is None:
        body.refuse("status")
    provider = body.organisation("provider", required=True)
    return Health(
        status=status.strip().lower(),
        time=body.time("time"),
        provider=str(provider) if provider else "",
        provider_code=provider.code if provider else None,
        faults=body.faults(),
    )


def problem(reply: Reply) -> Problem:
    """An error answer, as far as it is in the contract's words. Never raises."""
    try:
        body = _Members(_object(reply))
    except UnknownOutcome:
        return Problem(code="", description="", holder=None)
    code, description = body.text("code", MAX_CODE), body.text("description", MAX_TEXT)
    return Problem(
        code=(code or "").strip(),
        description=(description or "").strip(),
        holder=_holder(body),
        faults=body.faults(),
    )


def _object(reply: Reply) -> dict[str, Any]:
    """The JSON object that is the body. Raises UnknownOutcome."""
    start = reply.body[:4]
    if start[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in start:
        raise UnknownOutcome("the gateway's answer is not UTF-8", reason=Reason.ENCODING, detail="UTF-16")
    # Text of another encoding inside a member is that member's fault only.
    text = reply.body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        body = json.loads(text, parse_constant=float)
    except (ValueError, RecursionError):
        raise UnknownOutcome("the gateway's answer is not JSON", reason=Reason.JSON) from None
    if not isinstance(body, dict):
        raise UnknownOutcome("the gateway's answer is no JSON object", reason=Reason.JSON, detail=type(body).__name__)
    return body


class _Members:
    """Reads the members of a JSON object and notes which break the contract."""

    def __init__(self, values: Mapping[str, Any], path: str = "", faults: list[Fault] | None = None) -> None:
        self.values = dict(values)
        self._path = path
        self._faults: list[Fault] = [] if faults is None else faults

    def faults(self) -> tuple[Fault, ...]:
        """The faults, each once, the first of many."""
        return tuple(dict.fromkeys(self._faults))[:_MAX_FAULTS]

    def blame(self, name: str, kind: FaultKind) -> None:
        """Note a fault of a member."""
        self._faults.append(Fault(self._path + name, kind))

    def refuse(self, name: str) -> NoReturn:
        """Without this member the answer says nothing. ``name`` is ours, never content of the answer."""
        if not any(fault.member == name for fault in self._faults):
            self.blame(name, FaultKind.VALUE)
        raise UnknownOutcome(
            f"the gateway's answer is not as agreed ({name})", reason=Reason.MEMBER, detail=name, faults=self.faults()
        )

    def must_be_about(self, client_reference: str) -> None:
        """Refuse the answer unless it names this dossier, in any spelling of its UUID."""
        named = self.reference()
        if named is None or named != _uuid(client_reference):
            self.refuse("client_reference")

    def reference(self) -> uuid.UUID | None:
        """The dossier that the object is about, in any spelling of its UUID; None when it names none."""
        return _uuid(self.text("client_reference", MAX_CODE) or "")

    def is_only(self, code: str) -> bool:
        """Whether the object says no more than this code about its dossier."""
        return self.values["code"] == code and "state" not in self.values

    def inside(self, name: str, values: Mapping[str, Any]) -> _Members:
        """The members of an object that is a member; its faults are noted here."""
        return _Members(values, f"{self._path}{name}.", self._faults)

    def text(self, name: str, longest: int, *, required: bool = True) -> str | None:
        """A text made fit to be stored, cut where it is too long; None when there is none. A number is read as text."""
        value = self.values.get(name)
        if value is None:
            if required:
                self.blame(name, FaultKind.MISSING)
            return None
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            self.blame(name, FaultKind.TYPE)
            return None
        fit = _fit(value)
        if _REPLACEMENT in fit:
            self.blame(name, FaultKind.CHARACTERS)
        if len(fit) > longest:
            self.blame(name, FaultKind.LENGTH)
            fit = fit[: longest - len(CUT)] + CUT
        return fit

    def number(self) -> str | None:
        """The dossier number; a text that can be none, being too long or unreadable, is left out."""
        before = len(self._faults)
        text = self.text("dossier_number", MAX_CODE, required=False)
        return (text.strip() or None) if text and len(self._faults) == before else None

    def flag(self, name: str) -> bool | None:
        """A truth value, also as text or as 0 and 1; None when it is none."""
        value = self.values.get(name)
        if isinstance(value, bool):
            return value
        self.blame(name, FaultKind.MISSING if value is None else FaultKind.TYPE)
        known: dict[str, bool] = {"true": True, "1": True, "false": False, "0": False}
        return known.get(str(value).strip().lower()) if isinstance(value, str | int) else None

    def time(self, name: str) -> datetime | None:
        """A time as aware UTC. One without an offset is Viet Nam's, as its author most likely lives there."""
        text = self.text(name, MAX_CODE)
        if text is None:
            return None
        found = _TIME.fullmatch(text.strip())
        try:
            if not found:
                raise ValueError
            day, clock, fraction, zone = found.groups()
            moment = datetime.strptime(f"{day} {clock}", "%Y-%m-%d %H:%M:%S").replace(tzinfo=_offset(zone))
            moment = moment.astimezone(timezone.utc)
        except (ValueError, OverflowError):
            self.blame(name, FaultKind.TIME)
            return None
        if zone is None:
            self.blame(name, FaultKind.ZONE)
        return moment.replace(microsecond=int((fraction or "0")[:6].ljust(6, "0")))

    def past_time(self, name: str) -> datetime | None:
        """A time that can have been; None where it cannot, by our clock."""
        moment = self.time(name)
        if moment is None or _EARLIEST <= moment <= datetime.now(timezone.utc) + CLOCK_SLACK:
            return moment
        self.blame(name, FaultKind.TIME)
        return None

    def organisation(self, name: str, *, required: bool) -> Holder | None:
        """An I-VAN as object with code and name; a text is taken as its name."""
        value = self.values.get(name)
        if isinstance(value, Mapping):
            inside = self.inside(name, value)
            code, title = inside.text("code", MAX_CODE), inside.text("name", MAX_NAME)
            return Holder(code or "", title or "") if code or title else None
        if value is None:
            if required:
                self.blame(name, FaultKind.MISSING)
            return None
        self.blame(name, FaultKind.TYPE)
        text = self.text(name, MAX_NAME) if isinstance(value, str) else None
        return Holder("", text) if text else None


def _offset(zone: str | None) -> timezone:
    """``Z``, ``+07:00``, ``+0700`` or ``+07``; raises ValueError for a whole day or more."""
    if zone is None:
        return _VIETNAM
    if zone in ("Z", "z"):
        return timezone.utc
    digits = zone[1:].replace(":", "").ljust(4, "0")
    offset = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
    return timezone(-offset if zone[0] == "-" else offset)


def _state(body: _Members) -> State | None:
    text = body.text("state", MAX_CODE)
    if text is None:
        return None
    state = text.strip().lower()
    if state in get_args(State):
        return state  # type: ignore[return-value]
    body.blame("state", FaultKind.VALUE)
    return None


def _steps(body: _Members, state: State | None) -> tuple[Step, ...]:
    """The steps; where their numbers are not what numbers should be, their places in the list are."""
    listed = body.values.get("steps")
    if not isinstance(listed, list):
        body.blame("steps", FaultKind.MISSING if listed is None else FaultKind.TYPE)
        return ()
    places = list(enumerate(listed))
    if len(places) > MAX_STEPS:
        # The last one tells how it ended.
        body.blame("steps", FaultKind.COUNT)
        places = [*places[: MAX_STEPS - 1], places[-1]]
    found: list[tuple[int | None, _Members]] = []
    for place, values in places:
        if isinstance(values, Mapping):
            step = body.inside(f"steps[{place}]", values)
            found.append((_step_number(step), step))
        else:
            body.blame(f"steps[{place}]", FaultKind.TYPE)
    numbers = [number for number, _step in found]
    if None in numbers or len(set(numbers)) < len(numbers):
        if None not in numbers:
            body.blame("steps[].step", FaultKind.REPEATED)
        numbers = list(range(1, len(found) + 1))
    return tuple(
        _step(step, number or 0, is_failed=state == "rejected" and place == len(found))
        for place, (number, (_given, step)) in enumerate(zip(numbers, found, strict=True), start=1)
    )


def _step_number(step: _Members) -> int | None:
    text = step.text("step", MAX_CODE)
    if text is None:
        return None
    if re.fullmatch(r"[0-9]{1,9}", text.strip()) and 0 < int(text) <= MAX_STEPS:
        return int(text)
    step.blame("step", FaultKind.VALUE)
    return None


def _step(step: _Members, number: int, *, is_failed: bool) -> Step:
    """One step; ``is_failed``: whether it failed, where it does not say so itself."""
    passed = step.flag("passed")
    return Step(
        number=number,
        at=step.past_time("at"),
        code=(step.text("code", MAX_CODE) or "").strip(),
        description=step.text("description", MAX_TEXT) or "",
        passed=not is_failed if passed is None else passed,
    )


def _holder(body: _Members) -> str | None:
    holder = body.organisation("holder", required=False)
    return str(holder) if holder else None


def _notification(body: _Members) -> bytes | None:
    """Base64, line breaks allowed."""
    value = body.values.get("notification")
    if value is None:
        return None
    if not isinstance(value, str):
        body.blame("notification", FaultKind.TYPE)
        return None
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except (binascii.Error, ValueError):
        body.blame("notification", FaultKind.VALUE)
        return None


def _version(body: _Members) -> str:
    text = body.text("version", MAX_TEXT, required=False)
    if not text or _VERSION.fullmatch(text):
        return text or ""
    body.blame("version", FaultKind.VALUE)
    return ""


def _uuid(text: str) -> uuid.UUID | None:
    try:
        return uuid.UUID(text.strip())
    except ValueError:
        return None


def _fit(text: str) -> str:
    return _UNFIT.sub(_REPLACEMENT, text)


def _storable(value: Any, depth: int = 8) -> Any:
    """The answer as it may be stored as JSON: texts made fit, nothing that JSON has no word for, no bottomless pit."""
    if isinstance(value, str):
        return _fit(value)
    if isinstance(value, list):
        return [_storable(item, depth - 1) for item in value] if depth else None
    if isinstance(value, Mapping):
        return {_fit(name): _storable(item, depth - 1) for name, item in value.items()} if depth else None
    return None if isinstance(value, float) and not math.isfinite(value) else value
