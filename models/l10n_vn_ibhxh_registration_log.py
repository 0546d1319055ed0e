from odoo import fields, models


class L10n_Vn_IbhxhRegistrationLog(models.Model):
    """What changed on a registration, when and by whom: the history that the archive of proofs shows.

    Messages in the chatter can be deleted, and written in another's name, by anybody who may write the registration.
    These lines are made by the program, and nobody has the right to write, create or delete any. Times are UTC; values
    are texts in English, names as they were.
    """

    _name = "l10n_vn_ibhxh.registration.log"
    _inherit = ["l10n_vn_ibhxh.protected"]
    _description = "History of a BHXH registration"
    _order = "id"
    _log_access = False

    registration_id = fields.Many2one(
        "l10n_vn_ibhxh.registration", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    changed_at = fields.Datetime(required=True, readonly=True)
    changed_by = fields.Char(readonly=True, help="Name and login of the user at that time.")
    field = fields.Char(required=True, readonly=True)
    old = fields.Char(readonly=True)
    new = fields.Char(readonly=True)
    source = fields.Selection(
        [("program", "Written by Odoo"), ("chatter", "Taken over from the chatter")],
        required=True,
        readonly=True,
        default="program",
        help="Up to version 19.0.1.1.0 there was only the chatter, which people could change.",
    )
