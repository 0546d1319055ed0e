"""An accounting firm: one user who looks after many companies, whose tokens hang on one computer."""

import base64

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
