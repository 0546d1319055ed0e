"""The mails: what they carry, that they arrive, and the bad weather that can be switched on."""

import re
import unicodedata

import pytest

from ibhxh_sandbox import example

TO = example.HEAD["Email"]
CODE, DONE, REFUSED = "Đăng ký", "chấp nhận", "không chấp nhận"
"""What the subjects of code, confirmation and refusal hold."""


@pytest.fixture
def seeds(mailing):
    """A sandbox that writes the mails of 2017."""
    mailing.control("settings", {"edition": "seed"})
    return mailing


def body(message, kind):
    part = message.get_body((kind,))
    return part.get_content() if part else None


def test_the_activation_mail_is_laid_out_as_the_real_one(mailing, postbox):
    dossier = mailing.dossier(mailing.submit().json()["client_reference"])

    message = postbox.next()

    assert (message["To"], message.get_content_type()) == (TO, "text/html")
    markup = message.get_content()
    order = [
        "BẢO HIỂM XÃ HỘI VIỆT NAM",
        "Chúc mừng Đơn vị/cá nhân đã đăng ký thành công!",
        "Kính gửi (đơn vị/cá nhân): <b>Công ty TNHH Ví Dụ</b>",
        "Số định danh: <b>DKTGLD</b>",
        "phương thức giao dịch bảo hiểm xã hội điện tử",
        f'<a href="{dossier["activation_url"]}">bấm vào đây</a>',
        f">{dossier['code']}</p>",
        "Mã kích hoạt chỉ có giá trị trong vòng 24h",
    ]
    places = [markup.index(text) for text in order]
    assert places == sorted(places)
    assert markup.count(dossier["activation_url"]) == 1
    assert dossier["tax_code"] not in markup
    assert dossier["dossier_number"] not in markup


def test_the_activation_mail_names_the_unit_code_that_the_unit_knows(mailing, postbox):
    mailing.control("units", {"units": [{"tax_code": example.HEAD["MaSoThue"], "unit_code": "TZH490L"}]})
    mailing.submit()

    assert "Số định danh: <b>TZH490L</b>" in postbox.next().get_content()


def test_the_page_and_the_mail_escape_the_units_name(mailing, postbox):
    mailing.submit(changes={"TenDoiTuong": "Công ty <b>A & B</b>"})

    assert "Công ty &lt;b&gt;A &amp; B&lt;/b&gt;" in postbox.next().get_content()


@pytest.mark.parametrize(
    ("letters", "pattern"), [("mixed", "[A-Z0-9]{10}"), ("letters", "[A-Z]{10}"), ("digits", "[0-9]{10}")]
)
def test_codes_of_one_sort_of_characters(sandbox, letters, pattern):
    sandbox.control("settings", {"code_letters": letters})
    reference = sandbox.submit().json()["client_reference"]

    assert re.fullmatch(pattern, sandbox.dossier(reference)["code"])
    assert sandbox.activate(reference).ok


def test_a_code_in_groups(mailing, postbox):
    mailing.control("settings", {"code_layout": "groups"})
    code = mailing.dossier(mailing.submit().json()["client_reference"])["code"]

    assert f">{code[:4]} {code[4:8]} {code[8:]}</p>" in postbox.next().get_content()


def test_a_code_with_a_cell_for_each_character(mailing, postbox):
    mailing.control("settings", {"code_layout": "cells"})
    code = mailing.dossier(mailing.submit().json()["client_reference"])["code"]

    markup = postbox.next().get_content()

    assert code not in markup
    assert "".join(re.findall("<td>(.)</td>", markup)) == code


def test_the_seeds_activation_mail_carries_code_and_link(seeds, postbox):
    reference = seeds.submit().json()["client_reference"]
    dossier = seeds.dossier(reference)

    recipients, message = postbox.arrived.get(timeout=60)

    assert recipients == [TO]
    assert message["To"] == TO
    assert "sandbox.example" in message["From"]
    for kind in ("plain", "html"):
        text = body(message, kind)
        assert dossier["code"] in text
        assert dossier["activation_url"] in text
        assert dossier["dossier_number"] in text
        assert "Mã kích hoạt" in text
        assert "24 giờ" in text
    encodings = {part["Content-Transfer-Encoding"] for part in message.walk() if not part.is_multipart()}
    assert encodings == {"quoted-printable", "base64"}


