import base64
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger

from ..models import l10n_vn_ibhxh_batch
from .companies import ManyCompanies
from .samples import pki, signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestBatch(ManyCompanies):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.companies = cls._new_companies(5)
        cls._plug_in_tokens(cls.companies[:4])

    def _batch(self, companies=None, user=None):
        companies = companies or self.companies
        env = self.env(user=user or self.user, context={"allowed_company_ids": companies.ids})
        action = env["l10n_vn_ibhxh.batch"].action_from_companies(companies.ids)
        return env[action["res_model"]].browse(action["res_id"])

    def _line(self, batch, company):
        return batch.line_ids.filtered(lambda line: line.company_id == company)

    def test_summary_says_what_blocks_whom_and_creates_nothing(self):
        self.companies[0].l10n_vn_ibhxh_agency_id = False
        self.companies[0].email = False
        self.companies[1].vat = False
        batch = self._batch()
        self.assertEqual((batch.company_count, batch.blocked_count, batch.ready_count), (5, 3, 2))
        self.assertIn("agency", self._line(batch, self.companies[0]).problem)
        self.assertIn("e-mail", self._line(batch, self.companies[0]).problem)
        self.assertIn("tax code", self._line(batch, self.companies[1]).problem)
        self.assertIn("token", self._line(batch, self.companies[4]).problem)
        self.assertFalse(self.env["l10n_vn_ibhxh.registration"].search([("company_id", "in", self.companies.ids)]))

    def test_the_free_ones_go_ahead_and_the_blocked_ones_follow_once_corrected(self):
        batch = self._batch()
        batch.action_register()
        self.assertEqual(batch.state, "started")
        self.assertEqual((batch.to_sign_count, batch.blocked_count), (4, 1))
        self._plug_in_tokens(self.companies[4])
        batch.invalidate_recordset()
        batch.action_register()
        self.assertEqual((batch.to_sign_count, batch.blocked_count), (5, 0))
        self.assertEqual(batch.line_ids.registration_id.mapped("user_id"), self.user)

    def test_j_checking_again_writes_what_changed_only(self):
        batch = self._batch()
        written = []
        lines = type(batch.line_ids)
        write = lines.write
        self.patch(lines, "write", lambda records, vals: written.append(records) or write(records, vals))
        batch.action_check_again()
        self.assertFalse(written)
        self._plug_in_tokens(self.companies[4])
        batch.action_check_again()
        self.assertEqual(written, [self._line(batch, self.companies[4])])

    def _running(self, *groups):
        """Return a batch of each of these companies that the scheduled action is to go on with."""
        batches = [self._batch(companies) for companies in groups]
        for batch in batches:
            batch.sudo().state = "running"
        return batches

    def test_sb_a_company_that_cannot_be_registered_keeps_no_other_waiting(self):
        first, second = self._running(self.companies[:2], self.companies[2:3])
        lines = type(first.line_ids)
        register = lines._register_together

        def fail_for_one(some, user):
            if self.companies[0] in some.company_id:
                raise ZeroDivisionError
            return register(some, user)

        with (
            patch.object(lines, "_register_together", fail_for_one),
            mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_batch_line"),
        ):
            self._run("batch")
        self.assertEqual((first.state, first.to_sign_count, first.blocked_count), ("started", 1, 1))
        self.assertIn("log", self._line(first, self.companies[0]).problem)
        self.assertEqual((second.state, second.to_sign_count), ("started", 1))

    def test_sb_a_batch_that_cannot_go_on_keeps_no_other_waiting(self):
        first, second = self._running(self.companies[:1], self.companies[1:2])
        batches = type(first)
        ask = batches._ask_authorities

        def fail_for_one(batch, *args):
            if batch.id == first.id:
                raise ZeroDivisionError
            return ask(batch, *args)

        with (
            patch.object(batches, "_ask_authorities", fail_for_one),
            mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_batch"),
        ):
            self._run("batch")
        self.assertEqual((first.state, second.state), ("running", "started"))

    def test_pressing_twice_registers_once(self):
        batch = self._batch(self.companies[:4])
        batch.action_register()
        with self.assertRaises(UserError):
            batch.action_register()
        self.assertEqual(len(batch.line_ids.registration_id), 4)
        self.assertIn("in progress", self._batch(self.companies[:4]).line_ids[0].problem)

    def test_progress_counts_signed_sent_and_confirmed(self):
        batch = self._batch(self.companies[:4])
        batch.action_register()
        self.assertEqual(batch.progress, 0)
        self.assertEqual(len(self._sign_all()), 4)
        batch.invalidate_recordset()
        self.assertEqual((batch.signed_count, batch.progress), (4, 25))
        self._send()
        registrations = batch.line_ids.registration_id.sudo()
        registrations[0]._confirm(registrations[0].submitted_at)
        registrations[1]._on_refused("SE003", "MST không khớp")
        batch.invalidate_recordset()
        self.assertEqual((batch.sent_count, batch.confirmed_count, batch.failed_count), (2, 1, 1))
        self.assertEqual(batch.progress, 100 * (2 + 2 + 4) / 16)
        failed = batch.line_ids.filtered(lambda line: line.progress_state == "failed")
        self.assertEqual(failed.registration_id, registrations[1].with_env(batch.env))
        self.assertIn("MST", failed.problem)

    def test_what_the_wizard_objects_to_blocks_one_line_only(self):
        self.companies[2].email = "ke.toan@"
        batch = self._batch(self.companies[:4])
        self.assertEqual(batch.ready_count, 4)
        batch.action_register()
        self.assertEqual((batch.to_sign_count, batch.blocked_count), (3, 1))
        self.assertIn("ke.toan@", self._line(batch, self.companies[2]).problem)

    def test_agency_of_the_batch_serves_companies_without_one(self):
        self.companies[0].l10n_vn_ibhxh_agency_id = False
        batch = self._batch(self.companies[:2])
        self.assertEqual(batch.blocked_count, 1)
        batch.agency_id = self.agency
        self.assertEqual(batch.ready_count, 2)
        batch.action_register()
        self.assertEqual(batch.line_ids.registration_id.agency_id, self.agency)
        self.assertFalse(self.companies[0].l10n_vn_ibhxh_agency_id, "the company itself is not changed")

    def test_contact_data_of_the_batch_serves_companies_without_any(self):
        self.companies[0].write({"email": False, "phone": False})
        batch = self._batch(self.companies[:2])
        self.assertEqual(batch.blocked_count, 1)
        batch.write({"email": "dich.vu@example.com", "phone": "024 3936 1234"})
        self.assertEqual(batch.ready_count, 2)
        batch.action_register()
        registrations = [self._line(batch, company).registration_id for company in self.companies[:2]]
        self.assertEqual([r.email for r in registrations], ["dich.vu@example.com", "ke.toan1@example.com"])
        self.assertEqual([r.phone for r in registrations], ["+842439361234", "+84912345678"])
        self.assertFalse(self.companies[0].email, "the company itself is not changed")

    def test_contact_data_that_cannot_be_right_blocks_the_lines_that_need_it(self):
        self.companies[0].phone = False
        batch = self._batch(self.companies[:2])
        batch.phone = "không có"
        batch.action_register()
        self.assertEqual((batch.to_sign_count, batch.blocked_count), (1, 1))
        self.assertIn("không có", self._line(batch, self.companies[0]).problem)

    def test_a_registered_company_with_a_new_certificate_sends_form_05(self):
        company, unchanged, first = self.companies[:3]
        for registered in company, unchanged:
            registered.l10n_vn_ibhxh_certificate_id = self.agent.present_certificate_ids.filtered(
                lambda c, registered=registered: registered in c.company_ids
            )
            registered.l10n_vn_ibhxh_state = "confirmed"
        old = company.l10n_vn_ibhxh_certificate_id
        company.write({"l10n_vn_ibhxh_email": company.email, "l10n_vn_ibhxh_phone": "+84912345678"})
        newer = self._new_certificate(
            uids=(f"MST:{company.vat}",),
            common_name=company.name,
            serial=77,
            not_before=old.not_before,
            not_after=old.not_after + timedelta(days=365),
        )
        self._plug_in(self.agent, newer, *(c._der() for c in self.agent.present_certificate_ids))
        self._follow()
        batch = self._batch(company | unchanged | first)
        self.assertEqual(self._line(batch, company).form, "05")
        self.assertEqual(self._line(batch, first).form, "04")
        self.assertIn("no new certificate", self._line(batch, unchanged).problem)
        batch.action_register()
        amendment = self._line(batch, company).registration_id
        self.assertEqual((amendment.form, amendment.state), ("05", "to_sign"))
        self.assertEqual((amendment.old_certificate_id, amendment.certificate_id.serial), (old, "4D"))
        self.assertIn("Thay đổi chứng thư số", amendment.change_text)

    def _stopped(self, company, **vals):
        """Return a stop of `company` that VSS has confirmed."""
        stop = self.env["l10n_vn_ibhxh.registration"].create(
            {
                "company_id": company.id,
                "user_id": self.user.id,
                "form": "06",
                "state": "sent",
                "provider_id": self.provider.id,
                "submitted_at": fields.Datetime.now(),
                **vals,
            }
        )
        stop._confirm(fields.Datetime.now())
        return stop

    def test_k2_who_stopped_for_good_is_not_registered_again(self):
        """A client that was dissolved stays in the list; only a stop that leads to registering again goes on."""
        target = self.provider.copy({"code": "00110", "name": "MISA thử"})
        move = {"then_register": True, "target_provider_id": target.id}
        dissolved, moved, gone, restarted = self.companies[:4]
        self._stopped(dissolved)
        # By the I-VAN that held it: the company goes on at the other one.
        self._stopped(moved, **move)
        self._stopped(gone, **move)
        self._stopped(restarted, then_register=True)
        with self._later(hours=1):
            self._stopped(gone)
            batch = self._batch(self.companies[:4])
            for company in (dissolved, gone):
                line = self._line(batch, company)
                self.assertTrue(line.is_blocked)
                self.assertIn("Stopped at VSS", line.problem)
            batch.action_register()
        self.assertFalse((dissolved | gone).l10n_vn_ibhxh_registration_id.filtered(lambda r: r.form != "06"))
        registrations = [self._line(batch, company).registration_id for company in (moved, restarted)]
        self.assertEqual([(r.form, r.provider_id) for r in registrations], [("04", target), ("04", self.provider)])

    def test_k2_what_is_registered_again_is_what_the_wizard_proposes(self):
        target = self.provider.copy({"code": "00110", "name": "MISA thử"})
        company = self.companies[0]
        stop = self._stopped(company, then_register=True, target_provider_id=target.id)
        wizards = self._as_user(company)["l10n_vn_ibhxh.registration.wizard"]
        self.assertEqual(wizards.create({"company_id": company.id}).provider_id, target)
        with self._later(hours=1):
            self._stopped(company)
        self.assertFalse(stop.can_register_next, "a later stop is for good")
        self.assertEqual(wizards.create({"company_id": company.id}).provider_id, self.provider)

    def test_a_large_batch_goes_on_by_the_scheduled_action(self):
        self.patch(l10n_vn_ibhxh_batch, "CHUNK", 2)
        batch = self._batch(self.companies[:4])
        batch.action_register()
        self.assertEqual((batch.state, batch.to_sign_count), ("running", 2))
        self._run("batch")
        self.assertEqual((batch.state, batch.to_sign_count), ("started", 4))

    def test_no_wizard_is_made_to_register(self):
        """What is proposed belongs to the company; a scheduled action fills in no form."""
        self.patch(l10n_vn_ibhxh_batch, "CHUNK", 2)
        wizards = self.env["l10n_vn_ibhxh.registration.wizard"].sudo()
        before = wizards.search_count([])
        batch = self._batch(self.companies[:4])
        batch.action_register()
        self._run("batch")
        self.assertEqual(batch.to_sign_count, 4)
        self.assertEqual(wizards.search_count([]), before)
        registration = self._line(batch, self.companies[3]).registration_id
        env = self._as_user(self.companies)
        form = Form(env[wizards._name].with_context(default_company_id=self.companies[4].id))
        self.assertEqual(
            (registration.provider_id, registration.agency_id, registration.contact_name),
            (form.provider_id, form.agency_id, form.contact_name),
        )

    def test_a_registration_made_meanwhile_is_not_taken_for_the_batchs(self):
        batch = self._batch(self.companies[:2])
        line = self._line(batch, self.companies[0])
        made = self.env["l10n_vn_ibhxh.registration"].create({"company_id": line.company_id.id})
        line._register_companies(self.user)
        self.assertFalse(line.registration_id)
        self.assertIn(made.name, line.problem)

    def test_only_companies_of_the_switcher(self):
        env = self._as_user(self.companies[:2])
        with self.assertRaises(AccessError):
            env["l10n_vn_ibhxh.batch"].action_from_companies(self.companies.ids)
        batch = self._batch()
        self.assertEqual(batch.with_env(env).company_count, 2)

    def test_rpc_can_neither_forge_nor_take_over_a_batch(self):
        batch = self._batch()
        with self.assertRaises(AccessError):
            batch.write({"state": "started"})
        with self.assertRaises(AccessError):
            batch.line_ids[0].write({"is_blocked": False})
        with self.assertRaises(AccessError):
            batch.env["l10n_vn_ibhxh.batch"].create({})
        colleague = self._new_user("colleague", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.companies)
        with self.assertRaises(AccessError):
            batch.with_user(colleague).action_register()
        stranger = self._new_user("stranger", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.company)
        with self.assertRaises(AccessError):
            batch.with_user(stranger).read(["state"])

    def test_forgotten_drafts_go_started_ones_stay(self):
        forgotten, started = self._batch(self.companies[:1]), self._batch(self.companies[1:2])
        started.action_register()
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE l10n_vn_ibhxh_batch SET create_date = %s", [fields.Datetime.now() - timedelta(days=8)]
        )
        self.env.invalidate_all()
        self.env["l10n_vn_ibhxh.batch"]._gc_forgotten()
        self.assertFalse(forgotten.exists())
        self.assertTrue(started.exists())


