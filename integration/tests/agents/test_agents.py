"""The real agent with real tokens (SoftHSM2) is killed at each step; two agents race; tokens and leases go away."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integration.agent_computer import AgentComputer
from integration.case import Case
from integration.locks import await_blocked, locked_cron, locked_table
from integration.softhsm import Token, TokenFolder
from integration.stack import Stack
from integration.waiting import until


@pytest.fixture(scope="session")
def token(stack: Stack) -> Token:
    """The one token of the session; each case puts its company's certificate on it."""
    return TokenFolder(stack.folder / "token").create("CA")


@pytest.fixture(scope="session")
def computers(stack: Stack) -> Iterator[list[AgentComputer]]:
    """Two paired computers, both with the token."""
    yield [stack.agent(number) for number in (1, 2)]


@pytest.fixture
def agent(case: Case, token: Token, computers: list[AgentComputer]) -> Iterator[AgentComputer]:
    """The first computer, running, with the case's certificate on its token."""
    certificate(case, token)
    yield computers[0]
    for computer in computers:
        computer.pull_out()
    token.remove_certificates()


def certificate(case: Case, token: Token) -> None:
    """Put a certificate of the case's company on the token."""
    case.certificate = token.add_certificate(tax_code=case.tax_code, name=case.company_name)


def plug_in(case: Case, token: Token, *agents: AgentComputer) -> None:
    """Start these computers and wait until Odoo has heard of the certificate."""
    for one in agents:
        one.plug_in(token.slots)
    until(
        "the certificate in Odoo",
        lambda: case.stack.sql(
            "SELECT 1 FROM l10n_vn_ibhxh_certificate c JOIN l10n_vn_ibhxh_agent_present_certificate_rel r "
            "ON r.certificate_id = c.id WHERE c.tax_code = %s HAVING count(*) >= %s",
            [case.tax_code, len(agents)],
        ),
    )


def requests_of(case: Case) -> list[dict[str, Any]]:
    """The signing requests of the company."""
    return case.stack.sql(
        "SELECT id, state, agent_id, error_code FROM l10n_vn_ibhxh_signing_request WHERE company_id = %s ORDER BY id",
        [case.company],
    )


def check_signed_once(case: Case) -> None:
    """One request, signed, and its bytes are the ones that went out."""
    assert [request["state"] for request in requests_of(case)] == ["signed"]
    case.check_accepted()


def test_the_agent_does_not_run_and_is_started_later(case: Case, agent: AgentComputer, token: Token) -> None:
    plug_in(case, token, agent)
    agent.kill()
    case.register()
    assert case.state == "to_sign"
    agent.plug_in(token.slots)
    case.await_state("sent", "to_activate")
    check_signed_once(case)


def test_the_agent_is_killed_while_its_claim_is_answered(case: Case, agent: AgentComputer, token: Token) -> None:
    """Odoo has leased the request to a computer that never heard of it: it asks again after its start."""
    plug_in(case, token, agent)
    case.register()
    with locked_table(case.stack, "l10n_vn_ibhxh_signing_request"):
        await_blocked(case.stack)
        agent.kill()
    agent.plug_in(token.slots)
    case.await_state("sent", "to_activate")
    check_signed_once(case)


def test_the_agent_is_killed_while_its_signature_is_taken(case: Case, agent: AgentComputer, token: Token) -> None:
    """Odoo goes on without it; when it starts again there is nothing left to sign."""
    plug_in(case, token, agent)
    with locked_cron(case.stack, "send"):
        case.register()
        await_blocked(case.stack)
        agent.kill()
    case.await_state("to_send", "sent", "to_activate")
    agent.plug_in(token.slots)
    check_signed_once(case)


def test_agent_and_odoo_are_killed_while_the_signature_is_taken(case: Case, agent: AgentComputer, token: Token) -> None:
    """A power cut: the signature is gone on both sides, the lease is not. It is made again and sent once."""
    plug_in(case, token, agent)
    with locked_cron(case.stack, "send"):
        case.register()
        await_blocked(case.stack)
        agent.kill()
        case.stack.odoo.kill()
    assert [request["state"] for request in requests_of(case)] == ["claimed"]
    case.stack.start_odoo()
    agent.plug_in(token.slots)
    case.await_state("sent", "to_activate")
    check_signed_once(case)


