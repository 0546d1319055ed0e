"""Windows' own encryption for the signed-in person (DPAPI): a file's mode says nothing there about who may read it."""

from __future__ import annotations

import ctypes
import sys

_UI_FORBIDDEN = 0x1  # dpapi.h


class _Blob(ctypes.Structure):
    _fields_ = (("size", ctypes.c_uint32), ("data", ctypes.POINTER(ctypes.c_char)))


def available() -> bool:
    """This system has it."""
    return sys.platform == "win32"


def protect(data: bytes) -> bytes:
    """Encrypt so that only this person on this computer can decrypt.

    :raises OSError: Windows refused
    """
    return _call("CryptProtectData", data)


def unprotect(data: bytes) -> bytes:
    """The reverse of :func:`protect`.

    :raises OSError: another person's, another computer's, or damaged
    """
    return _call("CryptUnprotectData", data)


def _call(name: str, data: bytes) -> bytes:
    if sys.platform != "win32":
        raise OSError("not on this system")
    function = getattr(ctypes.WinDLL("crypt32", use_last_error=True), name)
    pointer = ctypes.POINTER(_Blob)
    function.argtypes = [pointer, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p]
    function.argtypes += [ctypes.c_uint32, pointer]
    buffer = ctypes.create_string_buffer(data, len(data))
    given, made = _Blob(len(data), ctypes.cast(buffer, ctypes.POINTER(ctypes.c_char))), _Blob()
    if not function(ctypes.byref(given), None, None, None, None, _UI_FORBIDDEN, ctypes.byref(made)):
        raise ctypes.WinError(ctypes.get_last_error())
    try:
        return ctypes.string_at(made.data, made.size)
    finally:
        free = ctypes.WinDLL("kernel32").LocalFree
        free.argtypes = [ctypes.c_void_p]
        free(made.data)
