"""Windows' Python: the desktop of a person who is no administrator at the moment, which on Wine everybody else is.

Without arguments: be that desktop, say "ready", and stay. With a program and its arguments: run it as that person, and
end with its exit code.
"""

import ctypes
import subprocess
import sys
from ctypes import wintypes

advapi32, kernel32, user32 = (ctypes.windll[name] for name in ("advapi32", "kernel32", "user32"))  # type: ignore[attr-defined,unused-ignore]
kernel32.GetCurrentProcess.restype = kernel32.OpenProcess.restype = wintypes.HANDLE
kernel32.WaitForSingleObject.argtypes = [wintypes.HANDLE, wintypes.DWORD]
kernel32.GetExitCodeProcess.argtypes = [wintypes.HANDLE, ctypes.POINTER(wintypes.DWORD)]
advapi32.OpenProcessToken.argtypes = [wintypes.HANDLE, wintypes.DWORD, ctypes.POINTER(wintypes.HANDLE)]
advapi32.GetTokenInformation.argtypes = [
    wintypes.HANDLE,
    ctypes.c_int,
    ctypes.c_void_p,
    wintypes.DWORD,
    ctypes.POINTER(wintypes.DWORD),
]
user32.CreateWindowExW.restype = wintypes.HWND
user32.SetShellWindow.argtypes = [wintypes.HWND]
_ALL_ACCESS, _LINKED_TOKEN, _SYNCHRONIZE, _FOREVER = 0xF01FF, 19, 0x100000, 0xFFFFFFFF


class _StartUp(ctypes.Structure):
    _fields_ = (("cb", wintypes.DWORD), ("rest", ctypes.c_byte * 100))


class _Process(ctypes.Structure):
    _fields_ = (
        ("process", wintypes.HANDLE),
        ("thread", wintypes.HANDLE),
        ("processId", wintypes.DWORD),
        ("threadId", wintypes.DWORD),
    )


def run(command: list[str]) -> int:
    """Run it with the token that User Account Control gives to what is not started as administrator."""
    own, limited = wintypes.HANDLE(), wintypes.HANDLE()
    size, code = wintypes.DWORD(), wintypes.DWORD()
    assert advapi32.OpenProcessToken(kernel32.GetCurrentProcess(), _ALL_ACCESS, ctypes.byref(own))
    read = advapi32.GetTokenInformation(
        own, _LINKED_TOKEN, ctypes.byref(limited), ctypes.sizeof(limited), ctypes.byref(size)
    )
    assert read
    start, made = _StartUp(cb=ctypes.sizeof(_StartUp)), _Process()
    line = ctypes.create_unicode_buffer(subprocess.list2cmdline(command))
    empty = ctypes.c_void_p()
    assert advapi32.CreateProcessAsUserW(
        limited, empty, line, empty, empty, True, 0, empty, empty, ctypes.byref(start), ctypes.byref(made)
    )
    kernel32.WaitForSingleObject(made.process, _FOREVER)
    kernel32.GetExitCodeProcess(made.process, ctypes.byref(code))
    return code.value


def be_the_desktop(starter: int) -> int:
    """Until the process that started this one ends."""
    process = kernel32.OpenProcess(_SYNCHRONIZE, False, starter)
    nothing = wintypes.HWND()
    window = user32.CreateWindowExW(0, "Static", "desktop", 0, 0, 0, 1, 1, nothing, nothing, nothing, nothing)
    assert user32.SetShellWindow(window)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    return int(kernel32.WaitForSingleObject(process, _FOREVER))


if sys.argv[1:2] == ["--of"]:
    sys.exit(be_the_desktop(int(sys.argv[2])))
sys.exit(run(sys.argv[1:] or [sys.executable, __file__, "--of", str(kernel32.GetCurrentProcessId())]))
