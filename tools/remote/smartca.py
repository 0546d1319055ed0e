"""Services of the shape that VNPT SmartCA publishes and CA2 shares: sp_id and sp_password in each body.

What is told apart by provider stands in `PROFILES`. Facts and their sources: docs/remote-signing.md.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .base import (
    Code,
    Item,
    NotKnown,
    NotSent,
    RemoteCertificate,
    RemoteService,
    ServiceRefused,
    Signed,
    Unanswered,
    Waiting,
)
from .client import Answer, HttpClient
from .reading import MAX_CERTIFICATE_BYTES, MAX_VALUE_BYTES, decoded, holder, identity, member, rows, seconds, whole
from .registry import register

MAX_DESCRIPTION = 100
MAX_CERTIFICATES = 64


@dataclass(frozen=True)
class Profile:
    """Where one provider differs.

    ``status_has_credentials``: the status call takes credentials and ids in its body, else the id in its path.
    ``repeats_id``: answers repeat the transaction's id. ``pending_codes``: values of ``status_code`` for waiting.
    """

    base: str
    certificates: str
    start: str
    status: str
    digest: Callable[[bytes], str]
    status_has_credentials: bool
    repeats_id: bool
    pending_codes: frozenset[int] = frozenset()


PROFILES: Mapping[str, Profile] = {
    "vnpt": Profile(
        base="https://gwsca.vnpt.vn/sca/sp769",
        certificates="v1/credentials/get_certificate",
        start="v1/signatures/sign",
        status="v1/signatures/sign/{id}/status",
        digest=bytes.hex,
        # The id alone is enough, and less secret travels.
        status_has_credentials=False,
        repeats_id=True,
    ),
    "ca2": Profile(
        base="https://rmsca2.nacencomm.vn",
        certificates="api/data/get_certificate",
        start="api/data/sign",
        status="api/data/status",
        digest=lambda digest: base64.b64encode(digest).decode(),
        status_has_credentials=True,
        repeats_id=False,
        pending_codes=frozenset({102, 1001, 1002}),
    ),
}

_TERMINAL: Mapping[str, Code] = {
    "REJECTED": "refused",
    "CANCELLED": "refused",
    "EXPIRED": "expired",
    "TIMEOUT": "expired",
}
_QUOTA = ("SERVICE_PACK", "QUOTA", "HET LUOT", "HẾT LƯỢT")
_MOVED = frozenset({301, 302, 303, 307, 308, 404, 405, 410})


@register("smartca")
class SmartCa(RemoteService):
    """``client_id`` and ``client_secret`` are sp_id and sp_password."""

    def __init__(self, client: HttpClient, *, profile: str, client_id: str, client_secret: str) -> None:
        self._client = client
        self._profile = PROFILES[profile]
        self._credentials = {"sp_id": client_id, "sp_password": client_secret}

    def certificates(self, user: str) -> list[RemoteCertificate]:
        """See `RemoteService`. A row whose serial number is not the certificate's is left out."""
        body = {**self._credentials, "user_id": user, "serial_number": "", "transaction_id": str(uuid.uuid4())}
        answer = self._call(self._profile.certificates, body)
        _check(answer)
        found: dict[str, RemoteCertificate] = {}
        for row in rows(answer.member("data"), "user_certificates")[:MAX_CERTIFICATES]:
            info = holder([decoded(row.get("cert_data"), MAX_CERTIFICATE_BYTES)])
            serial = identity(row.get("serial_number"))
            if info and serial.upper().lstrip("0") == info.serial:
                is_usable = row.get("cert_status_code") in (None, "", "VALID")
                found.setdefault(serial, RemoteCertificate(serial, info.der, is_usable))
        return list(found.values())

    def start(
        self, reference: str, user: str, certificate: str, items: Sequence[Item], description: str
    ) -> Waiting | Signed:
        """See `RemoteService`."""
        files = [
            {
                "data_to_be_signed": self._profile.digest(item.digest),
                "doc_id": item.doc_id,
                "file_type": "xml",
                "sign_type": "hash",
            }
            for item in items
        ]
        body = {
            **self._credentials,
            "user_id": user,
            "transaction_id": reference,
            "transaction_desc": description[:MAX_DESCRIPTION],
            "serial_number": certificate,
            "sign_files": files,
        }
        answer = self._call(self._profile.start, body)
        _check(answer)
        data = answer.member("data")
        if not self._is_about(answer, reference):
            raise Unanswered("an answer about another transaction")
        other = identity(member(data, "tran_code"))
        return Waiting({"tran_code": other} if other else {}, seconds(member(data, "expired_in")))

    def poll(self, reference: str, user: str, items: Sequence[Item], handle: Mapping[str, str]) -> Waiting | Signed:
        """See `RemoteService`."""
        asked = handle.get("by") or reference
        answer = self._status(asked, user)
        if _is_unknown(answer) and handle.get("tran_code") and asked == reference:
            # Some clients report that the service's own id is asked for instead of ours.
            asked = handle["tran_code"]
            answer = self._status(asked, user)
            handle = {**handle, "by": asked}
        if _is_unknown(answer):
            raise NotKnown(answer.words("message"))
        if not self._is_about(answer, reference, asked, handle.get("tran_code", "")):
            raise Unanswered("an answer about another transaction")
        word = answer.text("message").upper()
        for mark, code in _TERMINAL.items():
            if mark in word and not _is_trouble(answer):
                raise ServiceRefused(code, answer.words("message"))
        if _code(answer) not in self._profile.pending_codes:
            _check(answer, is_poll=True)
        values, is_done = _values(answer, {item.doc_id for item in items})
        return Signed(values) if is_done else Waiting(handle)

    def _status(self, asked: str, user: str) -> Answer:
        if self._profile.status_has_credentials:
            return self._call(self._profile.status, {**self._credentials, "user_id": user, "transaction_id": asked})
        # The service's own id, which is part of the path here, is not ours to trust.
        if not asked.replace("-", "").isalnum() or not asked.isascii():
            raise NotKnown("an id that cannot be asked for")
        return self._call(self._profile.status.format(id=asked), {})

    def _call(self, path: str, body: Mapping[str, Any]) -> Answer:
        secrets = [str(body[name]) for name in ("sp_password", "user_id", "transaction_id") if name in body]
        return self._client.post(path, body, secrets=secrets)

    def _is_about(self, answer: Answer, *ids: str) -> bool:
        """Whether an answer is about one of these transactions, as far as it says so."""
        said = member(answer.member("data"), "transaction_id")
        return not self._profile.repeats_id or not said or said in ids


