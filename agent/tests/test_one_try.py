"""A PIN is tried once, and only on the token that it was entered for: findings T1, T2 and T12."""

from __future__ import annotations

import hashlib
import time

import pki
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.name import _ASN1Type
from cryptography.x509.oid import NameOID
from fakelib import PIN
from forms import form
from lxml import etree
from people import Box, LeaseBook, Person, claimed

from ibhxh_agent.batch import BatchSigner
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.children import Child
from ibhxh_agent.prompt.descriptor import DescriptorPrompt
from ibhxh_agent.secret import Secret
from ibhxh_agent.tokens.process import Timeouts

OTHER_PIN = "Second-9317-pin"


def secret(pin: str = PIN) -> Secret:
    return Secret(bytearray(pin.encode()))


@pytest.fixture
def box():
    return Box()


def unattended(manager, box, pin=PIN, tokens=()):
    return BatchSigner(manager, DescriptorPrompt(secret(pin), tokens), box, LeaseBook(), "s")


@pytest.fixture
def fingerprint(fake):
    return hashlib.sha256(fake.certificate).hexdigest()


@pytest.mark.parametrize(
    "trouble",
    [
        {"context_pin": "a-PIN-of-its-own"},
        {"context": "error"},
        {"context": "device_error"},
        {"context": "garbage"},
        {"context": "crash"},
        {"context": "hang"},
    ],
    ids=lambda trouble: str(*trouble.values()),
)
def test_t1_a_login_for_a_signature_that_fails_is_the_last_use_of_this_pin(
    fake, manager, box, fingerprint, trouble, monkeypatch
):
    """Unattended, three requests: on a card with a separate signature PIN the third one locked it."""
    fake.behave(always_auth="1", **trouble)
    (library,) = manager._libraries.values()
    receive = Child.receive

    def once_it_hangs(child, timeout):
        while (
            trouble.get("context") == "hang"
            and timeout == 0.5
            and "hanging" not in fake.log.read_text(encoding="utf-8")
        ):
            time.sleep(0)
        return receive(child, timeout)

    monkeypatch.setattr(Child, "receive", once_it_hangs)
    library.timeouts = Timeouts(close=1, sign=0.5 if trouble.get("context") == "hang" else 30)
    signer = unattended(manager, box)
    for number in (1, 2, 3):
        (entry,) = claimed([form()], fingerprint)
        signer.work([{**entry, "id": number}])
    assert [delivery.kind for delivery in box.deliveries.values()] == ["failed"] * 3
    assert [line.split()[1] for line in fake.logins] == ["1", "2"]
    assert {box.deliveries[str(number)].code for number in (2, 3)} == {"pin_incorrect"}


def test_t1_a_person_is_warned_after_it(fake, manager, box, fingerprint):
    fake.behave(always_auth="1", context="error")
    person = Person(pins=[PIN] * 3)
    signer = BatchSigner(manager, person, box, LeaseBook(), "s")
    for number in (1, 2):
        (entry,) = claimed([form()], fingerprint)
        signer.work([{**entry, "id": number}])
    fake.behave(context="ok")
    (entry,) = claimed([form()], fingerprint)
    signer.work([{**entry, "id": 3}])
    assert box.deliveries["3"].kind == "signed"
    counted = ["".join(filter(lambda w: "đăng nhập" in w, question.warnings))[:1] for question in person.questions]
    assert counted == ["", "1", "2"]


def test_t1_a_batch_ends_with_the_first_login_that_fails(fake, manager, box, fingerprint):
    fake.behave(always_auth="1")
    signer = unattended(manager, box)
    put = box.put

    def then_fail(delivery, **more):
        put(delivery, **more)
        fake.behave(context="device_error")

    box.put = then_fail
    signer.work(claimed([form()] * 5, fingerprint))
    assert box.kinds() == ["signed"] + ["failed"] * 4
    assert [line.split()[1] for line in fake.logins] == ["1", "2", "2"]


def test_t1_an_error_of_any_kind_at_the_login_counts(fake, manager, box, fingerprint):
    for how in ("error", "device_error", "garbage", "crash"):
        fake.log.write_text("")
        fake.behave(login=how)
        signer = unattended(manager, box)
        for number in (1, 2):
            (entry,) = claimed([form()], fingerprint)
            signer.work([{**entry, "id": f"{how}{number}"}])
        assert len(fake.logins) == 1, how


@pytest.fixture
def twins(fake, manager):
    """Two tokens of one maker with the same serial number and label, as some makers give to all."""
    key = pki.key(51)
    certificate = pki.certificate(key, pki.TAX_CODE, name="CÔNG TY HAI")
    fake.second_token(certificate, key, OTHER_PIN)
    manager.refresh(everything=True)
    assert len({token.identity for token in manager.tokens}) == 2
    return hashlib.sha256(certificate).hexdigest()


@pytest.mark.parametrize("first", [7, 8])
def test_t2_the_pin_from_the_start_goes_to_no_token_while_it_could_be_of_two(
    fake, manager, box, fingerprint, twins, first
):
    order = [fingerprint, twins] if first == 7 else [twins, fingerprint]
    signer = unattended(manager, box)
    for number, one in enumerate(order):
        (entry,) = claimed([form()], one)
        signer.work([{**entry, "id": number}])
    assert fake.logins == [] and {d.code for d in box.deliveries.values()} == {"pin_cancelled"}
    assert "--token" in box.deliveries["0"].message


