"""A remote signing service: keys that never leave it, and people who confirm each use on their phone.

The state behind `web_remote`. It is kept in memory; times are the sandbox's clock. What no document of a real service
says is marked as a guess. There is one service; its dialects show the same people and transactions.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa, utils
from cryptography.x509.oid import NameOID

from .settings import Settings

DIGEST_BYTES = 32
MOST_DIGESTS = 10
MOST_TRANSACTIONS = 10_000
State = Literal["waiting", "confirmed", "refused", "expired"]

FAULTS = {
    "credentials_refused": "the client's id and password, or its token, are not accepted",
    "quota": "no signatures are left",
    "suspended": "the certificate is suspended",
    "repeats_secret": "refused, with a message that repeats all of the request",  # nosec B105 - a description
    "wrong_key": "signed with another key",
    "exchanged_certificate": "the person has a new key and certificate by now, and that key signs",
    "hashed_twice": "the signature is over the digest of the digest",
    "pkcs7": "some DER around the signature",
    "short_value": "255 bytes",
    "no_base64": "a value that is no base64",
    "wrong_doc_id": "values under names that were not asked for",
    "missing_doc_id": "the first value is left out",
    "repeated_doc_id": "two values under the first name",
    "swapped_values": "each value under the next name",
    "other_transaction": "the poll is answered about another transaction, which is confirmed",
    "forgotten": "the transaction is not known any more",
}
"""What goes wrong with a signature -> what the client sees. Faults of the line are those of the gateway's endpoints."""


@dataclass
class Switch:
    """A fault that is on: it strikes `count` times, after letting `skip` occasions pass."""

    kind: str
    count: int = 1
    skip: int = 0

    def __post_init__(self) -> None:
        if self.kind not in FAULTS:
            raise ValueError(f"kind must be one of {', '.join(FAULTS)}")
        if type(self.count) is not int or type(self.skip) is not int or self.count < 1 or self.skip < 0:
            raise ValueError("count and skip are whole numbers, count from 1")


@dataclass
class Credential:
    """A key at the service and its certificate."""

    key: rsa.RSAPrivateKey = field(repr=False)
    certificate: bytes = field(repr=False)
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    @property
    def serial(self) -> str:
        """Serial number of the certificate, lower-case hex."""
        return f"{x509.load_der_x509_certificate(self.certificate).serial_number:x}"


@dataclass
class Person:
    """Somebody with keys at the service. ``user``: the number under which the service knows them."""

    user: str
    name: str
    tax_code: str
    credentials: list[Credential] = field(default_factory=list)


@dataclass
class Transaction:
    """One request for signatures, as the person's app lists it. ``documents``: (doc_id, digest) in their order."""

    reference: str
    person: Person
    credential: Credential
    description: str
    documents: list[tuple[str, bytes]]
    expires_at: datetime
    state: State = "waiting"
    code: str = field(default_factory=lambda: str(uuid.uuid4()))
    """The service's own id of it."""
    sad: str = field(default_factory=lambda: secrets.token_urlsafe(24))
    """CSC: what the confirmation is worth, bound to these digests."""
    signed: int = 0
    """How often its signatures were made."""


