"""Takes mails from the outbox to the SMTP server.

A mail is marked as sent after the server took it, so a process that is killed between the two sends it once more
(with the same Message-ID) and never loses it.
"""

from __future__ import annotations

import smtplib
from dataclasses import dataclass, field

from .store import Row

TIMEOUT = 60
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


def _send(connection: smtplib.SMTP, mail: Row) -> tuple[int, str] | None:
    """None when the server took the mail, else its code and words for not taking this one."""
    answer: bytes | str
    options = ["BODY=8BITMIME"] if connection.has_extn("8bitmime") else []
    try:
        connection.sendmail(mail["sender"], [mail["recipient"]], mail["message"], mail_options=options)
    except smtplib.SMTPRecipientsRefused as error:
        code, answer = next(iter(error.recipients.values()))
    except smtplib.SMTPResponseException as error:
        code, answer = error.smtp_code, error.smtp_error  # typed as either, depending on where it was raised
    else:
        return None
    return code, answer.decode(errors="replace") if isinstance(answer, bytes) else answer


def deliver(server: tuple[str, int], mails: list[Row], source: str | None = None) -> Round:
    """Send the mails in their order over one connection; blocks, raises nothing for what a mail server may do.

    :param source: address of this machine to connect from
    """
    done = Round()
    try:
        with smtplib.SMTP(*server, timeout=TIMEOUT, source_address=(source, 0) if source else None) as connection:
            connection.ehlo()
            for mail in mails:
                refusal = _send(connection, mail)
                if refusal is None:
                    done.sent.append(mail["id"])
                elif refusal[0] >= 500:
                    done.refused[mail["id"]] = f"{refusal[0]} {refusal[1]}"
    except (OSError, smtplib.SMTPException) as error:
        done.interrupted = error
    return done
