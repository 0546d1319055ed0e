"""Tax code and name are kept on the registration as its dossier says them, and who gave the dossier number."""

import base64

from odoo.addons.l10n_vn_ibhxh.tools import contact, untrusted_xml
from odoo.tools.sql import column_exists


def migrate(cr, version):
    if not version:
        return
    # Later in this upgrade, the column goes (post-store-documents.py).
    if column_exists(cr, "l10n_vn_ibhxh_registration", "document"):
        cr.execute(
            """SELECT id FROM l10n_vn_ibhxh_registration
                WHERE state != 'draft' AND document IS NOT NULL AND tax_code IS NULL ORDER BY id"""
        )
        for (registration_id,) in cr.fetchall():
            _fix_values(cr, registration_id)
    # What was lodged by hand was numbered by hand. The other numbers came from gateways, or with VSS's mails.
    cr.execute(
        """UPDATE l10n_vn_ibhxh_registration registration
              SET dossier_number_source = CASE provider.gateway WHEN 'manual' THEN 'person' ELSE 'gateway' END
             FROM l10n_vn_ibhxh_provider provider
            WHERE provider.id = registration.provider_id
              AND registration.dossier_number IS NOT NULL AND registration.dossier_number_source IS NULL"""
    )


def _fix_values(cr, registration_id):
    cr.execute("SELECT document FROM l10n_vn_ibhxh_registration WHERE id = %s", (registration_id,))
    [document] = cr.fetchone()
    try:
        root = untrusted_xml.parse(base64.b64decode(bytes(document)), comments=False)
    except (ValueError, untrusted_xml.UntrustedXmlError):
        return  # it names no company that could be kept; nothing but Odoo has ever written one
    tax_code, name = (root.findtext(f"NoiDung/{tag}") for tag in ("MaSoThue", "TenDoiTuong"))
    try:
        tax_code = contact.tax_code(tax_code or "")
    except contact.ContactError:
        tax_code = tax_code or None
    cr.execute(
        "UPDATE l10n_vn_ibhxh_registration SET tax_code = %s, company_name = %s WHERE id = %s",
        (tax_code, name or None, registration_id),
    )
