from . import (
    l10n_vn_ibhxh_agent_pairing,
    l10n_vn_ibhxh_mail_paste,
    l10n_vn_ibhxh_registration_wizard,
)
