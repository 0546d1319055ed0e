"""What is kept of a newer version between its offer and its first start: few files, small enough for every process."""

from __future__ import annotations

import contextlib
import re

from ibhxh_agent.config import Folder, write_private

VERSION = re.compile(r"[0-9]{1,5}(\.[0-9]{1,5}){1,5}")


def version_key(version: str) -> tuple[int, ...]:
    """Orders versions; trailing zeros say nothing."""
    parts = [int(part) for part in version.split(".")]
    while parts and not parts[-1]:
        parts.pop()
    return tuple(parts)


class Note:
    """A version in a file of its own."""

    def __init__(self, folder: Folder, name: str) -> None:
        self._file = folder.path / f"update-{name}"

    def read(self) -> str:
        """The version; empty where there is none."""
        try:
            version = self._file.read_text(encoding="utf-8")
        except (OSError, ValueError):
            return ""
        return version if VERSION.fullmatch(version) else ""

    def write(self, version: str) -> None:
        """:raises OSError: it cannot be written"""
        write_private(self._file, version)

    def take(self) -> str:
        """The version, which is not there any more then."""
        version = self.read()
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)
        return version


def begun(folder: Folder) -> Note:
    """The version whose installer a person has started; what runs afterwards compares itself with it."""
    return Note(folder, "begun")


def announced(folder: Folder) -> Note:
    """The version that a notification has told of; each is announced once."""
    return Note(folder, "announced")
