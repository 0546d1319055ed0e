"""An accountant's four actions with the real Odoo in a browser, a picture of each, and a newer version out of Odoo.

These tests come last: the desktop with a taskbar covers the one of the others.

The pictures stay in dev.pictures.WINDOWS; `./run screenshots windows` takes them over into the documentation.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

import pytest
from ibhxh_agent import texts
from PIL import Image
from playwright.sync_api import Page

from dev import pictures
from dev.paths import ROOT
from integration.browser import Browser, activate_on_portal
from integration.case import Case
from integration.odoo_browser import OdooPage
from integration.stack import CLERK, HOLDER, Stack
from integration.waiting import NotObserved, until
from integration.windows import PIN, Releases, WindowsComputer, WindowsToken

T = TypeVar("T")
LANGUAGES = {"vi": "vi_VN", "en": "en_US"}
SECONDS = 5400
"""For one test, in which programs may have to be built first. A limit for what hangs; it takes two minutes."""
DEAF = 1.5
"""Seconds after which a question listens: it takes nothing for its first second."""
RELEASE = "l10n_vn_ibhxh.agent.release"
BALLOON = "tooltips_class32"
"""Windows' class of the notification."""
SETUP = "ibhxh-agent 19."
"""In the title of the installer's window alone."""


class Accountant:
    """Who sits at the computer: sees windows, clicks and types, and keeps pictures."""

    def __init__(self, pc: WindowsComputer, home: Path, language: str) -> None:
        self.pc = pc
        self.home = home
        self.language = language

    def keep(self, number: int, name: str, picture: bytes | Image.Image) -> None:
        pictures.keep(picture, pictures.WINDOWS / self.language / f"windows-{number}-{name}.png")

    def see(self, number: int, name: str, title: str) -> None:
        """Keep a picture of a window with a little of what is around it, once it is drawn and stays where it is."""
        width, height = self.pc.size
        before, now = None, self._look(title, width, height)
        while now != before:
            threading.Event().wait(0.7)
            before, now = now, self._look(title, width, height)
        self.keep(number, name, now)

    def _look(self, title: str, width: int, height: int) -> Image.Image:
        left, top, right, bottom = self.pc.await_window(title)
        return self.pc.picture((max(left - 12, 0), max(top - 12, 0), min(right + 12, width), min(bottom + 12, height)))

    def keep_last(self, number: int, name: str, title: str) -> None:
        """Keep what a window shows before it closes by itself: the last that was there for a moment, whole."""
        shown = [self.pc.picture(self.pc.await_window(title))]
        while (now := self.pc.window(title)) is not None:
            shown.append(self.pc.picture(now))
            assert len(shown) < 3000, "the window stays"
        whole = [one for one, two, three in zip(shown, shown[1:], shown[2:], strict=False) if one == two == three]
        self.keep(number, name, [*shown, *whole][-1])

    def press_next_button(self) -> None:
        """By keyboard. Not by Alt and its letter: Wine's title bars then wait for an entry of their menu."""
        self.pc.press("Tab", "space")

    def open_link(self, link: str, variables: Mapping[str, str] | None = None) -> None:
        """As a browser does: Wine finds no scheme of an account, so its command is run as it is registered."""
        key = r"HKCU\Software\Classes\ibhxh-agent\shell\open\command"
        registered = self.pc.run("reg", "query", key, "/ve").output
        match = re.search(r'"([^"]+\\ibhxh-agent\.exe)" link "%1"', registered)
        assert match, registered
        self.pc.start(match[1], "link", link, variables=variables)

    def agree(self, paired: Callable[[], T | None]) -> T:
        """Say yes to the link's question; what `paired` gives then.

        Once more when nothing came of it: keys are lost that are pressed before a window is there whole.
        """

        def say_yes() -> T | None:
            self.pc.click_on(self.pc.await_window(words("panel_title")))
            threading.Event().wait(DEAF)
            self.press_next_button()
            try:
                return until("the pairing", paired, seconds=40)
            except NotObserved:
                return None

        self.pc.await_window(words("panel_title"))
        threading.Event().wait(DEAF)
        return until("the pairing", say_yes)

    def open_question(self) -> None:
        """Click on the icon that the notification belongs to: Wine tells nobody of a click on the notification."""
        self.pc.await_window(kind=BALLOON)
        width, height = self.pc.size
        self.pc.click(width - 10, height - 10)
        self.pc.await_window(words("ask_title"))
        threading.Event().wait(DEAF)

    def enter_pin(self) -> None:
        """Into its field, which has the keyboard after the click on the icon."""
        self.pc.type(PIN)


def words(key: str) -> str:
    """A text of the program."""
    return str(texts.text(key))


@pytest.fixture(autouse=True)
def _taskbar(pc: WindowsComputer) -> Iterator[None]:
    """A desktop as people know it, with a place for the notification."""
    with pc.taskbar():
        yield


@pytest.fixture
def browser() -> Iterator[Browser]:
    """A person's browser."""
    with Browser() as started:
        yield started


