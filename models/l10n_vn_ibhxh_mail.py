import base64
import hashlib
import json
import logging
from datetime import timedelta
from email.message import EmailMessage
from urllib.parse import urlsplit

from odoo import api, fields, models
from odoo.exceptions import AccessError, LockError, UserError
from odoo.fields import Domain
from odoo.tools.translate import LazyTranslate
from psycopg2 import OperationalError

from ..tools import mail_authentication, mail_kinds, vss_mail
from . import reminders
from .const import MAIL_DAYS, MAIL_DOMAINS, MAIL_SERVER, PHRASES_PARAMETER, TODO
from .mail_delivery import DELIVERY_KEY, Delivery

_lt = LazyTranslate(__name__)
_logger = logging.getLogger(__name__)

MAX_SOURCE_BYTES = 10 * 2**20
# How many mails are looked at again when a person says that a dossier was submitted.
MAX_READ_AGAIN = 100
# A mail that ended the worker that read it as often as this is not read again.
MAX_ATTEMPTS = 2
# How many mails in a row have to name the same mail server, and from how many domains, before it is proposed.
PROPOSE_AFTER, PROPOSE_LOOKS_AT, PROPOSE_DOMAINS = 3, 20, 2
NO_SERVER = "-"

KINDS = {"brings_code": "activation", "confirms": "confirmation", "refuses": "refusal", "informs": "notice"}
INFORMS = {
    "one_time_password": _lt("It contains a one-time password. Odoo has nothing to do."),
    "password_reset": _lt("It is about a new portal password. Odoo has nothing to do."),
    "account": _lt(
        "It contains the portal's user name and password, which VSS sends after an activation. If the portal "
        "confirmed, press “I have confirmed” on the registration."
    ),
    "licence": _lt("It is about the licence of a program. There is nothing to do for Odoo."),
    "code_to_come": _lt("It announces the activation code, which arrives in another mail."),
    "guidance": _lt("It is a guide or an invitation. Odoo has nothing to do."),
    "receipt": _lt("It says that a dossier arrived. Nothing is decided by that."),
    "ordinary_result": _lt("It is about another procedure than the registration."),
}


def _storable(text):
    """Return a header's text as PostgreSQL takes it: raw 8-bit bytes are read as UTF-8, what is none becomes “�”."""
    text = (text or "").encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    return text.replace("\0", "�")


