"""The child process that loads one PKCS#11 library and works with it for the agent.

Nothing in here decides anything: it lists, opens exactly the token it is told to, signs, and answers. It never logs in
twice for one request, and it ends after a session with a login, so the library's copy of the PIN ends with it.
One slot, token or certificate that fails is named in ``troubles`` and leaves the others.

Requests (``op``): ``load {path, reserved}``, ``ping``, ``tokens {expected}``, ``certificates {slot, serial, label}``,
``open {slot, serial, label, fingerprint, modulus, warned}`` plus the PIN as the frame's secret, ``sign {data}``,
``close``. Answers: ``{"ok": true, …}`` or ``{"ok": false, "code", "detail", "login_used"}``; ``load`` gives one more
before it begins.

It needs nothing besides Python, see :mod:`ibhxh_agent.tokens.cryptoki`.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from ibhxh_agent.children import ParentPipe
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.secret import Secret
from ibhxh_agent.tokens import cryptoki
from ibhxh_agent.tokens.cryptoki import CryptokiError, Library, NonsenseError, Session, TokenInfo

#: DER of DigestInfo{sha256, NULL, OCTET STRING(32)} without the digest itself (RFC 8017, 9.2, note 1).
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")

#: Flags of a token that say something about its PIN, with the names that travel (protocol v1, ``pin_flags``).
PIN_FLAGS = {
    cryptoki.PIN_COUNT_LOW: "count_low",
    cryptoki.PIN_FINAL_TRY: "final_try",
    cryptoki.PIN_LOCKED: "locked",
    cryptoki.PROTECTED_PATH: "pin_pad",
    cryptoki.LOGIN_REQUIRED: "login_required",
    cryptoki.PIN_TO_BE_CHANGED: "to_be_changed",
}

#: What a login's answer means; all others are ``driver_error``.
_LOGIN_CODES = {
    "PIN_INCORRECT": "pin_incorrect",
    "PIN_INVALID": "pin_incorrect",
    "PIN_LEN_RANGE": "pin_incorrect",
    "PIN_LOCKED": "pin_locked",
    "FUNCTION_CANCELED": "pin_cancelled",
}
#: The PIN has to be set or changed with the vendor's program; the code stays ``driver_error``.
_PIN_STATES = {"USER_PIN_NOT_INITIALIZED": "pin_not_set", "PIN_EXPIRED": "pin_to_change"}
#: The token is out, whatever the driver calls that.
_GONE = {"DEVICE_REMOVED", "TOKEN_NOT_PRESENT", "TOKEN_NOT_RECOGNIZED", "SLOT_ID_INVALID"}
#: The mechanism, or this key with it, is not there although the token lists it: the other one may be.
_NOT_SO = {
    "ARGUMENTS_BAD",
    "DATA_INVALID",
    "DATA_LEN_RANGE",
    "FUNCTION_NOT_SUPPORTED",
    "KEY_TYPE_INCONSISTENT",
    "MECHANISM_INVALID",
    "MECHANISM_PARAM_INVALID",
}
#: Detail of ``certificate_missing`` where the certificate is there, and its key is not.
NO_KEY = "no private key"
#: Seconds after C_Initialize for which a token is waited for: some drivers list it 300 ms later.
_SETTLE = 3.0


class WorkerError(Exception):
    """An answer that is not the one hoped for; goes to the parent as it is."""

    def __init__(self, code: str, detail: str = "", *, login_used: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.login_used = login_used


class Worker:
    """State of the child: the loaded library and, between ``open`` and ``close``, one session on one token."""

    def __init__(self) -> None:
        self._library: Library | None = None
        self._loaded_at = 0.0
        self._session: Session | None = None
        self._slot = 0
        self._key: int | None = None
        self._mechanisms: list[int] = []
        self._pin_per_signature: Secret | None = None

    def handle(self, message: dict[str, Any], secret: Secret) -> dict[str, Any]:
        """Answer one request; see the module's text.

        :raises WorkerError: with the code for the parent
        """
        operations: dict[str, Callable[..., dict[str, Any]]] = {
            "load": self._load,
            "ping": dict,
            "tokens": self._tokens,
            "certificates": self._certificates,
            "sign": self._sign,
            "close": self._close,
        }
        operation = message.pop("op", None)
        if operation == "open":
            return self._open(secret, **message)
        return operations[str(operation)](**message)

    def _load(self, path: str, reserved: str) -> dict[str, Any]:
        # A name without a folder is looked for by the system's loader; a FIFO would be waited for.
        if os.path.exists(path) and not os.path.isfile(path):
            raise WorkerError("load", "not_a_file")
        try:
            library = Library(path, reserved.encode())
        except OSError as error:  # the loader's own words name what is missing, and nothing was handed over yet
            raise WorkerError("load", str(error)) from None
        self._library, self._loaded_at = library, time.monotonic()
        return {}

    @property
    def _loaded(self) -> Library:
        if self._library is None:
            raise WorkerError("driver_error", "not loaded")
        return self._library

    def _settling(self) -> Iterator[None]:
        """Once, and again and again in the first seconds after the library was loaded: some list tokens late."""
        while True:
            late = time.monotonic() - self._loaded_at > _SETTLE
            yield
            if late:
                return
            time.sleep(0.05)

    def _tokens(self, expected: int) -> dict[str, Any]:
        answer: dict[str, Any] = {}
        for _ in self._settling():
            answer = self._listed()
            if len(answer["tokens"]) >= expected:
                break
        return answer

    def _listed(self) -> dict[str, Any]:
        found, troubles = [], []
        for slot in self._loaded.slots():
            try:
                token = self._loaded.token(slot)
            except (CryptokiError, NonsenseError) as error:
                if not _is_gone(error):
                    troubles.append({"slot": slot, "label": "", "detail": str(error)})
                continue
            if not token.flags & cryptoki.TOKEN_INITIALIZED and not token.label:
                continue
            found.append(
                {
                    "slot": slot,
                    "label": token.label,
                    "serial": token.serial,
                    "model": token.model,
                    "manufacturer": token.manufacturer,
                    "flags": _pin_flags(token),
                }
            )
        return {"tokens": found, "troubles": troubles}

    def _token(self, slot: int, serial: str, label: str) -> TokenInfo:
        for _ in self._settling():
            if slot in self._loaded.slots():
                try:
                    token = self._loaded.token(slot)
                except CryptokiError as error:
                    if not _is_gone(error):
                        raise
                else:
                    if token.serial == serial and token.label == label:
                        return token
        raise WorkerError("token_removed", "another or no token in the slot")

    def _certificates(self, slot: int, serial: str, label: str) -> dict[str, Any]:
        token = self._token(slot, serial, label)
        troubles: list[str] = []
        hidden = False
        certificates: list[tuple[bytes, bytes]] = []
        keys: list[tuple[bytes, bytes]] = []
        try:
            with self._loaded.session(slot) as session:
                certificates = _certificate_objects(session, troubles)
                # Where the token shows keys without a login, they tell which of two tokens can sign.
                keys = _keys(session, cryptoki.PUBLIC_KEY) + _keys(session, cryptoki.PRIVATE_KEY)
        except (CryptokiError, NonsenseError) as error:
            if _is_gone(error):
                raise
            hidden = isinstance(error, CryptokiError) and error.name == "USER_NOT_LOGGED_IN"
            if not hidden:
                troubles.append(str(error))
        hidden = hidden or (not (certificates or troubles) and bool(token.flags & cryptoki.LOGIN_REQUIRED))
        return {
            "certificates": [base64.b64encode(der).decode() for der, _ in certificates],
            "ids": [identity.hex() for _, identity in certificates],
            "keys": [[identity.hex(), f"{int.from_bytes(modulus, 'big'):x}"] for identity, modulus in keys],
            "troubles": troubles,
            "hidden": hidden,
        }

    def _open(
        self, secret: Secret, slot: int, serial: str, label: str, fingerprint: str, modulus: str, warned: bool
    ) -> dict[str, Any]:
        token = self._token(slot, serial, label)
        with self._loaded.session(slot) as reading:
            found = _certificate_objects(reading, [])
        matches = [identity for der, identity in found if hashlib.sha256(der).hexdigest() == fingerprint]
        if not matches:
            raise WorkerError("certificate_missing")
        self._mechanisms = self._usable_mechanisms(slot)
        self._slot = slot
        self._session = self._loaded.session(slot)
        self._login(token, secret, warned)
        self._key = _private_key(self._session, matches[0], int(modulus, 16))
        if self._always_authenticate():
            if token.flags & cryptoki.PROTECTED_PATH:
                raise WorkerError("unsupported", "CKA_ALWAYS_AUTHENTICATE with a PIN pad")
            self._pin_per_signature = secret
        else:
            secret.wipe()
        return {"login_each": self._pin_per_signature is not None}

    def _usable_mechanisms(self, slot: int) -> list[int]:
        """Ours, the listed ones first: some tokens refuse what they list, so the other one is tried next.

        :raises WorkerError: the token lists mechanisms, and neither is among them
        """
        ours = [cryptoki.SHA256_RSA_PKCS, cryptoki.RSA_PKCS]
        listed = set(ours)
        with contextlib.suppress(CryptokiError, NonsenseError):
            listed = set(self._loaded.mechanisms(slot))
        if not listed & set(ours):
            raise WorkerError("unsupported", "no RSA PKCS#1 v1.5 mechanism")
        return sorted(ours, key=lambda one: one not in listed)

    def _login(self, token: TokenInfo, secret: Secret, warned: bool) -> None:
        """The only place that logs in; called once in the life of this process."""
        # Fresh flags: another program may have used up tries since the person was asked.
        flags = self._loaded.token(self._slot).flags
        if flags & cryptoki.PIN_LOCKED:
            raise WorkerError("pin_locked")
        if flags & cryptoki.PIN_FINAL_TRY and not warned:
            raise WorkerError("final_try")
        try:
            self._log_in(cryptoki.USER, None if flags & cryptoki.PROTECTED_PATH else secret)
        except Exception as error:  # whatever it is called, the token may have counted it
            secret.wipe()
            raise self._login_error(error) from None

    def _log_in(self, user: int, secret: Secret | None) -> None:
        if self._session is None:
            raise WorkerError("driver_error", "not open")
        self._session.login(user, secret.buffer() if secret is not None else None)

    def _login_error(self, error: Exception) -> WorkerError:
        name = error.name if isinstance(error, CryptokiError) else ""
        code = _LOGIN_CODES.get(name, "")
        if code == "pin_incorrect":
            with contextlib.suppress(Exception):
                if self._loaded.token(self._slot).flags & cryptoki.PIN_LOCKED:
                    code = "pin_locked"
        if not code:
            code = "token_removed" if self._was_pulled(error) else "driver_error"
        return WorkerError(code, _PIN_STATES.get(name) or _detail(error), login_used=True)

    def _was_pulled(self, error: Exception) -> bool:
        """The token is out, whatever the driver called that: OpenSC says CKR_GENERAL_ERROR."""
        if _is_gone(error):
            return True
        try:
            self._loaded.token(self._slot)
        except Exception as second:  # a stranger's library; the first error counts
            return _is_gone(second)
        return False

    def _always_authenticate(self) -> bool:
        if self._session is None or self._key is None:
            return False
        try:
            return any(self._session.attribute(self._key, cryptoki.ALWAYS_AUTHENTICATE))
        except (CryptokiError, NonsenseError):
            return False

    def _sign(self, data: str) -> dict[str, Any]:
        message = base64.b64decode(data)
        if self._key is None:
            raise WorkerError("driver_error", "not open")
        try:
            signature = self._signature(message)
        except Exception as error:
            if self._pin_per_signature is not None and not isinstance(error, _BeforeLogin):
                # Its own login is a part of each signature, and cannot be told from it: one try, whatever failed.
                self._pin_per_signature.wipe()
                self._key = None
                raise self._login_error(error) from None
            if isinstance(error, _BeforeLogin):
                error = error.error
            if isinstance(error, CryptokiError) and error.name in _NOT_SO | {"KEY_FUNCTION_NOT_PERMITTED"}:
                raise WorkerError("unsupported", _detail(error)) from None
            if self._was_pulled(error):
                raise WorkerError("token_removed", _detail(error)) from None
            raise error from None
        return {"signature": base64.b64encode(signature).decode()}

    def _signature(self, message: bytes) -> bytes:
        """With the first mechanism that works.

        After a login of its own there is no second try: that would be a second login.
        """
        if self._session is None or self._key is None:
            raise WorkerError("driver_error", "not open")
        refused: CryptokiError | None = None
        for mechanism in list(self._mechanisms):
            try:
                self._session.sign_init(mechanism, self._key)
            except Exception as error:
                if isinstance(error, CryptokiError) and error.name in _NOT_SO:
                    refused = error
                    continue
                raise _BeforeLogin(error) from None
            self._mechanisms = [mechanism, *(one for one in self._mechanisms if one != mechanism)]
            data = message
            if mechanism == cryptoki.RSA_PKCS:
                data = SHA256_DIGEST_INFO + hashlib.sha256(message).digest()
            if self._pin_per_signature is not None:
                self._log_in(cryptoki.CONTEXT_SPECIFIC, self._pin_per_signature)
                return self._session.sign(data)
            try:
                return self._session.sign(data)
            except CryptokiError as error:
                if error.name not in _NOT_SO:
                    raise
                refused = error
                self._mechanisms = [*self._mechanisms[1:], mechanism]
        raise _BeforeLogin(refused or CryptokiError(0x70))

    def _close(self) -> dict[str, Any]:
        if self._pin_per_signature is not None:
            self._pin_per_signature.wipe()
        if self._session is not None:
            self._session.close()
        if self._library is not None:
            self._library.finalize()
        return {"closed": True}


class _BeforeLogin(Exception):
    """Failed where no login was tried."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _pin_flags(token: TokenInfo) -> list[str]:
    names = [name for flag, name in PIN_FLAGS.items() if token.flags & flag]
    return names if token.flags & cryptoki.PIN_INITIALIZED else [*names, "not_initialized"]


