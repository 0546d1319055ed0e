"""Calls to the agent's API, as a computer makes them."""

import json

from ..controllers.agent import wrong_codes
from ..wizards.l10n_vn_ibhxh_agent_pairing import L10n_Vn_IbhxhAgentPairing
from .common import IbhxhCommon
from .patience import PatientHttpCase

PREFIX = "/l10n_vn_ibhxh/agent/v1"


class AgentCalls(IbhxhCommon, PatientHttpCase):
    """A case whose requests reach the API with a key, a device id, and any body."""

    frozen_at = None

    def setUp(self):
        super().setUp()
        # Wrong codes are counted by address, and all cases have one address.
        wrong_codes.clear()

    def _code(self, user=None):
        """Make a pairing code for `user`, as the button does once the password was confirmed."""
        pairing = self.env["l10n_vn_ibhxh.agent.pairing"].with_user(user or self.user)
        action = L10n_Vn_IbhxhAgentPairing.action_new_code.__wrapped__(pairing)
        return action["context"]["default_code"]

    def _call(self, path, body=None, key=None, agent=None, raw=None, **headers):
        headers["Content-Type"] = "application/json"
        if key is not None:
            headers["Authorization"] = f"Bearer {key}"
        if agent is not None:
            headers["X-Ibhxh-Agent"] = agent
        self.env.flush_all()
        data = raw if raw is not None else json.dumps(body or {}).encode()
        response = self.url_open(f"{PREFIX}/{path}", data=data, headers=headers)
        self.env.invalidate_all()
        return response
