from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError

# A new certificate takes its authority some days, and VSS has to hear of it by form 05 while the old one still signs.
RENEW_DAYS = 60

NEXT_BY_STATE = {
    "draft": "sign",
    "to_sign": "pin",
    "to_send": "wait",
    "sent": "wait",
    "to_activate": "activate",
    "expired": "again",
    "rejected": "again",
}


class ResCompanyOverview(models.Model):
    """One line per company for those who look after many of them: where it stands and what to do next."""

    _inherit = "res.company"

    l10n_vn_ibhxh_registration_state = fields.Selection(
        related="l10n_vn_ibhxh_registration_id.state", string="Latest registration"
    )
    l10n_vn_ibhxh_activation_seconds_left = fields.Integer(
        related="l10n_vn_ibhxh_registration_id.activation_seconds_left", export_string_translation=False
    )
    l10n_vn_ibhxh_certificate_not_after = fields.Datetime(
        string="Certificate valid until", related="l10n_vn_ibhxh_certificate_id.not_after"
    )
    l10n_vn_ibhxh_next_action = fields.Selection(
        [
            ("register", "Register"),
            ("sign", "Check and sign"),
            ("pin", "Enter the PIN at the token's computer"),
            ("wait", "Wait for VSS"),
            ("activate", "Enter the code on the portal"),
            ("again", "Register again"),
            ("amend", "Tell VSS of the new certificate"),
            ("renew", "Renew the certificate, then amend"),
            ("none", "Nothing to do"),
        ],
        string="Next action",
        compute="_compute_l10n_vn_ibhxh_next_action",
    )

    @api.depends(
        "l10n_vn_ibhxh_state",
        "l10n_vn_ibhxh_registration_id.state",
        "l10n_vn_ibhxh_certificate_id.not_after",
        "l10n_vn_ibhxh_newer_certificate_id",
    )
    def _compute_l10n_vn_ibhxh_next_action(self):
        soon = fields.Datetime.now() + timedelta(days=RENEW_DAYS)
        for company in self.sudo():
            action = NEXT_BY_STATE.get(company.l10n_vn_ibhxh_registration_id.state)
            if not action:
                action = company._l10n_vn_ibhxh_action_at_rest(soon)
            company.l10n_vn_ibhxh_next_action = action

    def _l10n_vn_ibhxh_action_at_rest(self, soon):
        """Return the next action of a company with nothing under way; a certificate is renewed before `soon` (UTC)."""
        if self.l10n_vn_ibhxh_state == "stopped":
            return "none"
        if self.l10n_vn_ibhxh_state != "confirmed":
            return "register"
        if self.l10n_vn_ibhxh_newer_certificate_id:
            return "amend"
        not_after = self.l10n_vn_ibhxh_certificate_id.not_after
        return "renew" if not_after and not_after < soon else "none"

    def action_l10n_vn_ibhxh_next(self):
        """Open what the next action is done in: the latest registration, or the wizard for a new one."""
        self.ensure_one()
        self.check_access("read")
        if self.l10n_vn_ibhxh_next_action in ("register", "amend", "renew"):
            wizard = self.env["ir.actions.act_window"]._for_xml_id(
                "l10n_vn_ibhxh.l10n_vn_ibhxh_registration_wizard_action"
            )
            return {**wizard, "context": {"default_company_id": self.id}}
        if self.l10n_vn_ibhxh_registration_id:
            return self.l10n_vn_ibhxh_registration_id._get_records_action()
        return self._l10n_vn_ibhxh_open()

    def _l10n_vn_ibhxh_check_chosen(self):
        """Raise `AccessError` unless the user may read these companies and has chosen them in the company switcher."""
        self.check_access("read")
        foreign = self - self.env.companies
        if foreign:
            raise AccessError(
                self.env._(
                    "Choose these companies in the company switcher first: %(names)s.",
                    names=", ".join(foreign.mapped("name")),
                )
            )

    def _l10n_vn_ibhxh_open(self):
        """Return the action that opens the company's own form."""
        self.ensure_one()
        view = self.env.ref("l10n_vn_ibhxh.res_company_view_form_l10n_vn_ibhxh_overview")
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "views": [(view.id, "form")],
        }
