"""The HTTP face of the remote signing service, in the dialects that are documented enough, and the people's phone.

`/remote/vnpt`, `/remote/ca2`: sp_id and sp_password in each body. `/remote/csc/v1`, `/remote/csc/v2`: the Cloud
Signature Consortium's API. `/remote/viettel/ras/csc/v1`: version 1 as Viettel speaks it, after a login of its own.
`/phone/` is what people see. Sources of the facts: docs/remote-signing.md. Texts of messages and answers to what no
document mentions are guesses.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hmac
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web
from cryptography import x509

from .problems import Problem
from .remote_signing import DIGEST_BYTES, MOST_DIGESTS, Credential, Person, RemoteSigning, Transaction
from .web_gateway import answer, json_body
from .web_portal import SECURITY_HEADERS

CLIENT = "demo-sp"
SECRET = "sp-secret-of-the-sandbox"  # nosec B105 - a stand-in's, in its README
TOKEN = "token-of-the-sandbox"  # nosec B105
VIETTEL_PROFILE = "adss:ras:profile:001"
SHA256 = "2.16.840.1.101.3.4.2.1"
RSA = "1.2.840.113549.1.1.1"
SHA256_WITH_RSA = "1.2.840.113549.1.1.11"
ALGORITHMS = {"both": [RSA, SHA256_WITH_RSA], "rsa": [RSA], "sha256_with_rsa": [SHA256_WITH_RSA]}
LOOK_SECONDS = 0.2
"""How often a call that blocks looks whether the person has decided."""
_HEX = re.compile(r"[0-9a-f]{64}")
_MAX_TEXT = 500
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
_CSC = {"csc1": ("/remote/csc/v1", 1), "csc2": ("/remote/csc/v2", 2), "viettel": ("/remote/viettel/ras/csc/v1", 1)}


class RemoteWeb:
    """Handlers of the service, the phone and its control. The part of a route's name before the dot is the endpoint of
    fault switches.
    """

    def __init__(self, service: RemoteSigning, guarded: Callable[[Handler], Handler], page: Handler) -> None:
        """:param guarded: puts a handler behind the control token
        :param page: serves the phone's page
        """
        self._service = service
        self._guarded = guarded
        self._page = page

    def routes(self) -> list[web.RouteDef]:
        """All routes."""
        made = [
            web.get("/phone/", self._page),
            web.get("/phone/requests", self._phone),
            web.post("/phone/decide", self._decide),
        ]
        for name, dialect in _DIALECTS.items():
            base = f"/remote/{name}"
            made += [
                web.post(base + dialect.certificates, self._sp_certificates, name=f"remote_list.{name}"),
                web.post(base + dialect.start, self._sp_start(dialect), name=f"remote_start.{name}"),
                web.post(base + dialect.status, self._sp_status(dialect), name=f"remote_poll.{name}"),
            ]
        for name, (base, version) in _CSC.items():
            made += _Csc(self._service, version, is_viettel=name == "viettel").routes(name, base)
        made.append(web.post("/remote/viettel/ras/v1/login", self._viettel_login, name="remote_login.viettel"))
        control = {
            ("GET", "requests"): self._requests,
            ("POST", "decide"): self._decide,
            ("POST", "people"): self._add_person,
            ("GET", "authority"): self._authority,
        }
        for (method, path), handler in control.items():
            made.append(web.route(method, f"/_sandbox/remote/{path}", self._guarded(handler)))
        return made

    # -- sp_id and sp_password ---------------------------------------------------------------------------------------

    def _sp_refusal(self, body: dict[str, Any]) -> web.Response | None:
        if not _is_client(body.get("sp_id"), body.get("sp_password")) or self._service.take("credentials_refused"):
            return _said(401, "SP_CREDENTIAL_INVALID")
        if self._service.take("repeats_secret"):
            return _said(400, f"BAD_REQUEST: {json.dumps(body)}")
        return None

    async def _sp_certificates(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if refused := self._sp_refusal(body):
            return refused
        person = self._service.people.get(str(body.get("user_id")))
        wanted = str(body.get("serial_number", "")).lower()
        rows = [
            _sp_certificate(credential, str(body.get("transaction_id", "")), self._service.authority)
            for credential in (person.credentials if person else [])
            if wanted in ("", credential.serial)
        ]
        return _said(200, "SUCCESS", {"user_certificates": rows})

    def _sp_start(self, dialect: _Dialect) -> Handler:
        async def start(request: web.Request) -> web.Response:
            body = await json_body(request)
            if refused := self._sp_refusal(body):
                return refused
            if self._service.take("quota"):
                return _said(400, "SERVICE_PACK_EXEED_OR_INVALID")
            person = self._service.people.get(str(body.get("user_id")))
            credential = _sp_credential(person, str(body.get("serial_number", "")))
            if person is None or credential is None:
                return _said(400, "BAD_REQUEST: user or certificate")
            if self._service.take("suspended"):
                return _said(403, "CREDENTIAL_STATUS_INVALID")
            reference, description = body.get("transaction_id"), body.get("transaction_desc", "")
            documents = _sp_documents(body.get("sign_files"), dialect.is_hex)
            if not documents or not _is_text(reference, 1) or not _is_text(description):
                return _said(400, "BAD_REQUEST: sign_files, transaction_id or transaction_desc")
            started = self._service.start(str(reference), person, credential, str(description), documents)
            data: dict[str, Any] = {"transaction_id": started.reference, "tran_code": started.code}
            if dialect.has_body:
                data["sign_files"] = [name for name, _digest in started.documents]
            else:
                data["expired_in"] = self._service.seconds_left(started)
            return _said(200, "sig_wait_for_user_confirm", data)

        return start

    def _sp_status(self, dialect: _Dialect) -> Handler:
        async def status(request: web.Request) -> web.Response:
            body = await json_body(request) if request.can_read_body else {}
            if dialect.has_body and (refused := self._sp_refusal(body)):
                return refused
            asked = str(body.get("transaction_id")) if dialect.has_body else request.match_info["id"]
            transaction = self._service.find(asked)
            if transaction is None or self._service.take("forgotten"):
                # A guess: no document says what an unknown id is answered with.
                return _said(404, "TRANSACTION_NOT_FOUND")
            if self._service.take("other_transaction"):
                transaction = self._service.another(transaction)
            words = {"refused": "REJECTED", "expired": "EXPIRED"}
            if transaction.state in words:
                return _said(400, words[transaction.state], {"transaction_id": transaction.reference}, status=200)
            if transaction.state == "waiting":
                return self._sp_waiting(transaction, dialect)
            rows = [
                {"doc_id": name, "signature_value": self._encoded(value), "timestamp_signature": None}
                for name, value in self._service.sign(transaction)
            ]
            return _said(200, "SUCCESS", {"transaction_id": transaction.reference, "signatures": rows})

        return status

    def _sp_waiting(self, transaction: Transaction, dialect: _Dialect) -> web.Response:
        data: dict[str, Any] = {"transaction_id": transaction.reference}
        kind = self._service.settings.remote_waiting
        if kind == "code" and dialect.has_body:
            return _said(1001, "Đang chờ người dùng xác nhận", data, status=200)
        if dialect.has_body:
            empty = [{"doc_id": name, "signature_value": ""} for name, _digest in transaction.documents]
            return _said(200, "SUCCESS", {**data, "signatures": empty})
        if kind == "left":
            return _said(200, "SUCCESS", {**data, "expired_in": self._service.seconds_left(transaction)})
        return _said(200, "PENDING", {**data, "signatures": None})

    def _encoded(self, value: bytes) -> str:
        return "không phải base64" if self._service.take("no_base64") else base64.b64encode(value).decode()

    # -- Viettel's login ---------------------------------------------------------------------------------------------

    async def _viettel_login(self, request: web.Request) -> web.Response:
        body = await json_body(request)
        if not _is_client(body.get("client_id"), body.get("client_secret")):
            return _csc_error(401, "59033", "id or password wrong")
        if body.get("profile_id") != VIETTEL_PROFILE or self._service.take("credentials_refused"):
            return _csc_error(400, "58007", "client unknown")
        if str(body.get("user_id")) not in self._service.people:
            return _csc_error(400, "58008", "user unknown")
        # One token for each person: it says whose credentials are listed.
        token = f"{TOKEN}.{base64.urlsafe_b64encode(str(body['user_id']).encode()).decode()}"
        return answer({"access_token": token, "refresh_token": "", "token_type": "Bearer", "expires_in": "3600"})  # nosec B105 - nothing secret

    # -- the phone and its control -----------------------------------------------------------------------------------

    async def _phone(self, request: web.Request) -> web.Response:
        """What the phone of the person `?user=` shows."""
        user = request.query.get("user", "")
        person = self._service.people.get(user)
        rows = [self._shown(one) for one in reversed(self._service.waiting(user))]
        shown = answer({"name": person.name if person else "", "is_known": person is not None, "waiting": rows})
        shown.headers.update(SECURITY_HEADERS)
        return shown

    async def _requests(self, request: web.Request) -> web.Response:
        """What all phones show; all that was put on them, and how often each was signed."""
        started = [
            {"reference": one.reference, "user": one.person.user, "state": one.state, "signed": one.signed}
            for one in map(self._service.aged, self._service.transactions.values())
        ]
        rows = [self._shown(one) for one in self._service.waiting()]
        return answer({"waiting": rows, "starts": self._service.starts, "started": started})

    def _shown(self, transaction: Transaction) -> dict[str, Any]:
        return {
            "reference": transaction.reference,
            "user": transaction.person.user,
            "description": transaction.description,
            "documents": [name for name, _digest in transaction.documents],
            "seconds": self._service.seconds_left(transaction),
        }

    async def _decide(self, request: web.Request) -> web.Response:
        """`{"reference": …, "state": "confirmed" | "refused"}`."""
        body = await json_body(request)
        state = body.get("state")
        if state not in ("confirmed", "refused"):
            raise Problem(400, "bad_request", "state: confirmed | refused")
        try:
            self._service.decide(str(body.get("reference")), "confirmed" if state == "confirmed" else "refused")
        except KeyError:
            raise Problem(404, "not_found", "Yêu cầu này không còn chờ xác nhận.") from None
        return await self._requests(request)

    async def _add_person(self, request: web.Request) -> web.Response:
        """`{"user": …, "tax_code": …, "name": …, "days": 730}`: a key at the service; repeated, another one."""
        body = await json_body(request)
        try:
            credential = self._service.add_person(**body)
        except (TypeError, ValueError) as error:
            raise Problem(400, "bad_request", f"Không dùng được: {error}") from None
        certificate = base64.b64encode(credential.certificate).decode()
        return answer({"user": body["user"], "serial": credential.serial, "certificate": certificate}, status=201)

    async def _authority(self, request: web.Request) -> web.Response:
        """The certificate of the authority that issued the people's, DER; made with the first of them."""
        if not self._service.authority:
            raise Problem(404, "not_found", "Chưa có chứng thư nào.")
        return web.Response(body=self._service.authority, content_type="application/pkix-cert")


