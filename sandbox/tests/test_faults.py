"""The fault switches of the gateway: what the client sees, and what was carried out all the same."""

import json
import socket
import time
import uuid

import pytest
import requests
from requests.exceptions import ChunkedEncodingError, ConnectionError, ReadTimeout

from ibhxh_sandbox.faults import ENCODINGS, KINDS


def switch(sandbox, kind, endpoint="submit", **options):
    sandbox.control("faults", {"endpoint": endpoint, "kind": kind, **options})


def test_outage_accepts_nothing_and_says_when_to_come_back(sandbox):
    switch(sandbox, "outage", seconds=120, count=2)
    body = sandbox.body()

    for _ in range(2):
        response = sandbox.post(body)
        assert (response.status_code, response.json()["code"]) == (503, "SE999")
        assert response.headers["Retry-After"] == "120"
    assert sandbox.control("dossiers") == []
    assert sandbox.post(body).status_code == 201


@pytest.mark.parametrize("status", [500, 502, 503, 429])
@pytest.mark.parametrize("when", ["before", "after"])
def test_status(sandbox, status, when):
    switch(sandbox, "status", status=status, when=when)

    response = sandbox.submit()

    assert response.status_code == status
    assert len(sandbox.control("dossiers")) == (when == "after")


@pytest.mark.parametrize("retry_after", ["600", "Mon, 02 Mar 2026 03:14:05 GMT"])
@pytest.mark.parametrize("endpoint", ["submit", "progress"])
def test_status_with_retry_after(sandbox, endpoint, retry_after):
    switch(sandbox, "status", endpoint, status=429, retry_after=retry_after)
    response = sandbox.submit() if endpoint == "submit" else sandbox.call("GET", f"/dossiers/{uuid.uuid4()}")
    assert (response.status_code, response.headers["Retry-After"]) == (429, retry_after)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_odd_answers(sandbox, encoding):
    """The work is done, and the answer has a member of another kind or comes in another encoding."""
    switch(sandbox, "odd", members={"accepted_at": 7}, encoding=encoding)

    response = sandbox.submit()

    assert response.status_code == 201
    raw = response.content  # unpacked where it was packed
    assert json.loads(raw.decode("utf-8" if encoding == "gzip" else encoding))["accepted_at"] == 7
    assert len(sandbox.control("dossiers")) == 1


def test_odd_answers_are_checked(sandbox):
    for options in ({"members": []}, {"encoding": "utf-7"}):
        body = {"endpoint": "submit", "kind": "odd", **options}
        assert requests.post(f"{sandbox.origin}/_sandbox/faults", json=body, timeout=60).status_code == 400


def test_a_time_out_after_acceptance_leaves_the_dossier_accepted(sandbox):
    switch(sandbox, "timeout", when="after", seconds=60)
    body = sandbox.body()

    with pytest.raises(ReadTimeout):
        sandbox.post(body, timeout=(60, 0.3))
    while not sandbox.control("dossiers"):  # a busy computer may accept it only after the client gave up
        pass

    assert sandbox.progress(body["client_reference"])["state"] == "accepted"
    assert sandbox.post(body).status_code == 200


def test_a_time_out_ends_with_the_connection_closed(sandbox):
    switch(sandbox, "timeout", seconds=0.1)
    with pytest.raises(ConnectionError):
        sandbox.submit()


@pytest.mark.parametrize("kind", ["reset", "close"])
@pytest.mark.parametrize("when", ["before", "after"])
def test_connection_lost(sandbox, kind, when):
    switch(sandbox, kind, when=when)

    with pytest.raises(ConnectionError):
        sandbox.submit()

    assert len(sandbox.control("dossiers")) == (when == "after")


