"""The demo's mail server: takes mails by SMTP and hands each to Odoo's mail gateway, as a company's would."""

from __future__ import annotations

import asyncio

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from .processes import free_port

TIMEOUT = 120


class MailBridge:
    """Listens on a loopback port; a mail that Odoo does not take is refused for now, so that the sender tries again."""

    def __init__(self, odoo_url: str, database: str, api_key: str) -> None:
        """:param api_key: of a user who may hand mails to Odoo"""
        self._url = f"{odoo_url}/json/2/mail.thread/message_process"
        self._headers = {"Authorization": f"Bearer {api_key}", "X-Odoo-Database": database}
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.delivered = 0

    def start(self) -> None:
        """Start listening, in a thread."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening."""
        self._controller.stop()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        """Called by aiosmtpd for each mail; returns the SMTP answer."""
        return await asyncio.to_thread(self._hand_over, envelope)

    def _hand_over(self, envelope: Envelope) -> str:
        content = envelope.content or b""
        data = content if isinstance(content, bytes) else content.encode()
        # What a mail server writes on the envelope: to whom it really went.
        delivered = "".join(f"Delivered-To: {recipient}\r\n" for recipient in envelope.rcpt_tos)
        message = delivered + data.decode("utf-8", "replace")
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    self._url, json={"model": False, "message": message}, headers=self._headers, timeout=TIMEOUT
                )
        except requests.RequestException:
            return "451 Odoo does not answer, please try again"
        if answer.status_code != 200:
            return f"451 Odoo answers {answer.status_code}, please try again"
        self.delivered += 1
        return "250 handed to Odoo"
