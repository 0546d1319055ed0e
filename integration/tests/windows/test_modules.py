"""The agent's own tests, on Windows' interfaces."""

from __future__ import annotations

import re

import pytest

from dev.paths import ROOT
from integration.windows import WindowsComputer

SECONDS = 5400
"""A limit for what hangs: on an idle machine with two processors it takes fourteen minutes."""
ONE = 900
"""The same, for one test."""


@pytest.mark.timeout(SECONDS + 60)
def test_the_agents_tests_pass_on_windows(pc: WindowsComputer) -> None:
    """All but those that agent/tests/helpers/left_out.py names, each with its reason."""
    options = ["-p", "no:cacheprovider", "-p", "left_out", "-n", "2", f"--timeout={ONE}", "-v", "--durations=15"]
    program = pc.start(pc.python, "-m", "pytest", *options, "tests", cwd=ROOT / "agent")
    # To be read while it goes on. Into a file at once it cannot be: Python for Windows does not start so under Wine 8.
    output = pc.listen(program, SECONDS, pc.folder / "agent-tests.log")
    assert program.returncode == 0, output[-6000:]
    assert re.search(r"\d{3} passed", output)
