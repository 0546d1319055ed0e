"""Are the requirements named once, pinned, installed as pinned, satisfied? `python -m dev.pins`, part of ./run lint.

What this cannot say: whether a version has a known weakness. The databases that know (OSV, PyPA's advisories) are asked
over the network by pip-audit, which the CI of a fork with network may run in addition.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from importlib import metadata

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from .console import say
from .paths import ROOT
from .setup import venv

FILES = ("requirements-odoo.txt", "requirements.txt", "requirements-addons.txt")


def _pins() -> Iterator[Requirement]:
    """Every line of dev/requirements*.txt that names a package."""
    for name in FILES:
        for line in (ROOT / "dev" / name).read_text(encoding="utf-8").splitlines():
            text = line.partition("#")[0].strip()
            if text and not text.startswith("-"):
                yield Requirement(text)


def _named() -> Iterator[tuple[str, Requirement]]:
    """What the addon's manifest and the distributions beside it ask for, each with who asks."""
    manifest = ast.literal_eval((ROOT / "__manifest__.py").read_text(encoding="utf-8"))
    for text in manifest["external_dependencies"]["python"]:
        yield "__manifest__.py", Requirement(text)
    for folder in venv.distributions():
        for text in metadata.requires(f"ibhxh-{folder.name}") or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": "test"}):
                yield f"{folder.name}/pyproject.toml", requirement


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def faults() -> Iterator[str]:
    """Everything that is wrong, one sentence each."""
    pins = list(_pins())
    for name, count in Counter(canonicalize_name(pin.name) for pin in pins).items():
        if count > 1:
            yield f"{name} is named {count} times in dev/requirements*.txt"
    for pin in pins:
        operators = {specifier.operator for specifier in pin.specifier}
        if operators != {"=="} or any("*" in specifier.version for specifier in pin.specifier):
            yield f"{pin} is not pinned to one version"
        if pin.marker is None or pin.marker.evaluate():
            installed = _version(pin.name)
            if installed is None or not pin.specifier.contains(installed, prereleases=True):
                yield f"{pin} is required, {installed or 'nothing'} is installed"
    for who, requirement in _named():
        installed = _version(requirement.name)
        if installed is None or not requirement.specifier.contains(installed, prereleases=True):
            yield f"{who} asks for {requirement}, {installed or 'nothing'} is installed"
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    if done.returncode:
        # Odoo's metadata name psycopg2 and pypdf2, whose wheels go by other names.
        yield from (line for line in done.stdout.splitlines() if not line.startswith("odoo "))


def main() -> int:
    """Print what is wrong; returns 1 when there is something."""
    found = list(faults())
    for fault in found:
        say(fault)
    say(f"{len(list(_pins()))} requirements: {'wrong, see above' if found else 'pinned once, installed, satisfied'}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
