"""Asking in a terminal."""

from __future__ import annotations

import getpass
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from ibhxh_agent.prompt.base import Answer, Question
from ibhxh_agent.prompt.wire import printable
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text

_SHOWN = 20


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
    """Shows the question as text and reads the PIN without echo; an empty PIN refuses.

    :param stopping: true when the agent ends: the batch stops
    """

    def __init__(self, out: TextIO | None = None, stopping: Callable[[], bool] = lambda: False) -> None:
        self._out = out or sys.stderr
        self._stopping = stopping

    def ask(self, question: Question) -> Answer:
        """Wait at the terminal for as long as it takes."""
        for line in describe(question):
            print(line, file=self._out)
        with _ctrl_c_interrupts():
            return self._read(question)

    def _read(self, question: Question) -> Answer:
        try:
            if question.pin_pad or question.pin_kept:
                reply = input(text("ask_pin_pad" if question.pin_pad else "ask_yes") + " ").strip().lower()
                return Answer("sign") if reply in ("", "y", "c", "có") else Answer("refuse")
            typed = getpass.getpass(text("ask_pin") + " ", stream=self._out)
        except (EOFError, KeyboardInterrupt):
            return Answer("cancel")
        if not typed:
            return Answer("refuse")
        return Answer("sign", Secret(bytearray(typed.encode())))

    def progress(self, done: int, total: int) -> bool:
        """One line that is written over; Ctrl-C ends the agent, and the batch with it."""
        print(f"\r{done}/{total}", end="" if done < total else "\n", file=self._out, flush=True)
        return not self._stopping()

    def done(self, message: str) -> None:
        """Print the result."""
        print(message, file=self._out)

    def close(self) -> None:
        """Nothing stays open."""


def describe(question: Question) -> list[str]:
    """The question as lines of text."""
    certificate = question.certificate
    lines = [
        text("ask_title"),
        f"  {text('label_server')}: {question.server}",
        f"  {text('label_certificate')}: {certificate.common_name} ({certificate.issuer_name}, {certificate.serial})",
        f"  {text('label_validity')}: {certificate.not_before:%d/%m/%Y} – {certificate.not_after:%d/%m/%Y}",
        f"  {text('label_token')}: {question.token_label}",
    ]
    for item in question.items[:_SHOWN]:
        lines += [
            f"  • {item.title}",
            f"    {text('label_company')}: {item.company} ({item.tax_code})",
            f"    {text('label_email')}: {item.email}; {text('label_phone')}: {item.phone}",
            f"    {text('label_requested_by')}: {item.requested_by}",
        ]
        lines += [f"    {name}: {value}" for name, value in item.details]
    if len(question.items) > _SHOWN:
        lines.append("  " + text("more_items", count=len(question.items) - _SHOWN))
    lines += [f"  !! {warning}" for warning in question.warnings]
    # A hostile server must not be able to write over the lines with control characters.
    return ["  " * line.startswith("  ") + printable(line.strip()) for line in lines]
