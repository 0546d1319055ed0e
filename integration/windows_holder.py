"""Windows' Python: opens files and folders as virus scanners do, so that nobody may rename or delete them meanwhile.

Arguments: seconds, then paths. Says "ready", opens each path as soon as it is there, says "held", and lets go after the
seconds.
"""

import ctypes
import sys
import time
from ctypes import wintypes

_READ, _SHARED_BUT_NOT_FOR_DELETION, _EXISTING, _ALSO_FOLDERS = 0x80000000, 3, 3, 0x02000000
_NONE = wintypes.HANDLE(-1).value

CreateFile = ctypes.windll.kernel32.CreateFileW  # type: ignore[attr-defined,unused-ignore]
CreateFile.restype = wintypes.HANDLE
CreateFile.argtypes = [wintypes.LPCWSTR, *[wintypes.DWORD] * 2, ctypes.c_void_p, *[wintypes.DWORD] * 2, wintypes.HANDLE]


def _open(path: str) -> bool:
    opened = CreateFile(path, _READ, _SHARED_BUT_NOT_FOR_DELETION, None, _EXISTING, _ALSO_FOLDERS, None)
    return bool(opened != _NONE)


def _say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


_say("ready")
for path in sys.argv[2:]:
    while not _open(path):
        pass
_say("held")
time.sleep(float(sys.argv[1]))
