from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..tools import remote
from ..tools.gateways.http import is_loopback
from .const import REMOTE_LOOPBACK

LOGINS = [
    ("client", "Client code and password (OAuth 2)"),
    ("basic", "Name and password"),
    ("token", "Token"),
    ("viettel", "Viettel MySign"),
    ("none", "None"),
]


class L10n_Vn_IbhxhRemoteService(models.Model):
    """A service that keeps people's signing keys, such as VNPT SmartCA: they confirm each use on the phone.

    One without a company is shared by all of them. Another addon adds an adapter by registering its class with
    `tools.remote.register`, adding its name to `adapter` (`selection_add`) and, where it needs more than the
    credentials, extending `_settings`.
    """

    _name = "l10n_vn_ibhxh.remote.service"
    _inherit = ["l10n_vn_ibhxh.shared", "l10n_vn_ibhxh.credentials"]
    _secret_fields = frozenset({"client_id", "client_secret"})
    _description = "Remote signing service"
    _order = "sequence, name"

    sequence = fields.Integer(default=10)
    name = fields.Char(required=True, help="As people know it, e.g. VNPT SmartCA.")
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        # Without its company, every company would have its connection and its secrets.
        ondelete="restrict",
        default=lambda self: self._default_company_id(),
        help="Leave empty to let every company use this service; that takes a BHXH manager who has all companies.",
    )
    adapter = fields.Selection(
        [("smartca", "SmartCA (VNPT, CA2)"), ("csc1", "CSC, version 1"), ("csc2", "CSC, version 2")],
        string="Interface",
        required=True,
        default="smartca",
    )
    profile = fields.Selection([("vnpt", "VNPT SmartCA"), ("ca2", "CA2 (Nacencomm)")], default="vnpt")
    login = fields.Selection(LOGINS, default="client")
    url = fields.Char(
        string="Address",
        compute="_compute_url",
        store=True,
        readonly=False,
        required=True,
        precompute=True,
        help="Base address of the service. For trials the provider names another one.",
    )
    provider_ids = fields.Many2many(
        "l10n_vn_ibhxh.provider",
        "l10n_vn_ibhxh_provider_remote_service_rel",
        "service_id",
        "provider_id",
        string="Accepted by",
        help="I-VAN organisations that take dossiers signed with this service. Until an I-VAN says so, assume none.",
    )
    account_ids = fields.One2many("l10n_vn_ibhxh.remote.account", "service_id", string="Accounts")

    @api.model
    def _default_company_id(self):
        return False if self.env.su or self.env.user._l10n_vn_ibhxh_is_shared_admin() else self.env.company

    @api.depends("adapter", "profile")
    def _compute_url(self):
        for service in self:
            profile = remote.smartca.PROFILES.get(service.profile) if service.adapter == "smartca" else None
            service.url = profile.base if profile else service.url

    @api.constrains("adapter", "profile")
    def _check_profile(self):
        if any(service.adapter == "smartca" and not service.profile for service in self):
            raise ValidationError(self.env._("Choose whose service it is: VNPT or CA2."))

    @api.constrains("url")
    def _check_url(self):
        for service in self:
            try:
                parts = urlsplit(service.url or "")
                host = parts.hostname
            except ValueError:
                host = None
            if not host or parts.username or parts.password or parts.query or parts.fragment:
                raise ValidationError(
                    self.env._(
                        "“%(url)s” is not the address of a signing service. Enter one such as https://host/path.",
                        url=service.url,
                    )
                )
            if is_loopback(service.url):
                service._check_loopback()
            elif parts.scheme != "https":
                raise ValidationError(self.env._("Passwords travel over HTTPS only: the address begins with https://."))

    def _check_loopback(self):
        """Raise `ValidationError` unless services may run on this computer itself, as stand-ins do in tests."""
        if self.env["ir.config_parameter"].sudo().get_param(REMOTE_LOOPBACK) != "True":
            raise ValidationError(
                self.env._("“%(url)s” is this server itself. Enter the address of the signing service.", url=self.url)
            )

    def _settings(self):
        """Return what the adapter is made with besides its client. Another addon's adapter adds its own."""
        self.ensure_one()
        service = self.sudo()
        settings = {"client_id": service.client_id or "", "client_secret": service.client_secret or ""}
        if service.adapter == "smartca":
            settings["profile"] = service.profile
        elif service.adapter in ("csc1", "csc2"):
            settings["login"] = service.login
        return settings

    def _remote(self):
        """Return the adapter (`tools.remote.RemoteService`) of this service; it does not need the database.

        Raises `tools.remote.RemoteError`, and `ValidationError` for an address that is no longer allowed.
        """
        self.ensure_one()
        url = self.sudo().url
        if is_loopback(url):
            self._check_loopback()
        return remote.make(self.adapter, remote.HttpClient(url), **self._settings())

    def _is_open_to(self, company):
        """Return whether `company` may sign with this service."""
        self.ensure_one()
        return self.active and (not self.company_id or self.company_id == company)

    def write(self, vals):
        """Which companies may sign follows from the service's company, and whether it is in use at all."""
        result = super().write(vals)
        if vals.keys() & {"company_id", "active"}:
            self.sudo().with_context(active_test=False).account_ids.certificate_ids._update_companies()
        return result
