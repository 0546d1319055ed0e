"""The window of :mod:`ibhxh_agent.prompt.window`, announced first by a notification whose click opens it."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ibhxh_agent.prompt.base import Answer, Question
from ibhxh_agent.prompt.window import WindowPrompt

#: Seconds that a notification may be missed: afterwards the window opens by itself, without the keyboard.
CLICK_PATIENCE = 20.0


class AnnouncedPrompt(WindowPrompt):
    """Announces each question and waits for :attr:`opened` before it shows it.

    :param announce: shows how many documents wait; 0 = none any more
    """

    def __init__(
        self,
        announce: Callable[[int], None],
        stopping: Callable[[], bool] = lambda: False,
        click_patience: float = CLICK_PATIENCE,
    ) -> None:
        super().__init__(stopping)
        self._announce = announce
        self._click_patience = click_patience
        self._by_person = False
        self._opened = threading.Event()

    def open(self, *, by_person: bool) -> None:
        """Show the question now; from any thread.

        :param by_person: somebody clicked; ``False`` = there is no notification that could be clicked
        """
        self._by_person = by_person
        self._opened.set()

    def ask(self, question: Question) -> Answer:
        """Announce, then ask."""
        try:
            return super().ask(question)
        finally:
            self._announce(0)

    def _await_person(self, question: Question) -> bool:
        if question.part > 1:
            return False  # the person has just answered the part before
        self._by_person = False
        self._opened.clear()
        self._announce(len(question.items))
        until = self._monotonic() + self._click_patience
        while not self._stopping() and self._monotonic() < until:
            if self._opened.wait(0.2):
                return self._by_person
        return False
