"""Finds PKCS#11 libraries on this computer: by the names of ``libraries.json``, and by what the user added."""

from __future__ import annotations

import glob
import mmap
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ibhxh_agent.tokens.library_list import built_in

_SUFFIXES = (".dll", ".so", ".dylib")
#: The one function that every PKCS#11 library exports (PKCS#11 2.40, 5.4): its name is in the file.
_ENTRY_POINT = b"C_GetFunctionList"
_VARIABLE = re.compile("%([^%]+)%")


@dataclass(frozen=True)
class Found:
    """A candidate that exists.

    :param usable: may be loaded, in a child process, which finds out the rest (its bitness, what it needs itself)
    :param origin: vendor from the list, ``p11-kit``, or ``settings``
    """

    path: Path
    origin: str
    usable: bool


@dataclass(frozen=True)
class Places:
    """Where to look on one system; a seam for tests.

    :param platform: as ``sys.platform``
    :param environment: for ``%SystemRoot%`` and the like
    :param root: put before every absolute folder
    :param nowhere: look at what the user added only
    """

    platform: str = sys.platform
    environment: Mapping[str, str] | None = None
    root: str = ""
    nowhere: bool = False

    def expand(self, folder: str) -> list[Path]:
        """A folder of the data file → the folders that exist; unknown variables drop it."""
        if self.nowhere:
            return []
        environment = os.environ if self.environment is None else self.environment
        # Windows compares the names of variables without case, and Python gives them in capitals there.
        values = {name.upper(): value for name, value in environment.items()}
        folder = _VARIABLE.sub(lambda found: values.get(found[1].upper(), found[0]), folder)
        if _VARIABLE.search(folder):
            return []
        folder = os.path.expanduser(folder)
        return [Path(path) for path in sorted(glob.glob(self.root + folder)) if os.path.isdir(path)]


def system_name(platform: str) -> str:
    """The data file's name of a ``sys.platform``."""
    return {"win32": "windows", "darwin": "macos"}.get(platform, "linux")


def find_libraries(
    added: Iterable[str] = (), places: Places | None = None, listed: Mapping[str, Any] | None = None
) -> list[Found]:
    """Everything that looks like a PKCS#11 library; each real file once, the user's own first.

    :param added: files, or folders whose libraries are all looked at
    :param listed: the list of file names and folders, the built-in one by default
    """
    places = places or Places()
    found: dict[Path, Found] = {}
    for path, origin in [*_added(added), *_listed(places, listed or built_in()), *_p11_kit(places)]:
        real = path.resolve()
        if real not in found:
            usable = _is_pkcs11(real)
            if usable or origin == "settings":
                found[real] = Found(path, origin, usable)
    return list(found.values())


def _added(added: Iterable[str]) -> Iterator[tuple[Path, str]]:
    for entry in map(Path, added):
        if entry.is_dir():
            for path in sorted(entry.iterdir()):
                if path.suffix.lower() in _SUFFIXES and _is_pkcs11(path):
                    yield path, "settings"
        else:
            yield entry, "settings"


def _listed(places: Places, data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    system = data[system_name(places.platform)]
    wanted = {name.lower(): vendor for vendor, names in system["vendors"].items() for name in names}
    for folder in system["folders"]:
        for place in places.expand(folder):
            # One listing per folder instead of a question per name; System32 compares names without case.
            with os.scandir(place) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if entry.name.lower() in wanted:
                        yield Path(entry.path), wanted[entry.name.lower()]


def _p11_kit(places: Places) -> Iterator[tuple[Path, str]]:
    """Modules registered with p11-kit (pkcs11.conf(5)): whatever the vendor's package installed on Linux."""
    if system_name(places.platform) != "linux":
        return
    for folder in ("/usr/share/p11-kit/modules", "/etc/pkcs11/modules"):
        for place in places.expand(folder):
            for file in sorted(place.glob("*.module")):
                for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
                    name, _, value = line.partition(":")
                    if name.strip() == "module" and os.path.isabs(value.strip()):
                        yield Path(places.root + value.strip()), "p11-kit"


def _is_pkcs11(path: Path) -> bool:
    """The file names the entry point. Nothing is loaded for that: it would run a stranger's code."""
    try:
        if not path.is_file():  # a FIFO would be waited for
            return False
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(_ENTRY_POINT) >= 0
    except (OSError, ValueError):  # unreadable, or empty
        return False
