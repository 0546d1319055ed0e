"""The third way: the person files at VSS's portal; Odoo has no certificate and no computer, and follows by mail."""

from __future__ import annotations

from .browser import Browser
from .registering import MODEL, PHONE, Desk
from .setup_scene import MAILBOX
from .transcript import expect

LODGE = "l10n_vn_ibhxh.lodge"


def filed_at_portal(desk: Desk, browser: Browser) -> None:
    """One company that registers at the portal itself."""
    world, transcript = desk.world, desk.transcript
    company = world.companies["elsewhere"]
    transcript.scene(f"{company.name}: tự nộp trên cổng (filed at the portal, followed by Odoo)")
    with transcript.step("No certificate, no computer: the wizard prepares what the person files at the portal"):
        registration = desk.submit_elsewhere(company, "action_save_draft")
        row = desk.look(registration)
        expect(row["state"] == "draft", f"a draft, not {row['state']}")
        transcript.saw(f"{row['name']} waits for the person")
    with transcript.step("The person files it there, comes back and says so"):
        world.control.fault(endpoint="mail", kind="drop", letter="activation")
        dossier = world.control.file_at_portal(company.name, company.tax_code, MAILBOX, PHONE)
        asked = desk.clerk.press(MODEL, registration, "action_lodge")
        lodging: int = desk.clerk.call(LODGE, "create", [{}], context=asked["context"])[0]
        desk.clerk.press(LODGE, lodging, "action_lodge")
        row = desk.await_state(registration, "sent")
        transcript.saw(f"{row['name']}: Odoo waits for VSS's mails, without a dossier number")
    with transcript.step("VSS's mails, without tax code and number, find the one registration that waits"):
        world.control.write_mail(dossier["reference"], "activation")
        desk.finish(browser, registration)
        held = next(unit for unit in world.control.units() if unit["tax_code"] == company.tax_code)
        transcript.saw(f"{held['holder_name']} holds the unit {held['unit_code']}")
