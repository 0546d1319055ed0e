"""Drivers and tokens as they are, each of a public report, modelled by fakep11.c: findings T3 to T9 and T11."""

from __future__ import annotations

import ctypes
import hashlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pki
import pytest
from fakelib import PIN
from forms import form
from people import Box, LeaseBook, Person, claimed
from signing import sign

from ibhxh_agent import diagnosis, doctor
from ibhxh_agent.batch import BatchSigner
from ibhxh_agent.config import Folder, Settings
from ibhxh_agent.errors import SigningError
from ibhxh_agent.prompt.descriptor import DescriptorPrompt
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import use_language
from ibhxh_agent.tokens.discovery import Found
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess, Timeouts


@pytest.fixture
def fingerprint(fake):
    return hashlib.sha256(fake.certificate).hexdigest()


@pytest.fixture
def fresh(fake):
    """A manager that has not looked yet, for each behaviour that matters from the start."""
    made = TokenManager([LibraryProcess(fake.path, Timeouts(close=1))])
    yield made
    made.close()


@pytest.fixture(params=["vi", "en"])
def language(request):
    use_language(request.param)
    yield request.param
    use_language("vi")


@pytest.fixture
def second(fake):
    """The certificate of another token, in slot 8."""
    key = pki.key(51)
    certificate = pki.certificate(key, pki.TAX_CODE, name="CÔNG TY HAI")
    fake.second_token(certificate, key, PIN, serial="FAKE0002", label="Token hai")
    return hashlib.sha256(certificate).hexdigest()


def examined(fake, tmp_path: Path) -> list[tuple[str, str]]:
    """What doctor says of libraries and tokens: mark and sentence."""
    found = doctor._libraries_and_tokens(Folder(tmp_path / "doctor"), Settings(), [fake.path])
    return [(finding.mark, finding.message) for finding in found]


def codes(manager: TokenManager, fake) -> list[tuple[str, str]]:
    found = [Found(Path(fake.path), "settings", True)]
    entries = diagnosis.diagnose(manager, found, clock_is_wrong=False, refused_update="")
    return [(entry["code"], entry["detail"]) for entry in entries]


# --- T3: how a library wants to be initialised ---


@pytest.mark.parametrize("wants", ["ok", "locking", "plain", "already", "reserved"])
def test_t3_a_library_is_initialised_as_it_wants(fresh, fake, fingerprint, wants, tmp_path, monkeypatch):
    """CKF_OS_LOCKING_OK, no arguments, "already initialised", NSS' parameters."""
    (tmp_path / ".pki" / "nssdb").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    fake.behave(init=wants)
    fresh.refresh()
    assert len(sign(fresh, fingerprint)) == 256 and len(fake.logins) == 1


def test_t3_a_library_that_needs_long_is_waited_for_without_stopping_the_others(fake, hsm, first_certificate):
    fake.behave(init="wait")
    import softhsm

    slow = LibraryProcess(fake.path, Timeouts(patience=0.1, close=1))
    manager = TokenManager([slow, LibraryProcess(softhsm.LIBRARY)])
    try:
        for _ in range(3):
            manager.refresh()
            assert [c.fingerprint for c in manager.certificates()] == [first_certificate.fingerprint]
            assert not manager.problems and not slow.resting
        pid = slow.pid
        fake.behave(init="ok")
        while len(manager.certificates()) < 2:
            manager.refresh()
            assert not manager.problems and slow.pid == pid
    finally:
        manager.close()


def test_t3_windows_that_saw_no_new_device_does_not_stop_it(fake):
    """Where devices did not change, libraries without a token are closed: this one is not without, it still loads."""
    fake.behave(init="wait")
    now = [0.0]
    library = LibraryProcess(fake.path, Timeouts(patience=0.1, close=1), monotonic=lambda: now[0])
    manager = TokenManager([library], monotonic=lambda: now[0], devices=lambda: "the same")
    try:
        manager.refresh()
        now[0] = TokenManager.SETTLE + 1
        manager.refresh()
        pid = library.pid
        fake.behave(init="ok")
        while not manager.tokens:
            now[0] += 2
            manager.refresh()
        assert library.pid == pid and now[0] < Timeouts().load
    finally:
        manager.close()