def test_the_confirmation_mail_carries_unit_code_and_tax_code(mailing, postbox):
    reference = mailing.register()
    postbox.next()

    message = postbox.next()

    assert message["Subject"] == "Thông báo chấp nhận phương thức giao dịch điện tử"
    for kind in ("plain", "html"):
        text = body(message, kind)
        assert mailing.unit()["unit_code"] in text
        assert example.HEAD["MaSoThue"] in text
        assert mailing.dossier(reference)["dossier_number"] not in text


def test_the_seeds_confirmation_mail_carries_unit_code_tax_code_and_number(seeds, postbox):
    reference = seeds.register()
    postbox.next()

    message = postbox.next()

    for kind in ("plain", "html"):
        text = body(message, kind)
        assert seeds.unit()["unit_code"] in text
        assert example.HEAD["MaSoThue"] in text
        assert seeds.dossier(reference)["dossier_number"] in text
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "01_TB-GD.xml"
    assert attachment.get_content().startswith(b"<?xml")
    assert "cấp lại" not in body(message, "plain")


def test_the_tick_box_asks_for_a_new_password(mailing, postbox):
    reference = mailing.submit().json()["client_reference"]
    assert mailing.activate(reference, reset_password=True).ok
    mails = [postbox.next() for _ in range(3)]

    text = body(mails[2], "plain")

    assert "Mã kích hoạt đã được xác nhận thành công" in text
    assert "Mật khẩu đã được cấp lại" in text
    assert re.search(r"^Mật khẩu: [A-Z0-9]{10}\r?$", text, re.M)


def test_the_seeds_tick_box_asks_for_a_new_password(seeds, postbox):
    reference = seeds.submit().json()["client_reference"]
    assert seeds.activate(reference, reset_password=True).ok
    postbox.next()

    assert "Mật khẩu" in body(postbox.next(), "plain")


def test_05_and_06_are_confirmed_by_mail_without_a_code(mailing, postbox):
    mailing.register()
    mailing.submit("05", {"Email": "moi@vidu.example"})
    mailing.submit("06")

    mails = [postbox.next() for _ in range(4)][2:]

    assert [message["To"] for message in mails] == ["moi@vidu.example", TO]
    assert "thay đổi thông tin thành công" in body(mails[0], "plain")
    assert "ngừng sử dụng dịch vụ I-VAN" in body(mails[1], "plain")
    for message in mails:
        assert f"Mã đơn vị: {mailing.unit()['unit_code']}" in body(message, "plain")
        assert "kích hoạt" not in body(message, "plain")


def test_a_refusal_after_processing_is_mailed(mailing, postbox):
    mailing.control("settings", {"processing_seconds": 60})
    mailing.submit("06")
    mailing.control("clock", {"advance_seconds": 60})

    message = postbox.next()

    assert "không được chấp nhận" in body(message, "plain")
    assert "Lý do: OE001 - Đơn vị chưa đăng ký" in body(message, "plain")
    assert "OE001" in next(message.iter_attachments()).get_content().decode()


def test_the_seeds_refusal_points_to_the_notification(seeds, postbox):
    seeds.control("settings", {"processing_seconds": 60})
    seeds.submit("06")
    seeds.control("clock", {"advance_seconds": 60})

    message = postbox.next()

    assert "không được chấp nhận. Xem thông báo đính kèm" in body(message, "plain")
    assert "OE001" in next(message.iter_attachments()).get_content().decode()


def test_a_mail_server_that_asks_to_wait_gets_the_mail_later(mailing, postbox):
    postbox.answers = ["451 try again", "451 and again"]
    mailing.submit()

    assert CODE in postbox.next()["Subject"]


def test_a_mail_that_is_refused_for_good_does_not_block_the_next(mailing, postbox):
    postbox.answers = ["550 no such mailbox"]
    mailing.submit(changes={"Email": "khong.co@vidu.example"})
    mailing.submit()

    assert postbox.next()["To"] == TO
    mailing.submit()
    postbox.next()  # what became of the first round of mails is in the file before the second one sets out
    first = mailing.control("mails")[0]
    assert first["sent_at"] is None
    assert "550" in first["error"]


