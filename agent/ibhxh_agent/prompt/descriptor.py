"""For unattended runs: the PIN comes from an inherited file descriptor, never from the command line or environment."""

from __future__ import annotations

import os

from ibhxh_agent.frames import MAX_SECRET
from ibhxh_agent.prompt.base import Answer, Question
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

    Whoever starts the agent like this has decided beforehand; the checks of the document happen all the same.
    """

    def __init__(self, pin: Secret) -> None:
        self._pin = pin

    def ask(self, question: Question) -> Answer:
        """Sign; after :meth:`forget` there is nothing left to sign with. Never spends the last try."""
        if not self._pin and not question.pin_pad:
            return Answer("no_pin")
        return Answer("sign", self._pin.clone())

    def forget(self) -> None:
        """The token refused this PIN: it must not be used again."""
        self._pin.wipe()

    def progress(self, done: int, total: int) -> bool:
        """Never stopped by hand."""
        return True

    def done(self, message: str) -> None:
        """Nobody is watching."""

    def close(self) -> None:
        """Forget the PIN."""
        self.forget()
