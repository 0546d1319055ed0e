"""One Windows computer, the program as it is built for it, and its installer."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from dev.paths import PYTHON, ROOT, RUNTIME
from integration.stack import Stack
from integration.waiting import until
from integration.windows import Releases, WindowsComputer

FOLDER = RUNTIME / "windows-test"
AGENT = ROOT / "agent"
PACKAGING = AGENT / "packaging"
PARTS = ("ibhxh_agent", "packaging")
NOT_IN_THE_PROGRAM = ("debian.py", "installer.nsi", "installer.py", "release.py", "sign.py", "trial.py")
"""Of packaging; changed, they need no new program."""


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


@pytest.fixture(scope="session")
def releases(pc: WindowsComputer, program: Path, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    """This version, and the same program with a higher version number; both whole, both from their installers."""
    folder = tmp_path_factory.mktemp("releases")
    maker = _release_tool()
    public = maker.new_key(folder / "release.pem", "")
    source = folder / "source"
    for part in PARTS:
        shutil.copytree(AGENT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    text = (source / "ibhxh_agent" / "__init__.py").read_text(encoding="utf-8")
    version = maker.__version__
    newer_version = version.rpartition(".")[0] + f".{int(version.rpartition('.')[2]) + 1}"
    (source / "ibhxh_agent" / "__init__.py").write_text(text.replace(version, newer_version), encoding="utf-8")
    made = []
    for number, (built, code) in enumerate(((program, AGENT), (_build(pc, source, FOLDER / "newer"), source))):
        copy = folder / f"built{number}"
        shutil.copytree(built, copy)
        (copy / "_internal" / "ibhxh_agent" / "release_keys.json").write_text(json.dumps([public]), encoding="utf-8")
        made.append(_installer(copy, code, folder / f"installer{number}"))
    key = maker.load_key(folder / "release.pem", "")
    document = maker.document(maker.program(made[1], "windows-x86_64", newer_version), [key])
    return Releases(made[0], version, made[1], newer_version, document)


@pytest.fixture
def account(pc: WindowsComputer) -> Iterator[Path]:
    """Nothing of the program is in the account, neither before nor afterwards; where it will be."""
    home = pc.local / "Programs" / "ibhxh-agent"
    # The program that was not installed leaves its locks, and nothing uninstalls it.
    shutil.rmtree(pc.local / "ibhxh-agent", ignore_errors=True)
    _remove(pc, home)  # what a run that was ended left
    yield home
    _remove(pc, home)


def _remove(pc: WindowsComputer, home: Path) -> None:
    if home.exists():
        pc.run(str(home / "uninstall.exe"), "/S")
    until("an empty account", lambda: not home.exists() and not (pc.local / "ibhxh-agent").exists())


def _build(pc: WindowsComputer, source: Path, target: Path) -> Path:
    """Let PyInstaller build it on Windows; again when its sources changed."""
    sources = sorted(file for part in PARTS for file in (source / part).rglob("*"))
    without = {"__pycache__", *NOT_IN_THE_PROGRAM}
    content = b"\0".join(file.read_bytes() for file in sources if file.is_file() and without.isdisjoint(file.parts))
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


def _release_tool() -> ModuleType:
    """agent/packaging/release.py, which is no part of a package."""
    specification = importlib.util.spec_from_file_location("release_tool", PACKAGING / "release.py")
    assert specification is not None and specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def stack(stack_name: str) -> Iterator[Stack]:
    """One process with threads: there, a browser's page hears of news on the address that it was loaded from."""
    with Stack(stack_name, own_postgres=True, workers=0) as running:
        yield running
        assert not running.secrets_in_logs()
