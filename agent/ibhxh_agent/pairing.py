"""Pairs this computer with an Odoo server: a one-time code becomes a key, which is stored."""

from __future__ import annotations

import platform
from dataclasses import replace

from ibhxh_agent.client import Client, Server, Unreachable
from ibhxh_agent.config import Folder, Pairing
from ibhxh_agent.errors import AgentError
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.texts import text


def computer_name() -> str:
    """The name of this computer in its network, which Odoo shows."""
    return platform.node()


def pair(folder: Folder, address: str, database: str, code: str, name: str) -> Pairing:
    """Pair, and forget the pairing before; when it fails, that one stays.

    :param address: of the server, as a person types it
    :param database: empty where the server has one only
    :raises AgentError: the address is odd, the server cannot be reached, or it refuses the code
    """
    server = Server.parse(address.strip())
    client = Client(server, database)
    try:
        answer = client.pair(code.strip(), name)
    except Unreachable as error:
        if error.code == "not_protocol" and not database:
            raise AgentError(error.code, text("pair_database", server=server.base)) from error
        raise
    finally:
        client.close()
    settings = folder.load()
    store = SecretStore(folder)
    store.set(str(answer["agent"]), str(answer["key"]))
    before = settings.pairing
    pairing = Pairing(
        server=server.base,
        database=str(database or answer.get("database") or ""),
        agent=str(answer["agent"]),
        name=name,
        user=str(answer.get("user") or ""),
        expires_at=str(answer["expires_at"]),
    )
    folder.save(replace(settings, pairing=pairing))
    if before is not None and before.agent != pairing.agent:
        store.delete(before.agent)
    return pairing


def forget(folder: Folder) -> None:
    """Remove the key and everything else that is kept of this computer's pairing; for the removal of the program."""
    import contextlib
    import shutil

    settings = None
    with contextlib.suppress(AgentError):  # unreadable settings go, too
        settings = folder.load()
    if settings is not None and settings.pairing is not None:
        SecretStore(folder).delete(settings.pairing.agent)
    shutil.rmtree(folder.path, ignore_errors=True)
