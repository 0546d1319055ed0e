"""The program with icon and windows: real processes on a virtual screen, used with the keyboard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from urllib.parse import quote

import pytest
import softhsm
from display import Keyboard
from forms import form

from ibhxh_agent import activation, app, instance, panel_child
from ibhxh_agent.config import Folder
from ibhxh_agent.icon import Colour


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
    threading.Event().wait(panel_child.DEAF_MS / 1000)
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


class Icon:
    """Remembers what it was told to show."""

    def __init__(self, clickable: bool) -> None:
        self.clickable = clickable
        self.shown: list[tuple[Colour, str]] = []
        self.notes: list[str] = []

    def show(self, colour, line):
        self.shown.append((colour, line))

    def notify(self, message):
        self.notes.append(message)
        return self.clickable

    def forget_notification(self):
        self.notes.append("")


class Process:
    """A child that only remembers."""

    def __init__(self):
        self.sent = []

    def send(self, message):
        self.sent.append(message)


def _exists(process: int) -> bool:
    """Not ended; who ended and was not waited for counts as ended."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def test_w14_a_fault_of_the_program_itself_is_logged_and_leaves_its_agent_to_start_it_again(alone, monkeypatch, caplog):
    """Telling the agent to stop would leave nobody who could."""
    agent = alone._agent
    monkeypatch.setattr(app.Tray, "create", lambda _action: None)
    monkeypatch.setattr(alone, "_start_agent", lambda: None)
    alone._events.put(("message", {"op": "link", "link": object()}))
    monkeypatch.setattr(alone, "_show_panel", lambda *_page, **_link: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        alone.run()
    assert agent.sent == [] and "ZeroDivisionError" in caplog.text


@pytest.fixture
def alone(tmp_path):
    import queue

    made = app.Program(Folder(tmp_path), [], queue.Queue())
    made._tray = Icon(clickable=True)
    made._agent = Process()
    return made


def test_the_icon_is_green_grey_or_red(alone):
    base = {"op": "state", "online": True, "message": "", "outdated": "", "clock_warning": "", "certificates": 2}
    for change in ({}, {"online": False, "message": "Mất mạng"}, {"clock_warning": "Sai giờ"}, {"outdated": "Đã cũ"}):
        alone._on_agent((alone._agent, {**base, **change}))
    assert alone._tray.shown == [
        (Colour.GREEN, "Đã kết nối, 2 chứng thư"),
        (Colour.GREY, "Mất mạng"),
        (Colour.RED, "Sai giờ"),
        (Colour.RED, "Đã cũ"),
    ]


def test_a_click_on_the_notification_or_the_icon_opens_the_question(alone):
    alone._on_agent((alone._agent, {"op": "waiting", "count": 3}))
    assert alone._tray.notes == ["3 tờ khai chờ ký. Bấm vào đây để xem và ký."] and alone._agent.sent == []
    alone._on_action("toast")
    alone._on_action("open")
    assert alone._agent.sent == [{"op": "open", "by_person": True}] * 2
    alone._on_agent((alone._agent, {"op": "waiting", "count": 0}))
    assert alone._tray.notes[-1] == ""


def test_without_a_notification_that_can_be_clicked_the_question_comes_at_once_without_the_keyboard(alone):
    alone._tray.clickable = False
    alone._on_agent((alone._agent, {"op": "waiting", "count": 1}))
    assert alone._agent.sent == [{"op": "open", "by_person": False}]


def test_after_three_crashes_in_a_row_a_person_is_asked_to_look(alone):
    alone._started = time.monotonic()
    for _ in range(3):
        alone._agent = Process()
        alone._on_agent((alone._agent, None))
    assert [colour for colour, _ in alone._tray.shown] == [Colour.GREY, Colour.RED]
    assert alone._start_at is not None


def test_what_an_earlier_process_says_is_not_believed(alone):
    alone._on_agent((Process(), {"op": "ended", "code": "revoked", "message": "x"}))
    alone._on_panel((Process(), {"do": "pause"}))
    assert alone._tray.shown == [] and isinstance(alone._agent, Process)


@pytest.mark.parametrize("closed", [True, False])
def test_h1_a_window_that_ended_by_an_error_is_logged_and_told(alone, caplog, closed):
    alone._panel = Process()
    if not closed:
        alone._on_panel((alone._panel, {"do": "failed", "trace": "Traceback\n  here\nTclError: bad keysym"}))
    else:
        alone._on_panel((alone._panel, {"do": "closed"}))
    alone._on_panel((alone._panel, None))
    assert ("TclError: bad keysym" in caplog.text) is not closed
    assert [note for note in alone._tray.notes if "đóng đột ngột" in note] == alone._tray.notes
    assert bool(alone._tray.notes) is not closed and alone._panel is None


def test_unreadable_settings_are_told(alone):
    alone._folder.path.mkdir(exist_ok=True)
    alone._folder.settings_file.write_text(json.dumps({"pairing": 3}))
    alone._agent = None
    alone._start_agent()
    assert alone._tray.shown[0][0] is Colour.RED and "cấu hình" in alone._tray.shown[0][1]
