"""The life of a registration at the gateway: forms 04, 05, 06 and what VSS refuses."""

import base64
import re
import threading
import uuid

import pytest
import xmlsec
from lxml import etree

from ibhxh_sandbox import example

TAX_CODE = example.HEAD["MaSoThue"]


def test_accepted_04_is_numbered_and_waits_for_the_code(sandbox):
    response = sandbox.submit()

    assert response.status_code == 201
    receipt = response.json()
    assert receipt["dossier_number"] == "00001/2026/001"
    assert receipt["accepted_at"] == "2026-03-02T02:00:00Z"
    assert receipt["state"] == "accepted"
    progress = sandbox.progress(receipt["client_reference"])
    assert progress["needs_activation"] is True
    assert [(step["step"], step["passed"]) for step in progress["steps"]] == [(1, True), (2, True)]
    dossier = sandbox.dossier(receipt["client_reference"])
    assert re.fullmatch(r"[A-Z0-9]{10}", dossier["code"])
    assert re.fullmatch(r"http://portal\.test/#/kich-hoat/[0-9A-F]{64}", dossier["activation_url"])
    assert re.fullmatch(r"[A-Z]{2}[A-Z0-9]{4}[A-Z]", sandbox.unit()["unit_code"])


def test_the_code_confirms_and_makes_the_unit_the_clients(sandbox):
    reference = sandbox.register()

    progress = sandbox.progress(reference)
    assert (progress["state"], progress["needs_activation"]) == ("confirmed", False)
    assert [step["step"] for step in progress["steps"]] == [1, 2, 3]
    unit = sandbox.unit()
    assert (unit["state"], unit["holder_code"], unit["email"]) == ("registered", "00001", example.HEAD["Email"])


def test_numbers_count_per_agency_and_year_in_vietnam(sandbox):
    sandbox.control("units", {"units": [{"tax_code": "0100233488", "agency_code": "07906"}]})
    other = {"MaSoThue": "0100233488", "MaCoQuan": "07906"}
    identity = example.make_identity("0100233488")

    numbers = [sandbox.submit().json()["dossier_number"], sandbox.submit().json()["dossier_number"]]
    numbers.append(sandbox.submit(changes=other, identity=identity).json()["dossier_number"])
    sandbox.control("clock", {"set": "2026-12-31T17:00:00Z"})
    numbers.append(sandbox.submit().json()["dossier_number"])

    assert numbers == ["00001/2026/001", "00002/2026/001", "00001/2026/07906", "00001/2027/001"]


def test_the_same_submission_again_is_the_same_dossier(sandbox):
    body = sandbox.body()

    first, second = sandbox.post(body), sandbox.post(body)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(sandbox.control("dossiers")) == 1


def test_another_document_under_the_same_reference_is_a_conflict(sandbox):
    body = sandbox.body()
    sandbox.post(body)
    other = {**sandbox.body(changes={"Email": "khac@vidu.example"}), "client_reference": body["client_reference"]}

    response = sandbox.post(other)

    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_identical_submissions_in_parallel_make_one_dossier(sandbox):
    body = sandbox.body()
    barrier = threading.Barrier(8)
    answers = []

    def send():
        barrier.wait()
        answers.append(sandbox.post(body))

    threads = [threading.Thread(target=send) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.text for answer in answers}) == 1
    assert len(sandbox.control("dossiers")) == len(sandbox.control("mails")) == 1


def test_a_refused_reference_may_be_sent_again(sandbox):
    sandbox.control("units", {"units": [{"tax_code": TAX_CODE, "agency_code": "079"}]})
    body = sandbox.body()
    assert sandbox.post(body).status_code == 422
    sandbox.control("units", {"units": [{"tax_code": TAX_CODE, "agency_code": "001"}]})

    assert sandbox.post(body).status_code == 201


def test_each_client_sees_its_own_dossiers_only(sandbox):
    reference = sandbox.submit().json()["client_reference"]

    response = sandbox.call("GET", f"/dossiers/{reference}", auth=("other", "khác".encode()))

    assert (response.status_code, response.json()["code"]) == (404, "not_found")


REFUSALS = {
    "check digit": ({}, "04", {"MaSoThue": "0100109107"}, "SE003"),
    "agency": ({"agency_code": "079"}, "04", {}, "SE004"),
    "registered here": ({"holder_code": "00001"}, "04", {}, "CE006"),
    "registered elsewhere": ({"holder_code": "00050", "holder_name": "Viễn"}, "04", {}, "SE006"),
    "amend, never registered": ({}, "05", {}, "OE001"),
    "stop, never registered": ({"state": "stopped"}, "06", {}, "OE001"),
    "amend, elsewhere": ({"holder_code": "00050"}, "05", {}, "SE006"),
    "stop, other certificate": ({"holder_code": "00001", "serial": "77"}, "06", {}, "CE014"),
    "amend, neither certificate": ({"holder_code": "00001", "serial": "77"}, "05", {"SoChungThuMoi": "78"}, "CE014"),
    "amend, old serial wrong": ({"holder_code": "00001", "serial": "SIGNER"}, "05", {"SoChungThuCu": "79"}, "CE014"),
    "other I-VAN in the document": ({}, "04", {"MaIVan": "00050"}, "CE009"),
}


