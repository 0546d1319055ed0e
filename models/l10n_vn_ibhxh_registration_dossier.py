import base64
import hashlib
import logging
from datetime import timezone

from odoo import models
from odoo.exceptions import UserError
from odoo.tools.translate import LazyTranslate

from ..tools import contact, dossier, signature
from .contact_error import contact_error
from .vietnam_time import date_in_vietnam, today_in_vietnam

_lt = LazyTranslate(__name__)
_logger = logging.getLogger(__name__)

# What the entries of a dossier are called on screens, by their names in `tools.dossier.DossierData`.
ENTRY_NAMES = {
    "agency_name": _lt("Name of the BHXH agency"),
    "agency_code": _lt("Code of the BHXH agency"),
    "subject_name": _lt("Name of the company"),
    "tax_code": _lt("Tax code of the company"),
    "phone": _lt("Phone"),
    "email": _lt("E-mail"),
    "contact_name": _lt("Contact person"),
    "address": _lt("Address of the company"),
    "contact_address": _lt("Address of the company"),
    "contact_phone": _lt("Phone"),
    "provider_code": _lt("Code of the I-VAN"),
    "provider_name": _lt("Name of the I-VAN"),
    "result_delivery": _lt("Code of the way in which results arrive"),
    "old_certificate_serial": _lt("Serial number of the old certificate"),
    "new_certificate_serial": _lt("Serial number of the new certificate"),
    "new_certificate_issuer": _lt("Authority of the new certificate"),
    "change_text": _lt("What changes"),
    "stop_date": _lt("Stop date"),
    "stop_reason": _lt("Reason in words"),
}
# The dossier itself is Vietnamese, whatever language its author works in.
STOP_REASON_TEXTS = {
    "1": "Thay đổi thư điện tử",
    "2": "Thay đổi thông tin đơn vị",
    "3": "Thay đổi chứng thư số",
    "4": "Phần mềm thiếu thủ tục",
    "5": "Phần mềm không thuận tiện",
    "6": "Hỗ trợ chưa tốt",
    "7": "Chuyển sang tổ chức I-VAN khác",
    "8": "Đơn vị giải thể",
    "9": "Lý do khác",
}


