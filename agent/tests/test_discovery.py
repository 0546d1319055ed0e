"""Finding PKCS#11 libraries without loading any of them."""

from __future__ import annotations

import json
import os
import subprocess
from importlib import resources
from pathlib import Path

import pytest
import softhsm

from ibhxh_agent.tokens import discovery
from ibhxh_agent.tokens.discovery import Places, find_libraries


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


def dll(path: Path, name: bytes = b"C_GetFunctionList") -> Path:
    """As far as anybody looks: a file with a name in it."""
    path.write_bytes(b"MZ" + b"\0" * 5000 + name + b"\0" * 5000)
    return path


@pytest.mark.parametrize(
    "content", [b"", b"MZ", b"\x7fELF", b"\x7fELF" + b"\xff" * 500, b"MZ" + b"\xff" * 500, b"text"]
)
def test_broken_files_are_no_libraries(tmp_path, content):
    (tmp_path / "x.so").write_bytes(content)
    (found,) = find_libraries([str(tmp_path / "x.so")], Places(nowhere=True))
    assert not found.usable and find_libraries([str(tmp_path)], Places(nowhere=True)) == []
    (found,) = find_libraries([str(tmp_path / "missing.so")], Places(nowhere=True))
    assert not found.usable


def test_a_pipe_that_is_named_like_a_library_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "x.so")
    assert find_libraries([str(tmp_path)], Places(nowhere=True)) == []


def test_vendors_are_found_by_name_in_the_folders_of_the_system(tmp_path):
    system = tmp_path / "Windows" / "System32"
    bkav = tmp_path / "Programs" / "Bkav Corporation" / "BkavCA Token Manager"
    for folder in (system, bkav):
        folder.mkdir(parents=True)
    dll(system / "VNPTCA_P11_V8.DLL")
    dll(system / "viettel-ca_v6.dll")
    dll(system / "viettel-ca_v6_s.dll")  # the CSP twin is not on the list
    dll(system / "kernel32.dll")
    (system / "fpt-ca.dll").write_bytes(b"not a library")
    dll(bkav / "BkavCA.dll")
    data = json.loads(resources.files("ibhxh_agent.tokens").joinpath("libraries.json").read_text(encoding="utf-8"))
    assert data["windows"]["folders"][0] == "%SystemRoot%/System32"
    environment = {"SystemRoot": str(tmp_path / "Windows"), "ProgramFiles": str(tmp_path / "Programs")}
    places = Places("win32", environment)
    found = {entry.path.name: entry for entry in find_libraries((), places)}
    assert set(found) == {"VNPTCA_P11_V8.DLL", "viettel-ca_v6.dll", "BkavCA.dll"}
    assert found["VNPTCA_P11_V8.DLL"].origin == "VNPT-CA" and found["BkavCA.dll"].origin == "BKAV-CA"


def test_every_name_of_the_list_is_a_file_name_and_stands_once():
    data = json.loads(resources.files("ibhxh_agent.tokens").joinpath("libraries.json").read_text(encoding="utf-8"))
    assert set(data) == {"version", "windows", "macos", "linux"}
    for system in (data["windows"], data["macos"], data["linux"]):
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
    assert (found.path, found.origin, found.usable) == (tmp_path / "opt/vendor-p11.so", "p11-kit", True)


def test_t11_a_module_of_p11_kit_without_a_folder_is_in_the_one_for_modules(tmp_path):
    """pkcs11.conf(5): a relative path is relative to the default folder for modules."""
    folder = tmp_path / "usr/lib/x86_64-linux-gnu/pkcs11"
    modules = tmp_path / "usr/share/p11-kit/modules"
    for made in (folder, modules):
        made.mkdir(parents=True)
    elf(folder / "vendor-p11.so")
    (modules / "vendor.module").write_text("module: vendor-p11.so\n")
    (modules / "odd.module").write_text("module: ../vendor-p11.so\n")
    (found,) = find_libraries((), Places("linux", {}, root=str(tmp_path)))
    assert (found.path, found.origin, found.usable) == (folder / "vendor-p11.so", "p11-kit", True)


def test_a_folder_or_file_of_the_user_is_looked_at_once(tmp_path):
    elf(tmp_path / "a.so")
    elf(tmp_path / "other.so", "something_else")
    os.symlink(tmp_path / "a.so", tmp_path / "again.so")
    (tmp_path / "readme.txt").write_text("x")
    found = find_libraries([str(tmp_path), str(tmp_path / "a.so")], Places(nowhere=True))
    assert [(entry.path.name, entry.usable) for entry in found] == [("a.so", True)]
    (named,) = find_libraries([str(tmp_path / "other.so")], Places(nowhere=True))
    assert not named.usable


def test_softhsm_is_found_on_linux_where_debian_puts_it():
    if softhsm.LIBRARY.startswith("/usr/lib/softhsm/"):
        assert os.path.realpath(softhsm.LIBRARY) in {str(f.path.resolve()) for f in find_libraries() if f.usable}
    assert discovery.system_name("win32") == "windows" and discovery.system_name("darwin") == "macos"
