"""SoftHSM2 tokens in a folder of their own: real PKCS#11, keys made on the token and never outside it.

    slots = TokenFolder(tmp_path)                       # writes <tmp_path>/softhsm2.conf
    token = slots.create("VNPT-CA")
    der = token.add_certificate(tax_code="0101234567", name="CÔNG TY …")
    os.environ.update(slots.environment())              # SOFTHSM2_CONF, for this or a child process
    library = slots.library()                           # path for the agent's --library
    library = slots.timed_library()                     # as slow as a USB token, with timed_environment(150)

SoftHSM2 reads SOFTHSM2_CONF once, when it is loaded: each TokenFolder therefore does its work in a child process, and
one process (such as the agent's) sees the tokens of one folder only.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from .ca import CertificateAuthority
from dev.console import Problem
from dev.setup import system_tools

PIN = "73915846"
"""Of every token that is given no other; unlike any other number here, so that one can search for it."""
SO_PIN = "87654321"


class TokenFolder:
    """A set of tokens, all in one folder, seen together by anyone who runs with its environment."""

    def __init__(self, folder: Path, *, authority: CertificateAuthority | None = None) -> None:
        """:param folder: created when missing; delete it to forget the tokens
        :param authority: issues the certificates; default one of its own
        """
        self.folder = folder
        self.authority = authority or CertificateAuthority()
        self.config = folder / "softhsm2.conf"
        #: of the tokens that were created
        self.labels: list[str] = []
        (folder / "tokens").mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n",
            encoding="utf-8",
        )

    @staticmethod
    def library() -> Path:
        """SoftHSM2's PKCS#11 library.

        :raises Problem: when it is not installed
        """
        return _library("libsofthsm2.so")

    @staticmethod
    def spy_library() -> Path:
        """OpenSC's pkcs11-spy.so, which logs every call and passes it on.

        :raises Problem: when it is not installed
        """
        return _library("pkcs11-spy.so")

    def timed_library(self) -> Path:
        """`library()` behind `timed_token.c`, compiled into the folder: its signatures take as long as one wants."""
        target = self.folder / "timed_token.so"
        if not target.exists():
            source = Path(__file__).with_name("timed_token.c")
            subprocess.run(
                ["cc", "-O1", "-shared", "-fPIC", "-o", str(target), str(source), "-ldl", "-lpthread"], check=True
            )
        return target

    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to see these tokens."""
        return {**system_tools.environment(), "SOFTHSM2_CONF": str(self.config)}

    def spy_environment(self, log: Path) -> dict[str, str]:
        """As `environment`, for a process that loads `spy_library()` instead; the calls are appended to `log`."""
        return {**self.environment(), "PKCS11SPY": str(self.library()), "PKCS11SPY_OUTPUT": str(log)}

    def timed_environment(self, milliseconds: int) -> dict[str, str]:
        """As `environment`, for a process that loads `timed_library()` instead; see `signatures`.

        :param milliseconds: that a signature takes, the work of SoftHSM2 included
        """
        return {
            **self.environment(),
            "TIMED_TOKEN_LIBRARY": str(self.library()),
            "TIMED_TOKEN_MS": str(milliseconds),
            "TIMED_TOKEN_LOG": str(self._timed_log),
        }

    @property
    def _timed_log(self) -> Path:
        return self.folder / "signatures.log"

    def signatures(self) -> list[tuple[float, float]]:
        """When each signature through `timed_library()` was asked for, and when it was there (`time.time`)."""
        if not self._timed_log.exists():
            return []
        lines = self._timed_log.read_text(encoding="ascii").splitlines()
        return [(int(begun) / 1e6, int(ended) / 1e6) for begun, ended in map(str.split, lines)]

    def create(self, label: str, *, pin: str = PIN) -> Token:
        """Initialise a new, empty token.

        :param label: at most 32 bytes; unique in the folder
        """
        tool = system_tools.program("softhsm2-util")
        if tool is None:
            raise Problem("softhsm2-util is not installed.", "./run setup")
        # Its built-in path of the library is the installed one's.
        command = [str(tool), "--module", str(self.library()), "--init-token", "--free", "--label", label]
        done = subprocess.run(
            [*command, "--pin", pin, "--so-pin", SO_PIN],
            env={**os.environ, **self.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"softhsm2-util: {(done.stdout + done.stderr).strip()[-300:]}")
        self.labels.append(label)
        return Token(self, label, pin)


def _library(name: str) -> Path:
    found = system_tools.library(name)
    if found is None:
        raise Problem(f"{name} is not installed.", "./run setup")
    return found


@dataclass(frozen=True)
class Token:
    """One token of a folder."""

    slots: TokenFolder
    label: str
    pin: str = PIN

    def add_certificate(
        self,
        *,
        tax_code: str,
        name: str = "CÔNG TY TNHH THỬ NGHIỆM",
        not_before: datetime | None = None,
        not_after: datetime | None = None,
        uids: tuple[str, ...] = (),
        bits: int = 2048,
    ) -> bytes:
        """Make an RSA key pair on the token and store a certificate for it beside it.

        Call it again for a renewed certificate: the token then holds both, each with its own key. For the parameters
        see :meth:`CertificateAuthority.issue`.

        :param bits: size of the key
        :return: the certificate, DER
        """
        made = self._on_token({"do": "key", "bits": bits})
        from cryptography.hazmat.primitives.serialization import load_der_public_key

        public_key = load_der_public_key(base64.b64decode(made["public_key"]))
        der = self.slots.authority.issue(
            public_key,  # type: ignore[arg-type]  # an RSA key by construction
            tax_code=tax_code,
            name=name,
            not_before=not_before,
            not_after=not_after,
            uids=uids,
        )
        self._on_token({"do": "store", "id": made["id"], "label": name, "der": base64.b64encode(der).decode()})
        return der

    def remove_certificates(self) -> None:
        """Delete every certificate and key, as if the token of another company were plugged in."""
        self._on_token({"do": "clear"})

    def _on_token(self, job: dict[str, object]) -> dict[str, str]:
        request = {"library": str(self.slots.library()), "token": self.label, "pin": self.pin, **job}
        done = subprocess.run(
            [sys.executable, str(Path(__file__).with_name("softhsm_worker.py"))],
            input=json.dumps(request),
            env={**os.environ, **self.slots.environment()},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"SoftHSM2: {done.stderr.strip()[-800:]}")
        answer: dict[str, str] = json.loads(done.stdout)
        return answer
