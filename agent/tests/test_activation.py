"""One program per settings folder, and what a second one hands it."""

from __future__ import annotations

import os
import queue
import sys
import threading
from multiprocessing.connection import Client

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


def test_a_second_program_hands_over_what_it_was_started_with(running):
    folder, heard = running
    assert activation.is_running(folder)
    with activation.only_one(folder, heard.put) as only:
        assert not only
    assert activation.send(folder, {"op": "link", "link": "ibhxh-agent://pair?…"})
    assert heard.get(timeout=10) == {"op": "link", "link": "ibhxh-agent://pair?…"}


def test_who_cannot_read_the_settings_folder_is_not_heard(running):
    folder, heard = running
    address = activation._address(folder)
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
    key = bytes.fromhex(activation._key_file(folder).read_text(encoding="utf-8"))
    with Client(activation._address(folder), authkey=key) as connection:
        connection.send_bytes(nonsense)
        with pytest.raises((OSError, EOFError)):
            connection.recv_bytes()
    assert activation.send(folder, {"op": "open"}) and heard.get(timeout=10) == {"op": "open"}


def test_w22_who_connects_and_says_nothing_keeps_nobody_waiting(running):
    folder, heard = running
    with Client(activation._address(folder)):
        assert activation.send(folder, {"op": "stop"}) and heard.get(timeout=10) == {"op": "stop"}


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


def test_a_long_path_of_the_settings_folder_is_no_hindrance(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    folder = Folder(tmp_path / ("x" * 60) / ("y" * 60))
    heard: queue.Queue[dict] = queue.Queue()
    with activation.only_one(folder, heard.put):
        assert activation.send(folder, {"op": "open"}) and heard.get(timeout=10)
