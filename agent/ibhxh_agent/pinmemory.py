"""Keeps a PIN for the minutes that the person chose, in memory only. Off unless the person chooses it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from ibhxh_agent.secret import Secret

#: Longest time that can be chosen, in minutes.
LONGEST = 60.0

Identity = tuple[str, str]


class PinMemory:
    """One PIN per token; forgotten when its time is over, the token is removed, the PIN failed, the screen is locked or
    the agent ends.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._kept: dict[Identity, tuple[Secret, float]] = {}

    def keep(self, token: Identity, pin: Secret, minutes: float) -> None:
        """Take a copy for so many minutes (at most :data:`LONGEST`)."""
        self.forget(token)
        if minutes > 0:
            self._kept[token] = (pin.clone(), self._monotonic() + min(minutes, LONGEST) * 60)

    def get(self, token: Identity) -> Secret | None:
        """A copy to use once, or ``None``."""
        self.expire()
        kept = self._kept.get(token)
        return kept[0].clone() if kept else None

    def expire(self) -> None:
        """Overwrite what is over its time."""
        for token in [token for token, (_, until) in self._kept.items() if until <= self._monotonic()]:
            self.forget(token)

    def keep_only(self, present: Collection[Identity]) -> None:
        """Forget the PINs of tokens that are gone."""
        for token in set(self._kept) - set(present):
            self.forget(token)

    def forget(self, token: Identity) -> None:
        """Overwrite one."""
        kept = self._kept.pop(token, None)
        if kept is not None:
            kept[0].wipe()

    def forget_all(self) -> None:
        """Overwrite all."""
        for token in list(self._kept):
            self.forget(token)

    def __len__(self) -> int:
        return len(self._kept)
