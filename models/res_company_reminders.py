from datetime import timedelta

from odoo import api, fields, models
from odoo.fields import Domain
from odoo.tools import SQL

from . import reminders
from .const import CERTIFICATE_DAYS, NEWER_CERTIFICATE_OFF
from .vietnam_time import day_in_vietnam


class ResCompany(models.Model):
    """Reminders on companies that VSS has as confirmed: the certificate ends, or the token holds a newer one."""

    _inherit = "res.company"

    @api.model
    def _l10n_vn_ibhxh_remind(self):
        """Give every reminder that is due; return whether there was time for all."""
        finished = []
        now = fields.Datetime.now()
        confirmed = Domain("l10n_vn_ibhxh_state", "=", "confirmed")
        for days in reminders.numbers(self.env, CERTIFICATE_DAYS):
            # The nearest first: whoever was reminded of 7 days is not reminded of 30 any more.
            domain = (
                confirmed
                & Domain("l10n_vn_ibhxh_certificate_id.not_after", "<=", now + timedelta(days=days))
                & (Domain("l10n_vn_ibhxh_reminded_days", "=", 0) | Domain("l10n_vn_ibhxh_reminded_days", ">", days))
            )
            finished.append(
                reminders.in_batches(
                    self, domain, lambda companies, days=days: self._l10n_vn_ibhxh_remind_end(companies, days)
                )
            )
        if not reminders.is_set(self.env, NEWER_CERTIFICATE_OFF):
            self._l10n_vn_ibhxh_forget_newer(now)
            newer = self._l10n_vn_ibhxh_find_newer(now)
            finished.append(
                reminders.in_batches(
                    self,
                    confirmed & Domain("id", "in", list(newer)),
                    lambda companies: self._l10n_vn_ibhxh_remind_newer(companies, newer),
                )
            )
        return all(finished)

    @api.model
    def _l10n_vn_ibhxh_schedule(self, companies, texts):
        """Give the responsible person of each company's last confirmed registration an activity there.

        `texts(company)` returns what `reminders.schedule` wants. A company that was confirmed before Odoo knew it gets
        the activity on its contact.
        """
        registrations = self.env["l10n_vn_ibhxh.registration"].sudo()
        last = dict(
            registrations._read_group(
                [("company_id", "in", companies.ids), ("state", "=", "confirmed")], ["company_id"], ["id:max"]
            )
        )
        today = fields.Date.context_today(self)
        inbox_user = self.env["l10n_vn_ibhxh.mail"]._inbox_user()
        rows = []
        for company in companies:
            registration = registrations.browse(last.get(company))
            record = registration or company.partner_id
            rows.append((record, registration.user_id or inbox_user, texts(company), today))
        reminders.schedule(self.env, rows)

    # -- the certificate ends ----------------------------------------------------------------------------------------

    @api.model
    def _l10n_vn_ibhxh_remind_end(self, companies, days):
        companies.write({"l10n_vn_ibhxh_reminded_days": days})
        self._l10n_vn_ibhxh_schedule(companies, lambda company: company._l10n_vn_ibhxh_end_texts)

    def _l10n_vn_ibhxh_end_texts(self, env):
        certificate = self.l10n_vn_ibhxh_certificate_id
        return (
            env._(
                "%(company)s: the certificate at VSS ends on %(date)s",
                company=self.name,
                date=day_in_vietnam(certificate.not_after),
            ),
            env._(
                "Renew it with %(issuer)s in time. As soon as the token holds the new one, send form 05, or VSS "
                "refuses what is signed with it (CE014).",
                issuer=certificate.issuer_name,
            ),
        )

    # -- the token holds a newer one ---------------------------------------------------------------------------------

    @api.model
    def _l10n_vn_ibhxh_find_newer(self, now):
        """Return `{company id: certificate id}` of confirmed companies for which a computer has reported a certificate
        that is valid `now` (UTC) and ends later than the one at VSS, as far as nobody was told of it yet."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT ON (company.id) company.id, newer.id
                  FROM res_company company
                  JOIN l10n_vn_ibhxh_certificate known ON known.id = company.l10n_vn_ibhxh_certificate_id
                  JOIN l10n_vn_ibhxh_certificate_company_rel own ON own.company_id = company.id
                  JOIN l10n_vn_ibhxh_certificate newer ON newer.id = own.certificate_id
                 WHERE company.l10n_vn_ibhxh_state = 'confirmed'
                   AND newer.not_after > known.not_after
                   AND newer.not_before <= %(now)s
                   AND newer.not_after > %(now)s
                   AND EXISTS (
                       SELECT FROM l10n_vn_ibhxh_agent_certificate_rel report
                         JOIN l10n_vn_ibhxh_agent agent ON agent.id = report.agent_id AND agent.revoked IS NOT TRUE
                        WHERE report.certificate_id = newer.id
                       )
                 ORDER BY company.id, newer.not_after DESC, newer.id DESC
                """,
                now=now,
            )
        )
        found = dict(rows)
        told = self.browse(found).filtered(
            lambda company: company.l10n_vn_ibhxh_newer_certificate_id.id == found[company.id]
        )
        return {company_id: found[company_id] for company_id in found.keys() - set(told.ids)}

    @api.model
    def _l10n_vn_ibhxh_remind_newer(self, companies, newer):
        # Another worker may have told of some of them before the rows were locked.
        companies = companies.filtered(
            lambda company: company.l10n_vn_ibhxh_newer_certificate_id.id != newer[company.id]
        )
        by_certificate = companies.grouped(lambda company: newer[company.id])
        for certificate_id, group in by_certificate.items():
            group.write({"l10n_vn_ibhxh_newer_certificate_id": certificate_id})
        self._l10n_vn_ibhxh_schedule(companies, lambda company: company._l10n_vn_ibhxh_newer_texts)

    def _l10n_vn_ibhxh_newer_texts(self, env):
        return (
            env._("%(company)s: the token holds a newer certificate than VSS knows", company=self.name),
            env._(
                "VSS refuses what is signed with it (CE014) until it knows it. Press “Amend with the new certificate”: "
                "form 05 is filled in already, only the PIN is needed."
            ),
        )

    @api.model
    def _l10n_vn_ibhxh_forget_newer(self, now):
        """A newer certificate that has ended itself, or whose company stopped, is no news any more."""
        self.search(
            Domain("l10n_vn_ibhxh_newer_certificate_id", "!=", False)
            & (
                Domain("l10n_vn_ibhxh_newer_certificate_id.not_after", "<", now)
                | Domain("l10n_vn_ibhxh_state", "!=", "confirmed")
            )
        ).write({"l10n_vn_ibhxh_newer_certificate_id": False})
