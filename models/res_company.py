import itertools
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Domain
from odoo.tools import SQL
from odoo.tools.misc import clean_context

from ..tools import contact
from . import reminders
from .const import CERTIFICATE_DAYS, CERTIFICATE_TODO, LODGINGS, NEWER_CERTIFICATE_OFF, OPEN_STATES, STATES, standing
from .contact_error import contact_error
from .vietnam_time import day_in_vietnam

# A new certificate takes its authority some days, and VSS has to hear of it by form 05 while the old one still signs.
RENEW_DAYS = 60


def _e164(phone):
    """Return a phone number as it is stored; what is none stays as it was typed."""
    try:
        return contact.phone(phone or "")
    except contact.ContactError:
        return phone


class ResCompany(models.Model):
    """What VSS has on record of a company, where its registration stands, and what it may do next."""

    _name = "res.company"
    _inherit = ["res.company", "l10n_vn_ibhxh.protected"]

    # What VSS has on record follows from registrations; these are for the next one.
    _person_fields = frozenset({"l10n_vn_ibhxh_unit_code", "l10n_vn_ibhxh_agency_id", "l10n_vn_ibhxh_provider_id"})

    l10n_vn_ibhxh_state = fields.Selection(
        [
            ("none", "Not registered"),
            ("in_progress", "In progress"),
            ("to_activate", "To activate"),
            ("expired", "Not activated in time"),
            ("confirmed", "Confirmed"),
            ("stopped", "Stopped"),
        ],
        string="BHXH e-transactions",
        required=True,
        default="none",
        copy=False,
    )
    l10n_vn_ibhxh_registration_id = fields.Many2one(
        "l10n_vn_ibhxh.registration", string="BHXH registration", copy=False, index="btree_not_null"
    )
    l10n_vn_ibhxh_activation_expires_at = fields.Datetime(
        string="Activation code valid until", related="l10n_vn_ibhxh_registration_id.activation_expires_at"
    )
    l10n_vn_ibhxh_confirmed_at = fields.Datetime(string="BHXH confirmed at", copy=False)
    l10n_vn_ibhxh_unit_code = fields.Char(
        string="BHXH unit code",
        copy=False,
        help="Mã đơn vị: the code under which VSS knows this employer, e.g. TZH490L.",
    )
    l10n_vn_ibhxh_agency_id = fields.Many2one(
        "l10n_vn_ibhxh.agency", string="BHXH agency", index="btree_not_null", ondelete="restrict"
    )
    l10n_vn_ibhxh_provider_id = fields.Many2one(
        "l10n_vn_ibhxh.provider", string="I-VAN", index="btree_not_null", ondelete="restrict"
    )
    l10n_vn_ibhxh_certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate", string="Certificate at VSS", copy=False, index="btree_not_null"
    )
    l10n_vn_ibhxh_email = fields.Char(string="E-mail at VSS", copy=False)
    l10n_vn_ibhxh_phone = fields.Char(string="Phone at VSS", copy=False)
    l10n_vn_ibhxh_tax_code = fields.Char(
        compute="_compute_l10n_vn_ibhxh_tax_code", store=True, index="btree_not_null", export_string_translation=False
    )
    l10n_vn_ibhxh_newer_certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate",
        string="Newer certificate on the token",
        copy=False,
        readonly=True,
        index="btree_not_null",
        help="Valid, reported by a computer, and not the one that VSS has on record: form 05 is due (error CE014).",
    )
    l10n_vn_ibhxh_next_step_id = fields.Many2one(
        "l10n_vn_ibhxh.registration",
        copy=False,
        readonly=True,
        index="btree_not_null",
        export_string_translation=False,
        help="The dossier that VSS confirmed last, as long as another one is to follow it: registering at the I-VAN to "
        "which the company moves, or the certificate after the data.",
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
        help="Days before the certificate's expiry for which the last reminder was given; 0: none yet.",
    )
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
            ("submit", "Submit it at the I-VAN"),
            ("pin", "Enter the PIN at the token's computer"),
            ("wait", "Wait for VSS"),
            ("activate", "Enter the code on the portal"),
            ("find_code", "Look for VSS's code"),
            ("again", "Register again"),
            ("amend", "Tell VSS of the new certificate"),
            ("renew", "Renew the certificate, then amend"),
            ("none", "Nothing to do"),
        ],
        string="Next action",
        compute="_compute_l10n_vn_ibhxh_next_action",
        search="_search_l10n_vn_ibhxh_next_action",
    )

    @api.depends("vat")
    def _compute_l10n_vn_ibhxh_tax_code(self):
        for company in self:
            try:
                company.l10n_vn_ibhxh_tax_code = contact.tax_code(company.vat or "")
            except contact.ContactError:
                company.l10n_vn_ibhxh_tax_code = False

    @api.model
    def _l10n_vn_ibhxh_normalise(self, vals):
        """Return `vals` with the unit code in upper case; raises `ValidationError` when it cannot be one."""
        if not vals.get("l10n_vn_ibhxh_unit_code"):
            return vals
        try:
            return {**vals, "l10n_vn_ibhxh_unit_code": contact.unit_code(vals["l10n_vn_ibhxh_unit_code"])}
        except contact.ContactError as error:
            raise ValidationError(contact_error(self.env, error, vals["l10n_vn_ibhxh_unit_code"])) from error

    @api.model_create_multi
    def create(self, vals_list):
        companies = super().create([self._l10n_vn_ibhxh_normalise(vals) for vals in vals_list])
        companies._l10n_vn_ibhxh_update_certificates()
        return companies

    def write(self, vals):
        self._l10n_vn_ibhxh_check_on_record(vals)
        result = super().write(self._l10n_vn_ibhxh_normalise(vals))
        if vals.keys() & {"vat", "partner_id", "user_ids"}:
            self._l10n_vn_ibhxh_update_certificates()
        return result

    def _l10n_vn_ibhxh_check_on_record(self, vals):
        """Raise `UserError` when a person changes I-VAN or agency of a confirmed company: what stands there is what VSS
        has on record, from which follow the stop before a move and what form 05 says. What is empty is filled in."""
        names = () if self.env.su else vals.keys() & {"l10n_vn_ibhxh_provider_id", "l10n_vn_ibhxh_agency_id"}
        confirmed = (
            self.filtered(lambda company: company.l10n_vn_ibhxh_state == "confirmed") if names else self.browse()
        )
        for company in confirmed:
            for known in (company[name] for name in names if company[name].id != vals[name]):
                if known:
                    raise UserError(
                        self.env._(
                            "VSS knows %(company)s with “%(value)s”. A new agency is registered with form 05, a move "
                            "to another I-VAN with form 06, from the menu. Choose “At the I-VAN or on VSS's portal” "
                            "there when it was submitted in another program.",
                            company=company.name,
                            value=known.display_name,
                        )
                    )

    def _l10n_vn_ibhxh_update_certificates(self):
        """Tax code or users of these changed: so may the certificates with which they may be registered."""
        companies = self.sudo()
        tax_codes = [code for code in companies.mapped("l10n_vn_ibhxh_tax_code") if code]
        certificates = self.env["l10n_vn_ibhxh.certificate"].sudo()
        domain = Domain("company_ids", "in", companies.ids) | Domain("tax_code", "in", tax_codes)
        if companies:
            certificates.search(domain)._update_companies()

    def _l10n_vn_ibhxh_namesakes(self):
        """Return `{company: other companies with its tax code}`, as superuser."""
        companies = self.sudo()._origin
        codes = [code for code in companies.mapped("l10n_vn_ibhxh_tax_code") if code]
        same = companies.search([("l10n_vn_ibhxh_tax_code", "in", codes)]).grouped("l10n_vn_ibhxh_tax_code")
        return {c: same.get(c.l10n_vn_ibhxh_tax_code, companies.browse()) - c for c in companies}

    def _l10n_vn_ibhxh_confusable(self, unit_code, namesakes):
        """Return the companies (superuser) that VSS's answers to this one could be taken for, by tax and unit code.

        A tax code belongs to one company. Units of one company tree may share it where their unit codes differ; those
        that are not with VSS, as branches that Odoo needs for other things, are in nobody's way.

        :param namesakes: see `_l10n_vn_ibhxh_namesakes`
        """
        company = self.sudo()._origin
        return namesakes.get(company, company.browse()).filtered(
            lambda other: other.root_id != company.root_id or unit_code in other._l10n_vn_ibhxh_unit_codes_at_vss()
        )

    def _l10n_vn_ibhxh_unit_codes_at_vss(self):
        """Return the unit codes, False for none yet, under which VSS knows the company or is asked to."""
        registrations = self._l10n_vn_ibhxh_open_registration()
        codes = {registration.unit_code or self.l10n_vn_ibhxh_unit_code or False for registration in registrations}
        return codes | ({self.l10n_vn_ibhxh_unit_code or False} if self.l10n_vn_ibhxh_state == "confirmed" else set())

    # -- what VSS has on record ----------------------------------------------------------------------------------------

    def _l10n_vn_ibhxh_update_state(self, arrived=None):
        """Derive the company's status from its registrations.

        What VSS confirmed last stands: a renewal that fails, expires or is still under way never takes a confirmed
        company back. What is on record is taken over once, from `arrived`, registrations that have just been confirmed,
        or where another one counts than before: what people correct afterwards stays.
        """
        none = self.env["l10n_vn_ibhxh.registration"]
        registrations = none.sudo().search([("company_id", "in", self.ids)], order="id desc").grouped("company_id")
        changed = {}
        for company in self:
            own = registrations.get(company, none)
            confirmed = own.filtered(lambda r: r.state == "confirmed").sorted("confirmed_at", reverse=True)[:1]
            is_new = confirmed.confirmed_at != company.l10n_vn_ibhxh_confirmed_at or (arrived and confirmed in arrived)
            vals = company._l10n_vn_ibhxh_confirmed_vals(confirmed) if confirmed and is_new else {}
            current = own.filtered(lambda r: r.state not in ("cancelled", "draft"))[:1]
            if confirmed:
                base = "stopped" if confirmed.form == "06" else "confirmed"
            else:
                base = "confirmed" if company.l10n_vn_ibhxh_confirmed_at else "none"
            state = base
            if base != "confirmed" and current.form == "04":
                state = standing(current.state, current.lodging).company or base
            certificate_id = vals.get("l10n_vn_ibhxh_certificate_id", company.l10n_vn_ibhxh_certificate_id.id)
            vals.update(
                l10n_vn_ibhxh_state=state,
                l10n_vn_ibhxh_registration_id=own[:1].id,
                l10n_vn_ibhxh_next_step_id=confirmed._has_next_step(certificate_id) and confirmed.id,
            )
            vals = {name: value for name, value in vals.items() if company._l10n_vn_ibhxh_differs(name, value)}
            if vals:
                changed.setdefault(tuple(vals.items()), []).append(company.id)
        # Companies that change in the same way are written together: expiry concerns hundreds at once.
        for items, ids in changed.items():
            self.browse(ids).write(dict(items))

    def _l10n_vn_ibhxh_differs(self, name, value):
        current = self[name]
        return (current.id if isinstance(current, models.BaseModel) else current) != value

    def _l10n_vn_ibhxh_confirmed_vals(self, registration):
        """Return what VSS now has on record, by the last registration that it confirmed.

        A certificate that VSS now has on record is no longer the newer one, and its end is announced afresh.
        """
        certificate = registration.certificate_id
        if not certificate and registration.form != "04":
            certificate = self.l10n_vn_ibhxh_certificate_id
        vals = {
            "l10n_vn_ibhxh_confirmed_at": registration.confirmed_at,
            "l10n_vn_ibhxh_provider_id": registration.provider_id.id,
            # What was submitted elsewhere may leave these open. The agency does not change by that, and the certificate
            # only where the unit registers.
            "l10n_vn_ibhxh_agency_id": (registration.agency_id or self.l10n_vn_ibhxh_agency_id).id,
            "l10n_vn_ibhxh_certificate_id": certificate.id,
            "l10n_vn_ibhxh_email": registration.email,
            "l10n_vn_ibhxh_phone": registration.phone,
            "l10n_vn_ibhxh_is_earlier": False,
        }
        if registration.unit_code:
            vals["l10n_vn_ibhxh_unit_code"] = registration.unit_code
        if certificate != self.l10n_vn_ibhxh_certificate_id:
            vals.update(l10n_vn_ibhxh_newer_certificate_id=False, l10n_vn_ibhxh_reminded_days=0)
        return vals

    def _l10n_vn_ibhxh_note_earlier(self, vals):
        """Note what VSS confirmed through another program; `vals` are the company's own fields."""
        self.sudo().write({**vals, "l10n_vn_ibhxh_state": "confirmed", "l10n_vn_ibhxh_is_earlier": True})
        self.partner_id.sudo()._message_log(body=self.env._("Noted as registered with BHXH before Odoo."))

    def action_l10n_vn_ibhxh_forget_earlier(self):
        """Take back that the company was registered before Odoo; managers only, and only while nothing relies on it."""
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager") or self not in self.env.companies:
            raise AccessError(self.env._("Only a BHXH manager of this company can undo that."))
        if not self.l10n_vn_ibhxh_is_earlier or self._l10n_vn_ibhxh_open_registration():
            raise UserError(
                self.env._("This cannot be undone: a registration is in progress, or VSS has confirmed one since.")
            )
        self.sudo().write(
            {
                "l10n_vn_ibhxh_is_earlier": False,
                "l10n_vn_ibhxh_confirmed_at": False,
                "l10n_vn_ibhxh_certificate_id": False,
                "l10n_vn_ibhxh_newer_certificate_id": False,
                "l10n_vn_ibhxh_email": False,
                "l10n_vn_ibhxh_phone": False,
            }
        )
        self.sudo().partner_id.activity_unlink([CERTIFICATE_TODO])
        self.sudo()._l10n_vn_ibhxh_update_state()
        self.partner_id.sudo()._message_log(body=self.env._("No longer noted as registered with BHXH before Odoo."))
        return True

    # -- what comes next -----------------------------------------------------------------------------------------------

    def _l10n_vn_ibhxh_offered_forms(self):
        """Return the forms that may be sent next: a confirmed company amends or stops, every other one registers."""
        return ["05", "06"] if self.l10n_vn_ibhxh_state == "confirmed" else ["04"]

    def _l10n_vn_ibhxh_open_registration(self):
        """Return the registrations that are under way (one per company at most)."""
        return self.env["l10n_vn_ibhxh.registration"].search(
            [("company_id", "in", self.ids), ("state", "in", OPEN_STATES)]
        )

    def _l10n_vn_ibhxh_pending_stops(self):
        """Return `{company: the confirmed stop after which it registers again}`."""
        stopped = self.filtered(lambda company: company.l10n_vn_ibhxh_state == "stopped")
        if not stopped:
            return {}
        stops = self.env["l10n_vn_ibhxh.registration"].search(
            [
                ("company_id", "in", stopped.ids),
                ("form", "=", "06"),
                ("state", "=", "confirmed"),
                ("then_register", "=", True),
            ]
        )
        return {stop.company_id: stop for stop in stops if stop.can_register_next}

    def _l10n_vn_ibhxh_propose(self, lacked=None):
        """Return `{company: values}`: with what each registers next; as many queries for many companies as for one.

        The values are those of a registration's fields, records as records. What VSS has on record counts first, then
        the company's own contact data, then `lacked`, which is for companies that have none. A company that stopped in
        order to move registers at the I-VAN to which it moves.
        """
        lacked = lacked or {}
        providers = self.env["l10n_vn_ibhxh.provider"]
        without = self.filtered(lambda c: not c.l10n_vn_ibhxh_provider_id)
        if without and not lacked.get("provider_id"):
            providers = providers.search([("gateway", "!=", "manual"), ("company_id", "in", [False, *without.ids])])
        delivery = self.env["l10n_vn_ibhxh.result.delivery"]
        if not all(company.l10n_vn_ibhxh_registration_id.result_delivery_id for company in self):
            delivery = delivery.search([], limit=1)
        stops = self._l10n_vn_ibhxh_pending_stops()
        result = {}
        for company in self:
            stop = stops.get(company._origin)
            after_stop = stop and (stop.target_provider_id or stop.provider_id)
            usable = providers.filtered(lambda p, company=company: not p.company_id or p.company_id == company)
            only = usable if len(usable) == 1 else usable.browse()
            last = company.l10n_vn_ibhxh_registration_id
            values = {
                "provider_id": after_stop or company.l10n_vn_ibhxh_provider_id or lacked.get("provider_id") or only,
                "agency_id": company.l10n_vn_ibhxh_agency_id or lacked.get("agency_id"),
                "subject_type": last.subject_type or "1",
                "result_delivery_id": last.result_delivery_id or delivery,
                "unit_code": company.l10n_vn_ibhxh_unit_code,
                "email": company.l10n_vn_ibhxh_email or company.email or lacked.get("email"),
                "phone": company.l10n_vn_ibhxh_phone or company.phone or lacked.get("phone"),
            }
            result[company] = {name: value or False for name, value in values.items()}
        return result

    def _l10n_vn_ibhxh_changes(self, source):
        """Return in Vietnamese, one sentence each, what `source` (wizard or draft) changes of VSS's record."""
        return self._l10n_vn_ibhxh_certificate_changes(source) + self._l10n_vn_ibhxh_data_changes(source)

    def _l10n_vn_ibhxh_certificate_changes(self, source):
        old, new = self.l10n_vn_ibhxh_certificate_id, source.certificate_id
        if not new or new._origin == old:
            return []
        sentence = f"chứng thư số mới số {new.serial} do {new.issuer_name} cấp"
        if new.not_before and new.not_after:
            sentence += f", hiệu lực từ {day_in_vietnam(new.not_before)} đến {day_in_vietnam(new.not_after)}"
        return [f"Thay đổi chứng thư số: {self._l10n_vn_ibhxh_old(old.serial)}{sentence}."]

    def _l10n_vn_ibhxh_data_changes(self, source):
        changes = []
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

    @api.depends(
        "l10n_vn_ibhxh_state",
        "l10n_vn_ibhxh_registration_id.state",
        "l10n_vn_ibhxh_registration_id.lodging",
        "l10n_vn_ibhxh_registration_id.activation_received_at",
        "l10n_vn_ibhxh_certificate_id.not_after",
        "l10n_vn_ibhxh_newer_certificate_id",
        "l10n_vn_ibhxh_next_step_id",
    )
    def _compute_l10n_vn_ibhxh_next_action(self):
        soon = fields.Datetime.now() + timedelta(days=RENEW_DAYS)
        for company in self.sudo():
            registration = company.l10n_vn_ibhxh_registration_id
            action = registration and standing(registration.state, registration.lodging).next_action
            if registration.state == "expired" and not registration.activation_received_at:
                action = "find_code"
            company.l10n_vn_ibhxh_next_action = action or company._l10n_vn_ibhxh_action_at_rest(soon)

    def _l10n_vn_ibhxh_action_at_rest(self, soon):
        """Return the next action of a company with nothing under way; a certificate is renewed before `soon` (UTC)."""
        if self.l10n_vn_ibhxh_next_step_id:
            return "register" if self.l10n_vn_ibhxh_next_step_id.form == "06" else "amend"
        if self.l10n_vn_ibhxh_state == "stopped":
            return "none"
        if self.l10n_vn_ibhxh_state != "confirmed":
            return "register"
        if self.l10n_vn_ibhxh_newer_certificate_id:
            return "amend"
        not_after = self.l10n_vn_ibhxh_certificate_id.not_after
        return "renew" if not_after and not_after < soon else "none"

    @api.model
    def _search_l10n_vn_ibhxh_next_action(self, operator, value):
        """As `_compute_l10n_vn_ibhxh_next_action`, by what is stored, and as superuser, too."""
        if operator != "in":
            return NotImplemented
        latest = {}
        for (state, _state), (lodging, _lodging) in itertools.product(STATES, LODGINGS):
            domain = Domain("state", "=", state) & Domain("lodging", "=", lodging)
            latest.setdefault(standing(state, lodging).next_action, []).append(domain)
        no_code = Domain("state", "=", "expired") & Domain("activation_received_at", "=", False)
        latest |= {"again": [Domain.OR(latest["again"]) & ~no_code], "find_code": [no_code]}
        under_way = {
            action: Domain("l10n_vn_ibhxh_registration_id", "any!", Domain.OR(domains))
            for action, domains in latest.items()
        }
        none = Domain("l10n_vn_ibhxh_registration_id", "=", False)
        is_at_rest = none | under_way.pop(None)
        at_rest = self._l10n_vn_ibhxh_domains_at_rest(fields.Datetime.now() + timedelta(days=RENEW_DAYS))
        return Domain.OR(
            under_way.get(action, Domain.FALSE) | (is_at_rest & at_rest.get(action, Domain.FALSE)) for action in value
        )

    @api.model
    def _l10n_vn_ibhxh_domains_at_rest(self, soon):
        """Return `{action: domain}` of companies with nothing under way, as `_l10n_vn_ibhxh_action_at_rest` has it."""
        moves = Domain("l10n_vn_ibhxh_next_step_id", "any!", Domain("form", "=", "06"))
        step = Domain("l10n_vn_ibhxh_next_step_id", "!=", False)
        confirmed = ~step & Domain("l10n_vn_ibhxh_state", "=", "confirmed")
        newer = Domain("l10n_vn_ibhxh_newer_certificate_id", "!=", False)
        ends = Domain("l10n_vn_ibhxh_certificate_id", "any!", Domain("not_after", "<", soon))
        return {
            "register": moves | (~step & Domain("l10n_vn_ibhxh_state", "not in", ("confirmed", "stopped"))),
            "amend": (step & ~moves) | (confirmed & newer),
            "renew": confirmed & ~newer & ends,
            "none": (~step & Domain("l10n_vn_ibhxh_state", "=", "stopped")) | (confirmed & ~newer & ~ends),
        }

    def action_l10n_vn_ibhxh_next(self):
        """Open what the next action is done in: the latest registration, or the wizard for a new one."""
        self.ensure_one()
        self.check_access("read")
        if self.l10n_vn_ibhxh_next_action in ("register", "amend", "renew"):
            if self.l10n_vn_ibhxh_next_step_id:
                return self.l10n_vn_ibhxh_next_step_id._get_records_action()
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
                    "Select these companies in the company switcher first: %(names)s.",
                    names=", ".join(foreign.mapped("name")),
                )
            )

    def _l10n_vn_ibhxh_open(self):
        """Return the action that opens the company's own form."""
        self.ensure_one()
        view = self.env.ref("l10n_vn_ibhxh.res_company_view_form_l10n_vn_ibhxh_overview")
        return self._get_records_action(views=[(view.id, "form")], context=clean_context(self.env.context))

    # -- reminders: the certificate ends, or the token holds a newer one -----------------------------------------------

    @api.model
    def _l10n_vn_ibhxh_remind(self):
        """Give every reminder that is due; return whether there was time for all."""
        finished = []
        now = fields.Datetime.now()
        confirmed = Domain("l10n_vn_ibhxh_state", "=", "confirmed")
        for days in reminders.numbers(self.env, CERTIFICATE_DAYS):
            # The nearest first: anyone who was reminded of 7 days is not reminded of 30 any more.
            domain = (
                confirmed
                & Domain("l10n_vn_ibhxh_certificate_id.not_after", "<=", now + timedelta(days=days))
                & (Domain("l10n_vn_ibhxh_reminded_days", "=", 0) | Domain("l10n_vn_ibhxh_reminded_days", ">", days))
            )
            finished.append(
                reminders.in_batches(
                    self, domain, lambda companies, days=days: self._l10n_vn_ibhxh_remind_end(companies, days)
                )
            )
        if not reminders.is_set(self.env, NEWER_CERTIFICATE_OFF):
            self._l10n_vn_ibhxh_forget_newer(now)
            newer = self._l10n_vn_ibhxh_find_newer(now)
            finished.append(
                reminders.in_batches(
                    self,
                    confirmed & Domain("id", "in", list(newer)),
                    lambda companies: self._l10n_vn_ibhxh_remind_newer(companies, newer),
                )
            )
        return all(finished)

    @api.model
    def _l10n_vn_ibhxh_schedule(self, companies, texts):
        """Give the responsible person of each company's last confirmed registration an activity there, in place of the
        last one about its certificate.

        `texts(company)` returns what `reminders.schedule` wants. A company that was confirmed before Odoo knew it gets
        the activity on its contact.
        """
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo()
        last = dict(
            registrations._read_group(
                [("company_id", "in", companies.ids), ("state", "=", "confirmed")], ["company_id"], ["id:max"]
            )
        )
        inbox_user = self.env["l10n_vn_ibhxh.mail"]._inbox_user()
        rows = []
        for company in companies:
            registration = registrations.browse(last.get(company))
            record = registration or company.partner_id
            rows.append((record, registration.user_id or inbox_user, texts(company), None))
        registrations.browse(last.values()).activity_unlink([CERTIFICATE_TODO])
        companies.sudo().partner_id.activity_unlink([CERTIFICATE_TODO])
        reminders.schedule(self.env, rows, CERTIFICATE_TODO)

    @api.model
    def _l10n_vn_ibhxh_remind_end(self, companies, days):
        companies.write({"l10n_vn_ibhxh_reminded_days": days})
        self._l10n_vn_ibhxh_schedule(companies, lambda company: company._l10n_vn_ibhxh_end_texts)

    def _l10n_vn_ibhxh_end_texts(self, env):
        if self.l10n_vn_ibhxh_newer_certificate_id:
            return self._l10n_vn_ibhxh_newer_texts(env)
        certificate = self.l10n_vn_ibhxh_certificate_id
        return (
            env._(
                "%(company)s: the certificate registered with VSS expires on %(date)s",
                company=self.name,
                date=day_in_vietnam(certificate.not_after),
            ),
            env._(
                "Renew it with %(issuer)s in time. As soon as the token holds the new one, send form 05, or VSS "
                "refuses what is signed with it (CE014).",
                issuer=certificate.issuer_name,
            ),
        )

    @api.model
    def _l10n_vn_ibhxh_find_newer(self, now):
        """Return `{company id: certificate id}` of confirmed companies for which a computer or a remote account has one
        that is valid `now` (UTC) and was issued after the one at VSS, as far as nobody was told of it yet.

        It need not end later: an authority issues for a lost token again with the same end, and a token of three years
        may give way to a certificate of one.
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (company.id) company.id, newer.id
                  FROM res_company company
                  JOIN l10n_vn_ibhxh_certificate known ON known.id = company.l10n_vn_ibhxh_certificate_id
                  JOIN l10n_vn_ibhxh_certificate_company_rel own ON own.company_id = company.id
                  JOIN l10n_vn_ibhxh_certificate newer ON newer.id = own.certificate_id
                 WHERE company.l10n_vn_ibhxh_state = 'confirmed'
                   AND (newer.not_before, newer.not_after) > (known.not_before, known.not_after)
                   AND newer.not_before <= %(now)s
                   AND newer.not_after > %(now)s
                   AND (
                       EXISTS (
                           SELECT FROM l10n_vn_ibhxh_agent_certificate_rel report
                             JOIN l10n_vn_ibhxh_agent agent ON agent.id = report.agent_id AND agent.revoked IS NOT TRUE
                            WHERE report.certificate_id = newer.id
                       )
                       OR EXISTS (
                           SELECT FROM l10n_vn_ibhxh_remote_account_certificate_rel listing
                             JOIN l10n_vn_ibhxh_remote_account account ON account.id = listing.account_id
                            WHERE listing.certificate_id = newer.id AND account.active
                       )
                   )
                 ORDER BY company.id, newer.not_before DESC, newer.not_after DESC, newer.id DESC
                """,
                now=now,
            )
        )
        found = dict(rows)
        told = self.browse(found).filtered(
            lambda company: company.l10n_vn_ibhxh_newer_certificate_id.id == found[company.id]
        )
        return {company_id: found[company_id] for company_id in found.keys() - set(told.ids)}

    @api.model
    def _l10n_vn_ibhxh_remind_newer(self, companies, newer):
        # Another worker may have told of some of them before the rows were locked.
        companies = companies.filtered(
            lambda company: company.l10n_vn_ibhxh_newer_certificate_id.id != newer[company.id]
        )
        by_certificate = companies.grouped(lambda company: newer[company.id])
        for certificate_id, group in by_certificate.items():
            group.write({"l10n_vn_ibhxh_newer_certificate_id": certificate_id})
        self._l10n_vn_ibhxh_schedule(companies, lambda company: company._l10n_vn_ibhxh_newer_texts)

    def _l10n_vn_ibhxh_newer_texts(self, env):
        if self.l10n_vn_ibhxh_newer_certificate_id._remote_account(self):
            return (
                env._("%(company)s: the phone holds a newer certificate than VSS knows", company=self.name),
                env._(
                    "VSS refuses what is signed with it (CE014) until it knows it. Press “Amend with the new "
                    "certificate”: form 05 is filled in already, and confirmed on the phone."
                ),
            )
        return (
            env._("%(company)s: the token holds a newer certificate than VSS knows", company=self.name),
            env._(
                "VSS refuses what is signed with it (CE014) until it knows it. Press “Amend with the new "
                "certificate”: form 05 is already filled in, only the PIN is needed."
            ),
        )

    @api.model
    def _l10n_vn_ibhxh_forget_newer(self, now):
        """A newer certificate that has ended itself, or whose company stopped, is no news any more."""
        self.search(
            Domain("l10n_vn_ibhxh_newer_certificate_id", "!=", False)
            & (
                Domain("l10n_vn_ibhxh_newer_certificate_id.not_after", "<", now)
                | Domain("l10n_vn_ibhxh_state", "!=", "confirmed")
            )
        ).write({"l10n_vn_ibhxh_newer_certificate_id": False})
