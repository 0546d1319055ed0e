"""The program with icon and windows: what a double click, the start at login and Odoo's link start.

It keeps the agent going, which is a child process: a crash is shown, logged and followed by a new start. The window is
another child, there only while it is open. So this process stays small, loads no library of a token, talks to no
server, and has little that could crash. When it does, the agent, which sees its end, starts it again.
"""

from __future__ import annotations

import argparse
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ibhxh_agent import __version__, activation, upgrade
from ibhxh_agent.autostart import start_command
from ibhxh_agent.backoff import Backoff
from ibhxh_agent.children import Child, ChildError, start_alone
from ibhxh_agent.config import Folder
from ibhxh_agent.errors import AgentError
from ibhxh_agent.icon import Colour
from ibhxh_agent.logs import start_logging
from ibhxh_agent.texts import language, text, use_language
from ibhxh_agent.tray import Tray

log = logging.getLogger(__name__)

#: Seconds that the agent may take to end: its deliveries are waited for.
STOP_SECONDS = 15.0
#: Seconds without a crash after which the next one counts as the first again.
STEADY_SECONDS = 600.0
#: Seconds before a new start after a crash: at first, and at most.
_FIRST_WAIT, _LONGEST_WAIT = 2.0, 300.0
#: Seconds that a process which crashed may take until the system has taken all from it.
_LET_GO_SECONDS = 5.0
#: Crashes in a row after which a person is asked to look.
_MANY_CRASHES = 3
#: Seconds between two looks whether an agent in a terminal still has the settings.
_BUSY_SECONDS = 30.0
#: Ends of the agent that may pass: another program holds the file or vault that could not be read.
_MAY_PASS = ("bad_settings", "not_paired")
#: Seconds that a quiet child is waited for at once.
_QUIET_SECONDS = 3600.0


@dataclass(frozen=True)
class Status:
    """How the agent is.

    :param line: one sentence
    :param paired: false: the window asks for pairing
    :param update: the newer version that can be installed
    """

    colour: Colour
    line: str
    paired: bool = True
    update: str = ""

    def message(self) -> dict[str, Any]:
        """For the window's process."""
        return {**asdict(self), "colour": self.colour.name, "op": "status"}


def open_program(options: argparse.Namespace) -> int:
    """Show icon and window; a program that runs already shows its window instead."""
    return _main(Folder(options.config_dir), options.library, {"op": "open"})


def start(options: argparse.Namespace) -> int:
    """Show the icon only, as at login."""
    return _main(Folder(options.config_dir), options.library, {"op": "start"}, options.crashes)


def open_link(options: argparse.Namespace) -> int:
    """Ask the person what a web page's link asks for."""
    return _main(Folder(options.config_dir), options.library, {"op": "link", "link": options.link})


def stop(options: argparse.Namespace) -> int:
    """End the program that runs; 0 = none runs any more.

    :raises AgentError: ``still_running``
    """
    folder = Folder(options.config_dir)
    activation.send(folder, {"op": "stop"})
    if not activation.wait_ended(folder, STOP_SECONDS + 5):
        raise AgentError("still_running", text("still_running"))
    return 0


def start_again(folder: Folder, libraries: Sequence[str], crashes: int) -> None:
    """Start the program again, whose process is gone: after a while, or at once when a person asks for it.

    :param crashes: how often in a row it went without being asked to
    """
    orders: queue.Queue[dict[str, Any]] = queue.Queue()
    # False: a person was faster.
    if not activation.wait_ended(folder, _LET_GO_SECONDS):
        return
    with activation.only_one(folder, orders.put) as only:
        if not only:
            return
        try:
            order = orders.get(timeout=Backoff(_FIRST_WAIT, _LONGEST_WAIT, crashes - 1).next())
        except queue.Empty:
            order = {"op": "start"}
    operation = order.get("op")
    if operation == "stop":
        return
    arguments = ["--config-dir", str(folder.path.absolute())]
    for library in libraries:
        arguments += ["--library", library]
    if operation == "link":
        arguments += ["link", str(order.get("link", ""))]
    elif operation == "open":
        arguments.append("open")
    else:
        arguments += ["start", "--crashes", str(crashes)]
    nowhere = subprocess.DEVNULL
    start_alone(start_command(arguments), stdin=nowhere, stdout=nowhere, stderr=nowhere)


