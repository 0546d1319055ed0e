"""One bring-up for all cases of a run; each case has a company of its own and leaves everything running."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.case import Case
from integration.stack import Stack


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--stack` names the stack, so that several runs may go on beside each other."""
    parser.addoption("--stack", default="integration", help="name of the database and the folder")


@pytest.fixture(scope="session")
def stack_name(request: pytest.FixtureRequest) -> str:
    """What `--stack` says."""
    return str(request.config.getoption("--stack"))


@pytest.fixture(scope="session")
def stack(stack_name: str) -> Iterator[Stack]:
    """Everything that runs. Whatever was done to it, no secret stands in a log afterwards."""
    with Stack(stack_name, own_postgres=True) as running:
        yield running
        assert not running.secrets_in_logs()


@pytest.fixture
def case(stack: Stack) -> Iterator[Case]:
    """One company; afterwards whatever was broken is mended."""
    one = Case(stack)
    yield one
    stack.recover()
    one.retire()
