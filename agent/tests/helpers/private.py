"""Who may read a file."""

from __future__ import annotations

import sys
from pathlib import Path


def is_private(path: Path) -> bool:
    """Only its owner; Windows does not say so by a mode but by the folder that it is in (W19)."""
    return sys.platform == "win32" or path.stat().st_mode & 0o077 == 0
