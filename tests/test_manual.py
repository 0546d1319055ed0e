import base64
from datetime import datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import Form, tagged

from ..tools import gateways
from .common import IbhxhCommon, TestGateway

CODE = "BV2VLHCKRA"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestManual(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.gateway = gateways.make("manual")
        self.provider.write({"gateway": "manual", "portal_url": "https://portal.example/lodge"})
        self.registration = self._register(lodging="file")
        self._sign(self.registration)

    def _by_hand(self, action, user=None):
        return self.env[action["res_model"]].with_user(user or self.user).with_context(**action["context"])

    def _lodge(self, **vals):
        return self._by_hand(self.registration.action_lodge()).create(vals).action_lodge()

    def _answer(self, answer, **vals):
        action = self.registration.action_record_answer()
        return self._by_hand(action).create({"answer": answer, **vals}).action_record()

    def test_whole_life_by_hand(self):
        with self._later(minutes=5):
            self._lodge(dossier_number="03706/2026/001")
            self.assertEqual((self.registration.state, self.registration.dossier_number), ("sent", "03706/2026/001"))
            self.assertEqual(self.registration.dossier_number_source, "person")
            self.assertEqual(self.registration.submitted_at, datetime(2026, 3, 2, 3, 9, 5))
            self._follow()
            self._answer("code", activation_code=f" {CODE.lower()} ")
            self.assertEqual((self.registration.state, self.registration.activation_code), ("to_activate", CODE))
            self._answer("confirmed", unit_code="tzh490l")
        steps = self.registration.step_ids
        self.assertEqual(
            [(step.number, step.description, step.passed) for step in steps],
            [
                (1, "Lodged by hand on the portal", True),
                (2, "It mailed an activation code", True),
                (3, "It confirmed", True),
            ],
        )
        self.assertEqual(self.registration.state, "confirmed")
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")
        self.assertFalse(self.registration.activation_code)

    def test_files_to_lodge(self):
        action = self.registration.action_download_signed()
        self.assertIn(f"/{self.registration.id}/signed_document/04_DK-IVAN.xml", action["url"])
        self.assertEqual(self.registration.action_print()["report_name"], "l10n_vn_ibhxh.report_registration_form")
        self.assertEqual(self.registration.portal_url, "https://portal.example/lodge")
        self.assertIn(b"<Signature", base64.b64decode(self.registration.signed_document))

    def test_unusual_number_warns_and_is_taken(self):
        form = Form(self._by_hand(self.registration.action_lodge()))
        form.dossier_number = "HS-17"
        self.assertTrue(form.number_warning)
        form.dossier_number = "03706/2026/07906"
        self.assertFalse(form.number_warning)
        form.dossier_number = "HS-17"
        form.save().action_lodge()
        self.assertEqual(self.registration.dossier_number, "HS-17")

    def test_impossible_times_are_refused(self):
        for delta in (timedelta(hours=1), timedelta(hours=-1)):
            with self.assertRaises(UserError):
                self._lodge(lodged_at=fields.Datetime.now() + delta)
        self.assertEqual(self.registration.state, "to_send")

    def test_number_may_come_later(self):
        self._lodge()
        self.assertFalse(self.registration.dossier_number)
        with self.assertRaises(UserError):
            self._answer("number")
        self._answer("number", dossier_number="03706/2026/001")
        self.assertEqual((self.registration.state, self.registration.dossier_number), ("sent", "03706/2026/001"))

    def test_refusal_with_its_remedy(self):
        self._lodge()
        with self.assertRaises(UserError):
            self._answer("refused")
        self._answer("refused", error_code="se003")
        self.assertEqual((self.registration.state, self.registration.error_code), ("rejected", "SE003"))
        self.assertTrue(self.registration.remedy)
        step = self.registration.step_ids[-1]
        self.assertEqual((step.number, step.code, step.passed), (2, "SE003", False))

    def test_refusal_in_words_only(self):
        self._lodge()
        self._answer("refused", error_message="Thiếu chữ ký")
        self.assertEqual((self.registration.state, self.registration.error_message), ("rejected", "Thiếu chữ ký"))

    def test_codes_that_cannot_be(self):
        self._lodge()
        with self.assertRaises(UserError):
            self._answer("code", activation_code="123")
        with self._later(hours=25), self.assertRaises(UserError):
            self._answer("code", activation_code=CODE, answered_at=self.registration.submitted_at)
        self.assertEqual(self.registration.state, "sent")

    def test_code_is_not_kept_elsewhere(self):
        self._lodge()
        self._answer("code", activation_code=CODE)
        self.assertFalse(self.env["l10n_vn_ibhxh.lodge.answer"].search([]).mapped("activation_code")[0])
        self.assertNotIn(CODE, " ".join(self.registration.message_ids.mapped("body")))

    def test_chatter_names_the_person(self):
        self._lodge()
        self._answer("confirmed")
        told = " ".join(self.registration.message_ids.mapped("body"))
        self.assertEqual(told.count(self.user.name), 2, told)

    def test_lodged_once(self):
        action = self.registration.action_lodge()
        self._lodge()
        with self.assertRaises(UserError):
            self._by_hand(action).create({}).action_lodge()

    def test_what_a_person_lodges_odoo_never_sends(self):
        """The I-VAN gets a connection while somebody has the signed file in hand: it must not arrive twice."""
        self.gateway = TestGateway()
        self.provider.write({"gateway": "sandbox"})
        self.env.invalidate_all()
        self._send()
        self.assertEqual((self.gateway.calls, self.registration.state), ([], "to_send"))
        self._lodge()
        self._follow()
        self.assertEqual((self.gateway.calls, self.registration.state), ([], "sent"))

    def test_what_odoo_sends_nobody_lodges(self):
        self.provider.write({"gateway": "sandbox"})
        self.registration.action_cancel()
        registration = self._register()
        self.assertEqual(registration.lodging, "odoo")
        self._sign(registration)
        with self.assertRaises(UserError):
            registration.action_lodge()
        with self.assertRaises(UserError):
            registration.action_record_answer()

    def test_other_companies_cannot(self):
        other = self.env["res.company"].create({"name": "Khác"})
        stranger = self._new_user("nguoila", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        action = self.registration.action_lodge()
        with self.assertRaises(AccessError):
            self._by_hand(action, stranger).create({}).action_lodge()
