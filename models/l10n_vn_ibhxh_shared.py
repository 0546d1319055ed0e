import logging

from odoo import api, models
from odoo.exceptions import AccessError, UserError

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

    @api.ondelete(at_uninstall=False)
    def _unlink_only_unused(self):
        """Raise `UserError` naming what refers to one of these by a field that forbids to delete it."""
        for record in self:
            model = next(filter(None, map(record._user_by, record._restricting_fields())), None)
            if model:
                raise UserError(
                    self.env._(
                        "“%(name)s” is in use (%(what)s), so it cannot be deleted. Archive it instead: then it is no "
                        "longer offered, and what began with it goes on.",
                        name=record.display_name,
                        what=self.env["ir.model"]._get(model).name,
                    )
                )

    @api.model
    def _restricting_fields(self):
        """Return the stored fields of lasting records that refer to this model and forbid to delete what they name."""
        return [
            field
            for model in self.env.registry.values()
            if model._auto and not model._abstract and not model._transient
            for field in model._fields.values()
            if field.type == "many2one"
            and field.store
            and field.comodel_name == self._name
            and field.ondelete == "restrict"
        ]

    def _user_by(self, field):
        """Return the model of `field` where one of its records, archived ones too, refers to this record."""
        users = self.env[field.model_name].sudo().with_context(active_test=False)
        return field.model_name if users.search_count([(field.name, "=", self.id)], limit=1) else None

    def _log_change(self, what, names):
        _logger.info("%s %s %s by %s: %s", self._name, self.ids, what, self.env.user.login, ", ".join(sorted(names)))
