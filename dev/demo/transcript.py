"""What the demo prints: numbered steps and what was observed at each; and waiting for things to be observed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from ..console import say
from integration.waiting import NotObserved


def expect(condition: object, what: str) -> None:
    """Raise :class:`NotObserved` with `what` (what should have been seen) unless the condition holds."""
    if not condition:
        raise NotObserved(what)


class Transcript:
    """Counts the steps of all scenes and remembers the ones that failed."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._number = 0
        self.failed: list[str] = []

    def scene(self, title: str) -> None:
        """Start a chapter."""
        say(f"\n━━ {title}")

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """One numbered step; whatever goes wrong inside is printed, remembered and raised again."""
        self._number += 1
        say(f"\n{self._number:3}. {title}")
        try:
            yield
        except Exception as error:
            self.failed.append(f"{self._number}. {title}")
            say(f"     ✗ {type(error).__name__}: {error}")
            raise

    def saw(self, text: str) -> None:
        """One observation, with the seconds since the start."""
        elapsed = time.monotonic() - self._started
        first, *rest = text.splitlines() or [""]
        say(f"     {elapsed:6.1f} s  {first}")
        for line in rest:
            say(f"               {line}")

    @property
    def steps(self) -> int:
        """How many steps were begun."""
        return self._number
