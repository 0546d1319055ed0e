from datetime import date

from odoo import api, fields, models
from odoo.exceptions import ValidationError
from odoo.fields import Domain

from .const import FORMS


class L10n_Vn_IbhxhForm(models.Model):
    """What the law calls a form in a given period: number, title, legal basis and deadlines.

    Kept as data with effective dates because the decrees change faster than software; the programs only know the
    three kinds 04, 05 and 06.
    """

    _name = "l10n_vn_ibhxh.form"
    _inherit = ["l10n_vn_ibhxh.shared"]
    _description = "Official form of a social insurance e-transaction registration"
    _order = "form, date_from desc"
    _rec_name = "number"

    form = fields.Selection(FORMS, required=True)
    number = fields.Char(required=True, help="As printed on the form, e.g. 04/ĐK-IVAN.")
    title = fields.Char(required=True)
    legal_basis = fields.Text(help="The legal texts that this form follows. To be checked by you, not by the software.")
    procedures = fields.Text(help="Printed on form 04: the procedures that the I-VAN will be used for.")
    file_name = fields.Char(required=True)
    answer_days = fields.Integer(
        default=3, required=True, help="Working days within which VSS answers; used for the follow-up activity only."
    )
    forward_hours = fields.Integer(
        default=2, required=True, help="Hours within which the I-VAN passes a dossier on to VSS. For information only."
    )
    relay_hours = fields.Integer(
        default=2, required=True, help="Hours within which the I-VAN passes on VSS's answer. For information only."
    )
    note = fields.Text(
        string="What was not checked", help="What is unknown about this entry, for the person who edits it."
    )
    date_from = fields.Date(string="In use from")
    date_to = fields.Date(string="In use until")

    _answer_days_positive = models.Constraint("CHECK (answer_days > 0)", "The answer takes at least one working day.")

    @api.constrains("form", "date_from", "date_to")
    def _check_dates(self):
        """One entry per form and day, so that it is never a matter of chance which one counts."""
        for record in self:
            if record.date_from and record.date_to and record.date_to < record.date_from:
                raise ValidationError(self.env._("“In use until” is before “In use from”. Correct one of the dates."))
            start, end = record.date_from or date.min, record.date_to or date.max
            for other in self.search([("form", "=", record.form), ("id", "!=", record.id)]):
                if start <= (other.date_to or date.max) and (other.date_from or date.min) <= end:
                    raise ValidationError(
                        self.env._(
                            "“%(other)s” is in use on some of these days already. End it the day before this one.",
                            other=other.title,
                        )
                    )

    @api.model
    def _get(self, form, on_date):
        """Return the official form of kind `form` in use on `on_date`, or an empty recordset if none is recorded."""
        domain = (
            Domain("form", "=", form)
            & (Domain("date_from", "=", False) | Domain("date_from", "<=", on_date))
            & (Domain("date_to", "=", False) | Domain("date_to", ">=", on_date))
        )
        return self.search(domain).sorted(lambda record: record.date_from or date.min, reverse=True)[:1]
