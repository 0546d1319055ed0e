"""VSS's mails come twice, late, in the wrong order, not at all, before the receipt, or while Odoo is down."""

from __future__ import annotations

from typing import Any

from integration.case import Case
from integration.waiting import until

HOUR = 3600


def activate(case: Case) -> None:
    """Enter the code on VSS's portal, whatever Odoo knows of it."""
    (dossier,) = case.dossiers()
    case.stack.control.activate(dossier["activation_url"].rsplit("/", 1)[1], dossier["code"])


def await_mail(case: Case, count: int) -> list[dict[str, Any]]:
    """Wait until so many mails have been placed on the registration."""
    return until(f"{count} mails", lambda: found if len(found := case.mails()) >= count else None)


def test_the_activation_mail_comes_twice(case: Case) -> None:
    case.stack.control.fault(endpoint="mail", kind="duplicate", letter="activation")
    case.signed()
    row = case.await_state("to_activate")
    (dossier,) = case.dossiers()
    assert row["activation_code"] == dossier["code"]
    activate(case)
    case.await_state("confirmed")
    case.check_accepted()


def test_the_activation_mail_comes_an_hour_late(case: Case) -> None:
    case.stack.control.fault(endpoint="mail", kind="late", letter="activation", seconds=HOUR)
    case.signed()
    row = case.await_state("sent")
    assert row["activation_expires_at"], "the 24 hours run although no mail was seen"
    case.stack.control.move_clock(HOUR)
    case.await_state("to_activate")
    case.check_accepted()


def test_the_activation_mail_comes_after_the_confirmation(case: Case) -> None:
    case.stack.control.fault(endpoint="mail", kind="out_of_order", letter="activation")
    case.signed()
    case.await_state("sent")
    activate(case)
    case.await_state("confirmed")
    until("the overtaken mail", lambda: any(mail["kind"] == "activation" for mail in _all_mails(case)))
    row = case.row()
    assert row["state"] == "confirmed" and not row["activation_code"], "a late code brings nothing back"
    case.check_accepted()


def _all_mails(case: Case) -> list[dict[str, Any]]:
    return case.stack.sql("SELECT kind FROM l10n_vn_ibhxh_mail WHERE summary LIKE %s", [f"%{case.tax_code}%"])


def test_the_activation_mail_is_lost(case: Case) -> None:
    case.stack.control.fault(endpoint="mail", kind="drop", letter="activation")
    case.signed()
    case.await_state("sent")
    case.press("action_resend_code")
    case.await_state("to_activate")
    case.check_accepted()


def test_the_confirmation_mail_is_lost(case: Case) -> None:
    case.stack.control.fault(endpoint="mail", kind="drop", letter="confirmation")
    case.signed()
    case.await_state("to_activate")
    activate(case)
    case.press("action_refresh")
    case.await_state("confirmed")
    case.check_accepted()


def test_the_mail_overtakes_the_receipt(case: Case) -> None:
    """VSS's mail is there while the gateway still talks: it is kept, and applied once the receipt is stored."""
    case.stack.control.fault(endpoint="submit", when="after", kind="slow", seconds=0.02)
    case.signed()
    case.await_state("to_activate")
    case.check_accepted()


def test_the_mail_comes_and_the_receipt_is_lost(case: Case) -> None:
    case.stack.control.fault(endpoint="submit", when="after", kind="timeout", seconds=3)
    case.signed()
    case.await_message()
    case.check_waiting(accepted=1)
    case.send_now()
    case.await_state("to_activate")
    case.check_accepted()


def test_odoo_is_down_when_the_mail_comes(case: Case) -> None:
    """The mail server is told to try again, and does."""
    case.stack.control.fault(endpoint="mail", kind="late", letter="activation", seconds=HOUR)
    case.signed()
    case.await_state("sent")
    case.stack.odoo.kill()
    case.stack.control.move_clock(HOUR)
    case.stack.start_odoo()
    case.await_state("to_activate")
    case.check_accepted()
