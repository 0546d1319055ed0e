"""The gateway contract v1 over HTTPS (docs/gateway.md)."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import uuid
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any, ClassVar
from urllib.parse import urlsplit

import requests
from requests.auth import HTTPBasicAuth

from . import replies, transport
from .base import (
    Answers,
    Gateway,
    GatewayError,
    GatewayHealth,
    Misconfigured,
    Progress,
    Reason,
    Receipt,
    Refused,
    SignedDossier,
    Unchanged,
    UnknownOutcome,
    Unreachable,
    Unsupported,
)
from .registry import register

_MISCONFIGURED = {
    401: (Reason.CREDENTIALS, "the gateway does not accept the client code and secret"),
    403: (Reason.FORBIDDEN, "the gateway does not let this client in"),
    404: (Reason.NOT_FOUND, "nothing is found at this address: is it the gateway's?"),
    405: (Reason.NOT_FOUND, "the address is not that of a gateway"),
    407: (Reason.PROXY, "the proxy asks for credentials"),
    410: (Reason.NOT_FOUND, "the gateway is no longer at this address"),
}
_CREDENTIALS = (401, 407)
# 4xx that say nothing about the request's content: it may be sent again as it is.
_PASSING = (408, 425)


def is_loopback(url: str) -> bool:
    """Whether the URL's host is this computer."""
    host = urlsplit(url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


@register("http")
class HttpGateway(Gateway):
    """A gateway that implements the written contract.

    ``base_url`` as in ``https://host/ivan/v1`` (plain http to a loopback address only), ``timeout`` is (connect, whole
    reply) in seconds, ``verify`` True or the path of a CA bundle. ``ca``: PEM of the only authorities that are trusted;
    ``certificate`` and ``key``: PEM of the client's own. ``session``: a requests.Session with settings of its own
    (proxies). Raises Misconfigured for an address that cannot be one and for PEM that cannot be read.
    """

    most_at_once: ClassVar[int] = 100

    def __init__(
        self,
        base_url: str,
        client_id: str,
        secret: str,
        *,
        timeout: tuple[float, float] = (5, 30),
        verify: bool | str = True,
        ca: str = "",
        certificate: str = "",
        key: str = "",
        session: requests.Session | None = None,
    ) -> None:
        self._base_url = _checked_url(base_url)
        self._auth = HTTPBasicAuth(client_id.encode(), secret.encode())
        session = session or requests.Session()
        if is_loopback(self._base_url):
            session.trust_env = False  # a proxy named in the environment is not on the way to this computer
        context = transport.tls_context(ca, certificate, key) if ca or certificate or key else None
        self._transport = transport.Transport(
            session, connect=timeout[0], total=timeout[1], verify=verify, context=context
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._base_url!r})"

    def submit(self, dossier: SignedDossier, client_reference: str) -> Receipt:
        """See Gateway.submit. The reference travels as idempotency key."""
        reference = _checked_reference(client_reference)
        body = {
            "client_reference": reference,
            "form": dossier.form,
            "agency_code": dossier.agency_code,
            "tax_code": dossier.tax_code,
            "unit_code": dossier.unit_code,
            "document": base64.b64encode(dossier.document).decode("ascii"),
            "sha256": hashlib.sha256(dossier.document).hexdigest(),
        }
        reply = self._call("POST", "/dossiers", body=body, headers={"Idempotency-Key": reference})
        if reply.status in (200, 201):
            return replies.receipt(reply, reference)
        raise _refusal(reply) or _failure(reply)

    def progress(self, client_reference: str) -> Progress | None:
        """See Gateway.progress. Only a 404 that says ``not_found`` in the contract's words means never heard of."""
        return _progress(client_reference, self._ask(client_reference))

    def progress_of(self, versions: Mapping[str, str]) -> Answers:
        """See Gateway.progress_of. One dossier is asked about by the call that every gateway has to offer."""
        if len(versions) == 1:
            [(reference, version)] = versions.items()
            reply = self._ask(reference, version)
            is_unchanged = bool(version) and reply.status == 304
            return Answers({reference: Unchanged() if is_unchanged else _progress(reference, reply)})
        asked = [
            {"client_reference": _checked_reference(reference), "version": version or None}
            for reference, version in versions.items()
        ]
        reply = self._call("POST", "/progress", body={"dossiers": asked})
        if reply.status == 200:
            return replies.progress_of(reply, versions)
        error = _failure(reply)
        # Only this path may be missing, closed or moved; whether the address is wrong shows when one is asked about.
        if reply.status == 501 or (isinstance(error, Misconfigured) and reply.status not in _CREDENTIALS):
            raise Unsupported("the gateway does not answer about several dossiers at once", reply.retry_after)
        raise error

    def _ask(self, client_reference: str, version: str = "") -> transport.Reply:
        headers = {"If-None-Match": f'"{version}"'} if version else {}
        return self._call("GET", f"/dossiers/{_checked_reference(client_reference)}", headers=headers)

    def resend_code(self, client_reference: str) -> None:
        """See Gateway.resend_code. Raises Refused (``not_found``, ``not_waiting``)."""
        reply = self._call("POST", f"/dossiers/{_checked_reference(client_reference)}/resend-code", body={})
        if reply.status != 202:
            raise _refusal(reply, is_not_found=_is_not_found(reply)) or _failure(reply)

    def check(self) -> GatewayHealth:
        """See Gateway.check. The skew counts half of the round trip as the way back."""
        before = datetime.now(timezone.utc)
        try:
            reply = self._call("GET", "/health")
            if reply.status != 200:
                raise _failure(reply)
            health = replies.health(reply)
        except GatewayError as error:
            return GatewayHealth(ok=False, clock_skew_seconds=None, message=error.message, error=error)
        middle = before + (datetime.now(timezone.utc) - before) / 2
        return GatewayHealth(
            ok=health.status == "ok",
            clock_skew_seconds=round((health.time - middle).total_seconds(), 3) if health.time else None,
            message=health.provider or health.status,
            provider_code=health.provider_code,
            faults=health.faults,
        )

    def _call(
        self, method: str, path: str, *, body: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> transport.Reply:
        sent = {"Accept": "application/json", **(headers or {})}
        if body is not None:
            sent["Content-Type"] = "application/json"
        content = None if body is None else json.dumps(body).encode()
        return self._transport.call(method, self._base_url + path, headers=sent, body=content, auth=self._auth)


def _progress(client_reference: str, reply: transport.Reply) -> Progress | None:
    """What the reply to a question about one dossier says of it."""
    if reply.status == 200:
        return replies.progress(reply, client_reference)
    if _is_not_found(reply):
        return None
    raise _failure(reply)


def _is_not_found(reply: transport.Reply) -> bool:
    """Whether the gateway has never heard of a reference, in the contract's words: other 404s are a wrong address."""
    return reply.status == 404 and replies.problem(reply).code == "not_found"


def _refusal(reply: transport.Reply, *, is_not_found: bool = False) -> Refused | None:
    """The refusal that a reply to a POST means, readable or not: 422 is VSS's, others are the gateway's own."""
    if not 400 <= reply.status < 500 or reply.status in _PASSING or reply.status == 429:
        return None
    if reply.status in _MISCONFIGURED and not is_not_found:
        return None
    problem = replies.problem(reply)
    return Refused(
        problem.code,
        problem.description,
        problem.holder,
        by_gateway=reply.status != 422,
        status=reply.status,
        faults=problem.faults,
    )


def _failure(reply: transport.Reply) -> GatewayError:
    """The error that a reply which is neither success nor refusal means."""
    status, wait = reply.status, reply.retry_after
    if status in _MISCONFIGURED:
        reason, message = _MISCONFIGURED[status]
        return Misconfigured(message, wait, reason=reason, detail=str(status))
    if 300 <= status < 400:
        return Misconfigured(
            f"the gateway redirects elsewhere ({status})", wait, reason=Reason.REDIRECT, detail=reply.redirected_to
        )
    if status == 429:
        return Unreachable("the gateway asks for fewer requests", wait, reason=Reason.BUSY)
    # Only the contract's own answer proves that nothing was accepted; a proxy's 503 may come after the fact.
    if status == 503 and replies.problem(reply).code == "SE999":
        return Unreachable("the gateway says that the service is down for now", wait, reason=Reason.DOWN)
    return UnknownOutcome(f"unexpected answer {status}", wait, reason=Reason.STATUS, detail=str(status))


def _checked_url(base_url: str) -> str:
    try:
        parts = urlsplit(base_url.strip())
        has_port = parts.port is None or parts.port > 0
    except ValueError:
        raise Misconfigured("the gateway's address is not a URL", reason=Reason.ADDRESS) from None
    if parts.username or parts.password or parts.query or parts.fragment or not parts.hostname or not has_port:
        raise Misconfigured(
            "the gateway's address must be https://host[:port]/path, without credentials", reason=Reason.ADDRESS
        )
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(base_url)):
        raise Misconfigured("the gateway's address must begin with https://", reason=Reason.ADDRESS)
    return parts.geturl().rstrip("/")


def _checked_reference(client_reference: str) -> str:
    try:
        return str(uuid.UUID(client_reference))
    except (ValueError, TypeError, AttributeError):
        raise GatewayError("the client reference is not a UUID") from None
