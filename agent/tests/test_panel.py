"""The agent's own windows, each page and state in both languages: a real Tk, in this process, on a virtual screen."""

from __future__ import annotations

import gc
import itertools
import re
import threading
from pathlib import Path
from types import SimpleNamespace

import pki
import pytest
from forms import form
from window_parts import FakePipe, Now

from ibhxh_agent import doctor, document, look, pairing, panel_child, texts
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.config import Folder, Pairing, Settings
from ibhxh_agent.errors import AgentError
from ibhxh_agent.prompt import window_child
from ibhxh_agent.prompt.base import Item, Question
from ibhxh_agent.prompt.wire import question_message

LANGUAGES = ("vi", "en")
ONLINE = {"op": "status", "colour": "GREEN", "line": "Đã kết nối, 1 chứng thư", "paired": True, "update": ""}
LINK = "ibhxh-agent://pair?server=https%3A%2F%2Fodoo.example&code=ABCD-EFGH"
PAIRED = Pairing("https://odoo.example", "db", "1", "PC-KE-TOAN", user="Kế toán", expires_at="2030-01-01T00:00:00Z")


@pytest.fixture
def display(screen, monkeypatch):
    if screen:
        monkeypatch.setenv("DISPLAY", screen)
    yield
    texts.use_language("vi")


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path / "config")


def start(folder, **values):
    """The first frame of the window's process."""
    return {
        "folder": str(folder.path),
        "libraries": [str(folder.path / "none.so")],
        "status": ONLINE,
        "page": "open",
        "link": "",
        **values,
    }


@pytest.fixture
def panel(display, folder):
    """Makes the agent's window as its process does."""
    made = []

    def build(page="open", link="", language="vi", status=ONLINE):
        texts.use_language(language)
        pipe, now = FakePipe(), Now()
        shown = panel_child.Panel(pipe, start(folder, page=page, link=link, status=dict(status)), now)
        shown.pipe, shown.now = pipe, now
        made.append(shown)
        shown.root.update()
        return shown

    yield build
    for thread in threading.enumerate():
        if thread.name in ("doctor", "update", "pair"):
            thread.join()
    for shown in made:
        if shown.root.children:
            shown.root.destroy()
    made.clear()
    gc.collect()  # Tk's own must not be collected in another thread


def every(widget):
    """All widgets, the window itself left out."""
    for child in widget.winfo_children():
        yield child
        yield from every(child)


def buttons(root):
    """What each button says."""
    return [str(one.cget("text")) for one in every(root) if one.winfo_class() == "TButton"]


def lines(root):
    """What each label says."""
    return [str(one.cget("text")) for one in every(root) if one.winfo_class() == "TLabel"]


def letters(root):
    """The underlined letter of everything that has one."""
    marked = [one for one in every(root) if one.winfo_class() in ("TButton", "TLabel", "TCheckbutton")]
    places = [(str(one.cget("text")), int(str(one.cget("underline")))) for one in marked]
    return [name[at].lower() for name, at in places if at >= 0]


def press(root, name):
    """The button with this word."""
    next(one for one in every(root) if one.winfo_class() == "TButton" and str(one.cget("text")) == name).invoke()
    root.update()


# -- every page and state, in both languages ------------------------------------------------------------------------


def a_pairing_under_way(panel):
    shown = panel("pair")
    shown._pair("https://odoo.example", "", "ABCD-EFGH", "PC", lambda _problem: None)
    return shown


def a_pairing_done(panel):
    shown = panel("pair")
    shown._show_success(PAIRED)
    return shown


def a_problem(panel):
    shown = panel("pair")
    shown.show_pairing("Mã không đúng.", ["https://odoo.example", "ABCD-EFGH", "", "PC"])
    return shown


def an_update_begun(panel):
    shown = panel(status={**ONLINE, "update": "99.0"})
    shown._install_update()
    return shown


PAGES = {
    "open": lambda panel: panel("open"),
    "check": lambda panel: panel("check"),
    "not paired": lambda panel: panel("open", status={**ONLINE, "colour": "GREY", "paired": False}),
    "update": lambda panel: panel(status={**ONLINE, "update": "99.0"}),
    "update begun": an_update_begun,
    "pair": lambda panel: panel("pair"),
    "pair again": a_problem,
    "pairing": a_pairing_under_way,
    "paired": a_pairing_done,
    "link": lambda panel: panel("link", LINK),
    "link with all": lambda panel: panel("link", LINK + "&database=db&user=K%E1%BA%BF"),
    "odd link": lambda panel: panel("link", "ibhxh-agent://run"),
}
#: From the state, whose page has every button of the window.
STATES = ("open", "check", "not paired", "update", "update begun", "paired", "odd link")


