"""`./run screenshots`: the pictures of README, docs/ and the Apps page, taken of the running demo by a real browser.

The people of the demo (dev/demo) go through the user guide's five steps, once in Vietnamese, once in English. Pictures
are reduced to 256 colours, which keeps the repository small. `./run screenshots windows` takes over those that the last
`./run test windows` made.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from playwright.sync_api import Locator, Page, ViewportSize

from .console import Problem, say
from .demo import setup_scene
from .demo.companies import Company
from .demo.demo import PICTURES as DEMO_PICTURES
from .demo.demo import Demo, running
from .demo.phone_scene import await_decision
from .demo.registering import MODEL, PHONE, Clerk
from .demo.transcript import Transcript
from .odoo import ADMIN_LOGIN
from .paths import ROOT
from .pictures import PICTURES, keep, take_over_windows
from integration.browser import Browser
from integration.companies import tax_code
from integration.odoo_browser import HR_APP, WIZARD_TITLE, OdooPage
from integration.phone_case import SERVICE, add_account, make_service
from integration.stack import CLERK, HOLDER, MAILBOX
from integration.waiting import until

APPS_PAGE = ROOT / "static" / "description"
FOR_APPS_PAGE = ("wizard", "code", "overview")
"""English pictures that the Apps page shows too; Odoo serves it from static/ alone."""

BANNER = ROOT / "dev" / "banner.html"
BANNER_SIZE = ViewportSize(width=1120, height=560)

LANGUAGES = {"vi": "vi_VN", "en": "en_US"}
COMPUTER = "PC-KETOAN"
MARK = """([left, top, number]) => {
    const mark = document.createElement("div");
    mark.className = "screenshot-mark";
    mark.textContent = number;
    mark.style.cssText = `position: fixed; left: ${left}px; top: ${top}px; z-index: 99999; width: 26px; height: 26px;
        border-radius: 13px; background: #d6002a; color: white; font: bold 15px/26px sans-serif; text-align: center`;
    document.body.append(mark);
}"""
QUIET = """() => {
    const now = Date.now();
    if (!window.quietSince || document.querySelector(".o-tooltip, .o_loading_indicator")) window.quietSince = now;
    return now - window.quietSince > 700;
}"""
"""Odoo's loading indicator was not seen for 0.7 s; its page is never without network traffic."""

UNMARK = "() => document.querySelectorAll('.screenshot-mark').forEach((mark) => mark.remove())"


def _companies() -> dict[str, Company]:
    """One company per language for the five steps, and others in every state for the overview."""
    rows = (
        Company("vi", "CÔNG TY TNHH MAI VÀNG", tax_code("010999911")),
        Company("en", "CÔNG TY CỔ PHẦN SAO MAI", tax_code("010999912")),
        Company("confirmed", "CÔNG TY TNHH AN PHÁT", tax_code("010999913")),
        Company("waiting", "CÔNG TY CỔ PHẦN BÌNH MINH", tax_code("010999918")),
        Company("refused", "CÔNG TY TNHH HƯNG THỊNH", tax_code("010999915", right=False)),
        Company("expired", "CÔNG TY TNHH HOA SEN", tax_code("010999916")),
        Company("new", "HỢP TÁC XÃ ĐỒNG TÂM", tax_code("010999917")),
        Company("phone-vi", "CÔNG TY TNHH ĐIỆN THOẠI", tax_code("010999919"), has_token=False),
        Company("phone-en", "CÔNG TY TNHH DI ĐỘNG", tax_code("010999920"), has_token=False),
    )
    return {row.key: row for row in rows}


def run(arguments: list[str]) -> int:
    """Take all pictures; existing ones are replaced.

    :return: 0; what goes wrong is raised
    """
    if arguments == ["windows"]:
        take_over_windows()
        return 0
    if arguments:
        raise Problem(
            f"There are no pictures {' '.join(arguments)!r}.", "./run screenshots, or ./run screenshots windows"
        )
    with running(_companies()) as demo, Browser() as browser:
        setup_scene.prepare(demo, Transcript())
        # The mailbox shows what a picture is about, and nothing else.
        demo.stack.control.change_settings(weather="fair")
        _Studio(demo, browser).work()
    return 0


