"""One case: a company of its own, its registration, and the three invariants."""

from __future__ import annotations

import base64
import itertools
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from .odoo_web import OdooError
from .stack import CLERK, MAILBOX, Stack
from .waiting import PATIENCE, NotObserved, until

MODEL = "l10n_vn_ibhxh.registration"
WIZARD = "l10n_vn_ibhxh.registration.wizard"
PHONE = "024 3936 1234"
T = TypeVar("T")
ACCEPTED = ("sent", "to_activate", "confirmed")
"""States that say: the I-VAN has it."""


class Case:
    """What a case does and sees. Looking goes past Odoo, straight into its database."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        made = stack.make_company()
        self.company, self.tax_code, self.company_name = made.id, made.tax_code, made.name
        self.certificate = stack.fake_agent.certificate(self.tax_code, self.company_name)
        self.registration = 0
        self.signed_bytes = b""

    # -- doing -------------------------------------------------------------------------------------------------------

    def register(self, login: str = CLERK, **values: Any) -> int:
        """Press Đăng ký; returns the registration."""
        person = self.stack.person(login)
        values = {"company_id": self.company, "email": MAILBOX, "phone": PHONE, **values}
        allowed = {"allowed_company_ids": [self.company]}
        wizard = person.call(WIZARD, "create", [values], context=allowed)[0]
        action = person.press(WIZARD, wizard, "action_register", **allowed)
        self.registration = int(action["res_id"])
        return self.registration

    def plug_in(self) -> None:
        """Report the company's certificate by the fake agent."""
        self.stack.fake_agent.plug_in(self.certificate)

    def to_sign(self) -> int:
        """Up to the request that waits for the token; returns the registration."""
        self.plug_in()
        return self.register()

    def sign(self) -> None:
        """Claim, sign and deliver."""
        (claimed,) = self.stack.fake_agent.claim(self.certificate)
        self.signed_bytes = self.stack.fake_agent.sign(claimed["document"], self.certificate)
        answer = self.stack.fake_agent.deliver(claimed["id"], self.signed_bytes)
        assert answer.status_code == 200, answer.text

    def signed(self) -> int:
        """Up to the signature: sending begins by itself."""
        registration = self.to_sign()
        self.sign()
        return registration

    def press(self, button: str, login: str = CLERK) -> Any:
        """Press a button of the registration."""
        context = {"allowed_company_ids": [self.company]}
        return self.stack.person(login).press(MODEL, self.registration, button, **context)

    def send_now(self) -> None:
        """Press “Send now”, unless it is on its way already."""
        try:
            self.press("action_send")
        except OdooError as error:
            if self.state in ("to_sign", "to_send"):
                raise AssertionError(f"the button says: {error}") from error

    # -- looking -----------------------------------------------------------------------------------------------------

    def row(self) -> dict[str, Any]:
        """The registration as PostgreSQL has it."""
        query = "SELECT * FROM l10n_vn_ibhxh_registration WHERE company_id = %s ORDER BY id DESC LIMIT 1"
        return self.stack.sql(query, [self.company])[0]

    @property
    def state(self) -> str:
        """The state that is committed."""
        return str(self.row()["state"])

    def await_state(self, *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait for one of these states, waking the scheduler every other second as its own clock would."""

        def probe() -> dict[str, Any] | None:
            row = self.row()
            return row if row["state"] in states else None

        try:
            return until(f"state {' or '.join(states)}", self.ticking(probe), seconds)
        except NotObserved as error:
            raise NotObserved(f"{error}; instead {self._found()}\n{self.stack.odoo.tail(40)}") from error

    def ticking(self, probe: Callable[[], T | None]) -> Callable[[], T | None]:
        """The probe, which also wakes the scheduler each twentieth time."""
        looks = itertools.count(1)

        def ticking() -> T | None:
            if next(looks) % 20 == 0:
                self.stack.wake()
            return probe()

        return ticking

    def await_message(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until a dossier that is not sent says why."""
        try:
            return until(
                "the sentence for the person",
                self.ticking(lambda: row if (row := self.row())["error_message"] and row["retry_at"] else None),
                seconds,
            )
        except NotObserved as error:
            raise NotObserved(f"{error}; instead {self._found()}\n{self.stack.odoo.tail(40)}") from error

    def _found(self) -> dict[str, Any]:
        names = ("state", "error_code", "error_message", "retry_at", "attempted_at", "submitted_at", "dossier_number")
        row = self.row()
        return {name: row[name] for name in names if row[name]}

    def dossiers(self) -> list[dict[str, Any]]:
        """What the I-VAN holds of this company."""
        return [row for row in self.stack.control.documents() if row["tax_code"] == self.tax_code]

    def await_accepted(self, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until the I-VAN has taken the dossier, whatever Odoo knows of that."""
        return until("the dossier at the I-VAN", self.ticking(lambda: next(iter(self.dossiers()), None)), seconds)

    def activities(self) -> list[str]:
        """Summaries of what the responsible person has to do on the registration."""
        rows = self.stack.sql(
            "SELECT summary FROM mail_activity WHERE res_model = %s AND res_id = %s", [MODEL, self.row()["id"]]
        )
        return [row["summary"] for row in rows]

    def mails(self) -> list[dict[str, Any]]:
        """What Odoo made of the mails about this registration."""
        return self.stack.sql(
            "SELECT kind, state, reason, is_held FROM l10n_vn_ibhxh_mail WHERE registration_id = %s ORDER BY id",
            [self.row()["id"]],
        )

    # -- the invariants ----------------------------------------------------------------------------------------------

    def check_waiting(self, accepted: int) -> None:
        """A dossier that could not be sent for now: its signed bytes are kept and the person is notified.

        :param accepted: how many dossiers of the company the I-VAN holds
        """
        row = self.row()
        assert row["state"] == "to_send", self._found()
        assert bytes(row["signed_document"]) and base64.b64decode(bytes(row["signed_document"])) == self.signed_bytes
        assert row["error_message"] and row["retry_at"] > datetime.utcnow(), self._found()
        assert len(self.dossiers()) == accepted, self._found()

    def check_accepted(self, *, takes: int = 1) -> None:
        """The end of every case: sent, once, with the very bytes that were signed, and nothing alarms the person.

        :param takes: how often the I-VAN took it, the repetitions that it recognised included
        """
        row = self.await_state(*ACCEPTED)
        (dossier,) = self.dossiers()
        assert dossier["reference"] == row["client_reference"]
        assert dossier["takes"] <= takes, f"handed in {dossier['takes']} times"
        kept = base64.b64decode(bytes(row["signed_document"]))
        assert base64.b64decode(dossier["document"]) == kept
        assert not self.signed_bytes or kept == self.signed_bytes
        assert row["dossier_number"] == dossier["dossier_number"] and row["submitted_at"]
        assert not row["error_message"], self._found()
        count = (
            "SELECT count(*) AS n FROM l10n_vn_ibhxh_registration WHERE company_id = %s AND submitted_at IS NOT NULL"
        )
        assert self.stack.sql(count, [self.company])[0]["n"] == 1

    def retire(self) -> None:
        """Keep this company's polling out of the next cases' faults."""
        self.stack.sql(
            "UPDATE l10n_vn_ibhxh_registration SET poll_at = NULL, activation_expires_at = NULL WHERE company_id = %s",
            [self.company],
        )
