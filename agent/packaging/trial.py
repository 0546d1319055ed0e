"""Try an installer on Windows, or under Wine: ``python packaging/trial.py INSTALLER``, with Windows' Python.

Installs silently, opens a pairing link as a browser does, agrees with the keyboard, signs, lets the agent crash, then
the whole program, upgrades over the running one and removes all of it, and looks each time at what is there. It uses
the account's own settings folder and registry, so it refuses to start where the program is installed already. What was
measured is printed as JSON.
"""

from __future__ import annotations

import ctypes
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from ctypes import wintypes
from pathlib import Path
from typing import Any
from urllib.parse import quote

if sys.platform != "win32":
    raise SystemExit("This wants Windows' Python.")

import winreg

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent / "tests" / "helpers")]

from fake_odoo import FakeOdoo  # noqa: E402  # the line above is what finds it
from fakelib import FakeLibrary, compile_library  # noqa: E402
from forms import form  # noqa: E402

from ibhxh_agent import __version__, activation  # noqa: E402
from ibhxh_agent.config import Folder, Settings  # noqa: E402
from ibhxh_agent.secretstore import SecretStore  # noqa: E402
from ibhxh_agent.texts import text  # noqa: E402

PROGRAMS = Path(os.environ["LOCALAPPDATA"]) / "Programs"
HOME = PROGRAMS / "ibhxh-agent"
MENU = Path(os.environ["APPDATA"]) / "Microsoft" / "Windows" / "Start Menu" / "Programs" / "ibhxh-agent.lnk"
RUN = r"Software\Microsoft\Windows\CurrentVersion\Run"
LINKS = r"Software\Classes\ibhxh-agent"
APPS = r"Software\Microsoft\Windows\CurrentVersion\Uninstall\ibhxh-agent"

user32, kernel32, psapi = ctypes.windll.user32, ctypes.windll.kernel32, ctypes.windll.psapi
user32.FindWindowW.restype = wintypes.HWND
kernel32.CreateToolhelp32Snapshot.restype = kernel32.OpenProcess.restype = wintypes.HANDLE
for function in (kernel32.Process32FirstW, kernel32.Process32NextW):
    function.argtypes = [wintypes.HANDLE, ctypes.c_void_p]
for function in (kernel32.CloseHandle, kernel32.TerminateProcess):
    function.argtypes = [wintypes.HANDLE] + [wintypes.UINT] * (function is kernel32.TerminateProcess)
psapi.GetProcessMemoryInfo.argtypes = [wintypes.HANDLE, ctypes.c_void_p, wintypes.DWORD]
_MENU_KEY, _RETURN_KEY, _KEY_UP = 0x12, 0x0D, 0x2
PIN = "731944"
_TERMINATE, _QUERY = 0x0001, 0x0410


class _Entry(ctypes.Structure):
    _fields_ = (
        ("dwSize", wintypes.DWORD),
        ("cntUsage", wintypes.DWORD),
        ("th32ProcessID", wintypes.DWORD),
        ("th32DefaultHeapID", ctypes.c_size_t),
        ("th32ModuleID", wintypes.DWORD),
        ("cntThreads", wintypes.DWORD),
        ("th32ParentProcessID", wintypes.DWORD),
        ("pcPriClassBase", wintypes.LONG),
        ("dwFlags", wintypes.DWORD),
        ("szExeFile", wintypes.WCHAR * 260),
    )


class _Memory(ctypes.Structure):
    _fields_ = (
        ("cb", wintypes.DWORD),
        ("PageFaultCount", wintypes.DWORD),
        *((name, ctypes.c_size_t) for name in ("PeakWorkingSetSize", "WorkingSetSize", *"abcdef")),
    )


def processes() -> dict[int, int]:
    """Ids of the installed program's processes, each with its parent's."""
    snapshot = kernel32.CreateToolhelp32Snapshot(2, 0)
    entry = _Entry(dwSize=ctypes.sizeof(_Entry))
    found = {}
    more = kernel32.Process32FirstW(snapshot, ctypes.byref(entry))
    while more:
        if entry.szExeFile.lower() in ("ibhxh-agent.exe", "ibhxh-agent-cli.exe"):
            found[entry.th32ProcessID] = entry.th32ParentProcessID
        more = kernel32.Process32NextW(snapshot, ctypes.byref(entry))
    kernel32.CloseHandle(snapshot)
    return found


