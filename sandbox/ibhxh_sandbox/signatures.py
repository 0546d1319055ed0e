"""The employer's signature on a dossier, verified by libxmlsec1 and by checks of our own on its layout.

libxmlsec1 says whether the signature value and the digest fit; what exactly was signed, with which algorithms and
by whose certificate is decided here, because a valid signature over the wrong part of a document proves nothing.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from dataclasses import dataclass
from datetime import datetime

import xmlsec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from lxml import etree

from .problems import Refusal
from .signing import C14N, DS, ENVELOPED

SIGNATURE_METHODS = {f"http://www.w3.org/2001/04/xmldsig-more#rsa-sha{bits}" for bits in (256, 384, 512)}
DIGEST_METHODS = {
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
}
MIN_KEY_BITS = 2048
PERSONAL_NUMBER = re.compile("[0-9]{12}")
"""Since 01/07/2025 the tax code of household businesses and individuals (domain.md §7)."""


@dataclass(frozen=True)
class Signer:
    """Who signed, read from the certificate in the signature."""

    fingerprint: str
    """SHA-256 of the DER certificate, lower-case hex."""
    serial: int
    tax_codes: tuple[str, ...]
    """What the subject's UIDs name after `MST:`, `MNS:` or, twelve digits long, `CCCD:`; without dash and blanks."""
    not_before: datetime
    not_after: datetime


def _refuse(what: str) -> Refusal:
    return Refusal("CE009", f"Chữ ký số không hợp lệ: {what}")


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def verify(root: etree._Element, at: datetime) -> Signer:
    """The signer of the dossier `root`, when its one signature covers all of it and holds at the time `at` (UTC).

    Raises Refusal CE009 that says what is wrong.
    """
    signature = _the_signature(root)
    _check_layout(signature)
    certificate = _certificate(signature)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_KEY_BITS:
        raise _refuse(f"khóa phải là RSA từ {MIN_KEY_BITS} bit.")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise _refuse("chứng thư số chưa có hiệu lực hoặc đã hết hạn.")
    _verify_value(signature, key)
    return Signer(
        fingerprint=certificate.fingerprint(hashes.SHA256()).hex(),
        serial=certificate.serial_number,
        tax_codes=_tax_codes(certificate),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
    )


def _the_signature(root: etree._Element) -> etree._Element:
    found = list(root.iter(_ds("Signature")))
    if not found:
        raise _refuse("hồ sơ chưa được ký.")
    if len(found) > 1:
        raise _refuse("hồ sơ có nhiều hơn một chữ ký.")
    place = found[0].getparent()
    if place is None or place.tag != "CKy_Dvi" or place.getparent() is not root:
        raise _refuse("chữ ký phải nằm trong CKy_Dvi.")
    return found[0]


def _algorithm(parent: etree._Element, name: str) -> str:
    found = parent.findall(_ds(name))
    if len(found) != 1:
        raise _refuse(f"phải có đúng một {name}.")
    return str(found[0].get("Algorithm", ""))


def _check_layout(signature: etree._Element) -> None:
    infos = signature.findall(_ds("SignedInfo"))
    if len(infos) != 1:
        raise _refuse("phải có đúng một SignedInfo.")
    info = infos[0]
    if _algorithm(info, "CanonicalizationMethod") != C14N:
        raise _refuse("CanonicalizationMethod không được chấp nhận.")
    if _algorithm(info, "SignatureMethod") not in SIGNATURE_METHODS:
        raise _refuse("thuật toán ký phải là RSA với SHA-256 trở lên.")
    references = info.findall(_ds("Reference"))
    if len(references) != 1 or references[0].get("URI") != "":
        raise _refuse("chữ ký phải bao trùm toàn bộ hồ sơ (một Reference, URI rỗng).")
    transforms = [transform.get("Algorithm") for transform in references[0].iter(_ds("Transform"))]
    if transforms != [ENVELOPED]:
        raise _refuse("chỉ chấp nhận phép biến đổi enveloped-signature.")
    if _algorithm(references[0], "DigestMethod") not in DIGEST_METHODS:
        raise _refuse("thuật toán băm phải là SHA-256 trở lên.")


def _certificate(signature: etree._Element) -> x509.Certificate:
    texts = [element.text or "" for element in signature.iter(_ds("X509Certificate"))]
    if len(texts) != 1:
        raise _refuse("phải có đúng một X509Certificate.")
    try:
        certificate = x509.load_der_x509_certificate(base64.b64decode("".join(texts[0].split()), validate=True))
        certificate.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion) as error:
        raise _refuse("không đọc được chứng thư số.") from error
    return certificate


def _verify_value(signature: etree._Element, key: rsa.RSAPublicKey) -> None:
    """Let libxmlsec1 check digest and value with the certificate's key and no other (KeyInfo is not searched)."""
    pem = key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(pem, xmlsec.constants.KeyDataFormatPem)
    try:
        context.verify(signature)
    except xmlsec.Error as error:
        raise _refuse("nội dung hồ sơ hoặc giá trị chữ ký đã bị thay đổi.") from error


def _tax_codes(certificate: x509.Certificate) -> tuple[str, ...]:
    found = []
    for uid in certificate.subject.get_attributes_for_oid(NameOID.USER_ID):
        # Lower case, inner blanks and a full-width colon occur (domain.md §7).
        text = "".join(unicodedata.normalize("NFKC", str(uid.value)).split()).upper()
        kind, _, value = text.partition(":")
        if kind in ("MST", "MNS") or (kind == "CCCD" and PERSONAL_NUMBER.fullmatch(value)):
            found.append(value.replace("-", ""))
    return tuple(found)
