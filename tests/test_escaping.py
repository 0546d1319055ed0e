"""Texts from outside and names of people are text, in notes as everywhere."""

from odoo.tests import Form, tagged

from ..tools import gateways
from .common import IbhxhCommon, progress, step

HTML = '<a href="https://evil.example/x">Bấm vào đây</a><img src="https://evil.example/y.png"/>'


@tagged("post_install_l10n", "post_install", "-at_install")
class TestEscaping(IbhxhCommon):
    def _assert_text(self, record):
        self.env.flush_all()
        self.env.invalidate_all()
        notes = [activity.note for activity in record.sudo().activity_ids]
        bodies = [message.body for message in record.sudo().message_ids]
        self.assertTrue(notes)
        for html in (*notes, *bodies):
            self.assertNotIn("<a ", html or "")
            self.assertNotIn("<img", html or "")
        return "".join(map(str, notes))

    def test_s19_a_refusal_by_the_gateway(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_before = gateways.Refused("XX001", HTML, HTML)
        self._send()
        self.assertEqual(registration.state, "rejected")
        self.assertIn("Bấm vào đây", self._assert_text(registration))

    def test_s19_a_refusal_in_the_progress(self):
        registration = self._sent()
        self.gateway.answer = progress("rejected", step(1, code="XX001", description=HTML, passed=False))
        registration.action_refresh()
        self.assertEqual(registration.state, "rejected")
        self.assertIn("Bấm vào đây", self._assert_text(registration))

    def test_s19_names_of_people_and_organisations(self):
        self.user.name = self.provider.name = HTML
        registration = self._sent()
        with self._later(days=9):
            self._follow()
        self._assert_text(registration)
        registration.sudo()._confirm(registration.submitted_at)
        other = self._register(form="06", stop_date="2026-03-09", stop_reason_code="9")
        self.assertEqual(other.state, "to_sign")
        other.sudo()._schedule_todo(HTML, HTML)
        self._assert_text(other)

    def test_o18_the_pairing_dialog_names_the_database(self):
        """Where a server has several databases, the computer has to say which one it is paired with."""
        pairing = Form(self.env["l10n_vn_ibhxh.agent.pairing"].with_user(self.user))
        self.assertEqual(pairing.database, self.env.cr.dbname)
        view = self.env.ref("l10n_vn_ibhxh.l10n_vn_ibhxh_agent_pairing_view_form")
        self.assertIn('ibhxh-agent pair --server <field name="server_url"', view.arch)
        self.assertIn('--database <field name="database"', " ".join(view.arch.split()))
