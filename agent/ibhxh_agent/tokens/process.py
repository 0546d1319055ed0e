"""The agent's side of one PKCS#11 library: a child process that is started when needed and replaced when it fails."""

from __future__ import annotations

import base64
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ibhxh_agent.children import Child, ChildError
from ibhxh_agent.errors import FAILURE_CODES, FinalTryWarning, SigningError
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Timeouts:
    """How long a library may take, in seconds, before its process is killed."""

    load: float = 20
    list: float = 15
    login: float = 45
    #: A PIN pad waits for a person.
    pin_pad: float = 120
    sign: float = 30
    close: float = 3


class LibraryProcess:
    """One library in one child process.

    After each failure of the child the library rests: 5 s, 10 s, 20 s, … at most 10 minutes; until then
    :attr:`resting` is true and the agent leaves it alone, except when a person waits for a signature.

    :param path: of the PKCS#11 library
    :param monotonic: clock in seconds
    """

    FIRST_REST = 5.0
    LONGEST_REST = 600.0
    #: Calls after which the child is replaced by a fresh one, so that a library that leaks stays small.
    CALLS = 1000
    #: Seconds after which a child that sees no token is replaced: some drivers look for readers only when they start.
    EMPTY = 60.0

    def __init__(
        self, path: str, timeouts: Timeouts | None = None, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.path = path
        self.timeouts = timeouts or Timeouts()
        #: Why the library could not be used the last time, as a sentence for people; empty when all is well.
        self.problem = ""
        #: The same in one word, as :class:`ChildError` has it, or ``call``.
        self.reason = ""
        self.description = ""
        self._monotonic = monotonic
        self._child: Child | None = None
        self._failures = 0
        self._rest_until = 0.0
        self._loaded = False
        self._login_each = False
        self._calls = 0
        self._started_at = 0.0

    @property
    def resting(self) -> bool:
        """Failed lately; leave it alone for now."""
        return self._monotonic() < self._rest_until

    @property
    def pid(self) -> int | None:
        """Process id of the running child, if any."""
        return self._child.pid if self._child is not None else None

    def tokens(self) -> list[dict[str, Any]]:
        """The tokens that are plugged in now, as the worker tells them.

        :raises SigningError: ``driver_error``
        """
        found = self._call({"op": "tokens"}, self.timeouts.list).get("tokens")
        if not isinstance(found, list):
            raise self._failed("garbage")
        self._failures = 0
        self.problem = self.reason = ""
        old = self._monotonic() - self._started_at > self.EMPTY
        if self._calls > self.CALLS or (old and not found):
            self.close()
        return found

    def certificates(self, slot: int, serial: str, label: str) -> list[bytes]:
        """DER of the certificates on one token.

        :raises SigningError: ``driver_error`` or ``token_removed``
        """
        message = {"op": "certificates", "slot": slot, "serial": serial, "label": label}
        answer = self._call(message, self.timeouts.list)
        return [base64.b64decode(text_) for text_ in answer.get("certificates", [])]

    def open(
        self,
        slot: int,
        serial: str,
        label: str,
        fingerprint: str,
        pin: Secret | None,
        *,
        warned: bool,
        pin_pad: bool = False,
    ) -> dict[str, Any]:
        """Log in, once, on the token that holds the certificate.

        :param warned: the person was told that this is the last try
        :raises FinalTryWarning: one try is left and ``warned`` is false; nothing was tried
        :raises SigningError: with ``login_used`` when a login reached the token
        """
        self._ready()
        message = {"op": "open", "slot": slot, "serial": serial, "label": label}
        message |= {"fingerprint": fingerprint, "warned": warned}
        answer = self._call(message, self.timeouts.pin_pad if pin_pad else self.timeouts.login, pin, login=True)
        self._login_each = bool(answer.get("login_each"))
        return answer

    def sign(self, data: bytes) -> bytes:
        """RSASSA-PKCS1-v1_5 with SHA-256 over ``data``, made by the token.

        With a key that wants the PIN for each signature every failure may have used up a try, whatever it is called.

        :raises SigningError: the token or its driver failed; with ``login_used`` when a login was part of it
        """
        message = {"op": "sign", "data": base64.b64encode(data).decode()}
        answer = self._call(message, self.timeouts.sign, login=self._login_each)
        try:
            return base64.b64decode(str(answer.get("signature", "")))
        except ValueError:
            raise self._failed("garbage", login_used=self._login_each) from None

    def close(self) -> None:
        """Log out, release the library and end the child. The next call starts a fresh one."""
        child, self._child = self._child, None
        if child is None:
            return
        try:
            if child.alive and self._loaded:
                child.send({"op": "close"})
                child.receive(self.timeouts.close)
        except ChildError as error:
            log.warning("library %s did not close: %s", self.path, error.reason)
        finally:
            child.finish(self.timeouts.close)

    def _call(
        self, message: dict[str, Any], timeout: float, secret: Secret | None = None, *, login: bool = False
    ) -> dict[str, Any]:
        sent = False
        try:
            child = self._started()
            self._calls += 1
            child.send(message, secret)
            sent = True
            answer, _ = child.receive(timeout)
        except ChildError as error:
            # When the child dies during a login nobody knows whether the token counted it: treat it as used.
            raise self._failed(error.reason, login_used=login and sent) from None
        if answer.get("ok") is True:
            return answer
        raise self._refused(answer, login)

    def _ready(self) -> None:
        """A child that answers, before a PIN is handed over: one that died while idle is replaced, not blamed."""
        if self._child is not None and self._loaded:
            try:
                self._child.send({"op": "ping"})
                self._child.receive(self.timeouts.list)
            except ChildError:
                self._child = None
        try:
            self._started()
        except ChildError as error:
            raise self._failed(error.reason) from None

    def renew(self) -> None:
        """Like :meth:`close`, but a fresh child loads the library meanwhile, so the next signature is quick."""
        self.close()
        with contextlib.suppress(ChildError):
            self._spawn()

    def _spawn(self) -> Child:
        self._child = Child("token")
        self._loaded = False
        self._child.send({"op": "load", "path": self.path})
        return self._child

    def _started(self) -> Child:
        child = self._child
        if child is None or not child.alive:
            child = self._spawn()
        if not self._loaded:
            answer, _ = child.receive(self.timeouts.load)
            if answer.get("ok") is not True:
                raise ChildError("load")
            self._loaded = True
            self.description = str(answer.get("description", ""))
            self._calls, self._started_at = 0, self._monotonic()
        return child

    def _failed(self, reason: str, *, login_used: bool = False) -> SigningError:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
        rest = min(self.FIRST_REST * 2**self._failures, self.LONGEST_REST)
        self._failures += 1
        self._rest_until = self._monotonic() + rest
        self.problem, self.reason = text(f"driver_{reason}", library=self.path), reason
        log.warning("library %s failed (%s); resting %.0f s", self.path, reason, rest)
        return SigningError("driver_error", self.problem, login_used=login_used, detail=reason)

    def _refused(self, answer: dict[str, Any], login: bool) -> SigningError:
        code, detail = str(answer.get("code")), str(answer.get("detail", ""))
        if code not in FAILURE_CODES and code != "final_try":
            code = "driver_error"
        used = login and bool(answer.get("login_used"))
        if code == "final_try":
            return FinalTryWarning("pin_cancelled", text("final_try"))
        if code == "driver_error":
            key = "login_general_error" if used else "driver_call"
            if not used:
                return self._failed_call(detail)
            return SigningError(code, text(key, detail=detail), login_used=used, detail=detail)
        return SigningError(code, text(code), login_used=used, detail=detail)

    def _failed_call(self, detail: str) -> SigningError:
        error = self._failed("call")
        error.detail = detail
        return error