@tagged("post_install_l10n", "post_install", "-at_install")
class TestBatchAuthorities(ManyCompanies):
    """Certificates whose authorities have to be asked over the network, by a firewall that drops packets if need be."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.companies = cls._new_companies(4)
        cls._frozen.stop()
        root, cls.intermediate = (
            pki.issue(name, "root", is_ca=True, serial=serial) for serial, name in ((1, "root"), (2, "intermediate"))
        )
        cls.units = [
            pki.issue("unit", "intermediate", serial=10 + number, tax_code=company.vat)
            for number, company in enumerate(cls.companies)
        ]
        cls._frozen.start()
        cls._plug_in(cls.agent, *map(pki.der, cls.units))
        files = [{"file": base64.b64encode(pki.der(root))}]
        files += [{"file": base64.b64encode(pki.der(cls.intermediate)), "is_root": False}]
        cls.env["l10n_vn_ibhxh.trusted.root"].create(files)

    def setUp(self):
        super().setUp()
        self.batch = self._as_user(self.companies)["l10n_vn_ibhxh.batch"]._from_companies(self.companies)
        self.steps = []
        self.fetches = 0
        self.responder = pki.Responder(self.units[0], self.intermediate, at=signing.NOW, use_ocsp=False)
        self.startPatcher(
            patch.object(type(self.env["l10n_vn_ibhxh.certificate"]), "_trust_fetch", lambda _self: self._new_fetch())
        )

    def _new_fetch(self):
        self.fetches += 1

        def fetch(*question):
            self.steps.append("ask")
            return self.responder(*question)

        return fetch

    def _run_noting_commits(self):
        crons, batches = type(self.env["ir.cron"]), type(self.env["l10n_vn_ibhxh.batch"])
        commit, register = crons._commit_progress, batches._register_some
        with (
            patch.object(crons, "_commit_progress", lambda *a, **kw: self.steps.append("commit") or commit(*a, **kw)),
            patch.object(batches, "_register_some", lambda *a: self.steps.append("register") or register(*a)),
        ):
            self._run("batch")
        self.batch.invalidate_recordset()

    def test_b8_nobody_is_asked_while_the_batch_is_locked(self):
        self.batch.action_register()
        self.assertFalse(self.steps)
        self.assertEqual((self.batch.state, self.batch.ready_count), ("running", 4))
        self._run_noting_commits()
        self.assertEqual((self.batch.state, self.batch.to_sign_count), ("started", 4))
        steps = "".join({"ask": "a", "commit": "c", "register": "r"}[step] for step in self.steps)
        self.assertRegex(steps, "^c(ca+c){4}rc$", "each certificate once, between commits of its own")
        self.assertEqual(self.fetches, 1)

    def test_j1_a_run_that_is_cut_short_says_how_many_companies_it_registered(self):
        """Odoo puts an action that did nothing behind all others, which then use the time that the batch needs."""
        self.batch.action_register()
        said = []

        def commit(_cron, processed=0, remaining=None):
            said.append((processed, remaining))
            return 0 if processed else 60

        with (
            patch.object(type(self.env["ir.cron"]), "_commit_progress", commit),
            patch("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_batch.CHUNK", 3),
        ):
            self._run("batch")
        self.batch.invalidate_recordset()
        self.assertEqual((said[0], said[-1]), ((0, 4), (3, None)))
        self.assertEqual((self.batch.state, self.batch.ready_count), ("running", 1))

    def test_b8_verdicts_are_used_by_the_next_batch(self):
        self.batch.line_ids.certificate_id.sudo()._check_trust()
        self.steps.clear()
        self.batch.action_register()
        self.assertEqual((self.batch.state, self.batch.to_sign_count), ("started", 4))
        self.assertFalse(self.steps)

    def test_b8_a_verdict_does_not_end_between_asking_and_registering(self):
        self.batch.line_ids.certificate_id.sudo()._check_trust()
        with self._later(minutes=31):
            self.batch.action_register()
            self.assertEqual(
                self.batch.ready_count, 4, "asked again beforehand, though it counts for half an hour more"
            )

    def test_b8_a_silent_authority_is_a_warning(self):
        self.responder.use_crl = False
        self.batch.action_register()
        self._run("batch")
        self.batch.invalidate_recordset()
        self.assertEqual((self.batch.state, self.batch.to_sign_count), ("started", 4))
        for certificate in self.batch.line_ids.certificate_id:
            levels = {row["code"]: row["level"] for row in certificate.sudo().trust_findings["findings"]}
            self.assertEqual(levels["trust_revocation_unknown"], "warning")

    def test_b8_a_silent_authority_blocks_where_that_is_set(self):
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.trust_mode", "hard")
        self.responder.use_crl = False
        self.batch.action_register()
        self._run("batch")
        self.batch.invalidate_recordset()
        self.assertEqual((self.batch.state, self.batch.blocked_count), ("started", 4))
        self.assertIn("could not be checked", self.batch.line_ids[0].problem)

    def test_b8_a_revoked_certificate_blocks_its_company_only(self):
        self.responder.revoked = (self.units[1],)
        self.batch.action_register()
        self._run("batch")
        self.batch.invalidate_recordset()
        self.assertEqual((self.batch.to_sign_count, self.batch.blocked_count), (3, 1))
        blocked = self.batch.line_ids.filtered("is_blocked")
        self.assertEqual(blocked.company_id, self.companies[1])
        self.assertIn("revoked", blocked.problem)

    def test_b8_several_registrations_lose_time_once(self):
        """Silent authorities are asked by one and the same fetch, which remembers them and bounds the time in total."""
        self.batch.action_register()
        self._run("batch")
        registrations = self.batch.line_ids.registration_id
        registrations.action_withdraw()
        with self._later(minutes=61):
            self.fetches = 0
            registrations.action_request_signature()
            self.assertEqual(self.fetches, 1)
            self.assertEqual(set(registrations.mapped("state")), {"to_sign"})


@tagged("post_install_l10n", "post_install", "-at_install")
class TestOverview(ManyCompanies):
    def test_next_action_follows_the_life_of_a_registration(self):
        company = self.company

        def action():
            self.env.invalidate_all()
            return company.l10n_vn_ibhxh_next_action

        self.assertEqual(action(), "register")
        registration = self._register()
        self.assertEqual(action(), "pin")
        registration.action_withdraw()
        self.assertEqual(action(), "sign")
        registration.action_request_signature()
        self._sign(registration)
        self.assertEqual(action(), "wait")
        self._send()
        registration.sudo()._activate("BV2VLHCKRA", False, registration.submitted_at)
        self.assertEqual(action(), "activate")
        registration.sudo()._expire()
        self.assertEqual(action(), "again")
        registration.sudo()._confirm(registration.submitted_at)
        self.assertEqual(action(), "none")
        with self._later(days=210):
            self.assertEqual(action(), "renew")
            company.l10n_vn_ibhxh_newer_certificate_id = self.certificate
            self.assertEqual(action(), "amend")

    def test_next_action_opens_what_it_is_done_in(self):
        company = self.company.with_user(self.user)
        wizard = company.action_l10n_vn_ibhxh_next()
        self.assertEqual(wizard["res_model"], "l10n_vn_ibhxh.registration.wizard")
        self.assertEqual(wizard["context"]["default_company_id"], company.id)
        registration = self._register()
        opened = company.action_l10n_vn_ibhxh_next()
        self.assertEqual((opened["res_model"], opened["res_id"]), (registration._name, registration.id))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestBatchRaces(ManyCompanies):
    @mute_logger("odoo.sql_db")
    def test_b10_one_companys_race_leaves_the_others_alone(self):
        """Somebody registers one of the companies between the check and the batch's turn."""
        companies = self._new_companies(3)
        self._plug_in_tokens(companies)
        batches = self._as_user(companies)["l10n_vn_ibhxh.batch"]
        batch = batches._from_companies(companies)
        raced = self.env["l10n_vn_ibhxh.registration"].with_user(self.user).create({"company_id": companies[1].id})
        self.env.flush_all()
        # The other transaction's row is not seen by this one, and still stands in its way.
        self.patch(type(raced), "_check_preflight", lambda registrations: None)
        batch.sudo().state = "running"
        batch._register_some()
        states = {line.company_id: line.registration_id.state for line in batch.line_ids}
        self.assertEqual(states, {companies[0]: "to_sign", companies[1]: False, companies[2]: "to_sign"})
        [line] = batch.line_ids.filtered(lambda line: line.company_id == companies[1])
        self.assertIn("in progress", line.problem)
