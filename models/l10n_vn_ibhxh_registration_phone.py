import base64

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import format_date
from odoo.tools.translate import LazyTranslate

from ..tools import dossier
from .const import REMOTE_FAILURES

_lt = LazyTranslate(__name__)

# What of a dossier the person compares before it goes to the phone, in the order of the form.
SHOWN = {
    "subject_name": _lt("Unit"),
    "tax_code": _lt("Tax code"),
    "agency_name": _lt("BHXH agency"),
    "provider_name": _lt("I-VAN"),
    "email": _lt("E-mail"),
    "phone": _lt("Phone"),
    "contact_name": _lt("Contact person"),
    "address": _lt("Address"),
    "old_certificate_serial": _lt("Old certificate"),
    "new_certificate_serial": _lt("New certificate"),
    "change_text": _lt("What changes"),
    "stop_date": _lt("Stop date"),
    "stop_reason": _lt("Reason"),
}


class L10n_Vn_IbhxhRegistrationPhone(models.AbstractModel):
    """Signing a registration on the phone, as its page shows it: what is signed, the code to compare, how far it is."""

    _name = "l10n_vn_ibhxh.registration.phone"
    _description = "Signing of BHXH registrations on the phone"

    is_on_phone = fields.Boolean(compute="_compute_phone_signing", export_string_translation=False)
    can_send_to_phone = fields.Boolean(compute="_compute_phone_signing", export_string_translation=False)
    can_send_again = fields.Boolean(compute="_compute_phone_signing", export_string_translation=False)
    phone_signing = fields.Json(
        compute="_compute_phone_signing",
        export_string_translation=False,
        help="What is signed on the phone and how far that is: service, code, state, seconds left, content.",
    )

    @api.depends(
        "state",
        "error_code",
        "certificate_id.is_remote",
        "signing_request_id.state",
        "signing_request_id.remote_state",
        "signing_request_id.to_phone_at",
        "signing_request_id.started_at",
    )
    @api.depends_context("lang")
    def _compute_phone_signing(self):
        for registration in self:
            request = registration.signing_request_id.sudo()
            is_on_phone = registration.state == "to_sign" and bool(request.remote_account_id)
            registration.is_on_phone = is_on_phone
            registration.can_send_to_phone = is_on_phone and request._is_prepared()
            registration.can_send_again = bool(
                registration.state == "draft"
                and registration.error_code in REMOTE_FAILURES
                and request.remote_account_id
                and registration.certificate_id.is_remote
            )
            registration.phone_signing = registration._phone_signing(request) if is_on_phone else False

    def _phone_hint(self, request):
        """Return one sentence on what the holder of the key does now."""
        names = {"service": request.remote_account_id.service_id.name, "code": request.short_code}
        if request._is_prepared():
            return self.env._("Compare the dossier below, then press “Send to the phone”.")
        if request.state == "pending" or request.remote_state == "sending":
            return self.env._("The request is being sent to %(service)s…", **names)
        if request.remote_state == "unknown":
            return self.env._(
                "%(service)s has not answered yet. Odoo asks again by itself and sends nothing twice. If the phone "
                "shows the request with the code %(code)s, confirm it there.",
                **names,
            )
        if request.remote_state == "received":
            return self.env._("Confirmed on the phone; Odoo checks the signature…")
        return self.env._("Open the app of %(service)s on the phone, compare the code %(code)s, and confirm.", **names)

    def _phone_signing(self, request):
        account = request.remote_account_id
        state = request.remote_state if request.state == "claimed" else "sending" if request.to_phone_at else "prepared"
        return {
            "state": state,
            "code": request.short_code,
            "service": account.service_id.name,
            "number": account._masked_identity(),
            "seconds_left": request._remote_seconds_left(),
            "title": request.title,
            "content": self._phone_content(request),
        }

    def _phone_content(self, request):
        """Return `[[label, value], …]` of the very document that is to be signed."""
        content = dossier.read(base64.b64decode(request.with_context(bin_size=False).document))[1]
        rows = []
        for name, label in SHOWN.items():
            value = getattr(content, name)
            if value:
                text = format_date(self.env, value) if name.endswith("_date") else str(value)
                rows.append([self.env._(label), text])  # pylint: disable=gettext-variable
        return rows

    def action_send_to_phone(self):
        """Send what is prepared to the phones of those who hold the keys; several that one key signs, together."""
        self.check_access("write")
        prepared = self.filtered("can_send_to_phone")
        if not prepared:
            raise self._nothing_for_phone()
        prepared.signing_request_id._send_to_phone()
        return True

    def action_send_again(self):
        """After a refusal or a fault: check and build the dossier as always, and send it to the phone once more."""
        self.check_access("write")
        again = self.filtered("can_send_again")
        if not again:
            raise self._nothing_for_phone()
        again.action_request_signature()
        return again.action_send_to_phone()

    @api.model
    def _nothing_for_phone(self):
        return UserError(self.env._("Nothing waits here to be sent to a phone. Reload the page to see its state."))

    def action_ask_phone(self):
        """Called by open pages while somebody waits: have the service asked as soon as that is allowed again."""
        self.check_access("read")
        self.signing_request_id.sudo()._wake_if_due()
        return True
