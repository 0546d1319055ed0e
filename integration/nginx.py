"""nginx as the administrator's guide configures it: the configuration is read from the page."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import requests

from .ca import self_signed
from .programs import Program, free_port
from .waiting import until
from dev.paths import ROOT
from dev.setup import nginx

GUIDE = ROOT / "docs" / "admin-guide.md"
AROUND = """{user}
daemon off;
pid {folder}/nginx.pid;
worker_processes 1;
events {{}}
http {{
    access_log {folder}/access.log;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/servers/*.conf;
}}
"""
"""What Debian's nginx.conf has around a site, with folders that an ordinary user may write to."""


def guide() -> str:
    """The server as the page shows it."""
    (found,) = re.findall(r"^```nginx\n(.*?)^```$", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(found)


def adapted(server: str, changes: dict[str, str]) -> str:
    """The server with these parts of it replaced, each of which stands there exactly once."""
    for old, new in changes.items():
        if server.count(old) != 1:
            raise ValueError(f"{GUIDE.name}: {old!r} has to stand in the nginx server once")
        server = server.replace(old, new)
    return server


class Proxy:
    """One nginx with two sites of the same Odoo: as in the guide, and without the websocket."""

    def __init__(self, folder: Path, *, http_port: int, gevent_port: int) -> None:
        """:param folder: must not exist"""
        (folder / "servers").mkdir(parents=True)
        self.folder = folder
        self.authority = folder / "tls.pem"
        """The certificate, which is its own authority."""
        key = folder / "tls.key"
        key.touch(mode=0o600)
        certificate, private = self_signed()
        self.authority.write_bytes(certificate)
        key.write_bytes(private)
        self.url, self.silent_url = (f"https://127.0.0.1:{port}" for port in self._write(key, http_port, gevent_port))
        user = "user root;" if os.geteuid() == 0 else ""
        configuration = folder / "nginx.conf"
        configuration.write_text(AROUND.format(folder=folder, user=user), encoding="utf-8")
        command = [str(nginx.program()), "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
        self._program = Program("nginx", command, folder / "nginx.log", nginx.environment())

    def _write(self, key: Path, http_port: int, gevent_port: int) -> tuple[int, int]:
        silent = re.sub(r"^    location /websocket \{.*?^    \}\n", "", guide(), flags=re.MULTILINE | re.DOTALL)
        ports = free_port(), free_port()
        for name, server, port in (("site", guide(), ports[0]), ("silent", silent, ports[1])):
            changes = {
                "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
                "/etc/ssl/odoo.congty.vn.pem": str(self.authority),
                "/etc/ssl/odoo.congty.vn.key": str(key),
                "http://127.0.0.1:8069": f"http://127.0.0.1:{http_port}",
            }
            if name == "site":
                changes["http://127.0.0.1:8072"] = f"http://127.0.0.1:{gevent_port}"
            (self.folder / "servers" / f"{name}.conf").write_text(adapted(server, changes), encoding="utf-8")
        return ports

    def start(self) -> None:
        """Start it and wait until it passes a request on to Odoo."""
        self._program.start()
        until("nginx", self._answers)

    def _answers(self) -> bool:
        try:
            return self.session().get(f"{self.url}/web/health", timeout=5).status_code == 200
        except requests.ConnectionError:
            return False

    def stop(self) -> None:
        """Stop it."""
        self._program.stop()

    def session(self, address: str = "127.0.0.1") -> requests.Session:
        """Connections from this address of the loopback interface."""
        session = requests.Session()
        session.trust_env = False
        session.verify = str(self.authority)
        session.mount("https://", _From(address))
        return session

    def requests(self) -> list[str]:
        """What was asked so far and is answered, such as `GET /web/login`."""
        text = (self.folder / "access.log").read_text(encoding="utf-8")
        return re.findall(r'"([A-Z]+ [^ ?"]+)', text)


class _From(requests.adapters.HTTPAdapter):
    def __init__(self, address: str) -> None:
        self._address = address
        super().__init__()

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:
        """Called by requests."""
        super().init_poolmanager(connections, maxsize, block, source_address=(self._address, 0), **options)
