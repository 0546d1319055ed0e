"""Verify the employer's signature on a dossier: the one layout that is in use (domain.md section 3) and nothing else.

A verifier that accepts every legal XML signature must survive every trick that XML signatures allow: references to
other elements, transforms that drop content, several signatures, keys brought along. Here the shape is fixed instead:
one ``Signature`` as the only child of ``Hoso/CKy_Dvi``, one ``Reference URI=""`` with the single enveloped-signature
transform, C14N 1.0, RSA with SHA-256 or stronger. What is left to compute is the digest of the document without that
element and one RSA check over SignedInfo with the key of the chosen certificate; KeyInfo is compared, never trusted.

A signature covers neither itself nor its own place. So it holds nothing but what belongs there, each leaf plain text,
and a document is read without its signatures (``cut_out``): best the ``content`` that was verified.

Real signed files hold their claimed time in elements of no namespace; it is not covered by the signature, so both
layouts are read.

signxml is not used for this: with a default namespace, as in this layout, lxml's inclusive canonicalisation of an inner
element writes ``xmlns=""`` and signxml then refuses good signatures; it also costs twice a bare xmlsec verification.
The tests hold this module against xmlsec1, another implementation.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.asymmetric.types import CertificatePublicKeyTypes
from lxml import etree

from . import untrusted_xml
from .certificate import CertificateError, load

DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = DS + "enveloped-signature"
MIN_RSA_BITS = 2048

_MORE = "http://www.w3.org/2001/04/xmldsig-more#"
_XENC = "http://www.w3.org/2001/04/xmlenc#"
_METHODS: dict[str, hashes.HashAlgorithm] = {
    _MORE + "rsa-sha256": hashes.SHA256(),
    _MORE + "rsa-sha384": hashes.SHA384(),
    _MORE + "rsa-sha512": hashes.SHA512(),
}
_DIGESTS = {_XENC + "sha256": "sha256", _MORE + "sha384": "sha384", _XENC + "sha512": "sha512"}
_SIGNATURE = f"{{{DS}}}Signature"
_XML = "{http://www.w3.org/XML/1998/namespace}"
_ATTRIBUTES = {"Id", "Target", "URI"}
# What the signature does not cover may be in no namespace, as in real signed files.
_UNQUALIFIED = {"Object", "SignatureProperties", "SignatureProperty"}
_MAX_TIME = 64
_MAX_NAME = 1000
_drop_blanks = dict.fromkeys(map(ord, untrusted_xml.BLANKS))
_KEY_INFO = ("KeyName", "KeyValue", "X509Data")
_X509_DATA = ("X509SubjectName", "X509IssuerSerial", "X509SKI", "X509Certificate")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")


class SignatureError(ValueError):
    """The signed document is refused.

    ``code``: ``malformed``, ``no_signature``, ``multiple_signatures``, ``wrong_place``, ``not_whole_document``,
    ``weak_algorithm``, ``wrong_certificate``, ``content_changed``, ``invalid``, ``certificate_not_valid`` (expired or
    not yet valid).
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class SignatureInfo:
    """A verified signature. ``signed_at`` (aware UTC) is what the signer claims; nothing proves it."""

    signed_at: datetime | None
    fingerprint: str
    subject: str
    serial: str
    signature_value_sha256: str


@dataclass(frozen=True)
class SignedDocument:
    """A document with a verified signature, whose certificate came with it.

    ``content`` is what the signature covers: the canonical document without the signature. Nothing else is proven.
    """

    info: SignatureInfo
    certificate_der: bytes
    content: bytes


def verify(signed: bytes, unsigned: bytes, certificate_der: bytes, *, at: datetime | None = None) -> SignatureInfo:
    """Check that ``signed`` is ``unsigned`` plus one signature over all of it by the certificate's key.

    ``at`` (aware, default now) is the time at which the certificate must be valid. Chain and revocation are
    validation.check_chain's business. Raises SignatureError.
    """
    root, expected = _parsed(signed), _parsed(unsigned)
    signature = _only_signature(root)
    _check_place(root, signature)
    shape = _Shape(signature)
    certificate, key = _certificate(certificate_der, at or datetime.now(timezone.utc))
    if shape.certificate != certificate_der:
        raise SignatureError("wrong_certificate", "the document names another certificate than the chosen one")
    if any(list(element.nsmap.values()) != [DS] for element in shape.signed_info.iter()):
        raise SignatureError("malformed", "SignedInfo is in other namespaces than its own")
    signed_info = _canonical_inside(shape.signed_info)
    content = _without(root)
    if content != _canonical(expected):
        raise SignatureError("content_changed", "the document is not the one that was to be signed")
    return _checked(shape, certificate, key, signed_info, content)


