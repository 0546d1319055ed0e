"""Defects that only Windows shows (docs/windows-checklist.md), met here through what Windows really does.

These run on every system; those of test_on_windows.py on Windows alone.
"""

from __future__ import annotations

import io
import logging
import os
import queue
import re
import subprocess
import sys
from pathlib import Path

import pytest
import softhsm
from forms import form

from ibhxh_agent import app, cli, config, instance, selftest
from ibhxh_agent.config import Folder, Settings
from ibhxh_agent.runner import State
from ibhxh_agent.tokens.discovery import Places, find_libraries


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
    """What ``os.replace`` raises on Windows while another program has the file open."""

    def __init__(self, code: int) -> None:
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
    command = [sys.executable, "-m", "ibhxh_agent", "--config-dir", str(tmp_path / "c"), "doctor"]
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
def test_w25_the_pin_is_read_from_standard_input(paired, hsm, first_certificate, tmp_path, pin):
    """Windows hands no other descriptor to a child."""
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
