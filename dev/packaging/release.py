"""`./run release`: what Odoo needs of a release, kept in the repository for `./run package` to upgrade from.

The release is the commit that carries the annotated tag `v<version>`. What is kept does not need the tag again: a
checkout without history or tags, as CI systems make them, can test the upgrade as well.
"""

from __future__ import annotations

import io
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ..console import Problem, say
from ..paths import ADDON, ROOT

FOLDER = ROOT / "dev" / "upgrade"
PARTS = (
    "__init__.py",
    "__manifest__.py",
    "controllers",
    "data",
    "migrations",
    "models",
    "report",
    "security",
    "static/src",
    "tools",
    "views",
    "wizards",
)
"""Neither tests nor translations nor pictures."""

MOST_BYTES = 300_000


def run(arguments: list[str]) -> int:
    """Keep a tagged release beside those that are kept already; delete the file of one that nobody upgrades from.

    :param arguments: the version, such as 19.0.1.0.0
    :raises Problem: when there is no such tag, or it does not say this version
    """
    if len(arguments) != 1:
        raise Problem("./run release takes the version of a tagged release.", "./run release 19.0.1.0.0")
    version = arguments[0]
    manifest = _git("show", f"v{version}:__manifest__.py").decode()
    if f'"version": "{version}"' not in manifest:
        raise Problem(f"The manifest at the tag v{version} says another version.", "Correct it, then tag again.")
    packed = _pack(version)
    if len(packed) > MOST_BYTES:
        raise Problem(f"{len(packed)} bytes are too many to keep.", "See PARTS in dev/packaging/release.py.")
    path = FOLDER / f"{ADDON}-{version}.tar.xz"
    path.write_bytes(packed)
    say(f"{path.relative_to(ROOT)}: {len(packed)} bytes. See that dev/upgrade/fill.py runs with it, then commit both.")
    return 0


def kept() -> dict[str, Path]:
    """The releases that are kept: version and file, oldest first."""
    found = {path.name.removeprefix(f"{ADDON}-").removesuffix(".tar.xz"): path for path in FOLDER.glob("*.tar.xz")}
    return dict(sorted(found.items(), key=lambda item: [int(part) for part in item[0].split(".")]))


def unpack(archive_path: Path, folder: Path) -> None:
    """Unpack a kept release to `folder`/l10n_vn_ibhxh."""
    with tarfile.open(archive_path) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            path = folder / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.read() if content else b"")


def _pack(version: str) -> bytes:
    """The same release gives the same bytes, no matter who packs it."""
    packed = io.BytesIO()
    with (
        tarfile.open(fileobj=io.BytesIO(_git("archive", f"v{version}", "--", *_parts(version)))) as everything,
        tarfile.open(fileobj=packed, mode="w:xz", preset=9) as kept,
    ):
        for member in sorted(everything.getmembers(), key=lambda member: member.name):
            if member.isfile():
                plain = tarfile.TarInfo(f"{ADDON}/{member.name}")
                plain.size, plain.mtime = member.size, member.mtime
                kept.addfile(plain, everything.extractfile(member))
    return packed.getvalue()


def _parts(version: str) -> Iterator[str]:
    """Those of `PARTS` that the release has."""
    for part in PARTS:
        if _git("ls-tree", f"v{version}", "--", part):
            yield part


def _git(*arguments: str) -> bytes:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, check=False)
    if done.returncode:
        raise Problem(f"git {arguments[0]}: {done.stderr.decode().strip()}", "git tag -a v19.0.1.0.0 <commit>")
    return done.stdout
