"""The job queue is installed and nobody runs its jobs; then it is uninstalled."""

from __future__ import annotations

import pytest

from dev.beyond.jobs_world import JobsWorld, await_steps, sending
from dev.faults.case import Case
from dev.paths import ADDON

pytestmark = pytest.mark.usefixtures("no_runner")
COUNT = f"print('jobs:', env['queue.job'].search_count([('model_name', '=like', '{ADDON}.%')]))"
PATIENCE = 15 * 60
"""Seconds after which the scheduled action does itself what a job was made for."""


def test_after_a_while_the_scheduled_action_does_not_wait_for_a_runner(case: Case, world: JobsWorld) -> None:
    world.install()
    case.signed()
    job = world.await_job(sending(case), "pending")
    world.age(job, PATIENCE - 60)
    world.look("send")
    assert case.state == "to_send" and not case.dossiers() and len(world.jobs(sending(case))) == 1
    world.age(job, 61)
    world.trigger("send")
    case.check_accepted()
    assert world.await_job(sending(case), "pending")["uuid"] == job["uuid"]


def test_no_job_is_left_that_could_not_be_shown(case: Case, world: JobsWorld) -> None:
    """The addon's uninstallation, tried and taken back: a job of a model that is gone breaks the list of jobs."""
    world.install()
    case.signed()
    world.await_job(sending(case), "pending")
    assert world.shell(COUNT) != ["0"]
    assert world.shell(f"from odoo.addons.{ADDON} import uninstall_hook; uninstall_hook(env); {COUNT}") == ["0"]


def test_the_job_queue_is_uninstalled(case: Case, world: JobsWorld) -> None:
    """What waited for a job is sent and followed by the scheduled actions."""
    world.install()
    case.signed()
    world.await_job(sending(case), "pending")
    world.remove_job_queue()
    assert not world.has_jobs
    case.send_now()
    case.check_accepted()
    await_steps(case)
