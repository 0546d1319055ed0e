from odoo import api, fields, models


class L10n_Vn_IbhxhResultCode(models.Model):
    """A code that VSS answers with, what it means and its remedy. The list is known to be incomplete."""

    _name = "l10n_vn_ibhxh.result.code"
    _inherit = ["l10n_vn_ibhxh.shared"]
    _description = "Result code of a social insurance e-transaction"
    _order = "code"
    _rec_name = "code"

    code = fields.Char(required=True)
    meaning = fields.Char(required=True, translate=True)
    remedy = fields.Text(required=True, translate=True, help="What the person does next, as a sentence.")
    remedy_action = fields.Selection(
        [
            ("register", "Register again"),
            ("stop_register", "Stop, then register again"),
            ("move", "Move here: stop, then register"),
            ("certificate", "Choose another certificate"),
            ("amend", "Amend (form 05)"),
            ("agency", "Correct the agency"),
            ("unit", "Correct tax code or unit code"),
            ("retry", "Send again"),
        ],
        string="Button",
    )
    is_held_by_portal = fields.Boolean(
        string="Registered on VSS's portal", help="The refusal means that VSS's own portal holds the unit."
    )
    is_permanent = fields.Boolean(
        default=True,
        help="Untick when the same dossier can simply be sent again later; Odoo then retries automatically.",
    )

    _code_unique = models.Constraint("UNIQUE (code)", "This result code already exists.")

    @api.model
    def _find(self, code):
        """Return the record of `code`, or an empty recordset: unknown codes are shown as received."""
        return self.search([("code", "=", code)], limit=1) if code else self.browse()