@pytest.mark.parametrize("settings", ["paired", "unpaired", "unreadable"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("page", PAGES)
def test_h1_every_page_of_the_window_opens_in_both_languages(panel, folder, page, language, settings):
    """With all its buttons, each with a letter of its own, and it goes on listening."""
    if settings == "paired":
        folder.save(Settings(pairing=PAIRED, language=language))
    elif settings == "unreadable":
        folder.path.mkdir()
        folder.settings_file.write_text("{", encoding="utf-8")
    shown = PAGES[page](lambda *given, **named: panel(*given, **named, language=language))
    shown.root.update()
    close, other = (("Đóng", "English"), ("Close", "Tiếng Việt"))[LANGUAGES.index(language)]
    if page in STATES:
        assert close in buttons(shown.root) and other in buttons(shown.root)
    assert len(set(letters(shown.root))) == len(letters(shown.root)) == len(buttons(shown.root))
    shown.pipe.waiting.append({**ONLINE, "colour": "RED", "line": "Mất mạng"})
    shown._poll()
    assert shown._status["line"] == "Mất mạng"


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "asked", [{}, {"count": 12}, {"pin_pad": True}, {"warnings": ("Caps",)}], ids=["one", "batch", "pin pad", "warned"]
)
def test_h1_every_page_of_the_pin_window_opens_in_both_languages(display, asked, language):
    texts.use_language(language)
    read = document.read(form("04"))
    items = [Item(read.form, read.rows(), "Trần Văn Kế")] * asked.pop("count", 1)
    certificate = TokenCertificate.from_der(pki.certificate(pki.key(0)))
    question = Question("https://odoo.example", certificate, "Kế toán", items, **asked)
    shown = window_child.PinWindow(FakePipe(), question_message(question, language=language), Now())
    try:
        shown.root.update()
        assert len(set(letters(shown.root))) == len(letters(shown.root)) >= len(buttons(shown.root)) == 3
        for page in (shown._show_progress, lambda: shown._show_result("Đã ký 1, không ký 0.")):
            page()
            shown.root.update()
            assert len(letters(shown.root)) == len(buttons(shown.root)) == 1
    finally:
        shown.root.destroy()


def test_h1_the_language_is_changed_there_and_back(panel, folder):
    folder.save(Settings(pairing=PAIRED))
    shown = panel()
    for there, code in (("English", "en"), ("Tiếng Việt", "vi"), ("English", "en")):
        press(shown.root, there)
        assert texts.language() == folder.load().language == code
    assert shown.pipe.sent == [{"do": "language"}] * 3
    assert "Close" in buttons(panel(language="en").root)


def test_h1_every_marked_letter_is_one_that_a_key_has():
    """Tk knows no key ế; the letters of this program's windows are those of every keyboard."""
    marked = [found[1] for both in texts._TEXTS.values() for content in both if (found := re.search(r"&(\w)", content))]
    assert len(marked) > 20 and all(letter.isascii() and letter.isalpha() for letter in marked)


def test_h1_a_button_refuses_a_letter_that_no_key_has(panel):
    with pytest.raises(ValueError, match="ế"):
        look.button(panel()._bar(), 0, "Ti&ếng Việt", lambda: None)


@pytest.mark.parametrize("where", ["message", "thread"])
def test_h1_an_error_is_shown_and_logged_and_the_window_goes_on(panel, where):
    shown = panel()
    failing = {"show": lambda *_page: 1 / 0}
    if where == "message":
        shown.show = failing["show"]
        shown.pipe.waiting.append({"op": "page", "page": "open", "link": ""})
    else:
        shown._from_threads.put(failing["show"])
    for _ in itertools.takewhile(lambda _: not shown.pipe.sent, range(400)):
        shown.root.after(10)
        shown.root.update()
    (sent,) = shown.pipe.sent
    assert sent["do"] == "failed" and "ZeroDivisionError" in sent["trace"]
    assert any("gặp lỗi" in line for line in lines(shown.root))
    shown.pipe.waiting.append({**ONLINE, "line": "Mất mạng"})
    for _ in itertools.takewhile(lambda _: shown._status["line"] != "Mất mạng", range(400)):
        shown.root.after(10)
        shown.root.update()
    assert shown._status["line"] == "Mất mạng"


@pytest.mark.parametrize("when", ["first", "later"])
def test_h1_a_window_that_cannot_be_shown_says_so_to_the_program(display, folder, monkeypatch, when):
    """Not as if the person had closed it."""
    pipe = FakePipe()
    pipe.receive = lambda: (start(folder, language="en"), None)
    ended = []
    monkeypatch.setattr(panel_child, "ParentPipe", lambda: pipe)
    monkeypatch.setattr(panel_child.os, "_exit", ended.append)
    made = look.new_window(texts.text("panel_title"))
    if when == "later":
        monkeypatch.setattr(look, "new_window", lambda _title: made)
    broken = "new_window" if when == "first" else "centre"
    monkeypatch.setattr(look, broken, lambda *_given: (_ for _ in ()).throw(panel_child.tk.TclError("bad keysym")))
    panel_child.main()
    made.destroy()
    assert ended == [1] and pipe.sent[-1]["do"] == "failed" and "bad keysym" in pipe.sent[-1]["trace"]
    assert not Path(folder.path).exists()


# -- pairing ----------------------------------------------------------------------------------------------------------


def until(shown, condition, polls=1000):
    """Let the window go on until then."""
    for _ in range(polls):
        if condition():
            return
        shown.root.after(10)
        shown.root.update()
    raise AssertionError("not yet")


@pytest.mark.parametrize(
    ("error", "words"),
    [(RuntimeError("odd"), "lỗi không lường trước"), (OSError(28, "full"), "Không ghi được vào đĩa (full)"),
     (AgentError("bad_code", "Mã không đúng."), "Mã không đúng.")],
)  # fmt: skip
def test_h20_whatever_a_pairing_ends_with_the_window_can_be_closed(panel, monkeypatch, error, words):
    def pair(*_given):
        raise error

    monkeypatch.setattr(pairing, "pair", pair)
    shown = panel("pair")
    shown._pair("https://odoo.example", "", "ABCD-EFGH", "PC", lambda problem: shown.show_pairing(problem))
    shown.pipe.waiting.append({"op": "paused"})
    until(shown, lambda: {"do": "resume"} in shown.pipe.sent)
    assert any(words in line for line in lines(shown.root))
    failures = [sent for sent in shown.pipe.sent if sent["do"] == "failed"]
    assert len(failures) == isinstance(error, RuntimeError)
    press(shown.root, "Để sau")
    assert not shown.root.children


def test_h20_a_diagnosis_that_fails_is_over_all_the_same(panel, monkeypatch):
    monkeypatch.setattr(doctor, "examine", lambda *_given: (1 / 0 for _ in "1"))
    shown = panel("check")
    until(shown, lambda: not shown._check.instate(["disabled"]))
    assert "lỗi không lường trước" in shown._diagnosis.get("1.0", "end")
    assert [sent["do"] for sent in shown.pipe.sent] == ["failed"]


# -- the question of a link -------------------------------------------------------------------------------------------


def click(widget):
    widget.event_generate("<Button-1>", x=2, y=2)
    widget.event_generate("<ButtonRelease-1>", x=2, y=2)
    widget.update()


def the_button(root, name):
    return next(one for one in every(root) if one.winfo_class() == "TButton" and str(one.cget("text")) == name)


@pytest.mark.parametrize("page", ["link", "open"])
def test_h19_clicks_that_were_meant_for_a_web_page_agree_to_no_link(panel, page):
    """A page that makes people click, again and again, opens the link in between; the window is there or is not."""
    shown = panel(page, LINK)
    if page == "open":
        shown.now.seconds += 60
        shown.show("link", LINK)
        shown.root.update()
    agreed = []
    shown._pair = lambda *given: agreed.append(given)
    for _ in range(12):
        shown.now.seconds += 0.3  # faster than anybody reads
        click(the_button(shown.root, "Ghép"))
        shown.root.focus_force()
        shown.root.event_generate("<Alt-g>")
        shown.root.update()
    assert agreed == []
    shown.now.seconds += 1.1
    click(the_button(shown.root, "Ghép"))
    assert len(agreed) == 1


def test_h19_the_second_counts_from_when_the_window_can_be_seen(panel):
    shown = panel("open")
    shown.root.withdraw()
    shown.root.update()
    shown.show("link", LINK)
    shown.now.seconds += 60
    assert shown.deaf
    shown.root.deiconify()
    until(shown, lambda: shown.root.winfo_viewable())
    shown.root.update()
    assert shown.deaf
    shown.now.seconds += 1.1
    assert not shown.deaf


# -- a newer version --------------------------------------------------------------------------------------------------


class Updates:
    """In the place of the real one: what each attempt to install does."""

    attempts: list

    def __init__(self, _folder, _client):
        pass

    def install(self, progress):
        progress(1, 4)
        return self.attempts.pop(0)()


@pytest.fixture
def attempts(monkeypatch):
    monkeypatch.setattr(panel_child.updates, "Updates", Updates)
    monkeypatch.setattr(panel_child.commands, "paired_with_key", lambda _folder: (PAIRED, None, "key"))
    Updates.attempts = []
    return Updates.attempts


def fails(error):
    raise error


def test_h13_after_a_failed_download_the_button_is_there_again(panel, attempts):
    """The sentence says to try once more."""
    damaged = AgentError("update_damaged", texts.text("update_damaged"))
    ended = threading.Event()
    attempts += [
        lambda: ended.wait(600) and fails(damaged),
        lambda: ended.wait(600) and fails(OSError(28, "full")),
        lambda: ended.wait(600) and None,
    ]
    shown = panel(status={**ONLINE, "update": "99.0"})
    assert any("Có phiên bản mới 99.0" in line for line in lines(shown.root))
    for words in ("Thử lại", "Không ghi được vào đĩa (full)"):
        press(shown.root, "Cài ngay")
        assert "Cài ngay" not in buttons(shown.root)
        ended.set()
        until(shown, lambda words=words: any(words in line for line in lines(shown.root)))
        assert "Cài ngay" in buttons(shown.root)
        ended.clear()
    press(shown.root, "Cài ngay")
    until(shown, lambda: any("25 %" in line for line in lines(shown.root)))
    shown.pipe.waiting.append({**ONLINE, "line": "y", "update": "99.0"})
    press(shown.root, "English")  # another page in the middle of it
    until(shown, lambda: shown._status["line"] == "y")
    assert "Update now" not in buttons(shown.root) and not [one for one in shown.pipe.sent if one["do"] == "failed"]
    ended.set()
    until(shown, lambda: {"do": "installer"} in shown.pipe.sent)


def test_h13_an_installer_that_ends_before_the_program_does_is_reported(panel, attempts):
    """Where it succeeds, this window is gone by then."""
    waiting = threading.Event()
    attempts.append(lambda: SimpleNamespace(wait=lambda: waiting.wait(600)))
    shown = panel(status={**ONLINE, "update": "99.0"})
    press(shown.root, "Cài ngay")
    until(shown, lambda: any("Đang cài bản cập nhật" in line for line in lines(shown.root)))
    assert shown.pipe.sent == []
    waiting.set()
    until(shown, lambda: shown.pipe.sent == [{"do": "installer"}])
    assert "Cài ngay" in buttons(shown.root)


def test_h13_what_became_of_it_is_shown_beside_the_offer(panel):
    failed = texts.text("update_failed", version="99.0", ours="1.0")
    shown = panel(status={**ONLINE, "update": "99.0"})
    shown.pipe.waiting.append({"op": "page", "page": "open", "link": "", "note": failed})
    until(shown, lambda: failed in lines(shown.root))
    note, offer = (
        next(one for one in every(shown.root) if one.winfo_class() == "TLabel" and words in str(one.cget("text")))
        for words in (failed, "Có phiên bản mới 99.0")
    )
    assert note.winfo_rooty() + note.winfo_height() <= offer.winfo_rooty()


def test_h13_an_offer_comes_and_goes_while_the_window_is_open(panel):
    shown = panel()
    for version, there in (("99.0", True), ("", False), ("99.1", True)):
        shown.pipe.waiting.append({**ONLINE, "update": version})
        until(shown, lambda there=there: ("Cài ngay" in buttons(shown.root)) is there)
    assert "c" in letters(shown.root)


# -- unreadable settings ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["{", '{"pairing": 3}', "\0\0\0\0"], ids=["half", "odd", "zeros"])
def test_h8_unreadable_settings_are_replaced_by_a_pairing_which_uses_one_code(odoo, folder, content):
    folder.path.mkdir()
    folder.settings_file.write_text(content, encoding="utf-8")
    pairing.pair(folder, odoo.url, odoo.database, odoo.code, "PC")
    assert folder.paired().server == odoo.url and odoo.paths() == ["pair"]
    (kept,) = folder.path.glob("settings.json.bad")
    assert kept.read_text(encoding="utf-8") == content


def test_h8_the_window_says_that_a_pairing_mends_unreadable_settings_and_does_it(panel, folder, monkeypatch):
    folder.path.mkdir()
    folder.settings_file.write_text("{", encoding="utf-8")
    shown = panel("pair", status={**ONLINE, "colour": "RED", "paired": False})
    assert any("Không đọc được cấu hình" in line and str(folder.settings_file) in line for line in lines(shown.root))
    monkeypatch.setattr(pairing, "pair", lambda *_given: PAIRED)
    shown._pair("https://odoo.example", "db", "ABCD-EFGH", "PC", lambda problem: shown.show_pairing(problem))
    shown.pipe.waiting.append({"op": "paused"})
    until(shown, lambda: {"do": "resume"} in shown.pipe.sent)
    assert any(line.startswith("✔ Đã ghép với") for line in lines(shown.root))


def test_h8_a_refused_code_leaves_what_could_not_be_read_where_it_is(odoo, folder):
    """It may have been a scanner that held the file."""
    folder.path.mkdir()
    folder.settings_file.write_text("{", encoding="utf-8")
    with pytest.raises(AgentError):
        pairing.pair(folder, odoo.url, odoo.database, "WXYZ-WXYZ", "PC")
    assert folder.settings_file.read_text(encoding="utf-8") == "{"


def test_h8_no_code_is_used_where_nothing_can_be_kept(odoo, tmp_path):
    (tmp_path / "config").write_text("a file where the folder should be", encoding="utf-8")
    with pytest.raises((OSError, AgentError)):
        pairing.pair(Folder(tmp_path / "config"), odoo.url, odoo.database, odoo.code, "PC")
    assert odoo.paths() == []


# -- the PIN, changed by an input method ------------------------------------------------------------------------------


@pytest.fixture
def asked(display):
    """A PIN window that has rested."""
    read = document.read(form("04"))
    certificate = TokenCertificate.from_der(pki.certificate(pki.key(0)))
    question = Question("https://odoo.example", certificate, "Kế toán", [Item(read.form, read.rows(), "Kế")])
    now, pipe = Now(), FakePipe()
    shown = window_child.PinWindow(pipe, question_message(question, language="vi"), now)
    shown.root.update()
    now.seconds += 2
    shown.pipe, shown.now = pipe, now
    yield shown
    if shown.root.children:
        shown.root.destroy()


def type_with_telex(shown):
    """What UniKey makes of aa1: it takes the first letter back."""
    shown._entry.insert("end", "a")
    shown._entry.delete(0)
    shown._entry.insert("end", "â")
    shown._entry.insert("end", "1")


def test_h10_the_window_says_at_once_that_an_input_method_changed_the_pin(asked):
    """Before Sign is pressed, and the next key does not take it away."""
    type_with_telex(asked)
    assert "Bộ gõ tiếng Việt" in asked._typing.cget("text") and asked.pipe.sent == []
    asked._entry.event_generate("<Key>", keysym="Shift_L")
    assert "Bộ gõ tiếng Việt" in asked._typing.cget("text")
    asked._visible.set(True)
    asked._show_or_hide()
    assert asked._typing.cget("text") == ""  # the person sees what is there


def test_h10_who_empties_the_field_as_asked_and_types_again_signs_at_once(asked):
    type_with_telex(asked)
    asked.now.seconds += 3
    asked._entry.delete(0, "end")
    asked.now.seconds += 2  # the input method is switched off
    asked._entry.insert("end", "aa1")
    assert asked._typing.cget("text") == ""
    asked._decide("sign")
    assert asked.pipe.sent == [{"decision": "sign"}]


def test_h10_what_an_input_method_takes_back_and_writes_again_stays_suspect(asked):
    for piece in ("â", "aa"):
        asked._entry.delete(0, "end")
        asked.now.seconds += 0.2
        asked._entry.insert("end", piece)
    asked._decide("sign")
    assert asked.pipe.sent == [] and "Bộ gõ tiếng Việt" in asked._typing.cget("text")


def test_h1_an_error_of_the_pin_window_is_logged_without_what_was_typed_and_it_goes_on(asked):
    asked._entry.insert(0, "7319")
    asked._show_progress = lambda: int(asked._typed_pin)
    asked._typed_pin = "PIN-7319"
    asked._decide_later = asked.root.after(0, lambda: asked._decide("sign"))
    until(asked, lambda: len(asked.pipe.sent) == 2)
    decision, failure = asked.pipe.sent
    assert decision == {"decision": "sign"} and failure["failed"].endswith("ValueError")
    assert "7319" not in failure["failed"] and "_decide" in failure["failed"]
    asked._show_result = lambda message: asked.pipe.sent.append(message)
    asked.pipe.waiting += [{"op": "progress"}, {"op": "done", "message": "x"}]
    until(asked, lambda: asked.pipe.sent[-1] == "x")
