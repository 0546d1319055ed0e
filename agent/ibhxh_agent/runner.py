"""The agent at work: looks at the tokens, tells the server, takes requests, has them signed, waits."""

from __future__ import annotations

import base64
import logging
import math
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any

from ibhxh_agent.backoff import Backoff
from ibhxh_agent.batch import BatchSigner
from ibhxh_agent.client import FINAL_CODES, Client, ServerError, Unreachable
from ibhxh_agent.config import Folder
from ibhxh_agent.diagnosis import MOST_CERTIFICATES, diagnose, ready
from ibhxh_agent.doorbell import Doorbell
from ibhxh_agent.errors import AgentError
from ibhxh_agent.outbox import Outbox
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.texts import text
from ibhxh_agent.tokens.discovery import Found
from ibhxh_agent.tokens.library_list import accept, current
from ibhxh_agent.tokens.manager import Token, TokenManager
from ibhxh_agent.untrusted import harmless
from ibhxh_agent.updates import Updates, platform_name

log = logging.getLogger(__name__)

#: Most requests that are taken at once (protocol v1).
CLAIM_LIMIT = 500
#: Most tokens that a heartbeat may report (protocol v1).
MOST_TOKENS = 32
#: Most signed documents in one delivery, whatever a server says.
MOST_DELIVERIES = 100
#: Seconds between two idle heartbeats, at least: never more than two requests a minute.
SLOWEST_POLL, FASTEST_POLL = 300.0, 30.0
#: Seconds between two heartbeats while requests wait that could not be taken (another computer holds them).
BUSY_POLL = 5.0
#: Seconds between two looks at the tokens.
TOKEN_POLL = 2.0
#: Seconds between two searches for libraries, and while no certificate is seen.
LIBRARY_POLL, EMPTY_POLL = 3600.0, 30.0
#: Seconds the clocks may differ before the person is told.
ALLOWED_SKEW = 120.0


@dataclass
class State:
    """What ``status`` and the tray icon show.

    :param clock_skew: seconds this computer is ahead of the server
    :param doorbell: requests arrive at once instead of by polling
    :param update: the newer version that can be installed
    """

    online: bool = False
    message: str = ""
    clock_skew: float = 0.0
    clock_warning: str = ""
    outdated: str = ""
    certificates: int = 0
    ready: int = 0
    doorbell: bool = False
    update: str = ""


