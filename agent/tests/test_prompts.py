"""Which prompt is chosen, and the one for the terminal."""

from __future__ import annotations

import io
import itertools
import os
import sys
from dataclasses import replace

import pki
import pytest
from forms import form

from ibhxh_agent import document
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.errors import AgentError
from ibhxh_agent.prompt import choose, terminal
from ibhxh_agent.prompt.base import Decision, Item, Question
from ibhxh_agent.prompt.descriptor import DescriptorPrompt
from ibhxh_agent.prompt.terminal import TerminalPrompt, describe
from ibhxh_agent.prompt.window import WindowPrompt
from ibhxh_agent.secret import Secret


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


def item(**changes):
    read = document.read(form(changes.pop("kind", "04"), **changes))
    return Item(read.form, read.rows(), "Kế\x1b[2J toán")


@pytest.fixture
def certificate():
    return TokenCertificate.from_der(pki.certificate(pki.key(0)))


@pytest.fixture
def question(certificate):
    return Question("https://odoo.example", certificate, "Token\x1b[2J", [item()], ("CẢNH BÁO",))


def answering(monkeypatch, replies, pin=None):
    """A person who types these lines, then the PIN; what is left over was not asked for."""
    left = list(replies)

    def reply(*_):
        if not left:
            raise EOFError
        typed = left.pop(0)
        if isinstance(typed, type):
            raise typed
        return typed

    monkeypatch.setattr("builtins.input", reply)
    monkeypatch.setattr("ibhxh_agent.prompt.terminal.getpass.getpass", lambda _prompt, stream: (reply() and "") or pin)
    left += [] if pin is None else ["pin"]
    return left


def big_screen(monkeypatch, lines=1000, columns=100):
    monkeypatch.setattr(terminal.shutil, "get_terminal_size", lambda fallback=None: os.terminal_size((columns, lines)))


@pytest.mark.parametrize(
    ("replies", "pin", "decision"),
    [
        (["k"], "7319", Decision.SIGN),
        (["K "], "7319", Decision.SIGN),
        (["s"], "7319", Decision.SIGN),
        (["k"], "", Decision.LATER),
        (["t"], None, Decision.REFUSE),
        ([""], None, Decision.LATER),
        (["7319"], None, Decision.LATER),
        ([], None, Decision.LATER),
        ([KeyboardInterrupt], None, Decision.LATER),
    ],
)
@pytest.mark.usefixtures("_one_page")
def test_s13_nothing_but_a_deliberate_yes_signs_in_the_terminal(question, monkeypatch, replies, pin, decision):
    left = answering(monkeypatch, replies, pin)
    out = io.StringIO()
    answer = TerminalPrompt(out).ask(question)
    assert answer.decision is decision and left == []
    assert (bytes(answer.pin.buffer()) if answer.pin else None) == (b"7319" if decision is Decision.SIGN else None)
    shown = out.getvalue()
    for expected in ("https://odoo.example", "Token [2J", "ke.toan@hoasen.example", "CẢNH BÁO", "TS24", "Kế [2J toán"):
        assert expected in shown
    assert "\x1b" not in shown and "7319" not in shown


@pytest.mark.parametrize(
    ("reply", "decision"),
    [("k", Decision.SIGN), ("t", Decision.REFUSE), ("", Decision.LATER), (KeyboardInterrupt, Decision.LATER)],
)
@pytest.mark.usefixtures("_one_page")
def test_a_pin_pad_needs_a_yes_only(question, monkeypatch, reply, decision):
    answering(monkeypatch, [reply])
    answer = TerminalPrompt(io.StringIO()).ask(replace(question, pin_pad=True))
    assert answer.decision is decision and answer.pin is None


@pytest.fixture
def _one_page(monkeypatch):
    big_screen(monkeypatch)


