"""Build backend of the repository's root (PEP 517): whool, shown the addon alone under its technical name.

whool names the addon after its folder and packs all that git tracks. The folder of a checkout has any name, and this
repository holds more than the addon (agent/, sandbox/, dev/ …), so the addon's parts are copied aside first.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ADDON = "l10n_vn_ibhxh"
FILES = ("__init__.py", "__manifest__.py", "CHANGELOG.md", "LICENSE", "README.md")
FOLDERS = (
    "controllers",
    "data",
    "demo",
    "i18n",
    "migrations",
    "models",
    "report",
    "security",
    "static",
    "tools",
    "views",
    "wizards",
)
"""What of this repository is the addon: read by the wheel, Odoo's linter, the translations and the databases of tests.
Not tests/: they need packages that an Odoo without a developer does not have."""

PYPROJECT = """\
[build-system]
requires = ["whool"]
build-backend = "whool.buildapi"

[tool.whool]
external_dependencies_only = true
"""
"""For the source distribution, which holds the addon only and so needs no more than whool itself.

Odoo is no requirement of the wheel: it is on no package index, and one that runs from source is not known to pip.
"""


def copy_addon(root: Path, folder: Path, *more: str) -> Path:
    """Copy the addon's parts of the checkout `root` to `folder`/l10n_vn_ibhxh, which is returned.

    :param more: folders that are wanted as well although they do not go into the wheel
    :raises ValueError: when there is a symbolic link among them: what it points at might lie anywhere
    """
    target = folder / ADDON
    target.mkdir()
    for name in FILES:
        shutil.copy(root / name, target)
    for name in (*FOLDERS, *more):
        if (root / name).is_dir():
            shutil.copytree(
                root / name, target / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__", ".*")
            )
    links = [path for path in target.rglob("*") if path.is_symlink()]
    if links:
        raise ValueError(f"symbolic links do not go into the wheel: {', '.join(map(str, links))}")
    return target


@contextmanager
def _whool() -> Iterator[Any]:
    """Work in a copy of the addon's parts of the present folder; gives whool's own backend.

    It is imported here, because the development tools use `copy_addon` and have no whool.
    """
    from whool import buildapi

    root = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        target = copy_addon(root, Path(folder))
        (target / "pyproject.toml").write_text(PYPROJECT, encoding="utf-8")
        os.chdir(target)
        try:
            yield buildapi
        finally:
            os.chdir(root)


def build_wheel(
    wheel_directory: str, config_settings: dict[str, Any] | None = None, metadata_directory: str | None = None
) -> str:
    """Build the wheel; returns its file name."""
    directory = str(Path(wheel_directory).resolve())
    with _whool() as whool:
        return str(whool.build_wheel(directory, config_settings))


def build_sdist(sdist_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Build the source distribution; returns its file name."""
    directory = Path(sdist_directory).resolve()
    with _whool() as whool:
        return str(whool.build_sdist(directory, config_settings))


def prepare_metadata_for_build_wheel(metadata_directory: str, config_settings: dict[str, Any] | None = None) -> str:
    """Write the wheel's metadata; returns the folder's name."""
    directory = str(Path(metadata_directory).resolve())
    with _whool() as whool:
        return str(whool.prepare_metadata_for_build_wheel(directory, config_settings))
