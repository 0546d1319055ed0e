"""One signature with a token, without a batch around it."""

from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from fakelib import PIN

from ibhxh_agent.secret import Secret
from ibhxh_agent.tokens.manager import TokenManager


def secret(pin: str = PIN) -> Secret:
    return Secret(bytearray(pin.encode()))


def sign(manager: TokenManager, fingerprint: str, pin: str = PIN, data: bytes = b"data", warned: bool = False) -> bytes:
    """The signature, which the agent has verified with the certificate."""
    token = manager.find(fingerprint)
    certificate = next(c for c in token.certificates if c.fingerprint == fingerprint)
    with manager.signing_key(token, certificate, secret(pin), warned=warned) as key:
        return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
