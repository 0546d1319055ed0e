"""The life of a registration, one line of it a test: from the wizard to what VSS has on record in the end."""

from dataclasses import replace
from datetime import timedelta, timezone
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..tools import gateways
from .common import VERIFIED, IbhxhCommon, progress, step
from .samples import signing
from .test_mailbox import ACTIVATION, CODE, CONFIRMATION, LINK

WIZARD = "l10n_vn_ibhxh.registration.wizard"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLifeLines(IbhxhCommon):
    """`VSS` here is a gateway in the test's hands and mails as they come in."""

    def _mail(self, body, sent_at="Mon, 02 Mar 2026 03:00:00 +0000"):
        """A mail of VSS arrives; return what Odoo made of it."""
        self._verify_senders()
        sender = f"{VERIFIED}From: no-reply@vss.gov.vn\n"
        headers = f"{sender}To: {self.company.email}\nSubject: Thông báo\nDate: {sent_at}\n"
        mail = self.env["l10n_vn_ibhxh.mail"]._receive(f"{headers}\n{body}".encode())
        self.env.invalidate_all()
        return mail

    def _code_mail(self, registration, code=CODE):
        """VSS mails the code for this very dossier, now."""
        body = ACTIVATION.replace("03706/2026/001", registration.dossier_number).replace(CODE, code)
        return self._mail(body, fields.Datetime.now().strftime("%a, %d %b %Y %H:%M:%S +0000"))

    def _confirmation_mail(self, registration):
        sentence = {"04": "Đăng ký", "05": "Thay đổi thông tin", "06": "Ngừng"}[registration.form]
        body = CONFIRMATION.replace("03706/2026/001", registration.dossier_number).replace("Đăng ký", sentence)
        return self._mail(body, fields.Datetime.now().strftime("%a, %d %b %Y %H:%M:%S +0000"))

    def _press(self, registration, button):
        """Press a button that opens the wizard; return the wizard as it opens."""
        action = getattr(registration.with_user(self.user), button)()
        return self.env[WIZARD].with_user(self.user).with_context(**action["context"]).create({})

    def _go(self, wizard, number, certificate=None):
        """Đăng ký, PIN, sending: return the registration that the I-VAN has taken in under `number`."""
        registration = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        self._sign(registration, der=(certificate or wizard.certificate_id)._der())
        self.gateway.number = number
        self._send()
        self.assertEqual(registration.state, "sent", registration.error_message)
        return registration

    def _answer(self, registration, state, *steps):
        """VSS answers now with this progress; Odoo looks."""
        now = fields.Datetime.now().replace(tzinfo=timezone.utc)
        steps = [replace(one, at=now) for one in steps]
        self.gateway.answer = progress(state, *steps, number=registration.dossier_number)
        registration.sudo().poll_at = fields.Datetime.now()
        self._follow()
        self.gateway.answer = None

    def _refuse(self, code, holder=None, **vals):
        """Return a registration that VSS refused with `code`."""
        registration = self._register(**vals)
        self._sign(registration)
        self.gateway.fail_before = gateways.Refused(code, "VSS từ chối", holder=holder)
        self._send()
        self.gateway.fail_before = None
        self.assertEqual((registration.state, registration.error_code), ("rejected", code))
        self.assertTrue(registration.remedy)
        return registration

    def _renewed_certificate(self):
        """The token now holds a second certificate, valid for longer."""
        der = self._new_certificate(
            serial=99, not_before=signing.NOW - timedelta(days=1), not_after=signing.NOW + timedelta(days=900)
        )
        return self._plug_in(self.agent, self.der, der) - self.certificate

    def test_the_scheduled_action_writes_in_the_readers_language(self):
        self.env["res.lang"]._activate_lang("vi_VN")
        self.user.lang = "vi_VN"
        langs = []
        registration = self._sent()

        def noted(record, summary, note, deadline=None):
            langs.append(record.env.lang)

        def texts(record, env):
            langs.append(env.lang)
            return "summary", "note"

        self.startPatcher(patch.object(type(registration), "_schedule_todo", noted))
        self.startPatcher(patch.object(type(registration), "_expired_texts", texts))
        self._code_mail(registration)
        with self._later(hours=25):
            self._follow()
        self.assertEqual(registration.state, "expired")
        self.assertEqual(langs, ["vi_VN", "vi_VN"], "the code that came; that it expired")

    # -- the lines ---------------------------------------------------------------------------------------------------

    def test_register_and_confirm(self):
        registration = self._sent()
        self._code_mail(registration)
        self.assertEqual((registration.activation_code, registration.activation_url), (CODE, LINK))
        self._confirmation_mail(registration)
        self.assertEqual(registration.state, "confirmed")
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, self.certificate)

    def test_register_expire_register(self):
        first = self._sent()
        self._code_mail(first)
        with self._later(hours=25):
            self._follow()
            self.assertEqual((first.state, self.company.l10n_vn_ibhxh_state), ("expired", "expired"))
            self.assertTrue(first.activity_ids)
            wizard = self._press(first, "action_register_again")
            self.assertEqual((wizard.form, wizard.email, wizard.phone), ("04", first.email, first.phone))
            second = self._go(wizard, "03707/2026/001")
            self._code_mail(second, "QQ2VLHCKRB")
            self._confirmation_mail(second)
        self.assertEqual((first.state, second.state), ("expired", "confirmed"))

    def test_gateway_down_for_a_day(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_before = gateways.Unreachable("down")
        for hours in range(0, 24, 2):
            with self._later(hours=hours):
                self._send()
                self._follow()
                self.assertEqual((registration.state, registration.error_code), ("to_send", "SE999"))
        told = registration.sudo().activity_ids.filtered(lambda activity: "not reached" in activity.summary)
        self.assertEqual(len(told), 1, "a person learns of it once")
        self.gateway.fail_before = None
        with self._later(hours=25):
            self._send()
            self.assertEqual(registration.state, "sent")
            self.assertFalse(registration.error_code)
        self.assertEqual(len(self.gateway.accepted[registration.client_reference]), 1)

    def test_mails_out_of_order(self):
        """The confirmation overtakes the code, and both overtake the receipt."""
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_after = gateways.UnknownOutcome("time-out")
        self._send()
        self.assertEqual(registration.state, "to_send")
        confirmation, code = self._mail(CONFIRMATION), self._mail(ACTIVATION)
        self.assertEqual((registration.state, confirmation.is_held, code.is_held), ("to_send", True, True))
        self.gateway.fail_after = None
        with self._later(minutes=2):
            self._send()
            self._follow()
        self.assertEqual(registration.state, "confirmed")
        self.assertEqual((confirmation.state, code.state), ("done", "done"))
        self.gateway.answer = progress("confirmed", step(3))
        registration.sudo()._strengthen("gateway")
        with self._later(minutes=3):
            late = self._code_mail(registration, "QQ2VLHCKRB")
        self.assertEqual(late.state, "waiting", "a code that nobody waits for is shown to a person, not applied")
        self.assertEqual((registration.state, registration.activation_code), ("confirmed", False))

    def test_renewed_certificate_avoids_ce014_by_form_05(self):
        self._confirmed()
        registration = self.company.l10n_vn_ibhxh_registration_id
        renewed = self._renewed_certificate()
        self._follow()
        self.assertEqual(self.company.l10n_vn_ibhxh_newer_certificate_id, renewed)
        wizard = self._press(registration, "action_amend")
        self.assertEqual(
            (wizard.form, wizard.old_certificate_id, wizard.certificate_id), ("05", self.certificate, renewed)
        )
        amendment = self._go(wizard, "03708/2026/001")
        self.assertIn(renewed.serial, amendment.change_text)
        self._answer(amendment, "confirmed", step(1), step(2), step(3))
        self.assertEqual((amendment.state, self.company.l10n_vn_ibhxh_state), ("confirmed", "confirmed"))
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, renewed)
        stop = self._press(amendment, "action_stop")
        self.assertEqual(stop.certificate_id, renewed, "from now on the new one signs")

    def test_change_of_email(self):
        confirmed = self._confirmed()
        wizard = self._press(confirmed, "action_amend")
        wizard.write({"email": "moi@example.com", "email_repeated": "moi@example.com"})
        self.assertEqual(wizard.change_text, "Thay đổi thư điện tử: từ ke.toan@example.com thành moi@example.com.")
        amendment = self._go(wizard, "03709/2026/001")
        self.assertEqual(self.company.l10n_vn_ibhxh_email, "ke.toan@example.com", "VSS has not confirmed yet")
        self._confirmation_mail(amendment)
        self.assertEqual(amendment.state, "confirmed", "no code is asked for")
        self.assertEqual(self.company.l10n_vn_ibhxh_email, "moi@example.com")

    def test_stop(self):
        confirmed = self._confirmed()
        wizard = self._press(confirmed, "action_stop")
        with self.assertRaisesRegex(ValidationError, "reason"):
            wizard.action_register()
        wizard.stop_reason_code = "8"
        stop = self._go(wizard, "03710/2026/001")
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
        self._answer(stop, "confirmed", step(1))
        self.assertEqual((stop.state, self.company.l10n_vn_ibhxh_state), ("confirmed", "stopped"))
        self.assertFalse(stop.can_register_next, "it stopped for good")
        self.assertEqual(self._wizard().offered_forms, ["04"])

    def test_move_to_another_ivan(self):
        self._confirmed()
        other = self.provider.copy({"code": "00110", "name": "MISA thử"})
        wizard = self._wizard(provider_id=other.id)
        self.assertTrue(wizard.is_move)
        with self.assertRaisesRegex(ValidationError, "MISA thử first files the stop"):
            wizard.action_register()
        wizard.action_move()
        self.assertRecordValues(
            wizard,
            [{"form": "06", "stop_reason_code": "7", "provider_id": other.id, "target_provider_id": other.id}],
        )
        stop = self._go(wizard, "03711/2026/001")
        self.assertEqual(stop.provider_id, other, "the new I-VAN files the stop")
        self.assertFalse(stop.can_register_next)
        self._answer(stop, "confirmed", step(1))
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "stopped")
        self.assertIn("MISA", stop.sudo().activity_ids.summary)
        wizard = self._press(stop, "action_register_next")
        self.assertEqual((wizard.form, wizard.provider_id, wizard.agency_id), ("04", other, self.agency))
        arrival = self._go(wizard, "03712/2026/001")
        self._code_mail(arrival)
        self._confirmation_mail(arrival)
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
        self.assertEqual(self.company.l10n_vn_ibhxh_provider_id, other)
        self.assertFalse(stop.can_register_next, "it is done")

    def test_k3_a_refused_stop_is_corrected_as_the_move_that_it_is(self):
        self._confirmed()
        other = self.provider.copy({"code": "00110", "name": "MISA thử"})
        wizard = self._wizard(provider_id=other.id, stop_reason="Chuyển phần mềm")
        wizard.action_move()
        wizard.stop_date = "2026-03-09"
        refused = self._go(wizard, "03711/2026/001")
        self._answer(refused, "rejected", step(1), step(2, "SE005", "Sai mã đơn vị", passed=False))
        self.assertEqual(refused.state, "rejected")
        for button in ("action_remedy", "action_register_again"):
            wizard = self._press(refused, button)
            self.assertRecordValues(
                wizard,
                [
                    {
                        "form": "06",
                        "provider_id": other.id,
                        "then_register": True,
                        "target_provider_id": other.id,
                        "stop_reason_code": "7",
                        "stop_reason": "Chuyển phần mềm",
                        "stop_date": refused.stop_date,
                    }
                ],
            )
        wizard.unit_code = "BI0110G"
        stop = self._go(wizard, "03713/2026/001")
        self._answer(stop, "confirmed", step(1))
        self.assertTrue(stop.can_register_next)
        self.assertIn("MISA", stop.sudo().activity_ids.summary)
        self.assertEqual(self._press(stop, "action_register_next").provider_id, other)

    def test_k3_a_refused_amendment_keeps_what_the_person_wrote(self):
        self._confirmed()
        own = "Thay đổi điện thoại và tên người liên hệ."
        refused = self._refuse("SE005", form="05", phone="0987654321", change_text=own)
        wizard = self._press(refused, "action_remedy")
        self.assertEqual((wizard.form, wizard.change_text), ("05", own))
        wizard.email = "moi@example.com"
        self.assertEqual(wizard.change_text, own)

    def test_k3_what_odoo_wrote_of_a_refused_amendment_follows_the_correction(self):
        self._confirmed()
        refused = self._refuse("SE004", form="05", phone="0987654321")
        wizard = self._press(refused, "action_remedy")
        self.assertIn("+84987654321", wizard.change_text)
        wizard.agency_id = self.env.ref("l10n_vn_ibhxh.agency_079")
        self.assertIn("079", wizard.change_text)

    def test_k3_a_confirmed_amendment_or_stop_hands_nothing_on(self):
        self._confirmed()
        own = "Thay đổi điện thoại và tên người liên hệ."
        confirmed = self._register(form="05", phone="0987654321", change_text=own)
        self._sign(confirmed)
        self._send()
        confirmed._confirm(fields.Datetime.now())
        self.assertFalse(self._press(confirmed, "action_amend").change_text)

    def test_k3_a_refused_data_dossier_is_still_followed_by_the_certificate(self):
        self._confirmed()
        renewed = self._renewed_certificate()
        wizard = self._wizard(form="05", certificate_id=renewed.id, phone="0987654321")
        wizard.action_data_first()
        refused = self._go(wizard, "03731/2026/001")
        self._answer(refused, "rejected", step(1), step(2, "SE005", "Sai mã đơn vị", passed=False))
        wizard = self._press(refused, "action_remedy")
        self.assertEqual((wizard.certificate_id, wizard.then_certificate_id), (self.certificate, renewed))
        self.assertNotIn("form_data_first", [row["code"] for row in wizard.preflight])
        wizard.unit_code = "BI0110G"
        corrected = self._go(wizard, "03732/2026/001")
        self._answer(corrected, "confirmed", step(1))
        self.assertTrue(corrected.can_amend_next)

    def test_move_the_old_way(self):
        """The stop goes to the I-VAN that has the unit; there and back again in the wizard."""
        self._confirmed()
        other = self.provider.copy({"code": "00110", "name": "MISA thử"})
        wizard = self._wizard(provider_id=other.id)
        wizard.action_move()
        wizard.action_stop_at_holder()
        self.assertEqual((wizard.provider_id, wizard.target_provider_id), (self.provider, other))
        wizard.action_stop_at_target()
        self.assertEqual((wizard.provider_id, wizard.target_provider_id), (other, other))
        wizard.action_stop_at_holder()
        stop = self._go(wizard, "03711/2026/001")
        self.assertEqual((stop.provider_id, stop.target_provider_id), (self.provider, other))
        self._answer(stop, "confirmed", step(1))
        self.assertEqual(self._press(stop, "action_register_next").provider_id, other)

    # -- domain, edition 2 -------------------------------------------------------------------------------------------

    def test_household_business_with_12_digits(self):
        """Its personal number is its tax code; the certificate names it as `CCCD:` only (domain.md §7)."""
        household = "001099012345"
        self.company.vat = household
        der = self._new_certificate(uids=(f"CCCD:{household}",), serial=12)
        self.certificate = self._plug_in(self.agent, self.der, der) - self.certificate
        registration = self._go(self._wizard(), "03706/2026/001", self.certificate)
        self.assertEqual((registration.tax_code, registration.certificate_id), (household, self.certificate))
        self.assertEqual(self.gateway.accepted[registration.client_reference][0].tax_code, household)
        registration.sudo()._activate(CODE, LINK, fields.Datetime.now())
        registration.sudo()._confirm(fields.Datetime.now(), unit_code="TZH490L")
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, self.certificate)

    def test_two_units_of_one_company_tree(self):
        """Head office and branch have one tax code and two unit codes, each its own registration (domain.md §7)."""
        branch = self.env["res.company"].create(
            {
                "name": "Chi nhánh An Phát",
                "parent_id": self.company.id,
                "email": "chinhanh@example.com",
                "phone": "0912 345 679",
                "l10n_vn_ibhxh_provider_id": self.provider.id,
                "l10n_vn_ibhxh_agency_id": self.agency.id,
            }
        )
        branch.vat = self.company.vat
        self.user.company_ids |= branch
        self._plug_in(self.agent, self.der)
        self.certificate._update_companies()
        self.assertEqual(self.certificate.company_ids, self.company | branch)
        head = self._go(self._wizard(unit_code="TZH490L"), "03706/2026/001")
        other = self._go(self._wizard(company_id=branch.id, unit_code="BI0110G"), "03707/2026/001")
        self.assertEqual((head.tax_code, other.tax_code), (self.company.vat, self.company.vat))
        for registration, unit_code in ((other, "BI0110G"), (head, "TZH490L")):
            self._answer(registration, "confirmed", step(1))
            self.assertEqual(registration.company_id.l10n_vn_ibhxh_unit_code, unit_code)
        self.assertEqual((self.company | branch).mapped("l10n_vn_ibhxh_state"), ["confirmed"] * 2)

    def test_third_way_from_the_wizard_to_confirmed_and_again(self):
        """Submitted in the I-VAN's own program: no token, no document, and all by VSS's mails: code, expiry, again."""
        self.provider.write({"gateway": "manual"})
        self.gateway = None
        wizard = self._wizard(certificate_id=False, dossier_number="03741/2026/001")
        self.assertEqual((wizard.lodging, wizard.is_blocked), ("elsewhere", False))
        first = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        self.assertEqual((first.state, first.document, first.certificate_id.id), ("sent", False, False))
        self._code_mail(first)
        self.assertEqual((first.state, first.activation_code, first.activation_url), ("to_activate", CODE, LINK))
        with self._later(hours=25):
            self._follow()
            self.assertEqual((first.state, self.company.l10n_vn_ibhxh_state), ("expired", "expired"))
            wizard = self._press(first, "action_register_again")
            self.assertEqual(wizard.lodging, "elsewhere")
            wizard.dossier_number = "03742/2026/001"
            second = first.browse(wizard.action_register()["res_id"])
            self._code_mail(second, "QQ2VLHCKRB")
            self.assertEqual(second.activation_code, "QQ2VLHCKRB")
            self._confirmation_mail(second)
        self.assertEqual((first.state, second.state), ("expired", "confirmed"))
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")
        self.assertEqual(self.company.l10n_vn_ibhxh_provider_id, self.provider)

    def test_k1_a_code_mail_after_the_first_day_is_used(self):
        """VSS answers on Monday what was submitted on Friday: the mail counts, and 24 hours run from it."""
        for lodging in ("elsewhere", "file"):
            with self.subTest(lodging):
                self.provider.write({"gateway": "manual"})
                registration = self._register(lodging=lodging)
                if lodging == "file":
                    self._sign(registration)
                    lodge = self.env["l10n_vn_ibhxh.lodge"].with_user(self.user)
                    lodge.create({"registration_id": registration.id}).action_lodge()
                with self._later(hours=25):
                    self._follow()
                    self.assertEqual(registration.state, "expired")
                with self._later(hours=66):
                    body = ACTIVATION.replace("Số hồ sơ: 03706/2026/001\n", "")
                    mail = self._mail(body, fields.Datetime.now().strftime("%a, %d %b %Y %H:%M:%S +0000"))
                    self.assertEqual((mail.state, mail.registration_id), ("done", registration), mail.reason)
                    end = fields.Datetime.now() + timedelta(hours=24)
                    self.assertEqual((registration.state, registration.activation_expires_at), ("to_activate", end))
                    self.assertEqual(len(registration.sudo().activity_ids), 1, "only to enter the code")
                    registration.sudo()._on_refused("SE003", "")

    def test_third_way_when_the_mail_was_faster(self):
        """The code arrived before the clerk came back to Odoo: it is looked at again and applied."""
        self.provider.write({"gateway": "manual"})
        now = fields.Datetime.now().strftime("%a, %d %b %Y %H:%M:%S +0000")
        mail = self._mail(ACTIVATION.replace("03706/2026/001", "03741/2026/001"), now)
        self.assertEqual((mail.state, mail.registration_id.id), ("waiting", False))
        submitted_at = fields.Datetime.now()
        with self._later(minutes=10):
            wizard = self._wizard(submitted_at=submitted_at)
            registration = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
            self._follow()
            self.assertEqual((registration.state, registration.activation_code), ("to_activate", CODE))
            self.assertEqual(registration.activation_expires_at, submitted_at + timedelta(hours=24))
            self.assertEqual((mail.state, mail.registration_id), ("done", registration))

    def test_ce044_registered_at_the_portal(self):
        """VSS's portal holds the unit, as an I-VAN would: the new I-VAN files the stop (domain.md §5)."""
        refused = self._refuse("CE044")
        wizard = self._press(refused, "action_remedy")
        portal = self.env.ref("l10n_vn_ibhxh.provider_portal")
        self.assertEqual((wizard.holder_provider_id, wizard.provider_id), (portal, self.provider))
        self.assertEqual((wizard.stop_reason_code, wizard.target_provider_id), ("7", self.provider))
        self._stop_then_register(refused)
        self.assertEqual(self.company.l10n_vn_ibhxh_provider_id, self.provider)

    def test_ce044_stopped_on_the_portal_itself(self):
        """The other way: the clerk stops on the portal, and tells Odoo so; then registering is one click."""
        wizard = self._press(self._refuse("CE044"), "action_remedy")
        wizard.action_stop_at_holder()
        self.assertEqual((wizard.provider_id.is_portal, wizard.lodging), (True, "elsewhere"))
        stop = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        self.assertEqual((stop.state, stop.form), ("sent", "06"))
        stop._confirm(fields.Datetime.now())
        wizard = self._press(stop, "action_register_next")
        self.assertEqual((wizard.form, wizard.provider_id, wizard.lodging), ("04", self.provider, "odoo"))

    def test_data_first_certificate_second(self):
        """Unit data and certificate change at once: two dossiers, the data first (domain.md §2)."""
        self._confirmed()
        renewed = self._renewed_certificate()
        wizard = self._wizard(form="05", certificate_id=renewed.id, phone="0987654321")
        (advice,) = [row for row in wizard.preflight if row["code"] == "form_data_first"]
        self.assertEqual((advice["level"], advice["action"]), ("warning", "action_data_first"))
        wizard.action_data_first()
        self.assertEqual((wizard.certificate_id, wizard.then_certificate_id), (self.certificate, renewed))
        self.assertIn("+84987654321", wizard.change_text)
        self.assertNotIn(renewed.serial, wizard.change_text)
        self.assertNotIn("form_data_first", [row["code"] for row in wizard.preflight])
        data = self._go(wizard, "03731/2026/001")
        self.assertFalse(data.can_amend_next, "VSS has not confirmed the data yet")
        self._answer(data, "confirmed", step(1))
        self.assertEqual(self.company.l10n_vn_ibhxh_phone, "+84987654321")
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, self.certificate)
        self.assertIn("certificate", data.sudo().activity_ids.summary)
        wizard = self._press(data, "action_amend_next")
        self.assertEqual((wizard.form, wizard.certificate_id), ("05", renewed))
        self.assertIn(renewed.serial, wizard.change_text)
        self._answer(self._go(wizard, "03732/2026/001", renewed), "confirmed", step(1))
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, renewed)
        self.assertFalse(data.can_amend_next)

    def test_data_first_is_not_asked_of_whom_it_cannot_help(self):
        """Only one of both changes, or the certificate on record cannot sign any more: one dossier."""
        self._confirmed()
        renewed = self._renewed_certificate()
        for vals in ({"certificate_id": renewed.id}, {"phone": "0987654321", "certificate_id": self.certificate.id}):
            wizard = self._wizard(form="05", **vals)
            self.assertNotIn("form_data_first", [row["code"] for row in wizard.preflight])
        with self._later(days=300):
            wizard = self._wizard(form="05", certificate_id=renewed.id, phone="0987654321")
            self.assertNotIn("form_data_first", [row["code"] for row in wizard.preflight])

    def test_ce013_another_token(self):
        """The tax code on the certificate is not the unit's: choose another one (domain.md §5)."""
        refused = self._refuse("CE013")
        wizard = self._press(refused, "action_remedy")
        self.assertEqual(wizard.form, "04")
        wizard.certificate_id = self._renewed_certificate()
        self._confirm_corrected(refused, wizard)

    def test_ib16_registered_already(self):
        self._stop_then_register(self._refuse("IB16"))

    def test_ce007_with_another_ivan(self):
        """CE007's second meaning: the stop goes out by the new I-VAN with the reason of a move (domain.md §5)."""
        self.provider.copy({"code": "00110", "name": "MISA thử"})
        stop = self._stop_then_register(self._refuse("CE007", holder="00110 MISA"))
        self.assertEqual((stop.stop_reason_code, stop.provider_id), ("7", self.provider))

    # -- refuse, correct, confirm: each code of the table ------------------------------------------------------------

    def _confirm_corrected(self, registration, wizard):
        self.assertEqual(wizard.corrects_id, registration)
        corrected = self._go(wizard, "03720/2026/001")
        self.assertEqual(corrected.corrects_id, registration)
        self._confirmation_mail(corrected)
        self.assertEqual((corrected.state, self.company.l10n_vn_ibhxh_state), ("confirmed", "confirmed"))

    def _stop_then_register(self, refused):
        """The remedy for a unit that VSS has already: stop, then register again."""
        wizard = self._press(refused, "action_remedy")
        self.assertEqual(wizard.form, "06")
        stop = self._go(wizard, "03721/2026/001")
        self._answer(stop, "confirmed", step(1))
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "stopped")
        wizard = self._press(stop, "action_register_next")
        self.assertEqual((wizard.form, wizard.provider_id), ("04", self.provider))
        again = self._go(wizard, "03722/2026/001")
        self._code_mail(again)
        self._confirmation_mail(again)
        self.assertEqual((again.state, self.company.l10n_vn_ibhxh_state), ("confirmed", "confirmed"))
        return stop

    def test_ce006_and_ce007_registered_already(self):
        self._stop_then_register(self._refuse("CE006"))

    def test_ce007_registered_already(self):
        self._stop_then_register(self._refuse("CE007"))

    def test_oe001_not_registered_any_more(self):
        """VSS reset its data: it refuses the amendment, then even the stop; registering is left."""
        self._confirmed()
        refused = self._refuse("OE001", form="05", phone="0987654321")
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
        wizard = self._press(refused, "action_remedy")
        self.assertEqual((wizard.form, wizard.provider_id), ("06", self.provider))
        stop = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        self._sign(stop)
        self.gateway.fail_before = gateways.Refused("OE001", "Đơn vị chưa đăng ký")
        self._send()
        self.gateway.fail_before = None
        wizard = self._press(stop, "action_remedy")
        self.assertEqual(wizard.form, "04", "the form that the company's state alone would not offer")
        again = self._go(wizard, "03723/2026/001")
        self._code_mail(again)
        self._confirmation_mail(again)
        self.assertEqual(again.state, "confirmed")

    def test_se006_and_ic1_held_by_another_ivan(self):
        holder = self.provider.copy({"code": "00110", "name": "MISA thử"})
        refused = self._refuse("SE006", holder="00110 MISA")
        self.assertEqual(refused.holder_name, "00110 MISA")
        self.assertEqual(self._press(refused, "action_remedy").holder_provider_id, holder)
        stop = self._stop_then_register(refused)
        self.assertEqual((stop.provider_id, stop.target_provider_id), (self.provider, self.provider))
        self.assertEqual(stop.stop_reason_code, "7")

    def test_ic1_held_by_another_ivan_that_is_not_named(self):
        stop = self._stop_then_register(self._refuse("IC1"))
        self.assertEqual(stop.provider_id, self.provider)

    def test_se003_tax_code_or_unit_code(self):
        refused = self._refuse("SE003", unit_code="TZH490L")
        wizard = self._press(refused, "action_remedy")
        self.assertEqual(wizard.form, "04")
        (doubt,) = [row for row in wizard.preflight if row["check"] == "unit_code"]
        self.assertEqual((doubt["level"], doubt["field"]), ("warning", "unit_code"))
        wizard.unit_code = "BI0110G"
        self.assertNotIn("unit_code_refused", [row["code"] for row in wizard.preflight])
        self._confirm_corrected(refused, wizard)

    def test_se005_unit_code(self):
        refused = self._refuse("SE005", unit_code="TZH490L")
        wizard = self._press(refused, "action_remedy")
        wizard.unit_code = "BI0110G"
        self._confirm_corrected(refused, wizard)

    def test_se004_agency(self):
        refused = self._refuse("SE004")
        wizard = self._press(refused, "action_remedy")
        self.assertFalse(wizard.agency_id, "chosen again")
        wizard.agency_id = self.agency
        with self.assertRaisesRegex(ValidationError, "just refused this agency"):
            wizard.action_register()
        wizard.agency_id = self.env.ref("l10n_vn_ibhxh.agency_079")
        self._confirm_corrected(refused, wizard)
        self.assertEqual(self.company.l10n_vn_ibhxh_agency_id.code, "079")

    def test_se004_agency_of_a_registered_unit_is_amended(self):
        self._confirmed()
        refused = self._refuse("SE004", form="05", phone="0987654321")
        self.assertEqual(self._press(refused, "action_remedy").form, "05")

    def test_ce014_another_certificate_than_the_registered_one(self):
        """VSS has another certificate on record than Odoo thinks: form 05 with the one on the token."""
        self._confirmed()
        refused = self._refuse("CE014", form="06", stop_reason_code="8")
        renewed = self._renewed_certificate()
        wizard = self._press(refused, "action_remedy")
        self.assertEqual(wizard.form, "05")
        wizard.certificate_id = renewed
        self.assertIn(renewed.serial, wizard.change_text)
        self._confirm_corrected(refused, wizard)
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, renewed)

    def test_ce009_has_no_button_but_a_sentence(self):
        refused = self._refuse("CE009")
        self.assertFalse(refused.remedy_action)
        self._confirm_corrected(refused, self._press(refused, "action_register_again"))

    def test_unknown_code_is_shown_and_registering_again_is_possible(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_before = gateways.Refused("ZZ999", "Lỗi chưa từng thấy")
        self._send()
        self.gateway.fail_before = None
        self.assertEqual((registration.error_code, registration.error_message), ("ZZ999", "Lỗi chưa từng thấy"))
        self.assertFalse(registration.remedy)
        self._confirm_corrected(registration, self._press(registration, "action_register_again"))

    def test_se999_passes_by_itself_before_acceptance_and_needs_a_person_after_it(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_before = gateways.Refused("SE999", "Hệ thống bận")
        self._send()
        self.assertEqual((registration.state, registration.error_code), ("to_send", "SE999"))
        self.gateway.fail_before = None
        with self._later(minutes=2):
            self._send()
            self.assertEqual(registration.state, "sent")
            first_reference = registration.client_reference
            self._answer(registration, "rejected", step(1), step(2, "SE999", "Hệ thống bận", passed=False))
            self.assertEqual((registration.state, registration.error_code), ("rejected", "SE999"))
            self.assertIn("Send again", registration.activity_ids.note)
            self._send()
            self.assertEqual(registration.state, "rejected", "not by itself: the gateway may hold two dossiers then")
            self.gateway.answer = progress("rejected", step(2, "SE999", "Hệ thống bận", passed=False))
            registration.action_remedy()
            self.assertEqual(registration.state, "to_send")
            self.assertFalse(registration.activity_ids)
            self.assertNotEqual(registration.client_reference, first_reference)
            self.assertIn(
                first_reference, str(registration.sudo().message_ids.mapped("body")), "the failed try is on record"
            )
            self.gateway.number, self.gateway.answer = "03730/2026/001", None
            self._send()
            self.assertEqual((registration.state, registration.dossier_number), ("sent", "03730/2026/001"))
            self._confirmation_mail(registration)
        self.assertEqual(registration.state, "confirmed")
        self.assertFalse(registration.error_code)
