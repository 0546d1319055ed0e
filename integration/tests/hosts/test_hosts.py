"""Two hosts on one database: each dossier goes out once, and one host goes on when the other dies."""

from __future__ import annotations

import threading

from dev.odoo import ADMIN_LOGIN
from integration.case import MODEL, Case
from integration.odoo_web import Person
from integration.phone_case import PhoneCase, make_service
from integration.stack import Stack
from integration.waiting import until

MANY = 6
DELAY = 3
"""Seconds for each answer of the gateway: together, longer than a worker of the second host needs to begin."""
LONG = 25
"""Seconds for which the gateway holds its answer back: longer than the murder takes."""


def test_both_hosts_send_the_same_registrations_at_once(stack: Stack) -> None:
    """Past the scheduler, which would let only one of them: the one that finds a row taken goes on with the next."""
    admin = stack.person(ADMIN_LOGIN)
    model = admin.find("ir.model", ["model", "=", MODEL])
    code = "for record in records:\n    record.sudo()._try_to_send()"
    action = admin.create("ir.actions.server", name="Send", model_id=model, state="code", code=code)
    hosts = (admin, stack.person(ADMIN_LOGIN, stack.urls[1]))
    with stack.switched_off("send"):
        cases = [Case(stack) for _number in range(MANY)]
        for case in cases:
            case.signed()
        stack.control.fault(endpoint="submit", kind="delay", seconds=DELAY, count=MANY)
        context = {"active_model": MODEL, "active_ids": [case.registration for case in cases]}
        runs = [threading.Thread(target=run, args=(host, action, context)) for host in hosts]
        for thread in runs:
            thread.start()
        until("both hosts at it", lambda: len(stack.senders()) == len(hosts))
        for thread in runs:
            thread.join()
        assert {case.state for case in cases}.isdisjoint({"to_send"})
    for case in cases:
        case.check_accepted()
        case.retire()


def test_both_hosts_put_the_same_requests_on_phones_at_once(stack: Stack) -> None:
    """Past the scheduler again: each request is started by one of them, and both ask and take what was signed."""
    admin = stack.person(ADMIN_LOGIN)
    model = admin.find("ir.model", ["model", "=", "l10n_vn_ibhxh.signing.request"])
    action = admin.create("ir.actions.server", name="Phones", model_id=model, state="code", code="model._cron_remote()")
    hosts = (admin, stack.person(ADMIN_LOGIN, stack.urls[1]))
    service = make_service(stack, "vnpt")
    with stack.switched_off("remote"):
        cases = [PhoneCase(stack, service) for _number in range(MANY)]
        for case in cases:
            case.to_phone()
        stack.control.fault(endpoint="remote_start", kind="delay", seconds=DELAY, count=MANY)
        at_once(hosts, action, {})
        for case in cases:
            assert stack.control.count_started(case.number) == 1
            case.decide()
        at_once(hosts, action, {})
    for case in cases:
        case.check_signed_once()
        case.retire()


def test_both_hosts_ask_the_same_i_van_at_once(stack: Stack) -> None:
    """Past the scheduler again: the second one leaves the I-VAN to the first, and nobody is asked about twice."""
    admin = stack.person(ADMIN_LOGIN)
    model = admin.find("ir.model", ["model", "=", MODEL])
    code = "model.sudo()._cron_follow()"
    action = admin.create("ir.actions.server", name="Follow", model_id=model, state="code", code=code)
    cases = [Case(stack) for _number in range(MANY)]
    for case in cases:
        case.signed()
        case.check_accepted()
    with stack.switched_off("follow"):
        stack.sql(
            "UPDATE l10n_vn_ibhxh_registration SET poll_at = submitted_at WHERE id = ANY(%s)",
            [[case.registration for case in cases]],
        )
        stack.control.fault(endpoint="progress_of_many", kind="delay", seconds=DELAY, count=2)
        at_once((admin, stack.person(ADMIN_LOGIN, stack.urls[1])), action, {})
        (left,) = stack.control.faults()
        assert left["count"] == 1
        stack.control.clear_faults()
    for case in cases:
        assert case.row()["poll_at"] > case.row()["submitted_at"]
        case.retire()


def at_once(hosts: tuple[Person, ...], action: int, context: dict[str, object]) -> None:
    """Run a server action at all hosts side by side."""
    runs = [threading.Thread(target=run, args=(host, action, context)) for host in hosts]
    for thread in runs:
        thread.start()
    for thread in runs:
        thread.join()


def run(host: Person, action: int, context: dict[str, object]) -> None:
    """Run a server action at this host."""
    host.call("ir.actions.server", "run", [action], context=context)


def test_the_host_that_sends_is_killed(case: Case, stack: Stack) -> None:
    stack.control.fault(endpoint="submit", when="after", kind="timeout", seconds=LONG)
    case.signed()
    case.await_accepted()
    (sender,) = stack.senders()
    sender.kill()
    assert case.state == "to_send" and case.row()["attempted_at"]
    stack.control.clear_faults()
    case.check_accepted()
    assert not sender.running, "the other host did it"
