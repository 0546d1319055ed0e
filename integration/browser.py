"""A person's browser: the system's Chromium, driven by Playwright."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from types import TracebackType

from playwright.sync_api import Browser as PlaywrightBrowser
from playwright.sync_api import Page, Playwright, sync_playwright

from dev.console import Problem
from dev.setup import system_tools

FLAGS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-sync",
    "--disable-component-update",
    "--no-first-run",
    "--disable-quic",
]


class Browser:
    """Chromium without a window, speaking Vietnamese; use it as a context manager."""

    def __init__(self) -> None:
        self._playwright: Playwright | None = None
        self._browser: PlaywrightBrowser | None = None

    def __enter__(self) -> Browser:
        program = system_tools.chromium()
        if program is None:
            raise Problem("There is no Chromium.", "./run setup")
        flags = FLAGS if _can_sandbox() else [*FLAGS, "--no-sandbox"]
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(
            executable_path=str(program),
            args=flags,
            env={**os.environ, **system_tools.environment()},
            timeout=120_000,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._browser:
            self._browser.close()
        if self._playwright:
            self._playwright.stop()

    def page(self) -> Page:
        """A new page in a fresh profile."""
        if self._browser is None:
            raise RuntimeError("use the browser as a context manager")
        context = self._browser.new_context(
            locale="vi-VN", timezone_id="Asia/Ho_Chi_Minh", viewport={"width": 1280, "height": 800}
        )
        page = context.new_page()
        # The first page of a fresh database has Odoo build its bundles: half a minute on a busy machine.
        page.set_default_timeout(120_000)
        return page


def _can_sandbox() -> bool:
    """Whether Chromium's own sandbox works here: not for root, nor where the kernel lets nobody make namespaces."""
    return os.geteuid() != 0 and not subprocess.run(["unshare", "--user", "true"], check=False).returncode


def activate_on_portal(page: Page, link: str, code: str) -> dict[str, str]:
    """Open the link of the activation mail, paste the code, press the button.

    :return: what the page showed: its fields by caption, and `result`, the sentence at the end (the error when refused)
    """
    page.goto(link)
    page.get_by_label("Mã xác nhận").wait_for()
    shown = {
        row.locator("dt").inner_text().rstrip(":"): row.locator("dd").inner_text()
        for row in page.locator("#activation dl:visible > div").all()
    }
    page.get_by_label("Mã xác nhận").fill(code)
    page.locator("#form button[type=submit]").click()
    result = page.locator("#done:not(:empty), #code-error:not(:empty)")
    result.first.wait_for()
    return {**shown, "result": result.first.inner_text()}


def screenshot(page: Page, file: Path) -> None:
    """Keep a picture of the page."""
    file.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=file)
