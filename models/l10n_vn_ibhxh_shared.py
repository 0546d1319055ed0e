import logging

from odoo import api, models
from odoo.exceptions import AccessError

_logger = logging.getLogger(__name__)


class L10n_Vn_IbhxhShared(models.AbstractModel):
    """Records that every company of the database relies on: only administrators of all companies change them.

    A model with a `company_id` has records that belong to one company too; these are its manager's. Changes are logged,
    by the names of the fields, never by their values.
    """

    _name = "l10n_vn_ibhxh.shared"
    _description = "What all companies share"

    def _check_access(self, operation):
        result = super()._check_access(operation)
        if result or operation == "read" or self.env.user._l10n_vn_ibhxh_is_shared_admin():
            return result
        is_owned = "company_id" in self._fields
        shared = self.sudo().filtered(lambda record: not record.company_id) if is_owned else self
        return (shared.sudo(False), self._make_shared_error) if shared or not is_owned else None

    @api.model
    def _make_shared_error(self):
        return AccessError(
            self.env._(
                "All companies use this, so only a BHXH manager with access to all companies may change it: %(what)s.",
                what=self._description,
            )
        )

    @api.model_create_multi
    def create(self, vals_list):
        records = super().create(vals_list)
        records._log_change("created", set().union(*vals_list))
        return records

    def write(self, vals):
        result = super().write(vals)
        # What was its company's own a moment ago may be everybody's now.
        self.check_access("write")
        self._log_change("changed", vals)
        return result

    def unlink(self):
        self._log_change("deleted", ())
        return super().unlink()

    def _log_change(self, what, names):
        _logger.info("%s %s %s by %s: %s", self._name, self.ids, what, self.env.user.login, ", ".join(sorted(names)))
