"""The signed documents that come with a release of the agent (docs/agent-protocol.md): what they say, without the ORM.

Odoo hands them on. Whether one of the makers' keys signed a document is for the agent to find out, which has these keys
built in and trusts no server with them.
"""

import base64
import binascii
import json
import re
from typing import Any, NamedTuple

from .versions import VERSION

FORMAT = "ibhxh-agent-release-1"
MAX_BYTES = 256 * 2**10
SHA256 = re.compile(r"[0-9a-f]{64}")


class ReleaseError(ValueError):
    """The document is not one of a release."""


class Release(NamedTuple):
    """What a document is about; size in bytes, SHA-256 in lower-case hexadecimal, both of programs only."""

    kind: str
    version: str
    platform: str | None = None
    size: int | None = None
    sha256: str | None = None


def read(content: bytes) -> Release:
    """Return the `Release` that the bytes of a document describe; raises `ReleaseError`."""
    if len(content) > MAX_BYTES:
        raise ReleaseError("too large")
    outer = _object(content)
    if outer.get("format") != FORMAT or not isinstance(outer.get("payload"), str):
        raise ReleaseError("another format")
    try:
        payload = _object(base64.b64decode(outer["payload"], validate=True))
    except binascii.Error as error:
        raise ReleaseError("no base64") from error
    version, size, sha256 = payload.get("version"), payload.get("size"), payload.get("sha256")
    if payload.get("kind") == "libraries" and type(version) is int and 0 < version < 2**31:
        return Release("libraries", str(version))
    if payload.get("kind") != "program" or not isinstance(version, str) or not VERSION.fullmatch(version):
        raise ReleaseError("another kind")
    if type(size) is not int or not isinstance(payload.get("platform"), str):
        raise ReleaseError("another kind")
    if not isinstance(sha256, str) or not SHA256.fullmatch(sha256):
        raise ReleaseError("no hash")
    return Release("program", version, payload["platform"], size, sha256)


def _object(content: bytes) -> dict[str, Any]:
    try:
        value = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise ReleaseError("no JSON") from error
    if not isinstance(value, dict):
        raise ReleaseError("no object")
    return value
