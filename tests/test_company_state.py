from odoo import fields
from odoo.exceptions import ValidationError
from odoo.tests import tagged

from ..tools import gateways
from .common import IbhxhCommon


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCompanyState(IbhxhCommon):
    def test_confirmation_is_copied_to_the_company(self):
        self._confirmed()
        self.assertRecordValues(
            self.company,
            [
                {
                    "l10n_vn_ibhxh_state": "confirmed",
                    "l10n_vn_ibhxh_unit_code": "TZH490L",
                    "l10n_vn_ibhxh_email": "ke.toan@example.com",
                    "l10n_vn_ibhxh_phone": "+84912345678",
                    "l10n_vn_ibhxh_certificate_id": self.certificate.id,
                }
            ],
        )

    def test_failed_renewal_never_downgrades(self):
        self._confirmed()
        for failure in ("rejected", "expired", "cancelled"):
            with self.subTest(failure), self._later(days=1):
                registration = self._register(form="05", phone="0987 654 321")
                self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
                if failure == "cancelled":
                    registration.action_cancel()
                else:
                    self._sign(registration)
                    self.gateway.fail_before = gateways.Refused("CE006", "…") if failure == "rejected" else None
                    self._send()
                    if failure == "expired":
                        registration._expire()
                self.assertEqual(registration.state, failure)
                self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")

    def test_confirmed_stop_stops(self):
        self._confirmed()
        with self._later(days=30):
            registration = self._sent(form="06", stop_reason_code="7")
            self.assertEqual(self.company.l10n_vn_ibhxh_state, "confirmed")
            registration._confirm(fields.Datetime.now())
            self.assertEqual(self.company.l10n_vn_ibhxh_state, "stopped")
            again = self._register()
            self.assertEqual(again.form, "04")
            self.assertEqual(self.company.l10n_vn_ibhxh_state, "in_progress")

    def test_unit_code_of_the_company(self):
        self.company.l10n_vn_ibhxh_unit_code = "tzh490l"
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH490L")
        with self.assertRaises(ValidationError):
            self.company.l10n_vn_ibhxh_unit_code = "T/1"

    def test_tax_code_change_reassigns_certificates(self):
        self.assertEqual(self.certificate.company_ids, self.company)
        self.company.vat = "0312345678"
        self.assertFalse(self.certificate.company_ids)
        self.company.vat = "0100109106"
        self.assertEqual(self.certificate.company_ids, self.company)
