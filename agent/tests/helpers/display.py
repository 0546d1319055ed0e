"""A screen that nobody sees (Xvfb), with a keyboard that tests press."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

if sys.platform != "win32":  # there, keys are pressed from outside (integration/tests/windows)
    from Xlib import XK, X
    from Xlib.display import Display
    from Xlib.ext import xtest
    from Xlib.protocol.event import ClientMessage


@contextmanager
def virtual_screen(size: str = "1100x1000x24") -> Iterator[str]:
    """Start Xvfb on a display number of its own choice; the value of DISPLAY."""
    program = shutil.which("Xvfb")
    assert program, "Xvfb is needed for the tests of the PIN window (Debian: xvfb)"
    reading, writing = os.pipe()
    command = [program, "-displayfd", str(writing), "-screen", "0", size, "-nolisten", "tcp"]
    process = subprocess.Popen(command, pass_fds=(writing,), stderr=subprocess.DEVNULL)
    os.close(writing)
    try:
        with os.fdopen(reading) as stream:
            yield f":{stream.readline().strip()}"
    finally:
        process.terminate()
        process.wait()


class Keyboard:
    """Presses keys in whatever window has the focus, as a person does."""

    def __init__(self, display: str) -> None:
        self._display = Display(display)

    def type(self, text: str) -> None:
        for letter in text:
            self.press(letter)

    def press(self, name: str, *modifiers: str) -> None:
        """A key by its X name, with modifiers held down."""
        codes = [self._code(modifier) for modifier in modifiers]
        symbol = XK.string_to_keysym({"-": "minus", " ": "space"}.get(name, name))
        ((code, index),) = list(self._display.keysym_to_keycodes(symbol))[:1]
        if index & 1:
            codes.append(self._code("Shift_L"))
        for held in codes:
            xtest.fake_input(self._display, X.KeyPress, held)
        xtest.fake_input(self._display, X.KeyPress, code)
        xtest.fake_input(self._display, X.KeyRelease, code)
        for held in reversed(codes):
            xtest.fake_input(self._display, X.KeyRelease, held)
        self._display.sync()

    def click(self, x: int, y: int) -> None:
        """The left button, at this place of the screen."""
        self.point(x, y)
        xtest.fake_input(self._display, X.ButtonPress, 1)
        xtest.fake_input(self._display, X.ButtonRelease, 1)
        self._display.sync()

    def point(self, x: int, y: int) -> None:
        """Move the mouse: where no window has the keyboard, keys go to the one below the mouse."""
        xtest.fake_input(self._display, X.MotionNotify, x=x, y=y)
        self._display.sync()

    def wait_for_window(self, polls: int = 1200) -> tuple[int, int, int, int]:
        """Until a program's window rests on the screen, and the mouse in it; left, top, width and height."""
        before = None
        for _ in range(polls):
            found = self.window()
            if found is not None and found == before:  # it comes up in a corner, and moves to the middle
                left, top, width, height = found
                self.point(left + width // 2, top + 8)
                return left, top, width, height
            before = found
            threading.Event().wait(0.1)
        raise AssertionError("no window came")

    def window(self) -> tuple[int, int, int, int] | None:
        """Left, top, width and height of a program's window, if one is on the screen now."""
        for _window, place in self._windows():
            return place.x, place.y, place.width, place.height
        return None

    def end_session(self) -> None:
        """Tell the program's windows that the session ends (ICCCM, WM_SAVE_YOURSELF), as Tk makes of Windows' message.

        :raises AssertionError: there is none
        """
        names = [self._display.intern_atom(name) for name in ("WM_PROTOCOLS", "WM_SAVE_YOURSELF")]
        windows = [window for window, _place in self._windows()]
        assert windows
        for window in windows:
            window.send_event(ClientMessage(window=window, client_type=names[0], data=(32, [names[1], 0, 0, 0, 0])))
        self._display.sync()

    def _windows(self) -> Iterator[tuple[Any, Any]]:
        """Each window of a program that is on the screen now, and where it is."""
        for window in self._display.screen().root.query_tree().children:
            place = window.get_geometry()
            if window.get_attributes().map_state == X.IsViewable and place.width > 100:
                yield window, place

    def _code(self, name: str) -> int:
        return self._display.keysym_to_keycode(XK.string_to_keysym(name))
