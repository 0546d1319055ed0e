"""What a database holds, as far as an uninstalled addon could leave something behind in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from psycopg2 import sql

from .. import postgres
from ..paths import ADDON

SCHEMA = {
    "column": """SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable
                 FROM information_schema.columns WHERE table_schema = 'public'""",
    "index": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "constraint": """SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid)
                     FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "relation": "SELECT relkind::text || ' ' || relname FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    "function": "SELECT proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
    "trigger": "SELECT tgrelid::regclass || ' ' || tgname FROM pg_trigger WHERE NOT tgisinternal",
}

COMES_AND_GOES = {
    "base_registry_signaling": "signals between processes",
    "bus_bus": "messages to open pages, deleted after a day",
    "ir_cron_trigger": "next calls of scheduled actions; those of deleted actions go with them",
    "ir_cron_progress": "how far scheduled actions got, deleted after a week",
    "ir_logging": "the log",
    "ir_module_module": "the list of modules that are on the disk",
    "ir_module_module_dependency": "the same",
    "ir_module_module_exclusion": "the same",
    "module_country": "the same",
    "orm_signaling_assets": "signals between processes",
    "orm_signaling_default": "signals between processes",
    "orm_signaling_groups": "signals between processes",
    "orm_signaling_registry": "signals between processes",
    "orm_signaling_routing": "signals between processes",
    "orm_signaling_stable": "signals between processes",
    "orm_signaling_templates": "signals between processes",
    "res_config_settings": "the settings page while it is open",
}
"""Tables whose rows say nothing about the addon's data, each with what they are."""


@dataclass(frozen=True)
class Snapshot:
    """Schema objects, number of rows per table, and the places where the addon is named."""

    schema: frozenset[str]
    rows: dict[str, int]
    named: dict[str, int]


def take(database: str) -> Snapshot:
    """Look at a database that nobody writes to."""
    with postgres.server().cursor(database) as cursor:
        schema = set()
        for kind, query in SCHEMA.items():
            cursor.execute(query)
            schema |= {f"{kind} {text}" for (text,) in cursor.fetchall()}
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
        tables = [name for (name,) in cursor.fetchall() if name not in COMES_AND_GOES]
        return Snapshot(frozenset(schema), {name: _count(cursor, name) for name in tables}, _named(cursor, tables))


def _count(cursor: Any, table: str) -> int:
    cursor.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table)))
    return int(cursor.fetchone()[0])


def _named(cursor: Any, tables: list[str]) -> dict[str, int]:
    """How many rows name the addon or one of its models, by `table.column`."""
    cursor.execute(
        """SELECT table_name, column_name FROM information_schema.columns
            WHERE table_schema = 'public' AND data_type IN ('text', 'character varying', 'jsonb', 'json')"""
    )
    found = {}
    for table, column in cursor.fetchall():
        if table not in tables:
            continue
        cursor.execute(
            sql.SQL("SELECT count(*) FROM {table} WHERE {column}::text ILIKE %s").format(
                table=sql.Identifier(table), column=sql.Identifier(column)
            ),
            [f"%{ADDON.replace('_', chr(92) + '_')}%"],
        )
        count = int(cursor.fetchone()[0])
        if count:
            found[f"{table}.{column}"] = count
    return found


def difference(before: Snapshot, after: Snapshot) -> list[str]:
    """What is in `after` and was not in `before`, or the other way round; one line each, empty when they are alike."""
    lines = [f"left behind: {text}" for text in sorted(after.schema - before.schema)]
    lines += [f"gone: {text}" for text in sorted(before.schema - after.schema)]
    for table in sorted(before.rows.keys() & after.rows.keys()):
        more = after.rows[table] - before.rows[table]
        if more:
            lines.append(f"rows in {table}: {more:+}")
    for place in sorted(after.named.keys() | before.named.keys()):
        if after.named.get(place, 0) != before.named.get(place, 0):
            lines.append(f"rows naming {ADDON} in {place}: {before.named.get(place, 0)} -> {after.named.get(place, 0)}")
    return lines
