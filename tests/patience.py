"""Time for what has to happen: Odoo's own time-outs are those of an idle machine."""

import json
from unittest.mock import patch

from odoo import fields
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


class RealClockCase(PatientBrowserCase):
    """Pages in Chromium on the real clock: it has no other. It stands before IbhxhCommon among the bases."""

    frozen_at = None
    password = "ketoan123"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls._frozen.stop()
        cls.addClassCleanup(cls._frozen.start)
        # Chosen by the user: one that somebody else sets revokes the computer.
        cls.user.with_user(cls.user).sudo().password = cls.password

    @classmethod
    def _speak_vietnamese(cls):
        cls.env["res.lang"]._activate_lang("vi_VN")
        cls.env["ir.module.module"].search([("name", "=", "l10n_vn_ibhxh")])._update_translations("vi_VN")

    def _said(self, script, mark, pages, companies):
        """Run a script on the pages; return what it logged behind the mark: a list of `{"name": page, …}`."""
        said = []
        handle = ChromeBrowser._handle_console

        def listen(browser, type, args=None, **kwargs):
            text = str((args or [{}])[0].get("value", ""))
            if text.startswith(mark):
                said.append(json.loads(text.removeprefix(mark)))
            return handle(browser, type, args=args, **kwargs)

        self.agent.last_seen_at = fields.Datetime.now()
        self.cr.flush()
        with patch.object(ChromeBrowser, "_handle_console", listen):
            self.browser_js(
                "/odoo/action-l10n_vn_ibhxh.l10n_vn_ibhxh_form_action",
                script.replace("PAGES", json.dumps(pages)),
                "odoo.isReady",
                login=self.user.login,
                timeout=240,
                cookies={"cids": "-".join(map(str, companies.ids))},
            )
        return said