@pytest.mark.parametrize(("unit", "form", "changes", "code"), REFUSALS.values(), ids=REFUSALS)
def test_refusals(sandbox, unit, form, changes, code):
    tax_code = changes.get("MaSoThue", TAX_CODE)
    identity = example.make_identity(tax_code)
    unit = {key: identity.serial if value == "SIGNER" else value for key, value in unit.items()}
    if unit:
        sandbox.control("units", {"units": [{"tax_code": tax_code, **unit}]})

    response = sandbox.submit(form, changes, identity)

    assert (response.status_code, response.json()["code"]) == (422, code), response.text
    assert response.json()["description"]
    expected = {"code": "00050", "name": unit.get("holder_name", "I-VAN 00050")} if code == "SE006" else None
    assert response.json()["holder"] == expected
    assert sandbox.control("dossiers") == []
    assert sandbox.control("mails") == []


def test_a_unit_code_that_is_not_the_units_is_refused(sandbox):
    sandbox.control("units", {"units": [{"tax_code": TAX_CODE, "unit_code": "TZH490L"}]})

    wrong = sandbox.post({**sandbox.body(), "unit_code": "BI0110G"})
    right = sandbox.post({**sandbox.body(), "unit_code": "tzh490l"})

    assert (wrong.status_code, wrong.json()["code"]) == (422, "SE005")
    assert right.status_code == 201


def test_another_units_certificate_is_refused(sandbox):
    response = sandbox.submit(identity=example.make_identity("0100233488"))

    assert (response.status_code, response.json()["code"]) == (422, "CE013")
    assert "0100233488" in response.json()["description"]


def test_a_known_unit_may_have_a_tax_code_that_fails_the_check_digit(sandbox):
    sandbox.control("units", {"units": [{"tax_code": "0100109107"}]})
    changes = {"MaSoThue": "0100109107"}

    assert sandbox.submit(changes=changes, identity=example.make_identity("0100109107")).status_code == 201


def test_a_branch_is_a_unit_of_its_own(sandbox):
    branch = {"MaSoThue": f"{TAX_CODE}-001"}

    assert sandbox.submit(changes=branch).json()["code"] == "CE013"
    assert sandbox.submit(changes=branch, identity=example.make_identity(f"{TAX_CODE}-001")).status_code == 201
    unit_code = sandbox.unit(f"{TAX_CODE}-001")["unit_code"]
    assert sandbox.unit(f"{TAX_CODE}-001")["tax_code"] == f"{TAX_CODE}001"
    sandbox.activate(sandbox.control("dossiers")[0]["reference"])
    mail = base64.b64decode(sandbox.control("mails")[1]["message"]).decode()
    assert unit_code in mail
    assert f"{TAX_CODE}-001" in mail


def test_registering_again_before_confirming_replaces_the_code(sandbox):
    first = sandbox.submit().json()["client_reference"]
    old = sandbox.dossier(first)
    second = sandbox.submit().json()["client_reference"]

    assert sandbox.progress(first)["needs_activation"] is False
    assert sandbox.activate(first, old["code"]).json()["code"] == "replaced"
    assert sandbox.activate(second).status_code == 200


def test_05_signed_with_the_new_certificate_replaces_the_registered_one(sandbox):
    sandbox.register()
    new = example.make_identity()
    changes = {"SoChungThuCu": sandbox.identity.serial, "SoChungThuMoi": new.serial, "Email": "moi@vidu.example"}

    response = sandbox.submit("05", changes, new)

    assert (response.status_code, response.json()["state"]) == (201, "confirmed")
    assert sandbox.unit()["email"] == "moi@vidu.example"
    assert sandbox.submit("06").json()["code"] == "CE014"
    assert sandbox.submit("06", identity=new).status_code == 201


def test_05_signed_with_the_old_certificate_makes_the_named_one_the_registered_one(sandbox):
    sandbox.register()
    new = example.make_identity()

    assert sandbox.submit("05", {"SoChungThuMoi": new.serial.lower()}).status_code == 201
    assert sandbox.submit("06").json()["code"] == "CE014"
    assert sandbox.submit("06", identity=new).status_code == 201


def test_05_that_changes_the_email_only_keeps_the_certificate(sandbox):
    sandbox.register()
    before = sandbox.unit()

    assert sandbox.submit("05", {"Email": "moi@vidu.example"}).status_code == 201

    assert sandbox.unit() == {**before, "email": "moi@vidu.example"}


def test_06_stops_and_lets_another_ivan_register_the_unit(sandbox):
    sandbox.register()
    elsewhere = {"auth": ("other", "khác".encode()), "changes": {"MaIVan": "00050"}}
    assert sandbox.submit(**elsewhere).json()["holder"] == {"code": "00001", "name": "I-VAN thử nghiệm"}

    assert sandbox.submit("06").json()["state"] == "confirmed"

    assert sandbox.unit()["state"] == "stopped"
    assert sandbox.submit(**elsewhere).status_code == 201


