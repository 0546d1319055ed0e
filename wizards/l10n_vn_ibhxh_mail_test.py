import json

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools.translate import LazyTranslate

from ..models.const import PATTERNS_PARAMETER
from ..tools import vss_mail

_lt = LazyTranslate(__name__)

FAULTS = {
    "syntax": _lt("it is not one of the simple patterns"),
    "too_long": _lt("it is empty or too long"),
    "too_many": _lt("it has no entry or too many"),
    "too_costly": _lt("it could make the server slow"),
}
"""What is wrong with a pattern, by the code of `vss_mail.PatternError`."""

LISTS = (
    "code_labels",
    "unit_labels",
    "tax_labels",
    "confirmation_phrases",
    "not_yet_phrases",
)
VALUES = ("code_value", "link_path", "unit_value", "tax_value", "dossier_value")


class L10n_Vn_IbhxhMailTest(models.TransientModel):
    """Correct what the mail reader looks for, and see what a pasted mail would do. Trying changes nothing."""

    _name = "l10n_vn_ibhxh.mail.test"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset({"text", *LISTS, *VALUES})
    _secret_fields = frozenset({"text", "result"})
    _description = "Test of the mail reader"

    text = fields.Text(
        string="Mail",
        help="The whole mail with its headers (“Show original” in the mail program), so that sender and recipient are "
        "judged too; or just its text.",
    )
    result = fields.Json(readonly=True, export_string_translation=False)
    result_html = fields.Html(string="What it would do", compute="_compute_result_html")
    code_labels = fields.Text(string="Words before a code", help="One a line. Accents and capitals do not matter.")
    code_value = fields.Char(string="A code looks like", help="E.g. [A-Z0-9]{10}: ten capital letters and digits.")
    link_path = fields.Char(string="Path of activation links", help="What stands before the 64 hexadecimal digits.")
    unit_labels = fields.Text(string="Words before a unit code", help="One a line.")
    unit_value = fields.Char(string="A unit code looks like")
    tax_labels = fields.Text(string="Words before a tax code", help="One a line.")
    tax_value = fields.Char(string="A tax code looks like")
    dossier_value = fields.Char(string="A dossier number looks like")
    confirmation_phrases = fields.Text(
        string="Phrases of a confirmation", help="One a line; * stands for up to 60 characters of anything."
    )
    not_yet_phrases = fields.Text(
        string="Phrases that make it none", help="One a line. Where one of them stands, nothing is confirmed."
    )

    @api.model
    def default_get(self, fields):
        """Start from the patterns that are in use."""
        self.check_access("create")
        return {**super().default_get(fields), **self._values(self.env["l10n_vn_ibhxh.mail"]._patterns())}

    @api.model
    def _values(self, patterns):
        values = {name: getattr(patterns, name) for name in VALUES}
        return values | {name: "\n".join(getattr(patterns, name)) for name in LISTS}

    def _mapping(self):
        """Return what differs from the shipped patterns: what does not, keeps up with new releases."""
        self.ensure_one()
        chosen = {name: (self[name] or "").strip() for name in VALUES}
        chosen |= {name: [line.strip() for line in (self[name] or "").splitlines() if line.strip()] for name in LISTS}
        default = {name: getattr(vss_mail.DEFAULT, name) for name in VALUES}
        default |= {name: list(getattr(vss_mail.DEFAULT, name)) for name in LISTS}
        return {name: value for name, value in chosen.items() if value and value != default[name]}

    def _chosen_patterns(self):
        """Return the patterns as typed; raises `UserError` naming the one that cannot be used."""
        try:
            return vss_mail.from_mapping(self._mapping())
        except vss_mail.PatternError as error:
            label = self._fields[error.field]._description_string(self.env) if error.field in self._fields else "?"
            raise UserError(
                self.env._(
                    "“%(field)s” cannot be used: %(reason)s. Correct it, then try again.",
                    field=label,
                    reason=FAULTS[error.code],
                )
            ) from error

    def action_try(self):
        """Show what the pasted mail would do with the patterns as they are typed here."""
        self.ensure_one()
        if not self.text:
            raise UserError(self.env._("Paste a mail first."))
        self.sudo().result = self._explain(self._chosen_patterns())
        return self._reopen()

    def action_save(self):
        """Let every further mail be read with these patterns."""
        self.ensure_one()
        self._chosen_patterns()
        mapping = self._mapping()
        text = json.dumps(mapping, ensure_ascii=False) if mapping else False
        self.env["ir.config_parameter"].sudo().set_param(PATTERNS_PARAMETER, text)
        return {"type": "ir.actions.act_window_close"}

    def action_defaults(self):
        """Fill in the shipped patterns; they count once they are saved."""
        self.ensure_one()
        self.write(self._values(vss_mail.DEFAULT))
        self.sudo().result = False
        return self._reopen()

    def _reopen(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_mail_test_action")
        return {**action, "res_id": self.id}

    # -- the explanation ---------------------------------------------------------------------------------------------

    def _explain(self, patterns):
        """Return what the mail would do as `[[label, value], …]`; reads and matches as the mailbox does."""
        text = self.text.lstrip()
        has_headers = bool(text.partition("\n")[0].partition(":")[1]) and "\n\n" in text.replace("\r\n", "\n")
        reading = vss_mail.read(text.encode(), patterns) if has_headers else vss_mail.read_text(text, patterns)
        mails = self.env["l10n_vn_ibhxh.mail"].sudo()
        kinds = dict(mails._fields["kind"]._description_selection(self.env))
        rows = [[self.env._("Read as"), kinds[reading.kind]]]
        for label, values in (
            (self.env._("Codes"), reading.codes),
            (self.env._("Activation links"), reading.urls),
            (self.env._("Dossier numbers"), reading.dossier_numbers),
            (self.env._("Unit codes"), reading.unit_codes),
            (self.env._("Tax codes"), reading.tax_codes),
            (self.env._("Recipients"), reading.recipients),
        ):
            rows.append([label, ", ".join(values) or "–"])
        registration, unmatched = mails._match(reading)
        if has_headers:
            distrust = mails._distrust(reading)
            rows.append([self.env._("Sender"), reading.sender or "–"])
            rows.append([self.env._("Is the sender trusted?"), distrust or self.env._("Yes, by the settings.")])
        else:
            distrust = None
            rows.append(
                [self.env._("Is the sender trusted?"), self.env._("Not known: the pasted text has no headers.")]
            )
        if registration:
            match = f"{registration.display_name} · {registration.company_name}"
            rows.append([self.env._("Belongs to"), match])
            for url in reading.urls:
                if not registration.provider_id._is_portal_link(url):
                    rows.append([self.env._("Link not shown"), self.env._("Its host is not on the I-VAN's list.")])
        else:
            rows.append([self.env._("Belongs to"), unmatched])
        rows.append([self.env._("It would"), self._outcome(reading, registration, distrust or unmatched)])
        return rows

    def _outcome(self, reading, registration, obstacle):
        wait = self.env._("wait for a person.")
        if reading.kind == "unknown":
            return self.env._("wait for a person: nothing was recognised.")
        if reading.kind == "notification":
            return self.env._("be judged by its attached notification 01/TB-GD.")
        if obstacle:
            return f"{wait} {obstacle}"
        if registration.state == "to_send":
            return self.env._("be held until the I-VAN's receipt is there, then be applied.")
        verdict, reason = self.env["l10n_vn_ibhxh.mail"]._judge(registration, reading)
        return {
            "activate": self.env._("put the code on the registration and start its 24 hours."),
            "confirm": self.env._("confirm the registration."),
            "old_code": reason,
            "too_old": reason,
            "person": f"{wait} {reason}",
        }[verdict]

    @api.depends("result")
    def _compute_result_html(self):
        for test in self:
            test.result_html = (
                self.env["ir.qweb"]._render(
                    "l10n_vn_ibhxh.mail_test_result", {"rows": test.result}, minimal_qcontext=True
                )
                if test.result
                else False
            )
