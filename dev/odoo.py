"""Running Odoo: its configuration file, its command line, a server process."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from . import postgres
from .console import Problem
from .paths import ADDONS, DATA, PYTHON, RUNTIME
from .setup import odoo_tree, system_tools

ADMIN_LOGIN = "admin"
ADMIN_PASSWORD = "admin"  # the one of every freshly made Odoo database


def addons_path() -> str:
    """Odoo's own addons and this checkout's, comma separated."""
    home = odoo_tree.import_path()
    core = [folder for folder in (home / "addons", home / "odoo" / "addons") if folder.is_dir()]
    return ",".join(map(str, [*core, ADDONS]))


def environment() -> dict[str, str]:
    """The environment of every Odoo process: this one's, plus what unpacked system packages need."""
    return {**os.environ, **system_tools.environment(), "PGSSLMODE": os.environ.get("PGSSLMODE", "prefer")}


def write_config(
    database: str | None = None,
    *,
    path: Path | None = None,
    sections: Mapping[str, Mapping[str, str]] | None = None,
    **options: str | int,
) -> Path:
    """Write a configuration file.

    :param database: the only database that is served; None serves all
    :param path: where to write it; default .runtime/odoo.conf or .runtime/odoo-<database>.conf
    :param sections: further sections, which addons read
    :param options: further entries of the [options] section
    """
    server = postgres.server()
    values: dict[str, str | int] = {
        "addons_path": addons_path(),
        "data_dir": str(DATA),
        "db_host": server.host,
        "db_port": server.port,
        "db_user": server.user,
        "db_maxconn": 32,
        "http_interface": "127.0.0.1",
        "list_db": "False",
        "without_demo": "True",
        "server_wide_modules": "base,web",
        # Nothing made for development announces itself to Odoo.
        "publisher_warranty_url": "http://127.0.0.1:9",
        **options,
    }
    if server.password:
        values["db_password"] = server.password
    if database:
        values |= {"db_name": database, "dbfilter": f"^{database}$"}
    DATA.mkdir(parents=True, exist_ok=True)
    file = path or RUNTIME / (f"odoo-{database}.conf" if database else "odoo.conf")
    text = "".join(
        f"[{section}]\n" + "".join(f"{key} = {value}\n" for key, value in entries.items())
        for section, entries in {"options": values, **(sections or {})}.items()
    )
    file.unlink(missing_ok=True)  # it may be a hard link into a copy of this folder
    file.touch(mode=0o600)
    file.write_text(text, encoding="utf-8")
    return file


def shell(database: str, script: str) -> str:
    """Run a script in Odoo's shell on a database of the development server; returns what it printed.

    :raises Problem: with the end of the output, when it failed
    """
    config = write_config(database, path=RUNTIME / f"odoo-shell-{database}.conf")
    command = [str(PYTHON), "-m", "odoo", "shell", "-c", str(config), "-d", database, "--no-http"]
    try:
        done = subprocess.run(command, input=script, capture_output=True, text=True, env=environment(), check=False)
    finally:
        config.unlink()
    if done.returncode or "Traceback (most recent call last)" in done.stderr:
        raise Problem(f"Odoo's shell failed:\n{done.stderr[-1500:]}", f"./run shell {database}")
    return done.stdout


def run(*arguments: str, log: Path | None = None) -> int:
    """Run `odoo ARGUMENTS` to its end.

    :param log: file that takes the output; None leaves it on the terminal
    :return: the exit code
    """
    command = [str(PYTHON), "-m", "odoo", *arguments]
    if log is None:
        return subprocess.run(command, env=environment(), check=False).returncode
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.run(command, env=environment(), stdout=output, stderr=output, check=False).returncode
