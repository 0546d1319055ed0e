"""The child process that loads one PKCS#11 library and works with it for the agent.

Nothing in here decides anything: it lists, opens exactly the token it is told to, signs, and answers. It never logs in
twice for one request, and it ends after a session with a login, so the library's copy of the PIN ends with it.

Requests (``op``): ``load {path}``, ``ping``, ``tokens``, ``certificates {slot, serial, label}``,
``open {slot, serial, label, fingerprint, warned}`` plus the PIN as the frame's secret, ``sign {data}``, ``close``.
Answers: ``{"ok": true, …}`` or ``{"ok": false, "code", "detail", "login_used"}``.
"""

from __future__ import annotations

import base64
import contextlib
import ctypes
import hashlib
import os
import sys
from collections.abc import Callable
from typing import Any

import pkcs11
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from pkcs11 import Attribute, KeyType, Mechanism, ObjectClass, TokenFlag

from ibhxh_agent.children import ParentPipe
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.secret import Secret

#: DER of DigestInfo{sha256, NULL, OCTET STRING(32)} without the digest itself (RFC 8017, 9.2, note 1).
SHA256_DIGEST_INFO = bytes.fromhex("3031300d060960864801650304020105000420")

#: Flags of a token that say something about its PIN, with the names that travel (protocol v1, ``pin_flags``).
PIN_FLAGS = {
    TokenFlag.USER_PIN_COUNT_LOW: "count_low",
    TokenFlag.USER_PIN_FINAL_TRY: "final_try",
    TokenFlag.USER_PIN_LOCKED: "locked",
    TokenFlag.PROTECTED_AUTHENTICATION_PATH: "pin_pad",
    TokenFlag.LOGIN_REQUIRED: "login_required",
}

_LOGIN_ERRORS: tuple[tuple[type[Exception], str], ...] = (
    (pkcs11.PinIncorrect, "pin_incorrect"),
    (pkcs11.PinInvalid, "pin_incorrect"),
    (pkcs11.PinLenRange, "pin_incorrect"),
    (pkcs11.PinLocked, "pin_locked"),
    (pkcs11.FunctionCancelled, "pin_cancelled"),
)
#: LoadLibraryEx, libloaderapi.h: what the library needs is looked for beside it first.
_LOAD_WITH_ALTERED_SEARCH_PATH = 0x00000008
_GONE = (pkcs11.DeviceRemoved, pkcs11.TokenNotPresent, pkcs11.TokenNotRecognised, pkcs11.SlotIDInvalid)


