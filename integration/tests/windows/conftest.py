"""One Windows computer, the program as it is built for it, and its installer."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.paths import PYTHON, ROOT, RUNTIME
from integration.stack import Stack
from integration.windows import WindowsComputer

FOLDER = RUNTIME / "windows-test"
AGENT = ROOT / "agent"
PACKAGING = AGENT / "packaging"
PARTS = ("ibhxh_agent", "packaging")


@pytest.fixture(scope="session")
def pc() -> Iterator[WindowsComputer]:
    """The computer, running."""
    with WindowsComputer(FOLDER) as running:
        yield running


@pytest.fixture(scope="session")
def program(pc: WindowsComputer) -> Path:
    """The folder of the frozen program."""
    return _build(pc, AGENT, FOLDER / "program")


@pytest.fixture(scope="session")
def installer(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made on Linux, as a release is; not signed."""
    return _installer(program, AGENT, tmp_path_factory.mktemp("installer"))


@pytest.fixture
def account(pc: WindowsComputer) -> Iterator[Path]:
    """Nothing of the program is in the account, neither before nor afterwards; where it will be."""
    home = pc.local / "Programs" / "ibhxh-agent"
    assert not home.exists()
    yield home
    if home.exists():
        pc.run(str(home / "uninstall.exe"), "/S")


def _build(pc: WindowsComputer, source: Path, target: Path) -> Path:
    """Let PyInstaller build it on Windows; again when its sources changed."""
    sources = sorted(file for part in PARTS for file in (source / part).rglob("*"))
    content = b"\0".join(file.read_bytes() for file in sources if file.is_file() and "__pycache__" not in file.parts)
    inputs = hashlib.sha256(content).hexdigest()
    built, stamp = target / "ibhxh-agent", target / "built"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != inputs:
        shutil.rmtree(target, ignore_errors=True)
        options = ["--noconfirm", "--log-level", "ERROR", "--distpath", pc.path(target)]
        options += ["--workpath", pc.path(target / "work"), pc.path(source / "packaging" / "ibhxh-agent.spec")]
        done = pc.run(pc.python, "-m", "PyInstaller", *options, seconds=2400, variables={"PYTHONPATH": pc.path(source)})
        assert done.code == 0, done.output[-3000:]
        stamp.write_text(inputs, encoding="utf-8")
    return built


def _installer(built: Path, source: Path, output: Path) -> Path:
    command = [str(PYTHON), str(source / "packaging" / "installer.py"), str(built), str(output)]
    subprocess.run(command, check=True, capture_output=True)
    (made,) = output.glob("*.exe")
    return made


@pytest.fixture(scope="session")
def stack(stack_name: str) -> Iterator[Stack]:
    """One process with threads: there, a browser's page hears of news on the address that it was loaded from."""
    with Stack(stack_name, own_postgres=True, workers=0) as running:
        yield running
        assert not running.secrets_in_logs()
