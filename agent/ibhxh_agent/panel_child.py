"""The process of the agent's own window: pairing, the state with the diagnosis, and the question that a link asks.

Frames from the parent: ``start``, ``page`` (show this page), ``status`` and ``paused`` (the agent has stopped). Frames
to it: ``pause``, ``resume``, ``logs``, ``language``, ``installer`` (it has ended), ``failed`` (an error, with its
traceback) and ``closed`` (the end, as the person wanted it). Pairing and diagnosis run here, each in a thread of its
own.
"""

from __future__ import annotations

import contextlib
import os
import queue
import threading
import time
import tkinter as tk
import traceback
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from tkinter import ttk
from typing import Any

from ibhxh_agent import __version__, commands, doctor, links, look, pairing, updates
from ibhxh_agent.children import ParentPipe
from ibhxh_agent.client import Client, Credentials, Server
from ibhxh_agent.config import Folder, Pairing
from ibhxh_agent.deaf import Deaf
from ibhxh_agent.errors import AgentError
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.icon import Colour
from ibhxh_agent.links import PairingLink
from ibhxh_agent.texts import language, text, use_language

_POLL_MS = 40
_WRAP = 560
#: Columns and lines of the diagnosis.
_COLUMNS, _LINES = 84, 14
#: Of a page, for what has just happened and for a newer version.
_NOTICE_ROW, _OFFER_ROW = 1, 2
_MARKS = {doctor.GOOD: "✔", doctor.WARNING: "!", doctor.BAD: "✘"}


