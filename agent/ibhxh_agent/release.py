"""What only the makers of this program may say: documents signed with a release key, whose public half is built in.

They come through Odoo, which is not trusted with them: who controls the server can withhold one, and nothing else. The
keys are in ``release_keys.json``, raw Ed25519 public keys (RFC 8032) in base64; without any nothing is accepted.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from importlib import resources
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from ibhxh_agent.errors import AgentError
from ibhxh_agent.texts import text
from ibhxh_agent.untrusted import loads

#: Part of what is signed, so that a signature made for anything else is none here.
FORMAT = "ibhxh-agent-release-1"
#: Bytes of one document with its signatures.
MAX_DOCUMENT = 256 * 2**10
#: Signatures in one document: one for each key that is still in use somewhere.
MAX_SIGNATURES = 8


def built_in_keys() -> list[bytes]:
    """The public keys that this program was built with."""
    content = resources.files("ibhxh_agent").joinpath("release_keys.json").read_text(encoding="utf-8")
    return [base64.b64decode(key, validate=True) for key in json.loads(content)]


def to_sign(payload: bytes) -> bytes:
    """The bytes that the release key signs for a payload."""
    return FORMAT.encode() + b"\n" + payload


def opened(document: object, kind: str, keys: Sequence[bytes] | None = None) -> dict[str, Any]:
    """The payload of a document that one of the release keys signed.

    :param document: JSON text of ``{"format", "payload", "signatures"}``, payload and signatures in base64
    :param kind: what it has to be about, the payload's own ``kind``
    :param keys: raw public keys instead of the built-in ones
    :raises AgentError: ``release_refused``, whatever is wrong with it
    """
    payload = _payload(document, built_in_keys() if keys is None else keys)
    try:
        value = loads(payload)
    except ValueError:
        raise refused() from None
    if not isinstance(value, dict) or value.get("kind") != kind:
        raise refused()
    return value


def refused() -> AgentError:
    """The error of a document that is not believed."""
    return AgentError("release_refused", text("release_refused"))


def _payload(document: object, keys: Sequence[bytes]) -> bytes:
    if not isinstance(document, str) or len(document) > MAX_DOCUMENT:
        raise refused()
    try:
        outer = loads(document)
    except ValueError:
        raise refused() from None
    signatures = outer.get("signatures") if isinstance(outer, dict) else None
    if not isinstance(signatures, list) or len(signatures) > MAX_SIGNATURES or outer.get("format") != FORMAT:
        raise refused()
    payload = _bytes(outer.get("payload"))
    if any(_is_signed(payload, _bytes(signature), key) for signature in signatures for key in keys):
        return payload
    raise refused()


def _bytes(value: object) -> bytes:
    try:
        return base64.b64decode(value, validate=True) if isinstance(value, str) else b""
    except (binascii.Error, ValueError):
        raise refused() from None


def _is_signed(payload: bytes, signature: bytes, key: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signature, to_sign(payload))
    except InvalidSignature:
        return False
    return True
