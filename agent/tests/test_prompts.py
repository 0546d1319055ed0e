"""Which prompt is chosen, and the one for the terminal."""

from __future__ import annotations

import io
import os
import pty
import sys

import pki
import pytest

from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.errors import AgentError
from ibhxh_agent.prompt import choose
from ibhxh_agent.prompt.base import Item, Question
from ibhxh_agent.prompt.descriptor import DescriptorPrompt
from ibhxh_agent.prompt.terminal import TerminalPrompt
from ibhxh_agent.prompt.window import WindowPrompt


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("kind", "platform", "environment", "terminal", "expected"),
    [
        ("auto", "linux", {"DISPLAY": ":0"}, False, WindowPrompt),
        ("auto", "linux", {"WAYLAND_DISPLAY": "wayland-0"}, True, WindowPrompt),
        ("auto", "win32", {}, False, WindowPrompt),
        ("auto", "darwin", {}, False, WindowPrompt),
        ("auto", "linux", {}, True, TerminalPrompt),
        ("terminal", "win32", {}, True, TerminalPrompt),
        ("auto", "linux", {}, False, None),
        ("window", "linux", {}, True, None),
        ("terminal", "win32", {}, False, None),
    ],
)
def test_the_prompt_fits_the_computer(monkeypatch, kind, platform, environment, terminal, expected):
    monkeypatch.setattr(sys, "stdin", Terminal() if terminal else io.StringIO())
    if expected is None:
        with pytest.raises(AgentError) as caught:
            choose.choose_prompt(kind, platform=platform, environment=environment)
        assert "--pin-fd" in caught.value.message
    else:
        assert isinstance(choose.choose_prompt(kind, platform=platform, environment=environment), expected)


def test_a_python_without_tkinter_uses_the_terminal(monkeypatch):
    monkeypatch.setattr(choose.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setattr(sys, "stdin", Terminal())
    assert isinstance(choose.choose_prompt(platform="win32", environment={}), TerminalPrompt)


def test_a_bad_descriptor_is_told():
    with pytest.raises(AgentError) as caught:
        choose.choose_prompt(pin_descriptor=987)
    assert caught.value.code == "bad_descriptor"


@pytest.fixture
def question():
    certificate = TokenCertificate.from_der(pki.certificate(pki.key(0)))
    item = Item("04/ĐK-IVAN", "Tờ khai", "Công ty\x1b[2J", "0100109106", "a@b.vn", "+84", "Kế", (("I-VAN", "TS24"),))
    return Question("https://odoo.example", certificate, "Token", [item] * 25, ("CẢNH BÁO",))


@pytest.mark.parametrize(
    ("typed", "decision", "pin"), [("7319\n", "sign", b"7319"), ("\n", "refuse", None), ("\x04", "cancel", None)]
)
def test_the_terminal_asks_without_echo(question, monkeypatch, typed, decision, pin):
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    monkeypatch.setattr(
        "ibhxh_agent.prompt.terminal.getpass.getpass",
        lambda _prompt, stream: _read_line(theirs),
    )
    out = io.StringIO()
    answer = TerminalPrompt(out).ask(question)
    assert answer.decision == decision
    assert (bytes(answer.pin.buffer()) if answer.pin else None) == pin
    shown = out.getvalue()
    for wanted in ("https://odoo.example", "Công ty [2J", "a@b.vn", "CẢNH BÁO", "… và 5 tài liệu nữa", "TS24"):
        assert wanted in shown
    assert "\x1b" not in shown and "7319" not in shown
    os.close(ours)
    os.close(theirs)


def _read_line(descriptor):
    line = os.read(descriptor, 100)
    if not line:
        raise EOFError
    return line.decode().rstrip("\n")


@pytest.mark.parametrize(("reply", "decision"), [("", "sign"), ("n", "refuse"), ("y", "sign"), (None, "cancel")])
def test_a_pin_pad_needs_a_yes_only(question, monkeypatch, reply, decision):
    from dataclasses import replace

    def answer(_prompt):
        if reply is None:
            raise KeyboardInterrupt
        return reply

    monkeypatch.setattr("builtins.input", answer)
    asked = replace(question, pin_pad=True)
    assert TerminalPrompt(io.StringIO()).ask(asked).decision == decision


def test_the_terminal_shows_progress_and_result():
    out = io.StringIO()
    prompt = TerminalPrompt(out)
    assert prompt.progress(1, 2) and prompt.progress(2, 2)
    prompt.done("Đã ký 2.")
    prompt.close()
    assert out.getvalue() == "\r1/2\r2/2\nĐã ký 2.\n"


def test_ctrl_c_ends_the_question_and_the_agents_own_handler_comes_back(question, monkeypatch):
    import signal

    def mine(*_):
        """The agent's."""

    before = signal.signal(signal.SIGINT, mine)

    def pressed(_prompt, stream):
        signal.raise_signal(signal.SIGINT)
        return "not reached"

    monkeypatch.setattr("ibhxh_agent.prompt.terminal.getpass.getpass", pressed)
    try:
        assert TerminalPrompt(io.StringIO()).ask(question).decision == "cancel"
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_ending_agent_stops_the_batch_in_the_terminal():
    assert TerminalPrompt(io.StringIO(), stopping=lambda: True).progress(1, 5) is False


def test_a_pin_from_the_start_is_never_used_again_after_it_failed(question):
    from ibhxh_agent.secret import Secret

    prompt = DescriptorPrompt(Secret(bytearray(b"7319")))
    assert bytes(prompt.ask(question).pin.buffer()) == b"7319"
    prompt.forget()
    assert prompt.ask(question).decision == "no_pin"
