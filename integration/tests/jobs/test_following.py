"""Gateways are asked by jobs, one for each I-VAN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration.case import Case
from integration.job_queue import JobQueue, ask, asking, await_confirmed, await_steps, polling
from integration.stack import VSS_DOMAIN
from integration.waiting import until

pytestmark = pytest.mark.usefixtures("runner")
LONG = 25
"""Seconds for which the gateway does not answer: longer than everything takes that must not wait for it."""
SENDERS = "l10n_vn_ibhxh.mail_sender_domains"


@pytest.fixture
def deaf(queue: JobQueue) -> Iterator[None]:
    """No mail of VSS is believed meanwhile: what Odoo learns it learns by asking."""
    admin = queue.stack.person("admin")
    admin.call("ir.config_parameter", "set_param", SENDERS, "nobody.example")
    yield
    admin.call("ir.config_parameter", "set_param", SENDERS, VSS_DOMAIN)


@pytest.mark.usefixtures("deaf")
def test_a_job_learns_that_vss_confirmed(case: Case, queue: JobQueue) -> None:
    case.signed()
    case.check_accepted()
    await_steps(case)
    queue.await_job(polling(queue.stack.provider), "done")
    (dossier,) = case.dossiers()
    queue.stack.control.activate(dossier["token"], dossier["code"])
    await_confirmed(case)
    assert queue.await_job(polling(queue.stack.provider), "done")["result"] == "done"


@pytest.mark.usefixtures("deaf")
def test_a_gateway_that_does_not_answer_keeps_only_its_own_waiting(case: Case, queue: JobQueue) -> None:
    """Two I-VANs. The one that hangs is asked by one job at a time; what becomes due there meanwhile has the next."""
    other = Case(queue.stack)
    admin = queue.stack.person("admin")
    provider = queue.stack.make_provider(queue.stack.sandbox_url, gateway="http", company_id=other.company)
    admin.call("res.company", "write", [other.company], {"l10n_vn_ibhxh_provider_id": provider})
    other.to_sign()
    case.signed()
    case.check_accepted()
    await_steps(case)
    queue.stack.control.fault(endpoint="progress", kind="timeout", seconds=LONG)
    until("the gateway that is asked", asking(queue.stack.control.is_fine, case))
    (hanging,) = [job for job in queue.jobs(polling(queue.stack.provider)) if job["state"] == "started"]
    other.sign()
    other.check_accepted()
    (dossier,) = other.dossiers()
    queue.stack.control.activate(dossier["token"], dossier["code"])
    ask(case)
    await_confirmed(other)
    second = until("a second job for the first I-VAN", lambda: newer(queue, hanging))
    assert (second["result"], state(queue, hanging)) == ("goes on in another job", "started")
    other.retire()
    until("the first job's end", lambda: state(queue, hanging) == "done")
    third = queue.await_job(polling(queue.stack.provider), "pending", "done")
    until("the turn of the waiting one", lambda: third["id"] > second["id"] and state(queue, third) == "done")


def state(queue: JobQueue, job: dict[str, Any]) -> str:
    """How far a job is now."""
    return str(next(row["state"] for row in queue.jobs(job["identity_key"]) if row["id"] == job["id"]))


def newer(queue: JobQueue, than: dict[str, Any]) -> dict[str, Any] | None:
    """A later job for the same I-VAN that is done."""
    rows = [job for job in queue.jobs(than["identity_key"]) if job["id"] > than["id"] and job["state"] == "done"]
    return rows[0] if rows else None
