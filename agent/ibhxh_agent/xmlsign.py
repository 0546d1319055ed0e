"""Makes the XML signature, in the layout of really signed dossiers, with a key that stays on the token."""

from __future__ import annotations

import base64
from collections.abc import Callable
from copy import deepcopy
from datetime import datetime, timezone
from functools import lru_cache
from typing import Any, NoReturn, cast

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from lxml import etree
from signxml.algorithms import CanonicalizationMethod, DigestAlgorithm, SignatureConstructionMethod, SignatureMethod
from signxml.signer import XMLSigner

from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.errors import SigningError
from ibhxh_agent.texts import text

DS = "http://www.w3.org/2000/09/xmldsig#"
SIGNATURE_ID = "sigid"
PROPERTIES_ID = "proid"
# XMLDSig's own schema allows only elements of another namespace inside SignatureProperty; verifiers that validate the
# schema (signxml does) would refuse a SigningTime in ds.
_PROPERTY_NS = "http://example.org/#signatureProperties"
# The default namespace; the stubs of lxml do not know that a prefix may be None.
_NAMESPACES = cast(dict[str, str], {None: DS})


class TokenKey(rsa.RSAPrivateKey):
    """An RSA key whose private part is on a token: ``sign`` asks the token, everything private is refused.

    Each signature that comes back is checked with the certificate's public key, so a token or driver that answers
    nonsense is found here and not at VSS.

    :param sign: makes PKCS#1 v1.5 / SHA-256 signatures over the data
    """

    def __init__(self, certificate: TokenCertificate, sign: Callable[[bytes], bytes]) -> None:
        self._public = certificate.public_key()
        self._sign = sign

    def sign(
        self,
        data: bytes,
        padding: AsymmetricPadding,
        algorithm: Any,
    ) -> bytes:
        """Sign on the token.

        :raises SigningError: ``driver_error`` for a wrong signature, and whatever the token says
        """
        if padding.name != "EMSA-PKCS1-v1_5" or not isinstance(algorithm, hashes.SHA256):
            raise SigningError("unsupported", text("unsupported"))
        signature = self._sign(bytes(data))
        try:
            self._public.verify(signature, bytes(data), padding, algorithm)
        except InvalidSignature:
            raise SigningError("driver_error", text("bad_signature"), detail="signature does not verify") from None
        return signature

    def public_key(self) -> rsa.RSAPublicKey:
        """The certificate's public key."""
        return self._public

    @property
    def key_size(self) -> int:
        """Bits of the modulus."""
        return self._public.key_size

    def decrypt(self, *_: Any) -> NoReturn:
        """Not for this program."""
        raise TypeError("the private key is on the token")

    def private_numbers(self) -> NoReturn:
        """Never leaves the token."""
        raise TypeError("the private key is on the token")

    def private_bytes(self, *_: Any) -> NoReturn:
        """Never leaves the token."""
        raise TypeError("the private key is on the token")

    def __copy__(self) -> TokenKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TokenKey:
        return self


def sign(data: bytes, certificate: TokenCertificate, key: rsa.RSAPrivateKey, signed_at: datetime) -> bytes:
    """The document with one ``ds:Signature`` appended inside ``CKy_Dvi``; nothing else is changed.

    :param data: as :func:`ibhxh_agent.document.rebuild` wrote it, never a server's bytes
    :param signed_at: aware; written as ``SigningTime`` in UTC with whole seconds (a claim, not covered by the digest)
    :return: UTF-8 with XML declaration
    :raises SigningError: from the key
    """
    root = etree.fromstring(data)
    etree.SubElement(_place(root), f"{{{DS}}}Signature", Id="placeholder", nsmap=_NAMESPACES)
    signer = XMLSigner(
        method=SignatureConstructionMethod.enveloped,
        signature_algorithm=SignatureMethod.RSA_SHA256,
        digest_algorithm=DigestAlgorithm.SHA256,
        c14n_algorithm=CanonicalizationMethod.CANONICAL_XML_1_0,
    )
    signer.namespaces = _NAMESPACES
    signed = signer.sign(
        root,
        key=key,
        key_info=deepcopy(_key_info(certificate)),
        reference_uri=None,
        exclude_c14n_transform_element=True,
    )
    signature = _place(signed)[0]
    signature.set("Id", SIGNATURE_ID)
    signature.append(_properties(signed_at))
    return bytes(etree.tostring(signed, encoding="UTF-8", xml_declaration=True))


def _place(root: etree._Element) -> etree._Element:
    place = root.find("CKy_Dvi")
    if place is None:
        raise SigningError("refused", text("document_unknown"))
    return place


@lru_cache(maxsize=64)
def _key_info(certificate: TokenCertificate) -> etree._Element:
    """The same in every signature of a batch; copy it, because an element can be in one tree only."""
    numbers = certificate.public_key().public_numbers()
    key_info = _element("KeyInfo")
    value = _child(_child(key_info, "KeyValue"), "RSAKeyValue")
    _child(value, "Modulus", _base64_integer(numbers.n))
    _child(value, "Exponent", _base64_integer(numbers.e))
    data = _child(key_info, "X509Data")
    _child(data, "X509SubjectName", certificate.subject_text())
    _child(data, "X509Certificate", base64.b64encode(certificate.der).decode())
    return key_info


def _properties(signed_at: datetime) -> etree._Element:
    holder = _element("Object", Id=PROPERTIES_ID)
    signature_property = _child(_child(holder, "SignatureProperties"), "SignatureProperty")
    signature_property.set("Target", f"#{SIGNATURE_ID}")
    moment = signed_at.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    etree.SubElement(
        signature_property, f"{{{_PROPERTY_NS}}}SigningTime", nsmap=cast(dict[str, str], {None: _PROPERTY_NS})
    ).text = moment
    return holder


def _element(name: str, **attributes: str) -> etree._Element:
    return etree.Element(f"{{{DS}}}{name}", attributes, nsmap=_NAMESPACES)


def _child(parent: etree._Element, name: str, content: str | None = None) -> etree._Element:
    child = etree.SubElement(parent, f"{{{DS}}}{name}")
    child.text = content
    return child


def _base64_integer(value: int) -> str:
    return base64.b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).decode()
