"""An accounting firm: one user who looks after many companies, whose tokens hang on one computer."""

import base64
import json

from odoo import fields
from odoo.fields import Command
from stdnum.vn import mst

from .common import IbhxhCommon
from .samples import signing


def tax_code(number):
    """Return a tax code of ten digits with the right check digit."""
    base = f"01088{number:04d}"
    return base + mst.calc_check_digit(base)


class ManyCompanies(IbhxhCommon):
    """Makes companies in numbers; nothing is made before a test asks for it."""

    @classmethod
    def _new_companies(cls, count, first=0):
        """Return `count` new companies of the user, ready to register but for the token."""
        companies = cls.env["res.company"].create(
            [
                {
                    "name": f"Công ty {first + index:03d}",
                    "country_id": cls.env.ref("base.vn").id,
                    "vat": tax_code(first + index),
                    "email": f"ke.toan{first + index}@example.com",
                    "phone": "0912 345 678",
                    "street": "1 Tràng Thi",
                    "city": "Hà Nội",
                    "l10n_vn_ibhxh_provider_id": cls.provider.id,
                    "l10n_vn_ibhxh_agency_id": cls.agency.id,
                }
                for index in range(count)
            ]
        )
        cls.user.write({"company_ids": [Command.link(company.id) for company in companies]})
        return companies

    @classmethod
    def _plug_in_tokens(cls, companies):
        """Let the user's computer report the tokens of these companies, with what it reported before."""
        ders = [certificate._der() for certificate in cls.agent.present_certificate_ids]
        ders += [cls._token(company) for company in companies]
        cls.agent._heartbeat(ders, [], "1.0.0")

    @classmethod
    def _token(cls, company):
        now = cls.certificate.not_before
        return cls._new_certificate(
            uids=(f"MST:{company.vat}",),
            common_name=company.name,
            serial=10_000 + company.id,
            not_before=now,
            not_after=cls.certificate.not_after,
        )

    def _as_user(self, companies):
        """Return the user's environment as the web client's calls have it, these companies chosen in the switcher."""
        return self.env(user=self.user, context={"allowed_company_ids": companies.ids, "lang": "en_US"})

    def _sign_all(self):
        """Let the computer claim all that waits for it, as it does with one PIN per token, and sign it."""
        requests = self.env["l10n_vn_ibhxh.signing.request"].sudo()
        claimed = requests._claim(self.agent, self.agent.present_certificate_ids.mapped("fingerprint"), 500)
        for request in claimed:
            document = base64.b64decode(request.document)
            request._deliver(self.agent, signing.sign(document, request.certificate_id._der()))
        return claimed


class ManyRows(ManyCompanies):
    """Makes companies and registrations by the hundred, as rows only: what a page costs depends on their number."""

    @classmethod
    def _new_companies(cls, count, first=0):
        """Return `count` copies of the company, made by the database: creating 500 the usual way takes minutes."""
        copies = """
            INSERT INTO {table} SELECT (jsonb_populate_record(NULL::{table}, to_jsonb(original) || changes)).*
            FROM {table} original, jsonb_array_elements(%s::jsonb) changes WHERE original.id = %s
        """
        rows = {}
        for table in ("res_partner", "res_company"):
            cls.env.cr.execute(f"SELECT nextval('{table}_id_seq') FROM generate_series(1, %s)", [count])
            rows[table] = [{"id": new_id} for (new_id,) in cls.env.cr.fetchall()]
        for index, (partner, company) in enumerate(zip(*rows.values(), strict=True), first):
            partner |= {"name": f"Công ty {index:03d}", "vat": tax_code(index)}
            company |= {"name": partner["name"], "partner_id": partner["id"], "l10n_vn_ibhxh_tax_code": partner["vat"]}
            rows["res_partner"][index - first] = partner
            rows["res_company"][index - first] = company
        cls.env.flush_all()
        for table, original in (("res_partner", cls.company.partner_id), ("res_company", cls.company)):
            cls.env.cr.execute(copies.format(table=table), [json.dumps(rows[table]), original.id])
        companies = cls.env["res.company"].browse(row["id"] for row in rows["res_company"])
        cls.env.cr.execute(
            "INSERT INTO res_company_users_rel (cid, user_id) SELECT unnest(%s), %s", [companies.ids, cls.user.id]
        )
        cls.env.invalidate_all()
        cls.env.registry.clear_cache()
        return companies

    def _new_registrations(self, companies):
        """One registration per company, waiting for its code, without the way there: only their number matters."""
        now = fields.Datetime.now()
        registrations = self.env["l10n_vn_ibhxh.registration"].create(
            [
                {
                    "company_id": company.id,
                    "user_id": self.user.id,
                    "provider_id": self.provider.id,
                    "agency_id": self.agency.id,
                    "certificate_id": self.certificate.id,
                    "state": "to_activate",
                    "submitted_at": now,
                    "activation_expires_at": fields.Datetime.add(now, hours=5),
                }
                for company in companies
            ]
        )
        for company, registration in zip(companies, registrations, strict=True):
            company.l10n_vn_ibhxh_registration_id = registration
        return registrations
