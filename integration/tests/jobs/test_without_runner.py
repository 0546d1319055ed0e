"""The job queue is installed and nobody runs its jobs; then it is uninstalled."""

from __future__ import annotations

import pytest

from dev.paths import ADDON
from integration.case import Case
from integration.job_queue import JobQueue, await_steps, sending

pytestmark = pytest.mark.usefixtures("no_runner")
COUNT = f"print('jobs:', env['queue.job'].search_count([('model_name', '=like', '{ADDON}.%')]))"
PATIENCE = 15 * 60
"""Seconds after which the scheduled action does itself what a job was made for."""


def test_after_a_while_the_scheduled_action_does_not_wait_for_a_runner(case: Case, queue: JobQueue) -> None:
    queue.install()
    case.signed()
    job = queue.await_job(sending(case), "pending")
    queue.age(job, PATIENCE - 60)
    queue.stack.run_soon("send")
    assert case.state == "to_send" and not case.dossiers() and len(queue.jobs(sending(case))) == 1
    queue.age(job, 61)
    queue.stack.trigger("send")
    case.check_accepted()
    assert queue.await_job(sending(case), "pending")["uuid"] == job["uuid"]


def test_no_job_is_left_that_could_not_be_shown(case: Case, queue: JobQueue) -> None:
    """The addon's uninstallation, tried and taken back: a job of a model that is gone breaks the list of jobs."""
    queue.install()
    case.signed()
    queue.await_job(sending(case), "pending")
    assert queue.shell(COUNT) != ["0"]
    assert queue.shell(f"from odoo.addons.{ADDON} import uninstall_hook; uninstall_hook(env); {COUNT}") == ["0"]


def test_the_job_queue_is_uninstalled(case: Case, queue: JobQueue) -> None:
    """What waited for a job is sent and followed by the scheduled actions."""
    queue.install()
    case.signed()
    queue.await_job(sending(case), "pending")
    queue.uninstall()
    assert not queue.is_installed
    case.send_now()
    case.check_accepted()
    await_steps(case)