def verify_enveloped(xml: bytes, *, at: datetime) -> SignedDocument:
    """Check the one signature of somebody else's document, wherever it is between elements; the same shape is required.

    That the certificate's holder signed ``content`` is all that is proven. Who that is, is for validation.check_chain
    to say. Raises SignatureError.
    """
    root = _parsed(xml)
    signature = _only_signature(root)
    place = signature.getparent()
    if place is None or _holds_text(place):
        raise SignatureError("wrong_place", "the signature is alone, or within a text")
    shape = _Shape(signature)
    certificate, key = _certificate(shape.certificate, at)
    signed_info = _canonical_inside(shape.signed_info)
    content = _without(root)
    return SignedDocument(_checked(shape, certificate, key, signed_info, content), shape.certificate, content)


def cut_out(root: etree._Element) -> None:
    """Take all signatures out of a document, with what is in them. The texts around each are one text again."""
    etree.strip_elements(root, _SIGNATURE, with_tail=False)


def _checked(
    shape: _Shape, certificate: x509.Certificate, key: rsa.RSAPublicKey, signed_info: bytes, content: bytes
) -> SignatureInfo:
    """The arithmetic: digest over the content, signature value over SignedInfo."""
    numbers = key.public_numbers()
    if shape.key_value not in (None, (numbers.n, numbers.e)):
        raise SignatureError("wrong_certificate", "KeyValue is not the key of the certificate")
    if hashlib.new(shape.digest_name, content).digest() != shape.digest:
        raise SignatureError("invalid", "the digest is not that of the document")
    try:
        key.verify(shape.value, signed_info, padding.PKCS1v15(), shape.hash)
    except InvalidSignature:
        raise SignatureError("invalid", "the signature value does not fit the certificate's key") from None
    return SignatureInfo(
        signed_at=shape.signed_at,
        fingerprint=hashlib.sha256(shape.certificate).hexdigest(),
        subject=certificate.subject.rfc4514_string(),
        serial=f"{certificate.serial_number:X}",
        signature_value_sha256=hashlib.sha256(shape.value).hexdigest(),
    )


def _without(root: etree._Element) -> bytes:
    """The canonical document without its signature."""
    cut_out(root)
    return _canonical(root)


def _canonical(root: etree._Element) -> bytes:
    """C14N 1.0 of a whole document. Raises SignatureError."""
    try:
        return etree.tostring(root, method="c14n")
    except etree.LxmlError as error:
        raise SignatureError("malformed", f"not canonicalisable: {error}") from None


def _canonical_inside(element: etree._Element) -> bytes:
    """C14N 1.0 of one element in its place: with the namespaces and the ``xml:`` attributes of what is around it.

    lxml itself forgets both, and writes ``xmlns=""`` for a default namespace that is inherited. Written out and read
    again, the element has the namespaces.
    """
    try:
        alone = etree.fromstring(etree.tostring(element, with_tail=False))
    except etree.LxmlError as error:
        raise SignatureError("malformed", f"not canonicalisable: {error}") from None
    for ancestor in element.iterancestors():
        for name, value in ancestor.attrib.items():
            if str(name).startswith(_XML) and name not in alone.attrib:
                alone.set(name, value)
    return _canonical(alone)


def _parsed(xml: bytes) -> etree._Element:
    try:
        return untrusted_xml.parse(xml, comments=False)
    except untrusted_xml.UntrustedXmlError as error:
        raise SignatureError("malformed", f"{error.code}: {error}") from None


def _only_signature(root: etree._Element) -> etree._Element:
    signatures = list(root.iter(_SIGNATURE))
    if not signatures:
        raise SignatureError("no_signature", "the document has no signature")
    if len(signatures) > 1:
        raise SignatureError("multiple_signatures", f"{len(signatures)} signatures, one is expected")
    return signatures[0]


