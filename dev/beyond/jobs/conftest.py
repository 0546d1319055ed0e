"""One bring-up for all cases; each case has a company of its own and leaves everything running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.beyond.jobs_world import JobsWorld
from dev.faults.case import Case


@pytest.fixture(scope="session")
def world() -> Iterator[JobsWorld]:
    """Everything that runs."""
    with JobsWorld() as running:
        yield running


@pytest.fixture
def runner(world: JobsWorld) -> None:
    """The job queue is installed, and its runner runs."""
    world.with_runner()


@pytest.fixture
def no_runner(world: JobsWorld) -> None:
    """Nobody runs jobs; the job queue may be installed or not."""
    world.without_runner()


@pytest.fixture
def case(world: JobsWorld) -> Iterator[Case]:
    """One company; afterwards whatever was broken is mended."""
    one = Case(world)
    yield one
    world.recover()
    one.retire()
