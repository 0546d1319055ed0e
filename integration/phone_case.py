"""A company without a token, whose key is with a remote signing service: the sandbox's, with a phone in its control."""

from __future__ import annotations

import itertools
from typing import Any

from .case import Case
from .odoo_web import Person
from .stack import HOLDER, Stack
from .waiting import until
from dev.paths import ADDON

SERVICE = f"{ADDON}.remote.service"
ACCOUNT = f"{ADDON}.remote.account"
REQUEST = f"{ADDON}_signing_request"
CLIENT, SECRET, TOKEN = "demo-sp", "sp-secret-of-the-sandbox", "token-of-the-sandbox"
"""What the sandbox's remote signing service knows its client by."""
DIALECTS: dict[str, dict[str, str]] = {
    "vnpt": {"adapter": "smartca", "profile": "vnpt", "url": "/remote/vnpt"},
    "ca2": {"adapter": "smartca", "profile": "ca2", "url": "/remote/ca2"},
    "csc1": {"adapter": "csc1", "login": "client", "url": "/remote/csc/v1"},
    "csc2": {"adapter": "csc2", "login": "client", "url": "/remote/csc/v2"},
    "viettel": {"adapter": "csc1", "login": "viettel", "url": "/remote/viettel/ras/csc/v1"},
}
_numbers = itertools.count(1)


def make_service(stack: Stack, dialect: str, **values: Any) -> int:
    """A remote signing service in the sandbox, accepted by the stack's I-VAN; returns its id."""
    stack.set_parameter(f"{ADDON}.remote_loopback", "True")
    settings = DIALECTS[dialect]
    return stack.admin.create(
        SERVICE,
        **{
            "name": f"Dịch vụ ký {dialect}",
            **settings,
            "url": stack.sandbox_url + settings["url"],
            "client_id": CLIENT,
            "client_secret_input": SECRET,
            "provider_ids": [[6, 0, [stack.provider]]],
            "company_id": False,
            **values,
        },
    )


def add_account(person: Person, service: int, number: str, company: int) -> int:
    """Enter somebody's own account, and have its certificates read; returns its id."""
    context = {"allowed_company_ids": [company]}
    account: int = person.call(ACCOUNT, "create", [{"service_id": service, "identity": number}], context=context)[0]
    person.press(ACCOUNT, account, "action_read_certificates", **context)
    return account


class PhoneCase(Case):
    """A case whose signature somebody confirms on the phone."""

    def __init__(self, stack: Stack, service: int) -> None:
        """:param service: where the company's key is"""
        super().__init__(stack)
        self.number = f"0010990{next(_numbers):05d}"
        self.certificate_der = stack.control.add_key(self.number, self.tax_code, self.company_name)
        add_account(stack.person(HOLDER), service, self.number, self.company)
        self._certificate = stack.admin.find(f"{ADDON}.certificate", ["tax_code", "=", self.tax_code])

    # -- doing -------------------------------------------------------------------------------------------------------

    def to_phone(self) -> None:
        """Register and have the request sent to the phone."""
        self.register(certificate_id=self._certificate)
        self.press("action_send_to_phone")

    def await_phone(self) -> dict[str, Any]:
        """Wait until the phone shows the request."""
        return until(
            "the request on the phone", self.ticking(lambda: next(iter(self.stack.control.on_phone(self.number)), None))
        )

    def decide(self, state: str = "confirmed") -> None:
        """Confirm or refuse on the phone."""
        self.stack.control.decide(self.await_phone()["reference"], state)

    def pass_time(self, seconds: int) -> None:
        """Let the request be older, for Odoo, by so many seconds: what is due then is due now."""
        names = ("started_at", "ask_at", "lease_until")
        changes = ", ".join(f"{name} = {name} - interval '{seconds} seconds'" for name in names)
        where = "WHERE company_id = %s AND state IN ('claimed', 'cancelled')"
        self.stack.sql(f"UPDATE {REQUEST} SET {changes} {where}", [self.company])
        self.stack.trigger("remote")

    # -- looking -----------------------------------------------------------------------------------------------------

    def request(self) -> dict[str, Any]:
        """The newest signing request as PostgreSQL has it."""
        query = f"SELECT * FROM {REQUEST} WHERE company_id = %s ORDER BY id DESC LIMIT 1"
        return self.stack.sql(query, [self.company])[0]

    def await_request(self, *states: str) -> dict[str, Any]:
        """Wait for one of these states of the request, or of its way to the phone."""

        def probe() -> dict[str, Any] | None:
            row = self.request()
            return row if {row["state"], row["remote_state"]} & set(states) else None

        return until(f"a request that is {' or '.join(states)}", self.ticking(probe))

    def check_signed_once(self) -> None:
        """One request was put on the phone, one signature was made, and the dossier arrived with it."""
        self.check_accepted()
        assert self.stack.control.count_started(self.number) == 1
        assert self.stack.control.count_signed(self.number) == 1

    def check_failed(self, code: str) -> None:
        """The request ended with this code; the person has a sentence, the dossier, and may send again."""
        row = self.await_state("draft")
        assert row["error_code"] == code and row["error_message"] and not row["signed_document"], self._found()
        assert not self.dossiers()

    def check_again(self) -> None:
        """A press sends a new request, which is signed."""
        before = self.stack.control.count_started(self.number)
        self.press("action_send_again")
        self.decide()
        self.check_accepted()
        assert self.stack.control.count_started(self.number) == before + 1
