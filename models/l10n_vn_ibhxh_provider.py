import re
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Domain

from ..tools import gateways
from . import jobs

LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# Nothing that browsers read otherwise than Python: to them a backslash is a slash, and control characters vanish.
LINK = re.compile(r"https?://(?:\[::1\]|[a-z0-9.-]+)(?::[0-9]{1,5})?(?:[/#][!-\[\]-~]*)?", re.IGNORECASE)
# Seconds for which one job asks a gateway: a worker of Odoo is killed after limit_time_real, 120 by default.
JOB_SECONDS = 45
# Seconds until a job that found another one at work looks again.
JOB_AGAIN_SECONDS = 10


class L10n_Vn_IbhxhProvider(models.Model):
    """An I-VAN organisation and how to reach it."""

    _name = "l10n_vn_ibhxh.provider"
    _inherit = ["l10n_vn_ibhxh.shared"]
    _secret_fields = frozenset({"client_id", "client_secret"})
    _description = "I-VAN organisation"
    _order = "sequence, code"
    _rec_names_search = ["code", "name"]
    _check_company_auto = True

    sequence = fields.Integer(default=10)
    code = fields.Char(required=True, help="Code of the I-VAN organisation on the VSS portal, e.g. 00001.")
    name = fields.Char(required=True)
    active = fields.Boolean(default=True)
    company_id = fields.Many2one(
        "res.company",
        index=True,
        default=lambda self: self._default_company_id(),
        help="Leave empty to let every company use this connection; that takes a BHXH manager who has all companies.",
    )
    gateway = fields.Selection(
        [("manual", "By hand on the portal"), ("http", "HTTP (docs/gateway.md)"), ("sandbox", "Sandbox (tests only)")],
        required=True,
        default="manual",
    )
    url = fields.Char(string="Gateway address", help="Base address of the gateway, e.g. https://ivan.example.com/v1")
    client_id = fields.Char(string="Client code", copy=False, groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager")
    # The password goes in by `client_secret_input` and out to the gateway only.
    client_secret = fields.Char(copy=False, groups=fields.NO_ACCESS, export_string_translation=False)
    client_secret_input = fields.Char(
        string="Password",
        compute="_compute_client_secret_input",
        inverse="_inverse_client_secret_input",
        groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager",
        help="A password that is set is not shown again. Typing replaces it.",
    )
    has_client_secret = fields.Boolean(string="Password set", compute="_compute_client_secret_input")
    portal_hosts = fields.Char(
        string="Portal hosts",
        default="baohiemxahoi.gov.vn",
        help="Hosts of activation links that may be shown, separated by spaces. Their sub-domains count too.",
    )
    portal_url = fields.Char(
        string="Portal", help="Page on which dossiers are lodged by hand, shown to people when there is no gateway."
    )
    is_portal = fields.Boolean(
        string="VSS's own portal",
        help="No I-VAN: units can register on VSS's portal itself, which then holds them as an I-VAN would.",
    )
    guide = fields.Html(
        translate=True,
        help="What to press in this I-VAN's own program, in a few lines. Empty: a general guide is shown.",
    )
    phone_format = fields.Selection(
        [("national", "0912345678"), ("international", "+84912345678")],
        string="Phone in dossiers",
        required=True,
        default="national",
        help="How the phone number is written in the dossier. Dossiers in use have the national form.",
    )

    _code_company_unique = models.UniqueIndex(
        "(code, gateway, COALESCE(company_id, 0)) WHERE active",
        "This I-VAN organisation is already configured with that gateway.",
    )

    @api.depends("code", "name")
    def _compute_display_name(self):
        for provider in self:
            provider.display_name = f"{provider.name} ({provider.code})" if provider.code else provider.name

    @api.model
    def _default_company_id(self):
        return False if self.env.su or self.env.user._l10n_vn_ibhxh_is_shared_admin() else self.env.company

    @api.depends("client_secret")
    def _compute_client_secret_input(self):
        for provider in self:
            provider.client_secret_input = False
            provider.has_client_secret = bool(provider.sudo().client_secret)

    def _inverse_client_secret_input(self):
        """Store what was typed by a statement of its own: PostgreSQL's log of a failed one holds its values."""
        for provider in self.filtered("client_secret_input"):
            secret = provider.client_secret_input
            provider.flush_recordset()
            provider.lock_for_update()
            provider.sudo().client_secret = secret
            provider.flush_recordset()

    @api.constrains("gateway", "is_portal")
    def _check_portal(self):
        if any(provider.is_portal and provider.gateway != "manual" for provider in self):
            raise ValidationError(
                self.env._("VSS's portal takes no dossiers from programs: choose “By hand on the portal” for it.")
            )

    @api.constrains("gateway", "url")
    def _check_url(self):
        for provider in self:
            if provider.gateway == "manual" or not provider.url:
                continue
            parts = urlsplit(provider.url)
            loopback = parts.hostname in LOOPBACK
            if not parts.hostname or parts.scheme not in ("https", "http") or parts.username or parts.password:
                raise ValidationError(
                    self.env._(
                        "“%(url)s” is not a gateway address. Enter one such as https://host/path.", url=provider.url
                    )
                )
            if parts.scheme == "http" and not loopback:
                raise ValidationError(self.env._("Signed dossiers travel over HTTPS only: change http:// to https://."))
            if provider.gateway == "sandbox" and not loopback:
                raise ValidationError(self.env._("The sandbox runs on this computer only (address 127.0.0.1)."))

    def _lodgings(self):
        """Return the ways (`const.LODGINGS`) in which dossiers reach this I-VAN, the usual one first.

        Registering in the I-VAN's own program is possible with every one, and the only way without one or on VSS's
        portal.
        """
        if not self or self.is_portal:
            return ["elsewhere"]
        return ["elsewhere", "file"] if self.gateway == "manual" else ["odoo", "elsewhere", "file"]

    def _lodging_guide(self):
        """Return what to press in the I-VAN's own program or on the portal, as HTML in the reader's language."""
        self.ensure_one()
        return self.guide or self.env["ir.qweb"]._render("l10n_vn_ibhxh.lodging_guide", {"provider": self})

    def _is_portal_link(self, url):
        """Whether `url` may be shown as an activation link: https (or loopback) on a host of `portal_hosts`."""
        self.ensure_one()
        if not LINK.fullmatch(url or ""):
            return False
        try:
            parts = urlsplit(url)
            host = (parts.hostname or "").lower()
            port = f":{parts.port}" if parts.port else ""
        except ValueError:
            return False
        if parts.username or parts.password or (parts.scheme != "https" and host not in LOOPBACK):
            return False
        allowed = (self.portal_hosts or "").lower().split()
        return any(
            host + port == entry or (not port and (host == entry or host.endswith("." + entry))) for entry in allowed
        )

    def _gateway(self):
        """Return the gateway adapter (`tools.gateways`) of this provider.

        Raises `UserError` when the provider is not configured. Credentials are read as superuser because only
        managers may see them, while every user may send.
        """
        self.ensure_one()
        provider = self.sudo()
        if provider.gateway == "manual":
            return gateways.make("manual")
        if not provider.url:
            raise UserError(
                self.env._(
                    "%(provider)s has no gateway address. Ask a BHXH manager to enter it under "
                    "iBHXH > Configuration > I-VAN organisations.",
                    provider=provider.name,
                )
            )
        return gateways.make(
            provider.gateway,
            base_url=provider.url,
            client_id=provider.client_id or "",
            secret=provider.client_secret or "",
        )

    def action_check(self):
        """Ask the gateway whether it is there, and say so."""
        self.ensure_one()
        self.check_access("read")
        gateway = self._gateway()
        if not gateway.can_submit:
            message, kind = self.env._("Dossiers are lodged by hand on the portal: there is nothing to check."), "info"
        else:
            health = gateway.check()
            kind = "success" if health.ok else "danger"
            message = self.env._("The gateway answers.") if health.ok else health.message
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"title": self.display_name, "message": message, "type": kind},
        }

    # -- asking as a job, where there is a job queue -------------------------------------------------------------------

    def _job_poll(self):
        """Ask an I-VAN about BHXH registrations"""
        # The job's own transaction lasts as long as the job, so its lock says that this I-VAN is being asked.
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s), %s)", [f"{self._name}._job_poll", self.id])
        [is_alone] = self.env.cr.fetchone()
        is_all = is_alone and self._follow_registrations()
        if not is_all:
            jobs.delay(self, "_job_poll", also_begun=False, seconds=JOB_AGAIN_SECONDS)
        return "done" if is_all else "goes on in another job"

    def _follow_registrations(self):
        """Ask about what is due and expire codes whose time is over; return whether the time sufficed."""
        with self.env.registry.cursor() as cr:
            registrations = self.with_env(self.env(cr=cr)).env["l10n_vn_ibhxh.registration"]
            now = fields.Datetime.now()
            own = Domain("provider_id", "=", self.id)
            is_all = registrations._poll_batches(registrations._to_poll_domain(now) & own, JOB_SECONDS)
            registrations._expire_due(now)
            return is_all
