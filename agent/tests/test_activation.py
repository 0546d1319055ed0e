"""One program per settings folder, and what a second one hands it."""

from __future__ import annotations

import hashlib
import os
import queue
import sys
import threading
from contextlib import ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path

import pytest

from ibhxh_agent import activation
from ibhxh_agent.config import Folder


@pytest.fixture
def running(tmp_path):
    heard: queue.Queue[dict] = queue.Queue()
    folder = Folder(tmp_path / "config")
    with activation.only_one(folder, heard.put) as only:
        assert only
        yield folder, heard


def key_of(folder):
    return bytes.fromhex(activation._key_file(folder).read_text(encoding="ascii"))


def address_of(folder):
    return activation._address(folder, key_of(folder))


def test_a_second_program_hands_over_what_it_was_started_with(running):
    folder, heard = running
    assert activation.is_running(folder)
    with activation.only_one(folder, heard.put) as only:
        assert not only
    assert activation.send(folder, {"op": "link", "link": "ibhxh-agent://pair?…"})
    assert heard.get(timeout=10) == {"op": "link", "link": "ibhxh-agent://pair?…"}


def test_who_cannot_read_the_settings_folder_is_not_heard(running):
    folder, heard = running
    address = address_of(folder)
    with pytest.raises((OSError, EOFError, activation.AuthenticationError)):  # noqa: SIM117
        with Client(address, authkey=b"guessed") as connection:
            connection.send_bytes(b'{"op": "stop"}')
    assert activation.send(folder, {"op": "open"}) and heard.get(timeout=10) == {"op": "open"} and heard.empty()
    if sys.platform != "win32":
        assert os.stat(address).st_mode & 0o077 == 0
        assert os.stat(activation._key_file(folder)).st_mode & 0o077 == 0


@pytest.mark.parametrize("nonsense", [b"", b"[]", b"\xff", b"{", b"{" * 3000, b'{"op":"x"}' + b" " * 5000])
def test_nonsense_is_no_message_and_ends_nothing(running, nonsense):
    folder, heard = running
    with Client(address_of(folder), authkey=key_of(folder)) as connection:
        connection.send_bytes(nonsense)
        with pytest.raises((OSError, EOFError)):
            connection.recv_bytes()
    assert activation.send(folder, {"op": "open"}) and heard.get(timeout=10) == {"op": "open"}


def test_w22_who_connects_and_says_nothing_keeps_nobody_waiting(running):
    folder, heard = running
    with Client(address_of(folder)):
        assert activation.send(folder, {"op": "stop"}) and heard.get(timeout=10) == {"op": "stop"}


def test_h16_who_connects_and_says_nothing_is_given_up(running, monkeypatch):
    """Each waits in a thread of its own."""
    folder, _heard = running
    monkeypatch.setattr(activation, "_PATIENCE", 0.2)
    with Client(address_of(folder)) as silent:
        assert silent.recv_bytes()
        with pytest.raises((EOFError, OSError)):
            assert silent.poll(20)
            silent.recv_bytes()


@pytest.fixture
def elsewhere(tmp_path, monkeypatch):
    """A settings folder whose path is too long for a socket, and the folder where that is then."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    return Folder(tmp_path / ("x" * 60) / ("y" * 60)), tmp_path


def test_h16_who_takes_a_name_that_can_be_guessed_keeps_nobody_from_starting(elsewhere):
    folder, sockets = elsewhere
    name = "ibhxh-agent-" + hashlib.sha256(str(folder.path.absolute()).encode()).hexdigest()[:32]
    heard: queue.Queue[dict] = queue.Queue()
    with ExitStack() as stack:
        if sys.platform == "win32":
            squatter = Listener(rf"\\.\pipe\{name}")
            stack.callback(squatter.close)
        else:
            (sockets / name).mkdir()
        assert stack.enter_context(activation.only_one(folder, heard.put))
        assert activation.send(folder, {"op": "open"}) and heard.get(timeout=10)


def test_h16_each_start_has_a_name_of_its_own_and_removes_what_a_killed_one_left(elsewhere):
    folder, sockets = elsewhere
    names = set()
    for _ in range(3):
        with activation.only_one(folder, print):
            names.add(address_of(folder))
        if sys.platform != "win32":
            Path(address_of(folder)).touch()
    assert len(names) == 3 and len(list(sockets.glob("ibhxh-agent-*"))) <= 1


def test_h16_a_program_that_cannot_listen_works_and_tries_again(tmp_path, monkeypatch):
    """It signs; a second start is heard as soon as it can be."""
    tries, listen = [], activation._listen

    def later(folder, key):
        tries.append(key)
        if len(tries) < 3:
            raise OSError(98, "Address already in use")
        return listen(folder, key)

    monkeypatch.setattr(activation, "_listen", later)
    monkeypatch.setattr(activation, "_LISTEN_AGAIN", 0.05)
    heard: queue.Queue[dict] = queue.Queue()
    folder = Folder(tmp_path / "config")
    with activation.only_one(folder, heard.put) as only:
        assert only and activation.send(folder, {"op": "open"}) and heard.get(timeout=10)
    assert len(tries) == 3 and not activation.is_running(folder)


def test_h16_one_that_never_can_ends_all_the_same(tmp_path, monkeypatch):
    def never(_folder, _key):
        raise OSError(98, "Address already in use")

    monkeypatch.setattr(activation, "_listen", never)
    with activation.only_one(Folder(tmp_path / "config"), print) as only:
        assert only
    assert not activation.is_running(Folder(tmp_path / "config"))


def test_w22_a_program_that_hangs_is_given_up(running, monkeypatch):
    """Else `stop`, and with it the installer, would wait for ever."""
    folder, _heard = running
    monkeypatch.setattr(activation, "_PATIENCE", 0.1)
    monkeypatch.setattr(activation, "deliver_challenge", lambda *_given: threading.Event().wait())
    assert not activation.send(folder, {"op": "stop"}, seconds=0.5)


def test_nobody_is_there(tmp_path):
    folder = Folder(tmp_path / "config")
    assert not activation.is_running(folder) and not activation.send(folder, {"op": "stop"})
    assert activation.wait_ended(folder, 5) and not folder.path.exists()


def test_what_a_killed_program_left_is_no_hindrance(tmp_path):
    folder = Folder(tmp_path / "config")
    with activation.only_one(folder, print):
        pass
    if sys.platform != "win32":
        (tmp_path / "config" / "program.socket").touch()
    heard: queue.Queue[dict] = queue.Queue()
    with activation.only_one(folder, heard.put) as only:
        assert only and activation.send(folder, {"op": "open"}) and heard.get(timeout=10)


def test_a_long_path_of_the_settings_folder_is_no_hindrance(elsewhere):
    folder, _sockets = elsewhere
    heard: queue.Queue[dict] = queue.Queue()
    with activation.only_one(folder, heard.put):
        assert activation.send(folder, {"op": "open"}) and heard.get(timeout=10)
