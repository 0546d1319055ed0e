"""Child processes that can be killed, frozen and starved."""

from __future__ import annotations

import os
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import psutil

from ..demo.processes import Program


class Victim(Program):
    """A program with all of its children in one process group."""

    @property
    def pid(self) -> int:
        """Its process id.

        :raises RuntimeError: when it does not run
        """
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._process.pid

    def kill(self) -> None:
        """``kill -9`` of it and all of its children."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def workers(self) -> list[int]:
        """The process ids of its children, the gevent server of Odoo left out."""
        return [child.pid for child in psutil.Process(self.pid).children() if _is_worker(child)]

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Stopped meanwhile: neither it nor its children do anything."""
        os.killpg(self.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            if self._process is not None:
                os.killpg(self.pid, signal.SIGCONT)

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