def test_t3_one_round_waits_for_it(fake, fingerprint, lone_agent):
    """`run --once` has no next look."""
    lone_agent._manager = TokenManager([LibraryProcess(fake.path, Timeouts(patience=0))])
    lone_agent._outbox.wait_empty = lambda _seconds: True
    try:
        lone_agent.once()
        assert [c.fingerprint for c in lone_agent._manager.certificates()] == [fingerprint]
    finally:
        lone_agent._manager.close()


def test_t3_twenty_seconds_are_not_the_end():
    """Reported of drivers that look for readers while they are initialised."""
    assert Timeouts().load >= 60


def test_t3_a_library_that_never_answers_is_given_up(fake):
    fake.behave(init="wait")
    now = [0.0]
    library = LibraryProcess(fake.path, Timeouts(patience=0.1, close=1), monotonic=lambda: now[0])
    manager = TokenManager([library], monotonic=lambda: now[0])
    try:
        manager.refresh()
        assert not manager.problems
        now[0] = Timeouts().load + 1
        manager.refresh()
        assert manager.reasons == {fake.path: "timeout"} and library.resting
    finally:
        manager.close()


# --- T4: one of several fails ---


@pytest.mark.parametrize("what", ["token_info", "open", "search", "value"])
@pytest.mark.parametrize("how", ["error", "device_error", "garbage"])
@pytest.mark.parametrize("slot", [7, 8])
def test_t4_a_token_that_fails_leaves_the_others(fresh, fake, fingerprint, second, what, how, slot, tmp_path):
    good = {7: second, 8: fingerprint}[slot]
    fake.behave(**{f"{what}.{slot}": how})
    fresh.refresh()
    assert [c.fingerprint for c in fresh.certificates()] == [good] and not fresh.problems
    assert len(sign(fresh, good)) == 256
    named = [message for mark, message in examined(fake, tmp_path) if mark == "!" and f" {slot}" in message]
    assert len(named) == 1 and "CKR_" in named[0], named
    assert ("token_unreadable", "fakep11.dll" if sys.platform == "win32" else "fakep11.so") in codes(fresh, fake)
    fake.behave(**{f"{what}.{slot}": "ok"})
    fresh.refresh(everything=True)
    assert len(fresh.certificates()) == 2 and not fresh.troubles


def test_t4_a_slot_whose_description_fails_is_used(fresh, fake, fingerprint, second):
    fake.behave(**{"slot_info.7": "error"})
    fresh.refresh()
    assert len(fresh.certificates()) == 2 and len(sign(fresh, fingerprint)) == 256


@pytest.mark.parametrize("how", ["error", "device_error"])
def test_t4_a_certificate_that_fails_leaves_the_others(fresh, fake, fingerprint, how, tmp_path):
    fake.behave(first_cert=how)
    fresh.refresh()
    assert [c.fingerprint for c in fresh.certificates()] == [fingerprint]
    assert len(sign(fresh, fingerprint)) == 256
    assert [m for mark, m in examined(fake, tmp_path) if mark == "!" and "CKR_" in m and "Fake token" in m]


def test_t4_a_certificate_without_id_is_used(fresh, fake, fingerprint):
    fake.behave(no_cert_id="1")
    fresh.refresh()
    assert len(sign(fresh, fingerprint)) == 256


def test_t4_a_token_more_between_the_two_questions_is_no_trouble(fresh, fake, fingerprint, second):
    """C_GetSlotList answers CKR_BUFFER_TOO_SMALL then."""
    fake.behave(grows="1")
    fresh.refresh()
    assert len(fresh.certificates()) == 2 and not fresh.troubles
    assert len(sign(fresh, second)) == 256


