"""For unattended runs: the PIN comes from an inherited file descriptor, never from the command line or environment."""

from __future__ import annotations

import os
from collections.abc import Collection, Hashable

from ibhxh_agent.frames import MAX_SECRET
from ibhxh_agent.prompt.base import Answer, Decision, Question
from ibhxh_agent.secret import Secret


def read_pin(descriptor: int) -> Secret:
    """Read up to the first newline or the end, then close the descriptor.

    :raises OSError: it cannot be read
    """
    buffer = bytearray(MAX_SECRET)
    length = 0
    with os.fdopen(descriptor, "rb", buffering=0) as stream, memoryview(buffer) as view:
        while length < MAX_SECRET:
            count = stream.readinto(view[length:])
            if not count:
                break
            length += count
            if b"\n" in buffer[length - count : length]:
                break
    end = buffer.find(b"\n", 0, length)
    if end < 0:
        end = length
    if end and buffer[end - 1] == 0x0D:
        end -= 1
    for index in range(end, len(buffer)):
        buffer[index] = 0
    del buffer[end:]
    return Secret(buffer)


class DescriptorPrompt:
    """Says yes to every known form with the PIN that was handed over at the start.

    Anyone who starts the agent like this has decided beforehand; the checks of the document happen all the same. The
    PIN reaches only tokens that it was given for, and after one refused login none at all.

    :param tokens: labels of the tokens with this PIN; none = of the only one that is plugged in when it is first needed
    """

    attended = False

    def __init__(self, pin: Secret, tokens: Collection[str] = ()) -> None:
        self._pin = pin
        self._labels = frozenset(tokens)
        self._only: Hashable = None

    def ask(self, question: Question) -> Answer:
        """Sign, when there is a PIN for this token."""
        if not question.pin_pad:
            if not self._pin:
                return Answer(Decision.NO_PIN)
            if not self._is_for(question):
                return Answer(Decision.FOREIGN_PIN)
        return Answer(Decision.SIGN, None if question.pin_pad else self._pin.clone())

    def _is_for(self, question: Question) -> bool:
        if self._labels:
            return question.token_label in self._labels
        if self._only is None and question.only_token:
            self._only = question.token
        return self._only is not None and question.token == self._only

    def login_failed(self) -> None:
        """The token refused this PIN, or may have: it must not be used again."""
        self._pin.wipe()

    def progress(self, done: int, total: int) -> bool:
        """Never stopped by hand."""
        return True

    def ending(self) -> bool:
        """Every question has its answer at once."""
        return False

    def done(self, message: str) -> None:
        """Nobody is watching."""

    def close(self) -> None:
        """Forget the PIN."""
        self._pin.wipe()
