"""A mail as bytes for SMTP, without folding the same headers again for every mail (which took most of a submission)."""

from __future__ import annotations

from email.message import EmailMessage
from email.policy import SMTP, EmailPolicy
from functools import lru_cache
from typing import Any

LINE = 76
"""Longest header line, in characters."""


@lru_cache(maxsize=256)
def _folded(name: str, text: str) -> bytes:
    header: Any = SMTP.header_factory(name, text)
    return bytes(header.fold(policy=SMTP).encode("ascii", "surrogateescape"))


class _RememberingPolicy(EmailPolicy):
    def fold_binary(self, name: str, value: str) -> bytes:
        text = str(value)
        if len(name) + len(text) + 2 <= LINE and text.isascii() and text.isprintable():
            return f"{name}: {text}\r\n".encode()
        return _folded(name, text)


_POLICY = _RememberingPolicy(linesep="\r\n")


def to_bytes(message: EmailMessage) -> bytes:
    """The mail with CRLF line ends and folded, encoded headers."""
    return message.as_bytes(policy=_POLICY)
