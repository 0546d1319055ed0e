"""A PIN in memory: one mutable buffer that can be overwritten, and that refuses to be printed."""

from __future__ import annotations

from types import TracebackType
from typing import NoReturn


class Secret:
    """Bytes of a PIN (UTF-8), held in one buffer until :meth:`wipe`.

    It has no text form: ``str``, ``repr`` and ``format`` show stars, and it cannot be pickled or copied, so it does not
    reach a log or a traceback by accident. Python may still have had short-lived copies (a Tk entry, the terminal's
    line); those live in a child process that ends right after, or are gone with the next garbage collection.

    :param buffer: taken over, not copied; the caller must not use it again
    """

    __slots__ = ("_buffer",)

    def __init__(self, buffer: bytearray) -> None:
        self._buffer = buffer

    def buffer(self) -> bytearray:
        """The one buffer itself (not a copy), for the pipe and for ``C_Login``."""
        return self._buffer

    def wipe(self) -> None:
        """Overwrite with zeros; afterwards the secret is empty. May be called twice."""
        self._buffer[:] = bytes(len(self._buffer))
        self._buffer.clear()

    def clone(self) -> Secret:
        """A second buffer with the same bytes, for the one place that keeps a PIN for some minutes."""
        return Secret(bytearray(self._buffer))

    def __bool__(self) -> bool:
        return bool(self._buffer)

    def __enter__(self) -> Secret:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.wipe()

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied")
