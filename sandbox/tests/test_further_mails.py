"""What VSS and others send besides the code and the confirmation: by itself in foul weather, or by the control API."""

import base64
import re
from email import message_from_bytes, policy

import pytest
import requests
from lxml import etree

from ibhxh_sandbox import example
from ibhxh_sandbox.letters import BESIDES, LETTERS

TAX_CODE = example.HEAD["MaSoThue"]


@pytest.fixture
def foul(start):
    """A sandbox in foul weather, its clock stopped."""
    running = start()
    running.control("clock", {"set": "2026-03-02T02:00:00Z", "frozen": True})
    return running


def mails(sandbox, kind=None):
    """The mails that were written, each with its parsed message and its text."""
    found = []
    for row in sandbox.control("mails"):
        message = message_from_bytes(base64.b64decode(row["message"]), policy=policy.default)
        part = message.get_body(("plain", "html"))
        found.append({**row, "message": message, "text": part.get_content()})
    return [row for row in found if kind in (None, row["kind"])]


def write(sandbox, letter, **options):
    """Have one more mail written about the newest dossier; the mail."""
    reference = sandbox.control("dossiers")[-1]["reference"]
    sandbox.control("mails", {"letter": letter, "reference": reference, **options})
    return mails(sandbox)[-1]


def notice(mail):
    """The notification that is attached to a mail."""
    (attached,) = mail["message"].iter_attachments()
    return etree.fromstring(attached.get_content())


def test_foul_weather_is_the_default_and_everything_comes(foul):
    foul.register()

    kinds = [mail["kind"] for mail in mails(foul)]

    assert sorted(kinds) == sorted(LETTERS[:2] + tuple(BESIDES))
    assert kinds.index("activation") < kinds.index("confirmation")


def test_the_order_differs_from_dossier_to_dossier_and_some_come_late(foul):
    orders, late = set(), set()
    for base in ("0100109106", "0100233488", "0100112437", "0100107518"):
        foul.submit(changes={"MaSoThue": base}, identity=example.make_identity(base))
    for dossier in foul.control("dossiers"):
        own = [mail for mail in mails(foul) if mail["dossier"] == dossier["id"]]
        orders.add(tuple(mail["kind"] for mail in own))
        late |= {mail["kind"] for mail in own if mail["due_at"] > mail["created_at"]}
    assert len(orders) > 1
    assert late
    assert "activation" not in late


def test_forms_05_and_06_have_a_receipt_too(foul):
    foul.register()
    before = len(mails(foul))
    foul.submit("06")

    kinds = {mail["kind"] for mail in mails(foul)[before:]}

    assert {"receipt", "confirmation"} <= kinds
    assert "account" not in kinds


def test_the_receipt_comes_at_once_however_long_the_decision_takes(foul):
    foul.control("settings", {"processing_seconds": 3600})
    foul.submit()

    (receipt,) = mails(foul)

    assert receipt["kind"] == "receipt"
    assert "đã gửi hồ sơ" in receipt["text"]
    assert "trong vòng 1 giờ làm việc" in receipt["text"]
    assert list(receipt["message"].iter_attachments()) == []
    foul.control("clock", {"advance_seconds": 3600})
    assert [mail["kind"] for mail in mails(foul)].count("receipt") == 1


def test_fair_weather_brings_nothing_else(sandbox):
    sandbox.register()

    assert [mail["kind"] for mail in mails(sandbox)] == ["activation", "confirmation"]


def test_the_receipts_notification_says_taken_up_for_processing(foul):
    reference = foul.submit().json()["client_reference"]

    root = notice(mails(foul, "receipt")[0])

    assert root.findtext("XACNHAN_GDICH/TTGDICH/KQUA") == "1. Chấp nhận để giải quyết hồ sơ"
    assert root.findtext("XACNHAN_GDICH/TTGDICH/SO_HSO") == foul.dossier(reference)["dossier_number"]
    assert root.findtext("XACNHAN_GDICH/TTGDICH/MALOAI_HSO") == "04"
    for name in ("GIO_NHAN", "NGAY_NHAN", "NGAY_TRA", "DTHOAI_HTRO"):
        assert root.findtext(f"XACNHAN_GDICH/TTGDICH/{name}")


def test_the_announcement_brings_no_code(foul):
    dossier = foul.dossier(foul.submit().json()["client_reference"])

    (mail,) = mails(foul, "announcement")

    assert "Mã kích hoạt sẽ được gửi trong email tiếp theo" in mail["text"]
    assert dossier["code"] not in mail["text"]


def test_the_password_looks_like_a_code_and_is_none(foul):
    foul.register()

    (mail,) = mails(foul, "account")

    password = re.search(r"^Mật khẩu: ([A-Z0-9]{10})\r?$", mail["text"], re.M)[1]
    assert password not in mails(foul, "activation")[0]["text"]
    assert "Mã kích hoạt đã được xác nhận thành công" in mail["text"]


def test_ordinary_dossiers_have_numbers_of_their_own(foul):
    reference = foul.register()
    own = foul.dossier(reference)["dossier_number"]

    for kind in ("ordinary_receipt", "ordinary_result"):
        (mail,) = mails(foul, kind)
        number = re.search(r"\d{5}/2026/001", mail["text"])[0]
        assert number != own
        assert notice(mail).findtext("XACNHAN_GDICH/TTGDICH/SO_HSO") == number
        assert "thành công" in mail["text"]