def _certificate_objects(session: Session, troubles: list[str]) -> list[tuple[bytes, bytes]]:
    """DER and CKA_ID (empty where there is none) of every certificate that can be read without a login."""
    found = []
    for handle in session.objects(cryptoki.CERTIFICATE):
        try:
            der = _der(session.attribute(handle, cryptoki.VALUE))
        except (CryptokiError, NonsenseError) as error:
            if _is_gone(error):
                raise
            troubles.append(str(error))
            continue
        found.append((der, _optional(session, handle, cryptoki.ID)))
    return found


def _der(value: bytes) -> bytes:
    """Without the zero bytes that some tokens fill up their file with."""
    if len(value) < 4 or value[0] != 0x30 or value[1] & 0x80 == 0:
        return value
    size = value[1] & 0x7F
    length = 2 + size + int.from_bytes(value[2 : 2 + size], "big")
    return value[:length] if not any(value[length:]) else value


def _optional(session: Session, handle: int, kind: int) -> bytes:
    try:
        return session.attribute(handle, kind)
    except (CryptokiError, NonsenseError):
        return b""


def _keys(session: Session, kind: int) -> list[tuple[bytes, bytes]]:
    """CKA_ID and modulus of the keys of a class, as far as they are shown."""
    try:
        handles = session.objects(kind)
    except (CryptokiError, NonsenseError):
        return []
    return [(_optional(session, one, cryptoki.ID), _optional(session, one, cryptoki.MODULUS)) for one in handles]


