"""The control API, the seed file and who may call."""

from datetime import datetime, timezone

import pytest
import requests

from ibhxh_sandbox import example
from ibhxh_sandbox.clock import stamp


def post(sandbox, path, body, **options):
    return requests.post(f"{sandbox.origin}/_sandbox/{path}", json=body, timeout=60, **options)


def now(sandbox):
    return sandbox.control("clock")["now"]


def test_the_clock_can_be_moved_stopped_and_put_back(start):
    sandbox = start()
    real = now(sandbox)
    sandbox.control("clock", {"set": "2030-01-01T07:00:00+07:00", "frozen": True})
    assert now(sandbox) == "2030-01-01T00:00:00Z"
    sandbox.control("clock", {"advance_seconds": 86400})
    assert now(sandbox) == "2030-01-02T00:00:00Z"
    sandbox.control("clock", {"frozen": False})
    assert now(sandbox)[:13] == "2030-01-02T00"
    sandbox.control("clock", {"advance_seconds": -86400})
    assert now(sandbox)[:13] == "2030-01-01T00"
    sandbox.control("clock", {"reset": True})
    assert real <= now(sandbox) <= stamp(datetime.now(timezone.utc))


@pytest.mark.parametrize(
    "body",
    [
        {"set": "yesterday"},
        {"set": "2026-03-02T00:00:00"},
        {"set": 5},
        {"advance_seconds": "x"},
        {"advance_seconds": 1e30},
    ],
)
def test_a_wrong_time_is_refused(sandbox, body):
    before = now(sandbox)
    assert post(sandbox, "clock", body).status_code == 400
    assert now(sandbox) == before


@pytest.mark.parametrize(
    "body", [{"nothing": 1}, {"processing_seconds": "5"}, {"processing_seconds": -1}, {"ask_code_for_amend": 1}]
)
def test_wrong_settings_are_refused(sandbox, body):
    before = sandbox.control("settings")
    assert post(sandbox, "settings", {"code_seconds": 60, **body}).status_code == 400
    assert sandbox.control("settings") == before


def test_units_can_be_added_and_changed(sandbox):
    sandbox.control("units", {"units": [{"tax_code": "0100109106-001", "name": "Chi nhánh", "unit_code": "TZH490L"}]})
    sandbox.control("units", {"units": [{"tax_code": "0100109106001", "holder_code": "00050", "state": "registered"}]})

    assert sandbox.unit("0100109106-001") == {
        "tax_code": "0100109106001",
        "unit_code": "TZH490L",
        "name": "Chi nhánh",
        "agency_code": "001",
        "agency_name": "BHXH",
        "state": "registered",
        "holder_code": "00050",
        "holder_name": "I-VAN 00050",
        "fingerprint": None,
        "serial": None,
        "email": None,
        "phone": None,
    }


@pytest.mark.parametrize(
    "unit",
    [
        {},
        {"tax_code": 5},
        {"tax_code": "1", "unit_code": "TZH490L"},
        {"tax_code": "1", "colour": "red"},
        {"tax_code": "1", "state": "registered"},
        {"tax_code": "1", "state": "asleep"},
        {"tax_code": "1", "state": "stopped", "holder_code": "00001"},
    ],
)
def test_wrong_units_are_refused_all_or_none(sandbox, unit):
    taken = {"tax_code": "0100233488", "unit_code": "TZH490L"}
    assert post(sandbox, "units", {"units": [taken, unit]}).status_code == 400
    assert sandbox.control("units") == []


def test_reset_forgets_all_but_clock_and_settings(sandbox):
    sandbox.control("settings", {"code_seconds": 60})
    sandbox.register()
    sandbox.control("faults", {"endpoint": "any", "kind": "reset"})
    sandbox.control("reset", {})

    for name in ("units", "dossiers", "mails", "faults"):
        assert sandbox.control(name) == []
    assert sandbox.control("settings")["code_seconds"] == 60
    assert now(sandbox) == "2026-03-02T02:00:00Z"
    assert sandbox.submit().json()["dossier_number"] == "00001/2026/001"


def test_dossiers_come_with_the_document_when_asked(sandbox):
    body = sandbox.body()
    sandbox.post(body)
    assert "document" not in sandbox.control("dossiers")[0]
    assert sandbox.control("dossiers?document=1")[0]["document"] == body["document"]


def test_the_certificate_of_the_notifications(sandbox):
    response = requests.get(f"{sandbox.origin}/_sandbox/certificate", timeout=60)
    assert response.text.startswith("-----BEGIN CERTIFICATE-----")


def test_with_a_token_the_control_api_asks_for_it(start):
    sandbox = start(control_token="bí mật")
    good = {"Authorization": "Bearer bí mật".encode()}

    assert post(sandbox, "reset", {}).status_code == 403
    assert post(sandbox, "reset", {}, headers={"Authorization": "Bearer sai"}).status_code == 403
    assert post(sandbox, "reset", {}, headers=good).status_code == 200


def test_a_web_page_of_another_site_cannot_call_it(sandbox):
    """A browser sends a foreign page's POST only as a form or as text, unless the server agrees beforehand."""
    for kind in ("application/x-www-form-urlencoded", "text/plain"):
        response = requests.post(
            f"{sandbox.origin}/_sandbox/reset", data="{}", headers={"Content-Type": kind}, timeout=60
        )
        assert response.status_code == 415
    preflight = requests.options(f"{sandbox.origin}/_sandbox/faults", timeout=60)
    assert "Access-Control-Allow-Origin" not in preflight.headers


def test_the_life_of_codes_can_be_set(sandbox):
    sandbox.control("settings", {"code_seconds": 60})
    reference = sandbox.submit().json()["client_reference"]
    sandbox.control("clock", {"advance_seconds": 60})
    assert sandbox.progress(reference)["needs_activation"] is False
    assert example.HEAD["Email"] == sandbox.control("mails")[0]["recipient"]


def test_the_defaults_are_as_unkind_as_vss(start):
    assert start().control("settings") == {
        "progress_of_many": True,
        "progress_versions": True,
        "processing_seconds": 0,
        "ask_code_for_amend": False,
        "code_seconds": 86400,
        "edition": "today",
        "page_undefined": "dossier",
        "weather": "foul",
        "code_letters": "mixed",
        "code_layout": "line",
        "registered_code": "CE006",
        "elsewhere_code": "SE006",
        "notice_layout": "signed_files",
        "remote_seconds": 300,
        "remote_person": "phone",
        "remote_polled_by": "transaction_id",
        "remote_waiting": "plain",
        "remote_algorithms": "both",
        "remote_confirmation": "app",
    }
