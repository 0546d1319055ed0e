"""A library that crashes, hangs, lies or is locked costs one request; the agent and the other tokens go on."""

from __future__ import annotations

import os
import sys
import time

import pytest
import softhsm
from fakelib import PIN
from forms import form
from signing import secret, sign

from ibhxh_agent.children import Child
from ibhxh_agent.errors import FinalTryWarning, SigningError
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess, Timeouts

SOON = 0.5


def soon(step: str, how: str) -> Timeouts:
    """Little patience for the one step that hangs, all the time that a busy computer needs for the others."""
    return Timeouts(**{step: SOON}) if how == "hang" else Timeouts()


@pytest.fixture
def _once_it_hangs(fake, monkeypatch):
    """The little patience begins when the step hangs: a busy computer takes longer than that to come there."""
    receive = Child.receive

    def later(child, timeout):
        while timeout == SOON and child.alive and "hanging" not in fake.log.read_text(encoding="utf-8"):
            time.sleep(0)
        return receive(child, timeout)

    monkeypatch.setattr(Child, "receive", later)


HOWS = ["crash", "hang", "garbage", "error"]


@pytest.fixture
def manager(fake, hsm):
    made = TokenManager([LibraryProcess(fake.path), LibraryProcess(softhsm.LIBRARY)])
    made.refresh()
    yield made
    made.close()


@pytest.fixture
def fingerprint(manager, first_certificate):
    (found,) = [c.fingerprint for c in manager.certificates() if c.fingerprint != first_certificate.fingerprint]
    return found


@pytest.mark.parametrize("mechanisms", ["sha256", "plain"])
@pytest.mark.parametrize("always_auth", ["0", "1"])
def test_a_well_behaved_library_signs(manager, fake, fingerprint, mechanisms, always_auth):
    fake.behave(mechanisms=mechanisms, always_auth=always_auth)
    assert len(sign(manager, fingerprint)) == 256  # TokenKey has verified it
    users = [line.split()[1] for line in fake.logins]
    assert users == (["1", "2"] if always_auth == "1" else ["1"])


@pytest.mark.usefixtures("_once_it_hangs")
@pytest.mark.parametrize("step", ["login", "sign"])
@pytest.mark.parametrize("how", HOWS)
def test_trouble_while_signing_ends_as_driver_error(manager, fake, fingerprint, first_certificate, step, how):
    fake.behave(**{step: how})
    library = manager._libraries[fake.path]
    library.timeouts = soon(step, how)
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint)
    library.timeouts = Timeouts()
    assert caught.value.code == "driver_error"
    assert caught.value.login_used is (step == "login")
    assert len(fake.logins) == 1
    assert len(sign(manager, first_certificate.fingerprint, softhsm.PIN)) == 256
    fake.behave(**{step: "ok"})
    assert len(sign(manager, fingerprint)) == 256  # a person asked again: no rest applies


@pytest.mark.usefixtures("_once_it_hangs")
@pytest.mark.parametrize("step", ["load", "list"])
@pytest.mark.parametrize("how", HOWS)
def test_trouble_while_looking_leaves_the_other_tokens(fake, hsm, first_certificate, step, how):
    fake.behave(**{step: how})
    library = LibraryProcess(fake.path, soon(step, how))
    manager = TokenManager([library, LibraryProcess(softhsm.LIBRARY)])
    try:
        manager.refresh()
        library.timeouts = Timeouts()
        assert [c.fingerprint for c in manager.certificates()] == [first_certificate.fingerprint]
        assert list(manager.problems) == [fake.path]
        assert len(sign(manager, first_certificate.fingerprint, softhsm.PIN)) == 256
        fake.behave(**{step: "ok"})
        manager.refresh(everything=True)
        assert len(manager.tokens) == 2 and not manager.problems
    finally:
        manager.close()


def test_a_failing_library_rests_longer_and_longer(fake):
    fake.behave(load="crash")
    now = [0.0]
    library = LibraryProcess(fake.path, monotonic=lambda: now[0])
    rests = []
    for _ in range(9):
        with pytest.raises(SigningError):
            library.tokens()
        rest = 0
        while library.resting:
            now[0] += 5
            rest += 5
        rests.append(rest)
    assert rests == [5, 10, 20, 40, 80, 160, 320, 600, 600]
    fake.behave(load="ok")
    assert len(library.tokens()) == 1 and not library.problem
    library.close()


def test_a_resting_library_is_not_started(fake):
    fake.behave(load="crash")
    library = LibraryProcess(fake.path, monotonic=lambda: 0.0)
    manager = TokenManager([library])
    manager.refresh()
    assert library.resting
    fake.behave(load="ok")
    manager.refresh()
    assert library.pid is None and manager.tokens == ()


def test_three_wrong_pins_lock_and_the_last_needs_a_warning(manager, fake, fingerprint):
    fake.behave(tries="3")
    for _ in range(2):
        with pytest.raises(SigningError) as caught:
            sign(manager, fingerprint, "wrong")
        assert caught.value.code == "pin_incorrect" and caught.value.login_used
    with pytest.raises(FinalTryWarning) as warning:
        sign(manager, fingerprint, PIN)
    assert not warning.value.login_used and len(fake.logins) == 2
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint, "wrong", warned=True)
    assert caught.value.code == "pin_locked" and len(fake.logins) == 3
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint, PIN, warned=True)
    assert caught.value.code == "pin_locked" and len(fake.logins) == 3  # locked: not even tried


