"""The agent's whole XML signature ÷ the time that the token takes for it.

Run by `python -m dev.bench.signing COUNT LIBRARY`, in a process of its own that sees the token folder's tokens only.
"""

from __future__ import annotations

import base64
import hashlib
import importlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..paths import PYTHON
from integration import softhsm

TAX_CODE = "0101243150"
PIN = softhsm.PIN


def measure(count: int, token_ms: int) -> dict[str, float]:
    """Make `count` signatures in one login on a token that takes `token_ms` milliseconds for each.

    :return: medians in microseconds: `whole` (check, parse, sign, verify, serialise), `token` (from the call of C_Sign
        to its answer, in the driver), `own` (processor time of `whole`, that of the child process left out); `ratio`
        of the first two
    """
    with tempfile.TemporaryDirectory() as name:
        slots = softhsm.TokenFolder(Path(name) / "token")
        token = slots.create("BENCH", pin=PIN)
        token.add_certificate(tax_code=TAX_CODE)
        done = subprocess.run(
            [str(PYTHON), "-m", "dev.bench.signing", str(count), str(slots.timed_library())],
            env={**os.environ, **slots.timed_environment(token_ms), "HOME": name, "XDG_STATE_HOME": name},
            capture_output=True,
            text=True,
            check=True,
        )
        times = [(ended - asked) * 1e6 for asked, ended in slots.signatures()]
    found: dict[str, float] = json.loads(done.stdout)
    token_time = statistics.median(times)
    return {**found, "token": token_time, "ratio": found["whole"] / token_time}


def _document() -> bytes:
    values = {
        "MaCoQuan": "001",
        "LoaiDoiTuong": "1",
        "MaSoThue": TAX_CODE,
        "MaIVan": "00001",
        "PTNhanKetQua": "0",
        "Email": "ke.toan@example.com",
        "DienThoai": "0912345678",
        "DienThoaiLienHe": "0912345678",
        "NgayLap": "05/03/2026",
        "NgayDangKy": "05/03/2026",
    }
    document = _agent("document")
    fields = document.FORMS["04"]
    data: bytes = document.rebuild("04", [values.get(field.name, f"Nội dung của {field.name}") for field in fields])
    return data


def _agent(name: str) -> Any:
    """A module of the agent, which is a distribution of its own."""
    return importlib.import_module(f"ibhxh_agent.{name}")


def main(count: int, library: str) -> None:
    """Measure in this process and print JSON."""
    batch, xmlsign = _agent("batch"), _agent("xmlsign")
    process = _agent("tokens.process").LibraryProcess(library)
    manager = _agent("tokens.manager").TokenManager([process])
    manager.refresh()
    (certificate,) = manager.certificates()
    document = _document()
    entry = {
        "id": 1,
        "document": base64.b64encode(document).decode(),
        "sha256": hashlib.sha256(document).hexdigest(),
        "form": "04",
        "fingerprint": certificate.fingerprint,
    }
    whole, own = [], []
    try:
        token = manager.find(certificate.fingerprint)
        pin = _agent("secret").Secret(bytearray(PIN.encode()))
        with manager.signing_key(token, certificate, pin, warned=False) as key:
            for _number in range(count):
                started, spent = time.perf_counter_ns(), time.process_time_ns()
                job = batch.check(entry, certificate)
                xmlsign.sign(job.data, certificate, key, datetime.now(timezone.utc))
                own.append((time.process_time_ns() - spent) / 1000)
                whole.append((time.perf_counter_ns() - started) / 1000)
    finally:
        manager.close()
    json.dump({"whole": statistics.median(whole), "own": statistics.median(own)}, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
