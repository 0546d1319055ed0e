"""A whole system of real programs on the loopback interface: PostgreSQL, Odoo, mail server, sandbox, agents.

    with Stack("mail") as stack:                     # everything, ready for the first registration
        company = stack.make_company()               # Company(id, tax_code, name), for every user
        stack.person("ketoan").press(…)              # what the web client would call (CLERK, COLLEAGUE, HOLDER, admin)
        stack.fake_agent.plug_in(certificate)        # the agent protocol with a key in memory
        stack.agent(1).plug_in(slots, pin)           # the real ibhxh-agent, paired; tokens: softhsm.TokenFolder
        stack.control.fault(endpoint="submit", …)    # the sandbox: faults, clock, dossiers, mails
        stack.sql("SELECT …")                        # past Odoo, straight into its database
        stack.trigger("send")                        # a scheduled action, now
        stack.odoo.kill(); stack.start_odoo()

    Stack("kills", own_postgres=True)                # stack.cluster.kill(), .start()
    Stack("jobs", modules=(ADDON, "queue_job"), options={"server_wide_modules": "base,web,queue_job"})
    Stack("hosts", hosts=2, proxy=True)              # stack.hosts[1], stack.proxy.url; person(login, url=…)
    Stack("demo", workers=0, ready=False)            # database and Odoo only: start_mail, add_user … follow

Each stack has a database, a folder `.runtime/stacks/<name>` (configuration, logs, data; it stays until the next start)
and ports of its own, so that stacks of different names run beside each other. `case.Case` is one company in a stack
with what every test does to it; `job_queue`, `locks`, `bus_page` and `browser` are further hands and eyes.
"""

from __future__ import annotations

import fcntl
import secrets
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import psycopg2.extras
import requests

from .agent_computer import AgentComputer
from .cluster import Cluster
from .companies import tax_codes
from .fake_agent import FakeAgent
from .mail_bridge import NAME as MAIL_SERVER
from .mail_bridge import SANDBOX_ADDRESS, MailBridge
from .nginx import Proxy
from .odoo_web import OdooError, Person
from .programs import Program, free_port
from .sandbox_control import SandboxControl
from .softhsm import PIN
from .waiting import NotObserved, until
from dev import database, odoo, postgres
from dev.console import Problem
from dev.odoo import ADMIN_LOGIN, ADMIN_PASSWORD
from dev.paths import ADDON, PYTHON, RUNTIME, VENV

CLIENT_ID = "thu-ivan"
MAIL_DOMAIN = "thu.example.com"
MAILBOX = f"bhxh@{MAIL_DOMAIN}"
VSS_DOMAIN = "vss.sandbox.example"
"""Where the sandbox's mails of VSS come from."""
NOWHERE = "http://127.0.0.1:9"
CLERK, COLLEAGUE, HOLDER = "ketoan", "donghanh", "giamdoc"
USERS = f"{ADDON}.group_{ADDON}_user"
SCHEDULED = ("send", "follow")
"""The scheduled actions that run; all others are off, so that only what a test is about happens."""
FAIR = {"weather": "fair", "edition": "seed"}
"""Settings of the sandbox with which it writes no mails but those that a test is about."""
S = TypeVar("S", bound="Stack")


@dataclass(frozen=True)
class Company:
    """One company in Odoo."""

    id: int
    tax_code: str
    name: str


