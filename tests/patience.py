"""Time for what has to happen: Odoo's own time-outs are those of an idle machine."""

from unittest.mock import patch

from odoo.tests import HttpCase, common
from odoo.tests.common import ChromeBrowser

SECONDS = 120


class PatientHttpCase(HttpCase):
    """Waits for answers, and lets requests wait for one another."""

    test_cursor_lock_timeout = SECONDS

    def url_open(self, url, *args, timeout=SECONDS, **kwargs):
        return super().url_open(url, *args, timeout=timeout, **kwargs)


class PatientBrowserCase(PatientHttpCase):
    """Waits for Chromium too: when it has not started after ten seconds, Odoo skips the test."""

    def setUp(self):
        super().setUp()
        request, wait_ready = ChromeBrowser._websocket_request, ChromeBrowser._wait_ready

        def patient_request(browser, method, *, params=None, timeout=SECONDS):
            return request(browser, method, params=params, timeout=max(timeout, SECONDS))

        def patient_wait_ready(browser, ready_code=None):
            return wait_ready(browser, ready_code, SECONDS)

        self.startPatcher(patch.object(common, "CHECK_BROWSER_ITERATIONS", int(SECONDS / common.CHECK_BROWSER_SLEEP)))
        self.startPatcher(patch.object(ChromeBrowser, "_websocket_request", patient_request))
        self.startPatcher(patch.object(ChromeBrowser, "_wait_ready", patient_wait_ready))
