"""The gateway's HTTP face: contract v1 of docs/gateway.md."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from importlib import resources
from typing import Any

from aiohttp import web

from .clock import stamp
from .documents import FORMS, MAX_BYTES
from .office import Submission
from .problems import Problem
from .server import Client, Sandbox
from .store import Row

PREFIX = "/ivan/v1"
MAX_BODY = MAX_BYTES * 4 // 3 + 2**16
"""Largest request body in bytes: the largest dossier in base64, and room for the other fields."""
MAX_ANSWER = 2 * 2**20
"""Bytes of an answer about several dossiers; those that do not fit in are left out."""
MOST_AT_ONCE = 100
_VERSION = re.compile(r"[!#-\[\]-~]{1,64}")
_UUID = re.compile("[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")


class Gateway:
    """Handlers of the calls."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        text = (resources.files("ibhxh_sandbox") / "openapi.json").read_text(encoding="utf-8")
        self._openapi: dict[str, Any] = json.loads(text)

    def routes(self) -> list[web.RouteDef]:
        """The routes; the name of each is the endpoint that fault switches speak of."""
        return [
            web.get(f"{PREFIX}/health", self.health, name="health"),
            web.post(f"{PREFIX}/dossiers", self.submit, name="submit"),
            web.get(f"{PREFIX}/dossiers/{{reference}}", self.progress, name="progress"),
            web.post(f"{PREFIX}/progress", self.progress_of_many, name="progress_of_many"),
            web.post(f"{PREFIX}/dossiers/{{reference}}/resend-code", self.resend_code, name="resend_code"),
            web.get(f"{PREFIX}/openapi.json", self.openapi),
        ]

    async def health(self, request: web.Request) -> web.Response:
        """Whether the gateway works, its time, and whom the client is known as."""
        provider = self._client(request).provider
        now = stamp(self._sandbox.clock.now())
        return answer({"status": "ok", "time": now, "provider": {"code": provider.code, "name": provider.name}})

    async def submit(self, request: web.Request) -> web.Response:
        """Lodge a dossier."""
        client = self._client(request)
        submission = _submission(await json_body(request), request.headers.get("Idempotency-Key"))
        office = self._sandbox.office
        new, receipt = await self._sandbox.run(lambda: office.submit(client.provider, submission))
        self._sandbox.takes[submission.client_reference] += 1
        return answer(receipt, status=201 if new else 200)

    async def progress(self, request: web.Request) -> web.Response:
        """What became of a dossier."""
        client = self._client(request)
        reference = _reference(request.match_info["reference"])
        found = self._shown(await self._sandbox.run(lambda: self._sandbox.office.progress(client.provider, reference)))
        if "version" not in found:
            return answer(found)
        tag = f'"{found["version"]}"'
        response = web.Response(status=304) if request.headers.get("If-None-Match") == tag else answer(found)
        response.headers["ETag"] = tag
        return response

    async def progress_of_many(self, request: web.Request) -> web.Response:
        """What became of several dossiers."""
        if not self._sandbox.office.settings.progress_of_many:
            raise Problem(404, "unknown_path", "Không có gì ở địa chỉ này.")
        client = self._client(request)
        versions = _versions(await json_body(request))
        office = self._sandbox.office
        found = await self._sandbox.run(lambda: office.progress_of_many(client.provider, versions))
        entries: list[Row] = []
        size = 0
        for reference, row in found.items():
            entry = self._entry(reference, row, versions[reference])
            size += len(json.dumps(entry, ensure_ascii=False).encode())
            if size > MAX_ANSWER:
                break
            entries.append(entry)
        return answer({"dossiers": entries})

    def _entry(self, reference: str, row: Row | None, version: str | None) -> Row:
        if row is None:
            return {"client_reference": reference, "code": "not_found"}
        shown = self._shown(row)
        if version and shown.get("version") == version:
            return {"client_reference": reference, "code": "unchanged"}
        return shown

    def _shown(self, row: Row) -> Row:
        if row["notification"] is not None:
            row = {**row, "notification": base64.b64encode(row["notification"]).decode()}
        if not self._sandbox.office.settings.progress_versions:
            return row
        return {**row, "version": hashlib.sha256(json.dumps(row).encode()).hexdigest()[:32]}

    async def resend_code(self, request: web.Request) -> web.Response:
        """Mail the activation code again."""
        client = self._client(request)
        reference = _reference(request.match_info["reference"])
        sent = await self._sandbox.run(lambda: self._sandbox.office.resend_code(client.provider, reference))
        return answer(sent, status=202)

    async def openapi(self, request: web.Request) -> web.Response:
        """The contract for programs; the only call that needs no credentials."""
        return answer(self._openapi)

    def _client(self, request: web.Request) -> Client:
        user, secret = _basic_credentials(request.headers.get("Authorization", ""))
        client = self._sandbox.options.clients.get(user)
        if client is None or not hmac.compare_digest(client.secret.encode(), secret.encode()):
            raise Problem(401, "unauthorized", "Mã tổ chức I-VAN hoặc mật khẩu không đúng.")
        return client


