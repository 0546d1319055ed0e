"""What VSS and others mail besides the code and the confirmation, and what Odoo makes of it: nothing."""

from __future__ import annotations

import smtplib
from email.message import EmailMessage
from email.utils import make_msgid

from .browser import Browser
from .companies import Company
from .mail_bridge import NAME as MAIL_SERVER
from .registering import MODEL, PHONE, Desk
from .setup_scene import MAILBOX
from .transcript import SECONDS, expect
from .world import VSS_SENDER_DOMAIN, World

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


def not_believed(desk: Desk, browser: Browser) -> None:
    """One registration among all the mails that are neither its code nor its confirmation."""
    world, transcript = desk.world, desk.transcript
    company = world.companies["mails"]
    transcript.scene(f"{company.name}: những thư khác của BHXH (mails that bring no code and confirm nothing)")
    with transcript.step("Registered; VSS's code is late, other mails are not: none of them is believed"):
        desk.await_certificate(company)
        world.control.fault(endpoint="mail", kind="drop", letter="activation")
        registration = desk.press_register(company)
        number = desk.await_state(registration, "sent")["dossier_number"]
        for letter, details, what in BEFORE_CODE:
            transcript.saw(f"{what}: {_verdict(desk, company, letter, details)}")
        row = desk.look(registration)
        expect((row["state"], row["activation_code"]) == ("sent", False), f"sent and without a code, not {row}")
        expect(row["dossier_number"] == number, f"dossier {number}, not {row['dossier_number']}")
        transcript.saw(f"{row['name']} still waits for its code, dossier {number}")
    with transcript.step("A forged code mail in VSS's name: shown with a warning, nothing moves"):
        mail = desk.await_mail(_forge(world, company))
        expect(mail["evidence"] == "unverified", f"an unverified mail, not {mail['evidence']}")
        row = desk.look(registration)
        expect((row["state"], row["activation_code"]) == ("sent", False), f"sent and without a code, not {row}")
        expect(row["waiting_code"] == FORGED_CODE, f"the code of the mail shown, not {row['waiting_code']}")
        transcript.saw(f"{row['waiting_code']}, shown beside the registration: {row['waiting_code_reason']}")
    with transcript.step("VSS's code comes, verified: it is taken by itself; then a password, and more"):
        dossier = world.control.newest_dossier(company.tax_code)
        world.control.write_mail(dossier["reference"], "activation")
        row = desk.await_state(registration, "to_activate")
        expect(row["activation_code"] == dossier["code"], "VSS's code, not another")
        transcript.saw(f"code {row['activation_code']}, valid until {row['activation_expires_at']} UTC")
        for letter, details, what in AFTER_CODE:
            transcript.saw(f"{what}: {_verdict(desk, company, letter, details)}")
        kept = desk.look(registration)
        same = ("state", "activation_code", "activation_url", "activation_expires_at")
        expect([kept[name] for name in same] == [row[name] for name in same], f"code and deadline kept, not {kept}")
        transcript.saw("code, link and deadline are as they were")
    with transcript.step("The code is entered; only VSS's own confirmation confirms"):
        desk.finish(browser, registration)


def late_code(desk: Desk, browser: Browser) -> None:
    """The first dossier's code arrives when it is over and the second one is under way."""
    world, transcript = desk.world, desk.transcript
    company = world.companies["expired"]
    transcript.scene(f"{company.name}: quá 24 giờ, mã đến muộn (24 hours without a code; then it comes late)")
    with transcript.step("Filed at the portal yesterday; the mail with the code did not come: it expires"):
        world.control.fault(endpoint="mail", kind="late", letter="activation", seconds=50 * 3600)
        moment = world.control.move_clock(-25 * 3600)
        transcript.saw(f"the sandbox's clock: {moment:%Y-%m-%d %H:%M:%S} UTC")
        try:
            world.control.file_at_portal(company.name, company.tax_code, MAILBOX, PHONE)
        finally:
            world.control.reset_clock()
        late = world.control.newest_mail("activation", company.tax_code)
        first = desk.submit_elsewhere(company, submitted_at=f"{moment:%Y-%m-%d %H:%M:%S}")
        desk.follow()
        row = desk.await_state(first, "expired")
        transcript.saw(f"{row['name']}: expired without a code")
    with transcript.step(
        "One press on “Đăng ký lại”, filed again. The new code names no dossier: Odoo asks whose it is"
    ):
        again = desk.clerk.press(MODEL, first, "action_register_again")
        second = desk.press_register(company, **again["context"])
        expect(second != first, "a new registration")
        desk.await_state(second, "sent")
        world.control.file_at_portal(company.name, company.tax_code, MAILBOX, PHONE)
        mail = desk.await_mail(world.control.newest_mail("activation", company.tax_code))
        transcript.saw(f"mail: {mail['reason']}")
        desk.give_mail(mail, second)
        row = desk.await_state(second, "to_activate")
        transcript.saw(f"{row['name']} is chosen: code {row['activation_code']}")
    with transcript.step("The first dossier's code comes after all: it is not taken for the second"):
        world.control.move_clock(26 * 3600)
        try:
            mail = desk.await_mail(late)
        finally:
            world.control.reset_clock()
        belongs = mail["registration_id"][1] if mail["registration_id"] else "no registration"
        transcript.saw(f"mail, of {belongs}: {mail['reason']}")
        expect(mail["state"] != "done", f"a mail that is not applied, but: {mail}")
        kept = desk.look(second)
        expect(kept["activation_code"] == row["activation_code"], "the second dossier's own code kept")
        desk.finish(browser, second)


def _verdict(desk: Desk, company: Company, letter: str, details: dict[str, str]) -> str:
    """Have VSS write a mail about the company's newest dossier; returns what Odoo says of it."""
    control = desk.world.control
    reference = control.newest_dossier(company.tax_code)["reference"]
    mail = desk.await_mail(control.write_mail(reference, letter, details=details))
    expect(mail["state"] != "done", f"a mail that is not applied, but: {mail}")
    return str(mail["reason"])


def _forge(world: World, company: Company) -> str:
    """Send a code mail in VSS's name from another computer, with a verdict that it passed; returns its Message-ID."""
    message = EmailMessage()
    message["Authentication-Results"] = f"{MAIL_SERVER}; dmarc=pass header.from={VSS_SENDER_DOMAIN}"
    message["Subject"] = "Đăng ký giao dịch bảo hiểm xã hội điện tử"
    message["From"] = f"no-reply@{VSS_SENDER_DOMAIN}"
    message["To"] = MAILBOX
    message["Message-ID"] = make_msgid(domain="forged.example")
    message.set_content(
        f"Kính gửi (đơn vị/cá nhân): {company.name}\n\n"
        f"Mã kích hoạt dưới đây có giá trị trong vòng 24h:\n\n{FORGED_CODE}\n"
    )
    with smtplib.SMTP("127.0.0.1", world.mail.port, timeout=SECONDS) as connection:
        connection.send_message(message)
    return str(message["Message-ID"])
