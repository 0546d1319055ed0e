"""A mail server: takes mails by SMTP, says who sent them, hands each to Odoo's mail gateway."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email import message_from_bytes, policy

import requests
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from .programs import free_port

TIMEOUT = 120
NAME = "mx.thu.example.com"
"""What the server calls itself in Authentication-Results (authserv-id of RFC 8601)."""
SANDBOX_ADDRESS = "127.0.0.2"
"""Where the sandbox sends its mails from, so that its domains can be told by the address, as SPF does."""
_RESULTS = re.compile(rb"^Authentication-Results:[^\n]*\n(?:[ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE)


class MailBridge:
    """Listens on a loopback port; a mail that Odoo does not take is refused for now, so that the sender tries again."""

    def __init__(self, odoo_url: str, database: str, api_key: str, domains: Mapping[str, str]) -> None:
        """:param api_key: of a user who may hand mails to Odoo
        :param domains: domain -> address of this machine from which its mails come: what SPF records say
        """
        self._url = f"{odoo_url}/json/2/mail.thread/message_process"
        self._headers = {"Authorization": f"Bearer {api_key}", "X-Odoo-Database": database}
        self._domains = domains
        self.port = free_port()
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self.delivered = 0
        self._is_refusing = False

    def start(self) -> None:
        """Start listening, in a thread."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening."""
        self._controller.stop()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """Meanwhile no mail is taken; its sender tries again."""
        self._is_refusing = True
        try:
            yield
        finally:
            self._is_refusing = False

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        """Called by aiosmtpd for each mail; returns the SMTP answer."""
        peer: str = session.peer[0] if session.peer else ""
        return await asyncio.to_thread(self._hand_over, envelope, peer)

    def _hand_over(self, envelope: Envelope, peer: str) -> str:
        if self._is_refusing:
            return "451 not now, please try again"
        content = envelope.content or b""
        data = content if isinstance(content, bytes) else content.encode()
        # What a mail server writes on top: to whom the mail really went, and who really sent it.
        written = "".join(f"Delivered-To: {recipient}\r\n" for recipient in envelope.rcpt_tos)
        written += f"Authentication-Results: {self._verdict(data, envelope.mail_from or '', peer)}\r\n"
        message = written + _without_foreign_results(data).decode("utf-8", "replace")
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

    def _verdict(self, data: bytes, mail_from: str, peer: str) -> str:
        """SPF by the address of the sending machine, and DMARC: whether the From header names the same domain."""
        sender = mail_from.rpartition("@")[2].lower()
        header = message_from_bytes(data, policy=policy.default)["From"]
        author = header.addresses[0].domain.lower() if header and header.addresses else ""
        spf = "pass" if peer and self._domains.get(sender) == peer else "fail"
        dmarc = "pass" if spf == "pass" and sender == author else "fail"
        return f"{NAME}; spf={spf} smtp.mailfrom={sender}; dmarc={dmarc} header.from={author}"


def _without_foreign_results(data: bytes) -> bytes:
    """The mail without verdicts that strangers wrote in this server's name (RFC 8601, section 5)."""
    headers, blank, body = data.partition(b"\r\n\r\n")
    kept = _RESULTS.sub(lambda found: b"" if NAME.encode() in found[0].lower() else found[0], headers + b"\r\n")
    return kept + blank[2:] + body
