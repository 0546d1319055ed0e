"""Documents are stored once: a dossier with its signing request until it is signed, then as it was signed.

Before, registration and request each had it unsigned and signed, and the print was a file of its own besides. A copy
goes only where the same bytes stay or follow; the others become files of the record that had them.
"""

import base64
import hashlib

from odoo import SUPERUSER_ID, api
from odoo.addons.l10n_vn_ibhxh.tools import dossier
from odoo.tools import split_every
from odoo.tools.sql import column_exists

REGISTRATION, REQUEST = "l10n_vn_ibhxh.registration", "l10n_vn_ibhxh.signing.request"
CHUNK, PDF = 200, "application/pdf"


def migrate(cr, version):
    if not version:
        return
    env = api.Environment(cr, SUPERUSER_ID, {})
    if column_exists(cr, "l10n_vn_ibhxh_registration", "document"):
        for ids in _ids(cr, "SELECT id FROM l10n_vn_ibhxh_registration WHERE document IS NOT NULL ORDER BY id"):
            _drop_unsigned(env, ids)
        cr.execute("ALTER TABLE l10n_vn_ibhxh_registration DROP COLUMN document")
    if column_exists(cr, "l10n_vn_ibhxh_signing_request", "signed_document"):
        for ids in _ids(
            cr, "SELECT id FROM l10n_vn_ibhxh_signing_request WHERE signed_document IS NOT NULL ORDER BY id"
        ):
            _drop_signed(env, ids)
        cr.execute("ALTER TABLE l10n_vn_ibhxh_signing_request DROP COLUMN signed_document")
    for ids in _ids(cr, "SELECT id FROM l10n_vn_ibhxh_registration WHERE printed_form IS NOT NULL ORDER BY id"):
        _link_prints(env, ids)


def _ids(cr, query):
    cr.execute(query)
    return split_every(CHUNK, [row[0] for row in cr.fetchall()], tuple)


def _decode(value):
    return base64.b64decode(bytes(value or b""))


def _sha256(content):
    return hashlib.sha256(content).hexdigest()


def _drop_unsigned(env, ids):
    env.cr.execute(
        """SELECT registration.id, registration.document, registration.signed_document, request.id, request.state,
                  request.document
             FROM l10n_vn_ibhxh_registration registration
        LEFT JOIN l10n_vn_ibhxh_signing_request request ON request.id = registration.signing_request_id
            WHERE registration.id IN %s""",
        (ids,),
    )
    for registration_id, *documents, request_id, state, asked in env.cr.fetchall():
        document, signed = map(_decode, documents)
        follows = _unsigned(signed) == document
        is_same = asked is not None and _decode(asked) == document
        env.cr.execute(
            "UPDATE l10n_vn_ibhxh_registration SET document_sha256 = %s WHERE id = %s",
            (_sha256(document), registration_id),
        )
        if follows and is_same and state == "signed":
            env.cr.execute("UPDATE l10n_vn_ibhxh_signing_request SET document = NULL WHERE id = %s", (request_id,))
        elif not (follows or is_same):
            _keep(env, REGISTRATION, registration_id, "unsigned.xml", document)


def _unsigned(signed):
    try:
        return dossier.unsigned(signed)
    except dossier.DossierError:
        return None


def _drop_signed(env, ids):
    env.cr.execute(
        """SELECT request.id, request.signed_document, registration.signed_document
             FROM l10n_vn_ibhxh_signing_request request
        LEFT JOIN l10n_vn_ibhxh_registration registration
               ON registration.id = request.res_id AND request.res_model = %s
            WHERE request.id IN %s""",
        (REGISTRATION, ids),
    )
    for request_id, *documents in env.cr.fetchall():
        signed, kept = map(_decode, documents)
        env.cr.execute(
            "UPDATE l10n_vn_ibhxh_signing_request SET signed_sha256 = %s WHERE id = %s", (_sha256(signed), request_id)
        )
        if signed != kept:
            _keep(env, REQUEST, request_id, "signed.xml", signed)


def _keep(env, model, res_id, name, content):
    env["ir.attachment"].create(
        {"name": name, "raw": content, "mimetype": "application/xml", "res_model": model, "res_id": res_id}
    )


def _link_prints(env, ids):
    """The file that people see among the attachments becomes a link to the copy that nobody can change."""
    files = env["ir.attachment"].search(
        [("res_model", "=", REGISTRATION), ("res_id", "in", ids), ("type", "=", "binary"), ("mimetype", "=", PDF)]
    )
    if not files:
        return
    env.cr.execute(
        "SELECT id, printed_form FROM l10n_vn_ibhxh_registration WHERE id IN %s", (tuple(set(files.mapped("res_id"))),)
    )
    printed = {
        registration_id: hashlib.sha1(_decode(value)).hexdigest() for registration_id, value in env.cr.fetchall()
    }
    for file in files.filtered(lambda file: file.checksum == printed.get(file.res_id)):
        url = f"/web/content/{REGISTRATION}/{file.res_id}/printed_form/{file.name}"
        file.write({"raw": False, "type": "url", "url": url})
        file.mimetype = PDF
