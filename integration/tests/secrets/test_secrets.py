"""What stands in the logs, and what a neutralized copy of the used database can still do."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from dev import database, odoo
from integration.case import Case
from integration.stack import Stack


def test_no_secret_stands_in_any_log(case: Case) -> None:
    """PIN, keys, passwords, codes and links; of the other stacks, through kills, tracebacks and garbage, it is checked
    when they end."""
    case.signed()
    case.await_state("to_activate")
    assert "odoo" in case.stack.log_texts() and len(case.stack.secrets()) > 6
    assert not case.stack.secrets_in_logs()


@pytest.fixture
def neutralized(stack: Stack) -> Iterator[str]:
    """A copy of the database as it is, with a waiting registration, neutralized by Odoo's own command."""
    copy = f"{stack.database}_copy"
    stack.odoo.stop()
    stack.sql(f"CREATE DATABASE {copy} TEMPLATE {stack.database}", database="postgres")
    config = stack.folder / "copy.conf"
    stack.write_config(config, {}, copy)
    assert odoo.run("neutralize", "-c", str(config), "-d", copy, log=stack.folder / "neutralize.log") == 0
    yield copy
    stack.sql(f"DROP DATABASE {copy}", database="postgres")
    shutil.rmtree(database.filestore(copy), ignore_errors=True)
    stack.start_odoo()


def test_a_neutralized_copy_neither_signs_nor_sends(stack: Stack, used: Case, neutralized: str) -> None:
    questions = {
        "keys of computers": "SELECT 1 FROM res_users_apikeys WHERE scope = 'l10n_vn_ibhxh.agent'",
        "computers": "SELECT 1 FROM l10n_vn_ibhxh_agent WHERE NOT revoked OR num_nonnulls(key_hash, doorbell) > 0",
        "pairing codes": "SELECT 1 FROM l10n_vn_ibhxh_agent_pairing",
        "waiting signatures": "SELECT 1 FROM l10n_vn_ibhxh_signing_request WHERE state IN ('pending', 'claimed')",
        "gateways": "SELECT 1 FROM l10n_vn_ibhxh_provider WHERE gateway <> 'manual' OR client_secret IS NOT NULL",
        "codes": "SELECT 1 FROM l10n_vn_ibhxh_registration WHERE num_nonnulls(activation_code, activation_url) > 0",
        "mails": "SELECT 1 FROM l10n_vn_ibhxh_mail WHERE source IS NOT NULL",
        "pasted mails": "SELECT 1 FROM l10n_vn_ibhxh_mail_paste",
        "scheduled actions": "SELECT 1 FROM ir_cron WHERE active AND cron_name LIKE 'BHXH%'",
    }
    left: dict[str, set[str]] = {}
    for name in (stack.database, neutralized):
        for what, question in questions.items():
            if stack.sql(question, database=name):
                left.setdefault(name, set()).add(what)
    assert neutralized not in left, left
    assert left[stack.database] >= {"keys of computers", "waiting signatures", "gateways", "codes", "mails"}, (
        "a used database"
    )


@pytest.fixture
def used(stack: Stack) -> Iterator[Case]:
    """A registration that waits for its token; one that has a code comes from the cases before."""
    case = Case(stack)
    case.signed()
    case.await_state("to_activate")
    waiting = Case(stack)
    waiting.to_sign()
    yield waiting
    for one in (case, waiting):
        one.retire()
