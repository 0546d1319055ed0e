"""What only Windows itself can answer. Collected there alone (conftest.py); `./run test windows` runs it on Wine."""

from __future__ import annotations

import ctypes
import errno
import logging
import os
import shutil
import sys
import threading
import time
import winreg
from multiprocessing.connection import Client
from pathlib import Path
from types import SimpleNamespace

import pki
import pytest
from forms import form

from ibhxh_agent import (
    activation,
    autostart,
    children,
    config,
    document,
    logs,
    look,
    pairing,
    pipe,
    protect,
    secretstore,
    tray,
    windows,
)
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.prompt import window_child
from ibhxh_agent.prompt.base import Item, Question
from ibhxh_agent.prompt.wire import question_message
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.tokens import devices
from ibhxh_agent.tokens.discovery import Places, find_libraries
from ibhxh_agent.tokens.process import LibraryProcess


def test_w1_the_environment_of_this_windows_names_its_folders():
    (place,) = Places().expand("%SystemRoot%/System32")
    assert (place / "kernel32.dll").is_file()


def test_w2_windows_itself_refuses_while_the_file_is_open(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.save(Settings(libraries=["old"]))
    reader = folder.settings_file.open("rb")
    refused, replace = [], os.replace

    def let_go_after_the_first(source, target):
        try:
            replace(source, target)
        except PermissionError as error:
            refused.append(error.winerror)
            reader.close()
            raise

    monkeypatch.setattr(config.os, "replace", let_go_after_the_first)
    folder.save(Settings(libraries=["new"]))
    assert folder.load() == Settings(libraries=["new"]) and refused[0] in (5, 32)


def test_h8_windows_itself_refuses_to_read_while_another_program_has_the_file(tmp_path, monkeypatch):
    folder = Folder(tmp_path)
    folder.save(Settings(libraries=["kept"]))
    refused, read = [], Path.read_text

    def let_go_after_the_first(path, **options):
        try:
            return read(path, **options)
        except PermissionError as error:
            refused.append(error.errno)
            holder.close()
            raise

    holder = Alone(folder.settings_file)
    monkeypatch.setattr(Path, "read_text", let_go_after_the_first)
    assert folder.load() == Settings(libraries=["kept"]) and refused == [errno.EACCES]


class Alone:
    """A file or folder that is opened and shared with nobody."""

    def __init__(self, path: Path) -> None:
        self._kernel = ctypes.WinDLL("kernel32", use_last_error=True)
        self._kernel.CreateFileW.restype = ctypes.c_void_p
        # FILE_READ_DATA or FILE_LIST_DIRECTORY; OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS (winnt.h, fileapi.h).
        self._handle = self._kernel.CreateFileW(str(path), 1, 0, None, 3, 0x02000000, None)

    def close(self) -> None:
        self._kernel.CloseHandle(ctypes.c_void_p(self._handle))


BESIDE = Path(os.environ["IBHXH_TEST_LIBRARIES"], "beside")


def test_w7_what_a_library_needs_is_taken_from_its_own_folder(fake):
    library = LibraryProcess(str(BESIDE / "needs.dll"))
    assert [token["label"] for token in library.tokens()] == ["Fake token"]
    library.close()


def test_w10_a_provider_registered_in_windows_leads_to_its_module(fake, tmp_path):
    module = tmp_path / "vendor" / "Odd.dll"
    module.parent.mkdir()
    shutil.copy(fake.path, module)
    shutil.copy(fake.path, module.with_name("odd_s.dll"))
    place = r"SOFTWARE\Microsoft\Cryptography\Defaults\Provider\Odd CA CSP"
    with winreg.CreateKeyEx(winreg.HKEY_LOCAL_MACHINE, place) as key:
        winreg.SetValueEx(key, "Image Path", 0, winreg.REG_SZ, str(module.with_name("odd_s.dll")))
    try:
        found = {entry.path.name: entry for entry in find_libraries()}
    finally:
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, place)
    assert found["Odd.dll"].usable and found["Odd.dll"].origin == "Odd CA CSP"


