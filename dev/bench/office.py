"""An accounting firm's January: companies from the batch page to `sent`, with programs that are all real.

Odoo with worker processes, the agent with SoftHSM2 behind `integration/timed_token.c`, and the sandbox, which answers
as late as one wants. Nobody can be faster than the tokens: the limit is the number of companies × a token's time for a
signature ÷ tokens.

One certificate signs for several companies, as many as the caller says: it names the tax code of each. The protocol
takes 64 certificates from one computer, and no computer has a certificate for each of 1 000 companies.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from importlib.util import module_from_spec, spec_from_file_location
from itertools import cycle, islice
from types import ModuleType
from typing import Any
from unittest.mock import patch

from ibhxh_agent.deaf import DEAF_MS
from ibhxh_agent.instance import read_state

from ..console import Problem
from ..odoo import ADMIN_LOGIN
from ..paths import ADDON, ROOT
from . import processor
from integration.agent_computer import AgentComputer
from integration.companies import tax_codes
from integration.softhsm import PIN, TokenFolder
from integration.stack import Stack
from integration.waiting import NotObserved, until

NAME = "bench"
BATCH = "l10n_vn_ibhxh.batch"
WIZARD = "l10n_vn_ibhxh.registration.wizard"
SENT = ("sent", "to_activate", "confirmed")
START_SECONDS = 300
SECONDS_EACH = 2
"""How long one registration may take before the run is given up."""

COMPANIES_AT_ONCE = 50
CERTIFICATE_COMPANIES = 20
FOREVER = 10**9
RARELY = "60"
"""Seconds between two heartbeats of a computer, as in real life: the doorbell has to be heard."""
LOOK_SECONDS = 0.2
"""Between two looks at how far it is: a look is one statement of a millisecond."""
PRECISELY = 0.02
"""The same where what is measured takes no longer than a second."""


@dataclass(frozen=True)
class Setting:
    """What a run is made with.

    :param count: companies
    :param token_ms: milliseconds of a token's signature; 0: as fast as SoftHSM2
    :param gateway_ms: milliseconds by which the gateway answers later than it could
    :param agents: computers with a token each, over which the certificates are spread
    :param companies: how many of them share a certificate, and so a login
    :param calls: at the same time, as is entered for the I-VAN; 8 unless it says otherwise
    :param workers: Odoo's worker processes
    """

    count: int
    token_ms: int = 150
    gateway_ms: int = 300
    agents: int = 1
    companies: int = CERTIFICATE_COMPANIES
    calls: int = 8
    workers: int = 2


@dataclass(frozen=True)
class Result:
    """What a run took, in seconds from the press of the button on.

    :param clicked: until the button's call was answered
    :param registered: until every registration waited for its signature
    :param first: until the first signature was made, and `last` the last one
    :param whole: until every dossier was sent
    :param tokens: that the tokens spent on signatures, all together
    :param processor: the processor's, by program
    """

    clicked: float
    registered: float
    first: float
    last: float
    whole: float
    tokens: float
    processor: dict[str, float]


@dataclass(frozen=True)
class ByHand:
    """One registration after another, each with its click and its PIN; medians in seconds.

    :param window: from the click in Odoo until the window that asks for the PIN is on the screen
    :param sent: from the Enter after the PIN until the dossier is sent
    """

    window: float
    sent: float


def measure(setting: Setting) -> Result:
    """Register the companies of `setting`, from the batch page until each dossier is sent.

    :raises Problem: when something is not seen in time, with the ends of the programs' logs
    """
    with _running(setting) as run:
        return run.measure()


def measure_by_hand(setting: Setting) -> ByHand:
    """Register the companies of `setting` one after the other, by a person at the computer with the token.

    :raises Problem: as `measure`
    """
    with _display().virtual_screen() as display, _running(setting, display) as run:
        return run.measure_by_hand()


@contextmanager
def _running(setting: Setting, display: str = "") -> Iterator[_Run]:
    with Stack(NAME, workers=setting.workers, proxy=True, sandbox={"weather": "fair"}, ready=False) as stack:
        try:
            # The computers trust the proxy's authority.
            with (
                patch.dict(os.environ, {"SSL_CERT_FILE": str(stack.proxy.authority)}),
                closing(stack.connect()) as connection,
            ):
                connection.autocommit = True
                yield _Run(stack, setting, connection.cursor(), display)
        except NotObserved as error:
            logs = "\n".join(
                f"--- {name}\n" + "\n".join(text.splitlines()[-12:]) for name, text in sorted(stack.log_texts().items())
            )
            raise Problem(f"{error}.\n{logs}", "./run bench --only office") from error


def _display() -> ModuleType:
    """The screen and keyboard of the agent's tests, which are no package."""
    spec = spec_from_file_location("display", ROOT / "agent" / "tests" / "helpers" / "display.py")
    assert spec and spec.loader
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Run:
    def __init__(self, stack: Stack, setting: Setting, cursor: Any, display: str) -> None:
        self._stack = stack
        self._setting = setting
        self._cursor = cursor
        self._display = display
        self._count = setting.count
        self._tax_codes = list(islice(tax_codes("01"), setting.count))
        self._started = 0.0
        self._stack.stay_inside()
        self._start_sandbox()
        self._tokens = self._make_tokens()
        self._companies = self._make_companies()
        self._agents = [self._agent(number, slots) for number, slots in enumerate(self._tokens)]
        until(
            "the certificates of all companies",
            lambda: self._one("SELECT count(*) FROM l10n_vn_ibhxh_certificate_company_rel") >= self._count,
            START_SECONDS + self._count,
        )
        # The printed form is made when there is time for it: by an action of its own, and no part of this.
        self._one("UPDATE ir_cron SET active = false WHERE id = %s RETURNING id", [self._cron("print")])
        # A new database has every scheduled action of Odoo's own due; they are no part of this.
        until("Odoo's own scheduled actions done", lambda: not self._one(DUE), START_SECONDS)
        for agent in self._agents:
            until("the computer's doorbell", partial(_hears, agent))

    def measure(self) -> Result:
        admin = self._stack.admin
        context = {"allowed_company_ids": self._companies}
        batch = admin.call(BATCH, "action_from_companies", self._companies, context=context)["res_id"]
        before = self._processor()
        self._started = time.time()
        admin.call(BATCH, "action_register", [batch], context=context)
        clicked = time.time() - self._started
        registered = self._reached("every registration", "signing_request_id IS NOT NULL")
        whole = self._reached("every dossier sent", f"state IN {SENT}")
        after = self._processor()
        signatures = [signature for slots in self._tokens for signature in slots.signatures()]
        return Result(
            clicked=clicked,
            registered=registered,
            first=min(ended for _asked, ended in signatures) - self._started,
            last=max(ended for _asked, ended in signatures) - self._started,
            whole=whole,
            tokens=sum(ended - asked for asked, ended in signatures),
            processor={name: after[name] - before[name] for name in after},
        )

    def measure_by_hand(self) -> ByHand:
        keyboard = _display().Keyboard(self._display)
        windows, sent = [], []
        for number, company in enumerate(self._companies, start=1):
            context = {"allowed_company_ids": [company]}
            values = {"company_id": company, "email": "ke.toan@example.com", "phone": "0912345678"}
            wizard = self._stack.admin.call(WIZARD, "create", [values], context=context)[0]
            self._started = time.time()
            self._stack.admin.press(WIZARD, wizard, "action_register", **context)
            until("the PIN window", keyboard.window, pause=PRECISELY)
            windows.append(time.time() - self._started)
            entered = self._enter_pin(keyboard, number)
            until("sent", partial(self._are_sent, number), pause=PRECISELY)
            sent.append(time.time() - entered)
            until("the window gone", lambda: keyboard.window() is None)
        return ByHand(window=statistics.median(windows), sent=statistics.median(sent))

    def _enter_pin(self, keyboard: Any, number: int) -> float:
        """Type the PIN until there are so many signatures; when Enter was pressed."""

        def probe() -> float:
            # At first nothing counts that is typed, and the window may have moved.
            time.sleep(2 * DEAF_MS / 1000)
            keyboard.wait_for_window()
            keyboard.press("m", "Alt_L")
            keyboard.type(PIN)
            entered = time.time()
            keyboard.press("Return")
            with suppress(NotObserved):
                until("a signature", lambda: len(self._tokens[0].signatures()) == number, 2, pause=PRECISELY)
                return entered
            return 0.0

        return until("the PIN taken", probe)

    def _are_sent(self, count: int) -> bool:
        return self._one(f"SELECT count(*) FROM l10n_vn_ibhxh_registration WHERE state IN {SENT}") == count

    def _reached(self, what: str, condition: str) -> float:
        """Wait until `condition` (SQL) holds for every registration; seconds since the button was pressed."""
        query = (
            f"SELECT count(*) FILTER (WHERE {condition}) AS done, count(error_message) AS failed"
            " FROM l10n_vn_ibhxh_registration"
        )

        def probe() -> bool:
            self._cursor.execute(query)
            row = self._cursor.fetchone()
            if row["failed"]:
                raise Problem("A registration failed, so this measures nothing.", "./run bench --only office")
            return bool(row["done"] == self._count)

        until(what, probe, START_SECONDS + SECONDS_EACH * self._count, pause=LOOK_SECONDS)
        return time.time() - self._started

    def _processor(self) -> dict[str, float]:
        """Seconds of the processor so far, by program; PostgreSQL's processes count while they live."""
        groups = {
            "Odoo": [self._stack.odoo.pid],
            "agents": [agent.pid for agent in self._agents],
            "sandbox": [self._stack.sandbox.pid],
        }
        spent = {name: sum(map(processor.of_program, pids)) for name, pids in groups.items()}
        return {**spent, "PostgreSQL": processor.of_backends(NAME)}

    # -- bring-up ----------------------------------------------------------------------------------------------------

    def _make_tokens(self) -> list[TokenFolder]:
        """One folder of tokens per computer; one token in each holds the certificates."""
        folders = [TokenFolder(self._stack.folder / f"token-{number}") for number in range(self._setting.agents)]
        tokens = cycle([slots.create("BENCH") for slots in folders])
        for first in range(0, self._count, self._setting.companies):
            own, *others = self._tax_codes[first : first + self._setting.companies]
            next(tokens).add_certificate(tax_code=own, name=_name(first), uids=tuple(f"MST:{code}" for code in others))
        return folders

    def _agent(self, number: int, slots: TokenFolder) -> AgentComputer:
        """A computer behind the proxy, as the administrator's guide has it: its doorbell is a websocket."""
        agent = self._stack.new_agent(f"agent{number}")
        agent.pair(self._stack.proxy.url, self._stack.pairing_code(ADMIN_LOGIN), f"PC {number}")
        agent.plug_in(slots, token_ms=self._setting.token_ms, display=self._display, poll_seconds=RARELY)
        return agent

    def _start_sandbox(self) -> None:
        self._stack.start_sandbox()
        if self._setting.gateway_ms:
            seconds = self._setting.gateway_ms / 1000
            self._stack.control.fault(endpoint="any", kind="delay", seconds=seconds, count=FOREVER)

    def _make_companies(self) -> list[int]:
        contact = {"email": "ke.toan@example.com", "phone": "0912345678"}
        provider_id = self._stack.make_provider(self._stack.sandbox_url, calls_at_once=self._setting.calls)
        provider = {f"{ADDON}_provider_id": provider_id}
        rows = [
            {**self._stack.company_values(code, _name(number)), **contact, **provider}
            for number, code in enumerate(self._tax_codes)
        ]
        companies: list[int] = []
        for first in range(0, self._count, COMPANIES_AT_ONCE):
            companies += self._stack.admin.call("res.company", "create", rows[first : first + COMPANIES_AT_ONCE])
        return companies

    # -- looking -----------------------------------------------------------------------------------------------------

    def _cron(self, name: str) -> int:
        return self._stack.admin.reference(f"{ADDON}.ir_cron_{ADDON}_{name}")

    def _one(self, query: str, parameters: list[Any] | None = None) -> int:
        self._cursor.execute(query, parameters)
        (number,) = self._cursor.fetchone().values()
        return int(number)


DUE = "SELECT count(*) FROM ir_cron WHERE active AND nextcall <= now() at time zone 'UTC'"


def _hears(agent: AgentComputer) -> bool:
    return bool(read_state(agent.settings).get("doorbell"))


def _name(number: int) -> str:
    return f"CÔNG TY TNHH ĐO ĐẠC {number + 1}"
