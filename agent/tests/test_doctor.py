"""doctor, status, install: what a person types when something is wrong."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pki
import pytest
import softhsm

from ibhxh_agent import commands, doctor, instance
from ibhxh_agent.cli import main
from ibhxh_agent.config import Folder
from ibhxh_agent.runner import State
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.tokens.discovery import Found


def diagnosis(agent, *arguments, library=softhsm.LIBRARY):
    process = agent(*arguments, "doctor", library=library)
    out, err = process.communicate(timeout=120)
    assert err == ""
    return process.returncode, out


def marks(out):
    return re.findall(r"^\[ ?(ok|!|X)\] (.*)$", out, re.M)


def test_with_one_token(agent, paired, hsm):
    code, out = diagnosis(agent)
    assert code == 0, out
    texts = " | ".join(text for _, text in marks(out))
    for wanted in (
        Path(softhsm.LIBRARY).name,
        "Token Kế toán",
        "MST 0100109106",
        "Máy chủ http://127.0.0.1",
        "Đồng hồ khớp",
    ):
        assert wanted in texts
    assert "requests/1" not in paired.paths() and "heartbeat" not in paired.paths()


def test_with_no_token(agent, paired, own_hsm):
    code, out = diagnosis(agent)
    assert code == 1 and ("X", next(t for m, t in marks(out) if "Không thấy token" in t)) in marks(out)


def test_h11_a_renewed_token_is_in_order(agent, paired, own_hsm):
    """The old certificate is still on it: nothing to renew, no form 05 to file."""
    long_ago = datetime.now(timezone.utc) - timedelta(days=10)
    own_hsm.add("Cũ", [(pki.key(0), pki.certificate(pki.key(0), days=5, start=long_ago))])
    own_hsm.add("Sắp", [(pki.key(1), pki.certificate(pki.key(1), days=10))])
    own_hsm.add("Mới", [(pki.key(2), pki.certificate(pki.key(2)))])
    code, out = diagnosis(agent)
    found = dict((text, mark) for mark, text in marks(out))
    assert code == 0, out
    assert [m for t, m in found.items() if "còn hiệu lực lâu hơn" in t] == ["ok", "ok"]
    assert "Gia hạn" not in out and "gia hạn" not in out


@pytest.mark.parametrize("seen", [True, False])
def test_h11_doctor_names_what_hides_a_token_only_where_none_is_seen(own_hsm, tmp_path, monkeypatch, seen):
    if seen:
        own_hsm.add("Một", [(pki.key(0), pki.certificate(pki.key(0)))])
    foreign = Found(tmp_path / "vina.dll", "SmartSign", False, "x86")
    monkeypatch.setattr(doctor.windows, "troubles", lambda: iter(["remote_session", "autostart_off"]))
    monkeypatch.setattr(doctor, "candidates", lambda *_given: [Found(Path(softhsm.LIBRARY), "x", True), foreign])
    found = {finding.message: finding.mark for finding in doctor.examine(Folder(tmp_path / "config"))}
    assert any("Remote Desktop" in line for line in found) is not seen
    assert any("Task Manager" in line for line in found)
    (library,) = [mark for line, mark in found.items() if "vina.dll" in line]
    assert library == (doctor.GOOD if seen else doctor.WARNING)


def test_h11_a_proxy_script_is_no_trouble_where_the_server_answers(paired, own_hsm, tmp_path, monkeypatch):
    monkeypatch.setattr(doctor.windows, "troubles", lambda: iter(["automatic_proxy"]))
    folder = Folder(tmp_path / "config")
    assert not [one for one in doctor.examine(folder, [softhsm.LIBRARY]) if "PAC" in one.message]
    settings = folder.load()
    folder.save(replace(settings, pairing=replace(settings.pairing, server="http://127.0.0.1:9")))
    assert [one.mark for one in doctor.examine(folder, [softhsm.LIBRARY]) if "PAC" in one.message] == [doctor.WARNING]


def test_with_two_tokens(agent, paired, own_hsm):
    own_hsm.add("Một", [(pki.key(0), pki.certificate(pki.key(0), days=10))])
    own_hsm.add("Hai", [(pki.ec_key(), pki.certificate(pki.ec_key()))])
    own_hsm.add("Ba", [])
    code, out = diagnosis(agent)
    found = dict((text, mark) for mark, text in marks(out))
    assert code == 1
    assert [m for t, m in found.items() if "sắp hết hạn" in t] == ["!"]
    assert [m for t, m in found.items() if "không phải RSA" in t] == ["X"]
    assert [m for t, m in found.items() if t.startswith("Token Ba: không có chứng thư")] == ["!"]


@pytest.mark.parametrize(
    ("flags", "mark", "words"),
    [("40000", "X", "ĐÃ BỊ KHÓA"), ("20000", "!", "chỉ còn MỘT"), ("10000", "!", "lần đăng nhập trước sai PIN")],
)
def test_with_a_token_whose_pin_is_in_danger(agent, paired, fake, flags, mark, words):
    fake.behave(flags=flags)
    code, out = diagnosis(agent, library=fake.path)
    assert code == (1 if mark == "X" else 0)
    assert [m for m, t in marks(out) if words in t] == [mark]
    assert fake.logins == []


@pytest.mark.parametrize("how", ["crash", "garbage", "error"])
def test_with_a_broken_library(agent, paired, fake, hsm, how):
    fake.behave(load=how)
    code, out = diagnosis(agent, "--library", softhsm.LIBRARY, library=fake.path)
    assert code == 1
    assert [m for m, t in marks(out) if fake.path in t] == ["X"]
    assert any("Token Kế toán" in t and m == "ok" for m, t in marks(out))


def test_with_something_that_is_no_library(agent, paired, tmp_path):
    (tmp_path / "x.so").write_bytes(b"text")
    code, out = diagnosis(agent, library=str(tmp_path / "x.so"))
    assert code == 1
    assert [m for m, t in marks(out) if "không phải thư viện PKCS#11" in t] == ["!"]
    assert [m for m, t in marks(out) if "Không tìm thấy thư viện" in t] == ["X"]


def test_not_paired(agent, hsm):
    code, out = diagnosis(agent)
    assert code == 1 and any(m == "X" and "chưa được ghép" in t for m, t in marks(out))


def test_server_down_and_key_revoked(agent, paired, hsm):
    paired.faults.append(
        ("requests/claim", 401, json.dumps({"error": "invalid_key", "message": "Khóa hỏng."}).encode())
    )
    code, out = diagnosis(agent)
    assert code == 1 and "Khóa hỏng." in out
    paired.stop()
    code, out = diagnosis(agent)
    assert code == 1 and "Không kết nối được" in out


def test_an_expired_certificate_and_a_lost_key(agent, paired, own_hsm, tmp_path):
    import datetime as dt

    long_ago = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    own_hsm.add("Cũ", [(pki.key(0), pki.certificate(pki.key(0), start=long_ago))])
    (tmp_path / "config" / "secrets.json").unlink()
    code, out = diagnosis(agent)
    assert code == 1
    assert any(m == "X" and "hết hạn" in t for m, t in marks(out))
    assert any(m == "X" and "Không thấy khóa kết nối" in t for m, t in marks(out))


def test_a_wrong_clock(paired, tmp_path, monkeypatch):
    import time

    folder = Folder(tmp_path / "config")
    findings = list(doctor._server(folder, folder.load(), clock=lambda: time.time() + 4000))
    assert any(f.mark == "X" and "lệch" in f.message for f in findings)


def test_status(agent, paired, hsm, first_certificate, capsys, tmp_path):
    config = ["--config-dir", str(tmp_path / "config")]
    assert main([*config, "status"]) == 1
    assert "Không chạy" in capsys.readouterr().out
    process = agent("run", "--poll-interval", "60", pin=softhsm.PIN)
    paired.wait_for(lambda: "requests/claim" in paired.paths())
    folder = Folder(tmp_path / "config")
    while not instance.read_state(folder):
        assert process.poll() is None
    assert main([*config, "status"]) == 0
    out = capsys.readouterr().out
    assert "Đang chạy" in out and "1 chứng thư" in out and "Kế toán" in out
    assert main([*config, "status", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["online"] is True


def test_status_tells_what_is_wrong(paired, tmp_path, capsys):
    folder = Folder(tmp_path / "config")
    with instance.only_instance(folder):
        instance.write_state(folder, State(message="Mất mạng.", outdated="Cũ rồi.", clock_warning="Lệch giờ."))
        assert main(["--config-dir", str(folder.path), "status"]) == 1
    out = capsys.readouterr().out
    assert "Mất mạng." in out and "Cũ rồi." in out and "Lệch giờ." in out


def test_english_on_request(paired, tmp_path, capsys):
    assert main(["--config-dir", str(tmp_path / "config"), "--lang", "en", "status"]) == 1
    assert "Not running" in capsys.readouterr().out
    main(["--config-dir", str(tmp_path / "config"), "status"])
    assert "Không chạy" in capsys.readouterr().out


def test_install_and_uninstall_say_what_they_did(tmp_path, monkeypatch, capsys):
    done = []

    class Recorder:
        def install(self, command):
            done.append(command)
            return "somewhere"

        def uninstall(self):
            done.append("uninstalled")

    monkeypatch.setattr(commands.autostart, "autostart", Recorder)
    assert main(["--config-dir", "here", "--library", "/l.so", "--lang", "en", "install"]) == 0
    assert main(["uninstall"]) == 0
    command, last = done
    assert command[-3:] == ["--library", "/l.so", "start"]
    assert command[command.index("--config-dir") + 1] == str(Folder(None).path.cwd() / "here")
    assert last == "uninstalled" and "somewhere" in capsys.readouterr().out


def test_an_unknown_child_is_refused():
    assert main(["--child", "nonsense"]) == 2


def test_run_without_pairing_says_how_to_pair(agent):
    process = agent("run", pin="1234")
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1 and "ibhxh-agent pair" in err


def test_without_any_way_to_ask_it_says_so(agent, paired, hsm):
    process = agent("run", DISPLAY="", WAYLAND_DISPLAY="")
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1 and "--pin-fd" in err


def test_pairing_again_forgets_the_old_key(agent, paired, tmp_path):
    old = paired.agent
    paired.agent, paired.key = "11111111-2222-3333-4444-555555555555", "second-key"
    process = agent("pair", "--server", paired.url, "--code", paired.code)
    assert process.wait(timeout=90) == 0
    folder = Folder(tmp_path / "config")
    kept = json.loads((folder.path / "secrets.json").read_text(encoding="utf-8"))
    assert list(kept) == [paired.agent] != [old]
    assert SecretStore(folder).get(paired.agent) == "second-key"


@pytest.mark.parametrize("key", ["vi", "en"])
def test_every_sentence_exists_in_both_languages(key):
    from ibhxh_agent import texts

    for name, (vietnamese, english) in texts._TEXTS.items():
        assert vietnamese.strip() and english.strip(), name
        assert set(re.findall(r"{\w+}", vietnamese)) == set(re.findall(r"{\w+}", english)), name