def _values(answer: Answer, expected: set[str]) -> tuple[dict[str, bytes], bool]:
    """What was signed by ``doc_id``, and whether the service has decided: one value, whatever it is, says so.

    Two values for one document are none: which of them is meant would be a guess.
    """
    values: dict[str, bytes] = {}
    disputed: set[str] = set()
    is_done = False
    for row in rows(answer.member("data"), "signatures"):
        given, name = row.get("signature_value"), row.get("doc_id")
        if not given:
            continue
        is_done = True
        value = decoded(given, MAX_VALUE_BYTES)
        if not isinstance(name, str) or name not in expected or not value:
            continue
        if values.setdefault(name, value) != value:
            disputed.add(name)
    return {name: value for name, value in values.items() if name not in disputed}, is_done


def _is_unknown(answer: Answer) -> bool:
    """Whether the service itself, not some proxy before it, says that it knows no such transaction: our guess."""
    if not isinstance(answer.body, dict):
        return False
    word = answer.text("message").upper()
    return answer.status == 404 or _code(answer) == 404 or "NOT_FOUND" in word or "NOT FOUND" in word


def _check(answer: Answer, *, is_poll: bool = False) -> None:
    """Raise unless HTTP status and ``status_code`` both say 200: either alone is seen to lie.

    Where they contradict each other, and where something else than the service answers a poll, nothing is known.
    """
    code = _code(answer)
    if answer.status == 200 and code == 200:
        return
    said = answer.words("message")
    if not isinstance(answer.body, dict):
        # A page of a proxy, or a redirect: the service has not had it.
        if not is_poll and answer.status in _MOVED:
            raise ServiceRefused("service_settings", said)
        if not is_poll and answer.status == 429:
            raise NotSent(said, answer.retry_after)
        raise Unanswered(said, answer.retry_after)
    codes = {answer.status, code}
    if answer.status == 429 or code == 429:
        raise Unanswered(said, answer.retry_after) if is_poll else NotSent(said, answer.retry_after)
    if code is None or _is_trouble(answer) or (answer.status >= 300 and code == 200):
        raise Unanswered(said, answer.retry_after)
    if any(mark in answer.text("message").upper() for mark in _QUOTA):
        raise ServiceRefused("quota", said)
    if 401 in codes or codes & _MOVED:
        raise ServiceRefused("service_settings", said)
    if 403 in codes:
        raise ServiceRefused("certificate_suspended", said)
    raise ServiceRefused("service_failed", said)


def _is_trouble(answer: Answer) -> bool:
    """Whether the server has trouble of its own; "gateway timeout" is not a person who did not answer."""
    codes = (answer.status, _code(answer) or 0)
    return any(code == 408 or code >= 500 for code in codes)


def _code(answer: Answer) -> int | None:
    """``status_code`` of the body as a number; None where it says nothing."""
    return whole(answer.member("status_code"))
