from odoo import api, fields, models

from .l10n_vn_ibhxh_registration import STATES


class L10n_Vn_IbhxhRegistrationPage(models.Model):
    """What the pages of a registration show besides its own data, and how open pages learn that it moved."""

    _inherit = "l10n_vn_ibhxh.registration"

    state = fields.Selection(group_expand="_group_expand_state")
    batch_line_ids = fields.One2many(
        "l10n_vn_ibhxh.batch.line", "registration_id", readonly=True, export_string_translation=False
    )
    mail_count = fields.Integer(compute="_compute_mail_count")
    activation_seconds_left = fields.Integer(
        compute="_compute_activation_seconds_left",
        export_string_translation=False,
        help="Seconds until the activation code ends, by the server's clock; negative once it ended.",
    )

    @api.model
    def _group_expand_state(self, states, domain):
        """Columns of the kanban in the order of a registration's life, and none that would be empty."""
        return [state for state, _label in STATES if state in states]

    @api.depends("mail_ids")
    def _compute_mail_count(self):
        counts = dict(
            self.env["l10n_vn_ibhxh.mail"]._read_group(
                [("registration_id", "in", self.ids)], ["registration_id"], ["__count"]
            )
        )
        for registration in self:
            registration.mail_count = counts.get(registration, 0)

    @api.depends("activation_expires_at")
    def _compute_activation_seconds_left(self):
        now = fields.Datetime.now()
        for registration in self:
            expires_at = registration.activation_expires_at
            registration.activation_seconds_left = int((expires_at - now).total_seconds()) if expires_at else 0

    def action_open_mails(self):
        """Open the mails that belong to this registration."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_mail_action")
        return {**action, "domain": [("registration_id", "=", self.id)], "context": {}}

    def action_open_signing_request(self):
        """Open the signing request of this registration."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": "l10n_vn_ibhxh.signing.request",
            "res_id": self.signing_request_id.id,
            "views": [(False, "form")],
        }

    def action_open_company(self):
        """Open the company, where its unit code, agency and what VSS has on record stand."""
        self.ensure_one()
        return self.company_id._l10n_vn_ibhxh_open()

    def _notify_page(self):
        """Tell every open page that may show one of these registrations to look again.

        One message to the group instead of one to each of its users: whoever it reaches reads with his own rights, and
        the message carries numbers only.
        """
        group = self.env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
        records = self.sudo()
        payload = {"id": records.id} if len(records) == 1 else {"ids": records.ids}
        payload["batch_ids"] = records.batch_line_ids.batch_id.ids
        group._bus_send("l10n_vn_ibhxh/registration", payload)
