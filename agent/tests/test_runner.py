"""The connection: heartbeats, back-off, renewed keys, clock, revocation, deliveries that survive a broken line."""

from __future__ import annotations

import json
import re
import signal
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest
import softhsm
from forms import form
from makers import KEYS, newer, signed

from ibhxh_agent import commands, runner
from ibhxh_agent.backoff import Backoff
from ibhxh_agent.client import Client, Credentials, Server
from ibhxh_agent.config import Folder
from ibhxh_agent.errors import AgentError
from ibhxh_agent.tokens.discovery import Found
from ibhxh_agent.tokens.library_list import current
from ibhxh_agent.tokens.manager import Token


def run_for(agent, seconds):
    until = agent.clock.now + seconds

    def looking():
        if agent.clock.now >= until:
            agent.stopping.set()
        return False

    agent._manager.refresh = looking
    agent.run()


@pytest.mark.parametrize("poll_after", [1, 30, 60, 100000])
def test_an_idle_agent_asks_at_most_twice_a_minute_and_never_falls_silent(lone_agent, odoo, poll_after):
    odoo.poll_after = poll_after
    run_for(lone_agent, 3600)
    assert set(odoo.paths()) == {"heartbeat"}
    assert 3600 / 300 <= len(odoo.calls) <= 3600 / 30 + 1


def test_a_server_that_is_down_is_asked_less_and_less(lone_agent, odoo):
    odoo.stop()
    tries = []
    beat = lone_agent.beat

    def counted():
        tries.append(lone_agent.clock.now)
        return beat()

    lone_agent.beat = counted
    run_for(lone_agent, 3600)
    assert 30 <= len(tries) <= 75  # a fixed second would be 3600
    assert lone_agent.state.online is False and "Không kết nối được" in lone_agent.state.message


def test_it_recovers_when_the_server_is_back(lone_agent, odoo):
    odoo.faults += [("heartbeat", 502, b"<html>"), ("heartbeat", 0, b""), ("heartbeat", 200, b"nonsense")]
    run_for(lone_agent, 60)
    assert lone_agent.state.online is True and not odoo.faults


def test_the_key_is_renewed_stored_and_used(lone_agent, odoo, tmp_path):
    odoo.renew_key = True
    run_for(lone_agent, 100)
    assert odoo.paths().count("key") == 1
    assert lone_agent.store.get(odoo.agent) == odoo.key != "first-key"
    assert odoo.headers[-1]["Authorization"] == f"Bearer {odoo.key}"
    assert Folder(tmp_path / "c").load().pairing.expires_at == "2031-01-01T00:00:00Z"


def test_h8_settings_that_cannot_be_read_burn_no_key_and_end_nothing(lone_agent, odoo, tmp_path):
    odoo.renew_key = True
    file = Folder(tmp_path / "c").settings_file
    kept = file.read_text(encoding="utf-8")
    file.write_text("{", encoding="utf-8")
    run_for(lone_agent, 100)
    assert "key" not in odoo.paths() and lone_agent.state.online is True
    file.write_text(kept, encoding="utf-8")
    lone_agent.stopping.clear()
    run_for(lone_agent, 100)
    assert odoo.paths().count("key") == 1 and lone_agent.store.get(odoo.agent) == odoo.key


def test_other_threads_follow_a_renewed_key(odoo):
    credentials = Credentials("first-key", odoo.agent)
    client = Client(Server.parse(odoo.url), odoo.database, credentials)
    odoo.key = "second-key"

    def renewed_meanwhile(moment):
        credentials.key = "second-key"

    odoo.hook = renewed_meanwhile
    assert client.claim([], 1) == []
    assert [headers["Authorization"] for headers in odoo.headers] == ["Bearer first-key", "Bearer second-key"]


@pytest.mark.parametrize("skew", [-4000, 0, 4000])
def test_a_wrong_clock_is_told(lone_agent, odoo, skew):
    odoo.clock = lambda: lone_agent.clock.now + skew
    lone_agent.beat()
    assert bool(lone_agent.state.clock_warning) is (skew != 0)
    if skew:
        assert int(re.search(r"-?\d+", lone_agent.state.clock_warning)[0]) == -skew


def test_an_outdated_agent_says_so(lone_agent, odoo):
    odoo.outdated = True
    lone_agent.beat()
    assert "99.0" in lone_agent.state.outdated


