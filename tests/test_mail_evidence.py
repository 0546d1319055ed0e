"""What a mail proves: findings D, O and S about mails, each through Odoo's mail gateway and the real models."""

import logging
from datetime import datetime, timedelta
from email.utils import format_datetime
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..tools import gateways, vss_mail
from .common import MAIL_SERVER, NOW, VERIFIED, IbhxhCommon
from .samples import mails
from .test_mailbox import ACTIVATION, CODE, CONFIRMATION, HEX, LINK
from .test_tools_mail import REAL

NAME = "CÔNG TY TNHH AN PHÁT"
NUMBER = "03706/2026/001"
RECEIPT = f"Đơn vị đã gửi hồ sơ đăng ký tham gia giao dịch điện tử thành công.\nSố hồ sơ: {NUMBER}\n"
PROOFS = f"Mã đơn vị: TZH490L\nMã số thuế: 0100109106\nSố hồ sơ: {NUMBER}\n"


class MailCase(IbhxhCommon):
    """Mails as they arrive, and registrations that wait for them."""

    def setUp(self):
        super().setUp()
        self.count = 0

    def _deliver(self, body, *, verified=True, sender="no-reply@vss.gov.vn", to="ke.toan@example.com", at=None, **more):
        """Hand one mail to Odoo's mail gateway as the mail server does; return the mailbox's record."""
        self.count += 1
        kind = "html" if "<" in body else "plain"
        source = (
            f"{VERIFIED if verified else ''}From: VSS <{sender}>\nDelivered-To: bhxh@example.com\nTo: {to}\n"
            f"Subject: {more.get('subject', 'Thong bao')}\nMessage-Id: <{self.count}-{id(self)}@vss.gov.vn>\n"
            f"{more.get('headers', '')}Date: {format_datetime(at or fields.Datetime.now())}\nMIME-Version: 1.0\n"
            f"Content-Type: text/{kind}; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n{body}"
        )
        return self._process(source.encode("utf-8", "surrogateescape"), **more.get("process", {}))

    def _process(self, source, user=None, model="l10n_vn_ibhxh.mail", **more):
        thread = self.env["mail.thread"]
        found = (thread.with_user(user) if user else thread).message_process(model, source, **more)
        self.env.invalidate_all()
        return self.env["l10n_vn_ibhxh.mail"].browse(found if isinstance(found, int) else [])

    def _real(self, name=NAME, code=CODE, unit="DKTGLD", link=LINK):
        return REAL.format(name=name, code=code, unit=unit, link=link)

    def _waiting(self, company, **vals):
        """Return a registration of `company` that VSS has, as sending leaves it."""
        values = {
            "company_id": company.id,
            "state": "sent",
            "provider_id": self.provider.id,
            "tax_code": company.l10n_vn_ibhxh_tax_code,
            "company_name": company.name,
            "email": "ke.toan@example.com",
            "phone": "0912345678",
            "attempted_at": fields.Datetime.now(),
            "submitted_at": fields.Datetime.now(),
        }
        self.env.flush_all()
        return self.env["l10n_vn_ibhxh.registration"].sudo().create({**values, **vals})

    def _company(self, name, vat, **vals):
        return self.env["res.company"].create(
            {"name": name, "vat": vat, "country_id": self.env.ref("base.vn").id, **vals}
        )


