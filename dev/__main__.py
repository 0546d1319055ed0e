"""`./run COMMAND`, see `./run help`."""

from __future__ import annotations

import os
import sys

from . import setup
from .console import Problem, say
from .setup import system_tools

HELP = """./run COMMAND …

  setup [--refresh]        install the runtime under .runtime/ (every other command does it too when needed)
  demo [--check]           a whole registration, then all left running; --check: unattended, exits 0 if all was seen
  test [SUITE…] [ARG…]     all tests, or the suites addon | agent | sandbox | integration, or a folder of
                           integration/tests (kills, mail …); `quick`: under two minutes; --coverage: measure it;
                           further arguments go to pytest
  bench [--short|--long]   what the parts cost, into docs/benchmarks.md; --short: under 3 minutes, writes nothing;
                           --only server | agent | follow | mails | end-to-end: a part, writes nothing
  package                  both wheels, tried in an empty environment: install, use, upgrade, uninstall, install again,
                           and upgrade what earlier releases have written; the agent's installer for Windows (made
                           under Wine) and its Debian package. `wheels` or `programs` makes one half
  release VERSION          keep the tagged release for the next ones to be upgraded from
  lint                     ruff, mypy, pylint-odoo, the OCA checks
  i18n [DB]                the addon's terms into i18n/; lists those that vi.po does not translate yet
  shell [DB]               Odoo's Python shell on a database (default: a fresh one named `play`)
  odoo ARG…                Odoo's own command line in the right environment
  screenshots              the pictures of README, docs/ and the Apps page, taken of the running demo
  stop                     stop this checkout's embedded PostgreSQL
"""


def main(arguments: list[str]) -> int:
    """Run one command; returns the exit code."""
    command, *rest = arguments or ["help"]
    if command == "setup":
        setup.run(refresh="--refresh" in rest, quiet="--quiet" in rest)
        return 0
    if command in ("help", "-h", "--help"):
        say(HELP)
        return 0
    os.environ.update(system_tools.environment())
    from . import commands  # only now: it needs the packages that setup installs

    chosen = commands.COMMANDS.get(command)
    if chosen is None:
        say(f"./run knows no command {command!r}.\n\n{HELP}")
        return 2
    return chosen(rest)


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
