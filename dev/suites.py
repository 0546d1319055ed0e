"""`./run test`: every suite's own runner, its closing line left on the terminal, one exit code."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from . import database, odoo
from .console import Problem, say
from .paths import ADDON, ADDONS, PYTHON, ROOT, RUNTIME

TEST_SECONDS = 600
"""No test may run longer; a tour in both languages takes half a minute, on a very busy machine several."""

ADDON_DATABASE = "test_addon"


def _pytest(arguments: list[str], *, cwd: Path, coverage_file: str, environment: dict[str, str] | None = None) -> int:
    plugins = ["-p", "no:cacheprovider", "-p", "dev.nothing_skipped"]
    command = [str(PYTHON), "-m", "pytest", *plugins, f"--timeout={TEST_SECONDS}", *arguments]
    variables = {**(environment or os.environ), "COVERAGE_FILE": str(RUNTIME / coverage_file)}
    return subprocess.run(command, cwd=cwd, env=variables, check=False).returncode


def _with_targets(arguments: list[str], folder: Path, default: str) -> list[str]:
    """The arguments, and the suite's own folder unless they name files or folders of it.

    The folder is always named: pytest then fails when it is missing, instead of finding no test.
    """
    named = any((folder / argument.split("::")[0]).exists() for argument in arguments if not argument.startswith("-"))
    return arguments if named else [*arguments, default]


def addon(arguments: list[str]) -> int:
    """The addon's tests, the pure ones of tools/ included, on a fresh database."""
    name = f"{ADDON_DATABASE}_{os.getpid()}"
    config = RUNTIME / f"odoo-{name}.conf"
    database.fresh(name)
    try:
        odoo.write_config(name, path=config, http_port=0)
        return _pytest(
            [
                f"--odoo-config={config}",
                "--odoo-http",
                f"--cov={ADDONS / ADDON}",
                f"--cov-config={ROOT / 'pyproject.toml'}",
                "--cov-report=term:skip-covered",
                "-c",
                str(ROOT / "pyproject.toml"),
                f"--rootdir={ADDONS}",
                *_with_targets(arguments, ADDONS, f"{ADDON}/tests"),
            ],
            cwd=ADDONS,
            coverage_file=".coverage-addon",
            environment=odoo.environment(),
        )
    finally:
        database.drop(name)
        config.unlink(missing_ok=True)


def _distribution(folder: str, package: str) -> Callable[[list[str]], int]:
    def run(arguments: list[str]) -> int:
        return _pytest(
            # pytest-odoo wants a database as soon as it is loaded; these tests have none.
            [
                "-p",
                "no:odoo",
                f"--cov={package}",
                f"--cov-config={ROOT / 'dev' / 'coverage-programs.ini'}",
                *_with_targets(arguments, ROOT / folder, "tests"),
            ],
            cwd=ROOT / folder,
            coverage_file=f".coverage-{folder}",
            environment=odoo.environment(),
        )

    run.__doc__ = f"The tests of {folder}/."
    return run


def _programs(folder: Path, coverage_file: str, arguments: list[str]) -> int:
    return _pytest(
        [
            "-p",
            "no:odoo",
            "-p",
            "no:cov",
            "-ra",
            "--import-mode=importlib",
            f"--rootdir={folder}",
            f"--confcutdir={folder}",
            *_with_targets(arguments, folder, "."),
        ],
        cwd=folder,
        coverage_file=coverage_file,
        environment=odoo.environment(),
    )


def faults(arguments: list[str]) -> int:
    """Real programs, killed, starved and lied to at each step of a registration (dev/faults/cases)."""
    return _programs(ROOT / "dev" / "faults" / "cases", ".coverage-faults", arguments)


def jobs(arguments: list[str]) -> int:
    """Sending and following as jobs of the OCA's queue_job, by its real runner (dev/beyond/jobs)."""
    return _programs(ROOT / "dev" / "beyond" / "jobs", ".coverage-jobs", arguments)


def hosts(arguments: list[str]) -> int:
    """Two hosts on one database, one of them behind nginx as the administrator's guide has it (dev/beyond/hosts)."""
    return _programs(ROOT / "dev" / "beyond" / "hosts", ".coverage-hosts", arguments)


SUITES: dict[str, Callable[[list[str]], int]] = {
    "addon": addon,
    "agent": _distribution("agent", "ibhxh_agent"),
    "sandbox": _distribution("sandbox", "ibhxh_sandbox"),
    "faults": faults,
    "jobs": jobs,
    "hosts": hosts,
}


def run(arguments: list[str]) -> int:
    """Run the suites that are named (all when none is), giving them the other arguments.

    :return: 0 when every suite passed, else the code of the first that did not
    """
    names = []
    rest = list(arguments)
    while rest and rest[0] in SUITES:
        names.append(rest.pop(0))
    if not names and rest and not rest[0].startswith("-"):
        raise Problem(
            f"There is no test suite {rest[0]!r}.", f"Suites: {' '.join(SUITES)}; pytest's arguments come after them."
        )
    codes: dict[str, int] = {}
    for name in names or SUITES:
        say(f"\n=== tests: {name} ===")
        codes[name] = SUITES[name](rest)
    say("\n" + ", ".join(f"{name}: {'passed' if code == 0 else f'FAILED ({code})'}" for name, code in codes.items()))
    return next((code for code in codes.values() if code), 0)
