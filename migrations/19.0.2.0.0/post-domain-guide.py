"""The guide of TS24's own program, which a new installation has in its data."""

from pathlib import Path

from lxml import etree
from odoo import SUPERUSER_ID, api

DATA = Path(__file__).parents[2] / "data" / "l10n_vn_ibhxh_provider_data.xml"


def migrate(cr, version):
    if not version:
        return
    provider = api.Environment(cr, SUPERUSER_ID, {}).ref("l10n_vn_ibhxh.provider_00001", raise_if_not_found=False)
    if provider and not provider.guide:
        (guide,) = etree.parse(DATA).xpath("//record[@id='provider_00001']/field[@name='guide']/ol")
        provider.guide = etree.tostring(guide, encoding="unicode")
