"""docs/windows-checklist.md: every finding has a test that exists, or a line for a person."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "windows-checklist.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| (W\d+) \|(.*)\|$", PAGE, re.M))
NAMED = re.compile(r"`((?:tests|agent/tests|integration/tests/windows)/\w+\.py)(?:::(\w+))?`")


def test_every_finding_is_there_with_a_test_or_a_line_of_the_checklist():
    assert list(ROWS) == [f"W{number}" for number in range(1, 33)]
    for number, row in ROWS.items():
        _wrong, tests, person = row.split("|")
        assert tests.strip() or person.strip(), number


def test_every_test_that_is_named_exists():
    named = NAMED.findall(PAGE)
    assert len(named) > 40
    for file, test in named:
        content = (ROOT / file).read_text(encoding="utf-8")
        assert not test or f"def {test}(" in content, (file, test)


def test_every_line_that_a_finding_is_left_to_is_on_the_list():
    lines = set(re.findall(r"^\| \*\*(C\d+)\*\* \|", PAGE, re.M))
    wanted = {line for row in ROWS.values() for line in re.findall(r"\bC\d+\b", row.split("|")[2])}
    assert wanted <= lines and len(lines) >= 15
