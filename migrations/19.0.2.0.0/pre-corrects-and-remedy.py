"""A refusal has a remedy and is corrected by another registration: renamed fields keep their values and records."""

RENAMED = [
    ("l10n_vn_ibhxh_preflight", "cures_id", "corrects_id"),
    ("l10n_vn_ibhxh_registration", "cures_id", "corrects_id"),
    ("l10n_vn_ibhxh_registration", "cure", "remedy"),
    ("l10n_vn_ibhxh_registration", "cure_action", "remedy_action"),
    ("l10n_vn_ibhxh_registration_wizard", "cures_id", "corrects_id"),
    ("l10n_vn_ibhxh_result_code", "cure", "remedy"),
    ("l10n_vn_ibhxh_result_code", "cure_action", "remedy_action"),
]


def migrate(cr, version):
    if not version:
        return
    for table, old, new in RENAMED:
        cr.execute(
            "SELECT column_name FROM information_schema.columns WHERE table_name = %s AND column_name IN %s",
            [table, (old, new)],
        )
        if cr.fetchall() == [(old,)]:
            cr.execute(f"ALTER TABLE {table} RENAME COLUMN {old} TO {new}")
        # Foreign keys, and from PostgreSQL 18 on what may not be empty, have the column's name in theirs.
        cr.execute("SELECT conname FROM pg_constraint WHERE conrelid = to_regclass(%s)", [table])
        for (name,) in cr.fetchall():
            if name.startswith(f"{table}_{old}_"):
                renamed = name.replace(f"{table}_{old}_", f"{table}_{new}_", 1)
                cr.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {renamed}")
        cr.execute(
            "UPDATE ir_model_fields SET name = %s WHERE replace(model, '.', '_') = %s AND name = %s", [new, table, old]
        )
        # `field_<table>__<name>`, `selection__<table>__<name>__<value>`: exports, filters and translations name them.
        for prefix, model in (("field_", "ir.model.fields"), ("selection__", "ir.model.fields.selection")):
            cr.execute(
                r"""UPDATE ir_model_data SET name = regexp_replace(name, '__' || %s || '(__|$)', '__' || %s || '\1')
                     WHERE module = 'l10n_vn_ibhxh' AND model = %s
                       AND starts_with(name || '__', %s)""",
                [old, new, model, f"{prefix}{table}__{old}__"],
            )
