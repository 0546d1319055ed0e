"""Says where windows are: runs on Windows, and answers each line of its input with one of its output.

A question is JSON, `{"title": …}` or `{"class": …}`; the answer is left, top, right and bottom in pixels of the first
visible window whose title has that in it, or whose class is that, or null.
"""

from __future__ import annotations

import ctypes
import json
import sys
from ctypes import wintypes

if sys.platform != "win32":
    raise SystemExit("This runs on Windows.")

user32 = ctypes.windll.user32
_Found = ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.HWND, wintypes.LPARAM)


def find(title: str, kind: str) -> tuple[int, int, int, int] | None:
    """Look through all windows, from the front to the back."""
    found: list[tuple[int, int, int, int]] = []
    words, rectangle = ctypes.create_unicode_buffer(512), wintypes.RECT()

    @_Found
    def look(window: int, _nothing: int) -> bool:
        if user32.IsWindowVisible(wintypes.HWND(window)):
            read = user32.GetClassNameW if kind else user32.GetWindowTextW
            read(wintypes.HWND(window), words, len(words))
            if words.value == kind if kind else title in words.value:
                user32.GetWindowRect(wintypes.HWND(window), ctypes.byref(rectangle))
                found.append((rectangle.left, rectangle.top, rectangle.right, rectangle.bottom))
        return not found

    user32.EnumWindows(look, 0)
    return found[0] if found else None


for line in sys.stdin:
    asked = json.loads(line)
    sys.stdout.write(json.dumps(find(asked.get("title", ""), asked.get("class", ""))) + "\n")
    sys.stdout.flush()
