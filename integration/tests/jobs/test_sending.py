"""Signed registrations are sent by jobs: once, whatever becomes of the jobs."""

from __future__ import annotations

import os
import signal

import pytest

from integration.case import ACCEPTED, Case
from integration.job_queue import JobQueue, sending
from integration.waiting import until

pytestmark = pytest.mark.usefixtures("runner")
LONG = 25
"""Seconds for which the gateway holds its answer back: longer than the murder takes."""
DELAY = 12
"""Seconds until the gateway answers: longer than a second job needs to come and go."""
MANY = 6


def test_each_of_many_is_sent_by_a_job_of_its_own(queue: JobQueue) -> None:
    """The scheduled action looks again and again while they wait or run."""
    cases = [Case(queue.stack) for _number in range(MANY)]
    queue.stack.control.fault(endpoint="submit", kind="delay", seconds=1, count=MANY)
    for case in cases:
        case.signed()
    until("all of them sent", lambda: look_again(queue))
    for case in cases:
        case.check_accepted()
        job = queue.await_job(sending(case), "done")
        assert job["result"] in ACCEPTED and (job["retry"], len(queue.jobs(sending(case)))) == (1, 1)
        case.retire()


def look_again(queue: JobQueue) -> bool:
    """Let the scheduled action look; returns whether there is nothing to send any more."""
    queue.stack.run_soon("send")
    return not queue.stack.sql("SELECT 1 FROM l10n_vn_ibhxh_registration WHERE state = 'to_send'")


def test_a_worker_is_killed_after_the_gateway_took_the_dossier(case: Case, queue: JobQueue) -> None:
    queue.stack.control.fault(endpoint="submit", when="after", kind="timeout", seconds=LONG)
    case.signed()
    case.await_accepted()
    job = queue.await_job(sending(case), "started")
    assert job["worker_pid"] in queue.stack.odoo.workers()
    os.kill(job["worker_pid"], signal.SIGKILL)
    row = case.row()
    assert row["state"] == "to_send" and row["attempted_at"] and not row["submitted_at"]
    queue.stack.control.clear_faults()
    queue.age(job)
    case.check_accepted()
    again = queue.await_job(sending(case), "done")
    assert again["uuid"] == job["uuid"], "the runner began the dead job again"


def test_odoo_is_killed_while_a_job_runs(case: Case, queue: JobQueue) -> None:
    """All of it: workers, scheduler and runner."""
    queue.stack.control.fault(endpoint="submit", when="after", kind="timeout", seconds=LONG)
    case.signed()
    case.await_accepted()
    job = queue.await_job(sending(case), "started")
    queue.stack.odoo.kill()
    queue.stack.control.clear_faults()
    queue.age(job)
    queue.stack.start_odoo()
    case.check_accepted()
    queue.await_job(sending(case), "done")


def test_the_runner_is_killed(case: Case, queue: JobQueue) -> None:
    """Odoo starts another one."""
    os.kill(queue.runner(), signal.SIGKILL)
    case.signed()
    case.check_accepted()
    queue.await_job(sending(case), "done")


def test_two_jobs_of_one_registration_run_at_once(case: Case, queue: JobQueue) -> None:
    """It takes a copied row to get there; the second job finds somebody at work and leaves."""
    queue.stack.control.fault(endpoint="submit", kind="delay", seconds=DELAY)
    case.signed()
    job = queue.await_job(sending(case), "started")
    twin = queue.copy_job(job)
    assert twin["result"] == "to_send" and queue.await_job(sending(case), "started")["uuid"] == job["uuid"]
    case.check_accepted()
    assert queue.await_job(sending(case), "done")["result"] in ACCEPTED


def test_a_job_that_is_done_is_begun_again(case: Case, queue: JobQueue) -> None:
    """As by the button “Requeue”."""
    case.signed()
    job = queue.await_job(sending(case), "done")
    again = queue.copy_job(job)
    assert again["result"] in ACCEPTED
    case.check_accepted()


def test_the_gateway_is_down(case: Case, queue: JobQueue) -> None:
    """The job is done, the dossier waits; its next try comes by the same clock as without jobs."""
    queue.stack.control.fault(endpoint="submit", kind="outage", seconds=1)
    case.signed()
    case.await_message()
    case.check_waiting(accepted=0)
    assert queue.await_job(sending(case), "done", "failed")["result"] == "to_send"
    queue.stack.sql("UPDATE l10n_vn_ibhxh_registration SET retry_at = create_date WHERE id = %s", [case.row()["id"]])
    queue.stack.trigger("send")
    case.check_accepted()
    assert queue.await_job(sending(case), "done")["result"] in ACCEPTED
    assert [job["result"] for job in queue.jobs(sending(case))][:-1] == ["to_send"]
