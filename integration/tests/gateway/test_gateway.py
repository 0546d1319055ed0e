"""The gateway fails before or after it has taken the dossier."""

from __future__ import annotations

from typing import Any

import pytest

from dev.paths import VENV
from integration.ca import self_signed
from integration.case import Case
from integration.programs import free_port
from integration.waiting import until

BEFORE: dict[str, dict[str, Any]] = {
    "outage with SE999": {"kind": "outage", "seconds": 1},
    "500": {"kind": "status", "status": 500},
    "502 of a proxy": {"kind": "status", "status": 502},
    "503 of a proxy": {"kind": "status", "status": 503},
    "connection reset": {"kind": "reset"},
    "closed without an answer": {"kind": "close"},
    "redirect to elsewhere": {"kind": "redirect"},
    "wrong password at the gateway": {"kind": "status", "status": 401},
}
AFTER: dict[str, dict[str, Any]] = {
    "time-out of a proxy": {"kind": "timeout", "seconds": 2},
    "500": {"kind": "status", "status": 500},
    "502": {"kind": "status", "status": 502},
    "garbage": {"kind": "garbage"},
    "a web page": {"kind": "html"},
    "JSON of another shape": {"kind": "wrong_json"},
    "truncated": {"kind": "truncated"},
    "huge": {"kind": "huge", "size": 32 * 2**20},
    "connection reset": {"kind": "reset"},
}


@pytest.mark.parametrize("fault", BEFORE.values(), ids=list(BEFORE))
def test_the_gateway_fails_before_it_takes_the_dossier(case: Case, fault: dict[str, Any]) -> None:
    case.stack.control.fault(endpoint="submit", **fault)
    case.signed()
    case.await_message()
    case.check_waiting(accepted=0)
    case.send_now()
    case.check_accepted()


@pytest.mark.parametrize("fault", AFTER.values(), ids=list(AFTER))
def test_the_answer_is_lost_after_the_gateway_took_the_dossier(case: Case, fault: dict[str, Any]) -> None:
    case.stack.control.fault(endpoint="submit", when="after", **fault)
    check_lost_answer(case)


def check_lost_answer(case: Case) -> None:
    """The I-VAN has it, Odoo does not know, and asks. A mail would tell: it waits until the sentence was seen."""
    with case.stack.mail.refusing():
        case.signed()
        case.await_message()
        case.check_waiting(accepted=1)
    case.send_now()
    case.check_accepted()
    case.await_state("to_activate")  # by the mail, which otherwise would have this company asked after in the next test


def test_nobody_listens_at_the_gateways_address(case: Case) -> None:
    provider = other_provider(case, f"http://127.0.0.1:{free_port()}")
    case.signed()
    case.await_message()
    case.check_waiting(accepted=0)
    mend(case, provider)


def test_the_gateways_certificate_is_not_trusted(case: Case) -> None:
    """TLS fails before anything was said: certainly not accepted."""
    folder = case.stack.folder
    certificate, key = self_signed()
    (folder / "tls.pem").write_bytes(certificate)
    (folder / "tls.key").write_bytes(key)
    port = free_port()
    command = [str(VENV / "bin" / "ibhxh-sandbox"), "--port", str(port), "--secret-file", str(case.stack.secret_file)]
    command += ["--tls-certificate", str(folder / "tls.pem"), "--tls-key", str(folder / "tls.key")]
    impostor = case.stack.program("impostor", command, {})
    impostor.start()
    try:
        provider = other_provider(case, f"https://127.0.0.1:{port}")
        case.signed()
        case.await_message()
        case.check_waiting(accepted=0)
    finally:
        impostor.kill()
    mend(case, provider)


def other_provider(case: Case, url: str) -> int:
    """Let the company use a gateway of its own at this address; returns its id."""
    admin = case.stack.person("admin")
    provider = case.stack.make_provider(url, gateway="http", company_id=case.company)
    admin.call("res.company", "write", [case.company], {"l10n_vn_ibhxh_provider_id": provider})
    return provider


def mend(case: Case, provider: int) -> None:
    """Correct the address, and send."""
    url = f"{case.stack.sandbox_url}/ivan/v1"
    case.stack.person("admin").call("l10n_vn_ibhxh.provider", "write", [provider], {"url": url})
    case.send_now()
    case.check_accepted()


@pytest.mark.parametrize("kind", ["timeout", "slow"])
def test_the_answer_takes_longer_than_odoo_waits(case: Case, kind: str) -> None:
    """The client's own limit: 30 seconds for the whole answer, one letter a second included."""
    case.stack.control.fault(endpoint="submit", when="after", kind=kind, seconds={"timeout": 45, "slow": 1}[kind])
    check_lost_answer(case)


def test_asking_fails_too(case: Case) -> None:
    """The answer is lost, and so are the next two answers to the question what became of it."""
    control = case.stack.control
    control.fault(endpoint="submit", when="after", kind="close")
    control.fault(endpoint="progress", kind="garbage", count=1)
    control.fault(endpoint="progress", kind="status", status=500, count=1)
    with case.stack.mail.refusing():
        case.signed()
        case.await_message()
        for count in (2, 3):
            case.send_now()
            await_tries(case, count)
            case.check_waiting(accepted=1)
    case.send_now()
    case.check_accepted()
    case.await_state("to_activate")


def await_tries(case: Case, count: int) -> None:
    """Wait until sending has failed so often."""
    until("the next try", lambda: case.row()["retry_count"] == count)
