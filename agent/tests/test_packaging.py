"""The program for people without Python is really built, and really works: token child and PIN window included."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from types import SimpleNamespace

import pki
import pytest
from display import Keyboard, virtual_screen
from forms import form

from ibhxh_agent import children, document
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.prompt.base import Decision, Item, Question
from ibhxh_agent.prompt.window import WindowPrompt

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize(
    ("platform", "programs"),
    [
        ("win32", {"ibhxh-agent": False, "ibhxh-agent-cli": True}),
        ("linux", {"ibhxh-agent": True}),
        ("darwin", {"ibhxh-agent": False}),
    ],
)
def test_h3_a_program_with_windows_has_no_console_where_that_would_hide_them(tmp_path, monkeypatch, platform, programs):
    """The recipe as each system reads it. PyInstaller gives the bundle of a console program LSBackgroundOnly."""
    made: dict[str, dict] = {}
    bundles: list[dict] = []
    # PyInstaller's own modules want to be on the system that they build for.
    hooks = SimpleNamespace(collect_data_files=lambda _package: [], collect_submodules=lambda _package: [])
    monkeypatch.setitem(sys.modules, "PyInstaller.utils.hooks", hooks)
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(sys, "path", sys.path[:])
    names = {
        "SPECPATH": str(ROOT / "packaging"),
        "workpath": str(tmp_path),
        "Analysis": lambda *_given, **_more: SimpleNamespace(pure=[], scripts=[], binaries=[], datas=[]),
        "PYZ": lambda _pure: None,
        "EXE": lambda *_given, **more: made.update({more["name"]: more}),
        "COLLECT": lambda *_given, **_more: None,
        "BUNDLE": lambda *_given, **more: bundles.append(more),
    }
    exec((ROOT / "packaging" / "ibhxh-agent.spec").read_text(encoding="utf-8"), names)
    assert {name: one["console"] for name, one in made.items()} == programs
    assert [bundle["info_plist"]["CFBundleURLTypes"][0]["CFBundleURLSchemes"] for bundle in bundles] == (
        [["ibhxh-agent"]] if platform == "darwin" else []
    )


# Building takes a minute, and four and more where others need the processors, too.
@pytest.mark.timeout(1200)
def test_the_frozen_program_lists_a_token_and_asks_for_a_pin(tmp_path, monkeypatch):
    # Measuring the coverage of PyInstaller itself would take longer than all the rest.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COV")}
    command = [sys.executable, str(ROOT / "packaging" / "build.py"), str(tmp_path)]
    built = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert built.returncode == 0, built.stdout + built.stderr
    assert "its child process reads the token" in built.stdout
    program = str(tmp_path / "dist" / "ibhxh-agent" / "ibhxh-agent")
    monkeypatch.setattr(children, "child_command", lambda kind: [program, children.CHILD_FLAG, kind])
    certificate = TokenCertificate.from_der(pki.certificate(pki.key(0)))
    read = document.read(form())
    item = Item(read.form, read.rows(), "Kế")
    answers = []
    with virtual_screen() as display:
        monkeypatch.setenv("DISPLAY", display)
        prompt = WindowPrompt(patience=600)
        question = Question("https://odoo.example", certificate, "Token", [item])
        asking = threading.Thread(target=lambda: answers.append(prompt.ask(question)))
        asking.start()
        keyboard = Keyboard(display)
        for _ in range(20):  # the window is deaf at first
            keyboard.wait_for_window()
            keyboard.press("m", "Alt_L")
            keyboard.type("7319")
            keyboard.press("Return")
            asking.join(2)
            if answers:
                break
        prompt.close()
        asking.join(60)
    (answer,) = answers
    assert answer.decision is Decision.SIGN and bytes(answer.pin.buffer()) == b"7319"
