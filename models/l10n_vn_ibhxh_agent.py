import hashlib
import logging
import secrets
from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Command
from odoo.tools.translate import LazyTranslate
from psycopg2 import OperationalError

from ..tools.versions import version_key
from . import diagnosis_texts
from .const import AGENT_KEY_SCOPE, MAX_DELIVERIES, ONLINE_SECONDS

_logger = logging.getLogger(__name__)
_lt = LazyTranslate(__name__)

# An agent older than this still works, but its user is asked to update it.
MINIMUM_VERSION = "1.0.0"
POLL_BUSY_SECONDS = 2
POLL_IDLE_SECONDS = 30
KEY_DAYS = 90
KEY_RENEW_DAYS = 30

ERRORS = {
    "bad_request": _lt("The program on the computer sent something that Odoo cannot read. Update ibhxh-agent."),
    "not_json": _lt("The program on the computer sent something that Odoo cannot read. Update ibhxh-agent."),
    "invalid_key": _lt("The computer's key is invalid or has expired. Pair this computer again."),
    "wrong_device": _lt("This key does not belong to this computer. Pair this computer again."),
    "revoked": _lt("This computer was revoked in Odoo. Pair it again if that was a mistake."),
    "invalid_code": _lt("The pairing code is wrong or older than 10 minutes. Make a new one in Odoo."),
    "throttled": _lt("Too many wrong codes came from this address. Wait ten minutes, then try again."),
    "no_release": _lt("Odoo has no such release of the program."),
    "not_found": _lt("There is no such signing request for this computer."),
    "lease_lost": _lt("Another computer has taken this signing request, or it was withdrawn."),
    "already_done": _lt("This document is already signed. Nothing more needs to be done."),
    "too_large": _lt("The message is too large."),
    "rejected": _lt("Odoo refused the signature because it does not match the requested document."),
    "server_error": _lt("Odoo could not answer. The program tries again automatically."),
}


