"""One measured figure, and the table of all of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Figure:
    """One line of the table.

    :param what: what was measured
    :param value: the figure, as it is shown
    :param bound: the bound, as it is shown; empty for figures without one
    :param met: whether the bound is met; None without a bound
    :param command: what measures it again
    :param cause: why the bound is missed; shown below the table when it is
    """

    what: str
    value: str
    bound: str = ""
    met: bool | None = None
    command: str = "./run bench"
    cause: str = ""


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table, and below it the causes of every miss."""
    lines = ["| What | Figure | Bound | Met? | Command |", "|---|---|---|---|---|"]
    for figure in figures:
        met = "" if figure.met is None else "yes" if figure.met else "**no**"
        lines.append(f"| {figure.what} | {figure.value} | {figure.bound} | {met} | `{figure.command}` |")
    missed = [figure for figure in figures if figure.met is False]
    if missed:
        lines += ["", "## Bounds that are missed, and why", ""]
        lines += [f"- **{figure.what}: {figure.value}** (bound {figure.bound}). {figure.cause}" for figure in missed]
    return "\n".join(lines)


def machine() -> str:
    """The machine in general words: cores, memory, system, Python, and how busy it is."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0])
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}; {load:.0f} processes wanted to run when the measurements began."
    )
