"""Remote signing beside the job queue: the same scheduled action asks the service, and a job sends what was signed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from integration.job_queue import JobQueue, sending
from integration.phone_case import PhoneCase, make_service

pytestmark = pytest.mark.usefixtures("runner")


@pytest.fixture
def by_phone(queue: JobQueue) -> Iterator[PhoneCase]:
    """A company without a token."""
    queue.stack.switch_on("remote")
    one = PhoneCase(queue.stack, make_service(queue.stack, "vnpt"))
    yield one
    queue.stack.recover()
    one.retire()


def test_confirmed_on_the_phone_and_sent_by_a_job(by_phone: PhoneCase, queue: JobQueue) -> None:
    by_phone.to_phone()
    by_phone.decide()
    by_phone.check_signed_once()
    job = queue.await_job(sending(by_phone), "done")
    assert len(queue.jobs(sending(by_phone))) == 1 and job["result"]
