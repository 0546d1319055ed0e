"""What the built program carries beside its code: icon, Windows version resource, macOS property list."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from ibhxh_agent import __version__
from ibhxh_agent.config import SCHEME
from ibhxh_agent.icon import Colour, picture

IDENTIFIER = "vn.ibhxh.agent"
PUBLISHER = "l10n_vn_ibhxh"
DESCRIPTION = {
    "ibhxh-agent": "ibhxh-agent: ký tờ khai BHXH bằng USB token",
    "ibhxh-agent-cli": "ibhxh-agent: ký tờ khai BHXH (dòng lệnh)",
}
_SIZES = (16, 20, 24, 32, 40, 48, 64, 128, 256)

# The resource VERSIONINFO as PyInstaller reads it; 0x0409 is English (US), 1200 Unicode, 0x40004 Windows NT.
_VERSION = """\
VSVersionInfo(
  ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}, mask=0x3f, OS=0x40004, fileType=0x1),
  kids=[
    StringFileInfo([StringTable("040904B0", [
      StringStruct("CompanyName", {publisher!r}),
      StringStruct("FileDescription", {description!r}),
      StringStruct("FileVersion", {version!r}),
      StringStruct("InternalName", {name!r}),
      StringStruct("OriginalFilename", {file!r}),
      StringStruct("ProductName", "ibhxh-agent"),
      StringStruct("ProductVersion", {version!r}),
      StringStruct("LegalCopyright", "LGPL-3.0-or-later"),
    ])]),
    VarFileInfo([VarStruct("Translation", [0x0409, 1200])]),
  ],
)
"""


@dataclass(frozen=True)
class Resources:
    """Files in ``folder``."""

    folder: Path
    icon: Path

    def version_for(self, program: str) -> Path:
        """The version resource of one of the two programs."""
        path = self.folder / f"{program}-version.txt"
        path.write_text(
            _VERSION.format(
                numbers=windows_version(),
                publisher=PUBLISHER,
                description=DESCRIPTION[program],
                version=__version__,
                name=program,
                file=f"{program}.exe",
            ),
            encoding="utf-8",
        )
        return path


def windows_version(version: str = __version__) -> tuple[int, ...]:
    """Four numbers of 16 bits; the version's last of five goes into the fourth: 19.0.2.0.1 → (19, 0, 2, 1)."""
    first, second, third, fourth, fifth = (int(part) for part in version.split("."))
    return (first, second, third, fourth * 100 + fifth)


def write(folder: Path) -> Resources:
    """Draw the icon, for Windows, or for macOS where this runs there."""
    import sys

    folder.mkdir(parents=True, exist_ok=True)
    largest = picture(Image, ImageDraw, Colour.GREEN, 512 if sys.platform == "darwin" else _SIZES[-1])
    if sys.platform == "darwin":
        icon = folder / "ibhxh-agent.icns"
        largest.save(icon)
    else:
        icon = folder / "ibhxh-agent.ico"
        others = [picture(Image, ImageDraw, Colour.GREEN, size) for size in _SIZES[:-1]]
        largest.save(icon, sizes=[(size, size) for size in _SIZES], append_images=others)
    return Resources(folder, icon)


def info_plist() -> dict[str, Any]:
    """macOS: no icon in the Dock, and the scheme of Odoo's links."""
    return {
        "LSUIElement": True,
        "NSHighResolutionCapable": True,
        "CFBundleURLTypes": [
            {"CFBundleURLName": IDENTIFIER, "CFBundleTypeRole": "Viewer", "CFBundleURLSchemes": [SCHEME]}
        ],
    }
