"""The commands of ./run that need the installed runtime."""

from __future__ import annotations

from collections.abc import Callable

from . import database, lint, odoo, postgres, screenshots, suites, translations
from .bench import main as bench
from .console import say
from .demo import main as demo
from .packaging import main as packaging
from .packaging import release


def shell(arguments: list[str]) -> int:
    """Odoo's shell on the named database, which is made when it is missing."""
    name = arguments[0] if arguments else "play"
    if not database.exists(name):
        say(f"Making database {name} …")
        database.fresh(name)
    return odoo.run("shell", "-c", str(odoo.write_config(name)), "--no-http", *arguments[1:])


def raw(arguments: list[str]) -> int:
    """Odoo's own command line; `-c` with the right configuration is added for commands that take one."""
    config = str(odoo.write_config())
    if arguments and not arguments[0].startswith("-"):
        return odoo.run(arguments[0], "-c", config, *arguments[1:])
    return odoo.run("-c", config, *arguments)


def stop(_arguments: list[str]) -> int:
    """Stop the embedded PostgreSQL."""
    postgres.stop()
    return 0


COMMANDS: dict[str, Callable[[list[str]], int]] = {
    "bench": bench.run,
    "shell": shell,
    "odoo": raw,
    "demo": demo.run,
    "i18n": translations.run,
    "lint": lint.run,
    "package": packaging.run,
    "release": release.run,
    "screenshots": screenshots.run,
    "stop": stop,
    "test": suites.run,
}