class L10n_Vn_IbhxhMail(models.Model):
    """A mail that reached the BHXH mailbox: what was read from it and what was done with it.

    The mail itself is kept here, out of the chatter, because it may hold an activation code. Nothing is ever dropped:
    what cannot be placed with certainty waits here for a person.

    A mail acts by itself only when one's own mail server authenticated its sender (`verified`). It brings a code to
    the one dossier that it fits; it confirms or refuses only with the dossier's number, or unit code and tax code.
    Every other mail only shows itself. Times are UTC.
    """

    _name = "l10n_vn_ibhxh.mail"
    _description = "Mail of the BHXH mailbox"
    _inherit = ["l10n_vn_ibhxh.protected", "mail.thread", "mail.activity.mixin", "l10n_vn_ibhxh.mail.matching"]
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
        string="Original mail",
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
            ("refusal", "Refusal"),
            ("notice", "Information only"),
            ("notification", "Notification 01/TB-GD"),
            ("unknown", "Not recognised"),
        ],
        readonly=True,
        required=True,
        default="unknown",
    )
    evidence = fields.Selection(
        [("verified", "Sender verified"), ("unverified", "Sender not verified")],
        readonly=True,
        required=True,
        default="unverified",
        help="Verified: your own mail server confirms that it was sent by one of the sender domains in the settings.",
    )
    doubt = fields.Char(string="Why not verified", readonly=True)
    handed_in_by_id = fields.Many2one(
        "res.users", string="Delivered by", readonly=True, index="btree_not_null", help="Empty: by the mail server."
    )
    server_name = fields.Char(
        readonly=True,
        export_string_translation=False,
        help="The mail server named by the topmost header Authentication-Results; - if there is none.",
    )
    state = fields.Selection(
        [("done", "Applied"), ("waiting", "To review"), ("ignored", "Ignored")],
        readonly=True,
        required=True,
        default="waiting",
        index=True,
    )
    reason = fields.Char(readonly=True, help="Why it was not applied automatically.")
    is_held = fields.Boolean(readonly=True, help="The scheduled action applies it shortly.")
    summary = fields.Char(string="What was read", readonly=True)
    unlisted_hosts = fields.Char(
        string="Unknown portals",
        readonly=True,
        help="It has links that look like activation links and lead to hosts that are not on the I-VAN's list.",
    )
    registration_id = fields.Many2one("l10n_vn_ibhxh.registration", index="btree_not_null", ondelete="set null")
    company_id = fields.Many2one(related="registration_id.company_id", store=True, index=True)
    notification_ids = fields.One2many(
        "l10n_vn_ibhxh.notification", "mail_id", string="Attached notifications", readonly=True
    )

    _held = models.Index("(id) WHERE is_held")
    _to_forget = models.Index("(received_at) WHERE source IS NOT NULL AND state != 'waiting'")

    def _compute_source_name(self):
        for mail in self:
            mail.source_name = f"bhxh-{mail.id}.eml"

    def write(self, vals):
        """A person who gives a mail to a registration must be allowed to write that registration, too."""
        if vals.get("registration_id") and not self.env.su:
            self.env["l10n_vn_ibhxh.registration"].browse(vals["registration_id"]).check_access("write")
        return super().write(vals)

    @api.autovacuum
    def _gc_sources(self):
        """Forget the bytes of mails that are settled after the days of the settings (0: never). What was read stays."""
        days = reminders.number(self.env, MAIL_DAYS)
        if not days:
            return
        old = Domain("received_at", "<", fields.Datetime.now() - timedelta(days=days))
        mails = self.sudo().search(old & Domain("state", "!=", "waiting") & Domain("source", "!=", False), limit=1000)
        mails.write({"source": False})

    # -- the mail gateway ----------------------------------------------------------------------------------------------

    @api.model
    def message_new(self, msg_dict, custom_values=None):
        """Take one mail from Odoo's mail gateway. The chatter gets a line without content, never the mail itself."""
        mail = self._take(msg_dict)
        self._keep_out_of_chatter(msg_dict, mail)
        return mail

    def message_update(self, msg_dict, update_vals=None):
        """A reply to one of our notifications is a mail like any other, and its content is as confidential."""
        self._keep_out_of_chatter(msg_dict, self._take(msg_dict))
        return super().message_update(msg_dict)

    def _take(self, msg_dict):
        """Receive the mail that is on its way; RPC, which reaches the same methods, cannot."""
        if not self.env.su:
            raise AccessError(self.env._("Mails can only be created by the mail gateway."))
        delivery = self.env.context.get(DELIVERY_KEY)
        if isinstance(delivery, Delivery):
            return self._receive(delivery.source, self.env["res.users"].browse(delivery.user_id or []))
        # Nobody knows any more what the mail was and who brought it.
        return self._receive(self._rebuild_source(msg_dict), self.env.user)

    def _keep_out_of_chatter(self, msg_dict, mail):
        """Leave nothing of the mail's words in Odoo's parsed mail, which is posted: the subject may hold a code too."""
        body = self.env._("A mail arrived; its content is kept out of the chatter.")
        msg_dict.update(subject=mail.subject, body=body, attachments=[])

    @api.model
    def _rebuild_source(self, msg_dict):
        """Return a mail (bytes) made from Odoo's parsed one."""
        message = EmailMessage()
        for header, key in (("Subject", "subject"), ("From", "from"), ("To", "to"), ("Message-Id", "message_id")):
            if msg_dict.get(key):
                message[header] = " ".join(_storable(str(msg_dict[key])).split())
        message.set_content(msg_dict.get("body") or "", subtype="html")
        return message.as_bytes()

    @api.model
    def _receive(self, source, handed_in_by=None):
        """Store one mail (bytes), read it and apply it where that is certain; return its record. Never raises.

        `handed_in_by` is the user who handed the mail to Odoo and may not speak for the mail server: anybody who can
        log in can call Odoo's mail gateway, with headers of their own making. Nothing verifies such a mail.
        """
        source = source[:MAX_SOURCE_BYTES]
        digest = hashlib.sha256(source).hexdigest()
        attempts = self.env["l10n_vn_ibhxh.mail.attempt"]
        self = self.with_context(lang=self._inbox_user().lang or self.env.lang)
        mail = self.sudo().create(
            {"source_sha256": digest, "handed_in_by_id": handed_in_by.id if handed_in_by else False}
        )
        # By a statement of its own: Odoo logs the values of a statement that fails.
        mail.flush_recordset()
        mail.source = base64.b64encode(source)
        mail.flush_recordset(["source"])
        if attempts._begin(digest) > MAX_ATTEMPTS:
            mail.subject = self.env._("(not read)")
            mail._leave_to_person(self.env._("It could not be read. Open the mail in a mail program."))
            return mail
        reading = mail._read()
        mail._note_reading(reading)
        mail._process_safely(reading)
        attempts._end(digest)
        return mail

    def _note_reading(self, reading):
        """Store what was read, without codes and links, and what speaks for the sender."""
        doubt = self._doubt(reading)
        subject = vss_mail.redact(_storable(reading.subject), reading.codes, self._phrases())[:200]
        self.write(
            {
                "subject": subject or self.env._("(no subject)"),
                "sender": _storable(reading.sender),
                "message_id": _storable(reading.message_id),
                "server_name": mail_authentication.topmost_server(reading.authentication_results) or NO_SERVER,
                "kind": self._kind(reading),
                "summary": self._summary(reading),
                "evidence": "unverified" if doubt else "verified",
                "doubt": doubt,
            }
        )

    @api.model
    def _kind(self, reading):
        return KINDS.get(reading.does) or ("notification" if reading.notifications else "unknown")

    @api.model
    def _phrases(self):
        """Return the administrators' own phrases by kind of mail. Settings that cannot be used never stop a mail."""
        text = self.env["ir.config_parameter"].sudo().get_param(PHRASES_PARAMETER)
        try:
            return mail_kinds.check(json.loads(text)) if text else {}
        except (ValueError, TypeError, AttributeError):
            _logger.exception("The mail phrases in the settings cannot be used; only the shipped ones are")
            return {}

    def _summary(self, reading):
        """Return a line about the reading without any code or link."""
        parts = [*reading.dossier_numbers, *reading.tax_codes, *reading.unit_codes]
        return ", ".join(parts)[:200]

    def _read(self):
        """Return the reading (`tools.vss_mail.MailReading`) of the stored mail."""
        source = self.sudo().with_context(bin_size=False).source
        return vss_mail.read(base64.b64decode(source or b""), self._phrases())

    # -- who says it ---------------------------------------------------------------------------------------------------

    def _doubt(self, reading):
        """Return why the sender is not verified, or False. The From header alone proves nothing; it narrows down."""
        parameters = self.env["ir.config_parameter"].sudo()
        domains = (parameters.get_param(MAIL_DOMAINS) or "").lower().split()
        server = parameters.get_param(MAIL_SERVER)
        sender = reading.sender_domain
        if self.handed_in_by_id:
            return self.env._(
                "It was handed in by %(user)s, not by the mail server.", user=self.handed_in_by_id.sudo().name
            )
        if not any(sender == domain or sender.endswith(f".{domain}") for domain in domains):
            return self.env._(
                "The sender's domain “%(domain)s” is not on the list in the settings.", domain=sender or "–"
            )
        if reading.is_second_hand:
            return self.env._("Its words come from a mail that is quoted in it or attached to it.")
        if reading.has_repeated_headers:
            return self.env._("It has a header twice, such as its subject: somebody may have changed it on its way.")
        if reading.subject_adds:
            return self.env._("Its subject names a number or code that is not in its text. A subject can be forged.")
        if not server:
            return self.env._("The settings name no mail server of your own that could verify the sender.")
        if not reading.is_authenticated_by(server):
            return self.env._("The mail server %(server)s did not confirm the sender.", server=server)
        return False

    @api.model
    def _proposed_server(self):
        """Return the mail server that all recent mails name topmost, or False: most likely it is one's own.

        Anybody can write such a header, but only one's own server writes the topmost one of every mail; so it takes
        several mails in a row, from several domains, all of the mail server. An administrator decides.
        """
        recent = self.sudo().search(
            [("handed_in_by_id", "=", False), ("server_name", "!=", False)], limit=PROPOSE_LOOKS_AT
        )
        names = set(recent.mapped("server_name"))
        domains = {(mail.sender or "").rpartition("@")[2] for mail in recent} - {""}
        if len(recent) < PROPOSE_AFTER or len(domains) < PROPOSE_DOMAINS or len(names) != 1:
            return False
        name = names.pop()
        return name if name != NO_SERVER else False

    # -- applying ------------------------------------------------------------------------------------------------------

    def _process_safely(self, reading):
        """Process, and leave the mail to a person when that fails: it must never be bounced or lost for its content."""
        self = self.with_context(lang=self._inbox_user().lang or self.env.lang)
        try:
            with self.env.cr.savepoint():
                self._process(reading)
        except (LockError, OperationalError):
            self._hold(self.env._("Another transaction held the registration; the mail is applied shortly."))
        except Exception:
            _logger.exception("Reading BHXH mail %s failed", self.id)
            self._leave_to_person(self.env._("Odoo could not apply this mail. Open it and decide manually."))

    def _process(self, reading):
        """Apply the mail to the one registration that it fits, or leave it to a person."""
        notifications = self.env["l10n_vn_ibhxh.notification"]._from_mail(self, reading.notifications)
        contradicts = reading.does == "confirms" and notifications.filtered(
            lambda record: record.verdict not in ("confirmed",)
        )
        if notifications and (contradicts or not reading.does or notifications._has_confirmed()):
            self._follow_notifications(notifications, reading)
        else:
            self._process_text(reading)
            # What the mail itself has confirmed needs no further proof of its attachment.
            notifications._settle_waiting()
        self._warn_of_links(reading)

    def _process_text(self, reading):
        """Apply what the mail says in its own words."""
        if not reading.does:
            self._leave_to_person(self.env._("No activation code, link or answer of VSS was recognised."))
            return
        registration, reason = self._match(reading)
        if reading.does == "informs":
            self._note_information(registration, reading)
        elif not registration:
            self._leave_to_person(reason)
        elif reading.does == "confirms" and registration.state == "confirmed":
            self._done(registration)
        elif self.evidence != "verified":
            mail = self.with_context(lang=registration.env.lang)
            mail.registration_id = registration
            mail._leave_to_person(mail._doubt(reading))
            registration._notify_page()
        elif registration.state == "to_send":
            self._hold(
                self.env._("It arrived before the I-VAN's receipt, and will be applied right after it."), registration
            )
        else:
            self._apply(registration, reading)

    def _note_information(self, registration, reading):
        """Put a mail that only informs beside its registration; one that may hold a code after all is for a person."""
        self.registration_id = registration
        texts = INFORMS
        reason = self.env._(texts[reading.kind.name])  # pylint: disable=gettext-variable
        waiting = self.notification_ids.filtered(lambda record: record.state == "waiting")
        notified = any(record._find_registration() for record in waiting)
        if reading.codes or reading.urls or notified:
            self._leave_to_person(
                self.env._("%(reason)s However, it contains a code, a link or a notification.", reason=reason)
            )
            return
        self.write({"state": "ignored", "reason": reason})

    def _follow_notifications(self, notifications, reading):
        """The attached notifications decided, or wait for a person together with their mail."""
        waiting = notifications.filtered(lambda record: record.state == "waiting")
        if notifications and not waiting:
            self._done(notifications.registration_id[:1])
            return
        # For years after a registration VSS sends these of every other dossier to the same address.
        if waiting and not (reading.codes or reading.urls) and all(record._is_foreign() for record in waiting):
            self.write({"state": "ignored", "reason": waiting[0].reason})
            return
        registration, _reason = self._match(reading)
        if registration.state == "to_send":
            self._hold(
                self.env._("It arrived before the I-VAN's receipt, and will be applied right after it."), registration
            )
            return
        self.registration_id = waiting[:1]._find_registration()
        self._leave_to_person(waiting[:1].reason or self.env._("The attached notification cannot be read."))

    def _hold(self, reason, registration=None):
        """Leave the mail to the scheduled action: it overtook the receipt, or another transaction holds the row."""
        self.write({"registration_id": registration and registration.id, "is_held": True, "reason": reason})
        # The last to commit, this transaction or the sender's, rings the scheduled action after both are visible.
        self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow").sudo()._trigger()

    @api.model
    def _process_held(self):
        """Apply the mails that were held and whose registration has its receipt now, each committed by itself."""
        held = self.sudo().search(
            [("is_held", "=", True), "|", ("registration_id", "=", False), ("registration_id.state", "!=", "to_send")]
        )
        for mail in held:
            if mail.try_lock_for_update():
                mail.is_held = False
                mail._process_safely(mail._read())
                self.env["ir.cron"]._commit_progress()

    @api.model
    def _read_again(self, since):
        """Have the scheduled action look again at the newest mails that came since `since` (UTC) and fitted nothing.

        VSS mails within seconds; a person says later that a dossier was submitted elsewhere, or lodged as a file.
        """
        unmatched = Domain("state", "=", "waiting") & Domain("registration_id", "=", False)
        recent = Domain("received_at", ">=", since) & Domain("kind", "!=", "unknown")
        mails = self.sudo().search(unmatched & recent & Domain("source", "!=", False), limit=MAX_READ_AGAIN)
        mails.is_held = True
        if mails:
            self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_follow").sudo()._trigger()

    def _apply(self, registration, reading):
        """Do what the verified mail says to `registration`, or leave it to a person."""
        registration = registration._for_reader()
        mail = self.with_context(lang=registration.env.lang)
        verdict, reason = mail._judge(registration, reading)
        sent_at = self._sent_at(reading)
        if verdict in ("activate", "confirm", "refuse") and len(reading.dossier_numbers) == 1:
            registration._take_number(reading.dossier_numbers[0], "mail")
        if verdict == "person":
            mail.registration_id = registration
            mail._leave_to_person(reason)
            return
        if verdict == "outdated":
            mail.write({"registration_id": registration.id, "state": "ignored", "reason": reason})
            return
        if verdict == "activate":
            links = mail._portal_links(registration, reading)
            registration._activate(reading.codes[0], links[0] if links else False, sent_at)
        elif verdict == "confirm":
            unit_codes = reading.unit_codes
            unit_code = unit_codes[0] if len(unit_codes) == 1 else None
            registration._confirm(sent_at, unit_code=unit_code, evidence="mail")
        elif verdict == "refuse":
            registration._on_refused(reading.result_codes[0], "", evidence="mail")
        mail._done(registration, reason)

    @api.model
    def _portal_links(self, registration, reading):
        return [url for url in reading.urls if registration.provider_id._is_portal_link(url)]

    def _warn_of_links(self, reading):
        """Tell a manager of links that look like activation links and lead to hosts that no list knows.

        Such a mail is a forgery, or VSS's portal has moved. The link itself is shown to nobody.
        """
        if not reading.urls:
            return
        providers = self.registration_id.provider_id or self.env["l10n_vn_ibhxh.provider"].sudo().search(
            [("portal_hosts", "!=", False)]
        )
        unlisted = [url for url in reading.urls if not any(provider._is_portal_link(url) for provider in providers)]
        if not unlisted:
            return
        self.unlisted_hosts = ", ".join(dict.fromkeys(self._host(url) for url in unlisted))[:200]
        reminders.schedule(self.env, [(self, self._inbox_user(), self._link_texts, None)])

    def _link_texts(self, env):
        return (
            env._("A BHXH mail links to an unknown portal"),
            env._(
                "A link in it looks like an activation link, but leads to %(hosts)s, which is not on the I-VAN's "
                "list of portal hosts. Either the mail is a forgery, or VSS's portal has moved; if so, add its "
                "host to the I-VAN. The link is not displayed to anyone.",
                hosts=self.unlisted_hosts,
            ),
        )

    @api.model
    def _host(self, url):
        try:
            parts = urlsplit(url)
            return f"http://{parts.hostname}" if parts.scheme != "https" else parts.hostname or "?"
        except ValueError:
            return "?"

    def _done(self, registration, reason=False):
        self.write({"registration_id": registration.id, "state": "done", "reason": reason})
        self.activity_unlink([TODO])

    def _settle(self, registration):
        """VSS has confirmed `registration`, whose mails these are: codes of before that are no longer needed, and what
        says the same again is applied. What says more still waits for a person."""
        reason = registration._for_reader().env._("The registration is confirmed, so the code is no longer needed.")
        answers = self.filtered(lambda mail: mail.kind in ("activation", "confirmation"))
        for mail in answers.filtered(lambda mail: mail.state == "waiting" and not mail.is_held):
            reading = mail._read()
            if reading.does == "brings_code" and mail._sent_at(reading) <= registration.confirmed_at:
                mail.write({"state": "ignored", "reason": reason})
                mail.activity_unlink([TODO])
            elif mail._repeats(registration, reading):
                mail._done(registration)

    def _repeats(self, registration, reading):
        """Whether the mail says nothing but that VSS has confirmed a dossier of this form."""
        is_waiting = any(record.state == "waiting" for record in self.notification_ids)
        return reading.does == "confirms" and reading.kind.form == registration.form and not is_waiting

    def _leave_to_person(self, reason):
        self.write({"state": "waiting", "reason": reason})
        if not self.activity_ids:
            user = self.registration_id.user_id or self._inbox_user()
            reminders.schedule(
                self.env, [(self, user, lambda env: (env._("A BHXH mail needs your review"), reason), None)]
            )

    @api.model
    def _inbox_user(self):
        """Return the person who looks after mails that cannot be placed."""
        parameter = self.env["ir.config_parameter"].sudo().get_param("l10n_vn_ibhxh.mail_user_id")
        user = self.env["res.users"].sudo().browse(int(parameter)).exists() if (parameter or "").isdigit() else None
        return user if user and user.active else self.env.ref("base.user_admin")

    # -- people --------------------------------------------------------------------------------------------------------

    def action_apply(self):
        """A person states that the mail is VSS's and belongs to the registration that they chose."""
        for mail in self:
            mail.check_access("write")
            if not mail.registration_id:
                raise UserError(self.env._("Choose the registration that this mail belongs to first."))
            mail.registration_id.check_access("write")
            if mail.state != "done":
                mail.sudo()._apply_by_person(mail.registration_id.sudo(), mail.sudo()._read())
        return True

    def _apply_by_person(self, registration, reading):
        """Apply in the name of the present user; raises `UserError` with what speaks against it."""
        self._check_about(registration, reading)
        if self.notification_ids and reading.does not in ("brings_code", "confirms"):
            for record in self.notification_ids.filtered(lambda record: record.state == "waiting"):
                record._apply_vouched(registration)
        elif reading.notifications and not reading.does:
            raise UserError(self.env._("The attached notification cannot be read. Ask VSS for it again."))
        elif reading.does == "brings_code":
            self._activate_by_person(registration, reading)
        elif reading.does == "confirms" and reading.kind.form == registration.form:
            if registration.state == "confirmed":
                registration._strengthen("person")
            else:
                unit_code = reading.unit_codes[0] if len(reading.unit_codes) == 1 else None
                registration._confirm(self._sent_at(reading), unit_code=unit_code, evidence="person")
        else:
            raise UserError(
                self.env._(
                    "Odoo recognises nothing in this mail that it could apply to %(name)s. Read it, and record VSS's "
                    "answer on the registration.",
                    name=registration.name,
                )
            )
        registration._message_log(
            body=self.env._("%(user)s stated that a mail is from VSS, and applied it.", user=self.env.user.name)
        )
        self._done(registration)

    def _activate_by_person(self, registration, reading):
        faults = self._code_faults(registration, reading)
        if faults:
            raise UserError(faults)
        links = self._portal_links(registration, reading)
        registration._activate(reading.codes[0], links[0] if links else False, self._sent_at(reading))

    def _check_about(self, registration, reading):
        """Raise `UserError` when the mail is about something else than `registration`."""
        for ours, theirs in (
            (registration.tax_code, reading.tax_codes),
            (registration.dossier_number, reading.dossier_numbers),
            (registration.unit_code, reading.unit_codes),
        ):
            if ours and theirs and ours not in theirs:
                raise UserError(
                    self.env._(
                        "This mail is about %(theirs)s, the registration about %(ours)s.",
                        theirs=", ".join(theirs),
                        ours=ours,
                    )
                )
        if self._is_before(registration, reading):
            raise UserError(
                self.env._(
                    "It is older than the sending of %(name)s, so it belongs to an earlier dossier.",
                    name=registration.name,
                )
            )

    def action_ignore(self):
        """The mail needs no action: it belongs to nobody here."""
        self.check_access("write")
        self.sudo().write({"state": "ignored"})
        self.sudo().activity_unlink([TODO])
        return True
