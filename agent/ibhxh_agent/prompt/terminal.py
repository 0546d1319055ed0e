"""Asking in a terminal."""

from __future__ import annotations

import getpass
import shutil
import signal
import sys
import textwrap
import threading
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TextIO

from ibhxh_agent.document import Row
from ibhxh_agent.prompt.base import Answer, Decision, Question
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text

_SIGN = frozenset({"k", "ký", "ky", "s", "sign"})
_REFUSE = frozenset({"t", "từ chối", "r", "refuse"})
_SKIP = frozenset({"b", "bỏ qua", "skip"})
#: Shows where a value has a line break of its own; no field may hold this character.
LINE_BREAK = "\u21b5"
#: Columns that a value gets at least, however narrow the terminal.
_NARROWEST = 20


@contextmanager
def _ctrl_c_interrupts() -> Iterator[None]:
    """While a person is asked, Ctrl-C ends the question; at other times the agent's own handler ends the agent."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class TerminalPrompt:
    """Shows the question page by page, asks whether to sign, then reads the PIN without echo.

    Nothing that was typed before a question answers it, and Enter alone never signs.

    :param stopping: true when the agent ends: the batch stops
    """

    attended = True

    def __init__(self, out: TextIO | None = None, stopping: Callable[[], bool] = lambda: False) -> None:
        self._out = out or sys.stderr
        self._stopping = stopping

    def ask(self, question: Question) -> Answer:
        """Wait at the terminal for as long as it takes."""
        with _ctrl_c_interrupts():
            try:
                return self._ask(question)
            except (EOFError, KeyboardInterrupt):
                return Answer(Decision.LATER)

    def _ask(self, question: Question) -> Answer:
        width, height = shutil.get_terminal_size()
        last = [line for warning in question.warnings for line in _indented(f"!! {warning}", width)]
        last += [text("ask_on_reader")] if question.pin_pad else []
        if len(question.items) > 1:
            self._show(describe(question, width), height, "ask_more", more=True)
            self._show(describe_each(question, width), height, "ask_more_skip", more=True)
            self._print(last)
        else:
            self._show([*describe(question, width), *last], height, "ask_more")
        reply = self._reply(text("ask_decision"))
        if reply in _REFUSE:
            return Answer(Decision.REFUSE)
        if reply not in _SIGN:
            return Answer(Decision.LATER)
        if question.pin_pad:
            return Answer(Decision.SIGN)
        typed = getpass.getpass(text("ask_pin") + " ", stream=self._out)
        return Answer(Decision.SIGN, Secret(bytearray(typed.encode()))) if typed else Answer(Decision.LATER)

    def _show(self, lines: Sequence[str], height: int, prompt: str, *, more: bool = False) -> None:
        """Print page by page, so that nothing scrolls away unseen.

        :param prompt: asked between pages: ``ask_more``, or ``ask_more_skip`` where a person may leave out the rest
        :param more: something follows the last page
        """
        size = max(height - 2, 5)
        pages = [lines[start : start + size] for start in range(0, len(lines), size)]
        for number, page in enumerate(pages, start=1):
            self._print(page)
            if number < len(pages) or more:
                reply = self._reply(text(prompt, page=number, pages=len(pages)))
                if prompt == "ask_more_skip" and reply in _SKIP:
                    return

    def _print(self, lines: Sequence[str]) -> None:
        for line in lines:
            print(line, file=self._out)

    def _reply(self, prompt: str) -> str:
        print(prompt, end=" ", file=self._out, flush=True)
        _forget_what_was_typed()
        return unicodedata.normalize("NFC", input()).strip().lower()

    def progress(self, done: int, total: int) -> bool:
        """One line that is written over; Ctrl-C ends the agent, and the batch with it."""
        print(f"\r{done}/{total}", end="" if done < total else "\n", file=self._out, flush=True)
        return not self._stopping()

    def ending(self) -> bool:
        """The agent ends."""
        return self._stopping()

    def done(self, message: str) -> None:
        """Print the result."""
        print(message, file=self._out)

    def login_failed(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Nothing stays open."""


def describe(question: Question, width: int = 80) -> list[str]:
    """What is signed, as lines of text: all of a single document, what all documents of a batch share."""
    lines = [text("ask_title"), *_rows(question.facts(), width)]
    lines += [line for note in question.notes() for line in _indented(note, width)]
    if len(question.items) > 1:
        lines.append(text("ask_same", count=len(question.items)))
    return lines + _rows(question.shared(), width)


def describe_each(question: Question, width: int = 80) -> list[str]:
    """What each document of a batch has of its own."""
    lines = [text("ask_each")]
    count = len(question.items)
    for number, rows in enumerate(question.own(), start=1):
        lines += [text("ask_number", number=number, count=count), *_rows(rows, width)]
        if not rows:
            lines.append("  " + text("ask_identical"))
    return lines


def _indented(sentence: str, width: int) -> list[str]:
    begin, *rest = _wrapped(sentence, max(width - 6, _NARROWEST))
    return [f"  {begin}", *(f"     {line}" for line in rest)]


def _rows(rows: Sequence[Row], width: int) -> list[str]:
    """Each row in one line, or in several that begin with a bar, so that no value can look like the next row."""
    lines = []
    for row in rows:
        head = f"  {row.label}: "
        room = max(width - len(head) - 3, _NARROWEST)
        written = row.value.replace("\n", f" {LINE_BREAK}\n") + (f" [{row.note}]" if row.note else "")
        begin, *rest = [part for line in written.split("\n") for part in _wrapped(line, room)]
        lines += [head + begin, *(" " * (len(head) - 2) + "| " + part for part in rest)]
    return lines


def _wrapped(value: str, room: int) -> list[str]:
    # Chinese, Japanese and Korean signs take two columns.
    wide = any(unicodedata.east_asian_width(c) in "WF" for c in value)
    return textwrap.wrap(value, room // 2 if wide else room, break_on_hyphens=False) or [""]


def _forget_what_was_typed() -> None:
    """Keys pressed before the question was there do not answer it."""
    if not sys.stdin.isatty():
        return
    if sys.platform == "win32":
        import msvcrt

        while msvcrt.kbhit():
            msvcrt.getwch()
        return
    import termios

    with suppress(termios.error):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)
