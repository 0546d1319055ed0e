from odoo import models
from odoo.exceptions import AccessError

# What a company's name and tax code follow from: its contact's own, or those of the contact above it.
IDENTITY = {"name", "vat", "parent_id", "is_company", "type"}


class ResPartner(models.Model):
    _inherit = "res.partner"

    def write(self, vals):
        """A company is called and taxed as its contact is; so only those who may write the company change that.

        Contacts hand their tax code down to those below them, so it is looked at what came of it.
        """
        if not vals.keys() & IDENTITY:
            return super().write(vals)
        companies = self.env["res.company"].sudo().with_context(active_test=False)
        companies = companies.search([("partner_id", "child_of", self.ids)])
        before = {company: (company.name, company.vat) for company in companies}
        result = super().write(vals)
        changed = companies.filtered(lambda company: before[company] != (company.name, company.vat))
        if changed and not changed.with_env(self.env).has_access("write"):
            raise AccessError(
                self.env._(
                    "This contact is a company of this Odoo: its name and tax code go into what the company signs. Ask "
                    "somebody who may change the company."
                )
            )
        changed._l10n_vn_ibhxh_update_certificates()
        return result
