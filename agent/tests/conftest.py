"""Tokens, a server and a started agent for the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lone
import pki
import pytest
import softhsm
from display import virtual_screen
from fake_odoo import FakeOdoo
from fakelib import FakeLibrary, compile_library

from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess, Timeouts

#: Asks Windows itself.
collect_ignore = [] if sys.platform == "win32" else ["test_on_windows.py"]


@pytest.fixture(autouse=True)
def _private_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the person who runs the tests is read or written: no keyring, no settings, no proxy, no locks."""
    monkeypatch.setenv("PYTHON_KEYRING_BACKEND", "keyring.backends.fail.Keyring")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config-home"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    """A screen that nobody sees, the value of DISPLAY. One for all: Tk ends the process with the first it has used."""
    if not sys.platform.startswith("linux"):  # each session of Windows and macOS has one
        yield ""
        return
    with virtual_screen() as display:
        yield display


@pytest.fixture(scope="session")
def first_certificate() -> TokenCertificate:
    """The certificate of the token ``hsm``."""
    return TokenCertificate.from_der(pki.certificate(pki.key(0)))


@pytest.fixture(scope="session")
def _filled(first_certificate: TokenCertificate, tmp_path_factory: pytest.TempPathFactory) -> softhsm.SoftHsm:
    hsm = softhsm.SoftHsm(tmp_path_factory.mktemp("shared") / "hsm")
    hsm.add("Kế toán", [(pki.key(0), first_certificate.der)])
    return hsm


@pytest.fixture
def hsm(_filled: softhsm.SoftHsm, monkeypatch: pytest.MonkeyPatch) -> softhsm.SoftHsm:
    """SoftHSM2 with one token that holds one key; shared by the tests, which must not change it."""
    monkeypatch.setenv("SOFTHSM2_CONF", str(_filled.config))
    return _filled


@pytest.fixture
def own_hsm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> softhsm.SoftHsm:
    """An empty SoftHSM2 for one test."""
    made = softhsm.SoftHsm(tmp_path / "own-hsm")
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.config))
    return made


@pytest.fixture
def odoo() -> Iterator[FakeOdoo]:
    """A server of protocol v1."""
    server = FakeOdoo().start()
    yield server
    server.stop()


@pytest.fixture
def lone_agent(odoo: FakeOdoo, tmp_path: Path) -> Any:
    """An agent in this process, without tokens, whose time passes as fast as it can."""
    return lone.lone_agent(odoo, Folder(tmp_path / "c"))


Started = subprocess.Popen[str]


@pytest.fixture
def agent(tmp_path: Path) -> Iterator[Callable[..., Started]]:
    """Starts the real command in its own process; ``pin`` is handed over by a file descriptor, on Windows by a pipe."""
    running: list[Started] = []

    def start(*arguments: str, pin: str | None = None, library: str = softhsm.LIBRARY, **env: str) -> Started:
        command = [sys.executable, "-m", "ibhxh_agent", "--config-dir", str(tmp_path / "config"), "--library", library]
        fds: tuple[int, ...] = ()
        arguments_ = list(arguments)
        stdin = subprocess.DEVNULL
        if pin is not None:
            stdin, writing = os.pipe()
            os.write(writing, pin.encode() + b"\n")
            os.close(writing)
            if sys.platform == "win32":
                arguments_.append("--pin-stdin")
            else:
                fds = (stdin,)
                arguments_ += ["--pin-fd", str(stdin)]
        process = subprocess.Popen(
            command + arguments_,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL if fds else stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            **({} if sys.platform == "win32" else {"pass_fds": fds}),
        )
        if stdin != subprocess.DEVNULL:
            os.close(stdin)
        running.append(process)
        return process

    yield start
    for process in running:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.fixture
def paired(odoo: FakeOdoo, tmp_path: Path) -> FakeOdoo:
    """The agent of this test is paired with :func:`odoo`, as ``ibhxh-agent pair`` leaves it."""
    folder = Folder(tmp_path / "config")
    pairing = Pairing(odoo.url, odoo.database, odoo.agent, "pc", user="Kế toán", expires_at="2030-01-01T00:00:00Z")
    folder.save(Settings(pairing=pairing))
    SecretStore(folder).set(odoo.agent, odoo.key)
    return odoo


@pytest.fixture(scope="session")
def _compiled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library(tmp_path_factory.mktemp("fakep11"))


@pytest.fixture
def manager(fake: FakeLibrary) -> Iterator[TokenManager]:
    """The tokens of that library, in a child process."""
    made = TokenManager([LibraryProcess(fake.path, Timeouts(close=1))])
    made.refresh()
    yield made
    made.close()


@pytest.fixture
def fake(_compiled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeLibrary:
    """A PKCS#11 library that misbehaves on request."""
    made = FakeLibrary.make(_compiled, tmp_path / "fake")
    monkeypatch.setenv("FAKEP11", str(made.config))
    return made
