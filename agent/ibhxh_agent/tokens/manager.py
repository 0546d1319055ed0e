"""All tokens of this computer, seen through all PKCS#11 libraries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from ibhxh_agent.certificate import CertificateUnreadable, TokenCertificate
from ibhxh_agent.errors import SigningError
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text
from ibhxh_agent.tokens import devices
from ibhxh_agent.tokens.lock import exclusive_token
from ibhxh_agent.tokens.process import LibraryProcess
from ibhxh_agent.xmlsign import TokenKey

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Token:
    """A token that is plugged in.

    :param flags: of its PIN: ``count_low``, ``final_try``, ``locked``, ``pin_pad``, ``login_required``
    """

    library: str
    slot: int
    label: str
    serial: str
    model: str
    manufacturer: str
    flags: frozenset[str]
    certificates: tuple[TokenCertificate, ...] = field(default=(), compare=False)

    @property
    def identity(self) -> tuple[object, ...]:
        """Tells tokens apart, whatever slot they are in.

        Serial numbers alone do not: some makers give the same one to all (tpm2-pkcs11, PIV cards without a GUID).
        """
        certificates = tuple(sorted(certificate.fingerprint for certificate in self.certificates))
        return self.manufacturer, self.model, self.serial, self.label, certificates

    def holds(self, fingerprint: str) -> bool:
        """The certificate with this SHA-256 is on the token."""
        return any(certificate.fingerprint == fingerprint for certificate in self.certificates)


class TokenManager:
    """Knows what is plugged in and opens the one token that is needed.

    Certificates are read once per token and again after :data:`REREAD` seconds: reading them over USB is slow, listing
    the slots is not, so polling often stays cheap.

    While the system says that no device came or went, the libraries are left alone, and those without a token have no
    process.

    :param libraries: one per PKCS#11 library
    :param devices: :func:`ibhxh_agent.tokens.devices.seen`
    """

    REREAD = 300.0
    #: Seconds after a change of devices for which the libraries are asked at each look: drivers are slow to notice.
    SETTLE = 15.0
    #: Seconds after which they are asked although no device came or went.
    QUIET = 60.0

    def __init__(
        self,
        libraries: Iterable[LibraryProcess],
        monotonic: Callable[[], float] = time.monotonic,
        devices: Callable[[], str | None] = devices.seen,
    ) -> None:
        self._devices = devices
        self._seen: str | None = None
        self._changed_at = self._looked_at = float("-inf")
        self._libraries = {library.path: library for library in libraries}
        self._monotonic = monotonic
        self._known: dict[tuple[str, int, str, str], tuple[float, tuple[TokenCertificate, ...]]] = {}
        self.tokens: tuple[Token, ...] = ()

    @property
    def problems(self) -> dict[str, str]:
        """Library path → what is wrong with it, for people."""
        return {path: library.problem for path, library in self._libraries.items() if library.problem}

    @property
    def reasons(self) -> dict[str, str]:
        """Library path → what is wrong with it, in one word for programs."""
        return {path: library.reason for path, library in self._libraries.items() if library.reason}

    def add(self, paths: Iterable[str]) -> None:
        """Look into these libraries too, from the next :meth:`refresh` on; those that are known stay as they are."""
        for path in paths:
            if path not in self._libraries:
                self._looked_at = float("-inf")
                self._libraries[path] = LibraryProcess(path)

    def refresh(self, *, everything: bool = False) -> bool:
        """Look again.

        :param everything: also libraries that rest after a failure, and read certificates again
        :return: something was plugged in, removed or changed
        """
        now, seen = self._monotonic(), self._devices()
        if seen is None or seen != self._seen:
            self._seen, self._changed_at = seen, now
        settled = now - self._changed_at > self.SETTLE
        if settled and not everything and now - self._looked_at < self.QUIET:
            return False
        self._looked_at = now
        found: list[Token] = []
        for library in self._libraries.values():
            if library.resting and not everything:
                continue
            try:
                found.extend(self._tokens_of(library, everything))
            except SigningError as error:
                log.info("library %s: %s (%s)", library.path, error.code, error.detail)
        before = self._summary()
        self.tokens = tuple(found)
        if settled and not everything:
            for path in self._libraries.keys() - {token.library for token in found}:
                self._libraries[path].close()
        present = {(token.library, token.slot, token.serial, token.label) for token in found}
        self._known = {key: value for key, value in self._known.items() if key in present}
        return self._summary() != before

    def certificates(self) -> list[TokenCertificate]:
        """Every certificate once, whatever number of libraries or tokens shows it."""
        return list({c.fingerprint: c for token in self.tokens for c in token.certificates}.values())

    def find(self, fingerprint: str) -> Token:
        """The token that holds exactly this certificate; a healthy library is preferred.

        :raises SigningError: ``certificate_missing``
        """
        holders = [token for token in self.tokens if token.holds(fingerprint)]
        holders.sort(key=lambda token: self._libraries[token.library].resting)
        if not holders:
            raise SigningError("certificate_missing", text("certificate_missing"))
        return holders[0]

    @contextmanager
    def signing_key(
        self, token: Token, certificate: TokenCertificate, pin: Secret | None, *, warned: bool
    ) -> Iterator[TokenKey]:
        """Log in once and lend the key; at the end log out and end the child, and with it its copy of the PIN.

        :param warned: the person was told that this is the last PIN try
        :raises SigningError: and nothing is tried a second time
        """
        library = self._libraries[token.library]
        with exclusive_token(token.manufacturer, token.serial):
            try:
                library.open(
                    token.slot,
                    token.serial,
                    token.label,
                    certificate.fingerprint,
                    pin,
                    warned=warned,
                    pin_pad="pin_pad" in token.flags,
                )
                yield TokenKey(certificate, library.sign)
            finally:
                library.renew()

    def close(self) -> None:
        """End every child process."""
        for library in self._libraries.values():
            library.close()

    def _tokens_of(self, library: LibraryProcess, everything: bool) -> Iterator[Token]:
        for entry in library.tokens():
            key = (library.path, int(entry["slot"]), str(entry["serial"]), str(entry["label"]))
            read_at, certificates = self._known.get(key, (float("-inf"), ()))
            if everything or self._monotonic() - read_at > self.REREAD:
                certificates = tuple(_usable(library.certificates(*key[1:])))
                self._known[key] = (self._monotonic(), certificates)
            yield _token(library.path, entry, certificates)

    def _summary(self) -> frozenset[Any]:
        return frozenset((token, tuple(c.fingerprint for c in token.certificates)) for token in self.tokens)


def _token(library: str, entry: dict[str, Any], certificates: tuple[TokenCertificate, ...]) -> Token:
    return Token(
        library=library,
        slot=int(entry["slot"]),
        label=str(entry["label"]),
        serial=str(entry["serial"]),
        model=str(entry["model"]),
        manufacturer=str(entry["manufacturer"]),
        flags=frozenset(map(str, entry["flags"])),
        certificates=certificates,
    )


def _usable(ders: Iterable[bytes]) -> Iterator[TokenCertificate]:
    """Certificates that can be read and name a tax code; a CA's certificate on the token is nobody's to sign with."""
    for der in ders:
        try:
            certificate = TokenCertificate.from_der(der)
        except CertificateUnreadable as error:
            log.info("a certificate on a token cannot be read: %s", error)
            continue
        if certificate.tax_codes:
            yield certificate
