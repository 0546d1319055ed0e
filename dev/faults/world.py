"""Everything that the fault suite runs: its own PostgreSQL, Odoo with several processes, the sandbox, a mail server."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psycopg2
import requests
from stdnum.vn import mst

from .. import odoo
from ..demo.mail_bridge import NAME as MAIL_SERVER
from ..demo.mail_bridge import SANDBOX_ADDRESS, MailBridge
from ..demo.odoo_web import OdooError, Person
from ..demo.processes import free_port
from ..demo.sandbox_control import SandboxControl
from ..odoo import ADMIN_LOGIN, ADMIN_PASSWORD
from ..paths import ADDON, DATA, PYTHON, RUNTIME, VENV
from .cluster import Cluster
from .people import SigningDesk
from .programs import Victim

DATABASE = "faults"
CLIENT_ID = "faults-ivan"
MAIL_DOMAIN = "thu.example.com"
MAILBOX = f"bhxh@{MAIL_DOMAIN}"
VSS_DOMAIN = "vss.sandbox.example"
CLERK, COLLEAGUE, HOLDER = "ketoan", "donghanh", "giamdoc"
QUIET = ("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send", "l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow")
"""The scheduled actions that run; all others are off, so that only what a case is about happens."""
PATIENCE = 120.0
"""Seconds. What has to happen is waited for longer than the minute after which Odoo tries again by itself."""
T = TypeVar("T")
W = TypeVar("W", bound="World")


class Unseen(AssertionError):
    """Something that had to happen was not seen in time."""


class World:
    """Starts everything when entered, stops everything when left."""

    database = DATABASE
    """Also the name of its folder under .runtime/."""
    modules: tuple[str, ...] = (ADDON,)
    """What is installed."""
    sections: Mapping[str, Mapping[str, str]] = {}
    """Sections of Odoo's configuration besides [options]."""

    variables: Mapping[str, str] = {}
    """Environment variables of its programs besides the usual ones."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self.folder = RUNTIME / self.database
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._companies = 0
        self.passwords = {ADMIN_LOGIN: ADMIN_PASSWORD}
        self._people: dict[str, Person] = {}
        self.secret = secrets.token_urlsafe(24)

    def __enter__(self: W) -> W:
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

    # -- bring-up ----------------------------------------------------------------------------------------------------

    def _start(self) -> None:
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.cluster = Cluster(self.folder / "postgres")
        self._stack.callback(self.cluster.stop)
        self.cluster.copy_template(self.database)
        self._stack.callback(shutil.rmtree, DATA / "filestore" / self.database, ignore_errors=True)
        self.config = self.write_config("odoo.conf", **self.options())
        self.run_odoo("-i", ",".join(self.modules))
        # A file, because Odoo starts its evented child from the path of its own program.
        self.launcher = self.folder / "odoo-launcher.py"
        self.launcher.write_text("from odoo.cli import main\n\nmain()\n", encoding="utf-8")
        self.odoo = self._program("odoo", [str(PYTHON), str(self.launcher), "-c", str(self.config)])
        self.start_odoo()
        admin = self.person(ADMIN_LOGIN)
        admin.create("mail.alias.domain", name=MAIL_DOMAIN)
        admin.call("ir.config_parameter", "set_param", "iap.partner_autocomplete.endpoint", "http://127.0.0.1:9")
        admin.call("ir.config_parameter", "set_param", "l10n_vn_ibhxh.mail_sender_domains", VSS_DOMAIN)
        admin.call("ir.config_parameter", "set_param", "l10n_vn_ibhxh.mail_authentication_server", MAIL_SERVER)
        self._users(admin)
        self.country = admin.reference("base.vn")
        self.agency = admin.find("l10n_vn_ibhxh.agency", ["code", "=", "001"])
        self.mail = MailBridge(self.url, self.database, self._api_key(admin), {VSS_DOMAIN: SANDBOX_ADDRESS})
        self.mail.start()
        self._stack.callback(self.mail.stop)
        self._sandbox()
        self.provider = self.make_provider(self.sandbox_url)
        self.desk = SigningDesk(self.url)
        self.desk.pair(self.pairing_code())
        self.sql("UPDATE ir_cron SET active = (id = ANY(%s))", [[admin.reference(name) for name in QUIET]])

    def options(self) -> dict[str, str | int]:
        """Entries of Odoo's configuration besides those for the database."""
        return {"http_port": self.port, "gevent_port": free_port(), "workers": 2, "max_cron_threads": 2}

    def write_config(self, name: str, **options: str | int) -> Path:
        """Write a configuration for this world's database into its folder."""
        return odoo.write_config(
            self.database,
            path=self.folder / name,
            sections=self.sections,
            db_host=self.cluster.host,
            db_port=self.cluster.port,
            db_user="odoo",
            db_password="",
            **options,
        )

    def run_odoo(self, *arguments: str) -> None:
        """Run Odoo once, to install or to upgrade.

        :raises RuntimeError: with the end of the log
        """
        log = self.folder / "setup.log"
        if odoo.run("-c", str(self.config), "-d", self.database, *arguments, "--stop-after-init", "--no-http", log=log):
            raise RuntimeError(log.read_text(encoding="utf-8")[-3000:])

    def _program(self, name: str, command: list[str]) -> Victim:
        program = Victim(name, command, self.folder / f"{name}.log", {**odoo.environment(), **self.variables})
        self._stack.callback(program.stop)
        return program

    def start_odoo(self) -> None:
        """Wait until Odoo answers, starting it whenever it does not run, as a service manager does."""

        def probe() -> bool:
            if not self.odoo.running:
                self.odoo.start()
            return self._answers(f"{self.url}/web/health?db_server_status=1")

        until("Odoo answering", probe)

    def start_sandbox(self) -> None:
        """Start the sandbox, when it does not run, with what it held."""
        if not self.sandbox.running:
            self.sandbox.start()
        until("the sandbox answering", lambda: self._answers(f"{self.sandbox_url}/_sandbox/clock"))

    @staticmethod
    def _answers(url: str) -> bool:
        with requests.Session() as session:
            session.trust_env = False
            try:
                return session.get(url, timeout=5).status_code == 200
            except requests.RequestException:
                return False

    def _users(self, admin: Person) -> None:
        for login, group in (
            (CLERK, "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"),
            (COLLEAGUE, "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"),
            (HOLDER, "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"),
        ):
            self.passwords[login] = secrets.token_urlsafe(9)
            admin.create(
                "res.users",
                name=login,
                login=login,
                password=self.passwords[login],
                email=f"{login}@{MAIL_DOMAIN}",
                notification_type="inbox",
                group_ids=[[4, admin.reference(group)]],
            )

    def _api_key(self, admin: Person) -> str:
        description = admin.create("res.users.apikeys.description", name="Mail server", duration="1")
        key: str = admin.press("res.users.apikeys.description", description, "make_key")["context"]["default_key"]
        return key

    def _sandbox(self) -> None:
        secret = self.folder / "secret"
        secret.touch(mode=0o600)
        secret.write_text(self.secret, encoding="utf-8")
        port = free_port()
        self.sandbox_url = f"http://127.0.0.1:{port}"
        command = [
            str(VENV / "bin" / "ibhxh-sandbox"),
            "--port",
            str(port),
            "--data",
            str(self.folder / "sandbox.sqlite"),
        ]
        command += ["--smtp", f"127.0.0.1:{self.mail.port}", "--client-id", CLIENT_ID, "--secret-file", str(secret)]
        # Only the mails that a case is about.
        command += ["--smtp-source", SANDBOX_ADDRESS]
        command += ["--mail-from", f"no-reply@{VSS_DOMAIN}", "--set", "weather=fair", "--set", "edition=seed"]
        self.sandbox = self._program("sandbox", command)
        self.control = Control(self.sandbox_url)
        self.start_sandbox()

    def make_provider(self, url: str, code: str = "00001", **values: Any) -> int:
        """An I-VAN organisation behind this address; returns its id."""
        return self.person(ADMIN_LOGIN).create(
            "l10n_vn_ibhxh.provider",
            **{
                "code": code,
                "name": "I-VAN thử nghiệm",
                "gateway": "sandbox",
                "url": f"{url}/ivan/v1",
                "client_id": CLIENT_ID,
                "client_secret_input": self.secret,
                "portal_hosts": self.sandbox_url.removeprefix("http://"),
                **values,
            },
        )

    # -- people ------------------------------------------------------------------------------------------------------

    def person(self, login: str) -> Person:
        """A logged-in user; logged in once."""
        if login not in self._people:
            self._people[login] = Person(self.url, self.database, login, self.passwords[login])
        return self._people[login]

    def pairing_code(self) -> str:
        """A new pairing code of the token holder."""
        shown = self.person(HOLDER).press("l10n_vn_ibhxh.agent.pairing", 0, "action_new_code")
        code: str = shown["context"]["default_code"]
        return code

    def make_company(self) -> tuple[int, str, str]:
        """A company with a tax code of its own; returns id, tax code and name."""
        digit = "10"
        while digit == "10":  # no tax code begins with these nine digits
            self._companies += 1
            base = f"01097{self._companies:04d}"
            digit = mst.calc_check_digit(base)
        tax_code = base + digit
        name = f"CÔNG TY TNHH SỰ CỐ {self._companies}"
        admin = self.person(ADMIN_LOGIN)
        company = admin.create(
            "res.company",
            name=name,
            vat=tax_code,
            country_id=self.country,
            street="Số 1 phố Thử Nghiệm",
            city="Hà Nội",
            l10n_vn_ibhxh_agency_id=self.agency,
            l10n_vn_ibhxh_provider_id=self.provider,
        )
        users = [self.person(login).uid for login in (CLERK, COLLEAGUE, HOLDER)]
        admin.call("res.users", "write", users, {"company_ids": [[4, company]]})
        return company, tax_code, name

    # -- looking and waiting -----------------------------------------------------------------------------------------

    def sql(self, query: str, parameters: list[Any] | None = None) -> list[dict[str, Any]]:
        """Run one statement; returns its rows, none when it has none."""
        with self.cluster.cursor(self.database) as cursor:
            cursor.execute(query, parameters)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    def trigger(self, cron: str) -> None:
        """Make a scheduled action (`send`, `follow`) due, then wake the scheduler."""
        action = self.person(ADMIN_LOGIN).reference(f"{ADDON}.ir_cron_{ADDON}_{cron}")
        # Whole seconds, as Odoo reckons: a moment later in this second would not be due yet.
        now = "date_trunc('second', now() AT TIME ZONE 'utc')"
        self.sql(f"INSERT INTO ir_cron_trigger (cron_id, call_at) VALUES (%s, {now})", [action])
        self.wake()

    def look(self, cron: str) -> None:
        """Make a scheduled action (`send`, `follow`) due, and wait until the scheduler has taken it up."""
        self.trigger(cron)

        def probe() -> bool:
            if self.due(cron):
                # One that is busy does not hear.
                self.wake()
                return False
            return True

        until(f"the scheduler's turn at {cron}", probe, pause=0.5)

    @contextmanager
    def switched_off(self, cron: str) -> Iterator[None]:
        """A scheduled action (`send`, `follow`) is switched off meanwhile."""
        action = self.person(ADMIN_LOGIN).reference(f"{ADDON}.ir_cron_{ADDON}_{cron}")
        self.sql("UPDATE ir_cron SET active = false WHERE id = %s", [action])
        try:
            yield
        finally:
            self.sql("UPDATE ir_cron SET active = true WHERE id = %s", [action])

    def due(self, cron: str) -> bool:
        """Whether a trigger of a scheduled action waits whose time has come."""
        action = self.person(ADMIN_LOGIN).reference(f"{ADDON}.ir_cron_{ADDON}_{cron}")
        query = "SELECT 1 FROM ir_cron_trigger WHERE cron_id = %s AND call_at <= now() AT TIME ZONE 'utc'"
        return bool(self.sql(query, [action]))

    def wake(self) -> None:
        """Let the scheduler look now what is due, as it does by itself each minute."""
        with self.cluster.cursor("postgres") as cursor:
            cursor.execute("SELECT pg_notify('cron_trigger', %s)", [self.database])

    def recover(self) -> None:
        """Whatever the last case has broken runs again."""
        self.cluster.start()
        self.start_sandbox()
        self.start_odoo()
        until("Odoo's processes with new connections", self._is_well)
        self.control.clear_faults()
        self.control.reset_clock()

    def _is_well(self) -> bool:
        """Whether Odoo answers often enough in a row that no process is left with a connection that PostgreSQL cut."""
        try:
            return all(self.person(ADMIN_LOGIN).call("res.company", "search_count", []) for _time in range(6))
        except (requests.RequestException, OdooError):
            return False


