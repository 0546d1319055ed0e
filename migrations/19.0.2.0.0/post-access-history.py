"""The history of registrations has lines of its own; what the chatter tracked before is taken over, marked as such."""


def migrate(cr, version):
    if not version:
        return
    cr.execute(
        """INSERT INTO l10n_vn_ibhxh_registration_log
                  (registration_id, company_id, changed_at, changed_by, field, old, new, source)
           SELECT registration.id, registration.company_id, message.date, COALESCE(author.name, message.email_from),
                  COALESCE(field.name, value.field_info->>'name'),
                  COALESCE(NULLIF(value.old_value_char, ''), value.old_value_text, value.old_value_datetime::text,
                           NULLIF(value.old_value_integer, 0)::text),
                  COALESCE(NULLIF(value.new_value_char, ''), value.new_value_text, value.new_value_datetime::text,
                           NULLIF(value.new_value_integer, 0)::text),
                  'chatter'
             FROM mail_tracking_value value
             JOIN mail_message message ON message.id = value.mail_message_id
             JOIN l10n_vn_ibhxh_registration registration ON registration.id = message.res_id
        LEFT JOIN res_partner author ON author.id = message.author_id
        LEFT JOIN ir_model_fields field ON field.id = value.field_id
            WHERE message.model = 'l10n_vn_ibhxh.registration'
              AND COALESCE(field.name, value.field_info->>'name') IS NOT NULL
              AND NOT EXISTS (
                  SELECT FROM l10n_vn_ibhxh_registration_log line WHERE line.registration_id = registration.id
                  )
            ORDER BY value.id"""
    )
