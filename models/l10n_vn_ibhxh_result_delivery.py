from odoo import api, fields, models
from odoo.exceptions import ValidationError


class L10n_Vn_IbhxhResultDelivery(models.Model):
    """How VSS's results reach the unit (`PTNhanKetQua`). VSS publishes no list, so it can be corrected."""

    _name = "l10n_vn_ibhxh.result.delivery"
    _inherit = ["l10n_vn_ibhxh.shared"]
    _description = "Way in which results of VSS arrive"
    _order = "code"

    code = fields.Char(required=True, size=1, help="One digit, as the dossier has it.")
    name = fields.Char(required=True, translate=True)

    _code_unique = models.Constraint("UNIQUE (code)", "This code already exists.")

    @api.constrains("code")
    def _check_code(self):
        if any(not (record.code.isascii() and record.code.isdigit()) for record in self):
            raise ValidationError(self.env._("The code is one digit, as the dossier has it."))