class WorkerError(Exception):
    """An answer that is not the one hoped for; goes to the parent as it is."""

    def __init__(self, code: str, detail: str = "", *, login_used: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail
        self.login_used = login_used


class _Pin:
    """Hands python-pkcs11 the PIN's own buffer where it expects text to encode, so that no copy is made."""

    def __init__(self, secret: Secret) -> None:
        self._secret = secret

    def encode(self, _encoding: str) -> bytearray:
        return self._secret.buffer()


class Worker:
    """State of the child: the loaded library and, between ``open`` and ``close``, one session on one token."""

    def __init__(self) -> None:
        self._lib: Any = None
        self._session: Any = None
        self._key: Any = None
        self._mechanism: Mechanism | None = None
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

    def _load(self, path: str) -> dict[str, Any]:
        self._preload(path)
        self._lib = pkcs11.lib(path)
        return {
            "description": self._lib.library_description,
            "manufacturer": self._lib.manufacturer_id,
            "version": list(self._lib.library_version),
        }

    def _preload(self, path: str) -> None:
        """Load it as its own folder's program would: python-pkcs11 then gets the same library.

        LoadLibrary alone looks for the libraries that it needs in this program's folders and not in the vendor's, so
        it finds none, or ours of the same name (libcrypto, zlib).
        """
        if sys.platform != "win32":
            return
        kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        kernel.SetDllDirectoryW.argtypes = [ctypes.c_wchar_p]
        kernel.SetDllDirectoryW(None)  # PyInstaller's bootloader sets it to the program's own folder
        self._preloaded = ctypes.WinDLL(os.path.abspath(path), winmode=_LOAD_WITH_ALTERED_SEARCH_PATH)

    def _tokens(self) -> dict[str, Any]:
        found = []
        for slot in self._lib.get_slots(token_present=True):
            with contextlib.suppress(*_GONE):
                token = slot.get_token()
                if TokenFlag.TOKEN_INITIALIZED not in token.flags and not token.label:
                    continue
                found.append(
                    {
                        "slot": slot.slot_id,
                        "label": token.label,
                        "serial": token.serial.decode("latin-1").strip(),
                        "model": token.model,
                        "manufacturer": token.manufacturer_id,
                        "flags": _pin_flags(token),
                    }
                )
        return {"tokens": found}

    def _token(self, slot: int, serial: str, label: str) -> Any:
        for candidate in self._lib.get_slots(token_present=True):
            if candidate.slot_id == slot:
                token = candidate.get_token()
                if token.serial.decode("latin-1").strip() == serial and token.label == label:
                    return token
        raise WorkerError("token_removed", "another or no token in the slot")

    def _certificates(self, slot: int, serial: str, label: str) -> dict[str, Any]:
        session = self._token(slot, serial, label).open()
        try:
            found = [base64.b64encode(der).decode() for der, _ in _certificate_objects(session)]
        finally:
            session.close()
        return {"certificates": found}

    def _open(
        self, secret: Secret, slot: int, serial: str, label: str, fingerprint: str, warned: bool
    ) -> dict[str, Any]:
        token = self._token(slot, serial, label)
        reading = token.open()
        try:
            matches = [(d, i) for d, i in _certificate_objects(reading) if hashlib.sha256(d).hexdigest() == fingerprint]
        finally:
            reading.close()
        if not matches:
            raise WorkerError("certificate_missing")
        der, key_id = matches[0]
        public = x509.load_der_x509_certificate(der).public_key()
        if not isinstance(public, rsa.RSAPublicKey):
            raise WorkerError("unsupported", type(public).__name__)
        mechanisms = set(token.slot.get_mechanisms())
        if Mechanism.SHA256_RSA_PKCS in mechanisms:
            self._mechanism = Mechanism.SHA256_RSA_PKCS
        elif Mechanism.RSA_PKCS in mechanisms:
            self._mechanism = Mechanism.RSA_PKCS
        else:
            raise WorkerError("unsupported", "no RSA PKCS#1 v1.5 mechanism")
        self._login(token, secret, warned)
        self._key = _private_key(self._session, key_id, public)
        if _always_authenticate(self._key):
            if TokenFlag.PROTECTED_AUTHENTICATION_PATH in token.flags:
                raise WorkerError("unsupported", "CKA_ALWAYS_AUTHENTICATE with a PIN pad")
            self._pin_per_signature = secret
        else:
            secret.wipe()
        login_each = self._pin_per_signature is not None
        return {"mechanism": self._mechanism.name, "key_bits": public.key_size, "login_each": login_each}

    def _login(self, token: Any, secret: Secret, warned: bool) -> None:
        """The only place that logs in; called once in the life of this process."""
        # Fresh flags: another program may have used up tries since the person was asked.
        flags = token.slot.get_token().flags
        if TokenFlag.USER_PIN_LOCKED in flags:
            raise WorkerError("pin_locked")
        if TokenFlag.USER_PIN_FINAL_TRY in flags and not warned:
            raise WorkerError("final_try")
        pad = TokenFlag.PROTECTED_AUTHENTICATION_PATH in flags
        try:
            self._session = token.open(user_pin=pkcs11.PROTECTED_AUTH if pad else _Pin(secret))
        except Exception as error:  # whatever it is called, the token may have counted it
            secret.wipe()
            raise WorkerError(_login_code(token, error), type(error).__name__, login_used=True) from None

    def _sign(self, data: str) -> dict[str, Any]:
        message = base64.b64decode(data)
        if self._key is None or self._mechanism is None:
            raise WorkerError("driver_error", "not open")
        if self._mechanism is Mechanism.RSA_PKCS:
            message = SHA256_DIGEST_INFO + hashlib.sha256(message).digest()
        pin = _Pin(self._pin_per_signature) if self._pin_per_signature is not None else None
        try:
            signature = self._key.sign(message, mechanism=self._mechanism, pin=pin)
        except Exception as error:
            if self._pin_per_signature is None:
                if _is_gone(self._session.token):
                    raise WorkerError("token_removed", type(error).__name__) from None
                raise
            # Its own login is a part of each signature, and cannot be told from it: one try, whatever failed.
            self._pin_per_signature.wipe()
            self._key = None
            raise WorkerError(_login_code(None, error), type(error).__name__, login_used=True) from None
        return {"signature": base64.b64encode(signature).decode()}

    def _close(self) -> dict[str, Any]:
        if self._pin_per_signature is not None:
            self._pin_per_signature.wipe()
        if self._session is not None:
            self._session.close()
        if self._lib is not None:
            self._lib.finalize()
        return {"closed": True}


def _pin_flags(token: Any) -> list[str]:
    return [name for flag, name in PIN_FLAGS.items() if flag in token.flags]


def _certificate_objects(session: Any) -> list[tuple[bytes, bytes]]:
    """DER and CKA_ID of every certificate that can be read without a login."""
    found = []
    for entry in session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}):
        with contextlib.suppress(pkcs11.AttributeTypeInvalid, pkcs11.AttributeSensitive):
            found.append((bytes(entry[Attribute.VALUE]), bytes(entry[Attribute.ID])))
    return found


