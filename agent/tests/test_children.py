"""The pipe to a child process."""

from __future__ import annotations

import sys

import pytest

from ibhxh_agent import children
from ibhxh_agent.children import Child, ChildError, child_command

if sys.platform == "win32":
    PYTHON = (sys.executable, "-c")
    CAT = (*PYTHON, "import os\nwhile data := os.read(0, 65536): os.write(1, data)")
    TRUE, SLEEP = (*PYTHON, ""), (*PYTHON, "import time; time.sleep(1000)")
    ECHO = (*PYTHON, "print('this is not a frame of the protocol')")
    MANY = 20  # a process costs much more there
else:
    CAT, TRUE, SLEEP, ECHO = ("cat",), ("true",), ("sleep", "1000"), ("echo", "this is not a frame of the protocol")
    MANY = 300


@pytest.fixture
def program(monkeypatch):
    """Makes the child any command."""

    def use(*command):
        monkeypatch.setattr(children, "child_command", lambda _kind: list(command))

    return use


def test_many_children_one_after_the_other_do_not_steal_each_others_bytes(program):
    program(*CAT)
    for number in range(MANY):
        child = Child("x")
        child.send({"number": number})
        assert child.receive(60)[0] == {"number": number}
        child.kill()


def test_a_child_that_ends_is_told(program):
    program(*TRUE)
    with pytest.raises(ChildError) as caught:
        Child("x").receive(60)
    assert caught.value.reason == "died"


def test_a_silent_child_is_killed_in_time(program):
    program(*SLEEP)
    child = Child("x")
    with pytest.raises(ChildError) as caught:
        child.receive(0.05)
    assert caught.value.reason == "timeout" and not child.alive


def test_a_child_that_talks_nonsense_is_killed(program):
    program(*ECHO)
    child = Child("x")
    with pytest.raises(ChildError) as caught:
        child.receive(60)
    assert caught.value.reason == "garbage" and not child.alive


def test_sending_to_a_dead_child_is_an_error(program):
    program(*TRUE)
    child = Child("x")
    child._process.wait()
    with pytest.raises(ChildError):
        for _ in range(10):
            child.send({"x": "y" * 100_000})


def test_a_quiet_child_is_no_error_when_polled(program):
    program(*CAT)
    child = Child("x")
    assert child.poll(0) is None
    child.send({"a": 1})
    assert child.poll(60)[0] == {"a": 1}
    child.finish(60)
    assert not child.alive
    with pytest.raises(ChildError):
        child.poll(60)


def test_finish_kills_who_does_not_listen(program):
    program(*SLEEP)
    child = Child("x")
    child.finish(0.05)
    assert not child.alive


def test_the_frozen_program_starts_its_children_without_a_module(monkeypatch):
    assert child_command("token") == [sys.executable, "-m", "ibhxh_agent", "--child", "token"]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert child_command("token") == [sys.executable, "--child", "token"]
