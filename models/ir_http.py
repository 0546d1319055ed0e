import hashlib

from odoo import models
from odoo.http import request
from odoo.tools import consteq
from werkzeug.exceptions import Forbidden, Unauthorized

from .const import AGENT_KEY_SCOPE


class IrHttp(models.AbstractModel):
    _inherit = "ir.http"

    @classmethod
    def _auth_method_l10n_vn_ibhxh_agent(cls):
        """Authenticate a paired computer: its scoped API key *and* its device id, which must belong together.

        A user's general API key passes the first test (Odoo accepts keys without a scope for any scope) and fails
        the second, because the hash of the very key that was handed out at pairing is kept with the device.
        """
        scheme, _sep, key = (request.httprequest.headers.get("Authorization") or "").partition(" ")
        uid = (
            scheme.lower() == "bearer"
            and key
            and request.env["res.users.apikeys"].sudo()._check_credentials(scope=AGENT_KEY_SCOPE, key=key)
        )
        if not uid:
            raise Unauthorized(response=cls._l10n_vn_ibhxh_error("invalid_key", 401))
        device = request.httprequest.headers.get("X-Ibhxh-Agent") or ""
        agent = (
            request.env["l10n_vn_ibhxh.agent"].sudo().search([("device", "=", device), ("user_id", "=", uid)], limit=1)
        )
        key_hash = hashlib.sha256(key.encode()).hexdigest()
        if not agent or not any(consteq(known or "", key_hash) for known in (agent.key_hash, agent.next_key_hash)):
            raise Forbidden(response=cls._l10n_vn_ibhxh_error("wrong_device", 403))
        request.update_env(user=uid)
        # Who may no longer register may no longer sign either, also from a computer that was paired before.
        if agent.revoked or not request.env.user.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"):
            raise Forbidden(response=cls._l10n_vn_ibhxh_error("revoked", 403))
        request.session.can_save = False
        request.update_context(
            l10n_vn_ibhxh_agent_id=agent.id,
            l10n_vn_ibhxh_key_is_next=consteq(agent.next_key_hash or "", key_hash),
            lang=request.env.user.lang,
        )

    @classmethod
    def _l10n_vn_ibhxh_error(cls, code, status):
        agents = request.env["l10n_vn_ibhxh.agent"]
        return request.make_json_response({"error": code, "message": agents._error_message(code)}, status=status)