@pytest.mark.parametrize("code", ["invalid_key", "revoked", "wrong_device"])
def test_a_revoked_agent_stops_and_says_so(lone_agent, odoo, code):
    lone_agent._manager.tokens = [Token("lib", 1, "label", "s", "model", "m", frozenset())]
    body = json.dumps({"error": code, "message": "Máy này đã bị thu hồi."}).encode()
    odoo.faults.append(("heartbeat", 403, body))
    with pytest.raises(AgentError) as caught:
        lone_agent.run()
    assert "Máy này đã bị thu hồi" in caught.value.message and caught.value.code == code
    assert lone_agent.state.online is False


def test_after_a_sleep_it_asks_at_once(lone_agent, odoo):
    odoo.poll_after = 300
    asked = []
    lone_agent.on_state = lambda _state: asked.append(lone_agent.clock.now)
    slept = []
    wait = lone_agent.clock.wait

    def sleeping(seconds):
        if len(asked) == 1 and not slept:
            slept.append(True)
            lone_agent.clock.now += 8 * 3600
        if len(asked) == 2:
            lone_agent.stopping.set()
        return wait(seconds)

    lone_agent.wake.wait = sleeping
    lone_agent.run()
    assert asked[1] - asked[0] < 8 * 3600 + 10


@pytest.mark.parametrize("reachable", [True, False])
def test_h2_a_clock_that_is_set_back_silences_nobody(lone_agent, odoo, reachable):
    """It ran a day ahead, and the agent's own window asks for it to be corrected."""
    odoo.poll_after = 300
    if not reachable:
        odoo.stop()
    asked, waits, wait = [], [], lone_agent.clock.wait
    lone_agent.on_state = lambda _state: asked.append(True)

    def set_back(seconds):
        waits.append(seconds)
        if len(waits) == 1:
            lone_agent.clock.now -= 86400
        if len(asked) == 3 or len(waits) > 1000:
            lone_agent.stopping.set()
        return wait(seconds)

    lone_agent.wake.wait = set_back
    lone_agent.run()
    assert len(asked) == 3, "at once, and then as usual"
    assert all(0 <= seconds <= runner.TOKEN_POLL for seconds in waits)


def test_h2_nor_does_the_search_for_drivers_wait_for_it(lone_agent):
    searched = []
    lone_agent.find = lambda: searched.append(True) or ()
    lone_agent._look_at_tokens()
    lone_agent.clock.now -= 86400
    lone_agent._look_at_tokens()
    lone_agent._look_at_tokens()
    assert len(searched) == 2


class RungLate(threading.Event):
    """The bell rings, once, just after somebody looked whether it had."""

    late = True

    def is_set(self):
        rung = super().is_set()
        if self.late:
            self.late = False
            self.set()
        return rung


def test_a_bell_between_two_looks_is_heard(lone_agent):
    turns = []

    def turn(rung):
        turns.append(rung)
        if len(turns) == 2:
            lone_agent.stopping.set()
        return 300

    lone_agent.wake = RungLate()
    lone_agent.wake.wait = lone_agent.clock.wait
    lone_agent._turn = turn
    lone_agent.run()
    assert turns == [False, True]


