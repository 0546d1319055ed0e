"""From claimed requests to answers: checks, one question, one login, progress, stopping, remembering the PIN."""

from __future__ import annotations

import base64
import datetime as dt
import subprocess

import pki
import pytest
import softhsm
from fakelib import PIN as FAKE_PIN
from forms import EXTRA, HEAD, form
from lxml import etree
from people import Box, LeaseBook, Person, claimed

from ibhxh_agent.batch import BatchSigner
from ibhxh_agent.document import Row
from ibhxh_agent.prompt.base import Decision
from ibhxh_agent.prompt.descriptor import DescriptorPrompt
from ibhxh_agent.secret import Secret
from ibhxh_agent.tokens.manager import TokenManager
from ibhxh_agent.tokens.process import LibraryProcess


@pytest.fixture
def box():
    return Box()


@pytest.fixture
def leases():
    return LeaseBook()


@pytest.fixture
def fingerprint(manager):
    (certificate,) = manager.certificates()
    return certificate.fingerprint


@pytest.fixture
def person():
    return Person(pins=[FAKE_PIN] * 3)


@pytest.fixture
def signer(manager, person, box, leases):
    return BatchSigner(manager, person, box, leases, "https://odoo.example")


def contact(item):
    return next(row.value for row in item.rows if row.label == "Người liên hệ")


def test_500_dossiers_need_one_question_one_pin_and_one_login(hsm, first_certificate, box, leases):
    manager = TokenManager([LibraryProcess(softhsm.LIBRARY)])
    manager.refresh()
    person = Person(pins=[softhsm.PIN])
    documents = [form(NguoiLienHe=f"Nguyễn Thị Hoa {number}") for number in range(500)]
    signer = BatchSigner(manager, person, box, leases, "https://odoo.example")
    signer.work(claimed(documents, first_certificate.fingerprint))
    manager.close()
    assert box.kinds() == ["signed"] * 500
    assert box.patient == [str(number) for number in range(1, 500)], "the last one waits for nothing"
    (question,) = person.questions
    assert [contact(item) for item in question.items] == [f"Nguyễn Thị Hoa {number}" for number in range(500)]
    assert person.progress_seen == [(number, 500) for number in range(1, 501)]
    assert person.results == ["Đã ký 500, không ký 0."] and leases.held == set()
    for number in (1, 250, 500):
        signed = base64.b64decode(box.deliveries[str(number)].document)
        assert etree.fromstring(signed).findtext("NoiDung/NguoiLienHe") == f"Nguyễn Thị Hoa {number - 1}"


def test_what_a_batch_signed_is_accepted_by_another_implementation(hsm, first_certificate, box, leases, tmp_path):
    manager = TokenManager([LibraryProcess(softhsm.LIBRARY)])
    manager.refresh()
    signer = BatchSigner(manager, Person(pins=[softhsm.PIN]), box, leases, "https://odoo.example")
    documents = [form(NguoiLienHe=f"Nguyễn Thị Hoa {number}") for number in range(3)]
    signer.work(claimed(documents, first_certificate.fingerprint))
    manager.close()
    (tmp_path / "c.der").write_bytes(first_certificate.der)
    for number in (1, 2, 3):
        (tmp_path / "s.xml").write_bytes(base64.b64decode(box.deliveries[str(number)].document))
        command = ["xmlsec1", "--verify", "--pubkey-cert-der", "c.der", "s.xml"]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)


def test_stopping_in_the_middle_leaves_nothing_half_done(signer, person, box, leases, fake, fingerprint):
    person.stop_after = 3
    signer.work(claimed([form()] * 8, fingerprint))
    assert box.kinds() == ["signed"] * 3 + ["failed"] * 5
    assert {box.deliveries[str(n)].code for n in range(4, 9)} == {"pin_cancelled"}
    assert "dừng" in box.deliveries["4"].message and leases.held == set()
    assert len(fake.logins) == 1


def test_stopping_at_the_last_one_fails_nothing(signer, person, box, fingerprint):
    person.stop_after = 2
    signer.work(claimed([form()] * 2, fingerprint))
    assert box.kinds() == ["signed"] * 2


