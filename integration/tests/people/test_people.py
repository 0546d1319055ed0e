"""Two people, two processes, two computers at the same thing; a full disk and wrong clocks in between."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import requests

from dev import odoo
from integration.case import Case
from integration.locks import locked_row
from integration.odoo_web import OdooError
from integration.stack import CLERK, COLLEAGUE
from integration.waiting import PATIENCE, until

SLOW = {"endpoint": "submit", "when": "after", "kind": "slow"}
"""The gateway takes the dossier and dictates its answer letter by letter: Odoo hears all of it, after seconds."""


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Do all of these at the same time; returns what each returned or raised."""
    start = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(index: int, work: Callable[[], Any]) -> None:
        start.wait()
        try:
            results[index] = work()
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index, work)) for index, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_two_people_register_the_same_company_at_once(case: Case) -> None:
    case.plug_in()
    for login in (CLERK, COLLEAGUE):
        case.stack.person(login)
    answers = at_once(lambda: case.register(CLERK), lambda: case.register(COLLEAGUE))
    assert any(isinstance(answer, int) for answer in answers), answers
    for answer in answers:
        assert isinstance(answer, int | OdooError), answer
    assert len({answer for answer in answers if isinstance(answer, int)}) == 1, "both see the same registration"
    case.registration = case.row()["id"]
    case.sign()
    case.check_accepted()


def test_two_processes_send_the_same_registration(case: Case) -> None:
    """As two servers would whose schedulers both believe that it is their turn."""
    script = f"env['l10n_vn_ibhxh.registration'].search([('company_id', '=', {case.company})])._send()\n"
    with (case.stack.folder / "shell.log").open("ab") as log:
        second = subprocess.Popen(
            case.stack.shell_command(), stdin=subprocess.PIPE, stdout=log, stderr=log, env=odoo.environment(), text=True
        )
        case.stack.control.fault(**SLOW, seconds=0.1)
        case.signed()
        case.await_accepted()
        second.communicate(script, timeout=PATIENCE)
    assert second.returncode == 0
    case.check_accepted()


def test_send_now_is_pressed_again_and_again_while_the_gateway_works(case: Case) -> None:
    case.stack.control.fault(**SLOW, seconds=0.02)
    case.signed()
    case.await_accepted()
    answers = at_once(*[lambda: case.press("action_send")] * 4)
    assert all(answer is True or isinstance(answer, OdooError) for answer in answers), answers
    case.check_accepted()


def test_it_is_cancelled_while_the_gateway_works(case: Case) -> None:
    case.stack.control.fault(**SLOW, seconds=0.02)
    case.signed()
    case.await_accepted()
    with pytest.raises(OdooError):
        case.press("action_cancel")
    case.check_accepted()


def test_somebody_is_at_the_record_when_its_turn_to_be_sent_comes(case: Case) -> None:
    """It is left alone, and its turn comes again within the minute."""
    case.stack.control.fault(endpoint="submit", kind="outage", seconds=1)
    case.signed()
    row = case.await_message()
    case.stack.sql("UPDATE l10n_vn_ibhxh_registration SET retry_at = NULL WHERE id = %s", [row["id"]])
    with locked_row(case.stack, "l10n_vn_ibhxh_registration", row["id"]):
        case.stack.sql("DELETE FROM ir_cron_trigger")
        send = case.stack.person("admin").reference("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_send")
        case.stack.sql("INSERT INTO ir_cron_trigger (cron_id, call_at) VALUES (%s, now() at time zone 'utc')", [send])
        case.stack.wake()
        soon = (
            "SELECT 1 FROM ir_cron_trigger WHERE cron_id = %s AND call_at - now() at time zone 'utc' BETWEEN %s AND %s"
        )
        limits = [timedelta(seconds=20), timedelta(minutes=2)]
        until("another turn within two minutes", lambda: case.stack.sql(soon, [send, *limits]))
    case.send_now()
    case.check_accepted()


def test_somebody_is_at_the_record_when_a_person_asks_the_gateway(case: Case) -> None:
    """The press waits for its turn instead of doing nothing: no other look at the gateway is due."""
    case.stack.control.fault(endpoint="mail", kind="drop", letter="confirmation")
    case.signed()
    row = case.await_state("to_activate")
    (dossier,) = case.dossiers()
    case.stack.control.activate(dossier["token"], dossier["code"])
    case.stack.sql(
        "UPDATE l10n_vn_ibhxh_registration SET poll_at = now() + interval '1 day' WHERE id = %s", [row["id"]]
    )
    with locked_row(case.stack, "l10n_vn_ibhxh_registration", row["id"]):
        pressing = threading.Thread(target=case.press, args=["action_refresh"])
        pressing.start()
        pressing.join(1)
        assert pressing.is_alive() and case.state == "to_activate"
    pressing.join(PATIENCE)
    assert case.state == "confirmed"
    case.check_accepted()


def test_the_company_is_edited_while_the_receipt_is_stored(case: Case) -> None:
    """A serialisation conflict: the transaction is begun again, the receipt is not asked for again."""
    case.stack.control.fault(**SLOW, seconds=0.03)
    case.signed()
    case.await_accepted()
    admin = case.stack.person("admin")
    for number in range(20):
        admin.call("res.company", "write", [case.company], {"street": f"Số {number} phố Thử Nghiệm"})
        if case.row()["submitted_at"]:
            break
    case.check_accepted()


def test_the_disk_is_full(case: Case) -> None:
    """No file can be written: the registration needs none. What was to be printed is printed later."""
    admin = case.stack.person("admin")
    printing = admin.reference("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_print")
    # What the other cases have left unprinted is not to be waited for.
    case.stack.sql("UPDATE l10n_vn_ibhxh_registration SET print_attempts = 99")
    case.stack.sql("UPDATE ir_cron SET active = true WHERE id = %s", [printing])
    try:
        case.to_sign()
        with case.stack.odoo.no_space():
            case.sign()
            case.check_accepted()
            until("a try to print", case.ticking(lambda: case.row()["print_attempts"]))
            assert not case.row()["printed_form"]
        case.stack.sql(
            "INSERT INTO ir_cron_trigger (cron_id, call_at) VALUES (%s, now() at time zone 'utc')", [printing]
        )
        until("the printed form", case.ticking(lambda: case.row()["printed_form"]))
    finally:
        case.stack.sql("UPDATE ir_cron SET active = false WHERE id = %s", [printing])
    case.check_accepted()


@pytest.mark.parametrize("hours", [5, -5])
def test_the_gateways_clock_is_hours_off(case: Case, hours: int) -> None:
    case.stack.control.move_clock(hours * 3600)
    case.signed()
    row = case.await_state("to_activate")
    left = row["activation_expires_at"] - datetime.utcnow()
    assert timedelta(hours=18) < left < timedelta(hours=24, minutes=1), f"never more than the 24 hours, but {left}"
    case.check_accepted()


def test_a_pairing_code_is_raced(case: Case) -> None:
    """Two computers have the same code at the same moment: one gets in."""
    code = case.stack.pairing_code()
    url = f"{case.stack.url}/l10n_vn_ibhxh/agent/v1/pair"
    body = {"code": code, "name": "PC", "os": "Linux", "version": "1.0.0"}
    answers = at_once(*[lambda: requests.post(url, json=body, timeout=60).status_code] * 4)
    assert sorted(answers) == [200, 403, 403, 403]
