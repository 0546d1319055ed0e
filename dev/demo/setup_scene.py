"""What an administrator does once: companies, people, the I-VAN connection, the mailbox."""

from __future__ import annotations

from .demo import SENDER_DOMAINS, Demo
from .transcript import Transcript, expect
from integration.mail_bridge import NAME as MAIL_SERVER
from integration.mail_bridge import SANDBOX_ADDRESS
from integration.stack import CLERK, HOLDER, MAILBOX, USERS, VSS_DOMAIN

PORTAL = "l10n_vn_ibhxh.provider_portal"
"""VSS's own portal, which units can register at themselves."""


def prepare(demo: Demo, transcript: Transcript) -> None:
    """Configure Odoo through its web client's calls and start mail server and sandbox."""
    stack = demo.stack
    transcript.scene("Quản trị viên cài đặt (an administrator's set-up)")
    with transcript.step("Odoo runs and the administrator logs in"):
        admin = stack.admin
        transcript.saw(f"{stack.url}, database with the addon installed, logged in as {admin.name}")
    with transcript.step("Vietnamese is installed; nothing is looked up outside this machine"):
        stack.stay_inside()
        stack.install_language("vi_VN")
        transcript.saw("vi_VN")
    with transcript.step("Companies and people: a payroll clerk who registers, a director who holds the tokens"):
        _companies(demo)
        _people(demo)
        transcript.saw(f"{len(demo.companies)} companies, users {CLERK} (HR officer) and {HOLDER} (holds the tokens)")
    with transcript.step("The mailbox: an alias domain, the mail server's API key"):
        stack.add_mail_domain()
        stack.start_mail(dict.fromkeys(SENDER_DOMAINS, SANDBOX_ADDRESS))
        transcript.saw(f"{MAILBOX} goes to Odoo; SMTP on 127.0.0.1:{stack.mail.port}")
        transcript.saw(f"{MAIL_SERVER} checks who sent a mail; Odoo acts on what comes from {VSS_DOMAIN} only")
    with transcript.step("The I-VAN connection, and a press on its check button"):
        stack.start_sandbox()
        stack.provider = stack.make_provider(stack.sandbox_url)
        portal = {"portal_hosts": stack.sandbox_url.removeprefix("http://")}
        admin.call("l10n_vn_ibhxh.provider", "write", [admin.reference(PORTAL)], portal)
        answer = admin.press("l10n_vn_ibhxh.provider", stack.provider, "action_check")
        expect(answer["params"]["type"] == "success", f"the gateway's health, not: {answer['params']['message']}")
        transcript.saw(f"{stack.sandbox_url}/ivan/v1: {answer['params']['message']}")


def _companies(demo: Demo) -> None:
    for company in demo.companies.values():
        values = demo.stack.company_values(company.tax_code, company.name)
        company.record = demo.stack.admin.create("res.company", **values)


def _people(demo: Demo) -> None:
    records = [company.record for company in demo.companies.values()]
    for login, name, group in (
        (CLERK, "Nguyễn Thị Kế Toán", "hr.group_hr_user"),
        (HOLDER, "Trần Văn Giám Đốc", USERS),
    ):
        demo.stack.add_user(
            login,
            group,
            name=name,
            lang="vi_VN",
            tz="Asia/Ho_Chi_Minh",
            company_id=records[0],
            company_ids=[[6, 0, records]],
        )