def test_a_request_given_to_somebody_else_is_not_signed(signer, box, leases, fingerprint):
    leases.taken.add("2")
    signer.work(claimed([form()] * 3, fingerprint))
    assert sorted(box.deliveries) == ["1", "3"]


@pytest.mark.parametrize(("decision", "code"), [(Decision.REFUSE, "refused"), (Decision.LATER, "pin_cancelled")])
def test_the_person_says_no(signer, person, box, fake, fingerprint, decision, code):
    person.decision = decision
    signer.work(claimed([form()] * 2, fingerprint))
    assert [d.code for d in box.deliveries.values()] == [code] * 2 and fake.logins == []


def test_c22_what_has_no_answer_when_the_agent_ends_is_given_back(signer, person, box, leases, fingerprint):
    """Nobody declined it: in Odoo it waits on, and is asked for at the next start."""
    person.leaves, person.decision = True, Decision.LATER
    signer.work(claimed([form(), form(Email="khac@example.com")], fingerprint))  # two questions
    assert box.kinds() == ["release"] * 2 and leases.held == set() and len(person.questions) == 1
    box.deliveries.clear()
    person.decision, person.stop_after = Decision.SIGN, 3
    signer.work(claimed([form()] * 5, fingerprint))
    assert box.kinds() == ["signed"] * 3 + ["release"] * 2


def test_c22_an_answer_is_told_when_the_agent_ends_too(signer, person, box, fingerprint):
    person.leaves, person.decision = True, Decision.REFUSE
    signer.work(claimed([form()], fingerprint))
    assert box.deliveries["1"].code == "refused"


def test_a_wrong_pin_fails_the_whole_batch_after_one_login(signer, person, box, fake, fingerprint):
    person.pins = ["wrong"]
    signer.work(claimed([form()] * 5, fingerprint))
    assert [d.code for d in box.deliveries.values()] == ["pin_incorrect"] * 5
    assert len(fake.logins) == 1 and len(person.questions) == 1


def test_after_a_failed_login_the_person_is_warned(signer, person, box, fake, fingerprint):
    fake.behave(login="error")  # some chips answer CKR_GENERAL_ERROR for a wrong PIN and never change their flags
    signer.work(claimed([form()], fingerprint))
    assert box.deliveries["1"].code == "driver_error"
    fake.behave(login="ok")
    box.deliveries.clear()
    signer.work(claimed([form()], fingerprint))
    assert "1 lần đăng nhập gần nhất" in person.questions[1].warnings[0]
    box.deliveries.clear()
    signer.work(claimed([form()], fingerprint))
    assert not any("đăng nhập" in warning for warning in person.questions[2].warnings)  # it worked: forgiven


def test_the_last_try_is_only_spent_after_a_warning(signer, person, manager, box, fake, fingerprint):
    """The flag appears between the question and the login: another program used up a try meanwhile."""
    fake.behave(tries="2")
    manager.refresh()
    fake.log.write_text("login 1 4 \n")
    signer.work(claimed([form()], fingerprint))
    assert ["MỘT lần" in "".join(question.warnings) for question in person.questions] == [False, True]
    assert box.kinds() == ["signed"]


@pytest.mark.parametrize("known_before", [True, False])
def test_the_last_try_is_never_spent_unattended(manager, box, leases, fake, fingerprint, known_before):
    fake.behave(flags="20000")
    if known_before:
        manager.refresh()
    prompt = DescriptorPrompt(Secret(bytearray(FAKE_PIN.encode())))
    BatchSigner(manager, prompt, box, leases, "s").work(claimed([form()], fingerprint))
    assert box.deliveries["1"].code == "pin_cancelled" and "MỘT lần" in box.deliveries["1"].message
    assert fake.logins == []


def test_a_locked_token_is_not_asked_for(signer, person, manager, box, fake, fingerprint):
    fake.behave(flags="40000")
    manager.refresh()
    signer.work(claimed([form()], fingerprint))
    assert box.deliveries["1"].code == "pin_locked" and person.questions == [] and fake.logins == []


def test_b7_no_pin_is_kept(signer, person, box, fake, fingerprint):
    for _ in range(2):
        signer.work(claimed([form()], fingerprint))
        box.deliveries.clear()
    assert len(person.questions) == 2 and person.pins == [FAKE_PIN]