class L10n_Vn_IbhxhRegistrationDossier(models.AbstractModel):
    """The dossier of a registration: what it says, how it is built, and that what was signed is still what it is."""

    _name = "l10n_vn_ibhxh.registration.dossier"
    _description = "Dossier of BHXH registrations"

    def _prepare_dossier_data(self):
        """Return the content of the dossier (`tools.dossier.DossierData`)."""
        self.ensure_one()
        company = self.company_id
        partner = company.partner_id
        today = today_in_vietnam()
        address = ", ".join(filter(None, [partner.street, partner.street2, partner.city, partner.state_id.name]))
        data = {
            "agency_name": self.agency_id.name,
            "agency_code": self.agency_id.code,
            "subject_name": company.name,
            "tax_code": contact.tax_code(company.vat),
            "subject_type": self.subject_type,
            "phone": self._dossier_phone(),
            "email": self.email,
            "contact_name": self.contact_name or self.user_id.name,
            "address": address,
            "contact_address": address,
            "contact_phone": self._dossier_phone(),
            "prepared_on": today,
            "registered_on": today,
            "provider_code": self.provider_id.code,
            "provider_name": self.provider_id.name,
            "result_delivery": self.result_delivery_id.code or "0",
        }
        if self.form == "05":
            info = self.certificate_id._info()
            data.update(
                old_certificate_serial=self.old_certificate_id.serial or "",
                new_certificate_serial=info.serial,
                new_certificate_issuer=info.issuer_name,
                new_certificate_from=date_in_vietnam(self.certificate_id.not_before),
                new_certificate_to=date_in_vietnam(self.certificate_id.not_after),
                change_text=self.change_text,
            )
        elif self.form == "06":
            data.update(
                stop_date=self.stop_date,
                stop_reason_code=self.stop_reason_code or "",
                stop_reason=self.stop_reason or STOP_REASON_TEXTS.get(self.stop_reason_code),
            )
        return dossier.DossierData(**data)

    def _dossier_phone(self):
        """Return the phone number as this I-VAN's dossiers write it."""
        return contact.national_phone(self.phone) if self.provider_id.phone_format == "national" else self.phone

    def _build_document(self):
        """Return the unsigned dossier (bytes), valid against its XSD; raises `UserError` with what is missing."""
        self.ensure_one()
        self._check_complete()
        try:
            document = dossier.build(self.form, self._prepare_dossier_data())
        except dossier.DossierError as error:
            raise self._dossier_error([error.field]) from error
        faults = dossier.validate(self.form, document)
        if faults:
            _logger.info("BHXH registration %s does not fit its form: %s", self.id, "; ".join(faults))
            raise self._dossier_error(dossier.fields_at_fault(faults))
        return document

    def _dossier_error(self, attributes):
        """Return the `UserError` for these attributes of the dossier's data: what has to be corrected, and where."""
        texts = ENTRY_NAMES
        names = [self.env._(texts[name]) for name in attributes if name in texts]  # pylint: disable=gettext-variable
        return UserError(
            self.env._(
                "The form does not accept these entries: %(fields)s. Correct them (empty, too long, or with a "
                "character that the form does not allow), then press the button again.",
                fields=", ".join(names) or self.env._("unknown entry, see Odoo's log"),
            )
        )

    def _check_complete(self):
        """Raise `UserError` naming everything that is missing at once."""
        self.ensure_one()
        required = ["provider_id", "agency_id", "certificate_id", "email", "phone"]
        required += {"05": ["change_text"], "06": ["stop_date"]}.get(self.form, [])
        missing = [self._fields[name]._description_string(self.env) for name in required if not self[name]]
        if self.form == "06" and not (self.stop_reason_code or self.stop_reason):
            missing.append(self._fields["stop_reason_code"]._description_string(self.env))
        if not self.company_id.vat:
            missing.append(self.env._("Tax code of the company"))
        if missing:
            raise UserError(self.env._("Fill in first: %(fields)s.", fields=", ".join(missing)))
        try:
            contact.tax_code(self.company_id.vat)
        except contact.ContactError as error:
            raise UserError(contact_error(self.env, error, self.company_id.vat)) from error

    def _unsigned_document(self):
        """Return the dossier (bytes) that was to be signed, empty when there is none."""
        request = self.sudo().with_context(bin_size=False).signing_request_id
        return self._document_from_signed() or base64.b64decode(request.document or b"")

    def _document_from_signed(self):
        """Return the dossier (bytes) that was to be signed, made of the signed one; empty where its hash says that it
        does not follow from that."""
        signed = self.sudo().with_context(bin_size=False).signed_document
        try:
            document = dossier.unsigned(base64.b64decode(signed or b""))
        except dossier.DossierError:
            return b""
        return document if hashlib.sha256(document).hexdigest() == self.sudo().document_sha256 else b""

    def _verify_signed(self):
        """Return the signed dossier (bytes) and its content (`tools.dossier.DossierData`).

        The signature was verified when it arrived. It is verified again whenever the file leaves Odoo, so that it rests
        on no other code than this, and on the hash of what was to be signed. Raises `tools.signature.SignatureError`.
        """
        self.ensure_one()
        registration = self.sudo().with_context(bin_size=False)
        signed, document = base64.b64decode(registration.signed_document or b""), registration._unsigned_document()
        if hashlib.sha256(document).hexdigest() != registration.document_sha256:
            raise signature.SignatureError("content_changed", "the dossier is not the one that was to be signed")
        certificate = registration.certificate_id
        if not certificate or not registration.signed_at:
            raise signature.SignatureError("no_signature", "the dossier was never signed")
        signature.verify(signed, document, certificate._der(), at=registration.signed_at.replace(tzinfo=timezone.utc))
        return signed, dossier.read(document)[1]
