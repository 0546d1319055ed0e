"""Odoo's own linter, its module `test_lint`, for this addon: `python -m dev.core_lint`, part of `./run lint`.

What is looked at is the addon as it goes into the wheel, with its tests, alone in an addons folder. Core's modules are
left out where a check walks over files; where it walks over the models of a database, all of them are there, and
what it says of core's without the addon does not count.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from . import database, javascript, odoo
from .console import say
from .packaging.backend.addon_wheel import copy_addon
from .paths import ADDON, ADDONS, ROOT, VENV

SELF_TESTS = "test_checkers"
"""The one file of `test_lint` that looks at no addon but at the linter itself."""


def main() -> int:
    """Lint in a process and on a database of its own, neither of which stays.

    :return: 0 when Odoo's linter finds nothing, else 1
    """
    name = f"core_lint_{os.getpid()}"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "addons").mkdir()
        copy_addon(ROOT, folder / "addons", "tests")
        programs = folder / "bin"
        programs.mkdir()
        javascript.write_core_eslint(programs / "eslint")
        database.fresh(name, install=False)
        try:
            path = odoo.addons_path().replace(str(ADDONS), str(folder / "addons"))
            config = odoo.write_config(name, path=folder / "odoo.conf", addons_path=path)
            variables = odoo.environment()
            variables["PATH"] = f"{programs}:{VENV / 'bin'}:{variables.get('PATH', os.defpath)}"
            command = [sys.executable, "-m", "dev.core_lint", str(config)]
            return subprocess.run(command, cwd=ROOT, env=variables, check=False).returncode
        finally:
            database.drop(name)


class _Findings(logging.Handler):
    """What the linter says: its failures and its warnings, which all go to the log."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.add(record.getMessage())


def inside(config: str) -> int:
    """Install the addon into the database of `config` and lint it; runs with Odoo in the process.

    :return: 0 or 1, as the exit code
    """
    from odoo import tools
    from odoo.modules import initialize_sys_path
    from odoo.modules.module import Manifest
    from odoo.modules.registry import Registry

    tools.config.parse_config(["-c", config, "--log-level=warn", f"--logfile={os.devnull}"], setup_logging=True)
    tools.config["test_tags"] = "/test_lint"
    initialize_sys_path()
    name = tools.config["db_name"][0]
    Registry(name)
    core = _run("post_install")
    Registry.new(name, update_module=True, install_modules=[ADDON])
    own = Manifest.for_addon(ADDON)
    with (
        patch.object(Manifest, "all_addon_manifests", staticmethod(lambda: [own])),
        patch.object(type(tools.config), "root_path", property(lambda _config: own.path)),
    ):
        # What walks over files stands at `at_install`, what walks over the models at `post_install`.
        findings = sorted(_run("at_install") | (_run("post_install") - core))
    for finding in findings:
        say(finding)
    return 1 if findings else 0


def _run(position: str) -> set[str]:
    """Run the checks that `test_lint` has at this position; returns what they found."""
    from odoo.tests import loader
    from odoo.tests.suite import OdooSuite

    checks = [case for case in loader.make_suite(["test_lint"], position) if SELF_TESTS not in type(case).__module__]
    found = _Findings()
    logging.getLogger().addHandler(found)
    try:
        result = loader.run_suite(OdooSuite(checks))
    finally:
        logging.getLogger().removeHandler(found)
    if result.skipped or not result.testsRun:
        found.messages.add(f"test_lint, {position}: {result.testsRun} checks, of which {result.skipped} were left out")
    return found.messages


if __name__ == "__main__":
    sys.exit(inside(sys.argv[1]) if len(sys.argv) > 1 else main())
