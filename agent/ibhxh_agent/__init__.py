"""Companion program of the Odoo addon l10n_vn_ibhxh: signs BHXH forms with the token on this computer."""

__version__ = "19.0.2.0.0"
