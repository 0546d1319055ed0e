from odoo import api, models
from odoo.exceptions import AccessError
from odoo.fields import Domain

# What a company's name and tax code follow from: its contact's own, or those of contacts above and below it.
IDENTITY = {"name", "vat", "parent_id", "is_company", "type"}


class ResPartner(models.Model):
    """A company is called and taxed as its contact is; so only those who may write the company change that.

    Contacts hand their tax code up and down, partly as superuser, so it is looked at what came of it.
    """

    _inherit = "res.partner"

    @api.model_create_multi
    def create(self, vals_list):
        parents = self.browse(vals["parent_id"] for vals in vals_list if vals.get("parent_id"))
        before = parents._l10n_vn_ibhxh_identities()
        contacts = super().create(vals_list)
        self._l10n_vn_ibhxh_check_identities(before)
        return contacts

    def write(self, vals):
        before = self._l10n_vn_ibhxh_identities() if vals.keys() & IDENTITY else {}
        result = super().write(vals)
        self._l10n_vn_ibhxh_check_identities(before)
        return result

    def _l10n_vn_ibhxh_identities(self):
        """Return `{company: (name, tax code)}` (superuser) of the companies that these contacts can change."""
        if not self:
            return {}
        domain = Domain("partner_id", "child_of", self.ids) | Domain("partner_id", "parent_of", self.ids)
        companies = self.env["res.company"].sudo().with_context(active_test=False).search(domain)
        return {company: (company.name, company.vat) for company in companies}

    @api.model
    def _l10n_vn_ibhxh_check_identities(self, before):
        """Raise `AccessError` when a company is another one than `before` and the user may not write it."""
        changed = (
            self.env["res.company"]
            .sudo()
            .union(*(company for company, identity in before.items() if identity != (company.name, company.vat)))
        )
        if changed and not changed.with_env(self.env).has_access("write"):
            raise AccessError(
                self.env._(
                    "This contact is a company of this Odoo: its name and tax code are part of what the company "
                    "signs. Ask someone who may change the company."
                )
            )
        changed._l10n_vn_ibhxh_update_certificates()
