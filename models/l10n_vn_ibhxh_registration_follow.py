import base64
import json
import logging
import time
from datetime import timedelta

from odoo import fields, models, modules, tools
from odoo.exceptions import UserError
from odoo.fields import Domain
from psycopg2 import OperationalError

from ..tools import gateways
from . import reminders
from .l10n_vn_ibhxh_registration import ACTIVATION_HOURS, TRANSITIONS

_logger = logging.getLogger(__name__)

RETRY_MINUTES = (1, 5, 15, 60)
# How long until the next look at the gateway, by the age of the submission (both in minutes).
POLL_MINUTES = ((10, 1), (120, 5), (24 * 60, 30))
POLL_MINUTES_LATER = 120
BATCH = 1000
# Each batch has some statements of its own, and its rows stay locked for a second per thousand.
EXPIRE_BATCH = 3000
# What follows from receipts follows for so many at once, or for those of so many seconds.
SEND_BATCH = 20
SEND_SECONDS = 2
# VSS has the dossier, and something is still to come of it.
FOLLOWED = ("sent", "to_activate")
# What a gateway answers that has never heard of a dossier.
UNHEARD = object()


class L10n_Vn_IbhxhRegistrationFollow(models.Model):
    """Sending a signed registration and following it: never twice, never lost.

    The first attempt is committed before the gateway is called. Whatever happens after that, the gateway is asked by
    `client_reference` before anything is sent again, and a receipt is stored before anything else happens.
    """

    _inherit = "l10n_vn_ibhxh.registration"

    # -- sending -----------------------------------------------------------------------------------------------------

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
            & Domain("provider_id.gateway", "!=", "manual")
            & (Domain("retry_at", "=", False) | Domain("retry_at", "<=", fields.Datetime.now()))
        )

    def _for_reader(self):
        """Return the registration in the language of who reads what is written on it, whoever writes; several must
        have readers of one language."""
        return self.with_context(lang=self.user_id[:1].lang or self.env.lang)

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
        is_repeat = bool(self.attempted_at)
        if not is_repeat:
            self.attempted_at = fields.Datetime.now()
            self._commit()
            if not self._lock_if("to_send"):
                return False
        return bool(self.submitted_at) or self._hand_over(is_repeat, adapters)

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

    def _hand_over(self, is_repeat, adapters):
        """Hand the dossier to the gateway and store its receipt at once; return whether there is one.

        Nothing else is written with the receipt, so that nothing else can make its transaction fail.
        """
        provider = self.provider_id
        if provider.id not in adapters:
            adapters[provider.id] = provider._gateway()
        gateway = adapters[provider.id]
        try:
            known = gateway.progress(self.client_reference) if is_repeat else None
            if known:
                receipt = {"submitted_at": self.attempted_at, "dossier_number": known.dossier_number}
            else:
                answer = gateway.submit(self._signed_dossier(), self.client_reference)
                receipt = {
                    "submitted_at": answer.accepted_at.replace(tzinfo=None, microsecond=0),
                    "dossier_number": answer.dossier_number,
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

    def _signed_dossier(self):
        self.ensure_one()
        return gateways.SignedDossier(
            form=self.form,
            document=base64.b64decode(self.with_context(bin_size=False).signed_document),
            agency_code=self.agency_id.code,
            tax_code=self.company_id.vat,
            unit_code=self.unit_code or None,
        )

    def _on_accepted(self, submitted_at, dossier_number):
        """Accepted for processing at `submitted_at` (UTC), numbered or not yet."""
        self.sudo().write({"submitted_at": submitted_at, "dossier_number": dossier_number or self.dossier_number})
        self._on_received()

    def _on_received(self):
        """VSS has these, of which `submitted_at` and any number are stored already: from here they are followed."""
        for registration in self.sudo():
            # Until a mail says otherwise the 24 hours are counted from here, so that no code expires unseen.
            expires_at = registration.submitted_at + timedelta(hours=ACTIVATION_HOURS)
            registration.activation_expires_at = registration.form == "04" and expires_at
        self._move(
            "sent",
            poll_at=fields.Datetime.now(),
            retry_at=False,
            retry_count=0,
            error_code=False,
            error_message=False,
        )
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow")._trigger()

    def _on_refused(self, code, description, holder=None):
        """Take VSS's refusal: a passing failure is tried again, a real one ends the registration."""
        known = self.env["l10n_vn_ibhxh.result.code"]._find(code)
        message = description or known.meaning or code
        if known and not known.is_permanent and self.state == "to_send":
            self._postpone(message, code)
            return
        self._move("rejected", error_code=code, error_message=message, holder_name=holder, retry_at=False)
        self._schedule_todo(self.env._("VSS refused the registration: %(code)s", code=code), known.cure or message)

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

    # -- by hand -----------------------------------------------------------------------------------------------------

    def action_confirmed_by_person(self):
        """“I have confirmed”: the person saw the portal say so."""
        for registration in self:
            registration.check_access("write")
            registration._confirm(fields.Datetime.now())
            registration._message_log(
                body=self.env._("%(user)s states that the portal confirmed the registration.", user=self.env.user.name)
            )
        return True

    def action_resend_code(self):
        """Ask the gateway to have the activation code mailed again."""
        self.ensure_one()
        self.check_access("write")
        gateway = self.provider_id._gateway()
        if not gateway.can_resend:
            raise UserError(
                self.env._(
                    "%(provider)s cannot send the code again. Register again for a new one.",
                    provider=self.provider_id.name,
                )
            )
        try:
            gateway.resend_code(self.client_reference)
        except gateways.Refused as refusal:
            raise UserError(refusal.description or refusal.code) from refusal
        except gateways.GatewayError as error:
            raise UserError(
                self.env._("The I-VAN's gateway cannot be reached just now. Try again in a few minutes.")
            ) from error
        return True

    # -- following ---------------------------------------------------------------------------------------------------

    def action_refresh(self):
        """Ask the gateway now how far VSS is."""
        for registration in self:
            registration.check_access("write")
            if registration.can_submit and registration.state in ("sent", "to_activate", "expired"):
                registration.sudo()._poll()
        return True

    def _poll(self):
        """Ask the gateway once and take over what it says; a gateway that does not answer is asked again later."""
        self.ensure_one()
        locked = self.try_lock_for_update()
        if not locked:
            return
        self.poll_at = self._next_poll()
        try:
            progress = self.provider_id._gateway().progress(self.client_reference)
        except gateways.GatewayError as error:
            _logger.info("No progress for BHXH registration %s: %s", self.id, type(error).__name__)
            return
        self._take_answer(UNHEARD if progress is None else progress)

    def _take_answer(self, progress):
        if progress is UNHEARD:
            self._schedule_todo(
                self.env._("The I-VAN does not know this dossier"),
                self.env._("Odoo holds its receipt, yet the gateway has never heard of it. Ask the I-VAN."),
            )
        else:
            self._apply_progress(progress)

    def _next_poll(self):
        age = (fields.Datetime.now() - (self.submitted_at or fields.Datetime.now())).total_seconds() / 60
        minutes = next((step for limit, step in POLL_MINUTES if age < limit), POLL_MINUTES_LATER)
        return fields.Datetime.now() + timedelta(minutes=minutes)

    def _apply_progress(self, progress):
        """Store the steps and follow VSS's state; states that Odoo does not know leave ours as it is."""
        self._store_steps(progress.steps)
        if progress.dossier_number and progress.dossier_number != self.dossier_number:
            self.sudo().dossier_number = progress.dossier_number
        if progress.state == "rejected" and "rejected" in TRANSITIONS[self.state]:
            failed = next((step for step in reversed(progress.steps) if not step.passed), None)
            self._on_refused(failed.code if failed else "", failed.description if failed else "", progress.holder)
        elif progress.state == "confirmed" and "confirmed" in TRANSITIONS[self.state]:
            confirmed = [step.at for step in progress.steps if step.at]
            self._confirm(max(confirmed).replace(tzinfo=None) if confirmed else fields.Datetime.now())
        elif progress.state in ("received", "processing") and self.state == "sent" and not self.activation_received_at:
            # VSS has not answered yet, so no code can be running out.
            self.sudo().activation_expires_at = fields.Datetime.now() + timedelta(hours=ACTIVATION_HOURS)

    def _store_steps(self, steps):
        existing = {step.number: step for step in self.sudo().step_ids}
        for step in steps:
            vals = {
                "date": step.at.replace(tzinfo=None) if step.at else False,
                "code": step.code,
                "description": step.description,
                "passed": step.passed,
            }
            if step.number in existing:
                record = existing[step.number]
                if any(record[name] != value for name, value in vals.items()):
                    record.write(vals)
            else:
                self.env["l10n_vn_ibhxh.registration.step"].sudo().create(
                    {"registration_id": self.id, "number": step.number, **vals}
                )

    def _activate(self, code, url, received_at):
        """Take the activation code over: 24 hours run from `received_at` (UTC)."""
        self.ensure_one()
        vals = {
            "activation_code": code or self.activation_code,
            "activation_url": url or self.activation_url,
            "activation_received_at": received_at,
            "activation_expires_at": received_at + timedelta(hours=ACTIVATION_HOURS),
            "activation_reminded": False,
        }
        if self.state == "to_activate":
            self.lock_for_update()
            self.sudo().write(vals)
            self.company_id.sudo()._l10n_vn_ibhxh_update_state()
            self._notify_page()
        else:
            self._move("to_activate", **vals)
        self._schedule_todo(
            self.env._("Enter the activation code on the VSS portal"),
            self.env._("The code is on the registration. It lives 24 hours."),
            deadline=fields.Date.to_date(vals["activation_expires_at"]),
        )
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow")._trigger(at=vals["activation_expires_at"])

    def _confirm(self, confirmed_at, unit_code=None):
        """VSS confirmed at `confirmed_at` (UTC). The secrets that are no longer needed are forgotten."""
        self.ensure_one()
        vals = {
            "confirmed_at": confirmed_at,
            "activation_code": False,
            "activation_url": False,
            "activation_expires_at": False,
        }
        if unit_code:
            vals["unit_code"] = unit_code
        self._move("confirmed", **vals, error_code=False, error_message=False)
        self.activity_unlink(["mail.mail_activity_data_todo"])

    def _schedule_todo(self, summary, note, deadline=None):
        """Give the responsible person one activity with this summary, not one per occasion."""
        for registration in self.sudo():
            user = registration.user_id if registration.user_id.active else registration.env.ref("base.user_admin")
            same = registration.activity_ids.filtered(lambda a, user=user: a.summary == summary and a.user_id == user)
            if not same:
                registration.activity_schedule(
                    "mail.mail_activity_data_todo",
                    date_deadline=deadline or fields.Date.context_today(registration),
                    summary=summary,
                    note=note,
                    user_id=user.id,
                )

    def _expire(self):
        """The 24 hours are over, for any number of registrations. Registering again is one click on each."""
        self._move("expired", activation_code=False, activation_url=False)
        self.activity_unlink([reminders.TODO])
        today = fields.Date.context_today(self)
        reminders.schedule(self.env, [(record, record.user_id, self._expired_texts, today) for record in self.sudo()])

    def _expired_texts(self, env):
        return (
            env._("The activation code has expired"),
            env._("Press “Register again”: everything is filled in already, only the PIN is needed."),
        )

    def _cron_follow(self):
        """Expire codes, return lapsed signing leases, ask the gateways; batch by batch, each committed by itself."""
        self.env["l10n_vn_ibhxh.signing.request"]._return_lapsed()
        self.env["l10n_vn_ibhxh.mail"]._process_held()
        now = fields.Datetime.now()
        polled = self._delay_polling(self._to_poll_domain(now))
        self.env["ir.cron"]._commit_progress(
            remaining=self.search_count(polled) + self.search_count(self._to_expire_domain(now))
        )
        self._poll_batches(polled)
        self._expire_due(now)

    def _to_poll_domain(self, now):
        return (
            Domain("state", "in", FOLLOWED)
            & Domain("poll_at", "<=", now)
            & Domain("provider_id.gateway", "!=", "manual")
        )

    def _to_expire_domain(self, now):
        return Domain("state", "in", FOLLOWED) & Domain("activation_expires_at", "<=", now)

    def _expire_due(self, now):
        """Expire the codes whose time was over at `now`, the time (UTC) at which the gateways began to be asked.

        VSS may have confirmed in the meantime: what the gateway was not asked about yet is not declared expired.
        """
        asked = (
            Domain("poll_at", "=", False) | Domain("poll_at", ">", now) | Domain("provider_id.gateway", "=", "manual")
        )
        domain = self._to_expire_domain(now) & asked
        reminders.in_batches(self, domain, lambda records: records._expire(), size=EXPIRE_BATCH)

    def _poll_batches(self, domain, seconds=float("inf")):
        """Ask the gateways about everything in `domain`, until the time of this run is over; return whether it was not.

        No row is locked while a gateway is asked, and what it says is stored batch by batch. Lost in a crash are only
        questions, which are asked again. `seconds` limits a run outside of a scheduled action, whose time is limited.
        """
        stop = time.monotonic() + seconds
        last_id = 0
        while True:
            left = min(self.env["ir.cron"]._commit_progress(), stop - time.monotonic())
            found = self.search(domain & Domain("id", ">", last_id), limit=BATCH, order="id")
            if not found:
                return True
            answers = found._ask_gateways(time.monotonic() + left)
            last_id = max(answers, default=0)
            # A transaction of its own: it sees what others did while the gateways were asked.
            self.env["ir.cron"]._commit_progress()
            records = self.browse(answers).try_lock_for_update().filtered_domain(domain)
            try:
                reminders.each(records, lambda some, answers=answers: some._take_answers(answers))
            except OperationalError:
                self.env.cr.rollback()
                _logger.info("Somebody was at BHXH registrations that were polled; they are asked about again")
            is_over = not self.env["ir.cron"]._commit_progress(len(answers)) or time.monotonic() > stop
            if is_over or len(answers) < len(found):
                return False

    def _ask_gateways(self, end):
        """Return `{id: Progress}` of what the gateways say, None where one gives no answer.

        The first is asked in any case; no more are asked after `end` (seconds, `time.monotonic`).
        """
        adapters = {}
        answers = {}
        for registration in self:
            if answers and time.monotonic() > end:
                break
            provider = registration.provider_id
            try:
                if provider not in adapters:
                    adapters[provider] = provider._gateway()
                progress = adapters[provider].progress(registration.client_reference)
                answers[registration.id] = UNHEARD if progress is None else progress
            except gateways.GatewayError as error:
                _logger.info("No progress for BHXH registration %s: %s", registration.id, type(error).__name__)
                answers[registration.id] = None
            except Exception:
                _logger.exception("Asking about BHXH registration %s failed", registration.id)
                answers[registration.id] = None
        return answers

    def _take_answers(self, answers):
        """Store what `_ask_gateways` returned about these locked registrations."""
        for registration in self:
            registration.poll_at = registration._next_poll()
            if answers[registration.id]:
                registration._for_reader()._take_answer(answers[registration.id])
