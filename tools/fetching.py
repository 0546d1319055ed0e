"""Fetch revocation data of certificates: bounded time and size, no redirects, public addresses only.

The addresses come from certificates. The holder of a root that is trusted here must not be able to make
the server talk to itself or its neighbours: a name is resolved once, what it leads to is checked, and the connection
goes to the very address that was checked.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from requests.utils import DEFAULT_CA_BUNDLE_PATH

Fetch = Callable[[str, "bytes | None", str], bytes]
"""``fetch(url, body, content_type) -> content``: POST when there is a body, else GET. Raises FetchError."""

MAX_BYTES = 8 * 2**20
_PORTS = {"http": 80, "https": 443}
Address = tuple[socket.AddressFamily, Any]
_NAT64 = IPv6Network("64:ff9b::/96")


class FetchError(Exception):
    """Nothing usable came from the address."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the internet as a whole, including the IPv4 one that an IPv6 one embeds."""
    found = ip_address(address.partition("%")[0])
    return all(part.is_global and not part.is_multicast for part in (found, *_embedded(found)))


def addresses(host: str, port: int, is_allowed: Callable[[str], bool]) -> list[Address]:
    """What a name leads to and may be connected to, for `connected`: the name is not looked up a second time.

    Raises FetchError, and OSError when it leads nowhere.
    """
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    allowed: list[Address] = [(entry[0], entry[4]) for entry in found if is_allowed(str(entry[4][0]))]
    if not allowed:
        raise FetchError("not a public address")
    return allowed


def connected(found: list[Address], seconds: float | None) -> socket.socket:
    """A connection to the first of these addresses that answers within ``seconds``. Raises OSError."""
    failure = OSError()
    for family, address in found:
        line = socket.socket(family, socket.SOCK_STREAM)
        line.settimeout(seconds)
        try:
            line.connect(address)
        except OSError as error:
            line.close()
            failure = error
            continue
        return line
    raise failure


def over_http(
    *,
    connect: float = 3,
    total: float = 10,
    overall: float = 30,
    is_allowed: Callable[[str], bool] = is_public,
) -> Fetch:
    """A Fetch of at most 8 MiB per answer.

    ``connect``: seconds for one connection. ``total``: for one answer, from the look-up of the name to its last byte.
    ``overall``: seconds that may be lost, over everything that is fetched with it, on addresses that do not answer;
    one that did not is not asked again. ``is_allowed`` says whether to connect to an IP address; only tests, whose
    servers are on this machine, allow more than public ones.

    Where the environment names a proxy, the proxy connects; names that lead to other than public addresses here are
    refused all the same.
    """
    left = overall
    silent: set[str] = set()

    def fetch(url: str, body: bytes | None, content_type: str) -> bytes:
        nonlocal left
        server = url.partition("//")[2].partition("/")[0]
        if server in silent or left <= 0:
            raise FetchError("did not answer before" if server in silent else "time-out")
        exchange = _Exchange(url, body, content_type, connect, total, is_allowed)
        start = time.monotonic()
        # In a thread, because nothing else bounds the look-up of a name, or an answer that drips.
        thread = threading.Thread(target=exchange.run, daemon=True)
        thread.start()
        thread.join(min(total, left))
        is_late = thread.is_alive()
        if is_late:
            exchange.cut()
        elif not exchange.failure:
            return exchange.content
        left -= time.monotonic() - start
        if is_late or exchange.is_silent:
            silent.add(server)
        raise FetchError("time-out" if is_late else exchange.failure)

    return fetch


