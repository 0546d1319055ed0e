from datetime import datetime, time

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..models.contact_error import contact_error
from ..models.vietnam_time import today_in_vietnam
from ..tools import contact


class L10n_Vn_IbhxhEarlierRegistration(models.TransientModel):
    """Companies that VSS confirmed before Odoo was there, through another program: forms 05 and 06 come next, not 04.

    A manager vouches for it; who did stands in the company's history, and it can be taken back until VSS confirms
    something that Odoo sent.
    """

    _name = "l10n_vn_ibhxh.earlier.registration"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset(
        {"company_ids", "provider_id", "confirmed_on", "certificate_id", "unit_code", "email", "phone"}
    )
    _description = "Registered with BHXH before Odoo"

    company_ids = fields.Many2many(
        "res.company", string="Companies", required=True, default=lambda self: self.env.company
    )
    company_id = fields.Many2one("res.company", compute="_compute_company_id", export_string_translation=False)
    provider_id = fields.Many2one("l10n_vn_ibhxh.provider", string="I-VAN", required=True)
    confirmed_on = fields.Date(
        string="Confirmed on",
        required=True,
        default=lambda self: today_in_vietnam(),
        help="The day of VSS's confirmation; an approximate date is enough.",
    )
    certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate",
        string="Certificate at VSS",
        compute="_compute_from_company",
        store=True,
        readonly=False,
        precompute=True,
        domain="[('company_ids', '=', company_id)]",
        help="It may stay unknown; Odoo then cannot warn before it expires, nor of error CE014.",
    )
    unit_code = fields.Char(
        string="BHXH unit code", compute="_compute_from_company", store=True, readonly=False, precompute=True
    )
    email = fields.Char(
        string="E-mail at VSS", help="As it was registered there. Unknown: form 05 will tell VSS the company's own."
    )
    phone = fields.Char(
        string="Phone at VSS", help="As it was registered there. Unknown: form 05 will tell VSS the company's own."
    )

    @api.depends("company_ids")
    def _compute_company_id(self):
        """The company, when there is only one: what VSS has on record of it can then be entered too."""
        for wizard in self:
            wizard.company_id = wizard.company_ids._origin if len(wizard.company_ids) == 1 else False

    @api.depends("company_ids")
    def _compute_from_company(self):
        for wizard in self:
            wizard.certificate_id = self._only_certificates(wizard.company_id).get(wizard.company_id)
            wizard.unit_code = wizard.company_id.l10n_vn_ibhxh_unit_code

    @api.model
    def _only_certificates(self, companies):
        """Return `{company: certificate}` of the companies of which just one valid certificate is known."""
        known = self.env["l10n_vn_ibhxh.certificate"]._by_company(companies)
        return {company: certificates for company, certificates in known.items() if len(certificates) == 1}

    def action_note(self):
        """Note the companies as confirmed. Raises `UserError` for one that has something under way or is confirmed."""
        self.ensure_one()
        self.check_access("write")
        self._check_companies()
        certificates = self._only_certificates(self.company_ids)
        for company in self.company_ids:
            certificate = self.certificate_id if self.company_id else certificates.get(company, self.certificate_id)
            company._l10n_vn_ibhxh_note_earlier(self._prepare_company_vals(company, certificate))
        return {"type": "ir.actions.act_window_close"}

    def _check_companies(self):
        self.company_ids._l10n_vn_ibhxh_check_chosen()
        if self.confirmed_on > today_in_vietnam():
            raise UserError(self.env._("The day of VSS's confirmation is in the future. Correct it."))
        busy = self.company_ids._l10n_vn_ibhxh_open_registration().company_id
        busy |= self.company_ids.filtered(lambda company: company.l10n_vn_ibhxh_state not in ("none", "expired"))
        if busy:
            raise UserError(
                self.env._(
                    "These companies are confirmed or stopped in Odoo, or have a registration in progress: "
                    "%(names)s. Leave them out, or cancel the registration first.",
                    names=", ".join(busy.mapped("name")),
                )
            )

    def _prepare_company_vals(self, company, certificate):
        vals = {
            "l10n_vn_ibhxh_confirmed_at": datetime.combine(self.confirmed_on, time()),
            "l10n_vn_ibhxh_provider_id": self.provider_id.id,
            "l10n_vn_ibhxh_certificate_id": certificate.id,
            "l10n_vn_ibhxh_email": self._stored(contact.email, self.company_id and self.email),
            "l10n_vn_ibhxh_phone": self._stored(contact.phone, self.company_id and self.phone),
        }
        if self.company_id and self.unit_code:
            vals["l10n_vn_ibhxh_unit_code"] = self.unit_code
        return vals

    @api.model
    def _stored(self, reader, typed):
        """Return what was typed as it is stored, False for nothing; raises `ValidationError` when it is none."""
        try:
            return bool(typed) and reader(typed)
        except contact.ContactError as error:
            raise ValidationError(contact_error(self.env, error, typed)) from error
