"""What the gateway and the portal answer when they do not do what was asked."""

from __future__ import annotations

from typing import Any


class Problem(Exception):
    """An answer with an HTTP status, a short code for programs and a Vietnamese sentence for people."""

    def __init__(self, status: int, code: str, description: str, *, retry_after: int | None = None) -> None:
        super().__init__(f"{code}: {description}")
        self.status = status
        self.code = code
        self.description = description
        self.retry_after = retry_after
        """Seconds, sent as the Retry-After header."""

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        return {"code": self.code, "description": self.description}


class Refusal(Problem):
    """VSS refuses the dossier, with one of its own codes (HTTP 422)."""

    def __init__(self, code: str, description: str, holder: dict[str, str] | None = None) -> None:
        super().__init__(422, code, description)
        self.holder = holder
        """The I-VAN organisation (`code`, `name`) that holds the unit, where that is the reason."""

    def body(self) -> dict[str, Any]:
        return {**super().body(), "holder": self.holder}
