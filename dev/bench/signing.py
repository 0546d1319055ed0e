"""The agent's whole XML signature ÷ the token's bare C_Sign, on the same token in the same run.

Run by `python -m dev.bench.signing COUNT FOLDER`, in a process of its own that sees the token folder's tokens only.
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
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from ..paths import PYTHON
from integration import softhsm

TAX_CODE = "0101243150"
PIN = softhsm.PIN


def measure(count: int, bits: int = 2048) -> dict[str, float]:
    """Make `count` signatures in one login, each beside a bare one of the same SignedInfo's length.

    :param bits: size of the RSA key
    :return: medians in microseconds: `whole` (check, parse, sign, verify, serialise), `bare` (C_Sign in this process),
        `child` (C_Sign through the agent's child process), `own` (processor time of `whole`, the child's left out);
        `ratio` and `ratio_child`
    """
    with tempfile.TemporaryDirectory() as name:
        slots = softhsm.TokenFolder(Path(name) / "token")
        token = slots.create("BENCH", pin=PIN)
        token.add_certificate(tax_code=TAX_CODE, bits=bits)
        done = subprocess.run(
            [str(PYTHON), "-m", "dev.bench.signing", str(count), str(slots.library())],
            env={**os.environ, **slots.environment(), "HOME": name, "XDG_STATE_HOME": name},
            capture_output=True,
            text=True,
            check=True,
        )
    result: dict[str, float] = json.loads(done.stdout)
    return result


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


def _raw_key(library: str) -> Any:
    """The private key by PKCS#11 in this very process: nothing but C_SignInit and C_Sign."""
    import pkcs11
    from pkcs11 import Attribute, ObjectClass

    session = pkcs11.lib(library).get_token(token_label="BENCH").open(user_pin=PIN)
    return next(iter(session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})))


def main(count: int, library: str) -> None:
    """Measure in this process and print JSON."""
    from pkcs11 import Mechanism

    batch, xmlsign = _agent("batch"), _agent("xmlsign")
    raw = _raw_key(library)
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
    # Of a SignedInfo's length.
    payload = os.urandom(500)
    times: dict[str, list[float]] = {"whole": [], "bare": [], "child": [], "own": []}
    try:
        token = manager.find(certificate.fingerprint)
        pin = _agent("secret").Secret(bytearray(PIN.encode()))
        with manager.signing_key(token, certificate, pin, warned=False) as key:

            def whole() -> None:
                job = batch.check(entry, certificate)
                xmlsign.sign(job.data, certificate, key, datetime.now(timezone.utc))

            for _number in range(count):
                _timed(times["bare"], lambda: raw.sign(payload, mechanism=Mechanism.SHA256_RSA_PKCS))
                spent = time.process_time_ns()
                _timed(times["whole"], whole)
                times["own"].append((time.process_time_ns() - spent) / 1000)
                _timed(times["child"], lambda: process.sign(payload))
    finally:
        manager.close()
    medians = {name: statistics.median(values) for name, values in times.items()}
    json.dump(
        {
            **medians,
            "ratio": medians["whole"] / medians["bare"],
            "ratio_child": medians["whole"] / medians["child"],
        },
        sys.stdout,
    )


def _timed(times: list[float], call: Callable[[], Any]) -> None:
    started = time.perf_counter_ns()
    call()
    times.append((time.perf_counter_ns() - started) / 1000)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
