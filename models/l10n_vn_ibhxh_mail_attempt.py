import logging

from odoo import api, fields, models
from psycopg2 import Error as PsycopgError

_logger = logging.getLogger(__name__)


class L10n_Vn_IbhxhMailAttempt(models.Model):
    """A mail that is being read: what is left of it when the process that reads it is killed.

    Odoo fetches a mail again whose reading never ended. Kept by a transaction of its own, this tells how often it
    began, so that no mail can block the mailbox for ever.
    """

    _name = "l10n_vn_ibhxh.mail.attempt"
    _description = "Mail that is being read"
    _log_access = False

    sha256 = fields.Char(required=True, readonly=True)
    count = fields.Integer(required=True, readonly=True)
    began_at = fields.Datetime(required=True, readonly=True)

    _once = models.UniqueIndex("(sha256)")

    @api.model
    def _begin(self, digest):
        """Note that the mail with this SHA-256 is about to be read, whatever becomes of it; return how often it was.

        Without a second connection it counts as the first time: to raise would lose the mail.
        """
        try:
            with self.env.registry.cursor() as cr:
                cr.execute(
                    """INSERT INTO l10n_vn_ibhxh_mail_attempt (sha256, count, began_at)
                       VALUES (%s, 1, now() at time zone 'UTC')
                       ON CONFLICT (sha256) DO UPDATE SET count = l10n_vn_ibhxh_mail_attempt.count + 1
                       RETURNING count""",
                    [digest],
                )
                return cr.fetchone()[0]
        except PsycopgError as error:
            _logger.warning("The reading of a mail cannot be counted: %s", type(error).__name__)
            return 1

    @api.model
    def _end(self, digest):
        """The mail was read."""
        try:
            with self.env.registry.cursor() as cr:
                cr.execute("DELETE FROM l10n_vn_ibhxh_mail_attempt WHERE sha256 = %s", [digest])
        except PsycopgError as error:
            _logger.warning("The reading of a mail stays counted: %s", type(error).__name__)

    @api.autovacuum
    def _gc_attempts(self):
        """Forget attempts of more than a week ago."""
        self.env.cr.execute(
            "DELETE FROM l10n_vn_ibhxh_mail_attempt WHERE began_at < now() at time zone 'UTC' - interval '7 days'"
        )
