import logging
import re

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command

from ..tools import remote
from .const import REMOTE_FAILURES

_logger = logging.getLogger(__name__)

# CCCD, CMND, passport or tax code, as it was given to the service; Viettel puts CMT_ or MST_ before it.
IDENTITY = re.compile(r"[A-Za-z0-9_.@-]{3,64}")


class L10n_Vn_IbhxhRemoteAccount(models.Model):
    """A person's account at a remote signing service: the number under which the service knows who confirms.

    Listing the certificates confirms it. They are public; keys, PINs and passwords of the person never come here.
    """

    _name = "l10n_vn_ibhxh.remote.account"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _description = "Account at a remote signing service"
    _order = "service_id, identity"
    _person_fields = frozenset({"service_id", "identity", "user_id", "active"})

    service_id = fields.Many2one("l10n_vn_ibhxh.remote.service", required=True, index=True, ondelete="restrict")
    user_id = fields.Many2one(
        "res.users",
        string="Belongs to",
        required=True,
        index=True,
        default=lambda self: self.env.user,
        help="The account's certificates can be chosen for companies of this user.",
    )
    identity = fields.Char(
        string="Number",
        required=True,
        help="Citizen identity, passport or tax code of the certificate's holder, as registered with the service.",
    )
    active = fields.Boolean(default=True)
    listed_at = fields.Datetime(string="Certificates read", readonly=True, copy=False)
    certificate_ids = fields.Many2many(
        "l10n_vn_ibhxh.certificate",
        "l10n_vn_ibhxh_remote_account_certificate_rel",
        "account_id",
        "certificate_id",
        string="Certificates",
        readonly=True,
        copy=False,
    )
    references = fields.Json(
        readonly=True,
        copy=False,
        export_string_translation=False,
        help="By fingerprint: what the service calls the certificate, and how many dossiers one confirmation covers.",
    )

    _unique = models.UniqueIndex(
        "(service_id, identity, user_id) WHERE active", "You have entered this account already."
    )

    @api.depends("service_id.name", "identity")
    def _compute_display_name(self):
        for account in self:
            account.display_name = f"{account.service_id.sudo().name or ''} · {account.identity or ''}"

    @api.constrains("identity")
    def _check_identity(self):
        for account in self:
            if not IDENTITY.fullmatch(account.identity or ""):
                raise ValidationError(
                    self.env._(
                        "“%(number)s” is not a number of an account. Enter it without blanks, as in the service's app.",
                        number=account.identity,
                    )
                )

    @api.constrains("user_id")
    def _check_user(self):
        """A manager enters accounts for users of the own companies: these decide what an account may sign for."""
        if self.env.su:
            return
        user = self.env.user
        is_manager = user.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager")
        for account in self:
            is_own = account.user_id == user
            is_managed = is_manager and account.user_id.sudo().company_ids <= user.company_ids
            if not (is_own or is_managed or user._l10n_vn_ibhxh_is_shared_admin()):
                raise ValidationError(
                    self.env._("Enter your own accounts. A BHXH manager of all their companies enters those of others.")
                )

    @api.constrains("service_id", "user_id")
    def _check_service(self):
        """An account is of use only where its user has a company that may use the service."""
        for account in self:
            service = account.service_id.sudo()
            if not account.user_id.sudo().company_ids.filtered(service._is_open_to):
                raise ValidationError(self.env._("This service belongs to another company."))

    def write(self, vals):
        """What was read for another number or at another service does not count any more."""
        certificates = self.sudo().certificate_ids
        result = super().write(vals)
        if vals.keys() & {"identity", "service_id"}:
            self.sudo().write({"certificate_ids": [Command.clear()], "references": False, "listed_at": False})
        if vals.keys() & self._person_fields:
            certificates._update_companies()
        return result

    def unlink(self):
        certificates = self.sudo().certificate_ids
        result = super().unlink()
        certificates._update_companies()
        return result

    def _can_sign_for(self, company):
        """Return whether a dossier of `company` may be sent to this account's phone."""
        self.ensure_one()
        user = self.user_id
        return bool(
            self.active and user.active and company in user.company_ids and self.service_id._is_open_to(company)
        )

    def _masked_identity(self):
        """Return the number as colleagues may see it: enough to tell whose phone it is."""
        return "…" + (self.identity or "")[-4:]

    def _reference(self, certificate):
        """Return what the service calls `certificate`, None when the account no longer has it."""
        known = (self.references or {}).get(certificate.fingerprint) if certificate in self.certificate_ids else None
        return known and known["reference"]

    def _adapter(self):
        """Return the class of the service's adapter; None when the addon that brought it is gone."""
        try:
            return remote.adapter(self.service_id.adapter)
        except remote.RemoteError:
            return None

    def _confirmation_limit(self, certificate):
        """Return how many dossiers one confirmation covers at most."""
        limit = self._adapter().digest_limit
        own = (self.references or {}).get(certificate.fingerprint, {}).get("limit")
        return max(min(limit, own or limit), 1)

    def action_read_certificates(self):
        """Ask the service which certificates the person has, and keep those of the companies at hand."""
        self.ensure_one()
        self.check_access("write")
        account = self.sudo()
        service = account.service_id
        if not service.active:
            raise UserError(self.env._("%(service)s is no longer in use.", service=service.name))
        try:
            found = service._remote().certificates(account.identity)
        except remote.ServiceRefused as error:
            _logger.info("Remote signing service %s refused to list certificates: %s", service.id, error.code)
            raise UserError(self.env._(REMOTE_FAILURES[error.code])) from None  # pylint: disable=gettext-variable
        except remote.RemoteError as error:
            _logger.info("Remote signing service %s lists no certificates: %s", service.id, type(error).__name__)
            raise UserError(
                self.env._(
                    "%(service)s does not answer. Try again in a few minutes; if that repeats, have a BHXH manager "
                    "check its address.",
                    service=service.name,
                )
            ) from None
        certificates = account.env["l10n_vn_ibhxh.certificate"]._from_remote(account, found)
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": self.display_name,
                "message": self._listing_text(found, certificates),
                "type": "success" if certificates else "warning",
                "sticky": not certificates,
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _listing_text(self, found, certificates):
        if certificates:
            return self.env._("Ready to sign with: %(names)s", names=", ".join(certificates.mapped("display_name")))
        if found:
            return self.env._(
                "The certificates of this account cannot be used now, or name other tax codes than those of %(user)s's "
                "companies.",
                user=self.user_id.name,
            )
        return self.env._(
            "%(service)s knows no certificate under %(number)s. Compare the number with the one in the app, or try "
            "the tax code.",
            service=self.service_id.sudo().name,
            number=self.identity,
        )
