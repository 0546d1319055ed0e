import uuid
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from .l10n_vn_ibhxh_registration_follow import RETRY_MINUTES

# How often a dossier is sent anew because VSS failed, for a reason that passes, after it was taken in.
MAX_RESENDS = 20
RESTART_REASON = "Đăng ký lại dịch vụ I-VAN"


class L10n_Vn_IbhxhRegistrationCure(models.Model):
    """What follows a refusal or a stop: the cure by VSS's code as one click, and moving on to another I-VAN."""

    _inherit = "l10n_vn_ibhxh.registration"

    cure_action = fields.Char(compute="_compute_cure_action", export_string_translation=False)
    then_register = fields.Boolean(
        string="Then register again",
        readonly=True,
        copy=False,
        help="Once VSS confirms the stop, registering is one click.",
    )
    target_provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider", string="Then register at", readonly=True, copy=False, index="btree_not_null"
    )
    resend_count = fields.Integer(readonly=True, copy=False, export_string_translation=False)
    can_register_next = fields.Boolean(compute="_compute_can_register_next")
    company_state = fields.Selection(related="company_id.l10n_vn_ibhxh_state", string="Status of the company")
    newer_certificate_id = fields.Many2one(related="company_id.l10n_vn_ibhxh_newer_certificate_id")

    @api.depends("error_code")
    def _compute_cure_action(self):
        for registration in self:
            registration.cure_action = registration.result_code_id.cure_action

    @api.depends("form", "state", "then_register", "company_id.l10n_vn_ibhxh_state")
    def _compute_can_register_next(self):
        for registration in self:
            registration.can_register_next = (
                registration.form == "06"
                and registration.state == "confirmed"
                and registration.then_register
                and registration.company_id.l10n_vn_ibhxh_state == "stopped"
            )

    def _follow_wizard(self, wizard):
        """Note what only the wizard knows: the certificate on record, the refusal that is cured, what comes after."""
        self._follow_certificate(wizard.old_certificate_id)
        self.sudo().write(
            {
                "cures_id": wizard.cures_id.id,
                "then_register": wizard.form == "06" and wizard.then_register,
                "target_provider_id": wizard.form == "06" and wizard.target_provider_id.id,
            }
        )

    # -- the wizard, filled in ---------------------------------------------------------------------------------------

    def _open_form(self, registration):
        """Return the action that opens `registration`."""
        return {
            "type": "ir.actions.act_window",
            "res_model": registration._name,
            "res_id": registration.id,
            "views": [(False, "form")],
            "target": "current",
        }

    def _open_wizard(self, form, **defaults):
        """Open the wizard filled in as this registration is, and with `defaults`.

        A certificate that cannot sign any more, or that form 05 is about to replace, is left for the wizard to propose.
        """
        action = super()._open_wizard(form)
        context = action["context"]
        now = fields.Datetime.now()
        certificate = self.certificate_id
        if form != "04" or not certificate.not_after or certificate.not_after <= now:
            del context["default_certificate_id"]
        if self.state == "rejected":
            context["default_cures_id"] = self.id
        context.update({f"default_{name}": value for name, value in defaults.items()})
        return action

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

    # -- cures -------------------------------------------------------------------------------------------------------

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
        if self.state == "to_send":
            return self.action_send()
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

    def _confirm(self, confirmed_at, unit_code=None):
        """What the company's earlier registrations reminded of is settled; a stop may have a next step."""
        result = super()._confirm(confirmed_at, unit_code=unit_code)
        others = self.sudo().search([("company_id", "in", self.company_id.ids), ("id", "not in", self.ids)])
        others.activity_unlink(["mail.mail_activity_data_todo"])
        for registration in self.filtered("can_register_next"):
            provider = registration.target_provider_id or registration.provider_id
            registration._schedule_todo(
                self.env._("Register at %(provider)s now", provider=provider.name),
                self.env._("VSS confirmed the stop. Press “Register now” on it: everything is filled in already."),
            )
        return result

    # -- failures that pass ------------------------------------------------------------------------------------------

    def _on_refused(self, code, description, holder=None):
        """A failure of VSS that passes does not end a dossier that was taken in already: it is sent anew."""
        known = self.env["l10n_vn_ibhxh.result.code"]._find(code)
        passing = known and not known.is_permanent
        if passing and self.state == "sent" and self.can_submit and self.resend_count < MAX_RESENDS:
            return self._send_anew(code, description or known.meaning)
        return super()._on_refused(code, description, holder)

    def _send_anew(self, code, message):
        """Send the same signed bytes later under a reference of their own: the old one stands for the failed try."""
        old_reference, old_number = self.client_reference, self.dossier_number
        minutes = RETRY_MINUTES[min(self.resend_count + 1, len(RETRY_MINUTES) - 1)]
        retry_at = fields.Datetime.now() + timedelta(minutes=minutes)
        self._move(
            "to_send",
            client_reference=str(uuid.uuid4()),
            attempted_at=False,
            submitted_at=False,
            dossier_number=False,
            activation_expires_at=False,
            poll_at=False,
            resend_count=self.resend_count + 1,
            retry_at=retry_at,
            error_code=code,
            error_message=message,
        )
        self._message_log(
            body=self.env._(
                "%(code)s passes: sent again by itself. The failed try was %(reference)s, dossier number %(number)s.",
                code=code,
                reference=old_reference,
                number=old_number or "–",
            )
        )
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")._trigger(at=retry_at)
