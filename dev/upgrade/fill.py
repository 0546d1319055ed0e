"""What `odoo shell` does with the release that is upgraded from, and then with what it has become.

`fill` runs with the code of the release that is kept here, `after_upgrade` with the present code. Sent to the shell as
text, because nothing of ours but the two wheels is importable there.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from datetime import datetime, timedelta, timezone
from typing import Any

from odoo import fields

CODE = "ABCDEFGH"
LINK = "https://baohiemxahoi.gov.vn/#/kich-hoat/" + "0" * 64
MAILS = (
    b"From: no-reply@vss.example\r\nTo: bhxh@mail.example\r\nSubject: Thong bao\r\nMessage-Id: <1@vss.example>\r\n"
    b"\r\nThu nay khong khop voi ho so nao.\r\n",
    b"From: no-reply@vss.example\r\nTo: bhxh@mail.example\r\nSubject: Kich hoat\r\nMessage-Id: <2@vss.example>\r\n"
    b"\r\nMa kich hoat: BV2VLHCKRA\r\n",
)
STATES = ("draft", "to_sign", "to_send", "sent", "to_activate", "confirmed", "expired", "rejected", "cancelled")
ADDON = "l10n_vn_ibhxh"


def before_installation(env: Any, tax_codes: list[str]) -> None:
    """A company per state, two for a batch, one more; a payroll clerk who looks after all of them."""
    companies = env["res.company"].create(
        [
            {
                "name": f"Công ty {tax_code}",
                "vat": tax_code,
                "country_id": env.ref("base.vn").id,
                "email": "a@mail.example",
                "phone": "024 3936 1234",
                "street": "1 Tràng Thi",
                "city": "Hà Nội",
            }
            for tax_code in tax_codes
        ]
    )
    env["res.users"].with_context(no_reset_password=True).create(
        {
            "name": "Clerk",
            "login": "clerk",
            "company_id": companies[0].id,
            "company_ids": [fields.Command.set(companies.ids)],
            "group_ids": [fields.Command.link(env.ref("hr.group_hr_user").id)],
        }
    )
    env["mail.alias.domain"].create({"name": "mail.example"})


def fill(env: Any, certificates: list[bytes], key: str) -> Any:
    """Registrations in every state with all that hangs on them; returns the computer's key.

    :param certificates: one per company, in their order, DER
    :param key: the private key of all of them, PEM: it stands in for the tokens
    """
    clerk = env["res.users"].search([("login", "=", "clerk")])
    companies = clerk.company_ids.sorted("id")
    agent, secret = _pair(env, clerk)
    agent._heartbeat(certificates, [{"label": "token", "serial": "0001"}], "1.0.0")
    env["l10n_vn_ibhxh.provider"].create(
        {
            "code": "90001",
            "name": "Own",
            "gateway": "http",
            "url": "https://127.0.0.1:9/ivan/v1",
            "client_id": "client",
            "client_secret": "the gateway's password",
        }
    )
    # "confirmed" stands twice: the last one is amended by form 05, which waits for the token.
    for state, company in zip((*STATES, "confirmed"), companies, strict=False):
        registration = _register(env, clerk, company)
        _bring_to(registration, state, agent, key)
    wizard = registration.with_user(clerk).with_company(company).action_amend()
    amendment = env[wizard["res_model"]].with_user(clerk).with_company(company).with_context(**wizard["context"])
    amendment.create({"change_text": "Đổi thư điện tử"}).action_register()
    batches = env["l10n_vn_ibhxh.batch"].with_user(clerk).with_context(allowed_company_ids=companies.ids)
    batch = batches._from_companies(companies[len(STATES) + 1 :].with_env(batches.env))
    batch.write({"agency_id": env.ref("l10n_vn_ibhxh.agency_001").id})
    batch.action_register()
    for mail in MAILS:
        env["l10n_vn_ibhxh.mail"]._receive(mail)
    env["res.config.settings"].create(
        {"l10n_vn_ibhxh_mail_sender_domains": "vss.example", "l10n_vn_ibhxh_mail_user_id": clerk.id}
    ).execute()
    # Records of the data files that belong to the company once they are there: CHOSEN in dev/packaging/upgrade.py.
    env.ref("l10n_vn_ibhxh.mail_alias_bhxh").alias_name = "bao-hiem"
    env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_print").interval_number = 45
    return secret


def _pair(env: Any, clerk: Any) -> Any:
    pairing = env["l10n_vn_ibhxh.agent.pairing"]
    expires_at = fields.Datetime.now() + timedelta(minutes=10)
    pairing.create({"user_id": clerk.id, "code_hash": pairing._hash(CODE), "expires_at": expires_at})
    return env["l10n_vn_ibhxh.agent"]._pair(CODE, "PC-KETOAN", "Windows 11", "1.0.0")


def _register(env: Any, clerk: Any, company: Any) -> Any:
    """One registration from the wizard, waiting for the token, with what people hang on it."""
    wizard = env["l10n_vn_ibhxh.registration.wizard"].with_user(clerk).with_company(company)
    action = wizard.create(
        {
            "company_id": company.id,
            "provider_id": env.ref("l10n_vn_ibhxh.provider_00001").id,
            "agency_id": env.ref("l10n_vn_ibhxh.agency_001").id,
            "email": "bhxh@mail.example",
            "phone": "0912345678",
        }
    ).action_register()
    registration = env["l10n_vn_ibhxh.registration"].browse(action["res_id"])
    registration.message_post(body="A remark", attachments=[("remark.txt", b"text")])
    return registration


def _bring_to(registration: Any, state: str, agent: Any, key: str) -> None:
    """Let the registration become what `state` says, by the release's own methods."""
    now = fields.Datetime.now()
    if state == "draft":
        registration.action_withdraw()
    elif state == "cancelled":
        registration.action_cancel()
    if state in ("draft", "to_sign", "cancelled"):
        return
    _sign(registration, agent, key)
    if state == "rejected":
        registration._on_refused("SE003", "MST không khớp")
    if state in ("to_send", "rejected"):
        return
    registration._on_accepted(now, f"03706/2026/{registration.id:05d}")
    if state in ("to_activate", "confirmed", "expired"):
        registration._activate("BV2VLHCKRA", LINK, now)
    if state == "confirmed":
        registration._confirm(now, unit_code="TZH490L")
    elif state == "expired":
        registration._expire()


