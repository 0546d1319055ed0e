"""The gateway contract v1, checked against a running server: the sandbox, or the one that an implementer points it at.

    IVAN_BASE_URL=https://host/ivan/v1 IVAN_CLIENT_ID=… IVAN_SECRET_FILE=… IVAN_SUBMISSION=body.json \
        pytest tests/contract

`IVAN_SUBMISSION` is a request body of `POST /dossiers` for form 04 that the server accepts as often as it is sent with
a new reference (a unit that has not confirmed yet). Without `IVAN_BASE_URL` the tests start a sandbox, and after it a
server that was written from docs/gateway.md and openapi.json alone (second_server.py).
"""

import base64
import hashlib
import importlib.util
import json
import os
import threading
import uuid
from importlib import resources
from pathlib import Path

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    missing_required_header,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from ibhxh_sandbox import example

# The folder is no package: pytest imports these files by their paths.
_spec = importlib.util.spec_from_file_location("second_server", Path(__file__).with_name("second_server.py"))
second_server_module = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(second_server_module)

SECOND_SECRET = "mật khẩu thứ hai"
CONTRACT = json.loads((resources.files("ibhxh_sandbox") / "openapi.json").read_text(encoding="utf-8"))
PROGRESS = "/dossiers/{client_reference}"
RESEND = f"{PROGRESS}/resend-code"
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
    missing_required_header,
    unsupported_method,
]


class Server:
    """The server under test."""

    def __init__(self, base_url, client_id, secret, submission):
        self.base_url = base_url.rstrip("/")
        self.auth = (client_id.encode(), secret.encode())
        self.submission = submission
        # Credentials are sent with every call and have a test of their own: leave them out of what is generated.
        self.schema = schemathesis.openapi.from_dict({**CONTRACT, "security": []})

    def call(self, method, path, template=None, **options):
        """A call whose answer is checked against the contract's document."""
        options = {"auth": self.auth, "timeout": 60, **options}
        response = requests.request(method, self.base_url + path, **options)
        self.schema[template or path][method].validate_response(response)
        return response

    def submit(self, **changes):
        """Lodge the submission under a new reference, or with other changes."""
        body = {**self.submission, "client_reference": str(uuid.uuid4()), **changes}
        return self.call("POST", "/dossiers", json=body, headers={"Idempotency-Key": body["client_reference"]})

    def progress(self, reference):
        return self.call("GET", PROGRESS.format(client_reference=reference), PROGRESS)


@pytest.fixture
def second_server(tmp_path):
    """The address of the server that was written from the documents alone."""
    running = second_server_module.serve(0, "00001", SECOND_SECRET, tmp_path / "data.sqlite")
    thread = threading.Thread(target=running.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{running.server_address[1]}"
    running.shutdown()
    thread.join()
    running.server_close()


@pytest.fixture(params=["yours"] if os.environ.get("IVAN_BASE_URL") else ["sandbox", "second server"])
def server(request):
    if request.param == "yours":
        return Server(
            os.environ["IVAN_BASE_URL"],
            os.environ["IVAN_CLIENT_ID"],
            Path(os.environ["IVAN_SECRET_FILE"]).read_text(encoding="utf-8").strip(),
            json.loads(Path(os.environ["IVAN_SUBMISSION"]).read_text(encoding="utf-8")),
        )
    if request.param == "second server":
        origin = request.getfixturevalue("second_server")
        document = example.sign(example.unsigned("04", None), example.make_identity())
        body = example.request_body("04", document, None)
        return Server(f"{origin}/ivan/v1", "00001", SECOND_SECRET, body)
    sandbox = request.getfixturevalue("sandbox")
    user, secret = sandbox.auth
    return Server(f"{sandbox.origin}/ivan/v1", user, secret.decode(), sandbox.body())


OPERATIONS = {
    f"{method.upper()} {path} {mode.value}": (method.upper(), path, mode)
    for path, methods in CONTRACT["paths"].items()
    for method, operation in methods.items()
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE)
    if mode.is_positive or "parameters" in operation  # without parameters no request is invalid
}


