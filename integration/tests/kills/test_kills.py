"""``kill -9`` of Odoo, of one of its workers, of PostgreSQL, of the gateway, at each step of sending."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import requests

from integration.case import Case
from integration.locks import await_blocked, locked_cron
from integration.waiting import until

LONG = 25
"""Seconds for which the gateway holds its answer back: longer than the murder takes."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_odoo_is_killed_while_the_gateway_works(case: Case, when: str) -> None:
    """Before: the gateway has nothing. After: it has taken the dossier, and Odoo never heard of it."""
    case.stack.control.fault(endpoint="submit", when=when, kind="timeout", seconds=LONG)
    case.signed()
    if when == "after":
        case.await_accepted()
    else:
        until("the first try", lambda: case.row()["attempted_at"])
    case.stack.odoo.kill()
    row = case.row()
    assert row["state"] == "to_send" and row["attempted_at"] and row["signed_document"] and not row["submitted_at"]
    case.stack.control.clear_faults()
    case.stack.start_odoo()
    case.check_accepted()


def test_odoo_is_killed_between_the_receipt_and_the_new_state(case: Case) -> None:
    case.to_sign()
    with locked_cron(case.stack, "follow"):
        case.sign()
        await_blocked(case.stack)
        row = case.row()
        assert row["submitted_at"] and row["state"] == "to_send", "the receipt is stored before anything else"
        case.stack.odoo.kill()
    case.stack.start_odoo()
    case.check_accepted()


def test_odoo_is_asked_to_stop_while_the_gateway_works(case: Case) -> None:
    """SIGTERM, as at every deployment."""
    case.stack.control.fault(endpoint="submit", when="after", kind="slow", seconds=0.02)
    case.signed()
    case.await_accepted()
    case.stack.odoo.stop()
    case.stack.start_odoo()
    case.check_accepted()


def test_a_worker_is_killed_while_it_takes_the_signature(case: Case) -> None:
    """The signature was verified, nothing is committed: the computer delivers again, as it does after a lost answer."""
    case.to_sign()
    (claimed,) = case.stack.fake_agent.claim(case.certificate)
    case.signed_bytes = case.stack.fake_agent.sign(claimed["document"], case.certificate)
    with locked_cron(case.stack, "send"):
        deliveries = _Delivery(case, claimed["id"])
        deliveries.start()
        await_blocked(case.stack)
        for worker in case.stack.odoo.workers():
            os.kill(worker, signal.SIGKILL)
        deliveries.join()
    assert deliveries.error, "the computer got no answer"
    row = case.row()
    assert row["state"] == "to_sign" and not row["signed_document"]
    case.stack.start_odoo()
    assert case.stack.fake_agent.deliver(claimed["id"], case.signed_bytes).json() == {"state": "signed"}
    case.check_accepted()


def test_odoo_is_killed_after_the_signature_was_taken_and_before_the_answer_left(case: Case) -> None:
    """A second, identical delivery answers as the first would have."""
    case.to_sign()
    (claimed,) = case.stack.fake_agent.claim(case.certificate)
    case.signed_bytes = case.stack.fake_agent.sign(claimed["document"], case.certificate)
    assert case.stack.fake_agent.deliver(claimed["id"], case.signed_bytes).status_code == 200
    case.stack.odoo.kill()
    case.stack.start_odoo()
    assert case.stack.fake_agent.deliver(claimed["id"], case.signed_bytes).json() == {"state": "signed"}
    case.check_accepted()


def test_a_connection_of_postgresql_is_killed_while_the_gateway_works(case: Case) -> None:
    """One backend dies, PostgreSQL throws everybody out and recovers; Odoo finds back by itself."""
    case.stack.control.fault(endpoint="submit", when="after", kind="slow", seconds=0.02)
    case.signed()
    case.await_accepted()
    others = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    os.kill(case.stack.sql(others)[0]["pid"], signal.SIGKILL)
    case.check_accepted()


def test_postgresql_is_killed_while_the_gateway_works(case: Case) -> None:
    case.stack.control.fault(endpoint="submit", when="after", kind="slow", seconds=0.02)
    case.signed()
    case.await_accepted()
    case.stack.cluster.kill()
    case.stack.cluster.start()
    case.stack.start_odoo()
    case.check_accepted()


def test_postgresql_is_killed_while_the_signature_is_taken(case: Case) -> None:
    case.to_sign()
    (claimed,) = case.stack.fake_agent.claim(case.certificate)
    case.signed_bytes = case.stack.fake_agent.sign(claimed["document"], case.certificate)
    with locked_cron(case.stack, "send"):
        delivery = _Delivery(case, claimed["id"])
        delivery.start()
        await_blocked(case.stack)
        case.stack.cluster.kill()
        delivery.join()
    case.stack.cluster.start()
    case.stack.start_odoo()
    assert case.state == "to_sign"
    assert case.stack.fake_agent.deliver(claimed["id"], case.signed_bytes).json() == {"state": "signed"}
    case.check_accepted()


def test_the_gateway_is_killed_after_it_took_the_dossier(case: Case) -> None:
    case.stack.control.fault(endpoint="submit", when="after", kind="timeout", seconds=LONG)
    case.signed()
    case.await_accepted()
    case.stack.sandbox.kill()
    case.await_message()
    assert case.state == "to_send"
    case.stack.start_sandbox()
    case.check_waiting(accepted=1)
    case.send_now()
    case.check_accepted()


class _Delivery(threading.Thread):
    """A delivery of a signed document that is on its way while something else happens."""

    def __init__(self, case: Case, request: int) -> None:
        super().__init__()
        self._case = case
        self._request = request
        self.error: requests.RequestException | None = None

    def run(self) -> None:
        """Deliver; a lost connection is what the caller looks for."""
        try:
            self._case.stack.fake_agent.deliver(self._request, self._case.signed_bytes)
        except requests.RequestException as error:
            self.error = error