def first_process() -> int:
    """The one that started the others."""
    running = processes()
    (first,) = [one for one, parent in running.items() if parent not in running]
    return first


def memory(process: int) -> float:
    """Its working set, in MiB."""
    handle = kernel32.OpenProcess(_QUERY, False, process)
    counters = _Memory(cb=ctypes.sizeof(_Memory))
    psapi.GetProcessMemoryInfo(handle, ctypes.byref(counters), counters.cb)
    kernel32.CloseHandle(handle)
    return round(counters.WorkingSetSize / 2**20, 1)


def end(process: int) -> None:
    """End it as a crash does."""
    handle = kernel32.OpenProcess(_TERMINATE, False, process)
    assert kernel32.TerminateProcess(handle, 1)
    kernel32.CloseHandle(handle)


def value(key: str, name: str) -> Any:
    """A value of the account's registry; None when it is not there."""
    try:
        with winreg.OpenKey(winreg.HKEY_CURRENT_USER, key) as opened:
            return winreg.QueryValueEx(opened, name)[0]
    except FileNotFoundError:
        return None


def until(condition: Callable[[], Any], what: str, seconds: float = 300) -> Any:
    """Look again and again, as no other program tells that it is done."""
    limit = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < limit, what
        time.sleep(0.1)
    return found


def open_link(link: str) -> None:
    """As a browser does. Wine 8 finds no scheme of an account, so there its command is run as it is registered."""
    if hasattr(ctypes.windll.ntdll, "wine_get_version"):
        subprocess.Popen(value(rf"{LINKS}\shell\open\command", "").replace("%1", link))
    else:
        os.startfile(link)


def alt(letter: str) -> None:
    """Press Alt and a letter, in whatever window has the keyboard."""
    user32.keybd_event(_MENU_KEY, 0, 0, 0)
    press(ord(letter))
    user32.keybd_event(_MENU_KEY, 0, _KEY_UP, 0)


def press(key: int) -> None:
    """Press a virtual key."""
    user32.keybd_event(key, 0, 0, 0)
    user32.keybd_event(key, 0, _KEY_UP, 0)


def plug_in(folder: Folder) -> FakeLibrary:
    """A token whose library is the tests' own, compiled for Windows (IBHXH_TEST_LIBRARIES names its folder)."""
    # The tests' library opens its files by names in Windows' code page, which has no place for every account's.
    place = Path(tempfile.mkdtemp(dir=os.environ["PUBLIC"]))
    token = FakeLibrary.make(compile_library(place), place / "token")
    token.behave(pin=PIN)
    os.environ["FAKEP11"] = str(token.config)  # the installer, and what it starts, inherit it
    folder.save(Settings(libraries=[token.path]))
    return token


def sign(odoo: FakeOdoo, token: FakeLibrary) -> None:
    """A request comes; its window is answered by keyboard alone."""
    waiting = odoo.add(form(), hashlib.sha256(token.certificate).hexdigest())
    window = until(lambda: user32.FindWindowW(None, text("ask_title")), "the PIN window did not come")

    def answer() -> bool:
        user32.SetForegroundWindow(window)
        alt("M")
        for digit in PIN:
            press(ord(digit))
        press(_RETURN_KEY)
        time.sleep(2.5)  # deaf until the keys rest
        return waiting.state == "signed"

    until(answer, "the PIN window did nothing")
    assert len(token.logins) == 1, token.logins