class Panel:
    """The window; :attr:`root` is Tk's."""

    def __init__(
        self, pipe: ParentPipe, start: dict[str, Any], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pipe = pipe
        self._folder = Folder(Path(str(start["folder"])))
        self._libraries = [str(entry) for entry in start["libraries"]]
        self._status: dict[str, Any] = start["status"]
        self._from_threads: queue.Queue[Callable[[], None]] = queue.Queue()
        self._on_paused: Callable[[], None] | None = None
        self._busy = self._updating = False
        self._update_line = ""
        self._offered = "", False
        self._open_page: Callable[[], None] = self.show_state
        self._shows_state = False
        self.root = look.new_window(text("panel_title"))
        self.root.report_callback_exception = self._on_error
        self._bold, self._large = look.bold(self.root), look.bold(self.root, larger=3)
        self._frame = ttk.Frame(self.root)
        self._deaf = Deaf(self.root, monotonic)
        self.root.protocol("WM_DELETE_WINDOW", self._close)
        self.root.bind("<Escape>", lambda _event: self._close())
        self._show_page(start)
        look.centre(self.root)
        self._to_front()
        self.root.after(_POLL_MS, self._poll)

    @property
    def deaf(self) -> bool:
        """What is pressed still belongs to what the person did before the question came."""
        return self._deaf.now

    def _show_page(self, request: dict[str, Any]) -> None:
        self.show(str(request["page"]), str(request["link"]), str(request.get("note", "")))

    def show(self, page: str, link: str = "", note: str = "") -> None:
        """Show a page, but not while a pairing is under way.

        :param page: ``open``, ``update`` or ``check`` (the state), ``pair``, or ``link``
        :param note: what has just happened, for the state
        """
        if self._busy:
            self.root.bell()
        elif page == "link":
            self._show_link(link)
        elif page == "pair":
            self.show_pairing()
        else:
            self.show_state()
            if note:
                self._text_line(note, self._bold, row=_NOTICE_ROW)
            if page == "check":
                self._examine()

    # -- the state ----------------------------------------------------------------------------------------------------

    def show_state(self) -> None:
        """How the agent is, with whom it is paired, and the diagnosis on request."""
        self._clear(self.show_state)
        self._shows_state = True
        self._headline()
        paired = self._pairing()
        rows = [(text("panel_version"), __version__)]
        if paired is not None:
            rows = [
                (text("label_server"), paired.server),
                (text("panel_user"), paired.user),
                (text("panel_computer"), paired.name),
                (text("panel_key_until"), _day(paired.expires_at)),
                *rows,
            ]
        self._facts(rows)
        self._diagnosis = self._text(_LINES)
        self._diagnosis.grid_remove()
        bar = self._bar()
        self._check = look.button(bar, 0, text("panel_check"), self._examine)
        self._copy = look.button(bar, 1, text("panel_copy"), self._copy_diagnosis)
        look.button(bar, 2, text("panel_logs"), lambda: self._pipe.send({"do": "logs"}))
        look.button(bar, 3, text("panel_pair_again" if paired else "panel_pair"), self.show_pairing)
        look.button(bar, 4, text("panel_language"), self._change_language)
        look.button(bar, 5, text("window_close"), self._close).focus_set()
        self._copy.state(["disabled"])
        self._offer = ttk.Frame(self._frame)
        self._offer.grid(row=_OFFER_ROW, columnspan=2, sticky="w")
        self._offer_update()

    def _offer_update(self) -> None:
        """A newer version, which is fetched and installed when the person presses this and never before."""
        version = str(self._status.get("update") or "")
        line = self._update_line or (text("panel_update", version=version) if version else "")
        shown = line, bool(version) and not self._updating
        if shown == self._offered and self._offer.winfo_children():
            return
        self._offered = shown
        for child in self._offer.winfo_children():
            child.destroy()
        if line:
            label = ttk.Label(self._offer, text=line, wraplength=self._px(_WRAP - 120), justify="left")
            label.grid(row=0, column=0, padx=(0, self._px(8)), pady=(0, self._px(8)))
        if shown[1]:
            bar = ttk.Frame(self._offer)
            bar.grid(row=0, column=1)
            look.button(bar, 0, text("panel_update_do"), self._install_update)

    def _tell_of_update(self, line: str, updating: bool = True) -> None:
        self._update_line, self._updating = line, updating
        if self._shows_state:
            self._offer_update()

    def _install_update(self) -> None:
        self._tell_of_update(text("panel_update_fetching", percent=0))

        def tell(key: str, **values: object) -> None:
            self._from_threads.put(partial(self._tell_of_update, text(key, **values)))

        def work() -> Callable[[], None]:
            paired, _store, key = commands.paired_with_key(self._folder)
            client = Client(Server.parse(paired.server), paired.database, Credentials(key, paired.agent))
            installer = updates.Updates(self._folder, client).install(
                lambda here, whole: tell("panel_update_fetching", percent=100 * here // whole)
            )
            tell("panel_update_started")
            if installer is not None:
                installer.wait()  # where it succeeds, this process is gone by then
            return installer_ended

        def installer_ended() -> None:
            self._tell_of_update("", False)
            self._pipe.send({"do": "installer"})

        self._begin("update", work, lambda problem: self._tell_of_update(problem, False))

    def _headline(self) -> None:
        top = ttk.Frame(self._frame)
        top.grid(row=self._row(), columnspan=2, sticky="w", pady=(0, self._px(10)))
        size = self._px(14)
        self._light = tk.Canvas(top, width=size, height=size, highlightthickness=0, borderwidth=0)
        self._light.configure(background=ttk.Style(self.root).lookup("TFrame", "background"))
        self._light.grid(row=0, column=0, padx=(0, self._px(8)))
        self._line = ttk.Label(top, font=self._large, wraplength=self._px(_WRAP))
        self._line.grid(row=0, column=1)
        self._show_status()

    def _show_status(self) -> None:
        colour = "#{:02x}{:02x}{:02x}".format(*Colour[self._status["colour"]].value)
        size = self._px(14)
        self._light.delete("all")
        self._light.create_oval(1, 1, size - 1, size - 1, fill=colour, outline=colour)
        self._line.configure(text=self._status["line"])

    def _examine(self) -> None:
        """The diagnosis, line by line as it comes."""
        if self._check.instate(["disabled"]):
            return
        self._check.state(["disabled"])
        self._diagnosis.grid()
        self._write(self._diagnosis, "")
        shown, check, copy = self._diagnosis, self._check, self._copy

        def work() -> Callable[[], None]:
            for finding in doctor.examine(self._folder, self._libraries):
                line = f"{_MARKS[finding.mark]} {finding.message}\n"
                self._from_threads.put(partial(self._append, shown, line))
            return lambda: _end_of_diagnosis(check, copy)

        def failed(problem: str) -> None:
            self._append(shown, f"{_MARKS[doctor.BAD]} {problem}\n")
            _end_of_diagnosis(check, copy)

        self._begin("doctor", work, failed)

    def _copy_diagnosis(self) -> None:
        self.root.clipboard_clear()
        self.root.clipboard_append(self._diagnosis.get("1.0", "end").strip())

    def _change_language(self) -> None:
        other = "en" if language() == "vi" else "vi"
        with contextlib.suppress(AgentError, OSError):  # unreadable settings: for this window only
            self._folder.save(replace(self._folder.load(), language=other))
            self._pipe.send({"do": "language"})
        use_language(other)
        self.root.title(text("panel_title"))
        self._open_page()

    # -- pairing ------------------------------------------------------------------------------------------------------

    def show_pairing(self, problem: str = "", values: Sequence[str] = ("", "", "", "")) -> None:
        """Ask for address and code; what was typed stays when something is wrong with it."""
        self._clear(self.show_pairing)
        self._text_line(text("pair_title"), self._large)
        self._text_line(text("pair_how"))
        self._warn_of_replacement()
        self._problem(problem)
        values = values if any(values) else ("", "", "", pairing.computer_name())
        names = ("pair_server", "pair_code", "pair_database_name", "panel_computer_name")
        self._fields = [self._field(text(name), value) for name, value in zip(names, values, strict=True)]
        bar = self._bar()
        look.button(bar, 0, text("pair_do"), self._pair_typed)
        look.button(bar, 1, text("pair_cancel"), self._close)
        for field in self._fields:
            field.bind("<Return>", lambda _event: self._pair_typed())
        next((field for field in self._fields if not field.get()), self._fields[0]).focus_set()

    def _pair_typed(self) -> None:
        server, code, database, name = values = [field.get().strip() for field in self._fields]
        if not server or not code:
            self.show_pairing(text("pair_incomplete"), values)
            return
        self._pair(server, database, code, name, lambda problem: self.show_pairing(problem, values))

    def _show_link(self, link: str) -> None:
        try:
            asked = links.parse(link)
        except AgentError as error:
            self.show_state()
            self._problem(error.message)
            return
        self._ask_link(asked)

    def _ask_link(self, asked: PairingLink, problem: str = "") -> None:
        """The person decides: Return presses nothing here, nor do keys that were meant for another program."""
        self._clear(lambda: self._ask_link(asked, problem))
        question = "link_question_user" if asked.user else "link_question"
        self._text_line(text(question, server=asked.server, user=asked.user), self._large)
        rows = [(text("label_server"), asked.server)]
        if asked.database:
            rows.append((text("link_database"), asked.database))
        if asked.user:
            rows.append((text("link_user"), asked.user))
        self._facts([*rows, (text("panel_computer"), pairing.computer_name())])
        self._text_line(text("link_advice"))
        self._warn_of_replacement()
        self._problem(problem)
        bar = self._bar()
        look.button(bar, 0, text("pair_do"), lambda: self._agree(asked))
        look.button(bar, 1, text("link_no"), self._close)
        self._deaf.begin()

    def _agree(self, asked: PairingLink) -> None:
        name = pairing.computer_name()
        self._pair(asked.server, asked.database, asked.code, name, lambda problem: self._ask_link(asked, problem))

    def _pair(self, server: str, database: str, code: str, name: str, again: Callable[[str], None]) -> None:
        """Pair in a thread, while the agent rests.

        :param again: shows the page again, with what went wrong
        """
        self._clear(self._open_page)
        self._busy = True
        self._text_line(text("pair_working"), self._large)

        def work() -> Callable[[], None]:
            made = pairing.pair(self._folder, server, database, code, name or pairing.computer_name())
            return lambda: self._paired(lambda: self._show_success(made))

        def failed(problem: str) -> None:
            self._paired(lambda: again(problem))

        self._on_paused = lambda: self._begin("pair", work, failed)
        self._pipe.send({"do": "pause"})

    def _paired(self, show: Callable[[], None]) -> None:
        self._busy = False
        self._pipe.send({"do": "resume"})
        show()

    def _show_success(self, made: Pairing) -> None:
        self.show_state()
        self._text_line(text("pair_done", server=made.server, user=made.user), row=_NOTICE_ROW)

    def _warn_of_replacement(self) -> None:
        try:
            paired = self._folder.load().pairing
        except AgentError as error:
            self._text_line(error.message, self._bold, look.WARNING_COLOUR)
            return
        if paired is not None:
            self._text_line(
                text("pair_replaces", server=paired.server, user=paired.user), self._bold, look.WARNING_COLOUR
            )

    def _pairing(self) -> Pairing | None:
        try:
            return self._folder.load().pairing
        except AgentError:  # the state says so
            return None

    # -- parts of a page ----------------------------------------------------------------------------------------------

    def _clear(self, page: Callable[[], None]) -> None:
        """An empty page; the keys of the one before go with it.

        :param page: shows the page that comes, again
        """
        self._open_page = page
        self._shows_state = False
        self._deaf.end()
        for sequence in self.root.bind():
            if sequence.startswith("<Alt"):
                self.root.unbind(sequence)
        self._frame.destroy()
        self._frame = ttk.Frame(self.root, padding=self._px(16))
        self._frame.grid()
        self._frame.columnconfigure(1, weight=1)
        self._next_row = 0

    def _px(self, pixels: int) -> int:
        return look.scaled(self.root, pixels)

    def _row(self) -> int:
        """The next row of the page; those after the first are kept."""
        row, self._next_row = self._next_row, max(self._next_row + 1, _OFFER_ROW + 1)
        return row

    def _text_line(self, content: str, font: Any = None, colour: str = "", row: int | None = None) -> None:
        label = ttk.Label(self._frame, text=content, wraplength=self._px(_WRAP), justify="left")
        if font is not None:
            label.configure(font=font)
        if colour:
            label.configure(foreground=colour)
        label.grid(row=self._row() if row is None else row, columnspan=2, sticky="w", pady=(0, self._px(8)))

    def _problem(self, content: str) -> None:
        if content:
            self._text_line(f"⚠ {content}", self._bold, look.WARNING_COLOUR, _NOTICE_ROW)

    def _facts(self, rows: Sequence[tuple[str, str]]) -> None:
        for name, value in rows:
            row = self._row()
            ttk.Label(self._frame, text=f"{name}:").grid(row=row, column=0, sticky="nw", padx=(0, self._px(12)), pady=1)
            ttk.Label(self._frame, text=value, font=self._bold, wraplength=self._px(_WRAP - 140)).grid(
                row=row, column=1, sticky="w", pady=1
            )

    def _field(self, name: str, value: str) -> ttk.Entry:
        row = self._row()
        ttk.Label(self._frame, text=f"{name}:").grid(row=row, column=0, sticky="w", padx=(0, self._px(12)), pady=3)
        entry = ttk.Entry(self._frame, width=44)
        entry.insert(0, value)
        entry.grid(row=row, column=1, sticky="ew", pady=3)
        return entry

    def _text(self, lines: int) -> tk.Text:
        shown = tk.Text(
            self._frame, width=_COLUMNS, height=lines, wrap="word", font="TkDefaultFont", relief="flat",
            highlightthickness=1, state="disabled",
        )  # fmt: skip
        shown.grid(row=self._row(), columnspan=2, sticky="ew", pady=(self._px(10), 0))
        return shown

    def _write(self, shown: tk.Text, content: str) -> None:
        shown.configure(state="normal")
        shown.delete("1.0", "end")
        shown.insert("end", content)
        shown.configure(state="disabled")

    def _append(self, shown: tk.Text, line: str) -> None:
        if shown.winfo_exists():
            shown.configure(state="normal")
            shown.insert("end", line)
            shown.see("end")
            shown.configure(state="disabled")

    def _bar(self) -> ttk.Frame:
        bar = ttk.Frame(self._frame)
        bar.grid(row=self._row(), columnspan=2, sticky="e", pady=(self._px(16), 0))
        return bar

    # -- what happens -------------------------------------------------------------------------------------------------

    def _close(self) -> None:
        """Not while a pairing is under way: its result has to be kept."""
        if not self._busy:
            self.root.destroy()

    def _to_front(self) -> None:
        self.root.deiconify()
        self.root.attributes("-topmost", True)
        self.root.lift()
        self.root.after_idle(self.root.attributes, "-topmost", False)

    def _on_error(self, _kind: object, error: BaseException, _trace: object) -> None:
        """An error in what a key, a click or a message began: nobody reads the error output of this process."""
        self._pipe.send(_failure(error))
        with contextlib.suppress(tk.TclError):  # the window may be what is gone
            self._problem(text("panel_failed", log=self._folder.program_log_file))

    def _begin(self, name: str, work: Callable[[], Callable[[], None]], failed: Callable[[str], None]) -> None:
        """Do something that takes long in a thread of its own; one of the two is called at its end, in the window's.

        :param work: gives what to call when it went well
        :param failed: takes what went wrong, in words
        """

        def run() -> None:
            try:
                done = work()
            except Exception as error:  # logged and shown; a page must not wait for ever for what has ended
                self._from_threads.put(partial(self._failed, error, failed))
            else:
                self._from_threads.put(done)

        threading.Thread(target=run, name=name, daemon=True).start()

    def _failed(self, error: Exception, failed: Callable[[str], None]) -> None:
        if isinstance(error, AgentError):
            failed(error.message or error.code)
        elif isinstance(error, OSError):
            failed(text("panel_not_kept", detail=error.strerror or type(error).__name__))
        else:
            self._pipe.send(_failure(error))
            failed(text("panel_failed", log=self._folder.program_log_file))

    def _poll(self) -> None:
        self.root.after(_POLL_MS, self._poll)  # first: what comes now may fail
        while (received := self._pipe.poll()) is not None:
            self._hear(received[0])
        with contextlib.suppress(queue.Empty):
            while True:
                self._from_threads.get_nowait()()

    def _hear(self, message: dict[str, Any]) -> None:
        if message.get("op") == "page":
            self._show_page(message)
            self._to_front()
        elif message.get("op") == "status":
            self._status = message
            if self._shows_state:
                self._show_status()
                self._offer_update()
        elif message.get("op") == "paused" and self._on_paused is not None:
            go, self._on_paused = self._on_paused, None
            go()


def _failure(error: BaseException) -> dict[str, Any]:
    return {"do": "failed", "trace": "".join(traceback.format_exception(error))}


def _day(moment: str) -> str:
    """31/12/2027, as Vietnamese write it, from ISO 8601; what is none as it is."""
    with contextlib.suppress(ValueError):
        return datetime.fromisoformat(moment.replace("Z", "+00:00")).strftime("%d/%m/%Y")
    return moment


def _end_of_diagnosis(*buttons: ttk.Button) -> None:
    for button in buttons:
        if button.winfo_exists():
            button.state(["!disabled"])


def main() -> None:
    """Show the window until it is closed."""
    import truststore

    forbid_memory_dumps()
    truststore.inject_into_ssl()
    pipe = ParentPipe()
    start, _ = pipe.receive()
    use_language(str(start["language"]))
    status = 0
    try:
        Panel(pipe, start).root.mainloop()
        pipe.send({"do": "closed"})
    except Exception as error:  # the parent has a log, and may have an icon to show it
        pipe.send(_failure(error))
        status = 1
    # A diagnosis may still be under way in its thread, and Tk must not be taken down there.
    os._exit(status)
