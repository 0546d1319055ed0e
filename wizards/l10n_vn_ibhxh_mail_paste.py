from dataclasses import replace
from datetime import timezone

from odoo import fields, models
from odoo.exceptions import UserError

from ..models.const import ACTIVATION_CODE
from ..tools import vss_mail


class L10n_Vn_IbhxhMailPaste(models.TransientModel):
    """Paste the activation mail, or just its code, when no mail reaches Odoo by itself."""

    _name = "l10n_vn_ibhxh.mail.paste"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset({"registration_id", "text", "received_at"})
    _secret_fields = frozenset({"text"})
    _description = "Paste the activation mail"

    registration_id = fields.Many2one("l10n_vn_ibhxh.registration", required=True, ondelete="cascade")
    text = fields.Text(string="Mail text or code", required=True)
    received_at = fields.Datetime(
        string="Mail received at",
        required=True,
        default=fields.Datetime.now,
        help="When the mail reached the mailbox: the code is valid for 24 hours from then.",
    )

    def action_apply(self):
        """Read the pasted text and put code, link and deadline on the registration."""
        self.ensure_one()
        registration = self.registration_id
        registration.check_access("write")
        mails = self.env["l10n_vn_ibhxh.mail"]
        reading = vss_mail.read_text(self.text, mails._phrases())
        bare_code = self.text.strip().upper()
        codes = (bare_code,) if ACTIVATION_CODE.fullmatch(bare_code) else reading.codes
        links = mails._portal_links(registration, reading)
        if len(codes) > 1 or len(links) > 1:
            raise UserError(
                self.env._("This text contains several codes or links. Paste only the newest mail, or only the code.")
            )
        if not codes:
            raise UserError(
                self.env._(
                    "No activation code was found in this text. A code has 10 letters and digits, e.g. "
                    "BV2VLHCKRA; what follows “mật khẩu” is a password. Paste only the code."
                )
            )
        if self.received_at > fields.Datetime.now():
            raise UserError(self.env._("“Mail received at” is in the future. Enter when the mail reached the mailbox."))
        reading = replace(reading, sent_at=self.received_at.replace(tzinfo=timezone.utc))
        mails._check_about(registration.sudo(), reading)
        registration._activate(codes[0], links[0] if links else False, self.received_at)
        # The code is on the registration; a second copy of it would stay here until the next clean-up.
        self.sudo().unlink()
        return {"type": "ir.actions.act_window_close"}
