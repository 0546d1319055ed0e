"""Finding PKCS#11 libraries without loading any of them."""

from __future__ import annotations

import json
import os
import struct
import subprocess
from importlib import resources
from pathlib import Path

import pytest
import softhsm

from ibhxh_agent.tokens import discovery
from ibhxh_agent.tokens.discovery import Places, find_libraries
from ibhxh_agent.tokens.exports import inspect, this_process


def elf(path: Path, function: str = "C_GetFunctionList") -> Path:
    """A library that would take its loader down."""
    source = path.with_suffix(".c")
    source.write_text(
        f"#include <stdlib.h>\n__attribute__((constructor)) static void boom(void) {{ abort(); }}\n"
        f"int {function}(void) {{ return 0; }}\n"
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    source.unlink()
    return path


def pe(path: Path, machine: int = 0x8664, name: bytes = b"C_GetFunctionList\0") -> Path:
    """A small DLL: headers, one section, one exported name."""
    plus = machine == 0x8664
    directories = struct.pack("<II", 0x1000, 0x100) + b"\0" * 120
    optional = struct.pack("<HBBIIIII", 0x20B if plus else 0x10B, 14, 0, 0, 0x200, 0, 0, 0x1000)
    optional += b"" if plus else struct.pack("<I", 0x1000)
    optional += struct.pack("<Q" if plus else "<I", 0x10000000) + struct.pack("<II", 0x1000, 0x200)
    optional += struct.pack("<HHHHHHIIIIHH", 6, 0, 0, 0, 6, 0, 0, 0x2000, 0x200, 0, 2, 0)
    optional += struct.pack("<QQQQ" if plus else "<IIII", 0x100000, 0x1000, 0x100000, 0x1000)
    optional += struct.pack("<II", 0, 16) + directories
    header = b"PE\0\0" + struct.pack("<HHIIIHH", machine, 1, 0, 0, 0, len(optional), 0x2022)
    section = b".edata\0\0" + struct.pack("<IIIIIIHHI", 0x200, 0x1000, 0x200, 0x200, 0, 0, 0, 0, 0x40000040)
    dos = b"MZ" + b"\0" * 58 + struct.pack("<I", 64)
    # one export: directory, address table, name table, ordinal table, strings
    exports = struct.pack("<IIHHIIIIIII", 0, 0, 0, 0, 0x1060, 1, 1, 1, 0x1028, 0x102C, 0x1030)
    exports += struct.pack("<IIH", 0x1080, 0x1040, 0)
    exports = exports.ljust(0x40, b"\0") + name
    exports = exports.ljust(0x60, b"\0") + b"token.dll\0"
    path.write_bytes((dos + header + optional + section).ljust(0x200, b"\0") + exports.ljust(0x200, b"\0"))
    return path


def macho(path: Path, cpu: int = 0x0100000C, name: bytes = b"_C_GetFunctionList") -> Path:
    """A small dylib with a symbol table."""
    symbols_at, strings = 32 + 24 + 72, b"\0" + name + b"\0"
    segment = struct.pack("<II16sQQQQiiII", 0x19, 72, b"__TEXT", 0, 0x1000, 0, 0x1000, 7, 5, 0, 0)
    table = struct.pack("<IIIIII", 0x2, 24, symbols_at, 1, symbols_at + 16, len(strings))
    header = struct.pack("<IiiIIIII", 0xFEEDFACF, cpu, 0, 6, 2, len(segment + table), 0x85, 0)
    entry = struct.pack("<IBBHQ", 1, 0x0F, 0, 0, 0x100)
    path.write_bytes((header + segment + table + entry + strings).ljust(0x1000, b"\0"))
    return path


def test_this_systems_libraries_are_read_without_running_them(tmp_path):
    found = inspect(elf(tmp_path / "a.so"))
    assert found.exports and found.loads_in(this_process())
    assert not inspect(elf(tmp_path / "b.so", "something_else")).exports


@pytest.mark.parametrize(("machine", "target"), [(0x8664, ("pe", "x86_64", 64)), (0x14C, ("pe", "i386", 32))])
def test_windows_libraries(tmp_path, machine, target):
    found = inspect(pe(tmp_path / "a.dll", machine))
    assert found.exports and found.targets == {target}
    assert not inspect(pe(tmp_path / "b.dll", machine, b"DllMain\0")).exports


@pytest.mark.parametrize(
    ("cpu", "target"), [(0x0100000C, ("macho", "arm64", 64)), (0x01000007, ("macho", "x86_64", 64))]
)
def test_macos_libraries(tmp_path, cpu, target):
    found = inspect(macho(tmp_path / "a.dylib", cpu))
    assert found.exports and found.targets == {target}
    assert not inspect(macho(tmp_path / "b.dylib", cpu, b"_main")).exports


@pytest.mark.parametrize(
    "content", [b"", b"MZ", b"\x7fELF", b"\x7fELF" + b"\xff" * 500, b"MZ" + b"\xff" * 500, b"text"]
)
def test_broken_files_are_no_libraries(tmp_path, content):
    (tmp_path / "x.so").write_bytes(content)
    found = inspect(tmp_path / "x.so")
    assert found is None or not found.exports
    assert inspect(tmp_path / "missing.so") is None


def test_vendors_are_found_by_name_in_the_folders_of_the_system(tmp_path, monkeypatch):
    system = tmp_path / "Windows" / "System32"
    bkav = tmp_path / "Programs" / "Bkav Corporation" / "BkavCA Token Manager"
    for folder in (system, bkav):
        folder.mkdir(parents=True)
    pe(system / "VNPTCA_P11_V8.DLL")
    pe(system / "viettel-ca_v6.dll", 0x14C)
    pe(system / "viettel-ca_v6_s.dll")  # the CSP twin is not on the list
    pe(system / "kernel32.dll")
    (system / "fpt-ca.dll").write_bytes(b"not a library")
    pe(bkav / "BkavCA.dll")
    data = json.loads(resources.files("ibhxh_agent.tokens").joinpath("libraries.json").read_text(encoding="utf-8"))
    assert data["windows"]["folders"][0] == "%SystemRoot%/System32"
    environment = {"SystemRoot": str(tmp_path / "Windows"), "ProgramFiles": str(tmp_path / "Programs")}
    places = Places("win32", environment)
    found = {entry.path.name: entry for entry in find_libraries((), places)}
    assert set(found) == {"VNPTCA_P11_V8.DLL", "viettel-ca_v6.dll", "BkavCA.dll"}
    assert found["VNPTCA_P11_V8.DLL"].origin == "VNPT-CA" and found["BkavCA.dll"].origin == "BKAV-CA"
    for process, usable in (
        (("pe", "x86_64", 64), {"VNPTCA_P11_V8.DLL", "BkavCA.dll"}),
        (("pe", "i386", 32), {"viettel-ca_v6.dll"}),
        (("elf", "x86_64", 64), set()),
    ):
        monkeypatch.setattr(discovery, "this_process", lambda process=process: process)
        assert {entry.path.name for entry in find_libraries((), places) if entry.usable} == usable


def test_every_name_of_the_list_is_a_file_name_and_stands_once():
    data = json.loads(resources.files("ibhxh_agent.tokens").joinpath("libraries.json").read_text(encoding="utf-8"))
    assert set(data) == {"windows", "macos", "linux"}
    for system in data.values():
        names = [name.lower() for names in system["vendors"].values() for name in names]
        assert len(names) == len(set(names)) and not any("/" in name or "\\" in name for name in names)
    assert len([n for names in data["windows"]["vendors"].values() for n in names]) > 60


def test_linux_modules_registered_with_p11_kit_are_found(tmp_path):
    (tmp_path / "opt").mkdir()
    elf(tmp_path / "opt" / "vendor-p11.so")
    modules = tmp_path / "usr/share/p11-kit/modules"
    modules.mkdir(parents=True)
    (modules / "vendor.module").write_text("# comment\nmodule: /opt/vendor-p11.so\ntrust-policy: no\n")
    (modules / "relative.module").write_text("module: relative.so\n")
    (found,) = find_libraries((), Places("linux", {}, root=str(tmp_path)))
    assert (found.path, found.origin, found.verdict) == (tmp_path / "opt/vendor-p11.so", "p11-kit", "usable")


def test_a_folder_or_file_of_the_user_is_looked_at_once(tmp_path):
    elf(tmp_path / "a.so")
    elf(tmp_path / "other.so", "something_else")
    os.symlink(tmp_path / "a.so", tmp_path / "again.so")
    (tmp_path / "readme.txt").write_text("x")
    found = find_libraries([str(tmp_path), str(tmp_path / "a.so")], Places(nowhere=True))
    assert [(entry.path.name, entry.verdict) for entry in found] == [("a.so", "usable")]
    (named,) = find_libraries([str(tmp_path / "other.so")], Places(nowhere=True))
    assert named.verdict == "not_pkcs11" and not named.usable


def test_softhsm_is_found_on_linux_where_debian_puts_it():
    if softhsm.LIBRARY.startswith("/usr/lib/softhsm/"):
        assert os.path.realpath(softhsm.LIBRARY) in {str(f.path.resolve()) for f in find_libraries() if f.usable}
    assert discovery.system_name("win32") == "windows" and discovery.system_name("darwin") == "macos"
