"""Signing without a token: the key is with a remote signing service, and the director confirms on the phone."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

from .demo import PICTURES, Demo
from .happy_scene import xmlsec1
from .registering import MODEL, Clerk
from .transcript import expect
from integration.browser import Browser, screenshot
from integration.phone_case import add_account, make_service
from integration.stack import HOLDER
from integration.waiting import until

NUMBER = "001099012345"
"""The director's citizen identity, by which the service knows them."""


def signed_by_phone(clerk: Clerk, browser: Browser) -> None:
    """One company without a token."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["phone"]
    transcript.scene(f"{company.name}: ký số từ xa trên điện thoại (confirmed on the phone, no token)")
    with transcript.step("The administrator enters the remote signing service, and which I-VAN takes its signatures"):
        company.certificate = demo.stack.control.add_key(NUMBER, company.tax_code, company.name)
        service = make_service(demo.stack, "vnpt", name="SmartCA (thử nghiệm)")
        transcript.saw(f"{demo.stack.sandbox_url}/remote/vnpt stands in for VNPT SmartCA")
    with transcript.step("The director enters the number that the service knows; Odoo reads the certificates"):
        add_account(demo.stack.person(HOLDER), service, NUMBER, company.record)
        clerk.person.act_for(company.record)
        found = clerk.person.find("l10n_vn_ibhxh.certificate", ["company_ids", "=", company.record])
        shown = clerk.person.read("l10n_vn_ibhxh.certificate", found, "name", "serial", "tax_code")
        expect(shown["tax_code"] == company.tax_code, "the company's own tax code in the certificate")
        transcript.saw(f"{shown['name']}, MST {shown['tax_code']}, serial {shown['serial']}")
    with transcript.step("Đăng ký: Odoo shows what will be signed and a code; the clerk has it sent to the phone"):
        registration = clerk.press_register(company)
        displayed = clerk.person.read(MODEL, registration, "phone_signing")["phone_signing"]
        transcript.saw(f"code {displayed['code']}, {displayed['service']}, number {displayed['number']}")
        clerk.person.press(MODEL, registration, "action_send_to_phone")
    with transcript.step("The app on the phone shows the same code; the director confirms"):
        transcript.saw(_confirm(demo, browser.page(), displayed["code"]))
    with transcript.step("Odoo verifies the signature; xmlsec1 agrees"):
        row = await_decision(clerk, registration)
        expect(row["state"] != "draft", f"a signature, not: {row['error_message']}")
        transcript.saw(xmlsec1(clerk.signed_document(registration), company.certificate))
    with transcript.step("From here on everything is as with a token"):
        clerk.finish(browser, registration)


def await_decision(clerk: Clerk, registration: int) -> dict[str, Any]:
    """What the registration's form shows once it no longer waits for the phone; asks, as its open page does."""

    def probe() -> dict[str, Any] | None:
        clerk.person.press(MODEL, registration, "action_ask_phone")
        row = clerk.look(registration)
        return None if row["state"] == "to_sign" else row

    return until("the decision on the phone", probe, pause=2)


def _confirm(demo: Demo, page: Page, code: str) -> str:
    """Confirm on the phone's page; returns the words that it shows of the request."""
    until("the request on the phone", lambda: demo.stack.control.on_phone(NUMBER))
    page.goto(f"{demo.stack.sandbox_url}/phone/#{NUMBER}")
    heading = page.locator("#waiting h2")
    heading.wait_for()
    words = heading.inner_text()
    expect(code in words, f"the code {code} in the app, not: {words}")
    screenshot(page, PICTURES / "phone.png")
    page.get_by_role("button", name="Xác nhận ký").click()
    page.get_by_text("Đã xác nhận.").wait_for()
    page.context.close()
    return f"“{words}”: confirmed"
