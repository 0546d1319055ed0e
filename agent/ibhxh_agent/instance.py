"""One running agent per settings folder, and what it last said about itself."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timezone
from typing import Any

from filelock import FileLock, Timeout

from ibhxh_agent.config import Folder, read_private, write_private
from ibhxh_agent.errors import AgentError
from ibhxh_agent.runner import State
from ibhxh_agent.texts import text
from ibhxh_agent.untrusted import loads

log = logging.getLogger(__name__)


@contextmanager
def only_instance(folder: Folder) -> Iterator[None]:
    """Be the one that runs; the system lets go when the process dies.

    :raises AgentError: ``already_running``
    """
    lock = _lock(folder)
    try:
        # Not at once: `is_running` holds it for a moment.
        lock.acquire(timeout=1, poll_interval=0.05)
    except Timeout:
        raise AgentError("already_running", text("already_running")) from None
    try:
        yield
    finally:
        lock.release()


def is_running(folder: Folder) -> bool:
    """An agent with these settings runs now."""
    return is_held(_lock(folder))


def is_held(lock: FileLock) -> bool:
    """Another process holds the lock; it is taken for a moment to see that."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def write_state(folder: Folder, state: State) -> None:
    """Leave the state for ``status``, with the time (UTC); one that cannot be written is only missing there."""
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    try:
        write_private(_state_file(folder), json.dumps({**asdict(state), "at": now}, ensure_ascii=False))
    except OSError as error:
        log.warning("the state was not written: %s", error)


def read_state(folder: Folder) -> dict[str, Any]:
    """What the last agent said, empty when none ever ran."""
    try:
        raw = loads(read_private(_state_file(folder)))
    except (OSError, ValueError):
        return {}
    return raw if isinstance(raw, dict) else {}


def _lock(folder: Folder) -> FileLock:
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return FileLock(folder.path / "run.lock")


def _state_file(folder: Folder) -> Any:
    return folder.path / "state.json"
