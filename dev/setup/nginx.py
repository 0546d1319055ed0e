"""nginx, behind which the administrator's guide puts Odoo: unpacked, never installed, which would start it."""

from __future__ import annotations

import os
import shutil
import sysconfig
from pathlib import Path

from ..console import say
from ..paths import RUNTIME
from . import apt

FOLDER = RUNTIME / "nginx"
ADMINISTRATORS = "/usr/local/sbin:/usr/sbin:/sbin"
"""Folders of programs that an ordinary user does not have in PATH."""


def program() -> Path | None:
    """The program, unpacked or the system's own; None when there is none."""
    own = FOLDER / "usr/sbin/nginx"
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', os.defpath)}:{ADMINISTRATORS}")
    return own if own.exists() else Path(found) if found else None


def environment() -> dict[str, str]:
    """What it needs to find the libraries that were unpacked with it."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    folders = [str(FOLDER / part / multiarch) for part in ("usr/lib", "lib")]
    return {"LD_LIBRARY_PATH": ":".join([*folders, os.environ.get("LD_LIBRARY_PATH", "")]).rstrip(":")}


def install(refresh: bool) -> None:
    """Unpack it, with the libraries that this system lacks, under .runtime/nginx.

    :raises Problem: when it cannot be fetched
    """
    say("nginx (unpacked for this checkout)")
    source = apt.PrivateApt(apt.codename())
    source.update()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for file in source.download(source.missing(["nginx"]), refresh=refresh):
        apt.unpack(file, FOLDER)
