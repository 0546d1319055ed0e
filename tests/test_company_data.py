"""Whose dossier it is stands in the dossier: no contact, colleague or company of the same number changes that."""

import base64
import runpy
from pathlib import Path

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from ..tools import dossier
from .common import TAX_CODE, IbhxhCommon

NAME = "Công ty TNHH An Phát"
OTHER_TAX_CODE = "0312345678"
SENDING = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_registration_sending"
MIGRATION = Path(__file__).parent.parent / "migrations" / "19.0.2.0.0" / "post-access-dossier-values.py"


class CompanyDataCase(IbhxhCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.other_company = cls.env["res.company"].create({"name": "Công ty B", "vat": OTHER_TAX_CODE})
        group = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"
        cls.clerk = cls._new_user("clerk", "base.group_partner_manager", cls.other_company)
        cls.thief = cls._new_user("thief", f"{group},base.group_partner_manager", cls.other_company)
        cls.accountant = cls._new_user("accountant", group, cls.company | cls.other_company)

    def _sabotage(self, **vals):
        """Somebody got the contact changed all the same."""
        self.company.partner_id.sudo().write(vals)
        self.env.flush_all()
        self.env.invalidate_all()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDossierValues(CompanyDataCase):
    def test_s6_the_dossiers_own_values_are_kept(self):
        draft = self._register()
        self.assertEqual((draft.tax_code, draft.company_name), (TAX_CODE, NAME))
        draft.action_withdraw()
        self.assertEqual((draft.tax_code, draft.company_name), (False, False))

    def test_s6_the_gateway_gets_what_was_signed(self):
        registration = self._register()
        self._sign(registration)
        agency = registration.sudo().agency_id
        code = agency.code
        self._sabotage(vat=OTHER_TAX_CODE, name="Công ty khác")
        agency.code = "99901"
        self._send()
        self.assertEqual(registration.state, "sent")
        [[sent]] = self.gateway.accepted.values()
        content = dossier.read(sent.document)[1]
        self.assertEqual((sent.tax_code, sent.agency_code), (TAX_CODE, code))
        self.assertEqual((content.tax_code, content.subject_name, content.agency_code), (TAX_CODE, NAME, code))

    def test_s6_a_changed_contact_changes_no_dossier(self):
        registration = self._sent()
        self._sabotage(vat=OTHER_TAX_CODE, name="Công ty khác")
        self.assertEqual((registration.tax_code, registration.company_name), (TAX_CODE, NAME))
        waiting = self.env["l10n_vn_ibhxh.registration"].search([("tax_code", "=", TAX_CODE)])
        self.assertEqual(waiting, registration)

    def test_s6_the_proof_names_the_signed_company(self):
        registration = self._sent()
        self._sabotage(vat=OTHER_TAX_CODE, name="Công ty khác")
        proof = registration.sudo()._proof_registration()
        self.assertEqual((proof["company"], proof["tax_code"]), (NAME, TAX_CODE))

    def test_s2_nothing_but_a_valid_signature_leaves_odoo(self):
        """Whatever wrote the row: the signature is verified again before anything is handed over."""
        forgeries = {
            "another document": {"document_sha256": lambda r: "0" * 64},
            "changed after it was signed": {
                "signed_document": lambda r: base64.b64encode(
                    base64.b64decode(r.signed_document).replace(b"ke.toan@", b"thief@")
                )
            },
            "no signature": {"signed_document": lambda r: r.document},
            "never signed": {"signed_at": lambda r: False},
            "nonsense": {"signed_document": lambda r: base64.b64encode(b"<Hoso>anything, signed by nobody</Hoso>")},
            "nothing": {"signed_document": lambda r: False},
        }
        for name, vals in forgeries.items():
            with self.subTest(name):
                registration = self._register()
                self._sign(registration)
                record = registration.sudo().with_context(bin_size=False)
                record.write({field: value(record) for field, value in vals.items()})
                self.env.flush_all()
                with self.assertLogs(SENDING, "ERROR"):
                    self._send()
                self.assertEqual((registration.state, registration.attempted_at), ("to_send", False))
                self.assertFalse(self.gateway.accepted)
                self.assertEqual(registration.error_code, "invalid_signature")
                self.assertIn("register again", registration.error_message)
                self.assertEqual(len(registration.activity_ids), 1)
                with self.assertRaises(UserError):
                    registration.action_download_signed()
                registration.action_cancel()

    def test_migration_fills_the_values_of_each_state(self):
        """As the release before left them: no such columns were filled."""
        sent = self._sent()
        sent.action_confirmed_by_person()
        self.env.flush_all()
        draft = self.env["l10n_vn_ibhxh.registration"].create({"company_id": self.company.id})
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE l10n_vn_ibhxh_registration ADD COLUMN document bytea")
        self.env.cr.execute(
            "UPDATE l10n_vn_ibhxh_registration SET tax_code = NULL, company_name = NULL, dossier_number_source = NULL"
        )
        self.env.cr.execute(
            "UPDATE l10n_vn_ibhxh_registration SET document = %s WHERE id = %s",
            [sent.with_context(bin_size=False).document, sent.id],
        )
        migrate = runpy.run_path(str(MIGRATION))["migrate"]
        for _time in range(2):
            migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual((sent.tax_code, sent.company_name, sent.dossier_number_source), (TAX_CODE, NAME, "gateway"))
        self.assertEqual((draft.tax_code, draft.dossier_number_source), (False, False))
        # By hand the number was a person's; what stands is not written over.
        self.provider.gateway = "manual"
        sent.sudo().write({"dossier_number_source": False, "company_name": "As it was"})
        self.env.flush_all()
        migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual((sent.company_name, sent.dossier_number_source), ("As it was", "person"))

    def test_s5_who_gave_the_number_is_kept(self):
        registration = self._sent()
        self.assertEqual(registration.dossier_number_source, "gateway")
        registration._take_number("00001/2026/001", "person")
        self.assertEqual(
            (registration.dossier_number, registration.dossier_number_source), ("00001/2026/001", "person")
        )
        registration._take_number("00001/2026/001", "gateway")
        self.assertEqual(registration.dossier_number_source, "gateway")
        # Typed once more, it is proven no less than before.
        registration._take_number("00001/2026/001", "person")
        self.assertEqual(registration.dossier_number_source, "gateway")
        registration._take_number(False, "person")
        self.assertEqual(registration.dossier_number, "00001/2026/001")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestContacts(CompanyDataCase):
    """`res.company.vat` and `name` are those of a contact, which any editor of contacts may write."""

    def test_s6_only_who_may_write_the_company_renames_it(self):
        contact = self.company.partner_id
        parent = self.env["res.partner"].create({"name": "Tập đoàn", "is_company": True, "vat": OTHER_TAX_CODE})
        doors = {
            "tax code": {"vat": OTHER_TAX_CODE},
            "name": {"name": f"{NAME}\u00a0"},
            "through a parent": {"parent_id": parent.id, "is_company": False},
        }
        for user in (self.clerk, self.thief):
            for door, vals in doors.items():
                with self.subTest(door, user=user.login):
                    self.env.invalidate_all()
                    with self.assertRaises(AccessError):
                        contact.with_user(user).write(dict(vals))
                    self.env.invalidate_all()
                    self.assertEqual((self.company.vat, self.company.name), (TAX_CODE, NAME))

    def test_s6_nor_does_the_contact_above_it(self):
        """The tax code of a contact goes down to those below it, as superuser."""
        contact = self.company.partner_id
        parent = self.env["res.partner"].create({"name": "Tập đoàn", "is_company": True, "vat": TAX_CODE})
        contact.write({"is_company": False, "parent_id": parent.id})
        self.env.flush_all()
        self.env.invalidate_all()
        with self.assertRaises(AccessError):
            parent.with_user(self.clerk).vat = OTHER_TAX_CODE
        self.env.invalidate_all()
        self.assertEqual(self.company.vat, TAX_CODE)

    def test_s6_nor_do_contacts_below_it(self):
        """The tax code of a contact goes up to its parent, too."""
        contacts = self.env["res.partner"]
        below = contacts.create({"name": "Kế toán", "parent_id": self.company.partner_id.id})
        with self.assertRaises(AccessError):
            below.with_user(self.clerk).vat = OTHER_TAX_CODE
        self.env.invalidate_all()
        self.assertEqual(self.company.vat, TAX_CODE)
        # A new one takes the tax code of its parent; should that ever be otherwise, it is refused.
        vals = {"name": "x", "parent_id": self.company.partner_id.id, "vat": OTHER_TAX_CODE}
        contacts.with_user(self.clerk).create(vals)
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(self.company.vat, TAX_CODE)

    def test_s6_everything_else_of_the_contact_stays_editable(self):
        contact = self.company.partner_id.with_user(self.clerk)
        contact.write({"phone": "0987 654 321", "vat": TAX_CODE, "name": NAME})
        self.env["res.partner"].with_user(self.clerk).create({"name": "Khách"}).write(
            {"name": "Khách B", "vat": TAX_CODE}
        )
        self.assertEqual(self.company.phone, "0987 654 321")
        boss = new_test_user(
            self.env, "boss-contacts", "base.group_user,base.group_erp_manager,base.group_partner_manager",
            company_id=self.company.id, company_ids=[Command.set(self.company.ids)],
        )  # fmt: skip
        contact.with_user(boss).name = "Công ty An Phát mới"
        self.assertEqual(self.company.name, "Công ty An Phát mới")

    def test_b9_a_certificate_follows_contacts_and_users(self):
        """Whatever changes tax code or users, by whatever record: the certificate's companies follow."""
        twin = self.env["res.company"].create({"name": "Chi nhánh", "parent_id": self.company.id})
        self.user.company_ids += twin
        self.assertEqual(self.certificate.company_ids, self.company)
        twin.partner_id.vat = TAX_CODE
        self.assertEqual(self.certificate.company_ids, self.company | twin)
        twin.partner_id.vat = OTHER_TAX_CODE
        self.assertEqual(self.certificate.company_ids, self.company)
        twin.vat = TAX_CODE
        self.assertEqual(self.certificate.company_ids, self.company | twin)
        twin.write({"user_ids": [Command.unlink(self.user.id)]})
        self.assertEqual(self.certificate.company_ids, self.company)
        twin.write({"user_ids": [Command.link(self.user.id)]})
        self.assertEqual(self.certificate.company_ids, self.company | twin)
        born = self.env["res.company"].create(
            {"name": "Công ty mới", "vat": TAX_CODE, "user_ids": [Command.link(self.user.id)]}
        )
        self.assertIn(born, self.certificate.company_ids)
        other = self.env["res.partner"].create({"name": "Khác", "vat": OTHER_TAX_CODE, "is_company": True})
        born.partner_id = other
        self.assertNotIn(born, self.certificate.company_ids)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSameTaxCode(CompanyDataCase):
    def _refusal(self, company, **vals):
        with self.assertRaises(ValidationError) as caught:
            self._register(self.accountant, company_id=company.id, **vals)
        return str(caught.exception)

    def test_s6_nobody_registers_while_a_stranger_has_the_tax_code(self):
        """Neither the thief, who got the tax code into their company, nor the victim, who has to hear of it."""
        self.other_company.write({"vat": TAX_CODE, "email": "thief@b.example", "phone": "0912 345 678"})
        self.other_company.write(
            {"l10n_vn_ibhxh_provider_id": self.provider.id, "l10n_vn_ibhxh_agency_id": self.agency.id}
        )
        thiefs = self._new_agent(self.thief, "PC-B")
        self._plug_in(thiefs, self.der)
        with self.assertRaises(ValidationError) as caught:
            self._register(self.thief, company_id=self.other_company.id)
        self.assertIn("tax code", str(caught.exception))
        # Who may not see the other company does not learn its name.
        self.assertNotIn(NAME, str(caught.exception))
        with self.assertRaises(ValidationError):
            self._register()
        # A batch is no other door.
        batch = self.env["l10n_vn_ibhxh.batch"].with_user(self.user)._from_companies(self.company)
        batch.action_register()
        self.assertFalse(batch.line_ids.registration_id)
        self.other_company.vat = OTHER_TAX_CODE
        self.assertEqual(self._register().state, "to_sign")

    def test_s6_units_of_one_tree_are_told_apart_by_their_unit_code(self):
        unit = self.env["res.company"].create(
            {
                "name": "Đơn vị 2",
                "parent_id": self.company.id,
                "vat": TAX_CODE,
                "email": "unit2@example.com",
                "phone": "0912 345 678",
                "l10n_vn_ibhxh_provider_id": self.provider.id,
                "l10n_vn_ibhxh_agency_id": self.agency.id,
            }
        )
        self.user.company_ids += unit
        # A branch that does not register is in nobody's way.
        first = self._register()
        self.assertEqual(first.state, "to_sign")
        with self.assertRaises(ValidationError):
            self._register(company_id=unit.id)
        first.sudo().unit_code = "TZH490L"
        with self.assertRaises(ValidationError):
            self._register(company_id=unit.id, unit_code="TZH490L")
        self.assertEqual(self._register(company_id=unit.id, unit_code="TZH491L").state, "to_sign")

    def test_s6_the_wizard_shows_what_the_eye_does_not(self):
        cases = {
            "Công ty\u00a0TNHH An Phát": "warning",
            " Công ty TNHH An Phát": "warning",
            "Công ty\u200b TNHH An Phát": "blocking",
            "Công ty \u202eTNHH An Phát": "blocking",
            NAME: "passed",
        }
        for name, level in cases.items():
            with self.subTest(ascii(name)):
                self.company.name = name
                [row] = [row for row in self._wizard().preflight if row["check"] == "name"]
                self.assertEqual(row["level"], level)
                if level != "passed":
                    self.assertIn("▯", row["text"])
