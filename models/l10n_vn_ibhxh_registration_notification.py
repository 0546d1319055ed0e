from odoo import fields, models


class L10n_Vn_IbhxhRegistrationNotification(models.Model):
    """A registration and the notifications 01/TB-GD about it."""

    _inherit = "l10n_vn_ibhxh.registration"

    notification_ids = fields.One2many(
        "l10n_vn_ibhxh.notification", "registration_id", string="Notifications", readonly=True
    )

    def _apply_progress(self, progress):
        """Take the notification that the gateway hands over with its progress, after what the gateway says itself."""
        result = super()._apply_progress(progress)
        if progress.notification:
            self.env["l10n_vn_ibhxh.notification"]._from_gateway(progress.notification, self)
        return result
