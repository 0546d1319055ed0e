"""The PIN window: a real one, in its own process, on a virtual screen, used with the keyboard only."""

from __future__ import annotations

import threading

import pki
import pytest
from display import Keyboard, virtual_screen

from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.prompt import window_child
from ibhxh_agent.prompt.base import Item, Question
from ibhxh_agent.prompt.window import WindowPrompt
from ibhxh_agent.prompt.wire import printable, question_message
from ibhxh_agent.secret import Secret


@pytest.fixture(scope="module")
def screen():
    with virtual_screen() as display:
        yield display


@pytest.fixture
def display(screen, monkeypatch):
    monkeypatch.setenv("DISPLAY", screen)
    return screen


@pytest.fixture(scope="module")
def certificate():
    return TokenCertificate.from_der(pki.certificate(pki.key(0), name="CÔNG TY TNHH HOA SEN"))


def item(number: int = 0) -> Item:
    return Item(
        form="04/ĐK-IVAN",
        title="Tờ khai đăng ký sử dụng dịch vụ I-VAN (04/ĐK-IVAN)",
        company=f"Công ty TNHH Hoa Sen {number}",
        tax_code="0100109106",
        email="ke.toan@hoasen.example",
        phone="+84912345678",
        requested_by="Trần Văn Kế",
        details=(("Tổ chức I-VAN", "TS24"),),
    )


def question(certificate, count=1, **values):
    items = [item(number) for number in range(count)]
    return Question("https://odoo.hoasen.example", certificate, "Kế toán", items, **values)


class Asking:
    """A question in a real window, answered by the test."""

    def __init__(self, display, asked, **options):
        self.prompt = WindowPrompt(**options)
        self.keyboard = Keyboard(display)
        self.thread = threading.Thread(target=lambda: setattr(self, "answer", self.prompt.ask(asked)))
        self.thread.start()
        self.keyboard.wait_for_focus()

    def result(self):
        self.thread.join(60)
        assert not self.thread.is_alive()
        return self.answer


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
    asking = ask(question(certificate))
    asking.keyboard.type("Ab-7319")
    asking.keyboard.press("Return")
    answer = asking.result()
    assert answer.decision == "sign" and bytes(answer.pin.buffer()) == b"Ab-7319" and answer.keep_minutes == 0


def test_the_pin_can_be_kept_by_keyboard(ask, certificate):
    asking = ask(question(certificate))
    asking.keyboard.type("1234")
    asking.keyboard.press("Tab")
    asking.keyboard.press("space")
    asking.keyboard.press("Return")
    assert asking.result().keep_minutes == 15


@pytest.mark.parametrize(
    ("keys", "decision"),
    [(("Escape",), "cancel"), (("t", "Alt_L"), "refuse"), (("s", "Alt_L"), "cancel"), (("Tab", "Tab", "Tab"), None)],
)
def test_saying_no_by_keyboard(ask, certificate, keys, decision):
    asking = ask(question(certificate))
    asking.keyboard.type("1234")
    if decision is None:  # entry → tick box → minutes → Ký → Từ chối
        for _ in range(4):
            asking.keyboard.press("Tab")
        asking.keyboard.press("Return")
        decision = "refuse"
    else:
        asking.keyboard.press(*keys)
    answer = asking.result()
    assert answer.decision == decision and answer.pin is None


def test_an_empty_pin_is_not_sent(ask, certificate):
    asking = ask(question(certificate))
    asking.keyboard.press("Return")
    asking.keyboard.type("12")
    asking.keyboard.press("Return")
    assert bytes(asking.result().pin.buffer()) == b"12"


@pytest.mark.parametrize("kind", ["pin_pad", "pin_kept"])
def test_without_a_pin_to_type_enter_agrees(ask, certificate, kind):
    asking = ask(question(certificate, **{kind: True}))
    asking.keyboard.press("Return")
    answer = asking.result()
    assert answer.decision == "sign" and answer.pin is None


def test_a_batch_shows_progress_and_can_be_stopped(ask, certificate):
    asking = ask(question(certificate, count=30))
    asking.keyboard.type("12")
    asking.keyboard.press("Return")
    assert asking.result().decision == "sign"
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
    assert prompt.ask(question(certificate)).decision == "cancel" and prompt._child is None


