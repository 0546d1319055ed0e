import contextlib
import logging
import re
import threading
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit

from markupsafe import Markup
from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain
from psycopg2 import OperationalError

from ..tools import gateways, side_by_side
from ..tools.gateways import transport
from . import gateway_texts, jobs, reminders
from .const import FOLLOWED, LOOPBACK

_logger = logging.getLogger(__name__)

# Nothing that browsers read otherwise than Python: to them a backslash is a slash, and control characters vanish.
LINK = re.compile(r"https?://(?:\[::1\]|[a-z0-9.-]+)(?::[0-9]{1,5})?(?:[/#][!-\[\]-~]*)?", re.IGNORECASE)
# What decides how the gateway is reached: when it changes, what waits because of it is tried again at once.
CONNECTION_FIELDS = {
    "gateway", "url", "client_id", "client_secret", "client_secret_input", "ca_certificates", "client_certificate",
    "client_key", "client_key_input", "active",
}  # fmt: skip
# Each is a thread of Odoo's that waits.
MAX_CALLS_AT_ONCE = 32
# A fault of the connection is told to so many people at most.
MAX_TOLD = 5
# Seconds by which a gateway's clock may differ before that is said.
CLOCK_SECONDS = 60
# A Retry-After that ends within a minute ends before anything is asked again.
QUIET_SECONDS = 60
# How long a gateway is asked about each dossier by itself: where it offers nothing else, and where that failed.
SINGLY_HOURS = 24
SINGLY_HOURS_FAILED = 1
# Seconds for which one job asks a gateway: a worker of Odoo is killed after limit_time_real, 120 by default.
JOB_SECONDS = 45
# Seconds until a job that found another one at work looks again.
JOB_AGAIN_SECONDS = 10


# Nothing came from the server.
SILENT = (gateways.Reason.TIMEOUT, gateways.Reason.CONNECTION)


class _Lane:
    """Calls the gateway of one I-VAN from several threads.

    With `ends_in_silence`, the run ends for the I-VAN when the first call, or two one after the other, are not answered
    in time or not connected: each of them costs half a minute.
    """

    def __init__(self, run, provider_id, gateways_of_run, ends_in_silence):
        self.gateways = gateways_of_run
        self._run, self._provider_id = run, provider_id
        self._is_proven = False
        self._first = threading.Lock()
        self._ends_in_silence, self._is_silent = ends_in_silence, True

    def call(self, function):
        """Return `function(gateway)`, unless the run has ended for this I-VAN."""
        if self._is_proven:
            return self._call(function)
        with self._first:
            if not self._is_proven:
                try:
                    return self._call(function)
                finally:
                    self._is_proven = not isinstance(self._run[self._provider_id], gateways.GatewayError)
        return self._call(function)

    def _call(self, function):
        error = self._run[self._provider_id]
        if isinstance(error, gateways.GatewayError):
            raise side_by_side.NotCalled(error)
        # No more threads than gateways; taking one from a list is a single step.
        gateway = self.gateways.pop()
        try:
            answer = function(gateway)
        except gateways.GatewayError as error:
            _end(self._run, self._provider_id, error)
            is_silent = error.reason in SILENT
            if is_silent and self._is_silent and self._ends_in_silence:
                self._run[self._provider_id] = error
            self._is_silent = is_silent
            raise
        else:
            self._is_silent = False
            return answer
        finally:
            self.gateways.append(gateway)


def _end(run, provider_id, error):
    """Let nobody call this I-VAN again in the same `run` after an error that a further call cannot change."""
    if isinstance(error, gateways.Misconfigured | gateways.Unsupported) or error.retry_after:
        run[provider_id] = error