class _Problem(Exception):
    """An answer of the CSC dialects that is an error."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(error)
        self.error = error
        self.description = description
        self.status = status


class _Csc:
    """The Cloud Signature Consortium's API in one version."""

    def __init__(self, service: RemoteSigning, version: int, *, is_viettel: bool) -> None:
        self._service = service
        self._version = version
        self._is_viettel = is_viettel
        self._hashes, self._hash_name = ("hash", "hashAlgo") if version == 1 else ("hashes", "hashAlgorithmOID")

    def routes(self, name: str, base: str) -> list[web.RouteDef]:
        """The routes under ``base``."""
        table: dict[str, tuple[str, Handler]] = {
            "info": ("login", self.info),
            "credentials/list": ("list", self.credentials),
            "credentials/info": ("info", self.credential),
            "credentials/authorize": ("start", self.authorize),
            "signatures/signHash": ("sign", self.sign_hash),
        }
        if not self._is_viettel:
            table |= {"auth/login": ("login", self.login), "oauth2/token": ("login", self.token)}
        if self._version == 2:
            table["credentials/authorizeCheck"] = ("poll", self.check)
        return [
            web.post(f"{base}/{path}", _answering(handler), name=f"remote_{endpoint}.{name}.{path.replace('/', '.')}")
            for path, (endpoint, handler) in table.items()
        ]

    async def info(self, request: web.Request) -> web.Response:
        """What the service offers; needs no login."""
        specs = "2.0.0.2" if self._version == 2 else "1.0.4.0"
        methods = ["auth/login", "credentials/list", "credentials/info", "credentials/authorize", "signatures/signHash"]
        more = ["credentials/authorizeCheck"] if self._version == 2 else []
        return answer(
            {
                "specs": specs,
                "name": "Sandbox",
                "region": "VN",
                "authType": ["basic", "oauth2client"],
                "methods": methods + more,
            }
        )

    async def login(self, request: web.Request) -> web.Response:
        """HTTP Basic for a token."""
        pair = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        shown = request.headers.get("Authorization", "")
        if not hmac.compare_digest(shown.encode(), f"Basic {pair}".encode()):
            raise _Problem("invalid_request", "Invalid authentication", 401)
        return answer({"access_token": TOKEN, "expires_in": 3600})

    async def token(self, request: web.Request) -> web.Response:
        """OAuth 2 client credentials, in a form as RFC 6749 has it."""
        body = await request.post()
        if body.get("grant_type") != "client_credentials":
            raise _Problem("unsupported_grant_type", "")
        if not _is_client(body.get("client_id"), body.get("client_secret")):
            raise _Problem("invalid_client", "", 401)
        return answer({"access_token": TOKEN, "expires_in": 3600, "token_type": "Bearer"})  # nosec B105 - nothing secret

    async def credentials(self, request: web.Request) -> web.Response:
        """The ids of a person's credentials; of all people where neither token nor body names one."""
        body = await self._body(request)
        user = self._user(request) or body.get("userID")
        people = [one for one in self._service.people.values() if user in (None, one.user)]
        return answer({"credentialIDs": [credential.id for one in people for credential in one.credentials]})

    async def credential(self, request: web.Request) -> web.Response:
        """What is known of one credential."""
        _person, credential = self._named(request, await self._body(request))
        return answer(self._described(credential))

    async def authorize(self, request: web.Request) -> web.Response:
        """Ask the person: version 1 answers once they decided, version 2 at once with a handle."""
        body = await self._body(request)
        person, credential = self._named(request, body)
        if self._service.take("quota"):
            raise _Problem("4005" if self._is_viettel else "invalid_request", "signing quota exceeded")
        if self._service.take("suspended"):
            raise _Problem("13004" if self._is_viettel else "invalid_request", "Credential is disabled")
        digests = _digests(body.get(self._hashes))
        if self._version == 2 and body.get(self._hash_name) != SHA256:
            raise _Problem("invalid_request", "Missing parameter hashAlgorithmOID")
        if body.get("numSignatures") != len(digests):
            raise _Problem("invalid_request", "Invalid parameter numSignatures")
        reference, description = (
            body.get("clientData") or str(uuid.uuid4()),
            body.get("description", ""),
        )
        if not _is_text(reference, 1) or not _is_text(description):
            raise _Problem("invalid_request", "Invalid parameter clientData or description")
        names = self._names(body, len(digests))
        started = self._service.start(
            reference, person, credential, description, list(zip(names, digests, strict=True))
        )
        if self._version == 2:
            left = self._service.seconds_left(started)
            return answer({"handle": started.code, "expiresIn": left}, status=202)
        while self._service.aged(started).state == "waiting":
            await asyncio.sleep(LOOK_SECONDS)
        return self._decided(started)

    async def check(self, request: web.Request) -> web.Response:
        """Version 2: 202 until the person decided."""
        body = await self._body(request)
        found = next((one for one in self._service.transactions.values() if one.code == body.get("handle")), None)
        if found is None or self._service.take("forgotten"):
            raise _Problem("invalid_request", "unknown handle", 404)
        if self._service.aged(found).state != "waiting":
            return self._decided(found)
        if self._service.settings.remote_waiting == "code":
            # One service does this instead.
            raise _Problem("invalid_request", "The previous asynchronous request is not finished")
        return answer({"handle": found.code}, status=202)

    async def sign_hash(self, request: web.Request) -> web.Response:
        """Sign what the activation data allows, once."""
        body = await self._body(request)
        _person, credential = self._named(request, body)
        digests = _digests(body.get(self._hashes))
        algorithm, hash_name = body.get("signAlgo"), body.get(self._hash_name)
        if algorithm not in ALGORITHMS[self._service.settings.remote_algorithms]:
            raise _Problem("invalid_request", "Invalid parameter signAlgo")
        if hash_name != SHA256 and (algorithm == RSA or hash_name is not None):
            raise _Problem("invalid_request", f"Invalid parameter {self._hash_name}")
        transaction = self._activated(str(body.get("SAD", "")))
        if transaction.credential is not credential or digests != [digest for _name, digest in transaction.documents]:
            raise _Problem("invalid_request", "Hash is not authorized by the SAD")
        if transaction.signed:
            raise _Problem("invalid_request", "Numbers of signatures is too high")
        ends = "\r\n" if self._is_viettel else ""
        values = [base64.b64encode(value).decode() + ends for _name, value in self._service.sign(transaction)]
        if self._service.take("no_base64"):
            values = ["không phải base64" for _value in values]
        return answer({"signatures": values})

    # -- parts of it -------------------------------------------------------------------------------------------------

    async def _body(self, request: web.Request) -> dict[str, Any]:
        shown = request.headers.get("Authorization", "").removeprefix("Bearer ")
        expected = shown.partition(".")[0] if self._is_viettel else shown
        if not hmac.compare_digest(expected.encode(), TOKEN.encode()) or self._service.take("credentials_refused"):
            raise _Problem("invalid_token", "", 401)
        if self._is_viettel and self._user(request) not in self._service.people:
            raise _Problem("invalid_token", "", 401)
        body = await json_body(request)
        if self._service.take("repeats_secret"):
            raise _Problem("invalid_request", f"{shown} {json.dumps(body)}")
        return body

    def _user(self, request: web.Request) -> str | None:
        """Viettel: whose token it is."""
        if not self._is_viettel:
            return None
        encoded = request.headers.get("Authorization", "").partition(".")[2]
        try:
            return base64.urlsafe_b64decode(encoded).decode()
        except (binascii.Error, ValueError):
            return ""

    def _named(self, request: web.Request, body: dict[str, Any]) -> tuple[Person, Credential]:
        found = self._service.find_credential(str(body.get("credentialID")))
        if found is None or self._user(request) not in (None, found[0].user):
            raise _Problem("invalid_request", "Invalid parameter credentialID")
        return found

    def _names(self, body: dict[str, Any], count: int) -> list[str]:
        """What the app calls the documents: Viettel's clients name them, others do not."""
        given = body.get("documents") if self._is_viettel else None
        if given is None:
            return [str(number + 1) for number in range(count)]
        rows = given if isinstance(given, list) else []
        names = [one.get("document_id") if isinstance(one, dict) else None for one in rows]
        if len(names) != count or not all(_is_text(name, 1) for name in names):
            raise _Problem("invalid_request", "documents")
        return [str(name) for name in names]

    def _decided(self, transaction: Transaction) -> web.Response:
        if transaction.state == "refused":
            raise _Problem("4002" if self._is_viettel else "access_denied", "The user refused")
        if transaction.state == "expired":
            raise _Problem("4001", "The transaction ran out")
        return answer({"SAD": transaction.sad, "expiresIn": "3600" if self._is_viettel else 3600})

    def _activated(self, sad: str) -> Transaction:
        for transaction in self._service.transactions.values():
            if hmac.compare_digest(transaction.sad.encode(), sad.encode()) and transaction.state == "confirmed":
                return transaction
        raise _Problem("invalid_request", "SAD is invalid")

    def _described(self, credential: Credential) -> dict[str, Any]:
        settings, certificate = self._service.settings, x509.load_der_x509_certificate(credential.certificate)
        zone = "+0000" if self._is_viettel else "Z"
        is_pin = settings.remote_confirmation == "pin"
        described: dict[str, Any] = {
            "key": {
                "status": "enabled",
                "algo": ALGORITHMS[settings.remote_algorithms],
                "len": "2048" if self._is_viettel else 2048,
            },
            "cert": {
                "status": "valid",
                "certificates": [
                    base64.b64encode(der).decode() for der in (credential.certificate, self._service.authority)
                ],
                "issuerDN": certificate.issuer.rfc4514_string(),
                "serialNumber": str(certificate.serial_number) if self._is_viettel else credential.serial,
                "subjectDN": certificate.subject.rfc4514_string(),
                "validFrom": certificate.not_valid_before_utc.strftime("%Y%m%d%H%M%S") + zone,
                "validTo": certificate.not_valid_after_utc.strftime("%Y%m%d%H%M%S") + zone,
            },
            "SCAL": "2",
            "multisign": str(MOST_DIGESTS) if self._is_viettel else MOST_DIGESTS,
        }
        mode = "explicit" if is_pin else "implicit"
        if self._version == 2:
            return {**described, "auth": {"mode": mode}}
        return {**described, "authMode": mode, **({"PIN": {"presence": "true"}} if is_pin else {})}