@pytest.mark.parametrize(("method", "path", "mode"), OPERATIONS.values(), ids=OPERATIONS)
def test_generated_requests_get_answers_of_the_contract(server, method, path, mode):
    @given(server.schema[path][method].as_strategy(generation_mode=mode))
    @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
    def send(case):
        case.call_and_validate(base_url=server.base_url, auth=server.auth, checks=CHECKS, timeout=60)

    send()


def test_a_dossier_is_accepted_and_followed(server):
    receipt = server.submit()
    assert receipt.status_code == 201

    progress = server.progress(receipt.json()["client_reference"])

    assert progress.status_code == 200
    for name in ("client_reference", "accepted_at"):
        assert progress.json()[name] == receipt.json()[name]
    assert progress.json()["steps"][0]["passed"] is True


def test_the_same_dossier_again_is_answered_the_same(server):
    reference = str(uuid.uuid4())
    first, second = server.submit(client_reference=reference), server.submit(client_reference=reference)

    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json()["accepted_at"] == second.json()["accepted_at"]


def test_a_reference_in_upper_case_is_the_same_reference(server):
    reference = str(uuid.uuid4())
    server.submit(client_reference=reference)

    assert server.submit(client_reference=reference.upper()).status_code == 200
    assert server.progress(reference.upper()).status_code == 200


