"""Calls to other people's servers, several at once.

What runs in the threads must not touch Odoo's environment or the database: the caller has committed before, so
that nothing is locked and no transaction is open while a server is waited for.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any


class NotCalled(Exception):
    """A call found that it need not be made, because of what an earlier one to the same server met (``reason``)."""

    def __init__(self, reason: Exception) -> None:
        super().__init__(str(reason))
        self.reason = reason


@dataclass(frozen=True)
class Lane:
    """Calls of which at most ``at_once`` run at the same time: those to one server, by a key of the caller's."""

    at_once: int
    calls: Mapping[Any, Callable[[], Any]]


@dataclass(frozen=True)
class Outcome:
    """What a call returned or raised; ``is_late`` where it was not begun any more."""

    value: Any = None
    error: Exception | None = None
    is_late: bool = False


def run(lanes: list[Lane], *, end: float = float("inf")) -> Iterator[dict[Any, Outcome]]:
    """Make the calls of all lanes, and give out what is there as soon as it is: ``{key: outcome}``, never empty.

    The first call of each lane is made in any case; none is begun after ``end`` (seconds, ``time.monotonic``). What is
    still to be called when the caller turns away is not called.
    """
    lanes = [lane for lane in lanes if lane.calls]
    if len(lanes) == 1 and min(lanes[0].at_once, len(lanes[0].calls)) == 1:
        for number, (key, call) in enumerate(lanes[0].calls.items()):
            yield {key: _outcome(call, end if number else float("inf"))}
        return
    pools: list[ThreadPoolExecutor] = []
    keys: dict[Future[Outcome], Any] = {}
    # Waiting for the futures themselves would look at each of them whenever one is done.
    done: SimpleQueue[Future[Outcome]] = SimpleQueue()
    try:
        for lane in lanes:
            pool = ThreadPoolExecutor(min(lane.at_once, len(lane.calls)), thread_name_prefix="l10n_vn_ibhxh")
            pools.append(pool)
            for number, (key, call) in enumerate(lane.calls.items()):
                keys[pool.submit(_outcome, call, end if number else float("inf"))] = key
        for future in keys:
            future.add_done_callback(done.put)
        pending = len(keys)
        while pending:
            some = [done.get()]
            while not done.empty():
                some.append(done.get())
            pending -= len(some)
            yield {keys[future]: future.result() for future in some}
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)


def _outcome(call: Callable[[], Any], end: float) -> Outcome:
    if time.monotonic() > end:
        return Outcome(is_late=True)
    try:
        return Outcome(value=call())
    except Exception as error:
        return Outcome(error=error)
