"""Defects that only Windows shows (docs/windows-checklist.md), met here through what Windows really does.

These run on every system; those of test_on_windows.py on Windows alone.
"""

from __future__ import annotations

import io
import logging
import logging.handlers
import os
import platform
import queue
import re
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pki
import pytest
import softhsm
from filelock import FileLock
from forms import form
from registry import Registry

from ibhxh_agent import (
    activation,
    app,
    autostart,
    children,
    cli,
    config,
    doctor,
    doorbell,
    instance,
    logs,
    look,
    protect,
    selftest,
    windows,
)
from ibhxh_agent.client import Server
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.runner import State
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.texts import text
from ibhxh_agent.tokens.discovery import Places, find_libraries
from ibhxh_agent.tokens.library_list import built_in
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess


def library_file(path: Path) -> Path:
    """As far as anybody looks without loading it: a file with the entry point's name in it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"MZ" + b"\0" * 500 + b"C_GetFunctionList" + b"\0" * 500)
    return path


def test_w1_windows_gives_the_names_of_variables_in_capitals(tmp_path):
    """``os.environ`` there has SYSTEMROOT and PROGRAMFILES(X86), whatever a program calls them."""
    library_file(tmp_path / "Windows" / "System32" / "viettel-ca_v6.dll")
    library_file(tmp_path / "x86" / "Bkav Corporation" / "BkavCA Token Manager" / "BkavCA.dll")
    environment = {"SYSTEMROOT": str(tmp_path / "Windows"), "PROGRAMFILES(X86)": str(tmp_path / "x86")}
    found = {entry.path.name: entry.origin for entry in find_libraries((), Places("win32", environment))}
    assert found["viettel-ca_v6.dll"] == "Viettel-CA" and found["BkavCA.dll"] == "BKAV-CA"


class Blocked(PermissionError):
    """What Windows raises while another program has the file open; without a code where `open` of C asked."""

    def __init__(self, code: int | None) -> None:
        super().__init__(13, "Access is denied")
        self.winerror = code


@pytest.mark.parametrize("code", [5, 32, 33])
def test_w2_a_file_that_is_being_scanned_is_replaced_a_moment_later(tmp_path, monkeypatch, code):
    folder = Folder(tmp_path)
    folder.save(Settings(libraries=["old"]))
    tries, replace = [], os.replace

    def blocked_twice(source, target):
        tries.append(target)
        if len(tries) <= 2:
            raise Blocked(code)
        replace(source, target)

    monkeypatch.setattr(config.os, "replace", blocked_twice)
    folder.save(Settings(libraries=["new"]))
    assert folder.load() == Settings(libraries=["new"]) and len(tries) == 3
    assert [file.name for file in tmp_path.iterdir()] == ["settings.json"]


@pytest.mark.parametrize("code", [5, 32, 33, None])
@pytest.mark.parametrize("name", ["settings.json", "secrets.json", "state.json", "program.key"])
def test_h8_a_file_that_is_being_scanned_is_read_a_moment_later(tmp_path, monkeypatch, code, name):
    folder = Folder(tmp_path)
    folder.save(Settings(Pairing("https://odoo.example", "d", "device", "pc")))
    SecretStore(folder).set("device", "key")
    instance.write_state(folder, State(online=True))
    tries, read = [], Path.read_text

    def blocked_twice(path, **options):
        if path.name == name:
            tries.append(path)
            if len(tries) <= 2:
                raise Blocked(code)
        return read(path, **options)

    with activation.only_one(folder, lambda _message: None):
        monkeypatch.setattr(Path, "read_text", blocked_twice)
        assert folder.paired().agent == "device" and SecretStore(folder).get("device") == "key"
        assert instance.read_state(folder)["online"] and activation._hand_over(folder, {"op": "open"})
    assert len(tries) >= 3


@pytest.mark.parametrize("error", [Blocked(32), OSError(5, "Input/output error")])
def test_h8_keys_that_cannot_be_read_are_not_written_over(tmp_path, monkeypatch, error):
    store = SecretStore(Folder(tmp_path))
    store.set("device", "key")

    def never(_path, **_options):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(config, "REPLACE_SECONDS", 0.1)
        patch.setattr(Path, "read_text", never)
        with pytest.raises(OSError, match=error.strerror):
            store.set("another", "key of another")
        assert store.get("device") is None
        store.delete("device")
    assert store.get("device") == "key"


@pytest.mark.parametrize("error", [Blocked(5), OSError(28, "No space left on device")])
def test_w2_a_state_that_cannot_be_written_ends_nothing(tmp_path, monkeypatch, caplog, error):
    def never(_source, _target):
        raise error

    monkeypatch.setattr(config.os, "replace", never)
    monkeypatch.setattr(config, "REPLACE_SECONDS", 0.1)
    instance.write_state(Folder(tmp_path), State(online=True))
    assert instance.read_state(Folder(tmp_path)) == {} and list(tmp_path.iterdir()) == []
    assert "state" in caplog.text


def test_w2_an_error_that_nobody_expected_is_shown_and_the_agent_goes_on(lone_agent, caplog):
    turns, shown = [], []

    def turn(_rung):
        turns.append(True)
        if len(turns) == 1:
            raise ZeroDivisionError("in the middle")
        lone_agent.stopping.set()
        return 300.0

    lone_agent._turn = turn
    lone_agent.on_state = lambda state: shown.append((state.online, state.message))
    lone_agent.run()
    assert len(turns) == 2
    assert shown[0][0] is False and "ZeroDivisionError" in shown[0][1]
    assert "in the middle" in caplog.text


def test_w2_a_state_that_cannot_be_shown_ends_nothing(lone_agent, caplog):
    turns = []

    def turn(_rung):
        turns.append(True)
        if len(turns) == 2:
            lone_agent.stopping.set()
        return 1.0

    def show(_state):
        raise RuntimeError("no such icon")

    lone_agent._turn, lone_agent.on_state = turn, show
    lone_agent.run()
    assert len(turns) == 2 and "no such icon" in caplog.text


LONG = "Chứng thư TLS của máy chủ odoo.congty.vn không được máy này tin cậy. " * 4 + "😀" * 40


def test_w3_the_tip_of_a_windows_icon_is_short():
    """127 UTF-16 units and a zero; pystray refuses a longer one with ValueError."""
    from ibhxh_agent import tray

    for message in (LONG, "x" * 500, "😀" * 100):
        title = tray.tip(message)
        assert len(title.encode("utf-16-le")) // 2 <= 127 and title.endswith("…")
        title.encode("utf-8")  # no half of a pair
    assert tray.tip("Mất mạng") == "ibhxh-agent: Mất mạng"


@pytest.mark.parametrize("error", [ValueError("string too long (142, maximum length 128)"), SystemExit(7)])
def test_w3_a_program_that_ends_beside_its_icon_says_why(tmp_path, monkeypatch, caplog, error):
    class Icon:
        def run(self, beside):
            beside()

    def work(_program):
        raise error

    monkeypatch.setattr(app.Tray, "create", lambda _action: Icon())
    monkeypatch.setattr(app.Program, "_work", work)
    with caplog.at_level(logging.ERROR), pytest.raises(type(error)):
        app.Program(Folder(tmp_path), [], queue.Queue()).run()
    assert type(error).__name__ in caplog.text


PACKAGE = Path(cli.__file__).parent


def test_w4_what_is_imported_by_a_string_is_in_the_recipe():
    """PyInstaller sees no import whose name is a string; the program then lacks it, silently."""
    recipe = (PACKAGE.parent / "packaging" / "ibhxh-agent.spec").read_text(encoding="utf-8")
    names = {
        name
        for source in PACKAGE.rglob("*.py")
        for name in re.findall(r"import_module\(\s*\"([^\"]+)\"", source.read_text(encoding="utf-8"))
    }
    assert {"pystray", "PIL.Image", "PIL.ImageDraw", "keyring"} <= names
    standard = {"winreg"}
    assert [name for name in sorted(names - standard) if f'"{name}"' not in recipe] == []


def test_w4_the_self_test_names_the_part_that_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL.ImageDraw", None)
    monkeypatch.setattr(selftest, "has_display", lambda *_arguments: True)
    monkeypatch.setattr(selftest, "_window", lambda: None)
    monkeypatch.setattr(selftest, "_keyring", lambda: None)  # the person's own is out of reach of tests
    found = dict(selftest.run({}))
    assert found.pop("tray icon") != "" and set(found.values()) == {""}


@pytest.mark.parametrize("platform", ["win32", "linux"])
def test_w4_a_missing_icon_is_an_error_on_windows(monkeypatch, caplog, platform):
    from ibhxh_agent import tray

    monkeypatch.setattr(tray.sys, "platform", platform)
    monkeypatch.setitem(sys.modules, "pystray", None)
    with caplog.at_level(logging.INFO):
        assert tray.Tray.create(lambda _action: None) is None
    assert [record.levelname for record in caplog.records] == ["ERROR" if platform == "win32" else "INFO"]


@pytest.mark.parametrize("encoding", ["cp1258", "cp1252", "ascii"])
def test_w5_output_that_goes_to_a_file_is_utf_8(monkeypatch, encoding):
    """Redirected output uses the code page; that of a Vietnamese Windows cannot even write "ý"."""
    out, error = io.BytesIO(), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(out, encoding=encoding))
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(error, encoding=encoding))
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    sys.stdout.flush()
    assert ended.value.code == 0 and "Ký tờ khai BHXH" in out.getvalue().decode()


def test_w5_doctor_into_a_file(tmp_path):
    """What every helpdesk asks for."""
    report = tmp_path / "bao-cao.txt"
    environment = {**os.environ, "PYTHONIOENCODING": "cp1258"}
    command = [sys.executable, "-m", "ibhxh_agent", "--config-dir", str(tmp_path / "c"), "--library", str(report)]
    command.append("doctor")
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    report.write_bytes(done.stdout)
    assert "chưa được ghép" in report.read_text(encoding="utf-8"), done.stderr
    assert done.stderr == b"" and done.returncode == 1


def test_w5_a_program_without_output_starts(monkeypatch):
    """A windowed program has neither stream."""
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["--child", "nonsense"]) == 2


@pytest.mark.parametrize("pin", [softhsm.PIN, "sai"])
def test_w25_the_pin_is_read_from_standard_input(paired, own_hsm, first_certificate, tmp_path, pin):
    """Windows hands no other descriptor to a child."""
    own_hsm.add("Kế toán", [(pki.key(0), first_certificate.der)])
    waiting = paired.add(form(), first_certificate.fingerprint)
    command = [sys.executable, "-m", "ibhxh_agent", "--config-dir", str(tmp_path / "config"), "--library"]
    command += [softhsm.LIBRARY, "run", "--once", "--pin-stdin"]
    done = subprocess.run(command, input=f"{pin}\n".encode(), capture_output=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr.decode()
    assert (waiting.state, waiting.code) == (("signed", "") if pin == softhsm.PIN else ("failed", "pin_incorrect"))


def test_w25_there_is_one_source_of_the_pin(capsys):
    with pytest.raises(SystemExit):
        cli.main(["run", "--pin-stdin", "--pin-fd", "3"])
    assert "--pin-fd" in capsys.readouterr().err


def test_w6_a_library_below_vietnamese_names_is_found_and_loaded(fake, tmp_path):
    folder = tmp_path / "Nguyễn Văn Á" / "thư viện"
    folder.mkdir(parents=True)
    copy = folder / f"ký{Path(fake.path).suffix}"
    shutil.copy(fake.path, copy)
    (found,) = find_libraries([str(folder)], Places(nowhere=True))
    library = LibraryProcess(str(found.path))
    assert found.usable and [token["label"] for token in library.tokens()] == ["Fake token"]
    library.close()


def built_for(path: Path, machine: int) -> Path:
    """A Windows library's head, which says what it is built for."""
    library_file(path)
    content = bytearray(path.read_bytes())
    content[0x3C:0x40] = (0x80).to_bytes(4, "little")
    content[0x80:0x86] = b"PE\0\0" + machine.to_bytes(2, "little")
    path.write_bytes(content)
    return path


