"""JSON over HTTPS to a remote signing service: bounded time and size, no redirects, certainty about what was sent."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import requests

from ..gateways import UnknownOutcome, Unreachable
from ..gateways.transport import Transport
from .base import NotSent, Unanswered

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
MAX_DEPTH = 20


@dataclass(frozen=True)
class Answer:
    """HTTP status and body; ``body`` is None when it is not JSON."""

    status: int
    body: Any
    retry_after: int | None = None

    def member(self, name: str) -> Any:
        """A member of the body, None when there is none."""
        return self.body.get(name) if isinstance(self.body, dict) else None

    def text(self, name: str) -> str:
        """A member as text; numbers become text, all else is empty."""
        value = self.member(name)
        return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""


class Client(Protocol):
    """What adapters call."""

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """POST JSON; ``seconds`` is how long the answer may take. Raises NotSent, Unanswered."""
        ...


class HttpClient:
    """A `Client` of the service at ``base``."""

    def __init__(self, base: str, *, session: requests.Session | None = None) -> None:
        self._base = base.rstrip("/")
        self._session = session or requests.Session()

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        seconds: float | None = None,
    ) -> Answer:
        """See `Client`."""
        transport = Transport(self._session, connect=CONNECT_SECONDS, total=seconds or ANSWER_SECONDS, verify=True)
        try:
            reply = transport.call(
                "POST",
                f"{self._base}/{path.lstrip('/')}",
                headers={"Content-Type": "application/json", "Accept": "application/json", **(headers or {})},
                body=json.dumps(body).encode(),
            )
        except Unreachable as error:
            raise NotSent(error.message, error.retry_after) from None
        except UnknownOutcome as error:
            raise Unanswered(error.message) from None
        return Answer(reply.status, _parsed(reply.body), reply.retry_after)


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None
