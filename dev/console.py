"""What the development commands say, and the one error they raise for people."""

from __future__ import annotations

import sys


class Problem(Exception):
    """Something that a person has to solve.

    :param what: what happened, one sentence
    :param remedy: what to do about it, one sentence or a command to type
    """

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what}\n  What to do: {remedy}")
        self.what = what
        self.remedy = remedy


def say(text: str) -> None:
    """Print one line at once, so that the order with child processes' output is kept."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()
