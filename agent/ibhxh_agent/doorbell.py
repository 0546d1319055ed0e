"""Listens on Odoo's bus for the doorbell: "there is something to sign, ask for it".

The message is empty; whatever is to be signed comes by the ordinary, authenticated call. When the bus cannot be
reached, polling goes on as if there were none.
"""

from __future__ import annotations

import json
import logging
import ssl
import struct
import threading
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import requests
import websocket

from ibhxh_agent.backoff import Backoff
from ibhxh_agent.client import OnlyKey, Server
from ibhxh_agent.untrusted import loads

log = logging.getLogger(__name__)

#: Type of the notification (protocol v1).
DOORBELL = "l10n_vn_ibhxh/doorbell"
#: Seconds without a sign of life after which the line is tested; Odoo itself pings after 40.
_QUIET = 60.0
_CONNECT = 10.0
#: Seconds after which a line that stood counts as good, so that the next break is not blamed on it.
_STOOD = 60.0
_MAX_MESSAGE = 2**20
#: Close code of Odoo's bus: the session of the cookie is gone (CloseCode.SESSION_EXPIRED in its bus module).
_SESSION_EXPIRED = 4001


class Doorbell:
    """A thread that keeps one websocket open.

    :param ring: called in that thread when the bell rings, and once after each connection (what rang while the line was
        down was not heard)
    """

    def __init__(self, server: Server, database: str, ring: Callable[[], None], backoff: Backoff | None = None) -> None:
        self._server = server
        self._database = database
        self._ring = ring
        self._backoff = backoff or Backoff(first=2, longest=300)
        self._channel: str | None = None
        self._changed = threading.Condition()
        self._stopping = False
        self._socket: websocket.WebSocket | None = None
        self._connected = False
        self._session_id = ""
        self._thread = threading.Thread(target=self._run, name="doorbell", daemon=True)
        self._thread.start()

    @property
    def connected(self) -> bool:
        """The bell would be heard now."""
        return self._connected

    def listen(self, channel: str | None) -> None:
        """Listen on this channel from now on; ``None`` = the server has no doorbell."""
        with self._changed:
            if channel == self._channel:
                return
            self._channel = channel
            self._changed.notify_all()
        self._hang_up()

    def stop(self) -> None:
        """End the thread."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._hang_up()
        self._thread.join(timeout=5)

    def _hang_up(self) -> None:
        line = self._socket
        if line is not None:
            line.close(timeout=0)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._channel)
                if self._stopping or self._channel is None:
                    return
                channel = self._channel
            try:
                self._hold_the_line(channel)
            except (websocket.WebSocketException, requests.RequestException, OSError, ValueError) as error:
                log.info("doorbell: %s", type(error).__name__)
            finally:
                self._connected = False
                self._socket = None
            with self._changed:
                self._changed.wait_for(lambda: self._stopping, self._backoff.next())

    def _hold_the_line(self, channel: str) -> None:
        line = self._connect()
        self._socket = line
        since = time.monotonic()
        try:
            line.send(json.dumps({"event_name": "subscribe", "data": {"channels": [channel], "last": 0}}))
            line.settimeout(_QUIET)
            self._connected = True
            self._ring()
            pinged = False
            while not self._stopping and self._channel == channel:
                try:
                    opcode, data = line.recv_data(control_frame=True)
                except websocket.WebSocketTimeoutException:
                    if pinged:
                        raise
                    # A laptop that slept has a dead line that no error tells of: only a missing answer does.
                    line.ping()
                    line.settimeout(_CONNECT)
                    pinged = True
                    continue
                if pinged:
                    line.settimeout(_QUIET)
                    pinged = False
                if opcode == websocket.ABNF.OPCODE_CLOSE:
                    self._closed(data)
                    return
                if opcode == websocket.ABNF.OPCODE_TEXT and len(data) <= _MAX_MESSAGE and _rings(data):
                    self._backoff.reset()
                    self._ring()
        finally:
            if time.monotonic() - since > _STOOD:
                self._backoff.reset()
            line.close(timeout=1)

    def _closed(self, reason: bytes) -> None:
        code = struct.unpack(">H", reason[:2])[0] if len(reason) >= 2 else 0
        log.info("doorbell: closed by the server with code %d", code)
        if code == _SESSION_EXPIRED:
            self._session_id = ""

    def _anonymous_session(self) -> str:
        """A visitor's session of the paired database, as the login page gives to any browser.

        Odoo's bus serves stored sessions only, and a call with ``X-Odoo-Database`` has none. It is not logged in: who
        listens needs to know nothing but the secret name of the channel.
        """
        with requests.Session() as visitor:
            visitor.trust_env = not self._server.loopback
            visitor.auth = OnlyKey()
            query = {"db": self._database} if self._database else {}
            # Streamed: the page itself is not read.
            visitor.get(
                f"{self._server.base}/web/login", params=query, timeout=_CONNECT, allow_redirects=False, stream=True
            ).close()
            return visitor.cookies.get("session_id") or ""

    def _connect(self) -> websocket.WebSocket:
        parts = urlsplit(self._server.base)
        self._session_id = self._session_id or self._anonymous_session()
        # Odoo closes the line of a *browser* whose version is old; so no User-Agent is sent.
        return websocket.create_connection(
            self._server.websocket,
            timeout=_CONNECT,
            cookie=f"session_id={self._session_id}" if self._session_id else None,
            origin=f"{parts.scheme}://{parts.netloc}",
            sslopt={"context": ssl.create_default_context()} if parts.scheme == "https" else {},
            enable_multithread=True,
            **_proxy(self._server),
        )


def _rings(data: bytes) -> bool:
    try:
        messages = loads(data)
    except ValueError:
        return False
    if not isinstance(messages, list):
        return False
    return any(
        isinstance(entry, dict) and isinstance(entry.get("message"), dict) and entry["message"].get("type") == DOORBELL
        for entry in messages
    )


def _proxy(server: Server) -> dict[str, Any]:
    """The system's proxy for the server, in the words of websocket-client; none for this computer."""
    parts = urlsplit(server.base)
    host = parts.hostname or ""
    address = getproxies().get(parts.scheme)
    if server.loopback or not address or proxy_bypass(host):
        return {"http_no_proxy": ["*"]}
    proxy = urlsplit(address if "://" in address else f"http://{address}")
    options: dict[str, Any] = {
        "http_proxy_host": proxy.hostname,
        "http_proxy_port": proxy.port or (443 if proxy.scheme == "https" else 80),  # as requests has it
        "proxy_type": "http",
    }
    if proxy.username:
        options["http_proxy_auth"] = (proxy.username, proxy.password or "")
    return options
