"""What an administrator does once: companies, people, the I-VAN connection, the mailbox."""

from __future__ import annotations

import secrets

from ..odoo import ADMIN_LOGIN, ADMIN_PASSWORD
from .mail_bridge import NAME as MAIL_SERVER
from .odoo_web import Person
from .transcript import Transcript, expect
from .world import CLIENT_ID, MAIL_DOMAIN, VSS_SENDER_DOMAIN, World

CLERK = "ketoan"
HOLDER = "giamdoc"
PORTAL = "l10n_vn_ibhxh.provider_portal"
"""VSS's own portal, which units can register at themselves."""
NOWHERE = "http://127.0.0.1:9"
MAILBOX = f"bhxh@{MAIL_DOMAIN}"


def prepare(world: World, transcript: Transcript) -> None:
    """Configure Odoo through its web client's calls and start mail server and sandbox."""
    transcript.scene("Quản trị viên cài đặt (an administrator's set-up)")
    world.passwords[ADMIN_LOGIN] = ADMIN_PASSWORD
    with transcript.step("Odoo runs and the administrator logs in"):
        admin = world.login(ADMIN_LOGIN)
        transcript.saw(f"{world.odoo_url}, database with the addon installed, logged in as {admin.name}")
    with transcript.step("Vietnamese is installed; nothing is looked up outside this machine"):
        _language(admin)
        transcript.saw("vi_VN")
    with transcript.step("Companies and people: a payroll clerk who registers, a director who holds the tokens"):
        _companies(world, admin)
        _people(world, admin)
        transcript.saw(f"{len(world.companies)} companies, users {CLERK} (HR officer) and {HOLDER} (holds the tokens)")
    with transcript.step("The mailbox: an alias domain, the mail server's API key"):
        _mailbox(admin)
        world.start_mail(_api_key(admin))
        transcript.saw(f"{MAILBOX} goes to Odoo; SMTP on 127.0.0.1:{world.mail.port}")
        transcript.saw(f"{MAIL_SERVER} checks who sent a mail; Odoo acts on what comes from {VSS_SENDER_DOMAIN} only")
    with transcript.step("The I-VAN connection, and a press on its check button"):
        world.start_sandbox()
        provider = _provider(world, admin)
        admin.call("l10n_vn_ibhxh.provider", "write", [admin.reference(PORTAL)], {"portal_hosts": _portal_host(world)})
        answer = admin.press("l10n_vn_ibhxh.provider", provider, "action_check")
        expect(answer["params"]["type"] == "success", f"the gateway's health, not: {answer['params']['message']}")
        transcript.saw(f"{world.sandbox_url}/ivan/v1: {answer['params']['message']}")


def _language(admin: Person) -> None:
    # Companies would otherwise be looked up at Odoo's own service.
    admin.call("ir.config_parameter", "set_param", "iap.partner_autocomplete.endpoint", NOWHERE)
    language = admin.call("res.lang", "search", [["code", "=", "vi_VN"]], context={"active_test": False})
    wizard = admin.create("base.language.install", lang_ids=[[6, 0, language]])
    admin.press("base.language.install", wizard, "lang_install")


def _companies(world: World, admin: Person) -> None:
    country = admin.reference("base.vn")
    agency = admin.find("l10n_vn_ibhxh.agency", ["code", "=", "001"])
    for company in world.companies.values():
        company.record = admin.create(
            "res.company",
            name=company.name,
            vat=company.tax_code,
            country_id=country,
            street="Số 1 phố Thử Nghiệm",
            city="Hà Nội",
            l10n_vn_ibhxh_agency_id=agency,
        )


def _people(world: World, admin: Person) -> None:
    records = [company.record for company in world.companies.values()]
    for login, name, group in (
        (CLERK, "Nguyễn Thị Kế Toán", "hr.group_hr_user"),
        (HOLDER, "Trần Văn Giám Đốc", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"),
    ):
        world.passwords[login] = secrets.token_urlsafe(9)
        admin.create(
            "res.users",
            name=name,
            login=login,
            password=world.passwords[login],
            email=f"{login}@{MAIL_DOMAIN}",
            lang="vi_VN",
            tz="Asia/Ho_Chi_Minh",
            notification_type="inbox",
            company_id=records[0],
            company_ids=[[6, 0, records]],
            group_ids=[[4, admin.reference(group)]],
        )


def _mailbox(admin: Person) -> None:
    admin.create("mail.alias.domain", name=MAIL_DOMAIN)
    settings = admin.create(
        "res.config.settings",
        l10n_vn_ibhxh_mail_sender_domains=VSS_SENDER_DOMAIN,
        l10n_vn_ibhxh_mail_authentication_server=MAIL_SERVER,
    )
    admin.press("res.config.settings", settings, "execute")


def _api_key(admin: Person) -> str:
    description = admin.create("res.users.apikeys.description", name="Mail server", duration="1")
    key: str = admin.press("res.users.apikeys.description", description, "make_key")["context"]["default_key"]
    return key


def _provider(world: World, admin: Person) -> int:
    return admin.create(
        "l10n_vn_ibhxh.provider",
        code="00001",
        name="I-VAN thử nghiệm",
        gateway="sandbox",
        url=f"{world.sandbox_url}/ivan/v1",
        client_id=CLIENT_ID,
        client_secret_input=world.sandbox_secret,
        portal_hosts=_portal_host(world),
    )


def _portal_host(world: World) -> str:
    return world.sandbox_url.removeprefix("http://")
