import logging
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Domain
from odoo.tools import format_datetime, split_every

from ..tools import validation
from .const import LODGINGS, OPEN_STATES, standing

_logger = logging.getLogger(__name__)

FORGET_DAYS = 7
# What a batch may give to companies that have none of their own.
LACKED = ("provider_id", "agency_id", "email", "phone")
CHUNK = 50
COUNTS = ("ready", "blocked", "to_submit", "to_sign", "signed", "sent", "to_activate", "confirmed", "failed")
# How far along a company is, out of 4: signed, sent, code received, confirmed.
WEIGHTS = {"signed": 1, "sent": 2, "to_activate": 3, "confirmed": 4}
MOST_WEIGHT = 4


class L10n_Vn_IbhxhBatch(models.Model):
    """Several companies registered together: first what blocks whom, then how far each of them is.

    A company that is registered already, and has a certificate that VSS does not know yet, sends form 05 instead.

    Nothing is created before “Đăng ký” is pressed. Where the I-VAN has no connection, its maker submits the dossiers
    there and says so for all of them at once, or for each. The computers with the tokens sign what they can claim, up
    to 500 documents a time, so one PIN serves all documents of one certificate.
    """

    _name = "l10n_vn_ibhxh.batch"
    _inherit = ["l10n_vn_ibhxh.protected"]
    # Its maker fills in what companies lack; the rest follows from the buttons.
    _person_fields = frozenset({*LACKED, "lodging"})
    _description = "BHXH registrations of several companies"
    _order = "id desc"

    name = fields.Char(compute="_compute_name")
    user_id = fields.Many2one(
        "res.users", string="Responsible", required=True, readonly=True, index=True, default=lambda self: self.env.user
    )
    state = fields.Selection(
        [("draft", "To check"), ("running", "Registering"), ("started", "In progress")],
        required=True,
        readonly=True,
        default="draft",
    )
    provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider", string="I-VAN", help="For the companies that have not chosen one."
    )
    agency_id = fields.Many2one(
        "l10n_vn_ibhxh.agency", string="BHXH agency", help="For the companies that have not chosen one."
    )
    email = fields.Char(string="E-mail", help="For the companies that have none. VSS sends the activation codes there.")
    phone = fields.Char(help="For the companies that have none.")
    lodging = fields.Selection(
        [lodging for lodging in LODGINGS if lodging[0] != "odoo"],
        string="How it is submitted",
        required=True,
        default="elsewhere",
        help="For the companies whose I-VAN has no connection with Odoo.",
    )
    line_ids = fields.One2many("l10n_vn_ibhxh.batch.line", "batch_id", readonly=True)
    company_count = fields.Integer(string="Companies", compute="_compute_counts")
    ready_count = fields.Integer(string="Ready", compute="_compute_counts")
    blocked_count = fields.Integer(string="Blocked", compute="_compute_counts")
    to_submit_count = fields.Integer(string="To submit at the I-VAN", compute="_compute_counts")
    to_sign_count = fields.Integer(string="Waiting for the signature", compute="_compute_counts")
    to_phone_count = fields.Integer(
        string="Ready for the phone", compute="_compute_phone_counts", help="Prepared, and not yet sent to the phone."
    )
    on_phone_count = fields.Integer(string="On the phone", compute="_compute_phone_counts")
    signed_count = fields.Integer(string="Signed", compute="_compute_counts")
    sent_count = fields.Integer(string="Sent", compute="_compute_counts")
    to_activate_count = fields.Integer(string="To activate", compute="_compute_counts")
    confirmed_count = fields.Integer(string="Confirmed", compute="_compute_counts")
    failed_count = fields.Integer(string="Failed", compute="_compute_counts")
    progress = fields.Float(compute="_compute_counts", help="Progress towards VSS's confirmation, in percent.")

    @api.depends("create_date")
    @api.depends_context("lang", "tz")
    def _compute_name(self):
        for batch in self:
            date = batch.create_date or fields.Datetime.now()
            batch.name = self.env._("Batch of %(time)s", time=format_datetime(self.env, date, dt_format="short"))

    @api.depends("line_ids.progress_state")
    def _compute_counts(self):
        counts = {batch.id: dict.fromkeys(COUNTS, 0) for batch in self}
        lines = self.env["l10n_vn_ibhxh.batch.line"]._read_group(
            [("batch_id", "in", self.ids)],
            ["batch_id", "registration_state", "registration_lodging", "is_blocked"],
            ["__count"],
        )
        for batch, state, lodging, is_blocked, count in lines:
            name = standing(state, lodging).counted if state else "blocked" if is_blocked else "ready"
            counts[batch.id][name] += count
        for batch in self:
            count = counts.get(batch.id) or dict.fromkeys(COUNTS, 0)
            for name in COUNTS:
                batch[f"{name}_count"] = count[name]
            batch.company_count = sum(count.values())
            started = batch.company_count - count["blocked"] - count["ready"]
            weight = sum(count[name] * WEIGHTS.get(name, 0) for name in COUNTS)
            batch.progress = 100 * weight / (started * MOST_WEIGHT) if started else 0

    @api.depends("line_ids.registration_id.can_send_to_phone", "line_ids.registration_id.is_on_phone")
    def _compute_phone_counts(self):
        """Counted by the database: a batch of thousands is opened, and followed, without reading all its lines."""
        requests = self.env["l10n_vn_ibhxh.signing.request"]
        counts = [
            self._count_registrations(domain) for domain in (requests._remote_domain(), requests._prepared_domain())
        ]
        for batch in self:
            on_phone, batch.to_phone_count = (count.get(batch.id, 0) for count in counts)
            batch.on_phone_count = on_phone - batch.to_phone_count

    def _count_registrations(self, requests_domain):
        """Return `{batch's id: how many of its registrations wait to be signed by such a request}`."""
        waiting = Domain("batch_id", "in", self.ids) & Domain("registration_state", "=", "to_sign")
        # Without the rights on requests, as the registrations' own fields are worked out.
        waiting &= Domain("registration_id", "any!", Domain("signing_request_id", "any!", requests_domain))
        lines = self.env["l10n_vn_ibhxh.batch.line"]._read_group(waiting, ["batch_id"], ["__count"])
        return {batch.id: count for batch, count in lines}

    def write(self, vals):
        """What was filled in may lift what blocks a company."""
        result = super().write(vals)
        if not self.env.su:
            self.action_check_again()
        return result

    # -- from the overview -------------------------------------------------------------------------------------------

    @api.model
    def _from_companies(self, companies):
        """Return a new batch of `companies` with what blocks each of them; raises `AccessError` for foreign ones."""
        companies = companies.with_env(self.env)
        companies._l10n_vn_ibhxh_check_chosen()
        batch = self.sudo().create({"user_id": self.env.uid})
        batch.sudo(False)._check_lines(companies)
        return batch.sudo(False)

    @api.model
    def action_from_companies(self, company_ids):
        """Open a new batch of the companies with these ids."""
        self.check_access("read")
        if not company_ids:
            raise UserError(self.env._("Choose the companies in the list first."))
        return self._from_companies(self.env["res.company"].browse(company_ids))._get_records_action()

    def action_check_again(self):
        """Look again at what blocks the companies that are not registered yet."""
        for batch in self:
            batch._check_own()
            batch._check_lines(batch.line_ids.filtered(lambda line: not line.registration_id).company_id)
        return True

    def _check_own(self):
        self.check_access("read")
        if self.user_id != self.env.user:
            raise AccessError(
                self.env._("Only %(user)s, who created this batch, can continue it.", user=self.user_id.name)
            )

    def _check_lines(self, companies):
        """Create the line of each of `companies`, or renew it where something changed; a constant number of queries."""
        self.ensure_one()
        lines = {line.company_id: line for line in self.sudo().line_ids}
        new = []
        for company, vals in self._assess(companies).items():
            line = lines.get(company)
            if line:
                own = {name: line._fields[name].convert_to_write(line[name], line) for name in vals}
                if own != vals:
                    line.write(vals)
            else:
                new.append({"batch_id": self.id, "company_id": company.id, **vals})
        self.env["l10n_vn_ibhxh.batch.line"].sudo().create(new)

    def _assess(self, companies):
        """Return `{company: values of its line}`: form, certificate, and what blocks it, one sentence each."""
        certificates = self.env["l10n_vn_ibhxh.certificate"]._by_company(companies)
        busy = {
            company
            for (company,) in self.env["l10n_vn_ibhxh.registration"]._read_group(
                [("company_id", "in", companies.ids), ("state", "in", OPEN_STATES)], ["company_id"]
            )
        }
        restarting = companies._l10n_vn_ibhxh_pending_stops()
        result = {}
        for company, proposal in companies._l10n_vn_ibhxh_propose(self._lacked()).items():
            form = company._l10n_vn_ibhxh_offered_forms()[0]
            certificate = certificates[company][:1]
            if form == "05":
                certificate = company.l10n_vn_ibhxh_newer_certificate_id & certificates[company]
            is_over = company.l10n_vn_ibhxh_state == "stopped" and company not in restarting
            blockers = self._blockers(company, certificate, proposal, is_busy=company in busy, is_over=is_over)
            result[company] = {
                "form": form,
                "certificate_id": certificate.id,
                "blockers": "\n".join(blockers) or False,
                "is_blocked": bool(blockers),
            }
        return result

    def _lodging(self, provider):
        """Return how a company with this I-VAN submits: by Odoo where that is possible, else as the batch says."""
        ways = (provider or self.env["l10n_vn_ibhxh.provider"])._lodgings()
        return self.lodging if ways[0] != "odoo" and self.lodging in ways else ways[0]

    def _lacked(self):
        """Return what this batch gives to companies that have none of their own, as values of a registration."""
        return {name: self[name] for name in LACKED}

    def _blockers(self, company, certificate, proposal, *, is_busy, is_over):
        if is_busy:
            return [self.env._("A registration is already in progress.")]
        if company.l10n_vn_ibhxh_state == "expired" and company.l10n_vn_ibhxh_next_action == "find_code":
            return [
                self.env._(
                    "No activation code has come for its last dossier yet. Open that one and look for the code; "
                    "register again there only if VSS has nothing."
                )
            ]
        if is_over:
            return [self.env._("Stopped at VSS. If it is to be registered again, do so from the company itself.")]
        is_elsewhere = self._lodging(proposal["provider_id"]) == "elsewhere"
        if company.l10n_vn_ibhxh_state == "confirmed" and not certificate:
            return [
                self.env._(
                    "Already registered, and no new certificate is known. Send other changes from the company itself."
                )
            ]
        blockers = []
        if not company.l10n_vn_ibhxh_tax_code:
            blockers.append(self.env._("The tax code is missing or wrong. Enter it on the company."))
        elif not certificate and not is_elsewhere:
            blockers.append(self.env._("No valid certificate is known. Plug its token into a paired computer."))
        if not proposal["provider_id"]:
            blockers.append(self.env._("The I-VAN is not chosen. Choose it here or on the company."))
        if not proposal["agency_id"] and not is_elsewhere:
            blockers.append(self.env._("The BHXH agency is not chosen. Choose it here or on the company."))
        if not proposal["email"]:
            blockers.append(self.env._("The e-mail address is missing. Enter it here or on the company."))
        if not proposal["phone"]:
            blockers.append(self.env._("The phone number is missing. Enter it here or on the company."))
        return blockers

    # -- registering -------------------------------------------------------------------------------------------------

    def action_register(self):
        """Register every company that nothing blocks. The first ones at once, the others by the scheduled action."""
        self.ensure_one()
        self._check_own()
        self.sudo().lock_for_update()
        self.action_check_again()
        if not self._waiting_lines(1):
            raise UserError(
                self.env._("Every company of this batch is blocked. Resolve what is listed, then press “Check again”.")
            )
        self.sudo().state = "running"
        self._register_some()
        return True

    def _register_some(self):
        """Register up to `CHUNK` of the companies that wait, together; return how many still wait.

        Those whose certificate's authority has to be asked first are left to the scheduled action: nobody waits for
        the network while rows are locked and others' work would be lost with this transaction.
        """
        self.ensure_one()
        waiting = self._waiting_lines(CHUNK)
        due = waiting.certificate_id._trust_due()
        ready = waiting.filtered(lambda line: line.certificate_id not in due)
        if ready:
            ready._register_companies(self.user_id)
        left = self.env["l10n_vn_ibhxh.batch.line"].sudo().search_count(self._waiting_domain())
        if left:
            self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_batch").sudo()._trigger()
        else:
            self.sudo().state = "started"
        return left

    def _cron_register(self):
        """Go on with batches whose companies are not all registered yet."""
        commit = self.env["ir.cron"]._commit_progress
        batches = self.search([("state", "=", "running")], order="id")
        # Counted in companies: a run that is cut short has done something then, and goes on before others have a turn.
        left = {batch: max(len(batch._waiting_lines()), 1) for batch in batches}
        commit(remaining=sum(left.values()))
        # One for all: an authority that did not answer is not asked again.
        fetch = self.env["l10n_vn_ibhxh.certificate"]._trust_fetch()
        for batch, after in left.items():
            try:
                if not batch._go_on(after, fetch, commit):
                    return
            except Exception:
                # The next run goes on with it; the others have their turn in this one.
                self.env.cr.rollback()
                _logger.exception("Batch %s cannot go on", batch.id)

    def _go_on(self, left, fetch, commit):
        """Register the companies that wait, `left` of them; return whether there is time left."""
        while left:
            if not self._ask_authorities(fetch, commit):
                return False
            locked = self.try_lock_for_update()
            before, left = left, locked._register_some() if locked else 0
            if not commit(max(before - left, 0)):
                return False
        return True

    def _waiting_lines(self, limit=None):
        """Return the lines (superuser) of the companies that nothing blocks and that are not registered yet."""
        return self.env["l10n_vn_ibhxh.batch.line"].sudo().search(self._waiting_domain(), limit=limit, order="id")

    def _waiting_domain(self):
        return (
            Domain("batch_id", "=", self.id) & Domain("registration_id", "=", False) & Domain("is_blocked", "=", False)
        )

    def _ask_authorities(self, fetch, commit):
        """Ask about the certificates of the next companies, once each; return whether there is time left.

        Nothing is locked and no transaction is open while an authority is waited for, and each verdict is committed.
        """
        for certificate in self._waiting_lines(CHUNK).certificate_id._trust_due():
            question = certificate._trust_question()
            if not commit():
                return False
            certificate._keep_trust(validation.check_chain(**question, fetch=fetch))
            if not commit():
                return False
        return True

    def action_send_to_phone(self):
        """Send what is prepared to the phones: one confirmation serves the dossiers of one certificate."""
        self.ensure_one()
        self._check_own()
        return self.line_ids.registration_id.action_send_to_phone()

    def action_ask_phone(self):
        """Called by open pages while somebody waits: have the services asked as soon as that is allowed again."""
        self.ensure_one()
        self.check_access("read")
        return self.line_ids.registration_id.action_ask_phone()

    def action_submitted(self):
        """“I have submitted them there”: what waits for its maker to submit it elsewhere counts as submitted now."""
        self.ensure_one()
        self._check_own()
        now = fields.Datetime.now()
        for line in self.line_ids.filtered(lambda line: line._is_to_submit()):
            line._submit_company(now)
        return True

    # -- pages -------------------------------------------------------------------------------------------------------

    def action_open_registrations(self):
        """Open the registrations of this batch."""
        self.ensure_one()
        self.check_access("read")
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_registration_action")
        return {**action, "domain": [("batch_line_ids.batch_id", "=", self.id)], "context": {}}

    @api.autovacuum
    def _gc_forgotten(self):
        """Drop batches that nobody started; they hold nothing but a look at companies."""
        limit = fields.Datetime.now() - timedelta(days=FORGET_DAYS)
        forgotten = self.sudo().search([("state", "=", "draft"), ("create_date", "<", limit)])
        for some in split_every(CHUNK, forgotten.ids, forgotten.browse):
            some.unlink()
