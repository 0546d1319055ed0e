"""Measure the agent with SoftHSM2 and the tests' server: ``python dev/measure.py [--runs 100] [--idle 300]``.

Latency = from the moment the request exists on the server (and the bell rings) to the delivered signature. The server
answers at once, so this is the agent's own part; Odoo's is added to it.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "helpers"))

import pki  # noqa: E402  the helpers' folder comes first
import softhsm  # noqa: E402
from fake_odoo import FakeOdoo  # noqa: E402
from forms import form  # noqa: E402

from ibhxh_agent.certificate import TokenCertificate  # noqa: E402


@contextmanager
def running(odoo: FakeOdoo, folder: Path, hsm: softhsm.SoftHsm, *options: str) -> Iterator[None]:
    """An agent of its own settings, paired, running, with its PIN."""
    settings = tempfile.mkdtemp(dir=folder)
    base = [sys.executable, "-m", "ibhxh_agent", "--config-dir", settings, "--library", softhsm.LIBRARY]
    pair = ["pair", "--server", odoo.url, "--database", odoo.database, "--code", odoo.code]
    subprocess.run([*base, *pair], check=True, capture_output=True)
    reading, writing = os.pipe()
    os.write(writing, softhsm.PIN.encode())
    os.close(writing)
    command = [*base, "run", "--pin-fd", str(reading), *options]
    process = subprocess.Popen(command, pass_fds=(reading,), env=hsm.environment, stderr=subprocess.DEVNULL)
    os.close(reading)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def latencies(odoo: FakeOdoo, fingerprint: str, runs: int, *, ring: bool, spread: float) -> list[float]:
    """Seconds from request to signature; each request comes at a random moment within ``spread`` seconds."""
    found = []
    for _ in range(runs):
        threading.Event().wait(random.uniform(0, spread))
        waiting = odoo.add(form(), fingerprint)
        started = time.perf_counter()
        if ring:
            odoo.bus.ring()
        odoo.wait_for(lambda waiting=waiting: waiting.state == "signed", 120)
        found.append(time.perf_counter() - started)
    return found


def row(name: str, values: list[float]) -> str:
    """One line of the table."""
    ordered = sorted(values)
    p95 = ordered[int(len(ordered) * 0.95) - 1]
    return f"| {name} | {len(values)} | {statistics.median(ordered):.2f} s | {p95:.2f} s | {ordered[-1]:.2f} s |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100)
    parser.add_argument("--idle", type=float, default=300, help="seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        hsm = softhsm.SoftHsm(folder / "hsm")
        certificate = TokenCertificate.from_der(pki.certificate(pki.key(0)))
        hsm.add("Measured", [(pki.key(0), certificate.der)])
        print("| Cách báo | Số lần | Trung vị | 95 % | Lâu nhất |\n|---|---|---|---|---|")
        bell = FakeOdoo(doorbell="channel", poll_after=60).start()
        with running(bell, folder, hsm):
            bell.bus.wait_subscribed(timeout=30)
            print(
                row("chuông (websocket)", latencies(bell, certificate.fingerprint, options.runs, ring=True, spread=0.2))
            )
        for interval in (2.0, 5.0):
            polled = FakeOdoo().start()
            with running(polled, folder, hsm, "--poll-interval", str(interval)):
                polled.wait_for(lambda polled=polled: "heartbeat" in polled.paths(), 30)
                found = latencies(polled, certificate.fingerprint, options.runs, ring=False, spread=interval)
            print(row(f"hỏi mỗi {interval:.0f} s", found), flush=True)
        for label, channel in (("có chuông", "channel"), ("không chuông", None)):
            quiet = FakeOdoo(doorbell=channel, poll_after=30).start()
            with running(quiet, folder, hsm):
                quiet.wait_for(lambda quiet=quiet: "requests/claim" in quiet.paths(), 30)
                before = len(quiet.calls)
                threading.Event().wait(options.idle)
                asked = (len(quiet.calls) - before) * 60 / options.idle
            print(f"Nhàn rỗi {options.idle:.0f} s, {label}: {asked:.1f} yêu cầu mỗi phút", flush=True)


if __name__ == "__main__":
    main()