def _sign(registration: Any, agent: Any, key: str) -> None:
    """Claim and sign as the computer does, with ibhxh-agent's own code."""
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from ibhxh_agent import xmlsign
    from ibhxh_agent.certificate import TokenCertificate

    request = registration.signing_request_id
    env = registration.env
    env["l10n_vn_ibhxh.signing.request"]._claim(agent, [request.certificate_id.fingerprint], 20)
    signed = xmlsign.sign(
        base64.b64decode(request.with_context(bin_size=False).document),
        TokenCertificate.from_der(request.certificate_id._der()),
        load_pem_private_key(key.encode(), None),
        datetime.now(timezone.utc),
    )
    outcome = request._deliver(agent, signed)
    assert outcome == ("signed", None), outcome


def after_upgrade(env: Any, secret: str, key: str) -> None:
    """Everything can be read, and what was under way goes on."""
    for name in sorted(env):
        model = env[name]
        if name.startswith(f"{ADDON}.") and model._auto and not model._abstract:
            model.with_context(active_test=False).search([]).read()
    env["res.company"].search([]).read()
    assert env["res.users.apikeys"]._check_credentials(scope="l10n_vn_ibhxh.agent", key=secret), "the computer's key"
    registrations = env["l10n_vn_ibhxh.registration"].search([], order="id")
    assert tuple(registrations.mapped("state"))[: len(STATES)] == STATES, registrations.mapped("state")
    clerk = env["res.users"].search([("login", "=", "clerk")])
    env["l10n_vn_ibhxh.registration"].with_user(clerk).search([]).read()
    for registration in registrations.filtered("document_sha256"):
        document = base64.b64decode(registration.document)
        assert hashlib.sha256(document).hexdigest() == registration.document_sha256, registration.name
    assert registrations.filtered("signed_document") <= registrations.filtered("document_sha256")
    waiting = registrations.filtered(lambda registration: registration.state == "to_sign")[0]
    _sign(waiting, env["l10n_vn_ibhxh.agent"].search([]), key)
    assert waiting.state == "to_send", waiting.state
    to_activate = registrations.filtered(lambda registration: registration.state == "to_activate")
    assert to_activate.activation_code == "BV2VLHCKRA", to_activate.activation_code
    to_activate._confirm(fields.Datetime.now(), unit_code="TZH490L")
    assert to_activate.company_id.l10n_vn_ibhxh_state == "confirmed", to_activate.company_id.l10n_vn_ibhxh_state
    for cron in env["ir.cron"].search([("cron_name", "=like", "BHXH%")]):
        cron.method_direct_trigger()


NEVER_ALIKE = {
    "id", "arch_prev", "create_uid", "create_date", "write_uid", "write_date", "nextcall", "lastcall", "number_next",
    "parent_path", "user_ids",
}  # fmt: skip
"""Fields that say when and by whom, not what."""


def describe(env: Any) -> None:
    """Print what stands behind each XML id of the addon, as one line of JSON."""
    env = env(context={"lang": "en_US", "active_test": False})
    names = {(data.model, data.res_id): data.complete_name for data in env["ir.model.data"].search([])}
    described = {}
    for data in env["ir.model.data"].search([("module", "=", ADDON)]):
        record = env[data.model].browse(data.res_id)
        described[data.name] = {"model": data.model, "noupdate": data.noupdate} | {
            field.name: _plain(record, field, names)
            for field in record._fields.values()
            if field.store and field.type != "one2many" and field.name not in NEVER_ALIKE
        }
    print("DESCRIBED", json.dumps(described, default=str, sort_keys=True))  # noqa: T201


def _plain(record: Any, field: Any, names: dict[tuple[str, int], str]) -> Any:
    """A value that is the same in another database: ids become names."""
    value = record[field.name] or ()
    if field.type in ("many2one", "many2many", "reference", "many2one_reference"):
        if isinstance(value, int):
            return bool(value)
        return sorted(names.get((one._name, one.id), one.display_name or "") for one in value)
    if field.name == "arch_db":
        actions = {key: name for (model, key), name in names.items() if model.startswith("ir.actions.")}
        return re.sub(r' name="(\d+)"', lambda found: f' name="{actions[int(found[1])]}"', str(value))
    return str(value or "")
