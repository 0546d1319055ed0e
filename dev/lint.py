"""`./run lint`: every linter is run, all their findings are shown, one exit code."""

from __future__ import annotations

import gzip
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

from . import javascript
from .console import say
from .paths import ADDON, ADDONS, ROOT, VENV
from .setup import venv

ADDON_PACKAGES = ("models", "wizards", "controllers", "report", "tests")
"""What uses the ORM; tools/ is plain Python, for which the Odoo plug-in's checks mean nothing."""

SHIPPED = ("tools", "models", "wizards", "controllers", "report", "agent/ibhxh_agent", "sandbox/ibhxh_sandbox")
"""What runs at users' and on token holders' computers: bandit looks for insecure habits there, tests may have some."""


def _addon_parts() -> list[str]:
    """The addon's own Python, seen from the addons folder: never all of it, which holds .runtime and so itself."""
    folders = [f"{ADDON}/{name}" for name in ADDON_PACKAGES if (ROOT / name / "__init__.py").is_file()]
    return [f"{ADDON}/__init__.py", f"{ADDON}/__manifest__.py", *folders]


def _linters() -> Iterator[tuple[str, list[str], Path]]:
    for folder in (ROOT, *venv.distributions()):
        where = folder.name if folder != ROOT else "."
        yield f"ruff check {where}", ["ruff", "check", "."], folder
        yield f"ruff format {where}", ["ruff", "format", "--check", "."], folder
    yield "mypy tools dev integration", ["mypy", "tools", "dev", "integration"], ROOT
    for folder in venv.distributions():
        yield f"mypy {folder.name}", ["mypy"], folder
    yield "pylint-odoo", ["pylint", f"--rcfile={ROOT / 'pyproject.toml'}", *_addon_parts()], ADDONS
    yield "bandit", ["bandit", "-q", "-c", str(ROOT / "pyproject.toml"), "-r", *SHIPPED], ROOT
    yield "requirements", ["python", "-m", "dev.pins"], ROOT
    yield from javascript.linters()
    yield "OCA checks", ["oca-checks-odoo-module", f"{ADDON}"], ADDONS
    yield "Odoo's test_lint", ["python", "-m", "dev.core_lint"], ROOT
    yield "OCA checks of translations", ["oca-checks-po", *sorted(map(str, (ROOT / "i18n").glob("*.po*")))], ADDONS


def run(_arguments: list[str]) -> int:
    """Run all linters.

    :return: 0 when none found anything, else 1
    """
    bad = []
    variables = {**os.environ, "PATH": f"{VENV / 'bin'}:{os.environ.get('PATH', os.defpath)}"}
    for name, command, folder in _linters():
        say(f"--- {name}")
        if subprocess.run(command, cwd=folder, env=variables, check=False).returncode:
            bad.append(name)
    say(_web_client_size())
    say(f"lint: {'clean' if not bad else 'FAILED: ' + ', '.join(bad)}")
    return 1 if bad else 0


def _web_client_size() -> str:
    """Say what the addon adds to the web client's bundle (bytes as written, before Odoo minifies them)."""
    sources = [file.read_bytes() for file in sorted((ROOT / "static" / "src").rglob("*")) if file.is_file()]
    written, packed = sum(map(len, sources)), len(gzip.compress(b"".join(sources), mtime=0))
    return f"web client: {len(sources)} files, {written} bytes as written, {packed} gzipped together"
