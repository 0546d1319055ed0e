from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    l10n_vn_ibhxh_provider_id = fields.Many2one(related="company_id.l10n_vn_ibhxh_provider_id", readonly=False)
    l10n_vn_ibhxh_agency_id = fields.Many2one(related="company_id.l10n_vn_ibhxh_agency_id", readonly=False)
    l10n_vn_ibhxh_unit_code = fields.Char(related="company_id.l10n_vn_ibhxh_unit_code", readonly=False)
    l10n_vn_ibhxh_mail_sender_domains = fields.Char(
        string="Sender domains", config_parameter="l10n_vn_ibhxh.mail_sender_domains"
    )
    l10n_vn_ibhxh_mail_authentication_server = fields.Char(
        string="Own mail server", config_parameter="l10n_vn_ibhxh.mail_authentication_server"
    )
    l10n_vn_ibhxh_mail_user_id = fields.Many2one(
        "res.users", string="Mails that cannot be placed go to", config_parameter="l10n_vn_ibhxh.mail_user_id"
    )
