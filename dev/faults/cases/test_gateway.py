"""The gateway fails before or after it has taken the dossier."""

from __future__ import annotations

from typing import Any

import pytest

from dev.faults.case import Case

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
    case.world.control.fault(endpoint="submit", **fault)
    case.signed()
    case.await_message()
    case.check_waiting(accepted=0)
    case.send_now()
    case.check_accepted()


@pytest.mark.parametrize("fault", AFTER.values(), ids=list(AFTER))
def test_the_answer_is_lost_after_the_gateway_took_the_dossier(case: Case, fault: dict[str, Any]) -> None:
    case.world.control.fault(endpoint="submit", when="after", **fault)
    case.signed()
    case.await_message()
    case.check_waiting(accepted=1)
    case.send_now()
    case.check_accepted()
