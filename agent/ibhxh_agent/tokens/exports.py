"""Looks at a library file without loading it: is it PKCS#11, and could this process load it?

Loading means running a stranger's code; reading the export table does not. ELF, PE and Mach-O are parsed by LIEF.
"""

from __future__ import annotations

import platform
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: The one function that every PKCS#11 library exports (PKCS#11 2.40, 5.4).
ENTRY_POINT = "C_GetFunctionList"

#: Mask of a symbol's kind in Mach-O; 0 = undefined, imported from elsewhere (mach-o/nlist.h).
_N_TYPE = 0x0E
_MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "arm64": "arm64", "aarch64": "arm64"}

#: File format (``elf``, ``pe``, ``macho``), machine (``x86_64``, ``arm64``, ``i386`` or the parser's name) and bits.
Target = tuple[str, str, int]


@dataclass(frozen=True)
class LibraryFile:
    """What a file says about itself.

    :param exports: it exports ``C_GetFunctionList``
    :param targets: what it was built for, one for each part of the file (a universal Mach-O has several)
    """

    exports: bool
    targets: frozenset[Target]

    def loads_in(self, process: Target) -> bool:
        """A process of this kind could load it."""
        return process in self.targets


def this_process() -> Target:
    """What the running interpreter can load."""
    bits = struct.calcsize("P") * 8
    machine = _MACHINES.get(platform.machine().lower(), platform.machine().lower())
    kind = {"win32": "pe", "darwin": "macho"}.get(sys.platform, "elf")
    return kind, ("i386" if machine == "x86_64" and bits == 32 else machine), bits


def inspect(path: Path) -> LibraryFile | None:
    """Read the headers; ``None`` when the file is no library or cannot be read."""
    # Here and not at the top: LIEF takes longer to load than all the rest, and most commands do not need it.
    import lief

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
    import lief

    if binary is None or binary.header.file_type != lief.ELF.Header.FILE_TYPE.DYN:
        return None
    machine = {"X86_64": "x86_64", "AARCH64": "arm64", "I386": "i386"}
    name = str(binary.header.machine_type).rsplit(".", maxsplit=1)[-1]
    bits = 64 if binary.header.identity_class == lief.ELF.Header.CLASS.ELF64 else 32
    names = {symbol.name for symbol in binary.exported_symbols}
    return LibraryFile(ENTRY_POINT in names, frozenset({("elf", machine.get(name, name.lower()), bits)}))


def _pe(binary: Any) -> LibraryFile | None:
    if binary is None:
        return None
    machine = {"AMD64": ("x86_64", 64), "ARM64": ("arm64", 64), "I386": ("i386", 32)}
    name = str(binary.header.machine).rsplit(".", maxsplit=1)[-1]
    exported = binary.get_export()
    names = {entry.name for entry in exported.entries} if exported is not None else set()
    return LibraryFile(ENTRY_POINT in names, frozenset({("pe", *machine.get(name, (name.lower(), 0)))}))


def _macho(universal: Any) -> LibraryFile | None:
    if universal is None:
        return None
    machine = {"X86_64": ("x86_64", 64), "ARM64": ("arm64", 64), "X86": ("i386", 32)}
    targets, exports = set(), False
    for binary in universal:
        name = str(binary.header.cpu_type).rsplit(".", maxsplit=1)[-1]
        targets.add(("macho", *machine.get(name, (name.lower(), 0))))
        exports = exports or any(_macho_exports(symbol) for symbol in binary.symbols)
    return LibraryFile(exports, frozenset(targets))


def _macho_exports(symbol: Any) -> bool:
    """The entry point, defined in this file: in the export trie or the symbol table (names begin with ``_``)."""
    return symbol.name == f"_{ENTRY_POINT}" and (symbol.has_export_info or bool(symbol.raw_type & _N_TYPE))
