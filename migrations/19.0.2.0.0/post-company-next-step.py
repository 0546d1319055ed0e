"""Which dossier another one is to follow, of companies whose stop or data VSS confirmed before."""


def migrate(cr, version):
    if not version:
        return
    cr.execute(
        """UPDATE res_company company
              SET l10n_vn_ibhxh_next_step_id = last.id
             FROM (
                    SELECT DISTINCT ON (company_id) id, company_id, form, then_register, then_certificate_id
                      FROM l10n_vn_ibhxh_registration
                     WHERE state = 'confirmed'
                     ORDER BY company_id, confirmed_at DESC NULLS LAST, id DESC
                  ) last
            WHERE last.company_id = company.id
              AND CASE WHEN last.form = '06' THEN last.then_register
                       ELSE last.then_certificate_id IS DISTINCT FROM company.l10n_vn_ibhxh_certificate_id
                            AND last.then_certificate_id IS NOT NULL
                  END"""
    )
