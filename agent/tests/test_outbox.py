"""Leases and deliveries, beside the main loop."""

from __future__ import annotations

import json
import threading

import pytest

from ibhxh_agent.client import Client, Credentials, Server
from ibhxh_agent.outbox import Delivery, Leases, Outbox


@pytest.fixture
def client(odoo):
    return Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))


@pytest.fixture
def leases(client):
    made = Leases(client, every=0.03)
    yield made
    made.stop()


@pytest.fixture
def finished():
    """What the outbox is done with."""
    return []


@pytest.fixture
def outbox(client, finished):
    made = Outbox(client, lambda delivery, code: finished.append((delivery.request, code)))
    yield made
    made.stop()


def held(odoo, count=1):
    waiting = [odoo.add(b"x", "f", state="claimed") for _ in range(count)]
    return waiting, [str(entry.id) for entry in waiting]


def test_leases_are_renewed_until_they_are_dropped(odoo, leases):
    waiting, ids = held(odoo, 3)
    leases.hold(ids)
    odoo.wait_for(lambda: all(entry.renewals >= 3 for entry in waiting))
    for request in ids:
        leases.drop(request)
    with odoo.changed:
        renewed = [entry.renewals for entry in waiting]
    odoo_was_asked_again = threading.Event().wait(0.2)
    assert not odoo_was_asked_again and all(e.renewals - r <= 1 for e, r in zip(waiting, renewed, strict=True))


def test_while_a_person_thinks_the_computer_stays_online(odoo, leases):
    """Odoo shows a computer without heartbeats as offline, and the main loop waits for the person."""
    leases.beat = lambda client: client.heartbeat(["certificate"], [])
    _, ids = held(odoo, 5)
    leases.hold(ids)
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") >= 3)
    assert odoo.paths().count("heartbeat") <= 1 + sum(path.endswith("/renew") for path in odoo.paths())


def test_a_heartbeat_that_fails_does_not_stop_the_renewals(odoo, leases):
    leases.beat = lambda client: client.heartbeat([], [])
    odoo.faults += [("heartbeat", 503, b""), ("heartbeat", 403, b'{"error": "revoked", "message": ""}')]
    (waiting,), ids = held(odoo)
    leases.hold(ids)
    odoo.wait_for(lambda: waiting.renewals >= 4 and not odoo.faults)


def test_a_lost_lease_is_known_and_not_asked_for_again(odoo, leases):
    (waiting,), ids = held(odoo)
    leases.hold(ids)
    with odoo.changed:
        waiting.state = "pending"
    seen = threading.Event()
    for _ in range(6000):
        if leases.lost(ids[0]):
            break
        seen.wait(0.01)
    assert leases.lost(ids[0])
    with odoo.changed:
        waiting.state = "claimed"
    leases.hold(ids)
    assert not leases.lost(ids[0])


def test_a_lease_survives_a_server_that_is_away(odoo, leases):
    (waiting,), ids = held(odoo)
    odoo.faults += [("requests", 502, b"")] * 3
    leases.hold(ids)
    odoo.wait_for(lambda: waiting.renewals >= 2)
    assert not leases.lost(ids[0])


def test_answers_are_delivered_in_order_and_once(odoo, outbox, finished):
    waiting, ids = held(odoo, 3)
    outbox.put(Delivery(ids[0], "failed", code="refused", message="không"))
    outbox.put(Delivery(ids[1], "release"))
    outbox.put(Delivery(ids[2], "signed", document="eA=="))
    assert outbox.wait_empty(60) and outbox.pending == 0
    assert [entry.state for entry in waiting] == ["failed", "pending", "signed"]
    assert waiting[0].message == "không" and waiting[2].signed == b"x"
    assert finished == [("1", ""), ("2", ""), ("3", "")]


@pytest.mark.parametrize("code", ["lease_lost", "already_done", "rejected", "not_found"])
def test_an_answer_that_the_server_refuses_is_over(odoo, outbox, finished, code):
    _, ids = held(odoo, 2)
    odoo.faults.append(("requests/1/signed", 409, json.dumps({"error": code, "message": ""}).encode()))
    outbox.put(Delivery(ids[0], "signed", document="eA=="))
    outbox.put(Delivery(ids[1], "signed", document="eA=="))
    assert outbox.wait_empty(60)
    assert finished == [("1", code), ("2", "")]


def test_a_throttled_delivery_waits(odoo, outbox, finished):
    _, ids = held(odoo)
    odoo.faults.append(("requests", 429, b'{"error": "throttled", "message": ""}'))
    with odoo.changed:  # nothing is answered meanwhile
        outbox.put(Delivery(ids[0], "signed", document="eA=="))
        assert outbox.holds("1")
    assert outbox.wait_empty(60)
    assert finished == [("1", "")] and odoo.paths().count("requests/1/signed") == 2


def together(odoo, outbox, count, **first):
    """Put `count` signed documents while the outbox is busy with one that comes before; returns who waits.

    `first` are the values of the first's record at the server.
    """
    waiting, ids = held(odoo, count)
    vars(waiting[0]).update(first)
    gate = threading.Event()
    odoo.hook = lambda moment: moment.startswith("before") and not gate.wait(60)
    outbox.put(Delivery(str(odoo.add(b"x", "f", state="claimed").id), "release"))
    for request in ids:
        outbox.put(Delivery(request, "signed", document="eA=="))
    gate.set()
    return waiting