class L10n_Vn_IbhxhProvider(models.Model):
    """An I-VAN organisation and how to reach it."""

    _name = "l10n_vn_ibhxh.provider"
    _inherit = ["l10n_vn_ibhxh.shared", "l10n_vn_ibhxh.credentials", "mail.thread", "mail.activity.mixin"]
    _secret_fields = frozenset({"client_id", "client_secret", "client_key"})
    _typed_secrets = ("client_secret", "client_key")
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
        # Without its company, every company would have its connection and its secrets.
        ondelete="restrict",
        default=lambda self: self._default_company_id(),
        help="Leave empty to let every company use this connection; that takes a BHXH manager who has all companies.",
    )
    gateway = fields.Selection(
        [("manual", "By hand on the portal"), ("http", "HTTP (docs/gateway.md)"), ("sandbox", "Sandbox (tests only)")],
        required=True,
        default="manual",
        tracking=True,
    )
    url = fields.Char(
        string="Gateway address", tracking=True, help="Base address of the gateway, e.g. https://ivan.example.com/v1"
    )
    ca_certificates = fields.Text(
        string="Authorities",
        copy=False,
        groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager",
        help="Only if the I-VAN's server has a certificate of an authority of its own: the certificates of that "
        "authority (PEM). Others are not trusted for this connection then.",
    )
    client_certificate = fields.Text(
        copy=False,
        groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager",
        help="Only if the I-VAN's server requires one: the certificate that it issued to you, and those between it and "
        "the root (PEM). Removing it also deletes its key.",
    )
    client_key = fields.Text(copy=False, groups=fields.NO_ACCESS, export_string_translation=False)
    client_key_input = fields.Text(
        string="Private key",
        compute="_compute_secret_inputs",
        inverse="_inverse_secret_inputs",
        groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager",
        help="The key of the client certificate (PEM, without password). It is never shown again once it is set.",
    )
    has_client_key = fields.Boolean(string="Private key set", compute="_compute_secret_inputs")
    connection_fault = fields.Char(readonly=True, copy=False, export_string_translation=False)
    quiet_until = fields.Datetime(
        string="Not asked before",
        readonly=True,
        copy=False,
        help="The gateway has asked Odoo to wait. Until then Odoo asks about no registration by itself.",
    )
    singly_until = fields.Datetime(
        readonly=True,
        copy=False,
        export_string_translation=False,
        help="The gateway does not answer about several dossiers at once, and is asked one by one until then.",
    )
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
        help="The steps in this I-VAN's own program, in a few lines. If empty, a general guide is shown.",
    )
    remote_service_ids = fields.Many2many(
        "l10n_vn_ibhxh.remote.service",
        "l10n_vn_ibhxh_provider_remote_service_rel",
        "provider_id",
        "service_id",
        string="Accepts signatures of",
        help="Remote signing services whose signatures this I-VAN takes. Until it says so, assume none.",
    )
    calls_at_once = fields.Integer(
        string="Calls at the same time",
        required=True,
        default=8,
        help="Odoo sends so many dossiers at the same time, and asks about so many. Ask the I-VAN how many it allows.",
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

    @api.constrains("calls_at_once")
    def _check_calls_at_once(self):
        if any(not 1 <= provider.calls_at_once <= MAX_CALLS_AT_ONCE for provider in self):
            raise ValidationError(
                self.env._("Odoo can make 1 to %(most)s calls at the same time.", most=MAX_CALLS_AT_ONCE)
            )

    @api.constrains("gateway", "is_portal")
    def _check_portal(self):
        if any(provider.is_portal and provider.gateway != "manual" for provider in self):
            raise ValidationError(
                self.env._("VSS's portal takes no dossiers from programs: choose “By hand on the portal” for it.")
            )

    def _check_certificates(self):
        """Raise `ValidationError` unless the TLS certificates and the key can be used; once all of them are written."""
        for provider in self.sudo():
            try:
                transport.tls_context(**provider._tls_settings())
            except gateways.Misconfigured as error:
                if error.reason == gateways.Reason.TLS_ISSUER:
                    message = self.env._("The authorities are not certificates in PEM form.")
                else:
                    message = self.env._(
                        "Client certificate and private key are not a pair in PEM form, or the key has a password. "
                        "Enter both, the key without password."
                    )
                raise ValidationError(message) from error

    def _tls_settings(self):
        return {
            "ca": self.ca_certificates or "",
            "certificate": self.client_certificate or "",
            "key": self.client_key or "",
        }

    @api.model_create_multi
    def create(self, vals_list):
        providers = super().create(vals_list)
        providers._check_certificates()
        return providers

    def write(self, vals):
        """What waits because of a fault of the connection is tried again as soon as the connection changes."""
        result = super().write(vals)
        if "client_certificate" in vals and not vals["client_certificate"]:
            self.sudo().client_key = False
        if vals.keys() & {"ca_certificates", "client_certificate", "client_key_input"}:
            self._check_certificates()
        if vals.keys() & CONNECTION_FIELDS:
            self._connection_changed()
        return result

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

    # -- the connection ------------------------------------------------------------------------------------------------

    def _gateway(self):
        """Return the gateway adapter (`tools.gateways`) of this provider.

        Raises `gateways.Misconfigured`. Credentials are read as superuser because only managers may see them, while
        every user may send.
        """
        self.ensure_one()
        provider = self.sudo()
        if provider.gateway == "manual":
            return gateways.make("manual")
        if not provider.url:
            raise gateways.Misconfigured("no gateway address", reason=gateways.Reason.NO_ADDRESS)
        return gateways.make(
            provider.gateway,
            base_url=provider.url,
            client_id=provider.client_id or "",
            secret=provider.client_secret or "",
            **{name: value for name, value in provider._tls_settings().items() if value},
        )

    def _gateway_of(self, run):
        """Return the adapter that this run uses; `run` (a dictionary) keeps it. Raises `gateways.GatewayError`.

        After an error that a further question cannot change, or that asked Odoo to wait, nobody is asked again in the
        same run.
        """
        self.ensure_one()
        if self.id not in run:
            try:
                run[self.id] = self._gateway()
            except gateways.GatewayError as error:
                run[self.id] = error
        if isinstance(run[self.id], gateways.GatewayError):
            raise run[self.id]
        return run[self.id]

    def _lane(self, run, calls, *, ends_in_silence=False):
        """Return `calls`, `{key: function(gateway)}`, as `tools.side_by_side` takes them.

        Each thread has a gateway of its own. The first call of a run is made alone, so that a wrong password is tried
        once. A call that is due after `_end_run`, or where `ends_in_silence` (see `_Lane`), raises `NotCalled` instead.
        """
        self.ensure_one()
        count = min(self.calls_at_once, len(calls))
        lane = run.setdefault(f"{self.id} lane", _Lane(run, self.id, [self._gateway_of(run)], ends_in_silence))
        lane.gateways += [self._gateway() for _number in range(count - len(lane.gateways))]
        return side_by_side.Lane(count, {key: partial(lane.call, call) for key, call in calls.items()})

    def _end_run(self, run, error):
        """Let nobody else ask in this `run` after such an error."""
        _end(run, self.id, error)

    def _connection_failed(self, error):
        """Name an error that only people can mend, to those who can, once as long as it lasts."""
        self.ensure_one()
        if isinstance(error, gateways.Misconfigured):
            fault = gateway_texts.code(error) or gateway_texts.OWN_CODE
            if self.connection_fault != fault and self.sudo().try_lock_for_update(allow_referencing=True):
                _logger.warning("The connection with I-VAN %s does not work: %s", self.code, error.message)
                self._forget_activities(self._fault_texts(error))
                self.sudo().connection_fault = fault
                self._tell(self._fault_texts(error))
        elif error.reason in gateway_texts.UNREADABLE:
            self._tell(self._odd_texts(lambda env: gateway_texts.reason(env, self, error)))

    def _connection_works(self):
        """A gateway answered: what was said of its connection is settled, and so is a wait that is over."""
        for provider in self.sudo():
            if provider.quiet_until and provider.quiet_until <= fields.Datetime.now():
                provider._note(quiet_until=False)
            if provider.connection_fault and provider.try_lock_for_update(allow_referencing=True):
                provider._forget_activities(provider._fault_texts(gateways.Misconfigured("")))
                provider.connection_fault = False

    # -- how its gateway wants to be asked -----------------------------------------------------------------------------

    def _most_at_once(self, run):
        """Return how many dossiers one question may be about. Raises `gateways.GatewayError`."""
        gateway = self._gateway_of(run)
        is_single = self.singly_until and self.singly_until > fields.Datetime.now()
        return 1 if is_single else gateway.most_at_once

    def _note_answers(self, run, note):
        """Note what is to be said of answers about several dossiers: their faults, or that there are none
        (`gateways.Unsupported`), so that this `run` and those of some time ask about each by itself."""
        if not isinstance(note, gateways.Unsupported):
            _logger.warning("I-VAN %s: odd answer about several dossiers: %s", self.code, ", ".join(map(str, note)))
            self._tell(self._odd_texts(lambda env: gateway_texts.faults(env, self, note)))
            return
        cause = note.__cause__
        hours = SINGLY_HOURS_FAILED if cause else SINGLY_HOURS
        unexpected = cause if cause and not isinstance(cause, gateways.GatewayError) else None
        level = logging.ERROR if unexpected else logging.INFO
        what = "I-VAN %s is asked one by one for %s hours: %s"
        _logger.log(level, what, self.code, hours, cause or note, exc_info=unexpected)
        for key in (self.id, f"{self.id} lane"):
            run.pop(key)
        self._note(singly_until=fields.Datetime.now() + timedelta(hours=hours))

    def _leave_alone(self, error):
        """Ask nothing before the time that the gateway has named with an error."""
        until = fields.Datetime.now() + timedelta(seconds=error.retry_after or 0)
        known = self.quiet_until or fields.Datetime.now()
        if until > known + timedelta(seconds=QUIET_SECONDS):
            self._note(quiet_until=until)

    def _note(self, **vals):
        """Write these, unless somebody else is at it: then the next error is noted."""
        with contextlib.suppress(OperationalError), self.env.cr.savepoint():
            self.sudo().try_lock_for_update(allow_referencing=True).write(vals)

    def _connection_changed(self):
        """Have tried again at once what waits because of the connection's fault, and forget how the gateway was."""
        self.sudo().write({"quiet_until": False, "singly_until": False})
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo()
        registrations.search(
            [("provider_id", "in", self.ids), ("progress_version", "!=", False)]
        ).progress_version = False
        own_code = f"{gateway_texts.OWN_CODE}%"
        waiting = registrations.search(
            [("provider_id", "in", self.ids), ("state", "=", "to_send"), ("error_code", "=like", own_code)]
        )
        if waiting:
            waiting.write({"retry_at": False})
            self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send").sudo()._trigger()
        faulty = self.sudo().filtered("connection_fault")
        now = fields.Datetime.now()
        followed = registrations.search(
            [("provider_id", "in", faulty.ids), ("state", "in", FOLLOWED), ("poll_at", ">", now)]
        )
        if followed:
            followed.write({"poll_at": now})
            self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow").sudo()._trigger()
        faulty._connection_works()

    def _fault_texts(self, error):
        def texts(env):
            summary = env._("The connection to %(provider)s does not work", provider=self.name)
            lines = (
                gateway_texts.reason(env, self, error),
                env._(
                    "Signed dossiers wait and nothing is lost. Odoo tries once an hour, and at once when the settings "
                    "are changed."
                ),
            )
            return summary, Markup("<p>%s</p><p>%s</p>") % lines

        return texts

    def _odd_texts(self, sentence):
        def texts(env):
            summary = env._("Answers from %(provider)s break the contract", provider=self.name)
            advice = env._("Inform the I-VAN's developers. The contract is docs/gateway.md of this module.")
            return summary, Markup("<p>%s</p><p>%s</p>") % (sentence(env), advice)

        return texts

    def _tell(self, texts):
        """Give those whom the connection concerns an activity, unless they have one with this summary."""
        provider = self.sudo()
        rows = []
        for user in provider._responsible_users():
            summary = texts(self.env(context={**self.env.context, "lang": user.lang}))[0]
            if not provider.activity_ids.filtered(lambda a, u=user, s=summary: a.user_id == u and a.summary == s):
                rows.append((provider, user, texts, None))
        reminders.schedule(provider.env, rows)

    def _forget_activities(self, texts):
        """Remove the activities with the summary of `texts`."""
        for activity in self.sudo().activity_ids:
            lang = activity.user_id.lang
            if activity.summary == texts(self.env(context={**self.env.context, "lang": lang}))[0]:
                activity.unlink()

    def _responsible_users(self):
        """Return whom a fault concerns: the managers of its company; where all companies share it, those of all."""
        managers = self.env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager").sudo().all_user_ids
        company = self.sudo().company_id
        users = managers.filtered(
            lambda user: user.company_ids >= company if company else user._l10n_vn_ibhxh_is_shared_admin()
        )
        return users.sorted("id")[:MAX_TOLD] or self.env.ref("base.user_admin")

    def action_check(self):
        """Ask the gateway whether it is there, and say so."""
        self.ensure_one()
        self.check_access("read")
        kind, message = self._checked()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {"title": self.display_name, "message": message, "type": kind, "sticky": kind == "danger"},
        }

    def _checked(self):
        """Return (kind of notification, sentences) on how the gateway is."""
        try:
            gateway = self._gateway()
        except gateways.GatewayError as error:
            return "danger", gateway_texts.reason(self.env, self, error)
        if not gateway.can_submit:
            return "info", self.env._("Dossiers are lodged by hand on the portal: there is nothing to check.")
        health = gateway.check()
        if not health.ok:
            error = health.error or gateways.UnknownOutcome(health.message)
            return "danger", gateway_texts.reason(self.env, self, error)
        self._connection_works()
        warnings = self._health_warnings(health)
        return ("warning", "\n".join(warnings)) if warnings else ("success", self.env._("The gateway answers."))

    def _health_warnings(self, health):
        """Return sentences on what is odd about a gateway that works."""
        warnings = []
        if health.provider_code and health.provider_code != self.code:
            warnings.append(
                self.env._(
                    "The gateway answers for the I-VAN organisation %(found)s, this one is %(code)s. Is it the right "
                    "address and client?",
                    found=health.message,
                    code=self.code,
                )
            )
        skew = health.clock_skew_seconds or 0
        minutes = f"{abs(skew) / 60:.0f}"
        if skew > CLOCK_SECONDS:
            warnings.append(
                self.env._(
                    "The gateway's clock is %(minutes)s minutes ahead of Odoo's. One of them is wrong.", minutes=minutes
                )
            )
        elif skew < -CLOCK_SECONDS:
            warnings.append(
                self.env._(
                    "The gateway's clock is %(minutes)s minutes behind Odoo's. One of them is wrong.", minutes=minutes
                )
            )
        if health.faults:
            warnings.append(gateway_texts.faults(self.env, self, health.faults))
        return warnings

    # -- asking as a job, where there is a job queue -------------------------------------------------------------------

    def _job_poll(self):
        """Ask an I-VAN about BHXH registrations"""
        is_all = self._follow_registrations()
        if not is_all:
            jobs.delay(self, "_job_poll", also_begun=False, seconds=JOB_AGAIN_SECONDS)
        return "done" if is_all else "goes on in another job"

    def _follow_registrations(self):
        """Ask about what is due and expire codes whose time is over; return whether the time sufficed, and nobody else
        was at it."""
        with self.env.registry.cursor() as cr:
            registrations = self.with_env(self.env(cr=cr)).env["l10n_vn_ibhxh.registration"]
            now = fields.Datetime.now()
            own = Domain("provider_id", "=", self.id)
            is_all = registrations._poll_batches(registrations._to_poll_domain(now) & own, JOB_SECONDS)
            registrations._expire_due(now)
            return is_all