def _answering(handler: Handler) -> Handler:
    async def guarded(request: web.Request) -> web.Response:
        try:
            return await handler(request)
        except _Problem as problem:
            return _csc_error(problem.status, problem.error, problem.description)

    return guarded


def _csc_error(status: int, error: str, description: str) -> web.Response:
    return answer({"error": error, "error_description": description}, status=status)


def _said(code: int, message: str, data: dict[str, Any] | None = None, *, status: int | None = None) -> web.Response:
    """HTTP status and ``status_code``, which are not always alike: real clients saw refusals with HTTP 200."""
    return answer({"status_code": code, "message": message, "data": data}, status=status or code)


def _is_client(name: Any, secret: Any) -> bool:
    known = hmac.compare_digest(str(name).encode(), CLIENT.encode())
    return known and hmac.compare_digest(str(secret).encode(), SECRET.encode())


def _is_text(value: Any, least: int = 0) -> bool:
    return isinstance(value, str) and least <= len(value) <= _MAX_TEXT


def _sp_credential(person: Person | None, serial: str) -> Credential | None:
    """The key that a start means; without a serial number the only one."""
    credentials = person.credentials if person else []
    fitting = [one for one in credentials if serial.lower() in ("", one.serial)]
    return fitting[0] if len(fitting) == 1 else None


