"""Stopping a transaction of Odoo between two of its lines, from outside: it waits for a lock that the test holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from .stack import Stack
from .waiting import until


@contextmanager
def locked_cron(stack: Stack, cron: str) -> Iterator[None]:
    """Calls of this scheduled action (`send`, `follow`) wait meanwhile.

    After a signature was verified the last line calls `send`, after a receipt was stored the last line calls `follow`.
    """
    connection = stack.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.id FROM ir_cron c JOIN ir_model_data d ON d.model = 'ir.cron' AND d.res_id = c.id "
                "WHERE d.name = %s FOR UPDATE OF c",
                [f"ir_cron_l10n_vn_ibhxh_{cron}"],
            )
            yield
    finally:
        connection.close()


@contextmanager
def locked_table(stack: Stack, table: str) -> Iterator[None]:
    """Writers to this table wait meanwhile."""
    connection = stack.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"LOCK TABLE {table} IN EXCLUSIVE MODE")
            yield
    finally:
        connection.close()


@contextmanager
def locked_row(stack: Stack, table: str, record: int) -> Iterator[None]:
    """Somebody else is at this row meanwhile."""
    connection = stack.connect()
    try:
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT id FROM {table} WHERE id = %s FOR UPDATE", [record])
            yield
    finally:
        connection.close()


def await_blocked(stack: Stack) -> None:
    """Wait until somebody waits for a lock."""
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    until("a transaction that waits", lambda: stack.sql(waiting))
