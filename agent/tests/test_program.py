"""The program with icon and windows: real processes on a virtual screen, used with the keyboard."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import quote

import pytest
import softhsm
from display import Keyboard
from forms import form

from ibhxh_agent import activation, instance
from ibhxh_agent.config import Folder
from ibhxh_agent.deaf import DEAF_MS


class Running:
    """The program as a person's desktop runs it."""

    def __init__(self, folder: Path, screen: str) -> None:
        self.folder = Folder(folder)
        self.screen = screen
        self.base = [sys.executable, "-m", "ibhxh_agent", "--config-dir", str(folder), "--library", softhsm.LIBRARY]
        self.started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*self.base, *arguments],
            env={**os.environ, "DISPLAY": self.screen},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def command(self, *arguments: str) -> int:
        process = self.start(*arguments)
        process.communicate(timeout=120)
        return process.returncode

    def until(self, condition, what: str):
        """Look again and again, as nobody tells when another program has done something."""
        for _ in range(1200):
            found = condition()
            if found:
                return found
            threading.Event().wait(0.05)
        raise AssertionError(what)

    def children(self, kind: str) -> list[int]:
        """Process ids of this program's children."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    line = (entry / "cmdline").read_bytes().split(b"\0")
                    parent = int((entry / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
                except OSError:  # it has just ended
                    continue
                if line[-3:-1] == [b"--child", kind.encode()] and parent in [one.pid for one in self.started]:
                    found.append(int(entry.name))
        return found

    def log(self, which: str) -> str:
        file = {"agent": self.folder.log_file, "program": self.folder.program_log_file}[which]
        return file.read_text(encoding="utf-8") if file.exists() else ""

    def end(self) -> None:
        self.command("stop")  # also one that started itself again
        for process in self.started:
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=60)


@pytest.fixture
def program(screen, tmp_path):
    made = Running(tmp_path / "config", screen)
    yield made
    made.end()


@pytest.fixture
def keyboard(screen):
    return Keyboard(screen)


def link(odoo, code=None):
    return f"ibhxh-agent://pair?server={quote(odoo.url, safe='')}&database={odoo.database}&code={code or odoo.code}"


def until_done(keyboard, condition, *keys):
    """Press, again and again: for the first second, and until the keys rest, a question takes nothing."""
    for _ in range(20):
        keyboard.wait_for_window()
        keyboard.press(*keys)
        for _ in range(30):
            threading.Event().wait(0.05)
            if condition():
                return
    raise AssertionError(f"{keys} did nothing")


def test_an_unpaired_computer_pairs_in_the_window(program, odoo, keyboard, hsm):
    process = program.start("open")
    keyboard.wait_for_window()
    # Address, then code; what is missing is said, and what was typed stays.
    for typed in (odoo.url, odoo.code):
        for letter in typed:
            keyboard.press({":": "colon", "/": "slash", ".": "period", "-": "minus"}.get(letter, letter))
        keyboard.press("Tab")
    keyboard.press("Return")
    program.until(lambda: instance.read_state(program.folder).get("online"), "not connected")
    pairing = program.folder.paired()
    assert (pairing.server, pairing.user) == (odoo.url, "Kế toán")
    assert program.command("stop") == 0
    assert process.wait(30) == 0 and not program.children("agent") and not program.children("panel")


def test_a_links_question_is_answered_by_a_person_and_by_no_key_that_was_not_meant_for_it(program, odoo, keyboard, hsm):
    program.start("link", link(odoo))
    keyboard.wait_for_window()
    for _ in range(20):  # somebody types on in another program
        keyboard.press("g", "Alt_L")
        keyboard.press("Return")
        keyboard.press("space")
    threading.Event().wait(DEAF_MS / 1000)
    for _ in range(3):
        keyboard.press("Return")
    assert "pair" not in odoo.paths()
    until_done(keyboard, lambda: "pair" in odoo.paths(), "g", "Alt_L")
    program.until(lambda: instance.read_state(program.folder).get("online"), "not connected")
    assert odoo.paths().count("pair") == 1


def test_a_link_never_replaces_a_pairing_by_itself_and_no_keeps_it(program, paired, odoo, keyboard, hsm):
    process = program.start("start")
    program.until(lambda: instance.read_state(program.folder).get("online"), "not connected")
    before = program.folder.paired()
    assert program.command("link", link(odoo)) == 0  # the second process hands it to the first
    program.until(lambda: program.children("panel"), "no window")
    until_done(keyboard, lambda: not program.children("panel"), "Escape")
    assert "pair" not in odoo.paths() and program.folder.paired() == before and process.poll() is None


def test_a_refused_code_leaves_the_pairing_that_is_there_at_work(program, paired, odoo, keyboard, hsm):
    program.start("start")
    program.until(lambda: instance.read_state(program.folder).get("online"), "not connected")
    before = program.folder.paired()
    assert program.command("link", link(odoo, "WXYZ-WXYZ")) == 0
    until_done(keyboard, lambda: "pair" in odoo.paths(), "g", "Alt_L")
    beats = odoo.paths().count("heartbeat")
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") > beats)
    assert program.folder.paired() == before


@pytest.mark.parametrize(
    "odd", ["ibhxh-agent://run", "ibhxh-agent://pair?server=http%3A%2F%2Fodoo.example&code=ABCD-EFGH"]
)
def test_an_odd_link_changes_nothing(program, odoo, keyboard, odd):
    process = program.start("link", odd)
    keyboard.wait_for_window()
    threading.Event().wait(0.5)
    keyboard.press("g", "Alt_L")
    threading.Event().wait(0.5)
    assert process.poll() is None and odoo.calls == [] and program.folder.load().pairing is None


def test_a_second_double_click_shows_the_window_of_the_first(program, paired, keyboard, hsm):
    first = program.start("start")
    program.until(lambda: instance.read_state(program.folder).get("online"), "not connected")
    assert not program.children("panel")
    assert program.command("open") == 0
    program.until(lambda: program.children("panel"), "no window")
    assert program.command("open") == 0 and len(program.children("panel")) == 1 and first.poll() is None


def test_an_agent_that_crashed_is_started_again(program, paired, odoo, hsm):
    program.start("start")
    (crashed,) = program.until(lambda: program.children("agent"), "no agent")
    odoo.wait_for(lambda: "heartbeat" in odoo.paths())
    os.kill(crashed, signal.SIGKILL)
    (again,) = program.until(lambda: [pid for pid in program.children("agent") if pid != crashed], "not started again")
    beats = odoo.paths().count("heartbeat")
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") > beats)
    assert again != crashed
    assert "the agent's process ended" in program.folder.program_log_file.read_text(encoding="utf-8")


def test_w14_a_program_that_crashed_is_started_again_by_its_agent(program, paired, odoo, hsm):
    process = program.start("start")
    (first,) = program.until(lambda: program.children("agent"), "no agent")
    odoo.wait_for(lambda: "heartbeat" in odoo.paths())
    process.kill()
    process.wait(30)
    program.until(lambda: "started again" in program.log("agent"), "the agent did not see it")
    program.until(lambda: not _exists(first), "the first agent goes on beside the second one")
    beats = odoo.paths().count("heartbeat")
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") > beats)
    assert program.command("stop") == 0
    assert not activation.is_running(program.folder) and not instance.is_running(program.folder)


def crash(program, odoo):
    """Kill the program after many crashes, so that its next start is minutes away; the process that awaits it."""
    process = program.start("start", "--crashes", "30")
    (agent,) = program.until(lambda: program.children("agent"), "no agent")
    odoo.wait_for(lambda: "heartbeat" in odoo.paths())
    process.kill()
    process.wait(30)
    program.until(lambda: not instance.is_running(program.folder), "the agent goes on alone")
    program.until(lambda: activation.is_running(program.folder), "nobody starts it again")
    return agent


def test_w14_an_order_is_taken_while_the_start_after_a_crash_is_awaited(program, paired, odoo, hsm):
    agent = crash(program, odoo)
    assert program.command("start") == 0  # a person does not wait for minutes
    program.until(lambda: not _exists(agent), "still waiting")
    beats = odoo.paths().count("heartbeat")
    odoo.wait_for(lambda: odoo.paths().count("heartbeat") > beats)
    assert program.command("stop") == 0 and not instance.is_running(program.folder)


def test_w14_stop_ends_what_would_start_it_again(program, paired, odoo, hsm):
    agent = crash(program, odoo)
    assert program.command("stop") == 0
    program.until(lambda: not _exists(agent), "still waiting")
    assert not activation.is_running(program.folder) and odoo.paths().count("heartbeat") == 1


@pytest.mark.parametrize("how", ["stop", "SIGTERM"])
def test_w14_a_program_that_was_asked_to_end_is_not_started_again(program, paired, odoo, hsm, how):
    process = program.start("start")
    odoo.wait_for(lambda: "heartbeat" in odoo.paths())
    if how == "stop":
        assert program.command("stop") == 0
    else:
        process.terminate()
    assert process.wait(60) == 0
    assert not instance.is_running(program.folder) and not activation.is_running(program.folder)
    assert "started again" not in program.log("agent")


def test_a_computer_that_odoo_refuses_is_told_and_not_started_again_and_again(program, paired, odoo, hsm):
    odoo.key = "another"
    program.start("start")
    odoo.wait_for(lambda: "heartbeat" in odoo.paths())
    log = program.folder.program_log_file
    program.until(
        lambda: log.exists() and "the agent ended: invalid_key" in log.read_text(encoding="utf-8"), "not told"
    )
    threading.Event().wait(3)
    assert odoo.paths().count("heartbeat") == 1 and not program.children("agent")


def test_a_request_is_asked_in_a_window_of_the_program(program, paired, odoo, hsm, first_certificate, keyboard):
    """Without a notification that can be clicked the question comes by itself."""
    waiting = odoo.add(form(), first_certificate.fingerprint)
    program.start("start")
    keyboard.wait_for_window()
    until_done(keyboard, lambda: waiting.state in ("failed", "signed"), "t", "Alt_L")
    assert waiting.code == "refused"


def test_stop_is_no_error_where_nothing_runs(program):
    assert program.command("stop") == 0


def test_forget_leaves_nothing(program, paired):
    assert program.command("forget") == 0
    assert not program.folder.path.exists()


def _exists(process: int) -> bool:
    """Not ended; who ended and was not waited for counts as ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"
