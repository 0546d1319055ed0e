"""Debian packages for somebody who may not install any: a private apt state, a cache of downloads, `dpkg-deb -x`.

The mirror is the machine's own: its source line is read and only the suite in it is replaced. apt checks the archive's
signature and every package's checksum.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from ..console import Problem, say
from ..paths import cache

SOURCES = Path("/etc/apt")


def available() -> bool:
    """Whether this is a system with apt and dpkg-deb."""
    return all(shutil.which(tool) for tool in ("apt-get", "apt-cache", "dpkg-deb"))


def codename() -> str:
    """The Debian code name of this system, such as `bookworm`; empty when it is not Debian."""
    try:
        text = Path("/etc/os-release").read_text(encoding="utf-8")
    except OSError:
        return ""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    if values.get("ID", "").strip('"') != "debian":
        return ""
    return values.get("VERSION_CODENAME", "").strip('"')


def _deb822_lines(text: str) -> Iterator[tuple[str, str, list[str], list[str]]]:
    for stanza in re.split(r"\n\s*\n", text):
        fields: dict[str, str] = {}
        key = ""
        for line in stanza.splitlines():
            if line.startswith("#"):
                continue
            if line[:1] in (" ", "\t") and key:
                fields[key] += " " + line.strip()
            elif ":" in line:
                key, value = line.split(":", 1)
                key = key.strip().lower()
                fields[key] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        # An inline key (a block, not a path) cannot stand in a one-line source: apt's trusted keys then have to do.
        signed_by = fields.get("signed-by", "")
        option = f"[signed-by={signed_by}] " if signed_by.startswith("/") and " " not in signed_by else ""
        for uri in fields.get("uris", "").split():
            yield option, uri, fields.get("suites", "").split(), fields.get("components", "").split()


def _one_line_lines(text: str) -> Iterator[tuple[str, str, list[str], list[str]]]:
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)", line)
        if found:
            yield found[1] or "", found[2], [found[3]], found[4].split("#")[0].split()


def mirror_line(suite: str) -> str:
    """This machine's main Debian source line with its suite replaced.

    :raises Problem: when no source line of the system's own suite is found
    """
    own = codename()
    files = [SOURCES / "sources.list", *sorted((SOURCES / "sources.list.d").glob("*"))]
    for file in files:
        if file.suffix not in (".list", ".sources") or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        lines = _deb822_lines(text) if file.suffix == ".sources" or "Types:" in text else _one_line_lines(text)
        for option, uri, suites, components in lines:
            if own in suites and "main" in components:
                return f"deb {option}{uri} {suite} main"
    raise Problem(
        "No Debian package source of this system's own release was found under /etc/apt.",
        "Use Debian 12 or 13, or set ODOO_HOME to an Odoo 19 source tree.",
    )


class PrivateApt:
    """apt for one suite with its own lists and caches under the cache folder; nothing of the system's is changed."""

    def __init__(self, suite: str, *, bare: bool = False) -> None:
        """:param suite: a suite of the archive, such as `sid`, or the system's own code name
        :param bare: reckon as if this system had nothing installed
        """
        self.suite = suite
        self.state = cache() / "apt" / (f"{suite}-bare" if bare else suite)
        self.store = cache() / "debs" / suite
        self._updated = False
        self._status = self.state / "status" if bare else Path("/var/lib/dpkg/status")

    def _options(self) -> list[str]:
        pairs = {
            "Dir::State": self.state / "state",
            "Dir::State::status": self._status,
            "Dir::Cache": self.state / "cache",
            "Dir::Etc::SourceList": self.state / "sources.list",
            "Dir::Etc::SourceParts": "/dev/null",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "1",
            # The lists belong to the user who runs this: apt's own sandbox user could not read a private home folder.
            "APT::Sandbox::User": "root",
        }
        return [f"-o{key}={value}" for key, value in pairs.items()]

    def _apt(self, tool: str, *arguments: str, cwd: Path | None = None) -> str:
        done = subprocess.run(
            [tool, *self._options(), *arguments],
            cwd=cwd,
            env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise Problem(
                f"apt could not do `{' '.join(arguments)}` for suite {self.suite}: {done.stderr.strip()[-800:]}",
                "Check the network and the mirror named under /etc/apt, then run ./run setup again.",
            )
        return done.stdout

    def update(self) -> None:
        """Fetch the suite's package lists and check their signature; once."""
        if self._updated:
            return
        for folder in ("state/lists/partial", "cache/archives/partial"):
            (self.state / folder).mkdir(parents=True, exist_ok=True)
        if self._status.parent == self.state:
            self._status.touch()
        (self.state / "sources.list").write_text(mirror_line(self.suite) + "\n", encoding="utf-8")
        say(f"  fetching the package lists of {self.suite} …")
        self._apt("apt-get", "-q", "update")
        self._updated = True

    def missing(self, packages: Iterable[str]) -> list[str]:
        """The packages that installing these would add to the system, dependencies included, recommendations not."""
        plan = self._apt("apt-get", "-q", "-s", "--no-install-recommends", "install", *packages)
        return re.findall(r"^Inst (\S+)", plan, flags=re.MULTILINE)

    def download(self, packages: Iterable[str], *, refresh: bool = False) -> list[Path]:
        """The packages' files, from the cache folder when they were fetched before.

        :param refresh: ask the mirror for the newest versions even when some are cached
        :raises Problem: when one cannot be fetched
        """
        names = list(packages)
        self.store.mkdir(parents=True, exist_ok=True)
        index = self.store / "index.json"
        known: dict[str, str] = json.loads(index.read_text(encoding="utf-8")) if index.is_file() else {}
        missing = [name for name in names if refresh or not (name in known and (self.store / known[name]).is_file())]
        if missing:
            self.update()
            shown = " ".join(missing) if len(missing) < 12 else f"{len(missing)} packages"
            say(f"  downloading {shown} …")
            # Into an empty folder, so that a package's file is the only one of its name.
            with tempfile.TemporaryDirectory(dir=self.store) as folder:
                self._apt("apt-get", "-q", "download", *missing, cwd=Path(folder))
                for name in missing:
                    fetched = next(Path(folder).glob(f"{name}_*.deb"))
                    known[name] = fetched.rename(self.store / fetched.name).name
            index.write_text(json.dumps(known, indent=1, sort_keys=True), encoding="utf-8")
        return [self.store / known[name] for name in names]


def unpack(package: Path, folder: Path) -> None:
    """Unpack one .deb into a folder.

    :raises Problem: when the file is damaged; it is deleted then, so that the next run fetches it again
    """
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        package.unlink(missing_ok=True)
        raise Problem(
            f"The downloaded package {package.name} is damaged and was deleted: {done.stderr.strip()[-300:]}",
            "Run ./run setup again; it is downloaded again.",
        )
