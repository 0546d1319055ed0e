"""A tiny HTTP server on a free loopback port that answers as a test says, faults included."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from . import signing

Answer = Callable[[socket.socket], None]


@dataclass()
class Request:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class FaultyServer:
    """Use as a context manager; ``answer`` decides what the connection gets, ``requests`` collects what came.

    ``certificate``: path of a PEM file with key and certificate, to speak TLS. ``client_ca``: PEM of who must have
    issued the client's certificate, which is asked for then.
    """

    def __init__(self, answer: Answer, certificate: str | None = None, client_ca: str | None = None) -> None:
        self._tls = None
        if certificate:
            self._tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=client_ca)
            self._tls.load_cert_chain(certificate)
            if client_ca:
                self._tls.verify_mode = ssl.CERT_REQUIRED
        self.answer = answer
        self.requests: list[Request] = []
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def url(self) -> str:
        """Base URL, as a setting of a gateway."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}/ivan/v1"

    def __enter__(self) -> FaultyServer:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._stopping.set()
        # Wakes accept(), which closing the socket alone does not do.
        with socket.create_connection(self._listener.getsockname()):
            self._thread.join()
        self._listener.close()

    def _run(self) -> None:
        while True:
            connection, _address = self._listener.accept()
            with connection:
                if self._stopping.is_set():
                    return
                connection.settimeout(60)
                with contextlib.suppress(OSError):
                    self._serve(self._tls.wrap_socket(connection, server_side=True) if self._tls else connection)

    def _serve(self, connection: socket.socket) -> None:
        with connection:
            self.requests.append(_received(connection))
            self.answer(connection)


def reply(status: int, body: Any = None, *, raw: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
    """An ordinary answer with a JSON body, or with ``raw`` bytes."""
    content = json.dumps(body).encode() if raw is None else raw
    lines = {"Content-Type": "application/json", "Content-Length": str(len(content)), "Connection": "close"}
    head = f"HTTP/1.1 {status} X\r\n" + "".join(f"{k}: {v}\r\n" for k, v in {**lines, **(headers or {})}.items())

    def answer(connection: socket.socket) -> None:
        connection.sendall(head.encode() + b"\r\n" + content)

    return answer


def reset(connection: socket.socket) -> None:
    """Close with a TCP reset."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def close(connection: socket.socket) -> None:
    """Close without a word."""
    connection.shutdown(socket.SHUT_RDWR)


def silence(connection: socket.socket) -> None:
    """Say nothing until the client gives up."""
    connection.recv(1)


def drip(connection: socket.socket) -> None:
    """One byte at a time, each in time, for ever: a time-out per read never strikes."""
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    connection.settimeout(0.02)
    while True:
        connection.sendall(b"a")
        try:
            if not connection.recv(1):
                return
        except TimeoutError:
            continue


def self_signed(*, address: str = "127.0.0.1", days: tuple[int, int] = (-1, 1), key_name: str = "tls") -> bytes:
    """PEM of a key and of its own certificate for an address, valid for these days around now."""
    key = signing.key(key_name)
    now = datetime.now(timezone.utc)
    start, end = (now + timedelta(days=count) for count in days)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, address)])
    alternative = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), start, end)
        .add_extension(alternative, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return pem + certificate.public_bytes(Encoding.PEM)


def _received(connection: socket.socket) -> Request:
    data = b""
    while b"\r\n\r\n" not in data:
        chunk = connection.recv(65536)
        if not chunk:
            raise OSError("closed")
        data += chunk
    head, _, body = data.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65536)
    method, path, _version = first.split(" ")
    return Request(method, path, headers, body)
