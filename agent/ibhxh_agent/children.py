"""Child processes of the agent: one per PKCS#11 library, one per PIN window.

The parent talks to a child over its standard input and output with the frames of :mod:`ibhxh_agent.frames`, and always
with a time-out. A child that dies, hangs or talks nonsense is killed; that is an error of one call, not of the agent.
"""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from ibhxh_agent.frames import FrameError, RawReader, RawWriter, read_frame, write_frame
from ibhxh_agent.secret import Secret

#: First argument of the own program that starts a child instead of a command; the frozen program has no ``-m``.
CHILD_FLAG = "--child"

#: Seconds after which a killed process is given up: Windows cannot end one that hangs in a device driver.
STUBBORN = 5.0

log = logging.getLogger(__name__)

_Received = tuple[dict[str, Any], Secret]


class ChildError(Exception):
    """A child process did not do its work; ``reason`` is ``died``, ``timeout`` or ``garbage``.

    :param detail: a technical word for people and the log, never a secret
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.detail = detail


def child_command(kind: str) -> list[str]:
    """The command line of a child of this kind, for an installed and for a frozen (PyInstaller) agent."""
    if getattr(sys, "frozen", False):
        return [sys.executable, CHILD_FLAG, kind]
    return [sys.executable, "-m", "ibhxh_agent", CHILD_FLAG, kind]


def start_alone(command: Sequence[str | Path], **options: Any) -> subprocess.Popen[bytes]:
    """Start a program that goes on when this one has ended."""
    detached = getattr(subprocess, "DETACHED_PROCESS", 0) | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
    return subprocess.Popen(command, creationflags=detached, close_fds=True, start_new_session=True, **options)


class Group:
    """A token's child and all that a vendor's library starts in it: they end together.

    A process that goes into a session of its own leaves the group on POSIX; on Windows none can.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._leader = process.pid
        self._job: int | None = None
        if sys.platform == "win32":
            # Before the library is loaded: that takes a frame from here.
            self._job = _job_of(process)

    def kill(self) -> None:
        """End all of them. Called once: the number may be another's afterwards."""
        if sys.platform == "win32":
            if self._job is not None:
                _kernel().CloseHandle(self._job)
            return
        with contextlib.suppress(OSError):
            os.killpg(self._leader, signal.SIGKILL)


def end_own_group() -> None:
    """The same from within, for a child whose parent is gone or that was told to end; does not return there."""
    if sys.platform != "win32" and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)


