"""The last figures of each measurement, from which the document is written: a full run takes an hour."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from ..paths import RUNTIME
from .figures import Figure

FOLDER = RUNTIME / "bench-figures"


def keep(name: str, figures: Sequence[Figure], busy: float) -> None:
    """Keep the figures of one measurement.

    :param busy: how many processes wanted to run when it began
    """
    FOLDER.mkdir(parents=True, exist_ok=True)
    rows = [asdict(figure) for figure in figures]
    _file(name).write_text(json.dumps({"busy": busy, "figures": rows}, ensure_ascii=False), encoding="utf-8")


def load(name: str) -> tuple[list[Figure], float] | None:
    """What was kept of a measurement, None when it never ran."""
    if not _file(name).is_file():
        return None
    kept = json.loads(_file(name).read_text(encoding="utf-8"))
    return [Figure(**row) for row in kept["figures"]], float(kept["busy"])


def _file(name: str) -> Path:
    return FOLDER / f"{name}.json"
