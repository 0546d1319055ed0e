"""Odoo 19 for this checkout: Debian's odoo-19 unpacked under .runtime/odoo, or the one that ODOO_HOME names."""

from __future__ import annotations

import shutil
from pathlib import Path

from ..console import Problem, say
from ..paths import ODOO, odoo_home
from . import apt

FROM_SID = (
    "odoo-19",
    # Its data links to the files of these by relative path.
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
    "fonts-roboto-unhinted",
    "fonts-montserrat",
    "fonts-ocr-b",
)
FROM_OWN_SUITE = ("fonts-font-awesome", "fonts-inconsolata")
"""sid's newer ones lack the files that Odoo links to."""

PACKAGES = Path("usr/lib/python3/dist-packages")


def import_path() -> Path:
    """The folder to put on Python's path so that `import odoo` works.

    :raises Problem: when ODOO_HOME is set to a folder that is no Odoo 19
    """
    home = odoo_home()
    if home is None:
        return ODOO / PACKAGES
    for folder in (home, home / PACKAGES, home / "lib/python3/dist-packages"):
        release = folder / "odoo" / "release.py"
        if release.is_file():
            if "version_info = (19, 0" not in release.read_text(encoding="utf-8"):
                break
            return folder
    raise Problem(
        f"ODOO_HOME is {home}, which is not an Odoo 19.0.",
        "Point it at a folder that holds the `odoo` package of Odoo 19.0, or unset it.",
    )


def _dangling(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_symlink() and not path.exists()]


def install(refresh: bool) -> None:
    """Unpack Odoo; does nothing but check when ODOO_HOME is set.

    :raises Problem: when it cannot be fetched, is damaged, or this system has no apt
    """
    if odoo_home() is not None:
        import_path()
        return
    if not apt.available() or not apt.codename():
        raise Problem(
            "Odoo 19 is fetched from Debian's archive, and this system is no Debian.",
            "Get an Odoo 19.0 source tree and run: ODOO_HOME=/path/to/odoo ./run setup",
        )
    say("Odoo 19 (Debian's package, unpacked for this checkout)")
    files = apt.PrivateApt("sid").download(FROM_SID, refresh=refresh)
    files += apt.PrivateApt(apt.codename()).download(FROM_OWN_SUITE, refresh=refresh)
    staging = ODOO.with_name("odoo.new")
    shutil.rmtree(staging, ignore_errors=True)
    for file in files:
        apt.unpack(file, staging)
    _fill_gaps(staging)
    shutil.rmtree(ODOO, ignore_errors=True)
    staging.rename(ODOO)


def _fill_gaps(staging: Path) -> None:
    """Mend what Debian's packaging leaves out."""
    addons = staging / PACKAGES / "odoo" / "addons"
    for link in _dangling(addons):
        say(f"  note: {link.relative_to(addons)} links to a file that its package no longer has")
    # Debian strips this file; the missing asset is a console error that fails every backend tour.
    stripped = addons / "mail/static/lib/selfie_segmentation/selfie_segmentation.js"
    if not stripped.exists():
        stripped.parent.mkdir(parents=True, exist_ok=True)
        stripped.write_text("", encoding="utf-8")
