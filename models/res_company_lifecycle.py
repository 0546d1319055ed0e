from odoo import fields, models
from odoo.exceptions import AccessError, UserError

from ..tools import contact
from .const import OPEN_STATES
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

    l10n_vn_ibhxh_is_earlier = fields.Boolean(
        string="Registered before Odoo",
        copy=False,
        readonly=True,
        help="A manager vouches that VSS confirmed this company through another program.",
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

    def _l10n_vn_ibhxh_note_earlier(self, vals):
        """Note what VSS confirmed through another program; `vals` are the company's own fields."""
        self.sudo().write({**vals, "l10n_vn_ibhxh_state": "confirmed", "l10n_vn_ibhxh_is_earlier": True})
        self.partner_id.sudo()._message_log(body=self.env._("Noted as registered with BHXH before Odoo."))

    def action_l10n_vn_ibhxh_forget_earlier(self):
        """Take back that the company was registered before Odoo; managers only, and only while nothing relies on it."""
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager") or self not in self.env.companies:
            raise AccessError(self.env._("Only a BHXH manager of this company can take that back."))
        if not self.l10n_vn_ibhxh_is_earlier or self._l10n_vn_ibhxh_open_registration():
            raise UserError(
                self.env._("This cannot be taken back: a registration is under way, or VSS has confirmed one since.")
            )
        self.sudo().write(
            {
                "l10n_vn_ibhxh_is_earlier": False,
                "l10n_vn_ibhxh_confirmed_at": False,
                "l10n_vn_ibhxh_certificate_id": False,
                "l10n_vn_ibhxh_newer_certificate_id": False,
            }
        )
        self.sudo()._l10n_vn_ibhxh_update_state()
        self.partner_id.sudo()._message_log(body=self.env._("No longer noted as registered with BHXH before Odoo."))
        return True

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
        vals["l10n_vn_ibhxh_is_earlier"] = False
        if vals["l10n_vn_ibhxh_certificate_id"] != self.l10n_vn_ibhxh_certificate_id.id:
            vals.update(l10n_vn_ibhxh_newer_certificate_id=False, l10n_vn_ibhxh_reminded_days=0)
        return vals
