"""Services of the Cloud Signature Consortium's API, versions 1.0.4 and 2.0, and Viettel MySign's beside it.

In version 1 ``credentials/authorize`` answers only once the person confirmed; version 2 answers with a handle. Facts
and their sources: docs/remote-signing.md.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from typing import Any

from .base import (
    CONFIRM_SECONDS,
    Code,
    Item,
    NotKnown,
    RemoteCertificate,
    RemoteError,
    RemoteService,
    ServiceRefused,
    Signed,
    Unanswered,
    Waiting,
)
from .client import Answer, Client
from .registry import register

SHA256 = "2.16.840.1.101.3.4.2.1"
RSA = "1.2.840.113549.1.1.1"
SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
LOGINS = ("none", "basic", "token", "client", "viettel")
MAX_DESCRIPTION = 500
MAX_CREDENTIALS = 64
VIETTEL_PROFILE = "adss:ras:profile:001"
_WORDS: Mapping[str, Code] = {
    "access_denied": "refused",
    "user_canceled": "refused",
    "invalid_token": "service_settings",
    "expired_token": "service_settings",
    "unauthorized_client": "service_settings",
    "invalid_client": "service_settings",
    "unsupported_grant_type": "service_settings",
    # Viettel's numbers.
    "58007": "service_settings",
    "58008": "service_settings",
    "59033": "service_settings",
    "86024": "service_settings",
    "4001": "expired",
    "4002": "refused",
    "4005": "quota",
    "13004": "certificate_suspended",
}
_HINTS: tuple[tuple[str, Code], ...] = (
    ("credential is disabled", "certificate_suspended"),
    ("credential is locked", "certificate_suspended"),
    ("certificate is expired", "certificate_suspended"),
    ("certificate expired", "certificate_suspended"),
    ("quota", "quota"),
)
"""Parts of ``error_description``, which alone tells some cases of ``invalid_request`` apart."""


class _Csc(RemoteService):
    """What both versions share. ``login``: one of `LOGINS`; ``token`` needs the token as ``client_secret``."""

    version = 1

    def __init__(
        self, client: Client, *, login: str = "client", client_id: str = "", client_secret: str = "", profile: str = ""
    ) -> None:
        if login not in LOGINS:
            raise KeyError(login)
        self._client = client
        self._login = login
        self._id = client_id
        self._secret = client_secret
        self._profile = profile
        self._tokens: dict[str, str] = {}

    # -- login -------------------------------------------------------------------------------------------------------

    def _headers(self, user: str) -> dict[str, str]:
        """The authorization of this person's calls. The token lives as long as this object, in memory only."""
        if self._login == "none":
            return {}
        if self._login == "token":
            return {"Authorization": f"Bearer {self._secret}"}
        if user not in self._tokens:
            self._tokens[user] = self._new_token(user)
        return {"Authorization": f"Bearer {self._tokens[user]}"}

    def _new_token(self, user: str) -> str:
        if self._login == "basic":
            pair = base64.b64encode(f"{self._id}:{self._secret}".encode()).decode()
            answer = self._client.post("auth/login", {"rememberMe": False}, {"Authorization": f"Basic {pair}"})
        elif self._login == "viettel":
            body = {
                "client_id": self._id,
                "client_secret": self._secret,
                "profile_id": self._profile or VIETTEL_PROFILE,
                "user_id": user,
            }
            answer = self._client.post("../../v1/login", body)
        else:
            body = {"grant_type": "client_credentials", "client_id": self._id, "client_secret": self._secret}
            answer = self._client.post("oauth2/token", body)
        token = answer.text("access_token")
        if answer.status != 200 or not token:
            if answer.status >= 500 or answer.status == 429:
                raise Unanswered(f"answer {answer.status} to the login")
            raise ServiceRefused("service_settings", _reason(answer))
        return token

    def _call(self, user: str, path: str, body: Mapping[str, Any], *, seconds: float | None = None) -> Answer:
        return self._client.post(path, body, self._headers(user), seconds=seconds)

    # -- certificates ------------------------------------------------------------------------------------------------

    def certificates(self, user: str) -> list[RemoteCertificate]:
        """See `RemoteService`."""
        # Viettel's and those with a login of their own know the person from the token.
        body = {"userID": user} if self._login == "client" else {}
        answer = self._call(user, "credentials/list", {**body, "maxResults": MAX_CREDENTIALS})
        _check(answer)
        identities = answer.member("credentialIDs")
        found = []
        for identity in (identities if isinstance(identities, list) else [])[:MAX_CREDENTIALS]:
            if not isinstance(identity, str):
                continue
            info = self._info(user, identity)
            chain = _member(info.member("cert"), "certificates")
            der = _decoded(chain[0]) if isinstance(chain, list) and chain else b""
            if der:
                enabled = _member(info.member("key"), "status") != "disabled"
                valid = _member(info.member("cert"), "status") in (None, "", "valid")
                found.append(RemoteCertificate(identity, der, enabled and valid))
        return found

    def _info(self, user: str, identity: str) -> Answer:
        body = {"credentialID": identity, "certificates": "chain", "certInfo": True, "authInfo": True}
        answer = self._call(user, "credentials/info", body)
        if answer.status == 501:
            # Some servers know certificates but not what is in them.
            answer = self._call(user, "credentials/info", {**body, "certInfo": False, "authInfo": False})
        _check(answer)
        return answer

    # -- signing -----------------------------------------------------------------------------------------------------

    def _sign(self, user: str, identity: str, sad: str, items: Sequence[Item]) -> Signed:
        algorithms = _member(self._info(user, identity).member("key"), "algo")
        known = algorithms if isinstance(algorithms, list) else []
        algorithm = SHA256_WITH_RSA if SHA256_WITH_RSA in known else RSA
        hashes, name = ("hash", "hashAlgo") if self.version == 1 else ("hashes", "hashAlgorithmOID")
        body = {
            "credentialID": identity,
            "SAD": sad,
            hashes: [_encoded(item.digest) for item in items],
            name: SHA256,
            "signAlgo": algorithm,
        }
        answer = self._call(user, "signatures/signHash", body)
        _check(answer)
        values = answer.member("signatures")
        decoded = [_decoded(value) for value in values] if isinstance(values, list) else []
        if len(decoded) != len(items):
            raise ServiceRefused("service_failed", f"{len(decoded)} signatures for {len(items)} digests")
        return Signed({item.doc_id: value for item, value in zip(items, decoded, strict=True) if value})


