"""The office behind the counter: takes dossiers in, decides on them, keeps codes, writes mails.

All methods are synchronous and run in one thread (see `web.py`), so that two identical submissions that arrive
together are one dossier. Each public method that changes something commits before it returns.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from . import documents, notification, signatures, units
from .clock import Clock, moment, stamp, vietnamese
from .codes import new_code
from .letters.writing import identity
from .mail_room import MailRoom
from .problems import Problem, Refusal
from .settings import Settings
from .store import Row, Store
from .units import Provider
from .verdicts import Verdicts
from .vss_key import VssKey

PASSED = "00"
"""The code of a step that was passed. VSS's own is not known; clients look at `passed`."""
_EMPTY_FIELDS = {
    "MaCoQuan": "001",
    "TenCoQuan": "BHXH",
    "DienThoai": "",
    "TenDoiTuong": "Đơn vị",
}
"""What a person who files elsewhere may leave out here."""
_UNDEFINED = {
    "none": (),
    "dossier": ("dossier_number", "accepted_at"),
    "all": ("unit_code", "unit_name", "dossier_number", "accepted_at"),
}
"""Setting `page_undefined` -> what today's page does not know."""


@dataclass(frozen=True)
class Submission:
    """A request to lodge a dossier, its JSON already checked for types and sizes."""

    client_reference: str
    form: str
    agency_code: str
    tax_code: str
    unit_code: str | None
    document: bytes


@dataclass(frozen=True)
class Lodging:
    """A dossier that is filed without this gateway."""

    form: str
    fields: dict[str, str]
    """By element name, as in the document: `MaSoThue` and `Email` at least."""
    unit_code: str | None = None
    provider: Provider = units.PORTAL
    """Where it is filed."""


