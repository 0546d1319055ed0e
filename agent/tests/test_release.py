"""The makers' tool: what it signs, agents with that key take, and the addon can read."""

from __future__ import annotations

import base64
import importlib.util
import json
from pathlib import Path

import pytest
from private import is_private

from ibhxh_agent import release as agent_side
from ibhxh_agent.config import Folder
from ibhxh_agent.errors import AgentError
from ibhxh_agent.tokens import library_list
from ibhxh_agent.updates import platform_name

TOOL = Path(__file__).resolve().parents[1] / "packaging" / "release.py"


@pytest.fixture
def tool(monkeypatch):
    spec = importlib.util.spec_from_file_location("release_tool", TOOL)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.getpass, "getpass", lambda _question: "mật khẩu")
    return module


@pytest.fixture
def key(tool, tmp_path, capsys):
    """The file of a new key, and its public half."""
    tool.main(["new-key", str(tmp_path / "key.pem")])
    return tmp_path / "key.pem", base64.b64decode(capsys.readouterr().out)


def test_a_key_is_private_and_never_overwritten(tool, key):
    path, public = key
    assert len(public) == 32 and is_private(path)
    assert b"ENCRYPTED" in path.read_bytes()
    with pytest.raises(FileExistsError):
        tool.new_key(path, "")


def test_an_installer_is_signed_for_agents_with_the_key(tool, key, tmp_path, capsys):
    path, public = key
    installer = tmp_path / "setup.exe"
    installer.write_bytes(b"MZ x")
    tool.main(["program", str(installer), "--platform", platform_name(), "--version", "99.0", "--key", str(path)])
    assert capsys.readouterr().out.strip().endswith("setup.exe.release.json")
    text = (tmp_path / "setup.exe.release.json").read_text(encoding="utf-8")
    assert agent_side.opened(text, "program", [public])["size"] == 4
    with pytest.raises(AgentError):
        agent_side.opened(text, "program", [b"x" * 32])
    assert set(json.loads(text)) == {"format", "payload", "signatures"}


def test_the_list_of_this_version_can_be_published(tool, key, tmp_path, monkeypatch):
    path, public = key
    monkeypatch.chdir(tmp_path)
    built_in = library_list.built_in()
    monkeypatch.setattr(tool, "built_in", lambda: {**built_in, "version": 99})
    tool.main(["libraries", "--key", str(path)])
    text = (tmp_path / "ibhxh-agent-libraries-99.release.json").read_text(encoding="utf-8")
    assert library_list.accept(Folder(tmp_path / "c"), text, [public]) == 99
