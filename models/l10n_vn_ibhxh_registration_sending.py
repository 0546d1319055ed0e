import json
import logging
import time
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import chain, zip_longest

from odoo import fields, models, modules, tools
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools import SQL, split_every
from psycopg2 import OperationalError

from ..tools import gateways, side_by_side, signature
from ..tools.gateways.replies import CLOCK_SLACK
from . import gateway_texts, jobs, reminders, reservations
from .const import MISCONFIGURED_MINUTES, RETRY_MINUTES, TODO

_logger = logging.getLogger(__name__)

# So many are handed over before what follows from their receipts follows for all of them. A multiple of the calls that
# an I-VAN gets at the same time, where nothing else was entered: of 50 the last two would keep all others waiting.
SEND_BATCH = 48
# Seconds after which no further call of these is begun.
CALL_SECONDS = 60
STORE_TRIES = 5


@dataclass(frozen=True)
class Attempt:
    """What is handed over, whether the gateway may have it already and is asked first, and when it was called last."""

    signed: gateways.SignedDossier
    is_repeat: bool
    called_at: datetime | None

    def call(self, reference):
        """Return a function `(gateway)` that hands it over: the receipt, or the progress of what the gateway has."""

        def hand_over(gateway):
            known = gateway.progress(reference) if self.is_repeat else None
            return gateway.submit(self.signed, reference) if known is None else known

        return hand_over


