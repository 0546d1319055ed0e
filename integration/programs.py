"""Child processes with a log file: started and stopped in order, or killed and starved."""

from __future__ import annotations

import os
import resource
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

STOP_SECONDS = 15
PORTS = range(20_000, 32_768)
"""Below those that the kernel hands out for connections: none of these is taken before the program opens its own, nor
while it is stopped for a while."""
_given: set[int] = set()


def free_port() -> int:
    """A TCP port on the loopback interface that nobody listens on; never the same again in this process."""
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            if port not in _given:
                _given.add(port)
                return port


class Program:
    """One child process with a log file, in a process group of its own so that Ctrl-C does not reach it."""

    def __init__(self, name: str, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._command = list(command)
        self._environment = {**os.environ, **environment}
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *, descriptors: Sequence[int] = ()) -> None:
        """Start it.

        :param descriptors: file descriptors that the child inherits
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=tuple(descriptors),
            )

    @property
    def running(self) -> bool:
        """Whether it was started and did not end."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int:
        """Its process id, and that of its process group; 0 while it does not run."""
        return self._process.pid if self._process else 0

    def stop(self) -> None:
        """Ask it to end, and end it when it does not within 15 seconds; nothing happens when it does not run."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
        self._process = None

    def tail(self, lines: int = 15) -> str:
        """The end of its log, without the lines about answered requests."""
        if not self.log.is_file():
            return ""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join([line for line in text.splitlines() if " werkzeug: " not in line][-lines:])

    # -- what happens to programs in real life -----------------------------------------------------------------------

    def kill(self) -> None:
        """``kill -9`` of it and all of its children."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def workers(self) -> list[int]:
        """The process ids of its children, the gevent server of Odoo left out; it has to run."""
        return [child.pid for child in psutil.Process(self.pid).children() if _is_worker(child)]

    @contextmanager
    def no_space(self, size: int = 1024) -> Iterator[None]:
        """No file of its processes may grow beyond `size` bytes meanwhile: each write fails, as on a full disk."""
        soft, hard = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        self._limit_files(size, hard)
        try:
            yield
        finally:
            # Those that were started meanwhile have inherited the limit.
            self._limit_files(soft, hard)

    def _limit_files(self, soft: int, hard: int) -> None:
        for pid in [self.pid, *self.workers()]:
            with suppress(ProcessLookupError):
                resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, hard))


def _is_worker(process: psutil.Process) -> bool:
    """Whether this lives and is not Odoo's process for websockets."""
    try:
        return "gevent" not in " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return False