def test_h22_a_key_storage_provider_registered_in_windows_leads_to_its_module(fake, tmp_path):
    module = tmp_path / "vendor" / "Odd.dll"
    module.parent.mkdir()
    shutil.copy(fake.path, module)
    place = r"SYSTEM\CurrentControlSet\Control\Cryptography\Providers\Odd CA Key Storage Provider"
    with winreg.CreateKeyEx(winreg.HKEY_LOCAL_MACHINE, rf"{place}\UM") as key:
        winreg.SetValueEx(key, "Image", 0, winreg.REG_SZ, str(module.with_name("oddksp.dll")))
    try:
        found = {entry.path.name: entry for entry in find_libraries()}
    finally:
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, rf"{place}\UM")
        winreg.DeleteKey(winreg.HKEY_LOCAL_MACHINE, place)
    assert found["Odd.dll"].usable and found["Odd.dll"].origin == "Odd CA Key Storage Provider"


def test_h9_a_folder_that_windows_lets_nobody_list_hides_no_other_token(fake, tmp_path):
    closed, opened = tmp_path / "closed", tmp_path / "open"
    for folder in (closed, opened):
        folder.mkdir()
        shutil.copy(fake.path, folder / "vendor_p11.dll")
    holder = Alone(closed)
    try:
        with pytest.raises(PermissionError):
            os.listdir(closed)
        found = find_libraries([str(closed), str(opened)], Places(nowhere=True))
    finally:
        holder.close()
    assert [(entry.path, entry.usable) for entry in found] == [(closed, False), (opened / "vendor_p11.dll", True)]


def test_w9_w11_the_head_of_a_real_library_says_what_it_is_built_for(fake, tmp_path):
    content = bytearray(Path(fake.path).read_bytes())
    start = int.from_bytes(content[0x3C:0x40], "little")
    assert content[start : start + 4] == b"PE\0\0"
    content[start + 4 : start + 6] = (0x014C).to_bytes(2, "little")
    other = tmp_path / "VinaCA_p11.dll"
    other.write_bytes(content)
    ours, theirs = find_libraries([fake.path, str(other)], Places(nowhere=True))
    assert (ours.usable, ours.machine) == (True, "")
    assert (theirs.usable, theirs.machine) == (False, "x86 (32-bit)")


@pytest.mark.parametrize("interpreter", ["python.exe", "pythonw.exe"])
def test_w24_a_library_that_prints_leaves_the_frames_alone(fake, monkeypatch, interpreter):
    """In a windowed program nothing moves Windows' own standard handles along with the descriptors."""
    program = Path(sys.executable).with_name(interpreter)
    monkeypatch.setattr(children, "child_command", lambda kind: [str(program), "-m", "ibhxh_agent", "--child", kind])
    fake.behave(prints="1")
    library = LibraryProcess(fake.path)
    assert [token["label"] for token in library.tokens()] == ["Fake token"]
    library.close()


def test_w19_windows_decrypts_only_what_it_encrypted():
    closed = protect.protect("khóa".encode())
    assert "khóa".encode() not in closed and protect.unprotect(closed).decode() == "khóa"
    with pytest.raises(OSError):
        protect.unprotect(closed[:-1] + bytes([closed[-1] ^ 1]))


def test_w20_the_key_in_the_vault_stays_on_this_computer(tmp_path, monkeypatch):
    import keyring
    from keyring.backends import Windows
    from win32ctypes.pywin32 import win32cred

    monkeypatch.setattr(keyring, "get_keyring", lambda: Windows.WinVaultKeyring())
    backend = Windows.WinVaultKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    for name in ("get_password", "set_password", "delete_password"):
        monkeypatch.setattr(keyring, name, getattr(backend, name))
    store = SecretStore(Folder(tmp_path))
    store.set("device", "key of the device")
    try:
        kept = win32cred.CredRead(Type=win32cred.CRED_TYPE_GENERIC, TargetName="ibhxh-agent")
        assert kept["Persist"] == win32cred.CRED_PERSIST_LOCAL_MACHINE
        assert store.get("device") == "key of the device" and not (tmp_path / "secrets.json").exists()
    finally:
        store.delete("device")
    assert store.get("device") is None


