"""Why no token can be used, in codes that Odoo puts into words: ``diagnosis`` of the protocol."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from pathlib import PureWindowsPath
from typing import Any

from ibhxh_agent import windows
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.tokens.discovery import Found
from ibhxh_agent.tokens.manager import Token, TokenManager
from ibhxh_agent.untrusted import harmless

#: Most entries, and characters of one detail (protocol v1).
MOST, LONGEST = 16, 64
#: Most certificates that a heartbeat may report (protocol v1).
MOST_CERTIFICATES = 64

#: Every code, the server's sentences and docs/agent-protocol.md have the same.
CODES = frozenset(
    {
        "no_library",
        "not_pkcs11",
        "library_not_loaded",
        "library_foreign",
        "library_died",
        "library_silent",
        "library_wrong",
        "no_token",
        "token_unreadable",
        "no_certificate",
        "certificate_hidden",
        "certificates_left_out",
        "certificate_unsupported",
        "certificate_expired",
        "certificate_not_yet",
        "token_locked",
        "token_final_try",
        "key_missing",
        "pin_not_set",
        "pin_to_change",
        "clock_wrong",
        "remote_session",
        "session_zero",
        "autostart_off",
        "autostart_missing",
        "update_refused",
    }
)

#: Of what Windows knows, what keeps every token from being seen; no trouble where one is.
HIDE_TOKENS = frozenset({"remote_session", "session_zero"})
#: What :attr:`LibraryProcess.reason` is called in the protocol.
LIBRARY_CODES = {
    "load": "library_not_loaded",
    "died": "library_died",
    "timeout": "library_silent",
    "garbage": "library_wrong",
    "call": "library_wrong",
}
#: Flags of a token's PIN that stop, or soon stop, the person.
FLAG_CODES = {
    "locked": "token_locked",
    "final_try": "token_final_try",
    "not_initialized": "pin_not_set",
    "to_be_changed": "pin_to_change",
}
#: Those with which no PIN is accepted.
_BLOCKING = frozenset(FLAG_CODES) - {"final_try"}


def diagnose(
    manager: TokenManager, found: Sequence[Found], *, clock_is_wrong: bool, refused_update: str
) -> list[dict[str, str]]:
    """What stands in the way, worst first; empty when all is well. Every name of a file is without its folder.

    :param found: every library on this computer, those that cannot be used too
    :param refused_update: a version that was offered without the makers' signature
    """
    hidden = not manager.tokens
    entries = [
        *_libraries(manager, found if hidden else [entry for entry in found if entry.usable]),
        *(("token_unreadable", _name(trouble.library)) for trouble in manager.troubles),
        *_tokens(manager.tokens),
        *_left_out(len(manager.certificates())),
        *((code, "") for code in windows.troubles() if code in CODES and (hidden or code not in HIDE_TOKENS)),
        *([("clock_wrong", "")] if clock_is_wrong else []),
        *([("update_refused", refused_update)] if refused_update else []),
    ]
    return [{"code": code, "detail": harmless(detail, LONGEST)} for code, detail in dict.fromkeys(entries)][:MOST]


def _libraries(manager: TokenManager, found: Sequence[Found]) -> Iterator[tuple[str, str]]:
    if not any(entry.usable for entry in found):
        yield "no_library", ""
    for entry in found:
        if not entry.usable:
            yield "library_foreign" if entry.machine else "not_pkcs11", _name(entry.path)
    for path, reason in manager.reasons.items():
        yield LIBRARY_CODES.get(reason, "library_wrong"), _name(path)


def _tokens(tokens: Sequence[Token]) -> Iterator[tuple[str, str]]:
    now = datetime.now(timezone.utc)
    covered = covered_until(tokens, now)
    if not tokens:
        yield "no_token", ""
    for token in tokens:
        for flag, code in FLAG_CODES.items():
            if flag in token.flags:
                yield code, token.label
                break
        if token.hidden:
            yield "certificate_hidden", token.label
        elif not token.certificates and not token.troubles:
            yield "no_certificate", token.label
        if token.keyless:
            yield "key_missing", token.label
        for certificate in token.certificates:
            code = _certificate(certificate, now)
            if code and not is_replaced(certificate, covered, now):
                yield code, token.label


def _left_out(count: int) -> Iterator[tuple[str, str]]:
    if count > MOST_CERTIFICATES:
        yield "certificates_left_out", str(count - MOST_CERTIFICATES)


def covered_until(tokens: Sequence[Token], now: datetime) -> dict[str, datetime]:
    """Until when each tax code has a certificate that signs now; a renewed token keeps the old one beside it."""
    covered: dict[str, datetime] = {}
    for token in tokens:
        for one in token.certificates:
            if one.rsa_bits is not None and one.valid_at(now) and one.fingerprint not in token.keyless:
                covered.update({code: max(one.not_after, covered.get(code, now)) for code in one.tax_codes})
    return covered


def ready(tokens: Sequence[Token], now: datetime) -> int:
    """How many certificates could sign now, each with the right PIN."""
    return sum(
        one.rsa_bits is not None and one.valid_at(now) and one.fingerprint not in token.keyless
        for token in tokens
        if not _BLOCKING & token.flags
        for one in token.certificates
    )


def is_replaced(certificate: TokenCertificate, covered: dict[str, datetime], until: datetime) -> bool:
    """Another one signs for each of its tax codes, and does until then."""
    own = certificate.tax_codes
    return certificate.rsa_bits is not None and bool(own) and all(covered.get(code, until) > until for code in own)


def _certificate(certificate: TokenCertificate, now: datetime) -> str:
    if certificate.rsa_bits is None:
        return "certificate_unsupported"
    if certificate.valid_at(now):
        return ""
    return "certificate_expired" if certificate.not_after < now else "certificate_not_yet"


def _name(path: Any) -> str:
    """The last part of a path of any system."""
    return PureWindowsPath(str(path)).name
