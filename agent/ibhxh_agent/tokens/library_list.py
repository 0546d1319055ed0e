"""The list of PKCS#11 libraries: file names and folders, built in, or a newer one that the makers signed.

A newer list comes from Odoo, which cannot make one. It names files and the system's own program folders only, and none
that the person at the computer can write without an administrator; nothing in it is fetched or run because of it.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from ibhxh_agent import release
from ibhxh_agent.config import Folder, read_private, write_private
from ibhxh_agent.errors import AgentError

log = logging.getLogger(__name__)

#: A bare file name.
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._ +-]{0,79})\.(?:dll|so|dylib)", re.IGNORECASE)
#: A file name with stars, which stands for names that the list does not know yet.
PATTERN = re.compile(r"(?=.*[A-Za-z0-9]{2})[A-Za-z0-9._*-]{4,80}\.(?:dll|so|dylib)", re.IGNORECASE)
#: Folders that need an administrator to be written.
FOLDERS = {
    "windows": re.compile(r"%(?:SystemRoot|ProgramFiles|ProgramFiles\(x86\)|ProgramW6432)%(?:/[A-Za-z0-9 ._()+-]+)*"),
    "macos": re.compile(r"/(?:usr/local/lib|Library|Applications)(?:/[A-Za-z0-9 ._()+*-]+)*"),
    "linux": re.compile(r"/(?:usr|opt)(?:/[A-Za-z0-9 ._()+*-]+)*"),
}
MOST_FOLDERS, MOST_VENDORS, MOST_NAMES, MOST_PATTERNS, LONGEST_FOLDER = 64, 128, 128, 16, 200


def built_in() -> dict[str, Any]:
    """The list of this version."""
    content = resources.files("ibhxh_agent.tokens").joinpath("libraries.json").read_text(encoding="utf-8")
    value: dict[str, Any] = json.loads(content)
    return value


def current(folder: Folder, keys: Sequence[bytes] | None = None) -> dict[str, Any]:
    """The newest list: the built-in one, or one from the server that is newer."""
    own = built_in()
    try:
        newer = _read(read_private(_file(folder)), keys)
    except (OSError, ValueError, AgentError):
        return own
    return newer if newer["version"] > own["version"] else own


def accept(folder: Folder, document: object, keys: Sequence[bytes] | None = None) -> int:
    """Keep a list that came from the server, if it is signed and newer than the current one.

    :return: its version
    :raises AgentError: ``release_refused``
    """
    newer = _read(document, keys)
    if newer["version"] <= current(folder, keys)["version"]:
        raise release.refused()
    write_private(_file(folder), str(document))
    log.info("list of libraries: version %d", newer["version"])
    return int(newer["version"])


def _file(folder: Folder) -> Path:
    return folder.path / "libraries.json"


def _read(document: object, keys: Sequence[bytes] | None) -> dict[str, Any]:
    return checked(release.opened(document, "libraries", keys))


def checked(value: Mapping[str, Any]) -> dict[str, Any]:
    """The list with what is understood of it and nothing else.

    :raises AgentError: ``release_refused``, it names something else than files and the system's program folders
    """
    version = value.get("version")
    if isinstance(version, bool) or not isinstance(version, int) or not 0 < version < 2**31:
        raise release.refused()
    return {"version": version} | {system: _system(value.get(system), FOLDERS[system]) for system in FOLDERS}


def _system(value: object, allowed: re.Pattern[str]) -> dict[str, Any]:
    folders = value.get("folders") if isinstance(value, dict) else None
    vendors = value.get("vendors") if isinstance(value, dict) else None
    if not isinstance(folders, list) or not isinstance(vendors, dict):
        raise release.refused()
    if len(folders) > MOST_FOLDERS or len(vendors) > MOST_VENDORS:
        raise release.refused()
    for folder in folders:
        if not isinstance(folder, str) or len(folder) > LONGEST_FOLDER or not allowed.fullmatch(folder):
            raise release.refused()
        # Windows leaves dots and blanks at a name's ends out, so there are more ways upwards than "..".
        if any(part != part.strip(" .") for part in folder.split("/")):
            raise release.refused()
    for names in vendors.values():
        if not isinstance(names, list) or len(names) > MOST_NAMES:
            raise release.refused()
        if not all(isinstance(name, str) and NAME.fullmatch(name) for name in names):
            raise release.refused()
    patterns = value.get("patterns", []) if isinstance(value, dict) else []
    if not isinstance(patterns, list) or len(patterns) > MOST_PATTERNS:
        raise release.refused()
    if not all(isinstance(pattern, str) and PATTERN.fullmatch(pattern) for pattern in patterns):
        raise release.refused()
    return {"folders": folders, "patterns": patterns, "vendors": vendors}