def _check_place(root: etree._Element, signature: etree._Element) -> None:
    """The signature is all that CKy_Dvi holds."""
    place = signature.getparent()
    if place is None or place.tag != "CKy_Dvi" or place.getparent() is not root or root.tag != "Hoso":
        raise SignatureError("wrong_place", "the signature is not in Hoso/CKy_Dvi")
    if len(place) != 1 or signature.tail or place.text:
        raise SignatureError("wrong_place", "CKy_Dvi holds more than the signature")


def _certificate(der: bytes, at: datetime) -> tuple[x509.Certificate, rsa.RSAPublicKey]:
    try:
        certificate, key = _loaded(der)
    except (CertificateError, ValueError, UnsupportedAlgorithm) as error:
        raise SignatureError("wrong_certificate", f"the certificate is not readable: {error}") from None
    if not isinstance(key, rsa.RSAPublicKey) or key.key_size < MIN_RSA_BITS:
        raise SignatureError("weak_algorithm", f"the key is not RSA of at least {MIN_RSA_BITS} bits")
    if not certificate.not_valid_before_utc <= at <= certificate.not_valid_after_utc:
        raise SignatureError("certificate_not_valid", "the certificate is expired or not yet valid")
    return certificate, key


# One certificate is in each of the hundreds of dossiers that it signs.
@lru_cache(maxsize=64)
def _loaded(der: bytes) -> tuple[x509.Certificate, CertificatePublicKeyTypes]:
    load(der)  # reads all of it: some faults show only on access
    certificate = x509.load_der_x509_certificate(der)
    return certificate, certificate.public_key()


