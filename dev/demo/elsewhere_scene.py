"""The third way: the person files at VSS's portal; Odoo has no certificate and no computer, and follows by mail."""

from __future__ import annotations

from .registering import MODEL, PHONE, Clerk
from .transcript import expect
from integration.browser import Browser
from integration.stack import MAILBOX

LODGE = "l10n_vn_ibhxh.lodge"


def filed_at_portal(clerk: Clerk, browser: Browser) -> None:
    """One company that registers at the portal itself."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["elsewhere"]
    transcript.scene(f"{company.name}: tự nộp trên cổng (filed at the portal, followed by Odoo)")
    with transcript.step("No certificate, no computer: the wizard prepares what the person files at the portal"):
        registration = clerk.submit_elsewhere(company, "action_save_draft")
        row = clerk.look(registration)
        expect(row["state"] == "draft", f"a draft, not {row['state']}")
        transcript.saw(f"{row['name']} waits for the person")
    with transcript.step("The person files it there, comes back and says so"):
        demo.stack.control.fault(endpoint="mail", kind="drop", letter="activation")
        dossier = demo.stack.control.file_at_portal(company.name, company.tax_code, MAILBOX, PHONE)
        asked = clerk.person.press(MODEL, registration, "action_lodge")
        lodging: int = clerk.person.call(LODGE, "create", [{}], context=asked["context"])[0]
        clerk.person.press(LODGE, lodging, "action_lodge")
        row = clerk.await_state(registration, "sent")
        transcript.saw(f"{row['name']}: Odoo waits for VSS's mails, without a dossier number")
    with transcript.step("VSS's mails, without tax code and number, find the one registration that waits"):
        demo.stack.control.write_mail(dossier["reference"], "activation")
        clerk.finish(browser, registration)
        held = next(unit for unit in demo.stack.control.units() if unit["tax_code"] == company.tax_code)
        transcript.saw(f"{held['holder_name']} holds the unit {held['unit_code']}")
