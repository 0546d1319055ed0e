"""Odoo behind nginx, configured as the administrator's guide says: the real agent, pages, limits, addresses."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest
import requests

from integration.agent_computer import AgentComputer
from integration.bus_page import Page
from integration.case import Case
from integration.softhsm import Token
from integration.stack import CLERK, Stack
from integration.waiting import until

SOON = 20.0
"""Seconds; a small part of the time between two heartbeats, and enough for a busy machine."""
RARELY = "600"
OFTEN = "3"
MOST_GUESSES = 600
THROTTLED = [429] * 60
PAIR = "/l10n_vn_ibhxh/agent/v1/pair"
CLAIM = "POST /l10n_vn_ibhxh/agent/v1/requests/claim"


@pytest.fixture
def computer(case: Case, token: Token) -> Iterator[AgentComputer]:
    """A computer with the case's certificate on its token; not paired."""
    case.certificate = token.add_certificate(tax_code=case.tax_code, name=case.company_name)
    agent = case.stack.new_agent(f"agent-{case.tax_code}")
    yield agent
    agent.pull_out()
    token.remove_certificates()


def plug_in(case: Case, agent: AgentComputer, token: Token, poll_seconds: str) -> None:
    """Start the agent and wait until Odoo has heard of the certificate."""
    agent.plug_in(token.slots, poll_seconds=poll_seconds)
    query = "SELECT 1 FROM l10n_vn_ibhxh_certificate WHERE tax_code = %s"
    until("the certificate in Odoo", lambda: case.stack.sql(query, [case.tax_code]))


def test_the_doorbell_and_the_page_go_through_the_proxy_and_across_hosts(
    case: Case, stack: Stack, computer: AgentComputer, token: Token
) -> None:
    """Agent and page hang on the first host's websocket; the click comes at the second host."""
    asked = len(stack.proxy.requests())
    computer.pair(stack.proxy.url, stack.pairing_code(), "PC")
    plug_in(case, computer, token, RARELY)
    # The line was opened with a visitor's session, and what rang before it was is asked for.
    until("the agent's websocket", lambda: CLAIM in after("GET /web/login", stack.proxy.requests()[asked:]))
    page = Page(stack.person(CLERK, stack.proxy.url), stack.proxy.url, stack.proxy.authority)
    with closing(page), stack.moved(CLERK, stack.urls[1]):
        clicked = time.monotonic()
        case.register()
        case.await_state("to_send", "sent", "to_activate", seconds=SOON)
        assert time.monotonic() - clicked < SOON
        page.await_message("l10n_vn_ibhxh/registration", id=case.registration)
    case.check_accepted()


def after(line: str, lines: list[str]) -> list[str]:
    """The lines after the first of these."""
    return lines[lines.index(line) + 1 :] if line in lines else []


def test_an_agent_polls_where_the_websocket_is_not_passed_on(
    case: Case, stack: Stack, computer: AgentComputer, token: Token
) -> None:
    computer.pair(stack.proxy.silent_url, stack.pairing_code(), "PC")
    plug_in(case, computer, token, OFTEN)
    until("the failed websocket", lambda: "doorbell: " in computer.tail())
    case.register()
    case.check_accepted()


def test_large_bodies(stack: Stack) -> None:
    """What the protocol allows passes the proxy; what it does not is refused with 413, by Odoo or by nginx."""
    session = stack.proxy.session("127.0.0.4")
    for size, status in ((7 * 2**20, 403), (9 * 2**20, 413)):
        answer = session.post(f"{stack.proxy.url}{PAIR}", json={"code": "AAAA-AAAA", "name": "x" * size}, timeout=60)
        assert answer.status_code == status, answer.text[:200]
    assert b" 413 " in announce(stack, 1024 * 2**20)


def announce(stack: Stack, size: int) -> bytes:
    """Say that a body of so many bytes comes; returns the first line of the answer."""
    parts = urlsplit(stack.proxy.url)
    context = ssl.create_default_context(cafile=str(stack.proxy.authority))
    assert parts.hostname and parts.port
    with (
        socket.create_connection((parts.hostname, parts.port), timeout=30) as line,
        context.wrap_socket(line, server_hostname=parts.hostname) as secured,
    ):
        secured.sendall(f"POST {PAIR} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Length: {size}\r\n\r\n".encode())
        return secured.recv(4096).splitlines()[0]


def test_wrong_codes_are_counted_by_the_callers_address(stack: Stack) -> None:
    """Each of the two workers counts for itself, so one who guesses is told so by both after some tries."""
    guesser, other = stack.proxy.session("127.0.0.2"), stack.proxy.session("127.0.0.3")
    answers = [guess(stack, guesser)]
    # How many calls each of the workers gets is theirs to settle.
    while len(answers) < MOST_GUESSES and answers[-len(THROTTLED) :] != THROTTLED:
        answers.append(guess(stack, guesser))
    assert answers[0] == 403 and answers[-len(THROTTLED) :] == THROTTLED
    assert [guess(stack, other) for _time in range(4)] == [403] * 4
    forged = {"X-Forwarded-For": "198.51.100.7", "X-Forwarded-Host": "odoo.congty.vn", "X-Real-IP": "198.51.100.7"}
    assert [guess(stack, guesser, forged) for _time in range(6)] == [429] * 6


def guess(stack: Stack, session: requests.Session, headers: dict[str, str] | None = None) -> int:
    """Try a wrong pairing code; returns the status of the answer."""
    body = {"code": "AAAA-AAAA", "name": "PC"}
    return session.post(f"{stack.proxy.url}{PAIR}", json=body, headers=headers, timeout=30).status_code
