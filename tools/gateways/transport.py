"""One HTTP exchange with bounded time and size, and certainty about whether the request can have been processed."""

from __future__ import annotations

import contextlib
import http.client
import io
import re
import socket
import ssl
import tempfile
import threading
import weakref
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase
from requests.utils import DEFAULT_CA_BUNDLE_PATH, select_proxy
from urllib3.exceptions import HTTPError, MaxRetryError, NewConnectionError

from ..fetching import Address, FetchError, addresses, connected
from .base import GatewayError, Misconfigured, Reason, UnknownOutcome, Unreachable

MAX_REPLY_BYTES = 8 * 2**20
MAX_RETRY_AFTER = 86400
_CHUNK = 64 * 1024
# OpenSSL's X509_V_ERR_*: not yet valid, expired; unknown issuer and self-signed; another host or address.
_VERIFICATION = {
    **dict.fromkeys((9, 10), Reason.TLS_EXPIRED),
    **dict.fromkeys((2, 18, 19, 20, 21), Reason.TLS_ISSUER),
    **dict.fromkeys((62, 63, 64), Reason.TLS_NAME),
}
# What a server answers whose handshake fails on the client's certificate; with TLS 1.3 that comes after the request.
_CLIENT_ALERTS = re.compile(r"ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNSUPPORTED_CERT|UNKNOWN_CA|ACCESS|HANDSHAKE|NO_CERT)")


@dataclass(frozen=True)
class Reply:
    """Status, body (bytes, complete), Retry-After in seconds and the host of Location of an answer."""

    status: int
    body: bytes
    retry_after: int | None
    redirected_to: str = ""


class _Body(io.BytesIO):
    """A request's body. Until it is read, nothing of the request that could be processed has left this computer."""

    is_sent = False

    def read(self, *size: int | None) -> bytes:
        self.is_sent = True
        return super().read(*size)


