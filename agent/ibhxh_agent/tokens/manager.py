"""All tokens of this computer, seen through all PKCS#11 libraries."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from typing import Any

from ibhxh_agent.certificate import CertificateUnreadable, TokenCertificate
from ibhxh_agent.errors import SigningError
from ibhxh_agent.secret import Secret
from ibhxh_agent.texts import text
from ibhxh_agent.tokens import devices
from ibhxh_agent.tokens.lock import exclusive_token
from ibhxh_agent.tokens.process import NO_KEY, Contents, LibraryProcess, Trouble
from ibhxh_agent.xmlsign import TokenKey

log = logging.getLogger(__name__)

#: Library, slot, serial number and label.
_Key = tuple[str, int, str, str]


@dataclass(frozen=True)
class _Read:
    """What was read of a token and stays as it is for some time."""

    certificates: tuple[TokenCertificate, ...] = ()
    keyed: frozenset[str] = frozenset()
    hidden: bool = False
    troubles: tuple[str, ...] = ()


@dataclass(frozen=True)
class Token:
    """A token that is plugged in.

    :param flags: of its PIN: ``count_low``, ``final_try``, ``locked``, ``pin_pad``, ``login_required``,
        ``to_be_changed``, ``not_initialized``
    :param hidden: its certificates show after a login only
    :param troubles: parts of it that cannot be read
    """

    library: str
    slot: int
    label: str
    serial: str
    model: str
    manufacturer: str
    flags: frozenset[str]
    certificates: tuple[TokenCertificate, ...] = field(default=(), compare=False)
    #: Fingerprints whose key shows without a login.
    keyed: frozenset[str] = field(default=frozenset(), compare=False)
    #: Fingerprints whose key a login did not find.
    keyless: frozenset[str] = field(default=frozenset(), compare=False)
    hidden: bool = field(default=False, compare=False)
    troubles: tuple[str, ...] = field(default=(), compare=False)

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
        self._known: dict[_Key, tuple[float, _Read]] = {}
        self._keyless: set[tuple[_Key, str]] = set()
        self.tokens: tuple[Token, ...] = ()

    @property
    def problems(self) -> dict[str, str]:
        """Library path → what is wrong with it, for people."""
        return {path: library.problem for path, library in self._libraries.items() if library.problem}

    @property
    def reasons(self) -> dict[str, str]:
        """Library path → what is wrong with it, in one word for programs."""
        return {path: library.reason for path, library in self._libraries.items() if library.reason}

    @property
    def loading(self) -> bool:
        """A library needs long to load; the next look knows more."""
        return any(library.loading for library in self._libraries.values())

    @property
    def troubles(self) -> list[Trouble]:
        """What cannot be read beside what can."""
        of_slots = [trouble for library in self._libraries.values() for trouble in library.troubles]
        of_tokens = [Trouble(one.library, one.slot, one.label, what) for one in self.tokens for what in one.troubles]
        return of_slots + of_tokens

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
        if settled and not (everything or self.loading) and now - self._looked_at < self.QUIET:
            return False
        first = everything or self._looked_at == float("-inf")
        self._looked_at = now
        found: list[Token] = []
        asked = [library for library in self._libraries.values() if everything or not library.resting]
        if first:
            for library in asked:
                library.start()
        for library in asked:
            try:
                if not everything and library.still_loads():
                    found.extend(token for token in self.tokens if token.library == library.path)
                    continue
                found.extend(self._tokens_of(library, everything, at_least=int(first)))
            except SigningError as error:
                log.info("library %s: %s (%s)", library.path, error.code, error.detail)
        before = self._summary()
        self.tokens = tuple(found)
        if settled and not everything:
            for path in self._libraries.keys() - {token.library for token in found}:
                if not self._libraries[path].loading:
                    self._libraries[path].close()
        present = {_key(token) for token in found}
        self._known = {key: value for key, value in self._known.items() if key in present}
        self._keyless = {(key, fingerprint) for key, fingerprint in self._keyless if key in present}
        return self._summary() != before

    def certificates(self) -> list[TokenCertificate]:
        """Every certificate once, whatever number of libraries or tokens shows it; those that can sign come first."""
        found = {c.fingerprint: c for token in self.tokens for c in token.certificates}.values()
        now = datetime.now(timezone.utc)
        return sorted(found, key=lambda one: one.rsa_bits is None or not one.valid_at(now))

    def find(self, fingerprint: str) -> Token:
        """The token that holds exactly this certificate; one that has the key and a healthy library is preferred.

        :raises SigningError: ``certificate_missing``
        """

        def hindrances(token: Token) -> tuple[bool, ...]:
            return (
                fingerprint in token.keyless,
                "locked" in token.flags,
                self._libraries[token.library].resting,
                fingerprint not in token.keyed,
            )

        holders = sorted((token for token in self.tokens if token.holds(fingerprint)), key=hindrances)
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
                    modulus=certificate.public_key().public_numbers().n,
                    warned=warned,
                    pin_pad="pin_pad" in token.flags,
                )
            except SigningError as error:
                if error.detail == NO_KEY:
                    raise self._without_key(token, certificate.fingerprint) from None
                raise
            else:
                self._keyless.discard((_key(token), certificate.fingerprint))
                yield TokenKey(certificate, library.sign)
            finally:
                library.renew()

    def _without_key(self, token: Token, fingerprint: str) -> SigningError:
        """Remember it while the token stays in: the next request takes another one that holds the certificate."""
        self._keyless.add((_key(token), fingerprint))
        self.tokens = tuple(
            replace(one, keyless=one.keyless | {fingerprint}) if _key(one) == _key(token) else one
            for one in self.tokens
        )
        return SigningError("certificate_missing", text("key_missing", label=token.label), detail=NO_KEY)

    def close(self) -> None:
        """End every child process."""
        for library in self._libraries.values():
            library.close()

    def _tokens_of(self, library: LibraryProcess, everything: bool, at_least: int) -> Iterator[Token]:
        for entry in library.tokens(at_least):
            key = (library.path, int(entry["slot"]), str(entry["serial"]), str(entry["label"]))
            read_at, read = self._known.get(key, (float("-inf"), _Read()))
            if everything or self._monotonic() - read_at > self.REREAD:
                try:
                    read = _read(library.contents(*key[1:]))
                except SigningError as error:
                    if error.code != "token_removed":
                        raise
                    continue  # pulled out meanwhile; the others are still there
                self._known[key] = (self._monotonic(), read)
            keyless = frozenset(fingerprint for known, fingerprint in self._keyless if known == key)
            yield Token(
                *key[:2],
                label=key[3],
                serial=key[2],
                model=str(entry["model"]),
                manufacturer=str(entry["manufacturer"]),
                flags=frozenset(map(str, entry["flags"])),
                certificates=read.certificates,
                keyed=read.keyed,
                keyless=keyless,
                hidden=read.hidden,
                troubles=read.troubles,
            )

    def _summary(self) -> frozenset[Any]:
        return frozenset((token, tuple(c.fingerprint for c in token.certificates)) for token in self.tokens)


def _key(token: Token) -> _Key:
    return token.library, token.slot, token.serial, token.label


def _read(contents: Contents) -> _Read:
    """Certificates that can be read and name a tax code; a CA's certificate on the token is nobody's to sign with."""
    certificates, keyed, troubles = [], set(), list(contents.troubles)
    for der, identity in zip(contents.certificates, contents.ids, strict=True):
        try:
            certificate = TokenCertificate.from_der(der)
        except CertificateUnreadable as error:
            log.info("a certificate on a token cannot be read: %s", error)
            troubles.append(f"X.509 {error}")
            continue
        if not certificate.tax_codes:
            continue
        certificates.append(certificate)
        modulus = certificate.public_key().public_numbers().n if certificate.rsa_bits is not None else None
        if any(number == modulus if number else key == identity for key, number in contents.keys if key or number):
            keyed.add(certificate.fingerprint)
    return _Read(tuple(certificates), frozenset(keyed), contents.hidden, tuple(troubles))
