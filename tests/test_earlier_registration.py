from datetime import date, datetime, timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import Form, tagged

from ..models.const import TODO
from .common import EMAIL
from .companies import ManyCompanies
from .samples import signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestEarlierRegistration(ManyCompanies):
    """Companies that registered with another program before Odoo was there."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.manager = cls._new_user("manager", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", cls.company)

    def _note(self, companies=None, user=None, **vals):
        companies = companies or self.company
        env = self.env(user=user or self.manager, context={"allowed_company_ids": companies.ids})
        wizard = env["l10n_vn_ibhxh.earlier.registration"].create(
            {"company_ids": companies.ids, "provider_id": self.provider.id, "confirmed_on": date(2025, 6, 1), **vals}
        )
        wizard.action_note()
        self.env.invalidate_all()

    def test_a_noted_company_is_offered_to_amend_and_to_stop_and_is_reminded(self):
        self._note(unit_code="tzh490l", email=EMAIL, phone="0912 345 678")
        company = self.company
        self.assertEqual((company.l10n_vn_ibhxh_state, company.l10n_vn_ibhxh_unit_code), ("confirmed", "TZH490L"))
        self.assertEqual(company.l10n_vn_ibhxh_confirmed_at, datetime(2025, 6, 1))
        self.assertEqual(company.l10n_vn_ibhxh_certificate_id, self.certificate, "the only one that is known")
        self.assertEqual(self._wizard().offered_forms, ["05", "06"])
        self.assertFalse(self._wizard().change_text, "what the company has now is what VSS has")
        self.assertEqual(company.with_user(self.user).l10n_vn_ibhxh_next_action, "none")
        with self._later(days=240):
            self._follow()
            self.assertTrue(company.partner_id.activity_ids.filtered(lambda a: "certificate" in a.summary))

    def test_k12_email_and_phone_at_vss_are_unknown_unless_typed(self):
        """What the company has in Odoo need not be what the other program told VSS years ago."""
        company = self.company
        self._note()
        self.assertFalse(company.l10n_vn_ibhxh_email or company.l10n_vn_ibhxh_phone)
        wizard = self._wizard()
        self.assertEqual((wizard.email, wizard.phone), (company.email, company.phone), "proposed all the same")
        self.assertIn(f"Thay đổi thư điện tử: {EMAIL}.", wizard.change_text)
        self.assertIn("Thay đổi điện thoại: +84912345678.", wizard.change_text)
        company.with_user(self.manager).action_l10n_vn_ibhxh_forget_earlier()
        for vals in ({"email": "ketoán@example.com"}, {"phone": "12"}):
            with self.assertRaises(ValidationError):
                self._note(**vals)
        self.assertEqual(company.l10n_vn_ibhxh_state, "none")
        self._note(email=" Ke.Toan@EXAMPLE.com", phone="0912 345 678")
        self.assertEqual(company.l10n_vn_ibhxh_email, "Ke.Toan@example.com")
        self.assertEqual(company.l10n_vn_ibhxh_phone, "+84912345678")
        company.with_user(self.manager).action_l10n_vn_ibhxh_forget_earlier()
        self.assertFalse(company.l10n_vn_ibhxh_email or company.l10n_vn_ibhxh_phone, "taken back like the rest")
        companies = self._new_companies(2)
        self.manager.company_ids |= companies
        self._note(companies, email=EMAIL, phone="0912 345 678")
        self.assertFalse(any(companies.mapped("l10n_vn_ibhxh_email")), "one address is not several companies'")

    def _own_reminders(self, record):
        """Return the reminders on `record`, without what people and other programs left there."""
        return record.sudo().activity_ids.filtered(lambda activity: "Gọi" not in activity.summary)

    def test_k12_reminders_on_the_contact_are_replaced_and_settled(self):
        contact = self.company.partner_id
        contact.activity_schedule(TODO, summary="Gọi khách (chương trình khác)", user_id=self.user.id)
        contact.activity_schedule(TODO, summary="Gọi khách", user_id=self.user.id, automated=False)
        renewed = self._new_certificate(
            serial=99, not_before=signing.NOW + timedelta(days=259), not_after=signing.NOW + timedelta(days=900)
        )
        self._note()
        for days in (210, 240, 259):
            with self._later(days=days):
                self._follow()
                self.assertEqual(len(self._own_reminders(contact)), 1, days)
        with self._later(days=260):
            self._plug_in(self.agent, self.der, renewed)
            self._follow()
            self.assertIn("newer certificate", self._own_reminders(contact).summary)
            amendment = self._sent(form="05", certificate_id=self.certificate.id, change_text="Thay đổi điện thoại.")
            amendment.sudo()._confirm(fields.Datetime.now())
        self.assertFalse(self._own_reminders(contact))
        self.assertEqual(len(contact.sudo().activity_ids), 2)

    def test_who_vouched_for_it_stands_in_the_history(self):
        self._note()
        message = self.company.partner_id.message_ids[:1]
        self.assertIn("before Odoo", message.body)
        self.assertEqual(message.author_id, self.manager.partner_id)

    def test_what_vss_confirms_later_replaces_it(self):
        self._note()
        amendment = self._register(form="05", change_text="Thay đổi điện thoại.")
        self._sign(amendment)
        self._send()
        amendment.sudo()._confirm(fields.Datetime.now())
        self.assertFalse(self.company.l10n_vn_ibhxh_is_earlier)
        with self.assertRaises(UserError):
            self.company.with_user(self.manager).action_l10n_vn_ibhxh_forget_earlier()

    def test_it_can_be_taken_back(self):
        self._note()
        self.company.with_user(self.manager).action_l10n_vn_ibhxh_forget_earlier()
        self.assertEqual(self.company.l10n_vn_ibhxh_state, "none")
        self.assertFalse(self.company.l10n_vn_ibhxh_certificate_id)
        self.assertEqual(self._wizard().offered_forms, ["04"])

    def test_not_taken_back_while_something_is_under_way(self):
        self._note()
        self._register(form="05", change_text="Thay đổi điện thoại.")
        with self.assertRaises(UserError):
            self.company.with_user(self.manager).action_l10n_vn_ibhxh_forget_earlier()

    def test_many_at_once_each_with_its_only_certificate(self):
        companies = self._new_companies(3)
        self._plug_in_tokens(companies[:2])
        self.manager.company_ids |= companies
        self._note(companies)
        self.assertEqual(set(companies.mapped("l10n_vn_ibhxh_state")), {"confirmed"})
        self.assertEqual(
            [company.l10n_vn_ibhxh_certificate_id.tax_code for company in companies],
            [companies[0].vat, companies[1].vat, False],
        )

    def test_companies_under_way_or_foreign_or_of_tomorrow_are_refused(self):
        registration = self._register()
        with self.assertRaisesRegex(UserError, self.company.name):
            self._note()
        registration.action_withdraw()
        registration.action_cancel()
        with self.assertRaises(UserError):
            self._note(confirmed_on=date(2030, 1, 1))
        with self.assertRaises(AccessError):
            self._note(self._new_companies(1))

    def test_only_managers(self):
        with self.assertRaises(AccessError):
            self._note(user=self.user)
        self._note()
        with self.assertRaises(AccessError):
            self.company.with_user(self.user).action_l10n_vn_ibhxh_forget_earlier()

    def test_the_page_shows_certificate_and_unit_code_of_one_company_only(self):
        companies = self._new_companies(2)
        self.manager.company_ids |= companies
        env = self.env(user=self.manager, context={"allowed_company_ids": (self.company | companies).ids})
        model = env["l10n_vn_ibhxh.earlier.registration"]
        form = Form(model.with_context(default_company_ids=self.company.ids))
        self.assertEqual(form.certificate_id, self.certificate)
        form = Form(model.with_context(default_company_ids=companies.ids))
        self.assertFalse(form.certificate_id)
        self.assertFalse(form.company_id)
