"""An empty virtual environment with Odoo and nothing else, and the wheels of this repository in it."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from .. import odoo
from ..console import Problem
from ..paths import ADDON, DATA, ROOT
from ..setup import odoo_tree, venv

EXAMPLE = f"{ADDON}_example"

UNWANTED = ("/tests/", "/dev/", "/agent/", "/sandbox/", "/docs/", "/.", "__pycache__")
"""What no file of the addon's wheel may have in its path; static/tests/ (tours) apart, which the manifest names."""


def _run(command: Sequence[str | Path], failure: str, **options: object) -> str:
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        **options,  # type: ignore[call-overload]
    )
    output = f"{done.stdout}{done.stderr}"
    if done.returncode:
        raise Problem(f"{failure}:\n{output[-3000:]}", "Correct it, then run ./run package again.")
    return str(done.stdout)


def build(folder: Path) -> tuple[Path, Path]:
    """Build both wheels into a folder.

    :return: the addon's and the agent's
    :raises Problem: when one cannot be built, or the addon's holds what does not belong there or misses a file
    """
    made = []
    for source, pattern in ((ROOT, "odoo_addon_*.whl"), (ROOT / "agent", "ibhxh_agent-*.whl")):
        command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "wheel", "--no-deps"]
        _run([*command, "-w", folder, source], f"The wheel of {source.name} cannot be built")
        made.append(next(folder.glob(pattern)))
    _check_content(made[0])
    return made[0], made[1]


def _check_content(wheel: Path) -> None:
    """Every file that the manifest names is there; nothing of the repository's other parts is."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
        text = archive.read(f"odoo/addons/{ADDON}/__manifest__.py").decode()
    manifest = ast.literal_eval(text)
    prefix = f"odoo/addons/{ADDON}/"
    required = [*manifest["data"], *manifest.get("demo", []), *manifest.get("images", []), "data/neutralize.sql"]
    required += ["i18n/vi.po", "static/description/icon.png", "static/description/index.html", "LICENSE"]
    missing = [name for name in required if prefix + name not in names]
    strange = [
        name
        for name in names
        if name.startswith(prefix)
        and not name.startswith(f"{prefix}static/tests/")
        and any(part in f"/{name.removeprefix(prefix)}" for part in UNWANTED)
    ]
    if missing or strange:
        raise Problem(
            f"{wheel.name}: missing {missing or 'nothing'}, too much: {strange or 'nothing'}.",
            "See FILES and FOLDERS in dev/packaging/backend/addon_wheel.py, and the manifest.",
        )


def pip(python: Path | str) -> list[str | Path]:
    """The command of this interpreter's pip that works on another interpreter's packages."""
    return [sys.executable, "-m", "pip", "--python", python, "--disable-pip-version-check", "-q"]


class Environment:
    """A virtual environment made from scratch; `import odoo` works in it and nothing of the development tools does."""

    def __init__(
        self,
        folder: Path,
        *,
        python: Path | str = sys.executable,
        home: Path | None = None,
        system_packages: bool = False,
    ) -> None:
        """Make it.

        :param folder: where; it must not exist
        :param python: the interpreter that it belongs to
        :param home: the folder that holds the package `odoo`; None takes that of this checkout
        :param system_packages: whether the interpreter's own packages are seen in it
        """
        self._home = home or odoo_tree.import_path()
        options = ["--without-pip", *(["--system-site-packages"] if system_packages else [])]
        _run([python, "-m", "venv", *options, folder], "A virtual environment cannot be made")
        self._bin = folder / "bin"
        for site in (folder / "lib").glob("python3.*/site-packages"):
            (site / "odoo.pth").write_text(f"{self._home}\n", encoding="utf-8")
            self.site = site

    def pip_install(self, *arguments: str | Path) -> None:
        """`pip install` in it."""
        _run([*pip(self._bin / "python"), "install", *arguments], "pip failed in the empty environment")

    def pip_uninstall(self, name: str) -> None:
        """`pip uninstall` in it."""
        _run([*pip(self._bin / "python"), "uninstall", "-y", name], "pip cannot uninstall")

    def pip_check(self) -> None:
        """See that each package has what it requires; Debian's Odoo names some by other names than pip's."""
        command = [str(part) for part in pip(self._bin / "python") if part != "-q"]
        done = subprocess.run([*command, "check"], capture_output=True, text=True, check=False)
        missing = [line for line in done.stdout.splitlines() if " requires " in line and not line.startswith("odoo ")]
        if missing:
            raise Problem(
                "\n".join(missing), "Correct external_dependencies in __manifest__.py, or agent/pyproject.toml."
            )

    def install_odoo_requirements(self) -> None:
        """What Odoo itself needs, and no more."""
        self.pip_install("-r", venv.ODOO_REQUIREMENTS)

    def add_example(self) -> None:
        """Put the example addon of docs/add-a-gateway.md beside ours."""
        page = (ROOT / "docs" / "add-a-gateway.md").read_text(encoding="utf-8")
        folder = self.site / "odoo" / "addons" / EXAMPLE
        folder.mkdir()
        for name, text in re.findall(rf"^`{EXAMPLE}/(\S+)`\n```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
            (folder / name).write_text(text, encoding="utf-8")

    def program(self, name: str, *arguments: str | Path) -> str:
        """Run a program of the environment; returns what it printed."""
        return _run([self._bin / name, *arguments], f"{name} failed", env=odoo.environment())

    def write_config(self, path: Path, database: str, *more: Path) -> None:
        """Write Odoo's configuration: its own addons only, so that ours can come from the wheel alone.

        :param more: further folders of addons
        """
        core = [folder for folder in (self._home / "addons", self._home / "odoo" / "addons") if folder.is_dir()]
        self._config = odoo.write_config(
            database, path=path, addons_path=",".join(map(str, [*core, *more])), data_dir=str(DATA), log_level="warn"
        )
        self._database = database

    @contextmanager
    def other_addon(self, unpack: Callable[[Path], None]) -> Iterator[None]:
        """Put another release in the place of the installed addon, for a while.

        :param unpack: writes the addon's folder into the folder that it is given
        """
        addons = self.site / "odoo" / "addons"
        installed = addons / ADDON
        aside = self.site / f"{ADDON}.aside"
        installed.rename(aside)
        try:
            unpack(addons)
            yield
        finally:
            shutil.rmtree(installed, ignore_errors=True)
            aside.rename(installed)

    def odoo(self, command: str, *arguments: str, script: str | None = None, quiet: bool = False) -> str:
        """Run one of Odoo's commands (`module install`, `shell`); returns what it printed.

        :param script: what `odoo shell` is to run
        :param quiet: a warning counts as an error, but for those of Python about libraries of Odoo's own
        :raises Problem: when it fails or logs an error
        """
        line = [self._bin / "python", "-m", "odoo", *command.split(), "-c", self._config, "-d", self._database]
        done = subprocess.run(
            [*map(str, line), *arguments],
            input=script,
            capture_output=True,
            text=True,
            check=False,
            env=odoo.environment(),
        )
        bad = " ERROR | CRITICAL |Traceback" + (r"| WARNING \S+ (?!py\.warnings)" if quiet else "")
        if done.returncode or re.search(bad, done.stderr):
            raise Problem(f"odoo {command} failed:\n{done.stderr[-9000:]}", "Correct it, then run ./run package again.")
        return done.stdout
