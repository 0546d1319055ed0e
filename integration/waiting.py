"""Waiting for something that other programs have to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg2

PATIENCE = 180.0
"""Seconds for what takes a few on an idle machine; longer than the minute after which Odoo tries again by itself."""
T = TypeVar("T")


class NotObserved(AssertionError):
    """Something that has to happen was not seen in time."""


def until(what: str, probe: Callable[[], T | None], seconds: float = PATIENCE, *, pause: float = 0.1) -> T:
    """Ask `probe` until it gives something; that is the answer. A database that is down gives nothing.

    :param what: what is waited for
    :param pause: seconds between two questions
    :raises NotObserved: after `seconds`
    """
    end = time.monotonic() + seconds
    while True:
        try:
            seen = probe()
        except psycopg2.Error as error:
            # 57P: shutting down, crashed, starting up. No code: the connection broke.
            if error.pgcode and not error.pgcode.startswith("57P"):
                raise
            seen = None
        if seen:
            return seen
        if time.monotonic() > end:
            raise NotObserved(f"{what}: not seen within {seconds:.0f} s")
        time.sleep(pause)
