"""The scheduled action that follows registrations, with many of them. Runs inside Odoo (see `inside`)."""

from __future__ import annotations

import threading
import time
from typing import Any
from unittest.mock import patch

from odoo.addons.l10n_vn_ibhxh.tools import gateways

from . import crowd

CRON = "l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow"
LEFT = {
    "expiry": [("state", "=", "to_activate")],
    "reminder": [("state", "=", "to_activate"), ("activation_reminded", "=", False)],
    "question": [("state", "=", "sent"), ("poll_at", "<=", "now")],
    "quiet": [("id", "=", 0)],
}
"""What is still to be done, by scene."""


class SilentGateway(gateways.Gateway):  # type: ignore[misc]  # Odoo's modules have no types
    """Answers at once and never has anything new: what is measured is Odoo's part."""

    can_submit = True

    def submit(self, dossier: Any, client_reference: str) -> Any:
        """Not reached: nothing waits to be sent."""
        raise gateways.Unsupported("nothing is sent here")

    def progress(self, client_reference: str) -> Any:
        """Taken in, and nothing more."""
        return gateways.Progress(state="processing", dossier_number=None, steps=())

    def resend_code(self, client_reference: str) -> Any:
        """Not reached."""
        raise gateways.Unsupported("nothing is sent here")

    def check(self) -> Any:
        """Not reached."""
        raise gateways.Unsupported("nothing is checked here")


def measure(env: Any, scene: str, count: int) -> dict[str, Any]:
    """Let the scheduler work until nothing of `scene` is left.

    :return: queries, seconds on the clock, seconds of the processor (Odoo's, without PostgreSQL's), runs (each ends
        after 10 seconds), left (must be 0)
    """
    crowd.gather(env, scene, count)
    cron = env.ref(CRON)
    env["ir.cron"].search([("id", "!=", cron.id)]).active = False
    env.cr.commit()
    registrations = env[crowd.MODEL]
    thread = threading.current_thread()
    provider = type(env["l10n_vn_ibhxh.provider"])
    runs = 0
    follow = type(registrations)._cron_follow

    def counted_run(self: Any) -> Any:
        nonlocal runs
        runs += 1
        return follow(self)

    thread.query_count = 0  # type: ignore[attr-defined]
    thread.query_time = 0.0  # type: ignore[attr-defined]
    turns = 0
    queries = 0
    seconds = 0.0
    processor_seconds = 0.0
    with (
        patch.object(provider, "_gateway", lambda _self: SilentGateway()),
        patch.object(type(registrations), "_cron_follow", counted_run),
    ):
        while True:
            asked = thread.query_count  # type: ignore[attr-defined]
            started, processor = time.perf_counter(), time.process_time()
            cron.method_direct_trigger()
            env.cr.commit()
            seconds += time.perf_counter() - started
            processor_seconds += time.process_time() - processor
            queries += thread.query_count - asked  # type: ignore[attr-defined]
            turns += 1
            left = registrations.search_count(LEFT[scene])
            if not left or turns > 10 + count // 500:
                break
    return {
        "queries": queries,
        "seconds": seconds,
        "processor": processor_seconds,
        "runs": runs,
        "left": left,
    }