class L10n_Vn_IbhxhAgent(models.Model):
    """A paired computer: the companion program `ibhxh-agent` of one user on one PC.

    Times are UTC. The API key itself is never kept: Odoo keeps its own hash of it in `res.users.apikeys`, and a
    SHA-256 is kept here, which binds the key to this computer.
    """

    _name = "l10n_vn_ibhxh.agent"
    _inherit = ["l10n_vn_ibhxh.protected"]
    # Everything else follows from pairing and contact: RPC cannot claim another certificate.
    _person_fields = frozenset({"name"})
    _secret_fields = frozenset({"key_hash", "next_key_hash", "doorbell"})
    _description = "Paired computer"
    _order = "last_seen_at desc, id desc"

    name = fields.Char(required=True)
    user_id = fields.Many2one("res.users", required=True, readonly=True, index=True, ondelete="cascade")
    device = fields.Char(required=True, readonly=True, copy=False, index=True)
    os = fields.Char(string="Operating system", readonly=True)
    version = fields.Char(readonly=True)
    last_seen_at = fields.Datetime(string="Last seen", readonly=True)
    is_online = fields.Boolean(string="Online", compute="_compute_is_online")
    is_outdated = fields.Boolean(string="Outdated", compute="_compute_is_outdated")
    status = fields.Selection(
        [("online", "Online"), ("outdated", "Online, outdated"), ("offline", "Offline"), ("revoked", "Revoked")],
        compute="_compute_status",
    )
    revoked = fields.Boolean(readonly=True, copy=False)
    revoked_at = fields.Datetime(readonly=True, copy=False)
    revoked_by_id = fields.Many2one("res.users", string="Revoked by", readonly=True, copy=False)
    certificate_ids = fields.Many2many(
        "l10n_vn_ibhxh.certificate",
        "l10n_vn_ibhxh_agent_certificate_rel",
        "agent_id",
        "certificate_id",
        string="Certificates",
        readonly=True,
        help="Certificates that this computer has reported, now or earlier.",
    )
    present_certificate_ids = fields.Many2many(
        "l10n_vn_ibhxh.certificate",
        "l10n_vn_ibhxh_agent_present_certificate_rel",
        "agent_id",
        "certificate_id",
        string="Plugged in",
        readonly=True,
    )
    present_certificate_count = fields.Integer(
        string="Certificates plugged in", compute="_compute_present_certificate_count"
    )
    tokens = fields.Json(readonly=True, help="Tokens plugged in at the last contact: label, model, PIN flags.")
    has_reported = fields.Boolean(readonly=True, export_string_translation=False)
    diagnosis = fields.Json(readonly=True, help="Why no token can be used, in codes; empty when all is well.")
    diagnosis_text = fields.Text(string="What is missing", compute="_compute_diagnosis_text")
    key_hash = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS, export_string_translation=False)
    next_key_hash = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS, export_string_translation=False)
    key_name = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS, export_string_translation=False)
    next_key_name = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS, export_string_translation=False)
    key_expires_at = fields.Datetime(string="Key valid until", readonly=True, copy=False)
    next_key_expires_at = fields.Datetime(readonly=True, copy=False, export_string_translation=False)
    doorbell = fields.Char(readonly=True, copy=False, groups=fields.NO_ACCESS, export_string_translation=False)

    _device_unique = models.Constraint("UNIQUE (device)", "This device id already exists.")

    @api.depends("last_seen_at", "revoked")
    def _compute_is_online(self):
        limit = fields.Datetime.now() - timedelta(seconds=ONLINE_SECONDS)
        for agent in self:
            agent.is_online = bool(not agent.revoked and agent.last_seen_at and agent.last_seen_at >= limit)

    @api.depends("version")
    def _compute_is_outdated(self):
        for agent in self:
            agent.is_outdated = version_key(agent.version) < version_key(MINIMUM_VERSION)

    @api.depends("is_online", "is_outdated", "revoked")
    def _compute_status(self):
        for agent in self:
            if agent.revoked:
                agent.status = "revoked"
            elif agent.is_online:
                agent.status = "outdated" if agent.is_outdated else "online"
            else:
                agent.status = "offline"

    @api.depends("diagnosis", "is_online")
    @api.depends_context("lang")
    def _compute_diagnosis_text(self):
        for agent in self:
            agent.diagnosis_text = "\n".join(agent._diagnosis_sentences()) or False

    def _diagnosis_sentences(self):
        """Return what stands in the way of signing on this computer, by what it said last; nothing while it is off."""
        self.ensure_one()
        return diagnosis_texts.sentences(self.env, self.diagnosis) if self.is_online else []

    @api.depends("present_certificate_ids")
    def _compute_present_certificate_count(self):
        for agent in self:
            agent.present_certificate_count = len(agent.present_certificate_ids)

    @api.model
    def _error_message(self, code):
        """Return the sentence for a protocol error, in the user's language, Vietnamese when nobody is known yet."""
        user = self.env.user
        lang = user.lang
        if (not user or user._is_public()) and self.env["res.lang"]._get_data(code="vi_VN"):
            lang = "vi_VN"
        text = ERRORS.get(code, ERRORS["server_error"])
        return self.with_context(lang=lang).env._(text)  # pylint: disable=gettext-variable

    # -- pairing and keys --------------------------------------------------------------------------------------------

    @api.model
    def _pair(self, code, name, os, version):
        """Exchange a one-time pairing code for a device id and a key.

        Returns `(agent, key)`, or None when the code is wrong, used or older than 10 minutes. A code is used up by
        the row lock that finds it, so of two computers that race for it one gets in.
        """
        pairing = self.env["l10n_vn_ibhxh.agent.pairing"].sudo()._take(code)
        if not pairing:
            return None
        user = pairing.user_id
        agent = self.sudo().create(
            {
                "name": (name or user.name)[:64],
                "user_id": user.id,
                "device": secrets.token_hex(16),
                "os": (os or "")[:64],
                "version": (version or "")[:32],
                "doorbell": f"l10n_vn_ibhxh.{secrets.token_hex(24)}",
            }
        )
        key, key_name, expires_at = agent._new_key()
        agent.write(
            {
                "key_hash": _sha256(key),
                "key_name": key_name,
                "key_expires_at": expires_at,
                "last_seen_at": fields.Datetime.now(),
            }
        )
        pairing._pair_with(agent)
        agent._notify_people()
        return agent, key

    def _new_key(self):
        """Make an API key; return `(key, name, expires_at)`. Only by its name can the key be found again."""
        self.ensure_one()
        expires_at = fields.Datetime.now() + timedelta(days=KEY_DAYS)
        name = f"ibhxh-agent {self.device} {secrets.token_hex(4)}"
        key = self.env["res.users.apikeys"].with_user(self.user_id).sudo()._generate(AGENT_KEY_SCOPE, name, expires_at)
        return key, name, expires_at

    def _renew_key(self):
        """Return `(key, expires_at)`: a new key; the present one stays valid until the new one is first used."""
        agent = self.sudo()
        agent._remove_keys(agent.next_key_name)
        key, name, expires_at = agent._new_key()
        agent.write({"next_key_hash": _sha256(key), "next_key_name": name, "next_key_expires_at": expires_at})
        return key, expires_at

    def _promote_next_key(self):
        """Drop the old key once the renewed one has been used."""
        agent = self.sudo()
        agent._remove_keys(agent.key_name)
        agent.write(
            {
                "key_hash": agent.next_key_hash,
                "key_name": agent.next_key_name,
                "key_expires_at": agent.next_key_expires_at,
                "next_key_hash": False,
                "next_key_name": False,
                "next_key_expires_at": False,
            }
        )

    def _remove_keys(self, *names):
        self.env["res.users.apikeys"].sudo().search(
            [("name", "in", [name for name in names if name]), ("user_id", "in", self.user_id.ids)]
        ).unlink()

    def action_revoke(self):
        """Take the computer's key away at once; what it had claimed goes back to the queue."""
        self.check_access("write")
        for agent in self.filtered(lambda a: not a.revoked):
            agent.sudo()._remove_keys(agent.sudo().key_name, agent.sudo().next_key_name)
            agent.sudo().write(
                {
                    "revoked": True,
                    "revoked_at": fields.Datetime.now(),
                    "revoked_by_id": self.env.user.id,
                    "key_hash": False,
                    "next_key_hash": False,
                    "present_certificate_ids": [Command.clear()],
                }
            )
            agent.sudo().certificate_ids._update_companies()
        self.sudo()._follow_revocation()
        return True

    def _follow_revocation(self):
        """Give back what was claimed and tell whom it concerns. Whatever fails here, the keys are gone for good."""
        try:
            with self.env.cr.savepoint():
                self.env["l10n_vn_ibhxh.signing.request"]._release_of(self)
                self._ring()
                self._notify_people()
        except OperationalError:
            # Odoo repeats the whole call.
            raise
        except Exception:
            _logger.exception("The computers %s are revoked, but nobody could be told", self.ids)

    @api.ondelete(at_uninstall=True)
    def _unlink_keys(self):
        agents = self.sudo()
        agents._remove_keys(*agents.mapped("key_name"), *agents.mapped("next_key_name"))

    # -- contact -----------------------------------------------------------------------------------------------------

    def _heartbeat(self, ders, tokens, version, platform="", diagnosis=None):
        """Take note of what is plugged in and return the answer of the protocol (times in seconds).

        `platform` is what installers are offered for, empty when the agent does not say. `diagnosis` is a list of
        `{code, detail}` with codes of `diagnosis_texts.DIAGNOSES`, None when the agent does not say.
        """
        self.ensure_one()
        agent = self.sudo()
        certificates = self.env["l10n_vn_ibhxh.certificate"]._from_der(ders, agent.user_id)
        vals = {"last_seen_at": fields.Datetime.now()}
        if version and version != agent.version:
            vals["version"] = version[:32]
        if tokens != agent.tokens:
            vals["tokens"] = tokens
        has_news = (diagnosis or False) != (agent.diagnosis or False)
        if not agent.has_reported:
            vals["has_reported"] = has_news = True
        if has_news:
            vals["diagnosis"] = diagnosis
        new = certificates - agent.certificate_ids
        moved = certificates != agent.present_certificate_ids
        was_online = agent.is_online
        if moved:
            vals["present_certificate_ids"] = [Command.set(certificates.ids)]
        if new:
            vals["certificate_ids"] = [Command.link(certificate.id) for certificate in new]
        agent.write(vals)
        new._update_companies()
        if moved or has_news or not was_online:
            agent._notify_people()
        pending = self.env["l10n_vn_ibhxh.signing.request"].sudo()._count_for(agent)
        releases = self.env["l10n_vn_ibhxh.agent.release"].sudo()
        return {
            "poll_after": POLL_BUSY_SECONDS if pending else POLL_IDLE_SECONDS,
            "doorbell": agent.doorbell,
            "pending": pending,
            "server_time": fields.Datetime.now().isoformat() + "Z",
            "outdated": agent.is_outdated,
            "minimum_version": MINIMUM_VERSION,
            "deliveries": MAX_DELIVERIES,
            "update": releases._update_for(platform, version or agent.version),
            "libraries": releases._libraries_version(),
            "renew_key": bool(
                agent.key_expires_at and agent.key_expires_at < fields.Datetime.now() + timedelta(days=KEY_RENEW_DAYS)
            ),
        }

    def _ring(self):
        """Ring the doorbell: an empty message on the computer's random channel. Polling works without it."""
        for agent in self.sudo().filtered("doorbell"):
            self.env["bus.bus"]._sendone(agent.doorbell, "l10n_vn_ibhxh/doorbell", {})

    # -- what open pages show of computers and tokens ------------------------------------------------------------------

    def _notify_people(self):
        """Tell open pages of the people concerned that a computer or token came or went."""
        for agent in self.sudo():
            companies = agent.certificate_ids.company_ids
            group = self.env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
            people = group.all_user_ids.filtered(
                lambda user, agent=agent, companies=companies: user == agent.user_id or user.company_ids & companies
            )
            for user in people:
                user._bus_send("l10n_vn_ibhxh/tokens", {})

    @api.model
    @api.readonly
    def get_live(self, company_id):
        """Return the computers that matter to the user for `company_id`, and in how many seconds to look again.

        One's own computers with all that is plugged in, and colleagues' that ever had a certificate of the company:
        whether a colleague's computer is on is no secret, what else is plugged into it is none of our business.
        Raises `AccessError` when the user may not access the company. Times in the answer are UTC.
        """
        self.check_access("read")
        company = self.env["res.company"].browse(company_id)
        company.check_access("read")
        agents = self.sudo().search(
            [
                ("revoked", "=", False),
                "|",
                ("user_id", "=", self.env.uid),
                ("certificate_ids.company_ids", "in", company.ids),
            ]
        )
        agents = agents.sorted(lambda agent: (not agent.is_online, agent.user_id != self.env.user, agent.name))
        asking = self._asking(agents)
        # What a computer lacks is for those who see it under "My computers".
        readable = agents.sudo(False)._filtered_access("read")
        return {
            "computers": [
                {
                    **agent._describe_live(company, asking),
                    "problems": agent._diagnosis_sentences() if agent in readable else [],
                }
                for agent in agents
            ],
            "look_again": agents._seconds_until_silent(),
        }

    @api.model
    def _asking(self, agents):
        """Return those of `agents` that hold a request now, which is when they ask for a PIN."""
        return {
            agent
            for (agent,) in self.env["l10n_vn_ibhxh.signing.request"]
            .sudo()
            ._read_group([("agent_id", "in", agents.ids), ("state", "=", "claimed")], ["agent_id"])
        }

    def _describe_live(self, company, asking):
        self.ensure_one()
        now = fields.Datetime.now()
        certificates = self.present_certificate_ids
        if self.user_id != self.env.user:
            certificates = certificates.filtered(lambda certificate: company in certificate.company_ids)
        return {
            "id": self.id,
            "name": self.name,
            "user": self.user_id.name,
            "online": self.is_online,
            "asking": self.is_online and self in asking,
            "last_seen_at": fields.Datetime.to_string(self.last_seen_at) if self.last_seen_at else False,
            "certificates": [
                {
                    "id": certificate.id,
                    "name": certificate.name,
                    "issuer": certificate.issuer_name,
                    "tax_code": certificate.tax_code,
                    "not_after": fields.Datetime.to_string(certificate.not_after),
                    "expired": certificate.not_after < now,
                    "usable": company in certificate.company_ids and certificate.is_valid,
                }
                for certificate in certificates
            ],
        }

    def _seconds_until_silent(self):
        """Return in how many seconds the first of these computers counts as silent, or False when none is on."""
        limit = fields.Datetime.now() - timedelta(seconds=ONLINE_SECONDS)
        waits = [(agent.last_seen_at - limit).total_seconds() for agent in self if agent.is_online]
        return int(min(waits)) + 1 if waits else False


def _sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()
