"""One login at a time per token, also among several agents on one computer."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs
from filelock import FileLock, Timeout

from ibhxh_agent.errors import SigningError
from ibhxh_agent.texts import text

#: Seconds to wait for another process that is signing with the same token.
WAIT = 30.0


@contextmanager
def exclusive_token(manufacturer: str, serial: str, wait: float = WAIT, folder: Path | None = None) -> Iterator[None]:
    """Hold the token for this process.

    The lock is a file in the user's state folder, named after a hash of the token, so it does not depend on the
    settings folder that an agent was started with, and the system releases it when its process dies.

    :param wait: seconds
    :raises SigningError: ``driver_error``, another process kept it for longer than ``wait``
    """
    folder = folder or Path(platformdirs.user_state_dir("ibhxh-agent", appauthor=False), "locks")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = hashlib.sha256(f"{manufacturer}\n{serial}".encode()).hexdigest()[:32]
    lock = FileLock(folder / f"token-{name}.lock")
    try:
        lock.acquire(timeout=wait)
    except Timeout:
        raise SigningError("driver_error", text("token_busy"), detail="lock") from None
    try:
        yield
    finally:
        lock.release()
