"""JSON over HTTPS to a remote signing service: bounded time and size, no redirects, certainty about what was sent.

The address is typed by an administrator, the passwords go into the body or a header. So only addresses of the internet
are connected to (of this computer, where the address says so: a stand-in), and nothing that comes back is repeated
anywhere without `Answer.words`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
from requests.auth import AuthBase

from .. import fetching
from ..gateways import Misconfigured, UnknownOutcome, Unreachable
from ..gateways.http import is_loopback
from ..gateways.transport import Transport
from .base import NotSent, ServiceRefused, Unanswered

CONNECT_SECONDS = 10.0
ANSWER_SECONDS = 30.0
MAX_BYTES = 2**20
"""More than 64 certificates with their chains take."""
_MAX_DIGITS = 18
_MAX_WORDS = 200
_SHOWN = 6
"""So many characters of a secret in a row are taken for the secret."""
_HARMLESS = re.compile(r"[^\w .,:;/()'\"#+=-]+")


@dataclass(frozen=True)
class Answer:
    """HTTP status and body; ``body`` is None when it is not JSON. ``secrets``: what no log may show of it."""

    status: int
    body: Any = field(repr=False)
    retry_after: int | None = None
    secrets: Collection[str] = field(default=(), repr=False)

    def member(self, name: str) -> Any:
        """A member of the body, None when there is none."""
        return self.body.get(name) if isinstance(self.body, dict) else None

    def text(self, name: str) -> str:
        """A member as text; whole numbers become text, all else is empty."""
        value = self.member(name)
        return str(value) if isinstance(value, (str, int)) and not isinstance(value, bool) else ""

    def words(self, *names: str) -> str:
        """What the service says in these members, fit for a log: one short line without secrets."""
        said = " ".join(self.text(name)[:_MAX_WORDS] for name in names)
        if any(_is_shown(secret, said) for secret in self.secrets):
            return f"HTTP {self.status}, a text that repeats a secret"
        return f"HTTP {self.status} {_HARMLESS.sub(' ', said)}".strip()


class _Headers(AuthBase):
    """Says that the headers are complete: otherwise requests takes a password for the host from ~/.netrc."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class HttpClient:
    """Calls the service at ``base``: https, or http to this computer.

    ``is_allowed`` says to which IP addresses it may connect; only tests, whose servers are on this machine, name
    another rule than the address does.
    """

    def __init__(self, base: str, *, is_allowed: Callable[[str], bool] | None = None) -> None:
        self._base = base.rstrip("/")
        self._is_allowed = is_allowed

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base!r})"

    def post(
        self,
        path: str,
        body: Mapping[str, Any],
        headers: Mapping[str, str] | None = None,
        *,
        is_form: bool = False,
        seconds: float = ANSWER_SECONDS,
        secrets: Collection[str] = (),
    ) -> Answer:
        """POST JSON, or a form; ``seconds`` is how long the answer may take, ``secrets`` is what of the
        call no log may show.

        Raises ServiceRefused (``service_settings``: an address that cannot be, TLS that is not trusted), NotSent and
        Unanswered.
        """
        is_local = _checked(self._base)
        kind = "application/x-www-form-urlencoded" if is_form else "application/json"
        with requests.Session() as session:
            # A proxy named in the environment is not on the way to this computer.
            session.trust_env = not is_local
            transport = Transport(
                session,
                connect=CONNECT_SECONDS,
                total=seconds,
                verify=True,
                is_allowed=self._is_allowed or (_is_here if is_local else fetching.is_public),
                most=MAX_BYTES,
            )
            try:
                reply = transport.call(
                    "POST",
                    f"{self._base}/{path.lstrip('/')}",
                    headers={"Content-Type": kind, "Accept": "application/json", **(headers or {})},
                    body=(urlencode(body) if is_form else json.dumps(body)).encode(),
                    auth=_Headers(),
                )
            except Misconfigured as error:
                raise ServiceRefused("service_settings", error.reason.value if error.reason else "") from None
            except Unreachable as error:
                raise NotSent(error.reason.value if error.reason else "", error.retry_after) from None
            except UnknownOutcome as error:
                raise Unanswered(error.reason.value if error.reason else "") from None
        return Answer(reply.status, _parsed(reply.body), reply.retry_after, secrets)


def _checked(base: str) -> bool:
    """Whether the address is one on this computer. Raises ServiceRefused for one that passwords may not be sent to."""
    try:
        parts = urlsplit(base)
        fit = bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise ServiceRefused("service_settings", "address") from None
    is_local = is_loopback(base)
    if not fit or parts.username is not None or parts.password is not None or parts.query or parts.fragment:
        raise ServiceRefused("service_settings", "address")
    if parts.scheme != "https" and not (is_local and parts.scheme == "http"):
        raise ServiceRefused("service_settings", "address")
    return is_local


def _is_here(address: str) -> bool:
    return is_loopback(f"http://[{address}]" if ":" in address else f"http://{address}")


def _is_shown(secret: str, text: str) -> bool:
    """Whether ``text`` shows a secret or a longer part of it."""
    secret, text = secret.casefold(), text.casefold()
    size = min(len(secret), _SHOWN)
    return size > 0 and any(secret[at : at + size] in text for at in range(len(secret) - size + 1))


def _parsed(body: bytes) -> Any:
    """The JSON value; None for what is none, or holds what no answer needs: endless numbers, deep nesting."""
    try:
        return json.loads(body.decode("utf-8-sig"), parse_int=_whole, parse_float=_finite, parse_constant=_finite)
    except (ValueError, RecursionError):
        return None


def _whole(text: str) -> int:
    # Older Pythons take minutes for a number of a million digits.
    if len(text) > _MAX_DIGITS:
        raise ValueError("number")
    return int(text)


def _finite(text: str) -> float:
    if len(text) > 2 * _MAX_DIGITS or not math.isfinite(number := float(text)):
        raise ValueError("number")
    return number
