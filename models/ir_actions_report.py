import io
from collections import OrderedDict

from odoo import models

REPORT = "l10n_vn_ibhxh.report_registration_form"


class IrActionsReport(models.Model):
    _inherit = "ir.actions.report"

    def _render_qweb_pdf_prepare_streams(self, report_ref, data, res_ids=None):
        """Print the I-VAN forms one by one, without Odoo's style sheets.

        What was sent is printed from the stored copy, byte for byte. The rest needs no web server to be rendered,
        which a scheduled action may not reach, and any build of wkhtmltopdf can print several.
        """
        if not res_ids or self._get_report(report_ref).report_name != REPORT:
            return super()._render_qweb_pdf_prepare_streams(report_ref, data, res_ids=res_ids)
        registrations = self.env["l10n_vn_ibhxh.registration"].browse(res_ids)
        registrations.check_access("read")
        return OrderedDict(
            (registration.id, {"stream": io.BytesIO(registration._printed_form()), "attachment": None})
            for registration in registrations
        )
