"""One HTTP exchange with bounded time and size, and certainty about whether the request can have been processed."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from .base import UnknownOutcome, Unreachable

MAX_REPLY_BYTES = 8 * 2**20
_CHUNK = 64 * 1024


@dataclass(frozen=True)
class Reply:
    """Status, body (bytes, complete) and Retry-After in seconds of an answer."""

    status: int
    body: bytes
    retry_after: int | None


@dataclass
class _Exchange:
    """What is known of one exchange while it runs."""

    started: bool = False
    connecting: bool = False
    socket: socket.socket | None = None
    expired: bool = False

    @property
    def certainly_not_sent(self) -> bool:
        """True when no byte of the request can have reached the gateway."""
        return not self.started or self.connecting

    def expire(self) -> None:
        """Cut the connection: time-outs of sockets start anew with every byte that a slow sender drips."""
        self.expired = True
        if self.socket is not None:
            with contextlib.suppress(OSError):
                self.socket.shutdown(socket.SHUT_RDWR)


class _Current(threading.local):
    exchange = _Exchange()


_current = _Current()


class _Noting:
    """Mixin of urllib3 connections: notes when ``connect`` (TCP and TLS) was passed, and the socket in use."""

    sock: socket.socket | None

    def connect(self) -> None:
        _current.exchange.connecting = True
        super().connect()  # type: ignore[misc]
        _current.exchange.connecting = False
        _current.exchange.socket = self.sock

    def request(self, *args: Any, **kwargs: Any) -> None:
        _current.exchange.started = True
        _current.exchange.socket = self.sock
        super().request(*args, **kwargs)  # type: ignore[misc]


class _NotingHttp(_Noting, HTTPConnection):
    pass


class _NotingHttps(_Noting, HTTPSConnection):
    pass


class _HttpPool(HTTPConnectionPool):
    ConnectionCls = _NotingHttp


class _HttpsPool(HTTPSConnectionPool):
    ConnectionCls = _NotingHttps


_POOLS = {"http": _HttpPool, "https": _HttpsPool}


class _Adapter(HTTPAdapter):
    """Sets the time-outs, whoever sends. Never retries by itself: that is decided by who knows what was sent."""

    def __init__(self, connect: float, read: float) -> None:
        self._timeout = (connect, read)
        super().__init__(max_retries=0)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        return super().send(request, *args, **{**kwargs, "timeout": self._timeout})

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *args: Any, **kwargs: Any) -> Any:
        manager = super().proxy_manager_for(*args, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class Transport:
    """Sends requests through one session: TLS verified, no redirects, no retries, bounded time and size.

    ``connect`` seconds for TCP and TLS, ``total`` seconds from the request until the last byte of the reply.
    """

    def __init__(self, session: requests.Session, *, connect: float, total: float, verify: bool | str) -> None:
        adapter = _Adapter(connect, total)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        self._session = session
        self._seconds = connect + total
        self._verify = verify

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        body: bytes | None = None,
        auth: AuthBase | None = None,
    ) -> Reply:
        """Send once and read the whole reply. Raises Unreachable (certainly not sent) or UnknownOutcome."""
        exchange = _current.exchange = _Exchange()
        watchdog = threading.Timer(self._seconds, exchange.expire)
        watchdog.daemon = True
        watchdog.start()
        try:
            reply = self._exchange(method, url, headers, body, auth)
            if not exchange.expired:
                return reply
            # A connection that was cut among the headers reads like one whose headers ended there.
            reason = "time-out"
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            # The text of these errors can hold addresses and headers; the type says enough.
            reason = "time-out" if exchange.expired else type(error).__name__
        finally:
            watchdog.cancel()
        if exchange.certainly_not_sent:
            raise Unreachable(f"no connection to the gateway ({reason})")
        raise UnknownOutcome(f"the gateway's answer was not received ({reason})")

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, auth: AuthBase | None
    ) -> Reply:
        with self._session.request(
            method,
            url,
            data=body,
            headers={"Accept-Encoding": "identity", **headers},
            auth=auth,
            verify=self._verify,
            allow_redirects=False,
            stream=True,
        ) as response:
            content = _read(response)
            return Reply(response.status_code, content, _seconds(response.headers.get("Retry-After", "")))


def _seconds(text: str) -> int | None:
    """Retry-After as seconds, at most a day; the date form of the header is not used by the contract."""
    return min(int(text), 86400) if re.fullmatch(r"[0-9]{1,9}", text) else None


def _read(response: requests.Response) -> bytes:
    """The whole body as sent. Raises UnknownOutcome when it is too large, encoded or cut short."""
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise UnknownOutcome("the gateway's answer is compressed, which was not asked for")
    content = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        content += chunk
        if len(content) > MAX_REPLY_BYTES:
            raise UnknownOutcome(f"the gateway's answer is larger than {MAX_REPLY_BYTES} bytes")
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != len(content):
        raise UnknownOutcome("the gateway's answer was cut short")
    return bytes(content)
