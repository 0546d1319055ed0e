"""The pure checks before anybody is asked for a PIN."""

import dataclasses
from datetime import timedelta

from cryptography.hazmat.primitives.asymmetric import ec
from odoo.tests import BaseCase, tagged

from ..tools import certificate, preflight
from .samples import signing
from .samples.signing import NOW


@tagged("post_install_l10n", "post_install", "-at_install")
class TestPreflight(BaseCase):
    def findings(self, *, at=NOW, der=None, **changes):
        values = {
            "certificate": certificate.load(der or signing.certificate()),
            "tax_code": "0100109106",
            "agency_code": "001",
            "email": "ke.toan@example.com",
            "email_repeated": "ke.toan@example.com",
            "phone": "0901234567",
            "unit_code": "TZH490L",
            **changes,
        }
        return [
            preflight.check_owner(values["certificate"], values["tax_code"]),
            preflight.check_validity(values["certificate"], at=at),
            preflight.check_key(values["certificate"]),
            preflight.check_tax_code(values["tax_code"]),
            preflight.check_agency(values["agency_code"]),
            preflight.check_unit_code(values["unit_code"]),
            preflight.check_email(values["email"], values["email_repeated"]),
            preflight.check_phone(values["phone"]),
        ]

    def found(self, check, **changes):
        return next(finding for finding in self.findings(**changes) if finding.check == check)

    def assert_found(self, check, level, code, field, **changes):
        finding = self.found(check, **changes)
        self.assertEqual((finding.level, finding.code, finding.field), (level, code, field))
        return finding

    def test_all_passes(self):
        findings = self.findings()
        self.assertEqual(
            [finding.check for finding in findings],
            ["owner", "validity", "key", "tax_code", "agency", "unit_code", "email", "phone"],
        )
        self.assertEqual({finding.level for finding in findings}, {"passed"})
        self.assertEqual({finding.field for finding in findings}, {None})
        self.assertEqual(preflight.worst(findings), "passed")

    def test_worst(self):
        findings = self.findings(tax_code="0100109107")
        self.assertEqual(preflight.worst(findings), "blocking")
        self.assertEqual(preflight.worst(findings[3:]), "warning")
        self.assertEqual(preflight.worst([]), "passed")

    def test_owner(self):
        finding = self.assert_found("owner", "blocking", "owner_other", "certificate_id", tax_code="0301442379")
        self.assertEqual(finding.values, {"certificate": "0100109106", "company": "0301442379"})
        self.assert_found("owner", "blocking", "owner_branch", "certificate_id", tax_code="0100109106-001")
        branch = signing.certificate(uids=("MST:0100109106-001",))
        self.assert_found("owner", "blocking", "owner_branch", "certificate_id", der=branch)
        self.assert_found("owner", "passed", "owner_ok", None, der=branch, tax_code="0100109106-001")
        nobody = signing.certificate(uids=("CCCD:1",))
        self.assert_found("owner", "blocking", "owner_unknown", "certificate_id", der=nobody)
        budget = signing.certificate(uids=("MNS:1056789",))
        self.assert_found("owner", "passed", "owner_ok", None, der=budget, tax_code="1056789")

    def test_validity(self):
        end = NOW + timedelta(days=265)
        for at, level, code, days in (
            (NOW - timedelta(days=101), "blocking", "not_yet_valid", 366),
            (end + timedelta(seconds=1), "blocking", "expired", -1),
            (end, "warning", "expires_soon", 0),
            (end - timedelta(days=30) + timedelta(seconds=1), "warning", "expires_soon", 29),
            (end - timedelta(days=30), "passed", "validity_ok", 30),
        ):
            finding = self.found("validity", at=at)
            self.assertEqual((finding.level, finding.code, finding.values["days"]), (level, code, days))

    def test_key(self):
        curve = signing.certificate(public_key=ec.generate_private_key(ec.SECP256R1()).public_key())
        self.assert_found("key", "blocking", "key_unfit", "certificate_id", der=curve)
        weak = signing.certificate("weak", bits=1024)
        finding = self.assert_found("key", "blocking", "key_unfit", "certificate_id", der=weak)
        self.assertEqual(finding.values["bits"], 1024)
        info = certificate.load(signing.certificate())
        for changes, level, code in (
            ({"key_usage_signing": False}, "blocking", "key_not_for_signing"),
            ({"is_authority": True}, "blocking", "key_not_for_signing"),
            ({"purposes": ("1.3.6.1.5.5.7.3.1",)}, "blocking", "key_not_for_signing"),
            ({"purposes": ("1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.4")}, "passed", "key_ok"),
            ({"key_usage_signing": True}, "passed", "key_ok"),
            ({"signature_hash": "sha1"}, "warning", "certificate_hash_weak"),
        ):
            finding = self.found("key", certificate=dataclasses.replace(info, **changes))
            self.assertEqual((finding.level, finding.code), (level, code))

    def test_codes(self):
        self.assert_found("tax_code", "warning", "tax_code_checksum", "company_id", tax_code="0100109107")
        self.assert_found("tax_code", "warning", "tax_code_format", "company_id", tax_code="1056789")
        self.assert_found("tax_code", "blocking", "tax_code_empty", "company_id", tax_code="")
        self.assert_found("tax_code", "blocking", "tax_code_invalid", "company_id", tax_code="0100109106/1")
        for code in ("001", "0012", "07906"):
            self.assert_found("agency", "passed", "agency_ok", None, agency_code=code)
        for code in ("01", "079061", "0A1", "٠٠١"):
            self.assert_found("agency", "blocking", "agency_format", "agency_id", agency_code=code)
        self.assert_found("agency", "blocking", "agency_empty", "agency_id", agency_code="")
        self.assert_found("unit_code", "passed", "unit_code_none", None, unit_code=None)
        self.assert_found("unit_code", "warning", "unit_code_pattern", "unit_code", unit_code="1234567")
        self.assert_found("unit_code", "blocking", "unit_code_invalid", "unit_code", unit_code="TZH/90L")

    def test_email_and_phone(self):
        self.assert_found("email", "blocking", "email_invalid", "email", email="ke.toan@")
        self.assert_found("email", "blocking", "email_accents", "email", email="ketoán@abc.vn")
        self.assert_found("email", "blocking", "email_empty", "email", email="")
        for repeated in ("ke.toan@example.net", "", "Ke.Toan@example.com"):
            self.assert_found("email", "blocking", "email_differs", "email_repeated", email_repeated=repeated)
        for repeated in (None, "ke.toan@EXAMPLE.com "):
            self.assert_found("email", "passed", "email_ok", None, email_repeated=repeated)
        self.assert_found("phone", "blocking", "phone_invalid", "phone", phone="12")
        self.assert_found("phone", "blocking", "phone_empty", "phone", phone=" ")