# --- T5: tokens that are listed late ---


@pytest.mark.parametrize("what", ["late", "late_info"])
def test_t5_tokens_that_are_listed_late_sign_in_quick_succession(fresh, fake, fingerprint, what, tmp_path):
    fake.behave(**{what: "300"})
    fresh.refresh()
    for _ in range(3):
        assert len(sign(fresh, fingerprint)) == 256
        assert fresh.refresh() is False and fresh.find(fingerprint)
    assert len(fake.logins) == 3
    assert [m for mark, m in examined(fake, tmp_path) if mark == "ok" and "Fake token" in m]


def test_t5_a_token_that_is_pulled_out_is_told_soon(fresh, fake, fingerprint):
    fake.behave(late="300")
    fresh.refresh()
    fake.behave(present="0")
    with pytest.raises(SigningError) as caught:
        sign(fresh, fingerprint)
    assert caught.value.code == "token_removed" and fake.logins == []
    fresh.refresh()
    assert fresh.certificates() == []


# --- T6: processes that a library leaves behind ---


def left_behind(fake) -> list[int]:
    """Those that still run."""
    pids = [int(line.split()[1]) for line in fake.log.read_text(encoding="utf-8").splitlines() if "forked" in line]
    return [pid for pid in pids if runs(pid)]


def runs(pid: int) -> bool:
    if sys.platform == "win32":
        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = ctypes.c_void_p
        kernel.WaitForSingleObject.argtypes = [ctypes.c_void_p, ctypes.c_uint32]
        process = kernel.OpenProcess(0x00100000, False, pid)  # SYNCHRONIZE, winnt.h
        return bool(process) and kernel.WaitForSingleObject(process, 0) == 0x102  # WAIT_TIMEOUT, winbase.h
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return status.stdout.strip()[:1] not in ("", "Z")


def end_but(fake, count: int) -> bool:
    """So many are left, as soon as the system has ended the others."""
    until = time.monotonic() + 20
    while len(left_behind(fake)) != count and time.monotonic() < until:
        pass
    return len(left_behind(fake)) == count


def test_t6_nothing_is_left_of_a_library_that_forks(fresh, fake, fingerprint):
    fake.behave(forks="1")
    fresh.refresh()
    before = threading.active_count()
    for _ in range(4):
        sign(fresh, fingerprint)
        fresh.refresh()
    assert threading.active_count() <= before + 1
    assert end_but(fake, 1)  # that of the child that waits for the next signature
    fresh.close()
    assert end_but(fake, 0)


@pytest.mark.parametrize("step", ["list", "sign"])
@pytest.mark.parametrize("how", ["crash", "hang"])
def test_t6_nor_where_it_crashes_or_hangs(fake, fingerprint, step, how):
    fake.behave(forks="1")
    library = LibraryProcess(fake.path, Timeouts(list=5 if step == "list" else 15, sign=5, close=1))
    manager = TokenManager([library])
    manager.refresh()
    fake.behave(**{step: how})
    if step == "list":
        manager.refresh(everything=True)
    else:
        with pytest.raises(SigningError):
            sign(manager, fingerprint)
    manager.close()
    assert end_but(fake, 0)


def test_t6_nor_when_the_agent_is_killed(fake, agent, paired):
    fake.behave(forks="1")
    process = agent("run", pin=PIN, library=fake.path)
    paired.wait_for(lambda: "heartbeat" in paired.paths() and "forked" in fake.log.read_text(encoding="utf-8"))
    assert left_behind(fake)
    process.kill()
    process.wait()
    assert end_but(fake, 0)


