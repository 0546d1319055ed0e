"""One test per new or changed line of the domain's facts, edition 2: sections 2 (forms), 5 (results), 7 (certificates).

Each docstring names the line and where the fact comes from.
"""

import base64
from datetime import date, datetime, timedelta, timezone

from cryptography.x509.oid import NameOID
from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import BaseCase, freeze_time, tagged

from ..tools import certificate, contact, dossier, preflight, tax_code
from .common import IbhxhCommon
from .samples import signing

HOUSEHOLD = "001099012345"


def owner(der, code):
    return preflight.check_owner(certificate.load(der), code).code


@tagged("post_install_l10n", "post_install", "-at_install")
class TestTaxCodes(BaseCase):
    def test_d12_household_business_has_12_digits(self):
        """§7: since 01/07/2025 household businesses and individuals use the 12-digit personal number (TT 86/2024)."""
        self.assertEqual(contact.tax_code(HOUSEHOLD), HOUSEHOLD)
        self.assertEqual(contact.tax_code("001 099 012 345"), HOUSEHOLD)
        self.assertIsNone(tax_code.doubt(HOUSEHOLD))
        finding = preflight.check_tax_code(HOUSEHOLD)
        self.assertEqual((finding.level, finding.code), ("passed", "tax_code_ok"))

    def test_d12_certificate_names_it_as_mst_or_only_as_cccd(self):
        """§7: their certificates carry `MST:<12>` or only `CCCD:<12>`: both are theirs."""
        for uids in ((f"MST:{HOUSEHOLD}",), (f"CCCD:{HOUSEHOLD}",), (f"CCCD:{HOUSEHOLD}", f"MST:{HOUSEHOLD}")):
            info = certificate.load(signing.certificate(uids=uids))
            self.assertEqual(info.tax_codes, (HOUSEHOLD,), uids)
            self.assertTrue(certificate.matches_tax_code(info, HOUSEHOLD), uids)
            self.assertEqual(owner(signing.certificate(uids=uids), HOUSEHOLD), "owner_ok")

    def test_d12_personal_number_beside_an_organisation_is_not_the_owner(self):
        """§7, or *only* `CCCD:`: the director's number beside the organisation's is no owner."""
        for organisation in ("MST:0100109106", "MNS:1056789"):
            der = signing.certificate(uids=(f"CCCD:{HOUSEHOLD}", organisation))
            self.assertEqual(owner(der, HOUSEHOLD), "owner_other")
        self.assertEqual(owner(signing.certificate(uids=("CCCD:001099012",)), HOUSEHOLD), "owner_unknown")
        self.assertEqual(owner(signing.certificate(uids=("CMND:001099012345",)), HOUSEHOLD), "owner_unknown")

    def test_d12_dossier_takes_12_digits(self):
        """§7: the same 12 digits stand in the dossier's MaSoThue."""
        xml = dossier.build("04", signing.data(tax_code=HOUSEHOLD))
        self.assertEqual(dossier.validate("04", xml), [])
        self.assertIn(f"<MaSoThue>{HOUSEHOLD}</MaSoThue>".encode(), xml)
        self.assertEqual(dossier.read(xml)[1].tax_code, HOUSEHOLD)

    def test_d13_vat_with_the_country(self):
        """§7: `VN0100109106` (Odoo's VAT with country) is the same number."""
        for text in ("VN0100109106", "vn 0100109106", "MST: VN0100109106"):
            self.assertEqual(contact.tax_code(text), "0100109106", text)
        self.assertEqual(contact.tax_code("VN0100109106-001"), "0100109106-001")
        self.assertEqual(contact.tax_code(f"VN{HOUSEHOLD}"), HOUSEHOLD)
        self.assertEqual(owner(signing.certificate(), "VN0100109106"), "owner_ok")
        self.assertEqual(contact.tax_code("VN01234"), "VN01234", "a budget unit's code may begin with these letters")

    def test_d13_spellings_of_uids(self):
        """§7: lower case, blanks around the dash, full-width colon, inner blanks."""
        for uid in (
            "mst:0100109106-001",
            "MST:0100109106 - 001",
            "MST：0100109106-001",
            "MST : 0100 109 106 001",
            "MST:0100109106–001",
            "MST:０１００１０９１０６‑００１",
            "\u200bMST:0100109106001\u00a0",
            "MST:VN0100109106-001",
        ):
            info = certificate.load(signing.certificate(uids=(uid,)))
            self.assertEqual(info.tax_codes, ("0100109106-001",), uid)

    def test_d14_tax_code_outside_the_uid(self):
        """§7 and §5, CE013: an MST in O, S or the serialNumber is what VSS refuses; the CA has to issue it again."""
        for oid, text in (
            (NameOID.ORGANIZATION_NAME, "CÔNG TY TNHH AN PHÁT, MST: 0100109106"),
            (NameOID.STATE_OR_PROVINCE_NAME, "MST:0100109106"),
            (NameOID.SERIAL_NUMBER, "0100109106"),
            (NameOID.SERIAL_NUMBER, "mst:0100109106"),
            (NameOID.ORGANIZATIONAL_UNIT_NAME, "Mã số thuế 0100109106"),
        ):
            der = signing.certificate(uids=(f"CCCD:{HOUSEHOLD}",), attributes=((oid, text),))
            info = certificate.load(der)
            self.assertEqual((info.tax_codes, info.misplaced_tax_codes), ((HOUSEHOLD,), ("0100109106",)), text)
            self.assertFalse(certificate.matches_tax_code(info, "0100109106"), text)
            self.assertEqual(owner(der, "0100109106"), "owner_misplaced", text)
            self.assertEqual(owner(der, "0301442379"), "owner_other", text)

    def test_reading_a_hostile_name_is_cheap(self):
        """A certificate may hold attributes of 60 000 characters; only their beginning is read."""
        for text in (" " * 60_000, "MST" + " " * 60_000 + "x", "MST:" * 15_000, "1 " * 30_000):
            self.assertIsNone(tax_code.named_in(text))
            self.assertIsNone(tax_code.of_uid(text))
            self.assertLessEqual(len(tax_code.normalise(text)), 1000)

    def test_ce013_the_suffix_counts(self):
        """§5, CE013: only the UID counts, suffix included: a branch is not its head office, whatever stands in O."""
        head = signing.certificate(attributes=((NameOID.ORGANIZATION_NAME, "CHI NHÁNH, MST 0100109106-001"),))
        self.assertEqual(owner(head, "0100109106-001"), "owner_branch")
        self.assertEqual(owner(head, "0100109106"), "owner_ok")
        for personal in ("010010910611", "010010910612"):
            self.assertEqual(owner(signing.certificate(uids=(f"MST:{personal}",)), "0100109106"), "owner_other")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestTypedContact(BaseCase):
    def email(self, text):
        finding = preflight.check_email(text, text)
        return finding.level, finding.code, finding.values.get("suggestion")

    def test_d18_misspelt_mail_domains_are_warned_of(self):
        """§11: a warning on mistyped mail domains; it never blocks."""
        for typed, meant in (
            ("a@gmail.con", "a@gmail.com"),
            ("a@gmai.com", "a@gmail.com"),
            ("a@gmial.com", "a@gmail.com"),
            ("a@gmail.co", "a@gmail.com"),
            ("a@hotmal.com", "a@hotmail.com"),
            ("a@congty.com.vm", "a@congty.com.vn"),
            ("a@congty.comvn", "a@congty.com.vn"),
            ("a@congty.con", "a@congty.com"),
            ("a@yaho.com", "a@yahoo.com"),
        ):
            self.assertEqual(self.email(typed), ("warning", "email_domain", meant), typed)
        for right in (
            "a@gmail.com", "a@mail.com", "a@outlook.com.vn", "a@congty.com.vn", "a@vnn.vn", "a@fpt.com.vn",
            "a@icloud.com", "a@email.com", "a@mail.congty.vn", "a@con.vn",
        ):  # fmt: skip
            self.assertEqual(self.email(right), ("passed", "email_ok", None), right)

    def test_d18_yahoo_is_warned_of(self):
        """§6: vendors advise against Yahoo addresses."""
        for address in ("a@yahoo.com", "a@yahoo.com.vn", "a@ymail.com"):
            self.assertEqual(self.email(address)[:2], ("warning", "email_yahoo"))

    def test_o16_alias_with_a_tag_is_warned_of(self):
        self.assertEqual(self.email("ketoan+bhxh@congty.vn"), ("warning", "email_tag", "ketoan@congty.vn"))
        self.assertEqual(self.email("+a@congty.vn")[0], "passed")

    def test_a_doubt_never_hides_what_blocks(self):
        finding = preflight.check_email("a@gmail.con", "a@gmail.com")
        self.assertEqual((finding.level, finding.code), ("blocking", "email_differs"))

    def test_national_phone(self):
        """§3: phone numbers in real dossiers are national (`09…`), not `+84…`."""
        self.assertEqual(contact.national_phone("+84901234567"), "0901234567")
        self.assertEqual(contact.national_phone("+842439361778"), "02439361778")
        self.assertEqual(contact.national_phone("+6562211234"), "+6562211234")
        xml = dossier.build("04", signing.data(phone=contact.national_phone("+84901234567")))
        self.assertEqual(dossier.validate("04", xml), [])


