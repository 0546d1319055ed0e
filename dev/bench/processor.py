"""Time of the processor that other processes have used."""

from __future__ import annotations

from contextlib import suppress

import psutil


def of_program(pid: int) -> float:
    """Seconds of a process and of its descendants, with those that have ended."""
    with suppress(psutil.NoSuchProcess):
        program = psutil.Process(pid)
        return sum(map(_seconds, [program, *program.children(recursive=True)]))
    return 0.0


def of_backends(database: str) -> float:
    """Seconds of PostgreSQL's processes that serve this database now."""
    return sum(
        _seconds(process) for process in psutil.process_iter(["cmdline"]) if database in _words(process.info["cmdline"])
    )


def _words(command: list[str] | None) -> list[str]:
    # A server process writes who it serves over its command line, in one piece.
    return " ".join(command or []).split()


def _seconds(process: psutil.Process) -> float:
    with suppress(psutil.NoSuchProcess):
        spent = process.cpu_times()
        return float(spent.user + spent.system + spent.children_user + spent.children_system)
    return 0.0
