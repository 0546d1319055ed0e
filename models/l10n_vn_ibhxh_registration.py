import base64
import uuid

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tools.translate import LazyTranslate

from ..tools import contact, dossier
from . import bulk
from .l10n_vn_ibhxh_form import FORMS

_lt = LazyTranslate(__name__)

STATES = [
    ("draft", "Draft"),
    ("to_sign", "Waiting for the token"),
    ("to_send", "Signed"),
    ("sent", "Sent"),
    ("to_activate", "To activate"),
    ("confirmed", "Confirmed"),
    ("expired", "Expired"),
    ("rejected", "Rejected"),
    ("cancelled", "Cancelled"),
]
# The life of an activation code, as VSS states it.
ACTIVATION_HOURS = 24
OPEN_STATES = ("draft", "to_sign", "to_send", "sent", "to_activate")

# The one table of allowed moves. An expired registration still takes a late code or a late confirmation.
TRANSITIONS = {
    "draft": {"to_sign", "cancelled"},
    "to_sign": {"draft", "to_send", "cancelled"},
    "to_send": {"sent", "rejected", "cancelled"},
    # Back to `to_send`: VSS failed for a reason that passes, and the dossier is sent anew.
    "sent": {"to_activate", "confirmed", "expired", "rejected", "to_send"},
    "to_activate": {"confirmed", "expired", "rejected"},
    "expired": {"to_activate", "confirmed"},
    "confirmed": set(),
    "rejected": set(),
    "cancelled": set(),
}

STOP_REASONS = [
    ("1", "E-mail change"),
    ("2", "Unit data change"),
    ("3", "Certificate change"),
    ("4", "The software lacks procedures"),
    ("5", "The software is inconvenient"),
    ("6", "Poor support"),
    ("7", "Moving to another I-VAN"),
    ("8", "Unit dissolved"),
    ("9", "Other"),
]

# The dossier itself is Vietnamese, whatever language its author works in.
STOP_REASON_TEXTS = {
    "1": "Thay đổi thư điện tử",
    "2": "Thay đổi thông tin đơn vị",
    "3": "Thay đổi chứng thư số",
    "4": "Phần mềm thiếu thủ tục",
    "5": "Phần mềm không thuận tiện",
    "6": "Hỗ trợ chưa tốt",
    "7": "Chuyển sang tổ chức I-VAN khác",
    "8": "Đơn vị giải thể",
    "9": "Lý do khác",
}

# What the person fills in; fixed once the dossier has left the draft.
FORM_FIELDS = {
    "provider_id", "agency_id", "certificate_id", "unit_code", "email", "phone", "contact_name", "change_text",
    "stop_date", "stop_reason_code", "stop_reason",
}  # fmt: skip
# What a person may write besides that; everything else is written by the state machine only.
FREE_FIELDS = {"user_id", "activity_ids", "message_follower_ids", "message_ids"}

CONTACT_ERRORS = {
    "email": _lt("“%(value)s” is not an e-mail address. Correct it: VSS sends the activation code there."),
    "phone": _lt(
        "“%(value)s” is not a phone number. Enter a Vietnamese number such as 0912 345 678, or +<country code>…"
    ),
    "unit_code": _lt("“%(value)s” is not a unit code. It has letters and digits only, e.g. TZH490L."),
    "tax_code": _lt("“%(value)s” is not a tax code. Enter 10 digits, or 10-3 digits for a branch."),
    "empty": _lt("Fill in e-mail and phone: VSS needs both."),
}


def contact_error(env, error, value):
    """Return the sentence for a `ContactError` about the typed `value`: what is wrong and what to do."""
    sentence = env._(CONTACT_ERRORS[error.code])  # pylint: disable=gettext-variable
    return sentence % {"value": value}


