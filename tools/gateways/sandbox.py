"""The stand-in of this project (sandbox/), spoken to with the same contract as a real gateway."""

from __future__ import annotations

from typing import Any

from .base import Misconfigured, Reason
from .http import HttpGateway, is_loopback
from .registry import register


@register("sandbox")
class SandboxGateway(HttpGateway):
    """HttpGateway that refuses any address but a loopback one: a test must not reach the world."""

    def __init__(self, base_url: str, client_id: str, secret: str, **settings: Any) -> None:
        super().__init__(base_url, client_id, secret, **settings)
        if not is_loopback(base_url):
            raise Misconfigured(
                "the sandbox is reached on this computer only (127.0.0.1, ::1 or localhost)", reason=Reason.ADDRESS
            )
