"""What several of the models share: states and their moves, selections, limits and names.

Nothing here depends on a model, so that no model has to import another one.
"""

import re
from typing import NamedTuple

from odoo.tools.translate import LazyTranslate

_lt = LazyTranslate(__name__)

FORMS = [("04", "04 - Register"), ("05", "05 - Amend"), ("06", "06 - Stop")]
# How a dossier reaches VSS. What is lodged elsewhere has neither document nor signature here; Odoo follows it by mail
# and by what people report.
LODGINGS = [
    ("odoo", "By Odoo itself"),
    ("elsewhere", "At the I-VAN or on VSS's portal"),
    ("file", "By hand, as a signed file"),
]
# LoaiDoiTuong, the portal's own values. Whether a household business is an individual there is not known.
SUBJECT_TYPES = [("1", "Organisation"), ("0", "Individual")]

# -- a registration's life ---------------------------------------------------------------------------------------------

STATES = [
    ("draft", "Draft"),
    ("to_sign", "Waiting for the signature"),
    ("to_send", "Signed"),
    ("sent", "Sent"),
    ("to_activate", "To activate"),
    ("confirmed", "Confirmed"),
    # With a code that was not entered, or without any that came.
    ("expired", "Not activated in time"),
    ("rejected", "Rejected"),
    ("cancelled", "Cancelled"),
]
OPEN_STATES = ("draft", "to_sign", "to_send", "sent", "to_activate")
# VSS has the dossier, and something is still to come of it.
FOLLOWED = ("sent", "to_activate")

# The one table of allowed moves. An expired registration still takes a late code or a late confirmation.
TRANSITIONS = {
    # Straight to `sent`: only what is lodged elsewhere, by a person's word.
    "draft": {"to_sign", "sent", "cancelled"},
    "to_sign": {"draft", "to_send", "cancelled"},
    "to_send": {"sent", "rejected", "cancelled"},
    # Back to the draft: only what rests on nothing but a person's word, when that person takes it back.
    "sent": {"draft", "to_activate", "confirmed", "expired", "rejected"},
    "to_activate": {"confirmed", "expired", "rejected"},
    "expired": {"to_activate", "confirmed"},
    # Back only where nothing but the text of a mail spoke for it, see `confirmation_evidence`.
    "confirmed": {"to_activate"},
    # A person sends the signed dossier again; `sent` where the gateway turns out to have changed its mind.
    "rejected": {"to_activate", "to_send", "sent"},
    "cancelled": set(),
}


class Standing(NamedTuple):
    """What it means to people that a registration is where it is."""

    company: str | None
    """Status of a company that registers (form 04); None leaves it as it was before."""
    next_action: str | None
    """What the company does next; None when nothing is under way."""
    counted: str
    """As what its batch counts it."""
    progress: str
    """Progress of its line in the batch."""


STANDINGS = {
    "draft": Standing(None, "sign", "failed", "failed"),
    "to_sign": Standing("in_progress", "pin", "to_sign", "running"),
    "to_send": Standing("in_progress", "wait", "signed", "running"),
    "sent": Standing("in_progress", "wait", "sent", "running"),
    "to_activate": Standing("to_activate", "activate", "to_activate", "running"),
    "confirmed": Standing(None, None, "confirmed", "done"),
    "expired": Standing("expired", "again", "failed", "failed"),
    "rejected": Standing(None, "again", "failed", "failed"),
    "cancelled": Standing(None, None, "failed", "failed"),
}
# What is submitted elsewhere has nothing to sign, and a signed file waits for a person to lodge it.
LODGED_BY_PEOPLE = {
    ("draft", "elsewhere"): Standing(None, "submit", "to_submit", "running"),
    ("to_send", "file"): Standing("in_progress", "submit", "signed", "running"),
}


def standing(state, lodging):
    """Return the `Standing` of a registration."""
    return LODGED_BY_PEOPLE.get((state, lodging)) or STANDINGS[state]


# What VSS's answer rests on, as Odoo shows it.
EVIDENCE = [
    ("gateway", "The I-VAN's gateway"),
    ("notification", "A notification of VSS"),
    ("person", "A person's statement"),
    ("mail", "The text of a mail"),
]

# What is written down of a registration, in the order of its form.
LOGGED = (
    "state", "form", "lodging", "provider_id", "agency_id", "certificate_id", "unit_code", "tax_code", "company_name",
    "email", "phone", "user_id", "client_reference", "dossier_number", "dossier_number_source", "signed_at",
    "attempted_at", "submitted_at", "activation_received_at", "confirmed_at", "error_code",
)  # fmt: skip

# The life of an activation code, as VSS states it.
ACTIVATION_HOURS = 24
ACTIVATION_CODE = re.compile(r"[A-Z0-9]{10}")
RETRY_MINUTES = (1, 5, 15, 60)
# While address, certificates or credentials of an I-VAN are wrong.
MISCONFIGURED_MINUTES = 60

