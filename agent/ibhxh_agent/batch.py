"""From claimed requests to signatures: check each document, ask once, log in once, sign one after the other."""

from __future__ import annotations

import base64
import binascii
import hashlib
import logging
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from ibhxh_agent import document, xmlsign
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.document import Document
from ibhxh_agent.errors import FAILURE_CODES, FinalTryWarning, SigningError
from ibhxh_agent.outbox import Delivery, Leases, Outbox
from ibhxh_agent.pinmemory import Identity, PinMemory
from ibhxh_agent.prompt.base import Answer, Item, Prompt, Question
from ibhxh_agent.prompt.descriptor import DescriptorPrompt
from ibhxh_agent.texts import text
from ibhxh_agent.tokens.manager import Token, TokenManager
from ibhxh_agent.xmlsign import TokenKey

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One claimed request whose document passed the checks."""

    request: str
    document: Document
    requested_by: str


def _now() -> datetime:
    return datetime.now(timezone.utc)


class BatchSigner:
    """Works off claimed requests. Never raises for one request: each ends in the outbox with its answer.

    :param server: shown to the person
    :param keep_minutes: keep the PIN for so long without asking (``--keep-pin``); 0 = the person chooses
    """

    def __init__(
        self,
        manager: TokenManager,
        prompt: Prompt,
        outbox: Outbox,
        leases: Leases,
        server: str,
        keep_minutes: float = 0,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._manager = manager
        self._prompt = prompt
        self._outbox = outbox
        self._leases = leases
        self._server = server
        self._keep_minutes = keep_minutes
        self._now = now
        self.pins = PinMemory()
        self._failed_logins: defaultdict[Identity, int] = defaultdict(int)

    def work(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """Sign or answer all of them; one confirmation per certificate."""
        fresh = [entry for entry in requests if not self._outbox.holds(str(entry.get("id")))]
        self._leases.hold([str(entry.get("id")) for entry in fresh])
        groups: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for entry in fresh:
            groups[str(entry.get("fingerprint", "")).lower()].append(entry)
        for fingerprint, entries in groups.items():
            self._work_group(fingerprint, entries)

    def _work_group(self, fingerprint: str, entries: list[Mapping[str, Any]]) -> None:
        try:
            token = self._manager.find(fingerprint)
        except SigningError as error:
            for entry in entries:
                self._fail(str(entry.get("id")), error)
            return
        certificate = next(c for c in token.certificates if c.fingerprint == fingerprint)
        jobs = []
        for entry in entries:
            try:
                jobs.append(check(entry, certificate))
            except SigningError as error:
                self._fail(str(entry.get("id")), error)
        if jobs:
            self._sign(token, certificate, jobs)

    def _sign(self, token: Token, certificate: TokenCertificate, jobs: list[Job]) -> None:
        left = list(jobs)
        try:
            self._sign_jobs(token, certificate, left)
            problem: SigningError | None = None
        except SigningError as error:
            problem = error
            if error.login_used:
                self._login_failed(token)
        except Exception as error:
            # A fault of ours must not leave people waiting for a lease to lapse.
            log.exception("signing failed")
            problem = SigningError("driver_error", text("internal_error"), detail=type(error).__name__)
        if problem is not None:
            for job in left:
                self._fail(job.request, problem)
        self._prompt.done(
            problem.message if problem is not None else text("result", signed=len(jobs) - len(left), failed=len(left))
        )

    def _sign_jobs(self, token: Token, certificate: TokenCertificate, left: list[Job]) -> None:
        """Sign ``left`` from the front, removing each job that has its answer."""
        if certificate.rsa_bits is None:
            raise SigningError("unsupported", text("unsupported"))
        if "locked" in token.flags:
            raise SigningError("pin_locked", text("pin_locked"))
        warned = "final_try" in token.flags
        if warned and isinstance(self._prompt, DescriptorPrompt):
            raise FinalTryWarning("pin_cancelled", text("final_try"))  # nobody can be warned: leave it to a person
        total = len(left)
        while True:
            answer = self._ask(token, certificate, left, warned=warned)
            try:
                with self._manager.signing_key(token, certificate, answer.pin, warned=warned) as key:
                    self._login_worked(token, answer)
                    self._sign_each(certificate, key, left, total)
                return
            except FinalTryWarning:
                if isinstance(self._prompt, DescriptorPrompt):
                    raise
                warned = True
            finally:
                if answer.pin is not None:
                    answer.pin.wipe()

    def _sign_each(self, certificate: TokenCertificate, key: TokenKey, left: list[Job], total: int) -> None:
        while left:
            job = left[0]
            if self._leases.lost(job.request):
                log.info("request %s was taken away meanwhile", job.request)
            else:
                signed = xmlsign.sign(job.document, certificate, key, self._now())
                self._outbox.put(Delivery(job.request, "signed", document=base64.b64encode(signed).decode()))
            self._leases.drop(job.request)
            left.pop(0)
            if not self._prompt.progress(total - len(left), total) and left:
                raise SigningError("pin_cancelled", text("stopped"))

    def _ask(self, token: Token, certificate: TokenCertificate, jobs: list[Job], *, warned: bool) -> Answer:
        kept = self.pins.get(token.identity)
        question = Question(
            server=self._server,
            certificate=certificate,
            token_label=token.label,
            items=[item(job) for job in jobs],
            warnings=self._warnings(token, certificate, warned),
            pin_pad="pin_pad" in token.flags,
            pin_kept=kept is not None,
        )
        answer = self._prompt.ask(question)
        if answer.decision != "sign":
            if kept is not None:
                kept.wipe()
            raise _DECISIONS.get(answer.decision, _DECISIONS["cancel"])()
        if answer.pin is None and kept is not None:
            answer.pin = kept
        return answer

    def _warnings(self, token: Token, certificate: TokenCertificate, warned: bool) -> tuple[str, ...]:
        warnings = []
        if warned:
            warnings.append(text("final_try"))
        elif "count_low" in token.flags:
            warnings.append(text("count_low"))
        if self._failed_logins[token.identity]:
            warnings.append(text("failed_before", count=self._failed_logins[token.identity]))
        if not certificate.valid_at(self._now()):
            warnings.append(text("certificate_not_valid"))
        return tuple(warnings)

    def _login_worked(self, token: Token, answer: Answer) -> None:
        self._failed_logins.pop(token.identity, None)
        minutes = answer.keep_minutes or self._keep_minutes
        if answer.pin is not None and minutes > 0 and not isinstance(self._prompt, DescriptorPrompt):
            self.pins.keep(token.identity, answer.pin, minutes)

    def _login_failed(self, token: Token) -> None:
        """Any failed login may have used a try: forget the PIN wherever it is kept, and remember to warn."""
        self._failed_logins[token.identity] += 1
        self.pins.forget(token.identity)
        if isinstance(self._prompt, DescriptorPrompt):
            self._prompt.forget()

    def _fail(self, request: str, error: SigningError) -> None:
        code = error.code if error.code in FAILURE_CODES else "driver_error"
        log.info("request %s: %s (%s)", request, code, error.detail)
        self._leases.drop(request)
        self._outbox.put(Delivery(request, "failed", code=code, message=error.message))


_DECISIONS: dict[str, Callable[[], SigningError]] = {
    "refuse": lambda: SigningError("refused", text("refused")),
    "cancel": lambda: SigningError("pin_cancelled", text("pin_cancelled")),
    "no_pin": lambda: SigningError("pin_incorrect", text("pin_rejected_before")),
}


def check(entry: Mapping[str, Any], certificate: TokenCertificate) -> Job:
    """The claimed request with its document, recognised and belonging to the certificate.

    :raises SigningError: ``refused``, with the reason
    """
    try:
        data = base64.b64decode(entry["document"], validate=True)
    except (KeyError, TypeError, binascii.Error, ValueError):
        raise SigningError("refused", text("document_malformed")) from None
    if hashlib.sha256(data).hexdigest() != str(entry.get("sha256", "")).lower():
        raise SigningError("refused", text("document_hash"))
    parsed = document.read(data)
    said = entry.get("form")
    if said and said != parsed.form:
        raise SigningError("refused", text("document_form", said=said, found=parsed.form))
    if not certificate.belongs_to(parsed.tax_code):
        codes = ", ".join(certificate.tax_codes)
        raise SigningError("refused", text("other_tax_code", document=parsed.tax_code, certificate=codes))
    return Job(str(entry["id"]), parsed, str(entry.get("requested_by") or ""))


def item(job: Job) -> Item:
    """What the person sees of a document."""
    fields = job.document.fields
    return Item(
        form=document.FORM_NAMES[job.document.form],
        title=job.document.title,
        company=job.document.company,
        tax_code=job.document.tax_code,
        email=fields["Email"],
        phone=fields["DienThoai"],
        requested_by=job.requested_by,
        details=tuple((label, fields[name]) for name, label in document.SHOWN_EXTRAS.items() if fields.get(name)),
    )
