"""The HTTP face of the remote signing service, in the dialects that are documented enough, and the people's phone.

`/remote/vnpt`, `/remote/ca2`: sp_id and sp_password in each body. `/remote/csc/v1`, `/remote/csc/v2`: the Cloud
Signature Consortium's API. `/remote/viettel/ras/csc/v1`: version 1 as Viettel speaks it, after a login of its own.
Sources of the facts: docs/remote-signing.md. Texts of messages and answers to what no document mentions are guesses.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from cryptography import x509

from .problems import Problem
from .remote_signing import DIGEST_BYTES, FAULTS, Person, RemoteSigning, Transaction
from .web_gateway import answer, json_body

CLIENT = "demo-sp"
SECRET = "sp-secret-of-the-sandbox"
TOKEN = "token-of-the-sandbox"
SHA256 = "2.16.840.1.101.3.4.2.1"
ALGORITHMS = ["1.2.840.113549.1.1.1", "1.2.840.113549.1.1.11"]
MOST_DIGESTS = 10
POLL_SECONDS = 0.2
_HEX = re.compile(r"[0-9a-f]{64}")
_HUGE = 50 * 2**20
Handler = Callable[[web.Request], Awaitable[web.Response]]


@dataclass(frozen=True)
class _Dialect:
    """Where the two services of one shape differ."""

    certificates: str
    start: str
    status: str
    is_hex: bool
    has_body: bool


_DIALECTS = {
    "vnpt": _Dialect(
        "/v1/credentials/get_certificate", "/v1/signatures/sign", "/v1/signatures/sign/{id}/status", True, False
    ),
    "ca2": _Dialect("/api/data/get_certificate", "/api/data/sign", "/api/data/status", False, True),
}


class RemoteWeb:
    """Handlers of the service, the phone and its control."""

    def __init__(self, service: RemoteSigning, guarded: Callable[[Handler], Handler]) -> None:
        """:param guarded: puts a handler behind the control token"""
        self._service = service
        self._guarded = guarded

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        made = []
        for name, dialect in _DIALECTS.items():
            base = f"/remote/{name}"
            made += [
                web.post(base + dialect.certificates, self._open(self._sp_certificates)),
                web.post(base + dialect.start, self._open(self._sp_start(dialect))),
                web.post(base + dialect.status, self._open(self._sp_status(dialect))),
            ]
        for base, version in (("/remote/csc/v1", 1), ("/remote/csc/v2", 2), ("/remote/viettel/ras/csc/v1", 1)):
            made += self._csc_routes(base, version, is_viettel="viettel" in base)
        made.append(web.post("/remote/viettel/ras/v1/login", self._open(self._viettel_login)))
        control = {
            ("GET", "requests"): self._requests,
            ("POST", "decide"): self._decide,
            ("POST", "people"): self._add_person,
            ("POST", "faults"): self._set_faults,
        }
        for (method, path), handler in control.items():
            made.append(web.route(method, f"/_sandbox/remote/{path}", self._guarded(handler)))
        return made

    # -- faults ------------------------------------------------------------------------------------------------------

    def _open(self, handler: Handler) -> Handler:
        """The handler behind the faults that spoil any answer."""

        async def spoiled(request: web.Request) -> web.Response:
            take = self._service.take
            if take("redirect"):
                return web.HTTPTemporaryRedirect("http://127.0.0.1:9/elsewhere")
            if take("huge_answer"):
                return web.Response(body=b" " * _HUGE, content_type="application/json")
            if take("html_answer"):
                return web.Response(text="<html>Bảo trì</html>", content_type="text/html")
            if take("server_error_once"):
                return answer({"status_code": 500, "message": "SERVER_INTERNAL_ERROR"}, status=500)
            done = await handler(request)
            if take("drop_after_accepting") and request.transport:
                request.transport.abort()
            return done

        return spoiled

    # -- sp_id and sp_password ---------------------------------------------------------------------------------------

    def _sp_credentials(self, body: dict[str, Any]) -> web.Response | None:
        shown = (str(body.get("sp_id")), str(body.get("sp_password")))
        known = hmac.compare_digest(shown[0].encode(), CLIENT.encode())
        if not (known and hmac.compare_digest(shown[1].encode(), SECRET.encode())) or self._service.take(
            "credentials_refused"
        ):
            return _said(401, "SP_CREDENTIAL_INVALID")
        return None

    async def _sp_certificates(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if refused := self._sp_credentials(body):
            return refused
        person = self._service.people.get(str(body.get("user_id")))
        rows = [_sp_certificate(person)] if person else []
        return _said(200, "SUCCESS", {"user_certificates": rows})

    def _sp_start(self, dialect: _Dialect) -> Handler:
        async def start(request: web.Request) -> web.Response:
            body = await json_body(request)
            if refused := self._sp_credentials(body):
                return refused
            if self._service.take("quota"):
                return _said(400, "SERVICE_PACK_EXEED_OR_INVALID")
            person = self._service.people.get(str(body.get("user_id")))
            if person is None or str(body.get("serial_number", "")).lower() not in ("", person.serial):
                return _said(400, "BAD_REQUEST: user or certificate")
            if self._service.take("suspended"):
                return _said(403, "CREDENTIAL_STATUS_INVALID")
            files = body.get("sign_files")
            if not isinstance(files, list) or not 1 <= len(files) <= MOST_DIGESTS:
                return _said(400, "BAD_REQUEST: sign_files")
            documents = []
            for file in files:
                digest = _digest(file.get("data_to_be_signed"), dialect.is_hex) if isinstance(file, dict) else None
                if digest is None or file.get("sign_type") != "hash" or not isinstance(file.get("doc_id"), str):
                    return _said(400, "BAD_REQUEST: sign_files")
                documents.append((file["doc_id"], digest))
            started = self._service.start(
                str(body.get("transaction_id")), person, str(body.get("transaction_desc", "")), documents
            )
            data = {"transaction_id": started.reference, "tran_code": started.code}
            return _said(200, "sig_wait_for_user_confirm", data)

        return start

    def _sp_status(self, dialect: _Dialect) -> Handler:
        async def status(request: web.Request) -> web.Response:
            body = await json_body(request) if request.can_read_body else {}
            if dialect.has_body and (refused := self._sp_credentials(body)):
                return refused
            identity = str(body.get("transaction_id")) if dialect.has_body else request.match_info["id"]
            transaction = self._service.find(identity)
            if transaction is None:
                # A guess: no document says what an unknown id is answered with.
                return _said(404, "TRANSACTION_NOT_FOUND")
            words = {"refused": "REJECTED", "expired": "EXPIRED"}
            if transaction.state in words:
                return _said(400, words[transaction.state])
            if transaction.state == "waiting":
                if dialect.has_body:
                    return _said(200, "PENDING", {"signatures": [{"doc_id": "", "signature_value": ""}]})
                return _said(200, "PENDING", {"transaction_id": transaction.reference, "signatures": None})
            rows = [
                {"doc_id": name, "signature_value": base64.b64encode(value).decode(), "timestamp_signature": None}
                for name, value in self._service.sign(transaction)
            ]
            return _said(200, "SUCCESS", {"transaction_id": transaction.reference, "signatures": rows})

        return status

    # -- CSC ---------------------------------------------------------------------------------------------------------

    def _csc_routes(self, base: str, version: int, *, is_viettel: bool) -> list[web.RouteDef]:
        async def info(request: web.Request) -> web.Response:
            methods = [
                "auth/login",
                "credentials/list",
                "credentials/info",
                "credentials/authorize",
                "signatures/signHash",
            ]
            specs = "2.0.0.2" if version == 2 else "1.0.4.0"
            return answer(
                {"specs": specs, "name": "Sandbox", "region": "VN", "authType": ["basic"], "methods": methods}
            )

        async def login(request: web.Request) -> web.Response:
            pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
            if request.headers.get("Authorization") != f"Basic {pair}":
                return _csc_error(401, "invalid_request", "Invalid authentication")
            return answer({"access_token": TOKEN, "expires_in": 3600})

        async def token(request: web.Request) -> web.Response:
            body = await json_body(request)
            if (body.get("client_id"), body.get("client_secret")) != (CLIENT, SECRET):
                return _csc_error(401, "invalid_client", "")
            return answer({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})

        async def list_(request: web.Request) -> web.Response:
            body = await self._csc_body(request)
            wanted = body.get("userID")
            people = [one for one in self._service.people.values() if wanted in (None, one.user)]
            return answer({"credentialIDs": [person.credential for person in people]})

        async def credential(request: web.Request) -> web.Response:
            person = self._csc_person(await self._csc_body(request))
            return answer(_csc_credential(person, is_viettel))

        async def authorize(request: web.Request) -> web.Response:
            body = await self._csc_body(request)
            person = self._csc_person(body)
            if self._service.take("quota"):
                raise _CscProblem("invalid_request", "signing quota exceeded")
            if self._service.take("suspended"):
                raise _CscProblem("invalid_request", "Credential is disabled")
            digests = _digests(body.get("hash" if version == 1 else "hashes"))
            if len(digests) != int(body.get("numSignatures", 0)):
                raise _CscProblem("invalid_request", "numSignatures")
            reference = str(body.get("clientData") or len(self._service.transactions))
            documents = [(str(number), digest) for number, digest in enumerate(digests)]
            started = self._service.start(reference, person, str(body.get("description", "")), documents)
            if version == 2:
                return answer({"handle": started.code, "expiresIn": 300}, status=202)
            return await self._decided(started, wait=True)

        async def check(request: web.Request) -> web.Response:
            body = await self._csc_body(request)
            found = self._service.find(str(body.get("handle")))
            if found is None:
                return _csc_error(404, "invalid_request", "unknown handle")
            return await self._decided(found, wait=False)

        async def sign_hash(request: web.Request) -> web.Response:
            body = await self._csc_body(request)
            person = self._csc_person(body)
            digests = _digests(body.get("hash" if version == 1 else "hashes"))
            name = "hashAlgo" if version == 1 else "hashAlgorithmOID"
            if body.get("signAlgo") not in ALGORITHMS or body.get(name) != SHA256:
                raise _CscProblem("invalid_request", "algorithm")
            for transaction in self._service.transactions.values():
                if hmac.compare_digest(transaction.sad.encode(), str(body.get("SAD")).encode()):
                    break
            else:
                raise _CscProblem("invalid_request", "SAD invalid")
            if transaction.person is not person or digests != [digest for _name, digest in transaction.documents]:
                raise _CscProblem("invalid_request", "hash not authorised by the SAD")
            ends = "\r\n" if is_viettel else ""
            values = [value for _name, value in self._service.sign(transaction)]
            return answer({"signatures": [base64.b64encode(value).decode() + ends for value in values]})

        table = {
            "info": info,
            "auth/login": login,
            "oauth2/token": token,
            "credentials/list": list_,
            "credentials/info": credential,
            "credentials/authorize": authorize,
            "credentials/authorizeCheck": check,
            "signatures/signHash": sign_hash,
        }
        return [web.post(f"{base}/{path}", self._open(_csc(handler))) for path, handler in table.items()]

    async def _csc_body(self, request: web.Request) -> dict[str, Any]:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}" or self._service.take("credentials_refused"):
            raise _CscProblem("invalid_token", "", status=401)
        return await json_body(request)

    def _csc_person(self, body: dict[str, Any]) -> Person:
        for person in self._service.people.values():
            if person.credential == body.get("credentialID"):
                return person
        raise _CscProblem("invalid_request", "Invalid parameter credentialID")

    async def _decided(self, transaction: Transaction, *, wait: bool) -> web.Response:
        """SAD once confirmed; until then 202, or silence where the dialect blocks."""
        while wait and transaction.state == "waiting":
            await asyncio.sleep(POLL_SECONDS)
            self._service.find(transaction.reference)
        if transaction.state == "waiting":
            return answer({"handle": transaction.code}, status=202)
        if transaction.state == "refused":
            raise _CscProblem("access_denied", "The user refused")
        if transaction.state == "expired":
            raise _CscProblem("4001", "The transaction ran out")
        return answer({"SAD": transaction.sad, "expiresIn": 3600})

    async def _viettel_login(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if (body.get("client_id"), body.get("client_secret")) != (CLIENT, SECRET):
            return _csc_error(401, "59033", "id or password wrong")
        token = {"access_token": TOKEN, "refresh_token": "", "token_type": "Bearer", "expires_in": "3600"}
        return answer(token)

    # -- the phone and its control -----------------------------------------------------------------------------------

    async def _requests(self, request: web.Request) -> web.Response:
        """What the phones show, and what was started in all."""
        rows = [
            {
                "reference": one.reference,
                "user": one.person.user,
                "description": one.description,
                "documents": [name for name, _digest in one.documents],
            }
            for one in self._service.waiting()
        ]
        return answer({"waiting": rows, "starts": self._service.starts})

    async def _decide(self, request: web.Request) -> web.Response:
        """`{"reference": …, "state": "confirmed" | "refused"}`."""
        body = await json_body(request)
        state = body.get("state")
        if state not in ("confirmed", "refused"):
            raise Problem(400, "bad_request", "state: confirmed | refused")
        try:
            self._service.decide(str(body.get("reference")), "confirmed" if state == "confirmed" else "refused")
        except KeyError:
            raise Problem(404, "not_found", "Không có yêu cầu nào đang chờ.") from None
        return await self._requests(request)

    async def _add_person(self, request: web.Request) -> web.Response:
        """`{"user": …, "tax_code": …, "name": …}`: somebody with a key at the service."""
        body = await json_body(request)
        person = self._service.add_person(str(body["user"]), str(body["tax_code"]), str(body["name"]))
        return answer({"user": person.user, "certificate": base64.b64encode(person.certificate).decode()})

    async def _set_faults(self, request: web.Request) -> web.Response:
        """`{"wrong_key": 1, …}`: how often each happens; the others are off."""
        body = await json_body(request)
        if set(body) - set(FAULTS):
            raise Problem(400, "bad_request", f"faults: {', '.join(FAULTS)}")
        self._service.faults = {name: int(count) for name, count in body.items()}
        return answer(self._service.faults)


class _CscProblem(Exception):
    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


def _csc(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except _CscProblem as problem:
            return _csc_error(problem.status, problem.error, problem.description)

    return guarded


def _csc_error(status: int, error: str, description: str) -> web.Response:
    return answer({"error": error, "error_description": description}, status=status)


def _said(code: int, message: str, data: dict[str, Any] | None = None) -> web.Response:
    """HTTP status and ``status_code`` alike, but for the refusals, which real clients saw with HTTP 200."""
    status = 200 if message in ("REJECTED", "EXPIRED") else code
    return answer({"status_code": code, "message": message, "data": data}, status=status)


def _sp_certificate(person: Person) -> dict[str, Any]:
    certificate = x509.load_der_x509_certificate(person.certificate)
    encoded = base64.b64encode(person.certificate).decode()
    return {
        "service_type": "SMARTCA",
        "service_name": "Sandbox",
        "cert_id": person.credential,
        "cert_status": "Đang hoạt động",
        "serial_number": person.serial,
        "cert_subject": certificate.subject.rfc4514_string(),
        "cert_valid_from": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cert_valid_to": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cert_data": "\n".join(encoded[start : start + 64] for start in range(0, len(encoded), 64)),
        "chain_data": None,
        "transaction_id": "",
    }


def _csc_credential(person: Person, is_viettel: bool) -> dict[str, Any]:
    certificate = x509.load_der_x509_certificate(person.certificate)
    zone = "+0000" if is_viettel else "Z"
    serial = str(certificate.serial_number) if is_viettel else person.serial
    return {
        "key": {"status": "enabled", "algo": ALGORITHMS, "len": "2048" if is_viettel else 2048},
        "cert": {
            "status": "valid",
            "certificates": [base64.b64encode(person.certificate).decode()],
            "issuerDN": certificate.issuer.rfc4514_string(),
            "serialNumber": serial,
            "subjectDN": certificate.subject.rfc4514_string(),
            "validFrom": certificate.not_valid_before_utc.strftime("%Y%m%d%H%M%S") + zone,
            "validTo": certificate.not_valid_after_utc.strftime("%Y%m%d%H%M%S") + zone,
        },
        "authMode": "implicit",
        "SCAL": "2",
        "multisign": str(MOST_DIGESTS) if is_viettel else MOST_DIGESTS,
    }


def _digest(text: Any, is_hex: bool) -> bytes | None:
    """The SHA-256 in the dialect's encoding; whether upper-case hex is taken is not known, so it is not."""
    if not isinstance(text, str):
        return None
    if is_hex:
        return bytes.fromhex(text) if _HEX.fullmatch(text) else None
    try:
        digest = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return digest if len(digest) == DIGEST_BYTES else None


def _digests(texts: Any) -> list[bytes]:
    found = [_digest(text, False) for text in texts] if isinstance(texts, list) else []
    if not found or len(found) > MOST_DIGESTS or None in found:
        raise _CscProblem("invalid_request", "hash")
    return [digest for digest in found if digest is not None]