def _main(folder: Folder, libraries: Sequence[str], first: dict[str, Any], crashes: int = 0) -> int:
    events: queue.Queue[tuple[str, Any]] = queue.Queue()
    with activation.only_one(folder, lambda message: events.put(("message", message))) as only:
        if not only:
            if activation.send(folder, first):
                return 0
            raise AgentError("already_running", text("already_running"))
        start_logging(folder.program_log_file, terminal=False)
        events.put(("message", first))
        program = Program(folder, libraries, events, crashes)
        for number in (signal.SIGTERM, signal.SIGINT):
            # A signal may come while this queue's lock is held: only another thread may put something there.
            signal.signal(number, lambda _number, _frame: threading.Thread(target=program.quit).start())
        try:
            program.run()
        except Exception:  # it is in the log; a box about it would keep this process, and the agent from seeing its end
            return 1
    return 0


class Program:
    """Icon, window and agent.

    Everything that happens comes through one queue and is dealt with in one thread.

    :param events: ``message`` of another process, ``action`` of the icon, ``agent`` and ``panel`` with what their
        processes sent (``None`` = it ended)
    :param crashes: how often in a row this process was started again after a crash
    """

    def __init__(
        self, folder: Folder, libraries: Sequence[str], events: queue.Queue[tuple[str, Any]], crashes: int = 0
    ) -> None:
        self._folder = folder
        self._libraries = list(libraries)
        self._events = events
        self._tray: Tray | None = None
        self._agent: Child | None = None
        self._panel: Child | None = None
        self._panel_closed = False
        self._paused = False
        self._announced = ""
        self._backoff = Backoff(_FIRST_WAIT, _LONGEST_WAIT)
        self._crashes = 0
        self._own_crashes = crashes
        self._started = 0.0
        self._start_at: float | None = None
        self._notified = ""
        self._waiting = 0
        self._ending = False
        self._status = Status(Colour.GREY, text("program_starting"))

    def run(self) -> None:
        """Until somebody quits. Wants the main thread."""
        self._tray = Tray.create(lambda action: self._events.put(("action", action)))
        try:
            if self._tray is None:
                self._work()
            else:
                self._tray.run(self._work)
        except BaseException as error:
            log.exception("the program ended: %s", type(error).__name__)
            raise

    def quit(self) -> None:
        """End; from any thread."""
        self._events.put(("action", "quit"))

    def _work(self) -> None:
        self._start_agent()
        self._compare_versions()
        while not self._ending:
            kind, content = self._next_event()
            getattr(self, f"_on_{kind}")(content)
        # Not after an error: the agent then sees that this process is gone, and starts it again.
        self._close_panel()
        self._stop_agent()

    def _next_event(self) -> tuple[str, Any]:
        if self._start_at is None:
            return self._events.get()
        try:
            return self._events.get(timeout=max(0.0, self._start_at - time.monotonic()))
        except queue.Empty:
            return "due", None

    # -- what happens -------------------------------------------------------------------------------------------------

    def _on_due(self, _nothing: None) -> None:
        self._start_agent()

    def _on_message(self, message: dict[str, Any]) -> None:
        """Of a second process, which any program of this person can start: it may open windows, and end this one."""
        operation = message.get("op")
        if operation == "stop":
            self._ending = True
        elif operation == "link":
            self._show_panel("link", link=str(message.get("link", "")))
        elif operation == "open":
            self._open()
        elif operation == "start":  # of an installer that has failed
            self._compare_versions()

    def _on_action(self, action: str) -> None:
        if action == "quit":
            self._ending = True
        elif action in ("toast", "open") and self._waiting:
            self._show_question()
        elif action in ("toast", "open"):
            self._open()
        elif action == "logs":
            self._open_log()
        else:
            self._show_panel(action)

    def _on_agent(self, content: tuple[Child, dict[str, Any] | None]) -> None:
        child, message = content
        if child is not self._agent:
            return
        if message is None:
            self._crashed()
        elif message.get("op") == "state":
            self._show_state(message)
        elif message.get("op") == "waiting":
            self._announce(int(message.get("count", 0)))
        elif message.get("op") == "ended":
            self._ended(str(message.get("code", "")), str(message.get("message", "")))

    def _on_panel(self, content: tuple[Child, dict[str, Any] | None]) -> None:
        child, message = content
        if child is not self._panel:
            return
        if message is None:
            self._panel_gone()
        elif message.get("do") == "closed":
            self._panel_closed = True
        elif message.get("do") == "failed":
            for line in str(message.get("trace", "")).splitlines():
                log.error("the window: %s", line)
        elif message.get("do") == "pause":
            self._pause()
        elif message.get("do") == "resume":
            self._resume()
        elif message.get("do") == "installer":
            self._compare_versions()
        elif message.get("do") == "logs":
            self._open_log()
        elif message.get("do") == "language":
            self._use_kept_language()

    # -- the agent ----------------------------------------------------------------------------------------------------

    def _start_agent(self) -> None:
        self._start_at = None
        self._stop_agent()
        try:
            paired = self._folder.load().pairing is not None
        except AgentError as error:
            self._show(Status(Colour.RED, error.message, paired=False))
            self._start_at = time.monotonic() + _BUSY_SECONDS
            return
        if not paired:
            self._show(Status(Colour.GREY, text("program_unpaired"), paired=False))
            return
        self._show(Status(Colour.GREY, text("program_starting")))
        self._started = time.monotonic()
        start = {"folder": str(self._folder.path), "libraries": self._libraries, "crashes": self._own_crashes}
        self._agent = self._start_child("agent", start)
        if self._agent is None:
            self._crashed()

    def _stop_agent(self) -> None:
        child, self._agent = self._agent, None
        self._announce(0)
        if child is None:
            return
        until = time.monotonic() + STOP_SECONDS
        with suppress(ChildError):
            child.send({"op": "stop"})
        while child.alive and time.monotonic() < until:
            time.sleep(0.05)
        child.kill()

    def _pause(self) -> None:
        """Two processes must not write the pairing, and the old one must not be used while the new one is made."""
        self._paused, self._start_at = True, None
        self._stop_agent()
        self._show(Status(Colour.GREY, text("pair_working"), paired=self._status.paired))
        self._tell_panel({"op": "paused"})

    def _resume(self) -> None:
        if self._paused:
            self._paused = False
            self._start_agent()

    def _crashed(self) -> None:
        self._agent = None
        self._announce(0)
        if time.monotonic() - self._started > STEADY_SECONDS:
            self._backoff.reset()
            self._crashes = 0
        self._crashes += 1
        wait = self._backoff.next()
        log.error("the agent's process ended (%d in a row); again in %.0f s", self._crashes, wait)
        many = self._crashes >= _MANY_CRASHES
        self._show(
            Status(Colour.RED if many else Colour.GREY, text("program_many_crashes" if many else "program_crash"))
        )
        self._start_at = time.monotonic() + wait

    def _ended(self, code: str, message: str) -> None:
        """By itself, for a reason that it gives; mostly, starting it again would end the same way."""
        child, self._agent = self._agent, None
        self._announce(0)
        if child is not None:
            child.finish(2)
        log.warning("the agent ended: %s", code)
        if code == "already_running":
            self._show(Status(Colour.GREY, message))
            self._start_at = time.monotonic() + _BUSY_SECONDS
            return
        self._show(Status(Colour.RED, message, paired=code not in _MAY_PASS))
        if code in _MAY_PASS:
            self._start_at = time.monotonic() + self._backoff.next()
        if self._tray is not None and message != self._notified:
            self._tray.notify(message)
            self._notified = message

    def _show_state(self, state: dict[str, Any]) -> None:
        if state.get("outdated"):
            colour, line = Colour.RED, str(state["outdated"])
        elif not state.get("online"):
            colour, line = Colour.GREY, str(state.get("message") or text("program_starting"))
        elif state.get("clock_warning"):
            colour, line = Colour.RED, str(state["clock_warning"])
        else:
            self._notified = ""
            if state.get("ready"):
                colour, line = Colour.GREEN, text("tray_online", certificates=state["ready"])
            else:
                colour, line = Colour.YELLOW, text("tray_no_token")
        self._show(Status(colour, line, update=str(state.get("update", ""))))
        self._announce_update()

    def _announce(self, count: int) -> None:
        """So many documents wait for the person; where nobody can click a notification the question comes at once."""
        before, self._waiting = self._waiting, count
        if not count:
            if before and self._tray is not None:
                self._tray.forget_notification()
        elif self._tray is None or not self._tray.notify(text("toast", count=count)):
            self._tell_agent({"op": "open", "by_person": False})

    def _announce_update(self) -> None:
        """In the menu for as long as it is offered, and once by a notification, which a click leads to the window."""
        if self._tray is None:
            return
        version = self._status.update
        self._tray.offer(version)
        if version and version != self._announced and not self._waiting:
            self._announced = version
            note = upgrade.announced(self._folder)
            if note.read() != version:
                self._tray.notify(text("toast_update", version=version))
                with suppress(OSError):
                    note.write(version)

    def _compare_versions(self) -> None:
        """Say what became of an update that a person has started: the installer itself says nothing."""
        version = upgrade.begun(self._folder).take()
        if version:
            failed = upgrade.version_key(version) > upgrade.version_key(__version__)
            log.log(logging.ERROR if failed else logging.INFO, "version %s was to be installed", version)
            key = "update_failed" if failed else "update_done"
            self._show_panel("open", note=text(key, version=version, ours=__version__))

    def _show_question(self) -> None:
        self._tell_agent({"op": "open", "by_person": True})

    def _tell_agent(self, message: dict[str, Any]) -> None:
        if self._agent is not None:
            with suppress(ChildError):  # its end arrives as an event
                self._agent.send(message)

    # -- the window ---------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        self._show_panel("open" if self._status.paired else "pair")

    def _show_panel(self, page: str, link: str = "", note: str = "") -> None:
        request = {"page": page, "link": link, "note": note}
        if self._panel is not None and self._tell_panel({"op": "page", **request}):
            return
        start = {"folder": str(self._folder.path), "libraries": self._libraries, "status": self._status.message()}
        self._resume()  # the window before is dead
        self._panel_closed = False
        self._panel = self._start_child("panel", {**start, **request})

    def _panel_gone(self) -> None:
        self._panel = None
        self._resume()
        if not self._panel_closed:
            log.error("the window's process ended unexpectedly")
            if self._tray is not None:
                self._tray.notify(text("panel_ended", log=self._folder.program_log_file))

    def _tell_panel(self, message: dict[str, Any]) -> bool:
        if self._panel is None:
            return False
        try:
            self._panel.send(message)
        except ChildError:  # its end arrives as an event
            return False
        return True

    def _close_panel(self) -> None:
        if self._panel is not None:
            self._panel.finish(1)
            self._panel = None

    def _use_kept_language(self) -> None:
        with suppress(AgentError):
            use_language(self._folder.load().language)
        self._start_agent()

    # -- all of them --------------------------------------------------------------------------------------------------

    def _show(self, status: Status) -> None:
        if status == self._status:
            return
        self._status = status
        if self._tray is not None:
            self._tray.show(status.colour, status.line)
        self._tell_panel(status.message())

    def _start_child(self, kind: str, message: dict[str, Any]) -> Child | None:
        try:
            child = Child(kind)
            child.send({"op": "start", "language": language(), **message})
        except (OSError, ChildError):
            log.exception("%s cannot be started", kind)
            return None
        threading.Thread(target=self._listen, args=(kind, child), name=f"from-{kind}", daemon=True).start()
        return child

    def _listen(self, kind: str, child: Child) -> None:
        try:
            while True:
                received = child.poll(_QUIET_SECONDS)
                if received is not None:
                    self._events.put((kind, (child, received[0])))
        except ChildError:
            self._events.put((kind, (child, None)))

    def _open_log(self) -> None:
        path = self._folder.log_file
        open_file(path if path.exists() else self._folder.program_log_file)


def open_file(path: Path, platform: str = sys.platform) -> None:
    """Show a text file in the person's own program for it; where there is none, nothing happens."""
    with suppress(OSError):
        if platform == "win32":
            # .log may be tied to nothing; Notepad is there.
            notepad = Path(os.environ.get("SYSTEMROOT", r"C:\Windows")) / "notepad.exe"
            subprocess.Popen([str(notepad), str(path)])
        else:
            subprocess.Popen(["open" if platform == "darwin" else "xdg-open", str(path)])