# --- T7: a PIN that is not set, is to be changed, or was entered before ---


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("not_initialized", {"vi": "chưa được đặt", "en": "has not been set"}),
        ("expired", {"vi": "phải đổi", "en": "must be changed"}),
    ],
)
def test_t7_a_pin_that_is_not_set_or_to_be_changed_is_said(fresh, fake, fingerprint, answer, words, language):
    fake.behave(login=answer)
    fresh.refresh()
    with pytest.raises(SigningError) as caught:
        sign(fresh, fingerprint)
    assert words[language] in caught.value.message and "maybe" not in caught.value.message
    assert caught.value.code == "driver_error" and caught.value.login_used and len(fake.logins) == 1


@pytest.mark.parametrize("always_auth", ["0", "1"])
def test_t7_a_login_from_before_is_no_error(fresh, fake, fingerprint, always_auth):
    fake.behave(login="already", always_auth=always_auth)
    fresh.refresh()
    assert len(sign(fresh, fingerprint)) == 256
    assert [line.split()[1] for line in fake.logins] == ["1", "2"][: 1 + int(always_auth)]


@pytest.mark.parametrize(
    ("flags", "code", "words"),
    [
        ({"no_flags": "8"}, "pin_not_set", {"vi": "chưa được đặt", "en": "has not been set"}),
        ({"flags": "80000"}, "pin_to_change", {"vi": "phải đổi", "en": "must be changed"}),
    ],
)
def test_t7_doctor_and_odoo_are_told_of_such_a_pin(fresh, fake, flags, code, words, language, tmp_path):
    fake.behave(**flags)
    assert [mark for mark, message in examined(fake, tmp_path) if words[language] in message] == ["!"]
    fresh.refresh()
    assert (code, "Fake token") in codes(fresh, fake)


# --- T8: mechanisms, keys and calls ---

QUIRKS = [
    {"mechanisms": "both", "init_refuses": "sha256"},
    {"mechanisms": "both", "sign_refuses": "sha256"},
    {"mechanisms": "both", "init_refuses": "plain"},
    {"can_sign": "missing"},
    {"modulus": "public", "public_key": "1"},
    {"modulus": "public", "key_id": "99", "public_key": "1"},
    {"modulus": "public", "key_id": "99"},
    {"no_cert_id": "1", "modulus": "public"},
    {"null_sign": "refused"},
    {"null_sign": "ends"},
    {"null_sign": "huge"},
    {"strict": "1"},
    {"strict": "1", "modulus": "public", "can_sign": "missing", "no_cert_id": "1"},
]


@pytest.mark.parametrize("quirks", QUIRKS, ids=lambda quirks: "-".join(f"{k}={v}" for k, v in quirks.items()))
@pytest.mark.parametrize("always_auth", ["0", "1"])
def test_t8_a_token_signs_in_its_own_way(fresh, fake, fingerprint, quirks, always_auth):
    fake.behave(always_auth=always_auth, **quirks)
    fresh.refresh()
    if always_auth == "1" and "sign_refuses" in quirks:
        # Its second login would come with the second mechanism: one try, whatever failed.
        with pytest.raises(SigningError) as caught:
            sign(fresh, fingerprint)
        assert caught.value.login_used
    else:
        assert len(sign(fresh, fingerprint)) == 256
    assert [line.split()[1] for line in fake.logins] == ["1", "2"][: 1 + int(always_auth)]


@pytest.mark.parametrize(
    ("quirks", "words"),
    [
        ({"mechanisms": "both", "init_refuses": "all"}, {"vi": "RSA-SHA256", "en": "RSA-SHA256"}),
        ({"mechanisms": "both", "sign_refuses": "all"}, {"vi": "RSA-SHA256", "en": "RSA-SHA256"}),
        ({"can_sign": "0"}, {"vi": "không dùng để ký", "en": "not meant for signatures"}),
    ],
)
def test_t8_what_cannot_sign_is_said(fresh, fake, fingerprint, quirks, words, language):
    fake.behave(**quirks)
    fresh.refresh()
    with pytest.raises(SigningError) as caught:
        sign(fresh, fingerprint)
    assert caught.value.code == "unsupported" and words[language] in caught.value.message
    assert len(fake.logins) == 1 and not caught.value.login_used


