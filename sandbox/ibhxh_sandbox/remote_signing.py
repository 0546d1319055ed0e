"""A remote signing service: keys that never leave it, and people who confirm each use on their phone.

The state behind `web_remote`. It is kept in memory; times are the sandbox's clock. What no document of a real service
says is marked as a guess.
"""

from __future__ import annotations

import hashlib
import secrets
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.x509.oid import NameOID

CONFIRM = timedelta(seconds=300)
DIGEST_BYTES = 32
State = Literal["waiting", "confirmed", "refused", "expired"]

FAULTS = (
    "drop_after_accepting",
    "server_error_once",
    "credentials_refused",
    "quota",
    "suspended",
    "wrong_key",
    "pkcs7",
    "short_value",
    "wrong_doc_id",
    "other_transaction",
    "exchanged_certificate",
    "redirect",
    "huge_answer",
    "html_answer",
)
"""What can be switched on for the next answers, by the control API."""


@dataclass
class Person:
    """Somebody with a key at the service. ``user``: the number under which the service knows them."""

    user: str
    name: str
    key: rsa.RSAPrivateKey
    certificate: bytes
    credential: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def serial(self) -> str:
        """Serial number of the certificate, lower-case hex."""
        return f"{x509.load_der_x509_certificate(self.certificate).serial_number:x}"


@dataclass
class Transaction:
    """One request for signatures, as the person's app lists it. ``documents``: (doc_id, digest) in their order."""

    reference: str
    person: Person
    description: str
    documents: list[tuple[str, bytes]]
    expires_at: datetime
    state: State = "waiting"
    code: str = field(default_factory=lambda: str(uuid.uuid4()))
    """The service's own id of it."""
    sad: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """CSC: what the confirmation is worth, bound to these digests."""


class RemoteSigning:
    """People and transactions of one service."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self.people: dict[str, Person] = {}
        self.transactions: dict[str, Transaction] = {}
        self.faults: dict[str, int] = {}
        """How often each fault still happens."""
        self.starts = 0

    # -- set-up ------------------------------------------------------------------------------------------------------

    def add_person(self, user: str, tax_code: str, name: str, days: int = 730) -> Person:
        """Somebody new, with a new key and a certificate of the unit `tax_code`."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        person = Person(user, name, key, _certificate(key, tax_code, name, self._now(), days))
        self.people[user] = person
        return person

    def take(self, fault: str) -> bool:
        """Whether this fault happens now; it is used up once."""
        left = self.faults.get(fault, 0)
        if left:
            self.faults[fault] = left - 1
        return bool(left)

    # -- the service -------------------------------------------------------------------------------------------------

    def start(
        self, reference: str, person: Person, description: str, documents: list[tuple[str, bytes]]
    ) -> Transaction:
        """Put a request on the person's phone.

        A repeated reference gives the transaction of before: a guess.
        """
        self.starts += 1
        if reference in self.transactions:
            return self.transactions[reference]
        transaction = Transaction(reference, person, description, documents, self._now() + CONFIRM)
        self.transactions[reference] = transaction
        return transaction

    def find(self, identity: str) -> Transaction | None:
        """A transaction by the client's id or the service's own."""
        for transaction in self.transactions.values():
            if identity in (transaction.reference, transaction.code):
                self._age(transaction)
                return transaction
        return None

    def waiting(self) -> list[Transaction]:
        """What the phones show."""
        for transaction in self.transactions.values():
            self._age(transaction)
        return [transaction for transaction in self.transactions.values() if transaction.state == "waiting"]

    def decide(self, reference: str, state: State) -> None:
        """The person confirms or refuses on the phone. Raises KeyError when nothing waits under this reference."""
        transaction = self.transactions[reference]
        self._age(transaction)
        if transaction.state != "waiting":
            raise KeyError(reference)
        transaction.state = state

    def sign(self, transaction: Transaction) -> list[tuple[str, bytes]]:
        """(doc_id, value) of a confirmed transaction, as the faults that are switched on make it."""
        key = transaction.person.key
        if self.take("wrong_key"):
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        others = [one for one in self.transactions.values() if one is not transaction]
        documents = transaction.documents
        if others and self.take("other_transaction"):
            documents = [(name, others[0].documents[0][1]) for name, _digest in documents]
        values = [(name, raw_signature(key, digest)) for name, digest in documents]
        if self.take("wrong_doc_id"):
            values = [(f"{name}-x", value) for name, value in values]
        if self.take("short_value"):
            values = [(name, value[:-1]) for name, value in values]
        if self.take("pkcs7"):
            values = [(name, b"\x30\x82\x01\x00" + value) for name, value in values]
        return values

    def _age(self, transaction: Transaction) -> None:
        if transaction.state == "waiting" and self._now() >= transaction.expires_at:
            transaction.state = "expired"


def raw_signature(key: rsa.RSAPrivateKey, digest: bytes) -> bytes:
    """The bare RSA block: PKCS#1 v1.5 over the DigestInfo of a SHA-256 that was computed elsewhere."""
    return key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def short_code(signed_digest: bytes) -> str:
    """The eight digits that the client shows for a digest, so that the person can compare."""
    number = int.from_bytes(hashlib.sha256(signed_digest).digest()[:8], "big") % 10**8
    return f"{number:08d}"[:4] + " " + f"{number:08d}"[4:]


def _certificate(key: rsa.RSAPrivateKey, tax_code: str, name: str, now: datetime, days: int) -> bytes:
    start = now - timedelta(days=1)
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
            x509.NameAttribute(NameOID.USER_ID, f"MST:{tax_code}"),
        ]
    )
    issuer = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "REMOTE-CA (thử nghiệm)")])
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start.replace(tzinfo=timezone.utc) if start.tzinfo is None else start)
        .not_valid_after(start + timedelta(days=days))
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
