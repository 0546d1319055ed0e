from odoo import models
from odoo.exceptions import UserError

RESTART_REASON = "Đăng ký lại dịch vụ I-VAN"


class L10n_Vn_IbhxhRegistrationRemedy(models.AbstractModel):
    """What follows a refusal or a stop: the remedy for VSS's code in one click, and moving on to another I-VAN."""

    _name = "l10n_vn_ibhxh.registration.remedy"
    _description = "Remedies of refused BHXH registrations"

    def action_remedy(self):
        """Apply the remedy that the table of result codes names."""
        self.ensure_one()
        self.check_access("write")
        self._check_refused()
        if not self.remedy_action:
            raise UserError(
                self.env._(
                    "No button resolves code %(code)s. Follow the instructions above, or ask the I-VAN.",
                    code=self.error_code,
                )
            )
        return getattr(self, f"_remedy_{self.remedy_action}")()

    def _check_refused(self):
        """Raise `UserError` unless it is refused: an outage, too, writes a code that has a remedy."""
        if self.state != "rejected":
            raise UserError(
                self.env._("%(name)s is not refused. Reload the page to see its current state.", name=self.name)
            )

    def _remedy_register(self):
        return self._open_wizard("04")

    def _remedy_stop_register(self):
        """Stop, then register here. Where another I-VAN turns out to hold the unit, that is a move."""
        holder = self._holder_provider()
        if self.form == "06" or (holder and holder.code != self.provider_id.code):
            return self._remedy_move()
        return self._open_stop_wizard(reason_code="9", reason=RESTART_REASON)

    def _remedy_move(self):
        """Another I-VAN or VSS's portal holds the unit: the I-VAN to which it moves files the stop, then registers it.

        Where the stop is refused, registering is left.
        """
        if self.form == "06":
            return self._open_wizard("04", provider_id=(self.target_provider_id or self.provider_id).id)
        return self._open_stop_wizard()

    def _remedy_certificate(self):
        """The certificate is to be chosen again: the company's own one, or the one that its authority issued again."""
        return self._open_wizard(self.form, certificate_id=False)

    def _holder_provider(self):
        """Return the I-VAN that has the unit: the portal where VSS's code says so, else the one that VSS named, by its
        code, which stands before the name."""
        providers = self.env["l10n_vn_ibhxh.provider"]
        code = (self.holder_name or "").partition(" ")[0]
        if self.result_code_id.is_held_by_portal:
            domain = [("is_portal", "=", True)]
        elif code:
            domain = [("code", "=", code)]
        else:
            return providers
        return providers.search([*domain, ("company_id", "in", (False, self.company_id.id))], limit=1)

    def _remedy_amend(self):
        return self._open_wizard("05")

    def _remedy_agency(self):
        """The agency has to be chosen again: form 05 where VSS ever accepted the unit, else form 04."""
        form = "05" if self.company_id.l10n_vn_ibhxh_state == "confirmed" else "04"
        return self._open_wizard(form, agency_id=False)

    def _remedy_unit(self):
        return self._open_wizard(self.form)

    def _remedy_retry(self):
        """Send the signed dossier again; where there is none, a new one is made."""
        if not self.sudo().signed_document:
            return self._open_wizard(self.form)
        self._send_again()
        return True

    def action_amend(self):
        """Form 05 with the newest certificate and what else differs from what VSS has on record."""
        self.ensure_one()
        self.check_access("write")
        newer = self.company_id.l10n_vn_ibhxh_newer_certificate_id
        return self._open_wizard("05", **({"certificate_id": newer.id} if newer else {}))

    def action_stop(self):
        """Form 06."""
        self.ensure_one()
        self.check_access("write")
        return self._open_wizard("06")

    def action_register_next(self):
        """After the stop: register, at the I-VAN to which the company moves."""
        self.ensure_one()
        self.check_access("write")
        if not self.can_register_next:
            raise UserError(self.env._("VSS has to confirm the stop first. Odoo notifies you as soon as it does."))
        provider = self.target_provider_id or self.provider_id
        return self._open_wizard("04", provider_id=provider.id)

    def action_amend_next(self):
        """After the data: the certificate, in a dossier of its own."""
        self.ensure_one()
        self.check_access("write")
        if not self.can_amend_next:
            raise UserError(self.env._("VSS has to confirm the data first. Odoo notifies you as soon as it does."))
        return self._open_wizard("05", certificate_id=self.then_certificate_id.id)

    def _open_stop_wizard(self, target=None, reason_code="7", reason=False):
        """Open form 06, filed by `target` (this registration's I-VAN if none is given), to register there afterwards.

        The wizard offers to have the I-VAN file it that holds the unit now.
        """
        target = target or self.provider_id
        return self._open_wizard(
            "06",
            provider_id=target.id,
            then_register=True,
            target_provider_id=target.id,
            stop_reason_code=reason_code,
            stop_reason=reason,
        )
