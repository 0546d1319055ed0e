"""What comes after the confirmation: a renewed certificate, form 05, CE014 and its remedy, form 06."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from .companies import Company
from .registering import MODEL, WIZARD, Clerk
from .transcript import expect
from integration.browser import Browser
from integration.odoo_web import OdooError
from integration.softhsm import Token
from integration.waiting import until


def whole_life(clerk: Clerk, browser: Browser) -> None:
    """One company from form 04 over two times 05 to 06."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["life"]
    transcript.scene(f"{company.name}: gia hạn chứng thư số, 05/SĐ-IVAN, CE014, 06/NG-IVAN (renew, amend, stop)")
    with transcript.step("Form 04: registered and confirmed"):
        clerk.await_certificate(company)
        registration = clerk.press_register(company)
        clerk.finish(browser, registration)
    with transcript.step("The certificate is renewed: the token holds two; Odoo sees the newer one and says so"):
        ends = datetime.now(timezone.utc) + timedelta(days=1095)
        Token(demo.slots, f"{company.key}-CA").add_certificate(
            tax_code=company.tax_code, name=company.name, not_after=ends
        )
        demo.pc.plug_in(demo.slots)
        newer = until("the newer certificate", lambda: _newer(clerk, registration))
        transcript.saw(f"{newer[1]}: not yet known to VSS")
    with transcript.step("CE014 is foreseen: stopping with the new certificate is blocked before anybody enters a PIN"):
        wizard = _wizard(clerk, company, form="06", certificate_id=newer[0], stop_reason_code="8")
        try:
            clerk.person.press(WIZARD, wizard, "action_register")
            refusal = ""
        except OdooError as error:
            refusal = str(error)
        expect("CE014" in refusal, f"the warning of CE014, not: {refusal}")
        transcript.saw(refusal)
    with transcript.step("Form 05, one press: the new certificate and what changes are filled in; VSS confirms"):
        row = _amend(clerk, company, clerk.person.press(MODEL, registration, "action_amend")["context"])
        transcript.saw(row["change_text"])
        transcript.saw(
            f"{row['name']}, dossier {row['dossier_number']}: confirmed at {row['confirmed_at']} UTC, no code"
        )
        known = clerk.person.read("res.company", company.record, "l10n_vn_ibhxh_certificate_id")
        expect(known["l10n_vn_ibhxh_certificate_id"][0] == newer[0], "the new certificate on record")
    with transcript.step("VSS has another certificate on record than Odoo thinks: form 06 is refused with CE014"):
        demo.stack.control.change_unit(company.tax_code, fingerprint="0" * 64, serial="1234")
        refused = _send(clerk, _wizard(clerk, company, form="06", stop_reason_code="8"))
        row = clerk.await_state(refused, "rejected")
        expect(row["error_code"] == "CE014", f"CE014, not {row['error_code']}")
        transcript.saw(f"{row['name']} rejected: {row['error_code']} {row['error_message']}")
        transcript.saw(f"what to do: {row['remedy']}")
    with transcript.step("The remedy's button opens form 05; once VSS has confirmed it, form 06 goes through"):
        row = _amend(
            clerk, company, clerk.person.press(MODEL, refused, "action_remedy")["context"], change_text="VSS yêu cầu"
        )
        transcript.saw(f"{row['name']} (05) confirmed at {row['confirmed_at']} UTC")
        row = clerk.await_state(_send(clerk, _wizard(clerk, company, form="06", stop_reason_code="8")), "confirmed")
        transcript.saw(f"{row['name']} (06) confirmed at {row['confirmed_at']} UTC")
        status = clerk.person.read("res.company", company.record, "l10n_vn_ibhxh_state")["l10n_vn_ibhxh_state"]
        expect(status == "stopped", f"the company stopped, not {status}")
        transcript.saw("the company's service is stopped")


def _wizard(clerk: Clerk, company: Company, **values: Any) -> int:
    clerk.person.act_for(company.record)
    return clerk.person.create(WIZARD, company_id=company.record, **values)


def _send(clerk: Clerk, wizard: int) -> int:
    return int(clerk.person.press(WIZARD, wizard, "action_register")["res_id"])


def _amend(clerk: Clerk, company: Company, context: dict[str, Any], **values: Any) -> dict[str, Any]:
    """Press Đăng ký in the wizard as it opens with `context`; what the confirmed form 05 shows."""
    wizard: int = clerk.person.call(WIZARD, "create", [{"company_id": company.record, **values}], context=context)[0]
    registration = _send(clerk, wizard)
    row = clerk.await_state(registration, "confirmed")
    return {**row, **clerk.person.read(MODEL, registration, "change_text")}


def _newer(clerk: Clerk, registration: int) -> list[Any] | None:
    """What Odoo notes as the newer certificate; its scheduled action is asked to look now instead of in ten minutes."""
    clerk.follow()
    noted: list[Any] | None = clerk.person.read(MODEL, registration, "newer_certificate_id")["newer_certificate_id"]
    return noted or None