class _Shape:
    """The parts of a Signature element, read while its whole shape is checked. Raises SignatureError."""

    def __init__(self, signature: etree._Element) -> None:
        parts = self._children(signature, "SignedInfo", "SignatureValue", "KeyInfo", "Object", optional=1)
        self.signed_info = parts[0]
        self.value = _base64(parts[1])
        self._read_signed_info()
        self.certificate, self.key_value = self._read_key_info(parts[2])
        self.signed_at = self._read_object(parts[3]) if len(parts) > 3 else None

    def _read_signed_info(self) -> None:
        if len(self.signed_info.findall(f"{{{DS}}}Reference")) != 1:
            raise SignatureError("not_whole_document", "one Reference is expected")
        method, algorithm, reference = self._children(
            self.signed_info, "CanonicalizationMethod", "SignatureMethod", "Reference"
        )
        if self._algorithm(method) != C14N:
            raise SignatureError("malformed", "SignedInfo is not canonicalised with C14N 1.0")
        name = self._algorithm(algorithm)
        if name not in _METHODS:
            raise SignatureError("weak_algorithm", f"signature method {name[:100]!r} is not accepted")
        self.hash = _METHODS[name]
        if reference.attrib.get("URI") != "" or set(reference.attrib) - {"URI", "Id"}:
            raise SignatureError("not_whole_document", "the Reference is not to the whole document")
        self._read_reference(reference)

    def _read_reference(self, reference: etree._Element) -> None:
        transforms, method, value = self._children(reference, "Transforms", "DigestMethod", "DigestValue")
        steps = list(transforms)
        if len(steps) != 1 or steps[0].get("Algorithm") != ENVELOPED:
            raise SignatureError("not_whole_document", "the only transform must be enveloped-signature")
        (transform,) = self._children(transforms, "Transform")
        self._algorithm(transform)
        name = self._algorithm(method)
        if name not in _DIGESTS:
            raise SignatureError("weak_algorithm", f"digest method {name[:100]!r} is not accepted")
        self.digest_name = _DIGESTS[name]
        self.digest = _base64(value)

    def _read_key_info(self, key_info: etree._Element) -> tuple[bytes, tuple[int, int] | None]:
        certificates: list[bytes] = []
        key_values: list[tuple[int, int]] = []
        for part in self._any_of(key_info, *_KEY_INFO):
            name = etree.QName(part).localname
            if name == "KeyName":
                _text(part, _MAX_NAME)
            elif name == "KeyValue":
                key_values.append(self._read_key_value(part))
            else:
                certificates += self._read_x509_data(part)
        if len(certificates) != 1:
            raise SignatureError("wrong_certificate", "KeyInfo names no or several certificates")
        if len(key_values) > 1:
            raise SignatureError("malformed", "KeyInfo holds several keys")
        return certificates[0], key_values[0] if key_values else None

    def _read_x509_data(self, x509_data: etree._Element) -> list[bytes]:
        certificates = []
        for part in self._any_of(x509_data, *_X509_DATA):
            name = etree.QName(part).localname
            if name == "X509Certificate":
                certificates.append(_base64(part))
            elif name == "X509IssuerSerial":
                for leaf in self._children(part, "X509IssuerName", "X509SerialNumber"):
                    _text(leaf, _MAX_NAME)
            else:
                _text(part, _MAX_NAME)
        return certificates

    def _read_key_value(self, key_value: etree._Element) -> tuple[int, int]:
        (rsa_key,) = self._children(key_value, "RSAKeyValue")
        modulus, exponent = self._children(rsa_key, "Modulus", "Exponent")
        return int.from_bytes(_base64(modulus), "big"), int.from_bytes(_base64(exponent), "big")

    def _read_object(self, holder: etree._Element) -> datetime | None:
        # Not covered by the signature, so nothing but the claimed time may be here.
        (properties,) = self._children(holder, "SignatureProperties")
        (signature_property,) = self._children(properties, "SignatureProperty")
        times = list(signature_property)
        if len(times) != 1 or etree.QName(times[0]).localname != "SigningTime":
            raise SignatureError("malformed", "Object holds more than the signing time")
        text = _text(times[0], _MAX_TIME).strip(untrusted_xml.BLANKS)
        if not _TIME.fullmatch(text):
            return None
        try:
            return datetime.fromisoformat(text[:-1]).replace(tzinfo=timezone.utc)
        except ValueError:
            return None

    def _children(self, element: etree._Element, *names: str, optional: int = 0) -> list[etree._Element]:
        """The children, which must be exactly ``names`` (the last ``optional`` ones may lack), in ds, with no text."""
        children = list(element)
        found = [f"{{{DS}}}{child.tag}" if child.tag in _UNQUALIFIED else child.tag for child in children]
        expected = [f"{{{DS}}}{name}" for name in names]
        fits = found in (expected, expected[: len(expected) - optional]) and set(element.attrib) <= _ATTRIBUTES
        if not fits or _holds_text(element):
            raise SignatureError("malformed", f"{etree.QName(element).localname} is not of the expected shape")
        return children

    def _any_of(self, element: etree._Element, *names: str) -> list[etree._Element]:
        """The children, each of which must be one of ``names``, in ds, with no text between them."""
        children = list(element)
        strangers = {child.tag for child in children} - {f"{{{DS}}}{name}" for name in names}
        if strangers or set(element.attrib) - _ATTRIBUTES or _holds_text(element):
            name = etree.QName(element).localname
            raise SignatureError("malformed", f"{name} holds more than {', '.join(names)}")
        return children

    def _algorithm(self, element: etree._Element) -> str:
        """The Algorithm of an element without content or other attributes, such as HMACOutputLength would be."""
        if len(element) or element.text or list(element.attrib) != ["Algorithm"]:
            raise SignatureError("malformed", f"{etree.QName(element).localname} has parameters")
        return str(element.get("Algorithm"))


def _holds_text(element: etree._Element) -> bool:
    """Whether something but blanks is between the children."""
    texts = [element.text, *(child.tail for child in element)]
    return any(text and text.strip(untrusted_xml.BLANKS) for text in texts)


def _text(element: etree._Element, most: int | None = None) -> str:
    """The text of an element that holds nothing else, of at most ``most`` characters."""
    text = element.text or ""
    if len(element) or set(element.attrib) - _ATTRIBUTES or (most is not None and len(text) > most):
        raise SignatureError("malformed", f"{etree.QName(element).localname} is more than a short text")
    return text


def _base64(element: etree._Element) -> bytes:
    text = _text(element).translate(_drop_blanks)
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise SignatureError("malformed", f"{etree.QName(element).localname} is not base64") from None
