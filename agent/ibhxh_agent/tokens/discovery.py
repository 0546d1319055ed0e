"""Finds PKCS#11 libraries on this computer: by the names of ``libraries.json``, and by what the user added."""

from __future__ import annotations

import fnmatch
import glob
import importlib
import itertools
import logging
import mmap
import os
import re
import sys
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from ibhxh_agent.tokens.library_list import built_in

log = logging.getLogger(__name__)

_SUFFIXES = (".dll", ".so", ".dylib")
#: The one function that every PKCS#11 library exports (PKCS#11 2.40, 5.4): its name is in the file.
_ENTRY_POINT = b"C_GetFunctionList"
_VARIABLE = re.compile("%([^%]+)%")
#: What libraries are built for: IMAGE_FILE_HEADER.Machine (PE format, 3.3) and e_machine (elf.h).
_X86, _X64, _ARM64 = "x86 (32-bit)", "x64", "ARM64"
_PE_MACHINES = {0x014C: _X86, 0x8664: _X64, 0xAA64: _ARM64}
_ELF_MACHINES = {3: _X86, 62: _X64, 183: _ARM64}
#: What this program can load, which is not what the processor is: x64 programs run on ARM64, 32-bit ones on x64.
OURS = {
    "win32": _X86,
    "win-amd64": _X64,
    "win-arm64": _ARM64,
    "linux-i686": _X86,
    "linux-x86_64": _X64,
    "linux-aarch64": _ARM64,
}.get(sysconfig.get_platform(), "")
#: The child for libraries of another machine, in a folder of its own beside this program.
_CHILDREN = {_X86: ("ibhxh-token32", "ibhxh-token")}
#: The provider for Windows' own store, beside the PKCS#11 module of the same vendor.
_PROVIDER = "_s.dll"
#: Where Windows keeps its cryptographic providers, and in which key and value of each its library is named: those of
#: CryptoAPI, one list for each bitness ("Registering the CSP", Windows SDK), and CNG's (CRYPT_PROVIDER_REG, bcrypt.h).
_PROVIDERS = (
    (r"SOFTWARE\Microsoft\Cryptography\Defaults\Provider", "", "Image Path"),
    (r"SOFTWARE\WOW6432Node\Microsoft\Cryptography\Defaults\Provider", "", "Image Path"),
    (r"SYSTEM\CurrentControlSet\Control\Cryptography\Providers", r"\UM", "Image"),
)


@dataclass(frozen=True)
class Found:
    """A candidate that exists.

    :param usable: may be loaded, in a child process, which finds out the rest (its bitness, what it needs itself)
    :param origin: vendor from the list, ``p11-kit``, a provider registered in Windows, or ``settings``
    :param machine: what it is built for, when that is not what this program is; usable then with a child of its own
    """

    path: Path
    origin: str
    usable: bool
    machine: str = ""


@dataclass(frozen=True)
class Places:
    """Where to look on one system; a seam for tests.

    :param platform: as ``sys.platform``
    :param environment: for ``%SystemRoot%`` and the like
    :param root: put before every absolute folder
    :param nowhere: look at what the user added only
    :param machine: what this program can load; empty = the child process finds out
    :param registry: the module ``winreg``, on Windows
    """

    platform: str = sys.platform
    environment: Mapping[str, str] | None = None
    root: str = ""
    nowhere: bool = False
    machine: str = OURS
    registry: Any = None

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

    What cannot be read is passed over: one vendor's folder hides no other vendor's token.

    :param added: files, or folders whose libraries are all looked at
    :param listed: the list of file names and folders, the built-in one by default
    """
    places = places or Places()
    found: dict[Path, Found] = {}
    lists = (_added(added), _listed(places, listed or built_in()), _p11_kit(places), _providers(places))
    for path, origin in itertools.chain(*lists):
        try:
            real = Path(os.path.realpath(path))
            if real not in found and ((usable := _is_pkcs11(real)) or origin == "settings"):
                found[real] = _candidate(path, real, origin, usable, places.machine)
        except (OSError, ValueError) as error:
            log.info("%s is no library: %s", path, type(error).__name__)
    # Vendors install both; the one that this program cannot load itself matters only where it is alone.
    served = {entry.origin for entry in found.values() if entry.usable and not entry.machine} - {"settings"}
    return [entry for entry in found.values() if not (entry.machine and entry.origin in served)]


def _candidate(path: Path, real: Path, origin: str, usable: bool, ours: str) -> Found:
    machine = _machine(real) if usable and ours else ""
    foreign = "" if machine == ours else machine
    return Found(path, origin, usable and (not foreign or bool(_child_of(foreign))), foreign)


def _entries(folder: Path) -> list[Path] | None:
    """What is in a folder, by name; ``None`` = it cannot be read."""
    try:
        return sorted(folder / name for name in os.listdir(folder))
    except OSError as error:
        log.info("the folder %s cannot be read: %s", folder, type(error).__name__)
        return None


def _added(added: Iterable[str]) -> Iterator[tuple[Path, str]]:
    for entry in map(Path, added):
        paths = _entries(entry) if os.path.isdir(entry) else None
        if paths is None:  # a file, or a folder that cannot be read, of which the person who added it learns
            yield entry, "settings"
            continue
        for path in paths:
            if path.suffix.lower() in _SUFFIXES and _is_pkcs11(path):
                yield path, "settings"


def _listed(places: Places, data: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    system = data[system_name(places.platform)]
    wanted = {name.lower(): vendor for vendor, names in system["vendors"].items() for name in names}
    patterns = [pattern.lower() for pattern in system.get("patterns", ())]
    for folder in system["folders"]:
        for place in places.expand(folder):
            # One listing per folder instead of a question per name; System32 compares names without case.
            for path in _entries(place) or ():
                name = path.name.lower()
                if name in wanted:
                    yield path, wanted[name]
                elif not name.endswith(_PROVIDER) and any(fnmatch.fnmatchcase(name, one) for one in patterns):
                    yield path, "PKCS#11"


def _p11_kit(places: Places) -> Iterator[tuple[Path, str]]:
    """Modules registered with p11-kit (pkcs11.conf(5)): whatever the vendor's package installed on Linux."""
    if system_name(places.platform) != "linux":
        return
    for folder in ("/usr/share/p11-kit/modules", "/etc/pkcs11/modules"):
        for place in places.expand(folder):
            for file in _entries(place) or ():
                for line in _lines(file) if file.suffix == ".module" else ():
                    name, _, value = line.partition(":")
                    if name.strip() != "module":
                        continue
                    if os.path.isabs(value.strip()):
                        yield Path(places.root + value.strip()), "p11-kit"
                    elif "/" not in value.strip():
                        for modules in ("/usr/lib/*-linux-gnu*/pkcs11", "/usr/lib64/pkcs11", "/usr/lib/pkcs11"):
                            for holder in places.expand(modules):
                                yield holder / value.strip(), "p11-kit"


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        log.info("%s cannot be read: %s", file, type(error).__name__)
        return []


