"""The office behind the counter: takes dossiers in, decides on them, keeps codes, writes mails.

All methods are synchronous and run in one thread (see `web.py`), so that two identical submissions that arrive
together are one dossier. Each public method that changes something commits before it returns.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import string
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from . import documents, letters, notification, signatures, units
from .clock import VIETNAM, Clock, moment, stamp, vietnamese
from .mail_bytes import to_bytes
from .mail_faults import MailFaults
from .problems import Problem, Refusal
from .settings import Settings
from .store import Row, Store
from .units import Provider
from .verdicts import Verdicts
from .vss_key import VssKey

PASSED = "00"
"""The code of a step that was passed. VSS's own is not known; clients look at `passed`."""


@dataclass(frozen=True)
class Submission:
    """A request to lodge a dossier, its JSON already checked for types and sizes."""

    client_reference: str
    form: str
    agency_code: str
    tax_code: str
    unit_code: str | None
    document: bytes


class Office:
    """VSS, as far as registration goes, for one or more I-VAN organisations."""

    def __init__(self, store: Store, clock: Clock, key: VssKey, *, portal_url: str, sender: str) -> None:
        self.store = store
        self.clock = clock
        self.portal_url = portal_url
        self.mail_faults = MailFaults()
        self.verdicts = Verdicts()
        self.settings = Settings()
        self.settings.change(store.get_meta("settings") or {})
        self._key = key
        self._sender = sender

    # ---- the gateway -------------------------------------------------------------------------------------------

    def submit(self, client: Provider, submission: Submission) -> tuple[bool, Row]:
        """Lodge a dossier: (whether it is new, the receipt). Raises Refusal (nothing is kept then) or Problem 409."""
        digest = hashlib.sha256(submission.document).hexdigest()
        known = self._dossier(client, submission.client_reference)
        if known is not None:
            if known["sha256"] != digest or known["form"] != submission.form:
                raise Problem(409, "conflict", "Mã tham chiếu này đã được dùng cho một hồ sơ khác.")
            return False, self._receipt(known)
        document, signer = self._examine(client, submission)
        with self.store.transaction():
            row = self._take_in(client, submission, digest, document, signer)
        return True, self._receipt(row)

    def progress(self, client: Provider, reference: str) -> Row:
        """What became of a dossier. Raises Problem 404."""
        self.tick()
        row = self._existing(client, reference)
        return {
            "client_reference": row["reference"],
            "form": row["form"],
            "dossier_number": row["dossier_number"],
            "accepted_at": row["accepted_at"],
            "state": self._state(row),
            "needs_activation": self._waits_for_code(row),
            "steps": json.loads(row["steps"]),
            "holder": json.loads(row["holder"]) if row["holder"] else None,
            "notification": row["notification"],
        }

    def resend_code(self, client: Provider, reference: str) -> Row:
        """Mail the activation code again. Raises Problem 404, or 409 when no code that still lives is waited for."""
        self.tick()
        row = self._existing(client, reference)
        if row["code"] is None:
            raise Problem(409, "not_waiting", "Hồ sơ này không chờ mã kích hoạt.")
        if not self._waits_for_code(row):
            raise Problem(409, "code_expired", "Mã kích hoạt đã hết hạn. Đơn vị cần đăng ký lại.")
        with self.store.transaction():
            self._post(letters.activation, "activation", row, self._unit(row))
        return {"sent_at": stamp(self.clock.now())}

    # ---- the portal --------------------------------------------------------------------------------------------

    def activation(self, token: str) -> Row:
        """What the portal page shows for a link. Raises Problem 404 (unknown) or 410 (replaced)."""
        row = self.store.one("SELECT * FROM dossier WHERE token = ?", token)
        if row is None:
            raise Problem(404, "unknown_link", "Đường dẫn kích hoạt không tồn tại. Hãy kiểm tra lại thư điện tử.")
        if row["code"] is None and row["state"] != "confirmed":
            raise Problem(410, "replaced", "Đường dẫn này đã được thay bằng lần đăng ký mới hơn của đơn vị.")
        unit, fields = self._unit(row), json.loads(row["fields"])
        return {
            "unit_code": unit["unit_code"],
            "unit_name": unit["name"],
            "tax_code": fields["MaSoThue"],
            "email": fields["Email"],
            "dossier_number": row["dossier_number"],
            "accepted_at": vietnamese(row["accepted_at"]),
            "state": self._activation_state(row),
        }

    def activate(self, token: str, code: str, *, reset_password: bool) -> Row:
        """Confirm a registration with the mailed code. Raises Problem 404, 410, 409 (done already) or 422 (wrong)."""
        shown = self.activation(token)
        if shown["state"] == "confirmed":
            raise Problem(409, "already_confirmed", "Hồ sơ này đã được xác nhận trước đó.")
        row = self.store.one("SELECT * FROM dossier WHERE token = ?", token)
        assert row is not None
        if not hmac.compare_digest(code.strip().upper().encode(), row["code"].encode()):
            raise Problem(422, "wrong_code", "Mã xác nhận không đúng. Hãy sao chép lại mã trong thư điện tử.")
        if shown["state"] == "expired":
            raise Problem(
                410, "code_expired", "Mã xác nhận đã hết hạn (quá 24 giờ). Đơn vị cần đăng ký lại để nhận mã mới."
            )
        with self.store.transaction():
            self._confirm(row, reset_password=reset_password)
        return {**shown, "state": "confirmed", "message": "Hoàn tất thủ tục thành công."}

    # ---- the clock's work --------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Decide on the dossiers whose time has come (only those taken in with a processing time wait)."""
        now = stamp(self.clock.now())
        due = self.store.all("SELECT * FROM dossier WHERE decide_at <= ? ORDER BY decide_at, id", now)
        for row in due:
            with self.store.transaction():
                self._decide(row)

    # ---- how a dossier goes on ---------------------------------------------------------------------------------

    def _examine(self, client: Provider, submission: Submission) -> tuple[documents.Document, signatures.Signer]:
        """Everything that can be said of the bytes alone; refused on the spot even when processing takes time."""
        document = documents.read(submission.form, submission.document)
        signer = signatures.verify(document.root, self.clock.now())
        fields = document.fields
        tax_code = units.plain_tax_code(fields["MaSoThue"])
        if (submission.agency_code, units.plain_tax_code(submission.tax_code)) != (fields["MaCoQuan"], tax_code):
            raise Problem(400, "bad_request", "agency_code hoặc tax_code khác với nội dung hồ sơ.")
        if fields["MaIVan"] != client.code:
            raise documents.structure_error(f"MaIVan phải là {client.code}, mã của tổ chức I-VAN gửi hồ sơ.")
        if tax_code not in (units.plain_tax_code(code) for code in signer.tax_codes):
            raise Refusal("SE003", f"Chứng thư số không phải của đơn vị có mã số thuế {fields['MaSoThue']}.")
        return document, signer

    def _take_in(
        self,
        client: Provider,
        submission: Submission,
        digest: str,
        document: documents.Document,
        signer: signatures.Signer,
    ) -> Row:
        now = self.clock.now()
        delay = self.settings.processing_seconds
        row: Row = {
            "client": client.code,
            "reference": submission.client_reference,
            "form": submission.form,
            "agency_code": document.fields["MaCoQuan"],
            "tax_code": units.plain_tax_code(document.fields["MaSoThue"]),
            "unit_code": submission.unit_code,
            "document": submission.document,
            "sha256": digest,
            "client_name": client.name,
            "signer": json.dumps({"fingerprint": signer.fingerprint, "serial": f"{signer.serial:X}"}),
            "fields": json.dumps(document.fields),
            "state": "received",
            "accepted_at": stamp(now),
            "decide_at": stamp(now + timedelta(seconds=delay)) if delay else None,
            "steps": json.dumps([_step(1, stamp(now), PASSED, "Đã tiếp nhận hồ sơ.", passed=True)]),
        }
        if delay:
            row["id"] = self.store.insert("dossier", row)
            return self._reload(row)
        unit = self._judge(document, signer, client, submission.unit_code)
        row["id"] = self.store.insert("dossier", row)
        return self._accept(self._reload(row), unit)

    def _decide(self, row: Row) -> None:
        document = documents.read(row["form"], row["document"])
        signer = signatures.verify(document.root, moment(row["accepted_at"]))
        client = Provider(row["client"], row["client_name"])
        self.store.update("dossier", "id", row["id"], decide_at=None)
        try:
            unit = self._judge(document, signer, client, row["unit_code"])
        except Refusal as refusal:
            self._reject(row, refusal)
        else:
            self._accept(row, unit)

    def _judge(
        self, document: documents.Document, signer: signatures.Signer, client: Provider, unit_code: str | None
    ) -> Row:
        """The unit, when VSS has nothing against the dossier; else raises Refusal."""
        self.verdicts.check()
        unit = units.find_or_create(self.store, document, unit_code)
        units.check(unit, document, signer, client)
        return unit

    def _accept(self, row: Row, unit: Row) -> Row:
        """Number the dossier; then send a code, or confirm at once where none is asked for."""
        now = self.clock.now()
        year = now.astimezone(VIETNAM).year
        number = f"{self.store.next_number(row['agency_code'], year):05}/{year}/{row['agency_code']}"
        self._advance(row, 2, PASSED, "Hồ sơ hợp lệ, đã được cấp số hồ sơ.", state="accepted", dossier_number=number)
        if row["form"] != "04" and not self.settings.ask_code_for_amend:
            self._confirm(self._reload(row), reset_password=False)
            return self._reload(row)
        if row["form"] == "04":
            # A unit that registers again is sent a new code; the older one is worth nothing from now on.
            self.store.update("dossier", "tax_code", row["tax_code"], code=None)
            self.store.update("unit", "tax_code", row["tax_code"], state="waiting")
        expires = stamp(now + timedelta(seconds=self.settings.code_seconds))
        token = secrets.token_hex(32).upper()
        self.store.update("dossier", "id", row["id"], code=_new_code(), token=token, code_expires_at=expires)
        row = self._reload(row)
        self._notify(row, unit)
        self._post(letters.activation, "activation", row, unit)
        return self._reload(row)

    def _reject(self, row: Row, refusal: Refusal) -> None:
        holder = json.dumps(refusal.holder) if refusal.holder else None
        self._advance(row, 2, refusal.code, refusal.description, passed=False, state="rejected", holder=holder)
        name = json.loads(row["fields"])["TenDoiTuong"]
        unit = self._unit(row) or {"unit_code": row["unit_code"] or "", "name": name}
        row = self._reload(row)
        self._notify(row, unit, refusal)
        self._post(letters.rejection, "rejection", self._reload(row), unit)

    def _confirm(self, row: Row, *, reset_password: bool) -> None:
        provider = Provider(row["client"], row["client_name"])
        unit = self._unit(row)
        changes = units.confirmed(unit, row["form"], json.loads(row["fields"]), json.loads(row["signer"]), provider)
        self.store.update("unit", "tax_code", row["tax_code"], **changes)
        self.store.update("dossier", "id", row["id"], code=None)
        self._advance(row, 3, PASSED, "BHXH Việt Nam đã xác nhận.", state="confirmed")
        row = self._reload(row)
        self._notify(row, unit)
        self._post(letters.confirmation, "confirmation", self._reload(row), unit, new_password=reset_password)

    def _advance(
        self, row: Row, number: int, code: str, description: str, *, passed: bool = True, **changes: Any
    ) -> None:
        steps = json.loads(self._reload(row)["steps"])
        steps.append(_step(number, stamp(self.clock.now()), code, description, passed=passed))
        self.store.update("dossier", "id", row["id"], steps=json.dumps(steps), **changes)

    def _notify(self, row: Row, unit: Row, refusal: Refusal | None = None) -> None:
        xml = notification.build(row, unit, self.clock.now(), refusal, self._key)
        self.store.update("dossier", "id", row["id"], notification=xml)

    def _post(self, write: letters.Writer, kind: str, row: Row, unit: Row, *, new_password: bool = False) -> None:
        """Write a mail and put it into the outbox, as the mail faults that are switched on would have it."""
        now = self.clock.now()
        page = f"{self.portal_url}/#/kich-hoat/{row['token']}"
        letter = letters.Letter(row, unit, page, vietnamese(row["code_expires_at"] or stamp(now)), new_password)
        for outgoing in self.mail_faults.apply(kind, write(letter, self._sender, now)):
            self.store.insert(
                "mail",
                {
                    "dossier": row["id"],
                    "kind": kind,
                    "recipient": outgoing.recipient,
                    "subject": str(outgoing.message["Subject"]),
                    "message": to_bytes(outgoing.message),
                    "created_at": stamp(now),
                    "due_at": stamp(now + timedelta(seconds=outgoing.late_seconds)),
                    "held_for": row["tax_code"] if outgoing.after_next else None,
                },
            )
        if kind != "activation":
            # What was held back to come out of order goes out behind this one.
            self.store.update("mail", "held_for", row["tax_code"], held_for=None, released=1)

    # ---- looking up --------------------------------------------------------------------------------------------

    def _dossier(self, client: Provider, reference: str) -> Row | None:
        return self.store.one("SELECT * FROM dossier WHERE client = ? AND reference = ?", client.code, reference)

    def _existing(self, client: Provider, reference: str) -> Row:
        row = self._dossier(client, reference)
        if row is None:
            raise Problem(404, "not_found", "Không có hồ sơ nào mang mã tham chiếu này.")
        return row

    def _reload(self, row: Row) -> Row:
        fresh = self.store.one("SELECT * FROM dossier WHERE id = ?", row["id"])
        assert fresh is not None
        return fresh

    def _unit(self, row: Row) -> Row:
        return self.store.one("SELECT * FROM unit WHERE tax_code = ?", row["tax_code"]) or {}

    def _state(self, row: Row) -> str:
        if row["state"] == "received" and row["decide_at"]:
            taken_in, decided = moment(row["accepted_at"]), moment(row["decide_at"])
            if self.clock.now() >= taken_in + (decided - taken_in) / 2:
                return "processing"
        return str(row["state"])

    def _waits_for_code(self, row: Row) -> bool:
        return row["code"] is not None and stamp(self.clock.now()) < row["code_expires_at"]

    def _activation_state(self, row: Row) -> str:
        if row["state"] == "confirmed":
            return "confirmed"
        return "waiting" if self._waits_for_code(row) else "expired"

    def _receipt(self, row: Row) -> Row:
        return {
            "client_reference": row["reference"],
            "accepted_at": row["accepted_at"],
            "dossier_number": row["dossier_number"],
            "state": self._state(row),
        }


def _step(number: int, at: str, code: str, description: str, *, passed: bool) -> Row:
    return {"step": number, "at": at, "code": code, "description": description, "passed": passed}


def _new_code() -> str:
    return "".join(secrets.choice(string.ascii_uppercase + string.digits) for _ in range(10))
