import base64
import hashlib
import subprocess
import unicodedata
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import EMAIL, TAX_CODE, IbhxhCommon

REPORT = "l10n_vn_ibhxh.action_report_registration_form"
PRINT_LOGGER = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_registration_print"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestReport(IbhxhCommon):
    def _pdf(self, registration):
        """Print as the button does and return the PDF's bytes."""
        reports = self.env["ir.actions.report"].with_user(self.user).with_context(force_report_rendering=True)
        content, kind = reports._render_qweb_pdf(REPORT, registration.ids)
        self.assertEqual(kind, "pdf")
        return content

    def _text(self, pdf):
        """Return the words of a PDF in reading order, as pdftotext finds them."""
        done = subprocess.run(["pdftotext", "-layout", "-", "-"], input=pdf, capture_output=True, check=True)
        return " ".join(unicodedata.normalize("NFC", done.stdout.decode()).split())

    def _assert_says(self, pdf, *texts):
        found = self._text(pdf)
        for text in texts:
            self.assertIn(text, found)

    def test_form_04(self):
        registration = self._sent(contact_name="Nguyễn Thị Ánh Tuyết")
        pdf = self._pdf(registration)
        self._assert_says(
            pdf,
            "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM",
            "Mẫu số: 04/ĐK-IVAN",
            "TỜ KHAI ĐĂNG KÝ SỬ DỤNG DỊCH VỤ I-VAN",
            "Công ty TNHH An Phát",
            TAX_CODE,
            "1 Tràng Thi, Hà Nội",
            "Nguyễn Thị Ánh Tuyết",
            EMAIL,
            "0912345678",
            self.certificate.serial,
            "Test CA",
            "Từ 22/11/2025 đến 22/11/2026",
            "I-VAN thử (mã 99999)",
            "bảo hiểm thất nghiệp",
            "Hà Nội, ngày 02 tháng 03 năm 2026",
            "TỔ CHỨC I-VAN",
            "ĐƠN VỊ SỬ DỤNG LAO ĐỘNG",
            "Đã ký số",
            "02/03/2026 10:04:05",
        )
        self.assertEqual(self._pages(pdf), 1)

    def _confirmed(self):
        """Let VSS confirm the company, so that there is something to change or to stop."""
        self._sent().sudo()._confirm("2026-03-02 03:30:00")

    def _pages(self, pdf):
        done = subprocess.run(["pdfinfo", "-"], input=pdf, capture_output=True, check=True)
        facts = dict(line.split(":", 1) for line in done.stdout.decode().splitlines())
        self.assertIn("A4", facts["Page size"])
        return int(facts["Pages"])

    def test_form_05_shows_both_certificates_and_the_change(self):
        self._confirmed()
        renewed = self._plug_in(self.agent, self._new_certificate(serial=0xABCDEF0123456789)) - self.certificate
        registration = self._register(
            form="05", certificate_id=renewed.id, change_text="Gia hạn chứng thư số\nđổi e-mail"
        )
        self._assert_says(
            self._pdf(registration),
            "Mẫu số: 05/SĐ-IVAN",
            "Chứng thư số cũ",
            self.certificate.serial,
            "Chứng thư số mới",
            "ABCDEF0123456789",
            "Gia hạn chứng thư số",
            "đổi e-mail",
        )

    def test_form_06_shows_date_and_reason(self):
        self._confirmed()
        registration = self._register(form="06", stop_date="2026-04-01", stop_reason_code="7")
        self._assert_says(
            self._pdf(registration),
            "Mẫu số: 06/NG-IVAN",
            "TỜ KHAI ĐĂNG KÝ NGỪNG SỬ DỤNG DỊCH VỤ I-VAN",
            "01/04/2026",
            "Chuyển sang tổ chức I-VAN khác",
            "I-VAN thử",
        )

    def test_number_title_and_law_are_data(self):
        self.env.ref("l10n_vn_ibhxh.form_04").write(
            {
                "number": "99/QQ",
                "title": "Tờ khai thử",
                "legal_basis": "Căn cứ văn bản thử",
                "procedures": "Chỉ thủ tục ấy",
            }
        )
        pdf = self._pdf(self._register())
        self._assert_says(pdf, "Mẫu số: 99/QQ", "TỜ KHAI THỬ", "Căn cứ văn bản thử", "Chỉ thủ tục ấy")
        self.assertNotIn("04/ĐK-IVAN", self._text(pdf))

    def test_unsigned_form_names_no_signer(self):
        text = self._text(self._pdf(self._register()))
        self.assertNotIn("Đã ký số", text)
        self.assertNotIn("BẢN NHÁP", text)

    def test_draft_shows_what_is_entered_now(self):
        registration = self._register()
        registration.action_withdraw()
        registration.email = "moi@example.com"
        self._assert_says(self._pdf(registration), "BẢN NHÁP", "moi@example.com")

    def test_print_follows_the_signed_dossier_not_the_company(self):
        registration = self._register()
        self.company.name = "Tên mới hoàn toàn"
        self._assert_says(self._pdf(registration), "Công ty TNHH An Phát")

    def test_names_cannot_bend_the_page(self):
        self.company.name = "<script>document.write('X')</script><iframe src='http://127.0.0.1:9/'>&"
        self._assert_says(self._pdf(self._register()), "<script>document.write('X')</script>", "<iframe")

    def test_long_texts_are_not_cut(self):
        self.company.street = "Lô " + "A" * 90 + " khu công nghiệp Thăng Long cuối đường"
        self._assert_says(self._pdf(self._register()), "cuối đường")

    def test_vietnamese_whatever_the_users_language(self):
        self.user.lang = "en_US"
        self._assert_says(self._pdf(self._register()), "Tổ chức cung cấp chứng thư")

    def test_several_at_once(self):
        first = self._sent()
        first.sudo()._confirm("2026-03-02 04:00:00")
        second = self._register(form="06", stop_date="2026-04-01", stop_reason_code="7")
        pdf = self._pdf(first | second)
        self._assert_says(pdf, "04/ĐK-IVAN", "06/NG-IVAN")
        self.assertEqual(self._pages(pdf), 2)

    def test_other_companies_print_nothing(self):
        registration = self._register()
        other = self.env["res.company"].create({"name": "Khác"})
        stranger = self._new_user("nguoila", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        reports = self.env["ir.actions.report"].with_user(stranger).with_context(force_report_rendering=True)
        with self.assertRaises(AccessError):
            reports._render_qweb_pdf(REPORT, registration.ids)

    def test_sent_form_is_kept_and_attached(self):
        registration = self._sent()
        self.assertFalse(registration.printed_form)
        self._run("print")
        domain = [("res_model", "=", registration._name), ("res_id", "=", registration.id)]
        attachment = self.env["ir.attachment"].search(domain)
        self.assertEqual(attachment.mapped("name"), ["04_DK-IVAN.pdf"])
        kept = base64.b64decode(registration.printed_form)
        url = f"/web/content/{registration._name}/{registration.id}/printed_form/04_DK-IVAN.pdf"
        self.assertEqual((attachment.type, attachment.url, attachment.mimetype), ("url", url, "application/pdf"))
        self.assertEqual(hashlib.sha256(kept).hexdigest(), registration.printed_form_sha256)
        self.assertEqual(self._pdf(registration), kept)
        self._run("print")
        self.assertEqual(self.env["ir.attachment"].search(domain), attachment)

    def test_printing_gives_way_to_what_has_to_leave(self):
        registration = self._sent()
        waiting = self._signed_second()
        triggers = self.env["ir.cron.trigger"].sudo()
        cron = self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_print")
        self._run("print")
        self.assertFalse(registration.printed_form)
        soon = fields.Datetime.now() + timedelta(minutes=1)
        self.assertTrue(triggers.search([("cron_id", "=", cron.id), ("call_at", "=", soon)]))
        self._send()
        self._run("print")
        self.assertTrue(registration.printed_form and waiting.sudo().printed_form)

    @mute_logger(PRINT_LOGGER)
    def test_failing_printer_disturbs_nobody_and_is_tried_again(self):
        broken = patch.object(
            type(self.env["ir.actions.report"]), "_run_wkhtmltopdf", side_effect=UserError("wkhtmltopdf is broken")
        )
        with broken:
            registration = self._sent()
            self._run("print")
            self.assertEqual((registration.state, registration.print_attempts), ("sent", 1))
            self.assertFalse(registration.printed_form)
        self._run("print")
        self.assertTrue(registration.printed_form)
        self.assertFalse(registration.activity_ids)

    @mute_logger(PRINT_LOGGER)
    def test_printer_that_stays_broken_is_told_once(self):
        with patch.object(type(self.env["ir.actions.report"]), "_run_wkhtmltopdf", return_value=b""):
            registration = self._sent()
            for _turn in range(7):
                self._run("print")
        self.assertEqual(registration.print_attempts, 5)
        self.assertEqual(len(registration.activity_ids), 1)