def test_an_ending_agent_closes_it(ask, certificate):
    ending = threading.Event()
    asking = ask(question(certificate), stopping=ending.is_set)
    ending.set()
    assert asking.result().decision == "cancel" and asking.prompt._child is None


def test_a_window_that_crashes_is_a_no(ask, certificate):
    asking = ask(question(certificate))
    asking.prompt._child._process.kill()
    assert asking.result().decision == "cancel"
    assert asking.prompt.progress(1, 2) is False
    asking.prompt.done("x")


def test_without_a_display_it_is_a_no(certificate, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":9999")
    assert WindowPrompt(patience=20).ask(question(certificate)).decision == "cancel"


class FakePipe:
    """The pipe of a window that lives in this process."""

    def __init__(self):
        self.sent = []
        self.waiting = []

    def send(self, message, secret=None):
        self.sent.append((message, bytes(secret.buffer()) if secret is not None else None))

    def poll(self):
        return (self.waiting.pop(0), Secret(bytearray())) if self.waiting else None


def texts_of(widget):
    found = []
    for child in widget.winfo_children():
        if child.winfo_class() in ("TLabel", "TButton", "TCheckbutton"):
            found.append(str(child.cget("text")))
        if child.winfo_class() == "Treeview":
            found += [str(value) for row in child.get_children() for value in child.item(row)["values"]]
        found += texts_of(child)
    return found


@pytest.fixture
def window(display, certificate):
    made = []

    def build(asked):
        pipe = FakePipe()
        made.append(window_child.PinWindow(pipe, question_message(asked, language="vi")))
        made[-1].root.update()
        return made[-1], pipe

    yield build
    for one in made:
        if one.root.children:
            one.root.destroy()


def test_it_shows_who_asks_for_what(window, certificate):
    shown, _ = window(question(certificate, warnings=("CẢNH BÁO: chỉ còn MỘT lần nhập PIN.",)))
    texts = texts_of(shown.root)
    for wanted in (
        "https://odoo.hoasen.example",
        "Công ty TNHH Hoa Sen 0",
        "Tờ khai đăng ký sử dụng dịch vụ I-VAN (04/ĐK-IVAN)",
        "ke.toan@hoasen.example",
        "+84912345678",
        "Trần Văn Kế",
        "CÔNG TY TNHH HOA SEN (0100109106)",
        f"{certificate.not_before:%d/%m/%Y} – {certificate.not_after:%d/%m/%Y}",
        "⚠ CẢNH BÁO: chỉ còn MỘT lần nhập PIN.",
        "TS24",
    ):
        assert wanted in texts
    assert any("TEST-CA" in text and certificate.serial in text for text in texts)


def test_a_batch_lists_every_document(window, certificate):
    shown, _ = window(question(certificate, count=40))
    texts = texts_of(shown.root)
    assert all(f"Công ty TNHH Hoa Sen {number}" in texts for number in range(40))
    assert any(text.startswith("40 tờ khai") for text in texts)


def test_the_typed_pin_leaves_the_entry_at_once(window, certificate):
    shown, pipe = window(question(certificate))
    shown._entry.insert(0, "7319")
    assert shown._entry.cget("show") == "•"
    entry = shown._entry
    shown._decide("sign")
    assert pipe.sent == [({"decision": "sign", "keep_minutes": 0}, b"7319")]
    assert not entry.winfo_exists()


def test_progress_and_result_are_shown(window, certificate):
    shown, pipe = window(question(certificate, count=3))
    shown._entry.insert(0, "7319")
    shown._decide("sign")
    pipe.waiting += [{"op": "progress", "done": 2, "total": 3}, {"op": "done", "message": "Đã ký 3, không ký 0."}]
    shown._poll()
    assert "Đã ký 3, không ký 0." in texts_of(shown.root) and "Đóng" in texts_of(shown.root)
    assert float(shown._progress["value"]) == 2


def test_hostile_text_cannot_rearrange_the_window():
    assert printable("a\nb\u202ec\x1b[2Jd\u200be") == "a b c [2Jd e"
    assert len(printable("x" * 5000)) == 300
