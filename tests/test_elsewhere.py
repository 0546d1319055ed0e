"""The third way: submitted in the I-VAN's own program or on VSS's portal, followed by Odoo."""

import base64
from datetime import timedelta

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..tools import gateways
from .common import TAX_CODE, IbhxhCommon
from .test_lifelines import WIZARD

CODE = "BV2VLHCKRA"


class ElsewhereCommon(IbhxhCommon):
    """A company whose I-VAN has no connection with Odoo, and a clerk without any token."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.provider.active = False
        cls.provider = cls.env.ref("l10n_vn_ibhxh.provider_00001")
        cls.company.l10n_vn_ibhxh_provider_id = cls.provider
        cls.agent.sudo().certificate_ids.unlink()
        cls.agent.sudo().unlink()
        cls.certificate = cls.certificate.exists()

    def setUp(self):
        super().setUp()
        self.gateway = gateways.make("manual")

    def _submitted(self, **vals):
        """Return what a clerk submitted elsewhere and noted in Odoo."""
        return self._register(**vals)

    def _upload(self, content, **vals):
        return self._wizard(certificate_file=base64.b64encode(content), certificate_file_name="a.cer", **vals)

    def _by_hand(self, action, **vals):
        return self.env[action["res_model"]].with_user(self.user).with_context(**action["context"]).create(vals)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestElsewhere(ElsewhereCommon):
    def test_a_newcomer_is_led_here(self):
        """No I-VAN is connected, no token is there, nothing is configured: one page, and the dossier is followed."""
        self.company.write({"l10n_vn_ibhxh_provider_id": False, "l10n_vn_ibhxh_agency_id": False})
        form = Form(self.env[WIZARD].with_user(self.user).with_company(self.company))
        self.assertEqual(form.lodging, "elsewhere")
        form.provider_id = self.provider
        self.assertEqual(form.lodging, "elsewhere")
        self.assertIn("KySo", form.guide)
        self.assertEqual(
            (form.copy_name, form.copy_tax_code, form.copy_phone), (self.company.name, TAX_CODE, "0912345678")
        )
        form.email_repeated = form.email = "ke.toan@example.com"
        self.assertFalse(form.is_blocked)
        registration = self.env["l10n_vn_ibhxh.registration"].browse(form.save().action_register()["res_id"])
        self.assertRecordValues(
            registration,
            [
                {
                    "state": "sent",
                    "lodging": "elsewhere",
                    "document": False,
                    "signed_document": False,
                    "certificate_id": False,
                    "tax_code": TAX_CODE,
                    "company_name": self.company.name,
                    "submitted_at": fields.Datetime.now(),
                    "activation_expires_at": fields.Datetime.now() + timedelta(hours=24),
                }
            ],
        )
        self.assertTrue(registration.answer_due_at)
        self.assertEqual(registration.step_ids.description, "Submitted at TS24")
        self.assertIn(self.user.name, " ".join(registration.message_ids.mapped("body")))
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "in_progress")
        self.assertEqual(self.company.l10n_vn_ibhxh_next_action, "wait")

    def test_ways_that_an_ivan_offers(self):
        portal = self.env.ref("l10n_vn_ibhxh.provider_portal")
        connected = self.env["l10n_vn_ibhxh.provider"].create(
            {"code": "99998", "name": "I-VAN nối", "gateway": "sandbox", "url": "http://127.0.0.1:9/"}
        )
        for provider, ways in (
            (self.provider, ["elsewhere", "file"]),
            (connected, ["odoo", "elsewhere", "file"]),
            (portal, ["elsewhere"]),
            (portal.browse(), ["elsewhere"]),
        ):
            self.assertEqual(provider._lodgings(), ways)
            wizard = self._wizard(provider_id=provider.id)
            self.assertEqual((wizard.lodging_ways, wizard.lodging), (ways, ways[0]))
        wizard = self._wizard(provider_id=self.provider.id, lodging="file")
        self.assertEqual(wizard.lodging, "file")
        wizard.provider_id = connected
        self.assertEqual(wizard.lodging, "odoo", "another I-VAN, its usual way")
        with self.assertRaises(ValidationError):
            self._wizard(provider_id=portal.id, lodging="file")
        with self.assertRaises(ValidationError):
            self._wizard(provider_id=self.provider.id, lodging="odoo")
        with self.assertRaises(ValidationError):
            portal.gateway = "http"

    def test_the_way_is_remembered(self):
        self._submitted().sudo()._on_refused("SE003", "")
        self.company.l10n_vn_ibhxh_registration_id.sudo().lodging = "file"
        self.assertEqual(self._wizard().lodging, "file")

    def test_guides(self):
        """An I-VAN's own guide, the portal's, the general one for all others; nothing in them runs."""
        general = self.env.ref("l10n_vn_ibhxh.provider_00110")
        self.assertIn("MISA", self._wizard(provider_id=general.id).guide)
        self.assertIn("Đăng ký", self._wizard(provider_id=self.env.ref("l10n_vn_ibhxh.provider_portal").id).guide)
        general.guide = "<p>Bước 1</p><script>alert(1)</script><img src=x onerror=alert(1)>"
        guide = self._wizard(provider_id=general.id).guide
        self.assertIn("Bước 1", guide)
        self.assertNotIn("script", guide)
        self.assertNotIn("onerror", guide)

    def test_whole_life_and_again(self):
        """Wizard, code, expiry, again, code, confirmation: as ever, without a document."""
        first = self._submitted(dossier_number=" 03706/2026/001 ")
        self.assertEqual(first.dossier_number, "03706/2026/001")
        first.sudo()._activate(CODE, False, fields.Datetime.now())
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "to_activate")
        with self._later(hours=25):
            self._follow()
            self.assertEqual((first.state, self.company.l10n_vn_ibhxh_state), ("expired", "expired"))
            self.assertNotIn("PIN", first.sudo().activity_ids.note)
            action = first.action_register_again()
            wizard = self.env[WIZARD].with_user(self.user).with_context(**action["context"]).create({})
            self.assertEqual((wizard.lodging, wizard.provider_id), ("elsewhere", self.provider))
            second = first.browse(wizard.action_register()["res_id"])
            self._by_hand(second.action_record_answer(), answer="code", activation_code=CODE).action_record()
            self.assertEqual((second.state, second.activation_code), ("to_activate", CODE))
            self._by_hand(second.action_record_answer(), answer="confirmed", unit_code="tzh490l").action_record()
        self.assertEqual(second.state, "confirmed")
        self.assertRecordValues(
            self.company,
            [
                {
                    "l10n_vn_ibhxh_state": "confirmed",
                    "l10n_vn_ibhxh_unit_code": "TZH490L",
                    "l10n_vn_ibhxh_provider_id": self.provider.id,
                    "l10n_vn_ibhxh_agency_id": self.agency.id,
                    "l10n_vn_ibhxh_certificate_id": False,
                }
            ],
        )

    def test_k4_a_known_code_typed_again_keeps_its_end(self):
        registration = self._submitted()
        self._by_hand(registration.action_record_answer(), answer="code", activation_code=CODE).action_record()
        end = fields.Datetime.now() + timedelta(hours=24)
        with self._later(hours=2):
            self._by_hand(registration.action_record_answer(), answer="code", activation_code=CODE).action_record()
            self.assertEqual(registration.activation_expires_at, end)

    def test_k11_a_submission_by_mistake_is_taken_back(self):
        registration = self._submitted(dossier_number="03706/2026/001")
        registration.sudo()._schedule_todo("VSS has not answered in time", "")
        self.assertTrue(registration.can_take_back)
        registration.action_not_submitted()
        self.assertRecordValues(
            registration,
            [
                {
                    "state": "draft",
                    "submitted_at": False,
                    "answer_due_at": False,
                    "activation_expires_at": False,
                    "poll_at": False,
                    "dossier_number": False,
                    "dossier_number_source": False,
                    "tax_code": False,
                    "company_name": False,
                    "can_take_back": False,
                }
            ],
        )
        self.assertFalse(registration.sudo().activity_ids)
        self.assertIn("not submitted", registration.step_ids.sorted("number")[-1].description)
        self.assertIn(f"{self.user.name} stated that this was not", str(registration.message_ids.mapped("body")))
        logged = self.env["l10n_vn_ibhxh.registration.log"].search([("registration_id", "=", registration.id)])
        self.assertIn(("state", "Sent", "Draft"), logged.mapped(lambda line: (line.field, line.old, line.new)))
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "none")
        self.assertEqual(self.company.l10n_vn_ibhxh_next_action, "submit")
        with self._later(hours=25):
            self._follow()
            self.assertEqual(registration.state, "draft", "nothing runs out")
        registration.action_cancel()
        self.assertEqual(registration.state, "cancelled")

    def test_k11_it_is_submitted_in_the_end(self):
        registration = self._submitted(dossier_number="03706/2026/001")
        registration.action_not_submitted()
        with self._later(hours=2):
            self._by_hand(registration.action_lodge(), dossier_number="03707/2026/001").action_lodge()
            self.assertRecordValues(
                registration,
                [{"state": "sent", "dossier_number": "03707/2026/001", "submitted_at": fields.Datetime.now()}],
            )

    def test_k11_what_vss_knows_is_not_taken_back(self):
        registration = self._submitted()
        self.env.flush_all()
        for known in (
            lambda: registration.sudo()._take_number("03706/2026/001", "mail"),
            lambda: registration.sudo()._activate(CODE, False, fields.Datetime.now()),
            lambda: registration.sudo()._on_refused("SE003", ""),
            lambda: registration.sudo()._confirm(fields.Datetime.now()),
            lambda: self.env["l10n_vn_ibhxh.mail"].create({"registration_id": registration.id}),
            lambda: registration.sudo().write({"attempted_at": fields.Datetime.now()}),
            lambda: registration.sudo().write({"lodging": "file"}),
        ):
            savepoint = self.env.cr.savepoint()
            known()
            self.env.invalidate_all()
            self.assertFalse(registration.can_take_back)
            with self.assertRaises(UserError):
                registration.action_not_submitted()
            savepoint.rollback()
            savepoint.close()
            self.env.invalidate_all()
        self.assertTrue(registration.can_take_back)

    def test_k11_no_other_door_leads_back(self):
        registration = self._submitted()
        with self.assertRaises(UserError):
            registration.action_withdraw()
        with self.assertRaises(UserError):
            registration._move("draft")
        other = self.env["res.company"].create({"name": "Khác"})
        stranger = self._new_user("nguoila", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        with self.assertRaises(AccessError):
            registration.with_user(stranger).action_not_submitted()
        self.assertEqual(registration.state, "sent")

    def test_k1_no_code_yet_is_no_code_that_expired(self):
        """VSS may take three working days: that no code came on the first one is no reason for a second dossier."""
        registration = self._submitted()
        with self._later(hours=25):
            self._follow()
            self.assertEqual(registration.state, "expired")
            activity = registration.sudo().activity_ids
            self.assertIn("No activation code has come", activity.summary)
            self.assertIn("spam", activity.note)
            self.assertIn("05/03/2026", activity.note)
            self.assertNotIn("Submit it again", activity.note)
            self.assertEqual(self.company.l10n_vn_ibhxh_next_action, "find_code")
            opened = self.company.with_user(self.user).action_l10n_vn_ibhxh_next()
            self.assertEqual((opened["res_model"], opened["res_id"]), (registration._name, registration.id))

    def test_k1_a_code_that_was_here_is_one_that_expired(self):
        registration = self._submitted()
        registration.sudo()._activate(CODE, False, fields.Datetime.now())
        with self._later(hours=25):
            self._follow()
            self.assertIn("expired", registration.sudo().activity_ids.summary)
            self.assertEqual(self.company.l10n_vn_ibhxh_next_action, "again")

    def test_k1_a_code_that_comes_later_is_used(self):
        paste = self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user)
        ways = (
            lambda registration: paste.create({"registration_id": registration.id, "text": CODE}).action_apply(),
            lambda registration: self._by_hand(
                registration.action_record_answer(), answer="code", activation_code=CODE
            ).action_record(),
        )
        registration = self._submitted()
        self.env.flush_all()
        for way in ways:
            savepoint = self.env.cr.savepoint()
            with self._later(hours=25):
                self._follow()
            with self._later(hours=72):
                way(registration)
                end = fields.Datetime.now() + timedelta(hours=24)
                self.assertEqual((registration.state, registration.activation_expires_at), ("to_activate", end))
                self.assertEqual(
                    registration.sudo().activity_ids.mapped("summary"), ["Enter the activation code on the VSS portal"]
                )
                self._follow()
                self.assertEqual(registration.state, "to_activate")
            savepoint.rollback()
            savepoint.close()
            self.env.invalidate_all()

    def _reminders(self, registration):
        """Of a stop that VSS has not answered in time."""
        return registration.sudo().activity_ids.filtered(lambda activity: "not answered" in activity.summary)

    def test_k1_vss_that_does_not_answer_in_time_is_reported_after_the_first_day_too(self):
        registration = self._submitted()

        with self._later(hours=25):
            self._follow()
            self.assertFalse(self._reminders(registration))
        for days in (4, 5):
            with self._later(days=days):
                self._follow()
                self.assertEqual(len(self._reminders(registration)), 1)
        self.assertEqual(registration.state, "expired")

    def test_k1_a_registration_that_was_followed_by_another_is_not_reminded_of(self):
        registration = self._submitted()
        with self._later(hours=25):
            self._follow()
            self._submitted()
        with self._later(days=4):
            self._follow()
            self.assertFalse(self._reminders(registration))

    def test_k1_old_ones_are_not_dug_up(self):
        """An upgrade does not remind of what ended long ago."""
        registration = self._submitted()
        with self._later(hours=25):
            self._follow()
        with self._later(days=30):
            self._follow()
            self.assertFalse(self._reminders(registration))

    def test_draft_first_submitted_later(self):
        wizard = self._wizard()
        draft = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_save_draft()["res_id"]).with_user(self.user)
        self.assertEqual((draft.state, self.company.l10n_vn_ibhxh_next_action), ("draft", "submit"))
        self.assertIn("KySo", draft.guide)
        self.assertEqual(draft.copy_tax_code, TAX_CODE)
        with self.assertRaises(UserError):
            draft.action_request_signature()
        with self._later(minutes=30):
            self._by_hand(draft.action_lodge(), dossier_number="03706/2026/001").action_lodge()
            self.assertEqual((draft.state, draft.submitted_at), ("sent", fields.Datetime.now()))
            with self.assertRaises(UserError):
                draft.action_lodge()

    def test_no_gateway_is_ever_asked(self):
        """The I-VAN is connected, yet this dossier was submitted in its own program: the gateway never heard of it."""
        provider = self.env["l10n_vn_ibhxh.provider"].create(
            {"code": "99998", "name": "I-VAN nối", "gateway": "sandbox", "url": "http://127.0.0.1:9/"}
        )
        self.gateway = None
        registration = self._submitted(provider_id=provider.id, lodging="elsewhere")
        self.assertFalse(registration.can_submit)
        self._send()
        self._follow()
        registration.action_refresh()
        self.assertEqual((registration.state, registration.sudo().activity_ids), ("sent", self.env["mail.activity"]))
        with self._later(hours=25):
            self._follow()
        self.assertEqual(registration.state, "expired", "whatever no gateway says")

    def test_one_door_from_draft_to_sent(self):
        """Only what is lodged elsewhere gets from the draft to `sent`, and only by a person who may write it."""
        draft = self.env["l10n_vn_ibhxh.registration"].create(
            {
                "company_id": self.company.id,
                "provider_id": self.provider.id,
                "lodging": "file",
                "email": "ke.toan@example.com",
                "phone": "0912345678",
            }
        )
        with self.assertRaises(UserError):
            draft._move("sent", submitted_at=fields.Datetime.now())
        with self.assertRaises(UserError):
            draft._submitted_elsewhere(fields.Datetime.now())
        with self.assertRaises(UserError):
            draft.action_lodge()
        self.assertEqual(draft.state, "draft")
        draft.with_user(self.user).lodging = "elsewhere"
        with self.assertRaises(UserError):
            draft._submitted_elsewhere(fields.Datetime.now() + timedelta(minutes=1))
        other = self.env["res.company"].create({"name": "Khác"})
        stranger = self._new_user("nguoila", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        with self.assertRaises(AccessError):
            draft.with_user(stranger)._submitted_elsewhere(fields.Datetime.now())
        draft.with_user(self.user)._submitted_elsewhere(fields.Datetime.now())
        with self.assertRaises(UserError):
            draft.with_user(self.user).lodging = "file"
        with self.assertRaises(UserError):
            draft._submitted_elsewhere(fields.Datetime.now())

    def test_who_the_unit_is_is_fixed(self):
        registration = self._submitted()
        self.company.write({"name": "Công ty khác", "vat": "0301442379"})
        self.env.invalidate_all()
        self.assertEqual((registration.tax_code, registration.company_name), (TAX_CODE, "Công ty TNHH An Phát"))

    def test_nothing_to_print_and_a_proof_all_the_same(self):
        registration = self._submitted()
        with self.assertRaises(UserError):
            registration.action_print()
        self._run("print")
        self.assertFalse(registration.sudo().printed_form_sha256)
        self.assertFalse(registration.sudo().activity_ids)
        with registration._proof_archive() as archive:
            self.assertTrue(archive.read())

    def test_amend_and_stop(self):
        """Forms 05 and 06 elsewhere; what is not known there stays as it was."""
        self._submitted().sudo()._confirm(fields.Datetime.now(), unit_code="TZH490L")
        amend = self._submitted(form="05", phone="0987654321", change_text="Thay đổi điện thoại")
        self.assertEqual((amend.state, amend.activation_expires_at), ("sent", False))
        amend.sudo()._confirm(fields.Datetime.now())
        self.assertEqual(self.company.l10n_vn_ibhxh_phone, "+84987654321")
        self.assertEqual(self.company.l10n_vn_ibhxh_agency_id, self.agency)
        stop = self._submitted(form="06", stop_reason_code="8")
        stop.sudo()._confirm(fields.Datetime.now())
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "stopped")

    def test_refusal_has_its_remedy(self):
        registration = self._submitted()
        self._by_hand(registration.action_record_answer(), answer="refused", error_code="CE044").action_record()
        self.assertEqual((registration.state, registration.remedy_action), ("rejected", "move"))
        wizard = (
            self.env[WIZARD].with_user(self.user).with_context(**registration.action_remedy()["context"]).create({})
        )
        self.assertEqual((wizard.form, wizard.lodging, wizard.stop_reason_code), ("06", "elsewhere", "7"))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestElsewhereTogether(ElsewhereCommon):
    """Several companies at once, without any token."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.second = cls.env["res.company"].create(
            {
                "name": "Công ty Bình Minh",
                "country_id": cls.env.ref("base.vn").id,
                "vat": "0301442379",
                "email": "binhminh@example.com",
                "phone": "0912345679",
            }
        )
        cls.user.company_ids |= cls.second

    def _batch(self, **vals):
        companies = self.company | self.second
        batches = self.env["l10n_vn_ibhxh.batch"].with_user(self.user).with_context(allowed_company_ids=companies.ids)
        batch = batches._from_companies(companies)
        batch.write({"provider_id": self.provider.id, **vals})
        return batch

    def test_a_batch_without_tokens(self):
        batch = self._batch()
        self.assertEqual((batch.lodging, batch.ready_count, batch.blocked_count), ("elsewhere", 2, 0))
        batch.action_register()
        registrations = batch.line_ids.registration_id
        self.assertEqual(registrations.mapped("state"), ["draft"] * 2)
        self.assertEqual((batch.to_submit_count, batch.failed_count), (2, 0))
        self.assertEqual(batch.line_ids.mapped("progress_state"), ["running"] * 2)
        self.assertEqual(len(batch.line_ids.search([("progress_state", "in", ["running"])]) & batch.line_ids), 2)
        self.assertFalse(batch.line_ids.search([("progress_state", "in", ["failed"])]) & batch.line_ids)
        first = registrations[0]
        self._by_hand(first.action_lodge(), dossier_number="03706/2026/001").action_lodge()
        self.assertEqual(batch.to_submit_count, 1, "one by one")
        batch.action_submitted()
        self.assertEqual(registrations.mapped("state"), ["sent"] * 2, "the rest at once")
        self.assertEqual((batch.to_submit_count, batch.sent_count), (0, 2))
        self.assertEqual(sorted(registrations.mapped("tax_code")), sorted([TAX_CODE, "0301442379"]))

    def test_k11_one_of_a_batch_is_taken_back(self):
        batch = self._batch()
        batch.action_register()
        batch.action_submitted()
        first = batch.line_ids.registration_id[0]
        first.action_not_submitted()
        batch.invalidate_recordset()
        self.assertEqual((batch.to_submit_count, batch.sent_count), (1, 1))
        batch.action_submitted()
        self.assertEqual((first.state, batch.to_submit_count), ("sent", 0))

    def test_k1_no_second_dossier_where_the_first_has_no_code_yet(self):
        batch = self._batch()
        batch.action_register()
        batch.action_submitted()
        coded = batch.line_ids.registration_id.filtered(lambda r: r.company_id == self.second)
        coded.sudo()._activate(CODE, False, fields.Datetime.now())
        with self._later(hours=25):
            self._follow()
            self.assertEqual(set(batch.line_ids.registration_id.mapped("state")), {"expired"})
            again = self._batch()
            blocked = again.line_ids.filtered("is_blocked")
            self.assertEqual(blocked.company_id, self.company)
            self.assertIn("No activation code has come", blocked.problem)
            self.assertEqual(again.ready_count, 1)

    def test_only_its_maker_says_that_all_are_submitted(self):
        batch = self._batch()
        batch.action_register()
        other = self._new_user("khac", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.company | self.second)
        with self.assertRaises(AccessError):
            batch.with_user(other).action_submitted()
        self.assertEqual(batch.to_submit_count, 2)

    def test_as_signed_files_a_certificate_is_needed(self):
        batch = self._batch(lodging="file")
        self.assertEqual((batch.ready_count, batch.blocked_count), (0, 2))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestUploadedCertificate(ElsewhereCommon):
    def test_der_and_pem(self):
        for content in (self.der, x509.load_der_x509_certificate(self.der).public_bytes(Encoding.PEM)):
            wizard = self._upload(content)
            self.assertFalse(wizard.is_blocked, wizard.preflight)
            registration = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
            certificate = registration.certificate_id
            self.assertEqual((certificate.tax_code, certificate.company_ids), (TAX_CODE, self.company))
            self.assertTrue(certificate.with_user(self.user).serial, "its company's people read it")
            certificate._update_companies()
            self.assertEqual(certificate.company_ids, self.company)
            registration.sudo()._on_refused("SE003", "")

    def test_its_end_is_reminded_of(self):
        registration = self._upload(self.der).action_register()
        self.env["l10n_vn_ibhxh.registration"].browse(registration["res_id"])._confirm(fields.Datetime.now())
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id._der(), self.der)
        with self._later(days=240):
            self.assertEqual(self.company.l10n_vn_ibhxh_next_action, "renew")
            self._follow()
            self.assertEqual(self.company.l10n_vn_ibhxh_reminded_days, 30)

    def test_what_is_no_certificate_of_the_company(self):
        other = self._new_certificate(uids=("MST:0301442379",))
        misplaced = self._new_certificate(uids=("CCCD:001099012345",), common_name="A, MST: " + TAX_CODE)
        for content, code in (
            (b"abc", "certificate_file_unreadable"),
            (b"0" * 70_000, "certificate_file_too_large"),
            (b"-----BEGIN PRIVATE KEY-----\nAAAA", "certificate_file_private_key"),
            (b"-----BEGIN CERTIFICATE-----\nAAAA\n", "certificate_file_unreadable"),
            (other, "owner_other"),
            (misplaced, "owner_misplaced"),
        ):
            wizard = self._upload(content)
            self.assertIn(code, [row["code"] for row in wizard.preflight if row["level"] == "blocking"])
            with self.assertRaises(ValidationError):
                wizard.action_register()
            self.assertEqual(wizard.email, "ke.toan@example.com", "nothing typed is lost")
        self.assertFalse(self.env["l10n_vn_ibhxh.certificate"].search([("tax_code", "=", "0301442379")]))
        wizard = self._wizard(certificate_file="!!!")
        self.assertTrue(wizard.is_blocked)

    def test_an_expired_one_is_refused(self):
        with self._later(days=300):
            wizard = self._upload(self.der)
            self.assertIn("expired", [row["code"] for row in wizard.preflight if row["level"] == "blocking"])

    def test_a_file_means_nothing_where_odoo_signs(self):
        wizard = self._upload(self.der, lodging="file")
        self.assertIn("certificate_none", [row["code"] for row in wizard.preflight])
