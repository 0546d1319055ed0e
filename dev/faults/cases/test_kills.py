"""``kill -9`` of Odoo, of one of its workers, of PostgreSQL, of the gateway, at each step of sending."""

from __future__ import annotations

import os
import signal
import threading

import pytest
import requests

from dev.faults.case import Case
from dev.faults.holds import await_blocked, held
from dev.faults.world import DATABASE, until

LONG = 25
"""Seconds for which the gateway holds its answer back: longer than the murder takes."""


@pytest.mark.parametrize("when", ["before", "after"])
def test_odoo_is_killed_while_the_gateway_works(case: Case, when: str) -> None:
    """Before: the gateway has nothing. After: it has taken the dossier, and Odoo never heard of it."""
    case.world.control.fault(endpoint="submit", when=when, kind="timeout", seconds=LONG)
    case.signed()
    if when == "after":
        case.await_accepted()
    else:
        until("the first try", lambda: case.row()["attempted_at"])
    case.world.odoo.kill()
    row = case.row()
    assert row["state"] == "to_send" and row["attempted_at"] and row["signed_document"] and not row["submitted_at"]
    case.world.control.clear_faults()
    case.world.start_odoo()
    case.check_accepted()


def test_odoo_is_killed_between_the_receipt_and_the_new_state(case: Case) -> None:
    case.to_sign()
    with held(case.world, "follow"):
        case.sign()
        await_blocked(case.world)
        row = case.row()
        assert row["submitted_at"] and row["state"] == "to_send", "the receipt is stored before anything else"
        case.world.odoo.kill()
    case.world.start_odoo()
    case.check_accepted()


def test_odoo_is_asked_to_stop_while_the_gateway_works(case: Case) -> None:
    """SIGTERM, as at every deployment."""
    case.world.control.fault(endpoint="submit", when="after", kind="slow", seconds=0.02)
    case.signed()
    case.await_accepted()
    case.world.odoo.stop()
    case.world.start_odoo()
    case.check_accepted()


def test_a_worker_is_killed_while_it_takes_the_signature(case: Case) -> None:
    """The signature was verified, nothing is committed: the computer delivers again, as it does after a lost answer."""
    case.to_sign()
    (claimed,) = case.world.desk.claim(case.certificate)
    case.signed_bytes = case.world.desk.sign(claimed["document"], case.certificate)
    with held(case.world, "send"):
        deliveries = _Delivery(case, claimed["id"])
        deliveries.start()
        await_blocked(case.world)
        for worker in case.world.odoo.workers():
            os.kill(worker, signal.SIGKILL)
        deliveries.join()
    assert deliveries.error, "the computer got no answer"
    row = case.row()
    assert row["state"] == "to_sign" and not row["signed_document"]
    case.world.start_odoo()
    assert case.world.desk.deliver(claimed["id"], case.signed_bytes).json() == {"state": "signed"}
    case.check_accepted()


def test_odoo_is_killed_after_the_signature_was_taken_and_before_the_answer_left(case: Case) -> None:
    """A second, identical delivery answers as the first would have."""
    case.to_sign()
    (claimed,) = case.world.desk.claim(case.certificate)
    case.signed_bytes = case.world.desk.sign(claimed["document"], case.certificate)
    assert case.world.desk.deliver(claimed["id"], case.signed_bytes).status_code == 200
    case.world.odoo.kill()
    case.world.start_odoo()
    assert case.world.desk.deliver(claimed["id"], case.signed_bytes).json() == {"state": "signed"}
    case.check_accepted()


def test_a_connection_of_postgresql_is_killed_while_the_gateway_works(case: Case) -> None:
    """One backend dies, PostgreSQL throws everybody out and recovers; Odoo finds back by itself."""
    case.world.control.fault(endpoint="submit", when="after", kind="slow", seconds=0.02)
    case.signed()
    case.await_accepted()
    with case.world.cluster.cursor(DATABASE) as cursor:
        cursor.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()", [DATABASE])
        victim = cursor.fetchone()["pid"]
    os.kill(victim, signal.SIGKILL)
    case.check_accepted()


def test_postgresql_is_killed_while_the_gateway_works(case: Case) -> None:
    case.world.control.fault(endpoint="submit", when="after", kind="slow", seconds=0.02)
    case.signed()
    case.await_accepted()
    case.world.cluster.kill()
    case.world.cluster.start()
    case.world.start_odoo()
    case.check_accepted()


def test_postgresql_is_killed_while_the_signature_is_taken(case: Case) -> None:
    case.to_sign()
    (claimed,) = case.world.desk.claim(case.certificate)
    case.signed_bytes = case.world.desk.sign(claimed["document"], case.certificate)
    with held(case.world, "send"):
        delivery = _Delivery(case, claimed["id"])
        delivery.start()
        await_blocked(case.world)
        case.world.cluster.kill()
        delivery.join()
    case.world.cluster.start()
    case.world.start_odoo()
    assert case.state == "to_sign"
    assert case.world.desk.deliver(claimed["id"], case.signed_bytes).json() == {"state": "signed"}
    case.check_accepted()


def test_the_gateway_is_killed_after_it_took_the_dossier(case: Case) -> None:
    case.world.control.fault(endpoint="submit", when="after", kind="timeout", seconds=LONG)
    case.signed()
    case.await_accepted()
    case.world.sandbox.kill()
    case.await_message()
    assert case.state == "to_send"
    case.world.start_sandbox()
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
            self._case.world.desk.deliver(self._request, self._case.signed_bytes)
        except requests.RequestException as error:
            self.error = error