@tagged("post_install_l10n", "post_install", "-at_install")
class TestVerifiedMails(MailCase):
    """The mail server authenticated VSS: what its mails then may do."""

    def setUp(self):
        super().setUp()
        self._verify_senders()

    def test_d1_to_d5_notices_do_nothing(self):
        registration = self._sent()
        for state in ("sent", "to_activate"):
            for finding, body in {
                "D1": RECEIPT,
                "D2": f"Đăng ký giao dịch điện tử thành công. Mã kích hoạt sẽ được gửi trong thư sau.\n{PROOFS}",
                "D3": f"Hồ sơ điều chỉnh mức đóng đã giải quyết thành công, giao dịch điện tử.\n{PROOFS}",
                "D4": "Hồ sơ đã được chấp nhận.\nMã số thuế: 0100109106\nSố hồ sơ: 09999/2026/001\n",
                "D5": f"Mã kích hoạt đã được xác nhận thành công.\n{PROOFS}Mật khẩu: K7QW2ZPA9X\n",
                "O12": f"Ngừng sử dụng dịch vụ I-VAN thành công.\n{PROOFS}",
            }.items():
                with self.subTest(finding, state=state):
                    mail = self._deliver(body)
                    self.assertIn(mail.state, ("ignored", "waiting"))
                    self.assertEqual(registration.state, state)
                    self.assertEqual(registration.activation_code, CODE if state == "to_activate" else False)
                    self.assertEqual(registration.dossier_number, NUMBER)
            self._deliver(ACTIVATION)
        self._deliver(CONFIRMATION)
        self.assertEqual(registration.state, "confirmed")

    def test_d4_a_foreign_number_is_not_stored(self):
        self.gateway.number = None
        registration = self._sent()
        self._deliver("Kết quả hồ sơ: đã được chấp nhận.\nMã số thuế: 0100109106\nSố hồ sơ: 09999/2026/001\n")
        self.assertFalse(registration.dossier_number)

    def test_notices_need_nobody(self):
        self._sent()
        mail = self._deliver(RECEIPT)
        self.assertEqual((mail.state, mail.kind, mail.activity_ids.ids), ("ignored", "notice", []))
        self.assertTrue(mail.reason)

    def test_a_notice_that_may_hold_a_code_is_for_a_person(self):
        registration = self._sent()
        mail = self._deliver(f"Mã kích hoạt sẽ được gửi sau.\n{PROOFS}Mã kích hoạt: {CODE}\n")
        self.assertEqual((mail.state, mail.registration_id), ("waiting", registration))
        self.assertTrue(mail.activity_ids)

    def test_d6_real_mail_by_recipient_and_name(self):
        registration = self._sent()
        mail = self._deliver(self._real())
        self.assertEqual(mail.state, "done", mail.reason)
        self.assertEqual((registration.state, registration.activation_code), ("to_activate", CODE))
        self.assertEqual(registration.activation_url, LINK)

    def test_d6_recipient_or_name_alone_is_not_enough(self):
        registration = self._sent()
        for mail in (
            self._deliver(self._real(name="CÔNG TY TNHH AN PHÁT HƯNG")),
            self._deliver(self._real(), to="khac@example.com"),
            self._deliver(self._real(name=""), to="ke.toan@example.com"),
        ):
            self.assertEqual((mail.state, registration.state), ("waiting", "sent"))
            self.assertFalse(mail.registration_id)

    def test_d6_by_unit_code_and_name(self):
        registration = self._sent()
        registration.sudo().unit_code = "TZH490L"
        self.assertFalse(self._deliver(self._real(unit="AB1234C"), to="khac@example.com").registration_id)
        self.assertFalse(self._deliver(self._real(name="CÔNG TY B", unit="TZH490L")).registration_id)
        self.assertEqual(registration.state, "sent")
        self._deliver(self._real(unit="TZH490L"), to="khac@example.com")
        self.assertEqual(registration.activation_code, CODE)

    def test_k9_real_mail_by_recipient_and_the_certificates_name(self):
        """In Odoo the company has another name than in the business registration, which VSS's mail and the CA have."""
        self.company.name = "An Phát (khách hàng)"
        registration = self._sent()
        self.assertFalse(self._deliver(self._real(), to="khac@example.com").registration_id, "another mailbox")
        self.assertFalse(self._deliver(self._real(name="CÔNG TY TNHH AN PHÁT HƯNG")).registration_id)
        mail = self._deliver(self._real())
        self.assertEqual((mail.state, registration.activation_code), ("done", CODE), mail.reason)

    def test_k9_signs_of_the_registered_name(self):
        self.certificate.sudo().name = "CÔNG TY TNHH A & B"
        self.company.name = "Công ty TNHH A&B"
        registration = self._sent()
        self._deliver(self._real(name="CÔNG TY TNHH A & B"))
        self.assertEqual(registration.activation_code, CODE)

    def test_k9_a_name_that_another_company_has_is_its_own(self):
        """Anybody who pairs a computer can report a certificate with a name of their own choice."""
        self.company.name = "An Phát (khách hàng)"
        registration = self._sent()
        rivals = (
            lambda: self._company("Công Ty TNHH An Phát", "0312345678"),
            lambda: self.env["l10n_vn_ibhxh.certificate"]._from_der(
                [self._new_certificate(uids=("MST:0312345678",), common_name=NAME, serial=99)]
            ),
        )
        for rival in rivals:
            other = rival()
            mail = self._deliver(self._real())
            self.assertEqual((mail.state, registration.state), ("waiting", "sent"))
            self.assertFalse(mail.registration_id)
            other.sudo().name = "Công ty B"

    def test_o14_one_mailbox_for_twenty_companies(self):
        letters = "ABCDEFGHIJKLMNOPQRST"
        names = {letter: f"Công ty TNHH Minh Anh {letter}" for letter in letters} | {"A": "Công ty TNHH Minh Anh"}
        waiting = {
            letter: self._waiting(self._company(name, f"03{index:08d}"))
            for index, (letter, name) in enumerate(names.items(), start=12345678)
        }
        for letter in reversed(letters):
            mail = self._deliver(self._real(name=names[letter].upper(), code=f"ABCDEFGHI{letter}"))
            self.assertEqual(mail.state, "done", mail.reason)
        for letter, registration in waiting.items():
            self.assertEqual(registration.activation_code, f"ABCDEFGHI{letter}")

    def _two_dossiers(self, hours=25):
        """Return the first dossier, expired without its code, and the second one, just sent."""
        first = self._sent()
        with self._later(hours=hours):
            first._expire()
        self.gateway.number = "03999/2026/001"
        return first, self._waiting(
            self.company,
            dossier_number="03999/2026/001",
            dossier_number_source="gateway",
            attempted_at=fields.Datetime.now() + timedelta(hours=hours),
            submitted_at=fields.Datetime.now() + timedelta(hours=hours),
        )

    def test_d7_late_code_belongs_to_the_first_dossier(self):
        first, second = self._two_dossiers()
        with self._later(hours=26):
            mail = self._deliver(ACTIVATION)
            self.assertEqual((mail.state, mail.registration_id), ("waiting", first))
            self.assertIn(first.name, mail.reason)
            self.assertIn(second.name, mail.reason)
            self.assertEqual((first.state, second.state), ("expired", "sent"))
            self.assertFalse(second.activation_code)
            self.assertEqual(first.waiting_code, CODE)
            with self.assertRaisesRegex(UserError, second.name):
                mail.with_user(self.user).action_apply()

    def test_d7_late_code_without_a_number_is_for_a_person(self):
        first, second = self._two_dossiers()
        with self._later(hours=26):
            mail = self._deliver(self._real())
            self.assertEqual(mail.state, "waiting")
            self.assertIn(first.name, mail.reason)
            self.assertIn(second.name, mail.reason)
            self.assertFalse(first.activation_code or second.activation_code)

    def test_d7_the_second_code_is_the_seconds_once_the_first_had_its_own(self):
        first = self._sent()
        self._deliver(self._real())
        with self._later(hours=25):
            first._expire()
            second = self._waiting(self.company)
            mail = self._deliver(self._real(code="QQ2VLHCKRB"))
            self.assertEqual((mail.state, mail.registration_id), ("done", second))

    def test_d8_code_older_than_the_sending(self):
        registration = self._sent()
        for body in (ACTIVATION.replace(registration.dossier_number, "–"), self._real()):
            mail = self._deliver(body, at=fields.Datetime.now() - timedelta(hours=2))
            self.assertEqual((mail.state, registration.state), ("waiting", "sent"))
            self.assertIn("older than the sending", mail.reason)
            mail.sudo().registration_id = registration
            with self.assertRaisesRegex(UserError, "older than the sending"):
                mail.with_user(self.user).action_apply()
            self.assertFalse(registration.waiting_code)

    def test_d8_a_mail_with_the_number_that_vss_gave_is_not_older_whatever_its_clock_says(self):
        registration = self._sent()
        self._deliver(ACTIVATION, at=fields.Datetime.now() - timedelta(hours=5))
        self.assertEqual((registration.state, registration.activation_code), ("to_activate", CODE))

    def test_d8_a_mail_with_a_number_that_overtook_the_receipt_is_judged_after_it(self):
        registration = self._register()
        self._sign(registration)
        self.gateway.fail_after = gateways.UnknownOutcome("time-out")
        self._send()
        mail = self._deliver(ACTIVATION, at=fields.Datetime.now() - timedelta(hours=5))
        self.assertTrue(mail.is_held)
        self.gateway.fail_after = None
        registration.action_send()
        self._send()
        self._run("follow")
        self.assertEqual((registration.state, registration.activation_code), ("to_activate", CODE))

    def test_d9_units_under_one_tax_code(self):
        branch = self._company("Chi nhánh", "0100109106", parent_id=self.company.id)
        first = self._waiting(self.company, unit_code="TZH490L")
        second = self._waiting(branch, unit_code="BI0110G", company_name=NAME)
        self._deliver(f"Mã kích hoạt: {CODE}\nMã số thuế: 0100109106\nMã đơn vị: BI0110G\n{LINK}")
        self.assertEqual((first.state, second.activation_code), ("sent", CODE))
        self._deliver(self._real(code="QQ2VLHCKRB", unit="TZH490L"))
        self.assertEqual((first.activation_code, second.activation_code), ("QQ2VLHCKRB", CODE))
        mail = self._deliver(f"Mã kích hoạt: ZZ2VLHCKRB\nMã số thuế: 0100109106\n{LINK}")
        self.assertEqual((mail.state, mail.registration_id.ids), ("waiting", []))

    def test_d10_confirmation_without_the_number(self):
        registration = self._sent()
        body = (
            "Thông báo chấp nhận phương thức giao dịch điện tử.\nMã đơn vị: TZH490L\nMã số thuế/Mã NSNN: 0100109106\n"
        )
        self._deliver(body)
        self.assertEqual((registration.state, registration.confirmation_evidence), ("confirmed", "mail"))
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")

    def test_confirmation_needs_its_proof(self):
        registration = self._sent()
        words = "Đăng ký giao dịch điện tử thành công.\n"
        for proof in (
            "Mã số thuế: 0100109106\n",
            "Mã đơn vị: TZH490L\n",
            "Mã số thuế: 0100109106\nMã đơn vị: TZH490L\nMã số BHXH: AB1234C\n",
            "Mã số thuế: 0100109106\nMã đơn vị: TZH490L\nSố hồ sơ: 09999/2026/001\n",
            f"Số hồ sơ: {NUMBER} và 09999/2026/001\n",
            f"Kính gửi {NAME}\n",
        ):
            mail = self._deliver(words + proof)
            self.assertEqual((mail.state, registration.state), ("waiting", "sent"), proof)
        weak = f"Thay đổi thông tin thành công.\n{PROOFS}"
        self.assertEqual((self._deliver(weak).state, registration.state), ("waiting", "sent"), "another form")
        self._deliver(f"{words}Số hồ sơ: {NUMBER}\n")
        self.assertEqual(registration.state, "confirmed")

    def test_f3_a_replayed_mail_changes_nothing(self):
        """VSS's own mail, sent on with a second subject or a number in the subject, which DKIM does not cover."""
        registration = self._sent()
        words = "Đăng ký giao dịch điện tử thành công"
        for body, subject in (("Thông báo lịch nghỉ lễ.\n", f"{words}, hồ sơ {NUMBER}"), (f"{words}.\n", NUMBER)):
            for headers in (f"Subject: {subject}\n", f"SUBJECT: {subject}\n"):
                self._deliver(body, subject=subject, headers=headers)
            mail = self._deliver(body, subject=subject)
            self.assertEqual((mail.evidence, registration.state), ("unverified", "sent"))
        for name in ("From: no-reply@vss.gov.vn", "Date: Mon, 02 Mar 2026 03:00:00 +0000", "Message-ID: <x@x>"):
            mail = self._deliver(f"{words}. Số hồ sơ: {NUMBER}\n", headers=f"{name}\n")
            self.assertEqual((mail.evidence, registration.state), ("unverified", "sent"), name)
            self.assertTrue(mail.doubt)
        code = self._deliver(f"Mã kích hoạt: {CODE}\n{LINK}\n", subject="x", headers=f"Subject: {NUMBER}\n")
        self.assertEqual(
            (code.evidence, registration.activation_code, registration.state), ("unverified", False, "sent")
        )
        self._deliver(f"{words}. Số hồ sơ: {NUMBER}\n", subject=f"Hồ sơ {NUMBER}")
        self.assertEqual(registration.state, "confirmed")

    def test_d11_refusal_with_the_remedy(self):
        registration = self._sent()
        refusal = "Hồ sơ đăng ký giao dịch điện tử không được chấp nhận. Lý do: CE013\n"
        self.assertEqual(self._deliver(refusal + "Mã số thuế: 0100109106\n").state, "waiting", "no proof")
        self.assertEqual(self._deliver("Hồ sơ đăng ký I-VAN không hợp lệ.\n" + PROOFS).state, "waiting", "no code")
        self.assertEqual(registration.state, "sent")
        mail = self._deliver(refusal + PROOFS)
        self.assertEqual((mail.kind, mail.state), ("refusal", "done"), mail.reason)
        self.assertEqual((registration.state, registration.error_code), ("rejected", "CE013"))
        self.assertEqual(registration.confirmation_evidence, "mail")
        self.assertTrue(registration.remedy)

    def test_refusal_never_loses_a_code(self):
        registration = self._sent()
        self._deliver(ACTIVATION)
        mail = self._deliver("Hồ sơ đăng ký giao dịch điện tử không được chấp nhận. Lý do: CE013\n" + PROOFS)
        self.assertEqual((mail.state, registration.state), ("waiting", "to_activate"))
        self.assertEqual(registration.activation_code, CODE)

    def test_code_reopens_what_a_mail_decided(self):
        registration = self._sent()
        for decision, state in (
            (CONFIRMATION, "confirmed"),
            ("Hồ sơ đăng ký giao dịch điện tử không được chấp nhận. Lý do: CE013\n" + PROOFS, "rejected"),
        ):
            registration.sudo().write({"state": "sent", "activation_code": False, "activation_received_at": False})
            self._deliver(decision)
            self.assertEqual(registration.state, state)
            with self._later(minutes=10):
                mail = self._deliver(ACTIVATION)
                self.assertEqual(mail.state, "done", mail.reason)
                self.assertEqual((registration.state, registration.activation_code), ("to_activate", CODE))
                self.assertEqual(self.company.l10n_vn_ibhxh_state, "to_activate")
                self.assertFalse(self.company.l10n_vn_ibhxh_confirmed_at)

    def test_code_reopens_nothing_that_rests_on_more(self):
        registration = self._sent()
        for evidence in ("gateway", "notification", "person"):
            registration.sudo().write({"state": "sent"})
            registration._confirm(fields.Datetime.now(), evidence=evidence)
            with self._later(minutes=10):
                mail = self._deliver(ACTIVATION)
            self.assertEqual((mail.state, registration.state), ("waiting", "confirmed"), evidence)
            self.assertIn(registration.name, mail.reason)
            mail.sudo().registration_id = registration
            with self.assertRaises(UserError):
                mail.with_user(self.user).action_apply()

    def test_better_evidence_settles_it(self):
        registration = self._sent()
        self._deliver(CONFIRMATION)
        registration._strengthen("gateway")
        with self._later(minutes=10):
            self._deliver(ACTIVATION)
        self.assertEqual(registration.state, "confirmed")

    def test_o16_mail_of_tomorrow(self):
        registration = self._sent()
        self._deliver(ACTIVATION, at=fields.Datetime.now() + timedelta(days=1))
        self.assertEqual(registration.activation_received_at, fields.Datetime.now())
        self.assertEqual(registration.activation_expires_at, fields.Datetime.now() + timedelta(hours=24))
        with self._later(minutes=5):
            self._deliver(ACTIVATION.replace(CODE, "QQ2VLHCKRB"))
        self.assertEqual(registration.activation_code, "QQ2VLHCKRB", "a later one is still the newer one")

    def test_the_same_code_again_does_not_prolong_it(self):
        registration = self._sent()
        self._deliver(ACTIVATION)
        expires_at = registration.activation_expires_at
        with self._later(hours=2):
            self.assertEqual(self._deliver(ACTIVATION).state, "done")
        self.assertEqual(registration.activation_expires_at, expires_at)

    def test_o12_congratulation_without_a_readable_code(self):
        registration = self._sent()
        mail = self._deliver(self._real(code="(xem hình)", link="https://a.example/"))
        self.assertEqual((mail.state, mail.registration_id, registration.state), ("waiting", registration, "sent"))
        self.assertIn("could not be read", mail.reason)

    def test_d17_link_to_an_unknown_portal_is_a_warning(self):
        registration = self._sent()
        foreign = LINK.replace("baohiemxahoi.gov.vn", "mof.gov.vn")
        for link, host in ((foreign, "gddt.mof.gov.vn"), (LINK.replace("https", "http"), "http://gddt.baohiem")):
            with self.subTest(link):
                mail = self._deliver(ACTIVATION.replace(LINK, link))
                self.assertEqual(registration.activation_code, CODE)
                self.assertFalse(registration.activation_url)
                self.assertIn(host, mail.unlisted_hosts)
                warning = mail.activity_ids.filtered(lambda activity: "portal" in activity.summary)
                self.assertEqual(warning.user_id, self.env.ref("base.user_admin"))
                self.assertIn(host, warning.note)
                self.assertNotIn(HEX, warning.note)
        unknown = self._deliver(f"Xin chào, {foreign}")
        self.assertEqual(unknown.unlisted_hosts, "gddt.mof.gov.vn", "never silence, whatever else is recognised")

    def test_d17_link_with_a_query(self):
        registration = self._sent()
        self._deliver(ACTIVATION.replace("/#", "/?a=1#"))
        self.assertEqual(registration.activation_url, LINK.replace("/#", "/?a=1#"))
        self.assertTrue(registration.is_link_shown)

    def test_s19_notes_show_texts_as_texts(self):
        self._sent()
        mail = self._deliver("Xin chào", sender="x@evil.example", headers="")
        self.assertNotIn("<a", str(mail.activity_ids.mapped("note")))

    def test_s25_through_the_models(self):
        registration = self._sent()
        forged = f"Authentication-Results: {MAIL_SERVER}; dmarc=fail (a (x); dmarc=pass header.from=vss.gov.vn (y))\n"
        mail = self._deliver(ACTIVATION, verified=False, headers=forged)
        self.assertEqual((mail.evidence, registration.state), ("unverified", "sent"))

    def test_o15_raw_8_bit_subject(self):
        registration = self._sent()
        mail = self._deliver(ACTIVATION, subject="Mã kích hoạt")
        self.assertEqual(mail.subject, "Mã kích hoạt")
        self.assertEqual(registration.activation_code, CODE)
        self.assertTrue(self._deliver(ACTIVATION, subject="M\udce3 k\udcff").subject)

    def test_k8_confirmation_of_another_form_is_no_repetition(self):
        registration = self._sent()
        self._deliver(CONFIRMATION)
        self.assertEqual(registration.state, "confirmed")
        mail = self._deliver(f"Ngừng đăng ký giao dịch điện tử thành công.\n{PROOFS}")
        self.assertEqual((mail.kind, mail.state), ("confirmation", "waiting"))
        self.assertIn(registration.name, mail.reason)

    def test_s23_letters_only_code_in_the_subject(self):
        registration = self._sent()
        mail = self._deliver(self._real(code="ABCDEFGHIJ"), subject="[BHXH] ABCDEFGHIJ")
        self.assertEqual(registration.activation_code, "ABCDEFGHIJ")
        texts = str([(m.subject, m.body) for record in (mail, registration) for m in record.sudo().message_ids])
        self.assertNotIn("ABCDEFGHIJ", texts + mail.subject)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestUnverifiedMails(MailCase):
    """S9: without a verdict of one's own mail server a mail only shows itself."""

    def test_s9_shipped_settings_believe_nobody(self):
        registration = self._sent()
        for body in (CONFIRMATION, ACTIVATION, self._real()):
            mail = self._deliver(body)
            self.assertEqual((mail.evidence, mail.state, mail.registration_id), ("unverified", "waiting", registration))
            self.assertEqual(registration.state, "sent")
            self.assertFalse(registration.activation_code)
        self.assertIn("mail server", mail.reason)

    def test_s9_code_is_shown_with_its_countdown_and_a_person_uses_it(self):
        registration = self._sent()
        self._deliver(ACTIVATION, at=fields.Datetime.now() - timedelta(minutes=4))
        own = registration.with_user(self.user)
        self.assertEqual((own.waiting_code, own.waiting_code_sender), (CODE, "no-reply@vss.gov.vn"))
        self.assertEqual(own.waiting_code_expires_at, fields.Datetime.now() + timedelta(hours=23, minutes=56))
        self.assertEqual(own.waiting_code_seconds_left, 86_160)
        self.assertTrue(own.waiting_code_reason)
        own.action_use_waiting_code()
        self.assertEqual((registration.state, registration.activation_code), ("to_activate", CODE))
        self.assertFalse(own.waiting_code)
        self.assertIn(self.user.name, str(registration.sudo().message_ids.mapped("body")))

    def test_s9_unverified_code_replaces_and_outdates_nothing(self):
        self._verify_senders()
        registration = self._sent()
        self._deliver(ACTIVATION)
        with self._later(minutes=10):
            self._deliver(ACTIVATION.replace(CODE, "QQ2VLHCKRB"), verified=False)
            self.assertEqual(registration.activation_code, CODE)
            self.assertEqual(registration.waiting_code, "QQ2VLHCKRB")
        with self._later(minutes=5):
            self._deliver(ACTIVATION.replace(CODE, "ZZ2VLHCKRB"))
            self.assertEqual(registration.activation_code, "ZZ2VLHCKRB", "a genuine code is still the newer one")

    def test_s9_waiting_code_ends(self):
        registration = self._sent()
        self._deliver(ACTIVATION)
        with self._later(hours=24):
            self.assertFalse(registration.waiting_code)
            with self.assertRaises(UserError):
                registration.with_user(self.user).action_use_waiting_code()

    def test_k8_what_is_confirmed_already_needs_nobody(self):
        """Nothing verifies a sender by default, and VSS's own mails arrive after “I have confirmed” as well."""
        registration = self._sent()
        code = self._deliver(ACTIVATION)
        before = self._deliver(CONFIRMATION)
        self.assertEqual((code.state, before.state), ("waiting", "waiting"))
        with self._later(minutes=5):
            registration.action_confirmed_by_person()
            self.assertEqual((code.state, before.state), ("ignored", "done"))
            self.assertFalse((code | before).sudo().activity_ids)
            after = self._deliver(CONFIRMATION)
        self.assertEqual((after.state, after.registration_id), ("done", registration))
        self.assertFalse(after.sudo().activity_ids)
        self.assertEqual(registration.confirmation_evidence, "person")

    def test_k8_what_says_more_than_the_confirmation_stays(self):
        registration = self._sent()
        early = self._deliver(ACTIVATION)
        stop = self._deliver(f"Ngừng đăng ký giao dịch điện tử thành công.\n{PROOFS}")
        confirmed_at = fields.Datetime.now() + timedelta(minutes=5)
        with self._later(minutes=10):
            late = self._deliver(ACTIVATION.replace(CODE, "QQ2VLHCKRB"))
            registration._confirm(confirmed_at, evidence="person")
        self.assertEqual((early.state, stop.state, late.state), ("ignored", "waiting", "waiting"))
        self.assertEqual((stop.kind, stop.registration_id), ("confirmation", registration))
        with self._later(minutes=20):
            after = self._deliver(f"Ngừng đăng ký giao dịch điện tử thành công.\n{PROOFS}")
        self.assertEqual(after.state, "waiting", "somebody stopped it elsewhere: no repetition of what is known")

    def test_k8_a_person_vouches_for_a_mail_of_what_is_confirmed(self):
        registration = self._sent()
        registration._confirm(fields.Datetime.now(), evidence="mail")
        mail = self._deliver("Đăng ký giao dịch điện tử thành công.\n", to="khac@example.com")
        self.assertEqual((mail.kind, mail.state), ("confirmation", "waiting"))
        mail.sudo().registration_id = registration
        mail.with_user(self.user).action_apply()
        self.assertEqual((mail.state, registration.state), ("done", "confirmed"))
        self.assertEqual(registration.confirmation_evidence, "person")

    def test_s9_recipients_in_the_text_count_for_nothing(self):
        registration = self._sent()
        for line in ("To: ke.toan@example.com", "Gửi tới: ke.toan@example.com"):
            mail = self._deliver(f"{line}\nKính gửi: {NAME}\nMã kích hoạt: {CODE}\n", to="bhxh@example.com")
            self.assertFalse(mail.registration_id)
        self.assertFalse(registration.waiting_code)

    def test_s9_settings_without_domains_believe_nobody(self):
        self._verify_senders()
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_sender_domains", False)
        registration = self._sent()
        self._deliver(CONFIRMATION)
        self.assertEqual(registration.state, "sent")

    def test_s9_words_of_others_in_vss_mails_prove_nothing(self):
        """VSS's server bounces or answers what a stranger wrote to it in the victim's name."""
        self._verify_senders()
        registration = self._sent()
        quoted = "".join(f"> {line}\n" for line in CONFIRMATION.split("\n"))
        for body, headers in (
            (quoted, ""),
            (CONFIRMATION, "In-Reply-To: <1@evil.example>\n"),
            (CONFIRMATION, "Auto-Submitted: auto-replied\n"),
            (CONFIRMATION, "Return-Path: <>\n"),
        ):
            mail = self._deliver(body, headers=headers)
            self.assertEqual((mail.evidence, registration.state), ("unverified", "sent"), headers)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestWhoGetsTheCode(MailCase):
    """S5: nobody gets another company's code by typing its numbers."""

    def setUp(self):
        super().setUp()
        self._verify_senders()
        self.thief_company = self._company("Công ty B", "0312345678")
        self.thief = self._new_user("thief", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.thief_company)

    def _typed(self, company=None, **vals):
        """Return the registration of B's user, who typed A's number."""
        return self._waiting(
            company or self.thief_company,
            dossier_number=NUMBER,
            dossier_number_source="person",
            **{"email": "thief@b.example", **vals},
        )

    def test_s5_number_only(self):
        """While Odoo has no number for A yet."""
        self.gateway.number = None
        victim, thief = self._sent(), self._typed()
        mail = self._deliver(f"Mã kích hoạt: {CODE}\nSố hồ sơ: {NUMBER}\n{LINK}")
        self.assertFalse(thief.activation_code or mail.registration_id == thief)
        self.assertFalse(victim.activation_code)
        self.assertEqual(mail.state, "waiting")

    def test_s5_number_and_tax_code(self):
        self.gateway.number = None
        victim, thief = self._sent(), self._typed()
        self._deliver(ACTIVATION)
        self.assertEqual((victim.activation_code, thief.activation_code), (CODE, False))

    def test_s5_with_the_tax_code_of_the_other(self):
        """A second company with that tax code: a person of none of them decides."""
        self.gateway.number = None
        victim = self._sent()
        self.thief_company.partner_id.vat = "0100109106"
        thief = self._typed(email="ke.toan@example.com")
        for body in (ACTIVATION, f"Mã kích hoạt: {CODE}\nMã số thuế: 0100109106\n{LINK}"):
            mail = self._deliver(body)
            self.assertFalse(victim.activation_code or thief.activation_code or mail.registration_id)
            self.assertEqual(mail.activity_ids.user_id, self.env.ref("base.user_admin"))

    def test_s5_rival_without_a_registration_of_its_own_there(self):
        """A has no registration under way; B claims A's tax code and waits for A's mail."""
        self.thief_company.partner_id.vat = "0100109106"
        thief = self._typed()
        mail = self._deliver(ACTIVATION, to="thief@b.example")
        self.assertFalse(thief.activation_code or mail.registration_id)

    def test_s5_typed_unit_code(self):
        victim = self._sent()
        thief = self._waiting(self.thief_company, unit_code="TZH490L", email="ke.toan@example.com")
        self._deliver(self._real(unit="TZH490L"))
        self.assertEqual((victim.activation_code, thief.activation_code), (CODE, False))

    def test_s5_the_gateways_number_wins(self):
        victim, thief = self._sent(), self._typed()
        self._deliver(f"Mã kích hoạt: {CODE}\nSố hồ sơ: {NUMBER}\n{LINK}")
        self.assertEqual((victim.activation_code, thief.activation_code), (CODE, False))

    def test_s5_a_typed_number_counts_with_tax_code_and_recipient(self):
        own = self._waiting(self.company, dossier_number=NUMBER, dossier_number_source="person")
        self.assertFalse(self._deliver(ACTIVATION, to="khac@example.com").registration_id)
        self._deliver(f"Đăng ký giao dịch điện tử thành công.\nSố hồ sơ: {NUMBER}\nMã số thuế: 0100109106\n")
        self.assertEqual(own.state, "sent", "a number that a person typed confirms nothing")
        self._deliver(ACTIVATION)
        self.assertEqual(own.activation_code, CODE)
        self._deliver(CONFIRMATION)
        self.assertEqual(own.state, "confirmed", "unit code and tax code do")

    def test_s6_the_contact_may_change_after_sending(self):
        registration = self._sent()
        self.company.partner_id.write({"vat": "0399999999", "name": "Khác"})
        self._deliver(self._real())
        self.assertEqual(registration.activation_code, CODE)

    def test_s18_nobody_hangs_a_mail_onto_a_foreign_registration(self):
        victim, thief = self._sent(), self._waiting(self.thief_company)
        mail = self._deliver(ACTIVATION.replace("0100109106", "0312345678").replace(NUMBER, ""), verified=False)
        self.assertEqual(mail.registration_id, thief)
        with self.assertRaises(AccessError):
            mail.with_user(self.thief).write({"registration_id": victim.id})
        reader = self._new_user("reader", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.company + self.thief_company)
        mail.with_user(reader).write({"registration_id": victim.id})
        with self.assertRaisesRegex(UserError, "0312345678"):
            mail.with_user(reader).action_apply()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMailGateway(MailCase):
    """Doors of Odoo's mail gateway."""

    def setUp(self):
        super().setUp()
        self._verify_senders()
        self.plain = self._new_user("plain", "", self.company)
        self.alias = self.env["mail.alias"].create(
            {"alias_name": "info", "alias_model_id": self.env["ir.model"]._get_id("res.partner")}
        )

    def _to(self, *names):
        domain = self.env.company.alias_domain_id or self.env["mail.alias.domain"].create({"name": "example.com"})
        self.env["res.company"].search([]).alias_domain_id = domain
        self.env["mail.alias"].search([]).write({"alias_domain_id": domain.id, "alias_status": "valid"})
        return ", ".join(f"{name}@{domain.name}" for name in names)

    def test_s8_two_aliases(self):
        registration = self._sent()
        both = self._to("bhxh", "info")
        source = (
            f"{VERIFIED}From: VSS <no-reply@vss.gov.vn>\nTo: {both}\nSubject: {CODE}\nMessage-Id: <two@vss.gov.vn>\n"
            f"Date: {format_datetime(fields.Datetime.now())}\nContent-Type: text/plain; charset=utf-8\n\n{CONFIRMATION}"
        ).encode()
        before = self.env["l10n_vn_ibhxh.mail"].search([])
        self._process(source, user=self.plain, model=None)
        mail = self.env["l10n_vn_ibhxh.mail"].search([]) - before
        self.assertEqual((mail.handed_in_by_id, mail.evidence), (self.plain, "unverified"))
        self.assertEqual(registration.state, "sent")
        self._process(source.replace(b"<two@", b"<three@"), model=None)
        self.assertEqual(registration.state, "confirmed", "a genuine mail to two addresses counts")
        partner = self.env["res.partner"].search([], order="id desc", limit=1)
        self.assertIn("TZH490L", str(partner.message_ids.mapped("body")), "the other address gets its mail")

    def test_s8_a_manager_of_one_company_is_no_mail_server(self):
        registration = self._sent()
        manager = self._new_user("manager", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        mail = self._deliver(CONFIRMATION, process={"user": manager})
        self.assertEqual((mail.evidence, registration.state), ("unverified", "sent"))
        boss = self._new_user("boss", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.env["res.company"].search([]))
        self._deliver(CONFIRMATION, process={"user": boss})
        self.assertEqual(registration.state, "confirmed")

    def test_s8_the_delivery_cannot_be_given(self):
        registration = self._sent()
        forged = {"l10n_vn_ibhxh_delivery": {"source": "x", "user_id": None}}
        source = f"{VERIFIED}From: no-reply@vss.gov.vn\nTo: x\nMessage-Id: <x@vss>\n\n{CONFIRMATION}".encode()
        thread = self.env["mail.thread"].with_user(self.plain).with_context(**forged)
        thread.message_process("l10n_vn_ibhxh.mail", source, custom_values={"state": "done"})
        self.env.invalidate_all()
        self.assertEqual(registration.state, "sent")
        with self.assertRaises(AccessError):
            self.env["l10n_vn_ibhxh.mail"].with_user(self.plain).with_context(**forged).message_new({"body": "x"})

    def test_s17_no_registration_is_made_by_mail(self):
        registration = self._sent()
        values = {"state": "to_send", "company_id": self.company.id}
        source = b"From: a@example.com\nTo: x\nMessage-Id: <m@x>\n\nx"
        for user in (self.plain, self.user, self.env.ref("base.user_admin")):
            with self.subTest(user.login), self.assertRaises(AccessError):
                self._process(source, user=user, model="l10n_vn_ibhxh.registration", custom_values=values)
        self.assertEqual(self.env["l10n_vn_ibhxh.registration"].search([]), registration)

    def _answer(self, registration, body="Đã làm", **more):
        message = registration.sudo().message_post(body="Xin chào", message_type="comment")
        return (
            f"From: {self.user.email or 'ketoan@example.com'}\nTo: {self._to('catchall')}\n"
            f"Subject: Re: {more.get('subject', 'x')}\nMessage-Id: <{len(body)}-{id(body)}@x>\n"
            f"In-Reply-To: {message.message_id}\nContent-Type: text/plain; charset=utf-8\n\n{body}"
        ).encode()

    def test_s17_genuine_answers_reach_the_chatter(self):
        registration = self._sent()
        self._process(self._answer(registration), model=None)
        self.assertIn("Đã làm", str(registration.sudo().message_ids.mapped("body")))

    def test_s17_answers_leave_no_code_in_the_chatter(self):
        registration = self._sent()
        self._process(self._answer(registration, f"Mã kích hoạt: {CODE}\n{LINK}", subject=CODE), model=None)
        texts = str([(message.subject, message.body) for message in registration.sudo().message_ids])
        self.assertNotIn(CODE, texts)
        self.assertNotIn(HEX, texts)

    def test_s17_nobody_answers_where_they_may_not_read(self):
        registration = self._sent()
        other = self._company("Công ty B", "0312345678")
        stranger = self._new_user("stranger", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        source = b"From: a@example.com\nTo: x\nMessage-Id: <m2@x>\n\nplanted"
        for user in (stranger, self.plain):
            with self.assertRaises(AccessError):
                self._process(source, user=user, model="l10n_vn_ibhxh.registration", thread_id=registration.id)
        self.assertNotIn("planted", str(registration.sudo().message_ids.mapped("body")))

    def test_poison_is_stored_unread_in_the_end(self):
        """Whatever kills the process that reads it: the mail server hands it in again, and it blocks nobody."""
        registration = self._sent()
        source = f"{VERIFIED}From: no-reply@vss.gov.vn\nTo: x\nMessage-Id: <p@vss>\n\n{ACTIVATION}".encode()
        mails_ = self.env["l10n_vn_ibhxh.mail"]

        class Killed(BaseException):
            pass

        for _time in range(2):
            with patch.object(vss_mail, "read", side_effect=Killed), self.assertRaises(Killed):
                mails_._receive(source)
        with patch.object(vss_mail, "read", side_effect=Killed):
            mail = mails_._receive(source)
        self.assertEqual((mail.state, registration.state), ("waiting", "sent"))
        self.assertTrue(mail.source)
        self.assertTrue(mail.activity_ids)
        self.env["l10n_vn_ibhxh.mail.attempt"]._end(mail.source_sha256)
        self.assertEqual(mails_._receive(source).state, "done")

    def test_b14_sources_are_forgotten_in_time(self):
        registration = self._sent()
        settled, waiting = self._deliver(ACTIVATION), self._deliver("Xin chào")
        with self._later(days=181):
            self.env["l10n_vn_ibhxh.mail"]._gc_sources()
            self.assertFalse(settled.sudo().source)
            self.assertTrue(waiting.sudo().source)
            self.assertEqual((settled.registration_id, bool(settled.source_sha256)), (registration, True))
            self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_days", "0")
            waiting.sudo().state = "ignored"
            self.env["l10n_vn_ibhxh.mail"]._gc_sources()
            self.assertTrue(waiting.sudo().source)

    def test_proposed_mail_server(self):
        """Switching the check on is one click, once all mails of several senders name the same server."""
        self.env["ir.config_parameter"].sudo().set_param("l10n_vn_ibhxh.mail_authentication_server", False)
        inbox = self.env["l10n_vn_ibhxh.mail"]
        results = "Authentication-Results: mx.cong-ty.example; dmarc=pass header.from=vss.gov.vn\n"
        self.assertFalse(inbox._proposed_server())
        for sender in ("a@vss.gov.vn", "b@vss.gov.vn", "c@vss.gov.vn"):
            self._deliver("x", verified=False, sender=sender, headers=results)
        self.assertFalse(inbox._proposed_server(), "one domain could be one stranger")
        self._deliver("x", verified=False, sender="a@ivan.example", headers=results)
        self.assertEqual(inbox._proposed_server(), "mx.cong-ty.example")
        self._deliver(
            "x", verified=False, headers="Authentication-Results: mx.evil.example; none\n", process={"user": self.plain}
        )
        self.assertEqual(inbox._proposed_server(), "mx.cong-ty.example", "what users hand in does not count")
        settings = self.env["res.config.settings"].create({})
        self.assertEqual(settings.l10n_vn_ibhxh_mail_proposed_server, "mx.cong-ty.example")
        settings.action_l10n_vn_ibhxh_verify_senders()
        self.assertEqual(
            self.env["ir.config_parameter"].sudo().get_param("l10n_vn_ibhxh.mail_authentication_server"),
            "mx.cong-ty.example",
        )
        self._deliver("x", verified=False)
        self.assertFalse(inbox._proposed_server(), "a mail without such a header: the server writes none")


class _Lines(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.text = ""

    def emit(self, record):
        self.text += self.format(record)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSecretsInTheLog(MailCase):
    """S12: Odoo logs the values of statements that fail."""

    def setUp(self):
        super().setUp()
        self._verify_senders()
        self.lines = _Lines()
        logger = logging.getLogger("odoo")
        self.addCleanup(logger.setLevel, logger.level)
        self.addCleanup(logger.removeHandler, self.lines)
        logger.setLevel(logging.INFO)
        logger.addHandler(self.lines)

    def _late(self):
        """Return the expired registration whose code comes late, and the one that was started since."""
        registration = self._sent()
        with self._later(hours=24):
            registration._expire()
        return registration, self._register()

    def _assert_silent(self):
        self.assertNotIn(CODE, self.lines.text)
        self.assertNotIn(HEX, self.lines.text)
        self.assertNotIn("bad query", self.lines.text)

    def test_s12_late_code_with_an_open_draft(self):
        registration, draft = self._late()
        mail = self._deliver(ACTIVATION)
        self.assertEqual((mail.state, mail.registration_id), ("waiting", registration))
        self.assertIn(draft.name, mail.reason)
        with self.assertRaisesRegex(UserError, draft.name):
            mail.with_user(self.user).action_apply()
        paste = self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user)
        wizard = paste.create({"registration_id": registration.id, "text": ACTIVATION})
        with self.assertRaisesRegex(UserError, draft.name):
            wizard.action_apply()
        self._assert_silent()
        draft.action_cancel()
        wizard.action_apply()
        self.assertEqual(registration.activation_code, CODE)
        self.assertFalse(wizard.exists(), "the pasted code is not kept twice")
        self._assert_silent()

    def test_s12_secrets_have_a_statement_of_their_own(self):
        """A race can still violate the index of open registrations; the statement that fails then has no secret."""
        registration, _draft = self._late()
        none = self.env["l10n_vn_ibhxh.registration"]
        with patch.object(type(registration), "_other_open", lambda record: none):
            mail = self._deliver(ACTIVATION)
        self.assertEqual((mail.state, registration.state), ("waiting", "expired"))
        self.assertIn("bad query", self.lines.text, "what this test is about")
        self.assertNotIn(CODE, self.lines.text)
        self.assertNotIn(HEX, self.lines.text)

    def test_s12_paste_on_what_is_gone(self):
        self._sent()
        with self.assertRaises(UserError):
            self.env["l10n_vn_ibhxh.mail.paste"].with_user(self.user).create({"registration_id": 999_999, "text": CODE})
        self._assert_silent()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCorpusThroughTheModels(MailCase):
    def test_no_mail_of_the_corpus_but_code_and_confirmation_moves_anything(self):
        self._verify_senders()
        registration = self._sent()
        registration.sudo().dossier_number = "03706/2026/07906"
        for base in mails.BASES:
            if base.expected["does"] in ("informs", "") and not base.attachment:
                mail = self._deliver(base.text, subject="x")
                self.assertEqual(registration.state, "sent", base.name)
                self.assertNotEqual(mail.state, "done", base.name)
        self.assertEqual(fields.Datetime.to_datetime(NOW), datetime(2026, 3, 2, 3, 4, 5))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMailsBeforeThePersonsWord(MailCase):
    """VSS mails within seconds; that the dossier was submitted elsewhere, or lodged as a file, Odoo learns later."""

    def setUp(self):
        super().setUp()
        self._verify_senders()
        self.provider.gateway = "manual"

    def _lodge(self, registration):
        action = registration.action_lodge()
        lodging = self.env[action["res_model"]].with_user(self.user).with_context(**action["context"]).create({})
        lodging.action_lodge()
        self._follow()

    def test_a_code_before_the_word_that_it_was_submitted_elsewhere(self):
        wizard = self._wizard(lodging="elsewhere")
        registration = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_save_draft()["res_id"])
        mail = self._deliver(self._real(name=self.company.name))
        self.assertEqual((mail.state, mail.registration_id.id), ("waiting", False))
        with self._later(minutes=10):
            self._lodge(registration.with_user(self.user))
        self.assertEqual((registration.state, registration.sudo().activation_code), ("to_activate", CODE))
        self.assertEqual((mail.state, mail.registration_id), ("done", registration))
        self.assertFalse(mail.activity_ids)

    def test_a_code_before_the_word_that_the_file_was_lodged(self):
        registration = self._register(lodging="file")
        self._sign(registration)
        self._deliver(self._real(name=self.company.name))
        with self._later(minutes=10):
            self._lodge(registration)
        self.assertEqual((registration.state, registration.sudo().activation_code), ("to_activate", CODE))

    def test_one_of_nobody_stays_unverified_and_one_of_another_company_stays_away(self):
        wizard = self._wizard(lodging="elsewhere")
        registration = self.env["l10n_vn_ibhxh.registration"].browse(wizard.action_save_draft()["res_id"])
        forged = self._deliver(self._real(name=self.company.name, code="GIAMAO1234"), verified=False)
        foreign = self._deliver(self._real(name="CÔNG TY TNHH NGƯỜI KHÁC"))
        old = self._deliver(
            self._real(name=self.company.name, code="CUACAITRUO"), at=fields.Datetime.now() - timedelta(days=2)
        )
        with self._later(minutes=10):
            self._lodge(registration.with_user(self.user))
            self.assertEqual((registration.state, registration.sudo().activation_code), ("sent", False))
            self.assertEqual(registration.waiting_code, "GIAMAO1234")
        self.assertEqual(forged.registration_id, registration)
        self.assertEqual(("waiting", False), (foreign.state, foreign.registration_id.id))
        self.assertEqual(("waiting", False), (old.state, old.registration_id.id))