def answer(body: Any, status: int = 200) -> web.Response:
    """A JSON answer with readable Vietnamese."""
    text = json.dumps(body, ensure_ascii=False)
    headers = {"Cache-Control": "no-store"}
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in the request. Raises Problem 415, 413 or 400."""
    if request.content_type != "application/json":
        raise Problem(415, "unsupported_media_type", "Content-Type phải là application/json.")
    try:
        body = json.loads(await request.read())
    except web.HTTPRequestEntityTooLarge as error:
        raise Problem(413, "too_large", "Yêu cầu quá lớn.") from error
    except (ValueError, RecursionError) as error:
        raise bad_request("Nội dung không phải là JSON.") from error
    if not isinstance(body, dict):
        raise bad_request("Nội dung phải là một đối tượng JSON.")
    return body


def bad_request(what: str) -> Problem:
    """A 400 answer."""
    return Problem(400, "bad_request", what)


def _basic_credentials(header: str) -> tuple[str, str]:
    """User and password of an HTTP Basic header (UTF-8); two empty texts when it is none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except ValueError:
        return "", ""
    return user, password


def _reference(text: object) -> str:
    if not isinstance(text, str) or not _UUID.fullmatch(text):
        raise bad_request("client_reference phải là một UUID.")
    return text.lower()


def _versions(body: dict[str, Any]) -> dict[str, str | None]:
    """The version that the client has, by client reference."""
    listed = body.get("dossiers")
    if not isinstance(listed, list) or not 1 <= len(listed) <= MOST_AT_ONCE:
        raise bad_request(f"dossiers phải là danh sách từ 1 đến {MOST_AT_ONCE} hồ sơ.")
    versions: dict[str, str | None] = {}
    for entry in listed:
        if not isinstance(entry, dict):
            raise bad_request("Mỗi hồ sơ phải là một đối tượng.")
        reference, version = _reference(entry.get("client_reference")), entry.get("version")
        if version is not None and not (isinstance(version, str) and _VERSION.fullmatch(version)):
            raise bad_request("version không đúng quy định.")
        versions[reference] = version
    return versions


def _text(body: dict[str, Any], name: str, longest: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= longest:
        raise bad_request(f"{name} phải là chuỗi từ 1 đến {longest} ký tự.")
    return value


def _submission(body: dict[str, Any], key: str | None) -> Submission:
    reference = _reference(body.get("client_reference"))
    if key is None or _reference(key) != reference:
        raise bad_request("Idempotency-Key phải có và bằng client_reference.")
    form = body.get("form")
    if not isinstance(form, str) or form not in FORMS:
        raise bad_request("form phải là 04, 05 hoặc 06.")
    encoded = body.get("document")
    if not isinstance(encoded, str):
        raise bad_request("document phải là base64.")
    try:
        document = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise bad_request("document phải là base64.") from None
    if len(document) > MAX_BYTES:
        raise Problem(413, "too_large", f"Hồ sơ vượt quá {MAX_BYTES // 2**20} MiB.")
    if body.get("sha256") != hashlib.sha256(document).hexdigest():
        raise bad_request("sha256 không khớp với document.")
    unit_code = None if body.get("unit_code") is None else _text(body, "unit_code", 20)
    return Submission(
        client_reference=reference,
        form=form,
        agency_code=_text(body, "agency_code", 5),
        tax_code=_text(body, "tax_code", 14),
        unit_code=unit_code,
        document=document,
    )
