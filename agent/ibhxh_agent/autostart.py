"""Starts the agent at login: an XDG autostart file, a LaunchAgent, or the Windows per-user Run key.

Per user, never a system service: a Windows service lives in session 0 and sees neither the token nor the person, and
the same program must be able to show a window everywhere.
"""

from __future__ import annotations

import os
import plistlib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from ibhxh_agent.errors import AgentError
from ibhxh_agent.texts import text

DESKTOP_FILE = "ibhxh-agent.desktop"
#: Of earlier versions of this program.
UNIT = "ibhxh-agent.service"
LABEL = "vn.ibhxh.agent"
RUN_KEY = r"Software\Microsoft\Windows\CurrentVersion\Run"
RUN_NAME = "ibhxh-agent"

Runner = Callable[[Sequence[str]], None]


class Autostart(Protocol):
    """One system's way."""

    def install(self, command: Sequence[str]) -> str:
        """Start ``command`` at each login from now on; where that was written down."""

    def uninstall(self) -> None:
        """No longer; no error when it was not installed."""


def _run(command: Sequence[str]) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=30)


class XdgAutostart:
    """Linux: ``~/.config/autostart`` (Desktop Application Autostart Specification), which every desktop reads.

    A systemd user unit would have to hang on ``graphical-session.target``, which many desktops never reach. One of an
    earlier version of this program is removed.
    """

    def __init__(self, folder: Path | None = None, run: Runner = _run) -> None:
        base = folder or Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
        self._file = base / "autostart" / DESKTOP_FILE
        self._unit = base / "systemd" / "user" / UNIT
        self._run = run

    def install(self, command: Sequence[str]) -> str:
        """Write the file; it takes effect at the next login."""
        self._remove_unit()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(
            "[Desktop Entry]\n"
            "Type=Application\n"
            "Name=ibhxh-agent\n"
            "Comment=Signs BHXH forms for Odoo with the USB token\n"
            f"Exec={' '.join(_desktop_quoted(part) for part in command)}\n"
            "Terminal=false\n"
            "NoDisplay=true\n",
            encoding="utf-8",
        )
        return str(self._file)

    def uninstall(self) -> None:
        """Remove the file."""
        self._remove_unit()
        self._file.unlink(missing_ok=True)

    def _remove_unit(self) -> None:
        if self._unit.exists():
            self._run(["systemctl", "--user", "disable", "--now", UNIT])
            self._unit.unlink()
            self._run(["systemctl", "--user", "daemon-reload"])


def _desktop_quoted(part: str) -> str:
    """A word of ``Exec``: quoted, then escaped as any string of a desktop file, and % doubled (Desktop Entry 1.5)."""
    quoted = "".join(f"\\{character}" if character in '"`$\\' else character for character in part)
    return f'"{quoted}"'.replace("\\", "\\\\").replace("%", "%%")


class LaunchAgent:
    """macOS: ``~/Library/LaunchAgents``."""

    def __init__(self, folder: Path | None = None, run: Runner = _run, user: int | None = None) -> None:
        self._file = (folder or Path.home() / "Library" / "LaunchAgents") / f"{LABEL}.plist"
        self._run = run
        self._domain = f"gui/{os.getuid() if user is None else user}"

    def install(self, command: Sequence[str]) -> str:
        """Write the property list and load it."""
        self.uninstall()
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_bytes(
            plistlib.dumps(
                {
                    "Label": LABEL,
                    "ProgramArguments": list(command),
                    "RunAtLoad": True,
                    "KeepAlive": {"Crashed": True},
                    "LimitLoadToSessionType": "Aqua",
                    "HardResourceLimits": {"Core": 0},
                }
            )
        )
        self._run(["launchctl", "bootstrap", self._domain, str(self._file)])
        return str(self._file)

    def uninstall(self) -> None:
        """Unload and remove."""
        if self._file.exists():
            self._run(["launchctl", "bootout", f"{self._domain}/{LABEL}"])
            self._file.unlink()


class WindowsRunKey:
    """Windows: ``HKEY_CURRENT_USER\\…\\Run``; needs no administrator.

    :param registry: the module ``winreg``; a seam for tests
    """

    def __init__(self, registry: Any) -> None:
        self._registry = registry

    def install(self, command: Sequence[str]) -> str:
        """Write the value; it takes effect at the next login."""
        with self._key() as key:
            line = subprocess.list2cmdline(command)
            self._registry.SetValueEx(key, RUN_NAME, 0, self._registry.REG_SZ, line)
        return f"HKCU\\{RUN_KEY}\\{RUN_NAME}"

    def uninstall(self) -> None:
        """Delete the value."""
        with self._key() as key:
            try:
                self._registry.DeleteValue(key, RUN_NAME)
            except FileNotFoundError:
                return

    def program(self) -> str:
        """The program that starts at login, empty when none does."""
        try:
            with self._registry.OpenKey(self._registry.HKEY_CURRENT_USER, RUN_KEY) as key:
                line = str(self._registry.QueryValueEx(key, RUN_NAME)[0])
        except OSError:
            return ""
        return line[1:].partition('"')[0] if line.startswith('"') else line.partition(" ")[0]

    def _key(self) -> Any:
        registry = self._registry
        return registry.CreateKeyEx(registry.HKEY_CURRENT_USER, RUN_KEY, 0, registry.KEY_SET_VALUE)


def autostart(platform: str = sys.platform) -> Autostart:
    """This system's way."""
    if platform == "win32":
        import importlib

        return WindowsRunKey(importlib.import_module("winreg"))
    if platform == "darwin":
        return LaunchAgent()
    return XdgAutostart()


def start_command(arguments: Sequence[str], platform: str = sys.platform) -> list[str]:
    """What the system shall start: this same program, without a console window on Windows."""
    if getattr(sys, "frozen", False):
        program = Path(sys.executable)
        # Whichever of the two programs of Windows this is: the one without a console.
        return [str(program.with_name("ibhxh-agent.exe") if platform == "win32" else program), *arguments]
    python = Path(sys.executable)
    if platform == "win32" and python.with_name("pythonw.exe").exists():
        python = python.with_name("pythonw.exe")
    return [str(python), "-m", "ibhxh_agent", *arguments]


def change(action: Callable[[], Any]) -> Any:
    """Run an ``install`` or ``uninstall``.

    :raises AgentError: ``install_failed``, in words
    """
    try:
        return action()
    except subprocess.CalledProcessError as error:
        detail = (error.stderr or b"").decode(errors="replace").strip() or str(error)
        raise AgentError("install_failed", text("install_failed", detail=detail)) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise AgentError("install_failed", text("install_failed", detail=error)) from error
