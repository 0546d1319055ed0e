"""Pictures for the documentation."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

from PIL import Image

from .console import Problem, say
from .paths import ROOT, RUNTIME

PICTURES = ROOT / "docs" / "img"
WINDOWS = RUNTIME / "windows-test" / "pictures"
"""What `./run test windows` took last, in a folder for each language."""


def keep(picture: bytes | Image.Image, file: Path) -> None:
    """Keep it as a PNG with 256 colours."""
    file.parent.mkdir(parents=True, exist_ok=True)
    image = Image.open(io.BytesIO(picture)) if isinstance(picture, bytes) else picture
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(file, optimize=True)


def take_over_windows() -> None:
    """Replace the documentation's pictures of Windows by those of the last run.

    :raises Problem: there was none
    """
    found = sorted(WINDOWS.glob("*/*.png"))
    if not found:
        raise Problem("There are no pictures of Windows.", "./run test windows")
    for file in found:
        target = PICTURES / file.relative_to(WINDOWS)
        shutil.copy(file, target)
        say(f"  {target.relative_to(ROOT)}")
