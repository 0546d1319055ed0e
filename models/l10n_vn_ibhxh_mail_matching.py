from datetime import timedelta, timezone

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from ..tools import folding
from .const import ACTIVATION_HOURS, OPEN_STATES, TRANSITIONS

# VSS's clock and ours differ by no more than this.
CLOCK_DIFFERENCE = timedelta(minutes=5)
# A code that comes as late as this may still be an earlier dossier's.
LATE_CODE = timedelta(days=3)
# For so long a dossier whose code was not entered is looked for by its mailbox and name.
ADDRESSED = timedelta(days=7)


class L10n_Vn_IbhxhMailMatching(models.AbstractModel):
    """Which registration a mail belongs to, and what it may do to it. Nothing here changes anything."""

    _name = "l10n_vn_ibhxh.mail.matching"
    _description = "Matching of VSS's mails"

    @api.model
    def _match(self, reading):
        """Return `(registration, False)` for the one registration that this mail fits, else `(empty, reason)`.

        Strict for every sender: the mail shows its code to the people of that registration's company.
        """
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo()
        fitting = self._candidates(reading).filtered(lambda registration: self._fits(registration, reading))
        if not fitting:
            return registrations, self.env._("No registration is waiting for this mail.")
        numbered = fitting.filtered(lambda registration: self._is_numbered(registration, reading))
        fitting = numbered or fitting
        if len(fitting.company_id) > 1 or (not numbered and fitting[0]._has_rivals()):
            return registrations, self.env._("It matches several companies. Choose the right registration.")
        in_time = fitting.filtered(lambda registration: not self._is_before(registration, reading))
        waiting = in_time.filtered(lambda registration: self._awaits(registration, reading))
        if not waiting:
            return self._match_elsewhere(fitting, in_time)
        if len(waiting) == 1:
            return waiting._for_reader(), False
        still_open = waiting.filtered(lambda registration: registration.state in OPEN_STATES)
        is_clear = reading.dossier_numbers or not self._could_be_earlier(waiting - still_open, reading)
        chosen = (still_open or waiting[:1]) if is_clear else waiting
        if len(chosen) == 1:
            return chosen._for_reader(), False
        return registrations, self.env._(
            "It may belong to %(names)s. Choose the right registration.", names=", ".join(waiting.mapped("name"))
        )

    @api.model
    def _match_elsewhere(self, fitting, in_time):
        """Return what to say of a mail that fits only registrations which do not wait for it; one may be named."""
        states = dict(fitting._fields["state"]._description_selection(self.env))
        registration = in_time[:1]
        if not registration:
            return fitting.browse(), self.env._(
                "It is older than the sending of %(name)s, so it belongs to an earlier dossier.", name=fitting[:1].name
            )
        return fitting.browse(), self.env._(
            "It belongs to %(name)s, which is “%(state)s” and waits for no such mail.",
            name=registration.name,
            state=states[registration.state],
        )

    @api.model
    def _candidates(self, reading):
        """Return the registrations that VSS may have and that this mail may be about, newest first."""
        named = Domain.OR(
            Domain(name, "in", values)
            for name, values in (
                ("dossier_number", reading.dossier_numbers),
                ("tax_code", reading.tax_codes),
                ("unit_code", reading.unit_codes),
            )
            if values
        )
        with_vss = Domain("state", "not in", ("draft", "to_sign", "cancelled")) & (
            Domain("state", "!=", "to_send") | Domain("attempted_at", "!=", False)
        )
        # A firm's address is on all its registrations of all years: by address only those count that may still wait.
        recent = fields.Datetime.now() - ADDRESSED
        may_wait = (
            Domain("state", "in", ("to_send", "sent", "to_activate"))
            | (Domain("state", "=", "expired") & Domain("submitted_at", ">", recent))
            | (Domain("confirmation_evidence", "=", "mail") & Domain("submitted_at", ">", recent))
        )
        # What the mail names rules out by itself those of the address that it does not name (`_fits`), and there may be
        # thousands of them: another tax code does, and another number, but not none yet.
        if not reading.tax_codes:
            addressed = Domain("id", "in", self._ids_by_recipient(reading.recipients)) & may_wait
            named |= addressed & Domain("dossier_number", "=", False) if reading.dossier_numbers else addressed
        return self.env["l10n_vn_ibhxh.registration"].sudo().search(with_vss & named, order="id desc")

    @api.model
    def _ids_by_recipient(self, recipients):
        """Return the ids of the registrations with one of these addresses (lower case), whatever their own case."""
        if not recipients:
            return []
        model = self.env["l10n_vn_ibhxh.registration"]
        model.flush_model(["email"])
        query = SQL("SELECT id FROM %s WHERE lower(email) IN %s", SQL.identifier(model._table), tuple(recipients))
        return [found for (found,) in self.env.execute_query(query)]

    @api.model
    def _fits(self, registration, reading):
        """Whether the mail says enough that is this registration's, and nothing that is not.

        A number or unit code that a person typed proves nothing: anybody knows those of others.
        """
        number, unit_code = registration.dossier_number, registration.unit_code
        is_number = bool(number) and number in reading.dossier_numbers
        is_numbered = self._is_numbered(registration, reading)
        is_tax_code = bool(registration.tax_code) and registration.tax_code in reading.tax_codes
        is_unit_code = bool(unit_code) and unit_code in reading.unit_codes
        if (number and reading.dossier_numbers and not is_number) or (reading.tax_codes and not is_tax_code):
            return False
        if is_numbered:
            # VSS's own number: a unit code that differs corrects the one that was typed.
            return True
        is_recipient = (registration.email or "").lower() in reading.recipients
        if unit_code and reading.unit_codes and not is_unit_code:
            return False
        if is_tax_code:
            return is_recipient or not is_number
        if is_number or not (is_recipient or is_unit_code):
            return False
        is_named = reading.names(registration.company_name or "")
        return is_named or (is_recipient and self._names_holder(registration, reading))

    @api.model
    def _names_holder(self, registration, reading):
        """Whether the mail names the company as its certificate does, while Odoo has it under another name.

        Anybody who pairs a computer can report a certificate with a name of their own choice: the name of another
        company, or of another company's certificate, proves nothing.
        """
        certificate = registration.certificate_id
        name, own = (folding.fold(text or "").lower().split() for text in (certificate.name, registration.company_name))
        # Of thousands that have the mail's address, most have one name, which was looked for already.
        if name == own or not reading.names(certificate.name or ""):
            return False
        namesakes = [("name", "=", certificate.name), ("tax_code", "!=", certificate.tax_code)]
        others = self.env["res.company"].sudo().search_fetch([("id", "!=", registration.company_id.id)], ["name"])
        words = folding.words(certificate.name)
        is_others = any(folding.words(company.name) == words for company in others)
        return not is_others and not certificate.search_count(namesakes, limit=1)

    @api.model
    def _is_numbered(self, registration, reading):
        """Whether the mail has the number that VSS or its gateway gave the dossier, not one that a person typed."""
        return (
            bool(registration.dossier_number)
            and registration.dossier_number in reading.dossier_numbers
            and registration.dossier_number_source != "person"
        )

    @api.model
    def _awaits(self, registration, reading):
        """Whether something can come of the registration by a mail of this kind."""
        if registration.state in ("confirmed", "rejected"):
            is_confirmed = reading.does == "confirms" and registration.state == "confirmed"
            is_known = is_confirmed and reading.kind.form == registration.form
            is_reopened = reading.does == "brings_code" and registration.confirmation_evidence == "mail"
            return is_known or is_reopened
        return True

    @api.model
    def _could_be_earlier(self, earlier, reading):
        """Whether a mail without number may be about one of these dossiers, which are over and never got their code."""
        sent_at = self._sent_at(reading)
        return reading.does == "brings_code" and any(
            not registration.activation_received_at
            and registration._sending_began_at()
            and sent_at - registration._sending_began_at() < LATE_CODE
            for registration in earlier
        )

    @api.model
    def _is_before(self, registration, reading):
        """Whether VSS wrote the mail before it had the dossier."""
        number, source = registration.dossier_number, registration.dossier_number_source
        if source in ("gateway", "notification") and number in reading.dossier_numbers:
            # The number is VSS's own, so VSS had the dossier, whatever its clock says.
            return False
        if registration.state == "to_send" and not number and reading.dossier_numbers:
            # Whose number that is, the receipt tells: the mail is held until then and judged again.
            return False
        began_at = registration._sending_began_at()
        return bool(began_at) and self._sent_at(reading) < began_at - CLOCK_DIFFERENCE

    @api.model
    def _sent_at(self, reading):
        """Return when the mail was sent (UTC) as it says, at the latest when it arrived (no record: now)."""
        latest = self[:1].received_at or fields.Datetime.now()
        if not reading.sent_at:
            return latest
        return min(latest, reading.sent_at.astimezone(timezone.utc).replace(tzinfo=None, microsecond=0))

    # -- what a verified mail may do -----------------------------------------------------------------------------------

    @api.model
    def _judge(self, registration, reading):
        """Return `(verdict, reason)` of what a verified mail would do to `registration`; changes nothing.

        Verdicts: `activate`, `confirm`, `refuse`, `known` (Odoo knows that already), `outdated`, `person` (somebody has
        to decide, for the reason).
        """
        if reading.does == "brings_code":
            return self._judge_code(registration, reading)
        if reading.does == "confirms":
            return self._judge_confirmation(registration, reading)
        return self._judge_refusal(registration, reading)

    @api.model
    def _judge_code(self, registration, reading):
        faults = self._code_faults(registration, reading)
        if faults:
            return "person", faults
        sent_at = self._sent_at(reading)
        known_at = registration.activation_received_at
        if reading.codes[0] == registration.activation_code:
            return "known", False
        if known_at and known_at > sent_at:
            return "outdated", self.env._("An older code; a newer one is in use already.")
        if registration.state == "confirmed" and registration.confirmed_at and sent_at <= registration.confirmed_at:
            return "outdated", self.env._("The code is older than VSS's confirmation, so it was used.")
        if sent_at + timedelta(hours=ACTIVATION_HOURS) <= fields.Datetime.now():
            return "outdated", self.env._("The code was older than 24 hours when the mail was read.")
        other = registration._other_open()
        if other:
            return "person", self.env._(
                "This code belongs to %(name)s. %(other)s is in progress for the same company, so Odoo cannot "
                "reopen it.",
                name=registration.name,
                other=other.name,
            )
        return "activate", False

    @api.model
    def _code_faults(self, registration, reading):
        """Return why no code can be taken from the mail, or False."""
        if not reading.codes:
            return self.env._("The activation code could not be read. Open the mail and paste the code.")
        if len(reading.codes) > 1 or len(self._portal_links(registration, reading)) > 1:
            return self.env._("The mail contains several codes or links. Choose the right one.")
        return False

    @api.model
    def _judge_confirmation(self, registration, reading):
        if registration.state == "confirmed":
            return "known", False
        if reading.kind.form != registration.form:
            return "person", self.env._("It confirms another form than the one that was sent.")
        if not self._proves(registration, reading):
            return "person", self.env._(
                "It is a confirmation, but names neither the dossier number nor both unit code and tax code. "
                "Check it, then press “I have confirmed”."
            )
        if "confirmed" not in TRANSITIONS[registration.state]:
            return "person", self.env._("The registration cannot be confirmed in its present state.")
        return "confirm", False

    @api.model
    def _judge_refusal(self, registration, reading):
        known = self.env["l10n_vn_ibhxh.result.code"]._find(reading.result_codes[0] if reading.result_codes else "")
        passes = known and not known.is_permanent
        if registration.state != "sent" or len(reading.result_codes) != 1 or passes:
            return "person", self.env._("VSS seems to have refused something. Read the mail, and record VSS's answer.")
        if not self._proves(registration, reading):
            return "person", self.env._(
                "It refuses, but has neither the dossier's number nor unit code and tax code together. Check it."
            )
        return "refuse", False

    @api.model
    def _proves(self, registration, reading):
        """Whether a verified mail names the dossier so that VSS's answer in it counts: by number, or by both codes."""
        is_number = reading.dossier_numbers == (registration.dossier_number,)
        if is_number and self._is_numbered(registration, reading):
            return True
        if reading.kind.by_number_only or (reading.dossier_numbers and not is_number):
            return False
        is_unit = len(reading.unit_codes) == 1 and registration.unit_code in (False, reading.unit_codes[0])
        return is_unit and reading.tax_codes == (registration.tax_code,)
