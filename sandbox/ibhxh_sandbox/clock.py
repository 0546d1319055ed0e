"""The sandbox's clock, which tests can move; and the two spellings of a time that VSS and the gateway use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone

VIETNAM = timezone(timedelta(hours=7), "ICT")
"""Vietnam has had one time zone without daylight saving since 1975."""


def _system_now() -> datetime:
    return datetime.now(timezone.utc)


class Clock:
    """The real time plus an offset, or a fixed time while it is frozen. All times are aware UTC."""

    def __init__(self, system_now: Callable[[], datetime] = _system_now) -> None:
        self.system_now = system_now
        self.offset = timedelta(0)
        self.frozen_at: datetime | None = None

    def now(self) -> datetime:
        """The sandbox's present, whole seconds."""
        now = self.frozen_at or self.system_now() + self.offset
        return now.replace(microsecond=0)

    def advance(self, seconds: float) -> None:
        """Move on (or back, below zero) by so many seconds."""
        self.offset += timedelta(seconds=seconds)
        if self.frozen_at is not None:
            self.frozen_at += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Make it `moment` now; a running clock runs on from there."""
        self.offset = moment - self.system_now()
        if self.frozen_at is not None:
            self.frozen_at = moment

    def freeze(self, frozen: bool) -> None:
        """Stop the clock where it is, or let it run on from there."""
        if frozen:
            self.frozen_at = self.frozen_at or self.now()
        elif self.frozen_at is not None:
            self.offset = self.frozen_at - self.system_now()
            self.frozen_at = None


def stamp(moment: datetime) -> str:
    """ISO 8601 in UTC with seconds and `Z`, as the gateway contract has it."""
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The aware UTC time of an ISO 8601 text that carries its offset. Raises ValueError."""
    parsed = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if parsed.tzinfo is None:
        raise ValueError("the time carries no offset from UTC")
    return parsed.astimezone(timezone.utc)


def vietnamese(text: str) -> str:
    """A stored UTC stamp as people in Vietnam read it: `25/08/2017 14:05:09`."""
    return moment(text).astimezone(VIETNAM).strftime("%d/%m/%Y %H:%M:%S")
