import base64

from lxml import etree
from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged
from odoo.tools.safe_eval import safe_eval

from ..models.const import STATES, TRANSITIONS
from ..tools import dossier
from .common import EMAIL, TAX_CODE, IbhxhCommon


@tagged("post_install_l10n", "post_install", "-at_install")
class TestRegistration(IbhxhCommon):
    def test_dossier_holds_what_was_entered(self):
        registration = self._register(phone="0912345678", contact_name="Nguyễn Thị Ánh")
        xml = base64.b64decode(registration.document)
        self.assertEqual(dossier.validate("04", xml), [])
        form, data = dossier.read(xml)
        self.assertEqual(form, "04")
        self.assertEqual(data.tax_code, TAX_CODE)
        self.assertEqual(data.email, EMAIL)
        self.assertEqual(data.phone, "0912345678")
        self.assertEqual(data.agency_code, "001")
        self.assertEqual(data.contact_name, "Nguyễn Thị Ánh")
        self.assertEqual(registration.document_name, "04_DK-IVAN.xml")

    def test_every_move_outside_the_table_is_refused(self):
        registration = self._register()
        for current, allowed in TRANSITIONS.items():
            for wanted, _label in STATES:
                if wanted in allowed:
                    continue
                registration.sudo().state = current
                with self.assertRaises(UserError, msg=f"{current} -> {wanted}"):
                    registration._move(wanted)
                self.assertEqual(registration.state, current)

    def test_state_cannot_be_written_by_rpc(self):
        registration = self._register()
        for vals in (
            {"state": "confirmed"},
            {"signed_document": b"eA=="},
            {"client_reference": "x"},
            {"dossier_number": "1"},
        ):
            with self.assertRaises(AccessError):
                registration.write(vals)

    def test_fields_of_the_form_are_fixed_after_the_draft(self):
        registration = self._register()
        with self.assertRaises(UserError):
            registration.email = "other@example.com"
        registration.action_withdraw()
        registration.email = "Other@EXAMPLE.com"
        self.assertEqual(registration.email, "Other@example.com")

    def test_withdraw_cancels_the_signing_request(self):
        registration = self._register()
        request = registration.sudo().signing_request_id
        registration.action_withdraw()
        self.assertEqual(registration.state, "draft")
        self.assertEqual(request.state, "cancelled")
        self.assertFalse(self._claim())

    def test_cancel_frees_the_company(self):
        registration = self._register()
        registration.action_cancel()
        self.assertEqual(registration.state, "cancelled")
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "none")
        self.assertEqual(self._register().state, "to_sign")

    def test_what_may_have_been_sent_cannot_be_cancelled(self):
        registration = self._register()
        self._sign(registration)
        registration.sudo().attempted_at = "2026-03-02 03:00:00"
        with self.assertRaises(UserError):
            registration.action_cancel()
        self.assertEqual(registration.state, "to_send")

    def test_signed_registration_cannot_be_deleted(self):
        registration = self._register()
        self._sign(registration)
        with self.assertRaises(UserError):
            registration.unlink()

    def test_the_list_of_activities_opens_what_it_counted(self):
        """The systray opens a model with search filters that have to have these names, or it shows everything."""
        late, future, _none = (self._new_registration(days) for days in (-1, 1, None))
        for model in ("l10n_vn_ibhxh.registration", "l10n_vn_ibhxh.mail"):
            arch = etree.fromstring(self.env[model].get_view(view_type="search")["arch"])
            names = ("filter_activities_my", "activities_overdue", "activities_today", "activities_upcoming_all")
            domains = {name: arch.find(f".//filter[@name='{name}']").get("domain") for name in names}
            for name, domain in domains.items():
                found = self.env[model].with_user(self.user).search(safe_eval(domain, {"uid": self.user.id}))
                if model == late._name:
                    expected = {names[0]: late | future, names[1]: late, names[3]: future}.get(name, late.browse())
                    self.assertEqual(found, expected, name)

    def _new_registration(self, days):
        """A registration with an activity of the user due in so many days; with None without one."""
        registration = self.env["l10n_vn_ibhxh.registration"].create(
            {
                "company_id": self.company.id,
                "user_id": self.user.id,
                "provider_id": self.provider.id,
                "agency_id": self.agency.id,
                "state": "cancelled",
            }
        )
        if days is not None:
            deadline = fields.Date.add(fields.Date.today(), days=days)
            registration.activity_schedule("mail.mail_activity_data_todo", deadline, user_id=self.user.id)
        return registration

    def test_form_06_names_date_and_reason(self):
        self._confirmed()
        registration = self._register(form="06", stop_date="2026-04-01", stop_reason_code="7")
        form, data = dossier.read(base64.b64decode(registration.document))
        self.assertEqual(form, "06")
        self.assertEqual(str(data.stop_date), "2026-04-01")
        self.assertEqual(data.stop_reason_code, "7")
        self.assertTrue(data.stop_reason)

    def test_form_05_names_both_certificates(self):
        self._confirmed()
        registration = self._register(form="05", change_text="Gia hạn chứng thư số")
        form, data = dossier.read(base64.b64decode(registration.document))
        self.assertEqual(form, "05")
        self.assertEqual(data.new_certificate_serial, self.certificate.serial)
        self.assertEqual(data.old_certificate_serial, self.certificate.serial)
        self.assertEqual(data.change_text, "Gia hạn chứng thư số")
