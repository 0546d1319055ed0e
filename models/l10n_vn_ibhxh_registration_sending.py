import json
import logging
import time
import uuid
from datetime import timedelta, timezone

from odoo import fields, models, modules, tools
from odoo.exceptions import UserError
from odoo.fields import Domain
from psycopg2 import OperationalError

from ..tools import gateways, signature
from ..tools.gateways.replies import CLOCK_SLACK
from . import gateway_texts, jobs, reminders
from .const import MISCONFIGURED_MINUTES, RETRY_MINUTES, TODO

_logger = logging.getLogger(__name__)

# What follows from receipts follows for so many at once, or for those of so many seconds.
SEND_BATCH = 20
SEND_SECONDS = 2


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
            if registration.state != "to_send":
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
        waiting = self.search(self._to_send_domain(), order="id")._delay_sending().ids
        commit(remaining=len(waiting))
        run = {}
        while waiting:
            done = self.browse(waiting[:SEND_BATCH])._send_some(time.monotonic() + SEND_SECONDS, run)
            waiting = waiting[len(done) :]
            if not commit(len(done)):
                break

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

    def _send_some(self, end, run):
        """Send these one after the other, none after `end` (seconds, `time.monotonic`); return those that had a turn.

        Attempt and receipt of each are committed by themselves. What follows from the receipts follows for all at once.
        `run` keeps the gateways of I-VANs (`provider._gateway_of`).
        """
        turns = self.browse()
        # Each is read anew after each commit; without the others, which would be read again with it.
        for registration in map(self.browse, self.ids):
            turns += registration
            registration._try_to_send(run)
            if time.monotonic() > end:
                break
        turns._finish_sending()
        return turns

    def _try_to_send(self, run=None):
        """Send one registration; whatever goes wrong, its next try is set.

        With a `run`, which keeps the gateways of I-VANs, what follows from the receipt is left to the caller.
        """
        registration = self._for_reader()
        try:
            if run is None:
                registration._send()
            else:
                registration._get_receipt(run)
        except OperationalError:
            # Somebody else was at it since this transaction began, and may have sent it.
            self.env.cr.rollback()
            registration._look_again()
        except Exception:
            # A fault of ours or of one record: the others still have to go out, and this one is tried again.
            self.env.cr.rollback()
            _logger.exception("Sending BHXH registration %s failed", registration.id)
            if registration._lock_if("to_send"):
                registration._postpone(self.env._("Odoo could not send the dossier; it will try again automatically."))

    def _send(self):
        """Send one registration and store what comes back. Does nothing when somebody else is at it."""
        if self._get_receipt({}):
            self._finish_sending()

    def _get_receipt(self, run):
        """Hand one registration over and store its receipt; return whether it has one from which nothing followed yet.

        Does nothing when somebody else is at it. A gateway that cannot be used is no attempt.
        """
        self.ensure_one()
        if not self._lock_if("to_send"):
            return False
        if self.submitted_at:
            return True
        try:
            signed = self._signed_dossier()
            gateway = self.provider_id._gateway_of(run)
        except signature.SignatureError:
            self._hold_back()
            return False
        except gateways.GatewayError as error:
            self._on_unsent(error)
            return False
        is_repeat = bool(self.attempted_at)
        if not is_repeat:
            self.attempted_at = fields.Datetime.now()
            self._commit()
            if not self._lock_if("to_send"):
                return False
        return bool(self.submitted_at) or self._hand_over(gateway, signed, is_repeat, run)

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

    def _hand_over(self, gateway, signed, is_repeat, run):
        """Hand the `signed` dossier to the gateway and store its receipt at once; return whether there is one.

        Nothing else is written with the receipt, so that nothing else can make its transaction fail.
        """
        try:
            known = gateway.progress(self.client_reference) if is_repeat else None
            if known:
                receipt = {"submitted_at": self.attempted_at, **self._numbered(known.dossier_number)}
                faults = known.faults
            else:
                answer = gateway.submit(signed, self.client_reference)
                submitted_at, faults = self._possible_time(answer)
                receipt = {
                    "submitted_at": submitted_at,
                    **self._numbered(answer.dossier_number),
                    "receipt": json.dumps(answer.raw, ensure_ascii=False, sort_keys=True),
                }
        except gateways.Refused as refusal:
            self._on_gateway_refusal(refusal)
        except gateways.Unsupported:
            self._postpone(
                self.env._(
                    "%(provider)s does not accept this kind of dossier from Odoo. Lodge the signed file on its portal.",
                    provider=self.provider_id.name,
                )
            )
        except gateways.GatewayError as error:
            self.provider_id._end_run(run, error)
            self._on_unsent(error)
        else:
            self.with_context(tracking_disable=True).write(receipt)
            self._commit()
            self._note_faults(faults)
            return True
        return False

    def _possible_time(self, receipt):
        """Return when the dossier was accepted (UTC), and the faults of the receipt.

        That was neither before the first attempt nor after now, whatever a gateway's clock says.
        """
        moment = receipt.accepted_at.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
        possible = min(max(moment, self.attempted_at), fields.Datetime.now())
        if abs(moment - possible) > CLOCK_SLACK and not any(f.member == "accepted_at" for f in receipt.faults):
            return possible, (*receipt.faults, gateways.Fault("accepted_at", gateways.FaultKind.TIME))
        return possible, receipt.faults

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
        else:
            minutes, next_step = None, self.env._("Odoo asks whether it has the dossier before it sends again.")
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

        Whoever holds it may only be correcting a field, so its turn comes again in a minute.
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
        self._check_sendable_again()
        self.lock_for_update()
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
            submitted_at=False,
            dossier_number=False,
            dossier_number_source=False,
            activation_expires_at=False,
            poll_at=False,
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
