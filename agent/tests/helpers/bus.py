"""The websocket side of Odoo's bus, as far as the doorbell needs it."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import socket
import struct
import threading
from dataclasses import dataclass, field

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass
class FakeBus:
    """Accepts subscribers on /websocket and rings them.

    As Odoo does, it gives a visitor of the login page a session, and closes a line without one with code 4001.
    """

    headers: list[bytes] = field(default_factory=list)
    channels: list[str] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    visits: list[bytes] = field(default_factory=list)
    pongs: int = 0
    answer_pings: bool = True

    def __post_init__(self) -> None:
        self._lines: list[socket.socket] = []
        self.changed = threading.Condition()

    def start(self) -> FakeBus:
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def stop(self) -> None:
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """Break every line, as a server that restarts does."""
        with self.changed:
            for line in self._lines:
                with contextlib.suppress(OSError):
                    line.shutdown(socket.SHUT_RDWR)
            self._lines.clear()

    def wait_subscribed(self, count: int = 1, timeout: float = 60) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.channels) >= count, timeout), self.channels

    def ring(self, kind: str = "l10n_vn_ibhxh/doorbell") -> None:
        self.send(json.dumps([{"id": 1, "message": {"type": kind, "payload": {}}}]).encode())

    def send(self, data: bytes) -> None:
        with self.changed:
            for line in self._lines:
                line.sendall(_frame(0x1, data))

    def ping(self) -> None:
        with self.changed:
            for line in self._lines:
                line.sendall(_frame(0x9, b"x"))

    def _accept(self) -> None:
        while True:
            try:
                line, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(line,), daemon=True).start()

    def _serve(self, line: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = line.recv(4096)
            if not data:  # hung up before it asked for anything
                return
            head += data
        if head.startswith(b"GET /web/login"):
            cookie = self.visit(head.split(b" ")[1])
            line.sendall(f"HTTP/1.1 302 Found\r\nSet-Cookie: {cookie}\r\nContent-Length: 0\r\n\r\n".encode())
            line.close()
            return
        self.headers.append(head)
        rows = [row.split(b":", 1) for row in head.split(b"\r\n")[1:] if row]
        values = {name.lower(): value.strip() for name, value in rows}
        self.serve(line, values[b"sec-websocket-key"], values.get(b"cookie", b"").decode(), line.makefile("rb"))

    def visit(self, path: bytes) -> str:
        """Somebody opened the login page; the cookie to set."""
        self.visits.append(path)
        self.sessions.append(f"session-{len(self.visits)}")
        return f"session_id={self.sessions[-1]}; HttpOnly; Path=/"

    def serve(self, line: socket.socket, key: bytes, cookie: str, stream: object) -> None:
        """Upgrade a connection whose request was read already, and keep it until it ends."""
        accept = base64.b64encode(hashlib.sha1(key + _MAGIC).digest())
        line.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
        )
        if cookie.removeprefix("session_id=") not in self.sessions:
            line.sendall(_frame(0x8, struct.pack(">H", 4001)))
            with contextlib.suppress(OSError, ValueError, struct.error):  # as Odoo does, it hears the other side out
                while _read(stream)[0] != 0x8:
                    pass
            return
        with self.changed:
            self._lines.append(line)
        try:
            while True:
                opcode, data = _read(stream)
                with self.changed:
                    if opcode == 0x1:
                        self.channels += json.loads(data)["data"]["channels"]
                    elif opcode == 0x9 and self.answer_pings:
                        line.sendall(_frame(0xA, data))
                    elif opcode == 0xA:
                        self.pongs += 1
                    elif opcode == 0x8:
                        return
                    self.changed.notify_all()
        except (OSError, ValueError, struct.error):
            return


def _frame(opcode: int, data: bytes) -> bytes:
    length = bytes([len(data)]) if len(data) < 126 else b"\x7e" + struct.pack(">H", len(data))
    return bytes([0x80 | opcode]) + length + data


def _read(stream: object) -> tuple[int, bytes]:
    first, second = stream.read(2)  # type: ignore[attr-defined]
    length = second & 0x7F
    if length == 126:
        (length,) = struct.unpack(">H", stream.read(2))  # type: ignore[attr-defined]
    mask = stream.read(4)  # type: ignore[attr-defined]
    data = stream.read(length)  # type: ignore[attr-defined]
    return first & 0x0F, bytes(byte ^ mask[i % 4] for i, byte in enumerate(data))
