from datetime import timedelta

from odoo import fields, models
from odoo.fields import Domain

from . import jobs


class L10n_Vn_IbhxhRegistrationJobs(models.Model):
    """Sending and following as jobs, where there is a job queue; everywhere else nothing changes."""

    _inherit = "l10n_vn_ibhxh.registration"

    def _delay_sending(self):
        """Have each of these sent by a job; return those that the caller has to send itself."""
        if not (self and jobs.are_used(self.env)):
            return self
        delayed = jobs.delay(self, "_job_send", also_begun=True)
        if delayed:
            again_at = fields.Datetime.now() + timedelta(minutes=jobs.PATIENCE_MINUTES)
            self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")._trigger(at=again_at)
        return self - delayed

    def _job_send(self):
        """Send a BHXH registration"""
        # A cursor of its own: that of the job, on which queue_job forbids commits, holds the lock which says that the
        # job is alive.
        with self.env.registry.cursor() as cr:
            registration = self.with_env(self.env(cr=cr)).exists()
            if registration:
                registration._try_to_send()
            return registration.state

    def _delay_polling(self, domain):
        """Have the gateways asked about registrations in `domain` by jobs; return the domain of what is left.

        One job for each I-VAN, so that a gateway that does not answer keeps only its own registrations waiting.
        """
        if not jobs.are_used(self.env):
            return domain
        rows = self._read_group(domain, ["provider_id"])
        providers = self.env["l10n_vn_ibhxh.provider"].union(*(provider for (provider,) in rows))
        # Only these: what becomes due from now on waits for its own job.
        left = providers - jobs.delay(providers, "_job_poll", also_begun=False)
        return domain & Domain("provider_id", "in", left.ids)
