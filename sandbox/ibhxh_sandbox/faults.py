"""Switches that break the answers of the gateway, some of them after the work was done."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import secrets
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

REMOTE = ("remote_login", "remote_list", "remote_info", "remote_start", "remote_poll", "remote_sign")
"""The calls of remote signing, the same in each dialect."""
ENDPOINTS = ("health", "submit", "progress", "progress_of_many", "resend_code", "portal", *REMOTE, "any")
KINDS = {
    "outage": "503 SE999 with Retry-After",
    "status": "the HTTP status in `status`, with a plain text body and Retry-After from `retry_after` (text, optional)",
    "odd": "the proper answer with the members of `members` in place of its own, in `encoding` (utf-8, utf-16, gzip …)",
    "timeout": "no answer for `seconds`, then the connection is closed",
    "delay": "the proper answer, `seconds` later",
    "reset": "the connection is reset",
    "close": "the connection is closed without an answer",
    "garbage": "200 with random bytes that claim to be JSON",
    "html": "200 with a web page instead of JSON",
    "wrong_json": "200 with JSON of another shape",
    "truncated": "the first half of an answer, then the connection is closed",
    "huge": "200 with `size` bytes of JSON",
    "slow": "one byte of the answer every `seconds`",
    "redirect": "302 to `location`",
}
"""Kind of fault -> what the client sees."""
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "gzip")
BEFORE_ONLY = ("outage",)
"""What claims that nothing was accepted never follows real work."""


@dataclass
class Fault:
    """One switch: the next `count` requests to `endpoint`, after letting `skip` pass."""

    endpoint: str
    kind: str
    when: str = "before"
    """`before`: the request is not looked at. `after`: it is carried out and committed, then the answer is broken."""
    count: int = 1
    skip: int = 0
    seconds: float = 30.0
    status: int = 500
    size: int = 64 * 2**20
    location: str = "http://127.0.0.1:9/"
    retry_after: str = ""
    members: dict[str, Any] = field(default_factory=dict)
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        for name, least in (("count", 1), ("skip", 0), ("seconds", 0), ("status", 200), ("size", 0)):
            value = getattr(self, name)
            if not isinstance(value, int | float) or value < least:
                raise ValueError(f"{name} must be a number from {least}")
        if self.endpoint not in ENDPOINTS or self.kind not in KINDS or self.when not in ("before", "after"):
            raise ValueError(f"unknown fault: {self.endpoint} {self.kind} {self.when}")
        if not isinstance(self.members, dict) or self.encoding not in ENCODINGS:
            raise ValueError(f"members must be an object, encoding one of {', '.join(ENCODINGS)}")
        if self.when == "after" and self.kind in BEFORE_ONLY:
            raise ValueError(f"{self.kind} can only come before the work")


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class FaultBoard:
    """The switches that are on, in the order in which they were set."""

    def __init__(self) -> None:
        self.active: list[Fault] = []

    def take(self, endpoint: str) -> Fault | None:
        """The fault that hits this request, counted down; None when there is none."""
        for fault in self.active:
            if fault.endpoint not in (endpoint, "any"):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                continue
            fault.count -= 1
            if fault.count <= 0:
                self.active.remove(fault)
            return fault
        return None


async def apply_fault(fault: Fault, request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer `request` the way the fault has it."""
    if fault.kind == "delay":
        await asyncio.sleep(fault.seconds)
        return await handler(request)
    answer = b'{"code": "00"}'
    if fault.kind == "odd":
        return _odd(fault, await handler(request))
    if fault.when == "after":
        done = await handler(request)
        if isinstance(done, web.Response) and isinstance(done.body, bytes):
            answer = done.body
    return await _ANSWERS[fault.kind](fault, request, answer)


def _odd(fault: Fault, done: web.StreamResponse) -> web.StreamResponse:
    if not isinstance(done, web.Response) or not isinstance(done.body, bytes):
        return done
    text = json.dumps({**json.loads(done.body), **fault.members})
    headers = {"Content-Encoding": "gzip"} if fault.encoding == "gzip" else {}
    body = gzip.compress(text.encode()) if fault.encoding == "gzip" else text.encode(fault.encoding)
    return web.Response(body=body, status=done.status, content_type="application/json", headers=headers)


async def _outage(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    body = {"code": "SE999", "description": "Hệ thống của BHXH Việt Nam tạm thời ngừng phục vụ."}
    return web.json_response(body, status=503, headers={"Retry-After": str(round(fault.seconds))})


async def _status(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    headers = {"Retry-After": fault.retry_after} if fault.retry_after else {}
    return web.Response(status=fault.status, text="upstream error\n", headers=headers)


async def _timeout(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    await asyncio.sleep(fault.seconds)
    return await _close(fault, request, answer)


async def _reset(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    if request.transport is not None:
        connection = request.transport.get_extra_info("socket")
        # Lingering for no time makes the system send RST in place of FIN.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()
    return web.Response()


async def _close(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


async def _garbage(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    return web.Response(body=secrets.token_bytes(512), content_type="application/json")


async def _html(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    return web.Response(text="<!DOCTYPE html><title>Bảo trì</title><p>Đang bảo trì</p>", content_type="text/html")


async def _wrong_json(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    return web.json_response([{"state": 7, "steps": "none"}])


async def _truncated(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n".encode()
    if request.transport is not None:
        request.transport.write(head + answer[: len(answer) // 2])
    return await _close(fault, request, answer)


async def _huge(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json"})
    await response.prepare(request)
    chunk = b"x" * 2**16
    with contextlib.suppress(ConnectionError):  # a client that has had enough hangs up
        await response.write(b'{"padding": "')
        for _ in range(fault.size // len(chunk)):
            await response.write(chunk)
        await response.write(b'"}')
    return response


async def _slow(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(answer))})
    await response.prepare(request)
    with contextlib.suppress(ConnectionError):  # a client that has had enough hangs up
        for position in range(len(answer)):
            await response.write(answer[position : position + 1])
            await asyncio.sleep(fault.seconds)
    return response


async def _redirect(fault: Fault, request: web.Request, answer: bytes) -> web.StreamResponse:
    return web.Response(status=302, headers={"Location": fault.location})


_ANSWERS: dict[str, Callable[[Fault, web.Request, bytes], Awaitable[web.StreamResponse]]] = {
    "outage": _outage,
    "status": _status,
    "timeout": _timeout,
    "reset": _reset,
    "close": _close,
    "garbage": _garbage,
    "html": _html,
    "wrong_json": _wrong_json,
    "truncated": _truncated,
    "huge": _huge,
    "slow": _slow,
    "redirect": _redirect,
}
