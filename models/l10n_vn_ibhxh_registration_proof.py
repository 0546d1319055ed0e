import base64
import csv
import hashlib
import io
import json
import tempfile
import zipfile

from odoo import fields, models

from ..tools import mail_content, signature, vss_mail

# Headers that show where a mail came from; the others may hold anything.
MAIL_HEADERS = {
    "from", "to", "cc", "delivered-to", "x-original-to", "reply-to", "return-path", "sender", "date", "subject",
    "message-id", "in-reply-to", "received", "authentication-results", "dkim-signature", "auto-submitted",
}  # fmt: skip
# The same data make the same bytes, so the archive tells no time of its own. This is the earliest that ZIP knows.
ZIP_TIME = (1980, 1, 1, 0, 0, 0)
IN_MEMORY = 8 * 2**20


def _json(value):
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True, default=str).encode() + b"\n"


def _utc(moment):
    """Return a naive UTC time as ISO 8601 with Z, or None."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ") if moment else None


class L10n_Vn_IbhxhRegistrationProof(models.AbstractModel):
    """Everything about one registration in one archive: what was sent, who signed where, what came back, when.

    Activation codes and links are blanked wherever they may stand. Times are UTC.
    """

    _name = "l10n_vn_ibhxh.registration.proof"
    _description = "Proof of BHXH registrations"

    def action_download_proof(self):
        """Download everything about this registration as one ZIP archive."""
        self.ensure_one()
        self.check_access("read")
        return {
            "type": "ir.actions.act_url",
            "url": f"/l10n_vn_ibhxh/registration/{self.id}/proof",
            "target": "download",
        }

    def _proof_archive(self):
        """Return the ZIP archive as an open file at its start, on disk when it is large. The caller closes it.

        The user must be allowed to read the registration; raises `AccessError` otherwise.
        """
        self.ensure_one()
        self.check_access("read")
        # Signing data and mails belong to the registration, and anyone who may read it may see that much of them.
        registration = self.sudo().with_context(bin_size=False, lang="en_US", tz="UTC")
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115
        listed = []
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name, content in registration._proof_entries():
                self._add_entry(archive, name, content)
                listed.append({"name": name, "size": len(content), "sha256": hashlib.sha256(content).hexdigest()})
            manifest = {
                "format": "l10n_vn_ibhxh.proof/1",
                "registration": registration.name,
                "client_reference": registration.client_reference,
                "times": "UTC",
                "entries": listed,
            }
            self._add_entry(archive, "manifest.json", _json(manifest))
        file.seek(0)
        return file

    def _add_entry(self, archive, name, content):
        info = zipfile.ZipInfo(name, ZIP_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o644 << 16
        info.create_system = 3
        archive.writestr(info, content)

    def _proof_name(self):
        """Return the file name of the archive."""
        return "".join(c if c.isalnum() or c in "-_." else "_" for c in f"{self.name}_{self.form}") + ".zip"

    # -- entries -------------------------------------------------------------------------------------------------------

    def _proof_entries(self):
        """Yield `(name, content)` of every file but the manifest, always in the same order."""
        yield "registration.json", _json(self._proof_registration())
        for field, folder in (("document", "unsigned"), ("signed_document", "signed")):
            if self[field]:
                yield f"dossier/{folder}/{self.document_name}", base64.b64decode(self[field])
        if self.printed_form:
            yield f"dossier/{self.printed_form_name}", base64.b64decode(self.printed_form)
        if self.receipt:
            yield "receipt.json", self.receipt.encode()
        yield "signing.json", _json(self._proof_signing())
        if self.certificate_id:
            yield "certificate.der", self.certificate_id._der()
        yield from self._proof_steps()
        yield "history.json", _json(self._proof_history())
        for notification in self.notification_ids.sorted("id"):
            yield f"notifications/{notification.id}/{notification.name}", base64.b64decode(notification.content)
        yield (
            "notifications.json",
            _json([self._proof_notification(record) for record in self.notification_ids.sorted("id")]),
        )
        for mail in self.mail_ids.sorted("id"):
            yield f"mails/{mail.id}.json", _json(self._proof_mail(mail))

    def _proof_registration(self):
        texts = (
            "name", "form", "state", "lodging", "client_reference", "dossier_number", "dossier_number_source",
            "unit_code", "email", "phone", "contact_name", "error_code", "holder_name",
        )  # fmt: skip
        times = ("create_date", "signed_at", "attempted_at", "submitted_at", "activation_received_at", "confirmed_at")
        return {
            **{name: self[name] or None for name in texts},
            **{name: _utc(self[name]) for name in times},
            "error_message": self._redact(self.error_message),
            "company": self.company_name or self.company_id.name,
            "tax_code": self.tax_code or None,
            "provider": {
                "code": self.provider_id.code,
                "name": self.provider_id.name,
                "gateway": self.provider_id.gateway,
            },
            "agency": {"code": self.agency_id.code, "name": self.agency_id.name},
            "responsible": self._proof_user(self.user_id),
            "printed_form_sha256": self.printed_form_sha256 or None,
        }

    def _proof_signing(self):
        """Return every request for a signature: who asked, who answered on which computer, with which certificate."""
        requests = self.env["l10n_vn_ibhxh.signing.request"].search(
            [("res_model", "=", self._name), ("res_id", "=", self.id)], order="id"
        )
        return [
            {
                "title": request.title,
                "asked_at": _utc(request.create_date),
                "asked_by": self._proof_user(request.user_id),
                "document_sha256": request.sha256,
                "state": request.state,
                "signed_at": _utc(request.signed_at),
                "signed_by": self._proof_user(request.signed_by_id),
                "computer": request.signed_on or None,
                "error": request.error_code or None,
                "certificate": self._proof_certificate(request.certificate_id),
                "signed_document": self._proof_signed(request),
            }
            for request in requests
        ]

    def _proof_signed(self, request):
        """Return hash and claims of the signed document, checked again as of the time of signing."""
        if not request.signed_sha256:
            return None
        summary = {"sha256": request.signed_sha256}
        signed = base64.b64decode(self.signed_document or b"")
        if hashlib.sha256(signed).hexdigest() != request.signed_sha256:
            return summary
        at = fields.Datetime.context_timestamp(self.with_context(tz="UTC"), request.signed_at)
        try:
            info = signature.verify(
                signed, base64.b64decode(self.document or b""), request.certificate_id._der(), at=at
            )
        except signature.SignatureError as error:
            return {**summary, "signature": error.code}
        return {
            **summary,
            "signature": "valid",
            "signature_value_sha256": info.signature_value_sha256,
            "claimed_signing_time": _utc(info.signed_at),
        }

    def _proof_certificate(self, certificate):
        return {
            "holder": certificate.name,
            "subject": certificate.subject,
            "issuer": certificate.issuer,
            "serial": certificate.serial,
            "fingerprint_sha256": certificate.fingerprint,
            "valid_from": _utc(certificate.not_before),
            "valid_until": _utc(certificate.not_after),
        }

    def _proof_user(self, user):
        return {"name": user.name, "login": user.login} if user else None

    def _proof_steps(self):
        steps = [
            {
                "step": step.number,
                "date": _utc(step.date),
                "code": step.code or "",
                "description": self._redact(step.description) or "",
                "passed": step.passed,
            }
            for step in self.step_ids.sorted("number")
        ]
        yield "steps.json", _json(steps)
        table = io.StringIO()
        writer = csv.DictWriter(table, ["step", "date", "code", "description", "passed"], lineterminator="\r\n")
        writer.writeheader()
        writer.writerows({key: self._cell(value) for key, value in step.items()} for step in steps)
        # With a byte order mark, spreadsheet programs take it for UTF-8.
        yield "steps.csv", b"\xef\xbb\xbf" + table.getvalue().encode()

    def _cell(self, value):
        """Return a cell that no spreadsheet program takes for a formula: the text comes from outside."""
        return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value

    def _proof_history(self):
        """Return who changed what, when, by lines that nobody can write. The chatter, people's free text, stays out."""
        lines = self.env["l10n_vn_ibhxh.registration.log"].search([("registration_id", "=", self.id)], order="id")
        return [
            {
                "at": _utc(line.changed_at),
                "by": line.changed_by or None,
                "field": line.field,
                "old": self._redact(line.old),
                "new": self._redact(line.new),
                "source": line.source,
            }
            for line in lines
        ]

    def _proof_notification(self, record):
        facts = (
            "name", "source", "sha256", "dossier_number", "tax_code", "unit_code", "result_code", "error_code",
            "verdict", "signature_state", "signer", "signer_fingerprint", "state",
        )  # fmt: skip
        return {
            **{name: record[name] or None for name in facts},
            **{name: self._redact(record[name]) for name in ("result", "error_description")},
            "received_at": _utc(record.received_at),
            "signer_is_trusted": record.is_trusted,
            "vouched_by": self._proof_user(record.vouched_by_id),
        }

    def _proof_mail(self, mail):
        """Return where a mail came from and what became of it; its content stays out."""
        return {
            "received_at": _utc(mail.received_at),
            "kind": mail.kind,
            "state": mail.state,
            "source_sha256": mail.source_sha256 or None,
            "headers": self._proof_headers(mail),
        }

    def _proof_headers(self, mail):
        if not mail.source:
            return []
        codes = mail._read().codes
        listed = mail_content.listed_headers(base64.b64decode(mail.source), MAIL_HEADERS)
        return [[name, self._redact(text, codes)] for name, text in listed]

    def _redact(self, text, codes=()):
        """Return a text without activation codes and links, none of the known `codes` either; None when empty."""
        if not text:
            return None
        return vss_mail.redact(text, filter(None, (*codes, self.activation_code)))
