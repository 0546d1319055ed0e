"""What only Windows itself can answer. Collected there alone (conftest.py); `./run test windows` runs it on Wine."""

from __future__ import annotations

import os

from ibhxh_agent import config
from ibhxh_agent.config import Folder, Settings
from ibhxh_agent.tokens.discovery import Places


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
