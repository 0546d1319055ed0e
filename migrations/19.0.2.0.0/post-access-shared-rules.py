"""Mails and notifications of no company are for administrators of all companies; rules are not updated by data."""

BEFORE = "[('company_id', 'in', company_ids + [False])]"
AFTER = "[('company_id', 'in', company_ids + ([False] if user._l10n_vn_ibhxh_is_shared_admin() else []))]"
NAMES = {
    "mail_rule_manager": "BHXH mail: manager, own companies; of nobody yet: manager of all companies",
    "notification_rule_manager": "BHXH notification: manager, own companies; of nobody yet: manager of all companies",
}


def migrate(cr, version):
    if not version:
        return
    for xml_id, name in NAMES.items():
        cr.execute(
            """UPDATE ir_rule rule SET domain_force = %s, name = %s
                 FROM ir_model_data data
                WHERE data.module = 'l10n_vn_ibhxh' AND data.name = %s AND data.model = 'ir.rule'
                  AND data.res_id = rule.id AND rule.domain_force = %s""",
            (AFTER, name, xml_id, BEFORE),
        )
