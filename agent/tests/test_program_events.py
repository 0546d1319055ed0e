"""What the program with the icon does about each thing that happens, without its processes and windows."""

from __future__ import annotations

import json
import queue
import time

import pytest

from ibhxh_agent import __version__, app, upgrade
from ibhxh_agent.children import ChildError
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.icon import Colour


class Icon:
    """Remembers what it was told to show."""

    def __init__(self, clickable: bool) -> None:
        self.clickable = clickable
        self.shown: list[tuple[Colour, str]] = []
        self.notes: list[str] = []
        self.offered: list[str] = []

    def show(self, colour, line):
        self.shown.append((colour, line))

    def offer(self, version):
        self.offered.append(version)

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
    made = app.Program(Folder(tmp_path), [], queue.Queue())
    made._tray = Icon(clickable=True)
    made._agent = Process()
    return made


def test_the_icon_is_green_grey_or_red(alone):
    base = {"op": "state", "online": True, "message": "", "outdated": "", "clock_warning": "", "ready": 2}
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


def gone(*_message):
    raise ChildError("died")


@pytest.fixture
def pausing(alone, monkeypatch):
    """A program whose window is pairing just now; counts the starts of its agent."""
    alone.starts = []
    monkeypatch.setattr(alone, "_start_agent", lambda: alone.starts.append(1))
    alone._agent = None
    alone._start_at = 5.0
    alone._panel = Process()
    alone._on_panel((alone._panel, {"do": "pause"}))
    assert alone._panel.sent[-1] == {"op": "paused"} and alone.starts == []
    return alone


def test_h20_the_icon_is_not_green_and_nothing_starts_the_agent_while_the_window_pairs(pausing):
    """Not the start after a crash either, which was due."""
    assert pausing._status.colour is Colour.GREY and pausing._start_at is None


def test_h20_a_pairing_window_that_dies_leaves_the_agent_running(pausing):
    pausing._on_panel((pausing._panel, None))
    assert pausing.starts == [1] and pausing._panel is None
    pausing._on_panel((pausing._panel, None))
    assert pausing.starts == [1]


def test_h20_so_does_one_that_cannot_be_reached_any_more(pausing, monkeypatch):
    pausing._panel.send = gone
    monkeypatch.setattr(pausing, "_start_child", lambda *_what: Process())
    pausing._on_action("check")
    assert pausing.starts == [1]


def test_h20_after_a_pairing_the_agent_starts_once(pausing):
    pausing._on_panel((pausing._panel, {"do": "resume"}))
    pausing._on_panel((pausing._panel, {"do": "closed"}))
    pausing._on_panel((pausing._panel, None))
    assert pausing.starts == [1] and pausing._tray.notes == []


def test_h1_a_window_that_was_closed_a_moment_ago_is_no_crash(alone, monkeypatch):
    """Its last words are still to be read when the program finds that nobody listens."""
    window = alone._panel = Process()
    window.send = gone
    alone._show(app.Status(Colour.RED, "x"))
    alone._on_panel((window, {"do": "closed"}))
    alone._on_panel((window, None))
    assert alone._tray.notes == []


def test_h8_settings_that_could_not_be_read_at_the_start_are_read_again(alone, monkeypatch):
    """A scanner held them for longer than anybody waits."""
    alone._folder.path.mkdir(exist_ok=True)
    alone._folder.settings_file.write_text("{")
    alone._agent, started = None, []
    alone._start_agent()
    assert alone._start_at is not None, "it is tried again"
    alone._folder.save(Settings(Pairing("https://odoo.example", "d", "device", "pc")))
    monkeypatch.setattr(alone, "_start_child", lambda kind, _start: started.append(kind) or Process())
    monkeypatch.setattr(app.time, "monotonic", lambda now=alone._start_at: now)
    kind, content = alone._next_event()
    getattr(alone, f"_on_{kind}")(content)
    assert started == ["agent"] and alone._start_at is None


