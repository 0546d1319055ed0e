"""Companies from the batch page to `sent`: Odoo, the real agent with SoftHSM2 tokens and the sandbox, all programs.

Compared with what cannot be done without: as many bare C_Sign and as many round trips to the gateway, made one after
the other on the same machine right after the run.

One certificate signs for several companies, as many as the caller says: it names the tax code of each. The protocol
takes 64 certificates from one computer, and no computer has a certificate for each of 1 000 companies.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import shutil
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import cycle, islice
from typing import Any

import psycopg2
import psycopg2.extras
import requests

from .. import database, odoo, postgres
from ..console import Problem
from ..odoo import ADMIN_LOGIN, ADMIN_PASSWORD
from ..paths import PYTHON, RUNTIME, VENV
from . import inside, processor, signing
from integration.agent_computer import AgentComputer
from integration.companies import tax_code
from integration.odoo_web import Person
from integration.programs import Program, free_port
from integration.softhsm import TokenFolder

DATABASE = "bench_end_to_end"
FOLDER = RUNTIME / "bench"
CLIENT_ID = "bench-ivan"
BATCH = "l10n_vn_ibhxh.batch"
SENT = ("sent", "to_activate", "confirmed")
START_SECONDS = 300
SECONDS_EACH = 2
"""How long one registration may take before the run is given up."""

COMPANIES_AT_ONCE = 50
CERTIFICATE_COMPANIES = 20
FOREVER = 10**9
TAX_CODE_DIGITS = 10


@dataclass(frozen=True)
class Setting:
    """What a run is made with.

    :param count: companies
    :param companies: how many of them share a certificate, and so a login
    :param workers: Odoo's worker processes; 0 is one process with threads
    :param agents: computers, over whose tokens the certificates are spread
    :param delay: seconds by which the gateway answers later than it could
    """

    count: int
    companies: int = CERTIFICATE_COMPANIES
    workers: int = 0
    agents: int = 1
    delay: float = 0


@dataclass(frozen=True)
class Result:
    """What a run took, in seconds from the press of the button on.

    :param registered: until every registration waited for its signature, and `signed` and `whole` (sent) likewise
    :param signing: of as many bare signatures, and `gateway` of as many bare round trips
    :param processor: the processor's, by program
    """

    registered: float
    signed: float
    whole: float
    signing: float
    gateway: float
    processor: dict[str, float]

    @property
    def ratio(self) -> float:
        """The whole ÷ what cannot be done without."""
        return self.whole / (self.signing + self.gateway)


def measure(setting: Setting) -> Result:
    """Register the companies of `setting`, from the batch page until each dossier is sent.

    :raises Problem: when something is not seen in time, with the ends of the programs' logs
    """
    with ExitStack() as stack:
        return _Run(stack, setting).measure()


class _Run:
    def __init__(self, stack: ExitStack, setting: Setting) -> None:
        self._stack = stack
        self._setting = setting
        self._count = setting.count
        self._tax_codes = _tax_codes(setting.count)
        self._secret = secrets.token_urlsafe(24)
        self._groups: dict[str, list[int]] = {"Odoo": [], "agent": [], "gateway": []}
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        stack.callback(shutil.rmtree, FOLDER, ignore_errors=True)

    def measure(self) -> Result:
        tokens = self._tokens()
        self._start_odoo()
        self._start_sandbox()
        admin = Person(self._url, DATABASE, ADMIN_LOGIN, ADMIN_PASSWORD)
        companies = self._companies(admin)
        for number, slots in enumerate(tokens):
            self._plug_in(admin, number, slots)
        self._await(
            "the certificates of all companies",
            lambda: self._one("SELECT count(*) FROM l10n_vn_ibhxh_certificate_company_rel") >= self._count,
            START_SECONDS + self._count,
        )
        context = {"allowed_company_ids": companies}
        batch = admin.call(BATCH, "action_from_companies", companies, context=context)["res_id"]
        # A new database has every scheduled action of Odoo's own due; they are no part of this.
        self._await(
            "Odoo's own scheduled actions done",
            lambda: not self._one("SELECT count(*) FROM ir_cron WHERE active AND nextcall <= now() at time zone 'UTC'"),
            START_SECONDS,
        )
        before = self._processor()
        self._started = time.perf_counter()
        admin.call(BATCH, "action_register", [batch], context=context)
        registered = self._reached("every registration", "signing_request_id IS NOT NULL")
        signed = self._reached("every signature", "signed_at IS NOT NULL")
        whole = self._reached("every dossier sent", f"state IN {SENT}")
        after = self._processor()
        return Result(
            registered=registered,
            signed=signed,
            whole=whole,
            signing=signing.measure(100)["bare"] / 1e6 * self._count,
            gateway=self._round_trips(),
            processor={name: after[name] - before[name] for name in after},
        )

    def _reached(self, what: str, condition: str) -> float:
        """Wait until `condition` (SQL) holds for every registration; seconds since the button was pressed."""
        count = "SELECT count(*) FROM l10n_vn_ibhxh_registration WHERE"

        def probe() -> bool:
            if self._one(f"{count} error_message IS NOT NULL"):
                raise Problem("A registration failed, so this measures nothing.", "./run bench --only end-to-end")
            return self._one(f"{count} {condition}") == self._count

        self._await(what, probe, START_SECONDS + SECONDS_EACH * self._count)
        return time.perf_counter() - self._started

    def _processor(self) -> dict[str, float]:
        """Seconds of the processor so far, by program; PostgreSQL's processes count while they live."""
        spent = {name: sum(map(processor.of_group, groups)) for name, groups in self._groups.items()}
        return {**spent, "PostgreSQL": processor.of_backends(DATABASE)}

    # -- bring-up ----------------------------------------------------------------------------------------------------

    def _tokens(self) -> list[TokenFolder]:
        """One folder of tokens per computer; one token in each holds the certificates."""
        folders = [TokenFolder(FOLDER / f"token-{number}") for number in range(self._setting.agents)]
        tokens = cycle([slots.create("BENCH", pin=signing.PIN) for slots in folders])
        for first in range(0, self._count, self._setting.companies):
            own, *others = self._tax_codes[first : first + self._setting.companies]
            next(tokens).add_certificate(tax_code=own, name=_name(first), uids=tuple(f"MST:{code}" for code in others))
        return folders

    def _start_odoo(self) -> None:
        database.copy(inside.SOURCE, DATABASE)
        self._stack.callback(inside.drop, DATABASE)
        port = free_port()
        self._url = f"http://127.0.0.1:{port}"
        config = odoo.write_config(
            DATABASE,
            path=FOLDER / "odoo.conf",
            http_port=port,
            gevent_port=free_port(),
            workers=self._setting.workers,
            max_cron_threads=2,
        )
        # A file, because Odoo starts its evented child from the path of its own program.
        launcher = FOLDER / "odoo-launcher.py"
        launcher.write_text("from odoo.cli import main\n\nmain()\n", encoding="utf-8")
        self._program("Odoo", [str(PYTHON), str(launcher), "-c", str(config)], odoo.environment())
        self._await("Odoo answering", lambda: _answers(f"{self._url}/web/health"), START_SECONDS)

    def _start_sandbox(self) -> None:
        secret = FOLDER / "secret"
        secret.touch(mode=0o600)
        secret.write_text(self._secret, encoding="utf-8")
        port = free_port()
        self._gateway = f"http://127.0.0.1:{port}/ivan/v1"
        command = [str(VENV / "bin" / "ibhxh-sandbox"), "--port", str(port), "--data", str(FOLDER / "sandbox.sqlite")]
        command += ["--client-id", CLIENT_ID, "--secret-file", str(secret), "--set", "weather=fair"]
        self._program("gateway", command, {})
        self._await("the sandbox answering", lambda: _answers(f"http://127.0.0.1:{port}/"), START_SECONDS)
        if self._setting.delay:
            late = {"endpoint": "any", "kind": "delay", "seconds": self._setting.delay, "count": FOREVER}
            with requests.Session() as session:
                session.trust_env = False
                session.post(f"http://127.0.0.1:{port}/_sandbox/faults", json=late, timeout=60).raise_for_status()

    def _program(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        program = Program(name, command, FOLDER / f"{name}.log", {**os.environ, **environment})
        self._stack.callback(program.stop)
        program.start()
        self._groups[name].append(program.pid)

    def _companies(self, admin: Person) -> list[int]:
        admin.call("ir.config_parameter", "set_param", "iap.partner_autocomplete.endpoint", "http://127.0.0.1:9")
        provider = admin.create(
            "l10n_vn_ibhxh.provider",
            code="00001",
            name="I-VAN thử nghiệm",
            gateway="sandbox",
            url=self._gateway,
            client_id=CLIENT_ID,
            client_secret_input=self._secret,
        )
        country = admin.reference("base.vn")
        agency = admin.find("l10n_vn_ibhxh.agency", ["code", "=", "001"])
        rows = [
            {
                "name": _name(number),
                "vat": code,
                "country_id": country,
                "email": "ke.toan@example.com",
                "phone": "0912345678",
                "street": "Số 1 phố Thử Nghiệm",
                "city": "Hà Nội",
                "l10n_vn_ibhxh_agency_id": agency,
                "l10n_vn_ibhxh_provider_id": provider,
            }
            for number, code in enumerate(self._tax_codes)
        ]
        companies: list[int] = []
        for first in range(0, self._count, COMPANIES_AT_ONCE):
            companies += admin.call("res.company", "create", rows[first : first + COMPANIES_AT_ONCE])
        return companies

    def _plug_in(self, admin: Person, number: int, slots: TokenFolder) -> None:
        computer = AgentComputer(FOLDER / f"agent-{number}", FOLDER / f"agent-{number}.log")
        code = admin.press("l10n_vn_ibhxh.agent.pairing", 0, "action_new_code")["context"]["default_code"]
        computer.pair(self._url, code, f"PC-{number}")
        self._stack.callback(computer.pull_out)
        computer.plug_in(slots, signing.PIN)
        self._groups["agent"].append(computer.pid)

    # -- looking -----------------------------------------------------------------------------------------------------

    def _one(self, query: str) -> int:
        number: int = self._rows(query)[0][0]
        return number

    def _rows(self, query: str) -> list[Any]:
        server = postgres.server()
        connection = psycopg2.connect(
            host=server.host, port=server.port, user=server.user, password=server.password or None, dbname=DATABASE
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(query)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def _await(self, what: str, probe: Callable[[], bool], seconds: float) -> None:
        end = time.monotonic() + seconds
        while not probe():
            if time.monotonic() > end:
                logs = "\n".join(
                    f"--- {file.name}\n" + "\n".join(file.read_text("utf-8", "replace").splitlines()[-12:])
                    for file in sorted(FOLDER.glob("*.log"))
                )
                raise Problem(f"{what}: not seen within {seconds:.0f} s.\n{logs}", "./run bench --only end-to-end")
            time.sleep(0.1)

    def _round_trips(self) -> float:
        """Seconds of handing every signed dossier in once more, one after the other; the sandbox knows them again,
        which costs it the checks of the bytes but not those of the signature, so this is rather too short."""
        rows = self._rows(
            "SELECT client_reference, form, signed_document, c.l10n_vn_ibhxh_tax_code"
            " FROM l10n_vn_ibhxh_registration r JOIN res_company c ON c.id = r.company_id"
        )
        times = []
        with requests.Session() as session:
            session.trust_env = False
            session.auth = (CLIENT_ID, self._secret)
            for reference, form, stored, code in rows:
                document = base64.b64decode(bytes(stored))
                body = {
                    "client_reference": reference,
                    "form": form,
                    "agency_code": "001",
                    "tax_code": code,
                    "unit_code": None,
                    "document": base64.b64encode(document).decode(),
                    "sha256": hashlib.sha256(document).hexdigest(),
                }
                started = time.perf_counter()
                answer = session.post(
                    f"{self._gateway}/dossiers", json=body, headers={"Idempotency-Key": reference}, timeout=60
                )
                times.append(time.perf_counter() - started)
                answer.raise_for_status()
        return statistics.median(times) * len(times)


def _tax_codes(count: int) -> list[str]:
    """Made-up tax codes whose check digit is right."""
    found = (tax_code(f"01{number:07d}") for number in range(1, 1_000_000))
    return list(islice((code for code in found if len(code) == TAX_CODE_DIGITS), count))


def _name(number: int) -> str:
    return f"CÔNG TY TNHH ĐO ĐẠC {number + 1}"


def _answers(url: str) -> bool:
    with requests.Session() as session:
        session.trust_env = False
        try:
            return session.get(url, timeout=5).status_code < 500
        except requests.RequestException:
            return False