def _private_key(session: Any, key_id: bytes, public: rsa.RSAPublicKey) -> Any:
    """The private key of the certificate: by CKA_ID, and where a vendor's ids do not match, by its modulus."""
    keys = list(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.KEY_TYPE: KeyType.RSA}))
    modulus = public.public_numbers().n
    for key in keys:
        with contextlib.suppress(pkcs11.PKCS11Error):
            if int.from_bytes(key[Attribute.MODULUS], "big") == modulus:
                return key
    for key in keys:
        with contextlib.suppress(pkcs11.PKCS11Error):
            if bytes(key[Attribute.ID]) == key_id:
                return key
    raise WorkerError("certificate_missing", "no private key for the certificate")


def _always_authenticate(key: Any) -> bool:
    try:
        return bool(key[Attribute.ALWAYS_AUTHENTICATE])
    except pkcs11.PKCS11Error:
        return False


def _login_code(token: Any, error: Exception) -> str:
    for kind, code in _LOGIN_ERRORS:
        if isinstance(error, kind):
            if code == "pin_incorrect" and token is not None:
                with contextlib.suppress(pkcs11.PKCS11Error):
                    if TokenFlag.USER_PIN_LOCKED in token.slot.get_token().flags:
                        return "pin_locked"
            return code
    return "token_removed" if isinstance(error, _GONE) or _is_gone(token) else "driver_error"


def _is_gone(token: Any) -> bool:
    """It was pulled out, whatever the driver called that: OpenSC says CKR_GENERAL_ERROR."""
    if token is None:
        return False
    try:
        token.slot.get_token()
    except _GONE:
        return True
    except Exception:  # a stranger's library; the first error counts
        return False
    return False


def main() -> None:
    """Serve the parent until it closes the pipe or asks to close."""
    forbid_memory_dumps()
    pipe = ParentPipe()
    worker = Worker()
    while True:
        message, secret = pipe.receive()
        closing = message.get("op") == "close"
        try:
            answer = {"ok": True, **worker.handle(message, secret)}
        except WorkerError as error:
            answer = {"ok": False, "code": error.code, "detail": error.detail, "login_used": error.login_used}
        except _GONE as error:
            answer = {"ok": False, "code": "token_removed", "detail": type(error).__name__}
        except Exception as error:  # a stranger's library: whatever it does becomes an answer
            # The type's name only: a message could quote what the library was given.
            answer = {"ok": False, "code": "driver_error", "detail": type(error).__name__}
        pipe.send(answer)
        if closing:
            return
