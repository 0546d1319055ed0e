"""The PIN window: a real one, in its own process, on a virtual screen, used with the keyboard only."""

from __future__ import annotations

import os
import threading

import pki
import pytest
from display import Keyboard, virtual_screen
from forms import form
from window_parts import FakePipe, Now

from ibhxh_agent import document
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.deaf import DEAF_MS
from ibhxh_agent.prompt import window_child
from ibhxh_agent.prompt.announced import AnnouncedPrompt
from ibhxh_agent.prompt.base import Decision, Item, Question
from ibhxh_agent.prompt.window import WindowPrompt
from ibhxh_agent.prompt.wire import question_message


@pytest.fixture
def display(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    return screen


@pytest.fixture(scope="module")
def certificate():
    return TokenCertificate.from_der(pki.certificate(pki.key(0), name="CÔNG TY TNHH HOA SEN"))


def item(number: int = 0, kind: str = "04", **changes: str) -> Item:
    read = document.read(form(kind, NguoiLienHe=f"Nguyễn Thị Hoa {number}", **changes))
    return Item(read.form, read.rows(), "Trần Văn Kế")


def question(certificate, count=1, items=None, **values):
    items = items or [item(number) for number in range(count)]
    return Question("https://odoo.hoasen.example", certificate, "Kế toán", items, **values)


class Asking:
    """A question in a real window, answered by the test with mouse and keyboard."""

    def __init__(self, display, asked, **options):
        self.prompt = WindowPrompt(**options)
        self.keyboard = Keyboard(display)
        self.thread = threading.Thread(target=lambda: setattr(self, "answer", self.prompt.ask(asked)))
        self.thread.start()
        self.keyboard.wait_for_window()

    def until_answered(self, act):
        """Do it again and again: while the window is deaf, nothing that a person does there counts."""
        for _ in range(20):
            self.keyboard.wait_for_window()  # it may have moved the window once more
            act(self.keyboard)
            self.thread.join(2 * DEAF_MS / 1000)
            if not self.thread.is_alive():
                return self.answer
        raise AssertionError("no answer")

    def result(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.answer


def enter_pin(pin):
    def act(keyboard):
        keyboard.press("m", "Alt_L")
        keyboard.type(pin)
        keyboard.press("Return")

    return act


@pytest.fixture
def ask(display):
    made = []

    def start(asked, **options):
        made.append(Asking(display, asked, **options))
        return made[-1]

    yield start
    for asking in made:
        asking.prompt.close()


def test_typing_the_pin_and_enter_signs(ask, certificate):
    answer = ask(question(certificate)).until_answered(enter_pin("Ab-7319"))
    assert answer.decision is Decision.SIGN and bytes(answer.pin.buffer()) == b"Ab-7319"


def test_s13_what_is_typed_for_another_program_is_no_pin_and_no_answer(ask, certificate):
    """Somebody goes on typing when the window comes, rests, types on, and only then looks at it."""
    asking = ask(question(certificate))
    for _ in range(50):
        asking.keyboard.type("nhguiquycongty ")
        asking.keyboard.press("Return")
    asking.thread.join(2 * DEAF_MS / 1000)  # the keys rest
    assert asking.thread.is_alive()
    for key in ("Tab", "Return", "Tab", "Return"):
        asking.keyboard.type("nhguiquycongty")
        asking.keyboard.press(key)
        asking.thread.join(2 * DEAF_MS / 1000)
        assert asking.thread.is_alive()
    answer = asking.until_answered(enter_pin("7319"))
    assert answer.decision is Decision.SIGN and bytes(answer.pin.buffer()) == b"7319"


@pytest.mark.parametrize(
    ("keys", "decision"),
    [(("Escape",), Decision.LATER), (("t", "Alt_L"), Decision.REFUSE), (("s", "Alt_L"), Decision.LATER)],
)
def test_saying_no_by_keyboard(ask, certificate, keys, decision):
    answer = ask(question(certificate)).until_answered(lambda keyboard: keyboard.press(*keys))
    assert answer.decision is decision and answer.pin is None


def test_with_a_pin_pad_the_button_agrees(ask, certificate):
    asking = ask(question(certificate, pin_pad=True))
    answer = asking.until_answered(lambda keyboard: keyboard.press("k", "Alt_L"))
    assert answer.decision is Decision.SIGN and answer.pin is None


def test_a_batch_shows_progress_and_can_be_stopped(ask, certificate):
    asking = ask(question(certificate, count=30))
    assert asking.until_answered(enter_pin("12")).decision is Decision.SIGN
    assert asking.prompt.progress(1, 30) is True
    waited = threading.Event()
    for _ in range(3000):
        asking.keyboard.press("Escape")
        if not asking.prompt.progress(2, 30):
            break
        waited.wait(0.02)
    else:
        pytest.fail("Escape did not stop the batch")


def test_nobody_there_cancels(display, certificate):
    prompt = WindowPrompt(patience=0.6)
    assert prompt.ask(question(certificate)).decision is Decision.LATER and prompt._child is None


def test_an_ending_agent_closes_it(ask, certificate):
    ending = threading.Event()
    asking = ask(question(certificate), stopping=ending.is_set)
    ending.set()
    assert asking.result().decision is Decision.LATER and asking.prompt._child is None
    assert asking.prompt.ending() and asking.prompt.progress(1, 2) is False


def test_c22_the_session_that_ends_takes_the_window_first(ask, certificate):
    """Then it was no crash; and until the agent knows, nothing is given back and asked for once more."""
    ending = threading.Event()
    asking = ask(question(certificate), stopping=ending.is_set)
    asking.keyboard.end_session()
    asking.thread.join(1)
    assert asking.thread.is_alive() and asking.prompt.ending(), "another program may keep the session"
    asking.prompt._child._process.kill()
    asking.thread.join(1)
    assert asking.thread.is_alive()
    ending.set()
    assert asking.result().decision is Decision.LATER and asking.prompt.ending()


def test_c22_later_means_later_when_the_session_went_on(ask, certificate):
    """Another program kept Windows from ending it; given back, the form would be asked for again at once."""
    asking = ask(question(certificate))
    asking.keyboard.end_session()
    asking.thread.join(1)
    assert asking.prompt.ending()
    assert asking.until_answered(lambda keyboard: keyboard.press("Escape")).decision is Decision.LATER
    assert not asking.prompt.ending()


def test_c22_a_screen_that_is_gone_may_be_the_end_of_the_session(certificate, monkeypatch):
    """As with X11 at a logout: the window hears nothing, and the agent a moment later."""
    ending = threading.Event()
    with virtual_screen() as screen:
        monkeypatch.setenv("DISPLAY", screen)
        asking = Asking(screen, question(certificate), stopping=ending.is_set)
    asking.thread.join(1)
    assert asking.thread.is_alive()
    ending.set()
    assert asking.result().decision is Decision.LATER and asking.prompt.ending()


def test_a_window_that_crashes_is_a_no(ask, certificate):
    asking = ask(question(certificate))
    asking.prompt._child._process.kill()
    assert asking.result().decision is Decision.LATER
    assert asking.prompt.progress(1, 2) is False and not asking.prompt.ending()
    asking.prompt.done("x")


def test_h1_without_a_display_it_is_a_no_and_the_log_says_why(certificate, monkeypatch, caplog):
    monkeypatch.setenv("DISPLAY", ":9999")
    assert WindowPrompt(patience=20).ask(question(certificate)).decision is Decision.LATER
    assert "TclError" in caplog.text


def every(widget):
    """All widgets, the window itself left out."""
    for child in widget.winfo_children():
        yield child
        yield from every(child)


def has_text(widget):
    return widget.winfo_class() in ("TLabel", "TButton")


def texts_in(root):
    return [child for child in every(root) if child.winfo_class() == "Text"]


def texts_of(root):
    """What can be read: labels, buttons, lists, then the texts."""
    found = [str(child.cget("text")) for child in every(root) if has_text(child)]
    for table in (child for child in every(root) if child.winfo_class() == "Treeview"):
        found += [str(value) for row in table.get_children() for value in table.item(row)["values"]]
    return found + [text.get("1.0", "end").rstrip("\n") for text in texts_in(root)]


def settle(shown):
    """Until the window has had what mouse and keyboard did, which comes to it by the X server."""
    for _ in range(30):
        shown.root.update()
        threading.Event().wait(0.01)


@pytest.fixture
def window(display, certificate):
    made = []

    def build(asked, *, deaf=False):
        pipe, now = FakePipe(), Now()
        made.append(window_child.PinWindow(pipe, question_message(asked, language="vi"), now))
        made[-1].root.update()
        made[-1].now = now
        if not deaf:
            now.seconds += DEAF_MS / 1000
        return made[-1], pipe

    yield build
    for one in made:
        if one.root.children:
            one.root.destroy()


def test_it_shows_who_asks_for_what(window, certificate):
    shown, _ = window(question(certificate, warnings=("CẢNH BÁO: chỉ còn MỘT lần nhập PIN.",)))
    texts = texts_of(shown.root)
    for expected in (
        "https://odoo.hoasen.example",
        "CÔNG TY TNHH HOA SEN (0100109106)",
        f"{certificate.not_before:%d/%m/%Y} – {certificate.not_after:%d/%m/%Y}",
        "⚠ CẢNH BÁO: chỉ còn MỘT lần nhập PIN.",
    ):
        assert expected in texts
    assert any("TEST-CA" in text and certificate.serial in text for text in texts)


@pytest.mark.parametrize("kind", ["04", "05", "06"])
def test_s1_the_window_shows_every_field_that_is_signed_codes_beside_names(window, certificate, kind):
    asked = question(certificate, items=[item(kind=kind, DiaChi="Số 1, ngõ 2 " * 40 + "hết")])
    shown, _ = window(asked)
    lines = texts_of(shown.root)[-1].splitlines()
    assert [line for line in lines if line.startswith("Mã tổ chức I-VAN")] == ["Mã tổ chức I-VAN: 00001"]
    assert "Loại đối tượng: 1 [tổ chức]" in lines
    assert lines[1:-1] == [
        f"{row.label}: {row.value}" + (f" [{row.note}]" if row.note else "") for row in asked.items[0].rows
    ]
    assert lines[0].startswith("Tờ khai: ") and lines[-1] == "Người yêu cầu (theo máy chủ): Trần Văn Kế"


def test_s1_what_does_not_fit_must_be_scrolled_to_its_end_first(window, certificate):
    long = "\n".join(f"Dòng {number}" for number in range(60))
    shown, pipe = window(question(certificate, items=[item(kind="05", NoiDungThayDoi=long)]))
    shown._entry.insert(0, "7319")
    shown._decide("sign")
    assert pipe.sent == [] and "Cuộn xuống xem hết nội dung trước khi ký." in texts_of(shown.root)
    (details,) = texts_in(shown.root)
    details.yview_moveto(1)
    shown.root.update()
    shown._decide("sign")
    assert [message["decision"] for message in pipe.sent] == ["sign"]


def test_s14_every_document_of_a_batch_is_listed_and_shown_whole_when_selected(window, certificate):
    shown, _ = window(question(certificate, count=40))
    texts = texts_of(shown.root)
    assert all(f"Nguyễn Thị Hoa {number}" in texts for number in range(40))
    assert any(text.startswith("40 tờ khai") for text in texts)
    shared, details = (one.get("1.0", "end") for one in texts_in(shown.root))
    assert "Email: ke.toan@hoasen.example" in shared and "Người liên hệ" not in shared
    assert details == "Người liên hệ: Nguyễn Thị Hoa 0\n"
    table = next(child for child in every(shown.root) if child.winfo_class() == "Treeview")
    table.selection_set("25")
    shown.root.update()
    assert texts_in(shown.root)[1].get("1.0", "end") == "Người liên hệ: Nguyễn Thị Hoa 25\n"


def test_s13_the_window_is_deaf_for_a_second_and_until_keys_rest(window, certificate):
    shown, pipe = window(question(certificate, pin_pad=True), deaf=True)
    button = next(child for child in every(shown.root) if str(child.cget("text") if has_text(child) else "") == "Ký")
    place = button.winfo_rootx() + 5, button.winfo_rooty() + 5
    keyboard = Keyboard(os.environ["DISPLAY"])
    for seconds in (0.0, 0.9, 0.9, 0.9):  # each click within a second of the one before
        shown.now.seconds += seconds
        keyboard.click(*place)
        settle(shown)
        shown._leave()
        assert pipe.sent == [] and shown.deaf
    shown.now.seconds += 1
    assert not shown.deaf
    keyboard.click(*place)
    settle(shown)
    assert pipe.sent == [{"decision": "sign"}]


def test_s13_no_button_is_pressed_by_return_and_tab_does_not_lead_to_the_pin(window, certificate):
    shown, pipe = window(question(certificate))
    for child in every(shown.root):
        if has_text(child) or child is shown._entry:
            child.focus_force()
            shown.root.update()
            child.event_generate("<Return>")
            shown.root.update()
    assert pipe.sent == []  # the PIN's field was empty
    shown.root.focus_force()
    visited = set()
    for _ in range(20):
        following = shown.root.focus_get().tk_focusNext()
        following.focus_force()
        shown.root.update()
        visited.add(following)
    assert shown._entry not in visited and len(visited) >= 3


@pytest.mark.parametrize("pieces", ["aâ1", ["a", "\b", "â", "\b", "aa", "1"], "đ", "PIN-bí"])
def test_w13_a_pin_that_an_input_method_changed_is_not_sent_unless_the_person_sees_it(window, certificate, pieces):
    """A try costs one of few. "aaa" is ASCII again at the end, and still not what was typed."""

    def enter(shown):
        for piece in pieces:
            if piece == "\b":
                shown._entry.delete(len(shown._entry.get()) - 1)
            else:
                shown._entry.insert("end", piece)

    shown, pipe = window(question(certificate))
    enter(shown)
    shown._decide("sign")
    assert pipe.sent == [] and shown._entry.get() == "" and "Bộ gõ tiếng Việt" in shown._typing.cget("text")
    shown._entry.insert("end", "7319")
    shown._decide("sign")
    assert (pipe.sent, pipe.secrets) == ([{"decision": "sign"}], [b"7319"])
    shown, pipe = window(question(certificate))
    enter(shown)
    shown._visible.set(True)
    shown._show_or_hide()
    assert shown._entry.cget("show") == ""
    shown._decide("sign")
    assert pipe.sent == [{"decision": "sign"}]


def test_caps_lock_is_told(window, certificate):
    shown, _ = window(question(certificate))
    shown._to_pin()
    shown.root.update()
    shown._entry.event_generate("<Key>", keysym="A", state=0x2)
    assert shown._typing.cget("text") == "Caps Lock đang bật."
    shown._entry.event_generate("<Key>", keysym="a", state=0)
    assert shown._typing.cget("text") == ""


def test_h17_the_letters_work_with_caps_lock(window, certificate):
    """The key M is then named M and not m."""
    shown, pipe = window(question(certificate))
    keyboard = Keyboard(os.environ["DISPLAY"])
    keyboard.wait_for_window()
    keyboard.press("Caps_Lock")
    try:
        keyboard.press("m", "Alt_L")
        settle(shown)
        assert shown.root.focus_get() is shown._entry
        keyboard.press("h", "Alt_L")
        settle(shown)
        assert shown._visible.get()
        keyboard.press("t", "Alt_L")
        settle(shown)
    finally:
        keyboard.press("Caps_Lock")
    assert pipe.sent == [{"decision": "refuse"}]


@pytest.mark.parametrize("opened", [True, False])
def test_only_a_window_that_the_person_opened_has_the_keyboard(display, certificate, opened):
    asked = question_message(question(certificate), language="vi", opened=opened)
    shown = window_child.PinWindow(FakePipe(), asked, Now())
    settle(shown)
    try:
        assert (shown.root.focus_get() is shown._entry) is opened and shown.deaf
    finally:
        shown.root.destroy()


def test_a_notification_is_clicked_first_and_its_window_comes_then(display, certificate):
    announced, clicked = [], threading.Event()

    class Announced(AnnouncedPrompt):
        def _await_person(self, asked):
            self.open_soon = threading.Timer(0.3, lambda: (clicked.set(), self.open(by_person=True)))
            self.open_soon.start()
            return super()._await_person(asked)

    prompt = Announced(announced.append, click_patience=60)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(prompt.ask(question(certificate, count=3))))
    thread.start()
    keyboard = Keyboard(os.environ["DISPLAY"])
    keyboard.wait_for_window()
    assert clicked.is_set() and announced == [3]
    for _ in range(20):
        keyboard.wait_for_window()
        keyboard.type("7319")  # the field has the keyboard already
        keyboard.press("Return")
        thread.join(2 * DEAF_MS / 1000)
        if answers:
            break
    assert answers[0].decision is Decision.SIGN and announced == [3, 0]
    prompt.close()


@pytest.mark.parametrize("values", [{"part": 2, "parts": 2}, {}])
def test_a_missed_notification_and_the_next_part_open_by_themselves(display, certificate, values):
    announced = []
    prompt = AnnouncedPrompt(announced.append, click_patience=0.1)
    assert prompt._await_person(question(certificate, **values)) is False
    assert announced == ([] if values else [1])


def test_the_typed_pin_leaves_the_entry_at_once(window, certificate):
    shown, pipe = window(question(certificate))
    shown._entry.insert(0, "7319")
    assert shown._entry.cget("show") == "•"
    entry = shown._entry
    shown._decide("sign")
    assert (pipe.sent, pipe.secrets) == ([{"decision": "sign"}], [b"7319"])
    assert not entry.winfo_exists()


def test_progress_and_result_are_shown(window, certificate):
    shown, pipe = window(question(certificate, count=3))
    shown._entry.insert(0, "7319")
    shown._decide("sign")
    pipe.waiting += [{"op": "progress", "done": 2, "total": 3}, {"op": "done", "message": "Đã ký 3, không ký 0."}]
    shown._poll()
    assert "Đã ký 3, không ký 0." in texts_of(shown.root) and "Đóng" in texts_of(shown.root)
    assert float(shown._progress["value"]) == 2
