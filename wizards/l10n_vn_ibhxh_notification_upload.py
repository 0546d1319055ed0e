import base64
import binascii

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.const import MAX_NOTIFICATION_BYTES
from ..tools import notification


class L10n_Vn_IbhxhNotificationUpload(models.TransientModel):
    """Upload a notification 01/TB-GD that a person got from the portal or from VSS."""

    _name = "l10n_vn_ibhxh.notification.upload"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset({"registration_id", "file", "file_name", "is_from_vss"})
    _description = "Upload a notification of VSS"

    registration_id = fields.Many2one("l10n_vn_ibhxh.registration", required=True, readonly=True, ondelete="cascade")
    file = fields.Binary(string="File 01/TB-GD (XML)", required=True, attachment=False)
    file_name = fields.Char()
    preview = fields.Text(string="What it says", compute="_compute_preview")
    is_from_vss = fields.Boolean(
        string="I have this file from VSS or its portal",
        help="Required unless the file is signed with a certificate known to be VSS's. Your name is recorded with it.",
    )

    @api.depends("file")
    def _compute_preview(self):
        for wizard in self:
            try:
                notice = wizard.file and notification.read(wizard._bytes())
            except notification.NotificationError:
                wizard.preview = self._no_notification()
                continue
            except UserError as error:
                wizard.preview = str(error)
                continue
            lines = notice and (
                notice.transaction_name,
                notice.unit_name,
                notice.tax_code,
                notice.dossier_number,
                notice.result,
                notice.error_code,
                notice.error_description,
            )
            wizard.preview = lines and "\n".join(filter(None, lines))

    def _no_notification(self):
        return self.env._("This file is not a notification 01/TB-GD. Choose the XML file that VSS sent.")

    def _bytes(self):
        try:
            content = base64.b64decode(self.with_context(bin_size=False).file or b"", validate=True)
        except binascii.Error as error:
            raise UserError(self.env._("The file was not uploaded completely. Choose it again.")) from error
        if len(content) > MAX_NOTIFICATION_BYTES:
            raise UserError(self.env._("The file is larger than 5 MB, so it is not a 01/TB-GD. Choose the XML file."))
        return content

    def action_upload(self):
        """Keep the notification on the registration and do what it says."""
        self.ensure_one()
        registration = self.registration_id
        registration.check_access("write")
        notifications = self.env["l10n_vn_ibhxh.notification"]
        try:
            record = notifications._keep(self._bytes(), "upload", registration)
        except notification.NotificationError as error:
            raise UserError(self._no_notification()) from error
        if record.state == "waiting":
            record = record.with_env(self.env)
            if self.is_from_vss:
                record._apply_vouched(registration)
            else:
                reason = record.sudo()._settle(registration.sudo())
                if reason:
                    raise UserError(reason)
        return {"type": "ir.actions.act_window_close"}
