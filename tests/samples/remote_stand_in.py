"""The sandbox's remote signing service, in a process of its own on this computer, and hands on its phone."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

CLIENT = "demo-sp"
SECRET = "sp-secret-of-the-sandbox"


class StandIn:
    """Use as a context manager."""

    def __enter__(self) -> StandIn:
        with tempfile.TemporaryDirectory() as folder:
            secret = Path(folder) / "secret"
            secret.write_text("not used here", encoding="utf-8")
            command = [sys.executable, "-m", "ibhxh_sandbox.cli", "--secret-file", str(secret)]
            self._process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            self.port = json.loads(self._process.stdout.readline())["port"]
        self.base = f"http://127.0.0.1:{self.port}/remote"
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait()
        self._process.stdout.close()

    def add_person(self, user: str, tax_code: str, name: str) -> bytes:
        """Give somebody a key at the service; return the DER bytes of the certificate."""
        made = self._call("remote/people", {"user": user, "tax_code": tax_code, "name": name})
        return base64.b64decode(made["certificate"])

    def fault(self, endpoint: str, kind: str, **options: Any) -> None:
        """Let this happen, once unless `count` says more often."""
        self._call("faults", {"endpoint": endpoint, "kind": kind, **options})

    def mend(self) -> None:
        """Let nothing happen any more."""
        self._call("faults", method="DELETE")

    @property
    def waiting(self) -> list[dict[str, Any]]:
        """What the phones show."""
        return self._call("remote/requests")["waiting"]

    @property
    def starts(self) -> int:
        """How many requests were ever put on a phone."""
        return self._call("remote/requests")["starts"]

    def decide(self, state: str = "confirmed") -> None:
        """Confirm or refuse (`refused`) whatever waits on the phones."""
        for row in self.waiting:
            self._call("remote/decide", {"reference": row["reference"], "state": state})

    def _call(self, path: str, body: dict[str, Any] | None = None, method: str | None = None) -> Any:
        content = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = Request(f"http://127.0.0.1:{self.port}/_sandbox/{path}", content, headers, method=method)
        with urlopen(request, timeout=30) as answer:
            return json.loads(answer.read())
