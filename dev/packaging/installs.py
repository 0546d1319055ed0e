"""The ways of installing that README names, apart from the wheel into Odoo's own environment: each typed as it says."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

from .. import database
from ..console import Problem
from ..paths import ADDON, ROOT
from ..setup import odoo_tree
from .environment import Environment, pip

SYSTEM_PYTHON = Path("/usr/bin/python3")
REQUIREMENTS = re.compile(r"`pip install (cryptography [a-z0-9 -]+)`")
"""What README says that a folder of addons needs besides."""


def check(wheel: Path, folder: Path, name: str, step: Callable[[str], None]) -> None:
    """Install the addon in each of these ways, and into a database.

    :param wheel: the addon's
    :param folder: for temporary files
    :param name: of a database, which is made and dropped here
    :raises Problem: when one does not work
    """
    step("install: the wheel into an Odoo that runs from source")
    source = folder / "source"
    source.mkdir()
    # Beside the package, as in a source tree, lies no metadata that pip could see.
    (source / "odoo").symlink_to(odoo_tree.import_path() / "odoo")
    environment = Environment(folder / "source-venv", home=source)
    environment.install_odoo_requirements()
    environment.pip_install(wheel)
    environment.pip_check()
    _install(environment, folder, name)
    step("install: a clone among the addons of the same Odoo")
    environment.pip_uninstall(f"odoo-addon-{ADDON}")
    found = REQUIREMENTS.search((ROOT / "README.md").read_text(encoding="utf-8"))
    if not found:
        raise Problem(
            "README does not say what a folder of addons needs.", "See REQUIREMENTS in dev/packaging/installs.py."
        )
    environment.pip_install(*shlex.split(found[1]))
    addons = folder / "addons"
    subprocess.run(["git", "clone", "-q", "--no-local", ROOT, addons / ADDON], check=True)
    _install(environment, folder, name, addons)
    if not _is_externally_managed():
        step("install: no Python here that refuses pip (PEP 668), so that way was not tried")
        return
    step("install: the wheel beside the packages of a Python that refuses pip (PEP 668)")
    refused = subprocess.run([*pip(SYSTEM_PYTHON), "install", wheel], capture_output=True, text=True, check=False)
    if "externally-managed-environment" not in refused.stderr:
        raise Problem(f"pip was expected to refuse {SYSTEM_PYTHON}:\n{refused.stderr}", "Is README still right?")
    environment = Environment(folder / "system-venv", python=SYSTEM_PYTHON, system_packages=True)
    environment.install_odoo_requirements()
    environment.pip_install(wheel)
    _install(environment, folder, name)


def _install(environment: Environment, folder: Path, name: str, *addons: Path) -> None:
    database.fresh(name, install=False)
    try:
        environment.write_config(folder / "installs.conf", name, *addons)
        environment.odoo("module install", ADDON)
    finally:
        database.drop(name)


def _is_externally_managed() -> bool:
    """Whether this system's own Python leaves its packages to the distribution (PEP 668)."""
    if not SYSTEM_PYTHON.exists():
        return False
    code = "import pathlib, sysconfig; print(pathlib.Path(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED').exists())"
    return (
        subprocess.run([SYSTEM_PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True"
    )
