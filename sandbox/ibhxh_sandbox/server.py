"""The running sandbox: the one thread that owns the state, the postman and the ticker."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from . import postman, vss_key
from .clock import Clock, moment, stamp
from .faults import FaultBoard
from .office import Office
from .remote_signing import RemoteSigning
from .store import Row, Store
from .units import Provider

Result = TypeVar("Result")
_logger = logging.getLogger(__name__)

TICK_SECONDS = 0.5
"""How often (real time) the outbox and the waiting dossiers are looked at when nothing wakes the sandbox."""


@dataclass(frozen=True)
class Client:
    """An I-VAN organisation that may call the gateway, and the secret that it shows."""

    provider: Provider
    secret: str


@dataclass(frozen=True)
class Options:
    """How to run the sandbox."""

    clients: dict[str, Client]
    """By the user name of HTTP Basic."""
    data: Path | str = ":memory:"
    smtp: tuple[str, int] | None = None
    """Where mails go; None: they stay in the sandbox's mailbox page."""
    smtp_source: str | None = None
    """Address of this machine that mails are sent from: a mail server can tell the sandbox by it, as SPF does."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings at the start, in place of those in the data file."""
    portal_url: str = ""
    """Public address of the portal in mails."""
    sender: str = "Giao dịch điện tử BHXH (thử nghiệm) <khong-tra-loi@sandbox.example>"
    control_token: str | None = None
    """Bearer token of the control API; None: callers on the loopback interface need none, others get nothing."""


class Sandbox:
    """State and background work. Everything that touches the store runs in one thread, through `run`."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.faults = FaultBoard()
        self.takes: Counter[str] = Counter()
        """How often a dossier was handed in and taken, by client reference: once, unless a client repeats itself."""
        self.store = Store(options.data)
        self.clock = Clock()
        self._restore_clock()
        self.vss_key = vss_key.load_or_make(self.store)
        self.office = Office(self.store, self.clock, self.vss_key, portal_url=options.portal_url, sender=options.sender)
        if options.settings:
            self.office.change_settings(options.settings)
        self.remote = RemoteSigning(self.clock.now, self.office.settings)
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="office")
        self._wake = asyncio.Event()

    async def run(self, work: Callable[[], Result]) -> Result:
        """Do `work` in the office's thread, then see whether there is mail to send."""
        try:
            return await self._in_office(work)
        finally:
            self._wake.set()

    async def background(self, _app: object) -> AsyncIterator[None]:
        """Run postman and ticker while the server runs (an aiohttp cleanup context)."""
        task = asyncio.create_task(self._work())
        yield
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        self._executor.shutdown()
        self.store.close()

    def keep_clock(self) -> None:
        """Remember the moved clock for the next start."""
        frozen = self.clock.frozen_at
        kept = {"offset": self.clock.offset.total_seconds(), "frozen_at": stamp(frozen) if frozen else None}
        self.store.set_meta("clock", kept)

    def _restore_clock(self) -> None:
        kept = self.store.get_meta("clock")
        if kept:
            self.clock.offset = timedelta(seconds=kept["offset"])
            self.clock.frozen_at = moment(kept["frozen_at"]) if kept["frozen_at"] else None

    async def _in_office(self, work: Callable[[], Result]) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._executor, work)

    async def _work(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            # Not asyncio.wait_for: before Python 3.12 it can lose the cancellation that ends this task.
            tick = loop.call_later(TICK_SECONDS, self._wake.set)
            await self._wake.wait()
            tick.cancel()
            self._wake.clear()
            await self._in_office(self.office.tick)
            if self.options.smtp:
                await self._send_due(self.options.smtp)

    async def _send_due(self, smtp: tuple[str, int]) -> None:
        while due := await self._in_office(self._due):
            done = await asyncio.to_thread(postman.deliver, smtp, due, self.options.smtp_source)
            await self._in_office(lambda done=done: self._note(done))  # type: ignore[misc]
            if done.interrupted or not (done.sent or done.refused):
                _logger.warning("mail not sent, tried again soon: %s", done.interrupted or "the server asks to wait")
                return

    def _due(self) -> list[Row]:
        return self.store.all(
            "SELECT id, sender, recipient, message FROM mail"
            " WHERE sent_at IS NULL AND error IS NULL AND held_for IS NULL"
            " AND due_at <= ? ORDER BY due_at, released, id LIMIT ?",
            stamp(self.clock.now()),
            postman.BATCH,
        )

    def _note(self, done: postman.Round) -> None:
        now = stamp(self.clock.now())
        with self.store.transaction():
            for mail in done.sent:
                self.store.update("mail", "id", mail, sent_at=now)
            for mail, words in done.refused.items():
                self.store.update("mail", "id", mail, error=words)
