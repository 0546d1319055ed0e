"""One measured figure, and the table of all of them."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass, field
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
    :param is_exact: whether the figure is the same on every machine at any load, so that a miss is a fault
    :param details: by column of a table of its own below, which all figures that have some share
    """

    what: str
    value: str
    bound: str = ""
    met: bool | None = None
    command: str = "./run bench"
    cause: str = ""
    is_exact: bool = False
    details: dict[str, str] = field(default_factory=dict)


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table, and below it the causes of every miss."""
    lines = ["| What | Figure | Bound | Met? | Command |", "|---|---|---|---|---|"]
    for figure in figures:
        met = "" if figure.met is None else "yes" if figure.met else "**no**"
        lines.append(f"| {figure.what} | {figure.value} | {figure.bound} | {met} | `{figure.command}` |")
    missed = [figure for figure in figures if figure.met is False]
    if missed:
        lines += ["", "## Bounds that are missed, and why", ""]
        causes: dict[str, list[Figure]] = {}
        for figure in missed:
            causes.setdefault(figure.cause, []).append(figure)
        for cause, same in causes.items():
            lines += [f"- **{figure.what}: {figure.value}** (bound {figure.bound})" for figure in same]
            lines += ["", f"  {cause}", ""]
    return "\n".join(lines).rstrip()


def details(figures: Sequence[Figure]) -> str:
    """The details of those figures that have some, as a Markdown table; empty when none has."""
    rows = [figure.details for figure in figures if figure.details]
    if not rows:
        return ""
    columns = list(rows[0])
    lines = [f"| {' | '.join(columns)} |", "|" + "---|" * len(columns)]
    return "\n".join(lines + [f"| {' | '.join(row.get(column, '') for column in columns)} |" for row in rows])


def machine() -> str:
    """The machine in general words: cores, memory, system, Python."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores, {memory:.0f} GB of memory, {platform.system()} {platform.machine()}, "
        f"Python {platform.python_version()}"
    )


def busy() -> float:
    """How many processes want to run now, on average of the last minute."""
    return float(Path("/proc/loadavg").read_text(encoding="ascii").split()[0])