def _providers(places: Places) -> Iterator[tuple[Path, str]]:
    """Beside the library of each cryptographic provider that a vendor registered in Windows.

    A certificate in Windows' store names its provider, one of these, and the PKCS#11 module of a token lies beside
    that one's library: ``X.dll`` beside ``X_s.dll`` with the rebrands of Feitian. Only an administrator can register
    one.
    """
    registry = places.registry
    if registry is None and sys.platform == "win32":
        registry = importlib.import_module("winreg")
    if system_name(places.platform) != "windows" or places.nowhere or registry is None:
        return
    for name, image in _registered(registry):
        if not name.lower().startswith("microsoft"):
            path = PureWindowsPath(image)
            folders = [path.parent.as_posix()] if path.parent.name else ["%SystemRoot%/System32"]
            # Where Windows looks first for a bare name, and what it gives to 32-bit programs in its place.
            if path.parent.name.lower() in ("", "system32"):
                folders.append("%SystemRoot%/SysWOW64")
            for folder in itertools.chain.from_iterable(map(places.expand, folders)):
                for file in _beside(folder, path.name):
                    yield file, name


def _beside(folder: Path, image: str) -> Iterator[Path]:
    stem = PureWindowsPath(image).stem.lower()
    stems = {stem, stem.removesuffix("_s"), stem.replace("csp", "csp11")}
    stems |= {stem.removesuffix(kind).rstrip("_") for kind in ("csp", "ksp")}
    for path in _entries(folder) or ():
        name = PureWindowsPath(path.name.lower())
        if name.suffix == ".dll" and name.stem in stems:
            yield path


def _registered(registry: Any) -> Iterator[tuple[str, str]]:
    """Name and library of the providers."""
    for place, below, value in _PROVIDERS:
        try:
            with registry.OpenKey(registry.HKEY_LOCAL_MACHINE, place) as key:
                names = [registry.EnumKey(key, number) for number in range(registry.QueryInfoKey(key)[0])]
                for name in names:
                    with suppress(OSError), registry.OpenKey(key, name + below) as provider:
                        yield name, str(registry.QueryValueEx(provider, value)[0])
        except OSError:  # none registered
            continue


def child_for(path: Path) -> Path | None:
    """The program that loads this library; ``None`` = this one does, or finds out that nothing can."""
    try:
        machine = _machine(path) if os.path.isfile(path) else ""  # a FIFO would be waited for
    except OSError:
        return None
    return _child_of(machine) if machine != OURS else None


def _child_of(machine: str) -> Path | None:
    if machine not in _CHILDREN:
        return None
    folder, name = _CHILDREN[machine]
    program = Path(sys.executable).parent / folder / (f"{name}.exe" if sys.platform == "win32" else name)
    return program if os.path.isfile(program) else None


def children() -> Iterator[tuple[str, Path]]:
    """What other machines' libraries can be loaded, and by which program."""
    for machine in _CHILDREN:
        program = _child_of(machine)
        if program is not None:
            yield machine, program


def _machine(path: Path) -> str:
    """What a library is built for; empty where that is not known."""
    with path.open("rb") as stream:
        head = stream.read(4096)
    if head[:4] == b"\x7fELF" and head[5:6] == b"\1":  # little endian
        return _ELF_MACHINES.get(int.from_bytes(head[18:20], "little"), "")
    start = int.from_bytes(head[0x3C:0x40], "little")
    if head[:2] != b"MZ" or head[start : start + 4] != b"PE\0\0":
        return ""
    return _PE_MACHINES.get(int.from_bytes(head[start + 4 : start + 6], "little"), "")


def _is_pkcs11(path: Path) -> bool:
    """The file names the entry point. Nothing is loaded for that: it would run a stranger's code."""
    try:
        if not path.is_file():  # a FIFO would be waited for
            return False
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return content.find(_ENTRY_POINT) >= 0
    except (OSError, ValueError):  # unreadable, or empty
        return False
