"""The makers of the agent: a release key of the test's own, and what it signs."""

from __future__ import annotations

import base64
import copy
import hashlib
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ibhxh_agent.release import FORMAT, to_sign
from ibhxh_agent.tokens.library_list import built_in
from ibhxh_agent.updates import platform_name

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(b"o" * 32)
KEYS = [KEY.public_key().public_bytes_raw()]


def signed(payload: dict[str, Any], *keys: Ed25519PrivateKey) -> str:
    """A document as the makers publish it."""
    content = json.dumps(payload).encode()
    return json.dumps(
        {
            "format": FORMAT,
            "payload": base64.b64encode(content).decode(),
            "signatures": [base64.b64encode(key.sign(to_sign(content))).decode() for key in keys or (KEY,)],
        }
    )


def program(installer: bytes, version: str = "99.0.1", **values: Any) -> dict[str, Any]:
    """What is signed about an installer for this system."""
    return {
        "kind": "program",
        "platform": platform_name(),
        "version": version,
        "size": len(installer),
        "sha256": hashlib.sha256(installer).hexdigest(),
        **values,
    }


def newer(version: object = 99, **windows: Any) -> dict[str, Any]:
    """A list of libraries to be signed: the built-in one with another version, and other things of Windows."""
    value = copy.deepcopy(built_in())
    value["windows"].update(windows)
    return {**value, "kind": "libraries", "version": version}
