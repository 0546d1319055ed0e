"""Writes an enveloped signature in the layout of really signed files (domain.md §3), without libxmlsec1.

libxmlsec1 verifies what clients send (see `signatures`). What the sandbox signs itself comes from another
implementation, so that the layout is written down here element by element.
"""

from __future__ import annotations

import base64
import hashlib
from datetime import datetime, timezone

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID
from lxml import etree

DS = "http://www.w3.org/2000/09/xmldsig#"
C14N = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"
ENVELOPED = f"{DS}enveloped-signature"
PROPERTIES = "http://example.org/#signatureProperties"
"""Namespace of SigningTime in really signed files."""
_ATTRIBUTES = {
    NameOID.USER_ID: "OID.0.9.2342.19200300.100.1.1",
    NameOID.COMMON_NAME: "CN",
    NameOID.COUNTRY_NAME: "C",
}


def append(
    parent: etree._Element,
    key: rsa.RSAPrivateKey,
    certificate: x509.Certificate,
    at: datetime,
    layout: str = "signed_files",
) -> None:
    """Sign the document that `parent` belongs to; the signature becomes the last child of `parent`.

    `layout`: `signed_files` has SignatureProperties in no namespace, as five really signed files do;
    `signed_files_object` has Object itself there and a SigningTime without `Z`, as one of them does.
    """
    digest = base64.b64encode(hashlib.sha256(_c14n(parent.getroottree().getroot())).digest()).decode()
    signature = etree.SubElement(parent, _ds("Signature"), nsmap={None: DS}, Id="sigid")
    info = etree.SubElement(signature, _ds("SignedInfo"))
    etree.SubElement(info, _ds("CanonicalizationMethod"), Algorithm=C14N)
    etree.SubElement(info, _ds("SignatureMethod"), Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256")
    reference = etree.SubElement(info, _ds("Reference"), URI="")
    etree.SubElement(etree.SubElement(reference, _ds("Transforms")), _ds("Transform"), Algorithm=ENVELOPED)
    etree.SubElement(reference, _ds("DigestMethod"), Algorithm="http://www.w3.org/2001/04/xmlenc#sha256")
    etree.SubElement(reference, _ds("DigestValue")).text = digest
    value = key.sign(_c14n(info), padding.PKCS1v15(), hashes.SHA256())
    etree.SubElement(signature, _ds("SignatureValue")).text = base64.b64encode(value).decode()
    _key_info(signature, key.public_key(), certificate)
    _signing_time(signature, at, layout)


def _key_info(signature: etree._Element, key: rsa.RSAPublicKey, certificate: x509.Certificate) -> None:
    info = etree.SubElement(signature, _ds("KeyInfo"))
    numbers = key.public_numbers()
    pair = etree.SubElement(etree.SubElement(info, _ds("KeyValue")), _ds("RSAKeyValue"))
    etree.SubElement(pair, _ds("Modulus")).text = _number(numbers.n)
    etree.SubElement(pair, _ds("Exponent")).text = _number(numbers.e)
    data = etree.SubElement(info, _ds("X509Data"))
    etree.SubElement(data, _ds("X509SubjectName")).text = dotnet_name(certificate.subject)
    der = certificate.public_bytes(serialization.Encoding.DER)
    etree.SubElement(data, _ds("X509Certificate")).text = base64.b64encode(der).decode()


def _signing_time(signature: etree._Element, at: datetime, layout: str) -> None:
    bare = layout == "signed_files_object"
    holder = etree.SubElement(signature, "Object" if bare else _ds("Object"), nsmap=_blank(bare), Id="proid")
    properties = etree.SubElement(holder, "SignatureProperties", nsmap=_blank(True))
    item = etree.SubElement(properties, "SignatureProperty", Target="#sigid")
    time = etree.SubElement(item, f"{{{PROPERTIES}}}SigningTime", nsmap={None: PROPERTIES})
    time.text = at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S" if bare else "%Y-%m-%dT%H:%M:%SZ")


def _blank(blank: bool) -> dict[None, str] | None:
    return {None: ""} if blank else None


def dotnet_name(name: x509.Name) -> str:
    """A subject as .NET programs write it into X509SubjectName: `OID.0.9.2342.19200300.100.1.1=MST:…, CN=…, C=VN`."""
    return ", ".join(
        f"{_ATTRIBUTES.get(attribute.oid, f'OID.{attribute.oid.dotted_string}')}={attribute.value!s}"
        for attribute in reversed(list(name))
    )


def _number(value: int) -> str:
    return base64.b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()


def _ds(name: str) -> str:
    return f"{{{DS}}}{name}"


def _c14n(element: etree._Element) -> bytes:
    # Of a part of a tree lxml 6.1 writes a wrong canonical form; of a whole document it is right.
    return bytes(etree.tostring(etree.fromstring(etree.tostring(element)), method="c14n"))
