from odoo import fields, models
from odoo.exceptions import UserError

from ..models.const import ACTIVATION_CODE
from ..tools import dossier


class L10n_Vn_IbhxhLodgeAnswer(models.TransientModel):
    """What VSS answered to a dossier that was lodged by hand, as a person read it."""

    _name = "l10n_vn_ibhxh.lodge.answer"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _person_fields = frozenset(
        {
            "registration_id", "answer", "answered_at", "dossier_number", "activation_code", "unit_code", "error_code",
            "error_message",
        }
    )  # fmt: skip
    _secret_fields = frozenset({"activation_code"})
    _description = "Answer to a dossier lodged by hand"

    registration_id = fields.Many2one("l10n_vn_ibhxh.registration", required=True, readonly=True, ondelete="cascade")
    answer = fields.Selection(
        [
            ("number", "It has a dossier number now"),
            ("code", "It mailed an activation code"),
            ("confirmed", "It confirmed"),
            ("refused", "It refused"),
        ],
        string="What VSS answered",
        required=True,
        default="code",
    )
    answered_at = fields.Datetime(string="Answered at", required=True, default=fields.Datetime.now)
    dossier_number = fields.Char(help="As the portal shows it, e.g. 03706/2026/07906.")
    activation_code = fields.Char(help="10 capital letters and digits, e.g. BV2VLHCKRA.")
    unit_code = fields.Char(help="Mã đơn vị, if VSS names it.")
    error_code = fields.Char(help="The code that VSS refused with, e.g. SE003.")
    error_message = fields.Text(string="Reason")

    def action_record(self):
        """Do to the registration what VSS answered."""
        self.ensure_one()
        registration = self.registration_id
        registration._check_by_hand(("sent", "to_activate", "expired"))
        if self.answered_at > fields.Datetime.now():
            raise UserError(self.env._("“Answered at” is in the future. Enter when VSS answered."))
        registration._take_number(dossier.read_number(self.dossier_number), "person")
        getattr(self, f"_record_{self.answer}")(registration.sudo())
        labels = dict(self._fields["answer"]._description_selection(self.env))
        is_refused = self.answer == "refused"
        registration._note_step(
            self.answered_at,
            self.error_message if is_refused and self.error_message else labels[self.answer],
            code=registration.error_code if is_refused else "",
            passed=not is_refused,
        )
        registration._message_log(
            body=self.env._(
                "%(user)s recorded VSS's answer: %(answer)s.", user=self.env.user.name, answer=labels[self.answer]
            )
        )
        return {"type": "ir.actions.act_window_close"}

    def _record_number(self, registration):
        if not registration.dossier_number:
            raise UserError(self.env._("Enter the dossier number that the portal shows."))

    def _record_code(self, registration):
        code = (self.activation_code or "").strip().upper()
        if not ACTIVATION_CODE.fullmatch(code):
            raise UserError(
                self.env._(
                    "An activation code has 10 capital letters and digits, e.g. BV2VLHCKRA. Copy it from the mail."
                )
            )
        registration._activate(code, False, self.answered_at)
        self.activation_code = False

    def _record_confirmed(self, registration):
        registration._confirm(self.answered_at, unit_code=self.unit_code, evidence="person")

    def _record_refused(self, registration):
        code = (self.error_code or "").strip().upper()
        if not code and not self.error_message:
            raise UserError(self.env._("Enter the code that VSS refused with, or its reason in words."))
        registration._on_refused(code, self.error_message, evidence="person")