def test_reset_is_a_reset_and_close_is_none(sandbox):
    for kind, expected in (("reset", ConnectionResetError), ("close", None)):
        switch(sandbox, kind, endpoint="health")
        with socket.create_connection(("127.0.0.1", sandbox.port)) as connection:
            connection.sendall(b"GET /ivan/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
            try:
                assert connection.recv(100) == b""
                seen = None
            except ConnectionResetError as error:
                seen = type(error)
        assert seen is expected


def test_garbage_and_other_shapes(sandbox):
    for kind in ("garbage", "html", "wrong_json"):
        switch(sandbox, kind, when="after")
    contents = [sandbox.submit().content for _ in range(3)]

    assert len(contents[0]) == 512
    assert contents[1].startswith(b"<!DOCTYPE html>")
    assert contents[2].startswith(b"[")
    assert len(sandbox.control("dossiers")) == 3


def test_truncated(sandbox):
    switch(sandbox, "truncated", when="after")
    with pytest.raises((ChunkedEncodingError, ConnectionError)):
        sandbox.submit()
    assert len(sandbox.control("dossiers")) == 1


def test_huge(sandbox):
    switch(sandbox, "huge", endpoint="progress", size=3 * 2**20)
    reference = sandbox.submit().json()["client_reference"]
    assert len(sandbox.call("GET", f"/dossiers/{reference}").content) > 3 * 2**20 - 2**16


def test_slow_sends_byte_after_byte(sandbox):
    switch(sandbox, "slow", when="after", seconds=0.001)
    started = time.monotonic()

    response = sandbox.submit()

    assert response.json()["state"] == "accepted"
    assert time.monotonic() - started > len(response.content) * 0.001


def test_slow_holds_out_longer_than_a_time_out_between_bytes(sandbox):
    switch(sandbox, "slow", endpoint="health", seconds=0.05)
    with sandbox.call("GET", "/health", stream=True, timeout=1) as response:
        assert response.raw.read(3) == b'{"c'


@pytest.mark.parametrize("fault", [{"kind": "huge", "size": 2**26}, {"kind": "slow", "seconds": 0.01}])
def test_a_client_that_hangs_up_does_no_harm(sandbox, fault):
    switch(sandbox, endpoint="health", **fault)
    sandbox.call("GET", "/health", stream=True).close()
    assert sandbox.call("GET", "/health").status_code == 200


def test_delay(sandbox):
    switch(sandbox, "delay", seconds=0.2)
    started = time.monotonic()
    assert sandbox.submit().status_code == 201
    assert time.monotonic() - started >= 0.2


def test_redirect(sandbox):
    switch(sandbox, "redirect", location="http://127.0.0.1:9/thief")
    response = sandbox.post(sandbox.body(), allow_redirects=False)
    assert (response.status_code, response.headers["Location"]) == (302, "http://127.0.0.1:9/thief")


def test_refuse_with_any_code(sandbox):
    holder = {"code": "00050", "name": "Viễn"}
    switch(sandbox, "refuse", code="IC1", description="Đơn vị thuộc I-VAN khác.", holder=holder)

    response = sandbox.submit()

    assert response.status_code == 422
    assert response.json() == {"code": "IC1", "description": "Đơn vị thuộc I-VAN khác.", "holder": holder}
    assert sandbox.submit().status_code == 201


def test_refuse_after_processing(sandbox):
    sandbox.control("settings", {"processing_seconds": 60})
    switch(sandbox, "refuse", code="XX99", skip=1)
    references = [sandbox.submit().json()["client_reference"] for _ in range(2)]
    assert sandbox.control("faults")[0]["code"] == "XX99"
    sandbox.control("clock", {"advance_seconds": 60})

    first, second = (sandbox.progress(reference) for reference in references)

    assert first["state"] == "accepted"
    assert (second["state"], second["steps"][1]["code"]) == ("rejected", "XX99")
    assert sandbox.control("faults") == []


def test_count_and_skip(sandbox):
    switch(sandbox, "status", endpoint="health", skip=1, count=2)
    statuses = [sandbox.call("GET", "/health").status_code for _ in range(4)]
    assert statuses == [200, 500, 500, 200]
    assert sandbox.control("faults") == []


def test_each_endpoint_has_its_own_weather(sandbox):
    reference = sandbox.submit().json()["client_reference"]
    dossier = sandbox.dossier(reference)
    calls = {
        "health": lambda: sandbox.call("GET", "/health"),
        "submit": sandbox.submit,
        "progress": lambda: sandbox.call("GET", f"/dossiers/{reference}"),
        "resend_code": lambda: sandbox.call("POST", f"/dossiers/{reference}/resend-code"),
        "portal": lambda: requests.get(f"{sandbox.origin}/portal/activations/{dossier['token']}", timeout=60),
    }
    for endpoint in calls:
        switch(sandbox, "status", endpoint=endpoint, status=502, count=100)
        hit = [name for name, call in calls.items() if call().status_code == 502]
        assert hit == [endpoint]
        requests.delete(f"{sandbox.origin}/_sandbox/faults", timeout=60)
    switch(sandbox, "status", endpoint="any", status=502, count=100)
    assert all(call().status_code == 502 for call in calls.values())


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"endpoint": "submit"},
        {"endpoint": "nothing", "kind": "reset"},
        {"endpoint": "submit", "kind": "nothing"},
        {"endpoint": "submit", "kind": "reset", "when": "never"},
        {"endpoint": "submit", "kind": "outage", "when": "after"},
        {"endpoint": "submit", "kind": "reset", "colour": 1},
        {"endpoint": "submit", "kind": "reset", "count": 0},
        {"endpoint": "submit", "kind": "refuse"},
        {"endpoint": "health", "kind": "refuse", "code": "X"},
        {"endpoint": "submit", "kind": "timeout", "seconds": "long"},
    ],
)
def test_unknown_faults_are_refused(sandbox, fault):
    response = requests.post(f"{sandbox.origin}/_sandbox/faults", json=fault, timeout=60)
    assert (response.status_code, response.json()["code"]) == (400, "bad_request")
    assert sandbox.control("faults") == []


def test_every_kind_is_played(sandbox):
    """No kind falls through to a mistake of the sandbox's own (a 500 that nobody asked for)."""
    for kind in KINDS:
        switch(sandbox, kind, endpoint="health", seconds=0, size=10, status=418)
        try:
            response = sandbox.call("GET", "/health", allow_redirects=False)
        except (ConnectionError, ChunkedEncodingError):
            continue
        assert response.status_code != 500, kind
