import re

from odoo import api, fields, models
from odoo.exceptions import ValidationError

AGENCY_CODE = re.compile(r"[0-9]{3,5}")


class L10n_Vn_IbhxhAgency(models.Model):
    """A social-insurance agency (cơ quan BHXH): a code of 3 to 5 digits and a name.

    Ships with the 34 provincial agencies; the basic ones (BHXH cơ sở) are created or imported by users. Their first
    three digits follow the provinces before the 2025 merger, so no province is ever derived from a code.
    """

    _name = "l10n_vn_ibhxh.agency"
    _inherit = ["l10n_vn_ibhxh.shared"]
    _description = "Social insurance agency"
    _order = "code"
    _rec_names_search = ["code", "name"]

    code = fields.Char(required=True, size=5, help="3 to 5 digits, as the agency itself states it.")
    name = fields.Char(required=True)
    active = fields.Boolean(default=True)

    _code_unique = models.Constraint("UNIQUE (code)", "An agency with this code already exists.")

    @api.constrains("code")
    def _check_code(self):
        for agency in self:
            if not AGENCY_CODE.fullmatch(agency.code):
                raise ValidationError(
                    self.env._("“%(code)s” is not an agency code. Enter 3 to 5 digits, e.g. 079.", code=agency.code)
                )

    @api.depends("code", "name")
    def _compute_display_name(self):
        for agency in self:
            agency.display_name = f"{agency.code} - {agency.name}" if agency.code else agency.name