def test_identical_dossiers_in_parallel_are_one(server):
    reference, statuses = str(uuid.uuid4()), []
    threads = [
        threading.Thread(target=lambda: statuses.append(server.submit(client_reference=reference).status_code))
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(statuses) == [200, 200, 200, 200, 201]


def tampered(server):
    document = base64.b64decode(server.submission["document"]).replace(b"<Email>", b"<Email>x")
    text = base64.b64encode(document).decode()
    return {"document": text, "sha256": hashlib.sha256(document).hexdigest()}


def test_other_bytes_under_a_known_reference_are_a_conflict(server):
    reference = str(uuid.uuid4())
    server.submit(client_reference=reference)

    response = server.submit(client_reference=reference, **tampered(server))

    assert (response.status_code, response.json()["code"]) == (409, "conflict")


def test_a_broken_signature_is_refused_and_nothing_is_kept(server):
    reference = str(uuid.uuid4())

    response = server.submit(client_reference=reference, **tampered(server))

    assert (response.status_code, response.json()["code"]) == (422, "CE009")
    assert server.progress(reference).status_code == 404
    assert server.submit(client_reference=reference).status_code == 201


def test_wrong_credentials_are_refused(server):
    server.auth = (server.auth[0], b"wrong " + server.auth[1])

    for method, path in (("GET", "/health"), ("POST", "/dossiers"), ("GET", PROGRESS), ("POST", RESEND)):
        response = server.call(method, path.format(client_reference=uuid.uuid4()), path)
        assert (response.status_code, response.json()["code"]) == (401, "unauthorized")


def test_a_dossier_of_more_than_5_mib_is_too_large(server):
    document = b" " * (5 * 2**20 + 1)
    response = server.submit(document=base64.b64encode(document).decode(), sha256=hashlib.sha256(document).hexdigest())
    assert (response.status_code, response.json()["code"]) == (413, "too_large")


def test_a_code_that_nobody_waits_for_is_not_resent(server):
    unknown = server.call("POST", RESEND.format(client_reference=uuid.uuid4()), RESEND)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")


def test_an_unknown_path_is_not_an_unknown_dossier(server):
    """A client with a wrong address must not read “never heard of that dossier”, after which it may send again."""
    for path in (f"/v2/dossiers/{uuid.uuid4()}", f"/dossiers/{uuid.uuid4()}/more", "/nothing", "/dossiers/"):
        response = requests.get(server.base_url + path, auth=server.auth, timeout=60)
        assert response.status_code == 404
        assert response.json()["code"] != "not_found"


def test_the_same_document_as_another_form_is_a_conflict(server):
    reference = str(uuid.uuid4())
    server.submit(client_reference=reference)

    response = server.submit(client_reference=reference, form="05")

    assert (response.status_code, response.json()["code"]) == (409, "conflict")
    assert server.progress(reference).json()["form"] == "04"


def test_a_document_of_another_form_is_refused(server):
    response = server.submit(form="06")
    assert (response.status_code, response.json()["code"]) == (422, "CE009")


def test_members_are_looked_at_before_the_reference(server):
    reference = str(uuid.uuid4())
    server.submit(client_reference=reference)
    for change in ({"sha256": "0" * 64}, {"agency_code": ""}, {"document": "?"}):
        assert server.submit(client_reference=reference, **change).status_code == 400


def test_what_contradicts_the_document_is_a_bad_request(server):
    for change in ({"agency_code": "99999"}, {"tax_code": "0100109107"}):
        response = server.submit(**change)
        assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_a_tax_code_counts_with_or_without_its_dash(server):
    tax_code = server.submission["tax_code"]
    assert server.submit(tax_code=f"{tax_code[:10]}-{tax_code[10:]}".rstrip("-")).status_code == 201


def test_the_header_has_to_be_there_and_the_same(server):
    body = {**server.submission, "client_reference": str(uuid.uuid4())}
    for headers in ({}, {"Idempotency-Key": str(uuid.uuid4())}):
        response = server.call("POST", "/dossiers", json=body, headers=headers)
        assert (response.status_code, response.json()["code"]) == (400, "bad_request")


def test_another_media_type_is_not_read(server):
    headers = {"Idempotency-Key": str(uuid.uuid4()), "Content-Type": "text/plain"}
    response = server.call("POST", "/dossiers", data=b"{}", headers=headers)
    assert (response.status_code, response.json()["code"]) == (415, "unsupported_media_type")


def test_resending_takes_any_body(server):
    reference = server.submit().json()["client_reference"]
    for options in ({}, {"json": {}}, {"data": b"?"}):
        response = server.call("POST", RESEND.format(client_reference=reference), RESEND, **options)
        assert response.status_code in (202, 409)


def test_answers_are_plain_utf_8(server):
    response = server.progress(server.submit().json()["client_reference"])
    assert response.content.startswith(b"{")
    response.content.decode("utf-8")
    assert "Content-Encoding" not in response.headers


def test_steps_are_numbered_in_order_and_stay(server):
    reference = server.submit().json()["client_reference"]
    first, second = (server.progress(reference).json()["steps"] for _ in range(2))
    assert [step["step"] for step in first] == list(range(1, len(first) + 1))
    assert second[: len(first)] == first


NOT_OFFERED = (404, 405, 501)


def many(server, *entries):
    """Ask about several dossiers; None where the server does not offer that, which it has to say in the agreed way."""
    response = server.call("POST", "/progress", json={"dossiers": list(entries)})
    if response.status_code in NOT_OFFERED:
        assert response.json()["code"] != "not_found"
        return None
    assert response.status_code == 200
    return {entry["client_reference"]: entry for entry in response.json()["dossiers"]}


def test_the_answer_about_several_is_that_about_each(server):
    references = [server.submit().json()["client_reference"] for _ in range(2)]
    unknown = str(uuid.uuid4())

    found = many(server, *({"client_reference": reference} for reference in (*references, unknown)))

    if found is not None:
        assert found == {
            **{reference: server.progress(reference).json() for reference in references},
            unknown: {"client_reference": unknown, "code": "not_found"},
        }


def test_what_has_not_changed_is_not_repeated(server):
    reference = server.submit().json()["client_reference"]
    version = server.progress(reference).json().get("version")
    if version is None:
        return  # a server need not have any

    path = PROGRESS.format(client_reference=reference)
    for tag, status in ((version, 304), ("x" + version[1:], 200)):
        response = server.call("GET", path, PROGRESS, headers={"If-None-Match": f'"{tag}"'})
        assert response.status_code == status
    assert many(server, {"client_reference": reference, "version": version}) in (
        None,
        {reference: {"client_reference": reference, "code": "unchanged"}},
    )


def test_several_dossiers_need_the_secret_too(server):
    server.auth = (server.auth[0], b"wrong " + server.auth[1])
    response = server.call("POST", "/progress", json={"dossiers": [{"client_reference": str(uuid.uuid4())}]})
    assert response.status_code in (401, *NOT_OFFERED)
