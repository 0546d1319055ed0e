"""The last figures of each measurement, from which the document is written: each may be measured by itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone

from ..paths import RUNTIME
from .figures import Figure

FOLDER = RUNTIME / "bench-figures"


@dataclass(frozen=True)
class Kept:
    """Figures, the day they were measured on (UTC), and how many processes wanted to run when that began."""

    figures: list[Figure]
    day: str
    busy: float


def keep(name: str, version: str, figures: Sequence[Figure], busy: float) -> None:
    """Keep the figures of one measurement of this version of the addon."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    day = datetime.now(timezone.utc).date().isoformat()
    rows = [asdict(figure) for figure in figures]
    text = json.dumps({"version": version, "day": day, "busy": busy, "figures": rows}, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text, encoding="utf-8")


def forget(name: str) -> None:
    """Keep nothing of a measurement any more."""
    (FOLDER / f"{name}.json").unlink(missing_ok=True)


def load(name: str, version: str) -> Kept | None:
    """What was kept of a measurement of this version, None when it never ran."""
    file = FOLDER / f"{name}.json"
    if not file.is_file():
        return None
    kept = json.loads(file.read_text(encoding="utf-8"))
    if kept.get("version") != version:
        return None
    return Kept([Figure(**row) for row in kept["figures"]], str(kept["day"]), float(kept["busy"]))
