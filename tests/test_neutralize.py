"""A copied database holds no secret: whatever a model marks as one is gone after `data/neutralize.sql`."""

import base64
import re

from odoo.modules.neutralize import get_neutralization_queries
from odoo.tests import tagged
from odoo.tools import SQL

from .test_access import AccessCommon

# Texts that are named like secrets and are none.
NO_SECRETS = {
    "agency.code",
    "agent.key_name",
    "agent.next_key_name",
    "batch.line.form",
    "form.file_name",
    "lodge.answer.error_code",
    "lodge.answer.unit_code",
    "earlier.registration.unit_code",
    "mail.source_sha256",
    "mail.test.code_words",
    "result.delivery.code",
    "notification.error_code",
    "notification.result_code",
    "notification.tax_code",
    "notification.transaction_code",
    "notification.unit_code",
    "provider.ca_certificates",
    "provider.client_certificate",
    "provider.code",
    "provider.portal_url",
    "provider.url",
    "remote.service.url",
    "registration.change_text",
    "registration.error_code",
    "registration.tax_code",
    "registration.unit_code",
    "registration.step.code",
    "registration.wizard.change_text",
    "registration.wizard.unit_code",
    "result.code.code",
    "certificate.key_type",
    "certificate.tax_code",
    "signing.request.error_code",
    "signing.request.short_code",
}
SUSPECT = re.compile(r"secret|key|hash|code|url|source$|^text$|doorbell|password|token$|link")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestNeutralize(AccessCommon):
    def _texts(self):
        """`(name, model, field)` of each stored text, file or JSON of ours."""
        for short in sorted(self._own_models()):
            model = self.env[f"l10n_vn_ibhxh.{short}"]
            for name, field in sorted(model._fields.items()):
                if field.store and field.column_type and field.type in ("char", "text", "binary", "html", "json"):
                    yield f"{short}.{name}", model, field

    def test_s24_what_is_named_like_a_secret_is_marked(self):
        """A new field fails here until somebody has said what it is."""
        unmarked = {
            name
            for name, model, field in self._texts()
            if (SUSPECT.search(field.name) or field.groups) and field.name not in getattr(model, "_secret_fields", ())
        }
        self.assertFalse(unmarked - NO_SECRETS)

    def test_s24_no_planted_secret_is_left(self):
        samples = self._samples()
        planted = {}
        for name, model, field in self._texts():
            if field.name not in getattr(model, "_secret_fields", ()):
                continue
            self.assertTrue(samples[model._name.removeprefix("l10n_vn_ibhxh.")])
            marker = f"planted {name}"
            value = {
                "binary": base64.b64encode(marker.encode()),
                "json": f'["{marker}"]',
            }.get(field.type, marker)
            planted[name] = marker
            query = SQL("UPDATE %s SET %s = %s", SQL.identifier(model._table), SQL.identifier(field.name), value)
            self.env.cr.execute(query)
        self.assertGreater(len(planted), 10)
        self.assertEqual(self._found(planted), set(planted))
        for query in get_neutralization_queries(["l10n_vn_ibhxh"]):
            self.env.cr.execute(query)
        self.assertEqual(self._found(planted), set())

    def _found(self, planted):
        """The names of what is found anywhere in the database, in the clear, in base64, or in hexadecimal."""
        self.env.flush_all()
        rows = self.env.execute_query(SQL("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"))
        found = set()
        for (table,) in rows:
            [[text]] = self.env.execute_query(
                SQL(
                    "SELECT string_agg(t::text, '') FROM %s t WHERE t::text LIKE ANY(%s)",
                    SQL.identifier(table),
                    [
                        "%planted%",
                        f"%{base64.b64encode(b'planted').decode()[:8]}%",
                        f"%{base64.b64encode(b'planted')[:8].hex()}%",
                    ],
                )
            )
            for name, marker in planted.items():
                encoded = base64.b64encode(marker.encode())
                if text and any(form in text for form in (marker, encoded.decode(), encoded.hex())):
                    found.add(name)
        return found
