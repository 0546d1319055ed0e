"""Everything that runs in the demo: PostgreSQL, Odoo, the sandbox, the mail server, tokens, the agent's computer."""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime, timedelta, timezone
from types import TracebackType

import requests

from .. import database, odoo
from ..console import Problem, say
from ..paths import PYTHON, RUNTIME, VENV
from ..softhsm import TokenFolder
from .agent_pc import AgentPC
from .companies import companies, tax_code
from .mail_bridge import SANDBOX_ADDRESS, MailBridge
from .odoo_web import Person
from .processes import Program, free_port
from .sandbox_control import SandboxControl
from .transcript import NotObserved, until

DATABASE = "demo"
FOLDER = RUNTIME / "demo"
LOGS = FOLDER / "logs"
PICTURES = FOLDER / "pictures"
CLIENT_ID = "demo-ivan"
MAIL_DOMAIN = "thu.example.com"
VSS_SENDER_DOMAIN = "vss.sandbox.example"
SENDER_DOMAINS = (VSS_SENDER_DOMAIN, "ivan.sandbox.example")
"""The domains whose mails the sandbox really sends: VSS's, and an I-VAN's that Odoo has no reason to listen to."""
FOREIGN_TAX_CODE = tax_code("010999920")
PIN = "73915846"
"""PIN of every token; unlike any other number here, so that one can search for it."""


class World:
    """Starts everything when entered, stops everything when left."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.companies = companies()
        self.odoo_port = free_port()
        self.odoo_url = f"http://127.0.0.1:{self.odoo_port}"
        self.sandbox_secret = secrets.token_urlsafe(24)
        self.sandbox_url = ""
        self.passwords: dict[str, str] = {}

    def __enter__(self) -> World:
        try:
            self._start()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _start(self) -> None:
        self._stack.enter_context(_only_one())
        shutil.rmtree(FOLDER, ignore_errors=True)
        LOGS.mkdir(parents=True)
        say("A fresh database with the addon …")
        database.fresh(DATABASE)
        self._stack.callback(database.drop, DATABASE)
        say("Tokens …")
        self._make_tokens()
        say("Odoo …")
        self.odoo = self._program("odoo", self._odoo_command())
        self.odoo.start()
        self._await("Odoo", self.odoo, f"{self.odoo_url}/web/health")

    def _odoo_command(self) -> list[str]:
        config = odoo.write_config(
            DATABASE, path=FOLDER / "odoo.conf", http_port=self.odoo_port, workers=0, max_cron_threads=2
        )
        return [str(PYTHON), "-m", "odoo", "-c", str(config)]

    def _program(self, name: str, command: list[str]) -> Program:
        program = Program(name, command, LOGS / f"{name}.log", odoo.environment())
        self._stack.callback(program.stop)
        return program

    def _await(self, name: str, program: Program, url: str) -> None:
        def answers() -> bool:
            if not program.running:
                raise NotObserved(f"{name} ended at once:\n{program.tail()}")
            with requests.Session() as session:
                session.trust_env = False
                try:
                    return session.get(url, timeout=5).status_code < 500
                except requests.RequestException:
                    return False

        until(f"{name} answering", answers)

    def _make_tokens(self) -> None:
        """One token for each company on the holder's computer, and a foreign one that is plugged in by mistake."""
        self.slots = TokenFolder(FOLDER / "token")
        self.foreign_slots = TokenFolder(FOLDER / "foreign-token")
        started = datetime.now(timezone.utc) - timedelta(days=60)
        for company in self.companies.values():
            if not company.has_token:
                continue
            token = self.slots.create(f"{company.key}-CA", pin=PIN)
            company.certificate = token.add_certificate(
                tax_code=company.tax_code, name=company.name, not_before=started
            )
        self.foreign_slots.create("foreign-CA", pin=PIN).add_certificate(
            tax_code=FOREIGN_TAX_CODE, name="CÔNG TY TNHH NGƯỜI KHÁC", not_before=started
        )
        self.pc = AgentPC(FOLDER / "agent", LOGS / "agent.log")
        self._stack.callback(self.pc.pull_out)

    def start_mail(self, api_key: str) -> None:
        """Start the mail server that hands mails to Odoo."""
        self.mail = MailBridge(self.odoo_url, DATABASE, api_key, dict.fromkeys(SENDER_DOMAINS, SANDBOX_ADDRESS))
        self.mail.start()
        self._stack.callback(self.mail.stop)

    def start_sandbox(self) -> None:
        """Start the stand-in for I-VAN and VSS; after the first time on the same port and with what it held."""
        secret_file = FOLDER / "sandbox-secret"
        if not self.sandbox_url:
            secret_file.touch(mode=0o600)
            secret_file.write_text(self.sandbox_secret, encoding="utf-8")
            self._sandbox_port = free_port()
            self.sandbox_url = f"http://127.0.0.1:{self._sandbox_port}"
            command = [str(VENV / "bin" / "ibhxh-sandbox"), "--port", str(self._sandbox_port)]
            command += ["--data", str(FOLDER / "sandbox.sqlite"), "--smtp", f"127.0.0.1:{self.mail.port}"]
            command += ["--smtp-source", SANDBOX_ADDRESS]
            command += ["--client-id", CLIENT_ID, "--secret-file", str(secret_file)]
            command += ["--mail-from", f"no-reply@{VSS_SENDER_DOMAIN}"]
            self.sandbox = self._program("sandbox", command)
            self.control = SandboxControl(self.sandbox_url)
        self.sandbox.start()
        self._await("The sandbox", self.sandbox, self.sandbox_url)

    def login(self, name: str) -> Person:
        """Log a user in whose password is known here."""
        return Person(self.odoo_url, DATABASE, name, self.passwords[name])

    def log_texts(self) -> dict[str, str]:
        """The logs of all programs by name."""
        return {file.stem: file.read_text(encoding="utf-8", errors="replace") for file in LOGS.glob("*.log")}


@contextmanager
def _only_one() -> Iterator[None]:
    """Hold the lock that keeps a second demo of the same checkout out."""
    with (RUNTIME / "demo.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Problem(
                "A demo of this checkout is running already.", "Stop it with Ctrl-C, or use its addresses."
            ) from error
        yield
