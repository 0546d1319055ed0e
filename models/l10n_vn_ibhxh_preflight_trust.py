import base64
from datetime import timedelta, timezone

from cryptography import x509 as crypto_x509
from cryptography.hazmat.primitives.serialization import Encoding
from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import certificate as x509
from ..tools import fetching, validation

MODES = ("soft", "hard", "off")
# A verdict this fresh is not asked for anew when a signature is requested; a person's “Check now” always asks.
FRESH_MINUTES = 60


class L10n_Vn_IbhxhTrustedRoot(models.Model):
    """A certificate of a certification authority that managers trust: a root, or an authority between root and token.

    Addresses for revocation are asked only once a chain leads to one of the roots.
    """

    _name = "l10n_vn_ibhxh.trusted.root"
    _description = "Trusted certificate of a certification authority"
    _order = "is_root desc, name"

    name = fields.Char(compute="_compute_from_file", store=True)
    file = fields.Binary(
        string="Certificate file", required=True, attachment=False, help="DER or PEM, one certificate."
    )
    file_name = fields.Char()
    is_root = fields.Boolean(
        string="Root",
        default=True,
        help="Untick for an authority between a root and the tokens: it is no anchor itself.",
    )
    active = fields.Boolean(default=True)
    fingerprint = fields.Char(compute="_compute_from_file", store=True, help="SHA-256 of the DER bytes, hexadecimal.")
    not_after = fields.Datetime(string="Valid until", compute="_compute_from_file", store=True)

    _fingerprint_unique = models.UniqueIndex("(fingerprint) WHERE active", "This certificate is in the list already.")

    @api.depends("file")
    def _compute_from_file(self):
        for root in self.with_context(bin_size=False):
            try:
                info = x509.load(root._der()) if root.file else None
            except UserError:
                info = None
            root.name = info and (info.common_name or info.subject)
            root.fingerprint = info and info.fingerprint
            root.not_after = info and info.not_after.replace(tzinfo=None)

    @api.constrains("file")
    def _check_file(self):
        for root in self:
            root._der()

    @api.model_create_multi
    def create(self, vals_list):
        self._forget_verdicts()
        return super().create(vals_list)

    def write(self, vals):
        self._forget_verdicts()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_forget_verdicts(self):
        self._forget_verdicts()

    @api.model
    def _forget_verdicts(self):
        """What was checked against other roots counts no more."""
        checked = self.env["l10n_vn_ibhxh.certificate"].sudo().search([("trust_checked_at", "!=", False)])
        checked.write({"trust_checked_at": False, "trust_findings": False})

    def _der(self):
        """Return the DER bytes; raises `UserError` when the file holds no certificate."""
        self.ensure_one()
        content = base64.b64decode(self.with_context(bin_size=False).file)
        try:
            if content.lstrip().startswith(b"-----BEGIN"):
                content = crypto_x509.load_pem_x509_certificate(content).public_bytes(Encoding.DER)
            x509.load(content)
        except (ValueError, x509.CertificateError) as error:
            raise UserError(
                self.env._("This file holds no certificate. Upload one certificate as .cer, .crt, .der or .pem.")
            ) from error
        return content


class L10n_Vn_IbhxhCertificate(models.Model):
    """Adds the verdict on chain and revocation."""

    _inherit = "l10n_vn_ibhxh.certificate"

    trust_checked_at = fields.Datetime(string="Chain checked", readonly=True)
    trust_findings = fields.Json(readonly=True, export_string_translation=False)

    @api.model
    def _trust_mode(self):
        """Return how chain and revocation count: `soft` (unknown warns), `hard` (unknown blocks) or `off`."""
        mode = self.env["ir.config_parameter"].sudo().get_param("l10n_vn_ibhxh.trust_mode")
        return mode if mode in MODES else "soft"

    @api.model
    def _trust_fetch(self):
        """Return how revocation addresses are asked (`tools.fetching.Fetch`), bounded in time and size."""
        return fetching.over_http()

    def _fresh_trust(self):
        """Return the findings of the last hour as `[{level, code, detail}]`, or None when there are none."""
        self.ensure_one()
        kept = self.sudo()
        fresh = kept.trust_checked_at and kept.trust_checked_at > fields.Datetime.now() - timedelta(
            minutes=FRESH_MINUTES
        )
        same_mode = fresh and kept.trust_findings["mode"] == self._trust_mode()
        return kept.trust_findings["findings"] if same_mode else None

    def _check_trust(self):
        """Check chain and revocation over the network; return and keep the findings. Never call this from a compute."""
        self.ensure_one()
        mode = self._trust_mode()
        if mode == "off":
            return []
        now = fields.Datetime.now()
        trusted = self.env["l10n_vn_ibhxh.trusted.root"].sudo().search([("active", "=", True)])
        findings = validation.check_chain(
            self._der(),
            [root._der() for root in trusted if root.is_root],
            [root._der() for root in trusted if not root.is_root],
            at=now.replace(tzinfo=timezone.utc),
            mode=mode,
            fetch=self._trust_fetch(),
        )
        found = [{"level": f.level, "code": f"trust_{f.code}", "detail": f.detail} for f in findings]
        self.sudo().write({"trust_checked_at": now, "trust_findings": {"mode": mode, "findings": found}})
        return found
