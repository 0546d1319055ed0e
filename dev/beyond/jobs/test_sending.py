"""Signed registrations are sent by jobs: once, whatever becomes of the jobs."""

from __future__ import annotations

import os
import signal

import pytest

from dev.beyond.jobs_world import JobsWorld, sending
from dev.faults.case import ACCEPTED, Case
from dev.faults.world import until

pytestmark = pytest.mark.usefixtures("runner")
LONG = 25
"""Seconds for which the gateway holds its answer back: longer than the murder takes."""
DELAY = 12
"""Seconds until the gateway answers: longer than a second job needs to come and go."""
MANY = 6


def test_each_of_many_is_sent_by_a_job_of_its_own(world: JobsWorld) -> None:
    """The scheduled action looks again and again while they wait or run."""
    cases = [Case(world) for _number in range(MANY)]
    world.control.fault(endpoint="submit", kind="delay", seconds=1, count=MANY)
    for case in cases:
        case.signed()
    until("all of them sent", lambda: look_again(world))
    for case in cases:
        case.check_accepted()
        job = world.await_job(sending(case), "done")
        assert job["result"] in ACCEPTED and (job["retry"], len(world.jobs(sending(case)))) == (1, 1)
        case.retire()


def look_again(world: JobsWorld) -> bool:
    """Let the scheduled action look; returns whether there is nothing to send any more."""
    world.look("send")
    return not world.sql("SELECT 1 FROM l10n_vn_ibhxh_registration WHERE state = 'to_send'")


def test_a_worker_is_killed_after_the_gateway_took_the_dossier(case: Case, world: JobsWorld) -> None:
    world.control.fault(endpoint="submit", when="after", kind="timeout", seconds=LONG)
    case.signed()
    case.await_accepted()
    job = world.await_job(sending(case), "started")
    assert job["worker_pid"] in world.odoo.workers()
    os.kill(job["worker_pid"], signal.SIGKILL)
    row = case.row()
    assert row["state"] == "to_send" and row["attempted_at"] and not row["submitted_at"]
    world.control.clear_faults()
    world.age(job)
    case.check_accepted()
    again = world.await_job(sending(case), "done")
    assert again["uuid"] == job["uuid"], "the runner began the dead job again"


def test_odoo_is_killed_while_a_job_runs(case: Case, world: JobsWorld) -> None:
    """All of it: workers, scheduler and runner."""
    world.control.fault(endpoint="submit", when="after", kind="timeout", seconds=LONG)
    case.signed()
    case.await_accepted()
    job = world.await_job(sending(case), "started")
    world.odoo.kill()
    world.control.clear_faults()
    world.age(job)
    world.start_odoo()
    case.check_accepted()
    world.await_job(sending(case), "done")


def test_the_runner_is_killed(case: Case, world: JobsWorld) -> None:
    """Odoo starts another one."""
    os.kill(world.runner(), signal.SIGKILL)
    case.signed()
    case.check_accepted()
    world.await_job(sending(case), "done")


def test_two_jobs_of_one_registration_run_at_once(case: Case, world: JobsWorld) -> None:
    """It takes a copied row to get there; the second job finds somebody at work and leaves."""
    world.control.fault(endpoint="submit", kind="delay", seconds=DELAY)
    case.signed()
    job = world.await_job(sending(case), "started")
    twin = world.copy_job(job)
    assert twin["result"] == "to_send" and world.await_job(sending(case), "started")["uuid"] == job["uuid"]
    case.check_accepted()
    assert world.await_job(sending(case), "done")["result"] in ACCEPTED


def test_a_job_that_is_done_is_begun_again(case: Case, world: JobsWorld) -> None:
    """As by the button “Requeue”."""
    case.signed()
    job = world.await_job(sending(case), "done")
    again = world.copy_job(job)
    assert again["result"] in ACCEPTED
    case.check_accepted()


def test_the_gateway_is_down(case: Case, world: JobsWorld) -> None:
    """The job is done, the dossier waits; its next try comes by the same clock as without jobs."""
    world.control.fault(endpoint="submit", kind="outage", seconds=1)
    case.signed()
    case.await_message()
    case.check_waiting(accepted=0)
    assert world.await_job(sending(case), "done", "failed")["result"] == "to_send"
    world.sql("UPDATE l10n_vn_ibhxh_registration SET retry_at = create_date WHERE id = %s", [case.row()["id"]])
    world.trigger("send")
    case.check_accepted()
    assert world.await_job(sending(case), "done")["result"] in ACCEPTED
    assert [job["result"] for job in world.jobs(sending(case))][:-1] == ["to_send"]
