"""The sandbox's control API, for moving its clock and looking at what it holds."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import requests


class SandboxControl:
    """Client of `/_sandbox/…` on the loopback interface."""

    def __init__(self, url: str) -> None:
        """:param url: where the sandbox listens, without a path"""
        self._url = url
        self._session = requests.Session()
        self._session.trust_env = False

    def _call(self, method: str, name: str, body: dict[str, Any] | None = None) -> Any:
        answer = self._session.request(method, f"{self._url}/_sandbox/{name}", json=body, timeout=120)
        answer.raise_for_status()
        return answer.json()

    def move_clock(self, seconds: float) -> datetime:
        """Advance the clock (or set it back); returns its time."""
        return datetime.fromisoformat(
            self._call("POST", "clock", {"advance_seconds": seconds})["now"].replace("Z", "+00:00")
        )

    def reset_clock(self) -> None:
        """Back to the real time."""
        self._call("POST", "clock", {"reset": True})

    def change_unit(self, tax_code: str, **columns: str) -> None:
        """Change what VSS has on record of a unit."""
        self._call("POST", "units", {"units": [{"tax_code": tax_code, **columns}]})

    def dossiers(self) -> list[dict[str, Any]]:
        """Every dossier that was taken in, oldest first, without its document."""
        rows: list[dict[str, Any]] = self._call("GET", "dossiers")
        return rows

    def mails(self) -> list[dict[str, Any]]:
        """Every mail that was written, oldest first."""
        rows: list[dict[str, Any]] = self._call("GET", "mails")
        return rows
