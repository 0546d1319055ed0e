from odoo import fields, models


class L10n_Vn_IbhxhRegistrationStep(models.Model):
    """One step of VSS's answer, as the gateway (received, checked, result) or a person who lodged by hand reports."""

    _name = "l10n_vn_ibhxh.registration.step"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _description = "Step of a BHXH registration"
    _order = "registration_id, number, id"
    _rec_name = "code"

    registration_id = fields.Many2one(
        "l10n_vn_ibhxh.registration", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="registration_id.company_id", store=True, index=True)
    number = fields.Integer(string="Step", required=True, readonly=True)
    date = fields.Datetime(readonly=True)
    code = fields.Char(readonly=True)
    description = fields.Char(readonly=True)
    passed = fields.Boolean(readonly=True)

    _number_unique = models.UniqueIndex("(registration_id, number)", "This step is already recorded.")