class L10n_Vn_IbhxhRegistration(models.Model):
    """One dossier of one company: form 04 (register), 05 (amend) or 06 (stop), from the first click to VSS's answer.

    Times are UTC. `unit_code` (mã đơn vị) is the code under which VSS knows the employer. Documents are kept in the
    database and not in the filestore, so that a document and the state that rests on it are one transaction.
    """

    _name = "l10n_vn_ibhxh.registration"
    _description = "BHXH e-transaction registration"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True
    _mail_post_access = "read"

    name = fields.Char(required=True, readonly=True, copy=False, default=lambda self: self.env._("New"))
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, index=True, default=lambda self: self.env.company
    )
    form = fields.Selection(FORMS, required=True, readonly=True, default="04")
    state = fields.Selection(
        STATES, required=True, readonly=True, default="draft", tracking=True, copy=False, index=True
    )
    provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider", string="I-VAN", check_company=True, index="btree_not_null", tracking=True
    )
    agency_id = fields.Many2one("l10n_vn_ibhxh.agency", string="BHXH agency", index="btree_not_null", tracking=True)
    certificate_id = fields.Many2one("l10n_vn_ibhxh.certificate", index="btree_not_null", tracking=True)
    unit_code = fields.Char(help="Mã đơn vị: the code under which VSS knows the unit. A first-time unit has none yet.")
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

    document = fields.Binary(string="Dossier", readonly=True, attachment=False, copy=False)
    document_name = fields.Char(compute="_compute_document_name")
    signed_document = fields.Binary(string="Signed dossier", readonly=True, attachment=False, copy=False)
    signed_at = fields.Datetime(readonly=True, copy=False)
    signed_by_id = fields.Many2one("res.users", string="Signed by", readonly=True, copy=False)
    signed_on = fields.Char(string="Signed on", readonly=True, copy=False)

    dossier_number = fields.Char(
        string="Dossier number", readonly=True, copy=False, tracking=True, index="btree_not_null"
    )
    attempted_at = fields.Datetime(readonly=True, copy=False, help="When Odoo first handed the dossier to the gateway.")
    retry_at = fields.Datetime(string="Next try", readonly=True, copy=False)
    retry_count = fields.Integer(readonly=True, copy=False)
    submitted_at = fields.Datetime(readonly=True, copy=False, tracking=True)
    poll_at = fields.Datetime(string="Next look", readonly=True, copy=False)
    activation_code = fields.Char(readonly=True, copy=False, groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
    activation_url = fields.Char(readonly=True, copy=False, groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
    activation_received_at = fields.Datetime(readonly=True, copy=False)
    activation_expires_at = fields.Datetime(readonly=True, copy=False)
    activation_reminded = fields.Boolean(readonly=True, copy=False)
    confirmed_at = fields.Datetime(readonly=True, copy=False, tracking=True)
    step_ids = fields.One2many("l10n_vn_ibhxh.registration.step", "registration_id", string="Steps", readonly=True)
    error_code = fields.Char(readonly=True, copy=False, tracking=True)
    error_message = fields.Text(readonly=True, copy=False)
    result_code_id = fields.Many2one("l10n_vn_ibhxh.result.code", compute="_compute_result_code_id")
    cure = fields.Text(string="What to do", compute="_compute_cure")
    holder_name = fields.Char(
        string="Registered with", readonly=True, copy=False, help="I-VAN that holds the unit now."
    )
    mail_ids = fields.One2many("l10n_vn_ibhxh.mail", "registration_id", string="Mails", readonly=True)
    signing_request_id = fields.Many2one(
        "l10n_vn_ibhxh.signing.request", readonly=True, copy=False, index="btree_not_null", ondelete="restrict"
    )
    signing_state = fields.Selection(related="signing_request_id.state", string="Signing")
    signing_hint = fields.Char(compute="_compute_signing_hint")
    can_submit = fields.Boolean(compute="_compute_can_submit")
    is_link_shown = fields.Boolean(compute="_compute_is_link_shown")

    _one_open = models.UniqueIndex(
        "(company_id) WHERE state IN ('draft', 'to_sign', 'to_send', 'sent', 'to_activate')",
        "This company has an open registration already. Open it, or cancel it first.",
    )
    _client_reference_unique = models.Constraint("UNIQUE (client_reference)", "The client reference exists already.")
    _due = models.Index("(state, activation_expires_at) WHERE state IN ('sent', 'to_activate')")
    _poll = models.Index("(poll_at) WHERE state IN ('sent', 'to_activate')")

    # -- computed ----------------------------------------------------------------------------------------------------

    @api.depends("form")
    def _compute_document_name(self):
        for registration in self:
            registration.document_name = dossier.FILE_NAMES.get(registration.form)

    @api.depends("error_code")
    def _compute_result_code_id(self):
        for registration in self:
            registration.result_code_id = self.env["l10n_vn_ibhxh.result.code"]._find(registration.error_code)

    @api.depends("error_code", "error_message", "state")
    @api.depends_context("lang")
    def _compute_cure(self):
        for registration in self:
            registration.cure = registration.result_code_id.cure or False

    @api.depends(
        "state", "signing_request_id.state", "signing_request_id.agent_id.is_online", "certificate_id.is_online"
    )
    @api.depends_context("lang")
    def _compute_signing_hint(self):
        """One sentence on what the token's holder has to do now."""
        for registration in self:
            request = registration.signing_request_id.sudo()
            if registration.state != "to_sign" or not request:
                registration.signing_hint = False
            elif request.state == "claimed" and request.agent_id.is_online:
                registration.signing_hint = self.env._(
                    "Waiting for the PIN on %(computer)s…", computer=request.agent_id.name
                )
            elif registration.certificate_id.is_online:
                registration.signing_hint = self.env._("The computer with the token is being called…")
            else:
                registration.signing_hint = self.env._(
                    "The token “%(token)s” is not plugged in, or ibhxh-agent is not running on its computer. Nothing "
                    "is lost: signing goes on by itself as soon as it is there.",
                    token=registration.certificate_id.name,
                )

    @api.depends("provider_id.gateway")
    def _compute_can_submit(self):
        for registration in self:
            registration.can_submit = bool(registration.provider_id) and registration.provider_id.gateway != "manual"

    @api.depends("activation_url", "provider_id.portal_hosts")
    def _compute_is_link_shown(self):
        for registration in self:
            registration.is_link_shown = (
                registration.provider_id._is_portal_link(registration.activation_url)
                if (registration.provider_id and registration.activation_url)
                else False
            )

    # -- creation ----------------------------------------------------------------------------------------------------

    @api.model_create_multi
    def create(self, vals_list):
        for vals in vals_list:
            if not vals.get("name") or vals["name"] == self.env._("New"):
                vals["name"] = self.env["ir.sequence"].next_by_code(self._name) or self.env._("New")
            vals.update(self._normalise(vals))
            self._check_written(vals.keys() - {"name", "company_id", "form"})
        return super().create(vals_list)

    def write(self, vals):
        self._check_written(vals.keys())
        return super().write({**vals, **self._normalise(vals)})

    def _check_written(self, names):
        """Keep all but the form's own fields out of reach of RPC: only the state machine (superuser) writes them."""
        if self.env.su:
            return
        forbidden = {
            name
            for name in names - FORM_FIELDS - FREE_FIELDS
            if name in self._fields and not name.startswith(("activity_", "message_"))
        }
        if forbidden:
            raise AccessError(
                self.env._(
                    "These fields follow from signing and sending only: %(fields)s.",
                    fields=", ".join(sorted(forbidden)),
                )
            )
        if names & FORM_FIELDS and any(registration.state != "draft" for registration in self):
            raise UserError(
                self.env._("A dossier that was handed over for signing is fixed. Take it back first, then correct it.")
            )

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
        if any(registration.state not in ("draft", "cancelled") or registration.attempted_at for registration in self):
            raise UserError(
                self.env._("Only drafts can be deleted: what was signed or sent stays as the company's proof.")
            )

    # -- state machine -----------------------------------------------------------------------------------------------

    def _move(self, state, **vals):
        """Move to `state` under the row lock, writing `vals` with it; the only place that writes `state`.

        Raises `UserError` when the table of transitions does not allow the move, `LockError` when somebody else is
        at the record.
        """
        self.lock_for_update()
        for registration in self:
            if state not in TRANSITIONS[registration.state]:
                labels = dict(self._fields["state"]._description_selection(self.env))
                raise UserError(
                    self.env._(
                        "%(name)s is “%(old)s”, so it cannot become “%(new)s”. Reload the page to see where it stands.",
                        name=registration.name,
                        old=labels[registration.state],
                        new=labels[state],
                    )
                )
        records = self.sudo()
        if len(records) > 1:
            records._log_move(state)
            bulk.write_same(records.with_context(mail_notrack=True), {"state": state, **vals})
        else:
            records.write({"state": state, **vals})
        self.company_id.sudo()._l10n_vn_ibhxh_update_state()
        self._notify_page()

    def _log_move(self, state):
        """Log a move of many registrations in one go, in their readers' languages: tracking would write one by one."""
        for lang, registrations in self.grouped(lambda r: r.user_id.lang or self.env.lang).items():
            translated = registrations.with_context(lang=lang)
            labels = dict(self._fields["state"]._description_selection(translated.env))
            translated._message_log_batch({r.id: f"{labels[r.state]} → {labels[state]}" for r in translated})

    def _notify_page(self):
        """Tell the responsible people's open pages to look again. The message carries no content."""
        for registration in self:
            registration.user_id._bus_send("l10n_vn_ibhxh/registration", {"id": registration.id})

    # -- the dossier -------------------------------------------------------------------------------------------------

    def _prepare_dossier_data(self):
        """Return the content of the dossier (`tools.dossier.DossierData`)."""
        self.ensure_one()
        company = self.company_id
        partner = company.partner_id
        today = fields.Date.context_today(self.with_context(tz="Asia/Ho_Chi_Minh"))
        address = ", ".join(filter(None, [partner.street, partner.street2, partner.city, partner.state_id.name]))
        data = {
            "agency_name": self.agency_id.name,
            "agency_code": self.agency_id.code,
            "subject_name": company.name,
            "tax_code": contact.tax_code(company.vat),
            "phone": self.phone,
            "email": self.email,
            "contact_name": self.contact_name or self.user_id.name,
            "address": address,
            "contact_address": address,
            "contact_phone": self.phone,
            "prepared_on": today,
            "registered_on": today,
            "provider_code": self.provider_id.code,
            "provider_name": self.provider_id.name,
        }
        if self.form == "05":
            info = self.certificate_id._info()
            data.update(
                old_certificate_serial=self.old_certificate_id.serial or "",
                new_certificate_serial=info.serial,
                new_certificate_issuer=info.issuer_name,
                new_certificate_from=info.not_before.date(),
                new_certificate_to=info.not_after.date(),
                change_text=self.change_text,
            )
        elif self.form == "06":
            data.update(
                stop_date=self.stop_date,
                stop_reason_code=self.stop_reason_code or "",
                stop_reason=self.stop_reason or STOP_REASON_TEXTS.get(self.stop_reason_code),
            )
        return dossier.DossierData(**data)

    def _build_document(self):
        """Return the unsigned dossier (bytes), valid against its XSD; raises `UserError` with what is missing."""
        self.ensure_one()
        self._check_complete()
        try:
            document = dossier.build(self.form, self._prepare_dossier_data())
        except dossier.DossierError as error:
            raise UserError(
                self.env._(
                    "The dossier cannot be built: %(detail)s. Correct the field, then press the button again.",
                    detail=error,
                )
            ) from error
        faults = dossier.validate(self.form, document)
        if faults:
            raise UserError(self.env._("The dossier does not fit its form: %(faults)s", faults="\n".join(faults)))
        return document

    def _check_complete(self):
        """Raise `UserError` naming everything that is missing at once."""
        self.ensure_one()
        wanted = ["provider_id", "agency_id", "certificate_id", "email", "phone"]
        wanted += {"05": ["change_text"], "06": ["stop_date"]}.get(self.form, [])
        missing = [self._fields[name]._description_string(self.env) for name in wanted if not self[name]]
        if self.form == "06" and not (self.stop_reason_code or self.stop_reason):
            missing.append(self._fields["stop_reason_code"]._description_string(self.env))
        if not self.company_id.vat:
            missing.append(self.env._("Tax code of the company"))
        if missing:
            raise UserError(self.env._("Fill in first: %(fields)s.", fields=", ".join(missing)))
        try:
            contact.tax_code(self.company_id.vat)
        except contact.ContactError as error:
            raise UserError(contact_error(self.env, error, self.company_id.vat)) from error

    def _follow_certificate(self, old_certificate):
        """Note which certificate VSS has on record now, for form 05."""
        if self.form == "05":
            self.sudo().old_certificate_id = old_certificate

    # -- signing -----------------------------------------------------------------------------------------------------

    def action_request_signature(self):
        """Build the dossier anew and ask the token's holder to sign it."""
        for registration in self:
            registration.check_access("write")
            document = registration._build_document()
            registration._move(
                "to_sign",
                document=base64.b64encode(document),
                signed_document=False,
                error_code=False,
                error_message=False,
            )
            registration.sudo().signing_request_id = self.env["l10n_vn_ibhxh.signing.request"]._request(
                registration, document, registration.certificate_id, registration._signing_title()
            )
        return True

    def _signing_title(self):
        self.ensure_one()
        official = self.env["l10n_vn_ibhxh.form"].sudo()._get(self.form, fields.Date.context_today(self))
        return f"{official.number or self.form} · {self.company_id.name}"

    def _on_signed(self, signed_document):
        """Called by the signing service once `signed_document` (bytes) has been verified."""
        self.ensure_one()
        self.lock_for_update()
        if self.state != "to_sign":
            self._message_log(
                body=self.env._("A signature arrived, but nobody waits for it any more. It was put aside.")
            )
            return
        request = self.signing_request_id.sudo()
        self._move(
            "to_send",
            signed_document=base64.b64encode(signed_document),
            signed_at=request.signed_at,
            signed_by_id=request.signed_by_id.id,
            signed_on=request.signed_on,
            error_code=False,
            error_message=False,
        )
        if self.can_submit:
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
            registration.activity_unlink(["mail.mail_activity_data_todo"])
        return True

    # -- opening -----------------------------------------------------------------------------------------------------

    def action_register_again(self):
        """Open the wizard with everything filled in as it is here."""
        self.ensure_one()
        return self._open_wizard("04" if self.form == "04" else self.form)

    def _open_wizard(self, form):
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_registration_wizard_action")
        action["context"] = {
            "default_company_id": self.company_id.id,
            "default_form": form,
            "default_email": self.email,
            "default_email_repeated": self.email,
            "default_phone": self.phone,
            "default_certificate_id": self.certificate_id.id,
            "default_provider_id": self.provider_id.id,
            "default_agency_id": self.agency_id.id,
            "default_unit_code": self.unit_code,
            "default_contact_name": self.contact_name,
        }
        return action
