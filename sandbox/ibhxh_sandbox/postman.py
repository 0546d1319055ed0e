"""Takes mails from the outbox to the SMTP server.

A mail is marked as sent after the server took it, so a process that is killed between the two sends it once more
(with the same Message-ID) and never loses it.
"""

from __future__ import annotations

import smtplib
from dataclasses import dataclass, field
from email.utils import parseaddr

from .store import Row

TIMEOUT = 10
"""Seconds that the SMTP server may take for each answer."""
BATCH = 50


@dataclass
class Round:
    """What became of one batch of mails."""

    sent: list[int] = field(default_factory=list)
    refused: dict[int, str] = field(default_factory=dict)
    """Mails that the server will never take, with its words."""
    interrupted: Exception | None = None
    """Why the rest has to wait."""


def deliver(server: tuple[str, int], sender: str, mails: list[Row]) -> Round:
    """Send the mails in their order over one connection; blocks, raises nothing for what a mail server may do."""
    done = Round()
    try:
        with smtplib.SMTP(*server, timeout=TIMEOUT) as connection:
            for mail in mails:
                try:
                    connection.sendmail(parseaddr(sender)[1], [mail["recipient"]], mail["message"])
                except smtplib.SMTPRecipientsRefused as error:
                    code, words = next(iter(error.recipients.values()))
                    if code < 500:
                        continue
                    done.refused[mail["id"]] = f"{code} {words.decode(errors='replace')}"
                else:
                    done.sent.append(mail["id"])
    except (OSError, smtplib.SMTPException) as error:
        done.interrupted = error
    return done
