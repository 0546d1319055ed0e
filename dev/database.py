"""Fresh Odoo databases, quickly: the addon's dependencies are installed once into a template, which is copied."""

from __future__ import annotations

import ast
import fcntl
import hashlib
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2 import sql

from . import odoo, postgres
from .console import Problem, say
from .paths import ADDON, DATA, LOGS, ROOT, RUNTIME, STAMPS

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
    """Drop a database and its filestore; nothing happens when it does not exist."""
    with postgres.server().cursor() as cursor:
        cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))
    shutil.rmtree(DATA / "filestore" / name, ignore_errors=True)


def copy(source: str, target: str) -> None:
    """Copy a database that nobody is connected to, with its filestore; a database of the target's name is dropped."""
    drop(target)
    with postgres.server().cursor() as cursor:
        cursor.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(target), sql.Identifier(source)))
    store = DATA / "filestore" / source
    if store.is_dir():
        shutil.copytree(store, DATA / "filestore" / target)


def _create(name: str, modules: list[str]) -> None:
    log = LOGS / f"init-{name}.log"
    config = odoo.write_config(path=RUNTIME / "init.conf")
    code = odoo.run("-c", str(config), "-d", name, "-i", ",".join(modules), "--stop-after-init", "--no-http", log=log)
    text = log.read_text(encoding="utf-8", errors="replace")
    if code or " ERROR " in text or " CRITICAL " in text:
        tail = "\n".join(text.splitlines()[-15:])
        raise Problem(f"Installing {', '.join(modules)} into database {name} failed:\n{tail}", f"See {log}")


@contextmanager
def _exclusively() -> Iterator[None]:
    """One maker of template databases at a time in a checkout."""
    STAMPS.mkdir(parents=True, exist_ok=True)
    with (STAMPS / "database.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def template() -> str:
    """The name of a database that holds the addon's dependencies but not the addon; made when missing (about 30 s)."""
    modules = dependencies()
    inputs = "\0".join([*modules, odoo.addons_path(), (STAMPS / "odoo").read_text(encoding="utf-8")])
    name = f"template_{hashlib.sha256(inputs.encode()).hexdigest()[:10]}"
    with _exclusively():
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


def fresh(name: str, *, install: bool = True) -> str:
    """A fresh database of this name; one that exists is dropped.

    :param install: also install the addon
    :return: the name
    :raises Problem: when the installation fails, with the end of its log
    """
    source = template()
    with _exclusively():
        copy(source, name)
    if install:
        (LOGS / f"init-{name}.log").unlink(missing_ok=True)
        _create(name, [ADDON])
    return name