def test_odoo_is_killed_while_the_agent_delivers(case: Case, agent: AgentComputer, token: Token) -> None:
    """The agent keeps its signature and delivers it when Odoo is back."""
    plug_in(case, token, agent)
    with locked_cron(case.stack, "send"):
        case.register()
        await_blocked(case.stack)
        case.stack.odoo.kill()
    case.stack.start_odoo()
    case.await_state("sent", "to_activate")
    check_signed_once(case)


def test_two_agents_have_the_same_token(
    case: Case, agent: AgentComputer, token: Token, computers: list[AgentComputer]
) -> None:
    plug_in(case, token, *computers)
    case.register()
    case.await_state("sent", "to_activate")
    check_signed_once(case)


def test_the_lease_lapses_while_the_pin_window_is_open_and_another_computer_signs(
    case: Case, agent: AgentComputer, token: Token
) -> None:
    plug_in(case, token, agent)
    agent.kill()
    case.plug_in()
    case.register()
    (claimed,) = case.stack.fake_agent.claim(case.certificate)
    lapse(case)
    agent.plug_in(token.slots)
    case.await_state("sent", "to_activate")
    late = case.stack.fake_agent.call(f"requests/{claimed['id']}/signed", {"document": claimed["document"]})
    assert late.status_code == 409
    check_signed_once(case)


def lapse(case: Case) -> None:
    """Two minutes pass for the lease."""
    case.stack.sql(
        "UPDATE l10n_vn_ibhxh_signing_request SET lease_until = lease_until - interval '3 minutes' "
        "WHERE company_id = %s",
        [case.company],
    )


def test_the_lease_lapses_while_the_pin_window_is_open_and_nobody_else_comes(case: Case) -> None:
    """A late PIN is as good as one in time."""
    case.to_sign()
    (claimed,) = case.stack.fake_agent.claim(case.certificate)
    lapse(case)
    case.signed_bytes = case.stack.fake_agent.sign(claimed["document"], case.certificate)
    assert case.stack.fake_agent.deliver(claimed["id"], case.signed_bytes).status_code == 200
    check_signed_once(case)


def test_the_token_is_pulled_out_before_it_could_sign(case: Case, agent: AgentComputer, token: Token) -> None:
    """The registration waits and says for what; plugging in is all it takes."""
    plug_in(case, token, agent)
    agent.pull_out()
    token.remove_certificates()
    agent.plug_in(token.slots)
    until(
        "the empty token",
        lambda: (
            not case.stack.sql(
                "SELECT 1 FROM l10n_vn_ibhxh_certificate c JOIN l10n_vn_ibhxh_agent_present_certificate_rel r "
                "ON r.certificate_id = c.id WHERE c.tax_code = %s",
                [case.tax_code],
            )
        ),
    )
    case.register()
    hint = case.stack.person("ketoan").read("l10n_vn_ibhxh.registration", case.registration, "signing_hint")
    assert case.state == "to_sign" and hint["signing_hint"]
    agent.pull_out()
    assert not case.dossiers()
    # The same company's certificate again: on another key, as of a token that was replaced.
    case.press("action_withdraw")
    case.press("action_cancel")
    certificate(case, token)
    plug_in(case, token, agent)
    case.register()
    case.await_state("sent", "to_activate")
    case.check_accepted()


def test_the_token_is_pulled_out_while_it_is_asked(case: Case) -> None:
    """The computer says so; nothing is lost, signing again is one click."""
    case.to_sign()
    (claimed,) = case.stack.fake_agent.claim(case.certificate)
    answer = case.stack.fake_agent.call(
        f"requests/{claimed['id']}/failed", {"code": "token_removed", "message": "removed"}
    )
    assert answer.json() == {"state": "failed"}
    row = case.row()
    assert row["state"] == "draft" and row["error_code"] == "token_removed" and row["error_message"]
    case.press("action_request_signature")
    case.sign()
    case.check_accepted()