def test_h6_no_key_stays_in_the_vault_when_no_settings_name_it_any_more(tmp_path, monkeypatch):
    """The removal of the program: settings that cannot be read, and a pairing that a crash left half done."""
    import keyring
    from keyring.backends import Windows

    backend = Windows.WinVaultKeyring()
    monkeypatch.setattr(keyring, "get_keyring", lambda: backend)
    for name in ("get_password", "set_password", "delete_password", "get_credential"):
        monkeypatch.setattr(keyring, name, getattr(backend, name))
    monkeypatch.setattr(secretstore, "APP", "ibhxh-agent-of-a-test")
    monkeypatch.setattr(config.platformdirs, "user_config_dir", lambda *_arguments, **_options: str(tmp_path / "own"))
    store = SecretStore(Folder())
    for device in ("before", "now"):
        store.set(device, "its key")
    other = Folder(tmp_path / "other")
    other.save(Settings())
    pairing.forget(other)
    assert store.get("now") == "its key"  # those of other settings: nobody removes the program
    Folder().save(Settings(pairing=Pairing("https://odoo.example", "", "before", "PC")))
    pairing.forget(Folder())
    assert (store.get("before"), store.get("now")) == (None, None) and not Folder().path.exists()
    store.set("now", "its key")
    Folder().path.mkdir()
    Folder().settings_file.write_text("{", encoding="utf-8")
    pairing.forget(Folder())
    assert store.get("now") is None and not Folder().path.exists()


def test_h16_the_pipe_is_this_account_s_alone(tmp_path):
    folder = Folder(tmp_path)
    with activation.only_one(folder, lambda _message: None):
        address = activation._address(folder, bytes.fromhex(activation._key_file(folder).read_text(encoding="ascii")))
        with Client(address) as caller:
            assert dacl(caller.fileno()) == f"D:P(A;;FA;;;{pipe.account()})"
        with pytest.raises(OSError, match="WinError"):
            Client(address.replace(r"\\.", r"\\127.0.0.1"))
    assert pipe.account().startswith("S-1-5-21-")


def dacl(handle):
    """Who may do what, in Windows' own words."""
    security = ctypes.WinDLL("advapi32", use_last_error=True)
    descriptor, words = ctypes.c_void_p(), ctypes.c_void_p()
    which = 4  # DACL_SECURITY_INFORMATION; 6 = SE_KERNEL_OBJECT
    assert not security.GetSecurityInfo(
        ctypes.c_void_p(handle), 6, which, None, None, None, None, ctypes.byref(descriptor)
    )
    assert security.ConvertSecurityDescriptorToStringSecurityDescriptorW(
        descriptor, 1, which, ctypes.byref(words), None
    )
    return ctypes.wstring_at(words.value)


def test_w14_the_entry_for_the_start_at_login_is_read_back(tmp_path):
    entry = autostart.WindowsRunKey(winreg)
    program = tmp_path / "my programs" / "ibhxh-agent.exe"
    program.parent.mkdir()
    program.touch()
    try:
        entry.install([str(program), "start"])
        assert entry.program() == str(program) and windows.autostart_trouble(winreg) == ""
        program.unlink()
        assert windows.autostart_trouble(winreg) == "autostart_missing"
    finally:
        entry.uninstall()
    assert entry.program() == ""


def test_w29_w23_windows_answers_what_doctor_asks():
    assert set(windows.troubles()) <= {"automatic_proxy", "autostart_off", "autostart_missing", "remote_session"}
    assert windows._session() > 0


def test_w28_windows_tells_of_devices_the_same_twice_or_nothing():
    assert devices.seen() == devices.seen()


def test_w30_the_log_goes_on_while_windows_lets_nobody_rename_it(tmp_path):
    handler = logs.PatientFileHandler(tmp_path / "agent.log", maxBytes=200, backupCount=2, encoding="utf-8")
    with (tmp_path / "agent.log").open("rb"):
        for number in range(10):
            handler.emit(logging.makeLogRecord({"msg": f"line {number} {'x' * 50}"}))
        assert [file.name for file in tmp_path.iterdir()] == ["agent.log"]
    handler.emit(logging.makeLogRecord({"msg": "the last"}))
    handler.close()
    content = "".join(file.read_text(encoding="utf-8") for file in tmp_path.iterdir())
    assert all(f"line {number} " in content for number in range(10)) and "the last" in content


def test_w21_windows_tells_the_screen_with_the_mouse_without_its_taskbar():
    left, top, width, height = look.area(None)
    assert (left, top) == (0, 0) and width >= 320 and 200 <= height <= 10_000


