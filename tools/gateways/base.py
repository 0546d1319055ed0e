"""The interface of a gateway, what it answers, and how it fails."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Literal

State = Literal["received", "processing", "accepted", "rejected", "confirmed"]


class Reason(str, Enum):
    """Why an exchange with a gateway failed, for programs; the models have a sentence for each."""

    NO_ADDRESS = "no_address"
    ADDRESS = "address"
    SETTINGS = "settings"
    CREDENTIALS = "credentials"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not_found"
    PROXY = "proxy"
    REDIRECT = "redirect"
    TLS_EXPIRED = "tls_expired"
    TLS_NAME = "tls_name"
    TLS_ISSUER = "tls_issuer"
    TLS = "tls"
    CLIENT_CERTIFICATE = "client_certificate"
    CONNECTION = "connection"
    DOWN = "down"
    BUSY = "busy"
    TIMEOUT = "timeout"
    LOST = "lost"
    STATUS = "status"
    TOO_LARGE = "too_large"
    COMPRESSION = "compression"
    ENCODING = "encoding"
    JSON = "json"
    MEMBER = "member"


class FaultKind(str, Enum):
    """What is wrong with a member of an answer."""

    MISSING = "missing"
    TYPE = "type"
    VALUE = "value"
    LENGTH = "length"
    CHARACTERS = "characters"
    TIME = "time"
    ZONE = "zone"
    REPEATED = "repeated"
    COUNT = "count"


@dataclass(frozen=True)
class Fault:
    """A member of an answer that is not as agreed, such as ``steps[2].at``; never its content."""

    member: str
    kind: FaultKind

    def __str__(self) -> str:
        return f"{self.member} ({self.kind.value})"


class GatewayError(Exception):
    """Something about a gateway went wrong. No text of these errors ever holds a secret or a dossier's content.

    ``message`` is English, for logs. ``reason`` and ``detail`` (a status, a host, a member, OpenSSL's own words) are
    what a sentence in the reader's language is made of. ``retry_after``: seconds that the gateway asked to wait.
    """

    def __init__(
        self,
        message: str,
        retry_after: int | None = None,
        *,
        reason: Reason | None = None,
        detail: str = "",
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.retry_after = retry_after
        self.reason = reason
        self.detail = detail
        self.faults = faults


class Refused(GatewayError):
    """The dossier was refused for good; sending the same again is pointless.

    ``code`` and ``description`` are VSS's, or the gateway's own where ``by_gateway``; both may be empty. ``holder``
    names the I-VAN that has the unit now, where the gateway says so. ``status`` is the HTTP status, where there is one.
    """

    def __init__(
        self,
        code: str,
        description: str,
        holder: str | None = None,
        *,
        by_gateway: bool = False,
        status: int | None = None,
        faults: tuple[Fault, ...] = (),
    ) -> None:
        super().__init__(f"{code}: {description}" if description else code or "refused", faults=faults)
        self.code = code
        self.description = description
        self.holder = holder
        self.by_gateway = by_gateway
        self.status = status


class Unreachable(GatewayError):
    """Certainly not accepted: connection refused, DNS, TLS failure, or the gateway said that it is down."""


class Misconfigured(Unreachable):
    """Certainly not accepted because address, certificates or credentials are wrong; a person must correct them."""


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
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class Step:
    """One result step; ``at`` is aware UTC, None when the gateway named no time that can be."""

    number: int
    at: datetime | None
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
    """How far a dossier is. Iterates as its steps. ``notification`` is the XML of a 01/TB-GD, unverified.

    ``state`` is None when the gateway named none of the contract's; ``faults`` says what else could not be read.
    ``version`` stands for all of this, where the gateway gives one: a later question that names it is answered by
    ``Unchanged`` as long as nothing is new. ``accepted_at`` (aware UTC) is that of the receipt, None where it is not
    known.
    """

    state: State | None
    dossier_number: str | None
    steps: tuple[Step, ...]
    holder: str | None = None
    needs_activation: bool = False
    notification: bytes | None = field(default=None, repr=False)
    faults: tuple[Fault, ...] = ()
    version: str = ""
    accepted_at: datetime | None = None

    def __iter__(self) -> Iterator[Step]:
        return iter(self.steps)


@dataclass(frozen=True)
class Unchanged:
    """Nothing is new about a dossier since the version that the question named."""


@dataclass(frozen=True)
class Answers:
    """What a gateway says about several dossiers: ``found`` by client reference, None for one it has never heard of.

    A dossier that is not in ``found`` was left out, which says nothing about it. ``faults`` are those of the answer as
    a whole; each ``Progress`` has its own.
    """

    found: Mapping[str, Progress | Unchanged | None]
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True)
class GatewayHealth:
    """Result of ``check``. ``clock_skew_seconds`` is the gateway's clock minus ours, None when not known.

    ``message`` is for logs: the organisation that the gateway takes the client for, or why it is not well, which
    ``error`` says for programs.
    """

    ok: bool
    clock_skew_seconds: float | None
    message: str
    error: GatewayError | None = None
    provider_code: str | None = None
    faults: tuple[Fault, ...] = ()


class Gateway(ABC):
    """One way to reach one I-VAN organisation. Adapters keep no state between calls but connections."""

    can_submit: ClassVar[bool] = True
    can_resend: ClassVar[bool] = True
    most_at_once: ClassVar[int] = 1
    """Dossiers that one question may be about."""

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

    def progress_of(self, versions: Mapping[str, str]) -> Answers:
        """How far several dossiers are, ``most_at_once`` at most.

        ``versions``: for each client reference that of the last ``Progress``, empty for the whole answer. Raises
        Unsupported when this gateway answers questions about one dossier only, and what ``progress`` raises.
        """
        return Answers({reference: self.progress(reference) for reference in versions})

    @abstractmethod
    def resend_code(self, client_reference: str) -> None:
        """Have the activation code mailed again. Raises Refused, Unreachable, UnknownOutcome, Unsupported."""

    @abstractmethod
    def check(self) -> GatewayHealth:
        """Whether the gateway can be reached now. Never raises a GatewayError."""
