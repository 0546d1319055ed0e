"""Two installations of Odoo that share nothing but PostgreSQL, the first of them behind nginx."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.softhsm import Token, TokenFolder
from integration.stack import Stack

# Odoo then compares the address of a page with the one that the proxy tells, and tells a stranger's page nothing.
SAME_SITE = {"ODOO_BUS_PUBLIC_SAMESITE_WS": "1"}


@pytest.fixture(scope="package")
def stack(stack_name: str) -> Iterator[Stack]:
    """Everything that runs; the agent's computer trusts the proxy's authority."""
    with (
        Stack(f"{stack_name}_hosts", hosts=2, proxy=True, variables=SAME_SITE) as running,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("SSL_CERT_FILE", str(running.proxy.authority))
        yield running
        assert not running.secrets_in_logs()


@pytest.fixture(scope="package")
def token(stack: Stack) -> Token:
    """The one token of the session."""
    return TokenFolder(stack.folder / "token").create("CA")
