"""A person at Odoo's pages in Chromium: log in, go through the menus, fill in the wizard."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

from .browser import screenshot

APP, HR_APP = "l10n_vn_ibhxh.l10n_vn_ibhxh_menu_root", "hr.menu_hr_root"
WIZARD_TITLE = "Đăng ký GD BHXH điện tử"
FIELDS = ("certificate_id", "certificate_issuer_name", "certificate_serial", "certificate_tax_code")


class OdooPage:
    """One browser page of one user in one company."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    def log_in(self, login: str, password: str, *companies: int) -> None:
        """Log in and choose the companies."""
        chosen = "-".join(map(str, companies))
        self.page.context.add_cookies([{"name": "cids", "value": chosen, "url": self._url}])
        self.page.goto(f"{self._url}/web/login")
        self.page.locator("input[name=login]").fill(login)
        self.page.locator("input[name=password]").fill(password)
        self.page.locator(".oe_login_form button[type=submit]").click()
        self.page.locator(".o_navbar").wait_for()

    def open_app(self, menu: str) -> None:
        """Open an app from the apps menu by the XML id of its menu."""
        self.page.locator(".o_navbar_apps_menu button").click()
        self.page.locator(f"[data-menu-xmlid='{menu}']").click()

    def go(self, action: str) -> None:
        """Open an action by its XML id."""
        self.page.goto(f"{self._url}/odoo/action-{action}")

    def show(self) -> None:
        """Show the open form as it is now."""
        self.page.reload()
        self.page.locator(".o_form_view .o_statusbar_status").wait_for()

    def picture(self, file: Path) -> None:
        """Keep a picture of the open form as it is now."""
        self.show()
        screenshot(self.page, file)

    def choose(self, *texts: str) -> None:
        """Choose entries of the app's menu, from the bar down."""
        for text in texts:
            self.page.locator(".o_menu_sections, .o-dropdown--menu").get_by_text(text, exact=True).click()

    def wizard(self) -> dict[str, str]:
        """Wait for the wizard; returns what it shows of the certificate, by field."""
        dialog = self.page.locator(".modal", has_text=WIZARD_TITLE)
        dialog.locator("[name=certificate_serial]").wait_for()
        shown = {}
        for name in FIELDS:
            field = dialog.locator(f"[name={name}]")
            entry = field.locator("input")
            shown[name] = entry.input_value() if entry.count() else field.inner_text()
        return shown

    def close_wizard(self) -> None:
        """Close the wizard without doing anything."""
        self.page.locator(".modal .btn-close").click()
        self.page.locator(".modal").wait_for(state="detached")

    def register(self, email: str, phone: str, picture: Path) -> None:
        """Enter e-mail and phone, keep a picture, press Đăng ký; the registration's form opens."""
        dialog = self.page.locator(".modal", has_text=WIZARD_TITLE)
        dialog.locator("[name=email] input").fill(email)
        dialog.locator("[name=email_repeated] input").fill(email)
        dialog.locator("[name=phone] input").fill(phone)
        screenshot(self.page, picture)
        dialog.locator("button[name=action_register]").click()
        self.page.locator(".o_form_view .o_statusbar_status").wait_for()
