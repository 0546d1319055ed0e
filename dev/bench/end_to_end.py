"""Companies from the batch page to `sent`: Odoo, the real agent with SoftHSM2 tokens and the sandbox, all programs.

Compared with what cannot be done without: as many bare C_Sign and as many round trips to the gateway, made one after
the other on the same machine right after the run.

One certificate signs for several companies, as many as the caller says: it names the tax code of each. The protocol
takes 64 certificates from one computer, and no computer has a certificate for each of 1 000 companies.
"""

from __future__ import annotations

import base64
import hashlib
import statistics
import time
from dataclasses import dataclass
from itertools import cycle, islice

import requests

from ..console import Problem
from ..odoo import ADMIN_LOGIN
from . import processor, signing
from integration.companies import tax_codes
from integration.softhsm import TokenFolder
from integration.stack import CLIENT_ID, Stack
from integration.waiting import NotObserved, until

NAME = "bench"
BATCH = "l10n_vn_ibhxh.batch"
SENT = ("sent", "to_activate", "confirmed")
START_SECONDS = 300
SECONDS_EACH = 2
"""How long one registration may take before the run is given up."""

COMPANIES_AT_ONCE = 50
CERTIFICATE_COMPANIES = 20
FOREVER = 10**9


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
    with Stack(NAME, workers=setting.workers, sandbox={"weather": "fair"}, ready=False) as stack:
        try:
            return _Run(stack, setting).measure()
        except NotObserved as error:
            logs = "\n".join(
                f"--- {name}\n" + "\n".join(text.splitlines()[-12:]) for name, text in sorted(stack.log_texts().items())
            )
            raise Problem(f"{error}.\n{logs}", "./run bench --only end-to-end") from error


class _Run:
    def __init__(self, stack: Stack, setting: Setting) -> None:
        self._stack = stack
        self._setting = setting
        self._count = setting.count
        self._tax_codes = list(islice(tax_codes("01"), setting.count))

    def measure(self) -> Result:
        admin = self._stack.admin
        tokens = self._tokens()
        self._stack.stay_inside()
        self._start_sandbox()
        companies = self._companies()
        for number, slots in enumerate(tokens):
            self._stack.agent(number, ADMIN_LOGIN).plug_in(slots)
        until(
            "the certificates of all companies",
            lambda: self._one("SELECT count(*) FROM l10n_vn_ibhxh_certificate_company_rel") >= self._count,
            START_SECONDS + self._count,
        )
        context = {"allowed_company_ids": companies}
        batch = admin.call(BATCH, "action_from_companies", companies, context=context)["res_id"]
        # A new database has every scheduled action of Odoo's own due; they are no part of this.
        until(
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

        until(what, probe, START_SECONDS + SECONDS_EACH * self._count)
        return time.perf_counter() - self._started

    def _processor(self) -> dict[str, float]:
        """Seconds of the processor so far, by program; PostgreSQL's processes count while they live."""
        agents = [self._stack.agent(number).pid for number in range(self._setting.agents)]
        groups = {"Odoo": [self._stack.odoo.pid], "agent": agents, "gateway": [self._stack.sandbox.pid]}
        spent = {name: sum(map(processor.of_group, pids)) for name, pids in groups.items()}
        return {**spent, "PostgreSQL": processor.of_backends(NAME)}

    # -- bring-up ----------------------------------------------------------------------------------------------------

    def _tokens(self) -> list[TokenFolder]:
        """One folder of tokens per computer; one token in each holds the certificates."""
        folders = [TokenFolder(self._stack.folder / f"token-{number}") for number in range(self._setting.agents)]
        tokens = cycle([slots.create("BENCH") for slots in folders])
        for first in range(0, self._count, self._setting.companies):
            own, *others = self._tax_codes[first : first + self._setting.companies]
            next(tokens).add_certificate(tax_code=own, name=_name(first), uids=tuple(f"MST:{code}" for code in others))
        return folders

    def _start_sandbox(self) -> None:
        self._stack.start_sandbox()
        if self._setting.delay:
            self._stack.control.fault(endpoint="any", kind="delay", seconds=self._setting.delay, count=FOREVER)

    def _companies(self) -> list[int]:
        contact = {"email": "ke.toan@example.com", "phone": "0912345678"}
        provider = {"l10n_vn_ibhxh_provider_id": self._stack.make_provider(self._stack.sandbox_url)}
        rows = [
            {**self._stack.company_values(code, _name(number)), **contact, **provider}
            for number, code in enumerate(self._tax_codes)
        ]
        companies: list[int] = []
        for first in range(0, self._count, COMPANIES_AT_ONCE):
            companies += self._stack.admin.call("res.company", "create", rows[first : first + COMPANIES_AT_ONCE])
        return companies

    # -- looking -----------------------------------------------------------------------------------------------------

    def _one(self, query: str) -> int:
        (number,) = self._stack.sql(query)[0].values()
        return int(number)

    def _round_trips(self) -> float:
        """Seconds of handing every signed dossier in once more, one after the other; the sandbox knows them again,
        which costs it the checks of the bytes but not those of the signature, so this is rather too short."""
        rows = self._stack.sql(
            "SELECT client_reference, form, signed_document, c.l10n_vn_ibhxh_tax_code AS tax_code"
            " FROM l10n_vn_ibhxh_registration r JOIN res_company c ON c.id = r.company_id"
        )
        times = []
        with requests.Session() as session:
            session.trust_env = False
            session.auth = (CLIENT_ID, self._stack.secret)
            for row in rows:
                document = base64.b64decode(bytes(row["signed_document"]))
                reference = row["client_reference"]
                body = {
                    "client_reference": reference,
                    "form": row["form"],
                    "agency_code": "001",
                    "tax_code": row["tax_code"],
                    "unit_code": None,
                    "document": base64.b64encode(document).decode(),
                    "sha256": hashlib.sha256(document).hexdigest(),
                }
                started = time.perf_counter()
                answer = session.post(
                    f"{self._stack.sandbox_url}/ivan/v1/dossiers",
                    json=body,
                    headers={"Idempotency-Key": reference},
                    timeout=60,
                )
                times.append(time.perf_counter() - started)
                answer.raise_for_status()
        return statistics.median(times) * len(times)


def _name(number: int) -> str:
    return f"CÔNG TY TNHH ĐO ĐẠC {number + 1}"