X86, X64, ARM64 = 0x014C, 0x8664, 0xAA64


def windows_places(tmp_path, machine="x64", registry=None):
    environment = {"SYSTEMROOT": str(tmp_path / "Windows"), "PROGRAMFILES": str(tmp_path / "Programs")}
    return Places("win32", environment, machine=machine, registry=registry or Registry({}))


def test_w9_a_driver_for_32_bit_alone_is_named_as_such(tmp_path, monkeypatch):
    built_for(tmp_path / "Windows" / "SysWOW64" / "VinaCA_p11.dll", X86)
    (found,) = find_libraries((), windows_places(tmp_path))
    assert (found.usable, found.machine, found.origin) == (False, "x86 (32-bit)", "SmartSign")
    monkeypatch.setattr(doctor, "candidates", lambda *_arguments: [found])
    findings = list(doctor._libraries_and_tokens(Folder(tmp_path), Settings(), ()))
    assert "32-bit" in findings[0].message and "VinaCA_p11.dll" in findings[0].message
    assert findings[-1].mark == doctor.BAD and "64-bit" in findings[-1].message


def test_w9_one_for_32_bit_beside_the_right_one_is_not_worth_a_word(tmp_path):
    built_for(tmp_path / "Windows" / "SysWOW64" / "viettel-ca_v6.dll", X86)
    built_for(tmp_path / "Windows" / "System32" / "viettel-ca_v6.dll", X64)
    (found,) = find_libraries((), windows_places(tmp_path))
    assert found.usable and found.path.parent.name == "System32"