@pytest.fixture
def language(request: pytest.FixtureRequest, stack: Stack) -> Iterator[str]:
    """Everybody and everything speaks it."""
    chosen = str(request.param)
    stack.install_language("vi_VN")
    users = stack.admin.call("res.users", "search", [["login", "in", [CLERK, HOLDER]]])
    stack.admin.call("res.users", "write", users, {"lang": LANGUAGES[chosen], "tz": "Asia/Ho_Chi_Minh"})
    texts.use_language(chosen)
    yield chosen
    texts.use_language("vi")
    stack.admin.call("res.users", "write", users, {"lang": "en_US"})


@pytest.fixture
def token(pc: WindowsComputer, case: Case, tmp_path: Path) -> Iterator[WindowsToken]:
    """The company's token, and its vendor's library where the agent finds it by itself."""
    library = pc.system_folder / "viettel-ca_v6.dll"
    library.write_bytes((pc.folder / "fakep11.dll").read_bytes())
    yield WindowsToken(tmp_path / "token", pc, case.tax_code, case.company_name)
    library.unlink()


def publish(stack: Stack, installer: Path, version: str, document: str = "") -> int:
    """Put an installer into Odoo, as an administrator does."""
    values = {"platform": "windows-x86_64", "version": version, "file_name": installer.name}
    values["file"] = base64.b64encode(installer.read_bytes()).decode()
    if document:
        values["document"] = base64.b64encode(document.encode()).decode()
    return stack.admin.create(RELEASE, **values)


def download(page: Page, target: Path) -> Path:
    """Press the download in the dialog; the file is the one whose SHA-256 it shows."""
    link = page.locator(".o_l10n_vn_ibhxh_download[data-platform='windows-x86_64']")
    link.evaluate("link => link.removeAttribute('target')")
    with page.expect_download() as begun:
        link.click()
    file = target / begun.value.suggested_filename
    begun.value.save_as(file)
    check = page.locator(".o_l10n_vn_ibhxh_pairing details")
    check.locator("summary").click()
    assert check.locator("code").inner_text().strip() == hashlib.sha256(file.read_bytes()).hexdigest()
    check.locator("summary").click()
    return file


def pairing_dialog(browser: Browser, stack: Stack, company: int) -> Page:
    """The first action: My computers > Pair a computer, and the password."""
    holder = OdooPage(browser.page(), stack.url)
    holder.log_in(HOLDER, stack.passwords[HOLDER], company)
    holder.go("l10n_vn_ibhxh.l10n_vn_ibhxh_agent_action")
    page = holder.page
    page.locator(".o_control_panel button.btn-primary, .o_list_view button.btn-primary").first.click()
    page.locator(".modal input[type=password]").fill(stack.passwords[HOLDER])
    page.locator(".modal footer .btn-primary").click()
    page.locator(".modal .o_l10n_vn_ibhxh_pair_here").wait_for()
    return page


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("language", LANGUAGES, indirect=True)
def test_an_accountant_is_ready_in_four_actions(
    pc: WindowsComputer, account: Path, installer: Path, browser: Browser, case: Case, token: WindowsToken,
    language: str, tmp_path: Path,
) -> None:  # fmt: skip
    stack, person = case.stack, Accountant(pc, account, language)
    release = publish(stack, installer, installer.name.split("-")[2])

    # 1. Pair a computer, and the password.
    page = pairing_dialog(browser, stack, case.company)
    person.keep(1, "dialog", page.locator(".modal-content").screenshot(animations="disabled"))

    # 2. Download, and a double click. The program speaks Vietnamese until another language is chosen.
    settings = pc.local / "ibhxh-agent" / "settings.json"
    settings.parent.mkdir()
    settings.write_text(json.dumps({"language": language}), encoding="utf-8")
    file = download(page, tmp_path)
    stack.admin.call(RELEASE, "unlink", [release])
    installing = pc.start(str(file), variables=token.environment)
    person.keep_last(2, "installer", SETUP)
    title = words("panel_title")
    person.see(3, "window", title)

    # 3. Pair this computer, and the person agrees.
    href = page.locator(".o_l10n_vn_ibhxh_pair_here").get_attribute("href")
    assert href is not None
    person.open_link(href)
    threading.Event().wait(DEAF)
    person.see(4, "link", title)

    person.agree(lambda: page.locator(".o_l10n_vn_ibhxh_paired").count() > 0)
    page.locator(".o_l10n_vn_ibhxh_token_seen").wait_for()
    assert case.tax_code in page.locator(".o_l10n_vn_ibhxh_token_seen").inner_text()
    state = pc.local / "ibhxh-agent" / "state.json"
    until("the connection", lambda: state.exists() and json.loads(state.read_text(encoding="utf-8"))["certificates"])
    threading.Event().wait(DEAF)
    person.see(5, "paired", title)
    pc.press("Escape")
    pc.await_no_window(title)

    # 4. The first form: a click on the notification or its icon, and the PIN.
    case.register()
    balloon = pc.await_window(kind=BALLOON)
    person.keep(6, "notification", pc.picture((balloon[0] - 40, balloon[1], *pc.size)))
    person.open_question()
    person.enter_pin()
    person.see(7, "pin", words("ask_title"))
    assert not token.logins()
    pc.press("Return")
    person.keep_last(8, "signed", words("ask_title"))
    assert len(token.logins()) == 1
    case.check_accepted()
    row = case.await_state("to_activate")
    activate_on_portal(browser.page(), row["activation_url"], row["activation_code"])
    case.await_state("confirmed")
    clerk = OdooPage(browser.page(), stack.url)
    clerk.log_in(CLERK, stack.passwords[CLERK], case.company)
    clerk.go(f"l10n_vn_ibhxh.l10n_vn_ibhxh_registration_action/{row['id']}")
    clerk.page.locator(".o_form_view .o_statusbar_status").wait_for()
    clerk.page.set_viewport_size({"width": 1280, "height": 640})
    person.keep(9, "confirmed", clerk.page.screenshot(animations="disabled"))

    assert installing.wait(60) == 0
    assert pc.run(str(account / "uninstall.exe"), "/S").code == 0
    until("an empty account", lambda: not account.exists() and not (pc.local / "ibhxh-agent").exists())


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("language", ["vi"], indirect=True)
def test_c22_the_computer_is_shut_down_while_the_pin_is_asked_for(
    pc: WindowsComputer, account: Path, installer: Path, case: Case, token: WindowsToken, language: str
) -> None:
    """Nothing is signed and nothing waits for it; at the next login the program is there and asks again."""
    person = Accountant(pc, account, language)
    assert pc.start(str(installer), "/S", variables=token.environment).wait(300) == 0
    person.open_link(_link(case.stack), token.environment)
    person.agree(lambda: _computer(case))
    pc.press("Escape")
    case.register()
    person.open_question()
    person.enter_pin()
    assert _processes(pc) > 1
    pc.end_session()
    assert _processes(pc) == 0
    assert not token.logins()

    pc.log_in(token.environment)
    person.open_question()
    assert not token.logins()
    person.enter_pin()
    pc.press("Return")
    case.check_accepted()
    assert len(token.logins()) == 1