@pytest.mark.parametrize("code", ["bad_settings", "not_paired"])
def test_h8_nor_is_the_agent_given_up_that_could_not_read_them(alone, code):
    """And it says so once, not each time. ``not_paired``: the vault with the key may not be open yet."""
    for _ in range(3):
        alone._agent = Process()
        alone._agent.finish = lambda _seconds: None
        alone._on_agent((alone._agent, {"op": "ended", "code": code, "message": "Không đọc được."}))
        assert alone._start_at is not None and alone._status.colour is Colour.RED
        alone._show(app.Status(Colour.GREY, "…"))
    assert alone._tray.notes.count("Không đọc được.") == 1


STATE = {
    "op": "state",
    "online": True,
    "message": "",
    "outdated": "",
    "clock_warning": "",
    "certificates": 1,
    "ready": 1,
}


def test_h12_without_a_token_that_signs_the_icon_is_not_green(alone):
    """Without a driver, without a token, with a locked PIN: all of that was green."""
    alone._on_agent((alone._agent, {**STATE, "ready": 0}))
    assert alone._tray.shown[-1][0] is Colour.YELLOW and "chưa có token nào ký được" in alone._tray.shown[-1][1]
    alone._on_agent((alone._agent, STATE))
    assert alone._tray.shown[-1] == (Colour.GREEN, "Đã kết nối, 1 chứng thư")


def another(alone):
    """The program after a new start, with the same settings."""
    made = app.Program(alone._folder, [], queue.Queue())
    made._tray, made._agent = Icon(clickable=True), Process()
    return made


def test_h13_a_newer_version_is_told_once_and_stays_in_the_menu(alone):
    for program in (alone, another(alone)):
        for _ in range(3):
            program._on_agent((program._agent, {**STATE, "update": "99.0"}))
        assert program._tray.offered[-1] == "99.0"
        assert program._tray.notes == (
            ["Có phiên bản mới 99.0. Bấm vào đây để xem và cài."] if program is alone else []
        )
    alone._on_agent((alone._agent, {**STATE, "update": "99.1"}))
    assert len(alone._tray.notes) == 2
    alone._on_agent((alone._agent, STATE))
    assert alone._tray.offered[-1] == ""


def test_h13_forms_that_wait_go_before_a_newer_version(alone):
    alone._on_agent((alone._agent, {"op": "waiting", "count": 1}))
    alone._on_agent((alone._agent, {**STATE, "update": "99.0"}))
    assert [note for note in alone._tray.notes if "phiên bản" in note] == []
    alone._on_agent((alone._agent, {"op": "waiting", "count": 0}))
    alone._on_agent((alone._agent, {**STATE, "update": "99.0"}))
    assert [note for note in alone._tray.notes if "phiên bản" in note] == [alone._tray.notes[-1]]


@pytest.fixture
def pages(alone, monkeypatch):
    """What the program shows in its window."""
    shown = []
    monkeypatch.setattr(alone, "_show_panel", lambda page, link="", note="": shown.append((page, note)))
    return shown


def test_h13_menu_and_notification_lead_to_the_window_with_the_offer(alone, pages):
    alone._on_agent((alone._agent, {**STATE, "update": "99.0"}))
    alone._on_action("update")
    alone._on_action("toast")
    assert pages == [("update", ""), ("open", "")] and alone._agent.sent == []


@pytest.mark.parametrize("how", ["new start", "installer's start", "installer's end"])
@pytest.mark.parametrize(("version", "words"), [(__version__, "✔ Đã cập nhật"), ("99.0", "vẫn là bản")])
def test_h13_what_became_of_an_update_is_told_once(alone, pages, monkeypatch, how, version, words):
    """Whether the old program has ended or not, whether the installer says something or not."""
    upgrade.begun(alone._folder).write(version)
    for _ in range(2):
        if how == "new start":
            monkeypatch.setattr(alone, "_start_agent", lambda: None)
            alone._agent = alone._panel = None
            alone._events.put(("action", "quit"))
            alone._work()
        elif how == "installer's start":
            alone._on_message({"op": "start"})
        else:
            alone._panel = Process()
            alone._on_panel((alone._panel, {"do": "installer"}))
    ((page, note),) = pages
    assert page == "open" and words in note and version in note and __version__ in note


def test_h13_without_an_update_nothing_is_told(alone, pages):
    alone._on_message({"op": "start"})
    upgrade.begun(alone._folder).write("no version")
    alone._on_message({"op": "start"})
    assert pages == []
