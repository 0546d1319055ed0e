"""The gateway contract v1, checked against a running server: the sandbox, or the one that an implementer points it at.

    IVAN_BASE_URL=https://host/ivan/v1 IVAN_CLIENT_ID=… IVAN_SECRET_FILE=… IVAN_SUBMISSION=body.json \
        pytest tests/contract

`IVAN_SUBMISSION` is a request body of `POST /dossiers` for form 04 that the server accepts as often as it is sent with
a new reference (a unit that has not confirmed yet). Without `IVAN_BASE_URL` the tests start a sandbox.
"""

import base64
import hashlib
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
def server(request):
    base_url = os.environ.get("IVAN_BASE_URL")
    if base_url:
        return Server(
            base_url,
            os.environ["IVAN_CLIENT_ID"],
            Path(os.environ["IVAN_SECRET_FILE"]).read_text(encoding="utf-8").strip(),
            json.loads(Path(os.environ["IVAN_SUBMISSION"]).read_text(encoding="utf-8")),
        )
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
