"""Fetch revocation data of certificates: bounded time and size, no redirects."""

from __future__ import annotations

from collections.abc import Callable

import requests

from .gateways import GatewayError
from .gateways.transport import Transport

Fetch = Callable[[str, "bytes | None", str], bytes]
"""``fetch(url, body, content_type) -> content``: POST when there is a body, else GET. Raises FetchError."""


class FetchError(Exception):
    """Nothing usable came from the address."""


def over_http(*, connect: float = 3, total: float = 10, session: requests.Session | None = None) -> Fetch:
    """A Fetch of at most 8 MiB per answer; ``connect`` and ``total`` are seconds for one answer."""
    transport = Transport(session or requests.Session(), connect=connect, total=total, verify=True)

    def fetch(url: str, body: bytes | None, content_type: str) -> bytes:
        headers = {"Content-Type": content_type} if body is not None else {}
        try:
            reply = transport.call("GET" if body is None else "POST", url, headers=headers, body=body)
        except GatewayError as error:
            raise FetchError(error.message) from None
        if reply.status != 200:
            raise FetchError(f"answer {reply.status}")
        return reply.body

    return fetch
