"""One bring-up for all cases; each case has a company of its own and leaves everything running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.faults.case import Case
from dev.faults.world import World


@pytest.fixture(scope="session")
def world() -> Iterator[World]:
    """Everything that runs."""
    with World() as running:
        yield running


@pytest.fixture
def case(world: World) -> Iterator[Case]:
    """One company; afterwards whatever was broken is mended."""
    one = Case(world)
    yield one
    world.recover()
    one.retire()
