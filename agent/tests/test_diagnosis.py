"""What the heartbeat says about why no token can be used."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import SimpleNamespace

import softhsm

from ibhxh_agent import diagnosis, runner, windows
from ibhxh_agent.diagnosis import diagnose
from ibhxh_agent.tokens.discovery import Found
from ibhxh_agent.tokens.library_list import built_in
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess

NOW = datetime.now(timezone.utc)
LIBRARY = Found(Path("/opt/bkav/lib/BkavCA.so"), "BKAV-CA", True)


def certificate(bits=2048, after=365, before=-1, *tax_codes):
    begin, end = NOW + timedelta(days=before), NOW + timedelta(days=after)
    return SimpleNamespace(
        fingerprint=f"{bits} {after}", tax_codes=tax_codes or ("0100109106",), rsa_bits=bits, not_before=begin,
        not_after=end, valid_at=lambda now: begin <= now <= end,
    )  # fmt: skip


def token(*certificates, flags=(), keyless=()):
    nothing = {"keyless": frozenset(keyless), "hidden": False, "troubles": ()}
    return SimpleNamespace(label="VNPT-CA\n\u202eToken", flags=frozenset(flags), certificates=certificates, **nothing)


def codes(*tokens, found=(LIBRARY,), reasons=None, **more):
    manager = SimpleNamespace(tokens=tokens, reasons=reasons or {}, troubles=[], certificates=list)
    values = {"clock_is_wrong": False, "refused_update": "", **more}
    return [(entry["code"], entry["detail"]) for entry in diagnose(manager, found, **values)]


def test_each_reason_has_its_code():
    assert codes(token(certificate())) == []
    assert codes() == [("no_token", "")]
    assert codes(found=()) == [("no_library", ""), ("no_token", "")]
    unusable = Found(Path("C:/Windows/SysWOW64/vina.dll"), "SmartSign", False)
    assert codes(found=(LIBRARY, unusable)) == [("not_pkcs11", "vina.dll"), ("no_token", "")]
    for reason, code in diagnosis.LIBRARY_CODES.items():
        found = codes(token(certificate()), reasons={"C:\\Program Files\\Bkav\\BkavCA.dll": reason})
        assert found == [(code, "BkavCA.dll")]
    label = "VNPT-CA  Token"
    assert codes(token()) == [("no_certificate", label)]
    assert codes(token(certificate(bits=None))) == [("certificate_unsupported", label)]
    assert codes(token(certificate(after=-1, before=-9))) == [("certificate_expired", label)]
    assert codes(token(certificate(before=1))) == [("certificate_not_yet", label)]
    assert codes(token(certificate(), flags=["locked", "final_try"])) == [("token_locked", label)]
    assert codes(token(certificate(), flags=["final_try"])) == [("token_final_try", label)]
    assert codes(token(certificate()), clock_is_wrong=True, refused_update="99.0") == [
        ("clock_wrong", ""),
        ("update_refused", "99.0"),
    ]


def test_what_windows_knows_of_its_session_is_said_too(monkeypatch):
    monkeypatch.setattr(windows, "troubles", lambda: iter(["remote_session", "automatic_proxy", "autostart_off"]))
    assert codes() == [("no_token", ""), ("remote_session", ""), ("autostart_off", "")]


def test_h11_a_certificate_whose_successor_is_there_stands_in_nobodys_way():
    """Most people renew a token in time, and keep the old certificate on it."""
    valid, expired, future = certificate(), certificate(after=-1, before=-9), certificate(before=1)
    assert codes(token(expired, valid)) == codes(token(expired), token(valid)) == codes(token(future, valid)) == []
    others = certificate(2048, 365, -1, "0300741143")
    for instead in (others, certificate(bits=None), certificate(after=-2, before=-9)):
        found = [code for code, _detail in codes(token(expired, instead))]
        assert "certificate_expired" in found, instead
    assert "certificate_expired" in dict(codes(token(expired, valid, keyless=[valid.fingerprint])))
    both = certificate(2048, -1, -9, "0100109106", "0300741143")
    assert codes(token(both, valid)) != [] and codes(token(both, valid, others)) == []


def test_h12_ready_is_what_could_sign_with_the_right_pin():
    expired, valid = certificate(after=-1, before=-9), certificate()
    assert diagnosis.ready([token(valid, expired, certificate(bits=None)), token(valid, flags=["final_try"])], NOW) == 2
    for flag in ("locked", "not_initialized", "to_be_changed"):
        assert diagnosis.ready([token(valid, flags=[flag])], NOW) == 0
    assert diagnosis.ready([token(valid, keyless=[valid.fingerprint]), token()], NOW) == 0


def test_h11_what_keeps_a_token_from_being_seen_is_no_trouble_where_one_is_seen(monkeypatch):
    """A redirected token in a remote session; a driver for 32 bit that nobody uses."""
    monkeypatch.setattr(windows, "troubles", lambda: iter(["remote_session", "session_zero", "autostart_off"]))
    foreign = Found(Path("C:/Windows/SysWOW64/vina.dll"), "SmartSign", False, "x86")
    assert codes(token(certificate()), found=(LIBRARY, foreign)) == [("autostart_off", "")]
    assert [code for code, _detail in codes(found=(LIBRARY, foreign))] == [
        "library_foreign", "no_token", "remote_session", "session_zero", "autostart_off",
    ]  # fmt: skip
    monkeypatch.setattr(windows, "troubles", lambda: iter(()))
    locked = codes(token(certificate(), flags=["locked"]), found=(LIBRARY, foreign))
    assert [code for code, _detail in locked] == ["token_locked"]


def test_it_is_bounded_and_says_each_thing_once():
    many = [token(certificate(after=-1, before=-9))] * 50
    assert codes(*many) == [("certificate_expired", "VNPT-CA  Token")]
    reasons = {f"/opt/{'x' * 200}{number}.so": "died" for number in range(50)}
    found = codes(reasons=reasons)
    assert len(found) == diagnosis.MOST and all(len(detail) <= diagnosis.LONGEST for _code, detail in found)


def test_a_real_library_that_crashes_names_its_file(fake):
    fake.behave(list="crash")
    manager = TokenManager([LibraryProcess(str(fake.path))])
    try:
        manager.refresh(everything=True)
        entries = diagnose(manager, [Found(Path(fake.path), "x", True)], clock_is_wrong=False, refused_update="")
        assert [entry["code"] for entry in entries] == ["library_died", "no_token"]
        assert entries[0]["detail"] == Path(fake.path).name
    finally:
        manager.close()


def test_every_failure_of_a_library_has_a_code():
    source = Path(runner.__file__).parent
    files = (source / "children.py", source / "tokens" / "process.py")
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    said = {
        part.split('"')[1] for part in text.replace("ChildError(", "_failed(").split("_failed(")[1:] if '"' in part[:9]
    }
    assert said <= set(diagnosis.LIBRARY_CODES)


def test_the_heartbeat_carries_it(paired, agent, hsm, tmp_path):
    broken = tmp_path / "driver.so"
    head = Path(softhsm.LIBRARY).read_bytes()[:4096] if sys.platform == "win32" else b"\x7fELF "
    broken.write_bytes(head + b"C_GetFunctionList")
    running = agent("--library", str(broken), "run", pin="1234")
    expected = [{"code": "library_not_loaded", "detail": "driver.so"}]
    # The first one may come while the other library still loads.
    paired.wait_for(lambda: any(body.get("diagnosis") == expected for _path, body in paired.calls))
    body = next(body for _path, body in paired.calls if body.get("diagnosis") == expected)
    assert body["platform"] and body["libraries"] == built_in()["version"]
    running.terminate()