def test_w10_names_that_public_code_knows_are_listed():
    names = {name.lower() for names in built_in()["windows"]["vendors"].values() for name in names}
    assert {"vnptca_p11_v81.dll", "ostt1_csp11.dll", "vinaca_p11.dll", "psapkcs.dll", "bit4ipki.dll"} <= names


def test_w10_a_new_version_is_found_by_how_such_libraries_are_called(tmp_path):
    system = tmp_path / "Windows" / "System32"
    built_for(system / "viettel-ca_v17.dll", X64)
    built_for(system / "NEWCHIPCSP11.DLL", X64)
    built_for(system / "kernel32.dll", X64)
    (system / "some-ca_tool.dll").write_bytes(b"MZ without the entry point")
    found = find_libraries((), windows_places(tmp_path))
    assert {entry.path.name for entry in found} == {"viettel-ca_v17.dll", "NEWCHIPCSP11.DLL"}


def test_w10_the_module_beside_a_registered_provider_is_found(tmp_path):
    """The certificate in Windows' store names its provider; Feitian's rebrands have X.dll beside X_s.dll."""
    folder = tmp_path / "Vendor"
    built_for(folder / "oddname_s.dll", X64).write_bytes(b"MZ a provider, no PKCS#11 module")
    built_for(folder / "OddName.dll", X64)
    built_for(folder / "unrelated.dll", X64)
    providers = {
        "Odd CA CSP v1.0": {"Image Path": str(folder / "oddname_s.dll")},
        "Broken": {},
        "Microsoft Base": {"Image Path": str(folder / "unrelated.dll")},
    }
    place = r"SOFTWARE\Microsoft\Cryptography\Defaults\Provider"
    (found,) = find_libraries((), windows_places(tmp_path, registry=Registry({"HKLM": {place: providers}})))
    assert (found.path.name, found.origin, found.usable) == ("OddName.dll", "Odd CA CSP v1.0", True)


