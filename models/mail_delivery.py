"""How a mail travels from Odoo's mail gateway to our inbox."""

import re

from ..tools import vss_mail

DELIVERY_KEY = "l10n_vn_ibhxh_delivery"
TEXT_FILE = re.compile(r"\.(eml|txt|html?|csv|md|ics)$", re.IGNORECASE)
OWN_MODELS = ("l10n_vn_ibhxh.mail", "l10n_vn_ibhxh.registration")


class Delivery:
    """A mail on its way through Odoo's mail gateway. Being an object, it cannot be given by RPC.

    `source` are the bytes as they came: Odoo's parsed mail leaves headers out that our reader needs.
    `user_id` is who handed it in and may not speak for the mail server, None where the mail server did.
    """

    def __init__(self, source, user_id):
        self.source = source
        self.user_id = user_id


def as_it_came(message):
    """Return the bytes of a parsed mail. Its headers stay as they are: folding them again fails on raw 8-bit ones."""
    return message.as_bytes(policy=message.policy.clone(refold_source="none", cte_type="8bit"))


def may_hold_code(attachment, codes):
    """Whether a mail's attachment, `(name, content, …)` as Odoo's mail gateway has it, is a text with a code."""
    name, content = attachment[:2]
    if not TEXT_FILE.search(name or ""):
        return False
    text = content.decode("utf-8", "replace") if isinstance(content, bytes) else str(content)
    reading = vss_mail.read(text.encode("utf-8", "replace"))
    return bool(reading.codes or reading.urls) or vss_mail.redact(text, codes) != text