def test_t8_a_login_that_failed_is_not_repeated_for_the_other_mechanism(fresh, fake, fingerprint):
    fake.behave(mechanisms="both", always_auth="1", context="error")
    fresh.refresh()
    with pytest.raises(SigningError):
        sign(fresh, fingerprint)
    assert [line.split()[1] for line in fake.logins] == ["1", "2"]


# --- T9: which certificate, and why not the others ---


@pytest.fixture
def twice(fake, fingerprint):
    """The certificate on two tokens, the first without the key."""
    fake.second_token(fake.certificate, fake.key, PIN, serial="FAKE0002", label="Token hai")
    fake.behave(**{"private_key.7": "0"})
    return fingerprint


def test_t9_the_token_with_the_key_is_used(fresh, fake, twice):
    fake.behave(**{"public_key.8": "1"})
    fresh.refresh()
    assert fresh.find(twice).slot == 8
    assert len(sign(fresh, twice)) == 256 and [line.split()[3] for line in fake.logins] == ["8"]


def test_t9_where_that_shows_after_the_login_only_the_next_request_takes_the_other(fresh, fake, twice, tmp_path):
    fresh.refresh()
    box, person = Box(), Person(pins=[PIN, PIN, PIN])
    signer = BatchSigner(fresh, person, box, LeaseBook(), "s")
    for number in (1, 2):
        (entry,) = claimed([form()], twice)
        signer.work([{**entry, "id": number}])
        fresh.refresh()
    assert box.kinds() == ["failed", "signed"]
    assert box.deliveries["1"].code == "certificate_missing" and "Token hai" not in box.deliveries["1"].message
    assert "Fake token" in box.deliveries["1"].message
    assert [question.token_label for question in person.questions] == ["Fake token", "Token hai"]
    assert [line.split()[3] for line in fake.logins] == ["7", "8"]
    assert ("key_missing", "Fake token") in codes(fresh, fake)


def test_t9_the_pin_for_one_token_does_not_go_to_the_other(fresh, fake, twice):
    fresh.refresh()
    box = Box()
    signer = BatchSigner(
        fresh, DescriptorPrompt(Secret(bytearray(PIN.encode())), ("Fake token",)), box, LeaseBook(), "s"
    )
    for number in (1, 2):
        (entry,) = claimed([form()], twice)
        signer.work([{**entry, "id": number}])
    assert [line.split()[3] for line in fake.logins] == ["7"] and box.kinds() == ["failed"] * 2


def test_t9_a_locked_token_is_not_preferred(fresh, fake, twice):
    fake.behave(**{"private_key.7": "1"})
    fake.behave(**{"flags.7": "40000"})
    fresh.refresh()
    assert fresh.find(twice).slot == 8


@pytest.mark.parametrize("search", ["login", "hidden"])
def test_t9_a_certificate_that_shows_after_a_login_only_is_said(fresh, fake, search, language, tmp_path):
    fake.behave(search=search)
    fresh.refresh()
    words = {"vi": "sau khi nhập PIN", "en": "after the PIN"}[language]
    assert [mark for mark, message in examined(fake, tmp_path) if words in message] == ["!"]
    assert ("certificate_hidden", "Fake token") in codes(fresh, fake) and fake.logins == []


def test_t9_zero_bytes_behind_a_certificate_do_not_matter(fresh, fake, fingerprint):
    fake.behave(cert_zeros="600")
    fresh.refresh()
    assert [c.fingerprint for c in fresh.certificates()] == [fingerprint]
    assert len(sign(fresh, fingerprint)) == 256


def many(fake, count: int, **options) -> None:
    """``count`` more certificates on the token."""
    ders = [pki.certificate(fake.key, pki.TAX_CODE, **options) for _ in range(count)]
    path = fake.folder / "more.bin"
    path.write_bytes(b"".join(len(der).to_bytes(4, "big") + der for der in ders))
    fake.behave(more_certs=str(path))


