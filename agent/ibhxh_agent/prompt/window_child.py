"""The process of the PIN window (tkinter).

Works with the keyboard alone: Tab moves, Enter signs, Escape puts off, Alt and the underlined letter presses a button.
Tk 8.6 does not speak to screen readers; ``ibhxh-agent run --prompt terminal`` does, through the terminal.
"""

from __future__ import annotations

import contextlib
import tkinter as tk
from tkinter import font as tkfont
from tkinter import ttk
from typing import Any

from ibhxh_agent.children import ParentPipe
from ibhxh_agent.hardening import forbid_memory_dumps
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text, use_language

_POLL_MS = 40
_RESULT_MS = 4000
_MINUTES = (5, 15, 30, 60)
_WRAP = 560


class PinWindow:
    """The window; talks to the agent through ``pipe``."""

    def __init__(self, pipe: ParentPipe, question: dict[str, Any]) -> None:
        self._pipe = pipe
        self._question = question
        self._answered = False
        self.root = tk.Tk(className="ibhxh-agent")
        self.root.title(text("ask_title"))
        self.root.resizable(False, False)
        self._bold = tkfont.nametofont("TkDefaultFont").copy()
        self._bold.configure(weight="bold")
        self._style()
        self._frame = ttk.Frame(self.root, padding=16)
        self._frame.grid()
        self._frame.columnconfigure(1, weight=1)
        self._build()
        self.root.bind("<Escape>", lambda _event: self._decide("cancel"))
        self.root.protocol("WM_DELETE_WINDOW", lambda: self._decide("cancel"))
        self.root.after(_POLL_MS, self._poll)
        self._to_front()

    def _style(self) -> None:
        style = ttk.Style(self.root)
        # Windows and macOS have their own look; elsewhere "clam" shows which button has the focus.
        if style.theme_use() == "default":
            style.theme_use("clam")

    def _build(self) -> None:
        row = self._row(0, text("ask_headline"), font=self._bold)
        for warning in self._question["warnings"]:
            row = self._row(row, f"⚠ {warning}", font=self._bold, foreground="#a40000")
        row = self._facts(row, self._question["facts"])
        ttk.Separator(self._frame).grid(row=row, columnspan=2, sticky="ew", pady=8)
        items, rows = self._question["items"], self._question["rows"]
        row = self._list(row + 1, rows) if rows else self._facts(row + 1, items[0])
        row = self._pin(row)
        self._buttons(row)

    def _row(self, row: int, content: str, **options: Any) -> int:
        label = ttk.Label(self._frame, text=content, wraplength=_WRAP, **options)
        label.grid(row=row, columnspan=2, sticky="w", pady=(0, 6))
        return row + 1

    def _facts(self, row: int, facts: list[list[str]]) -> int:
        for name, value in facts:
            ttk.Label(self._frame, text=f"{name}:").grid(row=row, column=0, sticky="nw", padx=(0, 12), pady=1)
            ttk.Label(self._frame, text=value, wraplength=_WRAP - 140, font=self._bold).grid(
                row=row, column=1, sticky="w", pady=1
            )
            row += 1
        return row

    def _list(self, row: int, items: list[list[list[str]]]) -> int:
        row = self._row(row, text("ask_many", count=len(items)), font=self._bold)
        holder = ttk.Frame(self._frame)
        holder.grid(row=row, columnspan=2, sticky="ew")
        names = [name for name, _ in items[0]]
        table = ttk.Treeview(holder, columns=names, show="headings", height=min(10, len(items)), takefocus=True)
        for name, width in zip(names, (100, 260, 110, 200, 120, 150), strict=True):
            table.heading(name, text=name)
            table.column(name, width=width, anchor="w")
        for item in items:
            table.insert("", "end", values=[value for _, value in item])
        bar = ttk.Scrollbar(holder, command=table.yview)
        table.configure(yscrollcommand=bar.set)
        table.grid(row=0, column=0)
        bar.grid(row=0, column=1, sticky="ns")
        return row + 1

    def _pin(self, row: int) -> int:
        self._keep = tk.BooleanVar(value=False)
        self._minutes = tk.StringVar(value=str(_MINUTES[1]))
        self._entry: ttk.Entry | None = None
        if self._question["pin_pad"] or self._question["pin_kept"]:
            return self._row(row, text("window_pin_pad" if self._question["pin_pad"] else "window_pin_kept"))
        label = ttk.Label(self._frame, text=text("window_pin"), font=self._bold)
        label.grid(row=row, column=0, sticky="w", pady=(12, 4))
        self._entry = ttk.Entry(self._frame, show="•", width=28)
        self._entry.grid(row=row, column=1, sticky="w", pady=(12, 4))
        self._entry.focus_set()
        holder = ttk.Frame(self._frame)
        holder.grid(row=row + 1, column=1, sticky="w")
        ttk.Checkbutton(holder, text=text("window_keep"), variable=self._keep).grid(row=0, column=0)
        values = [str(minutes) for minutes in _MINUTES]
        box = ttk.Combobox(holder, values=values, textvariable=self._minutes, width=4, state="readonly")
        box.grid(row=0, column=1, padx=4)
        ttk.Label(holder, text=text("window_minutes")).grid(row=0, column=2)
        return row + 2

    def _buttons(self, row: int) -> None:
        self._bar = ttk.Frame(self._frame)
        self._bar.grid(row=row, columnspan=2, sticky="e", pady=(16, 0))
        for column, (key, decision) in enumerate((("sign", "sign"), ("refuse", "refuse"), ("later", "cancel"))):
            self._button(column, f"window_{key}", lambda decision=decision: self._decide(decision), decision == "sign")

    def _button(self, column: int, key: str, command: Any, default: bool = False) -> ttk.Button:
        # "&" marks the letter for Alt, as in Windows.
        label = text(key)
        at = label.index("&")
        name = label.replace("&", "")
        button = ttk.Button(
            self._bar, text=name, underline=at, command=command, default="active" if default else "normal"
        )
        button.grid(row=0, column=column, padx=4)
        button.bind("<Return>", lambda _event: (command(), "break")[1])
        self.root.bind(f"<Alt-{name[at].lower()}>", lambda _event: command())
        if default:
            self.root.bind("<Return>", lambda _event: command())
            if self._entry is None:
                button.focus_set()
        return button

    def _to_front(self) -> None:
        self.root.update_idletasks()
        width, height = self.root.winfo_reqwidth(), self.root.winfo_reqheight()
        left = (self.root.winfo_screenwidth() - width) // 2
        top = (self.root.winfo_screenheight() - height) // 3
        self.root.geometry(f"+{max(left, 0)}+{max(top, 0)}")
        self.root.attributes("-topmost", True)
        self.root.lift()
        (self._entry or self.root).focus_force()

    def _decide(self, decision: str) -> None:
        if self._answered:
            # While the batch runs, closing the window or Escape means stop.
            self._stop()
            return
        secret = None
        if decision == "sign" and self._entry is not None:
            if not self._entry.get():
                self._entry.focus_set()
                self.root.bell()
                return
            secret = Secret(bytearray(self._entry.get().encode()))
            self._entry.delete(0, "end")
        minutes = int(self._minutes.get()) if self._keep.get() else 0
        self._answered = True
        self._pipe.send({"decision": decision, "keep_minutes": minutes}, secret)
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
        self._status = ttk.Label(self._frame, text=text("window_signing"), font=self._bold, wraplength=_WRAP)
        self._status.grid(row=0, sticky="w")
        total = len(self._question["items"]) + len(self._question["rows"])
        self._progress = ttk.Progressbar(self._frame, length=420, maximum=total)
        self._progress.grid(row=1, sticky="ew", pady=12)
        self._bar = ttk.Frame(self._frame)
        self._bar.grid(row=2, sticky="e")
        self._button(0, "window_stop", self._stop).focus_set()

    def _stop(self) -> None:
        self._pipe.send({"stop": True})

    def _poll(self) -> None:
        while (received := self._pipe.poll()) is not None:
            message = received[0]
            if message.get("op") == "progress":
                self._progress.configure(value=message["done"])
                self._status.configure(text=text("window_progress", done=message["done"], total=message["total"]))
            elif message.get("op") == "done":
                self._show_result(str(message["message"]))
        self.root.after(_POLL_MS, self._poll)

    def _show_result(self, message: str) -> None:
        self._status.configure(text=message)
        for child in self._bar.winfo_children():
            child.destroy()
        self.root.bind("<Escape>", lambda _event: self.root.destroy())
        self.root.protocol("WM_DELETE_WINDOW", self.root.destroy)
        self._button(0, "window_close", self.root.destroy, True).focus_set()
        self.root.after(_RESULT_MS, self.root.destroy)


def main() -> None:
    """Show one question, tell the answer, show the progress."""
    forbid_memory_dumps()
    pipe = ParentPipe()
    message, _ = pipe.receive()
    use_language(str(message.get("language", "vi")))
    with contextlib.suppress(tk.TclError):  # no display: the parent sees the process end
        PinWindow(pipe, message).root.mainloop()