def fault(sandbox, kind, **options):
    sandbox.control("faults", {"endpoint": "mail", "kind": kind, **options})


def test_duplicate(mailing, postbox):
    fault(mailing, "duplicate")
    mailing.submit()

    assert postbox.next()["Message-ID"] == postbox.next()["Message-ID"]
    assert mailing.control("faults") == []


def test_late(mailing, postbox):
    fault(mailing, "late", seconds=7200, letter="activation")
    mailing.submit()
    mailing.submit("04", {"MaSoThue": "0100233488", "Email": "khac@vidu.example"}, example.make_identity("0100233488"))
    assert postbox.next()["To"] == "khac@vidu.example"
    mailing.control("clock", {"advance_seconds": 7200})

    assert postbox.next()["To"] == TO


def test_out_of_order(mailing, postbox):
    fault(mailing, "out_of_order")
    mailing.register()

    assert [DONE in postbox.next()["Subject"] for _ in range(2)] == [True, False]


def test_drop(mailing, postbox):
    fault(mailing, "drop", letter="activation")
    mailing.register()

    assert DONE in postbox.next()["Subject"]


def test_html_only(mailing, postbox):
    fault(mailing, "html_only", count=2)
    mailing.register()

    first, second = postbox.next(), postbox.next()
    assert body(first, "plain") is None
    assert "Mã kích hoạt" in body(first, "html")
    assert next(second.iter_attachments()).get_filename() == "01_TB-GD.xml"


def test_text_only_of_a_mail_without_a_text_half(mailing, postbox):
    fault(mailing, "text_only")
    dossier = mailing.dossier(mailing.submit().json()["client_reference"])

    message = postbox.next()

    assert message.get_content_type() == "text/plain"
    lines = message.get_content().splitlines()
    assert dossier["code"] in lines
    assert any(f"bấm vào đây <{dossier['activation_url']}>" in line for line in lines)


def test_text_only_of_a_code_in_cells(mailing, postbox):
    mailing.control("settings", {"code_layout": "cells"})
    fault(mailing, "text_only")
    code = mailing.dossier(mailing.submit().json()["client_reference"])["code"]

    assert " ".join(code) in postbox.next().get_content()


@pytest.mark.parametrize("kind", ["text_only", "base64"])
def test_other_encodings(seeds, postbox, kind):
    fault(seeds, kind)
    code = seeds.dossier(seeds.submit().json()["client_reference"])["code"]

    message = postbox.next()

    assert f"Mã kích hoạt: {code}" in body(message, "plain")
    assert (body(message, "html") is None) == (kind == "text_only")


def test_no_accents(mailing, postbox):
    fault(mailing, "no_accents")
    mailing.submit()

    text = body(postbox.next(), "plain")

    assert "Ma kich hoat chi co gia tri" in text
    assert not any(unicodedata.combining(letter) for letter in unicodedata.normalize("NFD", text))


def test_forwarded_inline(mailing, postbox):
    fault(mailing, "forwarded_inline", to="odoo@vidu.example")
    code = mailing.dossier(mailing.submit().json()["client_reference"])["code"]

    message = postbox.next()

    assert (message["To"], message["From"]) == ("odoo@vidu.example", TO)
    assert message["Subject"].startswith("Fwd: ")
    assert re.search(rf"^> .*{code}", body(message, "plain"), re.M)


def test_forwarded_attached(mailing, postbox):
    fault(mailing, "forwarded_attached", to="odoo@vidu.example")
    code = mailing.dossier(mailing.submit().json()["client_reference"])["code"]

    (attached,) = postbox.next().iter_attachments()

    assert attached.get_content_type() == "message/rfc822"
    assert code in body(attached.get_content(), "html")


def test_unknown_mail_faults_are_refused(sandbox):
    import requests

    for fault in ({"kind": "nothing"}, {"kind": "late", "letter": "love"}, {"kind": "late", "colour": 1}):
        response = requests.post(f"{sandbox.origin}/_sandbox/faults", json={"endpoint": "mail", **fault}, timeout=60)
        assert response.status_code == 400
