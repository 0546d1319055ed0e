"""Where the agent talks to, and what it makes of the answers."""

from __future__ import annotations

import json
import ssl
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pki
import pytest
import requests

from ibhxh_agent.client import Client, Credentials, Server, ServerError, Unreachable
from ibhxh_agent.errors import AgentError


@pytest.mark.parametrize(
    ("address", "base"),
    [
        ("https://odoo.example", "https://odoo.example"),
        ("odoo.example", "https://odoo.example"),
        ("https://odoo.example:8443/odoo/", "https://odoo.example:8443/odoo"),
        ("http://localhost:8069", "http://localhost:8069"),
        ("http://127.0.0.1:8069/", "http://127.0.0.1:8069"),
        ("http://[::1]:8069", "http://[::1]:8069"),
    ],
)
def test_good_addresses(address, base):
    assert Server.parse(address).base == base


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("http://odoo.example", "plain_http"),
        ("http://192.168.1.5:8069", "plain_http"),
        ("http://localhost.example.com", "plain_http"),
        ("http://127.0.0.1.example.com", "plain_http"),
        ("ftp://odoo.example", "bad_server"),
        ("https://user:password@odoo.example", "bad_server"),
        ("https://odoo.example/?x=1", "bad_server"),
        ("https://", "bad_server"),
        ("", "bad_server"),
    ],
)
def test_bad_addresses(address, code):
    with pytest.raises(AgentError) as caught:
        Server.parse(address)
    assert caught.value.code == code


def test_the_bus_address_follows_the_scheme():
    assert Server.parse("https://odoo.example/x").websocket == "wss://odoo.example/x/websocket"
    assert Server.parse("http://localhost:1").websocket == "ws://localhost:1/websocket"


@pytest.fixture
def client(odoo):
    made = Client(Server.parse(odoo.url), odoo.database, Credentials(odoo.key, odoo.agent))
    yield made
    made.close()


def test_a_proxy_never_sees_a_call_to_this_computer(client, odoo, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert client.claim([], 1) == []


def test_the_systems_proxy_is_used_for_others(monkeypatch):
    """The proxy of the environment gets the CONNECT; nothing else goes out."""
    seen = []

    class Proxy(BaseHTTPRequestHandler):
        def do_CONNECT(self):
            seen.append(self.path)
            self.send_error(502)

        def log_message(self, *_):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{server.server_address[1]}")
    with pytest.raises(Unreachable):
        Client(Server.parse("https://odoo.invalid"), "", Credentials("k", "a")).claim([], 1)
    server.shutdown()
    server.server_close()
    assert seen == ["odoo.invalid:443"]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (302, b"", Unreachable),
        (200, b"<html>", Unreachable),
        (200, b'{"not": "a list"}', Unreachable),
        (200, b"[1]", Unreachable),
        (404, b"<html>not found</html>", Unreachable),
        (500, b'{"error": "x", "message": "y"}', Unreachable),
        (409, b'{"error": "lease_lost", "message": "y"}', ServerError),
        (413, b"<html>", ServerError),
        (429, b'{"error": "throttled", "message": "y"}', ServerError),
        (400, b'{"error": 5}', Unreachable),
    ],
)
def test_answers(client, odoo, status, body, error):
    odoo.faults.append(("requests/claim", status, body))
    with pytest.raises(error):
        client.claim([], 1)


def test_a_redirect_is_not_followed_with_the_key(client, odoo):
    odoo.faults.append(("requests/claim", 307, b""))
    with pytest.raises(Unreachable):
        client.claim([], 1)
    assert len(odoo.calls) == 1


def test_the_ids_of_requests_cannot_change_the_path(client, odoo):
    with pytest.raises((ServerError, Unreachable)):
        client.renew("1/../../pair")
    assert odoo.paths() == ["requests/1%2F..%2F..%2Fpair/renew"]


def test_ping_tells_the_servers_time(client):
    assert client.ping().tzinfo is not None


@pytest.fixture
def tls_server(tmp_path):
    """HTTPS with a certificate that nobody trusts."""
    from cryptography.hazmat.primitives import serialization

    (tmp_path / "c.pem").write_text(ssl.DER_cert_to_PEM_cert(pki.certificate(pki.key(0), name="localhost")))
    (tmp_path / "k.pem").write_bytes(
        pki.key(0).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps([]).encode())

        def log_message(self, *_):
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "c.pem", tmp_path / "k.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield f"https://localhost:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_an_untrusted_tls_certificate_is_refused_in_words(tls_server, agent):
    with pytest.raises(Unreachable) as caught:
        Client(Server.parse(tls_server), "", Credentials("k", "a")).claim([], 1)
    assert caught.value.code == "tls" and "tin cậy" in caught.value.message
    process = agent("pair", "--server", tls_server, "--code", "ABCD-EFGH")  # the command, with the system's trust store
    _, err = process.communicate(timeout=90)
    assert process.returncode == 1 and "tin cậy" in err


def test_a_body_that_breaks_off_is_unreachable(client, monkeypatch):
    def broken(*_, **__):
        raise requests.exceptions.ChunkedEncodingError("broken")

    monkeypatch.setattr(client._session, "post", broken)
    with pytest.raises(Unreachable):
        client.claim([], 1)
