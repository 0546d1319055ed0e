import json

from odoo.exceptions import AccessError
from odoo.tests import tagged

from .companies import ManyCompanies


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLive(ManyCompanies):
    """What open pages are told, and what they then read."""

    def _live(self, company=None, user=None):
        self.env.invalidate_all()
        agents = self.env["l10n_vn_ibhxh.agent"].with_user(user or self.user)
        return agents.get_live((company or self.company).id)

    def test_computers_and_what_is_plugged_in(self):
        (computer,) = self._live()["computers"]
        self.assertEqual((computer["name"], computer["online"], computer["asking"]), ("PC-KETOAN", True, False))
        self.assertEqual([(c["tax_code"], c["usable"]) for c in computer["certificates"]], [(self.company.vat, True)])
        self.agent._heartbeat([], [], "1.0.0")
        (computer,) = self._live()["computers"]
        self.assertEqual(computer["certificates"], [])

    def test_a_silent_computer_is_off_and_the_page_knows_when_to_look(self):
        look_again = self._live()["look_again"]
        self.assertLessEqual(0, look_again)
        self.assertLessEqual(look_again, 91)
        with self._later(seconds=look_again):
            live = self._live()
            self.assertFalse(live["computers"][0]["online"])
            self.assertFalse(live["look_again"])

    def test_a_computer_that_holds_a_request_asks_for_the_pin(self):
        self._register()
        self._claim()
        self.assertTrue(self._live()["computers"][0]["asking"])

    def test_a_computer_that_went_silent_does_not_ask_any_more(self):
        registration = self._register()
        self._claim()
        self.assertIn("PC-KETOAN", registration.signing_hint)
        with self._later(minutes=2):
            self.assertNotIn("PC-KETOAN", registration.signing_hint)
            self.assertIn("not plugged in", registration.signing_hint)

    def test_kanban_has_its_columns_in_the_order_of_life_and_none_is_empty(self):
        company = self._new_companies(1)
        self._plug_in_tokens(company)
        self._register(company_id=company.id, email_repeated=company.email)
        self._register().sudo()._move("cancelled")
        self._register()
        registrations = self.env["l10n_vn_ibhxh.registration"].with_context(read_group_expand=True)
        groups = registrations.web_read_group([], ["state"])["groups"]
        self.assertEqual(
            [group["state"] for group in groups],
            ["to_sign", "cancelled"],
        )

    def test_a_colleagues_other_tokens_are_nobodys_business(self):
        other = self._new_companies(1)
        self._plug_in_tokens(other)
        colleague = self._new_user("colleague", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.company)
        (computer,) = self._live(user=colleague)["computers"]
        self.assertEqual([c["tax_code"] for c in computer["certificates"]], [self.company.vat])
        self.assertEqual(len(self._live()["computers"][0]["certificates"]), 2)

    def test_strangers_learn_nothing(self):
        other = self._new_companies(1)
        stranger = self._new_user("stranger", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        with self.assertRaises(AccessError):
            self._live(user=stranger)
        outsider = self._new_user("outsider", None, self.company)
        with self.assertRaises(AccessError):
            self._live(user=outsider)

    def _told(self):
        """What everybody was told over the bus since the last time."""
        self.env.cr.precommit.run()
        group = self.env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
        messages = self.env["bus.bus"].sudo().search([])
        told = [
            json.loads(message.message)
            for message in messages
            if json.loads(message.channel)[1:] == ["res.groups", group.id]
        ]
        messages.unlink()
        return told

    def test_everybody_who_may_have_the_page_open_is_told_and_the_message_has_no_content(self):
        registration = self._register()
        self._told()
        registration.action_withdraw()
        self.assertIn(
            {"type": "l10n_vn_ibhxh/registration", "payload": {"id": registration.id, "batch_ids": []}}, self._told()
        )

    def test_everybody_is_told_that_a_computer_asks_for_the_pin(self):
        registration = self._register()
        self._told()
        self._claim()
        payload = {"model": "l10n_vn_ibhxh.registration", "ids": [registration.id]}
        self.assertEqual(self._told(), [{"type": "l10n_vn_ibhxh/signing", "payload": payload}])
