import runpy
from ast import literal_eval
from datetime import timedelta
from pathlib import Path

from lxml import etree
from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from ..tools import gateways
from .common import IbhxhCommon
from .companies import ManyCompanies
from .samples import signing


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

    def test_k5_a_confirmed_companys_i_van_and_agency_change_by_dossiers_only(self):
        """Chosen on the company, they would count as what VSS knows: no stop, no sentence in form 05."""
        self._confirmed()
        groups = "base.group_erp_manager,base.group_partner_manager,l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager"
        company = self.company.with_user(self._new_user("sep", groups, self.company))
        misa, agency = self.provider.copy({"code": "12345", "name": "MISA"}), self.env.ref("l10n_vn_ibhxh.agency_004")
        views = ("l10n_vn_ibhxh.res_company_view_form_l10n_vn_ibhxh_overview", "base.view_company_form")
        for name, other in (("l10n_vn_ibhxh_provider_id", misa), ("l10n_vn_ibhxh_agency_id", agency)):
            for vals in ({name: other.id}, {name: False}):
                with self.subTest(name), self.assertRaisesRegex(UserError, "form 05"):
                    company.write(vals)
            for view in views:
                with self.subTest(name, view=view), self.assertRaisesRegex(AssertionError, "readonly"):
                    Form(company, view)[name] = other
            company.write({name: company[name].id, "phone": "0987 654 321"})
        self.assertEqual(
            (company.l10n_vn_ibhxh_provider_id, company.l10n_vn_ibhxh_agency_id), (self.provider, self.agency)
        )
        # What nobody knew so far is filled in.
        self.company.l10n_vn_ibhxh_agency_id = False
        for view in views:
            form = Form(company, view)
            form.l10n_vn_ibhxh_agency_id = agency
            form.save()
            self.assertEqual(self.company.l10n_vn_ibhxh_agency_id, agency)
            self.company.l10n_vn_ibhxh_agency_id = False
        self.company.l10n_vn_ibhxh_state = "stopped"
        company.l10n_vn_ibhxh_provider_id = misa

    def test_k5_a_corrected_unit_code_stays(self):
        self._confirmed()
        self.company.l10n_vn_ibhxh_unit_code = "TZH491L"
        draft = self._register(form="05", phone="0987 654 321")
        draft.action_withdraw()
        draft.action_cancel()
        self.assertEqual(
            self.company.l10n_vn_ibhxh_unit_code, "TZH491L", "the confirmation is older than the correction"
        )
        # In the same second as the registration's: what arrives counts all the same.
        amendment = self._register(form="05", phone="0987 654 321")
        self._sign(amendment)
        self._send()
        amendment._confirm(self.company.l10n_vn_ibhxh_confirmed_at, unit_code="TZH492L")
        self.assertEqual(self.company.l10n_vn_ibhxh_unit_code, "TZH492L")
        self.assertEqual(self.company.l10n_vn_ibhxh_phone, "+84987654321")

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