class _JobLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION, winnt.h; its flags follow two times of 64 bits."""

    _fields_ = (
        ("times", ctypes.c_int64 * 2),
        ("flags", ctypes.c_uint32),
        ("sizes", ctypes.c_size_t * 2),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32 * 2),
        ("counters", ctypes.c_uint64 * 6),
        ("memory", ctypes.c_size_t * 4),
    )


_JOB_LIMITS, _KILL_ON_CLOSE = 9, 0x2000  # JobObjectExtendedLimitInformation, JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE


def _kernel() -> Any:
    if sys.platform != "win32":
        raise OSError("not on this system")
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    kernel.SetInformationJobObject.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32]
    kernel.AssignProcessToJobObject.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    return kernel


def _job_of(process: subprocess.Popen[bytes]) -> int | None:
    """A job that ends with its handle, so also with this process; ``None`` where Windows makes none."""
    kernel = _kernel()
    job = kernel.CreateJobObjectW(None, None)
    limits = _JobLimits(flags=_KILL_ON_CLOSE)
    if not job:
        return None
    if not kernel.SetInformationJobObject(job, _JOB_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)) or (
        not kernel.AssignProcessToJobObject(job, int(cast(Any, process)._handle))
    ):
        log.warning("no job for the child %d", process.pid)
        kernel.CloseHandle(job)
        return None
    return int(job)


class Child:
    """One running child process.

    :param kind: ``token`` or ``window``, see :func:`ibhxh_agent.cli.main`; what a ``token`` started ends with it
    :param program: that is this child, where it is another than this one
    """

    def __init__(self, kind: str, program: Path | None = None) -> None:
        alone = kind == "token"
        # Unbuffered pipes: a buffered one keeps copies of the PIN. The child's error output is dropped, because a
        # vendor's debugging print may hold anything, a PIN included.
        self._process = subprocess.Popen(
            child_command(kind) if program is None else [program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            # Windows: no black window for each child.
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=alone,
        )
        self._group: Group | None = Group(self._process) if alone else None
        self._frames: queue.Queue[_Received | ChildError] = queue.Queue()
        self._reader = threading.Thread(target=self._read, name=f"child-{kind}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """Process id, for the log and for tests that kill it."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """The process has not ended."""
        return self._process.poll() is None

    def _read(self) -> None:
        stream = self._process.stdout
        if stream is None:
            return
        # Closed here and nowhere else: were it closed by another thread while this one waits in read(), its number
        # could be given to the pipe of the next child, whose bytes this thread would then steal.
        with stream:
            try:
                while True:
                    self._frames.put(read_frame(cast(RawReader, stream)))
            except FrameError:
                self._frames.put(ChildError("garbage"))
            except (EOFError, OSError, ValueError):
                self._frames.put(ChildError("died"))

    def send(self, message: Mapping[str, Any], secret: Secret | None = None) -> None:
        """Send one frame.

        :raises ChildError: the child is gone
        """
        stream = self._process.stdin
        try:
            if stream is None:
                raise BrokenPipeError
            write_frame(cast(RawWriter, stream), message, secret)
        except (OSError, ValueError) as error:
            self.kill()
            raise ChildError("died") from error

    def receive(self, timeout: float) -> _Received:
        """Wait for one frame, at most ``timeout`` seconds.

        :raises ChildError: the child died, talked nonsense, or was too slow and has been killed
        """
        try:
            received = self._frames.get(timeout=timeout)
        except queue.Empty:
            self.kill()
            raise ChildError("timeout") from None
        if isinstance(received, ChildError):
            self.kill()
            raise received
        return received

    def poll(self, timeout: float) -> _Received | None:
        """Like :meth:`receive`, but a quiet child is no error: ``None`` after ``timeout`` seconds."""
        try:
            received = self._frames.get(timeout=timeout)
        except queue.Empty:
            return None
        if isinstance(received, ChildError):
            self.kill()
            raise received
        return received

    def kill(self) -> None:
        """End the process at once, and what a library started in it. May be called twice."""
        with contextlib.suppress(OSError):
            self._process.kill()
        group, self._group = self._group, None
        if group is not None:
            group.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STUBBORN)
        if self.alive:
            log.error("child %d cannot be ended; it is left alone", self.pid)
        self._close_input()

    def finish(self, timeout: float) -> None:
        """Close the child's input, which asks it to end, and kill it when it has not after ``timeout`` seconds."""
        self._close_input()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout)
        self.kill()

    def _close_input(self) -> None:
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()


def _point_handles_at(descriptor: int) -> None:
    """Windows keeps its standard handles apart from descriptors 0 and 1; in a windowed program nothing moves them."""
    if sys.platform != "win32":
        return
    import msvcrt

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)
    kernel.SetStdHandle.argtypes = [ctypes.c_uint32, ctypes.c_void_p]
    for standard in (-10, -11):  # STD_INPUT_HANDLE, STD_OUTPUT_HANDLE (winbase.h)
        kernel.SetStdHandle(standard & 0xFFFFFFFF, msvcrt.get_osfhandle(descriptor))


class ParentPipe:
    """The child's end of the pipe.

    Takes the process' standard input and output for itself and points them at the null device, so that a library that
    prints does not disturb the frames. A thread of its own reads: when the parent is gone the process ends at once,
    also when its main thread hangs inside a vendor's library.

    :param survives: instead, the last frame is ``{"op": "gone"}``, and nothing is sent any more
    """

    def __init__(self, *, survives: bool = False) -> None:
        self._exit = os._exit
        self._survives = survives
        self._in = os.fdopen(os.dup(0), "rb", buffering=0)
        self._out = os.fdopen(os.dup(1), "wb", buffering=0)
        null = os.open(os.devnull, os.O_RDWR)
        os.dup2(null, 0)
        os.dup2(null, 1)
        _point_handles_at(null)
        self._frames: queue.Queue[_Received] = queue.Queue()
        threading.Thread(target=self._read, name="parent-pipe", daemon=True).start()

    def _read(self) -> None:
        try:
            while True:
                self._frames.put(read_frame(self._in))
        except (EOFError, OSError, FrameError):
            if not self._survives:
                end_own_group()
                self._exit(0)
            self._frames.put(({"op": "gone"}, Secret(bytearray())))

    def receive(self) -> _Received:
        """Wait for the next frame of the parent, for as long as it lives."""
        return self._frames.get()

    def poll(self) -> _Received | None:
        """The next frame when one has come already."""
        try:
            return self._frames.get_nowait()
        except queue.Empty:
            return None

    def send(self, message: Mapping[str, Any], secret: Secret | None = None) -> None:
        """Send one frame to the parent."""
        try:
            write_frame(self._out, message, secret)
        except OSError:
            if not self._survives:
                raise
