"""The moves that several scenes share: press Đăng ký, wait for a state, read the mail's code, confirm on the portal."""

from __future__ import annotations

import base64
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import Any

from ..odoo import ADMIN_LOGIN
from .companies import Company
from .demo import Demo
from .setup_scene import PORTAL
from .transcript import Transcript, expect
from integration.browser import Browser, activate_on_portal, screenshot
from integration.odoo_web import OdooError, Person
from integration.stack import MAILBOX
from integration.waiting import NotObserved, until

MODEL = "l10n_vn_ibhxh.registration"
WIZARD = "l10n_vn_ibhxh.registration.wizard"
MAIL = "l10n_vn_ibhxh.mail"
MAIL_FIELDS = ("subject", "kind", "evidence", "state", "reason", "registration_id")
FOLLOW = "l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow"
PHONE = "024 3936 1234"
FIELDS = (
    "name",
    "state",
    "dossier_number",
    "submitted_at",
    "activation_code",
    "activation_url",
    "activation_expires_at",
    "waiting_code",
    "waiting_code_reason",
    "confirmed_at",
    "error_code",
    "error_message",
    "remedy",
    "signing_state",
    "signing_hint",
)


class Clerk:
    """The payroll clerk at work on one company after the other."""

    def __init__(self, demo: Demo, transcript: Transcript, clerk: Person) -> None:
        self.demo = demo
        self.transcript = transcript
        self.person = clerk
        self.codes: set[str] = set()
        """Every activation code that was seen."""

    @cached_property
    def admin(self) -> Person:
        """The administrator, logged in."""
        return self.demo.stack.person(ADMIN_LOGIN)

    def press_register(self, company: Company, **context: Any) -> int:
        """Open the wizard for a company, fill in what the person fills in, press Đăng ký; returns the registration.

        :param context: the wizard's defaults, as the button "register again" hands them over
        """
        self.person.act_for(company.record)
        values: dict[str, Any] = {"company_id": company.record}
        if not context:
            values |= {"email": MAILBOX, "phone": PHONE}
        wizard: int = self.person.call(WIZARD, "create", [values], context=context)[0]
        action = self.person.press(WIZARD, wizard, "action_register")
        return int(action["res_id"])

    def submit_elsewhere(self, company: Company, button: str = "action_register", **values: Any) -> int:
        """Fill in the wizard for what a person files at VSS's portal, press the button; returns the registration."""
        self.person.act_for(company.record)
        portal = self.admin.reference(PORTAL)
        common = {"company_id": company.record, "provider_id": portal, "lodging": "elsewhere"}
        wizard = self.person.create(WIZARD, **{**common, "email": MAILBOX, "phone": PHONE, **values})
        return int(self.person.press(WIZARD, wizard, button)["res_id"])

    def follow(self) -> None:
        """Ask the scheduled action to look now instead of in ten minutes."""
        with suppress(OdooError):  # it may be running already
            self.admin.press("ir.cron", self.admin.reference(FOLLOW), "method_direct_trigger")

    def newest(self, company: Company) -> int:
        """The registration that was made last for a company."""
        self.person.act_for(company.record)
        return self.person.find(MODEL, ["company_id", "=", company.record])

    def look(self, registration: int) -> dict[str, Any]:
        """What the form of a registration shows."""
        row = self.person.read(MODEL, registration, *FIELDS)
        if row["activation_code"]:
            self.codes.add(row["activation_code"])
        return row

    def await_state(self, registration: int, *states: str) -> dict[str, Any]:
        """Wait until a registration is in one of these states; returns what its form shows then."""

        def probe() -> dict[str, Any] | None:
            row = self.look(registration)
            return row if row["state"] in states else None

        try:
            return until(f"state {' or '.join(states)}", probe)
        except NotObserved as error:
            row = {name: value for name, value in self.look(registration).items() if value}
            raise NotObserved(f"{error}; instead: {row}\nmails: {self._mails()}") from error

    def _mails(self) -> list[dict[str, Any]]:
        """What Odoo made of the mails that came, for the transcript of a failure."""
        rows: list[dict[str, Any]] = self.admin.call(MAIL, "search_read", [], [*MAIL_FIELDS, "summary"])
        return rows

    def await_mail(self, message_id: str) -> dict[str, Any]:
        """Wait until a mail is in Odoo's BHXH mailbox; returns what an administrator sees of it."""
        admin = self.admin

        def probe() -> dict[str, Any] | None:
            found = admin.find(MAIL, ["message_id", "=", message_id], ["is_held", "=", False])
            return admin.read(MAIL, found, *MAIL_FIELDS) if found else None

        return until(f"the mail {message_id} in Odoo", probe)

    def give_mail(self, mail: dict[str, Any], registration: int) -> None:
        """An administrator says which registration a mail belongs to, and applies it."""
        self.admin.call(MAIL, "write", [mail["id"]], {"registration_id": registration})
        self.admin.press(MAIL, mail["id"], "action_apply")

    def await_certificate(self, company: Company) -> dict[str, Any]:
        """Wait until Odoo shows the company's certificate as plugged in."""
        self.person.act_for(company.record)

        def probe() -> dict[str, Any] | None:
            found = self.person.find("l10n_vn_ibhxh.certificate", ["company_ids", "=", company.record])
            fields = ("name", "issuer_name", "serial", "tax_code", "not_before", "not_after", "is_online")
            row = self.person.read("l10n_vn_ibhxh.certificate", found, *fields) if found else None
            return row if row and row["is_online"] else None

        return until(f"the certificate of {company.name} in Odoo", probe)

    def signed_document(self, registration: int) -> bytes:
        """The signed dossier, as a person downloads it."""
        row = self.person.call(MODEL, "read", [registration], ["signed_document"], context={"bin_size": False})[0]
        return base64.b64decode(row["signed_document"])

    def confirm_on_portal(self, browser: Browser, row: dict[str, Any], picture: Path | None = None) -> dict[str, str]:
        """Open the mail's link in Chromium, paste the code, press the button; the page must say that it is done.

        :param picture: where to keep a picture of the page after that
        """
        page = browser.page()
        try:
            shown = activate_on_portal(page, row["activation_url"], row["activation_code"])
            if picture:
                screenshot(page, picture)
        finally:
            page.context.close()
        expect(shown["result"] == "Hoàn tất thủ tục thành công.", f"the portal's success page, not: {shown['result']}")
        return shown

    def finish(self, browser: Browser, registration: int) -> dict[str, Any]:
        """From the token's signature to the confirmation, with every observation on the way."""
        saw = self.transcript.saw
        row = self.await_state(registration, "sent", "to_activate")
        number = row["dossier_number"] or "without a number yet"
        saw(f"{row['name']}: dossier {number}, accepted at {row['submitted_at']} UTC")
        row = self.await_state(registration, "to_activate")
        saw(f"the mail brought code {row['activation_code']}, valid until {row['activation_expires_at']} UTC")
        shown = self.confirm_on_portal(browser, row)
        saw(f"portal: {shown['result']}")
        row = self.await_state(registration, "confirmed")
        saw(f"{row['name']} is confirmed, at {row['confirmed_at']} UTC")
        return row
