from odoo import models
from odoo.exceptions import UserError

RESTART_REASON = "Đăng ký lại dịch vụ I-VAN"


class L10n_Vn_IbhxhRegistrationRemedy(models.AbstractModel):
    """What follows a refusal or a stop: the cure by VSS's code as one click, and moving on to another I-VAN."""

    _name = "l10n_vn_ibhxh.registration.remedy"
    _description = "Remedies of refused BHXH registrations"

    def action_cure(self):
        """Do what cures the refusal, by the table of result codes."""
        self.ensure_one()
        self.check_access("write")
        if not self.cure_action:
            raise UserError(
                self.env._(
                    "No button cures code %(code)s. Do what the sentence says, or ask the I-VAN.", code=self.error_code
                )
            )
        return getattr(self, f"_cure_{self.cure_action}")()

    def _cure_register(self):
        return self._open_wizard("04")

    def _cure_stop_register(self):
        """Stop where the unit is held, then register here. Where the stop is refused too, registering is left."""
        if self.form == "06":
            return self._open_wizard("04", provider_id=(self.target_provider_id or self.provider_id).id)
        holder = self._holder_provider()
        if holder and holder.code != self.provider_id.code:
            return self._open_stop_wizard(provider=holder)
        return self._open_stop_wizard(provider=self.provider_id, reason_code="9", reason=RESTART_REASON)

    def _holder_provider(self):
        """Return the I-VAN that has the unit, as VSS named it: by its code, which stands before the name."""
        code = (self.holder_name or "").partition(" ")[0]
        if not code:
            return self.env["l10n_vn_ibhxh.provider"]
        return self.env["l10n_vn_ibhxh.provider"].search(
            [("code", "=", code), ("company_id", "in", (False, self.company_id.id))], limit=1
        )

    def _cure_amend(self):
        return self._open_wizard("05")

    def _cure_agency(self):
        """The agency is to be chosen anew: form 05 where VSS ever accepted the unit, else form 04."""
        form = "05" if self.company_id.l10n_vn_ibhxh_state == "confirmed" else "04"
        return self._open_wizard(form, agency_id=False)

    def _cure_unit(self):
        return self._open_wizard(self.form)

    def _cure_retry(self):
        return self._open_wizard(self.form)

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
            raise UserError(self.env._("VSS has to confirm the stop first. Odoo tells you as soon as it does."))
        provider = self.target_provider_id or self.provider_id
        return self._open_wizard("04", provider_id=provider.id)

    def _open_stop_wizard(self, provider=None, target=None, reason_code="7", reason=False):
        """Open form 06 for `provider` (the one that has the unit), to register at `target` afterwards."""
        provider = provider or self.company_id.l10n_vn_ibhxh_provider_id or self.provider_id
        return self._open_wizard(
            "06",
            provider_id=provider.id,
            then_register=True,
            target_provider_id=(target or self.provider_id).id,
            stop_reason_code=reason_code,
            stop_reason=reason,
        )
