"""A pytest plugin: a test that is skipped shows nothing, so it counts as failed.

Odoo skips a browser test when Chromium does not start; the suite would then be green without it.
"""

from __future__ import annotations

from collections.abc import Generator

import pytest


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Turn the report of a skipped test into that of a failed one, with the reason that it gave."""
    report = yield
    if report.skipped:
        report.outcome = "failed"
    return report
