"""``kill -9`` of Odoo at each step of signing on the phone: nothing is lost, and nobody is asked twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from integration.phone_case import SECRET, PhoneCase, make_service
from integration.stack import Stack
from integration.waiting import until

LONG = 25
"""Seconds for which the service holds its answer back: longer than the murder takes."""
LATER = 120
"""Seconds after which Odoo takes the process that made a call for dead, and asks."""


@pytest.fixture
def phone(stack: Stack) -> Iterator[Callable[[str], PhoneCase]]:
    """A company with a key at a new service of this dialect; afterwards whatever was broken is mended."""
    cases = []

    def make(dialect: str) -> PhoneCase:
        stack.switch_on("remote")
        cases.append(PhoneCase(stack, make_service(stack, dialect)))
        return cases[-1]

    yield make
    stack.recover()
    for case in cases:
        case.retire()
    assert not stack.secrets_in_logs({"password at the signing service": SECRET})


def test_odoo_is_killed_between_its_commit_and_the_start(phone: Callable[[str], PhoneCase]) -> None:
    """The service never heard of it. The person is told so, and one press sends it again."""
    case = phone("vnpt")
    case.stack.control.fault(endpoint="remote_start", when="before", kind="timeout", seconds=LONG)
    case.to_phone()
    until("the commit before the call", lambda: case.request()["remote_reference"])
    case.stack.odoo.kill()
    assert case.request()["state"] == "claimed"
    case.stack.control.clear_faults()
    case.stack.start_odoo()
    case.pass_time(LATER)
    case.check_failed("unreachable")
    assert case.stack.control.count_started(case.number) == 0
    case.check_again()


def test_odoo_is_killed_after_the_start_and_before_its_answer(phone: Callable[[str], PhoneCase]) -> None:
    """The request is on the phone, and Odoo never heard of that: it asks, and sends nothing again."""
    case = phone("vnpt")
    case.stack.control.fault(endpoint="remote_start", when="after", kind="timeout", seconds=LONG)
    case.to_phone()
    case.await_phone()
    case.stack.odoo.kill()
    case.stack.control.clear_faults()
    case.decide()
    case.stack.start_odoo()
    case.pass_time(LATER)
    case.check_signed_once()


def test_odoo_is_killed_while_it_asks(phone: Callable[[str], PhoneCase]) -> None:
    """The answer with the signature was on its way: it is asked for once more."""
    case = phone("vnpt")
    case.to_phone()
    case.await_request("waiting")
    case.stack.control.fault(endpoint="remote_poll", when="after", kind="timeout", seconds=LONG)
    case.decide()
    case.pass_time(10)
    until("the question", case.stack.control.is_fine)
    case.stack.odoo.kill()
    assert case.state == "to_sign"
    case.stack.start_odoo()
    case.pass_time(LATER)
    case.check_accepted()
    assert case.stack.control.count_started(case.number) == 1


def test_waiting_for_a_service_that_blocks_holds_nothing(phone: Callable[[str], PhoneCase]) -> None:
    """No transaction stays open while the person looks for the phone, and other scheduled actions run."""
    case = phone("csc1")
    case.to_phone()
    case.await_phone()
    transactions = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in trans%'"
    until("no open transaction", lambda: not case.stack.sql(transactions))
    case.stack.run_soon("send")
    assert case.state == "to_sign"
    case.decide()
    case.check_signed_once()


def test_odoo_is_killed_while_a_service_blocks(phone: Callable[[str], PhoneCase]) -> None:
    """Nobody can be asked what became of it, and nothing was signed: the person hears that, and sends it again."""
    case = phone("csc1")
    case.to_phone()
    case.await_phone()
    case.stack.odoo.kill()
    case.stack.start_odoo()
    case.pass_time(10 * LATER)
    case.check_failed("lost")
    assert case.stack.control.count_started(case.number) == 1
    case.decide("refused")
    case.check_again()
