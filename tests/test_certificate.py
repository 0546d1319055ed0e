"""Which certificates a company may sign with now."""

from datetime import timedelta

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from .common import IbhxhCommon
from .samples import signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCertificate(IbhxhCommon):
    def _new(self, serial, days):
        der = self._new_certificate(
            serial=serial, not_before=signing.NOW - timedelta(days=1), not_after=signing.NOW + timedelta(days=days)
        )
        return self.env["l10n_vn_ibhxh.certificate"]._from_der([der])

    def test_valid_now_is_said_and_found_alike(self):
        start, end = self.certificate.not_before, self.certificate.not_after
        second = timedelta(seconds=1)
        for now, is_valid in ((start - second, False), (start, True), (end, True), (end + second, False)):
            with freeze_time(now):
                self.env.invalidate_all()
                self.assertEqual(self.certificate.is_valid, is_valid, now)
                for value in (True, False):
                    found = self.certificate.search([("is_valid", "=", value), ("id", "=", self.certificate.id)])
                    self.assertEqual(bool(found), is_valid == value, now)

    def test_what_is_plugged_in_comes_first_then_what_ends_last(self):
        longest, longer = self._new(78, 900), self._new(79, 800)
        ended, others = self._new(80, 700), self.env["res.company"].create({"name": "Công ty khác"})
        (longest | longer | ended).company_ids = self.company
        ended.not_after = fields.Datetime.now() - timedelta(seconds=1)
        found = self.certificate._by_company(self.company | others)
        self.assertEqual(found[self.company].ids, [self.certificate.id, longest.id, longer.id])
        self.assertFalse(found[others])

    def test_wizard_and_signing_service_judge_alike(self):
        """One place decides; what a person did not see in the wizard does not stop the signature later."""
        weak = self._new_certificate("weak", bits=1024, serial=81, not_after=signing.NOW + timedelta(days=10))
        certificate = self.env["l10n_vn_ibhxh.certificate"]._from_der([weak])
        with self._later(days=20), self.assertRaises(UserError) as caught:
            certificate._check_usable_for(self.company)
        wizards = self.env["l10n_vn_ibhxh.registration.wizard"]
        wizard = wizards.new({"company_id": self.company.id, "certificate_id": certificate.id})
        shown = [row["text"] for row in wizard.preflight if row["level"] == "blocking"]
        for word in ("1024 bits", "No computer"):
            self.assertIn(word, str(caught.exception))
            self.assertIn(word, " ".join(shown))
        self.assertIn("expired on", str(caught.exception))
