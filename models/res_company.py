from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..tools import contact
from . import bulk
from .contact_error import contact_error


class ResCompany(models.Model):
    _inherit = "res.company"

    l10n_vn_ibhxh_state = fields.Selection(
        [
            ("none", "Not registered"),
            ("in_progress", "In progress"),
            ("to_activate", "To activate"),
            ("expired", "Code expired"),
            ("confirmed", "Confirmed"),
            ("stopped", "Stopped"),
        ],
        string="BHXH e-transactions",
        required=True,
        default="none",
        copy=False,
    )
    l10n_vn_ibhxh_registration_id = fields.Many2one(
        "l10n_vn_ibhxh.registration", string="BHXH registration", copy=False, index="btree_not_null"
    )
    l10n_vn_ibhxh_activation_expires_at = fields.Datetime(
        string="Activation code valid until", related="l10n_vn_ibhxh_registration_id.activation_expires_at"
    )
    l10n_vn_ibhxh_confirmed_at = fields.Datetime(string="BHXH confirmed at", copy=False)
    l10n_vn_ibhxh_unit_code = fields.Char(
        string="BHXH unit code",
        copy=False,
        help="Mã đơn vị: the code under which VSS knows this employer, e.g. TZH490L.",
    )
    l10n_vn_ibhxh_agency_id = fields.Many2one("l10n_vn_ibhxh.agency", string="BHXH agency", index="btree_not_null")
    l10n_vn_ibhxh_provider_id = fields.Many2one("l10n_vn_ibhxh.provider", string="I-VAN", index="btree_not_null")
    l10n_vn_ibhxh_certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate", string="Certificate at VSS", copy=False, index="btree_not_null"
    )
    l10n_vn_ibhxh_email = fields.Char(string="E-mail at VSS", copy=False)
    l10n_vn_ibhxh_phone = fields.Char(string="Phone at VSS", copy=False)
    l10n_vn_ibhxh_tax_code = fields.Char(
        compute="_compute_l10n_vn_ibhxh_tax_code", store=True, index="btree_not_null", export_string_translation=False
    )

    @api.depends("vat")
    def _compute_l10n_vn_ibhxh_tax_code(self):
        for company in self:
            try:
                company.l10n_vn_ibhxh_tax_code = contact.tax_code(company.vat or "")
            except contact.ContactError:
                company.l10n_vn_ibhxh_tax_code = False

    @api.model
    def _l10n_vn_ibhxh_normalise(self, vals):
        """Return `vals` with the unit code in upper case; raises `ValidationError` when it cannot be one."""
        if not vals.get("l10n_vn_ibhxh_unit_code"):
            return vals
        try:
            return {**vals, "l10n_vn_ibhxh_unit_code": contact.unit_code(vals["l10n_vn_ibhxh_unit_code"])}
        except contact.ContactError as error:
            raise ValidationError(contact_error(self.env, error, vals["l10n_vn_ibhxh_unit_code"])) from error

    @api.model_create_multi
    def create(self, vals_list):
        return super().create([self._l10n_vn_ibhxh_normalise(vals) for vals in vals_list])

    def write(self, vals):
        result = super().write(self._l10n_vn_ibhxh_normalise(vals))
        if "vat" in vals:
            certificates = self.env["l10n_vn_ibhxh.certificate"].sudo()
            tax_codes = [company.l10n_vn_ibhxh_tax_code for company in self if company.l10n_vn_ibhxh_tax_code]
            certificates.search(
                ["|", ("tax_code", "in", tax_codes), ("company_ids", "in", self.ids)]
            )._update_companies()
        return result

    def _l10n_vn_ibhxh_update_state(self):
        """Derive the company's status from its registrations.

        What VSS confirmed last stands: a renewal that fails, expires or is still under way never takes a confirmed
        company back.
        """
        none = self.env["l10n_vn_ibhxh.registration"]
        registrations = none.sudo().search([("company_id", "in", self.ids)], order="id desc").grouped("company_id")
        changed = {}
        for company in self:
            own = registrations.get(company, none)
            confirmed = own.filtered(lambda r: r.state == "confirmed").sorted("confirmed_at", reverse=True)[:1]
            vals = company._l10n_vn_ibhxh_confirmed_vals(confirmed) if confirmed else {}
            current = own.filtered(lambda r: r.state not in ("cancelled", "draft"))[:1]
            if confirmed:
                base = "stopped" if confirmed.form == "06" else "confirmed"
            else:
                base = "confirmed" if company.l10n_vn_ibhxh_confirmed_at else "none"
            state = base
            if base != "confirmed" and current.form == "04":
                state = {
                    "to_sign": "in_progress",
                    "to_send": "in_progress",
                    "sent": "in_progress",
                    "to_activate": "to_activate",
                    "expired": "expired",
                }.get(current.state, base)
            vals.update(l10n_vn_ibhxh_state=state, l10n_vn_ibhxh_registration_id=own[:1].id)
            vals = {name: value for name, value in vals.items() if company._l10n_vn_ibhxh_differs(name, value)}
            if vals:
                changed.setdefault(tuple(vals.items()), []).append(company.id)
        # Companies that change in the same way are written together: expiry concerns hundreds at once.
        for items, ids in changed.items():
            bulk.write_same(self.browse(ids), dict(items))

    def _l10n_vn_ibhxh_differs(self, name, value):
        current = self[name]
        return (current.id if isinstance(current, models.BaseModel) else current) != value

    def _l10n_vn_ibhxh_confirmed_vals(self, registration):
        """Return what VSS now has on record, by the last registration that it confirmed."""
        vals = {
            "l10n_vn_ibhxh_confirmed_at": registration.confirmed_at,
            "l10n_vn_ibhxh_provider_id": registration.provider_id.id,
            "l10n_vn_ibhxh_agency_id": registration.agency_id.id,
            "l10n_vn_ibhxh_certificate_id": registration.certificate_id.id,
            "l10n_vn_ibhxh_email": registration.email,
            "l10n_vn_ibhxh_phone": registration.phone,
        }
        if registration.unit_code:
            vals["l10n_vn_ibhxh_unit_code"] = registration.unit_code
        return vals
