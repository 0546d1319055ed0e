"""The world of the fault suite with the OCA's job queue and its real runner."""

from __future__ import annotations

from typing import Any

from ..faults.case import Case
from ..faults.world import World, until
from ..paths import ADDON

QUEUE_JOB = "queue_job"
UNDER_WAY = ("pending", "enqueued", "started")


class JobsWorld(World):
    """Odoo with two workers, the runner beside them, and the job queue installed."""

    database = "jobs"
    modules = (ADDON, QUEUE_JOB)
    sections = {QUEUE_JOB: {"channels": "root:2"}}

    def options(self) -> dict[str, str | int]:
        """As in the administrator's guide."""
        return {**super().options(), "server_wide_modules": f"base,web,{QUEUE_JOB}"}

    def wake(self) -> None:
        """Let the runner look, too, for jobs that died: by itself it does each minute."""
        super().wake()
        with self.cluster.cursor(self.database) as cursor:
            cursor.execute("NOTIFY queue_job, 'nobody'")

    @property
    def has_jobs(self) -> bool:
        """Whether the job queue is installed in the database."""
        rows = self.sql("SELECT 1 FROM ir_module_module WHERE name = %s AND state = 'installed'", [QUEUE_JOB])
        return bool(rows)

    def jobs(self, key: str) -> list[dict[str, Any]]:
        """Every job of an identity key, oldest first."""
        return self.sql("SELECT * FROM queue_job WHERE identity_key = %s ORDER BY id", [key])

    def await_job(self, key: str, *states: str, seconds: float = 30) -> dict[str, Any]:
        """Wait until the newest job of this key is in one of these states."""

        def probe() -> dict[str, Any] | None:
            row = next(reversed(self.jobs(key)), None)
            return row if row and row["state"] in states else None

        return until(f"job {key} {' or '.join(states)}", probe, seconds)


def sending(case: Case) -> str:
    """The identity key of the job that sends a case's registration."""
    return f"{ADDON}.registration._job_send.{case.registration}"


def polling(provider: int) -> str:
    """The identity key of the job that asks an I-VAN."""
    return f"{ADDON}.provider._job_poll.{provider}"