def test_t9_of_more_than_64_certificates_those_that_can_sign_are_reported(fake, lone_agent, odoo, tmp_path):
    import datetime as dt

    from cryptography import x509

    old = dt.datetime(2020, 1, 1, tzinfo=dt.timezone.utc)
    many(fake, 70, start=old)
    usable = pki.certificate(fake.key, pki.TAX_CODE)
    with (fake.folder / "more.bin").open("ab") as stream:
        stream.write(len(usable).to_bytes(4, "big") + usable)
    manager = TokenManager([LibraryProcess(fake.path)])
    try:
        manager.refresh()
        assert len(manager.certificates()) == 72
        assert ("certificates_left_out", "8") in codes(manager, fake)
        lone_agent._manager = manager
        lone_agent.beat()
    finally:
        manager.close()
    (body,) = [body for path, body in odoo.calls if path == "heartbeat"]
    assert len(body["certificates"]) == 64
    import base64

    sent = {base64.b64decode(entry if isinstance(entry, str) else entry["der"]) for entry in body["certificates"]}
    assert {usable, fake.certificate} <= sent
    assert x509.load_der_x509_certificate(usable)
    assert [m for mark, m in examined(fake, tmp_path) if mark == "!" and "64" in m and "8" in m]


# --- T11: files that are no good ---


def test_t11_a_library_that_is_not_there_is_said_so(tmp_path, fake, language):
    fake.path = str(tmp_path / "gone.so")
    words = {"vi": "không có tệp này", "en": "no such file"}[language]
    assert [mark for mark, message in examined(fake, tmp_path) if words in message] == ["!"]


def test_t11_what_a_library_lacks_is_named(tmp_path, fake, language):
    """A library that another one needs was not installed with it."""
    if sys.platform == "win32":
        path = Path(os.environ["IBHXH_TEST_LIBRARIES"], "alone", "needs.dll")
    else:
        (tmp_path / "needed.c").write_text("int needed(void) { return 7; }\n")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", "libneeded7.so", "needed.c"], cwd=tmp_path, check=True)
        source = Path(__file__).with_name("helpers") / "fakep11.c"
        path = tmp_path / "needs.so"
        options = ["-DNEEDS_ANOTHER", "-L.", "-lneeded7", "-Wl,--no-as-needed"]
        subprocess.run(["cc", "-shared", "-fPIC", "-o", path, source, *options], cwd=tmp_path, check=True)
        (tmp_path / "libneeded7.so").unlink()
    fake.path = str(path)
    found = examined(fake, tmp_path)
    named = [message for mark, message in found if mark == "X" and path.name in message]
    assert len(named) == 1 and ("libneeded7.so" in named[0] or sys.platform == "win32"), found


def test_t11_a_path_that_is_not_text_is_loaded(fresh, fake, fingerprint, tmp_path):
    import shutil

    odd = os.fsencode(tmp_path) + b"/driver-\xff.so"
    shutil.copy(fake.path, odd)
    manager = TokenManager([LibraryProcess(os.fsdecode(odd))])
    try:
        manager.refresh()
        assert len(sign(manager, fingerprint)) == 256
        fake.path = os.fsdecode(odd)
        assert [m for mark, m in examined(fake, tmp_path) if mark == "ok" and "driver-" in m]
    finally:
        manager.close()


def test_t11_a_pipe_that_is_named_as_library_is_refused_at_once(tmp_path, language, monkeypatch):
    """Opening it would wait for somebody who writes into it."""
    os.mkfifo(tmp_path / "driver.so")
    library = LibraryProcess(str(tmp_path / "driver.so"))
    manager = TokenManager([library])
    try:
        manager.refresh()
        assert manager.reasons == {library.path: "load"}
        assert {"vi": "không phải tệp", "en": "not a file"}[language] in library.problem
    finally:
        manager.close()
