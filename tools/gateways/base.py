"""The interface of a gateway, what it answers, and how it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar, Literal

State = Literal["received", "processing", "accepted", "rejected", "confirmed"]


class GatewayError(Exception):
    """Something about a gateway went wrong. No text of these errors ever holds a secret or a dossier's content."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Refused(GatewayError):
    """The dossier was refused for good, with VSS's or the gateway's ``code``; sending the same again is pointless.

    ``holder`` names the I-VAN that has the unit now, where the gateway says so.
    """

    def __init__(self, code: str, description: str, holder: str | None = None) -> None:
        super().__init__(f"{code}: {description}" if description else code)
        self.code = code
        self.description = description
        self.holder = holder


class Unreachable(GatewayError):
    """Certainly not accepted: connection refused, DNS, TLS failure, or the gateway said that it is down.

    ``retry_after`` is the gateway's own wish in seconds, if it named one.
    """

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Misconfigured(Unreachable):
    """Certainly not accepted because address or credentials are wrong; a person must correct the settings."""


class UnknownOutcome(GatewayError):
    """May or may not have been accepted: ask ``progress`` by the client reference before sending again."""


class Unsupported(GatewayError):
    """This gateway does not offer the operation."""


@dataclass(frozen=True)
class SignedDossier:
    """A signed dossier as it is handed to a gateway; ``document`` is the exact signed XML."""

    form: str
    document: bytes = field(repr=False)
    agency_code: str
    tax_code: str
    unit_code: str | None = None


@dataclass(frozen=True)
class Receipt:
    """Accepted for processing at ``accepted_at`` (aware UTC). ``raw`` is the reply as received."""

    client_reference: str
    accepted_at: datetime
    dossier_number: str | None
    raw: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class Step:
    """One result step; ``at`` is aware UTC."""

    number: int
    at: datetime
    code: str
    description: str
    passed: bool


@dataclass(frozen=True)
class Holder:
    """The I-VAN organisation that has the unit."""

    code: str
    name: str

    def __str__(self) -> str:
        return f"{self.code} {self.name}".strip()


@dataclass(frozen=True)
class Progress:
    """How far a dossier is. Iterates as its steps. ``notification`` is the XML of a 01/TB-GD, unverified."""

    state: State
    dossier_number: str | None
    steps: tuple[Step, ...]
    holder: str | None = None
    needs_activation: bool = False
    notification: bytes | None = field(default=None, repr=False)

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)


@dataclass(frozen=True)
class GatewayHealth:
    """Result of ``check``. ``clock_skew_seconds`` is the gateway's clock minus ours, None when not known."""

    ok: bool
    clock_skew_seconds: float | None
    message: str


class Gateway(ABC):
    """One way to reach one I-VAN organisation. Adapters keep no state between calls but connections."""

    can_submit: ClassVar[bool] = True
    can_resend: ClassVar[bool] = True

    @abstractmethod
    def submit(self, dossier: SignedDossier, client_reference: str) -> Receipt:
        """Hand in a dossier; the same reference with the same bytes may be repeated and is one dossier.

        Raises Refused, Unreachable, UnknownOutcome, Unsupported.
        """

    @abstractmethod
    def progress(self, client_reference: str) -> Progress | None:
        """How far the dossier is; None when the gateway has never heard of it.

        Raises Unreachable, UnknownOutcome, Unsupported.
        """

    @abstractmethod
    def resend_code(self, client_reference: str) -> None:
        """Have the activation code mailed again. Raises Refused, Unreachable, UnknownOutcome, Unsupported."""

    @abstractmethod
    def check(self) -> GatewayHealth:
        """Whether the gateway can be reached now. Never raises a GatewayError."""
