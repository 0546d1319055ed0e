"""Finding PKCS#11 libraries without loading any of them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from importlib import resources
from pathlib import Path

import pytest
import softhsm
from registry import Registry
from signing import sign

from ibhxh_agent.tokens import discovery
from ibhxh_agent.tokens.discovery import Places, find_libraries
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess

LAUNCHER = sys.executable
PROVIDERS = r"SOFTWARE\Microsoft\Cryptography\Defaults\Provider"


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


# --- drivers for another machine, with a child of their own ---


@pytest.fixture
def foreign(tmp_path, monkeypatch):
    """A program whose machine is not that of the tests' libraries, and a folder for the child beside it."""
    here = discovery.OURS
    monkeypatch.setattr(discovery, "OURS", "another")
    monkeypatch.setattr(discovery, "_CHILDREN", {here: ("ibhxh-token32", "ibhxh-token")})
    program = tmp_path / "installed" / "ibhxh-agent"
    child = program.parent / "ibhxh-token32" / ("ibhxh-token.exe" if sys.platform == "win32" else "ibhxh-token")
    child.parent.mkdir(parents=True)
    start = f"from ibhxh_agent.tokens import worker; import sys; sys.argv = {[str(child)]!r}; worker.main()"
    monkeypatch.setattr(sys, "executable", str(program))
    return child, f'#!/bin/sh\necho started >> "$0.log"\nexec {LAUNCHER} -c "{start}"\n'


def test_a_driver_for_another_machine_is_loaded_by_its_own_child(foreign, fake):
    child, script = foreign
    places = Places(nowhere=True, machine="another")
    (found,) = find_libraries([fake.path], places)
    assert not found.usable and found.machine
    child.write_text(script)
    child.chmod(0o755)
    (found,) = find_libraries([fake.path], places)
    assert found.usable and found.machine
    manager = TokenManager([LibraryProcess(fake.path)])
    try:
        manager.refresh()
        (certificate,) = manager.certificates()
        assert len(sign(manager, certificate.fingerprint)) == 256
    finally:
        manager.close()
    assert child.with_name("ibhxh-token.log").read_text() and len(fake.logins) == 1


def test_a_child_that_cannot_be_started_is_a_driver_that_cannot_be_loaded(foreign, fake):
    child, _script = foreign
    child.write_bytes(b"\0 no program")
    child.chmod(0o755)
    manager = TokenManager([LibraryProcess(fake.path)])
    manager.refresh()
    assert manager.reasons == {fake.path: "load"}
    manager.close()


def test_a_library_of_the_program_s_own_machine_goes_before_its_twin(foreign, fake, tmp_path, monkeypatch):
    """Vendors install both: the same token twice helps nobody."""
    child, script = foreign
    child.write_text(script)
    system = tmp_path / "usr" / "lib"
    system.mkdir(parents=True)
    for name, machine in (("viettel-ca_v5.so", 0xB7), ("viettel-ca_v6.so", None)):
        content = bytearray(Path(fake.path).read_bytes())
        if machine:
            content[18:20] = machine.to_bytes(2, "little")
        (system / name).write_bytes(content)
    found = find_libraries((), Places("linux", {}, root=str(tmp_path), machine="ARM64"))
    assert [(entry.path.name, entry.usable) for entry in found] == [("viettel-ca_v5.so", True)]


@pytest.mark.parametrize(("number", "machine"), [(3, "x86 (32-bit)"), (183, "ARM64"), (62, "x64"), (8, "")])
def test_the_head_of_an_elf_file_says_what_it_is_built_for(fake, tmp_path, number, machine):
    content = bytearray(b"\x7fELF\x01\x01" + bytes(12) + number.to_bytes(2, "little") + b"C_GetFunctionList")
    (tmp_path / "x.so").write_bytes(content)
    assert discovery._machine(tmp_path / "x.so") == machine


def test_every_module_of_the_other_child_needs_python_only():
    """A 32-bit Python with nothing installed runs it."""
    code = "import sys, ibhxh_agent.tokens.worker; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([LAUNCHER, "-c", code], capture_output=True, text=True, check=True)
    names = set(done.stdout.split()) - {"ibhxh_agent"}
    assert names & {"cryptography", "lxml", "pkcs11", "signxml", "platformdirs", "filelock"} == set()


# --- what this account may not read, or nobody can ---


@pytest.fixture
def small_account():
    """A folder, and from then on an account that may not read everything: root may."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        folder = Path(name)
        yield folder
        os.seteuid(os.getuid())
        for path in folder.rglob("*"):
            if not path.is_symlink():
                path.chmod(0o755)


def become_small():
    if os.geteuid() == 0:
        os.seteuid(65534)


LISTED = {
    "linux": {
        "folders": ["/opt/closed", "/opt/open", "/opt/missing"],
        "vendors": {"A-CA": ["a_p11.so"], "B-CA": ["b_p11.so"]},
    }
}


def test_h9_one_unreadable_folder_of_a_vendor_hides_no_other_token(small_account):
    for name, library in (("closed", "a_p11.so"), ("open", "b_p11.so")):
        (small_account / "opt" / name).mkdir(parents=True)
        dll(small_account / "opt" / name / library)
    (small_account / "opt" / "closed").chmod(0o311)
    become_small()
    found = find_libraries((), Places("linux", {}, root=str(small_account)), LISTED)
    assert [entry.path.name for entry in found] == ["b_p11.so"]


def test_h9_nor_does_one_that_the_person_added_and_it_is_named(small_account):
    closed, opened = small_account / "closed", small_account / "open"
    for folder in (closed, opened):
        folder.mkdir()
        dll(folder / "a.so")
    closed.chmod(0)
    become_small()
    found = find_libraries([str(closed), str(closed / "a.so"), str(opened)], Places(nowhere=True))
    assert [(entry.path, entry.usable) for entry in found] == [
        (closed, False),
        (closed / "a.so", False),
        (opened / "a.so", True),
    ]


def test_h9_nor_does_the_folder_of_a_provider(small_account):
    closed, opened = small_account / "closed", small_account / "open"
    for folder in (closed, opened):
        folder.mkdir()
        dll(folder / "vendor.dll")
    closed.chmod(0o311)
    become_small()
    providers = {folder.name: {"Image Path": str(folder / "vendor_s.dll")} for folder in (closed, opened)}
    registry = Registry({"HKLM": {PROVIDERS: providers}})
    found = find_libraries((), Places("win32", {}, registry=registry), {"windows": {"folders": [], "vendors": {}}})
    assert [entry.path for entry in found] == [opened / "vendor.dll"]


def test_h9_nor_does_anything_else_that_cannot_be_read(small_account):
    modules = small_account / "usr/share/p11-kit/modules"
    (modules / "folder.module").mkdir(parents=True)
    (modules / "closed.module").write_text("module: /nowhere.so\n")
    (modules / "closed.module").chmod(0)
    (modules / "nul.module").write_text("module: /opt/a\0b.so\n")
    (small_account / "opt" / "open").mkdir(parents=True)
    os.symlink("a_p11.so", small_account / "opt" / "open" / "a_p11.so")
    dll(small_account / "opt" / "open" / "b_p11.so")
    (modules / "readable.module").write_text("module: /opt/open/b_p11.so\n")
    become_small()
    places = Places("linux", {}, root=str(small_account))
    found = find_libraries(["nul\0byte.so"], places, LISTED)
    assert [(entry.path.name, entry.origin) for entry in found] == [("b_p11.so", "B-CA")]
