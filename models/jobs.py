"""Work handed to the OCA's `queue_job`, where that addon is installed. This addon does not depend on it.

The scheduled actions stay the clock that knows what is due. They make jobs of it, which do what the scheduled actions
would do, with the same locks and commits: a job that runs twice, or dies and is run again, sends nothing twice, and
what its failure leaves undone is due again by itself.
"""

from datetime import timedelta

from odoo import fields

# A job that nobody has begun after so many minutes is not waited for: its runner may be off, or busy with other things.
PATIENCE_MINUTES = 15
WAITING = ("wait_dependencies", "pending", "enqueued")


def are_used(env):
    """Return whether this database has a job queue."""
    return "queue.job" in env


def delay(records, method, *, also_begun, seconds=0):
    """Make a job `method()` of each record that has none which waits; return those that have one now.

    :param also_begun: a job that was begun counts too, so that there is no second one until it is done
    :param seconds: how long the job has to wait at least
    :return: the records without those whose job nobody begins
    """
    env = records.env
    keys = {record: f"{record._name}.{method}.{record.id}" for record in records}
    states = (*WAITING, "started") if also_begun else WAITING
    begin = {
        job.identity_key: job.date_created
        for job in env["queue.job"].sudo().search([("identity_key", "in", [*keys.values()]), ("state", "in", states)])
    }
    too_old = fields.Datetime.now() - timedelta(minutes=PATIENCE_MINUTES)
    for record, key in keys.items():
        if key not in begin:
            getattr(record.with_delay(identity_key=key, eta=seconds or None), method)()
    return records.filtered(lambda record: begin.get(keys[record], too_old) >= too_old)
