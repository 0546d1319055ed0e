import base64
import hashlib
import uuid
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import contact, dossier, vss_mail
from . import reminders
from .const import (
    ACTIVATION_HOURS,
    CERTIFICATE_TODO,
    EVIDENCE,
    FORMS,
    LOGGED,
    OPEN_STATES,
    STATES,
    STOP_REASONS,
    SUBJECT_TYPES,
    TODO,
    TRANSITIONS,
)
from .contact_error import contact_error
from .gateway_texts import OWN_CODE
from .mail_delivery import DELIVERY_KEY, Delivery, may_hold_code
from .vietnam_time import date_in_vietnam, day_in_vietnam, today_in_vietnam

# What the person fills in; fixed once the dossier has left the draft.
FORM_FIELDS = {
    "provider_id", "agency_id", "certificate_id", "unit_code", "email", "phone", "contact_name", "change_text",
    "stop_date", "stop_reason_code", "stop_reason", "lodging", "subject_type", "result_delivery_id",
}  # fmt: skip
# What the dossier that is signed says of the company; a draft has no dossier yet.
DOSSIER_FIELDS = ("tax_code", "company_name")


# Only the program can put an instance of this class into a context.
HISTORY_KEY = "l10n_vn_ibhxh_history"


class History:
    """Tells `write` that the caller writes the history down, for many registrations at once."""


def _without(vals, name):
    return {key: value for key, value in vals.items() if key != name}


