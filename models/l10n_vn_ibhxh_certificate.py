import base64
import logging
from datetime import timedelta, timezone

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command, Domain
from odoo.tools import format_date

from ..tools import certificate as x509
from ..tools import fetching, validation
from ..tools import preflight as checks
from .preflight_texts import sentence
from .vietnam_time import date_in_vietnam

TRUST_MODES = ("soft", "hard", "off")
# A verdict this fresh is not asked for again when a signature is requested; a person's “Check now” always asks.
TRUST_MINUTES = 60

_logger = logging.getLogger(__name__)

# Certificates that the computers of one user may make known: an accounting firm's tokens over many years.
MAX_REPORTED = 2000


class L10n_Vn_IbhxhCertificate(models.Model):
    """The public certificate of a signing key, on a token or at a remote service: the DER bytes and what is parsed from
    them. Never a key.

    Tax codes come from the subject's UID (`MST:…`, `CCCD:…`), RFC 4519 `uid`; the serial is upper-case
    hexadecimal; both validity limits are UTC.
    """

    _name = "l10n_vn_ibhxh.certificate"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _description = "Signing certificate"
    _order = "not_after desc, id desc"
    _rec_names_search = ["name", "tax_code", "serial"]

    name = fields.Char(string="Holder", required=True, readonly=True)
    der = fields.Binary(string="Certificate (DER)", required=True, readonly=True, attachment=False)
    fingerprint = fields.Char(required=True, readonly=True, help="SHA-256 of the DER bytes, hexadecimal.")
    subject = fields.Char(string="Subject Name", readonly=True)
    issuer = fields.Char(readonly=True)
    issuer_name = fields.Char(string="Certification authority", readonly=True)
    serial = fields.Char(string="Serial number", readonly=True)
    tax_code = fields.Char(readonly=True, index=True)
    not_before = fields.Datetime(string="Valid from", readonly=True)
    not_after = fields.Datetime(string="Valid until", readonly=True)
    key_type = fields.Char(readonly=True)
    key_bits = fields.Integer(readonly=True)
    agent_ids = fields.Many2many(
        "l10n_vn_ibhxh.agent",
        "l10n_vn_ibhxh_agent_certificate_rel",
        "certificate_id",
        "agent_id",
        string="Computers",
        readonly=True,
        help="Computers that have reported this certificate.",
    )
    present_agent_ids = fields.Many2many(
        "l10n_vn_ibhxh.agent",
        "l10n_vn_ibhxh_agent_present_certificate_rel",
        "certificate_id",
        "agent_id",
        string="Plugged in at",
        readonly=True,
    )
    company_ids = fields.Many2many(
        "res.company",
        "l10n_vn_ibhxh_certificate_company_rel",
        "certificate_id",
        "company_id",
        string="Companies",
        readonly=True,
        help="Companies that can be registered with this certificate: same tax code, and reported by a computer, or "
        "listed by a remote signing account, whose user may access the company.",
    )
    remote_account_ids = fields.Many2many(
        "l10n_vn_ibhxh.remote.account",
        "l10n_vn_ibhxh_remote_account_certificate_rel",
        "certificate_id",
        "account_id",
        string="Remote signing accounts",
        readonly=True,
        help="Accounts whose signing service has listed this certificate.",
    )
    is_remote = fields.Boolean(
        string="On the phone",
        compute="_compute_is_remote",
        help="The key is with a remote signing service: each signature is confirmed on the phone.",
    )
    is_online = fields.Boolean(string="Plugged in", compute="_compute_is_online")
    is_valid = fields.Boolean(
        compute="_compute_is_valid", search="_search_is_valid", export_string_translation=False, help="Valid now."
    )
    days_left = fields.Integer(compute="_compute_days_left")
    trust_checked_at = fields.Datetime(string="Chain checked", readonly=True)
    trust_findings = fields.Json(readonly=True, export_string_translation=False)

    _fingerprint_unique = models.Constraint("UNIQUE (fingerprint)", "This certificate is already known.")

    @api.depends("present_agent_ids.is_online")
    def _compute_is_online(self):
        for certificate in self:
            # Whether a colleague's computer is on is no secret, but the computer's record is.
            certificate.is_online = any(certificate.sudo().present_agent_ids.mapped("is_online"))

    @api.depends("remote_account_ids.active", "remote_account_ids.service_id.active", "company_ids")
    @api.depends_context("allowed_company_ids")
    def _compute_is_remote(self):
        for certificate in self:
            companies = certificate.sudo().company_ids & self.env.companies
            certificate.is_remote = any(certificate._remote_account(company) for company in companies)

    @api.depends("not_before", "not_after")
    def _compute_is_valid(self):
        now = fields.Datetime.now()
        for certificate in self:
            start, end = certificate.not_before, certificate.not_after
            certificate.is_valid = bool(start and end and start <= now <= end)

    def _search_is_valid(self, operator, value):
        if operator != "in":
            return NotImplemented
        now = fields.Datetime.now()
        valid = Domain("not_before", "<=", now) & Domain("not_after", ">=", now)
        return valid if True in value else ~valid

    @api.depends("not_after")
    def _compute_days_left(self):
        now = fields.Datetime.now()
        for certificate in self:
            certificate.days_left = (certificate.not_after - now).days if certificate.not_after else 0

    @api.depends("name", "issuer_name", "not_after", "is_remote")
    @api.depends_context("lang", "allowed_company_ids")
    def _compute_display_name(self):
        for certificate in self:
            end = certificate.not_after
            until = format_date(self.env, end and date_in_vietnam(end)) or "?"
            parts = [certificate.name, certificate.issuer_name or "?", until]
            if certificate.is_remote:
                parts.append(self.env._("on the phone"))
            certificate.display_name = " · ".join(parts)

    @api.model
    def _from_der(self, der_list, user=None):
        """Return the certificates of the DER byte strings, created where needed; unreadable ones are left out.

        With `user`, whose computer reports them, so are new ones beyond `MAX_REPORTED`.
        """
        reported = {}
        for der in der_list:
            try:
                info = x509.load(der)
            except x509.CertificateError:
                continue
            reported[info.fingerprint] = info
        known = self.sudo().search([("fingerprint", "in", list(reported))])
        fingerprints = set(known.mapped("fingerprint"))
        missing = [info for fingerprint, info in reported.items() if fingerprint not in fingerprints]
        if missing and user:
            room = max(MAX_REPORTED - self.sudo().search_count([("agent_ids.user_id", "=", user.id)]), 0)
            if len(missing) > room:
                _logger.warning(
                    "User %s reports more than %s certificates; new ones are ignored", user.id, MAX_REPORTED
                )
            missing = missing[:room]
        return known | self.sudo().create([self._prepare_vals(info) for info in missing])

    @api.model
    def _from_remote(self, account, found):
        """Keep for `account` (superuser's) what it can sign with for its user's companies, and return that.

        `found` are `tools.remote.RemoteCertificate`s; those count that are usable and name a company's tax code.
        Others are not stored: who knows a person's number could otherwise collect that person's certificates here.
        """
        references, ders = {}, []
        companies = account.user_id.company_ids.filtered(account._can_sign_for)
        for one in found:
            try:
                info = x509.load(one.der)
            except x509.CertificateError:
                continue
            if one.is_usable and any(x509.matches_tax_code(info, company.vat or "") for company in companies):
                references[info.fingerprint] = {"reference": one.reference, "limit": one.digest_limit}
                ders.append(one.der)
        kept = self._from_der(ders)
        gone = account.certificate_ids - kept
        account.write(
            {
                "certificate_ids": [Command.set(kept.ids)],
                "references": references,
                "listed_at": fields.Datetime.now(),
            }
        )
        (kept | gone)._update_companies()
        return kept

    def _remote_account(self, company):
        """Return the account, as superuser, to whose phone dossiers of `company` go that this certificate signs.

        None where a computer signs. One of the own accounts is preferred to those of colleagues. Whether an account
        counts is each company's own affair: what another one's service claims to hold changes nothing here.
        """
        accounts = self.sudo().remote_account_ids.filtered(lambda account: account._can_sign_for(company))
        return accounts.sorted(lambda account: (account.user_id.id != self.env.uid, account.id))[:1]

    @api.model
    def _prepare_vals(self, info):
        vals = {
            "name": info.common_name or info.subject,
            "der": base64.b64encode(info.der),
            "fingerprint": info.fingerprint,
            "subject": info.subject,
            "issuer": info.issuer,
            "issuer_name": info.issuer_name,
            "serial": info.serial,
            "tax_code": info.tax_codes[0] if info.tax_codes else False,
            "not_before": info.not_before.replace(tzinfo=None),
            "not_after": info.not_after.replace(tzinfo=None),
            "key_type": info.key_type,
            "key_bits": info.key_bits,
        }
        # A name may hold what PostgreSQL cannot store.
        return {name: value.replace("\x00", "�") if isinstance(value, str) else value for name, value in vals.items()}

    def _der(self):
        """Return the DER bytes."""
        self.ensure_one()
        return base64.b64decode(self.sudo().with_context(bin_size=False).der)

    def _info(self):
        """Return the parsed certificate (`tools.certificate.CertificateInfo`)."""
        return x509.load(self._der())

    def _update_companies(self):
        """Recompute `company_ids`: same tax code, and a reporting computer's or a remote account's user who may access
        the company.

        Companies that already used the certificate keep it, so that their history stays readable.
        """
        certificates = self.sudo()
        used = dict(
            self.env["l10n_vn_ibhxh.registration"]
            .sudo()
            ._read_group([("certificate_id", "in", certificates.ids)], ["certificate_id"], ["company_id:recordset"])
        )
        for certificate in certificates:
            info = certificate._info()
            reachable = certificate.agent_ids.filtered(lambda agent: not agent.revoked).user_id.company_ids
            for account in certificate.remote_account_ids:
                reachable |= account.user_id.company_ids.filtered(account._can_sign_for)
            companies = reachable.filtered(lambda company, info=info: x509.matches_tax_code(info, company.vat or ""))
            companies |= used.get(certificate, self.env["res.company"])
            if companies != certificate.company_ids:
                certificate.company_ids = companies

    @api.model
    def _by_company(self, companies):
        """Return `{company: certificates}` with which each may sign now: those at hand first (plugged in, or on the
        phone), then those issued last."""
        found = self.search([("company_ids", "in", companies.ids), ("is_valid", "=", True)])
        ids = {company_id: [] for company_id in companies.ids}
        for certificate in found:
            for company_id in ids.keys() & set(certificate.company_ids.ids):
                ids[company_id].append(certificate.id)
        # Read together, for all companies, whatever is read of one of them.
        return {
            company: self.browse(ids[company.id])
            .with_prefetch(found.ids)
            .sorted(
                lambda c, company=company: (
                    c.is_online or bool(c._remote_account(company)),
                    c.not_before,
                    c.not_after,
                ),
                reverse=True,
            )
            for company in companies
        }

    def _findings_for(self, company):
        """Return what decides whether `company` may sign with this certificate now, as `tools.preflight.Finding`s."""
        self.ensure_one()
        info = self._info()
        owner = checks.check_owner(info, company.vat or "")
        now = fields.Datetime.now().replace(tzinfo=timezone.utc)
        findings = [owner, checks.check_validity(info, at=now), checks.check_key(info)]
        # A company may have users that the person does not see; which computers there are is not told.
        if owner.level == "passed" and company._origin not in self.sudo().company_ids:
            values = {"company": company.name}
            findings.append(
                checks.Finding("certificate", "blocking", "certificate_unreported", values, "certificate_id")
            )
        elif owner.level == "passed" and self._is_out_of_reach(company._origin):
            findings.append(checks.Finding("certificate", "blocking", "certificate_account_gone", {}, "certificate_id"))
        return findings

    def _is_out_of_reach(self, company):
        """Whether this was signed with by a remote account that `company` can no longer use, and no computer has it."""
        certificate = self.sudo()
        if certificate.agent_ids or certificate._remote_account(company):
            return False
        requests = self.env["l10n_vn_ibhxh.signing.request"].sudo()
        used = [("certificate_id", "=", certificate.id), ("remote_account_id", "!=", False)]
        known = certificate.with_context(active_test=False).remote_account_ids
        return bool(known) or bool(requests.search_count(used, limit=1))

    def _check_usable_for(self, company):
        """Raise `UserError` with reasons and remedies when `company` may not sign with this certificate now."""
        blocking = [finding for finding in self._findings_for(company) if finding.level == "blocking"]
        if blocking:
            raise UserError("\n".join(sentence(self.env, finding) for finding in blocking))

    # -- chain and revocation ------------------------------------------------------------------------------------------

    @api.model
    def _trust_mode(self):
        """Return how chain and revocation count: `soft` (unknown warns), `hard` (unknown blocks) or `off`."""
        mode = self.env["ir.config_parameter"].sudo().get_param("l10n_vn_ibhxh.trust_mode")
        return mode if mode in TRUST_MODES else "soft"

    @api.model
    def _trust_fetch(self):
        """Return how revocation addresses are asked (`tools.fetching.Fetch`), bounded in time and size."""
        return fetching.over_http()

    def _fresh_trust(self, minutes=TRUST_MINUTES):
        """Return the findings of the last `minutes` as `[{level, code, detail}]`, or None when there are none."""
        self.ensure_one()
        kept = self.sudo()
        limit = fields.Datetime.now() - timedelta(minutes=minutes)
        fresh = kept.trust_checked_at and kept.trust_checked_at > limit
        same_mode = fresh and kept.trust_findings["mode"] == self._trust_mode()
        return kept.trust_findings["findings"] if same_mode else None

    def _trust_due(self):
        """Return those of these for which authorities have to be asked before they sign; without roots nobody is.

        A verdict that counts for signing a while longer is not due, so that anyone who asked beforehand does not
        find it too old a moment later.
        """
        roots = self.env["l10n_vn_ibhxh.trusted.root"].sudo()
        if not self or self._trust_mode() == "off" or not roots.search_count([("is_root", "=", True)], limit=1):
            return self.browse()
        return self.filtered(lambda certificate: certificate._fresh_trust(minutes=TRUST_MINUTES / 2) is None)

    def _check_trust(self):
        """Check chain and revocation over the network and keep the findings. Never call this from a compute.

        However many certificates these are, the time that authorities which do not answer cost is bounded.
        """
        if not self or self._trust_mode() == "off":
            return
        fetch = self._trust_fetch()
        for certificate in self:
            certificate._keep_trust(validation.check_chain(**certificate._trust_question(), fetch=fetch))

    def _trust_question(self):
        """Return what `validation.check_chain` has to know, but for how to fetch: it needs no database then."""
        self.ensure_one()
        trusted = self.env["l10n_vn_ibhxh.trusted.root"].sudo().search([("active", "=", True)])
        return {
            "der": self._der(),
            "roots": [root._der() for root in trusted if root.is_root],
            "intermediates": [root._der() for root in trusted if not root.is_root],
            "at": fields.Datetime.now().replace(tzinfo=timezone.utc),
            "mode": self._trust_mode(),
        }

    def _keep_trust(self, findings):
        """Keep the findings of `validation.check_chain`, from now on and for the present mode."""
        self.ensure_one()
        found = [{"level": f.level, "code": f"trust_{f.code}", "detail": f.detail} for f in findings]
        self.sudo().write(
            {
                "trust_checked_at": fields.Datetime.now(),
                "trust_findings": {"mode": self._trust_mode(), "findings": found},
            }
        )
