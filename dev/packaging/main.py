"""`./run package`: both wheels built, installed into an empty environment with Odoo; the addon installed, used,
upgraded, uninstalled (nothing may be left behind) and installed again; what earlier releases have written,
upgraded; the other ways of installing that README names; and the agent's installer for Windows and its package for
Debian. About a quarter of an hour; `./run package wheels` and `./run package programs` make one half."""

from __future__ import annotations

import base64
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import rsa

from .. import database
from ..console import Problem, say
from ..paths import ADDON, RUNTIME
from . import installs, leftovers, programs, upgrade
from .environment import EXAMPLE, Environment, build
from integration.ca import CertificateAuthority

TRIAL = Path(__file__).with_name("trial.py")


def run(arguments: list[str]) -> int:
    """Do all of it; what was made stays in .runtime/dist.

    :param arguments: `wheels` or `programs` for one half
    :return: 0; what goes wrong is raised
    """
    if arguments not in ([], ["wheels"], ["programs"]):
        raise Problem("./run package takes no arguments, or wheels or programs.", "./run package")
    started = time.monotonic()

    def step(text: str) -> None:
        say(f"{time.monotonic() - started:5.0f} s  {text}")

    dist = RUNTIME / "dist"
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    name = f"package_{os.getpid()}"
    folder = RUNTIME / name
    try:
        folder.mkdir()
        if arguments != ["wheels"]:
            installer, _package = programs.make(dist, folder / "programs", step)
            step("signing with throw-away keys, in a file and in a token")
            programs.prove_signing(installer, folder / "programs")
        if arguments != ["programs"]:
            _wheels(dist, folder, name, step)
    finally:
        database.drop(name)
        shutil.rmtree(folder, ignore_errors=True)
    step(f"all well; what was made is in {dist.relative_to(RUNTIME.parent)}")
    return 0


def _wheels(dist: Path, folder: Path, name: str, step: Callable[[str], None]) -> None:
    step("building the wheels")
    addon, agent = build(dist)
    step(f"built {addon.name} and {agent.name}; an empty environment with Odoo")
    environment = Environment(folder / "venv")
    environment.install_odoo_requirements()
    step("pip install of both wheels")
    environment.pip_install(addon, agent)
    environment.program("ibhxh-agent", "--help")
    environment.pip_check()
    database.fresh(name, install=False)
    environment.write_config(folder / "odoo.conf", name)
    fresh = _cycle(environment, name, step)
    upgrade.check(environment, folder, f"{name}_upgrade", fresh, step)
    installs.check(addon, folder, f"{name}_installs", step)


def _cycle(environment: Environment, name: str, step: Callable[[str], None]) -> upgrade.Fresh:
    """Install, use, upgrade, uninstall and install again, in a database that holds the addon's dependencies only.

    :return: what a fresh installation looks like
    """
    _shell(environment, "before_installation(env)")
    before = leftovers.take(name)
    step("installing the addon, and using every part of it")
    environment.odoo("module install", ADDON)
    certificates = [_certificate("0100109106"), _certificate("0101243150")]
    encoded = [base64.b64encode(der).decode() for der in certificates]
    _shell(environment, f"import base64; use(env, [base64.b64decode(text) for text in {encoded}])")
    used = leftovers.take(name)
    step(f"in use: {len(leftovers.difference(before, used))} differences in the database; upgrading")
    environment.odoo("module upgrade", ADDON)
    step("uninstalling")
    environment.odoo("module uninstall", ADDON)
    found = leftovers.difference(before, leftovers.take(name))
    if found:
        raise Problem(
            "Uninstalling left a trace:\n  " + "\n  ".join(found), "See uninstall_hook in the addon's __init__.py."
        )
    step("nothing is left behind; installing again")
    environment.odoo("module install", ADDON)
    fresh = upgrade.describe_fresh(environment, name)
    _shell(environment, "after_reinstallation(env)")
    step("the example of docs/add-a-gateway.md on top")
    environment.add_example()
    environment.odoo("module install", EXAMPLE)
    _shell(environment, "with_example(env)")
    return fresh


def _certificate(tax_code: str) -> bytes:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return CertificateAuthority().issue(key.public_key(), tax_code=tax_code, name=f"TRIAL {tax_code}")


def _shell(environment: Environment, call: str) -> None:
    """Run a function of trial.py in `odoo shell` and commit."""
    environment.odoo("shell --no-http", script=f"{TRIAL.read_text(encoding='utf-8')}\n{call}\nenv.cr.commit()\n")
