"""A dossier's signature in two steps, for a key that only takes digests: prepare, then finish.

The layout is that of really signed dossiers (domain.md §3); `tools.signature` verifies the result like any other.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import cast

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from lxml import etree

from .. import untrusted_xml
from ..signature import C14N, DS, ENVELOPED

PROPERTIES = "http://example.org/#signatureProperties"
"""XMLDSig's schema forbids further elements of its own namespace in SignatureProperty; this one is in real files."""
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_NAMESPACES = cast("dict[str, str]", {None: DS})


class LayoutError(ValueError):
    """The document has no place for a signature, or the certificate's key is not RSA."""


@dataclass(frozen=True)
class Prepared:
    """``signed_info``: the exact canonical bytes that are signed; ``digest``: their SHA-256, 32 bytes."""

    signed_info: bytes
    digest: bytes


def prepare(document: bytes) -> Prepared:
    """SignedInfo over the whole unsigned document. Raises LayoutError."""
    root, _place = _parse(document)
    content = hashlib.sha256(etree.tostring(root, method="c14n")).digest()
    signed_info = _element("SignedInfo")
    _child(signed_info, "CanonicalizationMethod").set("Algorithm", C14N)
    _child(signed_info, "SignatureMethod").set("Algorithm", _RSA_SHA256)
    reference = _child(signed_info, "Reference")
    reference.set("URI", "")
    _child(_child(reference, "Transforms"), "Transform").set("Algorithm", ENVELOPED)
    _child(reference, "DigestMethod").set("Algorithm", _SHA256)
    _child(reference, "DigestValue", base64.b64encode(content).decode())
    canonical = etree.tostring(signed_info, method="c14n")
    return Prepared(canonical, digest_of(canonical))


def digest_of(signed_info: bytes) -> bytes:
    """What is sent to the service for the SignedInfo of `prepare`: its SHA-256, 32 bytes."""
    return hashlib.sha256(signed_info).digest()


def finish(document: bytes, signed_info: bytes, value: bytes, certificate_der: bytes, signed_at: datetime) -> bytes:
    """The document with the signature in ``CKy_Dvi``: UTF-8 with XML declaration.

    ``signed_info`` is that of `prepare`, unchanged; ``signed_at`` (aware) is a claim that nothing proves. Nothing is
    checked here: `tools.signature.verify` is called with the result. Raises LayoutError.
    """
    root, place = _parse(document)
    certificate = x509.load_der_x509_certificate(certificate_der)
    key = certificate.public_key()
    if not isinstance(key, rsa.RSAPublicKey):
        raise LayoutError("the certificate's key is not RSA")
    signature = etree.SubElement(place, f"{{{DS}}}Signature", Id="sigid", nsmap=_NAMESPACES)
    signature.append(etree.fromstring(signed_info))
    _child(signature, "SignatureValue", base64.b64encode(value).decode())
    key_info = _child(signature, "KeyInfo")
    numbers = key.public_numbers()
    rsa_value = _child(_child(key_info, "KeyValue"), "RSAKeyValue")
    _child(rsa_value, "Modulus", _integer(numbers.n))
    _child(rsa_value, "Exponent", _integer(numbers.e))
    data = _child(key_info, "X509Data")
    _child(data, "X509SubjectName", certificate.subject.rfc4514_string())
    _child(data, "X509Certificate", base64.b64encode(certificate_der).decode())
    holder = _child(signature, "Object")
    holder.set("Id", "proid")
    signature_property = _child(_child(holder, "SignatureProperties"), "SignatureProperty")
    signature_property.set("Target", "#sigid")
    etree.SubElement(
        signature_property, f"{{{PROPERTIES}}}SigningTime", nsmap=cast("dict[str, str]", {None: PROPERTIES})
    ).text = signed_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def short_code(digest: bytes) -> str:
    """Eight digits that stand for a digest, shown in Odoo and in the phone's app: ``1234 5678``."""
    digits = f"{int.from_bytes(hashlib.sha256(digest).digest()[:8], 'big') % 10**8:08d}"
    return f"{digits[:4]} {digits[4:]}"


def _parse(document: bytes) -> tuple[etree._Element, etree._Element]:
    try:
        root = untrusted_xml.parse(document, comments=False)
    except untrusted_xml.UntrustedXmlError as error:
        raise LayoutError(str(error)) from None
    place = root.find("CKy_Dvi")
    if place is None or len(place) or place.text:
        raise LayoutError("the document has no empty CKy_Dvi")
    return root, place


def _element(name: str) -> etree._Element:
    return etree.Element(f"{{{DS}}}{name}", nsmap=_NAMESPACES)


def _child(parent: etree._Element, name: str, content: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{DS}}}{name}")
    child.text = content
    return child


def _integer(value: int) -> str:
    return base64.b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()
