"""Tasks that run inside Odoo, each in a process and on a database of its own: `python -m dev.bench.inside TASK …`.

The result is printed as one line of JSON after `MARK`, because Odoo logs to the same place.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .. import database, odoo
from ..console import Problem
from ..packaging import release
from ..paths import ADDON, ADDONS, LOGS, PYTHON, RUNTIME

MARK = "RESULT "
SOURCE = "bench_source"


def prepare() -> None:
    """Make the database that each task gets a copy of."""
    database.fresh(SOURCE)


def clean() -> None:
    """Drop the database that tasks are copied from."""
    database.drop(SOURCE)


def prepare_release(version: str) -> None:
    """Make the database that each task of an earlier release gets a copy of, and unpack that release."""
    folder = _folder(version)
    shutil.rmtree(folder, ignore_errors=True)
    release.unpack(release.kept()[version], folder)
    name = _source(version)
    database.fresh(name, install=False)
    config = odoo.write_config(name, **_options(version))
    log = LOGS / f"init-{name}.log"
    log.unlink(missing_ok=True)
    if odoo.run("-c", str(config), "-i", ADDON, "--stop-after-init", "--no-http", log=log):
        raise Problem(f"Release {version} could not be installed.", f"See {log}")


def clean_release(version: str) -> None:
    """Drop what `prepare_release` made."""
    database.drop(_source(version))
    shutil.rmtree(_folder(version), ignore_errors=True)


def _folder(version: str) -> Path:
    return RUNTIME / "bench-releases" / version


def _source(version: str) -> str:
    return f"{SOURCE}_{version.replace('.', '_')}" if version else SOURCE


def _options(version: str) -> dict[str, Any]:
    """Entries of Odoo's configuration, so that it runs this release ("" for the checkout)."""
    if not version:
        return {}
    core = [path for path in odoo.addons_path().split(",") if path != str(ADDONS)]
    return {"addons_path": ",".join([*core, str(_folder(version))])}


def run(task: str, *arguments: Any, version: str = "") -> dict[str, Any]:
    """Run a task on a copy of the source database; returns what it measured.

    :param version: an earlier release that runs instead of this checkout's addon, see `prepare_release`
    :raises Problem: with the end of its output
    """
    name = f"bench_{task}"
    database.copy(_source(version), name)
    config = odoo.write_config(name, **_options(version))
    try:
        done = subprocess.run(
            [str(PYTHON), "-m", "dev.bench.inside", task, str(config), json.dumps(arguments)],
            env=odoo.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        database.drop(name)
    lines = [line for line in done.stdout.splitlines() if line.startswith(MARK)]
    if done.returncode or not lines:
        tail = "\n".join((done.stdout + done.stderr).splitlines()[-25:])
        raise Problem(f"The measurement {task} {arguments} failed:\n{tail}", "Run it alone: ./run bench --only " + task)
    result: dict[str, Any] = json.loads(lines[-1].removeprefix(MARK))
    return result


def main(task: str, config: str, arguments: list[Any]) -> None:
    """Open the database of `config` and run the task."""
    from odoo import api, tools
    from odoo.modules import initialize_sys_path
    from odoo.modules.registry import Registry
    from odoo.orm.utils import SUPERUSER_ID

    tools.config.parse_config(["-c", config, "--log-level=critical"], setup_logging=True)
    initialize_sys_path()

    from . import follow, mails, registering, screens

    tasks: dict[str, Callable[..., dict[str, Any]]] = {
        "follow": follow.measure,
        "mails": mails.measure,
        "registering": registering.measure,
        "screens": screens.measure,
    }
    registry = Registry(tools.config["db_name"][0])
    with registry.cursor() as cr:
        result = tasks[task](api.Environment(cr, SUPERUSER_ID, {}), *arguments)
    sys.stdout.write(MARK + json.dumps(result) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3]))
