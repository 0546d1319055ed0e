"""The sandbox's remote signing service in each dialect, and companies whose keys it keeps."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from integration.phone_case import SECRET, TOKEN, PhoneCase, make_service
from integration.stack import Stack


@pytest.fixture(scope="package")
def services(stack: Stack) -> Iterator[dict[str, int]]:
    """Services by dialect, made when they are asked for."""
    made: dict[str, int] = {}
    stack.switch_on("remote")
    yield made
    assert not stack.secrets_in_logs({"password at the signing service": SECRET, "token of it": TOKEN})


@pytest.fixture
def phone(stack: Stack, services: dict[str, int]) -> Iterator[Callable[[str], PhoneCase]]:
    """A company with a key at the service of this dialect; afterwards whatever was broken is mended."""
    cases = []

    def make(dialect: str = "vnpt") -> PhoneCase:
        if dialect not in services:
            services[dialect] = make_service(stack, dialect)
        cases.append(PhoneCase(stack, services[dialect]))
        return cases[-1]

    yield make
    stack.recover()
    for case in cases:
        case.retire()
