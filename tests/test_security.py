import logging
import runpy
from pathlib import Path

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import convert_file

from ..models import l10n_vn_ibhxh_certificate
from .common import IbhxhCommon

MIGRATIONS = Path(__file__).parent.parent / "migrations" / "19.0.2.0.0"
CERTIFICATE = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_certificate"
AGENT = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_agent"
SETTINGS = "odoo.addons.l10n_vn_ibhxh.models.res_config_settings"
SHARED = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_shared"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSecurity(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env["res.company"].create({"name": "Công ty khác", "vat": "0312345678"})
        group = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"
        cls.stranger = cls._new_user("stranger", group, cls.other_company)
        cls.plain = cls._new_user("plain", "", cls.company)
        manager = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"
        cls.manager = cls._new_user("manager", manager, cls.company)
        cls.shared_admin = cls._new_user("shared", manager, cls.env["res.company"].search([]))

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

    def test_s7_the_password_goes_in_and_never_out(self):
        self.provider.company_id = self.company
        mine = self.provider.with_user(self.manager)
        self.assertFalse(mine.has_client_secret)
        mine.client_secret_input = "hunter2"
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual((self.provider.client_secret, mine.has_client_secret), ("hunter2", True))
        # What is not typed stays.
        mine.write({"client_secret_input": False, "client_id": "c"})
        self.assertEqual(self.provider.client_secret, "hunter2")
        for user in (self.user, self.manager, self.shared_admin, self.env.ref("base.user_admin")):
            user.company_ids += self.company
            provider = self.provider.with_user(user).with_company(self.company)
            with self.subTest(user.login):
                doors = {
                    "read": lambda provider=provider: provider.read(["client_secret"]),
                    "export": lambda provider=provider: provider.export_data(["client_secret"]),
                    "search": lambda provider=provider: provider.search([("client_secret", "=like", "h%")]),
                    "order": lambda provider=provider: provider.search([], order="client_secret"),
                    "group": lambda provider=provider: provider.formatted_read_group([], ["client_secret"]),
                    "onchange": lambda provider=provider: provider.onchange({}, ["name"], {"client_secret": {}}),
                }
                for name, door in doors.items():
                    with self.subTest(name), self.assertRaises(UserError):
                        door()
                self.assertNotIn("hunter2", str(provider.read()))
                self.assertNotIn("hunter2", str(provider.copy_data()) if user.has_group("base.group_system") else "")
        self.assertEqual(self.provider.copy({"code": "99998"}).client_secret, False)

    def test_agents_secrets_are_nobodys(self):
        for user in (self.user, self.manager):
            with self.assertRaises(AccessError):
                self.agent.with_user(user).read(["key_hash"])

    def test_s7_what_all_companies_share_is_for_who_has_them_all(self):
        """A manager of one company is a stranger to the others: shared records are theirs as much as the manager's."""
        self.assertFalse(self.manager._l10n_vn_ibhxh_is_shared_admin())
        self.assertTrue(self.shared_admin._l10n_vn_ibhxh_is_shared_admin())
        self.assertFalse(self.user._l10n_vn_ibhxh_is_shared_admin())
        shared = self.provider
        code = self.env["l10n_vn_ibhxh.result.code"].search([], limit=1)
        form = self.env["l10n_vn_ibhxh.form"].search([], limit=1)
        attempts = {
            "address": lambda user: shared.with_user(user).write({"url": "http://127.0.0.1:8/x"}),
            "password": lambda user: shared.with_user(user).write({"client_secret_input": "x"}),
            "hosts": lambda user: shared.with_user(user).write({"portal_hosts": "evil.example"}),
            "its own": lambda user: shared.with_user(user).write({"company_id": self.company.id}),
            "archive": lambda user: shared.with_user(user).action_archive(),
            "a shared one": lambda user: shared.with_user(user).create({"code": "1", "name": "x", "company_id": False}),
            "agency": lambda user: self.agency.with_user(user).write({"code": "99902"}),
            "new agency": lambda user: self.agency.with_user(user).create({"code": "99903", "name": "x"}),
            "result code": lambda user: code.with_user(user).write({"remedy": "x"}),
            "form": lambda user: form.with_user(user).write({"title": "x"}),
        }
        for name, attempt in attempts.items():
            with self.subTest(name):
                with self.assertRaises(AccessError):
                    attempt(self.manager)
                with self.assertLogs(SHARED, logging.INFO) as log:
                    attempt(self.shared_admin)
                shared.write({"company_id": False, "active": True})
                self.assertIn(self.shared_admin.login, "".join(log.output))
                self.assertNotIn("evil.example", "".join(log.output))
        # A company's own connection is its manager's, and does not become everybody's.
        own = self.env["l10n_vn_ibhxh.provider"].with_user(self.manager).create({"code": "2", "name": "x"})
        self.assertEqual(own.company_id, self.company)
        own.url = "http://127.0.0.1:8/x"
        with self.assertRaises(AccessError):
            own.company_id = False
        with self.assertRaises(AccessError):
            own.company_id = self.other_company
        own.unlink()
        # With the next company the rights over all of them are gone, and back with it.
        new = self.env["res.company"].create({"name": "Công ty mới"})
        self.env.user.company_ids -= new
        self.assertFalse(self.shared_admin._l10n_vn_ibhxh_is_shared_admin())
        with self.assertRaises(AccessError):
            shared.with_user(self.shared_admin).name = "x"
        self.shared_admin.company_ids += new
        shared.with_user(self.shared_admin).name = "x"

    def test_s7_mails_of_nobody_are_for_who_has_all_companies(self):
        """What could not be placed may be any company's, with its code."""
        mail = self.env["l10n_vn_ibhxh.mail"].sudo().create({"subject": "x"})
        for user, is_seen in ((self.user, False), (self.manager, False), (self.shared_admin, True)):
            found = self.env["l10n_vn_ibhxh.mail"].with_user(user).search([("id", "=", mail.id)])
            self.assertEqual(bool(found), is_seen, user.login)

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
        """Messages to people whose companies the caller may not see are no reason to keep the key."""
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
            raise AccessError(self.env._("Nobody may know of it."))

        self.patch(type(self.agent), "_notify_people", broken)
        self.patch(type(self.agent), "_ring", broken)
        with self.assertLogs(AGENT, "ERROR"):
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

    def test_s7_the_rules_follow_on_upgrade(self):
        rules = [self.env.ref(f"l10n_vn_ibhxh.{name}_rule_manager") for name in ("mail", "notification")]
        shipped = [(rule.name, rule.domain_force) for rule in rules]
        for rule in rules:
            rule.write({"name": "x", "domain_force": "[('company_id', 'in', company_ids + [False])]"})
        self.env.flush_all()
        migrate = runpy.run_path(str(MIGRATIONS / "post-access-shared-rules.py"))["migrate"]
        for _time in range(2):
            migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual([(rule.name, rule.domain_force) for rule in rules], shipped)
        # A domain that somebody has made their own stays.
        rules[0].domain_force = "[(0, '=', 1)]"
        self.env.flush_all()
        migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual(rules[0].domain_force, "[(0, '=', 1)]")

    def test_b13_an_update_gives_no_group_back(self):
        user, manager = (self.env.ref(f"l10n_vn_ibhxh.group_l10n_vn_ibhxh_{name}") for name in ("user", "manager"))
        officers, administrators = self.env.ref("hr.group_hr_user"), self.env.ref("base.group_system")
        officers.implied_ids -= user
        administrators.implied_ids -= manager
        admin = self.env.ref("base.user_admin")
        admin.group_ids -= manager
        self.env.flush_all()
        convert_file(self.env, "l10n_vn_ibhxh", "security/l10n_vn_ibhxh_groups.xml", {}, mode="update")
        self.env.invalidate_all()
        self.assertNotIn(user, officers.implied_ids)
        self.assertNotIn(manager, administrators.implied_ids)
        self.assertNotIn(manager, admin.group_ids)
        # A first installation gives them.
        convert_file(self.env, "l10n_vn_ibhxh", "security/l10n_vn_ibhxh_groups.xml", {}, mode="init")
        self.assertIn(user, officers.implied_ids)
        self.assertIn(manager, administrators.implied_ids & admin.group_ids)

    def test_one_user_makes_no_endless_number_of_certificates_known(self):
        self.patch(l10n_vn_ibhxh_certificate, "MAX_REPORTED", 3)
        ders = [self._new_certificate(serial=9000 + number) for number in range(5)]
        with self.assertLogs(CERTIFICATE, "WARNING"):
            self._plug_in(self.agent, self.der, *ders)
        self.assertEqual(len(self.agent.certificate_ids), 3)
        # Another computer of the same user is no way round; what is known stays usable.
        with self.assertLogs(CERTIFICATE, "WARNING"):
            seen = self._plug_in(self._new_agent(self.user, "PC-2"), self.der, *ders)
        self.assertEqual(seen, self.agent.certificate_ids)
        other = self._new_agent(self.stranger, "PC-3")
        self.assertEqual(len(self._plug_in(other, *ders)), 5 - 2 + 2)

    def test_a_password_that_others_set_revokes_the_computers(self):
        """An intruder's computer must not outlive the change."""
        self.agent.key_hash = "x"
        self.user.with_user(self.user).sudo()._change_password("my own new one")
        self.assertFalse(self.agent.revoked)
        self.user.with_user(self.env.ref("base.user_admin")).write({"password": "reset by the administrator"})
        self.assertEqual((self.agent.revoked, self.agent.key_hash), (True, False))
        again = self._new_agent(self.user, "PC-2")
        self.user.with_user(self.env.ref("base.public_user")).sudo().write({"password": "by a link in a mail"})
        self.assertTrue(again.revoked)

    def test_only_a_refusal_of_the_company_lifts_checks(self):
        """`corrects_id` of the wizard comes from the browser, and switches off which form and I-VAN fit."""
        refused = self._sent()
        refused.sudo()._on_refused("CE006", "x")
        self.assertEqual(self._wizard(corrects_id=refused.id)._refusal(), refused)
        other = self.other_company
        self.user.company_ids += other
        self.assertFalse(self._wizard(company_id=other.id, corrects_id=refused.id)._refusal())
        confirmed = self._confirmed()
        for refusal in (refused, confirmed):
            wizard = self._wizard(corrects_id=refusal.id, form="04")
            self.assertFalse(wizard._refusal())
            self.assertTrue(wizard.is_blocked)
            self.assertIn("form_registered", [row["code"] for row in wizard.preflight])

    def test_s7_settings_that_all_companies_rely_on(self):
        system = self._new_user("system", "base.group_system", self.company)
        vals = {"l10n_vn_ibhxh_vss_certificates": "ab" * 32, "l10n_vn_ibhxh_mail_sender_domains": "evil.example"}
        for name, value in vals.items():
            with self.subTest(name), self.assertRaises(AccessError):
                self.env["res.config.settings"].with_user(system).create({name: value}).set_values()
        mails = self.env["l10n_vn_ibhxh.mail"]
        self.patch(type(mails), "_proposed_server", lambda self: "mx.evil.example")
        with self.assertRaises(AccessError):
            self.env["res.config.settings"].with_user(system).action_l10n_vn_ibhxh_verify_senders()
        # As after every call that fails.
        self.env.registry.clear_all_caches()
        # What is not theirs stays as it is, so everything else can be saved.
        self.env["res.config.settings"].with_user(system).create({}).set_values()
        system.company_ids = self.env["res.company"].search([])
        with self.assertLogs(SETTINGS, "WARNING") as log:
            self.env["res.config.settings"].with_user(system).create(vals).set_values()
        self.assertIn("system changed", log.output[0])
        self.assertNotIn("evil.example", log.output[0])
