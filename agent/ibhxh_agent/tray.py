"""An icon beside the clock: the state in one colour and one line, a menu, and notifications that can be clicked.

Optional: without pystray or a tray the program works as well, by its windows alone.
"""

from __future__ import annotations

import importlib
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import Any

from ibhxh_agent.icon import Colour, picture
from ibhxh_agent.texts import text

log = logging.getLogger(__name__)

#: What the menu offers, in its order; the first is also what a click on the icon does.
ACTIONS = ("open", "check", "logs", "pair", "quit")
#: A tip of Windows holds 128 UTF-16 units with the final zero (NOTIFYICONDATAW.szTip), a notification's text 256.
_TIP, _NOTE = 127, 255
#: Seconds that the icon may take to go.
_ICON_SECONDS = 3.0
#: Seconds that Windows is kept waiting at the end of a session, while the agent delivers what it has signed.
_SESSION_SECONDS = 20.0
#: shellapi.h, winuser.h: a click on the notification, the end of the session, and "anybody" of
#: AllowSetForegroundWindow.
_NIN_BALLOONUSERCLICK, _WM_QUERYENDSESSION, _WM_ENDSESSION, _ASFW_ANY = 0x0405, 0x0011, 0x0016, -1


class Tray:
    """The icon.

    :param on_action: called in the icon's thread with one of :data:`ACTIONS`, ``update``, or ``toast`` for the
        notification
    :param pystray: the module, and :param image, draw: PIL's Image and ImageDraw; seams for tests
    """

    def __init__(self, on_action: Callable[[str], None], pystray: Any, image: Any, draw: Any) -> None:
        self._on_action = on_action
        self._pictures = {colour: picture(image, draw, colour) for colour in Colour}
        self._line = "…"
        self._update = ""
        items = [
            pystray.MenuItem(lambda _item: self._line, None, enabled=False),
            pystray.MenuItem(
                lambda _item: text("tray_update", version=self._update),
                self._chosen("update"),
                visible=lambda _item: bool(self._update),
            ),
        ]
        for number, action in enumerate(ACTIONS):
            items.append(pystray.MenuItem(self._label(action), self._chosen(action), default=number == 0))
        self._icon = pystray.Icon("ibhxh-agent", self._pictures[Colour.GREY], "ibhxh-agent", pystray.Menu(*items))
        # X11's window names, as pystray writes them, hold Latin-1 only.
        self._has_unicode = not pystray.Icon.__module__.endswith("._xorg")
        self._note: subprocess.Popen[str] | None = None
        self._work_ended = threading.Event()
        if sys.platform == "win32":
            self._hear_windows()

    @classmethod
    def create(cls, on_action: Callable[[str], None]) -> Tray | None:
        """A tray icon where the packages and the desktop allow one."""
        try:
            return cls(
                on_action,
                importlib.import_module("pystray"),
                importlib.import_module("PIL.Image"),
                importlib.import_module("PIL.ImageDraw"),
            )
        except Exception as error:  # no package, no display, no tray: each backend has errors of its own
            # Every Windows has a place for it: there its absence is a fault of this program.
            log.log(
                logging.ERROR if sys.platform == "win32" else logging.INFO, "no tray icon: %s", type(error).__name__
            )
            return None

    def show(self, colour: Colour, line: str) -> None:
        """Show a new state; from any thread."""
        self._line = line
        try:
            self._icon.icon = self._pictures[colour]
            self._icon.title = tip(line) if self._has_unicode else "ibhxh-agent"
            self._icon.update_menu()
        except Exception:  # whatever a desktop and pystray's code for it raise: the agent goes on
            log.exception("the icon was not changed")

    def offer(self, version: str) -> None:
        """Show in the menu that this version can be installed; empty = none."""
        if version != self._update:
            self._update = version
            try:
                self._icon.update_menu()
            except Exception:  # as above
                log.exception("the menu was not changed")

    def notify(self, message: str) -> bool:
        """Show a notification; ``False`` = nobody can click it."""
        message = shortened(message, _NOTE)
        if sys.platform.startswith("linux"):
            return self._notify_desktop(message)
        self._icon.notify(message, "ibhxh-agent")
        return sys.platform == "win32"

    def forget_notification(self) -> None:
        """What it said is over."""
        note, self._note = self._note, None
        if note is not None:
            note.terminate()
        elif sys.platform == "win32":
            self._icon.remove_notification()

    def run(self, beside: Callable[[], None]) -> None:
        """Show the icon until ``beside`` has ended."""
        if sys.platform == "darwin":  # there the icon needs the main thread
            self._run_in_main_thread(beside)
            return
        # Elsewhere the work has it: no trouble of a desktop with its icon can then keep the program from ending.
        icon = threading.Thread(target=self._run_icon, name="icon", daemon=True)
        icon.start()
        try:
            beside()
        finally:
            self._work_ended.set()
            self._stop_icon()
            icon.join(_ICON_SECONDS)

    def _run_in_main_thread(self, beside: Callable[[], None]) -> None:
        failures: list[BaseException] = []

        def set_up(icon: Any) -> None:
            icon.visible = True
            try:
                beside()
            except BaseException as error:  # raised again in the main thread
                failures.append(error)
            finally:
                icon.stop()

        self._icon.run(setup=set_up)
        if failures:
            raise failures[0]

    def _run_icon(self) -> None:
        try:
            self._icon.run()
        except Exception:  # as above
            log.exception("the icon ended")

    def _stop_icon(self) -> None:
        try:
            self._icon.stop()
        except Exception:  # as above
            log.exception("the icon was not removed")

    @staticmethod
    def _label(action: str) -> Callable[[object], str]:
        return lambda _item: text(f"tray_{action}")

    def _chosen(self, action: str) -> Callable[..., None]:
        def chosen(*_pystray: object) -> None:
            if sys.platform == "win32":
                self._pass_on_foreground()
            self._on_action(action)

        return chosen

    def _notify_desktop(self, message: str) -> bool:
        """By notify-send of libnotify 0.8, which waits and says what was clicked."""
        program = shutil.which("notify-send")
        if program is None:
            return False
        self.forget_notification()
        command = [program, "--app-name=ibhxh-agent", "--action=default=" + text("tray_open"), "ibhxh-agent", message]
        try:
            note = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        except OSError:
            return False
        self._note = note

        def wait() -> None:
            output, _ = note.communicate()
            if output.strip() == "default":
                self._on_action("toast")

        threading.Thread(target=wait, name="notification", daemon=True).start()
        return True

    def _hear_windows(self) -> None:
        """What pystray does not know of Windows: the notification's click, the end of the session."""
        handlers = self._icon._message_handlers
        notified = self._icon._on_notify
        code = next(code for code, handler in handlers.items() if handler == notified)

        def on_notify(wparam: int, lparam: int) -> Any:
            if lparam == _NIN_BALLOONUSERCLICK:
                self._chosen("toast")()
                return 0
            return notified(wparam, lparam)

        handlers[code] = on_notify
        # pystray's window answers 0 to what it does not know: nobody could shut the computer down.
        handlers[_WM_QUERYENDSESSION] = lambda _nothing, _why: 1
        handlers[_WM_ENDSESSION] = self._on_session_end

    def _on_session_end(self, ending: int, _why: int) -> int:
        """Once this is answered, Windows may take the process away: the agent has to have ended."""
        if ending:
            self._on_action("quit")
            self._work_ended.wait(_SESSION_SECONDS)
        return 0

    @staticmethod
    def _pass_on_foreground() -> None:
        """The person has just clicked here; the window that this opens, of another process, may come to the front."""
        import ctypes

        ctypes.windll.user32.AllowSetForegroundWindow(_ASFW_ANY)  # type: ignore[attr-defined,unused-ignore]


def tip(line: str) -> str:
    """What Windows shows when the mouse rests on the icon."""
    return shortened(f"ibhxh-agent: {line}", _TIP)


def shortened(line: str, units: int) -> str:
    """At most so many UTF-16 units; what is longer ends in "…"."""
    if len(line.encode("utf-16-le")) // 2 <= units:
        return line
    while len(line.encode("utf-16-le")) // 2 > units - 1:
        line = line[:-1]
    return f"{line}…"
