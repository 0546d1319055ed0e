"""The few PKCS#11 functions that this program needs, called as the standard has them (PKCS#11 2.40; pkcs11.h).

python-pkcs11 initialises without arguments, asks each signature for its length first, reads ten attributes of every
object, and gives up the whole list for one slot that fails. Each of these ends it with some token that other programs
work with. This module needs nothing besides Python, so that a 32-bit child is small.

On Windows the structures are packed, and ``CK_ULONG`` has 32 bits there.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

_ULONG = ctypes.c_ulong
_POINTER = ctypes.c_void_p

#: Names of answers that are distinguished or shown to people (pkcs11t.h).
NAMES = {
    0x01: "CANCEL",
    0x02: "HOST_MEMORY",
    0x03: "SLOT_ID_INVALID",
    0x05: "GENERAL_ERROR",
    0x06: "FUNCTION_FAILED",
    0x07: "ARGUMENTS_BAD",
    0x08: "NO_EVENT",
    0x09: "NEED_TO_CREATE_THREADS",
    0x0A: "CANT_LOCK",
    0x11: "ATTRIBUTE_SENSITIVE",
    0x12: "ATTRIBUTE_TYPE_INVALID",
    0x20: "DATA_INVALID",
    0x21: "DATA_LEN_RANGE",
    0x30: "DEVICE_ERROR",
    0x31: "DEVICE_MEMORY",
    0x32: "DEVICE_REMOVED",
    0x50: "FUNCTION_CANCELED",
    0x54: "FUNCTION_NOT_SUPPORTED",
    0x60: "KEY_HANDLE_INVALID",
    0x62: "KEY_SIZE_RANGE",
    0x63: "KEY_TYPE_INCONSISTENT",
    0x68: "KEY_FUNCTION_NOT_PERMITTED",
    0x70: "MECHANISM_INVALID",
    0x71: "MECHANISM_PARAM_INVALID",
    0x82: "OBJECT_HANDLE_INVALID",
    0x90: "OPERATION_ACTIVE",
    0x91: "OPERATION_NOT_INITIALIZED",
    0xA0: "PIN_INCORRECT",
    0xA1: "PIN_INVALID",
    0xA2: "PIN_LEN_RANGE",
    0xA3: "PIN_EXPIRED",
    0xA4: "PIN_LOCKED",
    0xB0: "SESSION_CLOSED",
    0xB1: "SESSION_COUNT",
    0xB3: "SESSION_HANDLE_INVALID",
    0xE0: "TOKEN_NOT_PRESENT",
    0xE1: "TOKEN_NOT_RECOGNIZED",
    0x100: "USER_ALREADY_LOGGED_IN",
    0x101: "USER_NOT_LOGGED_IN",
    0x102: "USER_PIN_NOT_INITIALIZED",
    0x104: "USER_ANOTHER_ALREADY_LOGGED_IN",
    0x105: "USER_TOO_MANY_TYPES",
    0x150: "BUFFER_TOO_SMALL",
    0x190: "CRYPTOKI_NOT_INITIALIZED",
    0x191: "CRYPTOKI_ALREADY_INITIALIZED",
    0x1B0: "FUNCTION_REJECTED",
}

#: CKM_SHA256_RSA_PKCS and CKM_RSA_PKCS.
SHA256_RSA_PKCS, RSA_PKCS = 0x40, 0x1
#: CKU_USER and CKU_CONTEXT_SPECIFIC.
USER, CONTEXT_SPECIFIC = 1, 2
#: CKO_…
CERTIFICATE, PUBLIC_KEY, PRIVATE_KEY = 1, 2, 3
#: CKA_…
CLASS, VALUE, ID, MODULUS, ALWAYS_AUTHENTICATE = 0x0, 0x11, 0x102, 0x120, 0x202
#: CKF_… of CK_TOKEN_INFO.
LOGIN_REQUIRED, PIN_INITIALIZED, PROTECTED_PATH, TOKEN_INITIALIZED = 0x4, 0x8, 0x100, 0x400
PIN_COUNT_LOW, PIN_FINAL_TRY, PIN_LOCKED, PIN_TO_BE_CHANGED = 0x10000, 0x20000, 0x40000, 0x80000

#: LoadLibraryEx, libloaderapi.h: what the library needs is looked for beside it first.
_LOAD_WITH_ALTERED_SEARCH_PATH = 0x8
_OS_LOCKING_OK = 0x2
_SERIAL_SESSION = 0x4
_UNAVAILABLE = _ULONG(-1).value
#: More slots, mechanisms, objects or bytes of one value than any token has; a count beyond is nonsense.
_MOST_ENTRIES, _MOST_OBJECTS, _MOST_BYTES = 4096, 10_000, 2**20
#: Bytes of the longest signature: RSA with 16384 bits.
_MOST_SIGNATURE = 2048


class CryptokiError(Exception):
    """A function's answer; ``str()`` is its name in the standard.

    :param value: the CK_RV
    """

    def __init__(self, value: int) -> None:
        super().__init__(f"CKR_{NAMES.get(value, hex(value))}")
        self.value = value

    @property
    def name(self) -> str:
        """Without ``CKR_``; empty for one that this module does not know."""
        return NAMES.get(self.value, "")


class NonsenseError(Exception):
    """The library answered something that cannot be, e.g. a million tokens."""


class _Structure(ctypes.Structure):
    if sys.platform == "win32":
        _pack_ = 1
        _layout_ = "ms"


class _Version(_Structure):
    _fields_ = (("major", ctypes.c_ubyte), ("minor", ctypes.c_ubyte))


class _Arguments(_Structure):
    """CK_C_INITIALIZE_ARGS. NSS has one pointer more at its end, which a library that knows none does not read."""

    _fields_ = (
        ("functions", _POINTER * 4),
        ("flags", _ULONG),
        ("reserved", ctypes.c_char_p),
        ("of_nss", _POINTER),
    )


class TokenInfo(_Structure):
    """CK_TOKEN_INFO."""

    _fields_ = (
        ("label_", ctypes.c_ubyte * 32),
        ("manufacturer_", ctypes.c_ubyte * 32),
        ("model_", ctypes.c_ubyte * 16),
        ("serial_", ctypes.c_ubyte * 16),
        ("flags", _ULONG),
        ("numbers", _ULONG * 10),
        ("hardware", _Version),
        ("firmware", _Version),
        ("utc", ctypes.c_ubyte * 16),
    )
    flags: int

    @property
    def label(self) -> str:
        """For people."""
        return _text(self.label_)

    @property
    def manufacturer(self) -> str:
        """For people."""
        return _text(self.manufacturer_)

    @property
    def model(self) -> str:
        """For people."""
        return _text(self.model_)

    @property
    def serial(self) -> str:
        """As the token gives it, without the blanks at its end."""
        return bytes(self.serial_).decode("latin-1").strip()


class _Attribute(_Structure):
    _fields_ = (("type", _ULONG), ("value", _POINTER), ("length", _ULONG))


class _Mechanism(_Structure):
    _fields_ = (("mechanism", _ULONG), ("parameter", _POINTER), ("length", _ULONG))


#: Place in CK_FUNCTION_LIST (pkcs11f.h) and what the function takes; each answers a CK_RV.
_FUNCTIONS: dict[str, tuple[int, tuple[Any, ...]]] = {
    "C_Initialize": (0, (_POINTER,)),
    "C_Finalize": (1, (_POINTER,)),
    "C_GetSlotList": (4, (ctypes.c_ubyte, _POINTER, _POINTER)),
    "C_GetTokenInfo": (6, (_ULONG, _POINTER)),
    "C_GetMechanismList": (7, (_ULONG, _POINTER, _POINTER)),
    "C_OpenSession": (12, (_ULONG, _ULONG, _POINTER, _POINTER, _POINTER)),
    "C_CloseSession": (13, (_ULONG,)),
    "C_Login": (18, (_ULONG, _ULONG, _POINTER, _ULONG)),
    "C_GetAttributeValue": (24, (_ULONG, _ULONG, _POINTER, _ULONG)),
    "C_FindObjectsInit": (26, (_ULONG, _POINTER, _ULONG)),
    "C_FindObjects": (27, (_ULONG, _POINTER, _ULONG, _POINTER)),
    "C_FindObjectsFinal": (28, (_ULONG,)),
    "C_SignInit": (42, (_ULONG, _POINTER, _ULONG)),
    "C_Sign": (43, (_ULONG, _POINTER, _ULONG, _POINTER, _POINTER)),
}


class _FunctionList(_Structure):
    _fields_ = (("version", _Version), ("functions", _POINTER * 68))


class Library:
    """One loaded and initialised PKCS#11 library.

    :param path: of the file
    :param reserved: what is handed over where the library wants parameters (NSS alone does)
    :raises OSError: the system cannot load it
    :raises CryptokiError: it does not want to work
    """

    def __init__(self, path: str, reserved: bytes = b"") -> None:
        self._library = _loaded(path)
        functions = ctypes.POINTER(_FunctionList)()
        get_list = self._library.C_GetFunctionList
        get_list.argtypes, get_list.restype = [_POINTER], _ULONG
        _check(_ending(get_list)(ctypes.byref(functions)))
        if not functions:
            raise NonsenseError("no functions")
        table = functions.contents.functions
        self._functions = {
            name: _ending(ctypes.CFUNCTYPE(_ULONG, *types)(table[place])) for name, (place, types) in _FUNCTIONS.items()
        }
        self._initialize(reserved)

    def _initialize(self, reserved: bytes) -> None:
        """As browsers do it first; some old libraries want no arguments, and NSS wants parameters."""
        locking = _Arguments(flags=_OS_LOCKING_OK)
        ways = [ctypes.byref(locking), None]
        if reserved:
            ways.append(ctypes.byref(_Arguments(flags=_OS_LOCKING_OK, reserved=reserved)))
        for number, arguments in enumerate(ways, start=1):
            try:
                self._call("C_Initialize", arguments)
            except CryptokiError as error:
                if error.name == "CRYPTOKI_ALREADY_INITIALIZED":
                    return
                if number == len(ways):
                    raise
            else:
                return

    def _call(self, name: str, *arguments: Any) -> None:
        _check(self._functions[name](*arguments))

    def finalize(self) -> None:
        """Give back what the library holds."""
        self._call("C_Finalize", None)

    def slots(self) -> list[int]:
        """The slots with a token."""
        return self._list("C_GetSlotList", 1)

    def mechanisms(self, slot: int) -> list[int]:
        """What the token in the slot can do."""
        return self._list("C_GetMechanismList", slot)

    def _list(self, name: str, first: int) -> list[int]:
        size = 0
        while size <= _MOST_ENTRIES:
            count = _ULONG(size)
            entries = (_ULONG * size)() if size else None
            answer = self._functions[name](first, entries, ctypes.byref(count))
            if count.value > _MOST_ENTRIES:
                _check(answer)
                raise NonsenseError("too many entries")
            if answer == 0 and (entries is not None or not count.value):
                return list(entries[: count.value]) if entries is not None else []
            if answer and not (entries is not None and CryptokiError(answer).name == "BUFFER_TOO_SMALL"):
                raise CryptokiError(answer)
            # One more than it says: a token may be plugged in between the two questions.
            size = max(count.value + 1, 2 * size)
        raise NonsenseError("too many entries")

    def token(self, slot: int) -> TokenInfo:
        """What is in the slot."""
        info = TokenInfo()
        self._call("C_GetTokenInfo", slot, ctypes.byref(info))
        return info

    def session(self, slot: int) -> Session:
        """A read-only session."""
        handle = _ULONG()
        self._call("C_OpenSession", slot, _SERIAL_SESSION, None, None, ctypes.byref(handle))
        return Session(self, handle.value)


class Session:
    """A session with one token."""

    def __init__(self, library: Library, handle: int) -> None:
        self._call, self._functions = library._call, library._functions
        self._handle = handle

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End it; what the library says to that changes nothing."""
        with contextlib.suppress(CryptokiError):
            self._call("C_CloseSession", self._handle)

    def login(self, user: int, pin: bytearray | None) -> None:
        """One C_Login, with the PIN's own buffer; ``None`` = the reader asks for it.

        A login that another one made unnecessary is none that failed (CKR_USER_ALREADY_LOGGED_IN).
        """
        buffer = None if pin is None else (ctypes.c_char * len(pin)).from_buffer(pin)
        answer = self._functions["C_Login"](self._handle, user, buffer, 0 if pin is None else len(pin))
        # In no frame of a traceback: a buffer that is still lent out cannot be wiped.
        del buffer
        if answer and CryptokiError(answer).name != "USER_ALREADY_LOGGED_IN":
            raise CryptokiError(answer)

    def objects(self, kind: int) -> list[int]:
        """All objects of a class."""
        wanted = _ULONG(kind)
        template = _Attribute(CLASS, ctypes.cast(ctypes.byref(wanted), _POINTER), ctypes.sizeof(wanted))
        self._call("C_FindObjectsInit", self._handle, ctypes.byref(template), 1)
        try:
            return list(self._found())
        finally:
            with contextlib.suppress(CryptokiError):
                self._call("C_FindObjectsFinal", self._handle)

    def _found(self) -> Iterator[int]:
        handles = (_ULONG * 64)()
        for _ in range(_MOST_OBJECTS):
            count = _ULONG()
            self._call("C_FindObjects", self._handle, handles, len(handles), ctypes.byref(count))
            if not count.value:
                return
            if count.value > len(handles):
                raise NonsenseError("more objects than asked for")
            yield from handles[: count.value]
        raise NonsenseError("objects without end")

    def attribute(self, handle: int, kind: int) -> bytes:
        """One attribute; several at once fail together with some libraries."""
        wanted = _Attribute(kind, None, 0)
        self._call("C_GetAttributeValue", self._handle, handle, ctypes.byref(wanted), 1)
        length = wanted.length
        if length == _UNAVAILABLE:
            raise CryptokiError(0x12)
        if length > _MOST_BYTES:
            raise NonsenseError("an attribute too long")
        value = (ctypes.c_ubyte * length)()
        wanted.value = ctypes.cast(value, _POINTER)
        self._call("C_GetAttributeValue", self._handle, handle, ctypes.byref(wanted), 1)
        if wanted.length > length:
            raise NonsenseError("an attribute longer than it was")
        return bytes(value[: wanted.length])

    def sign_init(self, mechanism: int, key: int) -> None:
        """Begin a signature."""
        self._call("C_SignInit", self._handle, ctypes.byref(_Mechanism(mechanism, None, 0)), key)

    def sign(self, data: bytes) -> bytes:
        """Make it. The length is not asked for: for some libraries that is the end of the operation."""
        length = _ULONG(_MOST_SIGNATURE)
        signature = (ctypes.c_ubyte * _MOST_SIGNATURE)()
        self._call("C_Sign", self._handle, data, len(data), signature, ctypes.byref(length))
        if length.value > _MOST_SIGNATURE:
            raise NonsenseError("a signature too long")
        return bytes(signature[: length.value])


def _loaded(path: str) -> ctypes.CDLL:
    """The library, with those that it needs from its own folder first.

    Windows would look for them in this program's folders, and find none, or ours of the same name (libcrypto, zlib).
    """
    if sys.platform != "win32":
        return ctypes.CDLL(path)
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.SetDllDirectoryW.argtypes = [ctypes.c_wchar_p]
    kernel.SetDllDirectoryW(None)  # PyInstaller's bootloader sets it to the program's own folder
    return ctypes.CDLL(os.path.abspath(path), winmode=_LOAD_WITH_ALTERED_SEARCH_PATH)


def _ending(function: Callable[..., int]) -> Callable[..., int]:
    """A function of the library with whose crash this process ends, as it does elsewhere.

    Windows makes an exception of it, after which nothing in this process can be trusted.
    """

    def call(*arguments: Any) -> int:
        try:
            return function(*arguments)
        except OSError:
            os._exit(1)

    return call


def _check(answer: int) -> None:
    if answer:
        raise CryptokiError(answer)


def _text(value: Sequence[int]) -> str:
    return bytes(value).decode("utf-8", errors="replace").rstrip(" \0")
