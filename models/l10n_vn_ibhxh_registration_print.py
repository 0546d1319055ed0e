import base64
import hashlib
import logging
from datetime import timedelta

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain

from ..tools import dossier
from .vietnam_time import date_in_vietnam, in_vietnam

_logger = logging.getLogger(__name__)

REPORT = "l10n_vn_ibhxh.action_report_registration_form"
MAX_ATTEMPTS = 5
GIVE_WAY_MINUTES = 1


def vietnamese_date(day):
    """Return a date as people write it in Vietnam, or an empty text."""
    return day.strftime("%d/%m/%Y") if day else ""


class L10n_Vn_IbhxhRegistrationPrint(models.AbstractModel):
    """The printed form 04, 05 or 06, and the copy of it that is kept once the dossier is sent.

    The copy is made by a scheduled action of its own: neither a missing wkhtmltopdf nor a slow one may disturb sending
    or following.
    """

    _name = "l10n_vn_ibhxh.registration.print"
    _description = "Printed form of BHXH registrations"

    # -- what the form says --------------------------------------------------------------------------------------------

    def _print_data(self):
        """Return the content to print (`tools.dossier.DossierData`): the dossier's own once there is one to sign.

        Raises `UserError` when a draft is not complete.
        """
        self.ensure_one()
        document = self.with_context(bin_size=False).document
        if document and self.state != "draft":
            return dossier.read(base64.b64decode(document))[1]
        self._check_complete()
        return self._prepare_dossier_data()

    def _prepare_print_values(self):
        """Return what the QWeb template shows, all of it Vietnamese text ready to print."""
        self.ensure_one()
        registration = self.with_context(lang="vi_VN")
        data = registration._print_data()
        official = self.env["l10n_vn_ibhxh.form"].sudo()._get(self.form, data.registered_on)
        day = data.registered_on
        partner = self.company_id.partner_id
        return {
            "number": official.number or self.form,
            "title": official.title or self.form,
            "legal_basis": official.legal_basis,
            "is_draft": self.state == "draft",
            "dossier_number": self.dossier_number,
            "unit_name": data.subject_name,
            "tax_code": data.tax_code,
            "agency_name": f"{data.agency_name} ({data.agency_code})",
            "provider_name": data.provider_name,
            "place_and_date": "{}, ngày {:02d} tháng {:02d} năm {}".format(
                partner.state_id.name or partner.city or "………………", day.day, day.month, day.year
            ),
            "sections": registration._print_sections(data, official),
            "signature": registration._print_signature(),
        }

    def _print_sections(self, data, official):
        """Return the numbered parts of the form, each with `title` and `rows` of label and text."""
        unit = {
            "title": "Thông tin đơn vị",
            "rows": [
                ("Tên đơn vị", data.subject_name),
                ("Mã số thuế", data.tax_code),
                *([("Mã đơn vị", self.unit_code)] if self.unit_code else []),
                ("Địa chỉ", data.address),
                ("Người liên hệ", data.contact_name),
                ("Điện thoại", data.phone),
                ("Thư điện tử (Email)", data.email),
            ],
        }
        provider = ("Tên đầy đủ của tổ chức I-VAN", f"{data.provider_name} (mã {data.provider_code})")
        if self.form == "05":
            return [unit, *self._print_change(data, provider)]
        if self.form == "06":
            stop = [provider, ("Ngày ngừng sử dụng", vietnamese_date(data.stop_date)), ("Lý do", data.stop_reason)]
            return [unit, {"title": "Đăng ký ngừng sử dụng dịch vụ I-VAN", "rows": stop}]
        service = [provider, ("Các thủ tục sử dụng dịch vụ I-VAN", official.procedures)]
        return [
            unit,
            {"title": "Chứng thư số", "rows": self._print_certificate(self.certificate_id)},
            {"title": "Đăng ký sử dụng dịch vụ I-VAN", "rows": service},
        ]

    def _print_change(self, data, provider):
        old = self._print_certificate(self.old_certificate_id) if self.old_certificate_id else []
        new = [
            ("Số chứng thư", data.new_certificate_serial),
            ("Tổ chức cung cấp chứng thư", data.new_certificate_issuer),
            ("Hiệu lực", self._print_period(data.new_certificate_from, data.new_certificate_to)),
        ]
        return [
            {"title": "Chứng thư số cũ", "rows": old or [("Số chứng thư", data.old_certificate_serial)]},
            {"title": "Chứng thư số mới", "rows": new},
            {"title": "Thay đổi, bổ sung", "rows": [provider, ("Nội dung thay đổi", data.change_text)]},
        ]

    def _print_certificate(self, certificate):
        certificate = certificate.sudo()
        return [
            ("Số chứng thư", certificate.serial),
            ("Tổ chức cung cấp chứng thư", certificate.issuer_name),
            (
                "Hiệu lực",
                self._print_period(date_in_vietnam(certificate.not_before), date_in_vietnam(certificate.not_after)),
            ),
        ]

    def _print_period(self, start, end):
        return f"Từ {vietnamese_date(start)} đến {vietnamese_date(end)}" if start and end else ""

    def _print_signature(self):
        """Return label and text of each line in the employer's box, or nothing while the dossier is not signed."""
        if not self.signed_document or not self.signed_at:
            return []
        certificate = self.certificate_id.sudo()
        signed_at = in_vietnam(self.signed_at)
        return [
            ("Người ký", certificate.name),
            ("Số chứng thư", certificate.serial),
            ("Tổ chức chứng thực", certificate.issuer_name),
            ("Thời gian ký", signed_at.strftime("%d/%m/%Y %H:%M:%S (giờ Việt Nam)")),
        ]

    # -- the PDF -------------------------------------------------------------------------------------------------------

    def _printed_form(self):
        """Return the PDF (bytes): the kept copy, or one made now. Raises `UserError` when it cannot be made."""
        self.ensure_one()
        kept = self.with_context(bin_size=False).printed_form
        return base64.b64decode(kept) if kept else self._render_form()

    def _render_form(self):
        """Return a freshly rendered PDF (bytes)."""
        report = self.env.ref(REPORT).sudo()
        if report.get_wkhtmltopdf_state() == "install":
            raise UserError(
                self.env._("The form cannot be printed: ask the administrator to install wkhtmltopdf, then try again.")
            )
        html = self.env["ir.qweb"]._render(
            "l10n_vn_ibhxh.report_registration_form_page", {"form": self._prepare_print_values()}
        )
        pdf = report._run_wkhtmltopdf([str(html)], report_ref=REPORT)
        if not pdf.startswith(b"%PDF"):
            raise UserError(self.env._("wkhtmltopdf did not create a PDF. Ask the administrator to check Odoo's log."))
        return pdf

    def _cron_print(self):
        """Print and keep what was sent. One that fails never stops the others and is tried again at the next turns."""
        commit = self.env["ir.cron"]._commit_progress
        domain = (
            Domain("printed_form_sha256", "=", False)
            & Domain("submitted_at", "!=", False)
            & Domain("state", "!=", "to_send")
            & Domain("lodging", "!=", "elsewhere")
            & Domain("print_attempts", "<", MAX_ATTEMPTS)
        )
        todo = self.search(domain, order="id")
        commit(remaining=len(todo))
        for registration in todo:
            if self.search_count(self._to_send_domain(), limit=1):
                # What has to leave comes first: there are two threads for all scheduled actions of a server.
                later = fields.Datetime.now() + timedelta(minutes=GIVE_WAY_MINUTES)
                self.env.ref("l10n_vn_ibhxh.ir_cron_l10n_vn_ibhxh_print")._trigger(at=later)
                commit(remaining=0)
                break
            registration = registration.try_lock_for_update().filtered_domain(domain)
            if registration:
                registration._print_safely()
            if not commit(1):
                break

    def _print_safely(self):
        self.print_attempts += 1
        try:
            with self.env.cr.savepoint():
                self._keep_printed_form(self._render_form())
        except Exception:
            # Whatever is wrong with the printing, the registration goes on; a person hears of it once.
            _logger.exception("Printing BHXH registration %s failed", self.id)
            if self.print_attempts >= MAX_ATTEMPTS:
                registration = self._for_reader()
                registration._schedule_todo(
                    registration.env._("The form could not be printed"),
                    registration.env._(
                        "Ask the administrator to check wkhtmltopdf, then choose “Print”. Nothing else depends on it."
                    ),
                )

    def _keep_printed_form(self, pdf):
        """Keep `pdf` (bytes) as proof, where nobody changes it; among the attachments people see a link to it."""
        self.write({"printed_form": base64.b64encode(pdf), "printed_form_sha256": hashlib.sha256(pdf).hexdigest()})
        self.env["ir.attachment"].create(
            {
                "name": self.printed_form_name,
                "type": "url",
                "url": f"/web/content/{self._name}/{self.id}/printed_form/{self.printed_form_name}",
                "mimetype": "application/pdf",
                "res_model": self._name,
                "res_id": self.id,
            }
        )

    def action_print(self):
        """Print the form."""
        self.check_access("read")
        if any(registration.lodging == "elsewhere" for registration in self):
            raise UserError(self.env._("This was submitted elsewhere: the form is printed there."))
        return self.env.ref(REPORT).report_action(self)