def test_forms_05_and_06_may_ask_for_a_code(sandbox):
    sandbox.register()
    sandbox.control("settings", {"ask_code_for_amend": True})

    receipt = sandbox.submit("06").json()

    assert receipt["state"] == "accepted"
    assert sandbox.unit()["state"] == "registered"
    assert sandbox.activate(receipt["client_reference"]).status_code == 200
    assert sandbox.unit()["state"] == "stopped"


def test_with_a_processing_time_the_decision_comes_later(sandbox):
    sandbox.control("settings", {"processing_seconds": 600})
    receipt = sandbox.submit().json()
    reference = receipt["client_reference"]
    assert (receipt["state"], receipt["dossier_number"]) == ("received", None)
    states = []
    for _ in range(3):
        progress = sandbox.progress(reference)
        states.append((progress["state"], len(progress["steps"]), progress["dossier_number"]))
        sandbox.control("clock", {"advance_seconds": 300})

    assert states == [("received", 1, None), ("processing", 1, None), ("accepted", 2, "00001/2026/001")]
    assert sandbox.progress(reference)["needs_activation"] is True


def test_with_a_processing_time_a_refusal_is_a_step(sandbox):
    sandbox.control("settings", {"processing_seconds": 60})
    sandbox.control("units", {"units": [{"tax_code": TAX_CODE, "holder_code": "00050", "holder_name": "Viễn"}]})
    body = sandbox.body()
    assert sandbox.post(body).status_code == 201
    sandbox.control("clock", {"advance_seconds": 60})

    progress = sandbox.progress(body["client_reference"])

    assert progress["state"] == "rejected"
    assert progress["holder"] == {"code": "00050", "name": "Viễn"}
    assert [(step["code"], step["passed"]) for step in progress["steps"]] == [("00", True), ("SE006", False)]
    assert sandbox.post(body).json()["state"] == "rejected"


def test_bytes_that_are_wrong_are_refused_at_once_whatever_the_processing_time(sandbox):
    sandbox.control("settings", {"processing_seconds": 60})

    assert sandbox.submit(changes={"Email": "không phải thư"}).json()["code"] == "CE009"


def test_resend_code_mails_the_same_code_while_it_lives(sandbox):
    reference = sandbox.submit().json()["client_reference"]
    code = sandbox.dossier(reference)["code"]

    response = sandbox.call("POST", f"/dossiers/{reference}/resend-code")

    assert (response.status_code, response.json()) == (202, {"sent_at": "2026-03-02T02:00:00Z"})
    assert sandbox.dossier(reference)["code"] == code
    assert [mail["kind"] for mail in sandbox.control("mails")] == ["activation", "activation"]


def test_resend_code_refuses_what_waits_for_no_code(sandbox):
    confirmed = sandbox.register()
    assert sandbox.call("POST", f"/dossiers/{confirmed}/resend-code").json()["code"] == "not_waiting"
    assert sandbox.call("POST", f"/dossiers/{uuid.uuid4()}/resend-code").status_code == 404


def test_after_24_hours_the_code_is_worth_nothing_and_registering_again_works(sandbox):
    reference = sandbox.submit().json()["client_reference"]
    sandbox.control("clock", {"advance_seconds": 24 * 3600 - 1})
    assert sandbox.progress(reference)["needs_activation"] is True
    sandbox.control("clock", {"advance_seconds": 1})

    assert sandbox.progress(reference)["needs_activation"] is False
    assert (sandbox.activate(reference).status_code, sandbox.activate(reference).json()["code"]) == (
        410,
        "code_expired",
    )
    expired = sandbox.call("POST", f"/dossiers/{reference}/resend-code")
    assert (expired.status_code, expired.json()["code"]) == (409, "code_expired")
    sandbox.register()
    assert sandbox.unit()["state"] == "registered"


def test_the_notification_is_signed_and_says_what_happened(sandbox, tmp_path):
    reference = sandbox.register()
    xml = base64.b64decode(sandbox.progress(reference)["notification"])

    root = etree.fromstring(xml)
    assert root.findtext("XACNHAN_GDICH/TTGDICH/SO_HSO") == "00001/2026/001"
    assert root.findtext("XACNHAN_GDICH/TTDVI/MA_DVI") == sandbox.unit()["unit_code"]
    assert root.findtext("XACNHAN_GDICH/TTDVI/NGAY_THONGBAO") == "02/03/2026"
    assert root.findtext("XACNHAN_GDICH/TTGDICH/KQUA") == "Đã xác nhận"
    context = xmlsec.SignatureContext()
    certificate = sandbox.sandbox.vss_key.certificate
    context.key = xmlsec.Key.from_memory(certificate, xmlsec.constants.KeyDataFormatCertPem)
    context.verify(root.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    root.find("XACNHAN_GDICH/TTGDICH/KQUA").text = "Không chấp nhận"
    with pytest.raises(xmlsec.Error):
        context.verify(root.find("{http://www.w3.org/2000/09/xmldsig#}Signature"))
