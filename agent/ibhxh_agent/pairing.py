"""Pairs this computer with an Odoo server: a one-time code becomes a key, which is stored."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
from dataclasses import replace

from ibhxh_agent.client import Client, Server, Unreachable
from ibhxh_agent.config import Folder, Pairing, Settings, remove, write_private
from ibhxh_agent.errors import AgentError
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.texts import language, text


def computer_name() -> str:
    """The name of this computer in its network, which Odoo shows."""
    return platform.node()


def pair(folder: Folder, address: str, database: str, code: str, name: str) -> Pairing:
    """Pair, and forget the pairing before; when it fails, that one stays.

    Settings that cannot be read are replaced, and kept as ``settings.json.bad``.

    :param address: of the server, as a person types it
    :param database: empty where the server has one only
    :raises AgentError: the address is odd, the server cannot be reached, or it refuses the code
    :raises OSError: the settings cannot be written
    """
    server = Server.parse(address.strip())
    settings = _writable_settings(folder)
    client = Client(server, database)
    try:
        answer = client.pair(code.strip(), name)
    except Unreachable as error:
        if error.code == "not_protocol" and not database:
            raise AgentError(error.code, text("pair_database", server=server.base)) from error
        raise
    finally:
        client.close()
    if settings is None:
        settings = Settings(language=language())
        with contextlib.suppress(OSError):  # for people who want to know what was in there
            os.replace(folder.settings_file, folder.settings_file.with_name(f"{folder.settings_file.name}.bad"))
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


def _writable_settings(folder: Folder) -> Settings | None:
    """The settings, or ``None`` where they cannot be read; looked at before a code is used, which works once.

    :raises OSError: they could not be written
    """
    attempt = folder.path / "pairing.try"
    write_private(attempt, "")
    remove(attempt)
    try:
        return folder.load()
    except AgentError:
        return None


def forget(folder: Folder) -> None:
    """Remove the key and everything else that is kept of this computer's pairing; for the removal of the program.

    With the usual folder that is all of the program: keys that its settings do not name, or no longer can, go too.
    """
    store = SecretStore(folder)
    with contextlib.suppress(AgentError):  # unreadable settings go, too
        settings = folder.load()
        if settings.pairing is not None:
            store.delete(settings.pairing.agent)
    if folder.path == Folder().path:
        store.clear()
    shutil.rmtree(folder.path, ignore_errors=True)
