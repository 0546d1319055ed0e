import logging
import time
from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import ConcurrencyError, UserError
from odoo.fields import Domain
from odoo.tools import split_every
from psycopg2 import OperationalError

from ..tools import gateways, side_by_side
from . import gateway_texts, jobs, reminders, reservations
from .const import ACTIVATION_HOURS, FOLLOWED, MISCONFIGURED_MINUTES, TRANSITIONS

_logger = logging.getLogger(__name__)

# How long until the next look at the gateway, by the age of the submission (both in minutes).
POLL_MINUTES = ((10, 1), (120, 5), (24 * 60, 30))
POLL_MINUTES_LATER = 120
# Of what is left of the code's time, half goes by until the next look, but no less than so many minutes.
POLL_MINUTES_LEAST = 5
# In the last minutes of a code whole answers are asked for, whichever version is known.
WHOLE_MINUTES = 60
BATCH = 2000
# Each batch has some statements of its own, and its rows stay locked for a second per thousand.
EXPIRE_BATCH = 3000
# For so long gateways are asked about what has expired, until one says where it is: VSS may have confirmed it before.
EXPIRED_DAYS = 14
# States by which a gateway says what became of a dossier.
CLEAR = ("accepted", "rejected", "confirmed")
# What a gateway answers that has never heard of a dossier.
UNHEARD = object()
# What an answer about several does not say anything about.
LEFT_OUT = object()


def _question(versions):
    """Return a function `(gateway)` that asks about the dossiers in `{client reference: version}`.

    Where it is about several and fails in a way that one about each might not, it raises `gateways.Unsupported`.
    """

    def ask(gateway):
        try:
            return gateway.progress_of(versions)
        except (gateways.Unreachable, gateways.Unsupported):
            raise
        except Exception as error:
            if len(versions) == 1:
                raise
            raise gateways.Unsupported("the question failed", getattr(error, "retry_after", None)) from error

    return ask


