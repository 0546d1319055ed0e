"""Notifications that wait for a person are read again: what they say and decide, and whether their signature is good.

"Chấp nhận để giải quyết" (taken up for processing) counted as a confirmation, and signatures in the layout of really
signed files as unsupported; what stood within a signature was read. What was applied already stays as it is: it is
history.
"""

import base64
from datetime import timezone

from odoo.addons.l10n_vn_ibhxh.tools import notification, notification_verdict
from odoo.tools import SQL

FACTS = (
    "tax_code",
    "unit_code",
    "unit_name",
    "agency_name",
    "notified_on",
    "dossier_number",
    "transaction_name",
    "transaction_code",
    "result_code",
    "result",
    "error_code",
    "error_description",
)


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
        checked = notification.check_signature(xml, at=at)
        values = {"verdict": "unclear", "transaction_name": None}
    else:
        values = {name: getattr(notice, name) or None for name in FACTS}
        values["verdict"] = notification_verdict.judge(notice)
    values |= {
        "signature_state": checked.state,
        "signer": checked.subject or signer,
        "signer_fingerprint": checked.fingerprint or None,
    }
    columns = SQL(", ").join(SQL("%s = %s", SQL.identifier(name), value) for name, value in values.items())
    cr.execute(SQL("UPDATE l10n_vn_ibhxh_notification SET %s WHERE id = %s", columns, notification_id))
