"""The small protocol between the agent and its child processes.

A frame is: length of the JSON part and length of the secret part (two unsigned 32-bit integers, big endian), the JSON
object in UTF-8, then the raw secret. The PIN travels only in the secret part, so it is never inside a Python string,
a JSON document or a buffered stream. JSON, never pickle: the other side may run a stranger's library.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any, Protocol

from ibhxh_agent.secret import Secret
from ibhxh_agent.untrusted import loads

_LENGTHS = struct.Struct(">II")
#: A signed batch or the certificates of a full token stay far below this (bytes).
MAX_JSON = 8 * 2**20
#: Longer than any PIN (bytes).
MAX_SECRET = 1024


class FrameError(Exception):
    """What came from the other side is not a frame of this protocol."""


class RawReader(Protocol):
    """An unbuffered byte stream to read from (buffered ones would keep copies of the PIN)."""

    def readinto(self, buffer: memoryview, /) -> int | None: ...


class RawWriter(Protocol):
    """An unbuffered byte stream to write to."""

    def write(self, data: memoryview, /) -> int | None: ...


def write_frame(stream: RawWriter, message: Mapping[str, Any], secret: Secret | None = None) -> None:
    """Send one frame.

    :raises FrameError: the message is larger than the protocol allows
    :raises OSError: the other side is gone
    """
    body = json.dumps(message).encode()  # escaped: a path need not be text
    hidden = secret.buffer() if secret is not None else bytearray()
    if len(body) > MAX_JSON or len(hidden) > MAX_SECRET:
        raise FrameError("frame too large")
    _write_all(stream, memoryview(_LENGTHS.pack(len(body), len(hidden)) + body))
    if hidden:
        with memoryview(hidden) as view:
            _write_all(stream, view)


def read_frame(stream: RawReader) -> tuple[dict[str, Any], Secret]:
    """Wait for one frame.

    :return: the JSON object and the secret (empty when none was sent)
    :raises EOFError: the other side closed the pipe
    :raises FrameError: the bytes are not a frame
    """
    json_length, secret_length = _LENGTHS.unpack(_read_exactly(stream, _LENGTHS.size))
    if json_length > MAX_JSON or secret_length > MAX_SECRET:
        raise FrameError("frame too large")
    body = _read_exactly(stream, json_length)
    secret = Secret(_read_exactly(stream, secret_length))
    try:
        message = loads(body)
    except ValueError as error:
        raise FrameError("frame is not JSON") from error
    if not isinstance(message, dict):
        raise FrameError("frame is not a JSON object")
    return message, secret


def _read_exactly(stream: RawReader, size: int) -> bytearray:
    buffer = bytearray(size)
    with memoryview(buffer) as view:
        done = 0
        while done < size:
            count = stream.readinto(view[done:])
            if not count:
                raise EOFError
            done += count
    return buffer


def _write_all(stream: RawWriter, view: memoryview) -> None:
    done = 0
    while done < len(view):
        done += stream.write(view[done:]) or 0
