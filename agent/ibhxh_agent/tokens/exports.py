"""Looks at a library file without loading it: is it PKCS#11, and could this process load it?

Loading means running a stranger's code; reading the export table does not. ELF, PE and Mach-O are parsed by LIEF.
"""

from __future__ import annotations

import platform
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lief

#: The one function that every PKCS#11 library exports (PKCS#11 2.40, 5.4).
ENTRY_POINT = "C_GetFunctionList"

_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}


@dataclass(frozen=True)
class LibraryFile:
    """What a file says about itself.

    :param exports: it exports ``C_GetFunctionList``
    :param targets: machine → bits, one for each part of the file (a universal Mach-O has several);
        machines are ``x86_64``, ``arm64``, ``i386`` or the parser's name
    """

    exports: bool
    targets: frozenset[tuple[str, int]]

    def loads_in(self, machine: str, bits: int) -> bool:
        """A process of this machine and bitness could load it."""
        return (machine, bits) in self.targets


def this_process() -> tuple[str, int]:
    """Machine and bits of the running interpreter."""
    bits = struct.calcsize("P") * 8
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    return ("i386" if machine == "x86_64" and bits == 32 else machine), bits


def inspect(path: Path) -> LibraryFile | None:
    """Read the headers; ``None`` when the file is no library or cannot be read."""
    lief.logging.disable()
    try:
        if lief.is_elf(str(path)):
            return _elf(lief.ELF.parse(str(path)))
        if lief.is_pe(str(path)):
            return _pe(lief.PE.parse(str(path)))
        if lief.is_macho(str(path)):
            return _macho(lief.MachO.parse(str(path)))
    except OSError:
        return None
    return None


def _elf(binary: Any) -> LibraryFile | None:
    if binary is None or binary.header.file_type != lief.ELF.Header.FILE_TYPE.DYN:
        return None
    machine = {"X86_64": "x86_64", "AARCH64": "arm64", "I386": "i386"}
    name = str(binary.header.machine_type).rsplit(".", maxsplit=1)[-1]
    bits = 64 if binary.header.identity_class == lief.ELF.Header.CLASS.ELF64 else 32
    names = {symbol.name for symbol in binary.exported_symbols}
    return LibraryFile(ENTRY_POINT in names, frozenset({(machine.get(name, name.lower()), bits)}))


def _pe(binary: Any) -> LibraryFile | None:
    if binary is None:
        return None
    machine = {"AMD64": ("x86_64", 64), "ARM64": ("arm64", 64), "I386": ("i386", 32)}
    name = str(binary.header.machine).rsplit(".", maxsplit=1)[-1]
    exported = binary.get_export()
    names = {entry.name for entry in exported.entries} if exported is not None else set()
    return LibraryFile(ENTRY_POINT in names, frozenset({machine.get(name, (name.lower(), 0))}))


def _macho(universal: Any) -> LibraryFile | None:
    if universal is None:
        return None
    machine = {"X86_64": ("x86_64", 64), "ARM64": ("arm64", 64), "X86": ("i386", 32)}
    targets, exports = set(), False
    for binary in universal:
        name = str(binary.header.cpu_type).rsplit(".", maxsplit=1)[-1]
        targets.add(machine.get(name, (name.lower(), 0)))
        # Mach-O symbols carry a leading underscore.
        exports = exports or f"_{ENTRY_POINT}" in {symbol.name for symbol in binary.exported_symbols}
    return LibraryFile(exports, frozenset(targets))
