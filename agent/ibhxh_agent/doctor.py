"""``ibhxh-agent doctor``: what works, what does not, and what to do about it."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from ibhxh_agent import __version__, windows
from ibhxh_agent.client import Client, Credentials, Server
from ibhxh_agent.config import Folder, Settings
from ibhxh_agent.diagnosis import HIDE_TOKENS, MOST_CERTIFICATES, covered_until, is_replaced
from ibhxh_agent.errors import AgentError
from ibhxh_agent.instance import is_running
from ibhxh_agent.prompt.choose import choose_prompt
from ibhxh_agent.runner import ALLOWED_SKEW
from ibhxh_agent.secretstore import SecretStore
from ibhxh_agent.texts import text
from ibhxh_agent.tokens import discovery
from ibhxh_agent.tokens.discovery import Found
from ibhxh_agent.tokens.manager import Token, TokenManager
from ibhxh_agent.tokens.process import LibraryProcess
from ibhxh_agent.tokens.setup import candidates

GOOD, WARNING, BAD = "ok", "!", "X"
#: Before its end, a certificate should be renewed.
_SOON = timedelta(days=30)

#: Flags of a token's PIN, the worst first.
_FLAGS = {
    "locked": BAD,
    "final_try": WARNING,
    "not_initialized": WARNING,
    "to_be_changed": WARNING,
    "count_low": WARNING,
}


@dataclass(frozen=True)
class Finding:
    """One line of the diagnosis; ``mark`` is :data:`GOOD`, :data:`WARNING` or :data:`BAD`."""

    mark: str
    message: str

    def __str__(self) -> str:
        return f"[{self.mark:>2}] {self.message}"


def examine(folder: Folder, only: Sequence[str] = ()) -> Iterator[Finding]:
    """Look at everything, one finding after the other. Changes nothing and never logs in on a token."""
    yield Finding(GOOD, text("doctor_version", version=__version__))
    settings = Settings()
    try:
        settings = folder.load()
    except AgentError as error:
        yield Finding(BAD, error.message)
    harmless: set[str] = set()
    if (yield from _libraries_and_tokens(folder, settings, only)):
        harmless |= HIDE_TOKENS
    yield from _prompt()
    if (yield from _server(folder, settings)):
        harmless.add("automatic_proxy")
    for trouble in windows.troubles():
        if trouble not in harmless:
            yield Finding(WARNING, text(f"doctor_{trouble}"))


def _libraries_and_tokens(folder: Folder, settings: Settings, only: Sequence[str]) -> Generator[Finding, None, bool]:
    """Its value: a token is seen."""
    found = candidates(settings, only, folder)
    usable = [entry for entry in found if entry.usable]
    if not usable:
        yield from _unusable(found)
        yield Finding(BAD, text("doctor_no_library_here" if any(one.machine for one in found) else "doctor_no_library"))
        return False
    manager = TokenManager(LibraryProcess(str(entry.path)) for entry in usable)
    try:
        manager.refresh(everything=True)
        yield from _unusable(found, seen=bool(manager.tokens))
        for entry in usable:
            problem = manager.problems.get(str(entry.path))
            message = problem or text("doctor_library", library=entry.path, origin=entry.origin)
            yield Finding(BAD if problem else GOOD, message)
        for trouble in manager.troubles:
            values = {**vars(trouble), "label": trouble.label or "?"}
            yield Finding(WARNING, text("doctor_unreadable", **values))
        yield from _tokens(manager.tokens)
        left_out = len(manager.certificates()) - MOST_CERTIFICATES
        if left_out > 0:
            yield Finding(WARNING, text("doctor_certificates_left_out", most=MOST_CERTIFICATES, count=left_out))
        return bool(manager.tokens)
    finally:
        manager.close()


def _unusable(found: Sequence[Found], *, seen: bool = False) -> Iterator[Finding]:
    for entry in found:
        if entry.usable:
            continue
        if seen:
            yield Finding(GOOD, text("doctor_unused", library=entry.path))
        elif entry.machine:
            yield Finding(
                WARNING, text("doctor_machine", library=entry.path, machine=entry.machine, ours=discovery.OURS)
            )
        else:
            key = "doctor_not_pkcs11" if os.path.exists(entry.path) else "doctor_no_file"
            yield Finding(WARNING, text(key, library=entry.path))


def _tokens(tokens: Sequence[Token]) -> Iterator[Finding]:
    now = datetime.now(timezone.utc)
    covered = covered_until(tokens, now)
    if not tokens:
        yield Finding(BAD, text("doctor_no_token"))
    for token in tokens:
        mark, key = GOOD, "doctor_token"
        for flag, flag_mark in _FLAGS.items():
            if flag in token.flags:
                mark, key = flag_mark, f"doctor_token_{flag}"
                break
        yield Finding(mark, text(key, label=token.label, serial=token.serial, model=token.model))
        if token.hidden:
            yield Finding(WARNING, text("doctor_certificate_hidden", label=token.label))
        elif not token.certificates and not token.troubles:
            yield Finding(WARNING, text("doctor_no_certificate", label=token.label))
        for certificate in token.certificates:
            values = {
                "name": certificate.common_name,
                "tax_code": ", ".join(certificate.tax_codes),
                "until": f"{certificate.not_after:%d/%m/%Y}",
            }
            if certificate.rsa_bits is None:
                yield Finding(BAD, text("doctor_certificate_unsupported", **values))
            elif certificate.not_after < now + _SOON and is_replaced(certificate, covered, now + _SOON):
                yield Finding(GOOD, text("doctor_certificate_replaced", **values))
            elif not certificate.valid_at(now) and is_replaced(certificate, covered, now):
                yield Finding(GOOD, text("doctor_certificate_other", **values))
            elif not certificate.valid_at(now):
                yield Finding(BAD, text("doctor_certificate_expired", **values))
            elif certificate.not_after < now + _SOON:
                yield Finding(WARNING, text("doctor_certificate_soon", **values))
            else:
                yield Finding(GOOD, text("doctor_certificate", **values))


def _prompt() -> Iterator[Finding]:
    try:
        yield Finding(GOOD, text("doctor_prompt", kind=type(choose_prompt()).__name__))
    except AgentError as error:
        yield Finding(WARNING, error.message)


def _server(
    folder: Folder, settings: Settings, clock: Callable[[], float] = time.time
) -> Generator[Finding, None, bool]:
    """Its value: the server answers."""
    pairing = settings.pairing
    if pairing is None:
        yield Finding(BAD, text("not_paired"))
        return False
    store = SecretStore(folder)
    key = store.get(pairing.agent)
    yield Finding(GOOD if key else BAD, text("doctor_key" if key else "doctor_no_key", place=store.place))
    if not key:
        return False
    client = Client(Server.parse(pairing.server), pairing.database, Credentials(key, pairing.agent))
    try:
        theirs = client.ping()
    except AgentError as error:
        yield Finding(BAD, f"{pairing.server}: {error.message or error.code}")
        return False
    finally:
        client.close()
    yield Finding(GOOD, text("doctor_server", server=pairing.server, user=pairing.user))
    if theirs is not None:
        skew = clock() - theirs.timestamp()
        bad = abs(skew) > ALLOWED_SKEW
        yield Finding(BAD if bad else GOOD, text("clock_skew" if bad else "doctor_clock", seconds=round(skew)))
    running = is_running(folder)
    yield Finding(GOOD if running else WARNING, text("doctor_running" if running else "doctor_not_running"))
    return True
