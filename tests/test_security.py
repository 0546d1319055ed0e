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
