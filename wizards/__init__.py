from . import (
    l10n_vn_ibhxh_agent_pairing,
    l10n_vn_ibhxh_earlier_registration,
    l10n_vn_ibhxh_lodge,
    l10n_vn_ibhxh_lodge_answer,
    l10n_vn_ibhxh_mail_paste,
    l10n_vn_ibhxh_mail_test,
    l10n_vn_ibhxh_notification_upload,
    l10n_vn_ibhxh_registration_wizard,
)
