"""What the sandbox knows, in one SQLite file.

Everything that was answered to a client has been committed before: after `kill -9` the file holds all of it.
The write-ahead log is not synced at each commit, so a power cut (not a killed process) may cost the last moments;
for a stand-in that is the right side of the bargain. The connection belongs to one thread at a time.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Row = dict[str, Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS counter (agency TEXT, year INTEGER, last INTEGER NOT NULL, PRIMARY KEY (agency, year));
CREATE TABLE IF NOT EXISTS unit (
    id INTEGER PRIMARY KEY, tax_code TEXT NOT NULL, unit_code TEXT UNIQUE NOT NULL, knows_code INTEGER NOT NULL,
    name TEXT NOT NULL, agency_code TEXT NOT NULL, agency_name TEXT NOT NULL, state TEXT NOT NULL, holder_code TEXT,
    holder_name TEXT, fingerprint TEXT, serial TEXT, email TEXT, phone TEXT);
CREATE INDEX IF NOT EXISTS unit_tax_code ON unit (tax_code);
CREATE TABLE IF NOT EXISTS dossier (
    id INTEGER PRIMARY KEY, client TEXT NOT NULL, client_name TEXT NOT NULL, reference TEXT NOT NULL,
    form TEXT NOT NULL, agency_code TEXT NOT NULL,
    tax_code TEXT NOT NULL, unit_code TEXT, unit INTEGER, document BLOB NOT NULL, sha256 TEXT NOT NULL,
    signer TEXT NOT NULL, fields TEXT NOT NULL, state TEXT NOT NULL, accepted_at TEXT NOT NULL, decide_at TEXT,
    dossier_number TEXT UNIQUE, steps TEXT NOT NULL, holder TEXT, notification BLOB, token TEXT UNIQUE, code TEXT,
    code_expires_at TEXT,
    UNIQUE (client, reference));
CREATE INDEX IF NOT EXISTS dossier_due ON dossier (decide_at) WHERE decide_at IS NOT NULL;
CREATE INDEX IF NOT EXISTS dossier_waiting ON dossier (unit) WHERE code IS NOT NULL;
CREATE TABLE IF NOT EXISTS mail (
    id INTEGER PRIMARY KEY, dossier INTEGER, kind TEXT NOT NULL, sender TEXT NOT NULL, recipient TEXT NOT NULL,
    subject TEXT NOT NULL,
    message BLOB NOT NULL, created_at TEXT NOT NULL, due_at TEXT NOT NULL, held_for INTEGER,
    released INTEGER NOT NULL DEFAULT 0, sent_at TEXT, error TEXT);
CREATE INDEX IF NOT EXISTS mail_due ON mail (due_at) WHERE sent_at IS NULL;
"""
VERSION = 2
"""Of the schema. A stand-in for tests migrates nothing."""
_TABLES = ("counter", "unit", "dossier", "mail")


class StoreError(Exception):
    """A data file cannot be used."""


class Store:
    """One SQLite file (or `:memory:`) and the few statements that the sandbox needs."""

    def __init__(self, path: Path | str) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = lambda cursor, values: dict(
            zip([column[0] for column in cursor.description], values, strict=True)
        )
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=NORMAL")
        if self.one("SELECT 1 FROM sqlite_master") is None:
            self._db.execute(f"PRAGMA user_version = {VERSION}")
        elif self.one("PRAGMA user_version") != {"user_version": VERSION}:
            raise StoreError(f"{path} was written by another version of the sandbox; delete it to start with a new one")
        self._db.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; the changes are in the file when the block ends."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def clear(self) -> None:
        """Forget units, dossiers, mails and numbers; keep keys and settings."""
        with self.transaction():
            for table in _TABLES:
                self._db.execute(f"DELETE FROM {table}")  # nosec B608

    def get_meta(self, key: str) -> Any:
        """The JSON value kept under `key`, or None."""
        row = self.one("SELECT value FROM meta WHERE key = ?", key)
        return None if row is None else json.loads(row["value"])

    def set_meta(self, key: str, value: Any) -> None:
        """Keep a JSON value under `key`."""
        self._db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, json.dumps(value)))

    def one(self, query: str, *arguments: Any) -> Row | None:
        """The first row, or None."""
        row: Row | None = self._db.execute(query, arguments).fetchone()
        return row

    def all(self, query: str, *arguments: Any) -> list[Row]:
        """All rows."""
        return self._db.execute(query, arguments).fetchall()

    def insert(self, table: str, row: Mapping[str, Any]) -> int:
        """Add a row to `table` (a name of the schema, as the columns are); its id."""
        marks = ", ".join("?" * len(row))
        query = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})"  # nosec B608
        cursor = self._db.execute(query, tuple(row.values()))
        return int(cursor.lastrowid or 0)

    def update(self, table: str, key: str, value: Any, **changes: Any) -> None:
        """Change the rows of `table` whose column `key` is `value`; table and columns are names of the schema."""
        settings = ", ".join(f"{column} = ?" for column in changes)
        query = f"UPDATE {table} SET {settings} WHERE {key} = ?"  # nosec B608
        self._db.execute(query, (*changes.values(), value))

    def next_number(self, agency: str, year: int) -> int:
        """The next dossier number of that agency and year, from 1."""
        query = "INSERT INTO counter VALUES (?, ?, 1) ON CONFLICT DO UPDATE SET last = last + 1 RETURNING last"
        row = self.one(query, agency, year)
        assert row is not None
        return int(row["last"])
