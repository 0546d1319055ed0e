import json

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools.translate import LazyTranslate

from ..models.const import PHRASES_PARAMETER
from ..tools import mail_kinds, vss_mail

_lt = LazyTranslate(__name__)

FAULTS = {
    "too_long": _lt("it is too long"),
    "too_many": _lt("there are too many"),
    "no_words": _lt("it is too short: write the words as they appear in the mail"),
}
"""What is wrong with a phrase, by the code of `vss_mail.PhraseError`."""

FIELDS = {
    "code": "code_words",
    "registered": "registered_phrases",
    "amended": "amended_phrases",
    "stopped": "stopped_phrases",
    "refusal": "refusal_phrases",
    "guidance": "information_phrases",
}
"""The field with the further phrases of each kind that can be corrected."""


class L10n_Vn_IbhxhMailTest(models.TransientModel):
    """See what a pasted mail would do, and teach the reader the words of a mail that it does not know."""

    _name = "l10n_vn_ibhxh.mail.test"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset({"text", *FIELDS.values()})
    _secret_fields = frozenset({"text", "result"})
    _description = "Test of the mail reader"

    text = fields.Text(
        string="Mail",
        help="The whole mail with its headers (“Show original” in the mail program), so that sender and recipient are "
        "judged too; or just its text.",
    )
    result = fields.Json(readonly=True, export_string_translation=False)
    result_html = fields.Html(string="What it would do", compute="_compute_result_html")
    is_phrase_editor = fields.Boolean(compute="_compute_is_phrase_editor", export_string_translation=False)
    code_words = fields.Text(string="Words before a code", help="One per line. Accents and capitals do not matter.")
    registered_phrases = fields.Text(
        string="Confirms a registration", help="One per line; … matches up to 60 characters of the same sentence."
    )
    amended_phrases = fields.Text(string="Confirms an amendment", help="As above.")
    stopped_phrases = fields.Text(string="Confirms a stop", help="As above.")
    refusal_phrases = fields.Text(string="Refuses", help="As above.")
    information_phrases = fields.Text(
        string="Information only", help="As above. Mails with these words are ignored unless they hold a code."
    )

    @api.depends_context("uid")
    def _compute_is_phrase_editor(self):
        self.is_phrase_editor = self.env.user._l10n_vn_ibhxh_is_shared_admin()

    @api.model
    def default_get(self, fields):
        """Start from the phrases that are in use."""
        self.check_access("create")
        phrases = self.env["l10n_vn_ibhxh.mail"]._phrases()
        return {**super().default_get(fields), **{FIELDS[kind]: "\n".join(texts) for kind, texts in phrases.items()}}

    def _typed_phrases(self):
        """Return the phrases by kind as typed; raises `UserError` naming the one that cannot be used."""
        self.ensure_one()
        try:
            return mail_kinds.check({kind: (self[name] or "").splitlines() for kind, name in FIELDS.items()})
        except vss_mail.PhraseError as error:
            raise UserError(
                self.env._(
                    "“%(phrase)s” under “%(field)s” cannot be used: %(reason)s. Correct it, then try again.",
                    phrase=error.phrase,
                    field=self._fields[FIELDS[error.kind]]._description_string(self.env),
                    reason=FAULTS[error.code],
                )
            ) from error

    def action_try(self):
        """Show what the pasted mail would do with the phrases as they are typed here. Trying changes nothing."""
        self.ensure_one()
        if not self.text:
            raise UserError(self.env._("Paste a mail first."))
        self.sudo().result = self._explain(self._typed_phrases())
        return self._reopen()

    def action_save(self):
        """Let every further mail be read with these phrases."""
        self.ensure_one()
        if not self.env.user._l10n_vn_ibhxh_is_shared_admin():
            raise AccessError(
                self.env._(
                    "All companies share these phrases, so only administrators of all companies can change them."
                )
            )
        phrases = self._typed_phrases()
        text = json.dumps(phrases, ensure_ascii=False) if phrases else False
        self.env["ir.config_parameter"].sudo().set_param(PHRASES_PARAMETER, text)
        # The pasted mail may hold a code.
        self.sudo().unlink()
        return {"type": "ir.actions.act_window_close"}

    def _reopen(self):
        action = self.env["ir.actions.act_window"]._for_xml_id("l10n_vn_ibhxh.l10n_vn_ibhxh_mail_test_action")
        return {**action, "res_id": self.id}

    # -- the explanation -----------------------------------------------------------------------------------------------

    def _explain(self, phrases):
        """Return what the mail would do as `[[label, value], …]`; reads and matches as the mailbox does."""
        text = self.text.lstrip()
        has_headers = bool(text.partition("\n")[0].partition(":")[1]) and "\n\n" in text.replace("\r\n", "\n")
        reading = vss_mail.read(text.encode(), phrases) if has_headers else vss_mail.read_text(text, phrases)
        mails = self.env["l10n_vn_ibhxh.mail"].sudo()
        kinds = dict(mails._fields["kind"]._description_selection(self.env))
        rows = [[self.env._("Read as"), kinds[mails._kind(reading)]]]
        for label, values in (
            (self.env._("Codes"), reading.codes),
            (self.env._("Activation links"), reading.urls),
            (self.env._("Dossier numbers"), reading.dossier_numbers),
            (self.env._("Unit codes"), reading.unit_codes),
            (self.env._("Tax codes"), reading.tax_codes),
            (self.env._("VSS's result codes"), reading.result_codes),
            (self.env._("Recipients"), reading.recipients),
        ):
            rows.append([label, ", ".join(values) or "–"])
        registration, unmatched = self._match(reading)
        if has_headers:
            doubt = mails._doubt(reading)
            rows.append([self.env._("Sender"), reading.sender or "–"])
            rows.append([self.env._("Is the sender verified?"), doubt or self.env._("Yes.")])
        else:
            doubt = self.env._("The pasted text has no headers.")
            rows.append([self.env._("Is the sender verified?"), self.env._("Not known: %(why)s", why=doubt)])
        if registration:
            rows.append([self.env._("Belongs to"), f"{registration.display_name} · {registration.company_name}"])
            if len(mails._portal_links(registration, reading)) < len(reading.urls):
                rows.append([self.env._("Link not shown"), self.env._("Its host is not on the I-VAN's list.")])
        else:
            rows.append([self.env._("Belongs to"), unmatched])
        rows.append([self.env._("It would"), self._outcome(reading, registration, unmatched or doubt)])
        return rows

    def _match(self, reading):
        """Match as the mailbox does, and tell nobody of registrations that they may not read."""
        registration, reason = self.env["l10n_vn_ibhxh.mail"].sudo()._match(reading)
        readable = registration.with_env(self.env)._filtered_access("read")
        if registration == readable and self.env.user._l10n_vn_ibhxh_is_shared_admin():
            return registration, reason
        return readable.sudo(), False if readable else self.env._(
            "No registration of your companies is waiting for this mail."
        )

    def _outcome(self, reading, registration, obstacle):
        wait = self.env._("wait for review.")
        if not reading.does:
            if reading.notifications:
                return self.env._("be judged by its attached notification 01/TB-GD.")
            return self.env._("wait for review: nothing was recognised.")
        if reading.does == "informs":
            may_matter = reading.codes or reading.urls
            return wait if may_matter else self.env._("be ignored: it only informs.")
        if obstacle:
            return f"{wait} {obstacle}"
        if registration.state == "to_send":
            return self.env._("be held until the I-VAN's receipt is there, then be applied.")
        verdict, reason = self.env["l10n_vn_ibhxh.mail"]._judge(registration, reading)
        return {
            "activate": self.env._("put the code on the registration and start its 24 hours."),
            "confirm": self.env._("confirm the registration."),
            "refuse": self.env._("end the registration as refused by VSS."),
            "known": self.env._("change nothing: Odoo already knows this."),
            "outdated": reason,
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
