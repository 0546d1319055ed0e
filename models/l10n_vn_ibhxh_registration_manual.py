from odoo import fields, models
from odoo.exceptions import UserError


class L10n_Vn_IbhxhRegistrationManual(models.Model):
    """Lodging by hand, for an I-VAN without a connection: Odoo hands out the files and a person reports back."""

    _inherit = "l10n_vn_ibhxh.registration"

    portal_url = fields.Char(related="provider_id.portal_url")

    def _check_by_hand(self, states):
        """Raise unless the user may write the registration, it is lodged by hand and it is in one of `states`."""
        self.ensure_one()
        self.check_access("write")
        if self.can_submit:
            raise UserError(self.env._("%(provider)s is reached by Odoo itself.", provider=self.provider_id.name))
        if self.state not in states:
            labels = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(name)s is “%(state)s”, so there is nothing to record. Reload the page to see where it stands.",
                    name=self.name,
                    state=labels[self.state],
                )
            )

    def action_download_signed(self):
        """Download the signed dossier, as it has to be lodged."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/{self._name}/{self.id}/signed_document/{self.document_name}?download=true",
            "target": "download",
        }

    def action_lodge(self):
        """Open the little form in which a person says that the dossier was lodged, and when."""
        self._check_by_hand(("to_send",))
        return self._open_by_hand("l10n_vn_ibhxh.l10n_vn_ibhxh_lodge_action")

    def action_record_answer(self):
        """Open the little form in which a person enters what VSS answered."""
        self._check_by_hand(("sent", "to_activate", "expired"))
        return self._open_by_hand("l10n_vn_ibhxh.l10n_vn_ibhxh_lodge_answer_action")

    def _note_step(self, date, description, code="", passed=True):
        """Add what a person reported of VSS's way to the steps; `date` is UTC."""
        number = max(self.sudo().step_ids.mapped("number"), default=0) + 1
        self.env["l10n_vn_ibhxh.registration.step"].sudo().create(
            {
                "registration_id": self.id,
                "number": number,
                "date": date,
                "code": code,
                "description": description,
                "passed": passed,
            }
        )

    def _open_by_hand(self, action):
        return {
            **self.env["ir.actions.act_window"]._for_xml_id(action),
            "context": {"default_registration_id": self.id, "default_dossier_number": self.dossier_number},
        }