class _Studio:
    """All pictures, in the order in which the demo can pose for them."""

    def __init__(self, demo: Demo, browser: Browser) -> None:
        self.demo = demo
        self.browser = browser
        self.admin = demo.stack.admin
        self.language = "vi"
        self.clerk = Clerk(demo, Transcript(), demo.stack.person(CLERK))

    def work(self) -> None:
        """Take them."""
        for index, language in enumerate(LANGUAGES):
            self._speak(language)
            if index == 0:
                self._pair()
                self.demo.pc.plug_in(self.demo.slots)
            self._five_steps(self.demo.companies[language])
            self._on_phone(self.demo.companies[f"phone-{language}"])
        self._speak("vi")
        self._every_state()
        for language in LANGUAGES:
            self._speak(language)
            self._many_companies()
        self._settings()
        self._banner()

    def _banner(self) -> None:
        page = self.browser.page()
        page.set_viewport_size(BANNER_SIZE)
        page.goto(BANNER.as_uri())
        # With all its colours: the background is a gradient.
        page.screenshot(path=APPS_PAGE / "banner.png")
        page.context.close()

    def _speak(self, language: str) -> None:
        """Let everybody work in this language from the next log-in on."""
        self.language = language
        users = self.admin.call("res.users", "search", [["login", "in", [CLERK, HOLDER, ADMIN_LOGIN]]])
        self.admin.call("res.users", "write", users, {"lang": LANGUAGES[language], "tz": "Asia/Ho_Chi_Minh"})
        self.clerk = Clerk(self.demo, Transcript(), self.demo.stack.log_in(CLERK))

    def _page(self, login: str, *companies: int) -> OdooPage:
        page = OdooPage(self.browser.page(), self.demo.stack.url)
        page.log_in(login, self.demo.stack.passwords[login], *companies)
        return page

    def _save(
        self,
        page: Page,
        name: str,
        *marks: Locator,
        height: int = 800,
        below: bool = False,
        target: Locator | None = None,
    ) -> None:
        """One picture of the page (or of one element), with a number at each of the marked elements.

        :param height: of the page, in pixels
        :param below: put the numbers below the elements instead of left of them
        """
        page.set_viewport_size({"width": 1280, "height": height})
        page.mouse.move(0, height - 1)
        page.wait_for_function(QUIET, polling=100)
        page.evaluate("document.fonts.ready")
        for number, locator in enumerate(marks, 1):
            box = locator.bounding_box()
            if box is None:
                raise Problem(f"Picture {name}: mark {number} is not on the page.", "Correct dev/screenshots.py.")
            left, top = box["x"] - 30, box["y"] + box["height"] / 2 - 13
            if below:
                left, top = box["x"] + box["width"] / 2 - 13, box["y"] + box["height"] + 2
            page.evaluate(MARK, [max(left, 2), top, str(number)])
        data = (target or page).screenshot(animations="disabled")
        page.evaluate(UNMARK)
        files = [PICTURES / self.language / f"{name}.png"]
        if self.language == "en" and name in FOR_APPS_PAGE:
            files.append(APPS_PAGE / f"{name}.png")
        for file in files:
            keep(data, file)
            say(f"  {file.relative_to(ROOT)}")

    def _pair(self) -> None:
        """The token holder pairs the computer; the dialog with the code, in both languages."""
        for language in LANGUAGES:
            self._speak(language)
            page = self._page(HOLDER, self.demo.companies["vi"].record)
            page.go("l10n_vn_ibhxh.l10n_vn_ibhxh_agent_action")
            page.page.locator("button.btn-primary", has_text="").first.click()
            password = page.page.locator(".modal input[type=password]")
            password.fill(self.demo.stack.passwords[HOLDER])
            page.page.locator(".modal footer .btn-primary").click()
            code = page.page.locator(".modal .o_l10n_vn_ibhxh_pairing_code")
            code.wait_for()
            self._save(page.page, "pair", target=page.page.locator(".modal-content"))
            text = code.inner_text().split()[0]
            page.page.context.close()
        self._speak("vi")
        self.demo.pc.pair(self.demo.stack.url, text, COMPUTER)

    def _five_steps(self, company: Company) -> None:
        """The user guide's five steps for one company."""
        self.clerk.await_certificate(company)
        holder = self._page(HOLDER, company.record)
        holder.go("l10n_vn_ibhxh.l10n_vn_ibhxh_certificate_action")
        holder.page.locator(".o_list_view").wait_for()
        self._save(holder.page, "token", height=480)
        holder.page.context.close()

        odoo = self._page(CLERK, company.record)
        odoo.open_app(HR_APP)
        odoo.page.locator(".o_kanban_renderer, .o_list_renderer").wait_for()
        top = odoo.page.locator(".o_menu_sections").get_by_text("Hồ sơ điện tử", exact=True)
        top.click()
        entry = odoo.page.locator(".o-dropdown--menu").get_by_text("Đăng ký sử dụng dịch vụ I-VAN", exact=True)
        entry.wait_for()
        self._save(odoo.page, "menu-hr", top, entry, height=130)
        entry.click()
        self._fill(odoo)
        action = self._register(odoo)
        self._code_and_portal(odoo, action)
        odoo.page.context.close()

    def _fill(self, odoo: OdooPage) -> None:
        dialog = odoo.page.locator(".modal", has_text=WIZARD_TITLE)
        dialog.locator("[name=certificate_serial]").wait_for()
        for name, value in (("email", MAILBOX), ("email_repeated", MAILBOX), ("phone", PHONE)):
            field = dialog.locator(f"[name={name}] input")
            if field.count():
                field.fill(value)
        dialog.locator("[name=phone] input").focus()
        odoo.page.keyboard.press("Tab")
        certificate = dialog.locator("[name=certificate_id]")
        button = dialog.locator("button[name=action_register]")
        if self.language == "vi":
            odoo.page.set_viewport_size({"width": 1280, "height": 800})
            dialog.locator(".modal-content").screenshot(path=DEMO_PICTURES / "banner-wizard.png")
        self._save(odoo.page, "wizard", certificate, dialog.locator("[name=email]"), button, height=720)

    def _register(self, odoo: OdooPage) -> int:
        odoo.page.locator(".modal button[name=action_register]").click()
        odoo.page.locator(".o_form_view .o_statusbar_status").wait_for()
        return self.clerk.newest(self.demo.companies[self.language])

    def _code_and_portal(self, odoo: OdooPage, registration: int) -> None:
        row = self.clerk.await_state(registration, "to_activate")
        odoo.show()
        page = odoo.page
        marks = (page.locator(".o_l10n_vn_ibhxh_open_portal"),)
        self._save(page, "code", *marks, height=640, below=True)

        vss = self.browser.page()
        vss.goto(f"{self.demo.stack.sandbox_url}/#/hop-thu")
        vss.locator("#mails tbody a").first.click()
        vss.locator("#mail-text:visible, #mail-html:visible").first.wait_for()
        self._save(vss, "mail", height=820)
        vss.goto(row["activation_url"])
        vss.get_by_label("Mã xác nhận").fill(row["activation_code"])
        button = vss.locator("#form button[type=submit]")
        self._save(vss, "portal", vss.get_by_label("Mã xác nhận"), button, height=740)
        button.click()
        vss.locator("#done:not(:empty)").wait_for()
        self._save(vss, "portal-done", height=600)
        vss.context.close()

        self.clerk.await_state(registration, "confirmed")
        odoo.show()
        self._save(page, "confirmed", height=640)

    def _on_phone(self, company: Company) -> None:
        """Remote signing: the service, the account, what Odoo shows and what the app shows."""
        stack = self.demo.stack
        number = f"00109901{company.tax_code[-4:]}"
        stack.control.add_key(number, company.tax_code, company.name)
        service = make_service(stack, "vnpt", name="VNPT SmartCA")
        admin = self._page(ADMIN_LOGIN, company.record)
        real = {"url": "https://gwsca.vnpt.vn/sca/sp769", "client_id": "123.apps.signserviceapi.com"}
        ours = self.admin.read(SERVICE, service, *real)
        self.admin.call(SERVICE, "write", [service], real)
        admin.go(f"l10n_vn_ibhxh.l10n_vn_ibhxh_remote_service_action/{service}")
        admin.page.locator("[name=client_id]").wait_for()
        self._save(admin.page, "phone-service", height=560)
        self.admin.call(SERVICE, "write", [service], {name: ours[name] for name in real})
        admin.page.context.close()

        account = add_account(stack.person(HOLDER), service, number, company.record)
        holder = self._page(HOLDER, company.record)
        holder.go(f"l10n_vn_ibhxh.l10n_vn_ibhxh_remote_account_action/{account}")
        holder.page.locator("[name=certificate_ids] .o_data_row").wait_for()
        self._save(holder.page, "phone-account", height=480)
        holder.page.context.close()

        registration = self.clerk.press_register(company)
        odoo = self._page(CLERK, company.record)
        odoo.go(f"l10n_vn_ibhxh.l10n_vn_ibhxh_registration_action/{registration}")
        odoo.page.locator("[name=phone_signing]").wait_for()
        self._save(odoo.page, "phone-compare", odoo.page.locator("button[name=action_send_to_phone]"), height=760)
        self.clerk.person.press(MODEL, registration, "action_send_to_phone")
        until("the request on the phone", lambda: stack.control.on_phone(number))
        app = self.browser.page()
        app.goto(f"{stack.sandbox_url}/phone/#{number}")
        app.locator("#waiting h2").wait_for()
        self._save(app, "phone-app", target=app.locator("main"))
        app.context.close()
        odoo.page.context.close()
        # Nothing is left waiting for the pictures that follow.
        stack.control.decide(stack.control.on_phone(number)[0]["reference"], "confirmed")
        await_decision(self.clerk, registration)

    def _every_state(self) -> None:
        """Bring the other companies into the states that an overview has to show."""
        for key in ("refused", "confirmed", "waiting"):
            registration = self.clerk.press_register(self.demo.companies[key])
            row = self.clerk.await_state(registration, "to_activate", "rejected")
            if key == "confirmed":
                self.clerk.confirm_on_portal(self.browser, row)
                self.clerk.await_state(registration, "confirmed")
        yesterday = datetime.now(timezone.utc) - timedelta(hours=25)
        expired = self.clerk.submit_elsewhere(
            self.demo.companies["expired"], submitted_at=f"{yesterday:%Y-%m-%d %H:%M:%S}"
        )
        self.clerk.follow()
        self.clerk.await_state(expired, "expired")

    def _many_companies(self) -> None:
        records = [company.record for company in self.demo.companies.values()]
        odoo = self._page(CLERK, *records)
        odoo.go("l10n_vn_ibhxh.l10n_vn_ibhxh_overview_action")
        odoo.page.locator(".o_list_view .o_data_row").first.wait_for()
        self._save(odoo.page, "overview", height=480)
        self._batch(odoo)
        odoo.go("l10n_vn_ibhxh.l10n_vn_ibhxh_registration_action")
        odoo.page.locator(".o_view_controller").wait_for()
        odoo.page.locator(".o_kanban_record:not(.o_kanban_ghost), .o_data_row").first.wait_for()
        self._save(odoo.page, "registrations", height=480)
        odoo.page.context.close()

    def _batch(self, odoo: OdooPage) -> None:
        """All of them chosen in the overview: what blocks whom, before anything is sent."""
        odoo.page.locator("thead .o_list_record_selector input").check()
        odoo.page.locator(".o_control_panel button.btn-primary").first.click()
        odoo.page.locator("[name=line_ids] .o_data_row").first.wait_for()
        self._save(odoo.page, "batch", height=720)

    def _settings(self) -> None:
        odoo = self._page(ADMIN_LOGIN, self.demo.companies["vi"].record)
        odoo.go("l10n_vn_ibhxh.l10n_vn_ibhxh_settings_action")
        odoo.page.locator("[name=l10n_vn_ibhxh_mail_sender_domains]").wait_for()
        self._save(odoo.page, "settings", height=1100)
        odoo.page.context.close()
