"""An open page of the web client, as far as the bus is concerned."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import websocket

from .odoo_web import Person

TIMEOUT = 60


class Page:
    """A websocket with the person's cookie, subscribed to what every page of this person hears."""

    def __init__(self, person: Person, url: str, trust: Path) -> None:
        """:param url: the address in the browser's bar"""
        self._line = websocket.create_connection(
            f"wss{url.removeprefix('https')}/websocket",
            timeout=TIMEOUT,
            cookie=f"session_id={person.session_id}",
            origin=url,
            sslopt={"ca_certs": str(trust)},
            http_no_proxy=["*"],
        )
        self._line.send(json.dumps({"event_name": "subscribe", "data": {"channels": [], "last": 0}}))

    def await_message(self, kind: str, seconds: float = TIMEOUT, **content: Any) -> dict[str, Any]:
        """Wait for a message of this kind with at least this content.

        :raises websocket.WebSocketTimeoutException: when none comes in time
        """
        end = time.monotonic() + seconds
        while True:
            self._line.settimeout(max(0.01, end - time.monotonic()))
            for entry in json.loads(self._line.recv()):
                message: dict[str, Any] = entry["message"]
                if message["type"] == kind and content.items() <= message["payload"].items():
                    return message["payload"]  # type: ignore[no-any-return]

    def close(self) -> None:
        """Close the page."""
        self._line.close()
