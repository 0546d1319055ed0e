"""`./run setup`: everything under .runtime/, in steps that are skipped when their inputs did not change."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from pathlib import Path

from ..console import say
from ..paths import ODOO, PYTHON, ROOT, STAMPS
from . import odoo_tree, system_tools, venv

Step = tuple[str, Callable[[bool], None], Callable[[], list[str]], Callable[[], bool]]


def _texts(*files: Path) -> list[str]:
    return [file.read_text(encoding="utf-8") for file in files]


def _always() -> list[str]:
    return [str(ROOT), os.environ.get("ODOO_HOME", "")]


STEPS: tuple[Step, ...] = (
    (
        "system",
        system_tools.install,
        lambda: [*system_tools.NEEDED],
        lambda: not system_tools.wanted(),
    ),
    (
        "odoo",
        odoo_tree.install,
        lambda: [*_always(), *odoo_tree.FROM_SID, *odoo_tree.FROM_OWN_SUITE],
        lambda: bool(os.environ.get("ODOO_HOME")) or (ODOO / odoo_tree.PACKAGES / "odoo").is_dir(),
    ),
    (
        "venv",
        venv.install,
        lambda: [
            *_always(),
            str(sys.version_info[:2]),
            *venv.IMPORTABLE,
            *_texts(
                venv.REQUIREMENTS,
                venv.ODOO_REQUIREMENTS,
                venv.ADDONS_REQUIREMENTS,
                *(folder / "pyproject.toml" for folder in venv.distributions()),
            ),
        ],
        PYTHON.exists,
    ),
)


def _digest(inputs: list[str]) -> str:
    return hashlib.sha256("\0".join(inputs).encode()).hexdigest()


def run(*, refresh: bool = False, quiet: bool = False) -> None:
    """Do the steps whose inputs changed or whose result is gone.

    :param refresh: do every step again and fetch the newest Odoo package
    :param quiet: say nothing when there was nothing to do
    :raises Problem: with what happened and its remedy
    """
    STAMPS.mkdir(parents=True, exist_ok=True)
    done = 0
    for name, install, inputs, present in STEPS:
        stamp = STAMPS / name
        digest = _digest(inputs())  # of before: an input that changes meanwhile is installed by the next run
        if not refresh and stamp.is_file() and stamp.read_text(encoding="utf-8") == digest and present():
            continue
        stamp.unlink(missing_ok=True)
        install(refresh)
        stamp.write_text(digest, encoding="utf-8")
        done += 1
    if not quiet or done:
        say("The runtime is ready." if done else "The runtime is ready; nothing to do.")
