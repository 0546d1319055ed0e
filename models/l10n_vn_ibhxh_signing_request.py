import base64
import hashlib
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Domain
from odoo.tools.translate import LazyTranslate

from ..tools import signature
from .const import REMOTE_FAILURES

_lt = LazyTranslate(__name__)

LEASE_SECONDS = 120

# What the computer reports, and what the person does about it.
FAILURES = {
    "pin_cancelled": _lt("The PIN was not entered. Ask the token's holder, then sign again."),
    "pin_incorrect": _lt(
        "The PIN was wrong. It was tried only once, because each wrong attempt brings the token closer to being "
        "locked. Check the PIN, then sign again."
    ),
    "pin_locked": _lt("The token is locked. Have its certification authority unlock it, then sign again."),
    "token_removed": _lt("The token was pulled out. Plug it in, then sign again."),
    "certificate_missing": _lt("The token with this certificate is not plugged in. Plug it in, then sign again."),
    "driver_error": _lt("The token's driver failed. Unplug the token, plug it in again, then sign again."),
    "refused": _lt("The token's holder refused to sign. Ask why before you sign again."),
    "unsupported": _lt(
        "The computer cannot sign this kind of document or key. Update ibhxh-agent, or use another token."
    ),
    "invalid_signature": _lt(
        "Odoo refused the returned signature. Sign again; if it happens again, update ibhxh-agent."
    ),
}


