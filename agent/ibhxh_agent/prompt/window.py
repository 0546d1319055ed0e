"""Asking in a window, which runs in a process of its own.

Tk wants the main thread and keeps what was typed in strings that cannot be overwritten. In a process of its own it can
have the one, and the other ends with it, at the latest when the next question is asked.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any

from ibhxh_agent.children import Child, ChildError
from ibhxh_agent.frames import FrameError
from ibhxh_agent.prompt.base import Answer, Decision, Question
from ibhxh_agent.prompt.wire import question_message
from ibhxh_agent.texts import language

log = logging.getLogger(__name__)

#: Seconds after which an unanswered window is closed: nobody is there.
PATIENCE = 15 * 60.0
#: Seconds within which the end of the session reaches the agent, after it has taken the window: the window was told of
#: it, or was not (X11 has gone).
SESSION_SECONDS, CRASH_SECONDS = 30.0, 3.0


class WindowPrompt:
    """One window per question; it stays open for the progress of a batch.

    It never takes the keyboard away from another program, see :mod:`ibhxh_agent.prompt.window_child`.

    :param stopping: asked now and then; true = the agent ends, stop waiting
    """

    attended = True

    def __init__(
        self,
        stopping: Callable[[], bool] = lambda: False,
        patience: float = PATIENCE,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stopping = stopping
        self._patience = patience
        self._monotonic = monotonic
        self._child: Child | None = None
        self._session_ends = False

    def ask(self, question: Question) -> Answer:
        """Open a window and wait for the person, at most :data:`PATIENCE`."""
        self.close()
        self._session_ends = False
        opened = self._await_person(question)
        if self._stopping():
            return Answer(Decision.LATER)
        until = self._monotonic() + self._patience
        self._child = Child("window")
        try:
            self._child.send(question_message(question, language=language(), opened=opened))
            while not self._stopping() and self._monotonic() < until:
                received = self._child.poll(0.5)
                if received is not None:
                    message, pin = received
                    if self._noted(message):
                        continue
                    decision = _decision(message.get("decision"))
                    if decision is not Decision.SIGN:
                        self.close()
                        return Answer(decision)
                    return Answer(decision, pin if pin else None)
        except (ChildError, FrameError) as error:
            log.warning("the PIN window ended: %s", error)
            self._await_end()
        self.close()
        return Answer(Decision.LATER)

    def _await_person(self, question: Question) -> bool:
        """Wait for who opens the window; true = a person does, and the window may have the keyboard."""
        return False

    def progress(self, done: int, total: int) -> bool:
        """Move the bar; a window that is gone (closed or crashed) means stop."""
        if self._child is None:
            return False
        try:
            self._child.send({"op": "progress", "done": done, "total": total})
            while (received := self._child.poll(0)) is not None:
                if not self._noted(received[0]) and received[0].get("stop"):
                    return False
        except ChildError:
            self._child = None
            self._await_end()
            return False
        return not self._stopping()

    def ending(self) -> bool:
        """The agent ends, or the session does, and has told the window."""
        return self._stopping() or self._session_ends

    def _await_end(self) -> None:
        """A window ended without an answer: perhaps the session does, and the agent hears of it a moment later.

        What is given back before that would be claimed and asked for again.
        """
        until = self._monotonic() + (SESSION_SECONDS if self._session_ends else CRASH_SECONDS)
        while not self._stopping() and self._monotonic() < until:
            time.sleep(0.1)

    def _noted(self, message: dict[str, Any]) -> bool:
        """Note what is about the window and no answer: something went wrong, or the session ends. True = it was."""
        for line in str(message.get("failed", "")).splitlines():
            log.error("the PIN window: %s", line)
        if "failed" in message:
            return True
        self._session_ends = "session_ends" in message  # an answer: the session went on, and the person is there
        return self._session_ends

    def done(self, message: str) -> None:
        """Show the result; the window closes itself."""
        if self._child is not None:
            try:
                self._child.send({"op": "done", "message": message})
            except ChildError:
                self._child = None

    def login_failed(self) -> None:
        """Nothing is kept."""

    def close(self) -> None:
        """Close the window, if one is open."""
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def _decision(value: object) -> Decision:
    """Only a window's own yes or no is one."""
    return next((one for one in (Decision.SIGN, Decision.REFUSE) if one.value == value), Decision.LATER)