def test_h22_the_module_of_a_key_storage_provider_is_found(tmp_path):
    """CNG's providers are registered elsewhere, one list for both kinds of program (Viettel-CA V6)."""
    folder = tmp_path / "Vendor"
    built_for(folder / "oddname.dll", X64)
    built_for(tmp_path / "Windows" / "System32" / "other.dll", X64)
    providers = {
        "Odd CA Key Storage Provider": {},
        r"Odd CA Key Storage Provider\UM": {"Image": str(folder / "oddname_ksp.dll")},
        "Other KSP": {},
        r"Other KSP\UM": {"Image": "otherksp.dll"},
        "Without a library": {},
    }
    place = r"SYSTEM\CurrentControlSet\Control\Cryptography\Providers"
    found = find_libraries((), windows_places(tmp_path, registry=Registry({"HKLM": {place: providers}})))
    assert {entry.path.name: entry.origin for entry in found} == {
        "oddname.dll": "Odd CA Key Storage Provider",
        "other.dll": "Other KSP",
    }


@pytest.mark.parametrize("image", ["vendor_s.dll", "{system}/system32/vendor_s.dll"])
def test_h22_a_32_bit_provider_without_a_folder_is_where_32_bit_programs_look(tmp_path, image):
    """Its module is named as one for another machine, instead of not at all."""
    built_for(tmp_path / "Windows" / "SysWOW64" / "vendor.dll", X86)
    (tmp_path / "Windows" / "system32").mkdir()
    providers = {"Odd CA CSP": {"Image Path": image.format(system=tmp_path / "Windows")}}
    place = r"SOFTWARE\WOW6432Node\Microsoft\Cryptography\Defaults\Provider"
    (found,) = find_libraries((), windows_places(tmp_path, registry=Registry({"HKLM": {place: providers}})))
    assert (found.path.name, found.origin, found.machine) == ("vendor.dll", "Odd CA CSP", "x86 (32-bit)")


