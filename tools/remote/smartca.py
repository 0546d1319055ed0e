"""Services of the shape that VNPT SmartCA publishes and CA2 shares: sp_id and sp_password in each body.

What is told apart by provider stands in `PROFILES`. Facts and their sources: docs/remote-signing.md.
"""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .base import Item, NotKnown, RemoteCertificate, RemoteService, ServiceRefused, Signed, Unanswered, Waiting
from .client import Answer, Client
from .registry import register

MAX_DESCRIPTION = 100
MAX_CERTIFICATES = 64


@dataclass(frozen=True)
class Profile:
    """Where one provider differs. ``pending_codes``: values of ``status_code`` that mean waiting."""

    base: str
    certificates: str
    start: str
    status: str
    digest: Callable[[bytes], str]
    status_has_credentials: bool
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
    ),
    "ca2": Profile(
        base="https://rmsca2.nacencomm.vn",
        certificates="api/data/get_certificate",
        start="api/data/sign",
        status="api/data/status",
        digest=lambda digest: base64.b64encode(digest).decode(),
        status_has_credentials=True,
        pending_codes=frozenset({102, 1001, 1002}),
    ),
}

_TERMINAL = {
    "REJECTED": "refused",
    "CANCELLED": "refused",
    "EXPIRED": "expired",
    "TIMEOUT": "expired",
}
_QUOTA = ("SERVICE_PACK", "QUOTA", "HET LUOT", "HẾT LƯỢT")


@register("smartca")
class SmartCa(RemoteService):
    """``client_id`` and ``client_secret`` are sp_id and sp_password."""

    def __init__(self, client: Client, *, profile: str, client_id: str, client_secret: str) -> None:
        self._client = client
        self._profile = PROFILES[profile]
        self._credentials = {"sp_id": client_id, "sp_password": client_secret}

    def certificates(self, user: str) -> list[RemoteCertificate]:
        """See `RemoteService`."""
        body = {**self._credentials, "user_id": user, "serial_number": "", "transaction_id": str(uuid.uuid4())}
        answer = self._client.post(self._profile.certificates, body)
        self._check(answer)
        found = []
        for row in _rows(_data(answer), "user_certificates")[:MAX_CERTIFICATES]:
            der = _decoded(row.get("cert_data"))
            serial = row.get("serial_number")
            if der and isinstance(serial, str):
                found.append(RemoteCertificate(serial, der, row.get("cert_status_code") in (None, "", "VALID")))
        return found

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
        answer = self._client.post(self._profile.start, body)
        if answer.status >= 500 or _code(answer) >= 500:
            # The service may have sent the push before it failed.
            raise Unanswered(f"answer {answer.status}")
        self._check(answer)
        data = _data(answer)
        other = data.get("tran_code") if isinstance(data, dict) else None
        expires_in = data.get("expired_in") if isinstance(data, dict) else None
        handle = {"tran_code": other} if isinstance(other, str) else {}
        return Waiting(handle, expires_in if isinstance(expires_in, int) else None)

    def poll(self, reference: str, user: str, items: Sequence[Item], handle: Mapping[str, str]) -> Waiting | Signed:
        """See `RemoteService`."""
        answer = self._status(handle.get("by", reference), user)
        if self._is_unknown(answer) and handle.get("tran_code") and "by" not in handle:
            # Some clients report that the service's own id is asked for instead of ours.
            handle = {**handle, "by": handle["tran_code"]}
            answer = self._status(handle["by"], user)
        if self._is_unknown(answer):
            raise NotKnown(answer.text("message")[:200])
        word = answer.text("message").upper()
        for mark, code in _TERMINAL.items():
            if mark in word:
                raise ServiceRefused(code, word[:200])  # type: ignore[arg-type]
        if answer.status >= 500 or _code(answer) >= 500:
            raise Unanswered(f"answer {answer.status}")
        if _code(answer) not in self._profile.pending_codes:
            self._check(answer)
        values = {}
        for row in _rows(_data(answer), "signatures"):
            value = _decoded(row.get("signature_value"))
            if isinstance(row.get("doc_id"), str) and value:
                values[row["doc_id"]] = value
        expected = {item.doc_id for item in items}
        return Signed(values) if values.keys() & expected else Waiting(handle)

    def _status(self, identity: str, user: str) -> Answer:
        body: dict[str, Any] = {}
        if self._profile.status_has_credentials:
            body = {**self._credentials, "user_id": user, "transaction_id": identity}
        return self._client.post(self._profile.status.format(id=identity), body)

    @staticmethod
    def _is_unknown(answer: Answer) -> bool:
        word = answer.text("message").upper()
        return answer.status == 404 or _code(answer) == 404 or "NOT_FOUND" in word or "NOT FOUND" in word

    @staticmethod
    def _check(answer: Answer) -> None:
        """Raise unless HTTP status and ``status_code`` both say 200: either alone is seen to lie."""
        if answer.status == 200 and _code(answer) == 200:
            return
        word = answer.text("message")[:200]
        codes = {answer.status, _code(answer)}
        if any(mark in word.upper() for mark in _QUOTA):
            raise ServiceRefused("quota", word)
        if 401 in codes or codes & {301, 302, 303, 307, 308, 404, 405}:
            raise ServiceRefused("service_settings", word)
        if 403 in codes:
            raise ServiceRefused("certificate_suspended", word)
        if answer.body is None or max(codes) >= 500 or 429 in codes:
            raise Unanswered(f"answer {answer.status}")
        raise ServiceRefused("service_failed", word)


def _code(answer: Answer) -> int:
    """``status_code`` of the body as a number; 200 where an answer has none."""
    if not isinstance(answer.body, dict):
        return 0
    value = answer.body.get("status_code", 200)
    try:
        return int(value)
    except (TypeError, ValueError):
        return 0


def _data(answer: Answer) -> Any:
    return answer.member("data")


def _rows(data: Any, name: str) -> list[dict[str, Any]]:
    rows = data.get(name) if isinstance(data, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _decoded(text: Any) -> bytes:
    """Base64 with white space, as some providers send it; empty when it is not that."""
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""
