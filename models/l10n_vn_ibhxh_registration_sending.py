import json
import logging
import time
import uuid
from datetime import timedelta

from odoo import fields, models, modules, tools
from odoo.exceptions import UserError
from odoo.fields import Domain
from psycopg2 import OperationalError

from ..tools import gateways, signature
from . import jobs, reminders
from .const import RETRY_MINUTES

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
        while waiting:
            done = self.browse(waiting[:SEND_BATCH])._send_some(time.monotonic() + SEND_SECONDS)
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

    def _send_some(self, end):
        """Send these one after the other, none after `end` (seconds, `time.monotonic`); return those that had a turn.

        Attempt and receipt of each are committed by themselves. What follows from the receipts follows for all at once.
        """
        adapters = {}
        turns = self.browse()
        # Each is read anew after each commit; without the others, which would be read again with it.
        for registration in map(self.browse, self.ids):
            turns += registration
            registration._try_to_send(adapters)
            if time.monotonic() > end:
                break
        turns._finish_sending()
        return turns

    def _try_to_send(self, adapters=None):
        """Send one registration; whatever goes wrong, its next try is set.

        With `adapters`, which keeps the gateways of I-VANs, what follows from the receipt is left to the caller.
        """
        registration = self._for_reader()
        try:
            if adapters is None:
                registration._send()
            else:
                registration._get_receipt(adapters)
        except OperationalError:
            # Somebody else was at it since this transaction began, and may have sent it.
            self.env.cr.rollback()
            registration._look_again()
        except Exception:
            # A fault of ours or of one record: the others still have to go out, and this one is tried again.
            self.env.cr.rollback()
            _logger.exception("Sending BHXH registration %s failed", registration.id)
            if registration._lock_if("to_send"):
                registration._postpone(self.env._("Odoo could not send the dossier; it tries again by itself."))

    def _send(self):
        """Send one registration and store what comes back. Does nothing when somebody else is at it."""
        if self._get_receipt({}):
            self._finish_sending()

    def _get_receipt(self, adapters):
        """Hand one registration over and store its receipt; return whether it has one from which nothing followed yet.

        Does nothing when somebody else is at it.
        """
        self.ensure_one()
        if not self._lock_if("to_send"):
            return False
        if self.submitted_at:
            return True
        try:
            signed = self._signed_dossier()
        except signature.SignatureError:
            self._hold_back()
            return False
        is_repeat = bool(self.attempted_at)
        if not is_repeat:
            self.attempted_at = fields.Datetime.now()
            self._commit()
            if not self._lock_if("to_send"):
                return False
        return bool(self.submitted_at) or self._hand_over(signed, is_repeat, adapters)

    def _hold_back(self):
        """What carries no valid signature leaves Odoo by no way; a person has to know."""
        _logger.error("BHXH registration %s holds no validly signed dossier and is not sent", self.id)
        message = self.env._(
            "The signature does not fit the dossier, so Odoo does not send it. Cancel the registration, register "
            "again, and tell the administrator: somebody or something has changed stored data."
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
                registration._postpone(self.env._("Odoo could not send the dossier; it tries again by itself."))
        except OperationalError:
            # Somebody else was at them since; the receipts stand.
            self.env.cr.rollback()
            self._look_again()
        self._commit()

    def _hand_over(self, signed, is_repeat, adapters):
        """Hand the `signed` dossier to the gateway and store its receipt at once; return whether there is one.

        Nothing else is written with the receipt, so that nothing else can make its transaction fail.
        """
        provider = self.provider_id
        if provider.id not in adapters:
            adapters[provider.id] = provider._gateway()
        gateway = adapters[provider.id]
        try:
            known = gateway.progress(self.client_reference) if is_repeat else None
            if known:
                receipt = {"submitted_at": self.attempted_at, **self._numbered(known.dossier_number)}
            else:
                answer = gateway.submit(signed, self.client_reference)
                receipt = {
                    "submitted_at": answer.accepted_at.replace(tzinfo=None, microsecond=0),
                    **self._numbered(answer.dossier_number),
                    "receipt": json.dumps(answer.raw, ensure_ascii=False, sort_keys=True),
                }
        except gateways.Refused as refusal:
            self._on_refused(refusal.code, refusal.description, refusal.holder)
        except gateways.Unsupported:
            self._postpone(
                self.env._(
                    "%(provider)s takes no such dossier from Odoo. Lodge the signed file on its portal.",
                    provider=self.provider_id.name,
                )
            )
        except gateways.Unreachable:
            self._postpone(self.env._("The I-VAN's gateway cannot be reached. Odoo tries again by itself."), "SE999")
        except gateways.GatewayError:
            self._postpone(
                self.env._(
                    "The I-VAN's gateway gave no clear answer. Odoo asks whether it has the dossier before it "
                    "sends again."
                )
            )
        else:
            self.with_context(tracking_disable=True).write(receipt)
            self._commit()
            return True
        return False

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

    def _postpone(self, message, code=False):
        minutes = RETRY_MINUTES[min(self.retry_count, len(RETRY_MINUTES) - 1)]
        retry_at = fields.Datetime.now() + timedelta(minutes=minutes)
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

    def _send_anew(self, code, message):
        """Send the same signed bytes later under a reference of their own: the old one stands for the failed try."""
        old_reference, old_number = self.client_reference, self.dossier_number
        minutes = RETRY_MINUTES[min(self.resend_count + 1, len(RETRY_MINUTES) - 1)]
        retry_at = fields.Datetime.now() + timedelta(minutes=minutes)
        self._move(
            "to_send",
            client_reference=str(uuid.uuid4()),
            attempted_at=False,
            submitted_at=False,
            dossier_number=False,
            dossier_number_source=False,
            activation_expires_at=False,
            poll_at=False,
            resend_count=self.resend_count + 1,
            retry_at=retry_at,
            error_code=code,
            error_message=message,
        )
        self._message_log(
            body=self.env._(
                "%(code)s passes: sent again by itself. The failed try was %(reference)s, dossier number %(number)s.",
                code=code,
                reference=old_reference,
                number=old_number or "–",
            )
        )
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")._trigger(at=retry_at)
