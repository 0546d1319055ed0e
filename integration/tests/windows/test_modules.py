"""The agent's own tests, on Windows' interfaces."""

from __future__ import annotations

import re
import subprocess

import pytest

from dev.paths import ROOT
from integration.windows import WindowsComputer

SECONDS = 5400
"""A limit for what hangs: on an idle machine with two processors it takes five minutes."""
ONE = 900
"""The same, for one test."""


@pytest.mark.timeout(SECONDS + 60)
def test_the_agents_tests_pass_on_windows(pc: WindowsComputer) -> None:
    """All but those that agent/tests/helpers/left_out.py names, each with its reason."""
    options = ["-p", "no:cacheprovider", "-p", "left_out", "-n", "2", f"--timeout={ONE}", "-v", "--durations=15"]
    program = pc.start(pc.python, "-m", "pytest", *options, "tests", cwd=ROOT / "agent")
    log = pc.folder / "agent-tests.log"
    # To be read while it goes on. Into a file at once it cannot be: Python for Windows does not start so under Wine 8.
    subprocess.run(["tee", str(log)], stdin=program.stdout, stdout=subprocess.DEVNULL, timeout=SECONDS, check=True)
    output = log.read_text(encoding="utf-8", errors="replace")
    assert program.wait(60) == 0, output[-6000:]
    assert re.search(r"\d{3} passed", output)