class RemoteSigning:
    """People and transactions of one service."""

    def __init__(self, now: Callable[[], datetime], settings: Settings) -> None:
        self._now = now
        self.settings = settings
        self.people: dict[str, Person] = {}
        self.transactions: dict[str, Transaction] = {}
        self.faults: list[Switch] = []
        self.starts = 0
        """How many requests were put on phones: one for each, unless a client repeats itself."""
        self._authority_key: rsa.RSAPrivateKey | None = None
        self.authority = b""
        """DER of the authority's certificate, which is made with the first person's."""

    # -- set-up ------------------------------------------------------------------------------------------------------

    def add_person(self, user: str, tax_code: str, name: str, days: int = 730) -> Credential:
        """A new key and a certificate of the unit ``tax_code`` for somebody, who may have others already."""
        if not (user and tax_code and name) or not 0 < days < 10_000:
            raise ValueError("user, tax_code and name are needed; days from 1")
        person = self.people.setdefault(user, Person(user, name, tax_code))
        credential = self._credential(tax_code, name, days)
        person.credentials.append(credential)
        return credential

    def add_fault(self, kind: str, **options: Any) -> None:
        """Switch one of `FAULTS` on. Raises ValueError and TypeError."""
        self.faults.append(Switch(kind, **options))

    def faults_as_json(self) -> list[dict[str, Any]]:
        """What is switched on, as the control API shows it."""
        return [{"endpoint": "remote", **asdict(fault)} for fault in self.faults]

    def clear(self) -> None:
        """Forget people and transactions, and switch the faults off."""
        self.people.clear()
        self.transactions.clear()
        self.faults.clear()
        self.starts = 0

    def take(self, kind: str) -> bool:
        """Whether this fault happens now; it is counted down."""
        for fault in self.faults:
            if fault.kind != kind:
                continue
            if fault.skip:
                fault.skip -= 1
                return False
            fault.count -= 1
            if not fault.count:
                self.faults.remove(fault)
            return True
        return False

    # -- the service -------------------------------------------------------------------------------------------------

    def find_credential(self, name: str) -> tuple[Person, Credential] | None:
        """A key by its id."""
        for person in self.people.values():
            for credential in person.credentials:
                if credential.id == name:
                    return person, credential
        return None

    def start(
        self,
        reference: str,
        person: Person,
        credential: Credential,
        description: str,
        documents: list[tuple[str, bytes]],
    ) -> Transaction:
        """Put a request on the person's phone.

        A repeated reference gives the transaction of before, without another push: a guess.
        """
        if reference in self.transactions:
            return self.transactions[reference]
        while len(self.transactions) >= MOST_TRANSACTIONS:
            del self.transactions[next(iter(self.transactions))]
        self.starts += 1
        limit = timedelta(seconds=self.settings.remote_seconds)
        transaction = Transaction(reference, person, credential, description, documents, self._now() + limit)
        self.transactions[reference] = transaction
        decided: dict[str, State] = {"confirm": "confirmed", "refuse": "refused"}
        transaction.state = decided.get(self.settings.remote_person, "waiting")
        return transaction

    def find(self, identity: str) -> Transaction | None:
        """A transaction by the client's id or the service's own, whichever the settings say that polls go by."""
        for transaction in self.transactions.values():
            own = transaction.code if self.settings.remote_polled_by == "tran_code" else transaction.reference
            if identity == own:
                return self.aged(transaction)
        return None

    def aged(self, transaction: Transaction) -> Transaction:
        """The transaction as it is now: nobody confirms what has run out."""
        if transaction.state == "waiting" and self._now() >= transaction.expires_at:
            transaction.state = "expired"
        return transaction

    def waiting(self, user: str | None = None) -> list[Transaction]:
        """What the phones show, or that of one person."""
        found = [self.aged(one) for one in self.transactions.values() if user in (None, one.person.user)]
        return [one for one in found if one.state == "waiting"]

    def decide(self, reference: str, state: State) -> None:
        """The person confirms or refuses on the phone. Raises KeyError when nothing waits under this reference."""
        transaction = self.aged(self.transactions[reference])
        if transaction.state != "waiting":
            raise KeyError(reference)
        transaction.state = state

    def seconds_left(self, transaction: Transaction) -> int:
        """How long the person may still take."""
        return max(0, round((transaction.expires_at - self._now()).total_seconds()))

    def another(self, transaction: Transaction) -> Transaction:
        """Some other transaction that is confirmed, signed by the same key, with the same names of documents."""
        digest = secrets.token_bytes(DIGEST_BYTES)
        return Transaction(
            str(uuid.uuid4()),
            transaction.person,
            transaction.credential,
            "",
            [(name, digest) for name, _digest in transaction.documents],
            transaction.expires_at,
            "confirmed",
        )

    def sign(self, transaction: Transaction) -> list[tuple[str, bytes]]:
        """(doc_id, value) of a confirmed transaction, as the faults that are switched on make it."""
        transaction.signed += 1
        key = transaction.credential.key
        if self.take("exchanged_certificate"):
            person = transaction.person
            renewed = self._credential(person.tax_code, person.name, 730)
            transaction.credential.key, transaction.credential.certificate = renewed.key, renewed.certificate
            key = renewed.key
        if self.take("wrong_key"):
            key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        documents = transaction.documents
        if self.take("hashed_twice"):
            documents = [(name, _sha256(digest)) for name, digest in documents]
        values = [(name, raw_signature(key, digest)) for name, digest in documents]
        if self.take("short_value"):
            values = [(name, value[:-1]) for name, value in values]
        if self.take("pkcs7"):
            values = [(name, b"\x30\x82\x01\x04\x04\x82\x01\x00" + value) for name, value in values]
        return self._renamed(values)

    def _renamed(self, values: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        names = [name for name, _value in values]
        if self.take("wrong_doc_id"):
            values = [(f"{name}-x", value) for name, value in values]
        if self.take("swapped_values"):
            values = list(zip(names, [value for _name, value in values[1:] + values[:1]], strict=True))
        if self.take("repeated_doc_id"):
            values = [*values, (values[0][0], secrets.token_bytes(256))]
        if self.take("missing_doc_id"):
            values = values[1:]
        return values

    # -- certificates ------------------------------------------------------------------------------------------------

    def _credential(self, tax_code: str, name: str, days: int) -> Credential:
        start = self._now() - timedelta(days=1)
        if self._authority_key is None:
            self._authority_key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
            self.authority = _issue(
                self._authority_key, self._authority_key, _AUTHORITY, start, start + timedelta(days=20_000), is_ca=True
            )
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
                x509.NameAttribute(NameOID.COMMON_NAME, name[:64]),
                x509.NameAttribute(NameOID.USER_ID, f"MST:{tax_code}"),
            ]
        )
        return Credential(key, _issue(self._authority_key, key, subject, start, start + timedelta(days=days)))


_AUTHORITY = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "CA ký từ xa (thử nghiệm)")])


def raw_signature(key: rsa.RSAPrivateKey, digest: bytes) -> bytes:
    """The bare RSA block: PKCS#1 v1.5 over the DigestInfo of a SHA-256 that was computed elsewhere."""
    return key.sign(digest, padding.PKCS1v15(), utils.Prehashed(hashes.SHA256()))


def _sha256(content: bytes) -> bytes:
    digest = hashes.Hash(hashes.SHA256())
    digest.update(content)
    return digest.finalize()


def _issue(
    issuer: rsa.RSAPrivateKey,
    key: rsa.RSAPrivateKey,
    subject: x509.Name,
    start: datetime,
    end: datetime,
    *,
    is_ca: bool = False,
) -> bytes:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(_AUTHORITY)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(end)
        .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not is_ca,
                content_commitment=not is_ca,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=is_ca,
                crl_sign=is_ca,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
        .sign(issuer, hashes.SHA256())
        .public_bytes(serialization.Encoding.DER)
    )
