"""Whose dossier it is stands in the dossier: no contact, colleague or company of the same number changes that."""

import base64
import runpy
from pathlib import Path

from odoo.exceptions import UserError
from odoo.tests import tagged

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
            "another document": {
                "document": lambda r: base64.b64encode(base64.b64decode(r.document).replace(b"ke.toan@", b"thief@"))
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
        self.env.cr.execute(
            "UPDATE l10n_vn_ibhxh_registration SET tax_code = NULL, company_name = NULL, dossier_number_source = NULL"
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