class _Adapter(HTTPAdapter):
    """Sets the time-outs of every request and keeps track of its connections so that slow ones can be cut.

    Never retries by itself: that is decided by who knows what was sent. With ``context``, the certificates that it
    trusts and shows are the only ones, whatever environment variables say.
    """

    def __init__(
        self,
        connect: float,
        read: float,
        context: ssl.SSLContext | None,
        is_allowed: Callable[[str], bool] | None = None,
    ) -> None:
        self._timeout = (connect, read)
        self._context = context
        self._is_allowed = is_allowed
        self._connections: weakref.WeakSet[Any] = weakref.WeakSet()
        super().__init__(max_retries=0)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        if self._context:
            kwargs["verify"] = True
        if self._is_allowed and select_proxy(request.url or "", kwargs.get("proxies")):
            url = urlsplit(request.url or "")
            with contextlib.suppress(OSError):  # a name that only the proxy can look up
                _allowed(url.hostname or "", url.port or 443, self._is_allowed)
        return super().send(request, *args, **{**kwargs, "timeout": self._timeout})

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **{**kwargs, **self._tls()})

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        return super().proxy_manager_for(proxy, **{**kwargs, **self._tls()})

    def _tls(self) -> dict[str, Any]:
        return {"ssl_context": self._context} if self._context else {}

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Called by requests with the pool of connections (``conn``) before each exchange."""
        if self._context:
            conn.cert_reqs = "CERT_REQUIRED"
        else:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        make = type(conn).ConnectionCls

        def noted(*args: Any, **kwargs: Any) -> Any:
            connection = make(*args, **kwargs)
            # Where a proxy is may well be this network; `send` has judged what it is asked for.
            if self._is_allowed and not kwargs.get("proxy") and "_socks_options" not in kwargs:
                # The very address that was judged is called: a second look-up could lead elsewhere.
                found = partial(_allowed, connection.host, connection.port, self._is_allowed)
                connection._new_conn = lambda: connected(found(), self._timeout[0])
            self._connections.add(connection)
            return connection

        conn.ConnectionCls = noted

    def cut(self) -> None:
        """Cut the connections: time-outs of sockets start again with every byte that a slow sender drips."""
        for connection in list(self._connections):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)


def _allowed(host: str, port: int, is_allowed: Callable[[str], bool]) -> list[Address]:
    """What a name leads to and may be connected to. Raises Misconfigured, and OSError when it leads nowhere."""
    try:
        return addresses(host, port, is_allowed)
    except FetchError:
        raise Misconfigured("not an address of the internet", reason=Reason.ADDRESS) from None


class Transport:
    """Sends requests through one session: TLS verified, no redirects, no retries, bounded time and size.

    ``connect`` seconds for TCP and TLS, ``total`` seconds from the request until the last byte of the reply;
    ``context`` where other certificates are trusted or shown than usual. ``is_allowed`` says to which IP addresses it
    may connect, where not to any; ``most`` is how many bytes a reply may have. One exchange at a time.
    """

    def __init__(
        self,
        session: requests.Session,
        *,
        connect: float,
        total: float,
        verify: bool | str,
        context: ssl.SSLContext | None = None,
        is_allowed: Callable[[str], bool] | None = None,
        most: int = MAX_REPLY_BYTES,
    ) -> None:
        self._adapter = _Adapter(connect, total, context, is_allowed)
        self._most = most
        session.mount("https://", self._adapter)
        session.mount("http://", self._adapter)
        # Even where redirects are not followed, requests reads their whole body to prepare the next request.
        session.get_redirect_target = lambda resp: None  # type: ignore[method-assign]
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
        """Send once and read the whole reply. Raises Unreachable (certainly not sent), its kind Misconfigured, or
        UnknownOutcome.
        """
        content = _Body(body) if body else None
        expired = threading.Event()

        def expire() -> None:
            expired.set()
            self._adapter.cut()

        watchdog = threading.Timer(self._seconds, expire)
        watchdog.daemon = True
        watchdog.start()
        failure: Exception | None = None
        try:
            reply = self._exchange(method, url, headers, content, auth)
            if not expired.is_set():
                return reply
            # A connection that was cut among the headers reads like one whose headers ended there.
        except (requests.RequestException, HTTPError, http.client.HTTPException, OSError, ValueError) as error:
            failure = error
        finally:
            watchdog.cancel()
        is_sent = content.is_sent if content else not _is_unconnected(failure)
        raise _meaning(failure, is_sent=is_sent, is_expired=expired.is_set()) from None

    def _exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: _Body | None, auth: AuthBase | None
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
            status, given = response.status_code, response.headers
            wait = _seconds(given.get("Retry-After", ""), given.get("Date", ""))
            redirected_to = _host(given.get("Location", "")) if 300 <= status < 400 else ""
            return Reply(status, _read(response, self._most), wait, redirected_to)


def _no_password() -> str:
    """Without an answer OpenSSL would ask for the key's password on the terminal."""
    return "-"


def tls_context(ca: str, certificate: str, key: str) -> ssl.SSLContext:
    """A context that trusts only ``ca`` (PEM; empty: the usual authorities) and shows ``certificate`` (PEM, with those
    between it and the root) with its unencrypted ``key`` (PEM) where those are given.

    Raises Misconfigured when one of them is unreadable or they do not belong together.
    """
    try:
        usual = None if ca else DEFAULT_CA_BUNDLE_PATH
        context = ssl.create_default_context(cafile=usual, cadata=ca or None)
    except (ssl.SSLError, ValueError, TypeError):
        raise Misconfigured("the CA certificates are not readable PEM", reason=Reason.TLS_ISSUER) from None
    if certificate or key:
        # The library takes files only: these are in a folder of our own user's, for as long as it reads them.
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "client.pem"
            path.touch(mode=0o600)
            path.write_text(f"{certificate.strip()}\n{key.strip()}\n", encoding="utf-8")
            try:
                context.load_cert_chain(path, password=_no_password)
            except (ssl.SSLError, ValueError):
                raise Misconfigured(
                    "client certificate and key are not readable PEM of one pair", reason=Reason.CLIENT_CERTIFICATE
                ) from None
    return context


