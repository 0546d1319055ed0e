"""The one virtual environment of this checkout: Odoo's packages, agent and sandbox (editable), test tools, linters."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from ..console import Problem, say
from ..paths import ADDON, ADDONS, LIB, PYTHON, ROOT, SYSTEM, VENV
from . import apt, odoo_tree, system_tools

REQUIREMENTS = ROOT / "dev" / "requirements.txt"
ODOO_REQUIREMENTS = ROOT / "dev" / "requirements-odoo.txt"
"""The part of REQUIREMENTS that Odoo itself needs."""
IMPORTABLE = ("dev", "integration")
"""Folders of this checkout that are packages in the environment."""

ADDONS_REQUIREMENTS = ROOT / "dev" / "requirements-addons.txt"
"""Odoo addons of others."""


def distributions() -> list[Path]:
    """The Python distributions of this repository that exist beside the addon."""
    return [folder for folder in (ROOT / "agent", ROOT / "sandbox") if (folder / "pyproject.toml").is_file()]


def _create() -> None:
    shutil.rmtree(VENV, ignore_errors=True)
    VENV.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    if os.geteuid() == 0 and apt.available():
        say("  Debian keeps Python's venv module apart: installing it")
        for command in (["update"], ["-y", "--no-install-recommends", "install", "python3-venv"]):
            subprocess.run(["apt-get", "-q", *command], capture_output=True, check=False)
        shutil.rmtree(VENV, ignore_errors=True)
        done = subprocess.run([sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
    raise Problem(
        f"Python {version} cannot make a virtual environment: {(done.stdout + done.stderr).strip()[-300:]}",
        f"sudo apt-get install python3-venv (or python{version}-venv), then run ./run setup again.",
    )


def _usable() -> bool:
    """Whether the environment works and is of the Python that runs this."""
    if not PYTHON.exists():
        return False
    check = f"import pip, sys; sys.exit(sys.version_info[:2] != {sys.version_info[:2]!r})"
    return subprocess.run([str(PYTHON), "-c", check], capture_output=True, check=False).returncode == 0


def _pip(*arguments: str) -> None:
    done = subprocess.run(
        [str(PYTHON), "-m", "pip", "--disable-pip-version-check", "-q", *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        errors = "\n".join(line for line in done.stderr.splitlines() if not line.startswith("WARNING: Location"))
        raise Problem(
            f"pip failed: {errors.strip()[-1200:]}",
            "Check the network and pip's configured package index, then run ./run setup again.",
        )


def install(_refresh: bool) -> None:
    """Create or complete the environment and the links into this checkout.

    :raises Problem: when Python's venv module is missing or a package cannot be installed
    """
    say("Python packages")
    if not _usable():
        _create()
    editable = [argument for folder in distributions() for argument in ("-e", f"{folder}[test]")]
    _pip("install", "-r", str(REQUIREMENTS), *editable)
    _pip("install", "--no-deps", "-r", str(ADDONS_REQUIREMENTS))
    _link()


def _link() -> None:
    """Make Odoo and the packages of IMPORTABLE importable, and the addon findable under its technical name."""
    ADDONS.mkdir(parents=True, exist_ok=True)
    LIB.mkdir(parents=True, exist_ok=True)
    for link, target in ((ADDONS / ADDON, ROOT), *((LIB / name, ROOT / name) for name in IMPORTABLE)):
        relative = os.path.relpath(target, link.parent)
        if not (link.is_symlink() and str(link.readlink()) == relative):
            link.unlink(missing_ok=True)
            link.symlink_to(relative, target_is_directory=True)
    for site in (VENV / "lib").glob("python3.*/site-packages"):
        unpacked = [SYSTEM / system_tools.PYTHON_FOLDER / part for part in ("", "lib-dynload")]
        paths = [odoo_tree.import_path(), LIB, *(folder for folder in unpacked if folder.is_dir())]
        (site / "ibhxh-runtime.pth").write_text("".join(f"{path}\n" for path in paths), encoding="utf-8")