def test_an_ordinary_receipt_names_no_tax_code(foul):
    foul.register()

    (mail,) = mails(foul, "ordinary_receipt")

    assert TAX_CODE not in mail["text"]
    assert f"Mã dơn vị: {foul.unit()['unit_code']}" in mail["text"]
    assert notice(mail).find("XACNHAN_GDICH/TTDVI/MST") is None


def test_an_ordinary_result_may_come_without_a_number(sandbox):
    sandbox.register()

    mail = write(sandbox, "ordinary_result", details={"number": ""})

    assert f"Mã số thuế: {TAX_CODE}" in mail["text"]
    assert not re.search(r"\d{5}/\d{4}/\d{3}", mail["text"])
    assert list(mail["message"].iter_attachments()) == []


def test_a_password_reset_has_a_link_that_is_no_activation(foul):
    foul.register()

    (mail,) = mails(foul, "password_reset")

    markup = mail["message"].get_body(("html",)).get_content()
    assert re.search(r'href="http://portal\.test/#/mat-khau-moi/[0-9A-F]{64}">bấm vào đây</a>', markup)
    assert "để kích hoạt mật khẩu mới" in mail["text"]


def test_an_ivan_mails_an_activation_code_of_its_own(foul):
    foul.register()

    (mail,) = mails(foul, "licence")

    assert re.search(r"^Mã kích hoạt: [A-Z0-9]{10}\r?$", mail["text"], re.M)
    assert mail["sender"] == "ban-quyen@ivan.sandbox.example"
    assert mail["sender"] in mail["message"]["From"]


def test_a_one_time_password(foul):
    foul.register()
    assert re.search(r"OTP của giao dịch điện tử: \d{6}\r?$", mails(foul, "one_time_password")[0]["text"], re.M)


def test_a_refusal_by_mail_with_any_code(sandbox):
    sandbox.submit()

    details = {"code": "CE013", "description": "Mã số thuế trên chứng thư số không khớp"}
    mail = write(sandbox, "rejection", details=details)

    assert "không được chấp nhận" in mail["text"]
    assert "Lý do: CE013 - Mã số thuế trên chứng thư số không khớp" in mail["text"]


def test_any_mail_can_be_written_at_any_time_to_and_from_anybody(sandbox):
    sandbox.submit()
    for letter in LETTERS:
        mail = write(sandbox, letter, to="khac@vidu.example", sender="gia@mao.example", late_seconds=60)
        assert (mail["kind"], mail["recipient"], mail["due_at"]) == (
            letter,
            "khac@vidu.example",
            "2026-03-02T02:01:00Z",
        )
        assert mail["sender"] == ("ban-quyen@ivan.sandbox.example" if letter == "licence" else "gia@mao.example")


def test_a_code_that_there_is_no_more_is_not_mailed(sandbox):
    reference = sandbox.register()
    body = {"letter": "activation", "reference": reference}
    response = requests.post(f"{sandbox.origin}/_sandbox/mails", json=body, timeout=60)
    assert (response.status_code, response.json()["description"]) == (400, "ValueError: the dossier waits for no code")


@pytest.mark.parametrize(
    "change",
    [
        {"letter": "love"},
        {"reference": "nobody's"},
        {"late_seconds": -1},
        {"late_seconds": "1"},
        {"details": {"colour": "red"}},
        {"details": {"code": 5}},
        {"details": []},
        {"to": 5},
        {"colour": "red"},
    ],
)
def test_wrong_mails_are_refused(sandbox, change):
    sandbox.submit()
    body = {"letter": "receipt", "reference": sandbox.control("dossiers")[0]["reference"], **change}

    response = requests.post(f"{sandbox.origin}/_sandbox/mails", json=body, timeout=60)

    assert response.status_code == 400
    assert len(mails(sandbox)) == 1


def test_the_first_dossiers_code_arrives_while_the_second_is_open(mailing, postbox):
    mailing.control("faults", {"endpoint": "mail", "kind": "late", "letter": "activation", "seconds": 60})
    first = mailing.submit().json()["client_reference"]
    code = mailing.dossier(first)["code"]
    second = mailing.submit().json()["client_reference"]
    assert mailing.dossier(second)["code"] in postbox.next().get_content()

    mailing.control("clock", {"advance_seconds": 60})

    late = postbox.next()
    assert f">{code}</p>" in late.get_content()
    assert late["Date"].datetime.isoformat() == "2026-03-02T02:00:00+00:00"
    assert mailing.activate(second, code).json()["code"] == "wrong_code"
    assert mailing.activate(first, code).json()["code"] == "replaced"


def test_every_kind_can_be_late_or_lost(foul):
    foul.control("faults", {"endpoint": "mail", "kind": "drop", "letter": "licence"})
    foul.submit()
    assert mails(foul, "licence") == []


def test_mails_leave_from_the_address_that_was_asked_for(start, postbox):
    seen = []
    take = postbox.handle_DATA

    async def note(server, session, envelope):
        seen.append((session.peer[0], envelope.mail_from))
        return await take(server, session, envelope)

    postbox.handle_DATA = note
    running = start(smtp=postbox.address, smtp_source="127.0.0.2", settings={"weather": "fair"})
    running.submit()
    postbox.next()
    assert seen == [("127.0.0.2", "khong-tra-loi@sandbox.example")]
