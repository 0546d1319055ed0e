"""Signed registrations are sent by jobs: once, whatever becomes of the jobs."""

from __future__ import annotations

import os
import signal

from dev.beyond.jobs_world import JobsWorld, sending
from dev.faults.case import Case

LONG = 25
"""Seconds for which the gateway holds its answer back: longer than the murder takes."""
MANY = 6


def test_each_of_many_is_sent_by_a_job_of_its_own(world: JobsWorld) -> None:
    """The scheduler looks again and again meanwhile, as it would for further signatures."""
    cases = [Case(world) for _number in range(MANY)]
    for case in cases:
        case.signed()
        world.wake()
    for case in cases:
        case.check_accepted()
        (job,) = world.jobs(sending(case))
        assert (job["state"], job["result"], job["retry"]) == ("done", "sent", 1)
        case.retire()


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
    case.check_accepted()
    again = world.await_job(sending(case), "done")
    assert again["uuid"] == job["uuid"], "the runner began the dead job again"
