"""Units: who holds them, several under one tax code, personal numbers as tax codes, what the certificate must name."""

import pytest
import requests

from ibhxh_sandbox import example

TAX_CODE = example.HEAD["MaSoThue"]
PERSONAL = "001099012345"
OTHER = {"auth": ("other", "khác".encode())}


def seed(sandbox, **unit):
    sandbox.control("units", {"units": [{"tax_code": TAX_CODE, **unit}]})


def lodge(sandbox, form="04", **options):
    fields = {"MaSoThue": TAX_CODE, "Email": "ke.toan@vidu.example", **options.pop("fields", {})}
    body = {"form": form, "fields": fields, **options}
    return requests.post(f"{sandbox.origin}/_sandbox/dossiers", json=body, timeout=60)


def test_a_unit_of_the_portal_is_ce044(sandbox):
    seed(sandbox, holder_code="VSS")

    response = sandbox.submit()

    assert (response.status_code, response.json()["code"]) == (422, "CE044")
    assert response.json()["holder"] == {"code": "VSS", "name": "Cổng dịch vụ công BHXH Việt Nam"}


@pytest.mark.parametrize("holder", ["00050", "VSS"])
def test_the_new_ivan_files_the_stop_and_then_registers(sandbox, holder):
    """Moving, practice (b) of domain.md §2."""
    seed(sandbox, holder_code=holder)

    stop = sandbox.submit("06", {"MaLyDo": "7", "LyDo": "Chuyển sang tổ chức I-VAN khác"})

    assert (stop.status_code, stop.json()["state"]) == (201, "confirmed")
    assert (sandbox.unit()["state"], sandbox.unit()["holder_code"]) == ("stopped", None)
    sandbox.register()
    assert sandbox.unit()["holder_code"] == "00001"


@pytest.mark.parametrize(("holder", "code"), [("00050", "SE006"), ("VSS", "CE044")])
def test_a_stop_for_another_reason_is_the_holders_alone(sandbox, holder, code):
    seed(sandbox, holder_code=holder)

    assert sandbox.submit("06", {"MaLyDo": "8"}).json()["code"] == code
    assert sandbox.submit("05").json()["code"] == code
    assert sandbox.unit()["holder_code"] == holder


def test_the_stop_of_a_move_needs_the_registered_certificate(sandbox):
    seed(sandbox, holder_code="00050", serial="77")

    assert sandbox.submit("06", {"MaLyDo": "7"}).json()["code"] == "CE014"


def test_nothing_to_move_is_oe001(sandbox):
    seed(sandbox)

    assert sandbox.submit("06", {"MaLyDo": "7"}).json()["code"] == "OE001"


@pytest.mark.parametrize(
    ("setting", "code", "holder"),
    [
        ("registered_code", "CE006", "00001"),
        ("registered_code", "CE007", "00001"),
        ("registered_code", "IB16", "00001"),
        ("elsewhere_code", "SE006", "00050"),
        ("elsewhere_code", "IC1", "00050"),
        ("elsewhere_code", "CE007", "00050"),
    ],
)
def test_the_codes_that_different_sources_give_one_cause(sandbox, setting, code, holder):
    sandbox.control("settings", {setting: code})
    seed(sandbox, holder_code=holder)

    body = sandbox.submit().json()

    assert body["code"] == code
    assert (body["holder"] is None) == (holder == "00001")


@pytest.mark.parametrize("uid", [f"MST:{PERSONAL}", f"CCCD:{PERSONAL}"])
def test_a_household_with_its_personal_number(sandbox, uid):
    identity = example.make_identity(uid=uid)

    response = sandbox.submit(changes={"MaSoThue": PERSONAL, "LoaiDoiTuong": "0"}, identity=identity)

    assert response.status_code == 201, response.text
    assert sandbox.activate(response.json()["client_reference"]).ok
    assert sandbox.unit(PERSONAL)["state"] == "registered"


def test_a_unit_code_of_another_unit_is_no_new_units(sandbox):
    sandbox.control("units", {"units": [{"tax_code": "0100233488", "unit_code": "TZH490L"}]})
    assert sandbox.post({**sandbox.body(), "unit_code": "TZH490L"}).json()["code"] == "SE005"
    assert len(sandbox.control("units")) == 1


def test_a_personal_number_that_nobody_can_have(sandbox):
    number = "999099012345"
    response = sandbox.submit(changes={"MaSoThue": number}, identity=example.make_identity(number))
    assert response.json()["code"] == "SE003"


@pytest.mark.parametrize(
    "uid",
    [
        f"mst:{TAX_CODE}-001",
        f"MST: {TAX_CODE} - 001",
        f"MST\uff1a{TAX_CODE}-001",
        f"MST:{TAX_CODE[:4]} {TAX_CODE[4:]}-001",
        f"MNS:{TAX_CODE}001",
    ],
)
def test_spellings_of_the_tax_code_in_the_certificate(sandbox, uid):
    changes = {"MaSoThue": f"{TAX_CODE}-001"}
    assert sandbox.submit(changes=changes, identity=example.make_identity(uid=uid)).status_code == 201


