"""What the program says, wherever it says it."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import pytest

import ibhxh_agent
from ibhxh_agent import cli, texts
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.doctor import examine

#: Shown by commands alone, to who has just typed one, or of an agent that an administrator started with a PIN: by the
#: module that uses it.
TERMINAL = {
    "installed": {"commands.py"},
    "paired": {"commands.py"},
    "cli_pair": {"cli.py"},
    "cli_database": {"cli.py"},
    "no_prompt": {"choose.py"},
    "pin_of_other_token": {"batch.py"},
}


def commands():
    """Every word that may follow the program's name, as the program itself knows them."""
    (of_them,) = [one for one in cli._parser()._actions if isinstance(one, argparse._SubParsersAction)]
    return sorted(of_them.choices)


NAMES_A_COMMAND = re.compile(
    rf"ibhxh-agent(?:-cli)?(?:\.exe)?[ \xa0](?:--|(?:{'|'.join(commands())})\b)|(?<!\w)--?[a-z]{{2,}}"
)


@pytest.mark.parametrize("language", [0, 1])
def test_h7_no_text_of_window_icon_and_notification_names_a_command(language):
    """Nothing is on the path, and the program has no console: an accountant can type it nowhere."""
    named = {key for key, both in texts._TEXTS.items() if NAMES_A_COMMAND.search(both[language])}
    assert named == set(TERMINAL)


def test_h7_the_texts_with_a_command_are_used_by_commands_alone():
    package = Path(ibhxh_agent.__file__).parent
    for key, users in TERMINAL.items():
        quoted = re.compile(rf'text\("{key}"|Decision.*"{key}"')
        assert {path.name for path in package.rglob("*.py") if quoted.search(path.read_text(encoding="utf-8"))} == users


@pytest.mark.parametrize("settings", ["none", "unreadable", "no key"])
@pytest.mark.parametrize("language", ["vi", "en"])
def test_h7_the_diagnosis_of_the_window_names_no_command(tmp_path, monkeypatch, settings, language):
    monkeypatch.setenv("DISPLAY", ":0")  # there is a window
    folder = Folder(tmp_path / "config")
    if settings == "unreadable":
        folder.path.mkdir()
        folder.settings_file.write_text("{", encoding="utf-8")
    elif settings == "no key":
        folder.save(Settings(pairing=Pairing("https://odoo.example", "db", "1", "PC")))
    texts.use_language(language)
    try:
        said = [finding.message for finding in examine(folder, [str(tmp_path / "none.so")])]
    finally:
        texts.use_language("vi")
    assert len(said) > 2 and not [line for line in said if NAMES_A_COMMAND.search(line)]


@pytest.mark.parametrize("settings", ["none", "unreadable"])
def test_h7_who_types_commands_is_still_told_which_one_pairs(tmp_path, capsys, settings):
    folder = Folder(tmp_path / "config")
    if settings == "unreadable":
        folder.path.mkdir()
        folder.settings_file.write_text("{", encoding="utf-8")
    assert cli.main(["--config-dir", str(folder.path), "status"]) == 1
    assert "ibhxh-agent pair" in capsys.readouterr().err


def test_every_text_has_both_languages_and_the_same_values():
    for key, (vietnamese, english) in texts._TEXTS.items():
        assert vietnamese and english, key
        assert set(re.findall(r"{(\w+)}", vietnamese)) == set(re.findall(r"{(\w+)}", english)), key