def test_a_missing_token_is_told(signer, box):
    signer.work(claimed([form()], "00" * 32))
    assert box.deliveries["1"].code == "certificate_missing"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sha256": "0" * 64}, "mã băm"),
        ({"form": "06"}, "mẫu 06"),
        ({"document": "!!!"}, "XML"),
        ({"document": None}, "XML"),
    ],
)
def test_one_bad_request_does_not_stop_the_others(signer, person, box, fingerprint, change, words):
    good, bad = claimed([form(), form()], fingerprint, form="04")
    signer.work([{**bad, **change}, good])
    assert box.deliveries["1"].kind == "signed"
    assert box.deliveries["2"].code == "refused" and words in box.deliveries["2"].message
    assert len(person.questions[0].items) == 1


@pytest.mark.parametrize("tax_code", ["0100686174", "0100109106-001", "01001091060"])
def test_a_form_of_another_company_is_refused_with_both_codes(signer, person, box, fake, fingerprint, tax_code):
    signer.work(claimed([form(MaSoThue=tax_code)], fingerprint))
    assert box.deliveries["1"].code == "refused"
    assert tax_code in box.deliveries["1"].message and pki.TAX_CODE in box.deliveries["1"].message
    assert person.questions == [] and fake.logins == []


def test_the_question_shows_the_document_not_the_servers_words(signer, person, fingerprint):
    signer.work(claimed([form("06")], fingerprint, form="06", title="Thưởng Tết", company="Công ty khác"))
    (item,) = person.questions[0].items
    assert [row.value for row in item.rows] == [*HEAD.values(), *EXTRA["06"].values()]
    assert item.name == "06/NG-IVAN" and Row("Lý do", "Chuyển sang tổ chức I-VAN khác") in item.rows
    assert item.requested_by == "Trần Văn Kế" and person.questions[0].server == "https://odoo.example"


def test_an_answer_on_its_way_is_not_made_again(signer, person, box, fingerprint):
    signer.work(claimed([form()], fingerprint))
    signer.work(claimed([form()], fingerprint))
    assert len(person.questions) == 1


@pytest.mark.parametrize("days", [4000, -4000])
def test_t10_a_certificate_out_of_its_time_is_refused_before_the_pin(
    manager, person, box, leases, fake, fingerprint, days
):
    moment = dt.datetime.now(dt.timezone.utc) + dt.timedelta(days=days)
    prompts = (person, DescriptorPrompt(Secret(bytearray(FAKE_PIN.encode()))))
    for prompt in prompts:
        signer = BatchSigner(manager, prompt, box, leases, "https://odoo.example", now=lambda: moment)
        signer.work(claimed([form()], fingerprint))
        assert box.deliveries["1"].code == "unsupported" and "hết hạn" in box.deliveries["1"].message
        box.deliveries.clear()
    assert person.questions == [] and fake.logins == []


def test_a_key_that_is_not_rsa_is_unsupported(own_hsm, box, leases, person):
    own_hsm.add("EC", [(pki.ec_key(), pki.certificate(pki.ec_key()))])
    manager = TokenManager([LibraryProcess(softhsm.LIBRARY)])
    manager.refresh()
    (certificate,) = manager.certificates()
    BatchSigner(manager, person, box, leases, "s").work(claimed([form()], certificate.fingerprint))
    manager.close()
    assert box.deliveries["1"].code == "unsupported" and person.questions == []


@pytest.mark.parametrize("bits", [3072, 4096])
def test_larger_keys_sign(own_hsm, box, leases, bits):
    key = pki.key(bits, bits)
    own_hsm.add("Lớn", [(key, pki.certificate(key))])
    manager = TokenManager([LibraryProcess(softhsm.LIBRARY)])
    manager.refresh()
    (certificate,) = manager.certificates()
    BatchSigner(manager, Person([softhsm.PIN]), box, leases, "s").work(claimed([form()], certificate.fingerprint))
    manager.close()
    assert box.kinds() == ["signed"]


def test_an_unforeseen_fault_answers_the_request(signer, box, fingerprint, monkeypatch):
    from ibhxh_agent import xmlsign

    monkeypatch.setattr(xmlsign, "sign", lambda *_: 1 / 0)
    signer.work(claimed([form()], fingerprint))
    assert box.deliveries["1"].code == "driver_error"