MIGRATION = Path(__file__).parent.parent / "migrations" / "19.0.2.0.0" / "post-company-next-step.py"
WIZARD = "l10n_vn_ibhxh.registration.wizard"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSomethingToDo(ManyCompanies):
    """K6: what a company does next, its button, and the overview's filter are of one opinion in every situation."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.by_hand = cls.provider.copy({"code": "99998", "gateway": "manual", "url": False})
        cls.old, cls.new = (
            cls.env["l10n_vn_ibhxh.certificate"]
            ._from_der(
                [
                    cls._new_certificate(
                        serial=serial,
                        not_before=signing.NOW - timedelta(days=9),
                        not_after=signing.NOW + timedelta(days=days),
                    )
                    for serial, days in ((8, 30), (9, 900))
                ]
            )
            .sorted("not_after")
        )

    def _situations(self):
        """Return `{situation: (registrations in their order, the company's own values, next action, what opens)}`; what
        opens is the number of a registration, or None for the wizard."""
        stop = {"form": "06", "state": "confirmed"}
        move = {**stop, "then_register": True, "target_provider_id": self.by_hand.id}
        confirmed = {"state": "confirmed"}
        data = {"form": "05", "state": "confirmed", "then_certificate_id": self.new.id}
        aged = {"state": "confirmed", "certificate_id": self.old.id}
        newer = {"l10n_vn_ibhxh_newer_certificate_id": self.new.id}
        return {
            "new": ([], {}, "register", None),
            "cancelled": ([{"state": "cancelled"}], {}, "register", None),
            "draft": ([{"state": "draft"}], {}, "sign", 0),
            "to submit": ([{"state": "draft", "lodging": "elsewhere"}], {}, "submit", 0),
            "to sign": ([{"state": "to_sign"}], {}, "pin", 0),
            "signed": ([{"state": "to_send"}], {}, "wait", 0),
            "to lodge": ([{"state": "to_send", "provider_id": self.by_hand.id, "lodging": "file"}], {}, "submit", 0),
            "sent": ([{"state": "sent"}], {}, "wait", 0),
            "to activate": ([{"state": "to_activate"}], {}, "activate", 0),
            "expired": ([{"state": "expired", "activation_received_at": fields.Datetime.now()}], {}, "again", 0),
            "no code came": ([{"state": "expired"}], {}, "find_code", 0),
            "refused": ([{"state": "rejected"}], {}, "again", 0),
            "confirmed": ([confirmed], {}, "none", 0),
            "certificate ends": ([aged], {}, "renew", None),
            "newer certificate": ([aged], newer, "amend", None),
            "amendment unsigned": ([confirmed, {"form": "05", "state": "draft"}], {}, "sign", 1),
            "amendment to sign": ([confirmed, {"form": "05", "state": "to_sign"}], {}, "pin", 1),
            "amendment sent": ([aged, {"form": "05", "state": "sent"}], newer, "wait", 1),
            "amendment refused": ([confirmed, {"form": "05", "state": "rejected"}], {}, "again", 1),
            "amendment given up": ([confirmed, {"form": "05", "state": "cancelled"}], {}, "none", 1),
            "data first": ([confirmed, data], {}, "amend", 1),
            "data first, then given up": ([confirmed, data, {"form": "05", "state": "cancelled"}], {}, "amend", 1),
            "data, then the certificate": (
                [confirmed, data, {"form": "05", "state": "confirmed", "certificate_id": self.new.id}], {}, "none", 2,
            ),
            "stopped to move": ([confirmed, move], {}, "register", 1),
            "move given up": ([confirmed, move, {"state": "cancelled"}], {}, "register", 1),
            "move under way": ([confirmed, move, {"state": "sent"}], {}, "wait", 2),
            "moved": ([confirmed, move, confirmed], {}, "none", 2),
            "stopped for good": ([aged, stop], {}, "none", 1),
            "stopped for good, newer certificate": ([aged, stop], newer, "none", 1),
        }  # fmt: skip

    def _place(self, company, registrations, vals):
        """Put `company` into a situation, as superuser; return its registrations."""
        made = self.env["l10n_vn_ibhxh.registration"]
        for number, values in enumerate(registrations):
            confirmed_at = values["state"] == "confirmed" and fields.Datetime.add(fields.Datetime.now(), hours=number)
            base = {
                "provider_id": self.provider.id,
                "certificate_id": self.certificate.id,
                "confirmed_at": confirmed_at,
            }
            made |= made.create({"company_id": company.id, **base, **values})
            company._l10n_vn_ibhxh_update_state()
        company.write(vals)
        return made

    def test_k6_next_action_button_and_filter_agree(self):
        situations = self._situations()
        companies = self._new_companies(len(situations))
        placed = {}
        for company, (registrations, vals, _action, _opens) in zip(companies, situations.values(), strict=True):
            placed[company] = self._place(company, registrations, vals)
        self.env.invalidate_all()
        env = self._as_user(companies)
        arch = etree.fromstring(self.env.ref("l10n_vn_ibhxh.res_company_view_search_l10n_vn_ibhxh_overview").arch)
        domain = literal_eval(arch.find(".//filter[@name='to_do']").get("domain"))
        to_do = env["res.company"].search([("id", "in", companies.ids), *domain])
        for company, (name, (_made, _vals, action, opens)) in zip(
            companies.with_env(env), situations.items(), strict=True
        ):
            with self.subTest(name):
                self.assertEqual(company.l10n_vn_ibhxh_next_action, action)
                self.assertEqual(company in to_do, action not in ("none", "wait"))
                opened = company.action_l10n_vn_ibhxh_next()
                expected = (WIZARD, None) if opens is None else (placed[company]._name, placed[company][opens].id)
                self.assertEqual((opened["res_model"], opened.get("res_id") or None), expected)
                self.assertEqual(
                    company.search([("id", "=", company.id), ("l10n_vn_ibhxh_next_action", "=", action)]), company
                )
        for action, _label in companies._fields["l10n_vn_ibhxh_next_action"].selection:
            domain = [("id", "in", companies.ids), ("l10n_vn_ibhxh_next_action", "!=", action)]
            others = companies.filtered(lambda company, action=action: company.l10n_vn_ibhxh_next_action != action)
            self.assertEqual(env["res.company"].search(domain).ids, others.with_env(env).sorted().ids, action)

    def test_k6_companies_between_two_steps_are_known_after_an_upgrade(self):
        situations = self._situations()
        companies = self._new_companies(len(situations))
        for company, (registrations, vals, _action, _opens) in zip(companies, situations.values(), strict=True):
            self._place(company, registrations, vals)
        before = companies.mapped(lambda company: company.l10n_vn_ibhxh_next_step_id.id)
        self.assertTrue(any(before))
        companies.l10n_vn_ibhxh_next_step_id = False
        self.env.flush_all()
        migrate = runpy.run_path(str(MIGRATION))["migrate"]
        for _time in range(2):
            migrate(self.env.cr, "19.0.1.1.0")
        self.env.invalidate_all()
        self.assertEqual(companies.mapped(lambda company: company.l10n_vn_ibhxh_next_step_id.id), before)
