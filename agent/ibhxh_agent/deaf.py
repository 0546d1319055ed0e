"""A question that comes up while somebody types or clicks elsewhere must not take that for its answer."""

from __future__ import annotations

import math
import time
import tkinter as tk
from collections.abc import Callable

#: How long a question takes no key and no click at first, and how long the last one must be ago.
DEAF_MS = 1000


class Deaf:
    """Keeps keys and clicks from a window's widgets until it has been seen, and they have rested, for a second.

    :param window: the one that asks
    :param monotonic: seconds; a seam for tests
    """

    def __init__(self, window: tk.Tk, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._window = window
        self._monotonic = monotonic
        self._until = 0.0
        for event in ("<Key>", "<Button>", "<ButtonRelease>"):
            window.bind_class("Deaf", event, self._swallow)
        window.bind("<Map>", lambda _event: self._restart() if self.now else None, add=True)

    @property
    def now(self) -> bool:
        """What is pressed still belongs to what the person did before the question came."""
        return self._monotonic() < self._until

    def begin(self) -> None:
        """A question is asked from now on, by the widgets that are there now."""
        self._include(self._window)
        self._restart()

    def end(self) -> None:
        """No question any more."""
        self._until = 0.0

    def _restart(self) -> None:
        # Nobody can have seen what is not on the screen.
        seen = self._window.winfo_viewable()
        self._until = self._monotonic() + DEAF_MS / 1000 if seen else math.inf

    def _include(self, widget: tk.Misc) -> None:
        """The first of each widget's bindings swallows what comes too early, and starts the wait again."""
        if "Deaf" not in widget.bindtags():
            widget.bindtags(("Deaf", *widget.bindtags()))
        for child in widget.winfo_children():
            self._include(child)

    def _swallow(self, _event: object) -> str | None:
        if not self.now:
            return None
        self._restart()
        return "break"
