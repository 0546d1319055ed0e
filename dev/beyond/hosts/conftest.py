"""One bring-up for all cases; each case has a company of its own and leaves everything running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dev.beyond.hosts_world import HostsWorld
from dev.faults.case import Case
from dev.softhsm import Token, TokenFolder

PIN = "73915846"


@pytest.fixture(scope="session")
def world() -> Iterator[HostsWorld]:
    """Everything that runs; the agent's computer trusts the proxy's authority."""
    with HostsWorld() as running, pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(running.proxy.authority))
        yield running


@pytest.fixture
def case(world: HostsWorld) -> Iterator[Case]:
    """One company; afterwards whatever was broken is mended."""
    one = Case(world)
    yield one
    world.recover()
    one.retire()


@pytest.fixture(scope="session")
def pin() -> str:
    """The token's PIN."""
    return PIN


@pytest.fixture(scope="session")
def token(world: HostsWorld) -> Token:
    """The one token of the session."""
    return TokenFolder(world.folder / "token").create("CA", pin=PIN)
