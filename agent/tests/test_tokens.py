"""Several libraries, slots and tokens; plugging and pulling; one login at a time."""

from __future__ import annotations

import subprocess
import sys

import pki
import pytest
import softhsm

from ibhxh_agent.errors import SigningError
from ibhxh_agent.secret import Secret
from ibhxh_agent.tokens.lock import exclusive_token
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess


def manager_of(*paths: str, **options) -> TokenManager:
    return TokenManager([LibraryProcess(path) for path in paths], **options)


@pytest.fixture
def closing():
    made = []
    yield lambda manager: made.append(manager) or manager
    for manager in made:
        manager.close()


def test_two_tokens_in_two_slots(own_hsm, closing):
    own_hsm.add("Một", [(pki.key(0), pki.certificate(pki.key(0), "0100109106"))])
    own_hsm.add(
        "Hai",
        [(pki.key(1), pki.certificate(pki.key(1), "0100686174")), (pki.key(2), pki.certificate(pki.key(2), None))],
    )
    manager = closing(manager_of(softhsm.LIBRARY))
    assert manager.refresh() is True
    assert {token.label for token in manager.tokens} == {"Một", "Hai"}
    assert sorted(c.tax_codes for c in manager.certificates()) == [("0100109106",), ("0100686174",)]
    for certificate in manager.certificates():
        assert manager.find(certificate.fingerprint).holds(certificate.fingerprint)
    assert manager.refresh() is False


def test_the_same_certificate_through_two_libraries_counts_once(hsm, first_certificate, closing, monkeypatch):
    monkeypatch.setenv("PKCS11SPY", softhsm.LIBRARY)
    monkeypatch.setenv("PKCS11SPY_OUTPUT", "/dev/null")
    manager = closing(manager_of(softhsm.LIBRARY, softhsm.SPY))
    manager.refresh()
    assert len(manager.tokens) == 2
    assert [c.fingerprint for c in manager.certificates()] == [first_certificate.fingerprint]
    assert len({token.identity for token in manager.tokens}) == 1


def test_a_token_that_is_plugged_in_and_pulled_out_is_noticed(fake, closing):
    manager = closing(manager_of(fake.path))
    fake.behave(present="0")
    assert manager.refresh() is False and manager.tokens == ()
    fake.behave(present="1")
    assert manager.refresh() is True and len(manager.certificates()) == 1
    assert manager.refresh() is False
    fake.behave(serial="FAKE0002")  # another token in the same slot
    assert manager.refresh() is True
    fake.behave(present="0")
    assert manager.refresh() is True and manager.certificates() == []


def test_certificates_are_read_once_and_again_after_a_while(fake, closing):
    now = [0.0]
    manager = closing(manager_of(fake.path, monotonic=lambda: now[0]))
    manager.refresh()
    (before,) = manager.certificates()
    (fake.folder / "certificate.der").write_bytes(pki.certificate(fake.key, pki.TAX_CODE))
    assert manager.refresh() is False and manager.certificates() == [before]
    now[0] = TokenManager.REREAD + 1
    assert manager.refresh() is True and manager.certificates() != [before]


def test_a_change_of_pin_flags_is_reported(fake, closing):
    manager = closing(manager_of(fake.path))
    manager.refresh()
    fake.behave(flags="20000")
    assert manager.refresh() is True
    assert "final_try" in manager.tokens[0].flags


def test_a_certificate_that_cannot_be_read_is_left_out(fake, closing):
    (fake.folder / "certificate.der").write_bytes(b"not a certificate")
    manager = closing(manager_of(fake.path))
    manager.refresh()
    assert len(manager.tokens) == 1 and manager.certificates() == []


def test_a_login_happens_only_on_the_token_with_the_certificate(own_hsm, closing, tmp_path, monkeypatch):
    """Two tokens with different PINs: signing with one never shows its PIN to the other."""
    own_hsm.add("Một", [(pki.key(0), pki.certificate(pki.key(0), "0100109106"))], pin="pin-of-one")
    own_hsm.add("Hai", [(pki.key(1), pki.certificate(pki.key(1), "0100686174"))], pin="pin-of-two")
    log = tmp_path / "spy.log"
    monkeypatch.setenv("PKCS11SPY", softhsm.LIBRARY)
    monkeypatch.setenv("PKCS11SPY_OUTPUT", str(log))
    manager = closing(manager_of(softhsm.SPY))
    manager.refresh()
    certificate = next(c for c in manager.certificates() if c.tax_codes == ("0100686174",))
    token = manager.find(certificate.fingerprint)
    assert token.label == "Hai"
    with manager.signing_key(token, certificate, Secret(bytearray(b"pin-of-two")), warned=False) as key:
        assert key.key_size == 2048
        for private in (key.decrypt, key.private_numbers, key.private_bytes):
            with pytest.raises(TypeError):
                private()
    assert log.read_text(encoding="utf-8", errors="replace").count("C_Login\n") == 1


def test_another_process_that_holds_the_token_is_waited_for_then_told(tmp_path):
    folder = tmp_path / "locks"
    folder.mkdir()
    code = (
        "import sys, pathlib; from ibhxh_agent.tokens.lock import exclusive_token\n"
        "with exclusive_token('m', 's', 5, pathlib.Path(sys.argv[1])):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    with pytest.raises(SigningError) as caught, exclusive_token("m", "s", 0.1, folder):
        pytest.fail("two processes hold one token")
    assert caught.value.code == "driver_error" and "chương trình khác" in caught.value.message
    with exclusive_token("m", "another", 0.1, folder):
        assert len(list(folder.iterdir())) == 2
    other.kill()
    other.communicate()
    with exclusive_token("m", "s", 5, folder):
        assert list(folder.iterdir())


def test_two_agents_that_want_the_same_token_log_in_one_after_the_other(fake, closing):
    """The second waits: never two logins at once, never a lost one."""
    import threading

    managers = [closing(manager_of(fake.path)) for _ in range(2)]
    (certificate,) = [m.refresh() and m.certificates()[0] for m in managers][:1]
    inside, most, errors = [], [], []

    def use(manager):
        try:
            token = manager.find(certificate.fingerprint)
            with manager.signing_key(token, certificate, Secret(bytearray(b"Fake-4482-pin")), warned=False):
                inside.append(1)
                most.append(len(inside))
                inside.pop()
        except SigningError as error:
            errors.append(error)

    threads = [threading.Thread(target=use, args=(manager,)) for manager in managers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == [] and most == [1, 1] and len(fake.logins) == 2