class L10n_Vn_IbhxhRegistrationFollowing(models.AbstractModel):
    """Following what was sent, by asking the I-VANs' gateways, until VSS has decided or the code's time is over.

    Where there is a job queue, jobs ask; everywhere else the scheduled action does.
    """

    _name = "l10n_vn_ibhxh.registration.following"
    _description = "Following of BHXH registrations"

    def action_resend_code(self):
        """Ask the gateway to have the activation code mailed again."""
        self.ensure_one()
        self.check_access("write")
        if not self.can_submit or self.state not in FOLLOWED or self.form != "04":
            raise UserError(
                self.env._("%(name)s waits for no activation code from its I-VAN's gateway.", name=self.name)
            )
        provider = self.provider_id
        try:
            gateway = provider._gateway()
            if not gateway.can_resend:
                raise gateways.Unsupported("resending")
            gateway.resend_code(self.client_reference)
        except gateways.Unsupported as error:
            raise UserError(
                self.env._(
                    "%(provider)s cannot send the code again. Register again for a new one.", provider=provider.name
                )
            ) from error
        except gateways.Refused as refusal:
            silent = self.env._(
                "%(provider)s does not send the code again and gives no reason.", provider=provider.name
            )
            raise UserError(refusal.description or refusal.code or silent) from refusal
        except gateways.GatewayError as error:
            reason = gateway_texts.reason(self.env, provider, error)
            raise UserError(self.env._("%(reason)s\nTry again in a few minutes.", reason=reason)) from error
        return True

    def action_refresh(self):
        """Ask the gateway now how far VSS is; return a notification where it gives no answer."""
        failed = []
        for registration in self:
            registration.check_access("write")
            if registration.can_submit and registration.state in ("sent", "to_activate", "expired"):
                error = registration.sudo()._poll()
                if error:
                    failed.append(gateway_texts.reason(self.env, registration.provider_id, error))
        if not failed:
            return True
        reload = {"type": "ir.actions.client", "tag": "soft_reload"}
        message = "\n".join(dict.fromkeys(failed))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"message": message, "type": "warning", "next": reload},
        }

    def _cron_follow(self):
        """Remind, expire codes, return lapsed signing leases, ask the gateways; batch by batch, each committed by
        itself."""
        if not self.env["ir.cron"]._commit_progress():
            # The scheduler repeats a run that left something even when its time is over. One that does nothing makes it
            # begin again at once, with the whole time.
            self.env["ir.cron"]._commit_progress(remaining=1)
            return
        # Reminders first: they need no network, and a slow gateway must not hold them up.
        is_finished = self._remind()
        self.env["l10n_vn_ibhxh.signing.request"]._return_lapsed()
        self.env["l10n_vn_ibhxh.mail"]._process_held()
        now = fields.Datetime.now()
        polled = self._delay_polling(self._to_poll_domain(now))
        self.env["ir.cron"]._commit_progress(
            remaining=self.search_count(polled) + self.search_count(self._to_expire_domain(now))
        )
        self._poll_batches(polled)
        self._expire_due(now)
        if not is_finished:
            # The time of this run is over: the scheduler goes on at once instead of at the next regular turn.
            self.env["ir.cron"]._commit_progress(remaining=1)

    def _to_poll_domain(self, now):
        since = now - timedelta(days=EXPIRED_DAYS)
        return (
            Domain("state", "in", (*FOLLOWED, "expired"))
            & (Domain("state", "!=", "expired") | Domain("activation_expires_at", ">", since))
            & Domain("poll_at", "<=", now)
            & Domain("lodging", "=", "odoo")
            & Domain("provider_id.gateway", "!=", "manual")
            & Domain("provider_id", "not any", Domain("quiet_until", ">", now))
        )

    def _to_expire_domain(self, now):
        """What is over at `now`. Where the gateway gives no answer and no code was ever seen, nobody knows of one."""
        is_known = Domain("unanswered_since", "=", False) | Domain("activation_received_at", "!=", False)
        due = Domain("state", "in", FOLLOWED) & Domain("activation_expires_at", "<=", now)
        return due & (is_known | self._by_hand_domain())

    def _by_hand_domain(self):
        """Those about which no gateway is asked."""
        return (
            Domain("lodging", "!=", "odoo")
            | Domain("provider_id", "=", False)
            | Domain("provider_id.gateway", "=", "manual")
        )

    def _expire_due(self, now):
        """Expire the codes whose time was over at `now`, the time (UTC) at which the gateways began to be asked.

        VSS may have confirmed in the meantime: what the gateway was not asked about yet is not declared expired.
        """
        asked = (
            Domain("poll_at", "=", False)
            | Domain("poll_at", ">", now)
            | self._by_hand_domain()
            | Domain("provider_id.quiet_until", ">", now)
        )
        domain = self._to_expire_domain(now) & asked
        reminders.in_batches(self, domain, lambda records: records._expire(), size=EXPIRE_BATCH)

    def _delay_polling(self, domain):
        """Have the gateways asked about registrations in `domain` by jobs; return the domain of what is left.

        One job for each I-VAN, so that a gateway that does not answer keeps only its own registrations waiting.
        """
        if not jobs.are_used(self.env):
            return domain
        providers = self._providers(domain)
        # Only these: what becomes due from now on waits for its own job.
        left = providers - jobs.delay(providers, "_job_poll", also_begun=False)
        return domain & Domain("provider_id", "in", left.ids)

    def _providers(self, domain):
        rows = self._read_group(domain, ["provider_id"])
        return self.env["l10n_vn_ibhxh.provider"].union(*(provider for (provider,) in rows))

    def _poll_batches(self, domain, seconds=float("inf")):
        """Ask the gateways about everything in `domain`, until the time of this run is over; return whether it was not,
        and nobody else was asking one of them.

        No row is locked while a gateway is asked, and what it says is stored batch by batch. Lost in a crash are only
        questions, which are asked again. `seconds` limits a run outside of a scheduled action, whose time is limited.
        """
        providers = self._providers(domain)
        with reservations.reserved(providers) as reserved:
            is_all = self._poll_reserved(domain & Domain("provider_id", "in", reserved.ids), time.monotonic() + seconds)
            return is_all and reserved == providers

    def _poll_reserved(self, domain, stop):
        run = {}
        last_id = 0
        left = self.env["ir.cron"]._commit_progress()
        while True:
            left = min(left, stop - time.monotonic())
            found = self.search(domain & Domain("id", ">", last_id), limit=BATCH, order="id")
            if not found:
                return True
            answers = found._ask_gateways(time.monotonic() + left, run)
            last_id = max(answers, default=0)
            # This transaction begins after the last question: it sees what others did while the gateways were asked.
            asked = self.browse(answers)
            records = asked.try_lock_for_update()
            if records != asked:
                self._ask_again()
            records = records.filtered_domain(domain)
            try:
                reminders.each(records, lambda some, answers=answers: some._take_answers(answers))
            except OperationalError:
                self.env.cr.rollback()
                self._ask_again()
            left = self.env["ir.cron"]._commit_progress(len(answers))
            if not left or time.monotonic() > stop or len(answers) < len(found):
                return False

    def _ask_again(self):
        """Have the gateways asked soon about registrations whose rows another transaction had: the answers are lost."""
        _logger.info("Some registrations were locked by another transaction; their gateways will be asked again")
        again_at = fields.Datetime.now() + timedelta(minutes=1)
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow")._trigger(at=again_at)

    def _ask_gateways(self, end, run=None):
        """Return `{id: Progress or Unchanged}` of what the gateways say, the `GatewayError` where one gives no answer,
        None where asking failed.

        One question is about as many as each I-VAN answers about at once. What such an answer leaves out is asked about
        one by one, and so is everything where that is not offered.

        Several questions are asked at the same time, as many as each I-VAN allows, while no transaction is open. The
        first of each is asked in any case; no more are asked after `end` (seconds, `time.monotonic`). `run` keeps the
        gateways for further questions.
        """
        run = {} if run is None else run
        answers, notes = self._ask(run, end, is_single=False)
        for provider, note in notes.items():
            provider._note_answers(run, note)
        left = self.filtered(lambda registration: registration.id not in answers)
        if left and time.monotonic() < end:
            answers |= left._ask(run, end, is_single=True)[0]
        return answers

    def _ask(self, run, end, *, is_single):
        """Return `{id: answer}` as `_ask_gateways`, without those that were not asked about or left out, and what is to
        be noted of each I-VAN: the faults of its answers about several, or that it gives none (`gateways.Unsupported`).
        """
        lanes, answers, notes, providers = [], {}, {}, {}
        for provider, some in self.grouped("provider_id").items():
            try:
                questions = some._questions(1 if is_single else provider._most_at_once(run))
                lanes.append(provider._lane(run, questions))
                providers.update(dict.fromkeys(questions, provider))
            except gateways.GatewayError as error:
                answers.update(dict.fromkeys(some.ids, error))
            except Exception:
                # An adapter that cannot be made keeps only its own registrations waiting.
                _logger.exception("The I-VAN %s cannot be asked", provider.code)
                answers.update(dict.fromkeys(some.ids))
        references = {registration.id: registration.client_reference for registration in self}
        self._commit()
        for outcomes in side_by_side.run(lanes, end=end):
            for ids, outcome in outcomes.items():
                is_called = not isinstance(outcome.error, side_by_side.NotCalled)
                error = outcome.error if is_called else outcome.error.reason
                # One that was left over is not asked because those about several are not answered.
                is_refused = isinstance(error, gateways.Unsupported) and (len(ids) > 1 or not (is_called or is_single))
                if is_refused and len(ids) > 1:
                    notes[providers[ids]] = error
                if outcome.is_late or (is_refused and not error.retry_after):
                    continue
                if isinstance(error, gateways.GatewayError):
                    answers.update(dict.fromkeys(ids, error))
                elif error:
                    _logger.error("Asking about BHXH registrations %s failed", ids, exc_info=error)
                    answers.update(dict.fromkeys(ids))
                else:
                    if len(ids) == 1:
                        answers.update(dict.fromkeys(ids))
                    found = {number: outcome.value.found.get(references[number], LEFT_OUT) for number in ids}
                    answers.update({n: UNHEARD if a is None else a for n, a in found.items() if a is not LEFT_OUT})
                    if outcome.value.faults:
                        notes.setdefault(providers[ids], outcome.value.faults)
        return answers, notes

    def _questions(self, most):
        """Return `{ids: function(gateway)}` that asks about these, `most` at a time."""
        return {
            tuple(ids): _question({r.client_reference: r._known_version() for r in self.browse(ids)})
            for ids in split_every(most, self.ids)
        }

    def _known_version(self):
        """Return what the gateway called its last answer, empty where the whole answer is needed."""
        ends_at = self.activation_expires_at
        is_late = ends_at and ends_at <= fields.Datetime.now() + timedelta(minutes=WHOLE_MINUTES)
        return "" if is_late else self.progress_version or ""

    def _take_answers(self, answers):
        """Store what `_ask_gateways` returned about these locked registrations."""
        for registration in self:
            registration.poll_at = registration._next_poll()
            if answers[registration.id]:
                registration._for_reader()._take_answer(answers[registration.id])
            else:
                registration._note_unanswered()

    def _poll(self):
        """Ask the gateway once and take over what it says; return the error of one that gives no answer.

        Raises `ConcurrencyError`, at which Odoo repeats the person's call a moment later, while another transaction has
        the row, such as a mail's.
        """
        self.ensure_one()
        if not self.try_lock_for_update():
            raise ConcurrencyError(f"registration {self.id} is locked")
        self.poll_at = self._next_poll()
        try:
            progress = self.provider_id._gateway().progress(self.client_reference)
            answer = UNHEARD if progress is None else progress
        except gateways.GatewayError as error:
            answer = error
        self._take_answer(answer)
        return answer if isinstance(answer, gateways.GatewayError) else None

    def _take_answer(self, answer):
        if isinstance(answer, gateways.GatewayError):
            self._on_unanswered(answer)
            return
        self.provider_id._connection_works()
        is_clear = answer is UNHEARD or isinstance(answer, gateways.Unchanged) or answer.state in CLEAR
        if answer is UNHEARD:
            self._schedule_todo(
                self.env._("The I-VAN does not know this dossier"),
                self.env._("Odoo has its receipt, but the gateway does not know it. Ask the I-VAN."),
            )
        elif not isinstance(answer, gateways.Unchanged):
            self._note_faults(answer.faults)
            self._apply_progress(answer)
        if self.unanswered_since:
            self.sudo().unanswered_since = False
        if self.state == "expired" and is_clear:
            self.sudo().poll_at = False

    def _note_unanswered(self):
        if not self.unanswered_since:
            self.sudo().unanswered_since = fields.Datetime.now()

    def _on_unanswered(self, error):
        """An error to a question says nothing about the dossier: it is asked again, not before the gateway wants it."""
        _logger.info("No progress for BHXH registration %s: %s", self.id, error.message)
        self._note_unanswered()
        wait = timedelta(seconds=error.retry_after or 0)
        if isinstance(error, gateways.Misconfigured):
            wait = max(wait, timedelta(minutes=MISCONFIGURED_MINUTES))
        self.poll_at = max(self.poll_at or fields.Datetime.now(), fields.Datetime.now() + wait)
        provider = self.provider_id
        provider._leave_alone(error)
        is_unreadable = error.reason in gateway_texts.UNREADABLE
        sentence = gateway_texts.reason(self.env, provider, error)
        if not is_unreadable or self._note_odd_answer(sentence, error.message):
            provider._connection_failed(error)

    def _next_poll(self):
        age = (fields.Datetime.now() - (self.submitted_at or fields.Datetime.now())).total_seconds() / 60
        minutes = next((step for limit, step in POLL_MINUTES if age < limit), POLL_MINUTES_LATER)
        if self.activation_expires_at and self.activation_expires_at > fields.Datetime.now():
            # A company that confirms at the last moment must not be asked to register again.
            left = (self.activation_expires_at - fields.Datetime.now()).total_seconds() / 60
            minutes = min(minutes, max(left // 2, POLL_MINUTES_LEAST), left)
        return fields.Datetime.now() + timedelta(minutes=minutes)

    def _apply_progress(self, progress):
        """Store the steps and follow VSS's state; states that Odoo does not know leave ours as it is."""
        is_whole = progress.state == "accepted" and not progress.faults
        self._store_steps(progress.steps)
        self._take_number(progress.dossier_number, "gateway")
        if progress.state == "rejected" and "rejected" in TRANSITIONS[self.state]:
            failed = next((step for step in reversed(progress.steps) if not step.passed), None)
            self._on_refused(failed.code if failed else "", failed.description if failed else "", progress.holder)
        elif progress.state == "confirmed" and "confirmed" in TRANSITIONS[self.state]:
            confirmed = [step.at for step in progress.steps if step.at]
            self._confirm(max(confirmed).replace(tzinfo=None, microsecond=0) if confirmed else fields.Datetime.now())
        elif progress.state == self.state:
            self._strengthen("gateway")
        elif progress.state in ("received", "processing") and self.state == "sent" and not self.activation_received_at:
            # VSS has not answered yet, so no code can be running out.
            self.sudo().activation_expires_at = fields.Datetime.now() + timedelta(hours=ACTIVATION_HOURS)
        elif progress.state == "accepted" and self.activation_expires_at and not self.activation_received_at:
            self._count_from_acceptance(progress)
        if progress.notification:
            # After what the gateway says itself, which a notification that cannot be taken must not undo.
            self.env.flush_all()
            try:
                with self.env.cr.savepoint():
                    self.env["l10n_vn_ibhxh.notification"]._from_gateway(progress.notification, self)
            except OperationalError:
                raise
            except Exception:
                is_whole = False
                _logger.exception("The notification for BHXH registration %s cannot be taken", self.id)
        # While VSS has not answered, the end of the code moves on with each answer: none is left out.
        version = progress.version if is_whole else ""
        if (self.progress_version or "") != version:
            self.sudo().progress_version = version

    def _count_from_acceptance(self, progress):
        """VSS may have accepted it, and mailed the code, at any time while the gateway gave no answer."""
        if self.state != "sent" or not self.unanswered_since:
            return
        now = fields.Datetime.now()
        passed = [step.at.replace(tzinfo=None, microsecond=0) for step in progress.steps if step.at]
        expires_at = min(max(passed, default=now), now) + timedelta(hours=ACTIVATION_HOURS)
        if expires_at > self.activation_expires_at:
            self.sudo().activation_expires_at = expires_at

    def _store_steps(self, steps):
        existing = {step.number: step for step in self.sudo().step_ids}
        for step in steps:
            vals = {
                "date": step.at.replace(tzinfo=None, microsecond=0) if step.at else False,
                "code": step.code,
                "description": step.description,
                "passed": step.passed,
            }
            if step.number in existing:
                record = existing[step.number]
                if any(record[name] != value for name, value in vals.items()):
                    record.write(vals)
            else:
                existing[step.number] = (
                    self.env["l10n_vn_ibhxh.registration.step"]
                    .sudo()
                    .create({"registration_id": self.id, "number": step.number, **vals})
                )
