from odoo import api, fields, models


class L10n_Vn_IbhxhCredentials(models.AbstractModel):
    """Name and password with which Odoo logs in at a server of somebody else's.

    A secret goes in by its `…_input` and out to the server only; nobody reads it again, and `has_…` says whether there
    is one. `_typed_secrets` names them; a model with more of them adds their fields in the same way.
    """

    _name = "l10n_vn_ibhxh.credentials"
    _description = "Credentials for a server"

    _typed_secrets = ("client_secret",)

    client_id = fields.Char(string="Client code", copy=False, groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager")
    client_secret = fields.Char(copy=False, groups=fields.NO_ACCESS, export_string_translation=False)
    client_secret_input = fields.Char(
        string="Password",
        compute="_compute_secret_inputs",
        inverse="_inverse_secret_inputs",
        groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager",
        help="The password is never shown again once it is set. Typing replaces it.",
    )
    has_client_secret = fields.Boolean(string="Password set", compute="_compute_secret_inputs")

    @api.depends(lambda self: self._typed_secrets)
    def _compute_secret_inputs(self):
        for record in self:
            for name in self._typed_secrets:
                record[f"{name}_input"] = False
                record[f"has_{name}"] = bool(record.sudo()[name])

    def _inverse_secret_inputs(self):
        """Store what was typed by a statement of its own: PostgreSQL's log of a failed one holds its values."""
        for record in self:
            secrets = {name: record[f"{name}_input"] for name in self._typed_secrets if record[f"{name}_input"]}
            if secrets:
                record.flush_recordset()
                record.lock_for_update()
                record.sudo().write(secrets)
                record.flush_recordset()
