"""The upgrade from earlier releases: what they wrote is still there, and the rest is as after a fresh installation."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from psycopg2 import sql
from stdnum.vn import mst

from .. import database, postgres
from ..console import Problem
from ..paths import ADDON, DATA
from . import leftovers, release
from .environment import Environment
from integration.ca import CertificateAuthority

FILL = release.FOLDER / "fill.py"
COMPANIES = 13
OWN = ADDON.replace("_", r"\_")

ELSEWHERE = {
    "ir_attachment": "res_model",
    "ir_config_parameter": "key",
    "mail_activity": "res_model",
    "mail_followers": "res_model",
    "mail_message": "model",
    "res_users_apikeys": "scope",
}
"""Tables of Odoo's own that hold rows of the addon, each with the column that tells so."""

CHOSEN = {
    ("ir_cron_l10n_vn_ibhxh_print", "interval_number"): "45",
    ("mail_alias_bhxh", "alias_name"): "bao-hiem",
    ("mail_alias_bhxh", "alias_full_name"): "bao-hiem@mail.example",
    ("parameter_mail_sender_domains", "value"): "vss.example",
}
"""What `fill` changes in records of the data files, as people do: an upgrade leaves it alone."""

PASSING = {"write_date", "write_uid"}
"""Columns that an upgrade may set again in records that it leaves as they are."""

CORRECTED = {
    ("l10n_vn_ibhxh_result_code", "meaning"),
    ("l10n_vn_ibhxh_result_code", "remedy"),
    ("l10n_vn_ibhxh_result_code", "remedy_action"),
    ("l10n_vn_ibhxh_registration_wizard", "unit_code"),
}
"""What a script corrects where nobody had changed it (pre-domain-result-codes.py), and what open wizards work out."""

RENAMED = {
    ("l10n_vn_ibhxh_registration", "cures_id"): "corrects_id",
    ("l10n_vn_ibhxh_registration_wizard", "cures_id"): "corrects_id",
    ("l10n_vn_ibhxh_result_code", "cure"): "remedy",
    ("l10n_vn_ibhxh_result_code", "cure_action"): "remedy_action",
}
"""Columns with another name than in the release before (pre-corrects-and-remedy.py)."""

HASHED = {
    ("l10n_vn_ibhxh_registration", "document"): "document_sha256",
    ("l10n_vn_ibhxh_signing_request", "document"): "sha256",
    ("l10n_vn_ibhxh_signing_request", "signed_document"): "signed_sha256",
}
"""Documents that follow from the signed one now, and the columns with their hashes (post-store-documents.py); that they
can be read is looked at by `after_upgrade` in dev/upgrade/fill.py."""

Rows = dict[str, dict[str, dict[str, Any]]]


@dataclass(frozen=True)
class Fresh:
    """What an installation of the present code makes of an empty database."""

    schema: frozenset[str]
    described: dict[str, dict[str, Any]]


def describe_fresh(environment: Environment, name: str) -> Fresh:
    """Look at a database in which the addon was just installed and nothing was done with it."""
    return Fresh(leftovers.take(name).schema, _describe(environment))


def check(environment: Environment, folder: Path, name: str, fresh: Fresh, step: Callable[[str], None]) -> None:
    """Install each release that is kept, use it, replace it by the installed wheel and upgrade.

    :param folder: for temporary files
    :param name: of a database, which is made and dropped here
    :raises Problem: when something is lost or differs from `fresh`, or the upgrade logs anything at all
    """
    for version, archive in release.kept().items():
        _check_from(version, archive, environment, folder, name, fresh, step)


def _check_from(
    version: str,
    archive: Path,
    environment: Environment,
    folder: Path,
    name: str,
    fresh: Fresh,
    step: Callable[[str], None],
) -> None:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    codes = [code + mst.calc_check_digit(code) for code in (f"01077{number:04d}" for number in range(COMPANIES))]
    authority = CertificateAuthority()
    certificates = [authority.issue(key.public_key(), tax_code=code, name=f"TRIAL {code}") for code in codes]
    encoded = [base64.b64encode(der).decode() for der in certificates]
    try:
        database.fresh(name, install=False)
        environment.write_config(folder / "upgrade.conf", name)
        with environment.other_addon(partial(release.unpack, archive)):
            step(f"upgrade: installing {version}, with registrations in all states")
            _shell(environment, f"before_installation(env, {codes})")
            environment.odoo("module install", ADDON)
            secret = _marked(
                _shell(
                    environment,
                    f"secret = fill(env, [base64.b64decode(text) for text in {encoded}], {pem!r})\n"
                    "print('SECRET', json.dumps(secret))",
                ),
                "SECRET",
            )
        before = _rows(name)
        step(f"upgrade: {sum(map(len, before.values()))} rows; upgrading")
        # Not `module upgrade`, which reads companies with the new fields before the database has them.
        environment.odoo("server --stop-after-init --no-http", "-u", ADDON, quiet=True)
        found = _lost(before, _rows(name), name)
        found += _differences(fresh, Fresh(leftovers.take(name).schema, _describe(environment)))
        if found:
            raise Problem(
                f"After the upgrade from {version}:\n  " + "\n  ".join(found),
                "What changes data, columns or records that are not updated needs a script in migrations/ "
                "(CONTRIBUTING.md).",
            )
        step("upgrade: nothing is lost, all is as freshly installed; going on with what was under way")
        _shell(environment, f"after_upgrade(env, {secret!r}, {pem!r})")
    finally:
        database.drop(name)


