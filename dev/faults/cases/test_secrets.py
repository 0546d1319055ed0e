"""After all other cases: what stands in the logs, and what a neutralized copy of the used database can still do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from dev import odoo
from dev.faults.case import Case
from dev.faults.world import DATABASE, World
from dev.paths import DATA

COPY = f"{DATABASE}_copy"


def test_no_secret_stands_in_any_log(case: Case) -> None:
    """PIN, keys, passwords, codes and links, through kills, tracebacks and garbage."""
    case.signed()
    case.await_state("to_activate")
    secrets = {"gateway password": case.world.secret, "pairing code": case.world.pairing_code(), "PIN": "73915846"}
    secrets |= {f"password of {login}": word for login, word in case.world.passwords.items() if login != "admin"}
    secrets["agent key"] = case.world.desk.key
    for dossier in case.world.control.dossiers():
        if dossier["code"]:
            secrets[f"code {dossier['id']}"] = dossier["code"]
            secrets[f"link {dossier['id']}"] = dossier["token"]
    logs = {file.name: file.read_text("utf-8", "replace") for file in case.world.folder.glob("*.log")}
    assert "odoo.log" in logs and len(secrets) > 6
    found = [f"{what} in {name}" for name, text in logs.items() for what, secret in secrets.items() if secret in text]
    assert not found


@pytest.fixture
def neutralized(world: World) -> Iterator[str]:
    """A copy of the database as it is, with a waiting registration, neutralized by Odoo's own command."""
    world.odoo.stop()
    with world.cluster.cursor("postgres") as cursor:
        cursor.execute(f"CREATE DATABASE {COPY} TEMPLATE {DATABASE}")
    config = odoo.write_config(
        COPY,
        path=world.folder / "copy.conf",
        db_host=world.cluster.host,
        db_port=world.cluster.port,
        db_user="odoo",
        db_password="",
    )
    assert odoo.run("neutralize", "-c", str(config), "-d", COPY, log=world.folder / "neutralize.log") == 0
    yield COPY
    with world.cluster.cursor("postgres") as cursor:
        cursor.execute(f"DROP DATABASE {COPY}")
    shutil.rmtree(DATA / "filestore" / COPY, ignore_errors=True)
    world.start_odoo()


def test_a_neutralized_copy_neither_signs_nor_sends(world: World, used: Case, neutralized: str) -> None:
    questions = {
        "keys of computers": "SELECT 1 FROM res_users_apikeys WHERE scope = 'l10n_vn_ibhxh.agent'",
        "computers": "SELECT 1 FROM l10n_vn_ibhxh_agent WHERE NOT revoked OR num_nonnulls(key_hash, doorbell) > 0",
        "pairing codes": "SELECT 1 FROM l10n_vn_ibhxh_agent_pairing",
        "waiting signatures": "SELECT 1 FROM l10n_vn_ibhxh_signing_request WHERE state IN ('pending', 'claimed')",
        "gateways": "SELECT 1 FROM l10n_vn_ibhxh_provider WHERE gateway <> 'manual' OR client_secret IS NOT NULL",
        "codes": "SELECT 1 FROM l10n_vn_ibhxh_registration WHERE num_nonnulls(activation_code, activation_url) > 0",
        "mails": "SELECT 1 FROM l10n_vn_ibhxh_mail WHERE source IS NOT NULL",
        "pasted mails": "SELECT 1 FROM l10n_vn_ibhxh_mail_paste",
        "scheduled actions": "SELECT 1 FROM ir_cron WHERE active AND cron_name LIKE 'BHXH%%'",
    }
    left: dict[str, set[str]] = {}
    for database in (DATABASE, neutralized):
        with world.cluster.cursor(database) as cursor:
            for what, question in questions.items():
                cursor.execute(question)
                if cursor.fetchone():
                    left.setdefault(database, set()).add(what)
    assert neutralized not in left, left
    assert left[DATABASE] >= {"keys of computers", "waiting signatures", "gateways", "codes", "mails"}, (
        "a used database"
    )


@pytest.fixture
def used(world: World) -> Iterator[Case]:
    """A registration that waits for its token; one that has a code comes from the cases before."""
    case = Case(world)
    case.signed()
    case.await_state("to_activate")
    waiting = Case(world)
    waiting.to_sign()
    yield waiting
    for one in (case, waiting):
        one.retire()
