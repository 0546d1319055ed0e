from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..models.l10n_vn_ibhxh_form import FORMS
from ..models.l10n_vn_ibhxh_registration import CONTACT_ERRORS, OPEN_STATES, STOP_REASONS, contact_error
from ..tools import contact


class L10n_Vn_IbhxhRegistrationWizard(models.TransientModel):
    """Đăng ký GD BHXH điện tử: choose the certificate, enter e-mail and phone, press “Đăng ký”.

    Plain fields, copied on confirmation: opening or closing the wizard changes nothing.
    """

    _name = "l10n_vn_ibhxh.registration.wizard"
    _description = "Register for BHXH e-transactions"

    company_id = fields.Many2one("res.company", required=True, default=lambda self: self.env.company)
    company_state = fields.Selection(related="company_id.l10n_vn_ibhxh_state")
    company_vat = fields.Char(related="company_id.vat", string="Tax code")
    form = fields.Selection(FORMS, required=True, compute="_compute_form", store=True, readonly=False, precompute=True)
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
    certificate_issuer_name = fields.Char(related="certificate_id.issuer_name")
    certificate_serial = fields.Char(related="certificate_id.serial")
    certificate_tax_code = fields.Char(related="certificate_id.tax_code", string="Tax code of the certificate")
    certificate_not_before = fields.Datetime(related="certificate_id.not_before")
    certificate_not_after = fields.Datetime(related="certificate_id.not_after")
    certificate_is_online = fields.Boolean(related="certificate_id.is_online")

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
    phone = fields.Char(compute="_compute_from_company", store=True, readonly=False, precompute=True)
    contact_name = fields.Char(string="Contact person", default=lambda self: self.env.user.name)

    old_certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate", string="Certificate at VSS", compute="_compute_old_certificate_id"
    )
    change_text = fields.Text(string="What changes")
    stop_date = fields.Date(default=fields.Date.context_today)
    stop_reason_code = fields.Selection(STOP_REASONS, string="Reason")
    stop_reason = fields.Text(string="Reason in words")
    warning = fields.Text(compute="_compute_warning")

    @api.depends("company_id")
    def _compute_form(self):
        """A confirmed company amends, every other one registers."""
        for wizard in self:
            wizard.form = wizard.form or ("05" if wizard.company_id.l10n_vn_ibhxh_state == "confirmed" else "04")

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

    @api.model
    def _available_certificates(self, company):
        """Return the certificates with which `company` may sign now."""
        now = fields.Datetime.now()
        return self.env["l10n_vn_ibhxh.certificate"].search(
            [("company_ids", "in", company.ids), ("not_before", "<=", now), ("not_after", ">=", now)]
        )

    @api.depends("company_id")
    def _compute_available_certificate_ids(self):
        for wizard in self:
            wizard.available_certificate_ids = self._available_certificates(wizard.company_id)
            wizard.has_agent = bool(
                self.env["l10n_vn_ibhxh.agent"]
                .sudo()
                .search_count([("revoked", "=", False), ("user_id.company_ids", "in", wizard.company_id.ids)], limit=1)
            )

    @api.depends("company_id")
    def _compute_certificate_id(self):
        """Propose the newest certificate, one that is plugged in now before the others."""
        for wizard in self:
            available = self._available_certificates(wizard.company_id)
            if wizard.certificate_id._origin not in available:
                online = available.filtered("is_online")
                wizard.certificate_id = (online or available).sorted("not_after", reverse=True)[:1]

    @api.depends("company_id")
    def _compute_from_company(self):
        for wizard in self:
            company = wizard.company_id
            provider = company.l10n_vn_ibhxh_provider_id
            wizard.provider_id = (
                wizard.provider_id
                or provider
                or self._only(
                    "l10n_vn_ibhxh.provider", [("gateway", "!=", "manual"), ("company_id", "in", (False, company.id))]
                )
            )
            wizard.agency_id = wizard.agency_id or company.l10n_vn_ibhxh_agency_id
            wizard.unit_code = wizard.unit_code or company.l10n_vn_ibhxh_unit_code
            wizard.email = wizard.email or company.l10n_vn_ibhxh_email or company.email
            wizard.phone = wizard.phone or company.l10n_vn_ibhxh_phone or company.phone

    @api.model
    def _only(self, model, domain):
        """Return the one record of `domain`; none when there is a choice to make."""
        found = self.env[model].search(domain, limit=2)
        return found if len(found) == 1 else found.browse()

    @api.depends("company_id")
    def _compute_old_certificate_id(self):
        for wizard in self:
            wizard.old_certificate_id = wizard.company_id.l10n_vn_ibhxh_certificate_id

    @api.depends("company_id", "unit_code")
    def _compute_warning(self):
        for wizard in self:
            warnings = []
            vat = wizard.company_id.l10n_vn_ibhxh_tax_code
            if not vat:
                warnings.append(self.env._("The company has no tax code. Enter it on the company first."))
            elif contact.tax_code_warning(vat):
                warnings.append(
                    self.env._(
                        "The company's tax code %(code)s does not look right. Compare it with the tax office's.",
                        code=vat,
                    )
                )
            if wizard.unit_code and contact.unit_code_warning(wizard.unit_code.strip().upper()):
                warnings.append(
                    self.env._("The unit code %(code)s is unusual. They look like TZH490L.", code=wizard.unit_code)
                )
            wizard.warning = "\n".join(warnings) or False

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
        if not self.certificate_id:
            raise UserError(
                self.env._(
                    "Choose a certificate. If the list is empty, plug in the token and start ibhxh-agent on its computer."
                )
            )
        self.certificate_id._check_usable_for(self.company_id)
        if not self.email or not self.phone:
            raise ValidationError(self.env._(CONTACT_ERRORS["empty"]))
        registration = self.env["l10n_vn_ibhxh.registration"].create(self._prepare_registration_vals())
        registration._follow_certificate(self.old_certificate_id)
        registration.action_request_signature()
        return self._open(registration)

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
        return {
            "type": "ir.actions.act_window",
            "res_model": registration._name,
            "res_id": registration.id,
            "views": [(False, "form")],
            "target": "current",
        }
