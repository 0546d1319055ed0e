import base64

from cryptography import x509 as crypto_x509
from cryptography.hazmat.primitives.serialization import Encoding
from odoo import api, fields, models
from odoo.exceptions import UserError

from ..tools import certificate as x509


class L10n_Vn_IbhxhTrustedRoot(models.Model):
    """A certificate of a certification authority that administrators of all companies trust.

    It is a root, or that of an authority between root and token. Addresses for revocation are asked only once a chain
    leads to one of the roots.
    """

    _name = "l10n_vn_ibhxh.trusted.root"
    _inherit = ["l10n_vn_ibhxh.protected", "l10n_vn_ibhxh.shared"]
    _person_fields = frozenset({"file", "file_name", "is_root", "active"})
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
        help="Untick for an authority between a root and the tokens: it is not a trust anchor itself.",
    )
    active = fields.Boolean(default=True)
    fingerprint = fields.Char(compute="_compute_from_file", store=True, help="SHA-256 of the DER bytes, hexadecimal.")
    not_after = fields.Datetime(string="Valid until", compute="_compute_from_file", store=True)

    _fingerprint_unique = models.UniqueIndex("(fingerprint) WHERE active", "This certificate is already in the list.")

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
                self.env._("This file contains no certificate. Upload one certificate as .cer, .crt, .der or .pem.")
            ) from error
        return content
