"""What `odoo shell` does in the trial database; sent there as text, because nothing of ours is importable there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from odoo import fields

CODE = "ABCDEFGH"
MAIL = b"""From: no-reply@vss.example\r
To: bhxh@mail.example\r
Subject: Thong bao\r
Message-Id: <trial@vss.example>\r
\r
Thu nay khong khop voi ho so nao.\r
"""


def before_installation(env: Any) -> None:
    """What belongs to the company and has to outlive the addon: companies, a payroll clerk, a mail domain."""
    vietnam = env.ref("base.vn")
    companies = env["res.company"].create(
        [
            {"name": name, "vat": vat, "country_id": vietnam.id, "email": "a@mail.example", "phone": "024 3936 1234"}
            for name, vat in (("Trial A", "0100109106"), ("Trial B", "0101243150"))
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


def use(env: Any, certificates: list[bytes]) -> None:
    """Use every part of the addon, so that there is something that could be left behind."""
    import odoo.addons.l10n_vn_ibhxh as addon

    assert "site-packages" in addon.__file__, addon.__file__
    clerk = env["res.users"].search([("login", "=", "clerk")])
    pairing = env["l10n_vn_ibhxh.agent.pairing"]
    expires_at = fields.Datetime.now() + timedelta(minutes=10)
    pairing.create({"user_id": clerk.id, "code_hash": pairing._hash(CODE), "expires_at": expires_at})
    agent, _key = env["l10n_vn_ibhxh.agent"]._pair(CODE, "PC", "Linux", "1.0.0")
    agent._heartbeat(certificates, [{"label": "token"}], "1.0.0")
    for company in env["res.company"].search([("name", "like", "Trial")]):
        _register(env, clerk, company)
    env["l10n_vn_ibhxh.mail"]._receive(MAIL)
    env["res.config.settings"].create(
        {
            "l10n_vn_ibhxh_mail_sender_domains": "vss.example",
            "l10n_vn_ibhxh_mail_authentication_server": "mx.mail.example",
            "l10n_vn_ibhxh_mail_user_id": clerk.id,
        }
    ).execute()
    env["mail.alias"].create(
        {"alias_name": "bao-hiem", "alias_model_id": env["ir.model"]._get_id("l10n_vn_ibhxh.mail")}
    )
    env["l10n_vn_ibhxh.provider"].create({"code": "90001", "name": "Own", "gateway": "manual"})
    clerk.write({"group_ids": [fields.Command.link(env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager").id)]})


def _register(env: Any, clerk: Any, company: Any) -> None:
    """One registration that waits for its activation code to be entered, with everything that hangs on it."""
    wizard = (
        env["l10n_vn_ibhxh.registration.wizard"]
        .with_user(clerk)
        .with_company(company)
        .create(
            {
                "company_id": company.id,
                "provider_id": env.ref("l10n_vn_ibhxh.provider_00001").id,
                "agency_id": env.ref("l10n_vn_ibhxh.agency_001").id,
                "email": "bhxh@mail.example",
                "phone": "0912345678",
                "lodging": "file",
            }
        )
    )
    action = wizard.action_register()
    registration = env["l10n_vn_ibhxh.registration"].browse(action["res_id"])
    now = fields.Datetime.now()
    registration._move("to_send", signed_document=registration.document, signed_at=now)
    registration._on_accepted(now, "03706/2026/001")
    registration._activate("BV2VLHCKRA", "https://baohiemxahoi.gov.vn/#/kich-hoat/" + "0" * 64, now)
    registration.message_post(body="A remark", attachments=[("remark.txt", b"text")])
    env["ir.attachment"].create(
        {"name": "paper", "raw": b"x", "res_model": registration._name, "res_id": registration.id}
    )


def after_reinstallation(env: Any) -> None:
    """The addon is there again, empty and complete."""
    assert not env["l10n_vn_ibhxh.registration"].search([])
    assert env.ref("l10n_vn_ibhxh.mail_alias_bhxh").alias_name == "bhxh"
    assert env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user") in env.ref("hr.group_hr_user").implied_ids
    assert env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow").active


def with_example(env: Any) -> None:
    """The example gateway can be chosen, and is the one that is asked."""
    provider = env["l10n_vn_ibhxh.provider"].create(
        {"code": "90002", "name": "Example", "gateway": "example", "url": "https://127.0.0.1:9/x", "client_id": "c"}
    )
    assert type(provider._gateway()).__name__ == "ExampleGateway", provider._gateway()
    assert provider.action_check()["params"]["type"] == "danger"
