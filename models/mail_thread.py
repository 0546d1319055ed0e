from odoo import api, models

from .mail_delivery import DELIVERY_KEY, OWN_MODELS, Delivery, as_it_came


class MailThread(models.AbstractModel):
    _inherit = "mail.thread"

    @api.model
    def _message_route_process(self, message, message_dict, routes):
        """Give our routes the mail's bytes and who brought it, where no caller of the mail gateway can change either.

        They have a parsed mail of their own: they leave nothing of its words in it, which the other routes need.
        """
        own = [route for route in routes or () if route[0] in OWN_MODELS]
        others = [route for route in routes or () if route[0] not in OWN_MODELS]
        thread_id = False
        if own:
            is_server = self.env.su or self.env.user._l10n_vn_ibhxh_is_shared_admin()
            delivery = Delivery(as_it_came(message), None if is_server else self.env.uid)
            thread = self.with_context(**{DELIVERY_KEY: delivery})
            thread_id = super(MailThread, thread)._message_route_process(message, dict(message_dict), own)
        if others or not own:
            thread_id = super()._message_route_process(message, message_dict, others)
        return thread_id
