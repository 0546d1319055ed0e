"""The portal's JSON and the mailbox behind the page."""

import pytest
import requests

from ibhxh_sandbox import example


def get(sandbox, path):
    return requests.get(sandbox.origin + path, timeout=60)


TODAY = {"unit_name": "Công ty TNHH Ví Dụ", "edition": "today", "state": "waiting"}


@pytest.mark.parametrize(
    ("undefined", "shown"),
    [
        ("none", {"dossier_number": "00001/2026/001", "accepted_at": "02/03/2026 09:00:00"}),
        ("dossier", {"dossier_number": "undefined", "accepted_at": "undefined"}),
        ("all", dict.fromkeys(("unit_code", "unit_name", "dossier_number", "accepted_at"), "undefined")),
    ],
)
def test_an_activation_link_shows_what_the_page_knows_today(sandbox, undefined, shown):
    sandbox.control("settings", {"page_undefined": undefined})
    token = sandbox.dossier(sandbox.submit().json()["client_reference"])["token"]

    answer = get(sandbox, f"/portal/activations/{token.lower()}").json()

    assert answer == {"unit_code": "DKTGLD", **TODAY, **shown}


def test_a_unit_that_knows_its_code_sees_it_on_the_page(sandbox):
    sandbox.register()
    sandbox.control("settings", {"ask_code_for_amend": True})
    token = sandbox.dossier(sandbox.submit("05").json()["client_reference"])["token"]

    assert get(sandbox, f"/portal/activations/{token}").json()["unit_code"] == sandbox.unit()["unit_code"]


def test_the_seeds_activation_link_shows_unit_and_dossier(sandbox):
    sandbox.control("settings", {"edition": "seed"})
    reference = sandbox.submit().json()["client_reference"]
    token = sandbox.dossier(reference)["token"]

    assert get(sandbox, f"/portal/activations/{token.lower()}").json() == {
        "unit_code": sandbox.unit()["unit_code"],
        "unit_name": "Công ty TNHH Ví Dụ",
        "tax_code": example.HEAD["MaSoThue"],
        "email": example.HEAD["Email"],
        "dossier_number": "00001/2026/001",
        "accepted_at": "02/03/2026 09:00:00",
        "edition": "seed",
        "state": "waiting",
    }


@pytest.mark.parametrize("token", ["0" * 64, "0" * 63, "xyz", "%2e%2e"])
def test_unknown_links(sandbox, token):
    response = get(sandbox, f"/portal/activations/{token}")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_link")


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        ("AAAAAAAAAA", 422, "wrong_code"),
        ("", 422, "missing_code"),
        ("   ", 422, "missing_code"),
        ("ê", 422, "wrong_code"),
    ],
)
def test_wrong_codes_change_nothing(sandbox, code, status, error):
    reference = sandbox.submit().json()["client_reference"]

    response = sandbox.activate(reference, code)

    assert (response.status_code, response.json()["code"]) == (status, error)
    assert sandbox.progress(reference)["state"] == "accepted"


def test_the_code_may_be_pasted_in_lower_case_with_blanks(sandbox):
    reference = sandbox.submit().json()["client_reference"]
    code = sandbox.dossier(reference)["code"]

    response = sandbox.activate(reference, f"  {code.lower()}\n")

    assert response.json()["message"] == "Hoàn tất thủ tục thành công."


def test_a_code_works_once(sandbox):
    reference = sandbox.submit().json()["client_reference"]
    code = sandbox.dossier(reference)["code"]
    assert sandbox.activate(reference).ok

    response = sandbox.activate(reference, code)

    assert (response.status_code, response.json()["code"]) == (409, "already_confirmed")
    assert [mail["kind"] for mail in sandbox.control("mails")] == ["activation", "confirmation"]


@pytest.mark.parametrize("body", [{}, {"code": 5}, {"code": "A" * 101}, {"code": "A", "reset_password": "yes"}])
def test_bad_activation_requests(sandbox, body):
    token = sandbox.dossier(sandbox.submit().json()["client_reference"])["token"]
    response = requests.post(f"{sandbox.origin}/portal/activations/{token}", json=body, timeout=60)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_a_form_post_of_another_site_is_refused(sandbox):
    token = sandbox.dossier(sandbox.submit().json()["client_reference"])["token"]
    response = requests.post(f"{sandbox.origin}/portal/activations/{token}", data={"code": "A"}, timeout=60)
    assert response.status_code == 415


def test_the_mailbox_lists_the_newest_first(sandbox):
    sandbox.control("settings", {"edition": "seed"})
    sandbox.register()

    first, second = get(sandbox, "/portal/mails").json()

    assert (first["kind"], second["kind"]) == ("confirmation", "activation")
    assert first["at"] == "02/03/2026 09:00:00"
    assert "Mã kích hoạt: " in get(sandbox, f"/portal/mails/{second['id']}").json()["text"]
    html = get(sandbox, f"/portal/mails/{second['id']}/html")
    assert "<b>" in html.text
    assert "sandbox" in html.headers["Content-Security-Policy"]
    assert get(sandbox, "/portal/mails/99").status_code == 404


def test_the_page_lets_no_foreign_script_in(sandbox):
    response = get(sandbox, "/")
    assert "script-src 'self'" in response.headers["Content-Security-Policy"]
    assert get(sandbox, "/static/portal.js").headers["Content-Type"].startswith("text/javascript")
    assert get(sandbox, "/static/..%2fcli.py").status_code == 404
