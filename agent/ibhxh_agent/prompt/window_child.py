"""The process of the PIN window (tkinter).

It comes up while somebody may be typing or clicking in another program. So it is deaf at first, see
:mod:`ibhxh_agent.deaf`; it does not take the keyboard; the PIN is typed only where a person put the cursor, with a
click or Alt and the underlined letter (Tab does not lead there); and Return does something there only, once a PIN is
typed. Everything else than a deliberate Sign or Refuse is "later". Only where the person opened it, by a click on the
notification, the PIN's field has the keyboard from the start.

A Vietnamese input method rewrites what is typed ("aa1" becomes "â1"). A letter that is not ASCII, at any moment, tells
so: then nothing is sent, unless the person made the PIN visible and sees that it is right.

Tk 8.6 does not speak to screen readers; ``ibhxh-agent run --prompt terminal`` does, through the terminal.
"""

from __future__ import annotations

import math
import time
import tkinter as tk
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from tkinter import ttk
from typing import Any

from ibhxh_agent import look
from ibhxh_agent.children import ParentPipe
from ibhxh_agent.deaf import Deaf
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text, use_language

_POLL_MS = 40
_RESULT_MS = 4000
_WRAP = 640
#: Seconds after which a PIN's field that is empty was emptied by a person: an input method fills it again at once.
_EMPTIED = 1.0
#: Columns of the texts, and lines of one: what is longer is scrolled, and where it is signed it must have been.
_COLUMNS, _LEAST_LINES, _DETAIL_LINES = 92, 4, 4
#: Pixels that title bar and taskbar take.
_AROUND = 100
#: Columns of the list of a batch at most; what the selected document has of its own is shown whole below it.
_MOST_COLUMNS = 5
#: What the PIN's characters look like, and the modifier of a key that is pressed with Caps Lock on, in every
#: system's Tk.
_HIDDEN, _CAPS_LOCK = "•", 0x2
#: Shows where a value has a line break of its own; no field may hold this character.
_LINE_BREAK = "\u21b5"

_Rows = list[list[str]]


