"""The token holder's computer: pairing and running `ibhxh-agent`, as its own process with its own token."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from ibhxh_agent.config import Folder

from .programs import Program
from .softhsm import PIN, TokenFolder
from dev.paths import VENV

COMMAND = str(VENV / "bin" / "ibhxh-agent")
POLL_SECONDS = "5"
"""Between two heartbeats: shorter than in real life, so that a page shows soon what was plugged in."""


class AgentComputer:
    """One computer; `plug_in` and `pull_out` are starting and stopping the agent with a set of tokens."""

    def __init__(self, folder: Path, log: Path) -> None:
        """:param folder: for the agent's settings"""
        self._folder = folder
        self._log = log
        self._program: Program | None = None

    @property
    def settings(self) -> Folder:
        """The agent's settings and state."""
        return Folder(self._folder)

    def pair(self, server: str, code: str, name: str) -> str:
        """Pair this computer with the code that Odoo showed; the code is typed, not put on the command line.

        :return: what the agent said
        :raises RuntimeError: when it could not pair
        """
        done = subprocess.run(
            [COMMAND, "--config-dir", str(self._folder), "pair", "--server", server, "--name", name],
            input=f"{code}\n",
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"ibhxh-agent pair: {(done.stdout + done.stderr).strip()}")
        # The question for the code stands in the same line, because nobody pressed Enter on a terminal.
        return done.stdout.strip().splitlines()[-1].rsplit("): ", 1)[-1]

    def plug_in(
        self,
        slots: TokenFolder,
        pin: str = PIN,
        *,
        spy_log: Path | None = None,
        token_ms: int | None = None,
        display: str = "",
        poll_seconds: str = POLL_SECONDS,
    ) -> None:
        """Start the agent where these tokens are plugged in; the PIN goes through a pipe.

        :param spy_log: put OpenSC's spy between the agent and the token, which writes every call there
        :param token_ms: milliseconds of each signature; without it as fast as SoftHSM2
        :param display: X's display on which a window asks for the PIN instead
        :param poll_seconds: between two heartbeats
        """
        self.pull_out()
        if spy_log:
            library, environment = slots.spy_library(), slots.spy_environment(spy_log)
        elif token_ms is not None:
            library, environment = slots.timed_library(), slots.timed_environment(token_ms)
        else:
            library, environment = slots.library(), slots.environment()
        command = [COMMAND, "--config-dir", str(self._folder), "--library", str(library), "run"]
        command += ["--poll-interval", poll_seconds]
        if display:
            command += ["--prompt", "window"]
            self._program = Program("agent", command, self._log, {**environment, "DISPLAY": display})
            self._program.start()
            return
        reading, writing = os.pipe()
        try:
            os.write(writing, f"{pin}\n".encode())
            os.close(writing)
            command += ["--pin-fd", str(reading)]
            for label in slots.labels:  # all of them have this PIN
                command += ["--token", label]
            self._program = Program("agent", command, self._log, environment)
            self._program.start(descriptors=[reading])
        finally:
            os.close(reading)

    def pull_out(self) -> None:
        """Stop the agent."""
        if self._program:
            self._program.stop()
            self._program = None

    def kill(self) -> None:
        """``kill -9`` of the agent and its children, as when somebody pulls the power plug."""
        if self._program:
            self._program.kill()
            self._program = None

    @property
    def pid(self) -> int:
        """The agent's process id; 0 while it does not run."""
        return self._program.pid if self._program else 0

    def tail(self) -> str:
        """The end of the agent's log."""
        return self._program.tail() if self._program else ""


def logins(spy_log: Path) -> int:
    """How many C_Login calls reached the token's library."""
    text = spy_log.read_text(encoding="utf-8", errors="replace")
    return len(re.findall(r"^\d+: C_Login\b", text, flags=re.MULTILINE))
