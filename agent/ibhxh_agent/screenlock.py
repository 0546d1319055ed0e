"""Asks the system whether the screen is locked, so that a remembered PIN is forgotten then.

Asked only while a PIN is remembered. "Don't know" counts as not locked: the minutes the person chose still apply.
"""

from __future__ import annotations

import ctypes
import os
import plistlib
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

Runner = Callable[[Sequence[str]], bytes]

#: OpenInputDesktop access right DESKTOP_SWITCHDESKTOP (winuser.h): refused while the lock screen is the input desktop.
_DESKTOP_SWITCHDESKTOP = 0x0100


def _run(command: Sequence[str]) -> bytes:
    return subprocess.run(command, capture_output=True, timeout=5, check=True).stdout


def is_locked(
    platform: str = sys.platform,
    environment: Mapping[str, str] | None = None,
    run: Runner = _run,
    windll: Any = None,
) -> bool:
    """True when the session's screen is known to be locked.

    Linux: ``LockedHint`` of systemd-logind. macOS: ``CGSSessionScreenIsLocked`` of the I/O registry's console users.
    Windows: the input desktop cannot be opened.
    """
    environment = os.environ if environment is None else environment
    try:
        if platform == "win32":
            return _windows(windll or getattr(ctypes, "windll", None))
        if platform == "darwin":
            return _macos(run)
        return _linux(environment, run)
    except (OSError, ValueError, subprocess.SubprocessError):
        return False


def _linux(environment: Mapping[str, str], run: Runner) -> bool:
    session = environment.get("XDG_SESSION_ID")
    if not session:
        return False
    return run(["loginctl", "show-session", session, "--property=LockedHint", "--value"]).strip() == b"yes"


def _macos(run: Runner) -> bool:
    entries = plistlib.loads(run(["ioreg", "-n", "Root", "-d1", "-a"]))
    users = entries.get("IOConsoleUsers", []) if isinstance(entries, dict) else []
    return any(user.get("CGSSessionScreenIsLocked") for user in users)


def _windows(windll: Any) -> bool:
    if windll is None:
        return False
    desktop = windll.user32.OpenInputDesktop(0, False, _DESKTOP_SWITCHDESKTOP)
    if not desktop:
        return True
    windll.user32.CloseDesktop(desktop)
    return False
