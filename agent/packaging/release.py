"""Sign what agents take from Odoo: newer programs, and lists of token drivers (docs/agent-protocol.md, release).

    python packaging/release.py new-key KEY.pem                  # once; prints the line for release_keys.json
    python packaging/release.py program SETUP.exe --platform windows-x86_64 --key KEY.pem
    python packaging/release.py libraries --key KEY.pem          # of libraries.json as it is here

The second and third write `….release.json`, which is published beside the installer. A passphrase is asked for. Two
keys (`--key` twice) let agents that know only the older one follow to a version that knows the newer one.
"""

from __future__ import annotations

import argparse
import base64
import getpass
import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey  # noqa: E402
from cryptography.hazmat.primitives.serialization import (  # noqa: E402
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ibhxh_agent import __version__  # noqa: E402
from ibhxh_agent.release import FORMAT, opened, to_sign  # noqa: E402
from ibhxh_agent.tokens.library_list import built_in, checked  # noqa: E402
from ibhxh_agent.updates import MAX_INSTALLER  # noqa: E402


def document(payload: dict[str, Any], keys: list[Ed25519PrivateKey]) -> str:
    """The signed JSON text that Odoo hands out."""
    content = json.dumps(payload, ensure_ascii=False).encode()
    signatures = [base64.b64encode(key.sign(to_sign(content))).decode() for key in keys]
    text = json.dumps({"format": FORMAT, "payload": base64.b64encode(content).decode(), "signatures": signatures})
    opened(text, payload["kind"], [public(key) for key in keys])
    return text


def public(key: Ed25519PrivateKey) -> bytes:
    """The raw public key."""
    return key.public_key().public_bytes_raw()


def new_key(path: Path, passphrase: str) -> str:
    """Make a release key; the public half in base64, as `release_keys.json` has it."""
    key = Ed25519PrivateKey.generate()
    encryption = BestAvailableEncryption(passphrase.encode()) if passphrase else NoEncryption()
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))
    return base64.b64encode(public(key)).decode()


def load_key(path: Path, passphrase: str) -> Ed25519PrivateKey:
    """A release key from its file."""
    key = load_pem_private_key(path.read_bytes(), passphrase.encode() or None)
    if not isinstance(key, Ed25519PrivateKey):
        raise SystemExit(f"{path} is not an Ed25519 key")
    return key


def program(installer: Path, platform: str, version: str) -> dict[str, Any]:
    """What is signed about an installer."""
    content = installer.read_bytes()
    if not 0 < len(content) <= MAX_INSTALLER:
        raise SystemExit(f"{installer} has {len(content)} bytes; agents take at most {MAX_INSTALLER}")
    sha256 = hashlib.sha256(content).hexdigest()
    return {"kind": "program", "platform": platform, "version": version, "size": len(content), "sha256": sha256}


def libraries() -> dict[str, Any]:
    """What is signed about the list of token drivers."""
    return {"kind": "libraries", **checked(built_in())}


def main(arguments: list[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("new-key").add_argument("key", type=Path)
    making = commands.add_parser("program")
    making.add_argument("installer", type=Path)
    making.add_argument("--platform", required=True)
    making.add_argument("--version", default=__version__)
    listing = commands.add_parser("libraries")
    for command in (making, listing):
        command.add_argument("--key", type=Path, action="append", required=True)
    options = parser.parse_args(arguments)
    if options.command == "new-key":
        print(new_key(options.key, getpass.getpass("Passphrase of the new key (empty: none): ")))
        return
    keys = [load_key(path, getpass.getpass(f"Passphrase of {path} (empty: none): ")) for path in options.key]
    if options.command == "program":
        target = options.installer.with_name(f"{options.installer.name}.release.json")
        payload = program(options.installer, options.platform, options.version)
    else:
        payload = libraries()
        target = Path(f"ibhxh-agent-libraries-{payload['version']}.release.json")
    target.write_text(document(payload, keys), encoding="utf-8")
    print(target)


if __name__ == "__main__":
    main()
