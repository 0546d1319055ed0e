from odoo import models


class ResUsers(models.Model):
    _inherit = "res.users"

    def write(self, vals):
        """Which companies a token may be used for follows from the companies that its computer's user may access."""
        result = super().write(vals)
        if "company_ids" in vals:
            agents = self.env["l10n_vn_ibhxh.agent"].sudo().search([("user_id", "in", self.ids)])
            agents.certificate_ids._update_companies()
        return result
