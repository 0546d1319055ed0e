# Inherited by name below, so they have to be registered first; apart from that the order of the models does not matter.
from . import (
    l10n_vn_ibhxh_preflight,
    l10n_vn_ibhxh_protected,
    l10n_vn_ibhxh_registration_following,
    l10n_vn_ibhxh_registration_print,
    l10n_vn_ibhxh_registration_proof,
    l10n_vn_ibhxh_registration_remedy,
    l10n_vn_ibhxh_registration_reminders,
    l10n_vn_ibhxh_registration_sending,
    l10n_vn_ibhxh_shared,
)

# isort: split
from . import (
    ir_actions_report,
    ir_http,
    l10n_vn_ibhxh_agency,
    l10n_vn_ibhxh_agent,
    l10n_vn_ibhxh_batch,
    l10n_vn_ibhxh_batch_line,
    l10n_vn_ibhxh_certificate,
    l10n_vn_ibhxh_form,
    l10n_vn_ibhxh_mail,
    l10n_vn_ibhxh_notification,
    l10n_vn_ibhxh_provider,
    l10n_vn_ibhxh_registration,
    l10n_vn_ibhxh_registration_log,
    l10n_vn_ibhxh_registration_step,
    l10n_vn_ibhxh_result_code,
    l10n_vn_ibhxh_result_delivery,
    l10n_vn_ibhxh_signing_request,
    l10n_vn_ibhxh_trusted_root,
    mail_thread,
    res_company,
    res_config_settings,
    res_partner,
    res_users,
)
