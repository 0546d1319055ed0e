"""Read VSS's notifications: 01/TB-GD, and what else has the root ``XACNHAN_GDICH`` (domain.md section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal

from lxml import etree

from . import signature, untrusted_xml

State = Literal["none", "valid", "invalid", "unsupported"]

_UNIT = {
    "place": "DIADIEM",
    "notified_on": "NGAY_THONGBAO",
    "agency_name": "TEN_COQUAN",
    "unit_name": "TEN_DVI",
    "unit_code": "MA_DVI",
    "tax_code": "MST",
}
_TRANSACTION = {
    "dossier_number": "SO_HSO",
    "transaction_name": "TEN_GDICH",
    "dossier_type": "MALOAI_HSO",
    "transaction_on": "NGAY_GDICH",
    "period": "KY_KKHAI",
    "transaction_code": "MA_GDICH",
    "result_code": "MA_KQUA",
    "result": "KQUA",
    "error_code": "MA_LOI",
    "error_description": "MOTA_LOI",
}
_RECEIPT = ("GIO_NHAN", "NGAY_NHAN", "NGAY_TRA")
_MAX_CODE = 64
_MAX_TEXT = 4000
_CODES = (
    "unit_code",
    "tax_code",
    "dossier_number",
    "dossier_type",
    "transaction_code",
    "result_code",
    "error_code",
    "signer_serial",
)
_SIGNER = {"signer_subject": "SUBJECT", "signer_serial": "SERIAL", "signed_at_text": "TIME"}


class NotificationError(ValueError):
    """Not a readable notification. ``code``: one of UntrustedXmlError's, ``not_a_notification`` or ``too_long``."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class Notification:
    """What a notification says; texts are empty where it is silent. Nothing in it is proven by reading it.

    Numbers and codes have at most 64 characters, texts at most 4000 (longer ones are cut). ``is_receipt``: it says when
    the dossier was taken in or when its result is due, as 03/TB-TS does. ``details`` has one tuple of (element name,
    text) pairs per ROW_CTIET.
    """

    place: str
    notified_on: date | None
    agency_name: str
    unit_name: str
    unit_code: str
    tax_code: str
    dossier_number: str
    transaction_name: str
    dossier_type: str
    transaction_on: date | None
    period: str
    transaction_code: str
    result_code: str
    result: str
    error_code: str
    error_description: str
    signer_subject: str
    signer_serial: str
    signed_at_text: str
    is_receipt: bool
    details: tuple[tuple[tuple[str, str], ...], ...]

    @property
    def reports_error(self) -> bool:
        """Whether MA_LOI names an error; zeros are none."""
        return bool(self.error_code.strip("0 "))


@dataclass(frozen=True)
class SignatureVerdict:
    """``none`` (unsigned), ``valid``, ``invalid`` (broken) or ``unsupported`` (of a shape that is not checked here).

    ``code`` is signature.SignatureError's. The rest is set when ``valid``: ``content`` is what the signature covers,
    ``signed_at`` is the signer's claim.
    """

    state: State
    code: str = ""
    content: bytes = field(default=b"", repr=False)
    certificate_der: bytes | None = field(default=None, repr=False)
    fingerprint: str = ""
    subject: str = ""
    signed_at: datetime | None = None


def take(xml: bytes, *, at: datetime) -> tuple[Notification, SignatureVerdict]:
    """Read a notification and judge its signature, if it has one. Of a valid one nothing is read but what it covers.

    ``at`` as for check_signature. Raises NotificationError.
    """
    verdict = check_signature(xml, at=at)
    return read(verdict.content or xml), verdict


def read(xml: bytes) -> Notification:
    """Read a notification of at most 5 MiB, whatever namespace or wrapper it is in, without what signatures hold.

    Raises NotificationError.
    """
    try:
        root = untrusted_xml.parse(xml, comments=False)
    except untrusted_xml.UntrustedXmlError as error:
        raise NotificationError(error.code, str(error)) from None
    signature.cut_out(root)
    body = root if _name(root) == "XACNHAN_GDICH" else root.find(".//{*}XACNHAN_GDICH")
    if body is None:
        raise NotificationError("not_a_notification", "no XACNHAN_GDICH in the document")
    texts: dict[str, str] = {}
    for path, names in (("TTDVI", _UNIT), ("TTGDICH", _TRANSACTION), ("TTCKY_BHXH/{*}TTCKY", _SIGNER)):
        for attribute, element in names.items():
            texts[attribute] = _line(body.findtext(f"{{*}}{path}/{{*}}{element}"))
    for name in _CODES:
        if len(texts[name]) > _MAX_CODE:
            raise NotificationError("too_long", f"{name} has {len(texts[name])} characters")
    texts = {name: text[:_MAX_TEXT] for name, text in texts.items()}
    is_receipt = any(_line(body.findtext(f".//{{*}}{element}")) for element in _RECEIPT)
    dates = {name: _date(texts.pop(name)) for name in ("notified_on", "transaction_on")}
    rows = body.iterfind("{*}TTGDICH/{*}CTIET_GDICH/{*}ROW_CTIET")
    # A row is known to exist, not what is in it: elements, or plain text, which then counts as its own element.
    details = tuple(
        tuple((_name(cell), _line(cell.text)[:_MAX_TEXT]) for cell in (row if len(row) else [row])) for row in rows
    )
    return Notification(is_receipt=is_receipt, details=details, **dates, **texts)  # type: ignore[arg-type]


def check_signature(xml: bytes, *, at: datetime) -> SignatureVerdict:
    """Judge a notification's signature; never raises. ``at`` (aware) is the time of validity.

    ``valid`` means: the holder of ``certificate_der`` signed ``content``, the document without the signature. Whether
    that holder is VSS is still to be checked (validation.check_chain, and the name): anyone can sign with a self-made
    certificate.
    """
    try:
        signed = signature.verify_enveloped(xml, at=at)
    except signature.SignatureError as error:
        states: dict[str, State] = {"no_signature": "none", "invalid": "invalid", "wrong_certificate": "invalid"}
        return SignatureVerdict(state=states.get(error.code, "unsupported"), code=error.code)
    return SignatureVerdict(
        state="valid",
        content=signed.content,
        certificate_der=signed.certificate_der,
        fingerprint=signed.info.fingerprint,
        subject=signed.info.subject,
        signed_at=signed.info.signed_at,
    )


def _line(text: str | None) -> str:
    return " ".join((text or "").split())


def _name(element: etree._Element) -> str:
    return etree.QName(element).localname


def _date(text: str) -> date | None:
    """Both ISO and dd/MM/yyyy occur, with or without a time after it."""
    for pattern in ("%Y-%m-%d", "%d/%m/%Y"):
        try:
            return datetime.strptime(text[:10], pattern).date()
        except ValueError:
            continue
    return None
