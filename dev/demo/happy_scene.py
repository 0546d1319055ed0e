"""The five steps of the user guide, for one company, from the plugged-in token to VSS's confirmation."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

from ..setup import system_tools
from .demo import PICTURES
from .registering import PHONE, Clerk
from .transcript import expect
from integration.browser import Browser
from integration.odoo_browser import APP, HR_APP, OdooPage
from integration.stack import CLERK, HOLDER, MAILBOX


def play(clerk: Clerk, browser: Browser) -> None:
    """Register the first company."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["first"]
    transcript.scene(f"{company.name}, MST {company.tax_code}: đăng ký từ đầu đến cuối (one whole registration)")
    with transcript.step("The director pairs the computer that has the tokens"):
        transcript.saw(pair(clerk))
    with transcript.step("Bước 1: gắn USB Token; ibhxh-agent reports the certificate"):
        demo.pc.plug_in(demo.slots)
        shown = clerk.await_certificate(company)
        transcript.saw(f"{shown['name']}, CA {shown['issuer_name']}, serial {shown['serial']}")
        transcript.saw(f"MST {shown['tax_code']}, valid {shown['not_before']} to {shown['not_after']} UTC")
        expect(shown["tax_code"] == company.tax_code, "the company's own tax code in the certificate")
    odoo = OdooPage(browser.page(), demo.stack.url)
    with transcript.step("Bước 2: the two menus in Chromium lead to the same wizard"):
        odoo.log_in(CLERK, demo.stack.passwords[CLERK], company.record)
        odoo.open_app(HR_APP)
        odoo.choose("Hồ sơ điện tử", "Đăng ký sử dụng dịch vụ I-VAN")
        from_hr = odoo.wizard()
        odoo.close_wizard()
        odoo.open_app(APP)
        odoo.choose("Đăng ký GD BHXH điện tử")
        shown = odoo.wizard()
        expect(shown == from_hr, f"the same wizard from both menus, not {from_hr} and {shown}")
        transcript.saw("Nhân viên > Hồ sơ điện tử > Đăng ký sử dụng dịch vụ I-VAN; iBHXH > Đăng ký GD BHXH điện tử")
    with transcript.step("Bước 3: the certificate is filled in; Email, Điện thoại, Đăng ký; the PIN, the signature"):
        transcript.saw(", ".join(shown.values()))
        expect(shown["certificate_tax_code"] == company.tax_code, "the company's tax code shown of the certificate")
        odoo.register(MAILBOX, PHONE, PICTURES / "wizard.png")
        registration = clerk.newest(company)
        row = clerk.await_state(registration, "to_send", "sent", "to_activate")
        transcript.saw(f"{row['name']}: signed on the token, the signature verified by Odoo; Email {MAILBOX}")
    with transcript.step("The signed file passes xmlsec1, another implementation than Odoo's and the agent's"):
        transcript.saw(xmlsec1(clerk.signed_document(registration), company.certificate))
    with transcript.step("Bước 4: the I-VAN accepts and numbers the dossier; VSS's mail brings code and link"):
        row = clerk.await_state(registration, "to_activate")
        transcript.saw(f"dossier {row['dossier_number']}, accepted at {row['submitted_at']} UTC")
        transcript.saw(f"code {row['activation_code']}, valid until {row['activation_expires_at']} UTC")
        transcript.saw(f"link {row['activation_url']}")
        odoo.picture(PICTURES / "registration.png")
    with transcript.step("Bước 5: the portal in Chromium; the code into “Mã xác nhận”, “Hoàn tất thủ tục”"):
        for caption, value in clerk.confirm_on_portal(browser, row, PICTURES / "portal.png").items():
            transcript.saw(f"{caption}: {value}")
    with transcript.step("VSS's confirmation mail confirms the registration in Odoo"):
        row = clerk.await_state(registration, "confirmed")
        transcript.saw(f"{row['name']} confirmed at {row['confirmed_at']} UTC; the code is forgotten")
        expect(not row["activation_code"], "no code kept after the confirmation")
        status = clerk.person.read("res.company", company.record, "l10n_vn_ibhxh_state", "l10n_vn_ibhxh_unit_code")
        expect(status["l10n_vn_ibhxh_state"] == "confirmed", "the company's status confirmed")
        transcript.saw(f"the company is confirmed; VSS's unit code is {status['l10n_vn_ibhxh_unit_code']}")


def pair(clerk: Clerk) -> str:
    """Pair the holder's computer; returns what the agent said."""
    holder = clerk.demo.stack.person(HOLDER)
    shown = holder.press("l10n_vn_ibhxh.agent.pairing", 0, "action_new_code")
    return clerk.demo.pc.pair(clerk.demo.stack.url, shown["context"]["default_code"], "Máy của giám đốc")


def xmlsec1(document: bytes, certificate: bytes) -> str:
    """Verify with the xmlsec1 program and the certificate (DER) that was issued; returns its verdict."""
    with tempfile.TemporaryDirectory() as folder:
        signed, issued = Path(folder, "signed.xml"), Path(folder, "certificate.der")
        signed.write_bytes(document)
        issued.write_bytes(certificate)
        done = subprocess.run(
            [str(system_tools.program("xmlsec1")), "--verify", "--pubkey-cert-der", str(issued), str(signed)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **system_tools.environment()},
        )
    verdict = (done.stdout + done.stderr).strip().splitlines()
    expect(done.returncode == 0 and "OK" in verdict, f"xmlsec1's OK, not: {verdict}")
    return f"{len(document)} bytes; xmlsec1: {', '.join(verdict[:2])}"
