import base64
import hashlib
import logging
from datetime import timezone

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from psycopg2 import OperationalError

from ..tools import contact, notification, notification_verdict
from .const import FOLLOWED, TRANSITIONS, TRUST_PARAMETER

_logger = logging.getLogger(__name__)


class L10n_Vn_IbhxhNotification(models.Model):
    """A notification 01/TB-GD of VSS: the bytes as they came, what they say, who vouches for them, what they did.

    Anybody can write such a file. It moves a registration only when one of these vouches for it: VSS's signature by a
    certificate that a manager trusts, the gateway's own authenticated channel, or a person who says so in person. A
    broken signature speaks against all three. Times are UTC.
    """

    _name = "l10n_vn_ibhxh.notification"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _description = "Notification 01/TB-GD of VSS"
    _order = "id desc"
    _rec_name = "name"

    name = fields.Char(required=True, readonly=True)
    registration_id = fields.Many2one(
        "l10n_vn_ibhxh.registration", readonly=True, index="btree_not_null", ondelete="restrict"
    )
    company_id = fields.Many2one(related="registration_id.company_id", store=True, index=True)
    mail_id = fields.Many2one("l10n_vn_ibhxh.mail", readonly=True, index="btree_not_null", ondelete="set null")
    source = fields.Selection(
        [("gateway", "Gateway"), ("mail", "Mail"), ("upload", "Uploaded by a person")], required=True, readonly=True
    )
    received_at = fields.Datetime(string="Received", required=True, readonly=True)
    content = fields.Binary(string="File", required=True, readonly=True, attachment=False)
    sha256 = fields.Char(string="SHA-256", required=True, readonly=True, index=True)

    tax_code = fields.Char(readonly=True)
    unit_code = fields.Char(readonly=True)
    unit_name = fields.Char(readonly=True)
    agency_name = fields.Char(string="Issued by", readonly=True)
    notified_on = fields.Date(string="Dated", readonly=True)
    dossier_number = fields.Char(readonly=True)
    transaction_name = fields.Char(string="About", readonly=True)
    transaction_code = fields.Char(readonly=True)
    result_code = fields.Char(readonly=True)
    result = fields.Char(readonly=True)
    error_code = fields.Char(readonly=True)
    error_description = fields.Char(readonly=True)
    verdict = fields.Selection(
        [
            ("confirmed", "Confirmed"),
            ("rejected", "Refused"),
            ("received", "Received, not decided yet"),
            ("unclear", "Not understood"),
            ("other", "About another procedure"),
        ],
        string="VSS says",
        required=True,
        readonly=True,
    )

    signature_state = fields.Selection(
        [
            ("none", "Not signed"),
            ("valid", "Signature valid"),
            ("invalid", "Signature broken"),
            ("unsupported", "Signature of a kind that Odoo does not check"),
        ],
        string="Signature",
        required=True,
        readonly=True,
    )
    signer = fields.Char(readonly=True)
    signer_fingerprint = fields.Char(readonly=True)
    is_trusted = fields.Boolean(
        string="Signer is VSS",
        compute="_compute_is_trusted",
        help="A manager has confirmed that this certificate belongs to VSS.",
    )
    vouched_by_id = fields.Many2one("res.users", string="Vouched for by", readonly=True)
    state = fields.Selection(
        [("waiting", "To review"), ("done", "Applied")], required=True, readonly=True, default="waiting"
    )
    reason = fields.Char(readonly=True, help="Why it was not applied automatically.")

    _same_once = models.UniqueIndex(
        "(registration_id, sha256, COALESCE(mail_id, 0)) WHERE registration_id IS NOT NULL",
        "This notification is already on the registration.",
    )

    @api.depends("signature_state", "signer_fingerprint")
    def _compute_is_trusted(self):
        trusted = self._trusted_fingerprints()
        for record in self:
            record.is_trusted = record.signature_state == "valid" and record.signer_fingerprint in trusted

    @api.model
    def _trusted_fingerprints(self):
        return (self.env["ir.config_parameter"].sudo().get_param(TRUST_PARAMETER) or "").split()

    # -- taking in ---------------------------------------------------------------------------------------------------

    @api.model
    def _keep(self, xml, source, registration=None, mail=None):
        """Store a notification (bytes) and return its record; the same one on the same registration is kept once.

        Raises `notification.NotificationError` when it cannot be read.
        """
        now = fields.Datetime.now()
        notice, signed = notification.take(xml, at=now.replace(tzinfo=timezone.utc))
        records = self.sudo()
        digest = hashlib.sha256(xml).hexdigest()
        place = [("mail_id", "=", mail.id)] if mail else [("mail_id", "=", False)]
        if registration:
            place.append(("registration_id", "=", registration.id))
        known = records.search([("sha256", "=", digest), *place], limit=1)
        if known:
            return known
        return records.create(
            {
                "name": f"01_TB-GD_{notice.notified_on or now.date()}_{digest[:8]}.xml",
                "registration_id": registration.id if registration else False,
                "mail_id": mail.id if mail else False,
                "source": source,
                "received_at": now,
                "content": base64.b64encode(xml),
                "sha256": digest,
                "verdict": notification_verdict.judge(notice),
                "signature_state": signed.state,
                "signer": signed.subject or notice.signer_subject,
                "signer_fingerprint": signed.fingerprint,
                **{
                    name: getattr(notice, name)
                    for name in (
                        "tax_code", "unit_code", "unit_name", "agency_name", "notified_on", "dossier_number",
                        "transaction_name", "transaction_code", "result_code", "result", "error_code",
                        "error_description",
                    )
                },
            }
        )  # fmt: skip

    @api.model
    def _from_gateway(self, xml, registration):
        """Take what the gateway handed over for `registration`; a person hears of what cannot be applied.

        Whatever is wrong with the file, what the gateway itself said beside it holds.
        """
        try:
            with self.env.cr.savepoint():
                record = self._keep(xml, "gateway", registration)
                reason = record.state == "waiting" and record._settle(registration)
        except notification.NotificationError:
            reason = self.env._("The file that the gateway sent cannot be read as a 01/TB-GD.")
        except OperationalError:
            # The transaction is over: the scheduled action looks again.
            raise
        except Exception:
            _logger.exception("Notification of the gateway for registration %s", registration.id)
            reason = self.env._("The file that the gateway sent could not be processed. Ask your administrator.")
        if reason:
            registration._schedule_todo(self.env._("A notification from VSS needs your review"), reason)

    @api.model
    def _from_mail(self, mail, files):
        """Take the notifications (bytes) attached to `mail`; return the records."""
        records = self.sudo()
        for xml in files:
            try:
                record = self._keep(xml, "mail", mail=mail)
            except notification.NotificationError:
                continue
            records |= record
            if record.state == "waiting":
                record._settle(record._find_registration())
        return records

    def _find_registration(self):
        """Return the one registration with this tax code and this dossier number, or an empty recordset."""
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo()
        if not self.dossier_number:
            return registrations
        found = registrations.search([("dossier_number", "=", self.dossier_number)])
        found = found.filtered(lambda registration: not self._mismatch(registration))
        return found if len(found) == 1 else registrations

    def _has_confirmed(self):
        """Whether one of these was applied to a registration that is confirmed now."""
        return any(record.state == "done" and record.registration_id.state == "confirmed" for record in self)

    def _settle_waiting(self):
        """Look again at those that wait: what they say may be known by now."""
        for record in self.filtered(lambda record: record.state == "waiting"):
            record._settle(record.registration_id or record._find_registration())

    # -- deciding ----------------------------------------------------------------------------------------------------

    def _settle(self, registration, vouched_by=None):
        """Apply the notification to `registration` when something vouches for it; return why not, or False.

        `vouched_by` is the person who states that it is VSS's.
        """
        self.ensure_one()
        is_vouched = bool(vouched_by) or self.source == "gateway"
        reason = self._mismatch(registration, is_vouched)
        if not reason:
            self.registration_id = registration
            reason = self._distrust(registration, is_vouched)
        if not reason:
            self.vouched_by_id = vouched_by
            reason = self._apply(registration)
        self.write({"state": "waiting" if reason else "done", "reason": reason})
        if not reason:
            self._settle_same()
        return reason

    def _settle_same(self):
        """The same file may wait in a mail: what came of it is known now, and nobody has to look at it any more."""
        same = self.search([("sha256", "=", self.sha256), ("state", "=", "waiting"), ("mail_id", "!=", False)])
        same._settle_waiting()
        for record in same.filtered(lambda record: record.state == "done" and record.mail_id.state == "waiting"):
            record.mail_id._done(record.registration_id)

    def _distrust(self, registration, is_vouched):
        """Return why nothing proves that the notification is VSS's, or False."""
        if self.signature_state == "invalid":
            return self.env._(
                "Its signature is broken: the file was changed after it was signed. Ask VSS for it again."
            )
        is_known = self.verdict == registration.state
        if not (self.is_trusted or is_vouched or is_known):
            return self.env._("Nothing proves that it comes from VSS. Check it, then apply it by hand.")
        return False

    def _mismatch(self, registration, is_vouched=False):
        """Return how the notification is about something else than `registration`, or False.

        Without a dossier number on one of the two sides only a vouched notification can belong to the registration.
        """
        if self.verdict == "other":
            return self.env._(
                "It is about “%(procedure)s”, not about registering for electronic transactions.",
                procedure=self.transaction_name,
            )
        if not registration:
            return self.env._("No registration has both this tax code and this dossier number.")
        tax_code = self._unit_tax_code()
        if not tax_code or tax_code != registration.tax_code:
            return self.env._(
                "It is about tax code %(theirs)s, the registration about %(ours)s.",
                theirs=self.tax_code or "–",
                ours=registration.tax_code or "–",
            )
        both = self.dossier_number and registration.dossier_number
        if self.dossier_number != registration.dossier_number and (both or not is_vouched):
            return self.env._(
                "It is about dossier %(theirs)s, the registration about %(ours)s.",
                theirs=self.dossier_number or "–",
                ours=registration.dossier_number or "–",
            )
        return False

    def _unit_tax_code(self):
        """Return the tax code as registrations have it; what is none stays itself."""
        try:
            return contact.tax_code(self.tax_code or "")
        except contact.ContactError:
            return self.tax_code

    def _is_foreign(self):
        """Whether it is certainly about another dossier: by its title, and by its number, which no registration that
        waits for VSS has or may still get."""
        self.ensure_one()
        if self.verdict != "other" or not self.dossier_number:
            return False
        return (
            not self.env["l10n_vn_ibhxh.registration"]
            .sudo()
            .search_count(
                [
                    ("tax_code", "in", [self._unit_tax_code(), self.tax_code]),
                    ("state", "in", ("to_send", *FOLLOWED)),
                    ("dossier_number", "in", [False, self.dossier_number]),
                ],
                limit=1,
            )
        )

    def _apply(self, registration):
        """Do what VSS says; return why that was not possible, or False. What Odoo knows already is no obstacle."""
        if not registration.dossier_number:
            registration._take_number(self.dossier_number, "notification")
        if self.verdict == "received" or self.verdict == registration.state:
            if self.verdict != "received" and (self.is_trusted or self.source == "gateway" or self.vouched_by_id):
                registration._strengthen("notification")
            return False
        if self.verdict == "unclear":
            return self.env._("Odoo does not understand this result. Read it, and record VSS's answer manually.")
        if self.verdict not in TRANSITIONS[registration.state]:
            return self.env._("The registration's present state does not allow this. Read it and decide manually.")
        if self.verdict == "confirmed":
            registration._confirm(self.received_at, unit_code=self._unit_code(), evidence="notification")
        else:
            registration._on_refused(
                self.error_code or self.result_code,
                self.error_description or self.result,
                evidence="notification",
            )
        return False

    def _unit_code(self):
        try:
            return contact.unit_code(self.unit_code or "")
        except contact.ContactError:
            return None

    # -- people ------------------------------------------------------------------------------------------------------

    def action_apply(self):
        """A person states that this notification is VSS's, and applies it."""
        for record in self:
            record.check_access("read")
            registration = record.registration_id or record.sudo()._find_registration()
            if not registration:
                raise UserError(
                    self.env._(
                        "No registration has both tax code %(tax_code)s and dossier number %(number)s. "
                        "Choose it on the mail, then apply the mail.",
                        tax_code=record.tax_code or "–",
                        number=record.dossier_number or "–",
                    )
                )
            registration.with_env(self.env).check_access("write")
            if record.state == "waiting":
                record._apply_vouched(registration)
        return True

    def _apply_vouched(self, registration):
        """Apply in the name of the present user; raises `UserError` when that is not possible."""
        reason = self.sudo()._settle(registration.sudo(), vouched_by=self.env.user)
        if reason:
            raise UserError(reason)
        registration.sudo()._message_log(
            body=self.env._(
                "%(user)s stated that the notification %(name)s is from VSS, and applied it.",
                user=self.env.user.name,
                name=self.name,
            )
        )

    def action_trust_signer(self):
        """State that the certificate which signed this is VSS's; from now on that is proof, for all companies."""
        self.ensure_one()
        if not self.env.user._l10n_vn_ibhxh_is_shared_admin():
            raise AccessError(
                self.env._("Only a BHXH manager with access to all companies decides which certificates belong to VSS.")
            )
        self.check_access("read")
        if self.signature_state != "valid":
            raise UserError(self.env._("There is no valid signature with a certificate that could be trusted."))
        fingerprints = dict.fromkeys([*self._trusted_fingerprints(), self.signer_fingerprint])
        self.env["ir.config_parameter"].sudo().set_param(TRUST_PARAMETER, " ".join(fingerprints))
        _logger.warning("%s trusts %s as a certificate of VSS", self.env.user.login, self.signer_fingerprint)
        self.invalidate_recordset(["is_trusted"])
        return True
