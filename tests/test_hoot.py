from contextlib import contextmanager
from unittest.mock import patch

from odoo.addons.web.tests import test_js
from odoo.tests import no_retry, tagged
from odoo.tests.common import ChromeBrowser

from .patience import PatientBrowserCase

SUITE = "@l10n_vn_ibhxh"
TESTS = {"desktop": 51, "mobile": 50}
"""How many there are; one is about a list's boxes, which a phone has not."""


@tagged("post_install_l10n", "post_install", "-at_install")
class TestHoot(PatientBrowserCase):
    """The JavaScript tests in static/tests/unit, by Odoo's own runner, on a desktop's and on a phone's screen."""

    @no_retry
    def test_desktop(self):
        self._run_suite("desktop")

    @no_retry
    def test_mobile(self):
        self.browser_size = "375x667"
        self.touch_enabled = True
        self._run_suite("mobile")

    def _run_suite(self, preset):
        suite = test_js.HOOTCommon._generate_hash(self, SUITE)
        with self._said() as said:
            self.browser_js(
                f"/web/tests?headless&loglevel=2&preset={preset}&timeout=60000&id={suite}",
                "",
                "",
                login="admin",
                timeout=240,
                success_signal="[HOOT] Test suite succeeded",
                error_checker=test_js.unit_test_error_checker,
            )
        passed = [line for line in said if f"Passed {TESTS[preset]} tests" in line]
        self.assertTrue(passed, f"all {TESTS[preset]} tests were run: {said[-3:]}")

    @contextmanager
    def _said(self):
        """Collect what the page says on its console."""
        said = []
        handle = ChromeBrowser._handle_console

        def listen(browser, type, args=None, **kwargs):
            said.append(" ".join(str(arg.get("value") or arg.get("description") or "") for arg in args or []))
            return handle(browser, type, args=args, **kwargs)

        with patch.object(ChromeBrowser, "_handle_console", listen):
            try:
                yield said
            except AssertionError as error:
                # Odoo leaves the reasons in its log, which pytest does not show.
                raise self.failureException("\n".join(said)[-20_000:]) from error
