"""The scheduled action that follows registrations, with many of them. Runs inside Odoo (see `inside`)."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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


@contextmanager
def _far_gateway(delay: float, *, offers_many: bool) -> Iterator[Callable[[], Any]]:
    """Run a gateway (see `far_gateway`) that answers `delay` seconds later; gives what makes an adapter for it."""
    command = [sys.executable, "-m", "dev.bench.far_gateway", str(delay), *(["many"] if offers_many else [])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        try:
            assert running.stdout
            url = f"http://127.0.0.1:{int(running.stdout.readline())}"
            yield lambda: gateways.make("sandbox", base_url=url, client_id="bench", secret="bench")
        finally:
            running.terminate()


@contextmanager
def _prompt_gateway() -> Iterator[Callable[[], Any]]:
    """What makes an adapter that answers at once, without a connection."""
    yield SilentGateway


def measure(env: Any, scene: str, count: int, delay: float = 0, offers_many: bool = False) -> dict[str, Any]:
    """Let the scheduler work until nothing of `scene` is left.

    :param delay: seconds by which the gateway answers later, over a connection then; else it answers at once, without
    :param offers_many: whether it answers about several dossiers in one call
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
    gateway = _far_gateway(delay, offers_many=offers_many) if delay else _prompt_gateway()
    with (
        gateway as make,
        patch.object(provider, "_gateway", lambda _self: make()),
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
