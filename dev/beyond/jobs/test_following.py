"""Gateways are asked by jobs, one for each I-VAN."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from dev.beyond.jobs_world import JobsWorld, polling, steps
from dev.faults.case import Case
from dev.faults.world import VSS_DOMAIN, until

pytestmark = pytest.mark.usefixtures("runner")
SENDERS = "l10n_vn_ibhxh.mail_sender_domains"


@pytest.fixture
def deaf(world: JobsWorld) -> Iterator[None]:
    """No mail of VSS is believed meanwhile: what Odoo learns it learns by asking."""
    admin = world.person("admin")
    admin.call("ir.config_parameter", "set_param", SENDERS, "nobody.example")
    yield
    admin.call("ir.config_parameter", "set_param", SENDERS, VSS_DOMAIN)


@pytest.mark.usefixtures("deaf")
def test_a_job_learns_that_vss_confirmed(case: Case, world: JobsWorld) -> None:
    case.signed()
    case.check_accepted()
    until("the first steps", lambda: steps(case))
    world.await_job(polling(world.provider), "done")
    (dossier,) = case.dossiers()
    world.control.activate(dossier["token"], dossier["code"])
    ask(case)
    case.await_state("confirmed")
    assert world.await_job(polling(world.provider), "done")["result"] == "done"


def ask(case: Case) -> None:
    """It is time to ask about this registration."""
    case.world.sql(
        "UPDATE l10n_vn_ibhxh_registration SET poll_at = now() AT TIME ZONE 'utc' WHERE id = %s", [case.row()["id"]]
    )
    case.world.trigger("follow")


@pytest.mark.usefixtures("deaf")
def test_a_gateway_that_does_not_answer_keeps_only_its_own_waiting(case: Case, world: JobsWorld) -> None:
    """Two I-VANs; the one that hangs is asked first."""
    case.signed()
    case.check_accepted()
    other = Case(world)
    admin = world.person("admin")
    provider = world.make_provider(world.sandbox_url, gateway="http", company_id=other.company)
    admin.call("res.company", "write", [other.company], {"l10n_vn_ibhxh_provider_id": provider})
    other.signed()
    other.check_accepted()
    until("the first steps of both", lambda: steps(case) and steps(other))
    (dossier,) = other.dossiers()
    world.control.activate(dossier["token"], dossier["code"])
    world.control.fault(endpoint="progress", kind="timeout", seconds=5)
    ask(case)
    hanging = world.await_job(polling(world.provider), "started")
    ask(other)
    other.await_state("confirmed")
    assert state(world, hanging) == "started"
    other.retire()
    until("its end", lambda: state(world, hanging) == "done")
    world.hurry(polling(world.provider))


def state(world: JobsWorld, job: dict[str, Any]) -> str:
    """How far a job is now."""
    return str(next(row["state"] for row in world.jobs(job["identity_key"]) if row["id"] == job["id"]))


@pytest.mark.usefixtures("deaf")
def test_an_i_van_is_asked_by_one_job_at_a_time(case: Case, world: JobsWorld) -> None:
    """A second one, for what became due meanwhile, waits for the first."""
    case.signed()
    case.check_accepted()
    until("the first steps", lambda: steps(case))
    world.control.fault(endpoint="progress", kind="delay", seconds=5)
    ask(case)
    first = world.await_job(polling(world.provider), "started")
    world.trigger("follow")
    second = until("a second job", lambda: newer(world, first["id"]))
    third = world.await_job(polling(world.provider), "pending")
    assert (second["result"], third["id"] > second["id"]) == ("goes on in another job", True)
    until("the first job's end", lambda: state(world, first) == "done")
    world.hurry(polling(world.provider))
    assert world.await_job(polling(world.provider), "done")["uuid"] == third["uuid"]


def newer(world: JobsWorld, than: int) -> dict[str, Any] | None:
    """A later job for the same I-VAN that is done."""
    rows = [job for job in world.jobs(polling(world.provider)) if job["id"] > than and job["state"] == "done"]
    return rows[0] if rows else None
