"""The scripts of 19.0.2.0.0 that bring the domain's second edition into a database: from the state before, twice."""

import importlib.util
from pathlib import Path

from odoo.tests import tagged

from .common import IbhxhCommon

SCRIPTS = Path(__file__).parents[1] / "migrations" / "19.0.2.0.0"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMigrations(IbhxhCommon):
    def _migrate(self, name, version="19.0.1.1.0"):
        spec = importlib.util.spec_from_file_location(name.replace("-", "_"), SCRIPTS / f"{name}.py")
        script = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(script)
        self.env.flush_all()
        for _twice in range(2):
            script.migrate(self.env.cr, version)
        self.env.invalidate_all()

    def test_lodging_is_what_it_was(self):
        """By hand: the signed file; everything else was Odoo's, drafts without an I-VAN too."""
        by_hand = self.provider.copy({"code": "99998", "gateway": "manual"})
        registrations = self.env["l10n_vn_ibhxh.registration"]
        expected = {}
        for number, (provider, lodging) in enumerate(
            ((by_hand, "file"), (self.provider, "odoo"), (by_hand.browse(), "odoo"))
        ):
            company = self.env["res.company"].create({"name": f"Công ty {number}"})
            registration = registrations.create({"company_id": company.id, "provider_id": provider.id})
            expected[registration] = lodging
        self.env.flush_all()
        self.env.cr.execute("ALTER TABLE l10n_vn_ibhxh_registration DROP COLUMN lodging CASCADE")
        self.env.cr.execute("ALTER TABLE l10n_vn_ibhxh_provider DROP COLUMN phone_format CASCADE")
        self.env.invalidate_all()
        self._migrate("pre-domain-lodging")
        self.assertEqual({r: r.lodging for r in expected}, expected)
        self.assertEqual((by_hand.phone_format, self.provider.phone_format), ("national", "international"))

    def test_result_codes_say_what_is_known_now(self):
        codes = self.env["l10n_vn_ibhxh.result.code"]
        names = ("CE007", "SE006", "IC1")
        fresh = {name: codes._find(name).read(["meaning", "remedy", "remedy_action"])[0] for name in names}
        old_stop = "Stop the service, register again, then enter the code that is mailed."
        old_move = (
            "Stop the service at the old I-VAN first, while the certificate is still valid there, then register here."
        )
        codes._find("CE007").write({"meaning": "The unit is registered already", "remedy": old_stop})
        for name in names[1:]:
            codes._find(name).write({"remedy": old_move, "remedy_action": "stop_register"})
        self._migrate("pre-domain-result-codes")
        for name in names:
            self.assertEqual(codes._find(name).read(["meaning", "remedy", "remedy_action"])[0], fresh[name])

    def test_result_codes_that_people_worded_stay(self):
        code = self.env["l10n_vn_ibhxh.result.code"]._find("SE006")
        code.write({"remedy": "Ask Lan.", "remedy_action": "stop_register"})
        self._migrate("pre-domain-result-codes")
        self.assertEqual((code.remedy, code.remedy_action), ("Ask Lan.", "stop_register"))

    def test_guide_of_ts24(self):
        provider = self.env.ref("l10n_vn_ibhxh.provider_00001")
        fresh = provider.guide
        self.assertIn("KySo", fresh)
        provider.guide = False
        self._migrate("post-domain-guide")
        self.assertEqual(provider.guide, fresh)
        provider.guide = "<p>Ours</p>"
        self._migrate("post-domain-guide")
        self.assertIn("Ours", provider.guide)

    def test_tax_codes_are_read_again(self):
        household = "001099012345"
        self.company.vat = f"VN{household}"
        der = self._new_certificate(uids=(f"CCCD:{household}",), serial=12)
        certificate = self._plug_in(self.agent, self.der, der) - self.certificate
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE res_company SET l10n_vn_ibhxh_tax_code = 'VN001099012345' WHERE id = %s", [self.company.id]
        )
        self.env.cr.execute("UPDATE l10n_vn_ibhxh_certificate SET tax_code = NULL WHERE id = %s", [certificate.id])
        self.env.cr.execute(
            "DELETE FROM l10n_vn_ibhxh_certificate_company_rel WHERE certificate_id = %s", [certificate.id]
        )
        self.env.invalidate_all()
        self._migrate("post-domain-tax-codes")
        self.assertEqual(self.company.l10n_vn_ibhxh_tax_code, household)
        self.assertEqual((certificate.tax_code, certificate.company_ids), (household, self.company))

    def test_a_first_installation_has_nothing_to_migrate(self):
        for script in SCRIPTS.glob("*-domain-*.py"):
            self._migrate(script.stem, version=None)
