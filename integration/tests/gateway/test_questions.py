"""Questions about several dossiers: they fail, are not offered, or Odoo dies while it asks."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from dev.paths import ADDON, ROOT
from integration.case import Case
from integration.programs import free_port
from integration.stack import VSS_DOMAIN
from integration.waiting import until

SECOND_SERVER = ROOT / "sandbox" / "tests" / "contract" / "second_server.py"
SECOND_CLIENT = "00002"
SENDERS = f"{ADDON}.mail_sender_domains"
LONG = 25
"""Seconds for which the gateway holds its answer back: longer than the murder takes."""
FAULTS: dict[str, dict[str, Any]] = {
    "time-out of a proxy": {"kind": "timeout", "seconds": 2},
    "500": {"kind": "status", "status": 500},
    "closed to us": {"kind": "status", "status": 403},
    "garbage": {"kind": "garbage"},
    "JSON of another shape": {"kind": "wrong_json"},
    "truncated": {"kind": "truncated", "when": "after"},
    "huge": {"kind": "huge", "size": 32 * 2**20},
    "connection reset": {"kind": "reset"},
    "an empty list": {"kind": "odd", "members": {"dossiers": []}},
    "no list": {"kind": "odd", "members": {"dossiers": None}},
}
LEFT_OUT = "an empty list"


@pytest.fixture
def pair(case: Case) -> Iterator[tuple[Case, Case]]:
    """Two companies. No mail of VSS is believed: what Odoo learns it learns by asking."""
    admin = case.stack.person("admin")
    admin.call("ir.config_parameter", "set_param", SENDERS, "nobody.example")
    case.stack.sql(f"UPDATE {ADDON}_provider SET singly_until = NULL")
    other = Case(case.stack)
    yield case, other
    other.retire()
    case.stack.control.change_settings(progress_of_many=True)
    admin.call("ir.config_parameter", "set_param", SENDERS, VSS_DOMAIN)


def test_one_call_for_both(pair: tuple[Case, Case]) -> None:
    confirm(pair)
    pair[0].stack.control.fault(endpoint="progress_of_many", kind="delay", seconds=0)
    follow(pair)
    await_confirmed(pair)
    assert pair[0].stack.control.is_fine(), "the call was made"
    assert singly(pair) == []


@pytest.mark.parametrize("name", FAULTS)
def test_the_call_fails(pair: tuple[Case, Case], name: str) -> None:
    """Asked one by one at once."""
    confirm(pair)
    pair[0].stack.control.fault(endpoint="progress_of_many", **FAULTS[name])
    follow(pair)
    await_confirmed(pair)
    assert pair[0].stack.control.is_fine()
    assert len(singly(pair)) == (name != LEFT_OUT)


def test_the_call_is_not_offered(pair: tuple[Case, Case]) -> None:
    pair[0].stack.control.change_settings(progress_of_many=False)
    confirm(pair)
    follow(pair)
    await_confirmed(pair)
    assert len(singly(pair)) == 1


def test_odoo_is_killed_while_it_asks(pair: tuple[Case, Case]) -> None:
    stack = pair[0].stack
    confirm(pair)
    before = [one.row() for one in pair]
    stack.control.fault(endpoint="progress_of_many", kind="timeout", seconds=LONG)
    follow(pair)
    until("the question", stack.control.is_fine)
    stack.odoo.kill()
    assert [one.state for one in pair] == [row["state"] for row in before]
    stack.control.clear_faults()
    stack.start_odoo()
    follow(pair)
    await_confirmed(pair)
    assert singly(pair) == []


def test_a_server_that_has_only_what_every_gateway_has_to_offer(pair: tuple[Case, Case]) -> None:
    """Written from the documents alone."""
    stack = pair[0].stack
    port = free_port()
    data = str(stack.folder / "second.sqlite")
    command = [sys.executable, str(SECOND_SERVER), str(port), SECOND_CLIENT, stack.secret, data]
    second = stack.program("second-server", command, {})
    second.start()
    url = f"http://127.0.0.1:{port}"
    provider = stack.make_provider(url, code=SECOND_CLIENT, gateway="http", client_id=SECOND_CLIENT)
    values = {f"{ADDON}_provider_id": provider}
    stack.person("admin").call("res.company", "write", [one.company for one in pair], values)
    try:
        with stack.switched_off("follow"):
            for one in pair:
                one.signed()
                one.await_state("sent")
        follow(pair)
        until("the steps of both", lambda: all(steps(one) == 2 for one in pair))
    finally:
        second.stop()
    assert len(singly(pair)) == 1


def confirm(pair: tuple[Case, Case]) -> None:
    """Both are sent, and VSS confirms them; Odoo does not know it yet. The scheduled action is off from here."""
    stack = pair[0].stack
    for one in pair:
        one.signed()
        one.check_accepted()
    stack.switch_off("follow")
    for one in pair:
        (dossier,) = one.dossiers()
        stack.control.activate(dossier["token"], dossier["code"])


def follow(pair: tuple[Case, Case]) -> None:
    """Both are due, and the scheduled action is on."""
    stack = pair[0].stack
    query = f"UPDATE {ADDON}_registration SET poll_at = submitted_at WHERE id IN (%s, %s)"
    stack.sql(query, [one.registration for one in pair])
    stack.switch_on("follow")
    stack.trigger("follow")


def await_confirmed(pair: tuple[Case, Case]) -> None:
    """Wait until Odoo knows it of both.

    A mail of VSS that comes in at that moment may have locked a row whose answer is dropped then: it is asked again.
    """
    looks = itertools.count(1)

    def probe() -> bool:
        if next(looks) % 50 == 0:
            follow(pair)
        return {one.state for one in pair} == {"confirmed"}

    until("both confirmed", probe)


def singly(pair: tuple[Case, Case]) -> list[dict[str, Any]]:
    """The I-VANs that are asked one by one for some time."""
    return pair[0].stack.sql(f"SELECT id FROM {ADDON}_provider WHERE singly_until IS NOT NULL")


def steps(one: Case) -> int:
    """How many of VSS's steps Odoo has."""
    query = f"SELECT count(*) AS n FROM {ADDON}_registration_step WHERE registration_id = %s"
    return int(one.stack.sql(query, [one.registration])[0]["n"])
