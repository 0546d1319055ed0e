from datetime import timedelta

from odoo import fields, models

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
        """Have the I-VANs asked about registrations in `domain` by jobs; return those I-VANs.

        One job for each, so that a gateway that does not answer keeps only its own registrations waiting.
        """
        if not jobs.are_used(self.env):
            return self.env["l10n_vn_ibhxh.provider"]
        providers = self.env["l10n_vn_ibhxh.provider"].browse(
            [provider.id for (provider,) in self._read_group(domain, ["provider_id"])]
        )
        return jobs.delay(providers, "_job_poll", also_begun=False)