class L10n_Vn_IbhxhRegistrationSending(models.AbstractModel):
    """Sending a signed registration: never twice, never lost.

    The first attempt is committed before the gateway is called. Whatever happens after that, the gateway is asked by
    `client_reference` before anything is sent again, and a receipt is stored before anything else happens.

    Where there is a job queue, jobs send; everywhere else the scheduled action does.
    """

    _name = "l10n_vn_ibhxh.registration.sending"
    _description = "Sending of BHXH registrations"

    def action_send(self):
        """Send now what is signed, instead of at the next turn of the scheduled action."""
        for registration in self:
            registration.check_access("write")
            if registration.state != "to_send" or not registration.can_submit:
                raise UserError(self.env._("%(name)s is not waiting to be sent.", name=registration.name))
        self.sudo().write({"retry_at": False})
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send").sudo()._trigger()
        return True

    def _to_send_domain(self):
        return (
            Domain("state", "=", "to_send")
            & Domain("lodging", "=", "odoo")
            & Domain("provider_id.gateway", "!=", "manual")
            & (Domain("retry_at", "=", False) | Domain("retry_at", "<=", fields.Datetime.now()))
        )

    def _cron_send(self):
        """Send what is signed, or have it sent by jobs. One that fails never stops the others."""
        commit = self.env["ir.cron"]._commit_progress
        # What was never tried, or not for long, comes first: one that always fails keeps no other waiting.
        order = "last_attempt_at NULLS FIRST, id"
        waiting = self.search_fetch(self._to_send_domain(), ["provider_id"], order=order)._delay_sending()._in_turn()
        commit(remaining=len(waiting))
        run = {}
        for ids in split_every(SEND_BATCH, waiting):
            self.browse(ids)._try_to_send(run)
            if not commit(len(ids)):
                break

    def _in_turn(self):
        """Return the ids of these, one of each I-VAN in turn: one that does not answer keeps no other waiting."""
        turns = zip_longest(*(some.ids for some in self.grouped("provider_id").values()))
        return list(filter(None, chain.from_iterable(turns)))

    def _delay_sending(self):
        """Have each of these sent by a job; return those that the caller has to send itself."""
        if not (self and jobs.are_used(self.env)):
            return self
        delayed = jobs.delay(self, "_job_send", also_begun=True)
        if delayed:
            again_at = fields.Datetime.now() + timedelta(minutes=jobs.PATIENCE_MINUTES)
            self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")._trigger(at=again_at)
        return self - delayed

    def _job_send(self):
        """Send a BHXH registration"""
        # A cursor of its own: that of the job, on which queue_job forbids commits, holds the lock which says that the
        # job is alive.
        with self.env.registry.cursor() as cr:
            registration = self.with_env(self.env(cr=cr)).exists()
            if registration:
                registration._try_to_send()
            return registration.state

    def _try_to_send(self, run=None):
        """Send these; whatever goes wrong with one, its next try is set and the others go out.

        `run` keeps the gateways of I-VANs (`provider._gateway_of`) for further ones.
        """
        try:
            self._send(run)
        except OperationalError:
            # Somebody else was working on them since this transaction began, and may have sent them.
            self.env.cr.rollback()
            self._look_again()
        except Exception:
            # A fault of ours or of one record: the others still have to go out, and this one is tried again.
            self.env.cr.rollback()
            if len(self) > 1:
                for registration in self:
                    registration._try_to_send(run)
                return
            self._put_off_faulty()

    def _put_off_faulty(self):
        """Log the exception that is being handled, and set the next try of this one."""
        _logger.exception("Sending BHXH registration %s failed", self.id)
        registration = self._for_reader()
        if registration._lock_if("to_send"):
            registration._postpone(
                registration.env._("Odoo could not send the dossier; it will try again automatically.")
            )

    def _send(self, run=None):
        """Send these and store what comes back, but for those that somebody else is working on."""
        self._get_receipts({} if run is None else run)
        self._finish_sending()

    def _get_receipts(self, run):
        """Hand these over, several at once, and store the receipt of each as soon as it is there.

        The attempts are committed before. While gateways are waited for no row is locked and no transaction is open;
        what keeps others from sending the same is a reservation that ends with this process.
        """
        if not self:
            return
        with reservations.reserved(self) as reserved:
            if reserved != self:
                self._look_again()
            attempts = reserved._begin_attempts(run)
            end = time.monotonic() + CALL_SECONDS
            for outcomes in side_by_side.run(self._lanes(attempts, run), end=end):
                self._take_outcomes(attempts, outcomes, run)

    def _begin_attempts(self, run):
        """Return `{id: Attempt}` of those that can be handed over now, whose attempt is committed.

        A gateway that cannot be used is no attempt, and neither is a dossier without a valid signature. What people
        have begun to lodge by hand since this run began is left to them.
        """
        locked = self.try_lock_for_update()
        if locked != self:
            self._look_again()
        locked.invalidate_recordset()
        attempts = {}
        for registration in locked.filtered(lambda r: r.state == "to_send" and not r.submitted_at and r.can_submit):
            try:
                registration.provider_id._gateway_of(run)
                attempts[registration.id] = Attempt(
                    registration._signed_dossier(), bool(registration.attempted_at), registration.last_attempt_at
                )
            except signature.SignatureError:
                registration._for_reader()._hold_back()
            except gateways.GatewayError as error:
                registration._for_reader()._on_unsent(error)
        now = fields.Datetime.now()
        for is_repeat, some in self.browse(attempts).grouped(lambda r: attempts[r.id].is_repeat).items():
            some.write({"last_attempt_at": now, **({} if is_repeat else {"attempted_at": now})})
        self._commit()
        return attempts

    def _lanes(self, attempts, run):
        """Return the calls of these attempts, as `tools.side_by_side` takes them: so many at once for each I-VAN."""
        records = self.browse(attempts)
        return [
            some.provider_id._lane(
                run, {r.id: attempts[r.id].call(r.client_reference) for r in some}, ends_in_silence=True
            )
            for some in records.grouped("provider_id").values()
        ]

    def _take_outcomes(self, attempts, outcomes, run):
        """Store what calls gave, `{id: Outcome}`: first the receipts, and nothing else with them."""
        records = self.browse(outcomes)
        received = records.filtered(lambda r: outcomes[r.id].value is not None)
        try:
            faults = received._store_receipts(attempts, outcomes)
        except OperationalError:
            # What is known of them is asked again, as after a crash.
            self.env.cr.rollback()
            _logger.info("Receipts of BHXH registrations %s could not be stored; they are asked about", received.ids)
            received._look_again()
            faults = {}
        for registration in received.filtered(lambda r: faults.get(r.id)):
            registration._for_reader()._note_faults(faults[registration.id])
        for registration in records - received:
            registration._take_failure(attempts[registration.id], outcomes[registration.id], run)
        self._commit()

    def _store_receipts(self, attempts, outcomes):
        """Store and commit the receipts of these; return `{id: faults}` of the answers.

        Nothing else is written with the receipts, so that nothing else can make their transaction fail. Others
        that are working on one of the rows are waited for.
        """
        if not self:
            return {}
        for attempt in reversed(range(STORE_TRIES)):
            try:
                self.env.execute_query(
                    SQL("SELECT id FROM l10n_vn_ibhxh_registration WHERE id IN %s ORDER BY id FOR UPDATE", self._ids)
                )
                break
            except OperationalError:
                if not attempt:
                    raise
                self.env.cr.rollback()
        self.invalidate_recordset()
        receipts, faults = {}, {}
        for registration in self.filtered(lambda r: r.state == "to_send" and not r.submitted_at):
            answer = outcomes[registration.id].value
            if isinstance(answer, gateways.Progress):
                called_at = attempts[registration.id].called_at
                receipts[registration] = {"submitted_at": registration._found_time(answer, called_at)}
                faults[registration.id] = answer.faults
            else:
                submitted_at, faults[registration.id] = registration._possible_time(answer)
                receipts[registration] = {
                    "submitted_at": submitted_at,
                    "receipt": json.dumps(answer.raw, ensure_ascii=False, sort_keys=True),
                }
            receipts[registration].update(self._numbered(answer.dossier_number))
        self._write_each({}, receipts)
        self._commit()
        return faults

    def _take_failure(self, attempt, outcome, run):
        """Set what follows where a call gave no receipt; whatever goes wrong with that, the next try is set."""
        registration = self._for_reader()
        try:
            if not registration._lock_if("to_send"):
                return
            is_called = not (outcome.is_late or isinstance(outcome.error, side_by_side.NotCalled))
            if not is_called:
                registration.write(
                    {"last_attempt_at": attempt.called_at, **({} if attempt.is_repeat else {"attempted_at": False})}
                )
            if not outcome.is_late:
                error = outcome.error
                registration._on_failure(error.reason if isinstance(error, side_by_side.NotCalled) else error, run)
        except OperationalError:
            self.env.cr.rollback()
            self._look_again()
        except Exception:
            self.env.cr.rollback()
            self._put_off_faulty()

    def _on_failure(self, error, run):
        """Set what follows from what a gateway raised instead of a receipt. Raises what is no `GatewayError`."""
        if isinstance(error, gateways.Refused):
            self._on_gateway_refusal(error)
        elif isinstance(error, gateways.Unsupported):
            self._postpone(
                self.env._(
                    "%(provider)s does not accept this kind of dossier from Odoo. Lodge the signed file on its portal.",
                    provider=self.provider_id.name,
                )
            )
        elif isinstance(error, gateways.GatewayError):
            self.provider_id._end_run(run, error)
            self._on_unsent(error)
        else:
            raise error

    def _hold_back(self):
        """What carries no valid signature leaves Odoo by no way; a person has to know."""
        _logger.error("BHXH registration %s holds no validly signed dossier and is not sent", self.id)
        message = self.env._(
            "The signature does not match the dossier, so Odoo does not send it. Cancel the registration, "
            "register again, and inform the administrator: stored data has been changed."
        )
        self._postpone(message, "invalid_signature")
        self._schedule_todo(self.env._("The signed dossier is not valid"), message)

    def _finish_sending(self):
        """Do what follows from the receipts of those among these that have one; set the next try where that fails."""
        received = self.filtered(lambda r: r.state == "to_send" and r.submitted_at)
        locked = received.try_lock_for_update()
        if locked != received:
            self._look_again()
        locked.invalidate_recordset()
        locked = locked.filtered(lambda r: r.state == "to_send")
        try:
            for some in locked.grouped(lambda r: r.user_id.lang).values():
                reminders.each(some, lambda records: records._for_reader()._on_received())
            for registration in locked.filtered(lambda r: r.state == "to_send"):
                registration._postpone(self.env._("Odoo could not send the dossier; it will try again automatically."))
        except OperationalError:
            # Somebody else was at them since; the receipts stand.
            self.env.cr.rollback()
            self._look_again()
        self._commit()

    def _possible_time(self, receipt):
        """Return when the dossier was accepted (UTC), and the faults of the receipt.

        That was neither before the first attempt nor after now, whatever a gateway's clock says.
        """
        moment, possible = self._clamped(receipt.accepted_at)
        if abs(moment - possible) > CLOCK_SLACK and not any(f.member == "accepted_at" for f in receipt.faults):
            return possible, (*receipt.faults, gateways.Fault("accepted_at", gateways.FaultKind.TIME))
        return possible, receipt.faults

    def _clamped(self, accepted_at):
        """Return `accepted_at` (aware) as UTC, and what of it can be."""
        moment = accepted_at.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
        return moment, min(max(moment, self.attempted_at or moment), fields.Datetime.now())

    def _found_time(self, progress, called_at):
        """Return when a dossier was accepted (UTC) that the gateway turned out to have.

        Where it does not say so, that was no later than the call before, at `called_at`, or now where that is not
        known: the first attempt may be days ago and have failed for sure.
        """
        if progress.accepted_at:
            return self._clamped(progress.accepted_at)[1]
        return called_at or fields.Datetime.now()

    def _on_gateway_refusal(self, refusal):
        """Tell VSS's verdict from what the gateway itself does not take, and both from an answer without a reason."""
        provider = self.provider_id
        code, description = refusal.code, refusal.description
        if refusal.by_gateway:
            code = f"{gateway_texts.OWN_CODE}{refusal.status or ''}".rstrip("-")
            reason = ": ".join(filter(None, (refusal.code, refusal.description)))
            description = self.env._(
                "Not VSS but the gateway of %(provider)s does not take the dossier (answer %(status)s). Ask the I-VAN. "
                "Its reason: %(reason)s",
                provider=provider.name,
                status=refusal.status or "–",
                reason=reason or self.env._("none given"),
            )
        elif not code and not description:
            description = self.env._(
                "%(provider)s refused the dossier without a code and without a reason. Ask the I-VAN.",
                provider=provider.name,
            )
        self._on_refused(code, description, refusal.holder)
        self._note_faults(refusal.faults)

    def _on_unsent(self, error):
        """Set the next try after a `GatewayError`; what only people can mend goes to those who can."""
        provider = self.provider_id
        if isinstance(error, gateways.Misconfigured):
            minutes = MISCONFIGURED_MINUTES
            next_step = self.env._(
                "The dossier is signed and nothing is lost. Those who manage the connection have been notified; Odoo "
                "sends it as soon as the settings are corrected."
            )
        elif isinstance(error, gateways.Unreachable):
            minutes, next_step = None, self.env._("Nothing is lost: Odoo will try again automatically.")
        elif self.attempted_at:
            minutes, next_step = None, self.env._("Odoo asks whether it has the dossier before it sends again.")
        else:
            # It was not called about this one, because it was silent about another.
            minutes, next_step = None, self.env._("Nothing is lost: Odoo will try again automatically.")
        reason = gateway_texts.reason(self.env, provider, error)
        self._postpone(f"{reason}\n{next_step}", gateway_texts.code(error), minutes, error.retry_after)
        if error.reason in gateway_texts.UNREADABLE:
            _logger.warning("BHXH registration %s: %s", self.id, error.message)
        provider._connection_failed(error)

    def _note_faults(self, faults):
        """Name the members of an answer that were not as agreed: here, in the log, and to who can tell the I-VAN."""
        if not faults:
            return
        provider = self.provider_id
        sentence = gateway_texts.faults(self.env, provider, faults)
        if self._note_odd_answer(sentence, ", ".join(map(str, faults))):
            provider._tell(provider._odd_texts(lambda env: gateway_texts.faults(env, provider, faults)))

    def _note_odd_answer(self, sentence, logged):
        """Note once what is odd about the gateway's answers, until it is something else; return whether it is new."""
        if self.odd_answer == sentence:
            return False
        _logger.warning("BHXH registration %s: odd answer of the gateway: %s", self.id, logged)
        self.sudo().odd_answer = sentence
        self._message_log(body=sentence)
        return True

    def _signed_dossier(self):
        """Return what the gateway gets (`tools.gateways.SignedDossier`), with the values that were signed.

        Raises `tools.signature.SignatureError`.
        """
        document, content = self._verify_signed()
        return gateways.SignedDossier(
            form=self.form,
            document=document,
            agency_code=content.agency_code,
            tax_code=content.tax_code,
            unit_code=self.unit_code or None,
        )

    def _numbered(self, number):
        return {"dossier_number": number, "dossier_number_source": number and "gateway"}

    def _lock_if(self, state):
        """Lock the row; return whether that worked and the registration still is in `state`.

        Its holder may only be correcting a field, so its turn comes again in a minute.
        """
        locked = self.try_lock_for_update()
        if locked:
            self.invalidate_recordset()
        else:
            self._look_again()
        return bool(locked) and self.state == state

    def _look_again(self):
        """Have what waits to be sent looked at again soon."""
        again_at = fields.Datetime.now() + timedelta(minutes=RETRY_MINUTES[0])
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")._trigger(at=again_at)

    def _commit(self):
        """Commit, because the outside world now knows more than a rolled-back database would."""
        if not (tools.config["test_enable"] or modules.module.current_test):
            self.env["ir.cron"]._commit_progress()

    def _postpone(self, message, code=False, minutes=None, retry_after=None):
        """Set the next try: after `retry_after` seconds where the gateway named them, else later from time to time; in
        no case before `minutes`."""
        later = RETRY_MINUTES[min(self.retry_count, len(RETRY_MINUTES) - 1)]
        wait = timedelta(seconds=retry_after) if retry_after else timedelta(minutes=later)
        wait = max(wait, timedelta(minutes=minutes or RETRY_MINUTES[0]))
        retry_at = fields.Datetime.now() + wait
        self.sudo().write(
            {
                "retry_at": retry_at,
                "retry_count": self.retry_count + 1,
                "error_code": code,
                "error_message": message,
            }
        )
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")._trigger(at=retry_at)
        self._notify_page()

    def _send_again(self):
        """Send the signed dossier of a refused registration once more, because a person wants it.

        VSS's refusal is final, so it is a dossier of its own then, under a reference of its own. The gateway is asked
        first: where it has changed its mind, the first dossier is followed again, and nothing is sent twice.
        """
        self.ensure_one()
        self.lock_for_update()
        self._check_sendable_again()
        if self.can_submit:
            try:
                known = self.provider_id._gateway().progress(self.client_reference)
            except gateways.GatewayError as error:
                raise UserError(
                    self.env._(
                        "%(reason)s\nOdoo has to ask it about the first dossier before it sends again. Try later.",
                        reason=gateway_texts.reason(self.env, self.provider_id, error),
                    )
                ) from error
            if known and known.state != "rejected":
                self._resume(known)
                return
        else:
            known = None
        old_reference, old_number = self.client_reference, self.dossier_number
        self._move(
            "to_send",
            # What was never accepted may be sent again as it is.
            client_reference=str(uuid.uuid4()) if known or not self.can_submit else old_reference,
            attempted_at=False,
            last_attempt_at=False,
            submitted_at=False,
            dossier_number=False,
            dossier_number_source=False,
            activation_expires_at=False,
            poll_at=False,
            progress_version=False,
            retry_at=False,
            retry_count=0,
            unsent_reminded=False,
            error_code=False,
            error_message=False,
            holder_name=False,
            confirmation_evidence=False,
        )
        registration = self._for_reader()
        registration._message_log(
            body=registration.env._(
                "%(user)s sent the signed dossier again. The refused one was %(reference)s, dossier number %(number)s.",
                user=self.env.user.name,
                reference=old_reference,
                number=old_number or "–",
            )
        )
        self.activity_unlink([TODO])
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send").sudo()._trigger()

    def _check_sendable_again(self):
        """Raise `UserError` with what keeps the signed dossier from being sent again."""
        self._check_refused()
        if not self.certificate_id.is_valid:
            raise UserError(
                self.env._("The certificate of this dossier has expired. Register again with the company's new one.")
            )
        other = self._other_open()
        if other:
            raise UserError(
                self.env._(
                    "%(company)s already has an open registration: %(name)s. Finish or cancel it first.",
                    company=self.company_id.name,
                    name=other.name,
                )
            )

    def _resume(self, progress):
        """Follow the dossier again that was refused here and is not at the gateway."""
        if progress.state is None:
            raise UserError(
                self.env._(
                    "%(provider)s does not say clearly what happened to the first dossier, so nothing is sent "
                    "again. Ask the I-VAN.",
                    provider=self.provider_id.name,
                )
            )
        self._move(
            "sent",
            poll_at=fields.Datetime.now(),
            error_code=False,
            error_message=False,
            holder_name=False,
            confirmation_evidence=False,
        )
        self.activity_unlink([TODO])
        self._message_log(
            body=self.env._(
                "The gateway no longer says that the dossier is refused. It is followed again; nothing was sent."
            )
        )
        self._apply_progress(progress)
