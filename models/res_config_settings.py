import logging
import re

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError, ValidationError

from ..tools.agent_release import SHA256
from .const import (
    AGENT_DOWNLOAD_SHA256,
    AGENT_DOWNLOAD_URL,
    ANSWER_OFF,
    CERTIFICATE_DAYS,
    CODE_HOURS,
    MAIL_DAYS,
    MAIL_DOMAINS,
    MAIL_SERVER,
    NEWER_CERTIFICATE_OFF,
    TRUST_PARAMETER,
    UNSENT_HOURS,
)

DOMAIN = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}")
URL = re.compile(r"https://[A-Za-z0-9.-]+(?::[0-9]{1,5})?(?:/[^\s\"'<>\\]*)?")
HOST = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,253}[a-z0-9])?")

_logger = logging.getLogger(__name__)

# What all companies rely on, with what counts where nothing is set.
SHARED_PARAMETERS = {
    AGENT_DOWNLOAD_SHA256: "",
    AGENT_DOWNLOAD_URL: "",
    MAIL_DOMAINS: "",
    MAIL_SERVER: "",
    "l10n_vn_ibhxh.mail_user_id": "",
    "l10n_vn_ibhxh.trust_mode": "soft",
    TRUST_PARAMETER: "",
}


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    l10n_vn_ibhxh_provider_id = fields.Many2one(related="company_id.l10n_vn_ibhxh_provider_id", readonly=False)
    l10n_vn_ibhxh_agency_id = fields.Many2one(related="company_id.l10n_vn_ibhxh_agency_id", readonly=False)
    l10n_vn_ibhxh_unit_code = fields.Char(related="company_id.l10n_vn_ibhxh_unit_code", readonly=False)

    l10n_vn_ibhxh_mail_sender_domains = fields.Char(string="Sender domains", config_parameter=MAIL_DOMAINS)
    l10n_vn_ibhxh_mail_authentication_server = fields.Char(string="Own mail server", config_parameter=MAIL_SERVER)
    l10n_vn_ibhxh_mail_proposed_server = fields.Char(
        string="Proposed mail server", compute="_compute_l10n_vn_ibhxh_mail_proposed_server"
    )
    l10n_vn_ibhxh_mail_days = fields.Integer(
        string="Days to keep mails", default=MAIL_DAYS[1], config_parameter=MAIL_DAYS[0]
    )
    l10n_vn_ibhxh_mail_policy = fields.Char(string="In effect", compute="_compute_l10n_vn_ibhxh_mail_policy")
    l10n_vn_ibhxh_vss_certificates = fields.Char(
        string="Certificates of VSS",
        config_parameter=TRUST_PARAMETER,
        help="SHA-256 fingerprints, separated by spaces.",
    )
    l10n_vn_ibhxh_mail_user_id = fields.Many2one(
        "res.users", string="Unmatched mails go to", config_parameter="l10n_vn_ibhxh.mail_user_id"
    )

    l10n_vn_ibhxh_agent_download_url = fields.Char(string="Download address", config_parameter=AGENT_DOWNLOAD_URL)
    l10n_vn_ibhxh_agent_download_sha256 = fields.Char(
        string="SHA-256 of the download", config_parameter=AGENT_DOWNLOAD_SHA256
    )

    l10n_vn_ibhxh_trust_mode = fields.Selection(
        [
            ("soft", "Warn when it cannot be checked"),
            ("hard", "Block when it cannot be checked"),
            ("off", "Do not check"),
        ],
        string="Chain and revocation",
        default="soft",
        config_parameter="l10n_vn_ibhxh.trust_mode",
    )

    l10n_vn_ibhxh_remind_code_hours = fields.Integer(
        string="Hours before the code ends", default=CODE_HOURS[1], config_parameter=CODE_HOURS[0]
    )
    l10n_vn_ibhxh_remind_unsent_hours = fields.Integer(
        string="Hours until an unsent dossier is reported",
        default=UNSENT_HOURS[1],
        config_parameter=UNSENT_HOURS[0],
    )
    l10n_vn_ibhxh_remind_certificate_days = fields.Char(
        string="Days before the certificate expires",
        default=CERTIFICATE_DAYS[1],
        config_parameter=CERTIFICATE_DAYS[0],
    )
    l10n_vn_ibhxh_remind_answer_off = fields.Boolean(string="Do not report late answers", config_parameter=ANSWER_OFF)
    l10n_vn_ibhxh_remind_newer_off = fields.Boolean(
        string="Do not report newer certificates", config_parameter=NEWER_CERTIFICATE_OFF
    )

    @api.depends("l10n_vn_ibhxh_mail_sender_domains", "l10n_vn_ibhxh_mail_authentication_server")
    def _compute_l10n_vn_ibhxh_mail_policy(self):
        """Say in one sentence which mails are applied by themselves."""
        for settings in self:
            values = {
                "domains": settings.l10n_vn_ibhxh_mail_sender_domains,
                "server": settings.l10n_vn_ibhxh_mail_authentication_server,
            }
            if values["domains"] and values["server"]:
                text = self.env._(
                    "A mail is applied automatically when %(server)s confirms that it comes from %(domains)s.", **values
                )
            elif values["domains"]:
                text = self.env._(
                    "No mail is applied automatically, because anyone can claim that a mail comes from "
                    "%(domains)s. Codes are shown with a warning for a person to decide. Enter your own mail "
                    "server, so that senders are verified.",
                    **values,
                )
            else:
                text = self.env._(
                    "No mail is applied automatically. Codes are shown with a warning for a person to decide. "
                    "Enter the domains of VSS and your I-VAN, and your own mail server."
                )
            settings.l10n_vn_ibhxh_mail_policy = text

    @api.depends("l10n_vn_ibhxh_mail_authentication_server")
    def _compute_l10n_vn_ibhxh_mail_proposed_server(self):
        proposed = self.env["l10n_vn_ibhxh.mail"]._proposed_server()
        for settings in self:
            is_set = settings.l10n_vn_ibhxh_mail_authentication_server
            settings.l10n_vn_ibhxh_mail_proposed_server = False if is_set else proposed

    def action_l10n_vn_ibhxh_verify_senders(self):
        """Switch the check of senders on, with the mail server that the mails so far name as one's own."""
        self.check_access("write")
        server = self.env["l10n_vn_ibhxh.mail"]._proposed_server()
        if not server:
            raise UserError(
                self.env._("The mails received so far do not all name the same mail server. Enter its name, then save.")
            )
        before = self._l10n_vn_ibhxh_shared_parameters()
        self.env["ir.config_parameter"].set_param(MAIL_SERVER, server)
        self._l10n_vn_ibhxh_check_shared(before)
        return {"type": "ir.actions.client", "tag": "reload"}

    def set_values(self):
        """Store the sender policy in the form in which mails are compared with it; refuse what could never match."""
        # Odoo checks in its button only, but RPC reaches this method too; called on nothing it would reset everything.
        self.check_access("write")
        for settings in self:
            domains = (settings.l10n_vn_ibhxh_mail_sender_domains or "").lower().replace(",", " ").replace(";", " ")
            names = [part.removeprefix("@").removeprefix("*.") for part in domains.split()]
            for name in names:
                if not DOMAIN.fullmatch(name):
                    raise ValidationError(
                        self.env._(
                            "“%(name)s” is not a domain. Enter domains such as vss.gov.vn, one after another.",
                            name=name,
                        )
                    )
            server = (settings.l10n_vn_ibhxh_mail_authentication_server or "").strip().lower()
            if server and not HOST.fullmatch(server):
                raise ValidationError(
                    self.env._(
                        "“%(name)s” is not the name of a mail server. It comes first in the header "
                        "“Authentication-Results” of mails that you received, e.g. mx.example.com.",
                        name=server,
                    )
                )
            settings.l10n_vn_ibhxh_mail_sender_domains = " ".join(dict.fromkeys(names)) or False
            settings.l10n_vn_ibhxh_mail_authentication_server = server or False
            settings._l10n_vn_ibhxh_check_download()
            settings._l10n_vn_ibhxh_check_reminders()
        before = self._l10n_vn_ibhxh_shared_parameters()
        result = super().set_values()
        self._l10n_vn_ibhxh_check_shared(before)
        # Odoo drops the parameter of a number that is 0, and the default would come back.
        for name, parameter in (
            ("l10n_vn_ibhxh_remind_code_hours", CODE_HOURS[0]),
            ("l10n_vn_ibhxh_remind_unsent_hours", UNSENT_HOURS[0]),
            ("l10n_vn_ibhxh_mail_days", MAIL_DAYS[0]),
        ):
            if not self[name]:
                self.env["ir.config_parameter"].sudo().set_param(parameter, "0")
        return result

    @api.model
    def _l10n_vn_ibhxh_shared_parameters(self):
        """Return what all companies rely on: whose mails and which certificates are believed."""
        parameters = self.env["ir.config_parameter"].sudo()
        return {name: parameters.get_param(name) or default for name, default in SHARED_PARAMETERS.items()}

    @api.model
    def _l10n_vn_ibhxh_check_shared(self, before):
        """Raise `AccessError` when somebody who has not all companies changed what `before` holds; log what changed."""
        after = self._l10n_vn_ibhxh_shared_parameters()
        changed = sorted(name for name in after if after[name] != before[name])
        if changed and not (self.env.su or self.env.user._l10n_vn_ibhxh_is_shared_admin()):
            raise AccessError(
                self.env._(
                    "All companies rely on these settings: only a BHXH manager with access to all companies can "
                    "change them."
                )
            )
        if changed:
            _logger.warning("%s changed %s", self.env.user.login, ", ".join(changed))

    def _l10n_vn_ibhxh_check_download(self):
        """Normalize the address of the installer and its hash; refuse what would lead people elsewhere unnoticed."""
        url = (self.l10n_vn_ibhxh_agent_download_url or "").strip()
        sha256 = "".join((self.l10n_vn_ibhxh_agent_download_sha256 or "").split()).lower()
        if url and not URL.fullmatch(url):
            raise ValidationError(
                self.env._("Enter the full address of the download, which begins with https://, without a password.")
            )
        if sha256 and not SHA256.fullmatch(sha256):
            raise ValidationError(self.env._("A SHA-256 has 64 digits and letters from a to f. Copy it as published."))
        self.l10n_vn_ibhxh_agent_download_url = url or False
        self.l10n_vn_ibhxh_agent_download_sha256 = sha256 or False

    def _l10n_vn_ibhxh_check_reminders(self):
        if self.l10n_vn_ibhxh_mail_days < 0:
            raise ValidationError(self.env._("Days cannot be negative. Enter 0 to keep mails forever."))
        if min(self.l10n_vn_ibhxh_remind_code_hours, self.l10n_vn_ibhxh_remind_unsent_hours) < 0:
            raise ValidationError(self.env._("Hours cannot be negative. Enter 0 for no reminder."))
        days = self.l10n_vn_ibhxh_remind_certificate_days or ""
        if not re.fullmatch(r"[0-9 ,;]*", days):
            raise ValidationError(
                self.env._(
                    "“%(days)s” is no list of days. Enter numbers such as 60 30 7; 0 gives no reminder.", days=days
                )
            )
