from odoo import api, models

from .const import HANDED_IN_KEY, SOURCE_KEY


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    @api.model
    def _message_parse_post_process(self, message, message_dict, routes):
        """Hand the mail as it came on to our inbox: its own reader needs headers that Odoo's parser leaves out."""
        values = super()._message_parse_post_process(message, message_dict, routes)
        if routes and all(route[0] in ("l10n_vn_ibhxh.mail", "l10n_vn_ibhxh.registration") for route in routes):
            values[SOURCE_KEY] = message.as_bytes()
            if not (self.env.su or self.env.user.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager")):
                values[HANDED_IN_KEY] = self.env.user.name
        return values
