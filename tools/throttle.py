"""How often someone may guess. Counted in the memory of one process: with *n* of them, *n* times as often."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address

MAX_KEYS = 10_000


class Throttle:
    """At most ``most`` wrong guesses within ``seconds`` for one key, an address for instance.

    A guess counts before it is judged, so that many at once are no way around; one that was right is taken back, and
    takes back none but itself.
    """

    def __init__(self, most: int, seconds: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._most = most
        self._clock = clock
        self._guesses: dict[Hashable, list[float]] = {}
        self._lock = threading.Lock()

    def enter(self, key: Hashable) -> bool:
        """Count one guess; return whether it may be made."""
        with self._lock:
            now = self._clock()
            recent = [moment for moment in self._guesses.pop(key, []) if now - moment < self.seconds]
            is_open = len(recent) < self._most
            # Put back at the end: the first ones are those that have been idle the longest.
            self._guesses[key] = [*recent, now] if is_open else recent
            if len(self._guesses) > MAX_KEYS:
                del self._guesses[next(iter(self._guesses))]
            return is_open

    def take_back(self, key: Hashable) -> None:
        """The last guess was not wrong."""
        with self._lock:
            if self._guesses.get(key):
                self._guesses[key].pop()

    def clear(self) -> None:
        """Forget all guesses."""
        with self._lock:
            self._guesses.clear()


def source(address: str) -> str | IPv4Address | IPv6Network:
    """Who guesses: an IPv4 address, or the /64 network of an IPv6 one, which belongs to one customer as a whole."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address):
        return found.ipv4_mapped or IPv6Network((int(found) >> 64 << 64, 64))
    return found