@dataclass
class _Exchange:
    """One request and its answer: ``content``, or why there is none in ``failure``; ``is_silent``: nobody answers."""

    url: str
    body: bytes | None
    content_type: str
    connect: float
    total: float
    is_allowed: Callable[[str], bool]
    content: bytes = b""
    failure: str = ""
    is_silent: bool = False
    line: socket.socket | None = None

    def run(self) -> None:
        """Do it; never raises."""
        try:
            self.content = self._exchange(urlsplit(self.url))
        except FetchError as error:
            self.failure = str(error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.failure = "time-out" if isinstance(error, TimeoutError) else type(error).__name__
            self.is_silent = isinstance(error, OSError)
        finally:
            self.cut()

    def cut(self) -> None:
        """End the connection, even while another thread waits for it."""
        if self.line is not None:
            with contextlib.suppress(OSError):
                self.line.shutdown(socket.SHUT_RDWR)
            self.line.close()

    def _exchange(self, url: SplitResult) -> bytes:
        if url.scheme not in _PORTS or not url.hostname:
            raise FetchError("not an address of the web")
        headers = {"Accept-Encoding": "identity", "Connection": "close"}
        if self.body is not None:
            headers["Content-Type"] = self.content_type
        target = SplitResult("", "", url.path or "/", url.query, "")
        proxy = _Proxy.of(url.scheme, url.hostname)
        if proxy is None:
            connection = self._direct(url.scheme, url.hostname, url.port or _PORTS[url.scheme])
        else:
            connection = self._through(proxy, url.scheme, url.hostname, url.port or _PORTS[url.scheme])
            if url.scheme == "http":
                target = target._replace(scheme="http", netloc=url.netloc.rpartition("@")[2])
                headers |= proxy.headers
        connection.request("GET" if self.body is None else "POST", target.geturl(), self.body, headers)
        return _content(connection.getresponse())

    def _direct(self, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
        self.line = connected(addresses(host, port, self.is_allowed), self.connect)
        self.line.settimeout(self.total)
        connection = _connection(scheme, host, port, self.total)
        if isinstance(connection, http.client.HTTPSConnection):
            # The handshake comes after the assignment, so that it can be cut, too.
            self.line = _tls().wrap_socket(self.line, server_hostname=host, do_handshake_on_connect=False)
            self.line.do_handshake()
        connection.sock = self.line
        return connection

    def _through(self, proxy: _Proxy, scheme: str, host: str, port: int) -> http.client.HTTPConnection:
        with contextlib.suppress(OSError):  # a name that only the proxy can look up
            addresses(host, port, self.is_allowed)
        connection = _connection(scheme, proxy.host, proxy.port, self.total)
        if scheme == "https":
            connection.set_tunnel(host, port, proxy.headers)
        connection.connect()
        self.line = connection.sock
        return connection


@dataclass(frozen=True)
class _Proxy:
    """A proxy that the environment names, with the headers that it wants."""

    host: str
    port: int
    headers: dict[str, str]

    @classmethod
    def of(cls, scheme: str, host: str) -> _Proxy | None:
        """The one for this host, as the variables ``http_proxy``, ``https_proxy`` and ``no_proxy`` have it."""
        address = urllib.request.getproxies().get(scheme)
        if not address or urllib.request.proxy_bypass(host):
            return None
        parts = urlsplit(address if "//" in address else f"//{address}")
        if parts.scheme not in ("", "http") or not parts.hostname:
            raise FetchError("a proxy of this kind is not supported")
        headers = {}
        if parts.username:
            secret = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
            headers["Proxy-Authorization"] = f"Basic {base64.b64encode(secret.encode()).decode()}"
        return cls(parts.hostname, parts.port or 80, headers)


def _connection(scheme: str, host: str, port: int, seconds: float) -> http.client.HTTPConnection:
    if scheme == "https":
        return http.client.HTTPSConnection(host, port, timeout=seconds, context=_tls())
    return http.client.HTTPConnection(host, port, timeout=seconds)


def _tls() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)


def _content(response: http.client.HTTPResponse) -> bytes:
    if response.status != 200:
        raise FetchError(f"answer {response.status}")
    content = response.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise FetchError(f"answer of more than {MAX_BYTES} bytes")
    if response.length or response.headers.get("Content-Encoding", "identity") != "identity":
        raise FetchError("answer that was cut short, or packed")
    return content


def _embedded(address: IPv4Address | IPv6Address) -> list[IPv4Address]:
    """The IPv4 addresses that an IPv6 address embeds (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(IPv4Address(int(address) & 0xFFFFFFFF))
    return [part for part in found if part is not None]
