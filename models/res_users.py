from odoo import models


class ResUsers(models.Model):
    _inherit = "res.users"

    def write(self, vals):
        """Which companies a certificate may be used for follows from the companies that the user of its computer, or of
        its remote signing account, may access.

        Where somebody else sets the password, or it is reset by mail, an intruder may have paired a computer before:
        all of the user's computers are revoked. Those who change their own password decide for themselves.
        """
        result = super().write(vals)
        agents = self.env["l10n_vn_ibhxh.agent"].sudo()
        if "company_ids" in vals:
            accounts = self.env["l10n_vn_ibhxh.remote.account"].sudo().search([("user_id", "in", self.ids)])
            certificates = agents.search([("user_id", "in", self.ids)]).certificate_ids | accounts.certificate_ids
            certificates._update_companies()
        if "password" in vals:
            reset = self - self.env.user
            agents.search([("user_id", "in", reset.ids), ("revoked", "=", False)]).action_revoke()
        return result

    def _l10n_vn_ibhxh_is_shared_admin(self):
        """Whether the user administers what all companies share: a BHXH manager who has every active company."""
        self.ensure_one()
        user = self.sudo()
        if not user.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"):
            return False
        return not self.env["res.company"].sudo().search_count([("id", "not in", user.company_ids.ids)], limit=1)
