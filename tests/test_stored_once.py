"""Issue J: a document is stored once, and what follows from it byte for byte is not stored beside it."""

import base64
import hashlib
import runpy
from pathlib import Path
from unittest.mock import patch

from odoo.tests import tagged
from odoo.tools import mute_logger
from psycopg2.errors import CheckViolation

from ..tools import dossier, signature
from .common import IbhxhCommon

REGISTRATION = "l10n_vn_ibhxh.registration"
REQUEST = "l10n_vn_ibhxh.signing.request"
SENDING = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_registration_sending"


@tagged("post_install_l10n", "post_install", "-at_install")
class TestStoredOnce(IbhxhCommon):
    def _stored(self, registration):
        """Return `{where: bytes}` of every binary column and file that is kept for a registration."""
        self.env.flush_all()
        self.env.invalidate_all()
        requests = (
            self.env[REQUEST].sudo().search([("res_model", "=", REGISTRATION), ("res_id", "in", registration.ids)])
        )
        found = {}
        for records in (registration.sudo(), requests):
            names = [
                name
                for name, field in records._fields.items()
                if field.type == "binary" and field.store and field.column_type
            ]
            for record in records:
                for name in names:
                    self.env.cr.execute(f'SELECT "{name}" FROM "{records._table}" WHERE id = %s', [record.id])
                    (value,) = self.env.cr.fetchone()
                    if value:
                        found[record._name, record.id, name] = base64.b64decode(bytes(value))
        attachments = (
            self.env["ir.attachment"]
            .sudo()
            .search([("res_model", "=", REGISTRATION), ("res_id", "in", registration.ids)])
        )
        found |= {("ir.attachment", file.id, file.name): file.raw for file in attachments if file.raw}
        return found

    def test_j_a_document_is_stored_once(self):
        """Waiting for its signature as it is to be signed; from then on as it was signed. The print once, too."""
        registration = self._register()
        unsigned = base64.b64decode(registration.document)
        self.assertEqual(list(self._stored(registration).values()), [unsigned])
        self._sign(registration)
        self._send()
        self._run("print")
        [sent] = self.gateway.accepted[registration.client_reference]
        printed = base64.b64decode(registration.printed_form)
        stored = self._stored(registration)
        self.assertEqual(
            {name: content for (_model, _id, name), content in stored.items()},
            {"signed_document": sent.document, "printed_form": printed},
        )
        self.assertEqual(len(stored), 2)

    def test_j_the_unsigned_dossier_follows_from_the_signed_one(self):
        """Byte for byte what was asked to be signed, with fields that are empty, from a cold cache, for its readers."""
        for field, form in (("street", "04"), ("city", "04")):
            self.company[field] = False
            registration = self._register(form=form)
            unsigned = base64.b64decode(registration.document)
            self._sign(registration)
            self.env.flush_all()
            self.env.invalidate_all()
            request = registration.sudo().signing_request_id
            self.assertFalse(request.document)
            kept = registration.with_user(self.user).with_context(bin_size=False)
            self.assertEqual(base64.b64decode(kept.document), unsigned)
            self.assertEqual(kept.document_sha256, hashlib.sha256(unsigned).hexdigest())
            self.assertEqual(request.sha256, kept.document_sha256)
            self.assertEqual(request.signed_sha256, hashlib.sha256(base64.b64decode(kept.signed_document)).hexdigest())
            registration.action_cancel()

    def test_j_what_does_not_follow_is_kept(self):
        """A document whose bytes are not those that the dossier's writer makes is valid and sent all the same."""
        build = dossier.build
        with patch.object(dossier, "build", lambda *args: build(*args).replace(b"'1.0'", b'"1.0"')):
            registration = self._register()
        unsigned = base64.b64decode(registration.document)
        self.assertIn(b'version="1.0"', unsigned)
        self._sign(registration)
        self.env.flush_all()
        self.env.invalidate_all()
        self.assertEqual(base64.b64decode(registration.document), unsigned)
        self.assertEqual(base64.b64decode(registration.sudo().signing_request_id.document), unsigned)
        self._send()
        self.assertEqual(registration.state, "sent")

    def test_j_what_was_never_signed_is_kept(self):
        """A request that failed or was withdrawn: its document is the only one that says what was to be signed."""
        registration = self._register()
        unsigned = base64.b64decode(registration.document)
        request = registration.sudo().signing_request_id
        registration.action_withdraw()
        self.env.invalidate_all()
        self.assertEqual(base64.b64decode(request.document), unsigned)
        registration.action_cancel()
        self.assertEqual(base64.b64decode(registration.document), unsigned)

    def test_j_a_request_without_document_is_a_signed_one(self):
        request = self._register().sudo().signing_request_id
        with mute_logger("odoo.sql_db"), self.assertRaises(CheckViolation), self.env.cr.savepoint():
            request.document = False
            request.flush_recordset()

    def test_j_another_dossier_signed_with_the_same_certificate_is_not_sent(self):
        """It verifies by itself; the hash that was kept shows that another one was asked for."""
        registration = self._register()
        self._sign(registration)
        other = self._signed_second().sudo().with_context(bin_size=False)
        record = registration.sudo()
        record.signed_document = other.signed_document
        self.env.flush_all()
        self.env.invalidate_all()
        with self.assertRaises(signature.SignatureError) as caught:
            record._verify_signed()
        self.assertEqual(caught.exception.code, "content_changed")

    def _as_before(self):
        """Bring back the copies of the release before."""
        self.env.flush_all()
        registrations = self.env[REGISTRATION].sudo().search([("company_id", "=", self.company.id)])
        requests = self.env[REQUEST].sudo().search([("res_model", "=", REGISTRATION)])
        documents = {r.id: (r.document, r.signed_document) for r in registrations.with_context(bin_size=False)}
        self.env.cr.execute("ALTER TABLE l10n_vn_ibhxh_registration ADD COLUMN document bytea")
        self.env.cr.execute("ALTER TABLE l10n_vn_ibhxh_signing_request ADD COLUMN signed_document bytea")
        for registration_id, (document, _signed) in documents.items():
            self.env.cr.execute(
                "UPDATE l10n_vn_ibhxh_registration SET document = %s, document_sha256 = NULL WHERE id = %s",
                [document or None, registration_id],
            )
        for request in requests.filtered(lambda request: request.state == "signed"):
            self.env.cr.execute(
                "UPDATE l10n_vn_ibhxh_signing_request SET document = %s, signed_document = %s, signed_sha256 = NULL "
                "WHERE id = %s",
                [*documents[request.res_id], request.id],
            )
        for registration in registrations.filtered("printed_form"):
            link = self.env["ir.attachment"].search(
                [("res_model", "=", REGISTRATION), ("res_id", "=", registration.id)]
            )
            content = base64.b64decode(registration.with_context(bin_size=False).printed_form)
            link.write({"type": "binary", "url": False, "raw": content})
            self.assertEqual(link.mimetype, "application/pdf")
        self.env.invalidate_all()

    def _migrate(self):
        script = Path(__file__).parent.parent / "migrations" / "19.0.2.0.0" / "post-store-documents.py"
        for _time in range(2):
            runpy.run_path(str(script))["migrate"](self.env.cr, "19.0.1.1.0")
            self.env.flush_all()
            self.env.invalidate_all()

    def test_j_upgrade_keeps_each_document_once(self):
        """In every state what could be read can be read, what waits goes on, and the proof is the same."""
        cancelled = self._register()
        cancelled.action_withdraw()
        cancelled.action_request_signature()
        cancelled.action_cancel()
        confirmed = self._confirmed()
        self._run("print")
        waiting = self._register(form="05", change_text="Đổi thư điện tử")
        registrations = cancelled + confirmed + waiting
        self.env.invalidate_all()
        before = {r: (r.document, r.signed_document, r.document_sha256, r.printed_form) for r in registrations}
        self.assertTrue(all(document for document, *_others in before.values()))
        stored, proof = self._stored(registrations), confirmed.sudo()._proof_signing()
        self._as_before()
        self.assertEqual(len(self._stored(registrations)), len(stored) + 2, "the print, and the unsigned dossier")
        self._migrate()
        self.assertEqual(
            {r: (r.document, r.signed_document, r.document_sha256, r.printed_form) for r in registrations}, before
        )
        self.assertEqual(self._stored(registrations), stored)
        [link] = self.env["ir.attachment"].search([("res_model", "=", REGISTRATION), ("res_id", "=", confirmed.id)])
        url = f"/web/content/{REGISTRATION}/{confirmed.id}/printed_form/04_DK-IVAN.pdf"
        self.assertEqual((link.type, link.url, link.mimetype), ("url", url, "application/pdf"))
        self.assertEqual(confirmed.sudo()._proof_signing(), proof)
        self.assertEqual(self._sign(waiting), ("signed", None))
        self._send()
        self.assertEqual(waiting.state, "sent")

    def test_j_upgrade_drops_nothing_that_is_nowhere_else(self):
        registration = self._register()
        self._sign(registration)
        request = registration.sudo().signing_request_id
        self._as_before()
        odd, late = b"<Hoso>an odd one</Hoso>", b"<Hoso>signed late</Hoso>"
        self.env.cr.execute(
            "UPDATE l10n_vn_ibhxh_registration SET document = %s WHERE id = %s",
            [base64.b64encode(odd), registration.id],
        )
        self.env.cr.execute(
            "UPDATE l10n_vn_ibhxh_signing_request SET signed_document = %s WHERE id = %s",
            [base64.b64encode(late), request.id],
        )
        asked = request.document
        self._migrate()
        files = self.env["ir.attachment"].search([("res_model", "in", (REGISTRATION, REQUEST))])
        kept = {(file.res_model, file.res_id, file.name): file.raw for file in files.filtered("raw")}
        self.assertEqual(
            kept, {(REGISTRATION, registration.id, "unsigned.xml"): odd, (REQUEST, request.id, "signed.xml"): late}
        )
        self.assertEqual(request.document, asked)
        self.assertEqual(request.signed_sha256, hashlib.sha256(late).hexdigest())
        with self.assertLogs(SENDING, "ERROR"):
            self._send()
        self.assertEqual(registration.error_code, "invalid_signature", "as before the upgrade")