def test_a_signal_ends_the_agent_wherever_it_comes(tmp_path):
    """Also while the main loop holds the lock of its own bell."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def run():
        with agent.wake._cond:
            signal.raise_signal(signal.SIGTERM)
            assert agent.stopping.wait(60)

    agent = SimpleNamespace(wake=threading.Event(), stopping=threading.Event(), run=run)
    try:
        commands._run_until_told(agent, Folder(tmp_path))
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert agent.wake.wait(60)


def test_backoff_grows_to_its_limit_and_starts_anew():
    backoff = Backoff(first=1, longest=60)
    waits = [backoff.next() for _ in range(50)]
    for number, wait in enumerate(waits):
        full = min(2**number, 60)
        assert full / 2 <= wait <= full
    assert len(set(waits[10:])) > 10  # jitter
    backoff.reset()
    assert backoff.next() <= 1


@pytest.mark.parametrize(
    "fault", [(0, b""), (-1, b""), (503, b'{"error": "server_error", "message": ""}'), (200, b"<html>")]
)
def test_a_signature_survives_a_broken_delivery(agent, paired, hsm, first_certificate, fault):
    """0: the connection breaks before the server read it; -1: after it was stored, before the answer."""
    waiting = paired.add(form(), first_certificate.fingerprint)
    paired.faults += [("requests/1/signed", *fault)] * 2
    process = agent("run", "--once", pin=softhsm.PIN)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert waiting.state == "signed"
    assert paired.paths().count("requests/1/signed") == 3
    bodies = {body["document"] for path, body in paired.calls if path == "requests/1/signed"}
    assert len(bodies) == 1  # one signature, repeated


def test_the_doorbell_brings_a_request_at_once(agent, paired, hsm, first_certificate):
    paired.doorbell, paired.poll_after = "channel-1", 300
    process = agent("run", pin=softhsm.PIN)
    paired.bus.wait_subscribed()
    paired.wait_for(lambda: "requests/claim" in paired.paths())
    waiting = paired.add(form(), first_certificate.fingerprint)
    paired.bus.ring()
    paired.wait_for(lambda: waiting.state == "signed")
    assert paired.bus.channels == ["channel-1"] and paired.paths().count("heartbeat") == 1
    assert process.poll() is None


def test_sigterm_ends_it_cleanly(agent, paired, hsm):
    process = agent("run", "--poll-interval", "60", pin=softhsm.PIN)
    paired.wait_for(lambda: "heartbeat" in paired.paths())
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=90) == 0


def test_a_second_agent_with_the_same_settings_refuses(agent, paired, hsm):
    agent("run", "--poll-interval", "60", pin=softhsm.PIN)
    paired.wait_for(lambda: "heartbeat" in paired.paths())
    second = agent("run", pin=softhsm.PIN)
    _, err = second.communicate(timeout=90)
    assert second.returncode == 1 and "đang chạy" in err


def test_a_revoked_agent_ends_with_its_own_code(agent, paired, hsm):
    paired.faults.append(("heartbeat", 403, json.dumps({"error": "revoked", "message": "Đã thu hồi."}).encode()))
    process = agent("run", pin=softhsm.PIN)
    _, err = process.communicate(timeout=90)
    assert process.returncode == 3 and "Đã thu hồi." in err


@pytest.mark.parametrize(("said", "used"), [(20, 20), (None, 1), ("20", 1), (0, 1), (10**6, 100)])
def test_the_server_says_how_many_signed_documents_travel_together(lone_agent, odoo, said, used):
    odoo.deliveries = said
    lone_agent.beat()
    assert lone_agent._outbox.at_once == used


def test_a_driver_that_is_installed_while_the_agent_runs_is_found(lone_agent):
    found = []
    added = []
    lone_agent._manager = SimpleNamespace(
        tokens=(), reasons={}, refresh=lambda: False, certificates=list, add=lambda paths: added.extend(paths)
    )
    lone_agent.find = lambda: list(found)
    assert not lone_agent._look_at_tokens() and added == []
    found.append(Found(Path("/opt/bkav/lib/BkavCA.so"), "BKAV-CA", True))
    assert not lone_agent._look_at_tokens(), "not at every look"
    lone_agent._looked_at -= runner.EMPTY_POLL
    assert lone_agent._look_at_tokens(), "and the server learns of it at once"
    assert added == [str(found[0].path)]


def test_a_newer_list_is_taken_and_one_that_is_not_signed_is_asked_for_once(odoo, lone_agent, monkeypatch):
    monkeypatch.setattr("ibhxh_agent.release.built_in_keys", lambda: KEYS)
    odoo.libraries, odoo.documents["libraries"] = 99, signed(newer(99))
    lone_agent.beat()
    assert current(lone_agent._folder)["version"] == 99
    lone_agent.beat()
    assert odoo.calls[-1][1]["libraries"] == 99 and odoo.paths().count("release") == 1
    odoo.libraries, odoo.documents["libraries"] = 100, "{}"
    for _beat in range(3):
        lone_agent.beat()
    assert odoo.paths().count("release") == 2 and current(lone_agent._folder)["version"] == 99
    del odoo.documents["libraries"]
    odoo.libraries = 101
    lone_agent.beat()
    assert lone_agent.state.online is False and current(lone_agent._folder)["version"] == 99