def test_w11_what_can_be_loaded_is_not_what_the_processor_is(tmp_path, monkeypatch):
    """A 64-bit Python on ARM64 loads x64 libraries; asking the processor (WMI) made each of them the wrong one."""
    monkeypatch.setattr(platform, "machine", lambda: pytest.fail("the processor was asked"))
    built_for(tmp_path / "Windows" / "System32" / "viettel-ca_v6.dll", X64)
    built_for(tmp_path / "Windows" / "System32" / "vnptca_p11_v8.dll", ARM64)
    found = {entry.origin: entry for entry in find_libraries((), windows_places(tmp_path))}
    assert found["Viettel-CA"].usable and found["VNPT-CA"].machine == "ARM64"


@pytest.mark.parametrize(
    ("approved", "there", "trouble"),
    [
        (None, True, ""),
        (b"\x02" + b"\0" * 11, True, ""),
        (b"\x03" + b"\0" * 11, True, "autostart_off"),
        (None, False, "autostart_missing"),
    ],
)
def test_w14_doctor_sees_what_keeps_it_from_starting_at_login(tmp_path, approved, there, trouble):
    program = tmp_path / "my programs" / "ibhxh-agent.exe"
    if there:
        library_file(program)
    tree = {autostart.RUN_KEY: {"ibhxh-agent": subprocess.list2cmdline([str(program), "start"])}}
    if approved:
        tree[windows.APPROVED_KEY] = {"ibhxh-agent": approved}
    assert windows.autostart_trouble(Registry({"HKCU": tree})) == trouble
    assert windows.autostart_trouble(Registry({})) == ""


def test_w14_w23_w29_each_trouble_has_its_sentence(monkeypatch, tmp_path):
    codes = ["remote_session", "session_zero", "automatic_proxy", "autostart_off", "autostart_missing"]
    monkeypatch.setattr(windows, "troubles", lambda: iter(codes))
    monkeypatch.setattr(doctor, "candidates", lambda *_arguments: [])
    findings = [f.message for f in doctor.examine(Folder(tmp_path)) if f.mark == doctor.WARNING]
    assert {text(f"doctor_{code}") for code in codes} <= set(findings)


