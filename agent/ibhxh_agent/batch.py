"""From claimed requests to signatures: check each document, ask, log in once, sign one after the other."""

from __future__ import annotations

import base64
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
from ibhxh_agent.prompt.base import Answer, Decision, Item, Prompt, Question
from ibhxh_agent.texts import text
from ibhxh_agent.tokens.manager import Token, TokenManager
from ibhxh_agent.untrusted import harmless
from ibhxh_agent.xmlsign import TokenKey

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """One claimed request whose document passed the checks.

    :param data: as the server sent it, equal to what :func:`ibhxh_agent.document.rebuild` makes of the shown values
    """

    request: str
    data: bytes
    document: Document
    requested_by: str

    def item(self) -> Item:
        """What the person sees of it."""
        return Item(self.document.form, self.document.rows(), self.requested_by)


def _now() -> datetime:
    return datetime.now(timezone.utc)


class BatchSigner:
    """Works off claimed requests. Never raises for one request: each ends in the outbox with its answer.

    :param server: shown to the person
    """

    def __init__(
        self,
        manager: TokenManager,
        prompt: Prompt,
        outbox: Outbox,
        leases: Leases,
        server: str,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self._manager = manager
        self._prompt = prompt
        self._outbox = outbox
        self._leases = leases
        self._server = server
        self._now = now
        self._failed_logins: defaultdict[tuple[object, ...], int] = defaultdict(int)

    def work(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """Sign or answer all of them."""
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
        parts = self._parts(jobs)
        for number, part in enumerate(parts, start=1):
            problem = self._sign(token, certificate, part, number, len(parts))
            if problem is not None and problem.code != "refused":
                # Later, a wrong PIN, a token pulled out: the rest is not asked for, or tried, after that.
                for job in (job for rest in parts[number:] for job in rest):
                    self._fail(job.request, problem)
                return

    def _parts(self, jobs: list[Job]) -> list[list[Job]]:
        """What is confirmed together, the largest part first.

        One confirmation covers only documents that agree in form, e-mail, I-VAN and reason: among forty of one kind,
        the one that is something else must not slip through.
        """
        if not self._prompt.attended:
            return [jobs] if jobs else []
        alike: defaultdict[tuple[str, ...], list[Job]] = defaultdict(list)
        for job in jobs:
            alike[job.document.decisive].append(job)
        return sorted(alike.values(), key=len, reverse=True)

    def _sign(
        self, token: Token, certificate: TokenCertificate, jobs: list[Job], part: int, parts: int
    ) -> SigningError | None:
        """Ask for one part and sign it; what went wrong, if anything did."""
        left = list(jobs)
        problem: SigningError | None = None
        try:
            self._sign_jobs(token, certificate, left, part, parts)
        except SigningError as error:
            problem = error
            if error.login_used:
                # Any failed login may have used a try: nobody may use this PIN again, and the person is warned.
                self._failed_logins[token.identity] += 1
                self._prompt.login_failed()
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
        return problem

    def _sign_jobs(self, token: Token, certificate: TokenCertificate, left: list[Job], part: int, parts: int) -> None:
        """Sign ``left`` from the front, removing each job that has its answer."""
        if certificate.rsa_bits is None:
            raise SigningError("unsupported", text("unsupported"))
        if not certificate.valid_at(self._now()):
            raise SigningError("unsupported", text("certificate_not_valid"))
        if "locked" in token.flags:
            raise SigningError("pin_locked", text("pin_locked"))
        warned = "final_try" in token.flags
        if warned and not self._prompt.attended:
            raise FinalTryWarning("pin_cancelled", text("final_try"))  # nobody can be warned: leave it to a person
        items = {job.request: job.item() for job in left}
        while True:
            question = Question(
                server=self._server,
                certificate=certificate,
                token_label=token.label,
                items=[items[job.request] for job in left],
                warnings=self._warnings(token, certificate, left, warned),
                pin_pad="pin_pad" in token.flags,
                part=part,
                parts=parts,
                token=(token.library, token.slot, token.identity),
                only_token=len({other.identity for other in self._manager.tokens if other.certificates}) <= 1,
            )
            answer = self._ask(question)
            try:
                with self._manager.signing_key(token, certificate, answer.pin, warned=warned) as key:
                    self._sign_each(token, certificate, key, left, items)
                return
            except FinalTryWarning:
                if not self._prompt.attended:
                    raise
                warned = True
            finally:
                if answer.pin is not None:
                    answer.pin.wipe()

    def _sign_each(
        self, token: Token, certificate: TokenCertificate, key: TokenKey, left: list[Job], items: Mapping[str, Item]
    ) -> None:
        total = len(left)
        while left:
            job = left[0]
            if self._leases.lost(job.request):
                log.info("request %s was taken away meanwhile", job.request)
            else:
                shown = items[job.request]
                data = document.rebuild(shown.form, [row.value for row in shown.rows])
                if data != job.data:
                    raise SigningError("refused", text("document_hidden"))
                signed = xmlsign.sign(data, certificate, key, self._now())
                self._failed_logins.pop(token.identity, None)
                delivery = Delivery(job.request, "signed", document=base64.b64encode(signed).decode())
                self._outbox.put(delivery, more=len(left) > 1)
            self._leases.drop(job.request)
            left.pop(0)
            if not self._prompt.progress(total - len(left), total) and left:
                raise SigningError("pin_cancelled", text("stopped"))

    def _ask(self, question: Question) -> Answer:
        answer = self._prompt.ask(question)
        if answer.decision is not Decision.SIGN:
            code, key = _DECISIONS[answer.decision]
            raise SigningError(code, text(key))
        return answer

    def _warnings(
        self, token: Token, certificate: TokenCertificate, jobs: Sequence[Job], warned: bool
    ) -> tuple[str, ...]:
        warnings = []
        if warned:
            warnings.append(text("final_try"))
        elif "count_low" in token.flags:
            warnings.append(text("count_low"))
        if self._failed_logins[token.identity]:
            warnings.append(text("failed_before", count=self._failed_logins[token.identity]))
        companies = dict.fromkeys(job.document["TenDoiTuong"] for job in jobs)
        warnings += [
            text("company_not_in_certificate", company=company, name=certificate.common_name)
            for company in companies
            if not certificate.names(company)
        ][:_MOST_NAMES]
        return tuple(warnings)

    def _fail(self, request: str, error: SigningError) -> None:
        if error.code == "pin_cancelled" and self._prompt.ending():
            log.info("request %s is given back: the agent ends", request)
            self._leases.drop(request)
            self._outbox.put(Delivery(request, "release"))
            return
        code = error.code if error.code in FAILURE_CODES else "driver_error"
        log.info("request %s: %s (%s)", request, code, error.detail)
        self._leases.drop(request)
        self._outbox.put(Delivery(request, "failed", code=code, message=error.message))


#: Warnings of foreign names in one question: more would push the documents off the screen.
_MOST_NAMES = 3

_DECISIONS = {
    Decision.REFUSE: ("refused", "refused"),
    Decision.LATER: ("pin_cancelled", "pin_cancelled"),
    Decision.NO_PIN: ("pin_incorrect", "pin_rejected_before"),
    Decision.FOREIGN_PIN: ("pin_cancelled", "pin_of_other_token"),
}


def check(entry: Mapping[str, Any], certificate: TokenCertificate) -> Job:
    """The claimed request with its document, recognised and belonging to the certificate.

    :raises SigningError: ``refused``, with the reason
    """
    try:
        data = base64.b64decode(entry["document"], validate=True)
    except (KeyError, TypeError, ValueError):
        raise SigningError("refused", text("document_malformed")) from None
    if hashlib.sha256(data).hexdigest() != str(entry.get("sha256", "")).lower():
        raise SigningError("refused", text("document_hash"))
    parsed = document.read(data)
    expected = entry.get("form")
    if expected and expected != parsed.form:
        raise SigningError("refused", text("document_form", expected=expected, found=parsed.form))
    if not certificate.belongs_to(parsed["MaSoThue"]):
        codes = ", ".join(certificate.tax_codes)
        raise SigningError("refused", text("other_tax_code", document=parsed["MaSoThue"], certificate=codes))
    return Job(str(entry.get("id")), data, parsed, harmless(entry.get("requested_by") or "", 100))
