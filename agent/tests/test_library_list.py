"""The list of libraries from the server: signed, newer, and never more than names of files in the system's folders."""

from __future__ import annotations

import pytest
from makers import KEYS, OTHER_KEY, newer, signed
from private import is_private

from ibhxh_agent.config import Folder
from ibhxh_agent.errors import AgentError
from ibhxh_agent.tokens.discovery import Places, find_libraries
from ibhxh_agent.tokens.library_list import accept, built_in, checked, current


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "c")


def test_the_built_in_list_is_one_that_a_server_could_send(folder):
    assert current(folder, KEYS) == built_in()
    own = checked(built_in())
    for system in ("windows", "macos", "linux"):
        assert own[system]["folders"] == built_in()[system]["folders"]
        assert own[system]["vendors"] == built_in()[system]["vendors"]


def test_a_newer_signed_list_is_used(folder, tmp_path):
    system = tmp_path / "Windows" / "System32"
    system.mkdir(parents=True)
    (system / "moi_v1.dll").write_bytes(b"MZ\0C_GetFunctionList\0")
    places = Places("win32", {"SYSTEMROOT": str(tmp_path / "Windows"), "SystemRoot": str(tmp_path / "Windows")})
    assert find_libraries((), places, current(folder, KEYS)) == []
    assert accept(folder, signed(newer(vendors={"MOI-CA": ["moi_v1.dll"]})), KEYS) == 99
    (found,) = find_libraries((), places, current(folder, KEYS))
    assert (found.path.name, found.origin) == ("moi_v1.dll", "MOI-CA")
    assert is_private(folder.path / "libraries.json")


@pytest.mark.parametrize(
    ("what", "document"),
    [
        ("another key", lambda: signed(newer(), OTHER_KEY)),
        ("as old as the built-in one", lambda: signed(newer(built_in()["version"]))),
        ("a program", lambda: signed({**newer(), "kind": "program"})),
        ("no version", lambda: signed(newer("2"))),
        ("true", lambda: signed(newer(True))),
        ("nothing of macOS", lambda: signed({**newer(), "macos": None})),
        ("a path", lambda: signed(newer(vendors={"x": ["../evil.dll"]}))),
        ("a Windows path", lambda: signed(newer(vendors={"x": ["..\\evil.dll"]}))),
        ("a drive", lambda: signed(newer(vendors={"x": ["C:evil.dll"]}))),
        ("a share", lambda: signed(newer(folders=["//server/share"]))),
        ("a device", lambda: signed(newer(folders=["\\\\.\\pipe"]))),
        ("a program to run", lambda: signed(newer(vendors={"x": ["evil.exe"]}))),
        ("no suffix", lambda: signed(newer(vendors={"x": ["evil"]}))),
        ("upwards", lambda: signed(newer(folders=["%SystemRoot%/../Users/Public"]))),
        ("upwards, as Windows reads it", lambda: signed(newer(folders=["%SystemRoot%/.. /Users/Public"]))),
        ("a blank at the end", lambda: signed(newer(folders=["%SystemRoot%/System32 "]))),
        ("the person's own folder", lambda: signed(newer(folders=["%USERPROFILE%/Downloads"]))),
        ("any folder", lambda: signed(newer(folders=["C:/Temp"]))),
        ("an address", lambda: signed(newer(folders=["https://evil.example/"]))),
        ("not text", lambda: signed(newer(folders=[1]))),
        ("many folders", lambda: signed(newer(folders=["%SystemRoot%/System32"] * 65))),
        ("many names", lambda: signed(newer(vendors={"x": ["a.dll"] * 129}))),
        ("many vendors", lambda: signed(newer(vendors={str(n): [] for n in range(129)}))),
    ],
)
def test_anything_else_is_refused_and_the_list_stays(folder, what, document):
    with pytest.raises(AgentError) as error:
        accept(folder, document(), KEYS)
    assert error.value.code == "release_refused", what
    assert current(folder, KEYS) == built_in()


def test_lists_only_get_newer(folder):
    accept(folder, signed(newer(7)), KEYS)
    for version in (7, 6, 1):
        with pytest.raises(AgentError):
            accept(folder, signed(newer(version)), KEYS)
    accept(folder, signed(newer(8)), KEYS)
    assert current(folder, KEYS)["version"] == 8


def test_a_list_on_the_disk_that_was_changed_or_is_older_than_the_program_is_not_used(folder):
    accept(folder, signed(newer(7)), KEYS)
    file = folder.path / "libraries.json"
    file.write_text(file.read_text(encoding="utf-8").replace("A", "B"))
    assert current(folder, KEYS) == built_in()
    file.write_text(signed(newer(built_in()["version"])))
    assert current(folder, KEYS) == built_in()
    assert current(folder, []) == built_in()


def test_members_that_this_version_does_not_know_are_dropped():
    value = checked({**newer(), "windows": {**newer()["windows"], "registry": ["x"]}, "plan9": {}})
    assert set(value) == {"version", "windows", "macos", "linux"}
    assert set(value["windows"]) == {"folders", "patterns", "vendors"}
