from dataclasses import replace
from datetime import timezone
from typing import NamedTuple

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..tools import certificate as x509
from ..tools import contact, preflight
from .const import LODGINGS, OPEN_STATES
from .preflight_texts import sentence

INPUTS = (
    "company_id",
    "company_id.name",
    "company_id.vat",
    "company_id.l10n_vn_ibhxh_state",
    "form",
    "certificate_id",
    "certificate_id.trust_findings",
    "provider_id",
    "lodging",
    "agency_id",
    "unit_code",
    "email",
    "phone",
    "change_text",
    "stop_date",
    "stop_reason_code",
    "stop_reason",
    "then_register",
    "target_provider_id",
    "then_certificate_id",
    "corrects_id",
    "provider_check",
)


class Facts(NamedTuple):
    """What the checks look up, for many records at once."""

    under_way: dict
    """`{company: its registrations that are under way}`."""
    namesakes: dict
    """`{company: other companies with its tax code}`."""


class L10n_Vn_IbhxhPreflight(models.AbstractModel):
    """What is checked before anybody is asked for a PIN, and how the dossier is submitted; shared by the wizard and the
    draft.

    `preflight` is a list of `{check, level, text, field, action}`: level `passed`, `warning`, `blocking` or `unasked`
    (needs the network, press the button); `field` is the input that resolves it, `action` a method that does. Only
    `action_preflight_check` and the signing step use the network, never the compute.
    """

    _name = "l10n_vn_ibhxh.preflight"
    _description = "Checks before signing"

    preflight = fields.Json(compute="_compute_preflight", export_string_translation=False)
    is_blocked = fields.Boolean(compute="_compute_preflight")
    provider_check = fields.Json(readonly=True, copy=False, export_string_translation=False)
    corrects_id = fields.Many2one(
        "l10n_vn_ibhxh.registration", readonly=True, copy=False, help="The refusal that this one corrects."
    )
    lodging = fields.Selection(
        LODGINGS,
        string="How it is submitted",
        required=True,
        compute="_compute_lodging",
        store=True,
        readonly=False,
        precompute=True,
        copy=False,
    )
    lodging_ways = fields.Json(compute="_compute_lodging_ways", export_string_translation=False)
    guide = fields.Html(compute="_compute_guide")
    copy_name = fields.Char(string="Company name", compute="_compute_copy_values")
    copy_tax_code = fields.Char(string="Tax code to copy", compute="_compute_copy_values")
    copy_agency = fields.Char(string="Agency to copy", compute="_compute_copy_values")
    copy_phone = fields.Char(string="Phone to copy", compute="_compute_copy_values")
    copy_serial = fields.Char(string="Serial number to copy", compute="_compute_copy_values")

    @api.depends("company_id", "provider_id")
    def _compute_lodging(self):
        """Propose Odoo itself where the I-VAN is connected, else the way that the company used last, else the usual."""
        for record in self:
            provider = record.provider_id._origin
            ways = provider._lodgings()
            last = record.company_id.l10n_vn_ibhxh_registration_id
            is_used = ways[0] != "odoo" and last.provider_id == provider and last.lodging in ways
            record.lodging = last.lodging if is_used else ways[0]

    @api.depends("provider_id")
    def _compute_lodging_ways(self):
        for record in self:
            record.lodging_ways = record.provider_id._lodgings()

    @api.depends("provider_id", "lodging")
    @api.depends_context("lang")
    def _compute_guide(self):
        for record in self:
            is_elsewhere = record.lodging == "elsewhere" and record.provider_id
            record.guide = record.provider_id._lodging_guide() if is_elsewhere else False

    @api.depends("company_id", "agency_id", "phone", "certificate_id", "lodging")
    def _compute_copy_values(self):
        """What is typed into the I-VAN's own program or the portal, as it is written there."""
        for record in self:
            is_elsewhere = record.lodging == "elsewhere"
            record.copy_name = is_elsewhere and record.company_id.name
            record.copy_tax_code = is_elsewhere and record.company_id.l10n_vn_ibhxh_tax_code
            record.copy_agency = is_elsewhere and record.agency_id.display_name
            record.copy_serial = is_elsewhere and record.certificate_id.serial
            record.copy_phone = is_elsewhere and self._national_phone(record.phone)

    @api.model
    def _national_phone(self, phone):
        try:
            return contact.national_phone(contact.phone(phone or ""))
        except contact.ContactError:
            return phone

    @api.constrains("lodging", "provider_id")
    def _check_lodging(self):
        for record in self:
            if record.lodging not in record.provider_id._lodgings():
                labels = dict(self._fields["lodging"]._description_selection(self.env))
                raise ValidationError(
                    self.env._(
                        "“%(way)s” is not possible with %(provider)s. Choose another way, or another I-VAN.",
                        way=labels[record.lodging],
                        provider=record.provider_id.name or self.env._("(no I-VAN)"),
                    )
                )

    @api.depends(lambda self: self._preflight_depends())
    def _compute_preflight(self):
        shown = self.filtered(lambda record: record._is_preflight_shown())
        facts = shown._preflight_facts()
        for record in self:
            findings = record._preflight_findings(facts) if record in shown else []
            record.preflight = [record._preflight_row(finding) for finding in findings]
            record.is_blocked = preflight.worst(f for f in findings if f.level != "unasked") == "blocking"

    def _preflight_depends(self):
        return INPUTS

    def _is_preflight_shown(self):
        return bool(self.company_id)

    def _preflight_row(self, finding):
        return {
            "check": finding.check,
            "level": finding.level,
            "code": finding.code,
            "text": sentence(self.env, finding),
            "field": finding.field,
            "action": finding.values.get("action", False),
        }

    # -- the checks --------------------------------------------------------------------------------------------------

    def _preflight_facts(self):
        """Return what has to be looked up for the checks, `Facts`: as many queries for many as for one."""
        companies = self.company_id._origin
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo()
        under_way = registrations.search([("company_id", "in", companies.ids), ("state", "in", OPEN_STATES)])
        return Facts(under_way.grouped("company_id"), companies._l10n_vn_ibhxh_namesakes())

    def _preflight_findings(self, facts):
        """Return all findings (`tools.preflight.Finding`) in the order in which a person should resolve them."""
        self.ensure_one()
        return [
            *self._preflight_open(facts),
            *self._preflight_form(),
            *self._preflight_certificate(),
            self._preflight_name(),
            self._preflight_tax_code(facts),
            *self._preflight_agency(),
            *self._preflight_unit_code(),
            preflight.check_email(self.email or "", self._preflight_email_repeated()),
            preflight.check_phone(self.phone or ""),
            *self._preflight_provider(),
            *self._preflight_trust(),
        ]

    def _preflight_email_repeated(self):
        """Return the e-mail as typed the second time, None when it need not be."""
        return None  # noqa: RET501 - None has a meaning here

    def _preflight_open(self, facts):
        other = facts.under_way.get(self.company_id._origin, self.env["l10n_vn_ibhxh.registration"]).sudo()
        if self._name == other._name:
            other -= self._origin
        if other:
            yield preflight.Finding(
                "open", "blocking", "open_other", {"name": other[0].name, "action": "action_open_other"}
            )
        else:
            yield preflight.Finding("open", "passed", "open_none")

    def _preflight_form(self):
        """The form fits the company's state; a refusal that is being corrected knows better than Odoo's own record."""
        offered = self.company_id._l10n_vn_ibhxh_offered_forms()
        fits = self.form in offered or self._refusal()
        if not fits:
            code = "form_registered" if self.form == "04" else "form_not_registered"
            yield preflight.Finding("form", "blocking", code, {}, "form")
        missing = []
        if self.form == "05" and not self.change_text:
            missing.append(("form_change_empty", "change_text"))
        elif self.form == "06":
            if not self.stop_date:
                missing.append(("form_stop_date_empty", "stop_date"))
            if not (self.stop_reason_code or self.stop_reason):
                missing.append(("form_stop_reason_empty", "stop_reason_code"))
        for code, name in missing:
            yield preflight.Finding("form", "blocking", code, {}, name)
        if self.form == "05" and not missing and not self.company_id._l10n_vn_ibhxh_changes(self):
            yield preflight.Finding("form", "warning", "form_nothing_changes", {}, "change_text")
        elif self._is_for_two_dossiers():
            yield preflight.Finding(
                "form", "warning", "form_data_first", {"action": "action_data_first"}, "certificate_id"
            )
        elif fits and not missing:
            yield preflight.Finding("form", "passed", "form_ok")

    def _is_for_two_dossiers(self):
        """Whether unit data and certificate change at once: two dossiers, the data first, signed with the certificate
        on record while that is still valid (domain.md §2)."""
        company = self.company_id
        on_record = company.l10n_vn_ibhxh_certificate_id
        return (
            self.form == "05"
            and not self._refusal()
            and bool(on_record.not_after and on_record.not_after > fields.Datetime.now())
            and bool(company._l10n_vn_ibhxh_certificate_changes(self))
            and bool(company._l10n_vn_ibhxh_data_changes(self))
        )

    def _preflight_info(self):
        """Return what the certificate says (`tools.certificate.CertificateInfo`), None without one.

        Raises `tools.certificate.CertificateError` when an uploaded file is none.
        """
        return self.certificate_id._info() if self.certificate_id else None

    def _preflight_certificate(self):
        certificate = self.certificate_id
        is_elsewhere = self.lodging == "elsewhere"
        try:
            info = self._preflight_info()
        except x509.CertificateError as error:
            yield preflight.Finding("certificate", "blocking", f"certificate_file_{error.code}", {}, "certificate_file")
            return
        if not info:
            code = "certificate_unknown" if is_elsewhere else "certificate_none"
            level = "warning" if is_elsewhere else "blocking"
            yield preflight.Finding("certificate", level, code, {}, "certificate_id")
            return
        if is_elsewhere:
            # Which token signs there, and how, is not Odoo's business.
            yield preflight.check_owner(info, self.company_id.vat or "")
            yield preflight.check_validity(info, at=fields.Datetime.now().replace(tzinfo=timezone.utc))
            return
        yield from certificate._findings_for(self.company_id)
        service = certificate._origin._remote_account(self.company_id._origin).service_id
        if service and self.provider_id and self.provider_id._origin not in service.provider_ids:
            values = {"provider": self.provider_id.name, "service": service.name}
            yield preflight.Finding("certificate", "blocking", "certificate_service_unknown", values, "certificate_id")
        on_record = self.company_id.l10n_vn_ibhxh_certificate_id
        if self.form == "06" and on_record and on_record != certificate._origin and not self._refusal():
            values = {"serial": on_record.serial, "action": "action_amend_first"}
            yield preflight.Finding("certificate", "blocking", "certificate_not_registered", values, "certificate_id")

    def _preflight_name(self):
        """The company's name, and whether its own certificate has another one."""
        try:
            info = self._preflight_info()
        except x509.CertificateError:
            info = None
        is_own = info and x509.matches_tax_code(info, self.company_id.vat or "")
        finding = preflight.check_name(self.company_id.name or "", info.common_name if is_own else "")
        if finding.code != "name_certificate":
            return finding
        return replace(finding, values={**finding.values, "action": "action_open_company"})

    def _preflight_tax_code(self, facts):
        """The tax code is corrected on the company, which is another page."""
        finding = preflight.check_tax_code(self.company_id.vat or "")
        confusable = self.company_id._l10n_vn_ibhxh_confusable(self._unit_code() or False, facts.namesakes)
        if finding.level != "blocking" and confusable:
            in_tree = confusable[0].root_id == self.company_id.sudo().root_id
            code, field = ("tax_code_of_unit", "unit_code") if in_tree else ("tax_code_taken", None)
            finding = preflight.Finding("tax_code", "blocking", code, finding.values, field)
            if in_tree:
                return finding
        if finding.level == "passed":
            return finding
        return replace(finding, values={**finding.values, "action": "action_open_company"})

    def _refusal(self):
        """Return the refusal that this one follows, which knows better than Odoo's own record of the company.

        It counts for its own company, and only until VSS has confirmed something since.
        """
        refusal = self.corrects_id._origin
        if refusal.state != "rejected" or refusal.company_id != self.company_id._origin:
            return refusal.browse()
        since = [("company_id", "=", refusal.company_id.id), ("id", ">", refusal.id), ("state", "=", "confirmed")]
        return refusal.browse() if refusal.search_count(since, limit=1) else refusal

    def _unit_code(self):
        """Return the unit code as it is stored, None when it is none."""
        try:
            return contact.unit_code(self.unit_code or "")
        except contact.ContactError:
            return None

    def _preflight_agency(self):
        if self.lodging == "elsewhere" and not self.agency_id:
            return
        finding = preflight.check_agency(self.agency_id.code or "")
        refused = self._refusal()
        if finding.level == "passed" and refused.error_code == "SE004" and refused.agency_id == self.agency_id._origin:
            values = {"agency": self.agency_id.display_name, "code": refused.error_code}
            finding = preflight.Finding("agency", "blocking", "agency_refused", values, "agency_id")
        yield finding

    def _preflight_unit_code(self):
        finding = preflight.check_unit_code(self.unit_code or None)
        refused = self._refusal()
        if (
            finding.level == "passed"
            and refused.result_code_id.remedy_action == "unit"
            and (refused.unit_code or "") == finding.values.get("unit_code", "")
        ):
            values = {"tax_code": self.company_id.vat, "unit_code": self.unit_code or "–"}
            finding = preflight.Finding("unit_code", "warning", "unit_code_refused", values, "unit_code")
        elif self._is_stop_by_new() and not self.unit_code:
            finding = preflight.Finding("unit_code", "warning", "unit_code_for_move", {}, "unit_code")
        yield finding

    def _preflight_provider(self):
        provider = self.provider_id
        values = {"provider": provider.name or ""}
        if not provider:
            yield preflight.Finding("provider", "blocking", "provider_none", values, "provider_id")
            return
        current = self.company_id.l10n_vn_ibhxh_provider_id
        if self._is_move() and not self._refusal():
            values |= {"current": current.name, "action": "action_move"}
            yield preflight.Finding("provider", "blocking", "provider_other", values, "provider_id")
        elif self.lodging == "elsewhere":
            yield preflight.Finding("provider", "passed", "provider_elsewhere", values)
        elif self.lodging == "file" or provider.gateway == "manual":
            yield preflight.Finding("provider", "passed", "provider_by_hand", values)
        elif not provider.url:
            yield preflight.Finding("provider", "blocking", "provider_unconfigured", values, "provider_id")
        else:
            asked = self.provider_check or {}
            if asked.get("provider_id") != provider._origin.id:
                yield preflight.Finding("provider", "unasked", "provider_unasked", values)
            elif asked["ok"]:
                yield preflight.Finding("provider", "passed", "provider_reachable", values)
            else:
                yield preflight.Finding("provider", "warning", "provider_unreachable", values)

    def _is_move(self):
        """Whether the dossier would go to another I-VAN organisation than the one that has the unit."""
        current = self.company_id.l10n_vn_ibhxh_provider_id
        confirmed = self.company_id.l10n_vn_ibhxh_state == "confirmed"
        is_other = confirmed and current and self.provider_id and current.code != self.provider_id.code
        return bool(is_other and not self._is_stop_by_new())

    def _is_stop_by_new(self):
        """Whether this is the stop that the I-VAN files to which the company moves."""
        target = self.target_provider_id
        return bool(self.form == "06" and self.then_register and target and target == self.provider_id)

    def _preflight_trust(self):
        certificate = self.certificate_id._origin
        if not certificate or self.lodging == "elsewhere" or certificate._trust_mode() == "off":
            return
        found = certificate._fresh_trust()
        if found is None:
            yield preflight.Finding("trust", "unasked", "trust_unasked")
            return
        for row in found:
            field = "certificate_id" if row["level"] != "passed" else None
            yield preflight.Finding("trust", row["level"], row["code"], {"detail": row["detail"]}, field)

    # -- with the network --------------------------------------------------------------------------------------------

    def action_preflight_check(self):
        """“Check now”: ask the I-VAN whether it is there, and the certificate's authority whether it still vouches."""
        self.ensure_one()
        self.check_access("write")
        if self.lodging == "elsewhere":
            return True
        if self.certificate_id:
            self.certificate_id._check_trust()
        provider = self.provider_id
        if provider and self.lodging == "odoo" and provider.url:
            kind, _message = provider._checked()
            self.sudo().provider_check = {"provider_id": provider.id, "ok": kind != "danger"}
        return True

    def _ask_authorities(self):
        """Check chain and revocation of the certificates whose last verdict is too old and that nothing else blocks."""
        certificates = self.certificate_id._origin
        due = certificates.filtered(lambda certificate: certificate._fresh_trust() is None)
        if certificates._trust_mode() == "off" or not due:
            return
        asked = self.filtered(
            lambda record: (
                record.certificate_id._origin in due
                and record.lodging != "elsewhere"
                and preflight.worst(record._preflight_certificate()) != "blocking"
            )
        )
        asked.certificate_id._origin._check_trust()

    def _check_preflight(self):
        """Raise `ValidationError` naming everything that blocks; checks the certificate's chain where that is due."""
        self._ask_authorities()
        facts = self._preflight_facts()
        for record in self:
            findings = record._preflight_findings(facts)
            rows = [record._preflight_row(finding) for finding in findings if finding.level == "blocking"]
            if rows:
                raise ValidationError("\n".join(row["text"] for row in rows))