class Office:
    """VSS, as far as registration goes, for one or more I-VAN organisations."""

    def __init__(self, store: Store, clock: Clock, key: VssKey, *, portal_url: str, sender: str) -> None:
        self.store = store
        self.clock = clock
        self.verdicts = Verdicts()
        self.settings = Settings()
        self.settings.change(store.get_meta("settings") or {})
        self.mails = MailRoom(store, clock, self.settings, key, portal_url=portal_url, sender=sender)
        self._key = key

    def change_settings(self, changes: Mapping[str, Any]) -> None:
        """Set some switches and keep them. Raises ValueError."""
        self.settings.change(dict(changes))
        self.store.set_meta("settings", self.settings.as_json())

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
        return self._progress(self._existing(client, reference))

    def progress_of_many(self, client: Provider, references: Iterable[str]) -> dict[str, Row | None]:
        """What became of dossiers, by reference; None where there is none under it."""
        self.tick()
        rows = {reference: self._dossier(client, reference) for reference in references}
        return {reference: row and self._progress(row) for reference, row in rows.items()}

    def _progress(self, row: Row) -> Row:
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
            self.mails.post("activation", row, self._unit(row))
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
        today = self.settings.edition == "today"
        shown = {
            "unit_code": identity(unit) if today else unit["unit_code"],
            "unit_name": unit["name"],
            "dossier_number": row["dossier_number"],
            "accepted_at": vietnamese(row["accepted_at"]),
        }
        if today:
            shown |= dict.fromkeys(_UNDEFINED[self.settings.page_undefined], "undefined")
        else:
            shown |= {"tax_code": fields["MaSoThue"], "email": fields["Email"]}
        return {**shown, "edition": self.settings.edition, "state": self._activation_state(row)}

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

    def lodge(self, lodging: Lodging) -> Row:
        """File a dossier elsewhere, as a person does at VSS's portal or in an I-VAN's program; the dossier.

        Nobody sees the document or its signature, so none is kept. Raises Refusal.
        """
        fields = {**_EMPTY_FIELDS, **lodging.fields}
        document = documents.Document(lodging.form, None, fields)
        row: Row = {
            "client": lodging.provider.code,
            "client_name": lodging.provider.name,
            "reference": str(uuid.uuid4()),
            "form": lodging.form,
            "agency_code": fields["MaCoQuan"],
            "tax_code": units.plain_tax_code(fields["MaSoThue"]),
            "unit_code": lodging.unit_code,
            "document": b"",
            "sha256": "",
            "signer": json.dumps({"fingerprint": None, "serial": None}),
            "fields": json.dumps(fields),
            "state": "received",
            "accepted_at": stamp(self.clock.now()),
            "steps": json.dumps([_step(1, stamp(self.clock.now()), PASSED, "Đã tiếp nhận hồ sơ.", passed=True)]),
        }
        with self.store.transaction():
            unit = self._judge(document, None, lodging.provider, lodging.unit_code)
            row["id"] = self.store.insert("dossier", {**row, "unit": unit["id"]})
            return self._accept(self._reload(row), unit, at_once=True)

    def write_mail(self, reference: str, kind: str, **options: Any) -> None:
        """Write one more mail about a dossier.

        Raises KeyError for an unknown dossier or kind of mail, ValueError for a code that there is no more.
        """
        row = self.store.one("SELECT * FROM dossier WHERE reference = ? ORDER BY id DESC", reference)
        if row is None:
            raise KeyError(reference)
        if kind == "activation" and row["code"] is None:
            raise ValueError("the dossier waits for no code")
        with self.store.transaction():
            self.mails.post(kind, row, self._unit(row), **options)

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
        """Everything that the bytes alone reveal; refused immediately even when processing takes time."""
        document = documents.read(submission.form, submission.document)
        signer = signatures.verify(document.root, self.clock.now())
        fields = document.fields
        tax_code = units.plain_tax_code(fields["MaSoThue"])
        if (submission.agency_code, units.plain_tax_code(submission.tax_code)) != (fields["MaCoQuan"], tax_code):
            raise Problem(400, "bad_request", "agency_code hoặc tax_code khác với nội dung hồ sơ.")
        if fields["MaIVan"] != client.code:
            raise documents.structure_error(f"MaIVan phải là {client.code}, mã của tổ chức I-VAN gửi hồ sơ.")
        if tax_code not in signer.tax_codes:
            named = ", ".join(signer.tax_codes) or "không có"
            raise Refusal(
                "CE013", f"Mã số thuế trong UID của chứng thư số ({named}) khác với của đơn vị ({fields['MaSoThue']})."
            )
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
            self.mails.received(self._reload(row), {})
            return self._reload(row)
        unit = self._judge(document, signer, client, submission.unit_code)
        row["id"] = self.store.insert("dossier", {**row, "unit": unit["id"]})
        return self._accept(self._reload(row), unit, at_once=True)

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
            self.store.update("dossier", "id", row["id"], unit=unit["id"])
            self._accept(self._reload(row), unit, at_once=False)

    def _judge(
        self, document: documents.Document, signer: signatures.Signer | None, client: Provider, unit_code: str | None
    ) -> Row:
        """The unit, when VSS has nothing against the dossier; else raises Refusal."""
        self.verdicts.check()
        unit = units.find_or_create(self.store, document, unit_code)
        units.check(unit, document, signer, client, self.settings)
        return unit

    def _accept(self, row: Row, unit: Row, *, at_once: bool) -> Row:
        """Number the dossier; then send a code, or confirm where none is asked for.

        :param at_once: the dossier was taken in just now
        """
        number = self.mails.next_number(row["agency_code"])
        self._advance(row, 2, PASSED, "Hồ sơ hợp lệ, đã được cấp số hồ sơ.", state="accepted", dossier_number=number)
        if row["form"] != "04" and not self.settings.ask_code_for_amend:
            self._confirm(self._reload(row), at_once=at_once)
            return self._reload(row)
        if row["form"] == "04":
            # A unit that registers again is sent a new code; the older one is worth nothing from now on.
            self.store.update("dossier", "unit", unit["id"], code=None)
            self.store.update("unit", "id", unit["id"], state="waiting")
        expires = stamp(self.clock.now() + timedelta(seconds=self.settings.code_seconds))
        token = secrets.token_hex(32).upper()
        code = new_code(self.settings.code_letters)
        self.store.update("dossier", "id", row["id"], code=code, token=token, code_expires_at=expires)
        row = self._reload(row)
        self._notify(row, unit)
        self.mails.asked(self._reload(row), unit, at_once=at_once)
        return self._reload(row)

    def _reject(self, row: Row, refusal: Refusal) -> None:
        holder = json.dumps(refusal.holder) if refusal.holder else None
        self._advance(row, 2, refusal.code, refusal.description, passed=False, state="rejected", holder=holder)
        name = json.loads(row["fields"])["TenDoiTuong"]
        unit = self._unit(row) or {"unit_code": row["unit_code"] or "", "name": name}
        row = self._reload(row)
        self._notify(row, unit, refusal)
        self.mails.refused(self._reload(row), unit)

    def _confirm(self, row: Row, *, reset_password: bool = False, at_once: bool = False) -> None:
        provider = Provider(row["client"], row["client_name"])
        changes = units.confirmed(row["form"], json.loads(row["fields"]), json.loads(row["signer"]), provider)
        self.store.update("unit", "id", row["unit"], **changes)
        self.store.update("dossier", "id", row["id"], code=None)
        self._advance(row, 3, PASSED, "BHXH Việt Nam đã xác nhận.", state="confirmed")
        row, unit = self._reload(row), self._unit(row)
        self._notify(row, unit)
        self.mails.confirmed(self._reload(row), unit, at_once=at_once, new_password=reset_password)

    def _advance(
        self, row: Row, number: int, code: str, description: str, *, passed: bool = True, **changes: Any
    ) -> None:
        steps = json.loads(self._reload(row)["steps"])
        steps.append(_step(number, stamp(self.clock.now()), code, description, passed=passed))
        self.store.update("dossier", "id", row["id"], steps=json.dumps(steps), **changes)

    def _notify(self, row: Row, unit: Row, refusal: Refusal | None = None) -> None:
        xml = notification.build(row, unit, self.clock.now(), refusal, self._key, self.settings.notice_layout)
        self.store.update("dossier", "id", row["id"], notification=xml)

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
        return self.store.one("SELECT * FROM unit WHERE id = ?", row["unit"]) or {}

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
