"""What differs between Windows, macOS and Linux, through thin seams: start at login, screen lock, tray, keyring."""

from __future__ import annotations

import json
import os
import plistlib
import queue
import subprocess
import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest
from display import virtual_screen

from ibhxh_agent import autostart, hardening, secretstore
from ibhxh_agent.autostart import LaunchAgent, WindowsRunKey, XdgAutostart
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.errors import AgentError
from ibhxh_agent.icon import Colour
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.tray import Tray, shortened

COMMAND = ["/opt/my agent/ibhxh-agent", "--config-dir", "/home/a b/100%", "run"]


def test_b7_the_autostart_file_needs_no_target_of_systemd(tmp_path):
    """Desktops without graphical-session.target never started a unit that hung on it; all read this file."""
    ran = []
    start = XdgAutostart(tmp_path, ran.append)
    place = start.install([*COMMAND, 'a "b" $c `d` \\e'])
    assert place == str(tmp_path / "autostart" / "ibhxh-agent.desktop")
    content = (tmp_path / "autostart" / "ibhxh-agent.desktop").read_text(encoding="utf-8").splitlines()
    assert content[0] == "[Desktop Entry]" and "Type=Application" in content and "Terminal=false" in content
    (line,) = [line for line in content if line.startswith("Exec=")]
    assert line == (
        'Exec="/opt/my agent/ibhxh-agent" "--config-dir" "/home/a b/100%%" "run"'
        ' "a \\\\"b\\\\" \\\\$c \\\\`d\\\\` \\\\\\\\e"'
    )
    start.uninstall()
    start.uninstall()
    assert not (tmp_path / "autostart" / "ibhxh-agent.desktop").exists() and ran == []


@pytest.mark.parametrize("action", ["install", "uninstall"])
def test_b7_the_unit_of_an_earlier_version_goes(tmp_path, action):
    unit = tmp_path / "systemd" / "user" / "ibhxh-agent.service"
    unit.parent.mkdir(parents=True)
    unit.touch()
    ran = []
    start = XdgAutostart(tmp_path, ran.append)
    start.install(COMMAND) if action == "install" else start.uninstall()
    assert not unit.exists() and ran == [
        ["systemctl", "--user", "disable", "--now", autostart.UNIT],
        ["systemctl", "--user", "daemon-reload"],
    ]


def test_launch_agent(tmp_path):
    ran = []
    agent = LaunchAgent(tmp_path, ran.append, user=501)
    for _ in range(2):
        agent.install(COMMAND)
    written = plistlib.loads((tmp_path / "vn.ibhxh.agent.plist").read_bytes())
    assert written["ProgramArguments"] == COMMAND and written["RunAtLoad"] is True
    assert written["LimitLoadToSessionType"] == "Aqua" and written["HardResourceLimits"] == {"Core": 0}
    agent.uninstall()
    assert [command[1] for command in ran] == ["bootstrap", "bootout", "bootstrap", "bootout"]
    assert ran[-1][2] == "gui/501/vn.ibhxh.agent" and not (tmp_path / "vn.ibhxh.agent.plist").exists()


class FakeRegistry:
    HKEY_CURRENT_USER, KEY_SET_VALUE, REG_SZ = "HKCU", 2, 1

    def __init__(self):
        self.values = {}

    @contextmanager
    def CreateKeyEx(self, root, path, _reserved, access):
        assert (root, path, access) == ("HKCU", autostart.RUN_KEY, 2)
        yield path

    def SetValueEx(self, key, name, _reserved, kind, value):
        self.values[key, name] = (kind, value)

    def DeleteValue(self, key, name):
        if (key, name) not in self.values:
            raise FileNotFoundError
        del self.values[key, name]


def test_windows_run_key():
    registry = FakeRegistry()
    key = WindowsRunKey(registry)
    key.uninstall()
    key.install([r"C:\Program Files\agent\ibhxh-agent.exe", "run"])
    assert registry.values == {(autostart.RUN_KEY, "ibhxh-agent"): (1, r'"C:\Program Files\agent\ibhxh-agent.exe" run')}
    key.uninstall()
    assert registry.values == {}


def test_the_way_fits_the_system(monkeypatch):
    monkeypatch.setitem(sys.modules, "winreg", FakeRegistry())
    kinds = {platform: type(autostart.autostart(platform)) for platform in ("win32", "darwin", "linux")}
    assert kinds == {"win32": WindowsRunKey, "darwin": LaunchAgent, "linux": XdgAutostart}


