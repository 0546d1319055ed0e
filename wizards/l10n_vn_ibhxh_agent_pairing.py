import secrets
from datetime import timedelta

from odoo import api, fields, models
from odoo.addons.base.models.res_users import check_identity
from odoo.tools import hmac

# No 0/O, 1/I/L: the code is read from one screen and typed on another.
ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"
CODE_LENGTH = 8
CODE_MINUTES = 10


class L10n_Vn_IbhxhAgentPairing(models.TransientModel):
    """A one-time code with which a person's computer is paired, and the dialog that follows it.

    Only the code's hash is stored; it lives ten minutes, and is gone once it was used.
    """

    _name = "l10n_vn_ibhxh.agent.pairing"
    _inherit = ["l10n_vn_ibhxh.protected"]
    # Shown in an unsaved form. A row without the hash of a code, which nobody gives, opens nothing.
    _creation_fields = frozenset({"user_id", "code", "expires_at"})
    _secret_fields = frozenset({"code_hash"})
    _description = "Pair a computer"

    user_id = fields.Many2one("res.users", required=True, readonly=True, ondelete="cascade")
    code_hash = fields.Char(readonly=True, groups=fields.NO_ACCESS, export_string_translation=False, index=True)
    expires_at = fields.Datetime(readonly=True)
    code = fields.Char(string="Pairing code", store=False, readonly=True)
    agent_id = fields.Many2one("l10n_vn_ibhxh.agent", string="Computer", readonly=True, ondelete="cascade")
    server_url = fields.Char(compute="_compute_server_url")
    database = fields.Char(compute="_compute_server_url")

    @api.depends_context("uid")
    def _compute_server_url(self):
        for pairing in self:
            pairing.server_url = pairing.get_base_url()
            pairing.database = self.env.cr.dbname

    @check_identity
    def action_new_code(self):
        """Show a new pairing code for the present user, after the password was asked for again."""
        self.check_access("create")
        self.sudo().search([("user_id", "=", self.env.uid)]).unlink()
        code = "".join(secrets.choice(ALPHABET) for _index in range(CODE_LENGTH))
        expires_at = fields.Datetime.now() + timedelta(minutes=CODE_MINUTES)
        pairing = self.sudo().create({"user_id": self.env.uid, "code_hash": self._hash(code), "expires_at": expires_at})
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Pair a computer"),
            "res_model": self._name,
            "views": [(False, "form")],
            "target": "new",
            # An unsaved form: the code is shown once and exists nowhere but on this screen.
            "context": {
                "default_user_id": self.env.uid,
                "default_code": f"{code[:4]}-{code[4:]}",
                "default_expires_at": fields.Datetime.to_string(expires_at),
                # What the dialog follows.
                "l10n_vn_ibhxh_pairing_id": pairing.id,
            },
        }

    @api.readonly
    def get_live(self):
        """Return how far this pairing is, for the dialog: `{state, seconds_left, computer, look_again}`.

        `state` is `waiting`, `expired`, `replaced` (a newer code was made, or the computer was removed) or `paired`.
        `computer` is what `_describe` returns, False while there is none; the other two are seconds, `look_again` is
        False when only the bus has news. Raises `AccessError` for a pairing of somebody else.
        """
        self.browse().check_access("read")
        pairing = self.sudo().exists()
        pairing.sudo(False).check_access("read")
        if not pairing or pairing.agent_id.revoked:
            return {"state": "replaced", "seconds_left": 0, "computer": False, "look_again": False}
        if pairing.agent_id:
            return {
                "state": "paired",
                "seconds_left": 0,
                "computer": pairing._describe(),
                "look_again": pairing.agent_id._seconds_until_silent(),
            }
        left = max(0, int((pairing.expires_at - fields.Datetime.now()).total_seconds()))
        state = "waiting" if left else "expired"
        return {"state": state, "seconds_left": left, "computer": False, "look_again": left or False}

    def _describe(self):
        """Return what the dialog shows: `{name, user, online, has_reported, certificates, problems}`."""
        agent = self.agent_id.sudo()
        return {
            "name": agent.name,
            "user": agent.user_id.name,
            "online": agent.is_online,
            # Pairing counts as contact, too: before the first heartbeat the program has said nothing of tokens.
            "has_reported": agent.has_reported,
            "certificates": [
                {"name": certificate.name, "tax_code": certificate.tax_code, "is_valid": certificate.is_valid}
                for certificate in agent.present_certificate_ids
            ],
            "problems": agent._diagnosis_sentences(),
        }

    def _pair_with(self, agent):
        """Note the computer that came with the code, which is used up by it."""
        self.sudo().write({"agent_id": agent.id, "code_hash": False})

    @api.model
    def _take(self, code):
        """Return the locked pairing of `code`, or an empty recordset if it is wrong, used or older than 10 minutes."""
        code = "".join(char for char in (code or "").upper() if char.isalnum())
        if len(code) != CODE_LENGTH:
            return self.browse()
        pairing = self.sudo().search(
            [("code_hash", "=", self._hash(code)), ("expires_at", ">", fields.Datetime.now())], limit=1
        )
        return pairing.try_lock_for_update()

    @api.model
    def _hash(self, code):
        return hmac(self.env(su=True), "l10n_vn_ibhxh.pairing", code)
