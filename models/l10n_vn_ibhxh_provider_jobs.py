from odoo import fields, models
from odoo.fields import Domain

from . import jobs

# Seconds for which one job asks a gateway: a worker of Odoo is killed after limit_time_real, 120 by default.
SECONDS = 45
# Seconds until a job that found another one at work looks again.
AGAIN_SECONDS = 10


class L10n_Vn_IbhxhProviderJobs(models.Model):
    """Asking an I-VAN's gateway as a job, where there is a job queue."""

    _inherit = "l10n_vn_ibhxh.provider"

    def _job_poll(self):
        """Ask an I-VAN about BHXH registrations"""
        # The job's own transaction lasts as long as the job, so its lock says that this I-VAN is being asked.
        self.env.cr.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s), %s)", [f"{self._name}._job_poll", self.id])
        [is_alone] = self.env.cr.fetchone()
        is_all = is_alone and self._follow_registrations()
        if not is_all:
            jobs.delay(self, "_job_poll", also_begun=False, seconds=AGAIN_SECONDS)
        return "done" if is_all else "goes on in another job"

    def _follow_registrations(self):
        """Ask about what is due and expire codes whose time is over; return whether the time sufficed."""
        with self.env.registry.cursor() as cr:
            registrations = self.with_env(self.env(cr=cr)).env["l10n_vn_ibhxh.registration"]
            now = fields.Datetime.now()
            own = Domain("provider_id", "=", self.id)
            is_all = registrations._poll_batches(registrations._to_poll_domain(now) & own, SECONDS)
            registrations._expire_due(now)
            return is_all
