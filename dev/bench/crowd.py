"""Many registrations at once: rows copied inside PostgreSQL, because making 100 000 companies by the ORM takes hours.

Runs inside Odoo (see `inside`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

MODEL = "l10n_vn_ibhxh.registration"
CLERK = "bench-clerk"

DUE = "now() at time zone 'UTC' - interval '1 minute'"
SOON = "now() at time zone 'UTC' + interval '1 hour'"
LATER = "now() at time zone 'UTC' + interval '20 hours'"

SCENES: Mapping[str, Mapping[str, str]] = {
    # The code of every registration has just ended.
    "expiry": {"state": "'to_activate'", "activation_expires_at": DUE},
    # The code of every registration ends within the hour and nobody was reminded yet.
    "reminder": {"state": "'to_activate'", "activation_expires_at": SOON},
    # The gateway has to be asked about every registration, and has nothing new to say.
    "question": {"state": "'sent'", "activation_expires_at": LATER, "poll_at": DUE},
    # Every registration is open and nothing is due.
    "quiet": {"state": "'sent'", "activation_expires_at": LATER, "poll_at": LATER},
}
"""What is different in each scene: columns of the registration with SQL expressions."""


def _clone(cr: Any, table: str, source: int, count: int, changes: Mapping[str, str]) -> int:
    """Copy row `source` of `table` `count` times; copy number n gets the id returned + n.

    :param changes: columns with SQL expressions, which may use `n` (1 to `count`)
    """
    cr.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND column_name != 'id'", [table]
    )
    columns = [row[0] for row in cr.fetchall()]
    cr.execute(f"SELECT max(id) FROM {table}")
    base: int = cr.fetchone()[0]
    values = ", ".join(changes.get(name, f't."{name}"') for name in columns)
    names = ", ".join(f'"{name}"' for name in columns)
    cr.execute(
        f"INSERT INTO {table} (id, {names}) SELECT {base} + n, {values} FROM {table} t, generate_series(1, %s) n"
        " WHERE t.id = %s",
        [count, source],
    )
    cr.execute(f"SELECT setval('{table}_id_seq', {base} + %s)", [count])
    return base


def settle(env: Any) -> Any:
    """Make the one company, clerk and registration that the crowd is copied from; returns the registration."""
    company = env["res.company"].create(
        {"name": "Công ty mẫu", "country_id": env.ref("base.vn").id, "vat": "0101243150", "city": "Hà Nội"}
    )
    clerk = env["res.users"].create(
        {
            "name": "Kế toán",
            "login": CLERK,
            "email": "ke.toan@example.com",
            "notification_type": "inbox",
            "company_id": company.id,
            "company_ids": [(6, 0, company.ids)],
            "group_ids": [(4, env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user").id)],
        }
    )
    provider = env["l10n_vn_ibhxh.provider"].create(
        {"code": "99999", "name": "I-VAN thử", "gateway": "sandbox", "url": "http://127.0.0.1:9/ivan/v1"}
    )
    registration = env[MODEL].create(
        {
            "company_id": company.id,
            "user_id": clerk.id,
            "provider_id": provider.id,
            "agency_id": env.ref("l10n_vn_ibhxh.agency_001").id,
            "email": "ke.toan@example.com",
            "phone": "0912345678",
            "client_reference": str(uuid.uuid4()),
        }
    )
    env.flush_all()
    return registration


def gather(env: Any, scene: str, count: int) -> None:
    """Add `count` companies, each with one registration as `scene` has it, and commit."""
    registration = settle(env)
    cr = env.cr
    company = registration.company_id
    partners = _clone(
        cr,
        "res_partner",
        company.partner_id.id,
        count,
        {
            "name": "'Công ty ' || n",
            "complete_name": "'Công ty ' || n",
            "commercial_partner_id": "(SELECT max(id) FROM res_partner) + n",
        },
    )
    companies = _clone(
        cr,
        "res_company",
        company.id,
        count,
        {
            "name": "'Công ty ' || n",
            "partner_id": f"{partners} + n",
            "parent_path": "(SELECT max(id) FROM res_company) + n || '/'",
            "l10n_vn_ibhxh_tax_code": "lpad(n::text, 10, '0')",
            "l10n_vn_ibhxh_state": "'in_progress'",
        },
    )
    registrations = _clone(
        cr,
        "l10n_vn_ibhxh_registration",
        registration.id,
        count,
        {
            "company_id": f"{companies} + n",
            "client_reference": "gen_random_uuid()::text",
            "dossier_number": "lpad(n::text, 5, '0') || '/2026/00100'",
            "dossier_number_source": "'gateway'",
            "tax_code": "lpad(n::text, 10, '0')",
            "submitted_at": "now() at time zone 'UTC' - interval '3 hours'",
            **SCENES[scene],
        },
    )
    cr.execute(
        "UPDATE res_company SET l10n_vn_ibhxh_registration_id = id - %s + %s WHERE id > %s",
        [companies, registrations, companies],
    )
    cr.execute(
        "INSERT INTO l10n_vn_ibhxh_registration_step (registration_id, number, code, description, passed)"
        " SELECT id, 1, 'OK', 'Tiếp nhận', true FROM l10n_vn_ibhxh_registration WHERE id > %s",
        [registrations],
    )
    cr.execute(
        "INSERT INTO mail_followers (res_model, res_id, partner_id)"
        " SELECT %s, id, %s FROM l10n_vn_ibhxh_registration WHERE id > %s",
        [MODEL, registration.user_id.partner_id.id, registrations],
    )
    # The pattern is done with, and would be due or not by accident.
    cr.execute("UPDATE l10n_vn_ibhxh_registration SET state = 'cancelled' WHERE id = %s", [registration.id])
    env.invalidate_all()
    cr.commit()
    cr.execute("ANALYZE")
    cr.commit()


def tax_code(number: int) -> str:
    """The made-up tax code of copy `number`."""
    return f"{number:010d}"


def dossier_number(number: int) -> str:
    """The dossier number of copy `number`."""
    return f"{number:05d}/2026/00100"