def test_a_general_error_at_login_counts_as_a_try_and_says_so(manager, fake, fingerprint):
    fake.behave(login="error")
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint)
    assert caught.value.login_used and "PIN có thể" not in caught.value.message and "PIN sai" in caught.value.message


@pytest.mark.parametrize(("answer", "code"), [("ok", None), ("cancel", "pin_cancelled")])
def test_a_pin_pad_gets_no_pin_from_us(manager, fake, fingerprint, answer, code):
    fake.behave(flags="100", pad_answer=answer)
    manager.refresh()
    if code is None:
        assert len(sign(manager, fingerprint)) == 256
    else:
        with pytest.raises(SigningError) as caught:
            sign(manager, fingerprint)
        assert caught.value.code == code
    assert [line.split() for line in fake.logins] == [["login", "1", "0", "7", "null"]]


def test_no_fitting_mechanism_is_unsupported_before_any_login(manager, fake, fingerprint):
    fake.behave(mechanisms="none")
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint)
    assert caught.value.code == "unsupported" and fake.logins == []


def test_a_certificate_that_left_the_token_is_found_out_before_any_login(manager, fake, fingerprint):
    import pki

    (fake.folder / "certificate.der").write_bytes(pki.certificate(pki.key(51)))
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint)
    assert caught.value.code == "certificate_missing" and fake.logins == []


def test_a_token_pulled_out_is_told(manager, fake, fingerprint):
    fake.behave(present="0")
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint)
    assert caught.value.code == "token_removed" and fake.logins == []
    assert manager.refresh() is True
    assert fingerprint not in {c.fingerprint for c in manager.certificates()}


@pytest.mark.parametrize("step", ["login", "sign"])
def test_t13_a_token_pulled_out_at_work_is_told_whatever_its_driver_calls_it(manager, fake, fingerprint, step):
    """OpenSC says CKR_GENERAL_ERROR then. The PIN may have been tried."""
    fake.behave(**{step: "pulled"})
    with pytest.raises(SigningError) as caught:
        sign(manager, fingerprint)
    assert caught.value.code == "token_removed" and len(fake.logins) == 1
    assert caught.value.login_used is (step == "login")


def test_a_child_killed_from_outside_is_replaced(manager, fake, fingerprint):
    import signal

    library = manager._libraries[fake.path]
    os.kill(library.pid, signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL)
    assert len(sign(manager, fingerprint)) == 256


def test_the_agent_lives_through_it_all(agent, paired, fake, hsm, first_certificate):
    """Four requests for the broken token, one for the good one, with the real command."""
    import hashlib

    broken = hashlib.sha256(fake.certificate).hexdigest()
    options = ("run", "--poll-interval", "0.2", "--token", "Kế toán", "--token", "Fake token")
    process = agent("--library", softhsm.LIBRARY, *options, pin=softhsm.PIN, library=fake.path)
    fake.behave(pin=softhsm.PIN)
    for how in ("crash", "garbage", "error"):
        fake.behave(sign=how)
        bad = paired.add(form(), broken)
        paired.wait_for(lambda bad=bad: bad.state == "failed")
        assert bad.code == "driver_error"
    good = paired.add(form(), first_certificate.fingerprint)
    paired.wait_for(lambda: good.state == "signed")
    fake.behave(sign="ok")
    again = paired.add(form(), broken)
    paired.wait_for(lambda: again.state == "signed")
    assert process.poll() is None


def test_a_child_is_replaced_before_it_leaks_too_much(fake, monkeypatch):
    monkeypatch.setattr(LibraryProcess, "CALLS", 5)
    library = LibraryProcess(fake.path)
    pids = {library.tokens() and library.pid for _ in range(5)}
    assert len(pids) == 1
    library.tokens()
    assert library.pid is None  # ended; the next call starts a fresh one
    assert library.tokens() and library.pid not in pids
    library.close()


def test_a_child_that_sees_no_token_is_started_anew_now_and_then(fake):
    now = [0.0]
    library = LibraryProcess(fake.path, monotonic=lambda: now[0])
    fake.behave(present="0")
    assert library.tokens() == [] and library.pid is not None
    now[0] = LibraryProcess.EMPTY + 1
    assert library.tokens() == [] and library.pid is None
    fake.behave(present="1")
    assert len(library.tokens()) == 1
    now[0] *= 2.5
    assert len(library.tokens()) == 1 and library.pid is not None
    library.close()


def test_j4_the_next_login_finds_a_process_that_runs_already(fake):
    """It starts while the token signs; the library is loaded by one process at a time."""
    library = LibraryProcess(fake.path)
    manager = TokenManager([library])
    manager.refresh()
    (certificate,) = manager.certificates()
    token = manager.find(certificate.fingerprint)
    before = library.pid
    with manager.signing_key(token, certificate, secret(), warned=False):
        assert library.pid == before and library.spare_pid not in (None, before)
        spare = library.spare_pid
        assert fake.logins == ["login 1 13 7 "]
    assert library.pid == spare and library.spare_pid is None
    with manager.signing_key(token, certificate, secret(), warned=False):
        assert library.pid == spare
    manager.close()
    assert library.pid is None and library.spare_pid is None
