"""Tax codes are read in more spellings (12 digits, `CCCD:` UIDs, VAT with the country): read again what is stored."""

import base64

from odoo.addons.l10n_vn_ibhxh.tools import certificate, contact


def migrate(cr, version):
    if not version:
        return
    _companies(cr)
    cr.execute("SELECT id FROM l10n_vn_ibhxh_certificate")
    for (certificate_id,) in cr.fetchall():
        _certificate(cr, certificate_id)


def _companies(cr):
    cr.execute(
        """SELECT company.id, partner.vat, company.l10n_vn_ibhxh_tax_code
             FROM res_company company JOIN res_partner partner ON partner.id = company.partner_id"""
    )
    for company_id, vat, stored in cr.fetchall():
        try:
            tax_code = contact.tax_code(vat or "")
        except contact.ContactError:
            tax_code = None
        if tax_code != stored:
            cr.execute("UPDATE res_company SET l10n_vn_ibhxh_tax_code = %s WHERE id = %s", (tax_code, company_id))


def _certificate(cr, certificate_id):
    """Write the tax code, and let the companies use it that may: their code, reported by a computer of their users."""
    cr.execute("SELECT der, tax_code FROM l10n_vn_ibhxh_certificate WHERE id = %s", (certificate_id,))
    der, stored = cr.fetchone()
    info = certificate.load(base64.b64decode(bytes(der)))
    tax_code = next(iter(info.tax_codes), None)
    if tax_code != stored:
        cr.execute("UPDATE l10n_vn_ibhxh_certificate SET tax_code = %s WHERE id = %s", (tax_code, certificate_id))
    cr.execute(
        """INSERT INTO l10n_vn_ibhxh_certificate_company_rel (certificate_id, company_id)
           SELECT DISTINCT reported.certificate_id, company.id
             FROM l10n_vn_ibhxh_agent_certificate_rel reported
             JOIN l10n_vn_ibhxh_agent agent ON agent.id = reported.agent_id AND agent.revoked IS NOT TRUE
             JOIN res_company_users_rel member ON member.user_id = agent.user_id
             JOIN res_company company ON company.id = member.cid
            WHERE reported.certificate_id = %s AND company.l10n_vn_ibhxh_tax_code = ANY(%s)
           ON CONFLICT DO NOTHING""",
        (certificate_id, list(info.tax_codes + info.budget_codes)),
    )
