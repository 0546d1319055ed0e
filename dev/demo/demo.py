"""The demo's stack, its companies, and the holder's computer with their tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta, timezone

from ..console import say
from ..paths import RUNTIME
from .companies import Company
from integration.agent_computer import AgentComputer
from integration.companies import tax_code
from integration.softhsm import TokenFolder
from integration.stack import VSS_DOMAIN, Stack

PICTURES = RUNTIME / "demo-pictures"
SENDER_DOMAINS = (VSS_DOMAIN, "ivan.sandbox.example")
"""The domains whose mails the sandbox really sends: VSS's, and an I-VAN's that Odoo has no reason to listen to."""
FOREIGN_TAX_CODE = tax_code("010999920")


class Demo:
    """What the scenes play with."""

    def __init__(self, stack: Stack, companies: Mapping[str, Company]) -> None:
        """:param stack: running, not set up"""
        self.stack = stack
        self.companies = companies
        self.slots = TokenFolder(stack.folder / "token")
        self.foreign_slots = TokenFolder(stack.folder / "foreign-token")
        self.pc: AgentComputer = stack.new_agent("agent")
        self._make_tokens()

    def _make_tokens(self) -> None:
        """One token for each company on the holder's computer, and a foreign one that is plugged in by mistake."""
        started = datetime.now(timezone.utc) - timedelta(days=60)
        for company in self.companies.values():
            if not company.has_token:
                continue
            company.certificate = self.slots.create(f"{company.key}-CA").add_certificate(
                tax_code=company.tax_code, name=company.name, not_before=started
            )
        self.foreign_slots.create("foreign-CA").add_certificate(
            tax_code=FOREIGN_TAX_CODE, name="CÔNG TY TNHH NGƯỜI KHÁC", not_before=started
        )


@contextmanager
def running(companies: Mapping[str, Company]) -> Iterator[Demo]:
    """Database, Odoo and tokens; everything else is set up by the scenes (`setup_scene`)."""
    say("A fresh database with the addon, Odoo, tokens …")
    with Stack("demo", workers=0, sandbox={}, ready=False) as stack:
        yield Demo(stack, companies)
