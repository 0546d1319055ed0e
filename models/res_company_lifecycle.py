from odoo import fields, models

from ..tools import contact
from .l10n_vn_ibhxh_registration import OPEN_STATES
from .vietnam_time import day_in_vietnam


def _e164(phone):
    """Return a phone number as it is stored; what is none stays as it was typed."""
    try:
        return contact.phone(phone or "")
    except contact.ContactError:
        return phone


class ResCompany(models.Model):
    """What a company may do next, by what VSS has on record of it."""

    _inherit = "res.company"

    l10n_vn_ibhxh_newer_certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate",
        string="Newer certificate on the token",
        copy=False,
        readonly=True,
        index="btree_not_null",
        help="Valid, reported by a computer, and not the one that VSS has on record: form 05 is due (error CE014).",
    )

    l10n_vn_ibhxh_reminded_days = fields.Integer(
        copy=False,
        readonly=True,
        export_string_translation=False,
        help="Days before the certificate's end for which a reminder was given last; 0: none yet.",
    )

    def _l10n_vn_ibhxh_offered_forms(self):
        """Return the forms that may be sent next: a confirmed company amends or stops, every other one registers."""
        return ["05", "06"] if self.l10n_vn_ibhxh_state == "confirmed" else ["04"]

    def _l10n_vn_ibhxh_open_registration(self):
        """Return the registrations that are under way (one per company at most)."""
        return self.env["l10n_vn_ibhxh.registration"].search(
            [("company_id", "in", self.ids), ("state", "in", OPEN_STATES)]
        )

    def _l10n_vn_ibhxh_changes(self, source):
        """Return in Vietnamese, one sentence each, what `source` (wizard or draft) changes of VSS's record."""
        changes = []
        old, new = self.l10n_vn_ibhxh_certificate_id, source.certificate_id
        if new and new._origin != old:
            sentence = f"chứng thư số mới số {new.serial} do {new.issuer_name} cấp"
            if new.not_before and new.not_after:
                sentence += f", hiệu lực từ {day_in_vietnam(new.not_before)} đến {day_in_vietnam(new.not_after)}"
            changes.append(f"Thay đổi chứng thư số: {self._l10n_vn_ibhxh_old(old.serial)}{sentence}.")
        for label, before, after in (
            ("thư điện tử", self.l10n_vn_ibhxh_email, source.email),
            ("điện thoại", self.l10n_vn_ibhxh_phone, _e164(source.phone)),
            ("cơ quan BHXH", self.l10n_vn_ibhxh_agency_id.display_name, source.agency_id.display_name),
        ):
            if after and after != before:
                changes.append(f"Thay đổi {label}: {self._l10n_vn_ibhxh_old(before)}{after}.")
        return changes

    def _l10n_vn_ibhxh_old(self, value):
        return f"từ {value} thành " if value else ""

    def _l10n_vn_ibhxh_confirmed_vals(self, registration):
        """A certificate that VSS now has on record is no longer the newer one, and its end is announced afresh."""
        vals = super()._l10n_vn_ibhxh_confirmed_vals(registration)
        if vals["l10n_vn_ibhxh_certificate_id"] != self.l10n_vn_ibhxh_certificate_id.id:
            vals.update(l10n_vn_ibhxh_newer_certificate_id=False, l10n_vn_ibhxh_reminded_days=0)
        return vals
