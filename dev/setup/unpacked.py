"""Makes unpacked Debian packages work where they are: Chromium's starter and fontconfig look for absolute paths."""

from __future__ import annotations

from ..paths import SYSTEM

FONTS = SYSTEM / "etc/fonts/unpacked.conf"
"""Fontconfig's settings for unpacked programs: the fonts of both places."""

CHROMIUM = """#!/bin/sh
exec "{program}" "$@"
"""

FONTCONFIG = """<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{folder}</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir prefix="xdg">fontconfig</cachedir>
</fontconfig>
"""


def adapt() -> None:
    """Write a starter for Chromium and settings for fontconfig, where they were unpacked."""
    program = SYSTEM / "usr/lib/chromium/chromium"
    if program.exists():
        starter = SYSTEM / "usr/bin/chromium"
        starter.unlink(missing_ok=True)
        starter.write_text(CHROMIUM.format(program=program), encoding="utf-8")
        starter.chmod(0o755)
    FONTS.parent.mkdir(parents=True, exist_ok=True)
    FONTS.write_text(FONTCONFIG.format(folder=SYSTEM / "usr/share/fonts"), encoding="utf-8")
