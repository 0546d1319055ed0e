"""Where things are. Nothing here is created; every folder but ROOT may be missing."""

from __future__ import annotations

import os
from pathlib import Path

ADDON = "l10n_vn_ibhxh"

ROOT = Path(__file__).resolve().parents[1]
"""The checkout, which is the addon."""

RUNTIME = ROOT / ".runtime"
"""All that is installed for this checkout; may be deleted at any time."""

VENV = RUNTIME / "venv"
PYTHON = VENV / "bin" / "python"
ODOO = RUNTIME / "odoo"
"""What was unpacked from Debian's odoo-19 and the packages that its data links to."""

SYSTEM = RUNTIME / "system"
"""Root of Debian packages unpacked for a user who may not install them."""

ADDONS = RUNTIME / "addons"
"""An addons folder whose only entry is a link to ROOT under the addon's technical name."""

LIB = RUNTIME / "lib"
"""On the virtual environment's path: `import dev` and `import integration` work in it, without the rest of ROOT."""

STAMPS = RUNTIME / "stamps"
POSTGRES = RUNTIME / "postgres"
DATA = RUNTIME / "data"
"""Odoo's data folder (filestores, sessions) for databases made by the development tools."""

LOGS = RUNTIME / "logs"


def cache() -> Path:
    """The folder outside the checkout where downloads are kept for the next checkout."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "l10n_vn_ibhxh"


def odoo_home() -> Path | None:
    """An existing Odoo 19 (source tree, or folder that holds the `odoo` package) named by ODOO_HOME, else None."""
    named = os.environ.get("ODOO_HOME")
    return Path(named).expanduser().resolve() if named else None
