"""A company without a token registers by phone: each dialect, and each fault of a service. (kills/ kills Odoo.)"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integration.phone_case import DIALECTS, PhoneCase
from integration.waiting import until

Make = Callable[..., PhoneCase]
ASKED = ("vnpt", "csc2")
"""Dialects that answer at once and are asked."""


@pytest.mark.parametrize("dialect", DIALECTS)
def test_registered_by_phone(phone: Make, dialect: str) -> None:
    """The app shows the code that Odoo shows; after the confirmation everything goes on by itself."""
    case = phone(dialect)
    case.to_phone()
    shown = case.await_phone()
    code = case.request()["short_code"]
    assert code in shown["description"]
    if dialect != "csc1" and dialect != "csc2":
        assert shown["documents"] == [f"BHXH-{code.replace(' ', '')}"]
    case.decide()
    case.check_signed_once()


@pytest.mark.parametrize("dialect", ["vnpt", "csc1", "csc2"])
def test_refused_on_the_phone(phone: Make, dialect: str) -> None:
    case = phone(dialect)
    case.to_phone()
    case.decide("refused")
    case.check_failed("refused")
    case.check_again()


def test_nobody_confirms(phone: Make) -> None:
    case = phone()
    case.to_phone()
    case.await_request("waiting")
    case.stack.control.move_clock(301)
    case.pass_time(301)
    case.check_failed("expired")


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("credentials_refused", "service_settings"),
        ("quota", "quota"),
        ("suspended", "certificate_suspended"),
        ("repeats_secret", "service_failed"),
    ],
)
def test_refused_by_the_service(phone: Make, fault: str, code: str) -> None:
    """Nothing is on the phone, and the next try may succeed."""
    case = phone()
    case.stack.control.fault(endpoint="remote", kind=fault)
    case.to_phone()
    case.check_failed(code)
    assert case.stack.control.count_started(case.number) == 0
    case.check_again()


@pytest.mark.parametrize("kind", ["wrong_key", "exchanged_certificate", "hashed_twice", "pkcs7", "short_value"])
def test_a_false_signature_is_refused(phone: Make, kind: str) -> None:
    case = phone()
    case.to_phone()
    case.stack.control.fault(endpoint="remote", kind=kind)
    case.decide()
    case.check_failed("invalid_signature")
    if kind != "exchanged_certificate":
        case.check_again()


@pytest.mark.parametrize("kind", ["no_base64", "wrong_doc_id", "repeated_doc_id"])
def test_no_signature_of_this_dossier(phone: Make, kind: str) -> None:
    case = phone()
    case.to_phone()
    case.stack.control.fault(endpoint="remote", kind=kind)
    case.decide()
    case.check_failed("service_failed")
    case.check_again()


@pytest.mark.parametrize("kind", ["close", "html", "garbage", "truncated"])
def test_the_answer_to_the_start_is_lost(phone: Make, kind: str) -> None:
    """The request is on the phone: Odoo asks about it and never puts a second one there."""
    case = phone()
    case.stack.control.fault(endpoint="remote_start", when="after", kind=kind)
    case.to_phone()
    case.await_request("unknown")
    case.decide()
    case.check_signed_once()


@pytest.mark.parametrize("dialect", ASKED)
@pytest.mark.parametrize("kind", ["close", "html", "redirect", "status"])
def test_a_question_that_fails_loses_nothing(phone: Make, dialect: str, kind: str) -> None:
    case = phone(dialect)
    case.to_phone()
    case.await_request("waiting")
    case.stack.control.fault(endpoint="remote_poll", kind=kind)
    until("the fault to strike", case.ticking(lambda: case.stack.control.is_fine()))
    case.decide()
    case.check_signed_once()


def test_cancelled_and_confirmed_all_the_same(phone: Make) -> None:
    """What cannot be taken off the phone is discarded when it is confirmed there, and that is noted."""
    case = phone()
    case.to_phone()
    case.await_request("waiting")
    case.press("action_withdraw")
    case.decide()

    def noted() -> bool:
        case.pass_time(30)
        query = "SELECT 1 FROM mail_message WHERE model = %s AND res_id = %s AND body LIKE %s"
        values = ["l10n_vn_ibhxh.registration", case.row()["id"], "%discarded%"]
        return bool(case.stack.sql(query, values))

    until("a note of the late signature", noted, pause=1)
    assert case.state == "draft" and not case.row()["signed_document"] and not case.dossiers()


def test_odoo_is_killed_while_a_call_waits_for_the_person(phone: Make) -> None:
    """Version 1 cannot be asked: the request ends without a signature, and a new one is signed."""
    case = phone("csc1")
    case.to_phone()
    case.await_phone()
    case.stack.odoo.kill()
    case.decide()
    case.stack.start_odoo()
    case.pass_time(600)
    row = case.await_state("draft")
    assert row["error_code"] and row["error_message"]
    assert case.stack.control.count_signed(case.number) == 0
    case.check_again()