def _sp_documents(files: Any, is_hex: bool) -> list[tuple[str, bytes]]:
    """(doc_id, digest) of each file; nothing when one of them is not as it should be."""
    documents = []
    for file in files if isinstance(files, list) and len(files) <= MOST_DIGESTS else []:
        digest = _digest(file.get("data_to_be_signed"), is_hex) if isinstance(file, dict) else None
        if digest is None or file.get("sign_type") != "hash" or not _is_text(file.get("doc_id"), 1):
            return []
        documents.append((file["doc_id"], digest))
    return documents


def _sp_certificate(credential: Credential, transaction: str, authority: bytes) -> dict[str, Any]:
    certificate = x509.load_der_x509_certificate(credential.certificate)
    encoded = base64.b64encode(credential.certificate).decode()
    return {
        "service_type": "SMARTCA",
        "service_name": "Sandbox",
        "cert_id": credential.id,
        "cert_status": "Đang hoạt động",
        "serial_number": credential.serial,
        "cert_subject": certificate.subject.rfc4514_string(),
        "cert_valid_from": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cert_valid_to": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "cert_data": "\n".join(encoded[start : start + 64] for start in range(0, len(encoded), 64)),
        "chain_data": {"ca_cert": base64.b64encode(authority).decode(), "root_cert": None},
        "transaction_id": transaction,
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
    digests = [digest for digest in found if digest is not None]
    if not digests or len(digests) > MOST_DIGESTS or len(digests) < len(found):
        raise _Problem("invalid_request", "Invalid parameter hash")
    return digests
