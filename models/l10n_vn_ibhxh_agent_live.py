from datetime import timedelta

from odoo import api, fields, models

from .const import ONLINE_SECONDS


class L10n_Vn_IbhxhAgentLive(models.Model):
    """What the wizard and the registration show of computers and tokens while one looks at them."""

    _inherit = "l10n_vn_ibhxh.agent"

    @api.model
    def _pair(self, code, name, os, version):
        """Show a computer in the open wizard as soon as it is paired, before it says what is plugged in."""
        paired = super()._pair(code, name, os, version)
        if paired:
            paired[0]._notify_people()
        return paired

    def action_revoke(self):
        """Take the computer out of the pages that show it, too."""
        result = super().action_revoke()
        self._notify_people()
        return result

    @api.model
    @api.readonly
    def get_live(self, company_id):
        """Return the computers that matter to the user for `company_id`, and in how many seconds to look again.

        One's own computers with all that is plugged in, and colleagues' that ever had a certificate of the company:
        whether a colleague's computer is on is no secret, what else is plugged into it is none of our business.
        Raises `AccessError` when the user may not access the company. Times in the answer are UTC.
        """
        self.check_access("read")
        company = self.env["res.company"].browse(company_id)
        company.check_access("read")
        agents = self.sudo().search(
            [
                ("revoked", "=", False),
                "|",
                ("user_id", "=", self.env.uid),
                ("certificate_ids.company_ids", "in", company.ids),
            ]
        )
        agents = agents.sorted(lambda agent: (not agent.is_online, agent.user_id != self.env.user, agent.name))
        asking = self._asking(agents)
        return {
            "computers": [agent._describe_live(company, asking) for agent in agents],
            "look_again": agents._seconds_until_silent(),
        }

    @api.model
    def _asking(self, agents):
        """Return those of `agents` that hold a request now, which is when they ask for a PIN."""
        return {
            agent
            for (agent,) in self.env["l10n_vn_ibhxh.signing.request"]
            .sudo()
            ._read_group([("agent_id", "in", agents.ids), ("state", "=", "claimed")], ["agent_id"])
        }

    def _describe_live(self, company, asking):
        self.ensure_one()
        now = fields.Datetime.now()
        certificates = self.present_certificate_ids
        if self.user_id != self.env.user:
            certificates = certificates.filtered(lambda certificate: company in certificate.company_ids)
        return {
            "id": self.id,
            "name": self.name,
            "user": self.user_id.name,
            "online": self.is_online,
            "asking": self.is_online and self in asking,
            "last_seen_at": fields.Datetime.to_string(self.last_seen_at) if self.last_seen_at else False,
            "certificates": [
                {
                    "id": certificate.id,
                    "name": certificate.name,
                    "issuer": certificate.issuer_name,
                    "tax_code": certificate.tax_code,
                    "not_after": fields.Datetime.to_string(certificate.not_after),
                    "expired": certificate.not_after < now,
                    "usable": company in certificate.company_ids
                    and certificate.not_before <= now <= certificate.not_after,
                }
                for certificate in certificates
            ],
        }

    def _seconds_until_silent(self):
        """Return in how many seconds the first of these computers counts as silent, or False when none is on."""
        limit = fields.Datetime.now() - timedelta(seconds=ONLINE_SECONDS)
        waits = [(agent.last_seen_at - limit).total_seconds() for agent in self if agent.is_online]
        return int(min(waits)) + 1 if waits else False
