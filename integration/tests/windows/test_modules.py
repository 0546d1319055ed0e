"""The agent's own tests, on Windows' interfaces."""

from __future__ import annotations

import re

import pytest

from dev.paths import ROOT
from integration.windows import WindowsComputer

SECONDS = 1500


@pytest.mark.timeout(SECONDS + 60)
def test_the_agents_tests_pass_on_windows(pc: WindowsComputer) -> None:
    """All but those that agent/tests/helpers/on_wine.py names, each with its reason."""
    options = ["-p", "no:cacheprovider", "-p", "on_wine", "--timeout=300", "-q", "tests"]
    done = pc.run(pc.python, "-m", "pytest", *options, seconds=SECONDS, cwd=ROOT / "agent")
    (pc.folder / "agent-tests.log").write_text(done.output, encoding="utf-8")
    assert done.code == 0, done.output[-6000:]
    assert re.search(r"\d{3} passed", done.output)
