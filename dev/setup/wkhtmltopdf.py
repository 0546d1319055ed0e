"""wkhtmltopdf where Debian has dropped it: the last release's, with every library it needs, in a folder of its own."""

from __future__ import annotations

import shutil
import sysconfig

from ..console import say
from ..paths import RUNTIME, SYSTEM
from . import apt, unpacked

LAST_SUITE = "bookworm"
"""The last Debian release with the package."""

FOLDER = RUNTIME / "wkhtmltopdf"


def install(refresh: bool) -> None:
    """Unpack it under .runtime/wkhtmltopdf and put a starter for it where unpacked programs are found.

    :raises Problem: when it cannot be fetched
    """
    say(f"wkhtmltopdf, which this Debian no longer has, from {LAST_SUITE} (unpacked for this checkout)")
    source = apt.PrivateApt(LAST_SUITE, bare=True)
    source.update()
    shutil.rmtree(FOLDER, ignore_errors=True)
    for file in source.download(source.missing(["wkhtmltopdf"]), refresh=refresh):
        apt.unpack(file, FOLDER)
    starter = SYSTEM / "usr/bin/wkhtmltopdf"
    starter.parent.mkdir(parents=True, exist_ok=True)
    starter.write_text(_starter(), encoding="utf-8")
    starter.chmod(0o755)


def _starter() -> str:
    """A script that runs the program with its own loader and libraries, which this system's would not fit."""
    multiarch = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    # Not the link in lib64, which is absolute and so leads to this system's loader.
    loader = next((FOLDER / "lib" / multiarch).glob("ld-linux-*"))
    libraries = ":".join(str(FOLDER / part / multiarch) for part in ("usr/lib", "lib"))
    return f"""#!/bin/sh
export QT_QPA_PLATFORM=offscreen QT_PLUGIN_PATH="{FOLDER / "usr/lib" / multiarch / "qt5/plugins"}"
[ -e /etc/fonts/fonts.conf ] || export FONTCONFIG_FILE="{unpacked.FONTS}"
unset LD_LIBRARY_PATH
exec "{loader}" --library-path "{libraries}" "{FOLDER / "usr/bin/wkhtmltopdf"}" "$@"
"""
