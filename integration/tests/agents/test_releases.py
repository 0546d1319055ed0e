"""The agent's own code takes a newer version, and a list of drivers, from a real Odoo: as signed, or not at all."""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from dev.paths import DATA
from integration.odoo_web import OdooError
from integration.stack import HOLDER, Stack

MODEL = "l10n_vn_ibhxh.agent.release"
INSTALLER = b"MZ the next version" * 100_000


def of_agent(name: str) -> Any:
    """A module of the agent, whose own types are checked in its own folder."""
    return importlib.import_module(f"ibhxh_agent.{name}")


class Makers:
    """The makers of the agent, with a release key of the test's own."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()
        self.public = self._key.public_key().public_bytes_raw()

    def sign(self, **payload: Any) -> str:
        """A release file."""
        content = json.dumps(payload).encode()
        signature = self._key.sign(of_agent("release").to_sign(content))
        encoded = [base64.b64encode(part).decode() for part in (content, signature)]
        return json.dumps({"format": of_agent("release").FORMAT, "payload": encoded[0], "signatures": encoded[1:]})

    def program(self, installer: bytes, version: str) -> str:
        """The release file of an installer for this system, whose releases Odoo knows as those for Linux."""
        sha256 = hashlib.sha256(installer).hexdigest()
        return self.sign(kind="program", platform="linux-x86_64", version=version, size=len(installer), sha256=sha256)


class Computer:
    """A paired computer that notes what is installed on it."""

    def __init__(self, stack: Stack, folder: Path, makers: Makers) -> None:
        client, config = of_agent("client"), of_agent("config")
        self.folder = config.Folder(folder)
        server = client.Server.parse(stack.url)
        answer = client.Client(server, stack.database).pair(stack.pairing_code(), "PC cập nhật")
        self.device = str(answer["agent"])
        self.client = client.Client(server, stack.database, client.Credentials(answer["key"], answer["agent"]))
        self.started: list[bytes] = []
        self.keys = [makers.public]
        self.updates = of_agent("updates").Updates(
            self.folder, self.client, keys=self.keys, start=lambda path: self.started.append(path.read_bytes())
        )

    def beat(self) -> dict[str, Any]:
        """One heartbeat, as the agent makes it."""
        diagnosis = [{"code": "update_refused", "detail": self.updates.refused}] if self.updates.refused else []
        answer: dict[str, Any] = self.client.heartbeat([], [], platform="linux-x86_64", diagnosis=diagnosis)
        self.updates.consider(answer["update"])
        return answer


@pytest.fixture
def makers(monkeypatch: pytest.MonkeyPatch) -> Makers:
    """Known to the agent; whatever this machine is, the installer is for it."""
    monkeypatch.setattr(of_agent("updates"), "platform_name", lambda: "linux-x86_64")
    return Makers()


@pytest.fixture
def computer(stack: Stack, tmp_path: Path, makers: Makers) -> Iterator[Computer]:
    """Afterwards Odoo offers nothing any more."""
    yield Computer(stack, tmp_path / "agent", makers)
    releases = stack.admin.call(MODEL, "search", [])
    stack.admin.call(MODEL, "unlink", releases)


def put(stack: Stack, document: str, installer: bytes | None = None) -> int:
    """Upload a release as the administrator does; returns its id."""
    values = {"document": base64.b64encode(document.encode()).decode()}
    if installer is not None:
        values["file"] = base64.b64encode(installer).decode()
    return stack.admin.create(MODEL, **values)


def test_a_newer_version_travels_through_odoo_and_is_installed_as_it_was_signed(
    stack: Stack, computer: Computer, makers: Makers
) -> None:
    computer.beat()
    assert computer.updates.pending() is None
    put(stack, makers.program(INSTALLER, "99.0.1"), INSTALLER)
    computer.beat()
    assert computer.updates.pending().version == "99.0.1"
    assert not computer.started, "nothing without a person"
    computer.updates.install()
    assert computer.started == [INSTALLER]


def test_who_controls_odoo_installs_nothing(stack: Stack, computer: Computer, makers: Makers) -> None:
    put(stack, Makers().program(INSTALLER, "99.0.1"), INSTALLER)
    computer.beat()
    assert computer.updates.pending() is None
    computer.beat()
    text = stack.admin.read("l10n_vn_ibhxh.agent", _id_of(stack, computer), "diagnosis_text")["diagnosis_text"]
    assert "99.0.1" in text, "the administrator learns of it"
    # A signed one whose bytes are changed behind Odoo's back, on its own disk.
    release = put(stack, makers.program(INSTALLER, "99.0.2"), INSTALLER)
    computer.beat()
    assert computer.updates.pending().version == "99.0.2"
    _store(stack, release).write_bytes(b"MZ evil" + INSTALLER[7:])
    with pytest.raises(of_agent("errors").AgentError, match=r"."):
        computer.updates.install()
    assert not computer.started


def test_a_list_of_token_drivers_travels_the_same_way(stack: Stack, computer: Computer, makers: Makers) -> None:
    library_list = of_agent("tokens.library_list")
    put(stack, makers.sign(**{**library_list.built_in(), "kind": "libraries", "version": 99}))
    assert computer.beat()["libraries"] == 99
    document = computer.client.signed_release("libraries")["document"]
    assert library_list.accept(computer.folder, document, computer.keys) == 99


def test_only_who_has_all_companies_uploads(stack: Stack, computer: Computer, makers: Makers) -> None:
    document = base64.b64encode(makers.program(INSTALLER, "99.0.1").encode()).decode()
    with pytest.raises(OdooError):
        stack.person(HOLDER).create(MODEL, document=document, file=base64.b64encode(INSTALLER).decode())


def _id_of(stack: Stack, computer: Computer) -> int:
    (row,) = stack.sql("SELECT id FROM l10n_vn_ibhxh_agent WHERE device = %s", [computer.device])
    return int(row["id"])


def _store(stack: Stack, release: int) -> Path:
    """The file on Odoo's disk that holds the installer of a release."""
    (row,) = stack.sql(
        "SELECT store_fname FROM ir_attachment WHERE res_model = %s AND res_field = 'file' AND res_id = %s",
        [MODEL, release],
    )
    return DATA / "filestore" / stack.database / str(row["store_fname"])
