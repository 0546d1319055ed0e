"""An icon beside the clock: the state, and Quit. Optional: without pystray or a tray the agent runs as well."""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Callable
from typing import Any

from ibhxh_agent.runner import State
from ibhxh_agent.texts import text

log = logging.getLogger(__name__)

_GREEN, _GREY, _SIZE = "#2e7d32", "#9e9e9e", 64
_TIP_BYTES = 2 * 127


class Tray:
    """The icon; :meth:`run` wants the main thread (macOS insists).

    :param on_quit: the person chose Quit
    :param pystray: the module, and :param draw: PIL's Image and ImageDraw; seams for tests
    """

    def __init__(self, on_quit: Callable[[], None], pystray: Any, image: Any, draw: Any) -> None:
        self._image = image
        self._draw = draw
        self._state = State()
        menu = pystray.Menu(
            pystray.MenuItem(lambda _item: state_text(self._state), None, enabled=False),
            pystray.MenuItem(text("tray_quit"), lambda *_: on_quit()),
        )
        self._icon = pystray.Icon("ibhxh-agent", self._picture(False), "ibhxh-agent", menu)

    @classmethod
    def create(cls, on_quit: Callable[[], None]) -> Tray | None:
        """A tray icon where the packages and the desktop allow one."""
        try:
            return cls(
                on_quit,
                importlib.import_module("pystray"),
                importlib.import_module("PIL.Image"),
                importlib.import_module("PIL.ImageDraw"),
            )
        except Exception as error:  # no package, no display, no tray: each backend has errors of its own
            # On Windows every desktop has a place for it, and without it this program can be neither seen nor ended.
            level = logging.ERROR if sys.platform == "win32" else logging.INFO
            log.log(level, "no tray icon: %s", type(error).__name__)
            return None

    def show(self, state: State) -> None:
        """Show a new state; from any thread."""
        if state.online != self._state.online:
            self._icon.icon = self._picture(state.online)
        self._state = state
        self._icon.title = tip(state)
        self._icon.update_menu()

    def run(self, beside: Callable[[], None]) -> None:
        """Show the icon until :meth:`stop`; ``beside`` runs in another thread."""

        def set_up(icon: Any) -> None:
            icon.visible = True
            beside()

        self._icon.run(setup=set_up)

    def stop(self) -> None:
        """Take the icon away."""
        self._icon.stop()

    def _picture(self, online: bool) -> Any:
        picture = self._image.new("RGBA", (_SIZE, _SIZE), (0, 0, 0, 0))
        draw = self._draw.Draw(picture)
        colour = _GREEN if online else _GREY
        draw.rounded_rectangle((10, 22, 54, 60), 6, fill=colour)
        draw.rectangle((22, 4, 42, 22), outline=colour, width=5)
        return picture


def tip(state: State) -> str:
    """The state as the icon's tip; Windows gives it 128 UTF-16 units, a final zero included (NOTIFYICONDATA)."""
    title = f"ibhxh-agent: {state_text(state)}"
    if len(title.encode("utf-16-le")) <= _TIP_BYTES:
        return title
    return title.encode("utf-16-le")[: _TIP_BYTES - 2].decode("utf-16-le", errors="ignore") + "…"


def state_text(state: State) -> str:
    """The state as one short line."""
    if state.online:
        return text("tray_online", certificates=state.certificates)
    return state.message or "…"
