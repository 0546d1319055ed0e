import base64
import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import timedelta, timezone

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.modules.registry import Registry
from odoo.tools import split_every
from psycopg2 import Error as PsycopgError
from psycopg2 import OperationalError

from ..tools import remote
from .const import REMOTE_CALLS

_logger = logging.getLogger(__name__)

# The person has the service's five minutes; one more is for the last question.
DEADLINE = timedelta(seconds=remote.CONFIRM_SECONDS + 60)
# A service that does not answer is asked for so long: what was confirmed on the phone is not given up easily.
PATIENCE = timedelta(hours=1)
# How long after a start whose answer was lost the service may not know the transaction yet.
APPEARS = timedelta(seconds=60)
ASK_SOON, ASK_LATER, ASK_RARELY = timedelta(seconds=5), timedelta(seconds=10), timedelta(seconds=60)
FIRST_MINUTE = timedelta(seconds=60)
# Longer than any question takes: after that, the process that asked it is taken for dead.
CALL = timedelta(seconds=90)
# Longer than any start takes, which logs in and looks at the certificate first.
START = timedelta(seconds=remote.CALL_SECONDS)
# Calls that wait for people, in all processes together.
MOST_BLOCKING = 20
TRIES = 5
# Seconds between the tries to store what a thread has in hand.
STORE_WAITS = (1, 2, 4, 8, 15, 30)
SHOWN_CODES = 3


