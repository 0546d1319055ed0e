"""Fresh Odoo databases, quickly: what they hold is installed once into a template, which is copied."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2.errors
from psycopg2 import sql

from . import odoo, postgres
from .console import Problem, say
from .packaging.backend import addon_wheel
from .paths import ADDON, DATA, LOGS, ROOT, RUNTIME, STAMPS

DROP_SECONDS = 120
FALLBACK_DEPENDS = ("base_setup", "hr", "mail")
"""What the template holds while the addon has no manifest."""


def dependencies() -> list[str]:
    """The modules that the addon's manifest depends on."""
    manifest = ROOT / "__manifest__.py"
    if not manifest.is_file():
        return list(FALLBACK_DEPENDS)
    return sorted(ast.literal_eval(manifest.read_text(encoding="utf-8"))["depends"])


def exists(name: str) -> bool:
    """Whether the server has this database."""
    with postgres.server().cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name])
        return cursor.fetchone() is not None


def drop(name: str) -> None:
    """Drop a database and its filestore; nothing happens when it does not exist.

    PostgreSQL's own cleaning up after many new rows is waited for: nobody may end it.
    """
    end = time.monotonic() + DROP_SECONDS
    with postgres.server().cursor() as cursor:
        while True:
            try:
                cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
                break
            except psycopg2.errors.InsufficientPrivilege:
                if time.monotonic() > end:
                    raise
                time.sleep(1)
    shutil.rmtree(filestore(name), ignore_errors=True)


def filestore(name: str) -> Path:
    """The folder with a database's files; it may be missing."""
    return DATA / "filestore" / name


def copy_filestore(source: str, target: str) -> None:
    """Copy the files of a database; those of the target must not exist."""
    if filestore(source).is_dir():
        shutil.copytree(filestore(source), filestore(target))


def copy(source: str, target: str) -> None:
    """Copy a database that nobody is connected to, with its filestore; a database of the target's name is dropped."""
    drop(target)
    with postgres.server().cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(target), sql.Identifier(source)))
    copy_filestore(source, target)


def _create(name: str, modules: list[str]) -> None:
    log = LOGS / f"init-{name}.log"
    config = odoo.write_config(path=RUNTIME / "init.conf")
    code = odoo.run("-c", str(config), "-d", name, "-i", ",".join(modules), "--stop-after-init", "--no-http", log=log)
    text = log.read_text(encoding="utf-8", errors="replace")
    if code or " ERROR " in text or " CRITICAL " in text:
        tail = "\n".join(text.splitlines()[-15:])
        raise Problem(f"Installing {', '.join(modules)} into database {name} failed:\n{tail}", f"See {log}")


@contextmanager
def exclusively() -> Iterator[None]:
    """Nobody else of this checkout makes or reads template databases meanwhile."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    with (STAMPS / "database.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def template() -> str:
    """The name of a database that holds the addon's dependencies but not the addon; made when missing (about 30 s)."""
    modules = dependencies()
    inputs = "\0".join([*modules, odoo.addons_path(), (STAMPS / "odoo").read_text(encoding="utf-8")])
    name = f"template_{hashlib.sha256(inputs.encode()).hexdigest()[:10]}"
    with exclusively():
        if not exists(name):
            say(f"Making the template database ({', '.join(modules)}) …")
            building = f"{name}_building"
            drop(building)
            # Made here and not by Odoo, which would log an error for each extension that the embedded server lacks.
            with postgres.server().cursor() as cursor:
                cursor.execute(
                    sql.SQL("CREATE DATABASE {} ENCODING 'unicode' LC_COLLATE 'C' TEMPLATE template0").format(
                        sql.Identifier(building)
                    )
                )
            LOGS.mkdir(parents=True, exist_ok=True)
            (LOGS / f"init-{building}.log").unlink(missing_ok=True)
            _create(building, modules)
            copy(building, name)
            drop(building)
    return name


def installed(*more: str) -> str:
    """The name of a database that holds the addon as it is now; made when missing (about 15 s). To be copied only.

    :param more: further modules that are installed too
    :raises Problem: when the installation fails, with the end of its log
    """
    source = template()
    prefix, name = _installed_name(source, *more)
    with exclusively():
        if not exists(name):
            _drop_all(prefix)
            building = f"{prefix}building"
            copy(source, building)
            (LOGS / f"init-{building}.log").unlink(missing_ok=True)
            _create(building, [ADDON, *more])
            copy(building, name)
            drop(building)
    return name


def make_bundles(name: str) -> None:
    """Build the web client's bundles, as Odoo does before it runs its own browser tests: each of them would else do it
    again, as tests keep nothing that they make."""
    script = "env['ir.qweb']._pregenerate_assets_bundles()\nenv.cr.commit()\n"
    odoo.shell(name, script)


def _installed_name(source: str, *more: str) -> tuple[str, str]:
    """The beginning of the names of databases with these modules, and the name of the one with the addon as it is now:
    it ends with a digest of everything that an installation reads."""
    found = hashlib.sha256(source.encode())
    for part in (*addon_wheel.FILES, *addon_wheel.FOLDERS):
        files = [ROOT / part] if (ROOT / part).is_file() else sorted((ROOT / part).rglob("*"))
        for file in files:
            if file.is_file() and file.suffix != ".pyc":
                found.update(f"{file.relative_to(ROOT)}\0".encode())
                found.update(file.read_bytes())
    prefix = "_".join(("installed", *more, ""))
    return prefix, f"{prefix}{found.hexdigest()[:10]}"


def _drop_all(prefix: str) -> None:
    """Drop the databases of earlier states of the addon: the prefix and a digest, and nothing else."""
    with postgres.server().cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database WHERE datname ~ %s", [f"^{prefix}[0-9a-f]{{10}}$"])
        names = [row[0] for row in cursor.fetchall()]
    for name in names:
        drop(name)


def fresh(name: str, *, install: bool = True) -> str:
    """A fresh database of this name; one that exists is dropped.

    :param install: with the addon, as it is now
    :return: the name
    :raises Problem: when the installation fails, with the end of its log
    """
    source = template()
    ready = _installed_name(source)[1]
    with exclusively():
        is_ready = install and exists(ready)
        copy(ready if is_ready else source, name)
    if install and not is_ready:
        (LOGS / f"init-{name}.log").unlink(missing_ok=True)
        _create(name, [ADDON])
    return name
