"""An agent in this process, without tokens, whose time passes as fast as it can."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from fake_odoo import FakeOdoo

from ibhxh_agent import runner
from ibhxh_agent.client import Client, Credentials, Server
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.secretstore import SecretStore


class NoTokens:
    """A manager that sees nothing."""

    tokens = ()

    @property
    def reasons(self):
        return {}

    @property
    def troubles(self):
        return []

    def refresh(self):
        return False

    def add(self, paths):
        assert not list(paths)

    def certificates(self):
        return []


class NoWork:
    """A signer that is never asked."""


class Clock:
    """Moves only when the agent waits."""

    def __init__(self, agent):
        self.now = 1_800_000_000.0
        self.agent = agent

    def wait(self, seconds):
        self.now += max(seconds, 0.001)
        return False


def lone_agent(odoo: FakeOdoo, folder: Folder) -> Any:
    """An agent that is paired with this server."""
    folder.save(Settings(pairing=Pairing(odoo.url, odoo.database, odoo.agent, "pc")))
    store = SecretStore(folder)
    store.set(odoo.agent, odoo.key)
    client = Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))
    outbox = SimpleNamespace(at_once=1)
    agent: Any = runner.Agent(client, NoTokens(), NoWork(), outbox, folder, store, wall_clock=lambda: clock.now)
    clock = Clock(agent)
    agent.wake.wait = clock.wait
    agent.clock = clock
    agent.store = store
    return agent
