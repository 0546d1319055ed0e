"""What VSS and others mail besides the code and the confirmation, and what Odoo makes of it: nothing."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from email.utils import make_msgid

from .companies import Company
from .demo import Demo
from .registering import MODEL, PHONE, Clerk
from .transcript import expect
from integration.browser import Browser
from integration.mail_bridge import NAME as MAIL_SERVER
from integration.stack import MAILBOX, VSS_DOMAIN
from integration.waiting import PATIENCE

Letters = tuple[tuple[str, dict[str, str], str], ...]

BEFORE_CODE: Letters = (
    ("receipt", {}, "the dossier arrived, “gửi hồ sơ … thành công”"),
    ("announcement", {}, "“Mã kích hoạt sẽ được gửi trong email tiếp theo”"),
    ("ordinary_result", {"number": ""}, "another procedure “đã … giải quyết thành công”, with the tax code only"),
    ("ordinary_result", {}, "the same with a dossier number of its own"),
    ("licence", {}, "an I-VAN's “mã kích hoạt”, of its program"),
)
AFTER_CODE: Letters = (
    ("account", {}, "“Mã kích hoạt đã được xác nhận thành công … Mật khẩu: …”"),
    ("password_reset", {}, "a link “để kích hoạt mật khẩu mới”"),
    ("one_time_password", {}, "a one-time password"),
    ("ordinary_result", {"number": ""}, "another procedure, settled"),
)
"""What VSS or an I-VAN mails, its details, and what it says."""
FORGED_CODE = "GIAMAO1234"


def not_believed(clerk: Clerk, browser: Browser) -> None:
    """One registration among all the mails that are neither its code nor its confirmation."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["mails"]
    transcript.scene(f"{company.name}: những thư khác của BHXH (mails that bring no code and confirm nothing)")
    with transcript.step("Registered; VSS's code is late, other mails are not: none of them is believed"):
        clerk.await_certificate(company)
        demo.stack.control.fault(endpoint="mail", kind="drop", letter="activation")
        registration = clerk.press_register(company)
        number = clerk.await_state(registration, "sent")["dossier_number"]
        for letter, details, what in BEFORE_CODE:
            transcript.saw(f"{what}: {_verdict(clerk, company, letter, details)}")
        row = clerk.look(registration)
        expect((row["state"], row["activation_code"]) == ("sent", False), f"sent and without a code, not {row}")
        expect(row["dossier_number"] == number, f"dossier {number}, not {row['dossier_number']}")
        transcript.saw(f"{row['name']} still waits for its code, dossier {number}")
    with transcript.step("A forged code mail in VSS's name: shown with a warning, nothing moves"):
        mail = clerk.await_mail(_forge(demo, company))
        expect(mail["evidence"] == "unverified", f"an unverified mail, not {mail['evidence']}")
        row = clerk.look(registration)
        expect((row["state"], row["activation_code"]) == ("sent", False), f"sent and without a code, not {row}")
        expect(row["waiting_code"] == FORGED_CODE, f"the code of the mail shown, not {row['waiting_code']}")
        transcript.saw(f"{row['waiting_code']}, shown beside the registration: {row['waiting_code_reason']}")
    with transcript.step("VSS's code comes, verified: it is taken by itself; then a password, and more"):
        dossier = demo.stack.control.newest_dossier(company.tax_code)
        demo.stack.control.write_mail(dossier["reference"], "activation")
        row = clerk.await_state(registration, "to_activate")
        expect(row["activation_code"] == dossier["code"], "VSS's code, not another")
        transcript.saw(f"code {row['activation_code']}, valid until {row['activation_expires_at']} UTC")
        for letter, details, what in AFTER_CODE:
            transcript.saw(f"{what}: {_verdict(clerk, company, letter, details)}")
        kept = clerk.look(registration)
        same = ("state", "activation_code", "activation_url", "activation_expires_at")
        expect([kept[name] for name in same] == [row[name] for name in same], f"code and deadline kept, not {kept}")
        transcript.saw("code, link and deadline are as they were")
    with transcript.step("The code is entered; only VSS's own confirmation confirms"):
        clerk.finish(browser, registration)