def main(installer: Path) -> int:
    """Do all of it; 0, or what is wrong is raised."""
    assert not HOME.exists() and value(APPS, "DisplayName") is None, "the program is installed already"
    folder, odoo = Folder(), FakeOdoo(poll_after=1).start()
    token = plug_in(folder)
    measured: dict[str, Any] = {"installer": round(installer.stat().st_size / 2**20, 1)}
    started = time.monotonic()
    subprocess.run([installer, "/S"], check=True, timeout=600)
    measured["seconds to install"] = round(time.monotonic() - started, 1)
    assert value(RUN, "ibhxh-agent") == f'"{HOME}\\ibhxh-agent.exe" start'
    assert value(LINKS, "URL Protocol") == ""
    assert value(rf"{LINKS}\shell\open\command", "") == f'"{HOME}\\ibhxh-agent.exe" link "%1"'
    assert value(APPS, "DisplayVersion") == __version__ and MENU.exists()
    until(lambda: activation.is_running(folder), "the program was not started")
    print("installed, and running", flush=True)

    link = f"ibhxh-agent://pair?server={quote(odoo.url, safe='')}&database={odoo.database}&code={odoo.code}"
    open_link(link)
    window = until(lambda: user32.FindWindowW(None, text("panel_title")), "the link's question did not come")

    def agree() -> bool:
        user32.SetForegroundWindow(window)
        alt("G")
        time.sleep(1.5)  # deaf until the keys rest
        return "pair" in odoo.paths()

    until(agree, "the question's button did nothing")
    odoo.wait_for(lambda: "heartbeat" in odoo.paths(), 300)
    measured["seconds from double click to paired"] = round(time.monotonic() - started, 1)
    paired = folder.paired()
    assert paired.server == odoo.url and SecretStore(folder).get(paired.agent) == odoo.key
    assert not (folder.path / "secrets.json").exists()
    user32.PostMessageW(wintypes.HWND(window), 0x10, 0, 0)  # WM_CLOSE
    until(lambda: not user32.FindWindowW(None, text("panel_title")), "the window stays")
    print("paired by the link", flush=True)

    sign(odoo, token)
    print("signed with the PIN that was typed into the window", flush=True)

    time.sleep(5)
    running = processes()
    measured["MiB at rest"] = sorted((memory(one) for one in running), reverse=True)
    program = first_process()
    agent = next(one for one, parent in running.items() if parent == program)
    end(agent)
    until(lambda: agent not in processes() and len(processes()) >= 2, "the agent was not started again")
    beats = odoo.paths().count("heartbeat")
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") > beats, 300)
    assert program in processes()
    print("the agent: started again after a crash", flush=True)

    before = processes().keys()
    end(program)
    until(lambda: not before & processes().keys() and len(processes()) >= 2, "the program was not started again")
    beats = odoo.paths().count("heartbeat")
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") > beats, 300)
    program = first_process()
    print("the program with the icon: started again after a crash", flush=True)

    with winreg.OpenKey(winreg.HKEY_CURRENT_USER, RUN, 0, winreg.KEY_SET_VALUE) as key:
        winreg.DeleteValue(key, "ibhxh-agent")  # the person does not want it at login
    subprocess.run([installer, "/S"], check=True, timeout=600)
    assert program not in processes() and value(RUN, "ibhxh-agent") is None and folder.paired() == paired
    beats = odoo.paths().count("heartbeat")
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") > beats, 300)
    left = [path.name for path in PROGRAMS.iterdir()]
    assert left == ["ibhxh-agent"], left
    print("upgraded over the running program, still paired", flush=True)

    subprocess.run([HOME / "uninstall.exe", "/S"], check=True, timeout=600)
    # What goes on in a copy of the uninstaller ends with this one.
    until(lambda: value(APPS, "DisplayName") is None, "the entry in Apps stays")
    assert not PROGRAMS.exists() or not list(PROGRAMS.iterdir())
    until(lambda: not folder.path.exists() and not processes(), "settings or processes stay")
    keys = [(RUN, "ibhxh-agent"), (LINKS, ""), (rf"{LINKS}\shell\open\command", "")]
    assert [value(*key) for key in keys] == [None] * 3 and not MENU.exists()
    assert SecretStore(folder).get(paired.agent) is None
    print("removed, nothing is left", flush=True)
    odoo.stop()
    print(json.dumps(measured))
    return 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