STOP_REASONS = [
    ("1", "E-mail change"),
    ("2", "Unit data change"),
    ("3", "Certificate change"),
    ("4", "The software lacks procedures"),
    ("5", "The software is inconvenient"),
    ("6", "Poor support"),
    ("7", "Moving to another I-VAN"),
    ("8", "Unit dissolved"),
    ("9", "Other"),
]

# -- computers with tokens ---------------------------------------------------------------------------------------------

AGENT_KEY_SCOPE = "l10n_vn_ibhxh.agent"
# Longer than two idle polls: one lost request does not make a computer look switched off.
ONLINE_SECONDS = 90
# Signed documents in one call; their rows stay locked until the last of them is verified.
MAX_DELIVERIES = 20
# An installer that is kept in Odoo; today's has about 30 MB. Odoo's own limit for uploads is 128 MB.
MAX_INSTALLER_BYTES = 100 * 2**20

# -- mails and notifications -------------------------------------------------------------------------------------------

MAX_NOTIFICATION_BYTES = 5 * 2**20

# -- records and parameters by name ------------------------------------------------------------------------------------

TODO = "mail.mail_activity_data_todo"
# What is to do about a company's certificate, wherever it is noted.
CERTIFICATE_TODO = "l10n_vn_ibhxh.mail_activity_type_certificate"
PHRASES_PARAMETER = "l10n_vn_ibhxh.mail_phrases"
MAIL_DOMAINS = "l10n_vn_ibhxh.mail_sender_domains"
MAIL_SERVER = "l10n_vn_ibhxh.mail_authentication_server"
# Days for which the bytes of settled mails are kept.
MAIL_DAYS = ("l10n_vn_ibhxh.mail_days", 180)
# Where people download the program for their computers as long as none is in Odoo. No default: it has no release page.
AGENT_DOWNLOAD_URL = "l10n_vn_ibhxh.agent_download_url"
AGENT_DOWNLOAD_SHA256 = "l10n_vn_ibhxh.agent_download_sha256"
TRUST_PARAMETER = "l10n_vn_ibhxh.vss_certificates"
# Name of the parameter, its default; 0 or an empty list switches the reminder off.
CODE_HOURS = ("l10n_vn_ibhxh.remind_code_hours", 6)
UNSENT_HOURS = ("l10n_vn_ibhxh.remind_unsent_hours", 4)
CERTIFICATE_DAYS = ("l10n_vn_ibhxh.remind_certificate_days", "60 30 7")
# Switches, off by default: they switch a reminder off.
ANSWER_OFF = "l10n_vn_ibhxh.remind_answer_off"
NEWER_CERTIFICATE_OFF = "l10n_vn_ibhxh.remind_newer_certificate_off"

# -- remote signing ----------------------------------------------------------------------------------------------------

# Addresses of this computer, to which passwords may travel without TLS (a stand-in in tests).
LOOPBACK = {"localhost", "127.0.0.1", "::1"}
# Remote signing services on this computer are for tests and demonstrations: the parameter "True" allows them.
REMOTE_LOOPBACK = "l10n_vn_ibhxh.remote_loopback"
# How many remote signing services are asked at the same time by one job.
REMOTE_CALLS = 8
# What `tools.remote` reports -> what the person reads: what happened, and the next step.
REMOTE_FAILURES = {
    "refused": _lt("The signature was refused in the app on the phone. Sign again if that was a mistake."),
    "expired": _lt(
        "Nobody confirmed in the app on the phone in time. Check that the phone is online and the app is activated, "
        "then sign again."
    ),
    "service_settings": _lt(
        "The remote signing service does not accept how Odoo is set up there. An administrator checks the address, the "
        "client code and the password under iBHXH > Configuration > Remote signing services; then sign again."
    ),
    "certificate_suspended": _lt(
        "The remote signing service does not sign with this certificate at present: suspended, expired or revoked. Ask "
        "the provider of the certificate."
    ),
    "quota": _lt(
        "The signatures that were bought from the remote signing service are used up. Buy more from the provider, then "
        "sign again."
    ),
    "service_failed": _lt(
        "The remote signing service could not sign. Sign again; if that repeats, ask the provider of the certificate."
    ),
    "unreachable": _lt(
        "The remote signing service was not reached, and nothing is on the phone. Sign again in a few minutes."
    ),
    "lost": _lt(
        "The connection to the remote signing service broke, so no signature comes of this request. If the app on the "
        "phone shows it, refuse it there; then sign again."
    ),
    "unanswered": _lt(
        "The remote signing service gave no answer for an hour, so Odoo has no signature. Sign again once the service "
        "works."
    ),
    "account_gone": _lt(
        "The account at the remote signing service can no longer be used for this company. Choose another certificate, "
        "or enter the account again under iBHXH > Tokens > Signing on the phone."
    ),
    "invalid_signature": _lt(
        "Odoo refused what the remote signing service sent: it does not fit the dossier or the certificate. Sign "
        "again; if that repeats, ask the provider of the certificate."
    ),
}
