import base64
import binascii

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.misc import clean_context

from ..models.const import FORMS, OPEN_STATES, STOP_REASONS, SUBJECT_TYPES
from ..models.contact_error import contact_error
from ..models.vietnam_time import today_in_vietnam
from ..tools import certificate as x509
from ..tools import contact, dossier

# Base64 of the largest file that is looked at.
MAX_UPLOAD = x509.MAX_BYTES * 4 // 3 + 4


class L10n_Vn_IbhxhRegistrationWizard(models.TransientModel):
    """Đăng ký GD BHXH điện tử: choose the certificate, enter e-mail and phone, press “Đăng ký”.

    Plain fields, copied on confirmation: opening or closing the wizard changes nothing. Which forms are offered follows
    from the company's state: none, expired or stopped registers (04), confirmed amends (05) or stops (06).
    """

    _name = "l10n_vn_ibhxh.registration.wizard"
    _inherit = ["l10n_vn_ibhxh.protected", "l10n_vn_ibhxh.preflight"]
    _person_fields = frozenset(
        {
            "company_id", "form", "certificate_id", "provider_id", "agency_id", "unit_code", "email", "email_repeated",
            "phone", "contact_name", "change_text", "stop_date", "stop_reason_code", "stop_reason", "then_register",
            "target_provider_id", "then_certificate_id", "lodging", "certificate_file", "certificate_file_name",
            "subject_type", "result_delivery_id", "submitted_at", "dossier_number",
        }
    )  # fmt: skip
    _creation_fields = frozenset({"corrects_id"})
    _description = "Register for BHXH e-transactions"

    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    company_state = fields.Selection(related="company_id.l10n_vn_ibhxh_state")
    company_vat = fields.Char(related="company_id.vat", string="Tax code")
    form = fields.Selection(FORMS, required=True, compute="_compute_form", store=True, readonly=False, precompute=True)
    offered_forms = fields.Json(compute="_compute_offered_forms", export_string_translation=False)
    official_form_id = fields.Many2one("l10n_vn_ibhxh.form", compute="_compute_official_form_id")
    official_title = fields.Char(related="official_form_id.title", string="Title of the form")
    official_legal_basis = fields.Text(related="official_form_id.legal_basis", string="Legal basis")
    open_registration_id = fields.Many2one("l10n_vn_ibhxh.registration", compute="_compute_open_registration_id")

    available_certificate_ids = fields.Many2many(
        "l10n_vn_ibhxh.certificate", compute="_compute_available_certificate_ids", export_string_translation=False
    )
    has_agent = fields.Boolean(compute="_compute_available_certificate_ids")
    certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate",
        compute="_compute_certificate_id",
        store=True,
        readonly=False,
        precompute=True,
        domain="[('id', 'in', available_certificate_ids)]",
    )
    certificate_file = fields.Binary(string="Certificate file", attachment=False)
    certificate_file_name = fields.Char()
    certificate_issuer_name = fields.Char(related="certificate_id.issuer_name")
    certificate_serial = fields.Char(related="certificate_id.serial")
    certificate_tax_code = fields.Char(related="certificate_id.tax_code", string="Tax code of the certificate")
    certificate_not_before = fields.Datetime(related="certificate_id.not_before")
    certificate_not_after = fields.Datetime(related="certificate_id.not_after")
    certificate_is_online = fields.Boolean(related="certificate_id.is_online")
    certificate_is_remote = fields.Boolean(related="certificate_id.is_remote")
    has_phone = fields.Boolean(compute="_compute_available_certificate_ids", help="A certificate is on the phone.")

    provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider",
        string="I-VAN",
        compute="_compute_from_company",
        store=True,
        readonly=False,
        precompute=True,
        check_company=True,
    )
    agency_id = fields.Many2one(
        "l10n_vn_ibhxh.agency",
        string="BHXH agency",
        compute="_compute_from_company",
        store=True,
        readonly=False,
        precompute=True,
    )
    unit_code = fields.Char(compute="_compute_from_company", store=True, readonly=False, precompute=True)
    email = fields.Char(string="E-mail", compute="_compute_from_company", store=True, readonly=False, precompute=True)
    email_repeated = fields.Char(
        string="E-mail once more",
        compute="_compute_from_company",
        store=True,
        readonly=False,
        precompute=True,
        help="Type it a second time when you change it: the activation code goes there.",
    )
    phone = fields.Char(compute="_compute_from_company", store=True, readonly=False, precompute=True)
    proposed_company_id = fields.Many2one(
        "res.company", compute="_compute_from_company", store=True, precompute=True, export_string_translation=False
    )
    contact_name = fields.Char(string="Contact person", default=lambda self: self.env.user.name)
    subject_type = fields.Selection(
        SUBJECT_TYPES,
        string="Registered as",
        required=True,
        compute="_compute_from_company",
        store=True,
        readonly=False,
        precompute=True,
    )
    result_delivery_id = fields.Many2one(
        "l10n_vn_ibhxh.result.delivery",
        string="Results arrive",
        compute="_compute_from_company",
        store=True,
        readonly=False,
        precompute=True,
    )
    portal_url = fields.Char(related="provider_id.portal_url")
    submitted_at = fields.Datetime(
        string="Submitted at",
        default=fields.Datetime.now,
        help="When you submitted it there. A code mail that arrived earlier belongs to an earlier dossier.",
    )
    dossier_number = fields.Char(
        string="Dossier number", help="As the program or the portal shows it; leave it empty when there is none yet."
    )

    old_certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate", string="Certificate at VSS", compute="_compute_old_certificate_id"
    )
    change_text = fields.Text(
        string="What changes", compute="_compute_change_text", store=True, readonly=False, precompute=True
    )
    change_proposal = fields.Text(
        compute="_compute_change_text", store=True, precompute=True, export_string_translation=False
    )
    stop_date = fields.Date(default=lambda self: today_in_vietnam())
    stop_reason_code = fields.Selection(STOP_REASONS, string="Reason")
    stop_reason = fields.Text(string="Reason in words")
    then_register = fields.Boolean(help="After VSS has confirmed the stop, registering again is one click.")
    target_provider_id = fields.Many2one("l10n_vn_ibhxh.provider", string="Then register at")
    is_move = fields.Boolean(compute="_compute_is_move")
    holder_provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider", string="The unit is with", compute="_compute_holder_provider_id"
    )
    then_certificate_id = fields.Many2one("l10n_vn_ibhxh.certificate", string="Then amend the certificate")

    @api.depends("company_id")
    def _compute_form(self):
        """Propose the first form that is offered, unless a refusal is corrected with a certain form."""
        for wizard in self:
            offered = wizard.company_id._l10n_vn_ibhxh_offered_forms()
            if not wizard.form or (wizard.form not in offered and not wizard._refusal()):
                wizard.form = offered[0]

    @api.depends("company_id", "corrects_id", "form")
    def _compute_offered_forms(self):
        for wizard in self:
            offered = wizard.company_id._l10n_vn_ibhxh_offered_forms()
            wizard.offered_forms = sorted({*offered, wizard.form}) if wizard._refusal() else offered

    @api.depends("form")
    def _compute_official_form_id(self):
        today = today_in_vietnam()
        for wizard in self:
            wizard.official_form_id = self.env["l10n_vn_ibhxh.form"]._get(wizard.form, today)

    @api.depends("company_id", "provider_id", "form", "then_register", "target_provider_id")
    def _compute_is_move(self):
        for wizard in self:
            wizard.is_move = wizard._is_move()

    @api.depends("company_id", "corrects_id")
    def _compute_holder_provider_id(self):
        """Which I-VAN, or the portal, holds the unit: as Odoo has it, else as VSS's refusal says."""
        for wizard in self:
            company = wizard.company_id
            confirmed = company.l10n_vn_ibhxh_state == "confirmed" and company.l10n_vn_ibhxh_provider_id
            wizard.holder_provider_id = confirmed or wizard._refusal()._holder_provider()

    @api.depends("company_id")
    def _compute_open_registration_id(self):
        found = dict(
            self.env["l10n_vn_ibhxh.registration"]._read_group(
                [("company_id", "in", self.company_id.ids), ("state", "in", OPEN_STATES)],
                ["company_id"],
                ["id:recordset"],
            )
        )
        for wizard in self:
            wizard.open_registration_id = found.get(wizard.company_id, self.env["l10n_vn_ibhxh.registration"])[:1]

    @api.depends("company_id")
    def _compute_available_certificate_ids(self):
        for wizard in self:
            company = wizard.company_id._origin
            certificates = self.env["l10n_vn_ibhxh.certificate"]
            wizard.available_certificate_ids = certificates._by_company(company).get(company, certificates)
            wizard.has_phone = any(wizard.available_certificate_ids.mapped("is_remote"))
            wizard.has_agent = bool(
                self.env["l10n_vn_ibhxh.agent"]
                .sudo()
                .search_count([("revoked", "=", False), ("user_id.company_ids", "in", wizard.company_id.ids)], limit=1)
            )

    @api.depends("available_certificate_ids", "form")
    def _compute_certificate_id(self):
        """Propose the newest certificate, one that is plugged in now before the others; to stop, the one on record."""
        for wizard in self:
            available = wizard.available_certificate_ids._origin
            on_record = wizard.company_id.l10n_vn_ibhxh_certificate_id & available
            if wizard.form == "06" and on_record and not wizard._refusal():
                wizard.certificate_id = on_record
            elif wizard.certificate_id._origin not in available:
                wizard.certificate_id = available[:1]

    @api.depends("company_id")
    def _compute_from_company(self):
        """Propose what the company has on record; what was typed for another company is not kept."""
        proposals = self.company_id._l10n_vn_ibhxh_propose()
        for wizard in self:
            company = wizard.company_id
            if wizard.proposed_company_id and wizard.proposed_company_id != company:
                wizard.provider_id = wizard.agency_id = wizard.unit_code = False
                wizard.email = wizard.email_repeated = wizard.phone = False
                wizard.subject_type = wizard.result_delivery_id = False
            wizard.proposed_company_id = company
            for name, value in proposals.get(company, {}).items():
                wizard[name] = wizard[name] or value
            wizard.email_repeated = wizard.email_repeated or wizard.email

    @api.depends("company_id", "form", "certificate_id", "email", "phone", "agency_id")
    def _compute_change_text(self):
        """Say in Vietnamese what differs from VSS's record, unless the person has written a text of their own."""
        for wizard in self:
            is_own = wizard.change_text and wizard.change_text != wizard.change_proposal
            changes = wizard.company_id._l10n_vn_ibhxh_changes(wizard) if wizard.form == "05" else []
            wizard.change_proposal = "\n".join(changes) or False
            if not is_own:
                wizard.change_text = wizard.change_proposal

    @api.depends("company_id")
    def _compute_old_certificate_id(self):
        for wizard in self:
            wizard.old_certificate_id = wizard.company_id.l10n_vn_ibhxh_certificate_id

    def _preflight_depends(self):
        return (*super()._preflight_depends(), "email_repeated", "certificate_file")

    def _preflight_info(self):
        return self._uploaded() if self.lodging == "elsewhere" and self.certificate_file else super()._preflight_info()

    def _uploaded(self):
        """Return what the uploaded file says (`tools.certificate.CertificateInfo`); raises `CertificateError`."""
        content = self.with_context(bin_size=False).certificate_file or b""
        if len(content) > MAX_UPLOAD:
            raise x509.CertificateError("the file is too large", "too_large")
        try:
            return x509.load_upload(base64.b64decode(content, validate=True))
        except binascii.Error as error:
            raise x509.CertificateError("the file did not arrive whole") from error

    def _preflight_email_repeated(self):
        return self.email_repeated or ""

    @api.onchange("unit_code")
    def _onchange_unit_code(self):
        if self.unit_code:
            self.unit_code = self.unit_code.strip().upper()

    @api.onchange("email", "phone")
    def _onchange_contact(self):
        """Warn at once about what cannot be right; what was typed stays."""
        for field, reader in (("email", contact.email), ("phone", contact.phone)):
            if self[field]:
                try:
                    reader(self[field])
                except contact.ContactError as error:
                    return {
                        "warning": {
                            "title": self.env._("Please check"),
                            "message": contact_error(self.env, error, self[field]),
                            "type": "notification",
                        }
                    }
        return None

    def action_register(self):
        """Create the registration and ask the token's holder to sign it; open it."""
        self.ensure_one()
        if self.open_registration_id:
            return self._open(self.open_registration_id)
        self._check_preflight()
        registration = self._create_registration()
        if registration.lodging == "elsewhere":
            submitted_at = self.submitted_at or fields.Datetime.now()
            registration._submitted_elsewhere(submitted_at, dossier.read_number(self.dossier_number))
        else:
            registration.action_request_signature()
        return self._open(registration)

    def action_submitted(self):
        """“I have submitted it there”: what “Đăng ký” does where nothing is signed here."""
        return self.action_register()

    def action_save_draft(self):
        """Keep what was entered; it is submitted elsewhere later, and that is noted on the registration then."""
        self.ensure_one()
        if self.open_registration_id:
            return self._open(self.open_registration_id)
        self._check_preflight()
        registration = self._create_registration()
        self.company_id.sudo()._l10n_vn_ibhxh_update_state()
        return self._open(registration)

    def _create_registration(self):
        if self.lodging == "elsewhere" and self.certificate_file:
            certificate = self.env["l10n_vn_ibhxh.certificate"]._from_der([self._uploaded().der])
            # The checks made sure that it is the company's own.
            certificate.sudo().company_ids |= self.company_id
            self.certificate_id = certificate
        registration = self.env["l10n_vn_ibhxh.registration"].create(self._prepare_registration_vals())
        registration._follow_wizard(self)
        return registration

    def action_move(self):
        """Move: the I-VAN to which the company goes files the stop (form 06, reason 7); registering comes then."""
        self.ensure_one()
        if not self._is_move():
            raise UserError(self.env._("Choose the I-VAN to which the company moves first."))
        self._stop_to_register_at(self.provider_id)
        return self._reopen()

    def action_stop_at_holder(self):
        """The other way to move: the I-VAN, or the portal, that holds the unit files the stop itself."""
        self.ensure_one()
        holder = self.holder_provider_id
        target = self.target_provider_id or self.provider_id
        if not holder or holder == target:
            raise UserError(self.env._("Odoo does not know which I-VAN holds the unit. Let the new one file the stop."))
        self._stop_to_register_at(target)
        self.provider_id = holder
        return self._reopen()

    def action_stop_at_target(self):
        """Back to the usual way: the I-VAN to which the company moves files the stop."""
        self.ensure_one()
        self._stop_to_register_at(self.target_provider_id or self.provider_id)
        return self._reopen()

    def _stop_to_register_at(self, target):
        vals = {"form": "06", "target_provider_id": target.id, "provider_id": target.id, "then_register": True}
        self.write({**vals, "stop_reason_code": self.stop_reason_code or "7"})

    def action_data_first(self):
        """Data and certificate change at once: first the data, signed with the certificate that VSS has on record."""
        self.ensure_one()
        if self._is_for_two_dossiers():
            new = self.certificate_id
            self.write(
                {"certificate_id": self.company_id.l10n_vn_ibhxh_certificate_id.id, "then_certificate_id": new.id}
            )
        return self._reopen()

    def action_amend_first(self):
        """The certificate that is to sign is not the one on record: form 05 comes first."""
        self.ensure_one()
        chosen = self.certificate_id
        self.write({"form": "05", "then_register": False, "target_provider_id": False})
        self.certificate_id = chosen
        return self._reopen()

    def action_open_company(self):
        """Open the company, where its tax code stands."""
        self.ensure_one()
        return self.company_id._l10n_vn_ibhxh_open()

    def action_open_other(self):
        """Open the registration that is under way already."""
        return self.action_open_registration()

    def _reopen(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_registration_wizard_action")
        return {**action, "res_id": self.id}

    def action_open_registration(self):
        """Open the registration that is under way already."""
        self.ensure_one()
        return self._open(self.open_registration_id)

    def _prepare_registration_vals(self):
        vals = {
            "company_id": self.company_id.id,
            "form": self.form,
            "provider_id": self.provider_id.id,
            "agency_id": self.agency_id.id,
            "certificate_id": self.certificate_id.id,
            "lodging": self.lodging,
            "subject_type": self.subject_type,
            "result_delivery_id": self.result_delivery_id.id,
            "unit_code": self.unit_code,
            "email": self.email,
            "phone": self.phone,
            "contact_name": self.contact_name,
        }
        if self.form == "05":
            vals["change_text"] = self.change_text
        elif self.form == "06":
            vals.update(stop_date=self.stop_date, stop_reason_code=self.stop_reason_code, stop_reason=self.stop_reason)
        return vals

    @api.model
    def _open(self, registration):
        # Without the wizard's own defaults, which the registration's page would hand on to what is created there.
        return registration._get_records_action(context=clean_context(self.env.context))
