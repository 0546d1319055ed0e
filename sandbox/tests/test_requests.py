"""The gateway's HTTP manners: credentials, types, sizes, and what a request must carry."""

import base64
import hashlib
import uuid

import pytest
import requests

from ibhxh_sandbox import documents


def test_health_tells_the_time_and_the_client(sandbox):
    response = sandbox.call("GET", "/health")

    assert response.status_code == 200
    assert response.json() == {
        "status": "ok",
        "time": "2026-03-02T02:00:00Z",
        "provider": {"code": "00001", "name": "I-VAN thử nghiệm"},
    }


@pytest.mark.parametrize("auth", [None, ("sandbox", "sai"), ("ai đó".encode(), b""), ("", "")])
def test_wrong_credentials(sandbox, auth):
    for method, path in (("GET", "/health"), ("POST", "/dossiers"), ("GET", f"/dossiers/{uuid.uuid4()}")):
        response = sandbox.call(method, path, auth=auth)
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")
        assert response.headers["WWW-Authenticate"].startswith("Basic")


def test_other_authorization_headers_are_wrong_credentials(sandbox):
    for header in ("Bearer x", "Basic", "Basic !!!", "Basic " + base64.b64encode(b"no colon").decode()):
        response = sandbox.call("GET", "/health", auth=None, headers={"Authorization": header})
        assert response.status_code == 401


WRONG = {
    "reference missing": {"client_reference": None},
    "reference no UUID": {"client_reference": "1"},
    "form unknown": {"form": "07"},
    "form no text": {"form": ["04"]},
    "document missing": {"document": None},
    "document no base64": {"document": "!"},
    "digest of other bytes": {"sha256": "0" * 64},
    "digest missing": {"sha256": None},
    "agency missing": {"agency_code": None},
    "agency differs from the document": {"agency_code": "079"},
    "tax code differs from the document": {"tax_code": "0100233488"},
    "unit code no text": {"unit_code": 5},
    "unit code empty": {"unit_code": ""},
}


@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG)
def test_bad_requests(sandbox, changes):
    body = sandbox.body()
    headers = {"Idempotency-Key": body["client_reference"]}

    response = sandbox.call("POST", "/dossiers", json={**body, **changes}, headers=headers)

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert sandbox.control("dossiers") == []


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": str(uuid.uuid4())}])
def test_the_idempotency_key_is_the_reference(sandbox, headers):
    response = sandbox.post(sandbox.body(), headers=headers)

    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_json_object(sandbox, data):
    headers = {"Content-Type": "application/json"}
    response = sandbox.call("POST", "/dossiers", data=data, headers=headers)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_another_content_type(sandbox):
    response = sandbox.call("POST", "/dossiers", data="<x/>", headers={"Content-Type": "application/xml"})
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize("extra", [1, 3 * 2**20])
def test_a_dossier_that_is_too_large(sandbox, extra):
    document = b" " * (documents.MAX_BYTES + extra)
    text = base64.b64encode(document).decode()
    body = {**sandbox.body(), "document": text, "sha256": hashlib.sha256(document).hexdigest()}

    response = sandbox.post(body)

    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_reference_that_is_no_uuid_is_a_bad_request(sandbox):
    response = sandbox.call("GET", "/dossiers/1")
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_unknown_paths_and_methods_answer_in_json(sandbox):
    response = sandbox.call("GET", "/nothing")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_path")
    response = sandbox.call("DELETE", "/dossiers")
    assert (response.status_code, response.json()["code"]) == (405, "method_not_allowed")
    assert response.headers["Allow"] == "POST"


def test_the_openapi_document_needs_no_credentials(sandbox):
    response = requests.get(f"{sandbox.origin}/ivan/v1/openapi.json", timeout=60)
    assert response.json()["openapi"].startswith("3.1")
