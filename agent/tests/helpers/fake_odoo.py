"""An Odoo that speaks protocol v1, in this process, with switches for everything that can go wrong."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import json
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from bus import FakeBus

PREFIX = "/l10n_vn_ibhxh/agent/v1/"


@dataclass
class Waiting:
    """One signing request."""

    id: int
    document: bytes
    fingerprint: str
    state: str = "pending"
    signed: bytes = b""
    #: how often the delivery finds somebody at the record
    busy: int = 0
    code: str = ""
    message: str = ""
    form: str = "04"
    deliveries: int = 0
    renewals: int = 0


@dataclass
class FakeOdoo:
    """Start with :meth:`start`; requests that wait are added with :meth:`add`."""

    code: str = "ABCD-EFGH"
    key: str = "first-key"
    agent: str = field(default_factory=lambda: str(uuid.uuid4()))
    database: str = "test_db"
    poll_after: float = 60
    doorbell: str | None = None
    renew_key: bool = False
    outdated: bool = False
    #: how many signed documents it takes in one call; None = a server of before that
    deliveries: int | None = 20
    #: version of the program and of the list of libraries that it offers
    update: str = ""
    libraries: int = 0
    #: kind → the signed document, and the bytes of the installer
    documents: dict[str, str] = field(default_factory=dict)
    installer: bytes = b""
    clock: Callable[[], float] = time.time
    #: (path start, status, body bytes) answers to give instead, used up one by one; status 0 = hang up
    faults: list[tuple[str, int, bytes]] = field(default_factory=list)
    requests: dict[int, Waiting] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    #: called before and after a call is carried out, with "before PATH" or "after PATH"; true = the call is lost
    hook: Callable[[str], bool | None] = lambda _moment: None
    bus: FakeBus = field(default_factory=FakeBus)
    wire: bytearray = field(default_factory=bytearray)
    #: headers of what the doorbell asks for
    visits: list[dict[str, str]] = field(default_factory=list)

    def start(self) -> FakeOdoo:
        odoo = self

        class Handler(_Handler):
            fake = odoo

        self.server = _Server(("127.0.0.1", 0), Handler)
        self._lock = threading.Lock()
        self.changed = threading.Condition(self._lock)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def stop(self) -> None:
        self.bus.hang_up()
        self.server.shutdown()
        self.server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def add(self, document: bytes, fingerprint: str, **values: Any) -> Waiting:
        with self.changed:
            waiting = Waiting(len(self.requests) + 1, document, fingerprint, **values)
            self.requests[waiting.id] = waiting
            return waiting

    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]

    def wait_for(self, condition: Any, timeout: float = 60) -> None:
        """Wait until the condition holds after some call."""
        with self.changed:
            assert self.changed.wait_for(condition, timeout), "the agent did not do it in time"

    def answer(self, path: str, body: dict[str, Any], headers: dict[str, str]) -> tuple[int, Any]:
        if path == "pair":
            if body["code"].replace("-", "").upper() != self.code.replace("-", ""):
                return 403, {"error": "invalid_code", "message": "Mã không đúng hoặc đã hết hạn."}
            return 200, {
                "agent": self.agent,
                "key": self.key,
                "expires_at": "2030-01-01T00:00:00Z",
                "server_time": self._now(),
                "user": "Kế toán",
                "database": self.database,
            }
        if headers.get("X-Odoo-Database") != self.database:
            return 404, None
        if headers.get("Authorization") != f"Bearer {self.key}":
            return 401, {"error": "invalid_key", "message": "Khóa không đúng."}
        if headers.get("X-Ibhxh-Agent") != self.agent:
            return 403, {"error": "wrong_device", "message": "Sai máy."}
        if path == "heartbeat":
            return 200, {
                "poll_after": self.poll_after,
                "doorbell": self.doorbell,
                "pending": sum(1 for entry in self.requests.values() if entry.state == "pending"),
                "server_time": self._now(),
                "outdated": self.outdated,
                "minimum_version": "99.0",
                "renew_key": self.renew_key,
                "deliveries": self.deliveries,
                "update": {"version": self.update} if self.update else None,
                "libraries": self.libraries,
            }
        if path == "release":
            document = self.documents.get(body["kind"])
            return (200, {"document": document}) if document else (404, {"error": "not_found", "message": ""})
        if path == "release/installer":
            return 200, self.installer
        if path == "key":
            self.key, self.renew_key = f"key-{uuid.uuid4()}", False
            return 200, {"key": self.key, "expires_at": "2031-01-01T00:00:00Z"}
        if path == "requests/claim":
            return 200, [
                self._claim(entry)
                for entry in list(self.requests.values())
                if entry.state in ("pending", "claimed" if body["resume"] else "")
                and entry.fingerprint in body["fingerprints"]
            ][: body["limit"]]
        if path == "requests/signed":
            answers = [self._act(self.requests[entry["id"]], "signed", entry) for entry in body["signed"]]
            return 200, [answer for _status, answer in answers]
        _, number, action = path.split("/")
        return self._act(self.requests[int(number)], action, body)

    def _claim(self, entry: Waiting) -> dict[str, Any]:
        entry.state = "claimed"
        return {
            "id": entry.id,
            "title": "04/ĐK-IVAN",
            "company": "Công ty",
            "document": base64.b64encode(entry.document).decode(),
            "sha256": hashlib.sha256(entry.document).hexdigest(),
            "fingerprint": entry.fingerprint,
            "lease_until": self._now(300),
            "requested_by": "Trần Văn Kế",
            "form": entry.form,
        }

    def _act(self, entry: Waiting, action: str, body: dict[str, Any]) -> tuple[int, Any]:
        if action == "renew":
            entry.renewals += 1
            if entry.state != "claimed":
                return 409, {"error": "lease_lost", "message": "Yêu cầu đã được giao cho máy khác."}
            return 200, {"lease_until": self._now(300)}
        if action == "signed":
            document = base64.b64decode(body["document"])
            entry.deliveries += 1
            if entry.busy:
                entry.busy -= 1
                return 503, {"error": "server_error", "message": "Có người đang sửa."}
            if entry.state == "signed" and entry.signed != document:
                return 409, {"error": "already_done", "message": "Đã ký."}
            entry.state, entry.signed = "signed", document
            return 200, {"state": "signed"}
        if action == "failed":
            entry.state, entry.code, entry.message = "failed", body["code"], body["message"]
            return 200, {"state": "failed"}
        entry.state = "pending"
        return 200, {"state": "pending"}

    def _now(self, later: float = 0) -> str:
        moment = dt.datetime.fromtimestamp(self.clock() + later, dt.timezone.utc)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: Any) -> None:
        """An agent that was killed broke its connection."""


class _Handler(BaseHTTPRequestHandler):
    fake: FakeOdoo
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        raw = self.rfile.read(int(self.headers["Content-Length"]))
        path = self.path[len(PREFIX) :]
        fake = self.fake
        with fake.changed:
            fake.wire += raw + str(self.headers).encode()
            body = json.loads(raw)
            fake.calls.append((path, body))
            fake.headers.append(dict(self.headers))
            fault = next((f for f in fake.faults if path.startswith(f[0])), None)
            if fault is not None:
                fake.faults.remove(fault)
                if fault[1] == -1:  # do it, but lose the answer
                    fake.answer(path, body, dict(self.headers))
                fake.changed.notify_all()
                if fault[1] <= 0:
                    self.close_connection = True
                    return
                self._send(fault[1], fault[2])
                return
            if fake.hook(f"before {path}"):
                self.close_connection = True
                return
            status, answer = fake.answer(path, body, dict(self.headers))
            fake.hook(f"after {path}")
            fake.changed.notify_all()
        if not isinstance(answer, bytes):
            answer = json.dumps(answer).encode() if answer is not None else b"<html>"
        self._send(status, answer)

    def do_GET(self) -> None:
        self.close_connection = True
        self.fake.visits.append(dict(self.headers))
        if self.path.startswith("/web/login"):
            self.send_response(302)
            self.send_header("Set-Cookie", self.fake.bus.visit(self.path.encode()))
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        key = self.headers["Sec-WebSocket-Key"].encode()
        self.fake.bus.serve(self.connection, key, self.headers.get("Cookie", ""), self.rfile)

    def _send(self, status: int, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        """Quiet."""
