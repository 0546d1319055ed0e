"""Keeps the memory of this process (which may hold a PIN) from ending up in a file."""

from __future__ import annotations

import ctypes
import sys

#: prctl(2), linux/prctl.h
_PR_SET_DUMPABLE = 4
#: SetErrorMode, winbase.h: no crash dialog (it would hang the child), no fault report with a memory dump
_SEM_FAILCRITICALERRORS = 0x0001
_SEM_NOGPFAULTERRORBOX = 0x0002


def forbid_memory_dumps(platform: str = sys.platform) -> None:
    """Switch off core dumps for this process and its children; failing quietly where the system refuses.

    POSIX: ``RLIMIT_CORE`` 0 (soft and hard). Linux also ``PR_SET_DUMPABLE`` 0, which keeps out core handlers that are
    fed by a pipe and debuggers of the same user. Windows: no error-reporting dialog.
    """
    if platform == "win32":
        windll = getattr(ctypes, "windll", None)
        if windll is not None:
            windll.kernel32.SetErrorMode(_SEM_FAILCRITICALERRORS | _SEM_NOGPFAULTERRORBOX)
        return
    import resource

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if platform.startswith("linux"):
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
