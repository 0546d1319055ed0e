"""A token holder's computer without a token: speaks the agent protocol, signs with a key in memory.

Most cases are about what comes after the signature; those about the agent itself run the real one.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from ibhxh_sandbox.example import Identity, sign  # type: ignore[import-not-found]  # mypy looks at sandbox/ apart
from lxml import etree

from .ca import CertificateAuthority

TIMEOUT = 60


class FakeAgent:
    """One paired computer; every company's certificate is of the same key, because making keys is slow."""

    def __init__(self, server: str) -> None:
        """:param server: Odoo's address"""
        self._base = f"{server}/l10n_vn_ibhxh/agent/v1"
        self._session = requests.Session()
        self._session.trust_env = False
        self._rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self._authority = CertificateAuthority()
        self.key = ""
        """The API key, once paired."""
        self._certificates: dict[str, bytes] = {}

    def pair(self, code: str) -> None:
        """Pair with the code that Odoo showed."""
        answer = self.call("pair", {"code": code, "name": "PC", "os": "Linux", "version": "1.0.0"}).json()
        self.key = answer["key"]
        self._session.headers.update({"Authorization": f"Bearer {self.key}", "X-Ibhxh-Agent": answer["agent"]})

    def call(self, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        """One call of the protocol."""
        return self._session.post(f"{self._base}/{path}", json=body or {}, timeout=TIMEOUT)

    def certificate(self, tax_code: str, name: str) -> bytes:
        """The certificate (DER) of a company, issued when it is first asked for."""
        if tax_code not in self._certificates:
            self._certificates[tax_code] = self._authority.issue(self._rsa.public_key(), tax_code=tax_code, name=name)
        return self._certificates[tax_code]

    def plug_in(self, *certificates: bytes) -> dict[str, Any]:
        """Report these certificates and nothing else; returns Odoo's answer."""
        encoded = [base64.b64encode(der).decode() for der in certificates]
        answer = self.call("heartbeat", {"certificates": encoded, "tokens": [], "version": "1.0.0"})
        answer.raise_for_status()
        beat: dict[str, Any] = answer.json()
        return beat

    def claim(self, certificate: bytes) -> list[dict[str, Any]]:
        """Take what waits for this certificate."""
        answer = self.call("requests/claim", {"fingerprints": [hashlib.sha256(certificate).hexdigest()]})
        answer.raise_for_status()
        found: list[dict[str, Any]] = answer.json()
        return found

    def sign(self, document: str, certificate: bytes) -> bytes:
        """The signed document.

        :param document: base64 of the unsigned one, as it was claimed
        """
        identity = Identity(self._rsa, x509.load_der_x509_certificate(certificate))
        signed: bytes = sign(etree.fromstring(base64.b64decode(document)), identity)
        return signed

    def deliver(self, request: int, signed: bytes) -> requests.Response:
        """Hand a signed document in."""
        return self.call(f"requests/{request}/signed", {"document": base64.b64encode(signed).decode()})
