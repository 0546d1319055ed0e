"""The form of registrations is one view: what two views of this module added to it is part of it now.

They go before the new form is loaded, which has what they look for; what others built on them builds on the form.
"""

MERGED = ("l10n_vn_ibhxh_registration_view_form_lifecycle", "l10n_vn_ibhxh_registration_view_form_proof")


def migrate(cr, version):
    if not version:
        return
    cr.execute(
        "SELECT res_id FROM ir_model_data WHERE module = 'l10n_vn_ibhxh' AND model = 'ir.ui.view' AND name IN %s",
        [MERGED],
    )
    ids = tuple(view_id for (view_id,) in cr.fetchall())
    if not ids:
        return
    cr.execute(
        """
        UPDATE ir_ui_view child
           SET inherit_id = merged.inherit_id
          FROM ir_ui_view merged
         WHERE child.inherit_id = merged.id
           AND merged.id IN %s
        """,
        [ids],
    )
    cr.execute("DELETE FROM ir_ui_view WHERE id IN %s", [ids])
    cr.execute(
        "DELETE FROM ir_model_data WHERE module = 'l10n_vn_ibhxh' AND model = 'ir.ui.view' AND name IN %s", [MERGED]
    )
