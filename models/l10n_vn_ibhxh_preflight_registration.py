from odoo import models
from odoo.exceptions import UserError


class L10n_Vn_IbhxhRegistrationPreflight(models.Model):
    """The checks on the draft: what blocks is said before the token's holder is asked for the PIN."""

    _name = "l10n_vn_ibhxh.registration"
    _inherit = ["l10n_vn_ibhxh.registration", "l10n_vn_ibhxh.preflight"]

    def _preflight_depends(self):
        return (*super()._preflight_depends(), "state")

    def _is_preflight_shown(self):
        return self.state == "draft"

    def action_request_signature(self):
        """Check first, also what only the network can tell of the certificate, then ask the token's holder."""
        for registration in self:
            registration.check_access("write")
            if registration.state == "draft":
                registration._check_complete()
                registration._check_preflight()
        return super().action_request_signature()

    def action_open_other(self):
        """Open the other registration of the company that is under way."""
        self.ensure_one()
        return self._open_form(self.company_id._l10n_vn_ibhxh_open_registration() - self)

    def action_move(self):
        """Moving starts at the I-VAN that has the unit: this draft gives way to the guided wizard."""
        self.ensure_one()
        if self.state != "draft":
            raise UserError(self.env._("%(name)s is no draft any more.", name=self.name))
        target = self.provider_id
        self.action_cancel()
        return self._open_stop_wizard(target=target)

    def action_amend_first(self):
        """Form 05 comes first: this draft gives way to it."""
        self.ensure_one()
        if self.state != "draft":
            raise UserError(self.env._("%(name)s is no draft any more.", name=self.name))
        self.action_cancel()
        return self._open_wizard("05")