@pytest.mark.timeout(SECONDS)
@pytest.mark.parametrize("language", ["vi"], indirect=True)
def test_a_newer_version_comes_out_of_odoo_and_installs_itself_when_the_person_says_so(
    pc: WindowsComputer, account: Path, releases: Releases, case: Case, token: WindowsToken, language: str
) -> None:
    """Signed with the key that the program knows, fetched through Odoo, checked, and run over the running program."""
    stack, person = case.stack, Accountant(pc, account, language)
    installing = pc.start(str(releases.older), "/S", variables=token.environment)
    assert installing.wait(300) == 0
    person.open_link(_link(stack), token.environment)
    title = words("panel_title")
    computer = person.agree(lambda: _computer(case))
    before = stack.sql("SELECT version FROM l10n_vn_ibhxh_agent WHERE id = %s", [computer])[0]["version"]
    assert before != releases.newer_version

    release = publish(stack, releases.newer, releases.newer_version, releases.document)
    offered = pc.local / "ibhxh-agent" / "updates" / "program.json"
    until("the offer", offered.exists)
    assert not list(offered.parent.glob("ibhxh-agent-*")), "fetched before anybody said so"

    def begun() -> bool:
        return not offered.exists() or bool(list(offered.parent.glob("ibhxh-agent-*")))

    def update() -> bool:
        """Again until it began, which may be over between two looks; in the newer version nothing is pressed."""
        if not begun():
            pc.click_on(pc.await_window(title))
            person.press_next_button()
        return begun()

    until("the installer", update, pause=DEAF)
    version = "SELECT 1 FROM l10n_vn_ibhxh_agent WHERE id = %s AND version = %s"
    until("the newer version at Odoo", lambda: stack.sql(version, [computer, releases.newer_version]), seconds=600)
    until("nothing of the update being left", lambda: not offered.exists())
    registered = pc.run("reg", "query", r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\ibhxh-agent").output
    assert releases.newer_version in registered
    assert [path.name for path in account.parent.iterdir()] == ["ibhxh-agent"]
    stack.admin.call(RELEASE, "unlink", [release])


def _link(stack: Stack) -> str:
    server = stack.url.replace(":", "%3A").replace("/", "%2F")
    return f"ibhxh-agent://pair?server={server}&database={stack.database}&code={stack.pairing_code()}"


def _processes(pc: WindowsComputer) -> int:
    """How many the program has."""
    code = "import trial; print(len(trial.processes()))"
    return int(pc.run(pc.python, "-c", code, variables={"PYTHONPATH": pc.path(ROOT / "agent" / "packaging")}).output)


def _computer(case: Case) -> int | None:
    """The computer that sees the company's token, once it is paired and connected."""
    rows = case.stack.sql(
        "SELECT agent_id FROM l10n_vn_ibhxh_agent_certificate_rel JOIN l10n_vn_ibhxh_certificate ON id = certificate_id"
        " WHERE tax_code = %s",
        [case.tax_code],
    )
    return rows[0]["agent_id"] if rows else None
