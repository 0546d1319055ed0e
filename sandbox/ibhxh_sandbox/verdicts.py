"""Verdicts that a test puts into VSS's mouth: any code, known or not, for dossiers that are right in themselves."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from .problems import Refusal


@dataclass
class Verdict:
    """The next `count` dossiers that VSS decides on, after `skip` others, are refused with this code."""

    code: str
    description: str = "Hồ sơ không được chấp nhận."
    holder: dict[str, str] | None = None
    count: int = 1
    skip: int = 0


class Verdicts:
    """The verdicts that are laid down, in their order."""

    def __init__(self) -> None:
        self.active: list[Verdict] = []

    def as_json(self) -> list[dict[str, Any]]:
        """As the control API lists them, among the faults."""
        return [{"endpoint": "submit", "kind": "refuse", **asdict(verdict)} for verdict in self.active]

    def check(self) -> None:
        """Raise the Refusal that is laid down for this decision, if any."""
        for verdict in self.active:
            if verdict.skip > 0:
                verdict.skip -= 1
                continue
            verdict.count -= 1
            if verdict.count <= 0:
                self.active.remove(verdict)
            raise Refusal(verdict.code, verdict.description, verdict.holder)
