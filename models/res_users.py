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

    def _l10n_vn_ibhxh_is_shared_admin(self):
        """Whether the user administers what all companies share: a BHXH manager who has every active company."""
        self.ensure_one()
        user = self.sudo()
        if not user.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"):
            return False
        return not self.env["res.company"].sudo().search_count([("id", "not in", user.company_ids.ids)], limit=1)