class L10n_Vn_IbhxhRegistration(models.Model):
    """One dossier of one company: form 04 (register), 05 (amend) or 06 (stop), from the first click to VSS's answer.

    What it is, its states and what moves it are here; the concerns that are long have files of their own and are
    inherited by name. None of them defines a method that this class or another one of them defines.

    Times are UTC. `unit_code` (mã đơn vị) is the code under which VSS knows the employer. Documents are kept in the
    database and not in the filestore, so that a document and the state that rests on it are one transaction. Each is
    kept once: the signing request has the dossier until it is signed, from then on the registration has it as it was
    signed, and `document`, what was to be signed, follows from that.
    """

    _name = "l10n_vn_ibhxh.registration"
    _description = "BHXH e-transaction registration"
    _inherit = [
        "l10n_vn_ibhxh.protected",
        "mail.thread",
        "mail.activity.mixin",
        "l10n_vn_ibhxh.preflight",
        "l10n_vn_ibhxh.registration.dossier",
        "l10n_vn_ibhxh.registration.lodging",
        "l10n_vn_ibhxh.registration.sending",
        "l10n_vn_ibhxh.registration.following",
        "l10n_vn_ibhxh.registration.phone",
        "l10n_vn_ibhxh.registration.remedy",
        "l10n_vn_ibhxh.registration.reminders",
        "l10n_vn_ibhxh.registration.print",
        "l10n_vn_ibhxh.registration.proof",
    ]
    _order = "id desc"
    _check_company_auto = True
    _mail_post_access = "read"
    # Everything else is written by the state machine only.
    _person_fields = frozenset(FORM_FIELDS | {"user_id"})
    _creation_fields = frozenset({"company_id", "form"})
    _secret_fields = frozenset({"activation_code", "activation_url"})

    name = fields.Char(required=True, readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, default=lambda self: self.env.company
    )
    form = fields.Selection(FORMS, required=True, readonly=True, default="04")
    state = fields.Selection(
        STATES,
        required=True,
        readonly=True,
        default="draft",
        tracking=True,
        copy=False,
        index=True,
        group_expand="_group_expand_state",
    )
    provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider",
        string="I-VAN",
        check_company=True,
        index="btree_not_null",
        tracking=True,
        ondelete="restrict",
    )
    agency_id = fields.Many2one(
        "l10n_vn_ibhxh.agency", string="BHXH agency", index="btree_not_null", tracking=True, ondelete="restrict"
    )
    certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate", index="btree_not_null", tracking=True, ondelete="restrict"
    )
    tax_code = fields.Char(
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="As in the dossier. The company's contact can be changed later, the dossier cannot.",
    )
    company_name = fields.Char(
        string="Name in the dossier", readonly=True, copy=False, help="As in the dossier; see the tax code."
    )
    subject_type = fields.Selection(SUBJECT_TYPES, string="Registered as", required=True, default="1")
    result_delivery_id = fields.Many2one(
        "l10n_vn_ibhxh.result.delivery",
        string="Results arrive",
        default=lambda self: self.env["l10n_vn_ibhxh.result.delivery"].search([], limit=1),
    )
    unit_code = fields.Char(
        index="btree_not_null",
        help="Mã đơn vị: the code under which VSS knows the unit. A first-time unit has none yet.",
    )
    email = fields.Char(tracking=True)
    phone = fields.Char(tracking=True)
    contact_name = fields.Char(string="Contact person")
    user_id = fields.Many2one(
        "res.users", string="Responsible", default=lambda self: self.env.user, index=True, tracking=True
    )
    client_reference = fields.Char(
        required=True,
        readonly=True,
        copy=False,
        default=lambda self: str(uuid.uuid4()),
        export_string_translation=False,
    )

    change_text = fields.Text(string="What changes")
    old_certificate_id = fields.Many2one("l10n_vn_ibhxh.certificate", string="Old certificate", readonly=True)
    stop_date = fields.Date()
    stop_reason_code = fields.Selection(STOP_REASONS, string="Reason")
    stop_reason = fields.Text(string="Reason in words")
    then_register = fields.Boolean(
        string="Then register again",
        readonly=True,
        copy=False,
        help="Once VSS confirms the stop, registering is one click.",
    )
    target_provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider",
        string="Then register at",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
    )
    can_register_next = fields.Boolean(compute="_compute_can_register_next")
    then_certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate",
        string="Then amend the certificate",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="Data and certificate change at once: this dossier has the data, the next one the certificate.",
    )
    can_amend_next = fields.Boolean(compute="_compute_can_amend_next")

    document = fields.Binary(string="Dossier", compute="_compute_document")
    document_sha256 = fields.Char(readonly=True, copy=False, export_string_translation=False)
    document_name = fields.Char(compute="_compute_document_name")
    signed_document = fields.Binary(string="Signed dossier", readonly=True, attachment=False, copy=False)
    signed_at = fields.Datetime(readonly=True, copy=False)
    signed_by_id = fields.Many2one("res.users", string="Signed by", readonly=True, copy=False)
    signed_on = fields.Char(string="Signed on", readonly=True, copy=False)

    dossier_number = fields.Char(
        string="Dossier number", readonly=True, copy=False, tracking=True, index="btree_not_null"
    )
    dossier_number_source = fields.Selection(
        [("gateway", "Gateway"), ("notification", "Notification of VSS"), ("mail", "Mail"), ("person", "Person")],
        string="Dossier number from",
        readonly=True,
        copy=False,
        help="Who entered the dossier number. A number typed by a person proves nothing: numbers are sequential, so "
        "anyone can guess those of others.",
    )
    attempted_at = fields.Datetime(readonly=True, copy=False, help="When Odoo first handed the dossier to the gateway.")
    last_attempt_at = fields.Datetime(
        readonly=True,
        copy=False,
        export_string_translation=False,
        help="When Odoo last called the gateway to hand it over.",
    )
    retry_at = fields.Datetime(string="Next try", readonly=True, copy=False)
    retry_count = fields.Integer(readonly=True, copy=False)
    unsent_reminded = fields.Boolean(readonly=True, copy=False)
    submitted_at = fields.Datetime(readonly=True, copy=False, tracking=True)
    receipt = fields.Text(
        readonly=True, copy=False, export_string_translation=False, help="The gateway's receipt as received (JSON)."
    )
    poll_at = fields.Datetime(string="Next look", readonly=True, copy=False)
    unanswered_since = fields.Datetime(
        readonly=True,
        copy=False,
        export_string_translation=False,
        help="Since when the gateway has given no answer about this dossier.",
    )
    progress_version = fields.Char(
        readonly=True,
        copy=False,
        export_string_translation=False,
        help="Version of the gateway's last answer. As long as it is current, the gateway sends nothing again.",
    )
    answer_due_at = fields.Datetime(
        string="VSS answers until", readonly=True, copy=False, help="Counted in working days of the company's calendar."
    )
    answer_reminded = fields.Boolean(readonly=True, copy=False)
    activation_code = fields.Char(readonly=True, copy=False, groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
    activation_url = fields.Char(readonly=True, copy=False, groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
    activation_received_at = fields.Datetime(readonly=True, copy=False)
    activation_expires_at = fields.Datetime(readonly=True, copy=False)
    activation_seconds_left = fields.Integer(
        compute="_compute_activation_seconds_left",
        export_string_translation=False,
        help="Seconds until the activation code expires, by the server's clock; negative after it has expired.",
    )
    activation_reminded = fields.Boolean(readonly=True, copy=False)
    waiting_code_mail_id = fields.Many2one(
        "l10n_vn_ibhxh.mail", compute="_compute_waiting_code", export_string_translation=False
    )
    waiting_code = fields.Char(
        string="Code not applied", compute="_compute_waiting_code", groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"
    )
    waiting_code_reason = fields.Char(string="Why not applied", compute="_compute_waiting_code")
    waiting_code_sender = fields.Char(string="Sender of the code", compute="_compute_waiting_code")
    waiting_code_expires_at = fields.Datetime(string="End of the code", compute="_compute_waiting_code")
    waiting_code_seconds_left = fields.Integer(compute="_compute_waiting_code", export_string_translation=False)
    confirmed_at = fields.Datetime(readonly=True, copy=False, tracking=True)
    confirmation_evidence = fields.Selection(
        EVIDENCE,
        string="VSS's answer rests on",
        readonly=True,
        copy=False,
        help="A confirmation or refusal by the text of a mail is the weakest: a later code mail reopens it.",
    )
    step_ids = fields.One2many("l10n_vn_ibhxh.registration.step", "registration_id", string="Steps", readonly=True)
    error_code = fields.Char(readonly=True, copy=False, tracking=True)
    error_message = fields.Text(readonly=True, copy=False)
    result_code_id = fields.Many2one("l10n_vn_ibhxh.result.code", compute="_compute_result_code_id")
    remedy = fields.Text(string="What to do", compute="_compute_remedy")
    remedy_action = fields.Char(compute="_compute_remedy_action", export_string_translation=False)
    odd_answer = fields.Text(
        string="Faulty answer",
        readonly=True,
        copy=False,
        help="What broke the contract in the gateway's last faulty answer.",
    )
    holder_name = fields.Char(
        string="Registered with", readonly=True, copy=False, help="I-VAN that holds the unit now."
    )
    mail_ids = fields.One2many("l10n_vn_ibhxh.mail", "registration_id", string="Mails", readonly=True)
    mail_count = fields.Integer(compute="_compute_mail_count")
    notification_ids = fields.One2many(
        "l10n_vn_ibhxh.notification", "registration_id", string="Notifications", readonly=True
    )
    batch_line_ids = fields.One2many(
        "l10n_vn_ibhxh.batch.line", "registration_id", readonly=True, export_string_translation=False
    )
    signing_request_id = fields.Many2one(
        "l10n_vn_ibhxh.signing.request", readonly=True, copy=False, index="btree_not_null", ondelete="restrict"
    )
    signing_state = fields.Selection(related="signing_request_id.state", string="Signing")
    signing_hint = fields.Char(compute="_compute_signing_hint")
    can_submit = fields.Boolean(compute="_compute_can_submit")
    is_link_shown = fields.Boolean(compute="_compute_is_link_shown")
    portal_url = fields.Char(related="provider_id.portal_url")
    company_state = fields.Selection(related="company_id.l10n_vn_ibhxh_state", string="Status of the company")
    newer_certificate_id = fields.Many2one(related="company_id.l10n_vn_ibhxh_newer_certificate_id")

    printed_form = fields.Binary(string="Printed form", readonly=True, attachment=False, copy=False)
    printed_form_name = fields.Char(compute="_compute_printed_form_name")
    printed_form_sha256 = fields.Char(readonly=True, copy=False, export_string_translation=False)
    print_attempts = fields.Integer(readonly=True, copy=False, export_string_translation=False)

    _one_open = models.UniqueIndex(
        "(company_id) WHERE state IN ('draft', 'to_sign', 'to_send', 'sent', 'to_activate')",
        "This company already has an open registration. Open it, or cancel it first.",
    )
    _client_reference_unique = models.Constraint("UNIQUE (client_reference)", "The client reference already exists.")
    _recipient = models.Index("(lower(email))")
    _due = models.Index("(state, activation_expires_at) WHERE state IN ('sent', 'to_activate')")
    _poll_due = models.Index("(poll_at) WHERE state IN ('sent', 'to_activate', 'expired')")
    _answer_overdue = models.Index("(answer_due_at) WHERE state IN ('sent', 'expired') AND answer_reminded IS NOT TRUE")
    _code_due = models.Index("(activation_expires_at) WHERE state = 'to_activate' AND activation_reminded IS NOT TRUE")
    _unsent = models.Index("(attempted_at) WHERE state = 'to_send' AND unsent_reminded IS NOT TRUE")
    _to_print = models.Index("(id) WHERE printed_form_sha256 IS NULL AND submitted_at IS NOT NULL")

    # -- computed ------------------------------------------------------------------------------------------------------

    @api.depends("form")
    def _compute_document_name(self):
        for registration in self:
            registration.document_name = dossier.FILE_NAMES.get(registration.form)

    @api.depends("signed_document", "signing_request_id.document")
    def _compute_document(self):
        for registration in self:
            registration.document = base64.b64encode(registration._unsigned_document()) or False

    @api.depends("document_name")
    def _compute_printed_form_name(self):
        for registration in self:
            registration.printed_form_name = (registration.document_name or "").replace(".xml", ".pdf")

    @api.depends("error_code")
    def _compute_result_code_id(self):
        for registration in self:
            registration.result_code_id = self.env["l10n_vn_ibhxh.result.code"]._find(registration.error_code)

    @api.depends("error_code", "error_message", "state")
    @api.depends_context("lang")
    def _compute_remedy(self):
        for registration in self:
            if registration.state == "rejected" and registration.remedy_action == "retry":
                registration.remedy = self.env._(
                    "VSS failed for a temporary reason. Press “Send again”: the signed dossier is sent once more, "
                    "without a PIN."
                )
            else:
                registration.remedy = registration.result_code_id.remedy or False

    @api.depends("error_code")
    def _compute_remedy_action(self):
        for registration in self:
            registration.remedy_action = registration.result_code_id.remedy_action

    @api.depends(
        "form",
        "state",
        "then_register",
        "confirmed_at",
        "company_id.l10n_vn_ibhxh_state",
        "company_id.l10n_vn_ibhxh_confirmed_at",
    )
    def _compute_can_register_next(self):
        """A stop after which the company registers again, as long as nothing that VSS confirmed later overrides it."""
        for registration in self:
            company = registration.company_id
            registration.can_register_next = (
                registration.form == "06"
                and registration.state == "confirmed"
                and registration.then_register
                and company.l10n_vn_ibhxh_state == "stopped"
                and company.l10n_vn_ibhxh_confirmed_at == registration.confirmed_at
            )

    @api.depends(
        "state", "then_certificate_id", "company_id.l10n_vn_ibhxh_state", "company_id.l10n_vn_ibhxh_certificate_id"
    )
    def _compute_can_amend_next(self):
        for registration in self:
            company = registration.company_id
            registration.can_amend_next = bool(
                registration.state == "confirmed"
                and registration.then_certificate_id
                and company.l10n_vn_ibhxh_state == "confirmed"
                and company.l10n_vn_ibhxh_certificate_id != registration.then_certificate_id
            )

    @api.depends(
        "state",
        "signing_request_id.state",
        "signing_request_id.remote_state",
        "signing_request_id.to_phone_at",
        "signing_request_id.agent_id.is_online",
        "certificate_id.is_online",
    )
    @api.depends_context("lang")
    def _compute_signing_hint(self):
        """One sentence on what the token's holder has to do now."""
        for registration in self:
            request = registration.signing_request_id.sudo()
            if registration.state != "to_sign" or not request:
                registration.signing_hint = False
            elif request.remote_account_id:
                registration.signing_hint = registration._phone_hint(request)
            elif request.state == "claimed" and request.agent_id.is_online:
                registration.signing_hint = self.env._(
                    "Waiting for the PIN on %(computer)s…", computer=request.agent_id.name
                )
            elif registration.certificate_id.is_online:
                registration.signing_hint = self.env._("The computer with the token is being called…")
            else:
                registration.signing_hint = self.env._(
                    "The token “%(token)s” is not plugged in, or ibhxh-agent is not running on its computer. "
                    "Nothing is lost: signing continues automatically as soon as it is back.",
                    token=registration.certificate_id.name,
                )

    @api.depends("lodging", "provider_id.gateway")
    def _compute_can_submit(self):
        for registration in self:
            registration.can_submit = registration.lodging == "odoo" and registration.provider_id.gateway not in (
                False,
                "manual",
            )

    @api.depends("activation_url", "provider_id.portal_hosts")
    def _compute_is_link_shown(self):
        for registration in self:
            registration.is_link_shown = (
                registration.provider_id._is_portal_link(registration.activation_url)
                if (registration.provider_id and registration.activation_url)
                else False
            )

    @api.model
    def _group_expand_state(self, states, domain):
        """Columns of the kanban in the order of a registration's life, and none that would be empty."""
        return [state for state, _label in STATES if state in states]

    @api.depends("mail_ids")
    def _compute_mail_count(self):
        counts = dict(
            self.env["l10n_vn_ibhxh.mail"]._read_group(
                [("registration_id", "in", self.ids)], ["registration_id"], ["__count"]
            )
        )
        for registration in self:
            registration.mail_count = counts.get(registration, 0)

    @api.depends("activation_expires_at")
    def _compute_activation_seconds_left(self):
        now = fields.Datetime.now()
        for registration in self:
            expires_at = registration.activation_expires_at
            registration.activation_seconds_left = int((expires_at - now).total_seconds()) if expires_at else 0

    @api.depends("state", "mail_ids.state", "mail_ids.kind", "activation_code")
    @api.depends_context("lang")
    def _compute_waiting_code(self):
        """The newest code of a mail that a person has to judge, while it lives: shown with what speaks against it."""
        now = fields.Datetime.now()
        for registration in self:
            waiting = registration._waiting_code_mail()
            reading = waiting._read() if waiting else None
            sent_at = waiting._sent_at(reading) if waiting else now
            expires_at = min(sent_at, waiting.received_at or now) + timedelta(hours=ACTIVATION_HOURS)
            is_shown = bool(
                reading
                and len(reading.codes) == 1
                and expires_at > now
                and not waiting._is_before(registration, reading)
                and reading.codes[0] != registration.sudo().activation_code
            )
            registration.waiting_code_mail_id = waiting if is_shown else False
            registration.waiting_code = reading.codes[0] if is_shown else False
            registration.waiting_code_reason = waiting.reason if is_shown else False
            registration.waiting_code_sender = (waiting.sender or "–") if is_shown else False
            registration.waiting_code_expires_at = expires_at if is_shown else False
            registration.waiting_code_seconds_left = (expires_at - now).total_seconds() if is_shown else 0

    def _waiting_code_mail(self):
        """Return the newest mail with a code that waits for a person."""
        if self.state not in ("sent", "to_activate", "expired", "confirmed", "rejected"):
            return self.env["l10n_vn_ibhxh.mail"]
        waiting = self.sudo().mail_ids.filtered(lambda mail: mail.kind == "activation" and mail.state == "waiting")
        return waiting.filtered("source_sha256").sorted("id")[-1:]

    # -- creation ------------------------------------------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        registrations = super().create([{**vals, **self._normalise(vals)} for vals in vals_list])
        registrations._log_changes({registration: {} for registration in registrations}, LOGGED)
        return registrations

    def write(self, vals):
        is_fixed = vals.keys() & FORM_FIELDS and any(registration.state != "draft" for registration in self)
        if is_fixed and not self.env.su:
            raise UserError(
                self.env._(
                    "A dossier that was handed over for signing cannot be changed. Take it back first, then correct it."
                )
            )
        is_logged_later = isinstance(self.env.context.get(HISTORY_KEY), History)
        names = [] if is_logged_later else [name for name in LOGGED if name in vals]
        before = self._logged_texts(names) if names else {}
        result = super().write({**vals, **self._normalise(vals)})
        self._log_changes(before, names)
        return result

    def _write_each(self, vals, own):
        """Write `vals`, and of `own`, `{registration: values}`, what is each one's; the history in one piece.

        No chatter speaks of it, so neither may hold what it tracks, but for what `_log_move` tells.
        """
        names = [name for name in LOGGED if name in vals or any(name in values for values in own.values())]
        before = self._logged_texts(names)
        records = self.with_context(mail_notrack=True, **{HISTORY_KEY: History()})
        if vals:
            records.write(vals)
        for record in records.with_context(tracking_disable=True):
            if record in own:
                record.write(own[record])
        self._log_changes(before, names)

    def _logged_texts(self, names):
        """Return `{registration: {name: text}}` of these fields, in English, False where there is nothing."""
        registrations = self.sudo().with_context(lang="en_US", bin_size=True)
        labels = {
            name: dict(self._fields[name]._description_selection(registrations.env))
            for name in names
            if self._fields[name].type == "selection"
        }
        texts = {registration: {} for registration in self}
        for registration, found in zip(registrations, texts.values(), strict=True):
            for name in names:
                value = registration[name]
                if name in labels:
                    value = labels[name].get(value, value)
                elif self._fields[name].type == "many2one":
                    value = value.display_name
                found[name] = str(value) if value else False
        return texts

    def _log_changes(self, before, names):
        """Write down what differs from `before`, `{registration: texts}`."""
        if not names:
            return
        user = self.env.user
        after = self.browse().union(*before)._logged_texts(names)
        line = {"changed_at": fields.Datetime.now(), "changed_by": f"{user.name} <{user.login}>"}
        lines = [
            {**line, "registration_id": registration.id, "company_id": registration.company_id.id, "field": name}
            | {"old": old.get(name), "new": new}
            for registration, old in before.items()
            for name, new in after[registration].items()
            if new != old.get(name, False)
        ]
        self.env["l10n_vn_ibhxh.registration.log"].sudo().create(lines)

    @api.model
    def _complete(self, vals_list):
        unnamed = [vals for vals in vals_list if not vals.get("name")]
        names = iter(self._next_names([vals.get("company_id") or self.env.company.id for vals in unnamed]))
        vals_list = [vals if vals.get("name") else {**vals, "name": next(names)} for vals in vals_list]
        return super()._complete([vals if vals["name"] else _without(vals, "name") for vals in vals_list])

    @api.model
    def _next_names(self, company_ids):
        """Return the name of a new registration for each of these companies, False where no sequence gives one."""
        sequence = self.env["ir.sequence"].sudo().search([("code", "=", self._name)])
        is_plain = len(sequence) == 1 and sequence.implementation == "standard" and not sequence.use_date_range
        if len(company_ids) == 1 or not is_plain or sequence.company_id:
            sequences = self.env["ir.sequence"]
            return [sequences.with_company(company_id).next_by_code(self._name) for company_id in company_ids]
        # As Odoo draws one, all at once.
        numbers = self.env.execute_query(
            SQL("SELECT nextval(%s) FROM generate_series(1, %s)", f"ir_sequence_{sequence.id:03d}", len(company_ids))
        )
        return [sequence.get_next_char(number) for number in numbers]

    @api.model
    def _normalise(self, vals):
        """Return the contact fields among `vals` in the form in which they are stored; raises `ValidationError`."""
        result = {}
        for field, reader in (("email", contact.email), ("phone", contact.phone), ("unit_code", contact.unit_code)):
            if not vals.get(field):
                continue
            try:
                result[field] = reader(vals[field])
            except contact.ContactError as error:
                raise ValidationError(contact_error(self.env, error, vals[field])) from error
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_only_unsent(self):
        """What was signed stays, whatever became of it: anyone who had the file may have lodged it."""
        if any(
            registration.state not in ("draft", "cancelled")
            or registration.signed_at
            or registration.attempted_at
            or registration.submitted_at
            for registration in self
        ):
            raise UserError(
                self.env._("Only drafts can be deleted: what was signed or sent stays as the company's proof.")
            )

    def unlink(self):
        """A batch does not register a company again by itself because its registration was deleted."""
        lines = self.sudo().batch_line_ids
        result = super().unlink()
        lines._on_deleted()
        return result

    @api.model
    def _create_to_sign(self, vals_list):
        """Create registrations, have the tokens' holders asked to sign them, and return them; what is submitted
        elsewhere stays a draft until a person says that it was.

        The move that follows is their first message. Raises `ValidationError` naming everything that blocks one of
        them, as the wizard shows it.
        """
        for vals in vals_list:
            if vals["form"] == "05" and not vals.get("change_text"):
                draft = self.new(vals)
                vals["change_text"] = "\n".join(draft.company_id._l10n_vn_ibhxh_changes(draft))
        registrations = self.with_context(mail_create_nolog=len(vals_list) > 1).create(vals_list)
        registrations = registrations.with_env(self.env)
        for registration in registrations.filtered(lambda r: r.form == "05"):
            registration._follow_certificate(registration.company_id.l10n_vn_ibhxh_certificate_id)
        elsewhere = registrations.filtered(lambda r: r.lodging == "elsewhere")
        elsewhere._check_preflight()
        elsewhere.company_id.sudo()._l10n_vn_ibhxh_update_state()
        (registrations - elsewhere).action_request_signature()
        return registrations

    def _follow_wizard(self, wizard):
        """Note what only the wizard knows: the certificate on record, the refusal it corrects, what follows."""
        self._follow_certificate(wizard.old_certificate_id)
        self.sudo().write(
            {
                "corrects_id": wizard._refusal().id,
                "then_register": wizard.form == "06" and wizard.then_register,
                "target_provider_id": wizard.form == "06" and wizard.target_provider_id.id,
                "then_certificate_id": wizard.form == "05" and self._own(wizard.then_certificate_id).id,
            }
        )

    def _own(self, certificate):
        """Return `certificate` when it is one of the company's, else none."""
        return certificate.sudo().filtered(lambda c: self.company_id in c.company_ids)

    def _follow_certificate(self, old_certificate):
        """Note which certificate VSS has on record now, for form 05."""
        if self.form == "05":
            self.sudo().old_certificate_id = old_certificate

    # -- state machine -------------------------------------------------------------------------------------------------

    def _move(self, state, own=None, **vals):
        """Move to `state` under the row lock, writing `vals` with it; the only place that writes `state`.

        `own` are further values of each, `{registration: values}`, none that the chatter tracks. Raises `UserError`
        when the table of transitions does not allow the move, `LockError` when somebody else is at the record.
        """
        self.lock_for_update()
        for registration in self:
            by_word = registration.state == "draft" and state == "sent" and registration.lodging != "elsewhere"
            is_over = registration.state in ("confirmed", "rejected") and registration.confirmation_evidence != "mail"
            is_final = is_over and state == "to_activate"
            # What was submitted is a draft again only together with everything that spoke for it.
            is_kept = (registration.state, state) == ("sent", "draft") and vals.get("submitted_at", True)
            if state not in TRANSITIONS[registration.state] or by_word or is_final or is_kept:
                labels = dict(self._fields["state"]._description_selection(self.env))
                raise UserError(
                    self.env._(
                        "%(name)s is “%(old)s”, so it cannot become “%(new)s”. Reload the page to see its current "
                        "state.",
                        name=registration.name,
                        old=labels[registration.state],
                        new=labels[state],
                    )
                )
        if state == "draft":
            vals.update(dict.fromkeys(DOSSIER_FIELDS, False))
        records = self.sudo()
        own = own or {}
        if len(records) > 1:
            records._log_move(state)
            records._write_each({"state": state, **vals}, own)
        else:
            records.write({"state": state, **vals, **own.get(records, {})})
        self.company_id.sudo()._l10n_vn_ibhxh_update_state(arrived=self if state == "confirmed" else None)
        self._notify_page()

    def _log_move(self, state):
        """Log a move of many registrations in one go, in their readers' languages: tracking would write one by one."""
        for lang, registrations in self.grouped(lambda r: r.user_id.lang or self.env.lang).items():
            translated = registrations.with_context(lang=lang)
            labels = dict(self._fields["state"]._description_selection(translated.env))
            translated._message_log_batch({r.id: f"{labels[r.state]} → {labels[state]}" for r in translated})

    def _notify_page(self):
        """Tell every open page that may show one of these registrations to look again.

        One message to the group instead of one to each of its users: anyone it reaches reads with his own rights, and
        the message carries numbers only.
        """
        group = self.env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
        records = self.sudo()
        payload = {"id": records.id} if len(records) == 1 else {"ids": records.ids}
        payload["batch_ids"] = records.batch_line_ids.batch_id.ids
        group._bus_send("l10n_vn_ibhxh/registration", payload)

    def _for_reader(self):
        """Return the registration in its reader's language, no matter who writes; several must
        have readers of one language."""
        return self.with_context(lang=self.user_id[:1].lang or self.env.lang)

    def _schedule_todo(self, summary, note, deadline=None):
        """Give the responsible person one activity with this summary, not one per occasion."""
        without = self.sudo().filtered(lambda r: summary not in r.activity_ids.mapped("summary"))
        reminders.schedule(self.env, [(r, r.user_id, lambda _env: (summary, note), deadline) for r in without])

    # -- pre-flight checks on the draft --------------------------------------------------------------------------------

    def _preflight_depends(self):
        return (*super()._preflight_depends(), "state")

    def _is_preflight_shown(self):
        return self.state == "draft"

    def action_open_other(self):
        """Open the other registration of the company that is under way."""
        self.ensure_one()
        return (self.company_id._l10n_vn_ibhxh_open_registration() - self)._get_records_action()

    def action_move(self):
        """Moving starts with the stop, which the new I-VAN files: this draft gives way to the guided wizard."""
        self.ensure_one()
        self._check_draft()
        target = self.provider_id
        self.action_cancel()
        return self._open_stop_wizard(target=target)

    def action_amend_first(self):
        """Form 05 comes first: this draft gives way to it."""
        self.ensure_one()
        self._check_draft()
        self.action_cancel()
        return self._open_wizard("05")

    def _check_draft(self):
        if self.state != "draft":
            raise UserError(self.env._("%(name)s is no longer a draft.", name=self.name))

    # -- signing -------------------------------------------------------------------------------------------------------

    def action_data_first(self):
        """Data and certificate change at once: this draft gives way to two dossiers, the data first."""
        self.ensure_one()
        self._check_draft()
        data = {name: self[name] for name in ("email", "phone")}
        new, old = self.certificate_id, self.company_id.l10n_vn_ibhxh_certificate_id
        self.action_cancel()
        return self._open_wizard(
            "05", **data, agency_id=self.agency_id.id, certificate_id=old.id, then_certificate_id=new.id
        )

    def action_request_signature(self):
        """Check, also what only the network can tell of the certificate; build the dossier again and have it signed."""
        self.check_access("write")
        for registration in self:
            if registration.lodging == "elsewhere":
                raise UserError(
                    self.env._(
                        "%(name)s is submitted in the I-VAN's own program or on the portal, so nothing is signed here.",
                        name=registration.name,
                    )
                )
        drafts = self.filtered(lambda registration: registration.state == "draft")
        for registration in drafts:
            registration._check_complete()
        # All at once: the time that silent authorities cost is bounded for all of them together.
        drafts._check_preflight()
        documents = {registration: registration._build_document() for registration in self}
        contents = {registration: dossier.read(document)[1] for registration, document in documents.items()}
        self._move(
            "to_sign",
            {
                registration: {
                    "document_sha256": hashlib.sha256(documents[registration]).hexdigest(),
                    "tax_code": content.tax_code,
                    "company_name": content.subject_name,
                }
                for registration, content in contents.items()
            },
            signed_document=False,
            error_code=False,
            error_message=False,
        )
        titles = self._signing_titles()
        requests = self.env["l10n_vn_ibhxh.signing.request"]._request_all(
            self, {r: (documents[r], r.certificate_id, titles[r]) for r in self}
        )
        self.sudo()._write_each({}, {r: {"signing_request_id": requests[r].id} for r in self})
        return True

    def _signing_titles(self):
        """Return `{registration: what the token's holder reads over its document}`."""
        forms, today = self.env["l10n_vn_ibhxh.form"].sudo(), today_in_vietnam()
        numbers = {form: forms._get(form, today).number or form for form in set(self.mapped("form"))}
        return {r: f"{numbers[r.form]} · {r.company_name or r.company_id.name}" for r in self}

    def _has_next_step(self, certificate_id):
        """Return whether another dossier is to follow this one, which VSS confirmed last: it stopped to register again,
        or has the data, and the company's certificate at VSS, `certificate_id`, is not the one that comes then."""
        if self.form == "06":
            return self.then_register
        return bool(self.then_certificate_id) and self.then_certificate_id.id != certificate_id

    def _on_signed(self, signed_document):
        """Called by the signing service once `signed_document` (bytes) has been verified."""
        self._on_all_signed({self: signed_document})

    @api.model
    def _on_all_signed(self, signed):
        """Called by the signing service once several documents, `{registration: bytes}`, have been verified."""
        registrations = self.union(*signed)
        registrations.lock_for_update()
        waiting = registrations.filtered(lambda registration: registration.state == "to_sign")
        for registration in registrations - waiting:
            registration._message_log(
                body=registration.env._("The signature arrived after the request was cancelled and was discarded.")
            )
        if not waiting:
            return
        own = {}
        for registration in waiting:
            request = registration.signing_request_id.sudo()
            own[registration] = {
                "signed_document": base64.b64encode(signed[registration]),
                "signed_at": request.signed_at,
                "signed_by_id": request.signed_by_id.id,
                "signed_on": request.signed_on,
            }
        waiting._move("to_send", own, error_code=False, error_message=False)
        waiting.filtered(lambda r: r._document_from_signed()).signing_request_id.sudo()._drop_document()
        if any(registration.can_submit for registration in waiting):
            self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")._trigger()

    def _on_sign_failed(self, code, message):
        """Called by the signing service when no signature was made. Nothing is lost: signing again is one click."""
        self.ensure_one()
        self.lock_for_update()
        if self.state == "to_sign":
            self._move("draft", error_code=code, error_message=message)
            self._message_log(body=message)

    def action_withdraw(self):
        """Take the dossier back from the token's holder, to correct it."""
        for registration in self:
            registration.check_access("write")
            registration._move("draft")
            registration.signing_request_id._cancel()
        return True

    def action_cancel(self):
        """Give the registration up. Not possible once the gateway may have it."""
        for registration in self:
            registration.check_access("write")
            registration.lock_for_update()
            if registration._is_unclear() and not registration.can_submit:
                raise registration._make_unclear_error()
            if registration.attempted_at:
                raise UserError(
                    self.env._(
                        "%(name)s may have reached the I-VAN already, so it cannot be cancelled here. Wait for "
                        "its answer.",
                        name=registration.name,
                    )
                )
            registration._move("cancelled")
            registration.signing_request_id._cancel()
            registration.activity_unlink([TODO])
        return True

    # -- what VSS answers ----------------------------------------------------------------------------------------------

    def _on_accepted(self, submitted_at, dossier_number, source="person"):
        """Accepted for processing at `submitted_at` (UTC), numbered or not yet, as `source` says."""
        self.sudo().submitted_at = submitted_at
        self._take_number(dossier_number, source)
        self._on_received()
        self.env["l10n_vn_ibhxh.mail"]._read_again(self._sending_began_at())

    def _take_number(self, number, source):
        """Store VSS's number of the dossier and who gave it (`dossier_number_source`); an empty one changes nothing.

        The same number from a better source is better proven than before; a person's never weakens what is known.
        """
        self.ensure_one()
        is_known = number == self.dossier_number and self.dossier_number_source not in (False, "person")
        if number and not is_known:
            self.sudo().write({"dossier_number": number, "dossier_number_source": source})

    def _on_received(self):
        """VSS has these, of which `submitted_at` and any number are stored already: from here they are followed."""
        own = {}
        for registration, answer_due_at in self._answers_due().items():
            # From here VSS has its working days, and until a mail says otherwise the code's hours are counted from
            # here, so that none expires unseen.
            expires_at = registration.submitted_at + timedelta(hours=ACTIVATION_HOURS)
            own[registration] = {
                "answer_due_at": answer_due_at,
                "activation_expires_at": registration.form == "04" and expires_at,
            }
        self._move(
            "sent",
            own,
            answer_reminded=False,
            poll_at=fields.Datetime.now(),
            retry_at=False,
            retry_count=0,
            error_code=False,
            error_message=False,
        )
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow")._trigger()
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_print")._trigger()

    def _on_refused(self, code, description, holder=None, evidence="gateway"):
        """Take a refusal, as `evidence` shows: what passes is tried again while the dossier was not accepted; else it
        ends the registration.

        Once it was accepted, a refusal is final whatever its code: sending it again is for a person to decide, because
        the gateway might hold two dossiers then.
        """
        known = self.env["l10n_vn_ibhxh.result.code"]._find(code)
        message = description or known.meaning or code
        if known and not known.is_permanent and self.state == "to_send":
            self._postpone(message, code)
            return
        self._move(
            "rejected",
            error_code=code,
            error_message=message,
            holder_name=holder,
            retry_at=False,
            confirmation_evidence=evidence,
        )
        if code and code.startswith(OWN_CODE):
            summary = self.env._("The I-VAN's gateway did not take the dossier")
        elif code:
            summary = self.env._("VSS refused the registration: %(code)s", code=code)
        else:
            summary = self.env._("The registration was refused")
        self._schedule_todo(summary, self.remedy or message or "")

    def _activate(self, code, url, received_at):
        """Take the activation code over: 24 hours run from `received_at` (UTC), which counts as now when it is later.

        A code that is here already does not begin again: the earlier of both times counts. Reopens what is over, as far
        as `_move` allows that. Raises `UserError` while another registration of the company is under way, and when the
        code has ended.
        """
        self.ensure_one()
        self.lock_for_update()
        other = self._other_open()
        if other:
            raise UserError(
                self.env._(
                    "This code belongs to %(name)s, which is closed, while %(other)s is in progress for the same "
                    "company. Enter the code on the portal yourself, or cancel %(other)s first.",
                    name=self.name,
                    other=other.name,
                )
            )
        now = fields.Datetime.now()
        is_known = self.state == "to_activate" and code == self.sudo().activation_code
        received_at = min(received_at, now, (is_known and self.activation_received_at) or now)
        expires_at = received_at + timedelta(hours=ACTIVATION_HOURS)
        if expires_at <= now:
            raise UserError(
                self.env._("A code is valid for 24 hours and this one is older. Register again for a new one.")
            )
        url = url or self.sudo().activation_url
        vals = {
            "activation_received_at": received_at,
            "activation_expires_at": expires_at,
            "activation_reminded": is_known and self.activation_reminded,
        }
        if self.state == "to_activate":
            self.sudo().write(vals)
            self.company_id.sudo()._l10n_vn_ibhxh_update_state()
        else:
            self._forget_outcome()
            # Once it had expired, nobody asked about it any more.
            self._move("to_activate", **vals, poll_at=self.poll_at or fields.Datetime.now())
            # It has come: nobody has to look for it any more.
            self.activity_unlink([TODO])
        self._write_secrets(code, url)
        self._notify_page()
        self._schedule_todo(
            self.env._("Enter the activation code on the VSS portal"),
            self.env._("The code is on the registration. It is valid for 24 hours."),
            deadline=date_in_vietnam(vals["activation_expires_at"]),
        )
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow")._trigger(at=vals["activation_expires_at"])

    def _write_secrets(self, code, url):
        """Store code and link by a statement of their own: Odoo logs the values of statements that fail, and this one
        has no reason to, because the row is locked and no constraint looks at these fields."""
        record = self.sudo()
        record.flush_recordset()
        record.write({"activation_code": code, "activation_url": url})
        record.flush_recordset()

    def _other_open(self):
        """Return what is under way for the company when this registration is over, else an empty recordset."""
        if self.state in OPEN_STATES:
            return self.browse()
        return self.sudo().search(
            [("company_id", "=", self.company_id.id), ("state", "in", OPEN_STATES), ("id", "!=", self.id)], limit=1
        )

    def _forget_outcome(self):
        """What a mail's text said of this registration does not count any more, on its company neither."""
        if self.state not in ("confirmed", "rejected") or self.confirmation_evidence != "mail":
            return
        company = self.company_id.sudo()
        if self.state == "confirmed" and company.l10n_vn_ibhxh_confirmed_at == self.confirmed_at:
            company.l10n_vn_ibhxh_confirmed_at = False
        self._message_log(
            body=self.env._(
                "VSS mailed an activation code after an earlier mail had closed this registration, so it is reopened."
            )
        )

    def _strengthen(self, evidence):
        """VSS's answer that only a mail's text spoke for has arrived by a better way: no mail reopens it any more."""
        if self.confirmation_evidence == "mail":
            self.sudo().confirmation_evidence = evidence

    def _sending_began_at(self):
        """Return since when VSS can have the dossier (UTC), or False: what a person says of it may be inexact."""
        if self.attempted_at or self.signed_at:
            return self.attempted_at or self.signed_at
        return self.submitted_at and self.submitted_at - timedelta(days=1)

    def _has_rivals(self):
        """Whether a company that has nothing to do with this one claims the same tax code."""
        same = Domain("l10n_vn_ibhxh_tax_code", "=", self.tax_code) & Domain("id", "!=", self.company_id.id)
        companies = self.env["res.company"].sudo().search(same) if self.tax_code else self.company_id
        return any(company.root_id != self.company_id.root_id for company in companies)

    def _confirm(self, confirmed_at, unit_code=None, evidence="gateway"):
        """VSS confirmed at `confirmed_at` (UTC), as `evidence` shows. The secrets that are no longer needed are
        forgotten, what the company's registrations reminded of is settled, and a stop may have a next step."""
        self.ensure_one()
        vals = {
            "confirmed_at": confirmed_at,
            "confirmation_evidence": evidence,
            "activation_code": False,
            "activation_url": False,
            "activation_expires_at": False,
        }
        if unit_code:
            vals["unit_code"] = unit_code
        self._move("confirmed", **vals, error_code=False, error_message=False)
        self.sudo().mail_ids._settle(self.sudo())
        reminded = self.sudo().search([("company_id", "=", self.company_id.id)])
        reminded.activity_unlink([TODO, CERTIFICATE_TODO])
        self.company_id.sudo().partner_id.activity_unlink([CERTIFICATE_TODO])
        if self.can_register_next:
            provider = self.target_provider_id or self.provider_id
            self._schedule_todo(
                self.env._("Register at %(provider)s now", provider=provider.name),
                self.env._("VSS confirmed the stop. Press “Register now” on it: everything is already filled in."),
            )
        if self.can_amend_next:
            self._schedule_todo(
                self.env._("Now tell VSS of the new certificate"),
                self.env._(
                    "VSS confirmed the data. Press “Amend the certificate now”: everything is already filled in."
                ),
            )

    def _expire(self):
        """The 24 hours are over, for any number of registrations: of a code that came, or of waiting for one."""
        self._move("expired", activation_code=False, activation_url=False)
        self.activity_unlink([TODO])
        reminders.schedule(self.env, [(record, record.user_id, record._expired_texts, None) for record in self.sudo()])

    def _expired_texts(self, env):
        if not self.activation_received_at:
            return env._("No activation code has come yet"), env._(
                "Odoo has seen no code within 24 hours of the submission. Look into the mailbox (spam folder, other "
                "addresses), and look the dossier up at the I-VAN or at VSS, which may take until the end of %(due)s. "
                "When the mail is there, press “Paste the activation mail”. Register again only if VSS has nothing: a "
                "second dossier would be in the way of the first.",
                due=day_in_vietnam((self.answer_due_at or fields.Datetime.now()) - timedelta(minutes=1)),
            )
        if self.lodging == "elsewhere":
            note = env._(
                "Submit it again where you did the first time, then press “Register again”: everything is already "
                "filled in."
            )
        else:
            note = env._("Press “Register again”: everything is already filled in, only the PIN is needed.")
        return env._("The activation code has expired"), note

    def action_confirmed_by_person(self):
        """“I have confirmed”: the person saw the portal say so."""
        for registration in self:
            registration.check_access("write")
            registration._confirm(fields.Datetime.now(), evidence="person")
            registration._message_log(
                body=self.env._("%(user)s stated that the portal confirmed the registration.", user=self.env.user.name)
            )
        return True

    def action_use_waiting_code(self):
        """A person states that the mail with the code which was not applied is VSS's."""
        self.ensure_one()
        self.check_access("write")
        if not self.waiting_code_mail_id:
            raise UserError(self.env._("No mail with a valid code is waiting here. Reload the page."))
        return self.waiting_code_mail_id.sudo().with_user(self.env.user).action_apply()

    # -- mails that answer the chatter ---------------------------------------------------------------------------------

    @api.model
    def message_new(self, msg_dict, custom_values=None):
        """No mail makes a registration: it would be made as superuser, with whatever values the caller gives."""
        raise AccessError(self.env._("Registrations cannot be created by mail. Open the menu to register a company."))

    def message_update(self, msg_dict, update_vals=None):
        """Take an answer to a message of this registration into the chatter, without codes and links of VSS."""
        delivery = self.env.context.get(DELIVERY_KEY)
        if not self.env.su or not isinstance(delivery, Delivery):
            raise AccessError(self.env._("Mails can only be created by the mail gateway."))
        if delivery.user_id:
            self.with_user(delivery.user_id).check_access(self._mail_post_access)
        codes = vss_mail.read(delivery.source).codes
        msg_dict["subject"] = vss_mail.redact(msg_dict.get("subject") or "", codes)
        body = msg_dict.get("body") or ""
        # It stays what it was, text or the sanitised mark-up of Odoo's own reader.
        msg_dict["body"] = type(body)(vss_mail.redact(str(body), codes))
        msg_dict["attachments"] = [
            attachment for attachment in msg_dict.get("attachments") or [] if not may_hold_code(attachment, codes)
        ]
        return super().message_update(msg_dict)

    # -- opening -------------------------------------------------------------------------------------------------------

    def action_register_again(self):
        """Open the wizard with everything filled in as it is here."""
        self.ensure_one()
        return self._open_wizard("04" if self.form == "04" else self.form)

    def _open_wizard(self, form, **defaults):
        """Open the wizard filled in as this registration is, and with `defaults`.

        A certificate that cannot sign any more, or that form 05 is about to replace, is left for the wizard to propose.
        """
        context = {
            "default_company_id": self.company_id.id,
            "default_form": form,
            "default_email": self.email,
            "default_email_repeated": self.email,
            "default_phone": self.phone,
            "default_provider_id": self.provider_id.id,
            "default_lodging": self.lodging,
            "default_subject_type": self.subject_type,
            "default_result_delivery_id": self.result_delivery_id.id,
            "default_agency_id": self.agency_id.id,
            "default_unit_code": self.unit_code,
            "default_contact_name": self.contact_name,
        }
        certificate = self.certificate_id
        if form == "04" and certificate.is_valid:
            context["default_certificate_id"] = certificate.id
        if self.state == "rejected":
            context["default_corrects_id"] = self.id
            if form == self.form:
                context |= {f"default_{name}": value for name, value in self._purpose().items()}
        if defaults.get("provider_id", self.provider_id.id) != self.provider_id.id:
            # Another I-VAN has its own usual way.
            del context["default_lodging"]
        context.update({f"default_{name}": value for name, value in defaults.items()})
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_registration_wizard_action")
        return {**action, "context": context}

    def _purpose(self):
        """Return what this dossier was for, as values of the wizard that sends it once more, corrected.

        What Odoo itself wrote of the changes follows from what is corrected; only a person's own text is handed on.
        """
        if self.form == "05":
            proposal = "\n".join(self.company_id._l10n_vn_ibhxh_changes(self))
            purpose = {"change_text": self.change_text} if self.change_text != proposal else {}
            if self.then_certificate_id:
                purpose |= {
                    "then_certificate_id": self.then_certificate_id.id,
                    "certificate_id": self.certificate_id.id,
                }
            return purpose
        if self.form == "06":
            return {
                "then_register": self.then_register,
                "target_provider_id": self.target_provider_id.id,
                "stop_date": self.stop_date,
                "stop_reason_code": self.stop_reason_code,
                "stop_reason": self.stop_reason,
            }
        return {}

    def action_open_mails(self):
        """Open the mails that belong to this registration."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_mail_action")
        return {**action, "domain": [("registration_id", "=", self.id)], "context": {}}

    def action_open_signing_request(self):
        """Open the signing request of this registration."""
        self.ensure_one()
        return self.signing_request_id._get_records_action()

    def action_open_company(self):
        """Open the company, where its unit code, agency and what VSS has on record stand."""
        self.ensure_one()
        return self.company_id._l10n_vn_ibhxh_open()
