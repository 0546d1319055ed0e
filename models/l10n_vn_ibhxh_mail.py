import base64
import hashlib
import json
import logging
from datetime import timedelta, timezone
from email.message import EmailMessage

from odoo import api, fields, models
from odoo.exceptions import AccessError, LockError, UserError
from odoo.fields import Domain
from psycopg2 import OperationalError

from ..tools import vss_mail
from .const import ACTIVATION_HOURS, HANDED_IN_KEY, PATTERNS_PARAMETER, SOURCE_KEY, TODO, TRANSITIONS

_logger = logging.getLogger(__name__)

MAX_SOURCE_BYTES = 10 * 2**20


def _storable(text):
    """Return a header's text as PostgreSQL takes it: raw 8-bit bytes are read as UTF-8, what is none becomes “�”."""
    text = (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text.replace("\0", "�")


class L10n_Vn_IbhxhMail(models.Model):
    """A mail that reached the BHXH mailbox: what was read from it and what was done with it.

    The mail itself is kept here, out of the chatter, because it may hold an activation code. Nothing is ever dropped:
    what cannot be placed with certainty waits here for a person. Times are UTC.
    """

    _name = "l10n_vn_ibhxh.mail"
    _description = "Mail of the BHXH mailbox"
    _inherit = ["l10n_vn_ibhxh.protected", "mail.thread", "mail.activity.mixin"]
    # A person only says which registration a mail belongs to; what was read stays as it was read.
    _person_fields = frozenset({"registration_id"})
    _secret_fields = frozenset({"source"})
    _order = "id desc"
    _rec_name = "subject"

    subject = fields.Char(readonly=True)
    sender = fields.Char(readonly=True)
    received_at = fields.Datetime(string="Received", readonly=True, default=fields.Datetime.now)
    message_id = fields.Char(readonly=True, index="btree_not_null")
    source = fields.Binary(
        string="Mail as it came",
        readonly=True,
        attachment=False,
        groups="l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager",
    )
    source_name = fields.Char(compute="_compute_source_name")
    source_sha256 = fields.Char(readonly=True)
    kind = fields.Selection(
        [
            ("activation", "Activation code"),
            ("confirmation", "Confirmation"),
            ("notification", "Notification 01/TB-GD"),
            ("unknown", "Not recognised"),
        ],
        readonly=True,
        required=True,
        default="unknown",
    )
    state = fields.Selection(
        [("done", "Applied"), ("waiting", "Waits for a person"), ("ignored", "Put aside")],
        readonly=True,
        required=True,
        default="waiting",
        index=True,
    )
    reason = fields.Char(readonly=True, help="Why it was not applied by itself.")
    is_held = fields.Boolean(readonly=True, help="The scheduled action applies it shortly.")
    summary = fields.Char(string="What was read", readonly=True)
    registration_id = fields.Many2one("l10n_vn_ibhxh.registration", index="btree_not_null", ondelete="set null")
    company_id = fields.Many2one(related="registration_id.company_id", store=True, index=True)
    notification_ids = fields.One2many(
        "l10n_vn_ibhxh.notification", "mail_id", string="Attached notifications", readonly=True
    )

    def _compute_source_name(self):
        for mail in self:
            mail.source_name = f"bhxh-{mail.id}.eml"

    # -- the mail gateway --------------------------------------------------------------------------------------------

    @api.model
    def message_new(self, msg_dict, custom_values=None):
        """Take one mail from Odoo's mail gateway. The chatter gets a line without content, never the mail itself."""
        self._check_mail_gateway()
        source = msg_dict.pop(SOURCE_KEY, None) or self._rebuild_source(msg_dict)
        mail = self._receive(source, handed_in_by=msg_dict.pop(HANDED_IN_KEY, None))
        self._keep_out_of_chatter(msg_dict, mail)
        return mail

    def message_update(self, msg_dict, update_vals=None):
        """A reply to one of our notifications is a mail like any other, and its content is as confidential."""
        self._check_mail_gateway()
        source = msg_dict.pop(SOURCE_KEY, None) or self._rebuild_source(msg_dict)
        mail = self._receive(source, handed_in_by=msg_dict.pop(HANDED_IN_KEY, None))
        self._keep_out_of_chatter(msg_dict, mail)
        return super().message_update(msg_dict, update_vals)

    def _keep_out_of_chatter(self, msg_dict, mail):
        """Leave nothing of the mail's words in Odoo's parsed mail, which is posted: the subject may hold a code too."""
        body = self.env._("A mail arrived; its content is kept out of the chatter.")
        msg_dict.update(subject=mail.subject, body=body, attachments=[])

    def _check_mail_gateway(self):
        """Odoo's mail gateway calls as superuser; RPC, which reaches the same methods, cannot."""
        if not self.env.su:
            raise AccessError(self.env._("Mails come in through the mail gateway only."))

    @api.model
    def _rebuild_source(self, msg_dict):
        """Return a mail (bytes) made from Odoo's parsed one, for mails that reached several aliases at once."""
        message = EmailMessage()
        for header, key in (("Subject", "subject"), ("From", "from"), ("To", "to"), ("Message-Id", "message_id")):
            if msg_dict.get(key):
                message[header] = " ".join(str(msg_dict[key]).split())
        message.set_content(msg_dict.get("body") or "", subtype="html")
        return message.as_bytes()

    @api.model
    def _receive(self, source, handed_in_by=None):
        """Store one mail (bytes), read it and apply it where that is certain; return its record. Never raises.

        `handed_in_by` names a user who handed the mail to Odoo and may not speak for the mail server: anybody who can
        log in can call Odoo's mail gateway, with headers of their own making. Such a mail waits for a person.
        """
        patterns = self._patterns()
        reading = vss_mail.read(source[:MAX_SOURCE_BYTES], patterns)
        subject = _storable(vss_mail.redact(reading.subject or "", patterns))[:200]
        mail = self.sudo().create(
            {
                "subject": subject or self.env._("(no subject)"),
                "sender": _storable(reading.sender),
                "message_id": _storable(reading.message_id),
                "source": base64.b64encode(source[:MAX_SOURCE_BYTES]),
                "source_sha256": hashlib.sha256(source).hexdigest(),
                "kind": reading.kind,
                "summary": self._summary(reading),
            }
        )
        if handed_in_by:
            mail._leave_to_person(
                self.env._("It was handed in by %(user)s, not by the mail server.", user=handed_in_by)
            )
        else:
            mail._process_safely(reading)
        return mail

    @api.model
    def _patterns(self):
        """Return what the reader looks for (`tools.vss_mail.MailPatterns`): a manager's own, else the shipped ones.

        Settings that cannot be used never stop a mail: the shipped patterns count then.
        """
        text = self.env["ir.config_parameter"].sudo().get_param(PATTERNS_PARAMETER)
        if not text:
            return vss_mail.DEFAULT
        try:
            return vss_mail.from_mapping(json.loads(text))
        except (ValueError, TypeError, AttributeError):
            _logger.exception("The mail patterns in the settings cannot be used; the shipped ones are")
            return vss_mail.DEFAULT

    def _summary(self, reading):
        """Return a line about the reading without any code or link."""
        parts = [*reading.dossier_numbers, *reading.tax_codes, *reading.unit_codes]
        return ", ".join(parts)[:200]

    # -- matching ----------------------------------------------------------------------------------------------------

    def _process(self, reading):
        """Apply the mail to the one registration that waits for it, or leave it to a person."""
        notifications = self.env["l10n_vn_ibhxh.notification"]._from_mail(self, reading.notifications)
        if reading.kind == "notification" or notifications._has_confirmed():
            self._follow_notifications(notifications, reading)
            return
        self._process_text(reading)
        # What the mail itself has confirmed needs no further proof of its attachment.
        notifications._settle_waiting()

    def _process_text(self, reading):
        """Apply what the mail says in its own words."""
        if reading.kind == "unknown":
            self._leave_to_person(self.env._("No activation link, code or confirmation was recognised."))
            return
        untrusted = self._distrust(reading)
        if untrusted:
            self._leave_to_person(untrusted)
            return
        registration, reason = self._match(reading)
        if not registration:
            self._leave_to_person(reason)
            return
        if registration.state == "to_send":
            self._hold(self.env._("It came before the I-VAN's receipt, and is applied right after it."), registration)
        else:
            self._apply(registration, reading)

    def _follow_notifications(self, notifications, reading):
        """The attached notifications decided, or wait for a person together with their mail."""
        waiting = notifications.filtered(lambda record: record.state == "waiting")
        if notifications and not waiting:
            self._done(notifications.registration_id[:1])
            return
        registration, _reason = self._match(reading)
        if registration.state == "to_send":
            self._hold(self.env._("It came before the I-VAN's receipt, and is applied right after it."), registration)
            return
        self.registration_id = waiting[:1]._find_registration()
        self._leave_to_person(waiting[:1].reason or self.env._("The attached notification cannot be read."))

    def _hold(self, reason, registration=None):
        """Leave the mail to the scheduled action: it overtook the receipt, or somebody is at the registration."""
        self.write({"registration_id": registration and registration.id, "is_held": True, "reason": reason})
        # Whoever commits last, this transaction or the sender's, rings the scheduled action after both are visible.
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow").sudo()._trigger()

    @api.model
    def _process_held(self):
        """Apply the mails that were held and whose registration has its receipt now."""
        held = self.sudo().search(
            [("is_held", "=", True), "|", ("registration_id", "=", False), ("registration_id.state", "!=", "to_send")]
        )
        for mail in held.try_lock_for_update():
            mail.is_held = False
            mail._process_safely(mail._read())

    def _read(self):
        """Return the reading (`tools.vss_mail.MailReading`) of the stored mail."""
        return vss_mail.read(base64.b64decode(self.sudo().with_context(bin_size=False).source), self._patterns())

    def _process_safely(self, reading):
        """Process, and leave the mail to a person when that fails: it must never be bounced or lost for its content."""
        self = self.with_context(lang=self._inbox_user().lang or self.env.lang)
        try:
            with self.env.cr.savepoint():
                self._process(reading)
        except (LockError, OperationalError):
            self._hold(self.env._("Somebody was at the registration; the mail is applied shortly."))
        except Exception:
            _logger.exception("Reading BHXH mail %s failed", self.id)
            self._leave_to_person(self.env._("Odoo could not apply this mail. Open it and decide by hand."))

    def _distrust(self, reading):
        """Return why the sender is not trusted, or None. The From header alone proves nothing; it only narrows down."""
        parameters = self.env["ir.config_parameter"].sudo()
        domains = (parameters.get_param("l10n_vn_ibhxh.mail_sender_domains") or "").lower().split()
        sender = (reading.sender_domain or "").lower()
        if domains and not any(sender == domain or sender.endswith("." + domain) for domain in domains):
            return self.env._("The sender's domain “%(domain)s” is not on the list in the settings.", domain=sender)
        server = parameters.get_param("l10n_vn_ibhxh.mail_authentication_server")
        if server and not reading.is_authenticated_by(server):
            return self.env._("The mail server %(server)s did not confirm the sender.", server=server)
        return None

    def _match(self, reading):
        """Return `(registration, None)` for the one registration that waits for this mail, else `(empty, reason)`."""
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo()
        waiting = Domain("state", "in", ("sent", "to_activate", "expired")) | (
            Domain("state", "=", "to_send") & Domain("attempted_at", "!=", False)
        )
        if reading.dossier_numbers:
            found = registrations.search(waiting & Domain("dossier_number", "in", reading.dossier_numbers))
            if not found:
                # VSS may have numbered a dossier that Odoo has no number for yet.
                found = self._by_tax_code(reading, waiting & Domain("dossier_number", "=", False))
        elif reading.tax_codes:
            found = self._by_tax_code(reading, waiting)
        else:
            found = registrations.search(waiting & Domain("email", "in", reading.recipients))
        if reading.tax_codes:
            found = found.filtered(lambda registration: self._has_tax_code(registration, reading.tax_codes))
        # An expired one counts only while nothing newer of the same company waits.
        still_open = found.filtered(lambda registration: registration.state != "expired")
        found = still_open or found.sorted("id", reverse=True)[:1]
        if len(found) == 1:
            return found._for_reader(), None
        if found:
            return registrations, self.env._("Several registrations wait for such a mail. Choose the right one.")
        return registrations, self.env._("No registration waits for this mail.")

    def _by_tax_code(self, reading, domain):
        return (
            self.env["l10n_vn_ibhxh.registration"].sudo().search(domain & Domain("tax_code", "in", reading.tax_codes))
        )

    def _has_tax_code(self, registration, tax_codes):
        return registration.tax_code in tax_codes

    def _apply(self, registration, reading):
        """Do what the mail says to `registration`; refuse what it does not say clearly."""
        registration = registration._for_reader()
        verdict, reason = self.with_context(lang=registration.env.lang)._judge(registration, reading)
        if not registration.dossier_number and len(reading.dossier_numbers) == 1:
            registration._take_number(reading.dossier_numbers[0], "mail")
        if verdict == "person":
            self.registration_id = registration
            self._leave_to_person(reason)
            return
        received_at = self._received_at(reading)
        if verdict == "activate":
            links = self._portal_links(registration, reading)
            registration._activate(reading.codes[0], links[0] if links else False, received_at)
        elif verdict == "too_old":
            if registration.state != "expired":
                registration._expire()
        elif verdict == "confirm":
            unit_codes = reading.unit_codes
            registration._confirm(received_at, unit_code=unit_codes[0] if len(unit_codes) == 1 else None)
        elif verdict == "notification":
            # Only a person comes here: by applying the mail they state that its notifications are VSS's.
            if not self.notification_ids:
                raise UserError(self.env._("The attached notification cannot be read. Ask VSS for it again."))
            for notification in self.notification_ids.filtered(lambda record: record.state == "waiting"):
                notification._apply_vouched(registration)
        self._done(registration, reason)

    @api.model
    def _judge(self, registration, reading):
        """Return `(verdict, reason)` of what a mail would do to `registration`; changes nothing.

        Verdicts: `activate`, `confirm`, `notification`, `old_code` (a newer one is in use), `too_old` (over 24 hours),
        `person` (somebody has to decide, for the reason).
        """
        if reading.kind == "activation":
            if len(reading.codes) != 1 or len(self._portal_links(registration, reading)) > 1:
                return "person", self.env._("The mail holds several codes or links. Choose the right one.")
            received_at = self._received_at(reading)
            if registration.activation_received_at and registration.activation_received_at > received_at:
                return "old_code", self.env._("An older code; a newer one is in use already.")
            if received_at + timedelta(hours=ACTIVATION_HOURS) <= fields.Datetime.now():
                return "too_old", self.env._("The code was older than 24 hours when the mail was read.")
            return "activate", False
        if reading.kind == "confirmation":
            if "confirmed" not in TRANSITIONS[registration.state]:
                return "person", self.env._("The registration cannot be confirmed in its present state.")
            return "confirm", False
        return "notification", False

    @api.model
    def _portal_links(self, registration, reading):
        return [url for url in reading.urls if registration.provider_id._is_portal_link(url)]

    def _received_at(self, reading):
        """Return when the mail was received (UTC): its own date, unless that lies in the future or far back."""
        now = fields.Datetime.now()
        sent_at = reading.sent_at
        if not sent_at:
            return now
        sent_at = sent_at.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0)
        return sent_at if 0 <= (now - sent_at).total_seconds() < 7 * 86400 else now

    def _done(self, registration, reason=False):
        self.write({"registration_id": registration.id, "state": "done", "reason": reason})
        self.activity_unlink([TODO])

    def _leave_to_person(self, reason):
        self.write({"state": "waiting", "reason": reason})
        if not self.activity_ids:
            user = self.registration_id.user_id or self._inbox_user()
            self.activity_schedule(
                TODO,
                summary=self.env._("A BHXH mail waits for you"),
                note=reason,
                user_id=user.id,
            )

    @api.model
    def _inbox_user(self):
        """Return the person who looks after mails that cannot be placed."""
        parameter = self.env["ir.config_parameter"].sudo().get_param("l10n_vn_ibhxh.mail_user_id")
        user = self.env["res.users"].sudo().browse(int(parameter)).exists() if (parameter or "").isdigit() else None
        return user if user and user.active else self.env.ref("base.user_admin")

    # -- people ------------------------------------------------------------------------------------------------------

    def action_apply(self):
        """Apply the mail to the registration that the person chose."""
        for mail in self:
            mail.check_access("write")
            if not mail.registration_id:
                raise UserError(self.env._("Choose the registration that this mail belongs to first."))
            mail.registration_id.check_access("write")
            if mail.state == "done":
                continue
            reading = mail._read()
            if reading.kind == "unknown":
                raise UserError(
                    self.env._(
                        "No code, link or confirmation is recognised in this mail. Paste its text on the registration."
                    )
                )
            mail.sudo()._apply(mail.registration_id.sudo(), reading)
        return True

    def action_ignore(self):
        """Put the mail aside: it belongs to nobody here."""
        self.check_access("write")
        self.sudo().write({"state": "ignored"})
        self.sudo().activity_unlink([TODO])
        return True
