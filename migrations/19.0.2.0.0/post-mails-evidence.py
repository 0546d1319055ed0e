"""What a confirmation rests on, and the mail reader's own words, which were patterns before.

A confirmation that a mail brought, with nothing else on record for it, is reopened by a later code mail. Words before a
code and phrases that spoke against a confirmation are kept; phrases that confirmed are not, because what they confirmed
and with which proof was not asked: they are logged, to be looked at under Mail test.
"""

import json
import logging

from odoo.addons.l10n_vn_ibhxh.tools import mail_kinds

_logger = logging.getLogger(__name__)
_KEPT = {"code_labels": "code", "not_yet_phrases": "guidance"}


def migrate(cr, version):
    if not version:
        return
    cr.execute(
        """UPDATE l10n_vn_ibhxh_registration registration
              SET confirmation_evidence = CASE
                  WHEN EXISTS (SELECT FROM l10n_vn_ibhxh_notification notification
                                WHERE notification.registration_id = registration.id
                                  AND notification.state = 'done' AND notification.verdict = registration.state)
                  THEN 'notification'
                  WHEN EXISTS (SELECT FROM l10n_vn_ibhxh_mail mail
                                WHERE mail.registration_id = registration.id
                                  AND mail.state = 'done' AND mail.kind = 'confirmation')
                  THEN 'mail' END
            WHERE registration.state = 'confirmed' AND registration.confirmation_evidence IS NULL"""
    )
    cr.execute("SELECT value FROM ir_config_parameter WHERE key = 'l10n_vn_ibhxh.mail_patterns'")
    row = cr.fetchone()
    if not row:
        return
    phrases = _phrases(row[0])
    if phrases:
        cr.execute(
            """INSERT INTO ir_config_parameter (key, value) VALUES ('l10n_vn_ibhxh.mail_phrases', %s)
               ON CONFLICT (key) DO NOTHING""",
            [json.dumps(phrases, ensure_ascii=False)],
        )
    cr.execute("DELETE FROM ir_config_parameter WHERE key = 'l10n_vn_ibhxh.mail_patterns'")


def _phrases(text):
    """Return what still has a place of the patterns before, as `tools.mail_kinds.check` takes it."""
    try:
        patterns = dict(json.loads(text))
    except (ValueError, TypeError):
        return {}
    phrases = {}
    for name, given in patterns.items():
        kind = _KEPT.get(name)
        given = given if isinstance(given, list) else []
        usable = [phrase for phrase in (str(phrase).replace("*", "…") for phrase in given) if _is_usable(kind, phrase)]
        if usable:
            phrases[kind] = usable[: mail_kinds.MAX_PHRASES]
        else:
            _logger.warning("BHXH: the pattern %s of the mail reader has no place any more: %s", name, given)
    return phrases


def _is_usable(kind, phrase):
    try:
        return bool(mail_kinds.check({kind: [phrase]}))
    except mail_kinds.PhraseError:
        return False
