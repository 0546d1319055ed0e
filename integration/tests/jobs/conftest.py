"""Odoo with two workers, the OCA's job queue and its real runner."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.job_queue import JobQueue
from integration.stack import Stack


@pytest.fixture(scope="package")
def stack(stack_name: str) -> Iterator[Stack]:
    """Everything that runs."""
    with Stack(f"{stack_name}_jobs", **JobQueue.stack_settings()) as running:
        yield running
        assert not running.secrets_in_logs()


@pytest.fixture(scope="package")
def queue(stack: Stack) -> JobQueue:
    """The stack's job queue."""
    return JobQueue(stack)


@pytest.fixture
def runner(queue: JobQueue) -> None:
    """The job queue is installed, and its runner runs."""
    queue.with_runner()


@pytest.fixture
def no_runner(queue: JobQueue) -> None:
    """Nobody runs jobs; the job queue may be installed or not."""
    queue.without_runner()
