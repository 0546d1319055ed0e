"""Services of the Cloud Signature Consortium's API, versions 1.0.4 and 2.0, and Viettel MySign's beside it.

In version 1 ``credentials/authorize`` answers only once the person confirmed; version 2 answers with a handle. Facts
and their sources: docs/remote-signing.md.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .base import (
    CONFIRM_SECONDS,
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
from .client import ANSWER_SECONDS, Answer, HttpClient
from .reading import (
    LIST_SECONDS,
    MAX_CERTIFICATE_BYTES,
    MAX_VALUE_BYTES,
    Patience,
    decoded,
    holder,
    identity,
    member,
    seconds,
    whole,
)
from .registry import register

SHA256 = "2.16.840.1.101.3.4.2.1"
RSA = "1.2.840.113549.1.1.1"
SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
LOGINS = ("none", "basic", "token", "client", "viettel")
MAX_DESCRIPTION = 500
MAX_CREDENTIALS = 20
VIETTEL_PROFILE = "adss:ras:profile:001"
_CHAIN = 5
_TOKEN = re.compile(r"[!-~]{1,8192}")
_WORDS: Mapping[str, Code] = {
    "access_denied": "refused",
    "user_canceled": "refused",
    "invalid_token": "service_settings",  # nosec B105 - a word of the API
    "expired_token": "service_settings",  # nosec B105
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


@dataclass(frozen=True)
class _Credential:
    """What ``credentials/info`` says that matters here."""

    ders: list[bytes]
    is_enabled: bool
    is_confirmed_in_app: bool
    algorithm: str
    digest_limit: int | None


class _Csc(RemoteService):
    """What both versions share. ``login``: one of `LOGINS`; ``token`` needs the token as ``client_secret``."""

    version = 1

    def __init__(
        self,
        client: HttpClient,
        *,
        login: str = "client",
        client_id: str = "",
        client_secret: str = "",
        profile: str = "",
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
        pair = base64.b64encode(f"{self._id}:{self._secret}".encode()).decode()
        secrets = (self._secret, pair, user)
        if self._login == "basic":
            body: dict[str, Any] = {"rememberMe": False}
            answer = self._client.post("auth/login", body, {"Authorization": f"Basic {pair}"}, secrets=secrets)
        elif self._login == "viettel":
            body = {
                "client_id": self._id,
                "client_secret": self._secret,
                "profile_id": self._profile or VIETTEL_PROFILE,
                "user_id": user,
            }
            answer = self._client.post("../../v1/login", body, secrets=secrets)
        else:
            # RFC 6749, section 4.4.2: a form, not JSON.
            body = {"grant_type": "client_credentials", "client_id": self._id, "client_secret": self._secret}
            answer = self._client.post("oauth2/token", body, is_form=True, secrets=secrets)
        token = answer.text("access_token")
        if answer.status == 200 and _TOKEN.fullmatch(token):
            return token
        if answer.status >= 500 or answer.status in (200, 408, 429):
            raise Unanswered(_reason(answer), answer.retry_after)
        raise ServiceRefused("service_settings", _reason(answer))

    def _call(self, user: str, path: str, body: Mapping[str, Any], *, most: float = ANSWER_SECONDS) -> Answer:
        headers = self._headers(user)
        secrets = [self._secret, user, *self._tokens.values()]
        secrets += [str(body[name]) for name in ("SAD", "clientData") if name in body]
        return self._client.post(path, body, headers, seconds=most, secrets=secrets)

    # -- certificates ------------------------------------------------------------------------------------------------

    def certificates(self, user: str) -> list[RemoteCertificate]:
        """See `RemoteService`."""
        patience = Patience(LIST_SECONDS)
        # Those with a login of their own know the person from the token.
        body = {"userID": user} if self._login == "client" else {}
        answer = self._call(
            user, "credentials/list", {**body, "maxResults": MAX_CREDENTIALS}, most=patience.left(ANSWER_SECONDS)
        )
        _check(answer)
        identities = answer.member("credentialIDs")
        found = []
        for name in dict.fromkeys(
            map(identity, (identities if isinstance(identities, list) else [])[:MAX_CREDENTIALS])
        ):
            if not name:
                continue
            credential = self._credential(user, name, patience)
            info = holder(credential.ders)
            if info:
                is_usable = credential.is_enabled and credential.is_confirmed_in_app
                found.append(RemoteCertificate(name, info.der, is_usable, credential.digest_limit))
        return found

    def _credential(self, user: str, name: str, patience: Patience) -> _Credential:
        body = {"credentialID": name, "certificates": "chain", "certInfo": True, "authInfo": True}
        answer = self._call(user, "credentials/info", body, most=patience.left(ANSWER_SECONDS))
        if answer.status == 501:
            # Some servers know certificates but not what is in them.
            body |= {"certInfo": False, "authInfo": False}
            answer = self._call(user, "credentials/info", body, most=patience.left(ANSWER_SECONDS))
        _check(answer)
        key, cert = answer.member("key"), answer.member("cert")
        chain = member(cert, "certificates")
        algorithms = member(key, "algo")
        known = algorithms if isinstance(algorithms, list) else []
        limit = whole(answer.member("multisign"))
        return _Credential(
            ders=[decoded(one, MAX_CERTIFICATE_BYTES) for one in (chain if isinstance(chain, list) else [])[:_CHAIN]],
            is_enabled=member(key, "status") != "disabled" and member(cert, "status") in (None, "", "valid"),
            is_confirmed_in_app=self._is_confirmed_in_app(answer),
            algorithm=SHA256_WITH_RSA if SHA256_WITH_RSA in known else RSA,
            digest_limit=max(limit, 1) if limit is not None else None,
        )

    @staticmethod
    def _is_confirmed_in_app(answer: Answer) -> bool:
        """Whether the service asks the person itself. A PIN or a code that we would have to hand on is not asked for:
        anyone who has our database could then sign.
        """
        if any(member(answer.member(name), "presence") in (True, "true") for name in ("PIN", "OTP")):
            return False
        mode = answer.member("authMode") or member(answer.member("auth"), "mode")
        return mode in (None, "", "implicit")

    # -- signing -----------------------------------------------------------------------------------------------------

    def _before(self, user: str, name: str, items: Sequence[Item]) -> _Credential:
        """The credential, looked at before anybody is asked. Raises ServiceRefused and NotSent."""
        try:
            credential = self._credential(user, name, Patience(LIST_SECONDS))
        except Unanswered as error:
            raise NotSent(str(error), error.retry_after) from None
        if not credential.is_enabled:
            raise ServiceRefused("certificate_suspended", "the credential is not enabled")
        if not credential.is_confirmed_in_app:
            raise ServiceRefused("service_failed", "the credential asks for a PIN or a code")
        if credential.digest_limit is not None and credential.digest_limit < len(items):
            raise ServiceRefused("service_failed", f"the credential signs {credential.digest_limit} digests at once")
        return credential

    def _sign(self, user: str, name: str, algorithm: str, sad: str, items: Sequence[Item]) -> Signed:
        hashes, hash_name = ("hash", "hashAlgo") if self.version == 1 else ("hashes", "hashAlgorithmOID")
        body = {
            "credentialID": name,
            "SAD": sad,
            hashes: [_encoded(item.digest) for item in items],
            hash_name: SHA256,
            "signAlgo": algorithm,
        }
        answer = self._call(user, "signatures/signHash", body)
        _check(answer, is_poll=True)
        values = answer.member("signatures")
        found = [decoded(value, MAX_VALUE_BYTES) for value in values] if isinstance(values, list) else []
        if len(found) != len(items):
            raise ServiceRefused("service_failed", f"{len(found)} signatures for {len(items)} digests")
        return Signed({item.doc_id: value for item, value in zip(items, found, strict=True) if value})

    def _sign_confirmed(self, user: str, name: str, algorithm: str, sad: str, items: Sequence[Item]) -> Signed:
        """Sign what the person has just confirmed, at the second try where the first finds no connection.

        Raises what `_sign` does but for NotSent: that would say that nobody was asked.
        """
        try:
            return self._sign(user, name, algorithm, sad, items)
        except NotSent:
            pass
        try:
            return self._sign(user, name, algorithm, sad, items)
        except NotSent as error:
            raise Unanswered(str(error), error.retry_after) from None


@register("csc1")
class Csc1(_Csc):
    """Version 1: ``start`` blocks until the person decided."""

    is_blocking = True
    version = 1

    def start(
        self, reference: str, user: str, certificate: str, items: Sequence[Item], description: str
    ) -> Waiting | Signed:
        """See `RemoteService`."""
        credential = self._before(user, certificate, items)
        body: dict[str, Any] = {
            "credentialID": certificate,
            "numSignatures": len(items),
            "hash": [_encoded(item.digest) for item in items],
            "description": description[:MAX_DESCRIPTION],
            "clientData": reference,
        }
        if self._login == "viettel":
            body["documents"] = [
                {"document_id": item.doc_id, "document_name": _encoded(_plain(item.doc_id))} for item in items
            ]
        answer = self._call(user, "credentials/authorize", body, most=CONFIRM_SECONDS)
        _check(answer, is_start=True)
        return self._sign_confirmed(user, certificate, credential.algorithm, _sad(answer), items)

    def poll(self, reference: str, user: str, items: Sequence[Item], handle: Mapping[str, str]) -> Waiting | Signed:
        """Version 1 cannot be asked: when the answer to ``start`` was lost, no signature comes from it any more."""
        raise ServiceRefused("lost", "version 1 has no way to ask")


@register("csc2")
class Csc2(_Csc):
    """Version 2: ``start`` gives a handle, ``poll`` asks with it and signs once it has the activation data.

    When the answer with the signatures is lost, the next ``poll`` signs with the same activation data: it allows these
    digests only, nobody is asked again, and the values of RSA with PKCS#1 v1.5 are the same.
    """

    signs_on_poll = True
    version = 2

    def start(
        self, reference: str, user: str, certificate: str, items: Sequence[Item], description: str
    ) -> Waiting | Signed:
        """See `RemoteService`."""
        credential = self._before(user, certificate, items)
        body = {
            "credentialID": certificate,
            "numSignatures": len(items),
            "hashes": [_encoded(item.digest) for item in items],
            "hashAlgorithmOID": SHA256,
            "description": description[:MAX_DESCRIPTION],
            "clientData": reference,
        }
        answer = self._call(user, "credentials/authorize", body)
        handle = identity(answer.member("handle"))
        if answer.status == 202 and handle:
            known = {"handle": handle, "certificate": certificate, "algorithm": credential.algorithm}
            return Waiting(known, seconds(answer.member("expiresIn")))
        _check(answer, is_start=True)
        return self._sign_confirmed(user, certificate, credential.algorithm, _sad(answer), items)

    def poll(self, reference: str, user: str, items: Sequence[Item], handle: Mapping[str, str]) -> Waiting | Signed:
        """See `RemoteService`."""
        if not {"handle", "certificate", "algorithm"} <= handle.keys():
            raise ServiceRefused("lost", "no handle was received")
        answer = self._call(user, "credentials/authorizeCheck", {"handle": handle["handle"]})
        # One service answers 400 with a text about the request before instead of 202.
        if answer.status == 202 or (
            answer.status == 400 and "asynchronous request" in answer.text("error_description").lower()
        ):
            return Waiting(handle)
        if answer.status == 404 and isinstance(answer.body, dict):
            raise NotKnown(_reason(answer))
        _check(answer, is_poll=True)
        return self._sign(user, handle["certificate"], handle["algorithm"], _sad(answer), items)


def _check(answer: Answer, *, is_start: bool = False, is_poll: bool = False) -> None:
    """Raise unless the answer is 200 with a JSON object.

    ``is_start``: what says that the service has not had the call is a wrong setting, or its wish to be left alone.
    ``is_poll``: what does not come from the service itself says nothing about the transaction.
    """
    has_words = isinstance(answer.body, dict)
    if answer.status == 200 and has_words:
        return
    reason = _reason(answer)
    if answer.status == 429 and is_start:
        raise NotSent(reason, answer.retry_after)
    if answer.status >= 500 or answer.status < 300 or answer.status in (408, 429):
        raise Unanswered(reason, answer.retry_after)
    # A 400 is the service's own even without JSON: there are some that say what is wrong in plain text.
    if is_poll and not has_words and answer.status != 400:
        raise Unanswered(reason, answer.retry_after)
    if answer.status in (401, 404, 405, 410) or answer.status < 400:
        raise ServiceRefused("service_settings", reason)
    description = answer.text("error_description").lower()
    for hint, code in _HINTS:
        if hint in description:
            raise ServiceRefused(code, reason)
    raise ServiceRefused(_WORDS.get(answer.text("error"), "service_failed"), reason)


def _sad(answer: Answer) -> str:
    """The signature activation data. Raises Unanswered without: somebody may have confirmed."""
    sad = answer.text("SAD")
    if not _TOKEN.fullmatch(sad):
        raise Unanswered("an answer without activation data")
    return sad


def _reason(answer: Answer) -> str:
    """The service's own words, for the log."""
    return answer.words("error", "error_description")


def _plain(name: str) -> bytes:
    """A name of letters, digits, ``_``, ``-`` and blanks, as Viettel takes them."""
    return re.sub(r"[^A-Za-z0-9_ -]", "-", name).encode()


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode()
