"""Certificates of one's own remote signing accounts can be read, too: the rule is not updated by itself."""

OLD = "['|', ('company_ids', 'in', company_ids), ('agent_ids.user_id', '=', user.id)]"
NEW = (
    "['|', '|', ('company_ids', 'in', company_ids), ('agent_ids.user_id', '=', user.id), "
    "('remote_account_ids.user_id', '=', user.id)]"
)
NAME = "BHXH certificate: own companies, own computers, own remote signing accounts"


def migrate(cr, version):
    if version:
        cr.execute(
            """UPDATE ir_rule rule SET domain_force = %s, name = %s
                 FROM ir_model_data data
                WHERE data.module = 'l10n_vn_ibhxh' AND data.name = 'certificate_rule_company'
                  AND data.model = 'ir.rule' AND data.res_id = rule.id AND rule.domain_force = %s""",
            (NEW, NAME, OLD),
        )
