"""One program for each settings folder, and how a second one hands it a link or an order.

A named pipe on Windows, a Unix socket elsewhere: no port is open that a web page could reach. This account alone can
use either; both sides prove that they can read a key in the settings folder (0600), which is another at each start and
gives the pipe its name; and only JSON is exchanged, never pickled objects.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import queue
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Connection, Listener, answer_challenge, deliver_challenge
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from ibhxh_agent.config import Folder, read_private, write_private
from ibhxh_agent.instance import is_held
from ibhxh_agent.untrusted import loads

log = logging.getLogger(__name__)

#: Bytes of a message at most.
_LONGEST = 4096
#: Seconds that the other side may take for each of its words, and between two tries to listen.
_PATIENCE = 5.0
_LISTEN_AGAIN = 5.0
#: Bytes of a Unix socket's address at most, on every system.
_SOCKET_PATH = 100
#: What reading the other side's bytes may raise.
_FAILURES = (OSError, EOFError, ValueError, AuthenticationError)


@contextmanager
def only_one(folder: Folder, on_message: Callable[[dict[str, Any]], None]) -> Iterator[bool]:
    """Be the one program with these settings, and listen; ``False`` = another one is.

    :param on_message: called in a thread of its own with each message of another process
    """
    folder.path.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _lock(folder)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        yield False
        return
    try:
        key, ending = secrets.token_bytes(32), threading.Event()
        # Here, so that who starts next is heard at once.
        listener = _try_to_listen(folder, key)
        serving = threading.Thread(target=_serve, args=(folder, key, listener, on_message, ending), daemon=True)
        serving.start()
        try:
            yield True
        finally:
            ending.set()
            # It waits for a caller; Windows would keep the pipe that is waited at, and others would call there.
            with suppress(*_FAILURES):
                Client(_address(folder, key)).close()
            serving.join(_PATIENCE)
    finally:
        lock.release()


def send(folder: Folder, message: dict[str, Any], seconds: float = 10.0) -> bool:
    """Hand a message to the program that runs, which may have started a moment ago; ``False`` = none took it."""
    until = time.monotonic() + seconds
    while not (taken := _send_once(folder, message)) and is_running(folder) and time.monotonic() < until:
        time.sleep(0.1)
    return taken


def _send_once(folder: Folder, message: dict[str, Any]) -> bool:
    """In a thread, as nothing else bounds the first words with a program that hangs."""
    taken: queue.SimpleQueue[bool] = queue.SimpleQueue()
    threading.Thread(target=lambda: taken.put(_hand_over(folder, message)), daemon=True).start()
    try:
        return taken.get(timeout=2 * _PATIENCE)
    except queue.Empty:
        return False


def _hand_over(folder: Folder, message: dict[str, Any]) -> bool:
    try:
        key = _kept_key(folder)
        with Client(_address(folder, key), authkey=key) as connection:
            connection.send_bytes(json.dumps(message).encode())
            return connection.poll(_PATIENCE) and connection.recv_bytes(_LONGEST) == b"ok"
    except _FAILURES:
        return False


def is_running(folder: Folder) -> bool:
    """A program with these settings runs now."""
    return folder.path.is_dir() and is_held(_lock(folder))


def wait_ended(folder: Folder, seconds: float) -> bool:
    """Wait until no program with these settings runs; ``False`` = it still does."""
    until = time.monotonic() + seconds
    while is_running(folder):
        if time.monotonic() > until:
            return False
        time.sleep(0.1)
    return True


def _try_to_listen(folder: Folder, key: bytes) -> Listener | None:
    """What hears callers; ``None`` = not now. A program without it signs all the same."""
    try:
        return _listen(folder, key)
    except OSError as error:
        log.error("no other program can be heard: %s", error)
        return None


def _listen(folder: Folder, key: bytes) -> Listener:
    if sys.platform == "win32":
        from ibhxh_agent.pipe import PrivatePipe

        write_private(_key_file(folder), key.hex())
        return cast(Listener, PrivatePipe(_address(folder, key)))
    with suppress(OSError, ValueError):  # of a program that was killed: this one holds the lock
        os.unlink(_address(folder, _kept_key(folder)))
    write_private(_key_file(folder), key.hex())
    address = _address(folder, key)
    listener = Listener(address)
    os.chmod(address, 0o600)
    return listener


def _serve(
    folder: Folder,
    key: bytes,
    listener: Listener | None,
    on_message: Callable[[dict[str, Any]], None],
    ending: threading.Event,
) -> None:
    while not ending.is_set():
        if listener is None:
            ending.wait(_LISTEN_AGAIN)
            listener = None if ending.is_set() else _try_to_listen(folder, key)
            continue
        try:
            caller = listener.accept()
        except OSError as error:
            log.info("nobody could be heard: %s", type(error).__name__)
            ending.wait(1)
            continue
        # Each in a thread: who connects and then says nothing keeps nobody else waiting.
        threading.Thread(target=_hear, args=(caller, key, on_message), name="activation", daemon=True).start()
    if listener is not None:
        listener.close()


class _Impatient:
    """A caller whose every word is waited for, but not for ever."""

    def __init__(self, caller: Connection) -> None:
        self._caller = caller
        self.send_bytes = caller.send_bytes

    def recv_bytes(self, most: int) -> bytes:
        if not self._caller.poll(_PATIENCE):
            raise TimeoutError
        return self._caller.recv_bytes(most)


def _hear(caller: Connection, key: bytes, on_message: Callable[[dict[str, Any]], None]) -> None:
    try:
        with caller:
            # Of the two functions these need no more than is there.
            patient = cast(Connection, _Impatient(caller))
            deliver_challenge(patient, key)
            answer_challenge(patient, key)
            message = loads(patient.recv_bytes(_LONGEST))
            if isinstance(message, dict):
                on_message(message)
                caller.send_bytes(b"ok")
    except _FAILURES as error:
        log.info("a message was not taken: %s", type(error).__name__)


def _lock(folder: Folder) -> FileLock:
    return FileLock(folder.path / "program.lock")


def _key_file(folder: Folder) -> Path:
    return folder.path / "program.key"


def _kept_key(folder: Folder) -> bytes:
    """Of the program that runs, or ran last.

    :raises OSError, ValueError: there is none
    """
    return bytes.fromhex(read_private(_key_file(folder)))


def _address(folder: Folder, key: bytes) -> str:
    """Where the program with this key listens; nobody who cannot read the key can be there before it."""
    name = hashlib.sha256(b"address " + key).hexdigest()[:32]
    if sys.platform == "win32":
        return rf"\\.\pipe\ibhxh-agent-{name}"
    path = str(folder.path.absolute() / "program.socket")
    if len(path.encode()) <= _SOCKET_PATH:
        return path
    return f"{os.environ.get('XDG_RUNTIME_DIR') or tempfile.gettempdir()}/ibhxh-agent-{name}"