def test_w17_a_child_that_cannot_be_killed_is_left_alone(monkeypatch, caplog):
    """Windows cannot end a process that hangs in a card reader's driver."""
    child = children.Child("token")
    process = child._process
    monkeypatch.setattr(children, "STUBBORN", 0.1)
    monkeypatch.setattr(process, "kill", lambda: None)
    monkeypatch.setattr(child, "_group", None)
    child.kill()
    assert child.alive and "cannot be ended" in caplog.text
    monkeypatch.undo()
    child.kill()
    assert not child.alive


def test_w18_nothing_keeps_a_pin_so_no_screen_lock_has_to_be_seen():
    modules = {path.stem for path in PACKAGE.rglob("*.py")}
    assert not modules & {"screenlock", "pinmemory"}


def test_w19_the_key_in_the_file_is_encrypted_on_windows(tmp_path, monkeypatch):
    if not protect.available():
        monkeypatch.setattr(protect, "available", lambda: True)
        monkeypatch.setattr(protect, "protect", lambda data: data.hex().encode())
        monkeypatch.setattr(protect, "unprotect", lambda data: bytes.fromhex(data.decode()))
    store = SecretStore(Folder(tmp_path))
    store.set("device", "key-of-the-device")
    assert b"key-of-the-device" not in (tmp_path / "secrets.json").read_bytes()
    assert SecretStore(Folder(tmp_path)).get("device") == "key-of-the-device"
    (tmp_path / "secrets.json").write_text('{"device": "dpapi:AAAA", "other": "dpapi:ü"}', encoding="utf-8")
    assert store.get("device") is None and store.get("other") is None
    (tmp_path / "secrets.json").write_text('{"device": "of an earlier version"}', encoding="utf-8")
    assert store.get("device") == "of an earlier version"


class Vault:
    """Windows' Credential Manager as keyring shows it."""

    priority, persist = 5, "enterprise"

    def __init__(self, error=None):
        self.error, self.kept = error, {}

    def get_keyring(self):
        return self

    def get_password(self, _service, name):
        if self.error:
            raise self.error
        return self.kept.get(name)

    def set_password(self, _service, name, value):
        if self.error:
            raise self.error
        self.kept[name] = value

    def delete_password(self, _service, name):
        del self.kept[name]


def test_w20_the_key_stays_on_this_computer(tmp_path, monkeypatch):
    vault = Vault()
    monkeypatch.setitem(sys.modules, "keyring", vault)
    SecretStore(Folder(tmp_path)).set("device", "key")
    assert vault.persist == "local machine" and vault.kept == {"device": "key"}


def test_w20_a_vault_that_fails_is_not_the_end(tmp_path, monkeypatch):
    """1312: there is no logon session, as in a task that was planned without the person."""
    vault = Vault()
    monkeypatch.setitem(sys.modules, "keyring", vault)
    store = SecretStore(Folder(tmp_path))
    store.set("device", "old key")
    vault.error = RuntimeError(1312, "CredWrite", "A specified logon session does not exist")
    assert store.get("device") is None
    store.set("device", "new key")
    assert store.get("device") == "new key"
    vault.error = None
    assert store.get("device") == "new key"  # not the vault's older one
    store.set("device", "newest key")
    assert vault.kept == {"device": "newest key"} and store.get("device") == "newest key"
    store.delete("device")
    assert store.get("device") is None


@pytest.mark.parametrize(("proxy", "port"), [("http://proxy.example", 80), ("https://proxy.example", 443)])
def test_w23_the_doorbell_takes_the_proxy_port_that_requests_takes(monkeypatch, proxy, port):
    monkeypatch.setattr(doorbell, "getproxies", lambda: {"https": proxy})
    monkeypatch.setattr(doorbell, "proxy_bypass", lambda _host: False)
    assert doorbell._proxy(Server.parse("https://odoo.example"))["http_proxy_port"] == port