@tagged("post_install_l10n", "post_install", "-at_install")
class TestHouseholdBusiness(IbhxhCommon):
    """§7: a company of 12 digits is anybody else's equal."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.company.vat = HOUSEHOLD
        cls.der = cls._new_certificate(uids=(f"CCCD:{HOUSEHOLD}",), serial=12)
        cls.certificate = cls._plug_in(cls.agent, cls.der) & cls.env["l10n_vn_ibhxh.certificate"].search(
            [("tax_code", "=", HOUSEHOLD)]
        )

    def test_d12_from_the_token_to_the_dossier(self):
        self.assertEqual(self.certificate.company_ids, self.company)
        registration = self._sent()
        content = dossier.read(base64.b64decode(registration.signed_document))[1]
        self.assertEqual((registration.state, content.tax_code), ("sent", HOUSEHOLD))
        self.assertIn(HOUSEHOLD, str(registration._prepare_print_values()))

    def test_d13_vat_with_the_country(self):
        self.company.vat = f"VN{HOUSEHOLD}"
        self.assertEqual(self.company.l10n_vn_ibhxh_tax_code, HOUSEHOLD)
        self.assertEqual(self._sent().state, "sent")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDays(IbhxhCommon):
    """B12: days are those of Viet Nam, no matter who looks and wherever the server is."""

    def test_b12_a_certificate_that_begins_at_midnight_in_viet_nam(self):
        der = self._new_certificate(
            serial=77,
            not_before=datetime(2026, 1, 1, 17, tzinfo=timezone.utc),
            not_after=datetime(2029, 1, 1, 16, 59, 59, tzinfo=timezone.utc),
        )
        self.certificate = self._plug_in(self.agent, self.der, der) - self.certificate
        self.company.write({"l10n_vn_ibhxh_state": "confirmed", "l10n_vn_ibhxh_confirmed_at": "2026-01-01"})
        wizard = self._wizard(form="05", certificate_id=self.certificate.id)
        validity = next(row for row in wizard.preflight if row["check"] == "validity")
        self.assertIn("01/01/2029", validity["text"])
        registration = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        content = dossier.read(base64.b64decode(registration.document))[1]
        self.assertEqual(
            (content.new_certificate_from, content.new_certificate_to), (date(2026, 1, 2), date(2029, 1, 1))
        )
        self.assertIn("Từ 02/01/2026 đến 01/01/2029", str(registration._prepare_print_values()))
        with self._later(days=3000), self.assertRaises(UserError) as caught:
            self.certificate.with_context(lang="en_US")._check_usable_for(self.company)
        self.assertIn("01/01/2029", str(caught.exception))

    def test_b12_one_day_for_dossier_and_title(self):
        """03:00 in Viet Nam is still yesterday in UTC and in the user's own zone."""
        self.user.tz = "America/New_York"
        with freeze_time("2026-03-02 20:00:00"):
            registration = self._register()
            self.assertEqual(dossier.read(base64.b64decode(registration.document))[1].prepared_on, date(2026, 3, 3))
            registration._move("to_send")
            registration.sudo()._on_accepted(fields.Datetime.now(), "03706/2026/001")
            registration.sudo()._activate("BV2VLHCKRA", False, fields.Datetime.now())
            self.assertEqual(registration.sudo().activity_ids.date_deadline, date(2026, 3, 4))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestForms(IbhxhCommon):
    """§2: which dossier is sent when, and by whom. Whole lives of these are in test_lifelines.py."""

    def _move(self):
        """Return the wizard of a confirmed company in which another I-VAN was chosen, and that I-VAN."""
        self._confirmed()
        other = self.provider.copy({"code": "00110", "name": "MISA thử"})
        return self._wizard(provider_id=other.id), other

    def test_moving_the_new_ivan_files_the_stop(self):
        """§2 (b): the new I-VAN files the stop with the reason "moving", then the registration (MISA, M-invoice)."""
        wizard, other = self._move()
        wizard.action_move()
        self.assertEqual((wizard.form, wizard.stop_reason_code), ("06", "7"))
        self.assertEqual((wizard.provider_id, wizard.target_provider_id, wizard.then_register), (other, other, True))
        self.assertFalse(wizard.is_blocked)

    def test_moving_is_asked_for_the_unit_code(self):
        """§2 (b): M-invoice asks province, agency, unit code, tax code and name."""
        wizard, _other = self._move()
        wizard.action_move()
        self.assertNotIn("unit_code_for_move", [row["code"] for row in wizard.preflight])
        wizard.unit_code = False
        self.assertIn("unit_code_for_move", [row["code"] for row in wizard.preflight])

    def test_moving_stop_at_the_old_one(self):
        """§2 (a): stop at the old I-VAN first, with a certificate that is still valid there (TS24)."""
        wizard, other = self._move()
        wizard.action_stop_at_holder()
        self.assertEqual((wizard.form, wizard.provider_id, wizard.target_provider_id), ("06", self.provider, other))
        self.assertFalse(wizard.is_blocked)

    def test_the_portal_is_a_holder_too(self):
        """§2: the VSS portal itself counts as a holder (QĐ 838, article 8 (2): one holder at a time)."""
        portal = self.env.ref("l10n_vn_ibhxh.provider_portal")
        self._confirmed()
        self.company.sudo().l10n_vn_ibhxh_provider_id = portal
        wizard = self._wizard(provider_id=self.provider.id)
        self.assertTrue(wizard.is_move)
        self.assertEqual(wizard.holder_provider_id, portal)
        self.assertIn("provider_other", [row["code"] for row in wizard.preflight])

    def test_data_first_certificate_second(self):
        """§2: when unit data and certificate change at once, two dossiers, data first (MISA)."""
        self._confirmed()
        der = self._new_certificate(
            serial=99, not_before=signing.NOW - timedelta(days=1), not_after=signing.NOW + timedelta(days=900)
        )
        renewed = self._plug_in(self.agent, self.der, der) - self.certificate
        wizard = self._wizard(
            form="05", certificate_id=renewed.id, email="moi@example.com", email_repeated="moi@example.com"
        )
        self.assertIn("form_data_first", [row["code"] for row in wizard.preflight])
        wizard.action_data_first()
        self.assertEqual((wizard.certificate_id, wizard.then_certificate_id), (self.certificate, renewed))

    def test_a_draft_is_split_too(self):
        """The same from a draft that was begun as one dossier."""
        self._confirmed()
        der = self._new_certificate(
            serial=99, not_before=signing.NOW - timedelta(days=1), not_after=signing.NOW + timedelta(days=900)
        )
        renewed = self._plug_in(self.agent, self.der, der) - self.certificate
        registration = self._register(form="05", certificate_id=renewed.id, phone="0987654321")
        registration.action_withdraw()
        action = registration.action_data_first()
        wizard = self.env[action["res_model"]].with_user(self.user).with_context(**action["context"]).create({})
        self.assertEqual(registration.state, "cancelled")
        self.assertEqual((wizard.certificate_id, wizard.then_certificate_id), (self.certificate, renewed))
        self.assertEqual((wizard.form, wizard.phone), ("05", "+84987654321"))

    def test_usb_to_remote_signing_is_a_change_of_certificate(self):
        """§2: a change from a USB certificate to a remote-signing one is form 05: only the certificate differs."""
        self._confirmed()
        der = self._new_certificate("remote", serial=99, not_after=signing.NOW + timedelta(days=900))
        remote = self._plug_in(self.agent, self.der, der) - self.certificate
        wizard = self._wizard(form="05", certificate_id=remote.id)
        self.assertIn(remote.serial, wizard.change_text)
        registration = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_register()["res_id"])
        content = dossier.read(base64.b64decode(registration.document))[1]
        self.assertEqual(content.old_certificate_serial, self.certificate.serial)
        self.assertEqual(content.new_certificate_serial, remote.serial)

    def test_first_issue_of_a_unit_code_is_a_dossier_of_its_own(self):
        """§2: "cấp mã đơn vị lần đầu" has TK3-TS and attachments; a registration without unit code carries none."""
        registration = self._register(unit_code=False)
        form, content = dossier.read(base64.b64decode(registration.document))
        self.assertEqual((form, content.attachments), ("04", ()))

    def test_object_type_and_delivery_of_results(self):
        """§3, §11: `LoaiDoiTuong` 0 or 1 and `PTNhanKetQua` are the person's choice, and proposed again."""
        post = self.env.ref("l10n_vn_ibhxh.result_delivery_1")
        self.assertEqual((self._wizard().subject_type, self._wizard().result_delivery_id.code), ("1", "0"))
        registration = self._register(subject_type="0", result_delivery_id=post.id)
        content = dossier.read(base64.b64decode(registration.document))[1]
        self.assertEqual((content.subject_type, content.result_delivery), ("0", "1"))
        registration.action_withdraw()
        registration.action_cancel()
        self.assertEqual((self._wizard().subject_type, self._wizard().result_delivery_id), ("0", post))

    def test_phone_as_the_ivan_wants_it(self):
        """§3: national by default; an option of the I-VAN's record."""
        for phone_format, expected in (("national", "0912345678"), ("international", "+84912345678")):
            self.provider.phone_format = phone_format
            registration = self._register()
            content = dossier.read(base64.b64decode(registration.document))[1]
            self.assertEqual((content.phone, content.contact_phone), (expected, expected))
            registration.action_cancel()

    def test_b11_what_the_form_cannot_take_is_named(self):
        """B11: no wording of an XML library; the entry is named as it is on the screen."""
        self.company.partner_id.street = "x" * 600
        with self.assertRaises(UserError) as caught:
            self._register()
        self.assertIn("Address of the company", str(caught.exception))
        self.assertNotIn("Element", str(caught.exception))

    def test_b11_what_is_no_notification_is_told_in_the_readers_words(self):
        registration = self._sent()
        for content in (b"<a>", b"<a/>", b"<!DOCTYPE a><a/>", b"x"):
            wizard = self.env["l10n_vn_ibhxh.notification.upload"].create(
                {"registration_id": registration.id, "file": base64.b64encode(content)}
            )
            self.assertIn("not a notification 01/TB-GD", wizard.preview)

    def test_looking_up_a_unit(self):
        """§6: VSS's public page for looking up a unit is a button of the wizard."""
        action = self.env.ref("l10n_vn_ibhxh.l10n_vn_ibhxh_lookup_action")
        self.assertEqual(action.url, "https://baohiemxahoi.gov.vn/tracuu/Pages/don-vi-tham-gia-bhxh.aspx")
        arch = self.env["l10n_vn_ibhxh.registration.wizard"].get_view(view_type="form")["arch"]
        self.assertIn(f'name="{action.id}"', arch)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestResultCodes(IbhxhCommon):
    """§5: each new or changed code with its remedy."""

    def _code(self, code):
        return self.env["l10n_vn_ibhxh.result.code"]._find(code)

    def test_ce013(self):
        """CE013: the MST on the certificate is not the unit's, or not in the UID: right token, or re-issue."""
        code = self._code("CE013")
        self.assertEqual((code.remedy_action, code.is_permanent), ("certificate", True))
        for word in ("token", "reissue", "form 05"):
            self.assertIn(word, code.remedy)

    def test_ce044(self):
        """CE044: registered directly at the VSS portal: stop there, or by the new I-VAN; then register."""
        code = self._code("CE044")
        self.assertEqual((code.remedy_action, code.is_held_by_portal), ("move", True))

    def test_ib16(self):
        """IB16: registered already (Bkav): as CE006."""
        self.assertEqual(self._code("IB16").remedy_action, self._code("CE006").remedy_action)
        self.assertEqual(self._code("IB16").remedy, self._code("CE006").remedy)

    def test_ce007(self):
        """CE007 also means "registered with another I-VAN" (MISA): the stop is filed by the new I-VAN."""
        self.assertIn("another I-VAN", self._code("CE007").meaning)
        self.assertIn("Let this I-VAN file the stop", self._code("CE007").remedy)

    def test_every_action_has_its_method_and_button(self):
        """No code of the table leads nowhere."""
        arch = self.env["l10n_vn_ibhxh.registration"].get_view(view_type="form")["arch"]
        for action, _label in self.env["l10n_vn_ibhxh.result.code"]._fields["remedy_action"].selection:
            self.assertTrue(hasattr(self.env["l10n_vn_ibhxh.registration"], f"_remedy_{action}"), action)
            self.assertIn(f"'{action}'", arch)