class L10n_Vn_IbhxhSigningRequest(models.Model):
    """One document that waits for one signature by one certificate: the signing service.

    Any record signs by `_request(record, document, certificate, title)`. The certificate decides where: on a computer
    with the token, which claims the request, or at a remote service, to which Odoo sends it (`…_request_remote.py`).
    Once the signature has been verified here on the server, `record._on_signed(signed_document)` runs in the same
    transaction; on refusal `record._on_sign_failed(code, message)`. Times are UTC.
    """

    _name = "l10n_vn_ibhxh.signing.request"
    _inherit = ["l10n_vn_ibhxh.protected", "l10n_vn_ibhxh.signing.request.remote"]
    _secret_fields = frozenset({"remote_reference", "remote_handle"})
    _description = "Signing request"
    _order = "id"

    title = fields.Char(required=True, readonly=True)
    res_model = fields.Char(string="Model", required=True, readonly=True)
    res_id = fields.Many2oneReference(string="Record ID", model_field="res_model", required=True, readonly=True)
    company_id = fields.Many2one("res.company", required=True, readonly=True, index=True)
    certificate_id = fields.Many2one(
        "l10n_vn_ibhxh.certificate", required=True, readonly=True, index=True, ondelete="restrict"
    )
    user_id = fields.Many2one("res.users", string="Asked by", required=True, readonly=True, index=True)
    # In the database, not in the filestore: what is signed and the state that vouches for it are one transaction. The
    # record that asked keeps the signed document, and may drop this one once it follows from that.
    document = fields.Binary(readonly=True, attachment=False)
    sha256 = fields.Char(string="SHA-256", required=True, readonly=True)
    signed_sha256 = fields.Char(string="SHA-256 as signed", readonly=True)
    state = fields.Selection(
        [
            ("pending", "Waiting"),
            ("claimed", "Under way"),
            ("signed", "Signed"),
            ("failed", "Failed"),
            ("cancelled", "Cancelled"),
        ],
        required=True,
        readonly=True,
        default="pending",
        index=True,
    )
    agent_id = fields.Many2one("l10n_vn_ibhxh.agent", string="Computer", readonly=True, index="btree_not_null")
    lease_until = fields.Datetime(readonly=True)
    signed_at = fields.Datetime(readonly=True)
    signed_by_id = fields.Many2one("res.users", string="Signed by", readonly=True)
    signed_on = fields.Char(string="Signed on", readonly=True, help="Name of the computer at the time of signing.")
    error_code = fields.Char(readonly=True)
    error_message = fields.Char(readonly=True)

    _waiting = models.Index("(certificate_id, id) WHERE state IN ('pending', 'claimed')")
    _document_until_signed = models.Constraint(
        "CHECK (document IS NOT NULL OR state = 'signed')", "A request keeps its document until it is signed."
    )
    _one_open_per_record = models.UniqueIndex(
        "(res_model, res_id) WHERE state IN ('pending', 'claimed')",
        "This record is already waiting for a signature.",
    )

    @api.depends("title")
    def _compute_display_name(self):
        for request in self:
            request.display_name = request.title

    # -- for records that want a signature ---------------------------------------------------------------------------

    @api.model
    def _request(self, record, document, certificate, title):
        """Queue `document` (bytes) for one signature by `certificate` and wake the computers that hold it.

        Where a remote service holds the key, it is prepared: a person compares and sends it (`_send_to_phone`).

        Raises `AccessError` when the user may not write `record`, `UserError` when the certificate is not usable for
        the record's company. Asked again for the same record and document it returns the open request.
        """
        record.ensure_one()
        return self._request_all(record, {record: (document, certificate, title)})[record]

    @api.model
    def _request_all(self, records, wanted):
        """Do what `_request` does for many records of one model; return `{record: request}`.

        :param wanted: `{record: (document, certificate, title)}`
        """
        records.check_access("write")
        requests = self.sudo()
        waiting = requests.search(
            [("res_model", "=", records._name), ("res_id", "in", records.ids), ("state", "in", ("pending", "claimed"))]
        ).grouped("res_id")
        found, rows, replaced = {}, {}, requests.browse()
        for record, (document, certificate, title) in wanted.items():
            company = record.company_id
            certificate._check_usable_for(company)
            digest = hashlib.sha256(document).hexdigest()
            own = waiting.get(record.id, requests.browse())
            account = certificate._remote_account(company)
            same = own.filtered(
                lambda r, of=digest, by=certificate, to=account: (
                    r.sha256 == of and r.certificate_id == by and r.remote_account_id == to
                )
            )
            replaced += own - same
            if same:
                found[record] = same
                continue
            rows[record] = {
                "title": title,
                "res_model": record._name,
                "res_id": record.id,
                "company_id": company.id,
                "certificate_id": certificate.id,
                "user_id": self.env.uid,
                "document": base64.b64encode(document),
                "sha256": digest,
                **(requests._remote_values(document, account) if account else {}),
            }
        replaced._cancel()
        created = requests.create(list(rows.values()))
        created._holders()._ring()
        return found | dict(zip(rows, created, strict=True))

    def _cancel(self):
        """Withdraw what is not signed yet; a computer that works on it learns so when it delivers."""
        for request in self.sudo():
            request.lock_for_update()
            if request.state in ("pending", "claimed"):
                holders = request._holders()
                request.write({"state": "cancelled", "lease_until": False})
                if request.remote_account_id:
                    request._after_cancel()
                holders._ring()

    # -- for computers -----------------------------------------------------------------------------------------------

    @api.model
    def _domain_for(self, agent):
        """Return what `agent` may sign: certificates it reported, companies that its user may access."""
        return (
            Domain("remote_account_id", "=", False)
            & Domain("certificate_id", "in", agent.certificate_ids.ids)
            & Domain("company_id", "in", agent.user_id.company_ids.ids)
        )

    @api.model
    def _free_domain(self, agent):
        now = fields.Datetime.now()
        return self._domain_for(agent) & (
            Domain("state", "=", "pending") | (Domain("state", "=", "claimed") & Domain("lease_until", "<", now))
        )

    def _count_for(self, agent):
        plugged_in = Domain("certificate_id", "in", agent.present_certificate_ids.ids)
        return self.search_count(self._free_domain(agent) & plugged_in)

    def _holders(self):
        """Return the computers that may sign these requests."""
        agents = self.env["l10n_vn_ibhxh.agent"]
        for certificate, requests in (
            self.sudo().filtered(lambda r: not r.remote_account_id).grouped("certificate_id").items()
        ):
            agents |= certificate.agent_ids.filtered(
                lambda agent, companies=requests.company_id: (
                    not agent.revoked and bool(companies & agent.user_id.company_ids)
                )
            )
        return agents

    @api.model
    def _claim(self, agent, fingerprints, limit, resume=False):
        """Lease up to `limit` waiting requests to `agent` and return them.

        With `resume`, which a computer says once after its start, its own unfinished leases come back to it at once
        instead of after they lapse.
        """
        domain = self._free_domain(agent)
        if resume:
            domain |= self._domain_for(agent) & Domain("state", "=", "claimed") & Domain("agent_id", "=", agent.id)
        domain &= Domain("certificate_id.fingerprint", "in", fingerprints)
        # Looking further than `limit` lets several computers of one company work side by side.
        found = self.sudo().search(domain, limit=4 * limit)
        requests = found.try_lock_for_update(limit=limit).filtered_domain(domain)
        requests.write({"state": "claimed", "agent_id": agent.id, "lease_until": self._lease()})
        requests._notify_records()
        return requests

    @api.model
    def _lease(self):
        return fields.Datetime.now() + timedelta(seconds=LEASE_SECONDS)

    def _held_by(self, agent):
        """Whether `agent` holds the lease. A lapsed lease that nobody else took still counts."""
        return self.state == "claimed" and self.agent_id == agent

    def _renew(self, agent):
        """Prolong the lease; return whether `agent` still holds it."""
        self.lock_for_update()
        if not self._held_by(agent):
            return False
        self.lease_until = self._lease()
        return True

    def _release(self, agent):
        """Give the request back unanswered; return whether `agent` held it."""
        self.lock_for_update()
        if not self._held_by(agent):
            return False
        self.write({"state": "pending", "agent_id": False, "lease_until": False})
        self._notify_records()
        return True

    @api.model
    def _release_of(self, agents):
        requests = self.search([("agent_id", "in", agents.ids), ("state", "=", "claimed")]).try_lock_for_update()
        requests.filtered(lambda r: r.state == "claimed").write(
            {"state": "pending", "agent_id": False, "lease_until": False}
        )

    @api.model
    def _return_lapsed(self):
        """Make visible what already holds: a lapsed lease is free again. The last holder may still deliver."""
        lapsed = self.sudo().search(
            [("remote_account_id", "=", False), ("state", "=", "claimed"), ("lease_until", "<", fields.Datetime.now())]
        )
        lapsed = lapsed.try_lock_for_update().filtered(lambda request: request.state == "claimed")
        lapsed.write({"state": "pending", "lease_until": False})
        lapsed._notify_records()

    def _deliver(self, agent, signed):
        """Take a signed document (bytes) from `agent`.

        Returns `(outcome, reason)`: `signed`, `lease_lost`, `already_done`, or `rejected` with the reason code of
        `tools.signature`. An identical second delivery answers the same as the first. A valid signature by a computer
        whose lease lapsed is taken as long as nobody else holds the lease: it is exactly what was asked for.
        """
        self.ensure_one()
        return self._deliver_all(agent, {self: signed})[self]

    @api.model
    def _deliver_all(self, agent, delivered):
        """Take signed documents, `{request: bytes}`, from `agent`; return `{request: what _deliver returns}`.

        Each is judged by itself; what follows from those that are taken follows for all of them, or for none. Raises
        `LockError` when somebody else is at one of them.
        """
        requests = self.union(*delivered)
        # Before the rows are locked: what the agent sent is not to decide how long others wait. Neither the document
        # nor the certificate of a request ever changes.
        refusals = {request: request._refusal(signed) for request, signed in delivered.items()}
        requests.lock_for_update()
        outcomes, taken = {}, self.browse()
        for request, signed in delivered.items():
            is_lapsed = request.state == "pending" and request.agent_id == agent
            if request.state == "signed":
                is_same = hashlib.sha256(signed).hexdigest() == request.signed_sha256
                outcomes[request] = ("signed" if is_same else "already_done"), None
            elif not (request._held_by(agent) or is_lapsed):
                outcomes[request] = "lease_lost", None
            elif refusals[request]:
                request._fail("invalid_signature", str(refusals[request]))
                outcomes[request] = "rejected", refusals[request].code
            else:
                taken += request
                outcomes[request] = "signed", None
        taken._accept(delivered, agent.user_id, agent.name, agent)
        return outcomes

    def _accept(self, delivered, signer, place, agent=None):
        """Hand the verified documents of these, among those `delivered` (`{request: bytes}`), that `signer` signed on
        `place`, to the records that asked, which keep them; their hashes stay here."""
        for request in self:
            request.signed_sha256 = hashlib.sha256(delivered[request]).hexdigest()
        self.write(
            {
                "state": "signed",
                "signed_at": fields.Datetime.now(),
                "signed_by_id": signer.id,
                "signed_on": place,
                "agent_id": agent.id if agent else False,
                "lease_until": False,
                "ask_at": False,
                "error_code": False,
                "error_message": False,
            }
        )
        for (model, user), requests in self.grouped(lambda request: (request.res_model, request.user_id)).items():
            records = requests._records()
            signed = {
                record: delivered[request]
                for record, request in zip(records.with_context(lang=user.lang), requests, strict=True)
            }
            if hasattr(self.env[model], "_on_all_signed"):
                records._on_all_signed(signed)
                continue
            for record, document in signed.items():
                record.with_company(record.company_id)._on_signed(document)
        self._notify_records()

    def _drop_document(self):
        """The records of these, which are signed, can write the documents again from the signed ones they keep."""
        self.write({"document": False})

    def _refusal(self, signed):
        """Return the `SignatureError` that speaks against a signed document (bytes), or None; of a request that is
        signed already, nothing is judged any more."""
        if self.state == "signed":
            return None
        try:
            signature.verify(signed, base64.b64decode(self.document), self.certificate_id._der())
        except signature.SignatureError as error:
            return error
        return None

    def _refuse(self, agent, code, message):
        """Take a refusal from `agent`; return whether it was its turn to answer."""
        self.ensure_one()
        self.lock_for_update()
        if self.state == "failed" and self.agent_id == agent:
            return True
        if not self._held_by(agent):
            return False
        self._fail(code if code in FAILURES else "driver_error", message)
        return True

    def _fail(self, code, detail):
        texts = REMOTE_FAILURES if self.remote_account_id else FAILURES
        sentence = self.env._(texts[code])  # pylint: disable=gettext-variable
        self.write(
            {
                "state": "failed",
                "lease_until": False,
                "ask_at": False,
                "error_code": code,
                "error_message": (detail or "")[:500],
            }
        )
        self._record()._on_sign_failed(code, sentence)
        self._notify_records()

    def _record(self):
        """Return the record that asked, in the language and company of the person who asked for it."""
        self.ensure_one()
        return self._records().with_context(lang=self.user_id.lang).with_company(self.company_id)

    def _records(self):
        """Return the records, of one model, that asked."""
        records = self.env[self[:1].res_model].sudo().browse(self.mapped("res_id"))
        if len(records.exists()) < len(records):
            raise UserError(self.env._("The record that asked for this signature is gone."))
        return records

    def _notify_records(self):
        """Tell every open page that may show one of the records that something moved. The message is numbers only."""
        group = self.env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
        for model, requests in self.grouped("res_model").items():
            group._bus_send("l10n_vn_ibhxh/signing", {"model": model, "ids": requests.mapped("res_id")})
