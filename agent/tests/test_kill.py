"""``kill -9`` of the agent or of its child at each step of the protocol: nothing is lost, nothing is signed twice."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
import softhsm
from fakelib import PIN as FAKE_PIN
from forms import form

STEPS = [
    "before heartbeat",
    "after heartbeat",
    "before requests/claim",
    "after requests/claim",
    "before requests/1/signed",
    "after requests/1/signed",
]


@pytest.mark.parametrize("step", STEPS)
def test_the_agent_is_killed_and_started_again(agent, paired, hsm, first_certificate, step):
    waiting = paired.add(form(), first_certificate.fingerprint)
    victims = []

    def kill(moment):
        if moment == step and victims:
            victims.pop().kill()
            return moment.startswith("before")
        return False

    paired.hook = kill
    first = agent("run", "--poll-interval", "0.2", pin=softhsm.PIN)
    victims.append(first)
    assert first.wait(timeout=90) != 0
    agent("run", "--poll-interval", "0.2", pin=softhsm.PIN)
    paired.wait_for(lambda: waiting.state == "signed")
    paired.wait_for(lambda: paired.paths()[-1] == "heartbeat")
    deliveries = [path for path in paired.paths() if path.endswith("/signed")]
    # the first one was lost with the agent: it is signed and delivered again, but the server got exactly one
    assert len(deliveries) == (2 if step == "before requests/1/signed" else 1)
    assert waiting.deliveries == 1


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="utf-8").split()]


def runs(pid: int) -> bool:
    """It has not ended, whether or not somebody has asked how it ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):  # gone before it was opened, or before it was read
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("step", ["before requests/claim", "after requests/claim"])
def test_its_child_is_killed_before_the_login(agent, paired, hsm, first_certificate, step):
    waiting = paired.add(form(), first_certificate.fingerprint)
    started = []

    def kill(moment):
        if moment == step and started:
            for child in children_of(started.pop().pid):
                os.kill(child, signal.SIGKILL)

    paired.hook = kill
    started.append(agent("run", "--poll-interval", "0.2", pin=softhsm.PIN))
    paired.wait_for(lambda: waiting.state == "signed")
    assert waiting.deliveries == 1 and not started


@pytest.mark.parametrize("step", ["login", "sign"])
def test_its_child_is_killed_while_it_works(agent, paired, fake, step):
    """The request fails with a clear code, the PIN is not used again by itself, and asking again completes."""
    import hashlib

    fingerprint = hashlib.sha256(fake.certificate).hexdigest()
    fake.behave(**{step: "crash"})
    first = paired.add(form(), fingerprint)
    process = agent("run", "--poll-interval", "0.2", pin=FAKE_PIN, library=fake.path)
    paired.wait_for(lambda: first.state == "failed")
    assert first.code == "driver_error" and len(fake.logins) == 1
    fake.behave(**{step: "ok"})
    if step == "login":  # whether the token counted the try is unknown: the PIN from the start is not tried again
        second = paired.add(form(), fingerprint)
        paired.wait_for(lambda: second.state == "failed")
        assert second.code == "pin_incorrect" and len(fake.logins) == 1
        process.kill()
        process.wait()
        agent("run", "--poll-interval", "0.2", pin=FAKE_PIN, library=fake.path)
    third = paired.add(form(), fingerprint)
    paired.wait_for(lambda: third.state == "signed")


def test_the_children_end_with_the_agent(agent, paired, fake, hsm):
    """Also when one hangs inside the vendor's code."""
    fake.behave(list="hang")
    process = agent("--library", softhsm.LIBRARY, "run", pin=softhsm.PIN, library=fake.path)

    while "hanging" not in fake.log.read_text(encoding="utf-8"):
        assert process.poll() is None
    children = children_of(process.pid)
    assert children
    process.kill()
    process.wait()
    for child in children:
        while runs(child):
            time.sleep(0)