class Agent:
    """The main loop.

    :attr:`wake` is set from outside (doorbell) to look for requests at once, :attr:`stopping` and ``wake`` to end.
    :attr:`on_state` is called with each new :class:`State`.

    :param poll_interval: seconds between heartbeats instead of what the server asks for (tests, demo)
    :param wall_clock: seconds since 1970; unlike the monotonic clock it goes on while a laptop sleeps
    """

    def __init__(
        self,
        client: Client,
        manager: TokenManager,
        signer: BatchSigner,
        outbox: Outbox,
        folder: Folder,
        store: SecretStore,
        *,
        doorbell: Doorbell | None = None,
        poll_interval: float | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._client = client
        self._manager = manager
        self._signer = signer
        self._outbox = outbox
        self._folder = folder
        self._store = store
        self._doorbell = doorbell
        self._poll_interval = poll_interval
        # Requests that this computer took before it was killed are not pending: ask for them once.
        self._resume = True
        self._wall_clock = wall_clock
        self._backoff = Backoff()
        self._reported: tuple[list[str], list[dict[str, Any]]] = ([], [])
        self._more: dict[str, Any] = {}
        self._looked_at = self._asked_at = float("-inf")
        self._wait = 0.0
        #: Every PKCS#11 library on this computer, those that cannot be used too; looked for again while no token shows.
        self.find: Callable[[], Sequence[Found]] = tuple
        self._found: Sequence[Found] = ()
        self._refused_list = 0
        #: Newer versions of this program; ``None`` where nobody could install one.
        self.updates: Updates | None = None
        self.wake = threading.Event()
        self.stopping = threading.Event()
        self.on_state: Callable[[State], None] = lambda _state: None
        self.state = State()

    def run(self) -> None:
        """Work until :attr:`stopping` is set.

        :raises AgentError: the server does not accept this computer any more
        """
        while not self.stopping.is_set():
            try:
                self._look()
            except AgentError:
                raise
            except Exception as error:  # a defect of this program: people see it, and the next look may go well
                log.exception("a look failed")
                self.state.online, self.state.message = False, text("unexpected", detail=type(error).__name__)
                self._tell()
                self._rest(self._backoff.next())
            self._pause()

    def _look(self) -> None:
        """At the tokens, and when it is time, at the server."""
        rung = self.wake.is_set()
        if rung:  # else a bell between the two lines would be lost
            self.wake.clear()
        # The bell first, the tokens later: what was plugged in two seconds ago is good enough to answer quickly.
        changed = self._look_at_tokens() if not rung else False
        if changed or rung or self._has_passed(self._wait, self._asked_at):
            self._rest(self._turn(rung))
            self._tell()

    def _rest(self, seconds: float) -> None:
        """Ask the server again after so many seconds from now."""
        self._asked_at, self._wait = self._wall_clock(), seconds

    def _has_passed(self, seconds: float, since: float) -> bool:
        """So much time has passed, sleep included.

        A clock that was set back to before ``since`` cannot tell: it has passed. Waiting for it to catch up would
        silence the agent for as long as the clock ran ahead.
        """
        return not 0 <= self._wall_clock() - since < seconds

    def once(self) -> None:
        """One round for unattended use: report, take what waits, sign, deliver.

        :raises AgentError: the server cannot be reached or does not accept this computer
        """
        self._look_at_tokens()
        while self._manager.loading:  # there is no next look
            self._manager.refresh()
        self.beat()
        self.take()
        if not self._outbox.wait_empty(60):
            raise AgentError("unreachable", text("unreachable", server=self._client.server.base))

    def beat(self) -> dict[str, Any]:
        """One heartbeat and what follows from its answer."""
        self._reported = (
            [base64.b64encode(certificate.der).decode() for certificate in self._manager.certificates()][
                :MOST_CERTIFICATES
            ],
            [_described(token) for token in self._manager.tokens[:MOST_TOKENS]],
        )
        self._more = {
            "platform": platform_name(),
            "libraries": current(self._folder)["version"],
            "diagnosis": diagnose(
                self._manager,
                self._found,
                clock_is_wrong=bool(self.state.clock_warning),
                refused_update=self.updates.refused if self.updates is not None else "",
            ),
        }
        answer = self.repeat_beat(self._client)
        self._tell_skew(answer)
        if self._doorbell is not None:
            channel = answer.get("doorbell")
            self._doorbell.listen(channel if isinstance(channel, str) and channel else None)
        deliveries = answer.get("deliveries")
        self._outbox.at_once = min(max(deliveries, 1), MOST_DELIVERIES) if isinstance(deliveries, int) else 1
        if answer.get("outdated"):
            self.state.outdated = text("outdated", minimum=answer.get("minimum_version", "?"))
            log.warning("outdated: the server needs %s", answer.get("minimum_version"))
        if answer.get("renew_key"):
            self._renew_key()
        self._take_release(answer)
        return answer

    def repeat_beat(self, client: Client) -> dict[str, Any]:
        """Send the last heartbeat once more, with the client of another thread."""
        return client.heartbeat(*self._reported, **self._more)

    def take(self) -> None:
        """Claim and sign until nothing is left."""
        while not self.stopping.is_set():
            fingerprints = [certificate.fingerprint for certificate in self._manager.certificates()][:MOST_CERTIFICATES]
            requests = self._client.claim(fingerprints, CLAIM_LIMIT, resume=self._resume) if fingerprints else []
            self._resume = self._resume and not fingerprints
            if not requests:
                return
            log.info("claimed %d requests", len(requests))
            self._signer.work(requests)
            self._outbox.wait_empty(5)

    def _look_at_tokens(self) -> bool:
        """Look at the tokens, and for libraries as well: a driver that is installed now is used without a restart.

        :return: something changed
        """
        no_library = not any(entry.usable for entry in self._found)
        if self._has_passed(LIBRARY_POLL if self._manager.certificates() else EMPTY_POLL, self._looked_at):
            self._looked_at = self._wall_clock()
            self._found = self.find()
            self._manager.add(str(entry.path) for entry in self._found if entry.usable)
        return self._manager.refresh() or no_library != (not any(entry.usable for entry in self._found))

    def _take_release(self, answer: dict[str, Any]) -> None:
        """Fetch what the makers signed and the server has newer; nothing about it stops the agent."""
        try:
            if self.updates is not None:
                self.updates.consider(answer.get("update"))
                offer = self.updates.pending()
                self.state.update = offer.version if offer is not None else ""
            version = answer.get("libraries")
            if isinstance(version, int) and version > self._more["libraries"] and version != self._refused_list:
                self._refused_list = version
                accept(self._folder, self._client.signed_release("libraries").get("document"))
                self._looked_at = float("-inf")
        except Unreachable as error:
            log.info("%s while fetching a release", error.code)
        except ServerError as error:
            if error.code in FINAL_CODES:
                raise
            log.warning("the server has no such release: %s", error.code)
        except (AgentError, OSError) as error:
            log.warning("a release was not taken: %s", error)

    def _turn(self, rung: bool) -> float:
        """Talk to the server once; seconds until the next time."""
        try:
            answer = {} if rung else self.beat()
            if rung or self._resume or answer.get("pending"):
                self.take()
        except Unreachable as error:
            self.state.online, self.state.message = False, error.message
            wait = self._backoff.next()
            log.info("%s; again in %.0f s", error.code, wait)
            return wait
        except ServerError as error:
            if error.code in FINAL_CODES:
                self.stopping.set()
                self.state.online, self.state.message = False, error.message or error.code
                self._tell()
                raise AgentError(error.code, text("stopped_final", message=error.message or error.code)) from error
            self.state.message = error.message
            return error.retry_after or self._backoff.next()
        self._backoff.reset()
        self.state.online, self.state.message = True, ""
        if self._poll_interval is not None:
            return self._poll_interval
        shortest = BUSY_POLL if answer.get("pending") else FASTEST_POLL
        return min(max(_seconds(answer.get("poll_after"), FASTEST_POLL), shortest), SLOWEST_POLL)

    def _tell(self) -> None:
        self.state.certificates = len(self._manager.certificates())
        self.state.ready = ready(self._manager.tokens, datetime.now(timezone.utc))
        self.state.doorbell = self._doorbell is not None and self._doorbell.connected
        try:
            self.on_state(self.state)
        except Exception:  # an icon or a file: nothing that a signature needs
            log.exception("the state was not shown")

    def _pause(self) -> None:
        """Wait for the next look at the tokens, or less: for the bell, the end, or the next heartbeat."""
        self.wake.wait(max(0.0, min(TOKEN_POLL, self._asked_at + self._wait - self._wall_clock())))

    def _tell_skew(self, answer: dict[str, Any]) -> None:
        try:
            theirs = datetime.fromisoformat(str(answer["server_time"]).replace("Z", "+00:00"))
        except (KeyError, ValueError):
            return  # the server says nothing of its clock
        if theirs.tzinfo is None:
            theirs = theirs.replace(tzinfo=timezone.utc)
        skew = self._wall_clock() - theirs.timestamp()
        wrong = abs(skew) > ALLOWED_SKEW
        if wrong and not self.state.clock_warning:
            log.warning("the clock is %.0f s off the server's", skew)
        self.state.clock_skew = skew
        self.state.clock_warning = text("clock_skew", seconds=round(skew)) if wrong else ""

    def _renew_key(self) -> None:
        """Get a new key, store it, then use it: a crash in between leaves one that works."""
        try:
            settings = self._folder.load()
        except AgentError as error:  # the next heartbeat asks again
            log.warning("the key is not renewed: %s", error.code)
            return
        answer = self._client.new_key()
        self._store.set(self._client.credentials.agent, str(answer["key"]))
        self._client.credentials.key = str(answer["key"])
        if settings.pairing is not None:
            settings.pairing = replace(settings.pairing, expires_at=str(answer["expires_at"]))
            self._folder.save(settings)
        log.info("the key was renewed, it ends %s", answer["expires_at"])


def _described(token: Token) -> dict[str, Any]:
    return {
        "label": harmless(token.label),
        "serial": harmless(token.serial),
        "model": harmless(token.model),
        "manufacturer": harmless(token.manufacturer),
        "pin_flags": sorted(token.flags),
    }


def _seconds(value: object, otherwise: float) -> float:
    """A server's number of seconds; ``otherwise`` where it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    if isinstance(value, float) and math.isnan(value):
        return otherwise
    return float(min(max(value, 0), SLOWEST_POLL))
