"""How long to wait before trying again."""

from __future__ import annotations

import random

#: Failures that are counted: a longer wait there is not.
_MOST = 30


class Backoff:
    """1, 2, 4, … up to ``longest`` seconds, each shortened by up to half at random.

    So a thousand agents do not come back together when a server has restarted.

    :param failures: how many there were already
    """

    def __init__(self, first: float = 1.0, longest: float = 120.0, failures: int = 0) -> None:
        self._first = first
        self._longest = longest
        self._failures = min(max(failures, 0), _MOST)

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        wait: float = min(self._first * 2.0**self._failures, self._longest)
        self._failures = min(self._failures + 1, _MOST)
        # Not for cryptography.
        return wait * random.uniform(0.5, 1.0)  # noqa: S311  # nosec B311

    def reset(self) -> None:
        """It worked."""
        self._failures = 0