def test_signed_documents_travel_together_as_far_as_the_server_takes_them(odoo, outbox, finished):
    outbox.at_once = 3
    waiting = together(odoo, outbox, 5)
    assert outbox.wait_empty(60)
    assert [entry.signed for entry in waiting] == [b"x"] * 5
    assert [entry.deliveries for entry in waiting] == [1] * 5
    assert odoo.paths() == ["requests/6/release", "requests/signed", "requests/signed"]
    assert finished == [("6", ""), *((str(number), "") for number in range(1, 6))]


def test_j4_signatures_that_follow_each_other_go_in_one_call(odoo, outbox, monkeypatch):
    """The last of a batch takes along those before it; none of them waits for the clock here."""
    monkeypatch.setattr("ibhxh_agent.outbox.TOGETHER_SECONDS", 3600)
    outbox.at_once = 20
    waiting, ids = held(odoo, 4)
    for request in ids:
        outbox.put(Delivery(request, "signed", document="eA=="), more=request != ids[-1])
    assert outbox.wait_empty(60)
    assert odoo.paths() == ["requests/signed"] and [entry.signed for entry in waiting] == [b"x"] * 4


def test_j4_a_full_call_waits_for_nothing(odoo, outbox, monkeypatch):
    monkeypatch.setattr("ibhxh_agent.outbox.TOGETHER_SECONDS", 3600)
    outbox.at_once = 2
    _, ids = held(odoo, 4)
    for request in ids:
        outbox.put(Delivery(request, "signed", document="eA=="), more=True)
    assert outbox.wait_empty(60) and odoo.paths() == ["requests/signed"] * 2


def test_j4_a_signature_waits_no_longer_than_a_moment(odoo, outbox, monkeypatch):
    """Whatever keeps the next one from being made: a person, the token, a crash of its driver."""
    monkeypatch.setattr("ibhxh_agent.outbox.TOGETHER_SECONDS", 0.05)
    outbox.at_once = 20
    (waiting,), ids = held(odoo)
    outbox.put(Delivery(ids[0], "signed", document="eA=="), more=True)
    assert outbox.wait_empty(60) and waiting.signed == b"x"


def test_j4_a_server_that_takes_one_at_a_time_gets_each_at_once(odoo, outbox, monkeypatch):
    monkeypatch.setattr("ibhxh_agent.outbox.TOGETHER_SECONDS", 3600)
    _, ids = held(odoo)
    outbox.put(Delivery(ids[0], "signed", document="eA=="), more=True)
    assert outbox.wait_empty(60) and odoo.paths() == ["requests/1/signed"]


def test_together_they_stay_below_what_a_call_may_carry(odoo, outbox, monkeypatch):
    monkeypatch.setattr("ibhxh_agent.outbox.TOGETHER_SIZE", 9)
    outbox.at_once = 20
    together(odoo, outbox, 4)
    assert outbox.wait_empty(60)
    assert odoo.paths().count("requests/signed") == 2


def test_a_server_of_before_gets_one_after_the_other(odoo, outbox):
    together(odoo, outbox, 2)
    assert outbox.wait_empty(60)
    assert odoo.paths() == ["requests/3/release", "requests/1/signed", "requests/2/signed"]


def test_one_of_several_that_has_to_wait_does_not_hold_up_the_others(odoo, outbox, finished):
    outbox.at_once = 20
    waiting = together(odoo, outbox, 3, busy=1)
    assert outbox.wait_empty(60)
    assert [entry.signed for entry in waiting] == [b"x"] * 3
    assert [entry.deliveries for entry in waiting] == [2, 1, 1]
    assert finished == [("4", ""), ("2", ""), ("3", ""), ("1", "")], "the others were there before"


def test_a_server_that_refuses_several_gets_one_after_the_other(odoo, outbox, finished):
    outbox.at_once = 20
    odoo.faults.append(("requests/signed", 400, b'{"error": "bad_request", "message": ""}'))
    waiting = together(odoo, outbox, 3)
    assert outbox.wait_empty(60)
    assert [entry.deliveries for entry in waiting] == [1] * 3
    assert [code for _request, code in finished] == [""] * 4
    assert outbox.at_once == 1, "until the next heartbeat says otherwise"


def test_what_the_server_says_of_each_counts(odoo, outbox, finished):
    outbox.at_once = 20
    together(odoo, outbox, 2, state="signed", signed=b"another")
    assert outbox.wait_empty(60)
    assert finished == [("3", ""), ("1", "already_done"), ("2", "")]


@pytest.mark.parametrize("answer", [b"{}", b"[]", b'[{"state": "signed"}]', b"[1, 2]"])
def test_a_nonsense_answer_to_several_is_repeated(odoo, outbox, finished, answer):
    outbox.at_once = 20
    odoo.faults.append(("requests/signed", 200, answer))
    together(odoo, outbox, 2)
    assert outbox.wait_empty(60)
    assert sorted(finished) == [("1", ""), ("2", ""), ("3", "")]
