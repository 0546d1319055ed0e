"""The installer: silently in, a link as a browser opens it, a crash, an upgrade over the running program, and out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from dev.paths import ROOT
from integration.waiting import until
from integration.windows import WindowsComputer

PACKAGING = ROOT / "agent" / "packaging"
SECONDS = 3600
"""The program may have to be built first."""


@pytest.fixture
def vietnamese(pc: WindowsComputer) -> Iterator[None]:
    """An account of somebody whose name no code page has, with its blanks; what a failure left in it is removed."""
    with pc.account("Nguyễn Văn Á"):
        yield
        uninstaller = pc.local / "Programs" / "ibhxh-agent" / "uninstall.exe"
        if uninstaller.exists():
            pc.run(str(uninstaller), "/S")
            until("an empty account", lambda: not uninstaller.parent.exists())


@pytest.mark.timeout(SECONDS)
@pytest.mark.usefixtures("vietnamese")
def test_it_installs_upgrades_and_leaves_nothing(pc: WindowsComputer, installer: Path) -> None:
    done = pc.run(pc.python, "-X", "utf8", pc.path(PACKAGING / "trial.py"), pc.path(installer), seconds=1700)
    assert done.code == 0, done.output[-3000:]
    for step in ("installed, and running", "paired by the link", "upgraded over"):
        assert step in done.output
    assert done.output.count("started again after a crash") == 2  # the agent, and the program with the icon
    assert "removed, nothing is left" in done.output
    measured = json.loads(done.output.strip().splitlines()[-1])
    (pc.folder / "installer.json").write_text(json.dumps(measured), encoding="utf-8")
    assert measured["installer"] < 60  # MiB


def test_w27_the_programs_say_what_they_are(pc: WindowsComputer, program: Path) -> None:
    """Task Manager shows the description; an unnamed program with a stock icon is what virus scanners suspect."""
    for name in ("ibhxh-agent.exe", "ibhxh-agent-cli.exe"):
        content = (program / name).read_bytes()
        for word in ("FileDescription", "ProductVersion", "ibhxh-agent"):
            assert word.encode("utf-16-le") in content, (name, word)


def test_w8_a_double_click_opens_no_console(pc: WindowsComputer, program: Path) -> None:
    """Subsystem 2 is windowed, 3 has a console (PE format, 3.4)."""
    assert {name: _subsystem(program / name) for name in ("ibhxh-agent.exe", "ibhxh-agent-cli.exe")} == {
        "ibhxh-agent.exe": 2,
        "ibhxh-agent-cli.exe": 3,
    }


def _subsystem(program: Path) -> int:
    content = program.read_bytes()
    start = int.from_bytes(content[0x3C:0x40], "little")
    return int.from_bytes(content[start + 24 + 68 : start + 24 + 70], "little")
