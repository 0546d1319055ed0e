"""How each registration reaches VSS, and how each I-VAN's dossiers write phone numbers: as it was until now."""


def migrate(cr, version):
    if not version:
        return
    cr.execute("ALTER TABLE l10n_vn_ibhxh_registration ADD COLUMN IF NOT EXISTS lodging varchar")
    cr.execute(
        """UPDATE l10n_vn_ibhxh_registration registration
              SET lodging = CASE WHEN provider.gateway = 'manual' THEN 'file' ELSE 'odoo' END
             FROM l10n_vn_ibhxh_registration self
             LEFT JOIN l10n_vn_ibhxh_provider provider ON provider.id = self.provider_id
            WHERE registration.id = self.id AND registration.lodging IS NULL"""
    )
    # A connected I-VAN has taken +84… so far; what people lodge is written as dossiers in use write it.
    cr.execute("ALTER TABLE l10n_vn_ibhxh_provider ADD COLUMN IF NOT EXISTS phone_format varchar")
    cr.execute(
        """UPDATE l10n_vn_ibhxh_provider
              SET phone_format = CASE WHEN gateway = 'manual' THEN 'national' ELSE 'international' END
            WHERE phone_format IS NULL"""
    )
    # The field's default reads a table that does not exist yet. What was made before has no choice of its own: its
    # dossier says `0`, as all did.
    cr.execute("ALTER TABLE l10n_vn_ibhxh_registration ADD COLUMN IF NOT EXISTS result_delivery_id int4")
