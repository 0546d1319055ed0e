from odoo.exceptions import AccessError
from odoo.tests import tagged

from .common import IbhxhCommon


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSecurity(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env["res.company"].create({"name": "Công ty khác", "vat": "0312345678"})
        group = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"
        cls.stranger = cls._new_user("stranger", group, cls.other_company)
        cls.plain = cls._new_user("plain", "", cls.company)
        cls.manager = cls._new_user("manager", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", cls.company)

    def test_hr_officers_and_administrators_have_their_groups(self):
        officer = self._new_user("officer", "hr.group_hr_user", self.company)
        self.assertTrue(officer.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"))
        self.assertFalse(officer.has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"))
        self.assertTrue(self.env.ref("base.user_admin").has_group("l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"))

    def test_other_companies_see_nothing(self):
        registration = self._sent()
        records = (
            registration,
            registration.sudo().signing_request_id,
            self.certificate,
            self.agent,
        )
        for record in records:
            with self.subTest(record._name), self.assertRaises(AccessError):
                record.with_user(self.stranger).read(["display_name"])
            self.assertFalse(self.env[record._name].with_user(self.stranger).search([]))

    def test_without_the_group_nothing_opens(self):
        for model in (
            "registration",
            "registration.wizard",
            "agent",
            "certificate",
            "mail",
            "signing.request",
            "provider",
        ):
            with self.subTest(model), self.assertRaises(AccessError):
                self.env[f"l10n_vn_ibhxh.{model}"].with_user(self.plain).search([])

    def test_secrets_are_for_managers(self):
        self.provider.client_secret = "hunter2"
        with self.assertRaises(AccessError):
            self.provider.with_user(self.user).read(["client_secret"])
        self.assertEqual(self.provider.with_user(self.manager).client_secret, "hunter2")
        for user in (self.user, self.manager):
            with self.assertRaises(AccessError):
                self.agent.with_user(user).read(["key_hash"])

    def test_a_user_cannot_claim_certificates_by_rpc(self):
        for vals in ({"certificate_ids": [(5,)]}, {"user_id": self.stranger.id}, {"revoked": True}):
            with self.assertRaises(AccessError):
                self.agent.with_user(self.user).write(vals)
        self.agent.with_user(self.user).name = "PC-MOI"

    def test_registering_for_another_company_is_refused(self):
        with self.assertRaises(AccessError):
            self._wizard(self.stranger, company_id=self.company.id)
        with self.assertRaises(AccessError):
            self.env["l10n_vn_ibhxh.registration"].with_user(self.stranger).create({"company_id": self.company.id})

    def test_manager_sees_computers_of_own_companies_only(self):
        other = self._new_agent(self.stranger, "PC-X")
        agents = self.env["l10n_vn_ibhxh.agent"].with_user(self.manager).search([])
        self.assertIn(self.agent, agents)
        self.assertNotIn(other, agents)
        self.assertFalse(self.env["l10n_vn_ibhxh.agent"].with_user(self.user).search([]) - self.agent)

    def test_s4_revoking_works_for_who_lacks_a_companys_rights(self):
        """Whoever hears of it: people whose companies the caller may not see are no reason to keep the key."""
        users = (self.user, self._new_user("boss4", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company))
        for index, user in enumerate(users):
            with self.subTest(user.login):
                agent = self._new_agent(self.user, f"PC-{index}")
                self._plug_in(agent, self.der)
                agent.key_hash = "x"
                self.env.flush_all()
                self.env.invalidate_all()
                agent.with_user(user).action_revoke()
                self.env.flush_all()
                self.env.invalidate_all()
                self.assertEqual((agent.revoked, agent.key_hash, agent.revoked_by_id), (True, False, user))

    def test_s4_no_message_undoes_a_revocation(self):
        def broken(agents):
            raise AccessError("nobody may hear of it")

        self.patch(type(self.agent), "_notify_people", broken)
        self.patch(type(self.agent), "_ring", broken)
        with self.assertLogs("odoo.addons.l10n_vn_ibhxh", "ERROR"):
            self.agent.with_user(self.user).action_revoke()
        self.assertTrue(self.agent.revoked)

    def test_s4_nothing_that_tells_people_runs_with_the_callers_rights(self):
        """Every step of a registration's life, by a user of one company, among users of others, with a cold cache."""
        self._new_user("elsewhere", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.other_company)
        registration = self._register()
        steps = [
            registration.action_withdraw,
            registration.action_request_signature,
            registration.action_cancel,
        ]
        for step in steps:
            self.env.flush_all()
            self.env.invalidate_all()
            step()
        registration = self._sent()
        self.env.invalidate_all()
        registration.action_confirmed_by_person()
        self.assertEqual(registration.state, "confirmed")