@register("csc1")
class Csc1(_Csc):
    """Version 1: ``start`` blocks until the person decided."""

    is_blocking = True
    version = 1

    def start(
        self, reference: str, user: str, certificate: str, items: Sequence[Item], description: str
    ) -> Waiting | Signed:
        """See `RemoteService`."""
        body: dict[str, Any] = {
            "credentialID": certificate,
            "numSignatures": len(items),
            "hash": [_encoded(item.digest) for item in items],
            "description": description[:MAX_DESCRIPTION],
            "clientData": reference,
        }
        if self._login == "viettel":
            body["documents"] = [{"document_id": item.doc_id, "document_name": _encoded(b"dossier")} for item in items]
        answer = self._call(user, "credentials/authorize", body, seconds=CONFIRM_SECONDS)
        _check(answer)
        sad = answer.text("SAD")
        if not sad:
            raise ServiceRefused("service_failed", "no signature activation data")
        return self._sign(user, certificate, sad, items)

    def poll(self, reference: str, user: str, items: Sequence[Item], handle: Mapping[str, str]) -> Waiting | Signed:
        """Nothing can be asked in version 1: what `start` was not told is lost, and nothing was signed."""
        raise NotKnown("version 1 has no way to ask")


@register("csc2")
class Csc2(_Csc):
    """Version 2: ``start`` gives a handle, ``poll`` asks with it and signs once it has the activation data."""

    version = 2

    def start(
        self, reference: str, user: str, certificate: str, items: Sequence[Item], description: str
    ) -> Waiting | Signed:
        """See `RemoteService`."""
        body = {
            "credentialID": certificate,
            "numSignatures": len(items),
            "hashes": [_encoded(item.digest) for item in items],
            "hashAlgorithmOID": SHA256,
            "description": description[:MAX_DESCRIPTION],
            "clientData": reference,
        }
        answer = self._call(user, "credentials/authorize", body)
        if answer.status == 202 and answer.text("handle"):
            return Waiting({"handle": answer.text("handle"), "certificate": certificate}, _seconds(answer))
        _check(answer)
        if not answer.text("SAD"):
            raise ServiceRefused("service_failed", "no signature activation data")
        return self._sign(user, certificate, answer.text("SAD"), items)

    def poll(self, reference: str, user: str, items: Sequence[Item], handle: Mapping[str, str]) -> Waiting | Signed:
        """See `RemoteService`."""
        if "handle" not in handle:
            raise NotKnown("no handle was received")
        answer = self._call(user, "credentials/authorizeCheck", {"handle": handle["handle"]})
        # One service answers 400 with a text about the request before instead of 202.
        if answer.status == 202 or (answer.status == 400 and "asynchronous request" in _reason(answer).lower()):
            return Waiting(handle)
        if answer.status == 404:
            raise NotKnown(_reason(answer))
        _check(answer)
        if not answer.text("SAD"):
            raise ServiceRefused("service_failed", "no signature activation data")
        return self._sign(user, handle["certificate"], answer.text("SAD"), items)


def _check(answer: Answer) -> None:
    """Raise unless the answer is 200 with a JSON object."""
    if answer.status == 200 and isinstance(answer.body, dict):
        return
    if answer.status in (401, 404, 405) or 300 <= answer.status < 400:
        raise ServiceRefused("service_settings", _reason(answer))
    if answer.status >= 500 or answer.status in (200, 202, 429):
        raise Unanswered(f"answer {answer.status}: {_reason(answer)}")
    word, description = answer.text("error"), answer.text("error_description").lower()
    for hint, code in _HINTS:
        if hint in description:
            raise ServiceRefused(code, _reason(answer))
    raise ServiceRefused(_WORDS.get(word, "service_failed"), _reason(answer))


def _reason(answer: Answer) -> str:
    """The service's own words, for the log."""
    return f"{answer.text('error')} {answer.text('error_description')}".strip()[:200]


def _seconds(answer: Answer) -> int | None:
    """``expiresIn`` as seconds; Viettel writes numbers as text."""
    text = answer.text("expiresIn")
    return int(text) if text.isdigit() and len(text) < 7 else None


def _member(part: Any, name: str) -> Any:
    return part.get(name) if isinstance(part, dict) else None


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _decoded(text: Any) -> bytes:
    """Base64, with the line breaks that some services put in; empty when it is not that."""
    if not isinstance(text, str):
        return b""
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


__all__ = ["Csc1", "Csc2", "RemoteError"]
