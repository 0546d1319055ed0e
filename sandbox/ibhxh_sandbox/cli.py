"""Command line: `ibhxh-sandbox`. Prints one JSON line when it is ready and runs until SIGINT or SIGTERM."""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import signal
import socket
import ssl
import sys
from pathlib import Path

from aiohttp import web

from .seed import add_units
from .server import Client, Options, Sandbox
from .settings import Settings
from .store import StoreError
from .units import Provider
from .web import make_app
from .web_gateway import PREFIX


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ibhxh-sandbox", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: loopback only)")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (0: a free one)")
    parser.add_argument("--data", default=":memory:", metavar="FILE", help="SQLite file that keeps everything")
    parser.add_argument("--smtp", metavar="HOST:PORT", help="mail server; without it mails stay on the mailbox page")
    parser.add_argument("--smtp-source", metavar="ADDRESS", help="address of this machine that mails are sent from")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        type=Settings.parse,
        help="a setting of the control API; may be repeated",
    )
    parser.add_argument("--client-id", default="sandbox", help="user name of the I-VAN client")
    parser.add_argument("--secret-file", type=Path, required=True, help="file with the I-VAN client's secret")
    parser.add_argument("--provider-code", default="00001", help="the client's I-VAN code (MaIVan)")
    parser.add_argument("--provider-name", default="I-VAN thử nghiệm", help="the client's name")
    parser.add_argument("--portal-url", help="address of the portal in mails (default: where the server listens)")
    parser.add_argument("--mail-from", default=Options.sender, help="sender of the mails")
    parser.add_argument("--seed", type=Path, help="JSON file with units, I-VAN clients and people with keys")
    parser.add_argument("--control-token-file", type=Path, help="bearer token that the control API asks for")
    parser.add_argument("--tls-certificate", type=Path, help="PEM certificate chain: serve HTTPS")
    parser.add_argument("--tls-key", type=Path, help="PEM key of --tls-certificate")
    return parser


def _secret(path: Path) -> str:
    return path.read_text(encoding="utf-8").strip()


def main(arguments: list[str] | None = None) -> None:
    """Run the sandbox."""
    options = _arguments().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(_serve(options))
    except StoreError as error:
        sys.exit(f"ibhxh-sandbox: {error}")


async def _serve(given: argparse.Namespace) -> None:
    listening = socket.create_server((given.host, given.port), backlog=512)
    port = listening.getsockname()[1]
    context = None
    if given.tls_certificate:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(given.tls_certificate, given.tls_key)
    origin = f"{'https' if context else 'http'}://{given.host}:{port}"
    seed = json.loads(given.seed.read_text(encoding="utf-8")) if given.seed else {}
    clients = {given.client_id: Client(Provider(given.provider_code, given.provider_name), _secret(given.secret_file))}
    for client in seed.get("clients", []):
        clients[client["id"]] = Client(Provider(client["code"], client["name"]), client["secret"])
    smtp_host, _, smtp_port = (given.smtp or "").rpartition(":")
    sandbox = Sandbox(
        Options(
            clients=clients,
            data=given.data,
            smtp=(smtp_host, int(smtp_port)) if given.smtp else None,
            smtp_source=given.smtp_source,
            settings={name: value for setting in given.set for name, value in setting.items()},
            portal_url=(given.portal_url or origin).rstrip("/"),
            sender=given.mail_from,
            control_token=_secret(given.control_token_file) if given.control_token_file else None,
        )
    )
    add_units(sandbox.store, seed.get("units", []), change=False)
    for person in seed.get("people", []):
        sandbox.remote.add_person(**person)
    runner = web.AppRunner(make_app(sandbox), access_log=None, shutdown_timeout=1, lingering_time=2)
    await runner.setup()
    await web.SockSite(runner, listening, ssl_context=context).start()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ready = {
        "port": port,
        "gateway": f"{origin}{PREFIX}",
        "portal": f"{origin}/",
        "mailbox": f"{origin}/#/hop-thu",
        "remote": f"{origin}/remote",
        "phone": f"{origin}/phone/",
    }
    print(json.dumps(ready), flush=True)
    await stop.wait()
    await runner.cleanup()


if __name__ == "__main__":
    main()