class PinWindow:
    """The window; talks to the agent through ``pipe``."""

    def __init__(
        self, pipe: ParentPipe, question: dict[str, Any], monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._pipe = pipe
        self._question = question
        self._monotonic = monotonic
        self._answered = False
        self._unseen: set[tk.Text] = set()
        self._entry: ttk.Entry | None = None
        self._foreign = self._caps = False
        self._emptied = math.inf
        self.root = look.new_window(text("ask_title"))
        self.root.report_callback_exception = lambda _kind, error, _trace: pipe.send(_failure(error))
        self._bold = look.bold(self.root)
        self._wrap = self._px(_WRAP)
        self._frame = ttk.Frame(self.root, padding=self._px(16))
        self._frame.grid()
        self._frame.columnconfigure(1, weight=1)
        self._build()
        self.root.protocol("WM_DELETE_WINDOW", self._leave)
        # Windows ends the session; it may take this process away at once.
        self.root.protocol("WM_SAVE_YOURSELF", lambda: pipe.send({"session_ends": True}))
        self._deaf = Deaf(self.root, monotonic)
        self._show_in_front()
        self._deaf.begin()
        self.root.after(_POLL_MS, self._poll)

    @property
    def deaf(self) -> bool:
        """Keys and clicks still belong to what the person did before the window came."""
        return self._deaf.now

    # -- what is shown ------------------------------------------------------------------------------------------------

    def _px(self, pixels: int) -> int:
        return look.scaled(self.root, pixels)

    def _build(self) -> None:
        question = self._question
        row = self._line(0, text("ask_headline"), font=self._bold)
        for warning in question["warnings"]:
            row = self._line(row, f"⚠ {warning}", font=self._bold, foreground=look.WARNING_COLOUR)
        for note in question["notes"]:
            row = self._line(row, note)
        row = self._facts(row, question["facts"])
        ttk.Separator(self._frame).grid(row=row, columnspan=2, sticky="ew", pady=8)
        row += 1
        batch = bool(question["own"])
        if batch:
            row = self._line(row, text("ask_same", count=question["count"]), font=self._bold)
        shared = self._rows(row, question["shared"])
        self._unseen.add(shared)
        row += 1
        if batch:
            row = self._list(row, question["own"])
        self._hint = ttk.Label(self._frame, foreground=look.WARNING_COLOUR, wraplength=self._wrap)
        self._hint.grid(row=row, columnspan=2, sticky="w")
        row = self._pin(row + 1)
        self._buttons(row)
        self._stretch(shared)

    def _stretch(self, shown: tk.Text) -> None:
        """As many lines as it has, or as the screen has left."""
        self.root.update_idletasks()
        _left, _top, _width, height = look.area(self.root)
        left = height - _AROUND - self.root.winfo_reqheight()
        most = max(_LEAST_LINES, 1 + left // self._bold.metrics("linespace"))
        shown.configure(height=min(_lines(shown), most))

    def _line(self, row: int, content: str, **options: Any) -> int:
        label = ttk.Label(self._frame, text=content, wraplength=self._wrap, **options)
        label.grid(row=row, columnspan=2, sticky="w", pady=(0, 6))
        return row + 1

    def _facts(self, row: int, facts: _Rows) -> int:
        for name, value, _note in facts:
            ttk.Label(self._frame, text=f"{name}:").grid(row=row, column=0, sticky="nw", padx=(0, 12), pady=1)
            ttk.Label(self._frame, text=value, wraplength=self._wrap - self._px(140), font=self._bold).grid(
                row=row, column=1, sticky="w", pady=1
            )
            row += 1
        return row

    def _rows(self, row: int, rows: _Rows) -> tk.Text:
        """Rows in a text of one line that nobody can change; a value's further lines are indented."""
        holder = ttk.Frame(self._frame)
        holder.grid(row=row, columnspan=2, sticky="ew", pady=(0, 6))
        shown = tk.Text(
            holder, width=_COLUMNS, height=1, wrap="word", font="TkDefaultFont", relief="flat", takefocus=True,
            background=ttk.Style(self.root).lookup("TFrame", "background"), cursor="arrow", highlightthickness=1,
        )  # fmt: skip
        bar = ttk.Scrollbar(holder, command=shown.yview)

        def scrolled(first: float, last: float) -> None:
            bar.set(first, last)
            if float(last) >= 1:
                self._unseen.discard(shown)

        shown.configure(yscrollcommand=scrolled)
        shown.grid(row=0, column=0)
        bar.grid(row=0, column=1, sticky="ns")
        self._fill(shown, rows)
        return shown

    def _fill(self, shown: tk.Text, rows: Iterable[list[str]]) -> None:
        shown.configure(state="normal")
        shown.delete("1.0", "end")
        margin = self._bold.measure("0" * 3)
        shown.tag_configure("name", lmargin2=margin)
        shown.tag_configure("value", font=self._bold, lmargin1=margin, lmargin2=margin)
        for number, (name, value, note) in enumerate(rows):
            shown.insert("end", f"{chr(10) if number else ''}{name}: ", "name")
            shown.insert("end", value.replace("\n", f" {_LINE_BREAK}\n"), "value")
            if note:
                shown.insert("end", f" [{note}]", "name")
        shown.configure(state="disabled")

    def _list(self, row: int, documents: list[_Rows]) -> int:
        row = self._line(row, text("window_select"))
        holder = ttk.Frame(self._frame)
        holder.grid(row=row, columnspan=2, sticky="ew")
        names = [name for name, _, _ in documents[0]][:_MOST_COLUMNS]
        table = ttk.Treeview(holder, columns=["#", *names], show="headings", height=min(5, len(documents)))
        table.configure(selectmode="browse", takefocus=True)
        for name, width in zip(
            ["#", *names], [self._px(50), *[self._px(max(120, 640 // max(len(names), 1)))] * len(names)], strict=True
        ):
            table.heading(name, text=name)
            table.column(name, width=width, anchor="w")
        for number, rows in enumerate(documents):
            values = [value.replace("\n", _LINE_BREAK) for _, value, _ in rows[:_MOST_COLUMNS]]
            table.insert("", "end", iid=str(number), values=[str(number + 1), *values])
        bar = ttk.Scrollbar(holder, command=table.yview)
        table.configure(yscrollcommand=bar.set)
        table.grid(row=0, column=0)
        bar.grid(row=0, column=1, sticky="ns")
        details = self._rows(row + 1, documents[0])
        details.configure(height=max(2, min(_DETAIL_LINES, len(documents[0]))))

        def show(_event: object) -> None:
            for selected in table.selection():
                self._fill(details, documents[int(selected)])

        table.bind("<<TreeviewSelect>>", show)
        return row + 2

    def _pin(self, row: int) -> int:
        if self._question["pin_pad"]:
            return self._line(row, text("window_pin_pad"))
        label = ttk.Label(self._frame, font=self._bold)
        look.mark(label, text("window_pin"), self._to_pin)
        label.grid(row=row, column=0, sticky="w", pady=(12, 4))
        field = ttk.Frame(self._frame)
        field.grid(row=row, column=1, sticky="w", pady=(12, 4))
        self._entry = ttk.Entry(field, show=_HIDDEN, width=28, takefocus=False)
        self._entry.configure(validate="key", validatecommand=(self.root.register(self._typed), "%d", "%S", "%P"))
        self._entry.grid(row=0, column=0)
        self._eye(field)
        # A click there, or the shortcut, is what a person does who looks at this window.
        self._entry.bind("<Button-1>", lambda _event: self._to_pin())
        self._entry.bind("<Return>", lambda _event: self._decide("sign"))
        self._entry.bind("<Key>", self._see_caps_lock)
        self._typing = ttk.Label(self._frame, foreground=look.WARNING_COLOUR, wraplength=self._wrap)
        self._typing.grid(row=row + 1, columnspan=2, sticky="w")
        return row + 2

    def _eye(self, field: ttk.Frame) -> None:
        self._visible = tk.BooleanVar(self.root, False)
        eye = ttk.Checkbutton(field, variable=self._visible, command=self._show_or_hide)
        look.mark(eye, text("window_show_pin"), eye.invoke)
        eye.grid(row=0, column=1, padx=(12, 0))

    def _show_or_hide(self) -> None:
        if self._entry is not None:
            self._entry.configure(show="" if self._visible.get() else _HIDDEN)
            self._warn()

    def _typed(self, kind: str, piece: str, becomes: str) -> bool:
        """Remember that an input method is at work; what it wrote may become ASCII again ("aaa" becomes "aa").

        :param kind: 1 where ``piece`` is inserted, 0 where it is deleted
        :param becomes: the field's content after it
        """
        if kind == "1":
            if self._monotonic() - self._emptied >= _EMPTIED:  # and typed again, as the window has asked
                self._foreign = False
            self._emptied = math.inf
            self._foreign = self._foreign or not piece.isascii()
        elif not becomes:
            self._emptied = self._monotonic()
        self._warn()
        return True

    def _see_caps_lock(self, event: tk.Event[tk.Misc]) -> None:
        self._caps = isinstance(event.state, int) and bool(event.state & _CAPS_LOCK)
        self._warn()

    def _warn(self) -> None:
        """What a person who cannot see the letters has to know."""
        if self._foreign and not self._visible.get():
            self._typing.configure(text=text("window_input_method"))
        else:
            self._typing.configure(text=text("window_caps_lock") if self._caps else "")

    def _to_pin(self) -> None:
        if self._entry is not None:
            self._entry.focus_force()

    def _buttons(self, row: int) -> None:
        self._bar = ttk.Frame(self._frame)
        self._bar.grid(row=row, columnspan=2, sticky="e", pady=(16, 0))
        for column, decision in enumerate(("sign", "refuse", "later")):
            self._button(column, f"window_{decision}", partial(self._decide, decision))
        self.root.bind("<Escape>", lambda _event: self._leave())

    def _button(self, column: int, key: str, command: Callable[[], None]) -> ttk.Button:
        button = look.button(self._bar, column, text(key), command)
        if key in ("window_later", "window_close"):
            button.configure(default="active")
        return button

    def _show_in_front(self) -> None:
        """Above other windows, but without the keyboard: that stays where the person types."""
        self.root.attributes("-topmost", True)
        self.root.lift()
        look.centre(self.root)  # last: Windows makes the window again when it becomes the topmost one
        if self._question["opened"]:
            self._to_pin()

    # -- what the person does -----------------------------------------------------------------------------------------

    def _leave(self) -> None:
        """Closed, or Escape: later; while the batch runs: stop."""
        if not self.deaf:
            self._decide("later")

    def _decide(self, decision: str) -> None:
        if self.deaf:
            return
        if self._answered:
            self._stop()
            return
        secret = None
        if decision == "sign":
            if self._unseen:
                self._hint.configure(text=text("window_scroll"))
                self.root.bell()
                return
            if self._entry is not None:
                if not self._entry.get():
                    self.root.bell()
                    return
                if self._foreign and not self._visible.get():
                    self._entry.delete(0, "end")
                    self._foreign = False
                    self._typing.configure(text=text("window_input_method"))
                    self.root.bell()
                    return
                secret = Secret(bytearray(self._entry.get().encode()))
                self._entry.delete(0, "end")
        self._answered = True
        self._pipe.send({"decision": decision}, secret)
        if secret is not None:
            secret.wipe()
        if decision == "sign":
            self._show_progress()
        else:
            self.root.destroy()

    def _show_progress(self) -> None:
        for child in self._frame.winfo_children():
            child.destroy()
        self._entry = None
        self._status = ttk.Label(self._frame, text=text("window_signing"), font=self._bold, wraplength=self._wrap)
        self._status.grid(row=0, sticky="w")
        self._progress = ttk.Progressbar(self._frame, length=self._px(420), maximum=self._question["count"])
        self._progress.grid(row=1, sticky="ew", pady=12)
        self._bar = ttk.Frame(self._frame)
        self._bar.grid(row=2, sticky="e")
        self._button(0, "window_stop", self._stop)

    def _stop(self) -> None:
        self._pipe.send({"stop": True})

    def _poll(self) -> None:
        self.root.after(_POLL_MS, self._poll)  # first: what comes now may fail
        while (received := self._pipe.poll()) is not None:
            message = received[0]
            if message.get("op") == "progress":
                self._progress.configure(value=message["done"])
                self._status.configure(text=text("window_progress", done=message["done"], total=message["total"]))
            elif message.get("op") == "done":
                self._show_result(str(message["message"]))

    def _show_result(self, message: str) -> None:
        self._status.configure(text=message)
        for child in self._bar.winfo_children():
            child.destroy()
        self.root.bind("<Escape>", lambda _event: self.root.destroy())
        self.root.protocol("WM_DELETE_WINDOW", self.root.destroy)
        self._button(0, "window_close", self.root.destroy)
        self.root.after(_RESULT_MS, self.root.destroy)


def _failure(error: BaseException) -> dict[str, Any]:
    """Where it happened, without the error's own words: those could quote what was typed."""
    return {"failed": f"{''.join(traceback.format_tb(error.__traceback__))}{type(error).__name__}"}


def _lines(shown: tk.Text) -> int:
    """Lines of a text as wrapped on the screen."""
    shown.update_idletasks()
    lines: Any = shown.count("1.0", "end", "displaylines")
    return int((lines[0] if isinstance(lines, tuple) else lines) or 1)


def main() -> None:
    """Show one question, tell the answer, show the progress."""
    forbid_memory_dumps()
    pipe = ParentPipe()
    message, _ = pipe.receive()
    use_language(str(message.get("language", "vi")))
    try:
        PinWindow(pipe, message).root.mainloop()
    except Exception as error:  # no display, or a defect: the parent logs it, and sees the process end
        pipe.send(_failure(error))
