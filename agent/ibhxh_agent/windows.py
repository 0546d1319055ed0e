"""What Windows knows about this session and computer, for ``doctor``; nothing of it on other systems."""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

from ibhxh_agent.autostart import RUN_NAME, WindowsRunKey

_REMOTE_SESSION = 0x1000  # SM_REMOTESESSION, winuser.h
_INTERNET_SETTINGS = r"Software\Microsoft\Windows\CurrentVersion\Internet Settings"
APPROVED_KEY = r"Software\Microsoft\Windows\CurrentVersion\Explorer\StartupApproved\Run"


def troubles(platform: str = sys.platform) -> Iterator[str]:
    """Codes of what stands in the agent's way on this Windows: names of texts that begin with ``doctor_``."""
    if platform != "win32":
        return
    registry = importlib.import_module("winreg")
    if _in_remote_session():
        yield "remote_session"
    if _session() == 0:
        yield "session_zero"
    if _value(registry, _INTERNET_SETTINGS, "AutoConfigURL"):
        yield "automatic_proxy"
    if trouble := autostart_trouble(registry):
        yield trouble


def autostart_trouble(registry: Any) -> str:
    """``autostart_off`` (the person's switch in the task manager), ``autostart_missing``, or nothing."""
    program = WindowsRunKey(registry).program()
    if not program:
        return ""
    if not os.path.isfile(program):
        return "autostart_missing"
    approved = _value(registry, APPROVED_KEY, RUN_NAME)
    # The first byte is even when it may start (2, 6) and odd when it may not (3, 7).
    return "autostart_off" if isinstance(approved, bytes) and approved[:1] and approved[0] & 1 else ""


def _value(registry: Any, path: str, name: str) -> Any:
    try:
        with registry.OpenKey(registry.HKEY_CURRENT_USER, path) as key:
            return registry.QueryValueEx(key, name)[0]
    except OSError:
        return None


def _in_remote_session() -> bool:
    if sys.platform != "win32":
        return False
    return bool(ctypes.WinDLL("user32").GetSystemMetrics(_REMOTE_SESSION))


def _session() -> int:
    """The session's number; 0 is that of services, which no token and no person reaches."""
    if sys.platform != "win32":
        return -1
    number = ctypes.c_uint32()
    known = ctypes.WinDLL("kernel32").ProcessIdToSessionId(os.getpid(), ctypes.byref(number))
    return number.value if known else -1
