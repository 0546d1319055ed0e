"""A person with a remote signing account instead of a token, and hands on the phone."""

from __future__ import annotations

from typing import Any

from .case import Case
from .stack import CLERK, REMOTE_SECRET
from .waiting import until

ADDON = "l10n_vn_ibhxh"
REQUEST = f"{ADDON}_signing_request"


class PhoneCase(Case):
    """A company whose clerk signs on the phone."""

    def enter_account(self, dialect: str = "vnpt", **settings: str) -> None:
        """Set the service up, give the clerk a key there, and have the certificates read.

        :param dialect: path of the stand-in's interface
        :param settings: of the service besides
        """
        admin, clerk = self.stack.admin, self.stack.person(CLERK)
        self.stack.set_parameter(f"{ADDON}.remote_loopback", "True")
        service = admin.create(
            f"{ADDON}.remote.service",
            name="SmartCA thử nghiệm",
            **settings,
            url=f"{self.stack.sandbox_url}/remote/{dialect}",
            client_id="demo-sp",
            client_secret_input=REMOTE_SECRET,
            company_id=False,
        )
        admin.call(f"{ADDON}.provider", "write", [self.stack.provider], {"remote_service_ids": [[4, service]]})
        number = f"CCCD{self.tax_code}"
        self.stack.control.remote("people", user=number, tax_code=self.tax_code, name=self.company_name)
        account = clerk.create(f"{ADDON}.remote.account", service_id=service, identity=number)
        clerk.press(f"{ADDON}.remote.account", account, "action_read_certificates")
        listing = f"SELECT certificate_id FROM {ADDON}_remote_account_certificate_rel WHERE account_id = %s"
        self.phone_certificate = int(self.stack.sql(listing, [account])[0]["certificate_id"])

    def send_to_phone(self) -> None:
        """Register, compare, and press “Send to the phone”."""
        self.register(certificate_id=self.phone_certificate)
        self.press("action_send_to_phone")

    def request(self) -> dict[str, Any]:
        """The signing request as PostgreSQL has it."""
        query = f"SELECT * FROM {REQUEST} WHERE res_id = %s ORDER BY id DESC LIMIT 1"
        return self.stack.sql(query, [self.row()["id"]])[0]

    def pass_time(self) -> None:
        """Move what the request waits for into the past: two minutes have gone by."""
        two_minutes = "interval '2 minutes'"
        self.stack.sql(
            f"UPDATE {REQUEST} SET started_at = started_at - {two_minutes}, ask_at = ask_at - {two_minutes} "
            "WHERE id = %s AND ask_at IS NOT NULL",
            [self.request()["id"]],
        )
        self.stack.trigger("remote")

    def on_phone(self) -> dict[str, Any]:
        """Wait until the phone shows the request."""
        return until("the request on the phone", lambda: next(iter(self._waiting()), None))

    def confirm(self) -> None:
        """Confirm on the phone."""
        self.stack.control.remote("decide", reference=self.on_phone()["reference"], state="confirmed")

    def refuse(self) -> None:
        """Refuse what the phone shows."""
        self.stack.control.remote("decide", reference=self.on_phone()["reference"], state="refused")

    def starts(self) -> int:
        """How many requests were ever put on this person's phone: the waiting and the decided ones."""
        return int(self.stack.control.remote_requests()["starts"])

    def _waiting(self) -> list[dict[str, Any]]:
        rows = self.stack.control.remote_requests()["waiting"]
        return [row for row in rows if row["user"] == f"CCCD{self.tax_code}"]
