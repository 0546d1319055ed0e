"""``kill -9`` of Odoo at each step of signing on the phone: nothing is lost, and nobody is asked twice."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.phone import PhoneCase
from integration.stack import Stack
from integration.waiting import until

LONG = 25
"""Seconds for which the service holds its answer back: longer than the murder takes."""


@pytest.fixture
def case(stack: Stack) -> Iterator[PhoneCase]:
    """A company whose clerk signs on the phone; afterwards whatever was broken is mended."""
    one = PhoneCase(stack)
    one.enter_account()
    yield one
    stack.recover()
    one.retire()


def test_odoo_is_killed_between_its_commit_and_the_start(case: PhoneCase) -> None:
    """The service never heard of it. The person is told so, and one press sends it again."""
    before = case.starts()
    case.stack.control.fault(endpoint="remote_start", when="before", kind="timeout", seconds=LONG)
    case.send_to_phone()
    until("the commit before the call", lambda: case.request()["remote_reference"])
    case.stack.odoo.kill()
    assert (case.request()["state"], case.starts()) == ("claimed", before)
    case.stack.control.clear_faults()
    case.stack.start_odoo()
    case.pass_time()
    row = case.await_state("draft")
    assert row["error_code"] == "unreachable" and row["error_message"]
    assert case.starts() == before
    case.press("action_send_again")
    case.confirm()
    case.pass_time()
    case.check_accepted()
    assert case.starts() == before + 1


def test_odoo_is_killed_after_the_start_and_before_its_answer(case: PhoneCase) -> None:
    """The request is on the phone, and Odoo never heard of that: it asks, and sends nothing again."""
    before = case.starts()
    case.stack.control.fault(endpoint="remote_start", when="after", kind="timeout", seconds=LONG)
    case.send_to_phone()
    case.on_phone()
    case.stack.odoo.kill()
    case.stack.control.clear_faults()
    case.confirm()
    case.stack.start_odoo()
    case.pass_time()
    case.check_accepted()
    assert case.starts() == before + 1


def test_odoo_is_killed_while_it_asks(case: PhoneCase) -> None:
    """The answer with the signature was on its way: it is asked for once more."""
    before = case.starts()
    case.send_to_phone()
    case.on_phone()
    until("the answer to the start", lambda: case.request()["remote_state"] == "waiting")
    case.stack.control.fault(endpoint="remote_poll", when="after", kind="timeout", seconds=LONG)
    case.confirm()
    case.pass_time()
    until("the question", case.stack.control.is_fine)
    case.stack.odoo.kill()
    assert case.state == "to_sign"
    case.stack.start_odoo()
    case.pass_time()
    case.check_accepted()
    assert case.starts() == before + 1


@pytest.fixture
def blocking(stack: Stack) -> Iterator[PhoneCase]:
    """The same at a service that answers only once the person has decided."""
    one = PhoneCase(stack)
    one.enter_account("csc/v1", adapter="csc1", login="client")
    yield one
    stack.recover()
    one.retire()


def test_waiting_for_a_service_that_blocks_holds_nothing(blocking: PhoneCase) -> None:
    """No transaction stays open while the person looks for the phone, and other scheduled actions run."""
    before = blocking.starts()
    blocking.send_to_phone()
    blocking.on_phone()
    transactions = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
    until("no open transaction", lambda: not blocking.stack.sql(transactions))
    blocking.stack.run_soon("send")
    assert blocking.state == "to_sign"
    blocking.confirm()
    blocking.check_accepted()
    assert blocking.starts() == before + 1


def test_odoo_is_killed_while_a_service_blocks(blocking: PhoneCase) -> None:
    """Nobody can be asked what became of it, and nothing was signed: the person hears that, and sends it again."""
    before = blocking.starts()
    blocking.send_to_phone()
    blocking.on_phone()
    blocking.stack.odoo.kill()
    blocking.stack.start_odoo()
    for _turn in range(4):
        blocking.pass_time()
    row = blocking.await_state("draft")
    assert row["error_code"] == "unreachable"
    assert blocking.starts() == before + 1
    blocking.refuse()
    blocking.press("action_send_again")
    blocking.confirm()
    blocking.check_accepted()
    assert blocking.starts() == before + 2