def test_w26_status_does_not_keep_an_agent_from_starting(tmp_path):
    """`status` takes the lock for a moment; an agent that started just then gave up for the day."""
    folder = Folder(tmp_path)
    folder.path.mkdir(exist_ok=True)
    lock = FileLock(folder.path / "run.lock", thread_local=False)
    lock.acquire()
    threading.Timer(0.2, lock.release).start()
    with instance.only_instance(folder):
        assert instance.is_running(folder)


def test_w28_libraries_are_left_alone_while_no_device_comes_or_goes(fake, monkeypatch):
    now, devices, asked = [0.0], ["a"], []
    library = LibraryProcess(fake.path, monotonic=lambda: now[0])
    tokens = library.tokens
    monkeypatch.setattr(library, "tokens", lambda *more: asked.append(now[0]) or tokens(*more))
    manager = TokenManager([library], monotonic=lambda: now[0], devices=lambda: devices[0])
    fake.behave(present="0")
    for moment in (0.0, 2.0, 14.0):  # a driver that needs a moment to notice is asked often at first
        now[0] = moment
        manager.refresh()
    assert asked == [0.0, 2.0, 14.0] and library.pid is not None
    now[0] = 75.0
    manager.refresh()
    assert library.pid is None  # no token: no process
    now[0] = 77.0
    assert manager.refresh() is False and len(asked) == 4
    fake.behave(present="1")
    devices[0] = "b"
    now[0] = 79.0
    assert manager.refresh() is True and len(asked) == 5 and library.pid is not None
    now[0] = 79.0 + TokenManager.SETTLE + 1
    manager.refresh()
    now[0] += TokenManager.QUIET + 1  # PC without an event for it: looked at now and then all the same
    manager.refresh()
    assert len(asked) == 6 and len(manager.tokens) == 1 and library.pid is not None
    library.close()


def test_w30_the_log_goes_on_while_another_program_has_it_open(tmp_path, monkeypatch):
    handler = logs.PatientFileHandler(tmp_path / "agent.log", maxBytes=200, backupCount=2, encoding="utf-8")
    rename, held = os.rename, [True]

    def refuse_while_held(source, target):
        if held[0]:
            raise Blocked(32)
        rename(source, target)

    monkeypatch.setattr(logging.handlers.os, "rename", refuse_while_held)
    monkeypatch.setattr(logging, "raiseExceptions", True)
    monkeypatch.setattr(handler, "handleError", lambda _record: pytest.fail("a line was lost"))
    for number in range(10):
        handler.emit(logging.makeLogRecord({"msg": f"line {number} {'x' * 50}"}))
    held[0] = False
    handler.emit(logging.makeLogRecord({"msg": "the last"}))
    handler.close()
    content = "".join(file.read_text(encoding="utf-8") for file in sorted(tmp_path.iterdir()))
    assert all(f"line {number} " in content for number in range(10)) and "the last" in content
    assert len(list(tmp_path.iterdir())) == 2


class Window:
    """Remembers where it was put."""

    def update_idletasks(self):
        self.updated = True

    def winfo_reqwidth(self):
        return 400

    def winfo_reqheight(self):
        return 300

    def geometry(self, place):
        self.place = place


@pytest.mark.parametrize(
    ("area", "place"),
    [
        ((0, 0, 1366, 728), "+483+142"),
        ((-1280, 200, 1280, 900), "+-840+400"),  # the mouse is on the screen at the left
        ((1366, 0, 320, 240), "+1366+0"),
    ],
)
def test_w21_a_window_comes_in_the_middle_of_the_screen_with_the_mouse(monkeypatch, area, place):
    monkeypatch.setattr(look, "area", lambda _root: area)
    window = Window()
    look.centre(window)
    assert window.place == place and window.updated