def _private_key(session: Session, certificate_id: bytes, modulus: int) -> int:
    """The private key of the certificate: by its modulus, by CKA_ID, by the public key's CKA_ID, or the only one left.

    Each signature is checked with the certificate, so that a wrong guess signs nothing.
    """
    keys = session.objects(cryptoki.PRIVATE_KEY)
    numbers = {key: _optional(session, key, cryptoki.MODULUS) for key in keys}
    for key in keys:
        if numbers[key] and int.from_bytes(numbers[key], "big") == modulus:
            return key
    keys = [key for key in keys if not numbers[key]]  # the others are of other certificates
    public = [one for one, number in _keys(session, cryptoki.PUBLIC_KEY) if int.from_bytes(number, "big") == modulus]
    for identity in filter(None, (*public, certificate_id)):
        for key in keys:
            if _optional(session, key, cryptoki.ID) == identity:
                return key
    if len(keys) == 1:
        return keys[0]
    raise WorkerError("certificate_missing", NO_KEY)


def _is_gone(error: Exception) -> bool:
    return isinstance(error, CryptokiError) and error.name in _GONE


def _detail(error: Exception) -> str:
    """A stranger's message could quote what the library was given; the names of the standard cannot."""
    return str(error) if isinstance(error, CryptokiError | NonsenseError) else type(error).__name__


def main() -> None:
    """Serve the parent until it closes the pipe or asks to close."""
    forbid_memory_dumps()
    pipe = ParentPipe()
    worker = Worker()
    while True:
        message, secret = pipe.receive()
        closing = message.get("op") == "close"
        if message.get("op") == "load":
            # This process is up; what takes long from here on is the library.
            pipe.send({"ok": True, "loading": True})
        try:
            answer = {"ok": True, **worker.handle(message, secret)}
        except WorkerError as error:
            answer = {"ok": False, "code": error.code, "detail": error.detail, "login_used": error.login_used}
        except Exception as error:  # a stranger's library: whatever it does becomes an answer
            answer = {"ok": False, "code": "token_removed" if _is_gone(error) else "driver_error"}
            answer["detail"] = _detail(error)
        pipe.send(answer)
        if closing:
            return