def _shell(environment: Environment, calls: str) -> str:
    return environment.odoo("shell --no-http", script=f"{FILL.read_text(encoding='utf-8')}\n{calls}\nenv.cr.commit()\n")


def _marked(output: str, mark: str) -> Any:
    """What the shell printed as JSON after `mark`."""
    line = next(line for line in output.splitlines() if f"{mark} " in line)
    return json.loads(line.split(f"{mark} ", 1)[1])


def _describe(environment: Environment) -> dict[str, dict[str, Any]]:
    described: dict[str, dict[str, Any]] = _marked(_shell(environment, "describe(env)"), "DESCRIBED")
    return described


def _rows(name: str) -> Rows:
    """All rows of the addon, by table and key: its own tables, its columns in Odoo's, its rows in Odoo's."""
    with postgres.server().cursor(name) as cursor:
        cursor.execute(
            """SELECT table_name, array_agg(column_name::text) FROM information_schema.columns
                WHERE table_schema = 'public' AND table_name IN
                      (SELECT tablename FROM pg_tables WHERE schemaname = 'public')
                GROUP BY table_name"""
        )
        columns = dict(cursor.fetchall())
        rows = {}
        for table, names in columns.items():
            if ADDON in table:
                rows[table] = _select(cursor, table, names, names)
            elif own := [column for column in names if column.startswith(ADDON)]:
                rows[table] = _select(cursor, table, names, own)
        for table, column in ELSEWHERE.items():
            rows[table] = _select(cursor, table, columns[table], columns[table], column)
        return rows


def _select(cursor: Any, table: str, names: list[str], wanted: list[str], where: str = "") -> dict[str, dict[str, Any]]:
    """Rows by their id, or by all of their values where there is no id."""
    query = sql.SQL("SELECT {key}::text, to_jsonb(t) FROM {table} t").format(
        key=sql.SQL("t.id" if "id" in names else "to_jsonb(t)"), table=sql.Identifier(table)
    )
    if where:
        query += sql.SQL(" WHERE {column}::text LIKE {own}").format(
            column=sql.Identifier(where), own=sql.Literal(f"{OWN}%")
        )
    cursor.execute(query)
    return {key: {column: row[column] for column in wanted} for key, row in cursor.fetchall()}


def _lost(before: Rows, after: Rows, name: str) -> list[str]:
    """Rows that are gone and values that are others; those of the data files may change."""
    from_files = _from_files(name)
    found = []
    for table, rows in before.items():
        for key, row in rows.items():
            now = after.get(table, {}).get(key)
            if now is None:
                found.append(f"{table} {key[:80]} is gone")
                continue
            if (table, key) in from_files:
                continue
            row = {RENAMED.get((table, column), column): value for column, value in row.items()}
            found += [
                f"{table} {key[:80]}: {column} was {str(value)[:80]}, is {str(now.get(column, 'gone'))[:80]}"
                for column, value in row.items()
                if column not in PASSING
                and (table, column) not in CORRECTED
                and now.get(column, None) != value
                and not (value and now.get(HASHED.get((table, column), "")) == _sha256(value))
            ]
    for row in after["ir_attachment"].values():
        if row["store_fname"] and not (DATA / "filestore" / name / row["store_fname"]).is_file():
            found.append(f"the file of attachment {row['name']} is gone")
    return found


def _sha256(value: Any) -> str:
    """The hash of a document as a binary field stores it: base64, which PostgreSQL writes as hexadecimal digits."""
    return hashlib.sha256(base64.b64decode(bytes.fromhex(str(value).removeprefix("\\x")))).hexdigest()


def _from_files(name: str) -> set[tuple[str, str]]:
    """Table and id of the records that an upgrade reads from the data files again."""
    with postgres.server().cursor(name) as cursor:
        cursor.execute(
            "SELECT replace(model, '.', '_'), res_id FROM ir_model_data WHERE module = %s AND NOT noupdate", [ADDON]
        )
        return {(table, str(key)) for table, key in cursor.fetchall()}


def _differences(fresh: Fresh, upgraded: Fresh) -> list[str]:
    # A numbering is kept in a sequence that is named after its id.
    wanted_schema, schema = (
        {re.sub(r"\bir_sequence_[0-9]+", "ir_sequence", text) for text in state.schema} for state in (fresh, upgraded)
    )
    found = [f"schema, missing: {text}" for text in sorted(wanted_schema - schema)]
    found += [f"schema, too much: {text}" for text in sorted(schema - wanted_schema)]
    found += [f"record, missing: {name}" for name in sorted(fresh.described.keys() - upgraded.described.keys())]
    found += [f"record, too much: {name}" for name in sorted(upgraded.described.keys() - fresh.described.keys())]
    for name in sorted(fresh.described.keys() & upgraded.described.keys()):
        other = upgraded.described[name]
        wanted = {field: CHOSEN.get((name, field), value) for field, value in fresh.described[name].items()}
        found += [
            f"record {name}: {field} is {str(other.get(field))[:200]}, should be {str(value)[:200]}"
            for field, value in wanted.items()
            if other.get(field) != value
        ]
    return found
