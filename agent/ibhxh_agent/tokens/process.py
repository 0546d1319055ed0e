"""The agent's side of one PKCS#11 library: a child process that is started when needed and replaced when it fails."""

from __future__ import annotations

import base64
import contextlib
import logging
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibhxh_agent.children import Child, ChildError
from ibhxh_agent.errors import FAILURE_CODES, FinalTryWarning, SigningError
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import has_text, text
from ibhxh_agent.tokens.discovery import child_for

log = logging.getLogger(__name__)

#: Detail of ``certificate_missing`` where the token has the certificate and not its key, as the worker says it.
NO_KEY = "no private key"


@dataclass(frozen=True)
class Timeouts:
    """How long a library may take, in seconds, before its process is killed."""

    #: From its start on; some look for readers for 20 s meanwhile.
    load: float = 60
    #: For which a look waits for one that still loads; the others' turn is next.
    patience: float = 5
    list: float = 15
    login: float = 45
    #: A PIN pad waits for a person.
    pin_pad: float = 120
    sign: float = 30
    close: float = 3


@dataclass(frozen=True)
class Trouble:
    """A slot, a token or a part of one that the library could not read; the others are used.

    :param label: of the token, where it is known
    """

    library: str
    slot: int
    label: str
    detail: str


@dataclass(frozen=True)
class Contents:
    """What a token shows without a login.

    :param certificates: DER
    :param ids: CKA_ID of each, in hex; empty where it has none
    :param keys: CKA_ID and modulus of public and private keys; most tokens hide theirs
    :param hidden: certificates show after a login only
    """

    certificates: tuple[bytes, ...]
    ids: tuple[str, ...]
    keys: tuple[tuple[str, int], ...]
    troubles: tuple[str, ...]
    hidden: bool


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
        self._monotonic = monotonic
        self._child: Child | None = None
        #: The next child: it runs, and has not loaded the library, which some drivers allow to one process at a time.
        self._spare: Child | None = None
        self._failures = 0
        self._rest_until = 0.0
        self._loaded = self._begun = False
        self._login_each = False
        self._calls = 0
        self._started_at = self._spawned_at = 0.0
        #: What of the tokens in the last list could not be read.
        self.troubles: tuple[Trouble, ...] = ()
        # Tokens in the last list: a fresh child waits for as many.
        self._seen = 0

    @property
    def resting(self) -> bool:
        """Failed lately; leave it alone for now."""
        return self._monotonic() < self._rest_until

    @property
    def pid(self) -> int | None:
        """Process id of the running child, if any."""
        return self._child.pid if self._child is not None else None

    @property
    def spare_pid(self) -> int | None:
        """Process id of the child that waits to be the next, if any."""
        return self._spare.pid if self._spare is not None else None

    def start(self) -> None:
        """Let a child load the library, if none has, and do not wait for it."""
        if self._child is None or not self._child.alive:
            with contextlib.suppress(ChildError):  # told by the first call
                self._spawn()

    @property
    def loading(self) -> bool:
        """A child has the library to load, and has not said yet that it did."""
        return self._child is not None and not self._loaded

    def still_loads(self) -> bool:
        """The library needs more than a moment to load, and does not need to be waited for.

        :raises SigningError: ``driver_error``, it cannot be loaded, or not in time
        """
        self.start()
        if self._loaded or self._child is None:
            return False
        try:
            self._await_beginning(self._child)
            received = self._child.poll(min(self.timeouts.patience, self.timeouts.load))
            if received is None:
                if self._monotonic() - self._spawned_at < self.timeouts.load:
                    return True
                raise ChildError("timeout")
            self._take_loaded(received[0])
        except ChildError as error:
            raise self._failed(error.reason, error.detail) from None
        return False

    def tokens(self, at_least: int = 0) -> list[dict[str, Any]]:
        """The tokens that are plugged in now, as the worker tells them.

        :param at_least: as many are waited for, for some seconds after the library was loaded
        :raises SigningError: ``driver_error``
        """
        answer = self._call({"op": "tokens", "expected": max(self._seen, at_least)}, self.timeouts.list)
        found, troubles = answer.get("tokens"), answer.get("troubles")
        if not isinstance(found, list) or not isinstance(troubles, list):
            raise self._failed("garbage")
        self._seen = len(found)
        self.troubles = tuple(Trouble(self.path, int(one["slot"]), "", str(one["detail"])) for one in troubles)
        self._failures = 0
        self.problem = self.reason = ""
        old = self._monotonic() - self._started_at > self.EMPTY
        if self._calls > self.CALLS or (old and not found):
            self.close()
        return found

    def contents(self, slot: int, serial: str, label: str) -> Contents:
        """What is on one token.

        :raises SigningError: ``driver_error`` or ``token_removed``
        """
        message = {"op": "certificates", "slot": slot, "serial": serial, "label": label}
        answer = self._call(message, self.timeouts.list)
        return Contents(
            certificates=tuple(base64.b64decode(one) for one in answer["certificates"]),
            ids=tuple(map(str, answer["ids"])),
            keys=tuple((str(identity), int(modulus, 16)) for identity, modulus in answer["keys"]),
            troubles=tuple(map(str, answer["troubles"])),
            hidden=bool(answer["hidden"]),
        )

    def open(
        self,
        slot: int,
        serial: str,
        label: str,
        fingerprint: str,
        pin: Secret | None,
        *,
        modulus: int,
        warned: bool,
        pin_pad: bool = False,
    ) -> dict[str, Any]:
        """Log in, once, on the token that holds the certificate.

        :param modulus: of the certificate's key
        :param warned: the person was told that this is the last try
        :raises FinalTryWarning: one try is left and ``warned`` is false; nothing was tried
        :raises SigningError: with ``login_used`` when a login reached the token
        """
        self._ready()
        message = {"op": "open", "slot": slot, "serial": serial, "label": label}
        message |= {"fingerprint": fingerprint, "modulus": f"{modulus:x}", "warned": warned}
        answer = self._call(message, self.timeouts.pin_pad if pin_pad else self.timeouts.login, pin, login=True)
        self._login_each = bool(answer.get("login_each"))
        # A process starts in as long as a token takes for a signature: it does so while this one signs.
        if self._spare is None:
            with contextlib.suppress(OSError):
                self._spare = self._new_child()
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
        spare, self._spare = self._spare, None
        if spare is not None:
            spare.finish(self.timeouts.close)
        self._end_child()

    def _end_child(self) -> None:
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
            raise self._failed(error.reason, error.detail, login_used=login and sent) from None
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
            raise self._failed(error.reason, error.detail) from None

    def renew(self) -> None:
        """Like :meth:`close`, but a fresh child loads the library meanwhile, so the next signature is quick."""
        self._end_child()
        with contextlib.suppress(ChildError):
            self._spawn()

    def _new_child(self) -> Child:
        return Child("token", child_for(Path(self.path)))

    def _spawn(self) -> Child:
        spare, self._spare = self._spare, None
        try:
            self._child = spare if spare is not None and spare.alive else self._new_child()
        except OSError as error:  # a child that the system does not start, e.g. a damaged one
            raise ChildError("load", str(error)) from None
        self._loaded = self._begun = False
        self._spawned_at = self._monotonic()
        self._child.send({"op": "load", "path": self.path, "reserved": _for_nss()})
        return self._child

    def _started(self) -> Child:
        child = self._child
        if child is None or not child.alive:
            child = self._spawn()
        if not self._loaded:
            self._await_beginning(child)
            self._take_loaded(child.receive(self.timeouts.load)[0])
        return child

    def _await_beginning(self, child: Child) -> None:
        """That the process is up, which a busy computer or a virus scanner delays and no library is to blame for."""
        if not self._begun:
            child.receive(self.timeouts.load)
            self._begun = True

    def _take_loaded(self, answer: dict[str, Any]) -> None:
        if answer.get("ok") is not True:
            raise ChildError("load", str(answer.get("detail", "")))
        self._loaded = True
        self._calls, self._started_at = 0, self._monotonic()

    def _failed(self, reason: str, detail: str = "", *, login_used: bool = False) -> SigningError:
        child, self._child = self._child, None
        if child is not None:
            child.kill()
        rest = min(self.FIRST_REST * 2**self._failures, self.LONGEST_REST)
        self._failures += 1
        self._rest_until = self._monotonic() + rest
        self.troubles = ()
        shown = text(f"detail_{detail}") if has_text(f"detail_{detail}") else detail or "?"
        self.problem, self.reason = text(f"driver_{reason}", library=self.path, detail=shown), reason
        log.warning("library %s failed (%s %s); resting %.0f s", self.path, reason, detail, rest)
        return SigningError("driver_error", self.problem, login_used=login_used, detail=detail or reason)

    def _refused(self, answer: dict[str, Any], login: bool) -> SigningError:
        code, detail = str(answer.get("code")), str(answer.get("detail", ""))
        if code not in FAILURE_CODES and code != "final_try":
            code = "driver_error"
        used = login and bool(answer.get("login_used"))
        if code == "final_try":
            return FinalTryWarning("pin_cancelled", text("final_try"))
        if code == "driver_error":
            if not used:
                return self._failed("call", detail)
            key = detail if detail in ("pin_not_set", "pin_to_change") else "login_general_error"
            return SigningError(code, text(key, detail=detail), login_used=used, detail=detail)
        key = "key_not_for_signing" if detail == "CKR_KEY_FUNCTION_NOT_PERMITTED" else code
        return SigningError(code, text(key), login_used=used, detail=detail)


def _for_nss() -> str:
    """Where the person's NSS keeps its keys: that library alone wants to be told (softoken's own parameters)."""
    folder = os.path.expanduser("~/.pki/nssdb")
    if not os.path.isdir(folder):
        return ""
    quoted = folder.replace("\\", "\\\\").replace("'", "\\'")
    return f"configdir='sql:{quoted}' certPrefix='' keyPrefix='' secmod='' flags=readOnly"