def test_w21_the_pin_window_is_in_the_middle_of_the_screen():
    certificate = TokenCertificate.from_der(pki.certificate(pki.key(0)))
    item = Item("04", document.read(form()).rows(), "Trần Văn Kế")
    asked = question_message(
        Question("https://odoo.example", certificate, "Kế toán", [item]), language="vi", opened=False
    )
    shown = window_child.PinWindow(SimpleNamespace(poll=lambda: None), asked)
    shown.root.update()
    left, _top, width, _height = look.area(shown.root)
    middle = shown.root.winfo_rootx() + shown.root.winfo_width() // 2
    shown.root.destroy()
    assert abs(middle - (left + width // 2)) < 40


@pytest.fixture
def icon():
    """The program's icon with its real window, beside work that is asked to end, delivers, and has ended."""
    asked, delivered, ended, ready = (threading.Event() for _ in range(4))
    made = tray.Tray.create(lambda action: asked.set() if action == "quit" else None)
    assert made is not None

    def beside():
        ready.set()
        asked.wait(120)
        delivered.wait(120)
        ended.set()

    running = threading.Thread(target=made.run, args=(beside,), daemon=True)
    running.start()
    assert ready.wait(60)
    until = time.monotonic() + 60
    while not getattr(made._icon, "_hwnd", None) and time.monotonic() < until:
        time.sleep(0.02)
    yield SimpleNamespace(window=made._icon._hwnd, asked=asked, delivered=delivered, ended=ended)
    asked.set()
    delivered.set()
    running.join(60)
    assert not running.is_alive()


def send(window, message, wparam, lparam=0):
    user = ctypes.WinDLL("user32")
    user.SendMessageW.argtypes = [ctypes.c_void_p, ctypes.c_uint, ctypes.c_size_t, ctypes.c_ssize_t]
    user.SendMessageW.restype = ctypes.c_int32
    return user.SendMessageW(window, message, wparam, lparam)


QUERYENDSESSION, ENDSESSION = 0x0011, 0x0016  # winuser.h
MODIFY, DELETE = 1, 2  # shellapi.h


class _Icon(ctypes.Structure):
    """NOTIFYICONDATAW, of which the first three say which icon is meant; pystray's has the number 0."""

    _fields_ = (
        ("cbSize", ctypes.c_uint32),
        ("hWnd", ctypes.c_void_p),
        ("uID", ctypes.c_uint32),
        ("rest", ctypes.c_byte * 956),
    )


def test_h14_the_end_of_the_session_is_not_refused(icon):
    """Windows asks each window, and 0 means no: it would stop there and name the program."""
    assert send(icon.window, QUERYENDSESSION, 0) == 1
    assert not icon.asked.is_set(), "another program may still refuse"
    send(icon.window, ENDSESSION, 0)
    assert not icon.asked.is_set(), "one has"


def test_h14_the_agent_has_ended_when_windows_ends_the_program(icon):
    """It may take the process away as soon as the message is answered."""
    assert send(icon.window, QUERYENDSESSION, 0) == 1
    found = []
    windows_itself = threading.Thread(
        target=lambda: found.append((send(icon.window, ENDSESSION, 1), icon.ended.is_set()))
    )
    windows_itself.start()
    assert icon.asked.wait(60)
    windows_itself.join(0.5)
    icon.delivered.set()
    windows_itself.join(60)
    assert found == [(0, True)]


def test_h23_the_icon_is_there_again_after_explorer_restarted(icon):
    """Which forgets all icons, and tells everybody when it is there again."""
    shell = ctypes.WinDLL("shell32")
    data = _Icon(cbSize=ctypes.sizeof(_Icon), hWnd=icon.window)
    until = time.monotonic() + 60
    while not shell.Shell_NotifyIconW(MODIFY, ctypes.byref(data)):
        assert time.monotonic() < until, "it was never there"
        time.sleep(0.02)
    assert shell.Shell_NotifyIconW(DELETE, ctypes.byref(data))
    assert not shell.Shell_NotifyIconW(MODIFY, ctypes.byref(data))
    send(icon.window, ctypes.WinDLL("user32").RegisterWindowMessageW("TaskbarCreated"), 0)
    assert shell.Shell_NotifyIconW(MODIFY, ctypes.byref(data)), "it is there again"
