"""The interface of a remote signing service, what it answers, and how it fails (docs/remote-signing.md).

A person's key is kept by the service; the person confirms each use in the service's app on the phone. A client hands in
digests, waits, and gets bare RSA signatures (PKCS#1 v1.5 over the DigestInfo of SHA-256).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

Code = Literal[
    "refused",
    "expired",
    "service_settings",
    "certificate_suspended",
    "quota",
    "service_failed",
    "lost",
]


class RemoteError(Exception):
    """Something about a remote signing service went wrong.

    The texts are for the log: one short line without secrets, also where the service repeats what was sent to it.
    """


class ServiceRefused(RemoteError):
    """The service says that it will not sign.

    ``code``: ``refused`` (the person did), ``expired`` (nobody confirmed), ``service_settings`` (address, credentials,
    profile), ``certificate_suspended`` (or expired, revoked, disabled), ``quota`` (used up), ``service_failed``,
    ``lost`` (an answer did not arrive and cannot be asked for: no signature comes, whatever the person does).
    ``detail`` is for the log only, with the service's own words where it has some.
    """

    def __init__(self, code: Code, detail: str = "") -> None:
        super().__init__(f"{code}: {detail}" if detail else code)
        self.code = code
        self.detail = detail


class NotSent(RemoteError):
    """Certainly nothing was started: no connection. ``retry_after``: the service's wish in seconds, if it named one."""

    def __init__(self, message: str, retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class Unanswered(RemoteError):
    """Sent, and no clear answer came: the service may or may not work on it. Ask by ``poll``; never start again.

    ``retry_after``: the service's wish in seconds, if it named one.
    """

    def __init__(self, message: str = "", retry_after: int | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class NotKnown(RemoteError):
    """The service does not know this transaction."""


@dataclass(frozen=True)
class RemoteCertificate:
    """A certificate that a service signs with; ``reference`` is its serial or credential id, as it is written there.

    ``is_usable``: the service says that it is active, and that the person confirms in the app. ``digest_limit``: how
    many digests one confirmation covers at most, where the service says so; the adapter's own limit holds as well.
    """

    reference: str
    der: bytes = field(repr=False)
    is_usable: bool = True
    digest_limit: int | None = None


@dataclass(frozen=True)
class Item:
    """One digest to be signed: SHA-256 (32 bytes) under a name that the person sees in the app, too."""

    doc_id: str
    digest: bytes
    title: str


@dataclass(frozen=True)
class Waiting:
    """The person has not decided. ``handle`` (JSON-able, no secret) is what ``poll`` needs; it may change meanwhile.

    ``expires_in`` is the service's own limit in seconds, if it named one.
    """

    handle: Mapping[str, str]
    expires_in: int | None = None


@dataclass(frozen=True)
class Signed:
    """Confirmed. ``values`` holds what came by ``doc_id``, unchecked; one that lacks will not be signed any more."""

    values: Mapping[str, bytes] = field(repr=False)


class RemoteService(ABC):
    """One way to speak to a service. What an object keeps between calls is access tokens, in memory only."""

    is_blocking: ClassVar[bool] = False
    """Whether ``start`` answers only once the person decided, up to `CONFIRM_SECONDS` later."""
    signs_on_poll: ClassVar[bool] = False
    """Whether a signature is made only when ``poll`` finds that the person confirmed."""
    digest_limit: ClassVar[int] = 10
    """How many digests one confirmation covers at most."""

    @abstractmethod
    def certificates(self, user: str) -> list[RemoteCertificate]:
        """The certificates of a person, by the number under which the service knows them.

        Only RSA certificates that are no authority's. Takes a minute at most. Raises ServiceRefused, NotSent,
        Unanswered.
        """

    @abstractmethod
    def start(
        self, reference: str, user: str, certificate: str, items: Sequence[Item], description: str
    ) -> Waiting | Signed:
        """Ask the person for one confirmation of all ``items``; ``reference`` (unguessable) is ours, never used twice.

        ``certificate`` is a `RemoteCertificate.reference`; no two items have the same ``doc_id``. After ServiceRefused
        and NotSent there is nothing on the phone. Raises these and Unanswered.
        """

    @abstractmethod
    def poll(self, reference: str, user: str, items: Sequence[Item], handle: Mapping[str, str]) -> Waiting | Signed:
        """How far it is. After Unanswered from ``start`` the handle is empty.

        Raises ServiceRefused: it is over. NotKnown: the service says that there is no such transaction, or cannot be
        asked about one. NotSent and Unanswered say nothing about the transaction: ask again.
        """


CALL_SECONDS = 150
"""No call takes longer but a ``start`` that blocks; one of those, `CONFIRM_SECONDS` more."""
CONFIRM_SECONDS = 300
"""How long a person may take: 300 s at VNPT and in its older documents, about 180 s elsewhere."""