@pytest.mark.parametrize("uid", [TAX_CODE, f"CMND:{TAX_CODE}", f"CCCD:{TAX_CODE}", f"MST:{TAX_CODE}-001"])
def test_a_certificate_without_the_units_tax_code_in_its_uid_is_ce013(sandbox, uid):
    response = sandbox.submit(identity=example.make_identity(uid=uid))
    assert (response.status_code, response.json()["code"]) == (422, "CE013")


def several(sandbox, *units):
    common = {"tax_code": TAX_CODE, "agency_code": "001"}
    sandbox.control("units", {"units": [{**common, **unit} for unit in units]})


def test_units_under_one_tax_code_are_told_apart_by_the_unit_code(sandbox):
    several(sandbox, {"unit_code": "TZH490L"}, {"unit_code": "BI0110G"})

    unnamed = sandbox.submit()
    first = sandbox.post({**sandbox.body(), "unit_code": "TZH490L"})
    second = sandbox.post({**sandbox.body(), "unit_code": "bi0110g"})
    neither = sandbox.post({**sandbox.body(), "unit_code": "AB1234C"})

    assert (unnamed.json()["code"], neither.json()["code"]) == ("SE005", "SE005")
    assert (first.status_code, second.status_code) == (201, 201)
    # Neither code replaces the other.
    for response in (first, second):
        assert sandbox.activate(response.json()["client_reference"]).ok
    states = {unit["unit_code"]: unit["state"] for unit in sandbox.control("units")}
    assert states == {"TZH490L": "registered", "BI0110G": "registered"}


def test_units_under_one_tax_code_at_two_agencies(sandbox):
    several(sandbox, {"unit_code": "TZH490L"}, {"unit_code": "BI0110G", "agency_code": "079"})

    reference = sandbox.submit(changes={"MaCoQuan": "079"}).json()["client_reference"]

    assert sandbox.activate(reference).ok
    states = {unit["unit_code"]: unit["state"] for unit in sandbox.control("units")}
    assert states == {"TZH490L": "new", "BI0110G": "registered"}


def test_a_change_must_name_which_of_several_units(sandbox):
    several(sandbox, {"unit_code": "TZH490L"}, {"unit_code": "BI0110G"})
    body = {"units": [{"tax_code": TAX_CODE, "name": "Ai"}]}
    assert requests.post(f"{sandbox.origin}/_sandbox/units", json=body, timeout=60).status_code == 400

    several(sandbox, {"unit_code": "BI0110G", "name": "Chi nhánh"})

    names = {unit["unit_code"]: unit["name"] for unit in sandbox.control("units")}
    assert names == {"TZH490L": f"Đơn vị {TAX_CODE}", "BI0110G": "Chi nhánh"}


def test_registering_at_the_portal_makes_the_portal_the_holder(sandbox):
    filed = lodge(sandbox, fields={"TenDoiTuong": "Công ty TNHH Ví Dụ"})

    assert filed.status_code == 201, filed.text
    assert filed.json()["dossier_number"] == "00001/2026/001"
    assert sandbox.activate(filed.json()["reference"]).ok
    assert sandbox.unit()["holder_code"] == "VSS"
    assert sandbox.submit().json()["code"] == "CE044"
    assert [mail["kind"] for mail in sandbox.control("mails")] == ["activation", "confirmation"]


def test_registering_in_another_ivans_program(sandbox):
    filed = lodge(sandbox, provider={"code": "00110", "name": "MISA"})
    assert sandbox.activate(filed.json()["reference"]).ok

    assert sandbox.submit().json()["holder"] == {"code": "00110", "name": "MISA"}
    assert lodge(sandbox).json()["code"] == "SE006"
    assert lodge(sandbox, "06", fields={"MaLyDo": "7"}).json()["state"] == "confirmed"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"form": "07", "fields": {"MaSoThue": TAX_CODE, "Email": "a@b.example"}},
        {"fields": {"MaSoThue": TAX_CODE}},
        {"fields": {"MaSoThue": TAX_CODE, "Email": "a@b.example", "Khac": "x"}},
        {"fields": {"MaSoThue": TAX_CODE, "Email": "a@b.example"}, "provider": {"code": "1"}},
        {"fields": {"MaSoThue": TAX_CODE, "Email": "a@b.example"}, "unit_code": 5},
        {"fields": {"MaSoThue": TAX_CODE, "Email": "a@b.example"}, "colour": "red"},
    ],
)
def test_wrong_lodgings_are_refused(sandbox, body):
    assert requests.post(f"{sandbox.origin}/_sandbox/dossiers", json=body, timeout=60).status_code == 400
    assert sandbox.control("dossiers") == []


def test_national_phone_numbers(sandbox):
    assert example.HEAD["DienThoai"].startswith("09")
    sandbox.register()
    assert sandbox.unit()["phone"] == example.HEAD["DienThoai"]
    assert sandbox.submit("05", {"DienThoai": "024 3936 1234"}).status_code == 201
