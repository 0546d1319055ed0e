"""An index of registrations had the name of a method, `_poll`, and hid it or was hidden by it."""


def migrate(cr, version):
    if not version:
        return
    cr.execute("ALTER INDEX IF EXISTS l10n_vn_ibhxh_registration_poll RENAME TO l10n_vn_ibhxh_registration_poll_due")
