"""A sandbox of its own for each test, in a thread of the test's process, with a mail server that keeps what it gets."""

from __future__ import annotations

import asyncio
import queue
import shutil
import threading
from collections.abc import Callable, Iterator
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
import requests
from aiohttp import web
from aiosmtpd.smtp import SMTP

from ibhxh_sandbox import example
from ibhxh_sandbox.server import Client, Options, Sandbox
from ibhxh_sandbox.units import Provider
from ibhxh_sandbox.web import make_app

SECRET = "mật khẩu thử"
OTHER = ("other", "khác", "00050", "I-VAN khác")
TIMEOUT = 60
"""Seconds after which something that should happen at once has not; long enough for a busy machine."""
START = "2026-03-02T02:00:00Z"


class Postbox:
    """An SMTP server's handler that keeps messages in the order in which they came."""

    def __init__(self) -> None:
        self.arrived: queue.Queue[tuple[list[str], EmailMessage]] = queue.Queue()
        self.answers: list[str] = []
        self.address = ("127.0.0.1", 0)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.answers:
            return self.answers.pop(0)
        message = message_from_bytes(envelope.content, policy=policy.default)
        self.arrived.put((envelope.rcpt_tos, message))
        return "250 OK"

    def next(self) -> EmailMessage:
        """The next mail; fails when none comes."""
        return self.arrived.get(timeout=TIMEOUT)[1]


class Running:
    """A running sandbox and shortcuts to talk to it."""

    def __init__(self, sandbox: Sandbox, loop: asyncio.AbstractEventLoop, port: int) -> None:
        self.sandbox = sandbox
        self.origin = f"http://127.0.0.1:{port}"
        self.port = port
        self._loop = loop
        self.auth = ("sandbox", SECRET.encode())
        self.identity = IDENTITY

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        """A call of the gateway with the client's credentials."""
        options = {"auth": self.auth, "timeout": TIMEOUT, **options}
        return requests.request(method, f"{self.origin}/ivan/v1{path}", **options)

    def control(self, path: str, body: Any = None) -> Any:
        """A call of the control API; fails on anything but success."""
        url = f"{self.origin}/_sandbox/{path}"
        response = (
            requests.get(url, timeout=TIMEOUT) if body is None else requests.post(url, json=body, timeout=TIMEOUT)
        )
        assert response.ok, response.text
        return response.json()

    def post(self, body: dict[str, Any], **options: Any) -> requests.Response:
        """Send a request body as it is."""
        headers = {"Idempotency-Key": body["client_reference"]}
        return self.call("POST", "/dossiers", **{"json": body, "headers": headers, **options})

    def submit(
        self,
        form: str = "04",
        changes: dict[str, str] | None = None,
        identity: example.Identity | None = None,
        **options: Any,
    ) -> requests.Response:
        """Sign and send a dossier."""
        return self.post(self.body(form, changes, identity), **options)

    def body(
        self, form: str = "04", changes: dict[str, str] | None = None, identity: example.Identity | None = None
    ) -> dict[str, Any]:
        """A request body with a signed dossier."""
        document = example.sign(example.unsigned(form, changes), identity or self.identity)
        return dict(example.request_body(form, document, changes))

    def progress(self, reference: str) -> dict[str, Any]:
        """The progress of a dossier that exists."""
        response = self.call("GET", f"/dossiers/{reference}")
        assert response.status_code == 200, response.text
        return dict(response.json())

    def dossier(self, reference: str) -> dict[str, Any]:
        """What the control API says of a dossier."""
        return next(row for row in self.control("dossiers") if row["reference"] == reference)

    def unit(self, tax_code: str = example.HEAD["MaSoThue"]) -> dict[str, Any]:
        """What the control API says of a unit."""
        return next(row for row in self.control("units") if row["tax_code"] == tax_code.replace("-", ""))

    def activate(self, reference: str, code: str | None = None, reset_password: bool = False) -> requests.Response:
        """Send the code (by default the right one) the way the portal page does."""
        dossier = self.dossier(reference)
        body = {"code": dossier["code"] if code is None else code, "reset_password": reset_password}
        return requests.post(f"{self.origin}/portal/activations/{dossier['token']}", json=body, timeout=TIMEOUT)

    def register(self, **options: Any) -> str:
        """Register the example unit from end to end; the reference of its form 04."""
        response = self.submit("04", **options)
        assert response.status_code == 201, response.text
        reference = str(response.json()["client_reference"])
        assert self.activate(reference).status_code == 200
        return reference


IDENTITY = example.make_identity()


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file with a VSS key, so that not every test makes one."""
    path = tmp_path_factory.mktemp("template") / "data.sqlite"
    sandbox = Sandbox(Options(clients={}, data=path))
    sandbox.store.close()
    return path


@pytest.fixture
def start(data_file: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Iterator[Callable[..., Running]]:
    """Start sandboxes; they end with the test, which fails when one of them made a mistake of its own."""
    endings: list[Callable[[], None]] = []

    def start_one(**options: Any) -> Running:
        data = tmp_path / f"data{len(endings)}.sqlite"
        shutil.copy(data_file, data)
        ready: queue.Queue[Running] = queue.Queue()

        async def serve() -> None:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            endings.append(lambda: (loop.call_soon_threadsafe(stop.set), thread.join())[0])
            clients = {
                "sandbox": Client(Provider("00001", "I-VAN thử nghiệm"), SECRET),
                OTHER[0]: Client(Provider(OTHER[2], OTHER[3]), OTHER[1]),
            }
            sandbox = Sandbox(
                Options(**{"clients": clients, "data": data, "portal_url": "http://portal.test", **options})
            )
            # What a client still sends is heard out however long it takes: else its connection is reset, and with it
            # the answer lost (a dossier that is too large).
            runner = web.AppRunner(make_app(sandbox), access_log=None, shutdown_timeout=0.2, lingering_time=TIMEOUT)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            ready.put(Running(sandbox, loop, runner.addresses[0][1]))
            await stop.wait()
            await runner.cleanup()

        thread = threading.Thread(target=lambda: asyncio.run(serve()))
        thread.start()
        return ready.get(timeout=TIMEOUT)

    yield start_one
    for end in endings:
        end()
    mistakes = [record.getMessage() for record in caplog.get_records("call") if record.name == "aiohttp.server"]
    assert mistakes == []


@pytest.fixture
def sandbox(start: Callable[..., Running]) -> Running:
    """A sandbox without a mail server, in fair weather, its clock stopped at START."""
    running = start(settings={"weather": "fair"})
    running.control("clock", {"set": START, "frozen": True})
    return running


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    """A mail server on a free port; `address` is where it listens."""
    handler = Postbox()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0))
    handler.address = server.sockets[0].getsockname()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    yield handler
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    server.close()
    loop.run_until_complete(_cancel_all())
    loop.close()


async def _cancel_all() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


@pytest.fixture
def mailing(postbox: Postbox, start: Callable[..., Running]) -> Running:
    """A sandbox that mails to `postbox` (and ends before it does), in fair weather, its clock stopped at START."""
    running = start(smtp=postbox.address, settings={"weather": "fair"})
    running.control("clock", {"set": START, "frozen": True})
    return running