def test_s14_every_document_can_be_seen_page_by_page(certificate, monkeypatch):
    big_screen(monkeypatch, 24, 80)
    people = [f"Nguyễn Thị {number}" for number in range(40)]
    asked = Question("https://odoo.example", certificate, "Token", [item(NguoiLienHe=name) for name in people])
    left = answering(monkeypatch, [""] * 30, "1")
    out = io.StringIO()
    seen = []
    prompt = TerminalPrompt(out)
    monkeypatch.setattr("builtins.input", lambda: seen.append(len(out.getvalue())) or "")
    assert prompt.ask(asked).decision is Decision.LATER and left
    shown = out.getvalue()
    assert all(f"Nguyễn Thị {number}\n" in shown for number in range(40))
    # What they share is shown once, and no page is longer than the screen.
    assert shown.count("ke.toan@hoasen.example") == 1 and "40 tờ khai" in shown
    pages = [shown[start:end].count("\n") for start, end in itertools.pairwise([0, *seen])]
    assert len(pages) > 4 and max(pages) <= 24


def test_s14_the_rest_of_a_batch_can_be_skipped_but_not_what_all_share(certificate, monkeypatch):
    big_screen(monkeypatch, 12, 80)
    asked = Question("https://odoo.example", certificate, "T", [item(NguoiLienHe=f"Hoa {n}") for n in range(40)])
    replies = iter(["b"] * 4 + ["k"])  # three pages of the shared part, then the list, then the decision
    monkeypatch.setattr("builtins.input", lambda: next(replies))
    monkeypatch.setattr("ibhxh_agent.prompt.terminal.getpass.getpass", lambda _prompt, stream: "1")
    out = io.StringIO()
    assert TerminalPrompt(out).ask(asked).decision is Decision.SIGN
    shared, _, rest = out.getvalue().partition("Phần riêng của từng tờ khai")
    assert all(row.value in shared for row in asked.shared() if len(row.value) < 40)
    assert "Tờ khai 40/40" not in rest


def test_s1_the_terminal_shows_every_value_whole_and_none_can_fake_a_row(certificate):
    long = "Lý do " + "rất dài " * 60 + "hết"
    lines = f"Dòng một\nEmail: ai.do@example.com\n{long}"
    asked = Question(
        "https://odoo.example", certificate, "T", [item(kind="05", NoiDungThayDoi=lines, DiaChi=long[:400])]
    )
    shown = describe(asked, 60)
    assert max(map(len, shown[1:])) <= 60
    text = " ".join(line.strip().removeprefix("| ") for line in shown)
    for row in asked.items[0].rows:
        assert " ".join(row.value.replace("\n", " ↵ ").split()) in text
    assert [line for line in shown if line.startswith("  Email: ")] == ["  Email: ke.toan@hoasen.example"]
    assert "| Email: ai.do@example.com" in "\n".join(shown)


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

    def pressed():
        signal.raise_signal(signal.SIGINT)
        return "not reached"

    monkeypatch.setattr("builtins.input", pressed)
    try:
        assert TerminalPrompt(io.StringIO()).ask(question).decision is Decision.LATER
        assert signal.getsignal(signal.SIGINT) is mine
    finally:
        signal.signal(signal.SIGINT, before)


def test_an_ending_agent_stops_the_batch_in_the_terminal():
    assert TerminalPrompt(io.StringIO(), stopping=lambda: True).progress(1, 5) is False


def test_a_pin_from_the_start_is_never_used_again_after_it_failed(question):
    prompt = DescriptorPrompt(Secret(bytearray(b"7319")))
    assert bytes(prompt.ask(question).pin.buffer()) == b"7319"
    prompt.login_failed()
    assert prompt.ask(question).decision is Decision.NO_PIN


@pytest.mark.parametrize(
    ("labels", "asked", "decisions"),
    [
        ((), [("A", True), ("A", True), ("B", False), ("A", False)], "sign sign foreign_pin sign"),
        ((), [("A", False), ("B", True), ("A", True)], "foreign_pin sign foreign_pin"),
        (("A", "B"), [("A", False), ("B", False), ("C", True)], "sign sign foreign_pin"),
    ],
)
def test_t2_a_pin_from_the_start_is_of_one_token_or_of_those_that_were_named(question, labels, asked, decisions):
    prompt = DescriptorPrompt(Secret(bytearray(b"7319")), labels)
    questions = [replace(question, token_label=name, token=name, only_token=only) for name, only in asked]
    assert " ".join(prompt.ask(one).decision.value for one in questions) == decisions
    assert prompt.ask(replace(questions[-1], pin_pad=True)).decision is Decision.SIGN  # the reader asks for it
