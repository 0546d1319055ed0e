from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import dossier


class L10n_Vn_IbhxhLodge(models.TransientModel):
    """“I have lodged it”: when it was submitted elsewhere, or its signed file lodged, and its number, if any."""

    _name = "l10n_vn_ibhxh.lodge"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset({"registration_id", "dossier_number", "lodged_at", "found"})
    _description = "Lodged by hand"

    registration_id = fields.Many2one("l10n_vn_ibhxh.registration", required=True, readonly=True, ondelete="cascade")
    dossier_number = fields.Char(
        help="As the portal shows it, e.g. 03706/2026/07906. Leave empty when there is none yet."
    )
    is_unclear = fields.Boolean(compute="_compute_is_unclear", export_string_translation=False)
    found = fields.Selection(
        [("yes", "It has the dossier"), ("no", "It does not have the dossier")],
        string="The I-VAN says",
        help="Only where Odoo handed the dossier over and the answer was lost.",
    )
    lodged_at = fields.Datetime(string="Lodged at", required=True, default=fields.Datetime.now)
    number_warning = fields.Char(compute="_compute_number_warning")

    @api.depends("registration_id.state", "registration_id.attempted_at")
    def _compute_is_unclear(self):
        for wizard in self:
            wizard.is_unclear = wizard.registration_id._is_unclear()

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
        is_unclear = self.is_unclear and bool(self.found)
        if is_unclear:
            registration._check_by_hand(("to_send",))
        else:
            registration._check_to_lodge(("to_send",))
        if is_unclear and self.found == "no":
            registration._on_not_received()
            return {"type": "ir.actions.act_window_close"}
        if self.lodged_at > fields.Datetime.now():
            raise UserError(self.env._("“Lodged at” is in the future. Enter when you lodged it."))
        if self.lodged_at.replace(second=59) < registration.signed_at:
            raise UserError(self.env._("“Lodged at” is before the dossier was signed. Enter when you lodged it."))
        registration._on_accepted(self.lodged_at, dossier.read_number(self.dossier_number))
        if is_unclear:
            step = self.env._("Handed over by Odoo")
            statement = self.env._(
                "%(user)s stated that the I-VAN has the dossier that Odoo handed over.", user=self.env.user.name
            )
        else:
            step = self.env._("Lodged by hand on the portal")
            statement = self.env._(
                "%(user)s stated that the dossier was lodged on the portal.", user=self.env.user.name
            )
        registration._note_step(self.lodged_at, step)
        registration._message_log(body=statement)
        return {"type": "ir.actions.act_window_close"}
