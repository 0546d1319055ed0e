"""What of the tests Wine cannot tell, by name, each with its reason: a pytest plugin for `./run test windows`.

Any other skip counts as failed, and so does a name in here that no test has.
"""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path

import pytest

_SPY = "looks at the calls through OpenSC's pkcs11-spy, which is not here"
_POSIX = "tests what only Linux has"
_KEYS = "presses keys through X11 in the same process; integration/tests/windows presses them from outside"

#: Files that are not collected.
FILES = {
    "test_window.py": _KEYS,
    "test_packaging.py": "builds the program for Linux; integration/tests/windows builds the one for Windows",
}
#: Tests, by file and name without parameters.
TESTS: dict[str, str] = {}
_used: set[str] = set()


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Leave out the files."""
    if collection_path.name in FILES:
        _used.add(collection_path.name)
        return True
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests."""
    for item in items:
        name = f"{item.path.name}::{getattr(item, 'originalname', item.name)}"
        if name in TESTS:
            _used.add(name)
            item.add_marker(pytest.mark.skip(reason=TESTS[name]))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A skip that is not in the table counts as failed."""
    report = yield
    if report.skipped and f"{item.path.name}::{getattr(item, 'originalname', item.name)}" not in TESTS:
        report.outcome = "failed"
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A name that no test has would hide nothing any more."""
    if session.config.args == ["tests"]:
        for name in (FILES.keys() | TESTS.keys()) - _used:
            print(f"\non_wine.py names {name}, which is not there")
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
