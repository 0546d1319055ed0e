"""The OCA's job queue in a stack, with its real runner."""

from __future__ import annotations

import itertools
import re
import subprocess
from collections.abc import Callable
from typing import Any, TypeVar

from .case import Case
from .odoo_web import OdooError
from .stack import Stack
from .waiting import PATIENCE, until
from dev import odoo
from dev.paths import ADDON

QUEUE_JOB = "queue_job"
RUNNING = f"base,web,{QUEUE_JOB}"
ABSENT = "base,web"
T = TypeVar("T")


class JobQueue:
    """What a test does with the jobs of a stack."""

    def __init__(self, stack: Stack) -> None:
        """:param stack: made with :meth:`stack_settings`"""
        self.stack = stack

    @staticmethod
    def stack_settings() -> dict[str, Any]:
        """What `Stack` has to be made with, as the administrator's guide has it."""
        return {
            "modules": (ADDON, QUEUE_JOB),
            "sections": {QUEUE_JOB: {"channels": "root:2"}},
            "options": {"server_wide_modules": RUNNING},
        }

    def with_runner(self) -> None:
        """The job queue is installed and its runner runs."""
        self.install()
        self._serve(RUNNING)

    def without_runner(self) -> None:
        """Odoo's configuration does not name the job queue, so nobody runs jobs, if it is installed."""
        self._serve(ABSENT)

    def install(self) -> None:
        """Install the job queue, unless it is."""
        if not self.is_installed:
            self.stack.odoo.stop()
            self.stack.run_odoo("-i", QUEUE_JOB)
            self.stack.start_odoo()

    def _serve(self, server_wide_modules: str) -> None:
        if self.stack.odoo_options["server_wide_modules"] != server_wide_modules:
            self.stack.odoo.stop()
            self.stack.odoo_options["server_wide_modules"] = server_wide_modules
            self.stack.configure()
            self.stack.start_odoo()

    def uninstall(self) -> None:
        """Uninstall the job queue, as an administrator does under Apps; with its runner Odoo would refuse to.

        Again while a scheduled action runs: Odoo then asks to try again later.
        """
        admin = self.stack.admin
        module = admin.find("ir.module.module", ["name", "=", QUEUE_JOB])

        def uninstalled() -> bool:
            try:
                admin.call("ir.module.module", "button_immediate_uninstall", [module])
            except OdooError as error:
                if "processing a scheduled action" not in str(error):
                    raise
                return False
            return True

        until("the job queue being uninstalled", uninstalled, pause=1)

    def shell(self, script: str) -> list[str]:
        """What a script prints behind `jobs:` in Odoo's shell, which keeps nothing of what it did."""
        done = subprocess.run(
            self.stack.shell_command(), input=script, capture_output=True, text=True, env=odoo.environment(), check=True
        )
        return re.findall(r"^jobs: (.*)$", done.stdout, re.MULTILINE)

    def runner(self) -> int:
        """The process id of the runner that was started last."""
        log = self.stack.odoo.log.read_text(encoding="utf-8", errors="replace")
        return int(re.findall(r"Worker WorkerJobRunner \((\d+)\) alive", log)[-1])

    @property
    def is_installed(self) -> bool:
        """Whether the job queue is installed in the database."""
        rows = self.stack.sql("SELECT 1 FROM ir_module_module WHERE name = %s AND state = 'installed'", [QUEUE_JOB])
        return bool(rows)

    def jobs(self, key: str) -> list[dict[str, Any]]:
        """Every job of an identity key, oldest first."""
        return self.stack.sql("SELECT * FROM queue_job WHERE identity_key = %s ORDER BY id", [key])

    def age(self, job: dict[str, Any], seconds: int = 11) -> None:
        """Let time pass for a job: the runner looks after those that began 10 seconds ago, and whose time has come."""
        for name in ("date_created", "date_enqueued", "eta"):
            query = f"UPDATE queue_job SET {name} = {name} - %s * interval '1 second' WHERE id = %s"
            self.stack.sql(query, [seconds, job["id"]])

    def copy_job(self, job: dict[str, Any]) -> dict[str, Any]:
        """Queue the same call once more, past the check of identity keys; returns the copy once it is done."""
        names = [name for name in job if name not in ("id", "uuid", "identity_key", "state", "result", "date_created")]
        columns = ", ".join(names)
        copied = self.stack.sql(
            f"INSERT INTO queue_job (uuid, state, date_created, {columns}) "
            f"SELECT gen_random_uuid(), 'pending', now() AT TIME ZONE 'utc', {columns} FROM queue_job WHERE id = %s "
            "RETURNING uuid",
            [job["id"]],
        )
        uuid = copied[0]["uuid"]

        def probe() -> dict[str, Any] | None:
            (row,) = self.stack.sql("SELECT * FROM queue_job WHERE uuid = %s", [uuid])
            return row if row["state"] in ("done", "failed") else None

        return until("the copied job", probe)

    def await_job(self, key: str, *states: str, seconds: float = PATIENCE) -> dict[str, Any]:
        """Wait until the newest job of this key is in one of these states."""

        def probe() -> dict[str, Any] | None:
            row = next(reversed(self.jobs(key)), None)
            return row if row and row["state"] in states else None

        return until(f"job {key} {' or '.join(states)}", probe, seconds)


def sending(case: Case) -> str:
    """The identity key of the job that sends a case's registration."""
    return f"{ADDON}.registration._job_send.{case.registration}"


def steps(case: Case) -> list[dict[str, Any]]:
    """What Odoo has of VSS's steps, which come by asking and by no other way."""
    query = "SELECT number FROM l10n_vn_ibhxh_registration_step WHERE registration_id = %s"
    return case.stack.sql(query, [case.registration])


def await_confirmed(case: Case) -> None:
    """Ask about a registration until it is confirmed."""
    until("the confirmation", asking(lambda: case.state == "confirmed", case))


def ask(case: Case) -> None:
    """It is time to ask about this registration."""
    case.stack.sql("UPDATE l10n_vn_ibhxh_registration SET poll_at = submitted_at WHERE id = %s", [case.registration])
    case.stack.trigger("follow")


def asking(probe: Callable[[], T | None], *cases: Case) -> Callable[[], T | None]:
    """The probe, which also asks about these each fiftieth time, the first included.

    Where somebody is at a row as it is asked about, its next time comes only after a minute.
    """
    looks = itertools.count()

    def asking() -> T | None:
        if next(looks) % 50 == 0:
            for case in cases:
                ask(case)
        return probe()

    return asking


def await_steps(*cases: Case) -> None:
    """Wait for VSS's steps of all of these."""
    until("VSS's steps", asking(lambda: all(steps(case) for case in cases), *cases))


def polling(provider: int) -> str:
    """The identity key of the job that asks an I-VAN."""
    return f"{ADDON}.provider._job_poll.{provider}"