class L10n_Vn_IbhxhSigningRequestRemote(models.AbstractModel):
    """Signing with a key that a remote service keeps: start, wait, take the signature.

    `pending` is prepared: the exact SignedInfo is stored and its code is shown. `claimed` is under way, `remote_state`
    says how far, `ask_at` when the service is asked next. The transaction's number is committed before the service is
    called, and a start is never repeated: a second push may make the person sign twice. What the service answers is
    stored before anything follows from it. No row is locked and no transaction is open while a service is asked.

    One scheduled action does all that, on any number of hosts; open pages wake it while somebody waits.
    """

    _name = "l10n_vn_ibhxh.signing.request.remote"
    _description = "Signing by a remote service"

    remote_account_id = fields.Many2one(
        "l10n_vn_ibhxh.remote.account",
        string="Remote signing account",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
    )
    remote_state = fields.Selection(
        [
            ("sending", "Being sent to the phone"),
            ("waiting", "On the phone"),
            ("unknown", "No answer yet"),
            ("received", "Being checked"),
        ],
        string="On the phone",
        readonly=True,
        copy=False,
    )
    signed_info = fields.Binary(readonly=True, attachment=False, copy=False)
    remote_value = fields.Binary(
        readonly=True, attachment=False, copy=False, help="What the service sent as signature, not yet checked."
    )
    # Anyone who knows these can ask some services for the outcome.
    remote_reference = fields.Char(readonly=True, copy=False, index="btree_not_null", groups=fields.NO_ACCESS)
    remote_handle = fields.Json(readonly=True, copy=False, groups=fields.NO_ACCESS)
    remote_doc_id = fields.Char(readonly=True, copy=False, export_string_translation=False)
    short_code = fields.Char(
        string="Code in the app",
        readonly=True,
        copy=False,
        help="The app on the phone shows the same digits. Refuse there when they differ.",
    )
    to_phone_at = fields.Datetime(readonly=True, copy=False, help="When somebody had it sent to the phone.")
    started_at = fields.Datetime(readonly=True, copy=False)
    ask_at = fields.Datetime(readonly=True, copy=False)

    _to_phone = models.Index("(to_phone_at) WHERE state = 'pending' AND to_phone_at IS NOT NULL")
    _to_ask = models.Index("(ask_at) WHERE ask_at IS NOT NULL")

    @api.model
    def _remote_values(self, document, account):
        """Return what a new request for `document` (bytes) has besides, when `account` signs. Raises `UserError`."""
        try:
            prepared = remote.prepare(document)
        except remote.LayoutError:
            raise UserError(self.env._("This document has no place for a signature.")) from None
        code = remote.short_code(prepared.digest)
        return {
            "remote_account_id": account.id,
            "signed_info": base64.b64encode(prepared.signed_info),
            "short_code": code,
            "remote_doc_id": f"BHXH-{code.replace(' ', '')}",
        }

    # -- a person has it sent ------------------------------------------------------------------------------------------

    def _send_to_phone(self):
        """Have those that are prepared sent to the phones, right after this transaction."""
        requests = self.sudo().filtered(lambda request: request._is_prepared())
        requests.lock_for_update()
        requests.filtered(lambda request: request._is_prepared()).write({"to_phone_at": fields.Datetime.now()})
        requests._notify_records()
        self._wake_remote()

    def _is_prepared(self):
        return bool(self.remote_account_id and self.state == "pending" and not self.to_phone_at)

    @api.model
    def _remote_domain(self):
        return Domain("remote_account_id", "!=", False)

    @api.model
    def _prepared_domain(self):
        """Return those of which `_is_prepared` says yes."""
        return self._remote_domain() & Domain("state", "=", "pending") & Domain("to_phone_at", "=", False)

    @api.model
    def _wake_remote(self, at=None):
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_remote").sudo()._trigger(at)

    def _wake_if_due(self):
        """Called by open pages: wake the scheduled action when one of these may be asked about now."""
        if self.sudo().filtered_domain(self._remote_due_domain(fields.Datetime.now())):
            self._wake_remote()

    def _remote_seconds_left(self):
        """Return for how many seconds the person can still confirm."""
        end = self.started_at and self.started_at + timedelta(seconds=remote.CONFIRM_SECONDS)
        return max(int((end - fields.Datetime.now()).total_seconds()), 0) if end else remote.CONFIRM_SECONDS

    # -- the scheduled action ------------------------------------------------------------------------------------------

    @api.model
    def _to_start_domain(self):
        return Domain("state", "=", "pending") & Domain("to_phone_at", "!=", False)

    @api.model
    def _to_ask_domain(self, now):
        # One that was cancelled is asked about, too: a person may confirm it all the same, and that is noted.
        return Domain("state", "in", ("claimed", "cancelled")) & Domain("ask_at", "<=", now)

    @api.model
    def _remote_due_domain(self, now):
        return self._to_start_domain() | self._to_ask_domain(now)

    def _cron_remote(self):
        """Start what was sent to a phone, ask about what waits there, take what was signed."""
        self._run_calls(self._begin_starts(), is_start=True)
        self._run_calls(self._begin_questions(), is_start=False)
        self._take_values()
        next_at = self.sudo().search([("ask_at", "!=", False)], order="ask_at", limit=1).ask_at
        if next_at:
            self._wake_remote(max(next_at, fields.Datetime.now() + ASK_SOON))

    def _begin_starts(self):
        """Mark what is prepared as being sent, those of one certificate together; return their transactions' numbers.

        Whatever happens from here on, none of these numbers is used for another start.
        """
        domain = self._to_start_domain()
        waiting = self.sudo().search(domain, order="to_phone_at, id").try_lock_for_update().filtered_domain(domain)
        references, held = [], 0
        for (account, certificate), requests in waiting.grouped(
            lambda request: (request.remote_account_id, request.certificate_id)
        ).items():
            usable = requests._fail_if_gone(account)
            if not usable:
                continue
            adapter = account._adapter()
            for some in split_every(account._confirmation_limit(certificate), usable.ids, usable.browse):
                if adapter.is_blocking and self._count_blocking(account.service_id.adapter) >= MOST_BLOCKING:
                    held += len(some)
                else:
                    references.append(some._mark_started(adapter))
        self.env["ir.cron"]._commit_progress(len(waiting) - held, remaining=0)
        return references

    def _fail_if_gone(self, account):
        """Fail those that `account` may not sign for any more; return the others."""
        usable = self.filtered(
            lambda request: account._can_sign_for(request.company_id) and account._reference(request.certificate_id)
        )
        usable = usable if account._adapter() else self.browse()
        for request in self - usable:
            try:
                with self.env.cr.savepoint():
                    request._fail("account_gone", "")
            except UserError:
                # Somebody else is working on the record: at the next turn.
                _logger.info("Request %s cannot be ended now", request.id)
        return usable

    @api.model
    def _count_blocking(self, name):
        """Return how many calls of the adapter `name`, which answers only once people have decided, wait for them."""
        domain = Domain("state", "=", "claimed") & Domain("remote_state", "=", "sending")
        domain &= Domain("remote_account_id.service_id.adapter", "=", name)
        return len(set(self.sudo().search(domain).mapped("remote_reference")))

    def _mark_started(self, adapter):
        """Note that these are about to be started together; return the transaction's number."""
        reference = str(uuid.uuid4())
        now = fields.Datetime.now()
        # One that answers only once the person decided cannot be asked before that.
        patience = START + timedelta(seconds=remote.CONFIRM_SECONDS if adapter.is_blocking else 0)
        taken = set()
        for request in self:
            name = request.remote_doc_id
            request.remote_doc_id = f"{name}-{request.id}" if name in taken else name
            taken.add(name)
        self.write(
            {
                "state": "claimed",
                "remote_state": "sending",
                "remote_reference": reference,
                "started_at": now,
                "lease_until": now + DEADLINE,
                "ask_at": now + patience,
            }
        )
        self._notify_records()
        return reference

    def _begin_questions(self):
        """Reserve what is due for a question; return the numbers of the transactions, each once."""
        now = fields.Datetime.now()
        domain = self._to_ask_domain(now)
        due = self.sudo().search(domain, order="ask_at, id").try_lock_for_update().filtered_domain(domain)
        # Other hosts that look meanwhile leave these alone; after a crash they are due again.
        due.write({"ask_at": now + CALL})
        self.env["ir.cron"]._commit_progress(remaining=0)
        return list(dict.fromkeys(due.filtered(lambda request: not request.remote_value).mapped("remote_reference")))

    def _run_calls(self, references, is_start):
        """Call the services of these transactions side by side, and store each answer by itself."""
        calls = {}
        for reference in references:
            call, is_blocking = self._call(reference, is_start)
            if is_blocking:
                _in_background(self.env.cr.dbname, reference, call)
            else:
                calls[reference] = call
        self.env["ir.cron"]._commit_progress()
        if not calls:
            return
        with ThreadPoolExecutor(min(REMOTE_CALLS, len(calls))) as pool:
            running = {pool.submit(_outcome, call): reference for reference, call in calls.items()}
            for done in as_completed(running):
                self._store_outcome(running[done], done.result(), is_start)
        self._take_values()

    @api.model
    def _of_reference(self, reference):
        return self.sudo().search([("remote_reference", "=", reference)], order="id")

    @api.model
    def _call(self, reference, is_start):
        """Return a function that starts this transaction or asks about it, without the database, and whether it waits
        for the person."""
        requests = self._of_reference(reference)
        account = requests.remote_account_id
        try:
            service = account.service_id._remote()
        except (remote.RemoteError, UserError) as error:
            _logger.warning("Remote signing service %s cannot be used: %s", account.service_id.id, type(error).__name__)
            refusal = remote.ServiceRefused("service_settings")
            return (lambda: _raise(refusal)), False
        identity, items = account.identity, requests._items()
        if is_start:
            certificate = account._reference(requests.certificate_id) or ""
            description = requests._description_for_phone()
            return (lambda: service.start(reference, identity, certificate, items, description)), service.is_blocking
        handle = requests[0].remote_handle or {}
        return (lambda: service.poll(reference, identity, items, handle)), False

    def _items(self):
        return [
            remote.Item(request.remote_doc_id, remote.digest_of(base64.b64decode(request.signed_info)), request.title)
            for request in self.with_context(bin_size=False)
        ]

    def _description_for_phone(self):
        """Return what the app shows, in Vietnamese: how many dossiers, and the codes to compare."""
        codes = ", ".join(self.mapped("short_code")[:SHOWN_CODES]) + ("…" if len(self) > SHOWN_CODES else "")
        return f"BHXH: {len(self)} tờ khai, mã {codes}"

    # -- what a service answers ----------------------------------------------------------------------------------------

    def _store_outcome(self, reference, outcome, is_start):
        """Store and commit what a call of this transaction gave: an answer or an error of `tools.remote`.

        Somebody who cancels at this moment changes the same rows: then it is stored after that. What cannot be stored
        is asked for again, and one that fails never stops the others.
        """
        for _attempt in range(TRIES):
            try:
                requests = self._of_reference(reference)
                # Waits for others, who are quick: what is in hand may be a signature that nobody can fetch again.
                self.env.cr.execute(
                    "SELECT id FROM l10n_vn_ibhxh_signing_request WHERE id = ANY(%s) ORDER BY id FOR UPDATE",
                    [requests.ids],
                )
                requests.invalidate_recordset()
                requests._take_outcome(outcome, is_start)
                self.env["ir.cron"]._commit_progress()
            except (OperationalError, UserError):
                self.env.cr.rollback()
            except Exception:
                self.env.cr.rollback()
                _logger.exception("The outcome of remote signing %s cannot be stored", requests.ids)
                return
            else:
                return
        _logger.warning("The outcome of remote signing %s could not be stored and is asked for again", requests.ids)

    def _take_outcome(self, outcome, is_start):
        """Take what a service answered about these, which are locked."""
        current = self.filtered(lambda request: request.state == "claimed" and request.remote_state != "received")
        (self - current)._take_late(outcome)
        now = fields.Datetime.now()
        if isinstance(outcome, remote.Signed):
            for request in current:
                value = outcome.values.get(request.remote_doc_id)
                if value:
                    # Nothing else is written with it, so that nothing else can make its transaction fail.
                    request.write({"remote_state": "received", "remote_value": base64.b64encode(value), "ask_at": now})
                else:
                    request._fail("service_failed", "")
        elif isinstance(outcome, remote.Waiting):
            current._wait(now, "waiting", dict(outcome.handle))
        elif isinstance(outcome, remote.ServiceRefused):
            _logger.info("Remote signing %s ended: %s", current.ids, outcome.code)
            for request in current:
                request._fail(outcome.code, "")
        elif isinstance(outcome, remote.NotSent) and is_start:
            for request in current:
                request._fail("unreachable", "")
        elif isinstance(outcome, remote.NotKnown):
            for request in current:
                # A start that was answered is known at once; one whose answer was lost may take a moment.
                if request.remote_state == "waiting" or not request._can_be_asked_without_answer():
                    request._fail("lost", "")
                elif request.started_at + APPEARS <= now:
                    request._fail("unreachable", "")
                else:
                    request._wait(now, "unknown")
        else:
            current._wait_for_answer(now, getattr(outcome, "retry_after", None))

    def _can_be_asked_without_answer(self):
        """Whether the service can be asked about a start whose answer was lost; else it may well be on the phone."""
        adapter = self.remote_account_id._adapter()
        return adapter and not (adapter.is_blocking or adapter.signs_on_poll)

    def _wait(self, now, remote_state, handle=None):
        """The person has not decided: ask again a little later, unless the time is over."""
        for request in self:
            if request.lease_until <= now:
                request._fail("expired", "")
                continue
            pause = ASK_SOON if now - request.started_at < FIRST_MINUTE else ASK_LATER
            vals = {"remote_handle": handle} if handle is not None else {}
            request.write({"remote_state": remote_state, "ask_at": now + pause, **vals})
        self._notify_records()

    def _wait_for_answer(self, now, retry_after):
        """The service did not answer: what was started may be signed any moment, so it is asked for longer."""
        for request in self:
            if request.started_at + PATIENCE <= now:
                request._fail("unanswered", "")
                continue
            pause = ASK_LATER if request.lease_until > now else ASK_RARELY
            pause = max(pause, timedelta(seconds=min(retry_after or 0, PATIENCE.seconds // 4)))
            # An answer of before still holds: the request is on the phone.
            state = "waiting" if request.remote_state == "waiting" else "unknown"
            request.write({"remote_state": state, "ask_at": now + pause})
        self._notify_records()

    def _take_late(self, outcome):
        """What comes for a request that is over changes nothing; a signature is discarded, and that is noted once."""
        now = fields.Datetime.now()
        values = outcome.values if isinstance(outcome, remote.Signed) else {}
        for request in self.filtered(lambda request: request.state == "failed" and values.get(request.remote_doc_id)):
            request._note_discarded(self.env._("The signature arrived after the request had ended and was discarded."))
        for request in self.filtered(lambda request: request.state == "cancelled" and request.ask_at):
            is_waiting = isinstance(outcome, (remote.Waiting, remote.NotSent, remote.Unanswered))
            if is_waiting and request.started_at + DEADLINE > now:
                request.ask_at = now + ASK_LATER
                continue
            request.ask_at = False
            if isinstance(outcome, remote.Signed) and outcome.values.get(request.remote_doc_id):
                request._note_cancelled()

    def _note_cancelled(self):
        self._note_discarded(self.env._("The signature arrived after the request was cancelled and was discarded."))

    def _note_discarded(self, sentence):
        _logger.warning("A remote signature for request %s came when it was over", self.id)
        self._record()._message_log(body=sentence)

    def _after_cancel(self):
        """Go on asking about what is on a phone already: who confirms it there has to be told of it here."""
        if self.remote_value:
            # It was confirmed, and only checking it is left out.
            self.ask_at = False
            self._note_cancelled()
            return
        adapter = self.remote_account_id._adapter()
        is_asked = self.started_at and adapter and not (adapter.signs_on_poll or adapter.is_blocking)
        if not is_asked:
            self.ask_at = False

    def _take_values(self):
        """Check the signatures that were received, and let their records go on; each by itself."""
        domain = Domain("state", "=", "claimed") & Domain("remote_state", "=", "received")
        for request in self.sudo().search(domain, order="id"):
            try:
                if request.try_lock_for_update().filtered_domain(domain):
                    request._take_value()
                self.env["ir.cron"]._commit_progress()
            except (OperationalError, UserError) as error:
                # Somebody else is working on the record. The value stays, and the next turn takes it.
                self.env.cr.rollback()
                _logger.info("The signature of request %s is taken later: %s", request.id, type(error).__name__)
            except Exception:
                self.env.cr.rollback()
                _logger.exception("The signature of request %s cannot be taken", request.id)

    def _take_value(self):
        """Take the bare signature that was received: it counts only if the verifier says so, as from any computer."""
        request = self.with_context(bin_size=False)
        account = request.remote_account_id
        try:
            signed = remote.finish(
                base64.b64decode(request.document),
                base64.b64decode(request.signed_info),
                base64.b64decode(request.remote_value),
                request.certificate_id._der(),
                fields.Datetime.now().replace(tzinfo=timezone.utc),
            )
            refusal = self._refusal(signed)
        except remote.LayoutError as error:
            refusal = error
        if refusal:
            _logger.warning("A remote signature for request %s is not valid: %s", self.id, refusal)
            self._fail("invalid_signature", str(refusal))
        else:
            self._accept({self: signed}, account.user_id, account.service_id.name)


def _raise(error):
    raise error


def _outcome(call):
    """Return what the call answers, or the `RemoteError` that it raises."""
    try:
        return call()
    except remote.RemoteError as error:
        return error
    except Exception as error:
        # A fault of an adapter: whether something was started is not known. Its text may hold what was sent.
        _logger.error("A remote signing service could not be asked: %s", type(error).__name__)
        return remote.Unanswered("fault")


def _in_background(dbname, reference, call):
    """Make a call that waits for a person in a thread: no worker, transaction or lock waits with it.

    A thread that dies with its process leaves a request under way, which is asked about at its deadline.
    """

    def work():
        outcome = _outcome(call)
        for wait in STORE_WAITS:
            try:
                with Registry(dbname).cursor() as cr:
                    requests = api.Environment(cr, SUPERUSER_ID, {})["l10n_vn_ibhxh.signing.request"]
                    requests._store_outcome(reference, outcome, is_start=True)
                    requests._take_values()
                return
            except PsycopgError as error:
                # No connection is free, or the database restarts: nobody can fetch this signature again.
                _logger.warning("The outcome of remote signing %s waits: %s", reference[:8], type(error).__name__)
                time.sleep(wait)
        _logger.error("The outcome of remote signing %s could not be stored", reference[:8])

    threading.Thread(target=work, name=f"remote-signing-{reference[:8]}", daemon=True).start()
