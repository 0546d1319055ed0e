from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import dossier


class L10n_Vn_IbhxhLodge(models.TransientModel):
    """“I have lodged it”: when it was submitted elsewhere, or its signed file lodged, and its number, if any."""

    _name = "l10n_vn_ibhxh.lodge"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset({"registration_id", "dossier_number", "lodged_at"})
    _description = "Lodged by hand"

    registration_id = fields.Many2one("l10n_vn_ibhxh.registration", required=True, readonly=True, ondelete="cascade")
    dossier_number = fields.Char(
        help="As the portal shows it, e.g. 03706/2026/07906. Leave empty when there is none yet."
    )
    lodged_at = fields.Datetime(string="Lodged at", required=True, default=fields.Datetime.now)
    number_warning = fields.Char(compute="_compute_number_warning")

    @api.depends("dossier_number")
    def _compute_number_warning(self):
        for wizard in self:
            number = dossier.read_number(wizard.dossier_number)
            wizard.number_warning = (
                self.env._("Usual numbers look like 03706/2026/07906. Compare it with the portal once more.")
                if number and not dossier.NUMBER.fullmatch(number)
                else False
            )

    def action_lodge(self):
        """Record the lodging: from now on VSS's answer is awaited."""
        self.ensure_one()
        registration = self.registration_id
        if registration.lodging == "elsewhere":
            registration._check_by_hand(("draft",))
            registration._submitted_elsewhere(self.lodged_at, dossier.read_number(self.dossier_number))
            return {"type": "ir.actions.act_window_close"}
        registration._check_by_hand(("to_send",))
        if self.lodged_at > fields.Datetime.now():
            raise UserError(self.env._("“Lodged at” is in the future. Enter when you lodged it."))
        if self.lodged_at.replace(second=59) < registration.signed_at:
            raise UserError(self.env._("“Lodged at” is before the dossier was signed. Enter when you lodged it."))
        registration._on_accepted(self.lodged_at, dossier.read_number(self.dossier_number))
        registration._note_step(self.lodged_at, self.env._("Lodged by hand on the portal"))
        registration._message_log(
            body=self.env._("%(user)s stated that the dossier was lodged on the portal.", user=self.env.user.name)
        )
        return {"type": "ir.actions.act_window_close"}