class Control(SandboxControl):
    """The sandbox's control API, with what only the faults need."""

    def is_fine(self) -> bool:
        """Whether every fault that was switched on has come to pass."""
        return not self._call("GET", "faults")

    def documents(self) -> list[dict[str, Any]]:
        """Every dossier that was taken in, with its document (base64)."""
        rows: list[dict[str, Any]] = self._call("GET", "dossiers?document=1")
        return rows

    def activate(self, token: str, code: str) -> None:
        """Enter the code on the portal's page."""
        answer = self._session.post(f"{self._url}/portal/activations/{token}", json={"code": code}, timeout=60)
        answer.raise_for_status()


def until(what: str, probe: Callable[[], T | None], seconds: float = PATIENCE, *, pause: float = 0.1) -> T:
    """Ask `probe` until it gives something; that is the answer. A database that is down gives nothing.

    :raises Unseen: after `seconds`
    """
    end = time.monotonic() + seconds
    while True:
        try:
            seen = probe()
        except psycopg2.Error as error:
            # 57P: shutting down, crashed, starting up. No code: the connection broke.
            if error.pgcode and not error.pgcode.startswith("57P"):
                raise
            seen = None
        if seen:
            return seen
        if time.monotonic() > end:
            raise Unseen(f"{what}: not seen within {seconds:.0f} s")
        time.sleep(pause)
