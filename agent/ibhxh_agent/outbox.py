"""Delivers answers to the server, and keeps the leases of requests that are being worked on.

Both run beside the main loop: a person may take minutes to enter a PIN, and a lost connection must not lose a
signature. Answers are kept in memory only, and repeated until the server has said yes or no; the server answers a
repeated delivery the same.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from ibhxh_agent.backoff import Backoff
from ibhxh_agent.client import Client, ServerError, Unreachable

log = logging.getLogger(__name__)

#: Characters of base64 that are delivered in one call at most; the protocol takes 8 MiB.
TOGETHER_SIZE = 4 * 2**20
#: Seconds that a signature waits for those that follow it: a token makes several in that time.
TOGETHER_SECONDS = 1.0
#: The code of one delivery among several that has to be repeated: somebody is at its record.
_BUSY = "server_error"


@dataclass(frozen=True)
class Delivery:
    """One answer: ``kind`` is ``signed`` (with ``document``, base64), ``failed`` (code and message) or ``release``."""

    request: str
    kind: str
    document: str = ""
    code: str = ""
    message: str = ""


class Outbox:
    """A thread with the answers that the server has not acknowledged yet.

    :param client: of its own, not shared
    :param on_done: called in the thread with each delivery that is over and the error code ('' = accepted)
    """

    def __init__(
        self, client: Client, on_done: Callable[[Delivery, str], None] = lambda _delivery, _code: None
    ) -> None:
        self._client = client
        self._on_done = on_done
        #: how many signed documents the server takes in one call; its heartbeat says so
        self.at_once = 1
        self._waiting: OrderedDict[str, Delivery] = OrderedDict()
        #: when each goes out at the latest (monotonic)
        self._due: dict[str, float] = {}
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def put(self, delivery: Delivery, *, more: bool = False) -> None:
        """Deliver as soon as possible.

        :param more: another signature follows at once; it may go along, within :data:`TOGETHER_SECONDS`
        """
        with self._changed:
            self._waiting[delivery.request] = delivery
            self._due[delivery.request] = time.monotonic() + (TOGETHER_SECONDS if more else 0)
            self._changed.notify_all()

    @property
    def pending(self) -> int:
        """How many answers are not acknowledged yet."""
        with self._changed:
            return len(self._waiting)

    def holds(self, request: str) -> bool:
        """An answer to this request is on its way already."""
        with self._changed:
            return request in self._waiting

    def wait_empty(self, timeout: float) -> bool:
        """Wait at most ``timeout`` seconds until everything is delivered."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, timeout)

    def stop(self) -> None:
        """End the thread; what is not delivered is lost (the server's lease lapses and the request returns)."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        backoff = Backoff(longest=30)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._stopping)
                while not (self._stopping or self._is_due()):
                    self._changed.wait(min(self._due.values()) - time.monotonic())
                if self._stopping:
                    return
                deliveries = self._first()
            wait = self._deliver(deliveries, backoff)
            if wait:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, wait)

    def _is_due(self) -> bool:
        return len(self._waiting) >= self.at_once or time.monotonic() >= min(self._due.values())

    def _first(self) -> list[Delivery]:
        """What goes next: one answer, or as many signed documents as fit into one call."""
        first, *others = self._waiting.values()
        chosen = [first]
        size = len(first.document)
        for delivery in others:
            size += len(delivery.document)
            if len(chosen) >= self.at_once or size > TOGETHER_SIZE or not (_is_joined(first) and _is_joined(delivery)):
                break
            chosen.append(delivery)
        return chosen

    def _deliver(self, deliveries: list[Delivery], backoff: Backoff) -> float:
        """Try once; the seconds to wait when something has to be tried again."""
        first = deliveries[0]
        try:
            codes = self._send(deliveries)
        except Unreachable as error:
            log.info("delivery of %s waits: %s", first.request, error.code)
            return backoff.next()
        except ServerError as error:
            if error.status == 429:
                return error.retry_after or backoff.next()
            if len(deliveries) > 1:
                log.warning("the server takes no deliveries together: %s", error.code)
                self.at_once = 1
                return 0.0
            codes = [error.code]
        over = [(delivery, code) for delivery, code in zip(deliveries, codes, strict=True) if code != _BUSY]
        for delivery, code in over:
            if code:
                log.warning("the server refused the answer to %s: %s", delivery.request, code)
            # First told, then over: when nothing waits any more, all of it has been told.
            self._on_done(delivery, code)
            with self._changed:
                self._waiting.pop(delivery.request, None)
                self._due.pop(delivery.request, None)
                self._changed.notify_all()
        if len(over) < len(deliveries):
            return backoff.next()
        backoff.reset()
        return 0.0

    def _send(self, deliveries: list[Delivery]) -> list[str]:
        """One call; the error code of each delivery, '' for those that were taken."""
        first = deliveries[0]
        if len(deliveries) > 1:
            return self._client.signed_together([(one.request, one.document) for one in deliveries])
        if first.kind == "signed":
            self._client.signed(first.request, first.document)
        elif first.kind == "failed":
            self._client.failed(first.request, first.code, first.message)
        else:
            self._client.release(first.request)
        return [""]


def _is_joined(delivery: Delivery) -> bool:
    """It may go with others in one call, where requests are numbers."""
    return delivery.kind == "signed" and delivery.request.isdecimal()


class Leases:
    """Renews the leases of the requests that a batch is working on.

    :param client: of its own, not shared
    While it holds any, it also says now and then that this computer is still there: the main loop, which sends the
    heartbeats, waits for the person meanwhile.

    :param every: seconds between two renewals of the same request; less than half of the server's lease (120 s), and
        not much less: a batch has 500 of them
    """

    def __init__(self, client: Client, every: float = 50.0) -> None:
        self._client = client
        self._every = every
        self._held: dict[str, float] = {}
        self._lost: set[str] = set()
        self._beat_due = 0.0
        #: sends a heartbeat with the given client; set when the agent has one to repeat
        self.beat: Callable[[Client], object] = lambda _client: None
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._thread.start()

    def hold(self, requests: list[str]) -> None:
        """Keep these from now on."""
        with self._changed:
            if not self._held:
                self._beat_due = time.monotonic() + self._every
            self._lost.difference_update(requests)
            self._held.update(dict.fromkeys(requests, time.monotonic() + self._every))
            self._changed.notify_all()

    def drop(self, request: str) -> None:
        """Answered or given up."""
        with self._changed:
            self._held.pop(request, None)

    def lost(self, request: str) -> bool:
        """The server gave the request to somebody else: do not sign it."""
        with self._changed:
            return request in self._lost

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join(timeout=5)

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._stopping:
                    return
                due = min(self._held.items(), key=lambda item: item[1], default=None)
                now = time.monotonic()
                if due is None or due[1] > now:
                    self._changed.wait(None if due is None else due[1] - now)
                    continue
                request = due[0]
                self._held[request] = now + self._every
                beat = now >= self._beat_due
                if beat:
                    self._beat_due = now + self._every
            if beat:
                self._say_present()
            try:
                self._client.renew(request)
            except Unreachable as error:
                log.info("lease of %s not renewed: %s", request, error.code)
            except ServerError as error:
                log.info("lease of %s is lost: %s", request, error.code)
                with self._changed:
                    self._held.pop(request, None)
                    self._lost.add(request)

    def _say_present(self) -> None:
        try:
            self.beat(self._client)
        except (Unreachable, ServerError) as error:
            log.info("no heartbeat while a person is asked: %s", error.code)
