"""Nothing that was signed is stranded, forgotten, or handed over a second time, whatever people do meanwhile."""

from dataclasses import replace
from datetime import timedelta, timezone

from lxml import etree
from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, tagged
from odoo.tools import mute_logger
from odoo.tools.safe_eval import safe_eval
from psycopg2 import IntegrityError

from ..tools import gateways
from .common import IbhxhCommon, progress, step


@tagged("post_install_l10n", "post_install", "-at_install")
class TestNoDeadEnd(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.registration = self._register()
        self._sign(self.registration)

    def _without_provider(self):
        """As 19.0.1 left a registration whose I-VAN was deleted."""
        self.env.flush_all()
        self.env.cr.execute("UPDATE l10n_vn_ibhxh_registration SET provider_id = NULL")
        self.env.invalidate_all()

    def _by_hand(self, action, **vals):
        return self.env[action["res_model"]].with_user(self.user).with_context(**action["context"]).create(vals)

    def _unclear(self):
        """The I-VAN took it and its answer was lost; then it is to be lodged by hand there."""
        self.gateway.fail_after = gateways.UnknownOutcome("time-out")
        self._send()
        self.provider.gateway = "manual"

    # -- an I-VAN that goes away ---------------------------------------------------------------------------------------

    def test_s1_an_ivan_with_a_signed_dossier_cannot_be_deleted(self):
        self.company.l10n_vn_ibhxh_provider_id = False
        for state in ("to_send", "sent"):
            self.assertEqual(self.registration.state, state)
            with self.assertRaisesRegex(UserError, "Archive"):
                self.provider.unlink()
            self._send()
        self.provider.active = False
        self.gateway.answer = progress("confirmed", step(1))
        self._follow()
        self.assertEqual(self.registration.state, "confirmed", "an archived one is still asked")

    def test_s1_what_else_refers_to_an_ivan_keeps_it(self):
        target = self.provider.copy({"code": "11111"})
        self.registration.sudo().target_provider_id = target
        with self.assertRaisesRegex(UserError, "Archive"):
            target.unlink()
        self.registration.sudo().target_provider_id = False
        self.company.l10n_vn_ibhxh_provider_id = target
        with self.assertRaisesRegex(UserError, "Archive"):
            target.unlink()
        self.company.l10n_vn_ibhxh_provider_id = self.provider
        target.unlink()
        self.assertFalse(target.exists())

    def test_s1_the_database_keeps_it_too(self):
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            self.env.cr.execute("DELETE FROM l10n_vn_ibhxh_provider WHERE id = %s", [self.provider.id])

    def test_s1_an_agency_with_a_registration_cannot_be_deleted(self):
        self.company.l10n_vn_ibhxh_agency_id = False
        with self.assertRaisesRegex(UserError, "Archive"):
            self.agency.unlink()
        self.assertEqual(self.registration.agency_id, self.agency)

    def test_s1_a_deleted_company_leaves_its_ivan_to_nobody(self):
        """Without a company, its connection and its secrets would be every company's."""
        company = self.env["res.company"].create({"name": "Đóng cửa"})
        self.provider.copy({"code": "11111", "company_id": company.id})
        with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"), self.env.cr.savepoint():
            company.unlink()

    def test_s1_without_its_ivan_a_signed_one_is_lodged_by_hand(self):
        self._without_provider()
        self.assertFalse(self.registration.can_submit)
        self._send()
        self.assertEqual(self.registration.state, "to_send")
        with self.assertRaises(UserError):
            self.registration.action_send()
        with self.assertRaises(UserError):
            self.registration.action_resend_code()
        self._by_hand(self.registration.action_lodge()).action_lodge()
        self.assertEqual(self.registration.state, "sent")

    def test_s1_without_its_ivan_a_sent_one_expires_and_takes_an_answer(self):
        self._send()
        self._without_provider()
        with self._later(hours=25):
            self._follow()
            self.assertEqual(self.registration.state, "expired")
            self._by_hand(self.registration.action_record_answer(), answer="confirmed").action_record()
        self.assertEqual(self.registration.state, "confirmed")

    # -- an unclear attempt --------------------------------------------------------------------------------------------

    def test_s2_what_the_ivan_may_have_is_not_lodged_by_hand(self):
        self._unclear()
        opened = {"default_registration_id": self.registration.id}
        for press in (
            self.registration.action_lodge,
            self.registration.action_download_signed,
            self.env["l10n_vn_ibhxh.lodge"].with_user(self.user).with_context(**opened).create({}).action_lodge,
        ):
            with self.assertRaisesRegex(UserError, self.registration.client_reference):
                press()
        self.assertEqual(self.registration.state, "to_send")

    def test_s2_the_ivan_says_that_it_has_it(self):
        self._unclear()
        with self._later(hours=2):
            form = Form(self._by_hand(self.registration.action_report_unclear()).browse())
            form.found = "yes"
            form.dossier_number = "03706/2026/001"
            form.save().action_lodge()
        self.assertEqual((self.registration.state, self.registration.dossier_number), ("sent", "03706/2026/001"))
        self.assertEqual(self.gateway.calls, ["submit"])

    def test_s2_the_ivan_says_that_it_does_not_have_it(self):
        self._unclear()
        wizard = self._by_hand(self.registration.action_report_unclear(), found="no")
        wizard.action_lodge()
        self.assertEqual((self.registration.state, self.registration.lodging), ("to_send", "file"))
        logged = " ".join(self.registration.message_ids.mapped("body"))
        self.assertIn(self.user.name, logged)
        self.assertIn(self.registration.client_reference, logged)
        self.provider.gateway = "sandbox"
        with self._later(hours=2):
            self._send()
            self.assertEqual((self.registration.state, self.gateway.calls), ("to_send", ["submit"]))
            self.registration.action_download_signed()
            self._by_hand(self.registration.action_lodge()).action_lodge()
        self.assertEqual(self.registration.state, "sent")

    def test_s2_only_what_is_unclear_is_reported_as_such(self):
        with self.assertRaises(UserError):
            self.registration.action_report_unclear()
        self._unclear()
        action = self.registration.action_report_unclear()
        with self.assertRaises(UserError):
            self._by_hand(action).action_lodge()
        wizard = self._by_hand(action, found="no")
        self.provider.gateway = "sandbox"
        with self.assertRaises(UserError):
            wizard.action_lodge()
        with self.assertRaises(UserError):
            self.registration.action_report_unclear()
        self.assertTrue(self.registration.attempted_at)

    def test_s2_the_page_offers_no_lodging_of_what_is_unclear(self):
        self._unclear()
        arch = self.env["l10n_vn_ibhxh.registration"].get_view(view_type="form")["arch"]
        self.assertIn("action_report_unclear", arch)
        self.assertFalse(self._visible(arch, "action_lodge") + self._visible(arch, "action_download_signed"))
        self.assertTrue(self._visible(arch, "action_report_unclear"))

    def test_s2_what_odoo_is_about_to_send_is_not_handed_out(self):
        with self.assertRaises(UserError):
            self.registration.action_download_signed()

    def test_s2_what_was_handed_out_to_be_lodged_odoo_no_longer_sends(self):
        """The I-VAN is connected again while somebody has the signed file in hand."""
        self.provider.gateway = "manual"
        self.registration.action_download_signed()
        self.provider.gateway = "sandbox"
        self._send()
        self.assertEqual((self.registration.state, self.gateway.calls), ("to_send", []))
        self._by_hand(self.registration.action_lodge()).action_lodge()
        self.assertEqual(self.registration.state, "sent")

    def test_s2_what_is_lodged_by_hand_since_the_run_began_is_not_sent(self):
        waiting = self.registration.sudo()
        self.provider.gateway = "manual"
        self.registration.action_download_signed()
        waiting._try_to_send()
        self.assertEqual((self.registration.state, self.gateway.calls), ("to_send", []))

    # -- deleting ------------------------------------------------------------------------------------------------------

    def test_s3_what_was_signed_is_never_deleted(self):
        self.registration.action_cancel()
        with self.assertRaises(UserError):
            self.registration.unlink()
        self.assertTrue(self.registration.exists())

    def test_s3_what_was_refused_and_called_off_later_is_never_deleted(self):
        self._send()
        self.gateway.answer = progress("rejected", step(1, "SE999", "Lỗi hệ thống", passed=False))
        self._follow()
        self.registration.action_remedy()
        self.assertFalse(self.registration.attempted_at)
        self.registration.action_cancel()
        with self.assertRaises(UserError):
            self.registration.unlink()

    def test_s3_a_batch_does_not_register_again_what_was_deleted(self):
        self.registration.action_cancel()
        batch = self.env["l10n_vn_ibhxh.batch"].with_user(self.user)._from_companies(self.company)
        batch.action_register()
        line = batch.sudo().line_ids
        line.registration_id.with_user(self.user).action_cancel()
        batch.sudo().state = "running"
        line.registration_id.with_user(self.user).unlink()
        self._run("batch")
        self.assertFalse(line.registration_id)
        self.assertEqual(line.progress_state, "blocked")
        self.assertTrue(line.problem)
        batch.action_register()
        self.assertEqual(line.registration_id.state, "to_sign", "once its maker says so")

    # -- buttons of another state --------------------------------------------------------------------------------------

    def test_s8_only_what_was_refused_has_a_remedy(self):
        """An outage writes a code with a remedy on what waits to be sent; a page that is open since may show it."""
        self.gateway.fail_after = gateways.Unreachable("down")
        self._send()
        self.assertEqual((self.registration.state, self.registration.remedy_action), ("to_send", "retry"))
        with self.assertRaises(UserError):
            self.registration.action_remedy()
        with self.assertRaises(UserError):
            self.registration.sudo()._send_again()
        self.assertEqual(self.registration.state, "to_send")
        self.assertFalse(self.registration.submitted_at)

    # -- when it was submitted, and when its code ends -----------------------------------------------------------------

    def test_s6_found_by_question_days_later_it_does_not_expire_at_once(self):
        """Tried on Friday with wrong settings; taken on Monday, and only asked about because the answer was lost."""
        self.registration.sudo().attempted_at = fields.Datetime.now() - timedelta(days=3)
        self.gateway.answer = progress("accepted", step(1))
        self._send()
        self._follow()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(self.registration.submitted_at, fields.Datetime.now())

    def test_s6_without_a_time_the_last_attempt_counts(self):
        self.gateway.fail_before = gateways.Misconfigured("wrong password")
        self._send()
        with self._later(days=3):
            self.gateway.fail_before, self.gateway.fail_after = None, gateways.UnknownOutcome("lost")
            self.registration.action_send()
            self._send()
            posted_at = fields.Datetime.now()
            self.gateway.fail_after = None
            with self._later(minutes=7):
                self._send()
        self.assertEqual(self.gateway.calls, ["submit", "progress", "submit", "progress"])
        self.assertEqual(self.registration.submitted_at, posted_at)
        self.assertEqual(self.registration.attempted_at, posted_at - timedelta(days=3))

    def test_s6_the_gateways_own_time_counts_where_it_can_be(self):
        first = fields.Datetime.now() - timedelta(days=3)
        for hours, expected in ((-5, -5), (-100, -72), (100, 0)):
            with self.subTest(hours=hours), self.env.cr.savepoint() as savepoint:
                self.registration.sudo().attempted_at = first
                now = fields.Datetime.now()
                accepted_at = (now + timedelta(hours=hours)).replace(tzinfo=timezone.utc)
                self.gateway.answer = progress("accepted", step(1), accepted_at=accepted_at)
                self.registration.sudo()._get_receipts({})
                self.assertEqual(self.registration.submitted_at, now + timedelta(hours=expected))
                savepoint.rollback()
            self.env.invalidate_all()

    def test_s5_a_gateway_that_is_down_for_a_day_makes_nothing_expire(self):
        self._send()
        self.gateway.fail_before = gateways.Unreachable("down")
        with self._later(hours=25):
            self._follow()
            self.assertEqual(self.registration.state, "sent", "nobody knows of a code")
            self.gateway.fail_before = None
            self.gateway.answer = progress("confirmed", step(1))
            with self._later(hours=2):
                self._follow()
        self.assertEqual(self.registration.state, "confirmed")

    def test_s5_what_vss_accepted_while_the_gateway_was_down_has_its_hours(self):
        self._send()
        self.gateway.fail_before = gateways.Unreachable("down")
        with self._later(hours=25):
            self._follow()
            now = fields.Datetime.now()
            self.gateway.fail_before = None
            at = (now - timedelta(hours=1)).replace(tzinfo=timezone.utc)
            self.gateway.answer = progress("accepted", replace(step(1), at=at))
            with self._later(hours=2):
                self._follow()
                self.assertEqual(self.registration.state, "sent")
                self.assertEqual(self.registration.activation_expires_at, now + timedelta(hours=23))
            with self._later(hours=24):
                self._follow()
                self.assertEqual(self.registration.state, "expired")

    def test_s5_an_expired_one_is_asked_about_until_the_gateway_says_where_it_is(self):
        """The company confirmed in the last minutes, and the gateway was not there."""
        for state, expected in (("confirmed", "confirmed"), ("accepted", "expired")):
            with self.subTest(state=state), self.env.cr.savepoint() as savepoint:
                self._send()
                self.registration._activate("BV2VLHCKRA", False, fields.Datetime.now())
                self.gateway.fail_before = gateways.Unreachable("down")
                with self._later(hours=25):
                    self._follow()
                    self.assertEqual(self.registration.state, "expired")
                with self._later(hours=28):
                    self._follow()
                    self.gateway.fail_before = None
                    self.gateway.answer = progress(state, step(1))
                with self._later(hours=31):
                    self._follow()
                    self.assertEqual(self.registration.state, expected)
                    self.gateway.calls.clear()
                with self._later(hours=40):
                    self._follow()
                    self.assertFalse(self.gateway.calls)
                self.gateway.answer = None
                savepoint.rollback()
            self.env.invalidate_all()

    def test_s5_a_late_code_is_followed_again(self):
        self._send()
        self.registration._activate("BV2VLHCKRA", False, fields.Datetime.now())
        self.gateway.answer = progress("accepted", step(1))
        for hours in (25, 28):
            with self._later(hours=hours):
                self._follow()
        with self._later(hours=30):
            self.registration._activate("AAAAAAAAAA", False, fields.Datetime.now())
            self.gateway.answer = progress("confirmed", step(1))
            self._follow()
        self.assertEqual(self.registration.state, "confirmed")

    def test_s5_without_the_gateway_it_expires(self):
        self._send()
        self.gateway.fail_before = gateways.Unreachable("down")
        with self._later(hours=25):
            self._follow()
            self.provider.gateway = "manual"
            self._follow()
        self.assertEqual(self.registration.state, "expired")

    def _visible(self, arch, button):
        """Return the buttons of this name in `arch` that the registration's page shows."""
        root = etree.fromstring(arch)
        names = {name: self.registration[name] for name in self.registration._fields if name != "preflight"}
        return [node for node in root.iter("button") if node.get("name") == button and self._is_shown(node, names)]

    def _is_shown(self, node, names):
        chain = [node, *node.iterancestors()]
        return not any(one.get("invisible") and safe_eval(one.get("invisible"), dict(names)) for one in chain)
