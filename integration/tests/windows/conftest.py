"""One Windows computer, and the program as it is built for it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.paths import ROOT, RUNTIME
from integration.windows import WindowsComputer

FOLDER = RUNTIME / "windows-test"
AGENT = ROOT / "agent"


@pytest.fixture(scope="session")
def pc() -> Iterator[WindowsComputer]:
    """The computer, running."""
    with WindowsComputer(FOLDER) as running:
        yield running


@pytest.fixture(scope="session")
def program(pc: WindowsComputer) -> Path:
    """The folder of the frozen program, built by PyInstaller on Windows; again when its sources changed."""
    sources = sorted(file for place in ("ibhxh_agent", "packaging") for file in (AGENT / place).rglob("*"))
    content = b"\0".join(file.read_bytes() for file in sources if file.is_file() and "__pycache__" not in file.parts)
    inputs = hashlib.sha256(content).hexdigest()
    built, stamp = FOLDER / "dist" / "ibhxh-agent", FOLDER / "built"
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != inputs:
        shutil.rmtree(FOLDER / "dist", ignore_errors=True)
        options = ["--noconfirm", "--log-level", "ERROR", "--distpath", pc.path(FOLDER / "dist")]
        options += ["--workpath", pc.path(FOLDER / "build"), pc.path(AGENT / "packaging" / "ibhxh-agent.spec")]
        done = pc.run(pc.python, "-m", "PyInstaller", *options, seconds=1500)
        assert done.code == 0, done.output[-3000:]
        stamp.write_text(inputs, encoding="utf-8")
    return built