def late_code(clerk: Clerk, browser: Browser) -> None:
    """The first dossier's code arrives when it is over and the second one is under way."""
    demo, transcript = clerk.demo, clerk.transcript
    company = demo.companies["expired"]
    transcript.scene(f"{company.name}: quá 24 giờ, mã đến muộn (24 hours without a code; then it comes late)")
    with transcript.step("Filed at the portal yesterday; the mail with the code did not come: it expires"):
        demo.stack.control.fault(endpoint="mail", kind="late", letter="activation", seconds=50 * 3600)
        moment = demo.stack.control.move_clock(-25 * 3600)
        transcript.saw(f"the sandbox's clock: {moment:%Y-%m-%d %H:%M:%S} UTC")
        try:
            demo.stack.control.file_at_portal(company.name, company.tax_code, MAILBOX, PHONE)
        finally:
            demo.stack.control.reset_clock()
        late = demo.stack.control.newest_mail("activation", company.tax_code)
        first = clerk.submit_elsewhere(company, submitted_at=f"{moment:%Y-%m-%d %H:%M:%S}")
        clerk.follow()
        row = clerk.await_state(first, "expired")
        transcript.saw(f"{row['name']}: expired without a code")
    with transcript.step(
        "One press on “Đăng ký lại”, filed again. The new code names no dossier: Odoo asks whose it is"
    ):
        again = clerk.person.press(MODEL, first, "action_register_again")
        second = clerk.press_register(company, **again["context"])
        expect(second != first, "a new registration")
        clerk.await_state(second, "sent")
        demo.stack.control.file_at_portal(company.name, company.tax_code, MAILBOX, PHONE)
        mail = clerk.await_mail(demo.stack.control.newest_mail("activation", company.tax_code))
        transcript.saw(f"mail: {mail['reason']}")
        clerk.give_mail(mail, second)
        row = clerk.await_state(second, "to_activate")
        transcript.saw(f"{row['name']} is chosen: code {row['activation_code']}")
    with transcript.step("The first dossier's code comes after all: it is not taken for the second"):
        demo.stack.control.move_clock(26 * 3600)
        try:
            mail = clerk.await_mail(late)
        finally:
            demo.stack.control.reset_clock()
        belongs = mail["registration_id"][1] if mail["registration_id"] else "no registration"
        transcript.saw(f"mail, of {belongs}: {mail['reason']}")
        expect(mail["state"] != "done", f"a mail that is not applied, but: {mail}")
        kept = clerk.look(second)
        expect(kept["activation_code"] == row["activation_code"], "the second dossier's own code kept")
        clerk.finish(browser, second)


def _verdict(clerk: Clerk, company: Company, letter: str, details: dict[str, str]) -> str:
    """Have VSS write a mail about the company's newest dossier; returns what Odoo says of it."""
    control = clerk.demo.stack.control
    reference = control.newest_dossier(company.tax_code)["reference"]
    mail = clerk.await_mail(control.write_mail(reference, letter, details=details))
    expect(mail["state"] != "done", f"a mail that is not applied, but: {mail}")
    return str(mail["reason"])


def _forge(demo: Demo, company: Company) -> str:
    """Send a code mail in VSS's name from another computer, with a verdict that it passed; returns its Message-ID."""
    message = EmailMessage()
    message["Authentication-Results"] = f"{MAIL_SERVER}; dmarc=pass header.from={VSS_DOMAIN}"
    message["Subject"] = "Đăng ký giao dịch bảo hiểm xã hội điện tử"
    message["From"] = f"no-reply@{VSS_DOMAIN}"
    message["To"] = MAILBOX
    message["Message-ID"] = make_msgid(domain="forged.example")
    message.set_content(
        f"Kính gửi (đơn vị/cá nhân): {company.name}\n\n"
        f"Mã kích hoạt dưới đây có giá trị trong vòng 24h:\n\n{FORGED_CODE}\n"
    )
    with smtplib.SMTP("127.0.0.1", demo.stack.mail.port, timeout=PATIENCE) as connection:
        connection.send_message(message)
    return str(message["Message-ID"])