def test_windows_starts_without_a_console(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python.exe"))
    assert autostart.start_command(["run"], "win32")[0].endswith("python.exe")
    (tmp_path / "pythonw.exe").touch()
    assert autostart.start_command(["run"], "win32") == [str(tmp_path / "pythonw.exe"), "-m", "ibhxh_agent", "run"]
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    assert autostart.start_command(["run"], "win32") == [str(tmp_path / "ibhxh-agent.exe"), "run"]


@pytest.mark.parametrize(
    "error",
    [subprocess.CalledProcessError(1, ["systemctl"], stderr=b"Failed to connect to bus"), FileNotFoundError("x")],
)
def test_a_system_that_refuses_is_told(error):
    def fail():
        raise error

    with pytest.raises(AgentError) as caught:
        autostart.change(fail)
    assert caught.value.code == "install_failed"


def test_no_crash_dialog_on_windows(monkeypatch):
    modes = []
    windll = SimpleNamespace(kernel32=SimpleNamespace(SetErrorMode=modes.append))
    monkeypatch.setattr(hardening.ctypes, "windll", windll, raising=False)
    hardening.forbid_memory_dumps("win32")
    assert modes == [3]


class FakeKeyring:
    def __init__(self, priority):
        self.kept = {}
        self.backend = SimpleNamespace(priority=priority)

    def get_keyring(self):
        return self.backend

    def get_password(self, service, name):
        return self.kept.get((service, name))

    def set_password(self, service, name, value):
        self.kept[service, name] = value

    def delete_password(self, service, name):
        del self.kept[service, name]


@pytest.mark.parametrize("priority", [5, 0])
def test_the_key_goes_to_the_keyring_where_there_is_one(tmp_path, monkeypatch, priority):
    keyring = FakeKeyring(priority)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    store = SecretStore(Folder(tmp_path / "c"))
    store.set("device", "key-1")
    assert SecretStore(Folder(tmp_path / "c")).get("device") == "key-1"
    file = tmp_path / "c" / "secrets.json"
    assert bool(keyring.kept) is (priority == 5) and file.exists() is (priority == 0)
    assert ("keyring" in store.place) is (priority == 5)
    if priority == 0 and sys.platform != "win32":  # there the file holds it encrypted
        assert file.stat().st_mode & 0o777 == 0o600 and file.parent.stat().st_mode & 0o777 == 0o700
    store.delete("device")
    store.delete("device")
    assert store.get("device") is None


def test_a_keyring_that_fails_is_not_used(tmp_path, monkeypatch):
    monkeypatch.setattr(secretstore.importlib, "import_module", lambda _name: 1 / 0)
    store = SecretStore(Folder(tmp_path))
    assert store.place == str(tmp_path / "secrets.json") and store.get("x") is None


@pytest.mark.parametrize("content", ["{", "[]", '{"pairing": {"nonsense": 1}}', '{"pairing": "x"}'])
def test_broken_settings_are_told(tmp_path, content):
    folder = Folder(tmp_path)
    folder.settings_file.write_text(content)
    with pytest.raises(AgentError) as caught:
        folder.load()
    assert str(folder.settings_file) in caught.value.message


def test_h18_settings_of_a_newer_version_are_understood(tmp_path):
    """Who goes back to an older program is still paired."""
    folder = Folder(tmp_path)
    kept = {"server": "https://odoo.example", "database": "d", "agent": "a", "name": "pc", "later": {"field": 1}}
    folder.settings_file.write_text(json.dumps({"pairing": kept, "libraries": ["/a"], "another": [2]}))
    assert folder.load() == Settings(Pairing("https://odoo.example", "d", "a", "pc"), ["/a"])


@pytest.mark.parametrize(
    "content", ['{"pairing": {"server": 1, "database": "", "agent": "a", "name": "n"}}', '{"libraries": "/a"}']
)
def test_h18_what_was_changed_to_something_else_is_not(tmp_path, content):
    folder = Folder(tmp_path)
    folder.settings_file.write_text(content)
    with pytest.raises(AgentError) as caught:
        folder.load()
    assert caught.value.code == "bad_settings"


def test_settings_are_written_whole_or_not_at_all(tmp_path, monkeypatch):
    folder = Folder(tmp_path / "c")
    folder.save(Settings(libraries=["/a"]))
    assert folder.load() == Settings(libraries=["/a"])
    with pytest.raises(AgentError):
        folder.paired()
    monkeypatch.setattr("ibhxh_agent.config.os.fsync", lambda _descriptor: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        folder.save(Settings(libraries=["/b"]))
    assert folder.load() == Settings(libraries=["/a"])
    assert [file.name for file in (tmp_path / "c").iterdir()] == ["settings.json"]


class FakeTrayModule:
    def __init__(self):
        self.shown = []

    def Menu(self, *items):
        return items

    def MenuItem(self, label, action, enabled=True, default=False, visible=lambda _item: True):
        return SimpleNamespace(label=label, action=action, enabled=enabled, default=default, visible=visible)

    @property
    def Icon(self):
        def icon(_name, picture, title, menu):
            made = SimpleNamespace(icon=picture, title=title, menu=menu)
            made.update_menu = lambda: self.shown.append(made.title)
            made.run = lambda: self.shown.append("ran")
            made.stop = lambda: self.shown.append("stopped")
            # Of pystray's icon on Windows: what it does with each message of its window.
            made._on_notify = lambda _wparam, _lparam: None
            made._message_handlers = {0x0400 + 11: made._on_notify}
            self.icon = made
            return made

        return icon


@pytest.fixture
def tray_parts():
    from PIL import Image, ImageDraw

    return FakeTrayModule(), Image, ImageDraw


def test_the_tray_shows_the_state_and_offers_what_the_program_does(tray_parts):
    module, actions = tray_parts[0], []
    tray = Tray(actions.append, *tray_parts)
    grey = module.icon.icon
    tray.show(Colour.GREEN, "Đã kết nối, 2 chứng thư")
    assert module.shown == ["ibhxh-agent: Đã kết nối, 2 chứng thư"] and module.icon.icon is not grey
    tray.show(Colour.GREY, "Không kết nối được")
    state, *items = [item for item in module.icon.menu if item.visible(item)]
    assert state.label(None) == "Không kết nối được" and state.enabled is False and module.icon.icon is grey
    assert [item.label(None) for item in items] == ["Mở ibhxh-agent", "Kiểm tra", "Mở nhật ký", "Ghép lại…", "Thoát"]
    for item in items:
        item.action(module.icon, item)
    assert actions == ["open", "check", "logs", "pair", "quit"] and [item.default for item in items].count(True) == 1
    tray.run(lambda: actions.append("worked"))
    assert actions[-1] == "worked" and module.shown[-1] == "stopped"


def test_h13_a_newer_version_has_a_place_in_the_menu_while_it_is_offered(tray_parts):
    module, actions = tray_parts[0], []
    tray = Tray(actions.append, *tray_parts)
    update = module.icon.menu[1]
    assert not update.visible(update)
    tray.offer("99.0")
    assert update.visible(update) and update.label(None) == "Cài bản mới 99.0…" and len(module.shown) == 1
    tray.offer("99.0")
    assert len(module.shown) == 1
    update.action(module.icon, update)
    tray.offer("")
    assert actions == ["update"] and not update.visible(update)


def test_w3_a_long_sentence_fits_the_tip_of_a_windows_icon(tray_parts):
    """szTip of NOTIFYICONDATAW holds 128 UTF-16 units with the final zero; a letter outside the BMP takes two."""
    tray = Tray(lambda _action: None, *tray_parts)
    tray.show(Colour.RED, "Chứng chỉ TLS 𝟙" + "𝟘" * 200)
    title = tray_parts[0].icon.title
    assert len(title.encode("utf-16-le")) <= 2 * 127 and title.endswith("…")
    assert shortened("á" * 127, 127) == "á" * 127


def test_w3_trouble_of_a_desktop_with_its_icon_never_ends_the_program(tray_parts, caplog):
    module, worked = tray_parts[0], []

    def fails(*_given):
        raise ValueError("string too long (142, maximum length 128)")

    tray = Tray(lambda _action: None, *tray_parts)
    module.icon.update_menu = module.icon.run = module.icon.stop = fails

    def work():
        tray.show(Colour.GREEN, "x")
        worked.append(True)

    tray.run(work)
    assert worked == [True] and "the icon was not changed" in caplog.text


def test_w3_an_error_beside_the_icon_reaches_the_caller(tray_parts):
    tray = Tray(lambda _action: None, *tray_parts)

    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        tray.run(work)
    with pytest.raises(ZeroDivisionError):
        tray_parts[0].icon.run = lambda setup: setup(tray_parts[0].icon)
        tray._run_in_main_thread(work)


def test_the_icon_on_a_real_x11_shows_vietnamese_without_harm(tray_parts, tmp_path):
    """pystray writes the title as Latin-1 there, and a desktop may have no place for icons at all."""
    with virtual_screen() as display:
        script = (
            "from ibhxh_agent.tray import Tray; from ibhxh_agent.icon import Colour; seen = []\n"
            "tray = Tray.create(lambda action: None)\n"
            "tray.run(lambda: (tray.show(Colour.RED, 'Đã bị từ chối'), seen.append(1)))\n"
            "assert seen and tray\n"
        )
        environment = {**os.environ, "DISPLAY": display, "PYSTRAY_BACKEND": "xorg"}
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 0, done.stderr


def test_a_notification_of_a_desktop_is_clicked(tray_parts, tmp_path, monkeypatch):
    """notify-send of libnotify 0.8 waits, and prints the name of the action that was chosen."""
    program = tmp_path / "notify-send"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$@" > "$0.said"\necho default\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    actions: queue.Queue[str] = queue.Queue()
    tray = Tray(actions.put, *tray_parts)
    assert tray.notify("3 tờ khai chờ ký") is True
    assert actions.get(timeout=30) == "toast"
    assert "3 tờ khai chờ ký" in (tmp_path / "notify-send.said").read_text(encoding="utf-8").splitlines()
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert tray.notify("x") is False


def test_without_a_tray_the_agent_goes_on(monkeypatch):
    monkeypatch.setitem(sys.modules, "pystray", None)
    assert Tray.create(lambda _action: None) is None
