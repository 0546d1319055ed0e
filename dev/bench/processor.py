"""Time of the processor that other processes have used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


def of_group(group: int) -> float:
    """Seconds of every process in a process group, and of their children that have ended."""
    return sum(own + ended for _pid, of, own, ended in _processes() if of == group)


def of_backends(database: str) -> float:
    """Seconds of PostgreSQL's processes that serve this database now."""
    return sum(own for pid, _group, own, _ended in _processes() if database in _command(pid).split())


def _processes() -> Iterator[tuple[int, int, float, float]]:
    """Process id, process group, its own seconds, those of its ended children; see proc(5)."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:  # it has just ended
                continue
            # The name in brackets may hold blanks.
            fields = text.rpartition(")")[2].split()
            own, ended = (sum(map(int, fields[first : first + 2])) / _TICKS for first in (11, 13))
            yield int(entry.name), int(fields[2]), own, ended


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
    except OSError:
        return ""
