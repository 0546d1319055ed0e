"""Whether a device was plugged in or pulled out, asked of Windows instead of every vendor's library.

PCs of accounting firms carry ten rebrands of the same library. Asked every two seconds each keeps a process and the
reader busy for ever.
"""

from __future__ import annotations

import ctypes
import hashlib
import sys

_PRESENT = 0x100  # CM_GETIDLIST_FILTER_PRESENT, cfgmgr32.h
_NO_READERS = 0x8010002E  # SCARD_E_NO_READERS_AVAILABLE, winerror.h
_UNAWARE = 0  # SCARD_STATE_UNAWARE, winscard.h
_CHANGED = 0x2  # SCARD_STATE_CHANGED


class _ReaderState(ctypes.Structure):
    _fields_ = (
        ("reader", ctypes.c_wchar_p),
        ("user", ctypes.c_void_p),
        ("current", ctypes.c_uint32),
        ("event", ctypes.c_uint32),
        ("length", ctypes.c_uint32),
        ("atr", ctypes.c_ubyte * 36),
    )


def seen() -> str | None:
    """Stands for the devices and cards that are there now; ``None`` where the system is not asked or does not tell."""
    if sys.platform != "win32":
        return None
    try:
        found = f"{_devices()}\n{_cards()}"
    except (OSError, AttributeError):
        return None
    return hashlib.sha256(found.encode(errors="replace")).hexdigest()


def _devices() -> str:
    """The ids of all devices that are present: USB tokens, whether or not they are smart card readers."""
    if sys.platform != "win32":
        raise OSError("not on this system")
    library = ctypes.WinDLL("cfgmgr32")
    length = ctypes.c_uint32()
    if library.CM_Get_Device_ID_List_SizeW(ctypes.byref(length), None, _PRESENT) or not length.value:
        raise OSError("no list of devices")
    buffer = ctypes.create_unicode_buffer(length.value)
    if library.CM_Get_Device_ID_ListW(None, buffer, length, _PRESENT):
        raise OSError("no list of devices")
    return ctypes.wstring_at(buffer, length.value)


def _cards() -> str:
    """Each reader with the state of its card, which counts how often one came or went."""
    if sys.platform != "win32":
        raise OSError("not on this system")
    library = ctypes.WinDLL("winscard")
    context = ctypes.c_void_p()
    if library.SCardEstablishContext(0, None, None, ctypes.byref(context)):
        return "no service"  # Windows starts it with the first reader, which is a device
    try:
        length = ctypes.c_uint32()
        result = library.SCardListReadersW(context, None, None, ctypes.byref(length))
        if result & 0xFFFFFFFF == _NO_READERS:
            return "no reader"
        if result:
            raise OSError("no list of readers")
        buffer = ctypes.create_unicode_buffer(length.value)
        if library.SCardListReadersW(context, None, buffer, ctypes.byref(length)):
            raise OSError("no list of readers")
        names = [name for name in ctypes.wstring_at(buffer, length.value).split("\0") if name]
        states = (_ReaderState * len(names))(*(_ReaderState(reader=name, current=_UNAWARE) for name in names))
        if library.SCardGetStatusChangeW(context, 0, states, len(names)):
            raise OSError("no state of readers")
        return "\n".join(f"{state.reader} {state.event & ~_CHANGED:x}" for state in states)
    finally:
        library.SCardReleaseContext(context)
