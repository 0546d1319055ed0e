"""Notifications that wait for a person are read again: what they decide, and whether their signature is good.

"Chấp nhận để giải quyết" (taken up for processing) counted as a confirmation, and signatures in the layout of really
signed files as unsupported. What was applied already stays as it is: it is history.
"""

import base64
from datetime import timezone

from odoo.addons.l10n_vn_ibhxh.tools import notification, notification_verdict


def migrate(cr, version):
    if not version:
        return
    cr.execute("SELECT id FROM l10n_vn_ibhxh_notification WHERE state = 'waiting'")
    for (notification_id,) in cr.fetchall():
        _read_again(cr, notification_id)


def _read_again(cr, notification_id):
    cr.execute("SELECT content, received_at, signer FROM l10n_vn_ibhxh_notification WHERE id = %s", (notification_id,))
    content, received_at, signer = cr.fetchone()
    xml = base64.b64decode(bytes(content))
    at = received_at.replace(tzinfo=timezone.utc)
    try:
        notice, checked = notification.take(xml, at=at)
    except notification.NotificationError:
        verdict, title, checked = "unclear", None, notification.check_signature(xml, at=at)
    else:
        verdict, title = notification_verdict.judge(notice), notice.transaction_name or None
    cr.execute(
        """UPDATE l10n_vn_ibhxh_notification
              SET verdict = %s, transaction_name = %s, signature_state = %s, signer = %s, signer_fingerprint = %s
            WHERE id = %s""",
        (
            verdict,
            title,
            checked.state,
            checked.subject or signer,
            checked.fingerprint or None,
            notification_id,
        ),
    )