def _meaning(failure: Exception | None, *, is_sent: bool, is_expired: bool) -> GatewayError:
    """The error that a failed exchange means. The texts of failures can hold addresses and headers: never shown."""
    kind = type(failure).__name__ if failure else "time-out"
    if is_expired or isinstance(failure, requests.ReadTimeout):
        reason = Reason.TIMEOUT
    else:
        tls = _tls_error(failure)
        if isinstance(tls, ssl.SSLCertVerificationError):
            reason, detail = _VERIFICATION.get(tls.verify_code, Reason.TLS), tls.verify_message
            return Misconfigured(f"the gateway's certificate is not trusted ({detail})", reason=reason, detail=detail)
        if tls and _CLIENT_ALERTS.search(tls.reason or ""):
            return Misconfigured(
                f"the gateway does not take our certificate ({tls.reason})",
                reason=Reason.CLIENT_CERTIFICATE,
                detail=tls.reason or "",
            )
        # One that just hangs up may be a proxy whose server is down.
        if tls and not is_sent and not isinstance(tls, ssl.SSLEOFError | ssl.SSLZeroReturnError):
            return Misconfigured(
                f"TLS with the gateway fails ({tls.reason})", reason=Reason.TLS, detail=tls.reason or kind
            )
        if isinstance(failure, requests.exceptions.ProxyError) and "407 " in str(failure):
            return Misconfigured("the proxy asks for credentials", reason=Reason.PROXY)
        reason = Reason.LOST if is_sent else Reason.CONNECTION
    if is_sent:
        return UnknownOutcome(f"the gateway's answer was not received ({kind})", reason=reason)
    return Unreachable(f"no connection to the gateway ({kind})", reason=reason)


def _is_unconnected(failure: Exception | None) -> bool:
    """Whether a request without a body failed before there was a connection."""
    if isinstance(failure, requests.ConnectTimeout | requests.exceptions.ProxyError):
        return True
    cause = failure.args[0] if failure and failure.args else None
    return isinstance(cause, MaxRetryError) and isinstance(cause.reason, NewConnectionError)


def _tls_error(failure: BaseException | None) -> ssl.SSLError | None:
    """OpenSSL's error among those that requests and urllib3 have wrapped around it."""
    while failure is not None and not isinstance(failure, ssl.SSLError):
        inner = getattr(failure, "reason", None) or (failure.args[0] if failure.args else None)
        failure = inner if isinstance(inner, BaseException) else None
    return failure


def _host(url: str) -> str:
    """The host of a URL from outside; empty when it has none, or one that should not be shown."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host if re.fullmatch(r"[a-z0-9.:-]{1,253}", host) else ""


def _seconds(text: str, date: str) -> int | None:
    """Retry-After, seconds or an HTTP date, as seconds of at most a day; a date counts from the answer's own Date."""
    if re.fullmatch(r"[0-9]{1,9}", text):
        return min(int(text), MAX_RETRY_AFTER)
    until = _http_date(text)
    if until is None:
        return None
    now = _http_date(date) or datetime.now(timezone.utc)
    return max(0, min(int((until - now).total_seconds()), MAX_RETRY_AFTER))


def _http_date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment


def _read(response: requests.Response, most: int) -> bytes:
    """The whole body, unpacked where it is packed. Raises UnknownOutcome when it is too large or cut short."""
    content = bytearray()
    while chunk := response.raw.read(_CHUNK, decode_content=False):
        content += chunk
        if len(content) > most:
            raise _too_large(most)
    # Beside 304 it is the length of what is not sent again.
    length = "" if response.status_code == 304 else response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) != len(content):
        raise UnknownOutcome("the gateway's answer was cut short", reason=Reason.LOST)
    return _unpacked(bytes(content), response.headers.get("Content-Encoding", "identity").strip().lower(), most)


def _unpacked(content: bytes, encoding: str, most: int) -> bytes:
    """Packed answers are not asked for, but some servers pack whatever they send."""
    if encoding in ("", "identity") or not content:
        return content
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise UnknownOutcome("the gateway's answer is packed", reason=Reason.COMPRESSION, detail=encoding[:20])
    unpacker = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
    try:
        unpacked = unpacker.decompress(content, most + 1)
    except zlib.error:
        raise UnknownOutcome(
            "the gateway's answer cannot be unpacked", reason=Reason.COMPRESSION, detail=encoding
        ) from None
    if len(unpacked) > most:
        raise _too_large(most)
    if not unpacker.eof:
        raise UnknownOutcome("the gateway's answer was cut short", reason=Reason.LOST)
    return unpacked


def _too_large(most: int) -> UnknownOutcome:
    return UnknownOutcome(f"the gateway's answer is larger than {most} bytes", reason=Reason.TOO_LARGE)