def test_t2_the_pin_stays_with_the_token_that_was_alone_when_it_was_needed(fake, manager, box, fingerprint):
    signer = unattended(manager, box)
    signer.work(claimed([form()], fingerprint))
    key = pki.key(51)
    certificate = pki.certificate(key, pki.TAX_CODE)
    fake.second_token(certificate, key, OTHER_PIN)
    manager.refresh(everything=True)
    (entry,) = claimed([form()], hashlib.sha256(certificate).hexdigest())
    signer.work([{**entry, "id": 2}])
    (entry,) = claimed([form()], fingerprint)
    signer.work([{**entry, "id": 3}])
    assert [box.deliveries[str(n)].kind for n in (1, 2, 3)] == ["signed", "failed", "signed"]
    assert [line.split()[3] for line in fake.logins] == ["7", "7"]


def test_t2_a_person_enters_each_pin_for_one_token(fake, manager, box, fingerprint, twins):
    person = Person(pins=[PIN, OTHER_PIN])
    signer = BatchSigner(manager, person, box, LeaseBook(), "s")
    one, other = claimed([form()], fingerprint) + claimed([form()], twins)
    signer.work([one, {**other, "id": 2}])
    assert box.kinds() == ["signed"] * 2
    assert [line.split()[1:4] for line in fake.logins] == [["1", "13", "7"], ["1", "15", "8"]]


def test_t2_another_token_in_the_slot_gets_no_pin(fake, manager, box, fingerprint):
    """Same slot, same serial number, same certificate; only the label says that it is another one."""
    fake.behave(label="Another token")
    unattended(manager, box).work(claimed([form()], fingerprint))
    assert fake.logins == [] and box.deliveries["1"].code == "token_removed"


HARMFUL = "A\x1b[2J\x00\nB\u202e"


def hostile_certificate(key, serial: int | None = None) -> bytes:
    """A certificate whose names would rearrange a screen."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, HARMFUL, _ASN1Type.UTF8String),
            x509.NameAttribute(NameOID.USER_ID, f"MST:{pki.TAX_CODE}"),
        ]
    )
    parsed = x509.load_der_x509_certificate(pki.certificate(key))
    built = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(0x5EED5EED5EED5EED)
        .not_valid_before(parsed.not_valid_before_utc)
        .not_valid_after(parsed.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    ).public_bytes(serialization.Encoding.DER)
    # A negative serial number: its first bit. The certificate's own signature is nobody's business here.
    return built.replace(b"\x02\x08\x5e\xed\x5e\xed", b"\x02\x08\xde\xed\x5e\xed", 1) if serial else built


@pytest.mark.filterwarnings("ignore:Parsed a serial number which wasn't positive")
@pytest.mark.parametrize("negative", [False, True])
def test_t12_hostile_names_are_shown_harmlessly_and_sign(fake, manager, box, negative):
    der = hostile_certificate(fake.key, -1 if negative else None)
    (fake.folder / "certificate.der").write_bytes(der)
    fake.behave(label_hex="".join(f"{byte:02x}" for byte in HARMFUL.encode()))
    manager.refresh(everything=True)
    (certificate,) = manager.certificates()
    person = Person(pins=[PIN])
    BatchSigner(manager, person, box, LeaseBook(), "s").work(claimed([form()], certificate.fingerprint))
    (question,) = person.questions
    shown = "".join(row.value for row in question.facts()) + "".join(question.warnings)
    assert shown.isprintable() and "A [2J" in shown
    import base64

    assert box.kinds() == ["signed"], box.deliveries["1"].message
    signed = etree.fromstring(base64.b64decode(box.deliveries["1"].document))
    subject = signed.findtext(".//{http://www.w3.org/2000/09/xmldsig#}X509SubjectName")
    assert subject.isprintable() and r"\1B" in subject


def test_t12_what_goes_to_the_server_is_harmless(fake, manager):
    from ibhxh_agent.runner import _described

    fake.behave(label_hex="".join(f"{byte:02x}" for byte in HARMFUL.encode()))
    manager.refresh(everything=True)
    assert "".join(map(str, _described(manager.tokens[0]).values())).isprintable()


UIDS = [
    ("MST:0100109106", "0100109106"),
    ("mst:0100109106", "0100109106"),
    ("MST: 0100109106 - 001", "0100109106-001"),
    ("MST：0100109106", "0100109106"),
    ("MST:0100109106001", "0100109106-001"),
    ("MST:01001 09106", "0100109106"),
    ("MST:VN0100109106", "0100109106"),
    ("MST:VN0100109106-001", "0100109106-001"),
    ("MST:001099012345", "001099012345"),
    ("CCCD:001099012345", "001099012345"),
    ("cccd : 001099012345", "001099012345"),
    ("MNS:1054321", "1054321"),
    ("CCCD:001099", None),
    ("CMND:012345678", None),
    ("MST:", None),
    ("0100109106", None),
]


@pytest.mark.parametrize(("uid", "code"), UIDS)
def test_the_owner_is_read_from_every_spelling_of_the_uid(uid, code):
    key = pki.key(0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "A"), x509.NameAttribute(NameOID.USER_ID, uid)])
    parsed = x509.load_der_x509_certificate(pki.certificate(key))
    der = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(parsed.not_valid_before_utc)
        .not_valid_after(parsed.not_valid_after_utc)
        .sign(key, hashes.SHA256())
    ).public_bytes(serialization.Encoding.DER)
    certificate = TokenCertificate.from_der(der)
    assert certificate.tax_codes == ((code,) if code else ())
    if code:
        assert certificate.belongs_to(code) and not certificate.belongs_to(code[:-1])