class Stack:
    """Starts everything when entered, stops everything when left."""

    def __init__(
        self,
        name: str,
        *,
        modules: Sequence[str] = (ADDON,),
        own_postgres: bool = False,
        workers: int = 2,
        hosts: int = 1,
        proxy: bool = False,
        options: Mapping[str, str | int] | None = None,
        sections: Mapping[str, Mapping[str, str]] | None = None,
        variables: Mapping[str, str] | None = None,
        scheduled: Collection[str] = SCHEDULED,
        sandbox: Mapping[str, str] = FAIR,
        ready: bool = True,
    ) -> None:
        """:param name: of its database and of its folder
        :param modules: what is installed, the addon first
        :param own_postgres: a server of its own, :attr:`cluster`, which may be killed
        :param workers: Odoo's worker processes; 0 is one process with threads
        :param hosts: how many installations of Odoo there are, which share nothing but PostgreSQL
        :param proxy: an nginx in front of the first host, configured as docs/admin-guide.md says: :attr:`proxy`
        :param options: further entries of the [options] section of Odoo's configuration
        :param sections: further sections of it
        :param variables: environment variables of Odoo besides the usual ones
        :param scheduled: the addon's scheduled actions that are on once the stack is ready; all others are off
        :param sandbox: the sandbox's settings
        :param ready: also set up what the first registration needs; else only database and Odoo are started
        """
        self.database = name
        self.folder = RUNTIME / "stacks" / name
        self.passwords = {ADMIN_LOGIN: ADMIN_PASSWORD}
        self.secret = secrets.token_urlsafe(24)
        """The password at the I-VAN."""
        self.sandbox_url = ""
        self.hosts: list[Program] = []
        self.urls = [f"http://127.0.0.1:{free_port()}" for _host in range(hosts)]
        self.server: postgres.Server
        self.odoo_options: dict[str, str | int] = {
            "workers": workers,
            "max_cron_threads": 2,
            **({"proxy_mode": "True"} if proxy else {}),
            **(options or {}),
        }
        """Entries of the configuration that all hosts share; :meth:`configure` writes it again."""
        self._gevent_ports = [free_port() for _host in range(hosts)]
        self._modules = tuple(modules)
        self._own_postgres = own_postgres
        self._has_proxy = proxy
        self._sections = sections
        self._variables = variables or {}
        self._scheduled = scheduled
        self._sandbox_settings = sandbox
        self._is_ready = ready
        self._exit = ExitStack()
        self._people: dict[tuple[str, str], Person] = {}
        self._agents: dict[int, AgentComputer] = {}
        self._pairing_codes: list[str] = []
        self._tax_codes = tax_codes("01097")

    def __enter__(self: S) -> S:
        try:
            self._start()
            if self._is_ready:
                self._make_ready()
        except BaseException:
            self._exit.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    # -- database and Odoo -------------------------------------------------------------------------------------------

    def _start(self) -> None:
        self._exit.enter_context(_only_one(self.database))
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self._make_database()
        # A file, because Odoo starts its evented child from the path of its own program.
        launcher = self.folder / "odoo-launcher.py"
        launcher.write_text("from odoo.cli import main\n\nmain()\n", encoding="utf-8")
        self.configure()
        for number in range(len(self.urls)):
            command = [str(PYTHON), str(launcher), "-c", str(self.config(number))]
            self.hosts.append(self.program(_odoo_name(number), command, {**odoo.environment(), **self._variables}))
        self.start_odoo()
        if self._has_proxy:
            port = int(self.url.rpartition(":")[2])
            self.proxy = Proxy(self.folder / "nginx", http_port=port, gevent_port=self._gevent_ports[0])
            self.proxy.start()
            self._exit.callback(self.proxy.stop)

    def _make_database(self) -> None:
        source = database.installed(*self._modules[1:])
        if self._own_postgres:
            self.cluster = Cluster(self.folder / "postgres")
            self._exit.callback(self.cluster.stop)
            self.server = self.cluster.server
            self.cluster.copy(source, self.database)
            self._exit.callback(shutil.rmtree, database.filestore(self.database), ignore_errors=True)
        else:
            self.server = postgres.server()
            with database.exclusively():
                database.copy(source, self.database)
            self._exit.callback(database.drop, self.database)

    @property
    def url(self) -> str:
        """Where the first Odoo listens."""
        return self.urls[0]

    @property
    def odoo(self) -> Program:
        """The first Odoo."""
        return self.hosts[0]

    def config(self, number: int = 0) -> Path:
        """The configuration file of a host."""
        return self.folder / f"{_odoo_name(number)}.conf"

    def configure(self) -> None:
        """Write the configuration of every host, for its next start."""
        for number, url in enumerate(self.urls):
            own: dict[str, str | int] = {
                "http_port": url.rpartition(":")[2],
                "gevent_port": self._gevent_ports[number],
                **({"data_dir": str(self.folder / f"data{number + 1}")} if number else {}),
            }
            self.write_config(self.config(number), {**self.odoo_options, **own})

    def write_config(self, path: Path, options: Mapping[str, str | int], name: str | None = None) -> None:
        """Write a configuration for this stack's PostgreSQL.

        :param options: entries of the [options] section
        :param name: the database; default the stack's
        """
        connection: dict[str, str | int] = {
            "db_host": self.server.host,
            "db_port": self.server.port,
            "db_user": self.server.user,
            "db_password": self.server.password,
        }
        odoo.write_config(name or self.database, path=path, sections=self._sections, **{**connection, **options})

    def run_odoo(self, *arguments: str) -> None:
        """Run Odoo once, to install or to upgrade.

        :raises RuntimeError: with the end of the log
        """
        log = self.folder / "setup.log"
        common = ["-c", str(self.config()), "-d", self.database, "--stop-after-init", "--no-http"]
        if odoo.run(*common, *arguments, log=log):
            raise RuntimeError(log.read_text(encoding="utf-8")[-3000:])

    def shell_command(self) -> list[str]:
        """The command line of Odoo's shell on the stack's database."""
        return [str(PYTHON), "-m", "odoo", "shell", "-c", str(self.config()), "-d", self.database, "--no-http"]

    def program(self, name: str, command: list[str], environment: Mapping[str, str]) -> Program:
        """A program, not started, whose log is in the folder; it is stopped with the stack."""
        program = Program(name, command, self.folder / f"{name}.log", environment)
        self._exit.callback(program.stop)
        return program

    def start_odoo(self) -> None:
        """Wait until every Odoo answers, starting those that do not run, as a service manager does."""

        def probe() -> bool:
            for host in self.hosts:
                if not host.running:
                    host.start()
            return all(_answers(f"{url}/web/health?db_server_status=1") for url in self.urls)

        try:
            until("Odoo answering", probe)
        except NotObserved as error:
            raise NotObserved(f"{error}\n{self.odoo.tail(40)}") from error

    # -- what the first registration needs ---------------------------------------------------------------------------

    def _make_ready(self) -> None:
        self.stay_inside()
        self.add_mail_domain()
        for login in (CLERK, COLLEAGUE, HOLDER):
            self.add_user(login, USERS, name=login)
        self.start_mail({VSS_DOMAIN: SANDBOX_ADDRESS})
        self.start_sandbox()
        self.provider = self.make_provider(self.sandbox_url)
        on = [self.admin.reference(f"{ADDON}.ir_cron_{ADDON}_{name}") for name in self._scheduled]
        self.sql("UPDATE ir_cron SET active = (id = ANY(%s))", [on])

    def stay_inside(self) -> None:
        """Let Odoo look up companies nowhere, instead of at its own service."""
        self.set_parameter("iap.partner_autocomplete.endpoint", NOWHERE)

    def install_language(self, code: str) -> None:
        """Let users choose this language, such as vi_VN."""
        language = self.admin.call("res.lang", "search", [["code", "=", code]], context={"active_test": False})
        wizard = self.admin.create("base.language.install", lang_ids=[[6, 0, language]])
        self.admin.press("base.language.install", wizard, "lang_install")

    def add_mail_domain(self) -> None:
        """The company's mail domain, whose mail server says who sent a mail."""
        self.admin.create("mail.alias.domain", name=MAIL_DOMAIN)
        settings = self.admin.create(
            "res.config.settings",
            l10n_vn_ibhxh_mail_sender_domains=VSS_DOMAIN,
            l10n_vn_ibhxh_mail_authentication_server=MAIL_SERVER,
        )
        self.admin.press("res.config.settings", settings, "execute")

    def set_parameter(self, key: str, value: str) -> None:
        """Set a system parameter."""
        self.admin.call("ir.config_parameter", "set_param", key, value)

    def add_user(self, login: str, *groups: str, **values: Any) -> int:
        """A user with a password of its own; returns its id.

        :param groups: XML ids
        """
        self.passwords[login] = secrets.token_urlsafe(9)
        return self.admin.create(
            "res.users",
            **{
                "login": login,
                "password": self.passwords[login],
                "email": f"{login}@{MAIL_DOMAIN}",
                "notification_type": "inbox",
                "group_ids": [[4, self.admin.reference(group)] for group in groups],
                **values,
            },
        )

    def start_mail(self, domains: Mapping[str, str]) -> None:
        """Start the mail server that hands mails to Odoo.

        :param domains: domain -> address of this machine from which its mails come
        """
        model = "res.users.apikeys.description"
        description = self.admin.create(model, name="Mail server", duration="1")
        key: str = self.admin.press(model, description, "make_key")["context"]["default_key"]
        self.mail = MailBridge(self.url, self.database, key, domains)
        self.mail.start()
        self._exit.callback(self.mail.stop)

    def start_sandbox(self) -> None:
        """Start the stand-in for I-VAN and VSS when it does not run; after the first time with what it held.

        It mails when the mail server was started before.
        """
        if not self.sandbox_url:
            self.sandbox_url = f"http://127.0.0.1:{free_port()}"
            self.sandbox = self.program("sandbox", self._sandbox_command(), {})
            self.control = SandboxControl(self.sandbox_url)
        if not self.sandbox.running:
            self.sandbox.start()
        until("the sandbox answering", lambda: _answers(f"{self.sandbox_url}/_sandbox/clock"))

    @property
    def secret_file(self) -> Path:
        """The file with the password at the I-VAN."""
        file = self.folder / "secret"
        if not file.exists():
            file.touch(mode=0o600)
            file.write_text(self.secret, encoding="utf-8")
        return file

    def _sandbox_command(self) -> list[str]:
        command = [str(VENV / "bin" / "ibhxh-sandbox"), "--port", self.sandbox_url.rpartition(":")[2]]
        command += ["--data", str(self.folder / "sandbox.sqlite")]
        command += ["--client-id", CLIENT_ID, "--secret-file", str(self.secret_file)]
        command += ["--mail-from", f"no-reply@{VSS_DOMAIN}"]
        if hasattr(self, "mail"):
            command += ["--smtp", f"127.0.0.1:{self.mail.port}", "--smtp-source", SANDBOX_ADDRESS]
        for name, value in self._sandbox_settings.items():
            command += ["--set", f"{name}={value}"]
        return command

    def make_provider(self, url: str, code: str = "00001", **values: Any) -> int:
        """An I-VAN organisation behind this address; returns its id."""
        return self.admin.create(
            f"{ADDON}.provider",
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

    # -- companies, people, computers --------------------------------------------------------------------------------

    def company_values(self, tax_code: str, name: str) -> dict[str, Any]:
        """What has to be filled in of a company before it can register, its provider left out."""
        return {
            "name": name,
            "vat": tax_code,
            "country_id": self._country,
            "street": "Số 1 phố Thử Nghiệm",
            "city": "Hà Nội",
            f"{ADDON}_agency_id": self._agency,
        }

    @cached_property
    def _country(self) -> int:
        return self.admin.reference("base.vn")

    @cached_property
    def _agency(self) -> int:
        return self.admin.find(f"{ADDON}.agency", ["code", "=", "001"])

    def make_company(self) -> Company:
        """A company with a tax code of its own, which every user may choose."""
        tax_code = next(self._tax_codes)
        name = f"CÔNG TY TNHH THỬ {tax_code}"
        values = {**self.company_values(tax_code, name), f"{ADDON}_provider_id": self.provider}
        company = Company(self.admin.create("res.company", **values), tax_code, name)
        users = [self.person(login).uid for login in (CLERK, COLLEAGUE, HOLDER)]
        self.admin.call("res.users", "write", users, {"company_ids": [[4, company.id]]})
        return company

    def log_in(self, login: str, url: str | None = None) -> Person:
        """A user who has just logged in, with the language that is set now.

        :param url: default the first host's
        """
        address = url or self.url
        trust = self.proxy.authority if address.startswith("https:") else None
        return Person(address, self.database, login, self.passwords[login], trust=trust)

    @property
    def admin(self) -> Person:
        """The administrator, logged in."""
        return self.person(ADMIN_LOGIN)

    def person(self, login: str, url: str | None = None) -> Person:
        """A logged-in user; logged in once at each address.

        :param url: default the first host's
        """
        key = (login, url or self.url)
        if key not in self._people:
            self._people[key] = self.log_in(login, url)
        return self._people[key]

    @contextmanager
    def moved(self, login: str, url: str) -> Iterator[None]:
        """What this user does meanwhile is done at another address, such as the second host's."""
        usual = self.person(login)
        self._people[login, self.url] = self.person(login, url)
        yield
        self._people[login, self.url] = usual

    def pairing_code(self, login: str = HOLDER) -> str:
        """A new pairing code of this user."""
        shown = self.person(login).press(f"{ADDON}.agent.pairing", 0, "action_new_code")
        code: str = shown["context"]["default_code"]
        self._pairing_codes.append(code)
        return code

    @cached_property
    def fake_agent(self) -> FakeAgent:
        """A computer of the holder's without a token, paired when it is first asked for."""
        agent = FakeAgent(self.url)
        agent.pair(self.pairing_code())
        return agent

    def new_agent(self, name: str) -> AgentComputer:
        """A computer with the real agent, not paired, whose log is in the folder; it is stopped with the stack."""
        computer = AgentComputer(self.folder / name, self.folder / f"{name}.log")
        self._exit.callback(computer.pull_out)
        return computer

    def agent(self, number: int, login: str = HOLDER) -> AgentComputer:
        """A computer with the real agent, paired when it is first asked for.

        :param number: which one
        :param login: who pairs it
        """
        if number not in self._agents:
            computer = self.new_agent(f"agent{number}")
            computer.pair(self.url, self.pairing_code(login), f"PC {number}")
            self._agents[number] = computer
        return self._agents[number]

    # -- looking -----------------------------------------------------------------------------------------------------

    def connect(self, name: str | None = None) -> Any:
        """A connection whose transactions the caller ends and whose rows are dictionaries.

        :param name: of the database; default the stack's
        """
        return psycopg2.connect(
            host=self.server.host,
            port=self.server.port,
            user=self.server.user,
            password=self.server.password or None,
            dbname=name or self.database,
            cursor_factory=psycopg2.extras.RealDictCursor,
        )

    def sql(
        self, query: str, parameters: Sequence[Any] | None = None, *, database: str | None = None
    ) -> list[dict[str, Any]]:
        """Run one statement in a transaction of its own; returns its rows, none when it has none."""
        connection = self.connect(database)
        connection.autocommit = True
        try:
            with connection.cursor() as cursor:
                cursor.execute(query, parameters)
                return [dict(row) for row in cursor.fetchall()] if cursor.description else []
        finally:
            connection.close()

    def log_texts(self) -> dict[str, str]:
        """The logs of all programs by name."""
        return {file.stem: file.read_text("utf-8", "replace") for file in self.folder.glob("*.log")}

    def secrets(self) -> dict[str, str]:
        """Everything that was secret in this stack, by what it is: passwords, PIN, keys, codes, links."""
        known = {f"password of {login}": word for login, word in self.passwords.items() if login != ADMIN_LOGIN}
        known |= {"password at the I-VAN": self.secret, "PIN": PIN}
        known |= {f"pairing code {number}": code for number, code in enumerate(self._pairing_codes, 1)}
        if "fake_agent" in self.__dict__:
            known["key of the fake agent"] = self.fake_agent.key
        for dossier in self.control.dossiers():
            if dossier["code"]:
                known |= {f"code {dossier['id']}": dossier["code"], f"link {dossier['id']}": dossier["token"]}
        return known

    def secrets_in_logs(self, more: Mapping[str, str] | None = None) -> list[str]:
        """Which secrets stand in which program's log; `more` are further ones, by what they are."""
        known = {**self.secrets(), **(more or {})}
        return [
            f"{what} in {name}.log"
            for name, text in self.log_texts().items()
            for what, secret in known.items()
            if secret in text
        ]

    # -- the scheduler -----------------------------------------------------------------------------------------------

    def trigger(self, cron: str) -> None:
        """Make a scheduled action (`send`, `follow`) due, then wake the scheduler."""
        # Whole seconds, as Odoo reckons: a moment later in this second would not be due yet.
        now = "date_trunc('second', now() AT TIME ZONE 'utc')"
        self.sql(f"INSERT INTO ir_cron_trigger (cron_id, call_at) VALUES (%s, {now})", [self._cron(cron)])
        self.wake()

    def run_soon(self, cron: str) -> None:
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
        self.switch_off(cron)
        try:
            yield
        finally:
            self.switch_on(cron)

    def switch_off(self, cron: str) -> None:
        """Switch a scheduled action off, from now on."""
        self.sql("UPDATE ir_cron SET active = false WHERE id = %s", [self._cron(cron)])

    def switch_on(self, cron: str) -> None:
        """Switch a scheduled action on, from now on."""
        self.sql("UPDATE ir_cron SET active = true WHERE id = %s", [self._cron(cron)])

    def due(self, cron: str) -> bool:
        """Whether a trigger of a scheduled action waits whose time has come."""
        query = "SELECT 1 FROM ir_cron_trigger WHERE cron_id = %s AND call_at <= now() AT TIME ZONE 'utc'"
        return bool(self.sql(query, [self._cron(cron)]))

    def _cron(self, name: str) -> int:
        return self.admin.reference(f"{ADDON}.ir_cron_{ADDON}_{name}")

    def wake(self) -> None:
        """Let the scheduler look now what is due, as it does by itself each minute."""
        self.sql("SELECT pg_notify('cron_trigger', %s)", [self.database], database="postgres")
        if "queue_job" in self._modules:
            # The runner looks for jobs that died; by itself each minute.
            self.sql("NOTIFY queue_job, 'nobody'")

    def recover(self) -> None:
        """Whatever the last test has broken runs again."""
        if self._own_postgres:
            self.cluster.start()
        self.start_sandbox()
        self.start_odoo()
        until("Odoo's processes with new connections", self._is_well)
        self.control.clear_faults()
        self.control.reset_clock()

    def _is_well(self) -> bool:
        """Whether Odoo answers often enough in a row that no process is left with a connection that PostgreSQL cut."""
        try:
            return all(self.admin.call("res.company", "search_count", []) for _time in range(6))
        except (requests.RequestException, OdooError):
            return False

    def senders(self) -> list[Program]:
        """The hosts that have reserved a registration, as the one that sends it does."""
        names = self.sql(
            "SELECT DISTINCT application_name FROM pg_stat_activity JOIN pg_locks USING (pid) "
            "WHERE datname = current_database() AND locktype = 'advisory' AND granted AND objsubid = 2 "
            "AND classid::bigint = (hashtext(%s)::bigint & 4294967295)",
            [f"{ADDON}.registration"],
        )
        pids = {int(row["application_name"].rpartition("-")[2]) for row in names}
        # Connections bear the name of the process that read the configuration, which may be the workers' parent.
        return [host for host in self.hosts if host.running and pids & {host.pid, *host.workers()}]


def _odoo_name(number: int) -> str:
    return f"odoo{number + 1}" if number else "odoo"


def _answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=5).status_code == 200
        except requests.RequestException:
            return False


@contextmanager
def _only_one(name: str) -> Iterator[None]:
    """Hold the lock that keeps a second stack of this name and checkout out."""
    folder = RUNTIME / "stacks"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise Problem(
                f"“{name}” runs already in this checkout.", "Stop it with Ctrl-C, or wait until it has ended."
            ) from error
        yield
