"""Every route of ours with its rules: who may call, how, and what protects it from other sites."""

import threading
from unittest.mock import patch

from odoo.tests import tagged

from .common import IbhxhCommon
from .patience import PatientHttpCase

AGENT = {
    "auth": "l10n_vn_ibhxh_agent",
    "methods": ["POST"],
    "type": "http",
    # A key in a header, which no other site can send, stands in for the token.
    "csrf": False,
    "save_session": False,
    "cors": None,
    "readonly": False,
}
PAGE = {
    "auth": "user",
    "methods": ["GET"],
    "type": "http",
    "csrf": True,
    "save_session": True,
    "cors": None,
    "readonly": True,
}
PREFIX = "/l10n_vn_ibhxh/agent/v1"
ROUTES = {
    f"{PREFIX}/heartbeat": AGENT,
    f"{PREFIX}/key": AGENT,
    f"{PREFIX}/pair": {**AGENT, "auth": "public"},
    f"{PREFIX}/release": AGENT,
    f"{PREFIX}/release/installer": AGENT,
    f"{PREFIX}/requests/<int:request_id>/failed": AGENT,
    f"{PREFIX}/requests/<int:request_id>/release": AGENT,
    f"{PREFIX}/requests/<int:request_id>/renew": AGENT,
    f"{PREFIX}/requests/<int:request_id>/signed": AGENT,
    f"{PREFIX}/requests/claim": AGENT,
    f"{PREFIX}/requests/signed": AGENT,
    "/l10n_vn_ibhxh/agent/installer/<int:release_id>": PAGE,
    "/l10n_vn_ibhxh/registration/<int:registration_id>/proof": PAGE,
}


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAttackRoutes(IbhxhCommon, PatientHttpCase):
    frozen_at = None

    def test_every_route_is_in_the_table(self):
        found = {}
        with patch.object(threading.current_thread(), "dbname", self.env.cr.dbname, create=True):
            rules = list(self.env["ir.http"].routing_map().iter_rules())
        for rule in rules:
            routing = rule.endpoint.routing
            if "l10n_vn_ibhxh" not in rule.rule and not rule.endpoint.func.__module__.startswith(
                "odoo.addons.l10n_vn_ibhxh"
            ):
                continue
            found[rule.rule] = {
                "auth": routing["auth"],
                "methods": routing["methods"],
                "type": routing["type"],
                "csrf": routing.get("csrf", True),
                "save_session": routing.get("save_session", True),
                "cors": routing.get("cors"),
                "readonly": bool(routing.get("readonly")),
            }
        self.maxDiff = None
        self.assertEqual(found, ROUTES)

    def _paths(self):
        return [rule.replace("<int:request_id>", "1") for rule, rules in ROUTES.items() if rules is AGENT]

    def test_a_session_opens_no_agent_route(self):
        """A page of another site makes the browser send the cookie, but never the key."""
        self.authenticate("admin", "admin")
        for path in self._paths():
            with self.subTest(path):
                answer = self.url_open(path, data=b"{}", headers={"Content-Type": "text/plain"})
                self.assertEqual((answer.status_code, answer.json()["error"]), (401, "invalid_key"))
                self.assertNotIn("Access-Control-Allow-Origin", answer.headers)

    def test_agent_routes_leave_no_session(self):
        self.opener.cookies.clear()
        for path in self._paths():
            with self.subTest(path):
                answer = self.url_open(path, data=b"{}", headers={"Content-Type": "application/json"})
                self.assertNotIn("session_id", answer.cookies)

    def test_nothing_happens_on_get(self):
        for path in [*self._paths(), f"{PREFIX}/pair"]:
            with self.subTest(path):
                self.assertEqual(self.url_open(path).status_code, 405)

    def test_the_proof_is_for_those_who_may_read_it(self):
        registration = self._register()
        url = f"/l10n_vn_ibhxh/registration/{registration.id}/proof"
        other = self.env["res.company"].create({"name": "X"})
        group = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"
        self._new_user("stranger-http", group, other)
        self._new_user("plain-http", "", self.company)
        self.assertIn("/web/login", self.url_open(url, allow_redirects=False).headers.get("Location", ""))
        for login in ("stranger-http", "plain-http"):
            self.authenticate(login, login)
            self.assertEqual(self.url_open(url).status_code, 404, login)
        self.authenticate("ketoan", "ketoan")
        answer = self.url_open(url)
        self.assertEqual((answer.status_code, answer.headers["Content-Type"]), (200, "application/zip"))
        self.assertIn("no-store", answer.headers["Cache-Control"])

    def test_a_body_that_is_too_large_is_not_read(self):
        answer = self.url_open(f"{PREFIX}/pair", data=b"x" * (9 * 2**20), headers={"Content-Type": "application/json"})
        self.assertEqual(answer.status_code, 413)
