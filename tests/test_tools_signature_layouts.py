"""SignedInfo is canonicalised as libxmlsec1, another implementation, does it, wherever the signature stands."""

import base64

import xmlsec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from odoo.tests import BaseCase, tagged

from ..tools import notification
from .samples import signing
from .samples.signing import DS

NAMESPACES = (
    "",
    ' xmlns=""',
    ' xmlns="urn:a"',
    ' xmlns="http://www.w3.org/2000/09/xmldsig#"',
    ' xmlns:x="urn:x"',
    ' xmlns:x="urn:y"',
    ' xmlns:ds="urn:other"',
    ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xmlns:a="urn:a"',
    ' xml:lang="vi"',
    ' xml:lang="en" xml:space="preserve"',
    ' xml:base="http://example.org/a/"',
    ' xml:id="one"',
)
OBJECTS = (
    "",
    '<p:Object><p:SignatureProperties><p:SignatureProperty><SigningTime xmlns="http://example.org/#signatureProperties">'
    "2026-03-02T03:04:05</SigningTime></p:SignatureProperty></p:SignatureProperties></p:Object>",
    '<p:Object><SignatureProperties xmlns=""><SignatureProperty><SigningTime>2026-03-02T03:04:05Z</SigningTime>'
    "</SignatureProperty></SignatureProperties></p:Object>",
)
# Really signed files have this, too; libxmlsec1 does not take it for a part of a signature, so it is added afterwards.
UNQUALIFIED = (
    b'<Object xmlns=""><SignatureProperties><SignatureProperty><SigningTime>2026-03-02T03:04:05</SigningTime>'
    b"</SignatureProperty></SignatureProperties></Object>"
)


def template(around, prefix, own, inside, objects, blanks):
    """An unsigned document with an empty signature inside elements that declare ``around``."""
    name = f"{prefix}:" if prefix else ""
    declaration = f'xmlns:{prefix}="{DS}"' if prefix else f'xmlns="{DS}"'
    signature = (
        f"<p:Signature {declaration}{own}><p:SignedInfo{inside}>{blanks}"
        f'<p:CanonicalizationMethod Algorithm="{signing.C14N}"/>'
        f'<p:SignatureMethod Algorithm="{signing.RSA_SHA256}"/>{blanks}'
        f'<p:Reference URI=""><p:Transforms><p:Transform Algorithm="{signing.ENVELOPED}"/></p:Transforms>'
        f'<p:DigestMethod Algorithm="{signing.SHA256}"/><p:DigestValue/></p:Reference></p:SignedInfo>'
        f"<p:SignatureValue/><p:KeyInfo><p:X509Data/></p:KeyInfo>{objects}</p:Signature>"
    )
    signature = signature.replace("<p:", f"<{name}").replace("</p:", f"</{name}")
    tags = [f"n{level}" for level in range(len(around))]
    opened = "".join(f"<{tag}{names}>{blanks}" for tag, names in zip(tags, around, strict=True))
    closed = "".join(f"{blanks}</{tag}>" for tag in reversed(tags))
    return f'{opened}<KQUA a="\'&#10;">Đã &#13; nhận &amp; xong</KQUA>{signature}{closed}'.encode()


def repeats(attributes):
    """Whether one element would get the same attribute twice."""
    names = [part.split("=")[0] for part in attributes.split()]
    return len(set(names)) < len(names)


LAYOUTS = st.builds(
    template,
    st.lists(st.sampled_from(NAMESPACES), min_size=1, max_size=5).filter(lambda n: sum("xml:id" in x for x in n) < 2),
    st.sampled_from(["", "ds", "x"]),
    st.sampled_from(["", ' Id="sigid"']),
    st.sampled_from(["", ' Id="info"']),
    st.sampled_from(OBJECTS),
    st.sampled_from(["", "\n  ", "\r\n\t"]),
)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLayouts(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        der = signing.certificate("vss", common_name="BHXH Việt Nam", uids=())
        cls.key = xmlsec.Key.from_memory(
            signing.key("vss").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), xmlsec.KeyFormat.PEM
        )
        cls.key.load_cert_from_memory(der, xmlsec.KeyFormat.CERT_DER)
        cls.certificate = base64.b64encode(der).decode()

    def signed(self, layout):
        """The layout, signed by libxmlsec1."""
        root = etree.fromstring(layout)
        node = xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE)
        data = node.find(f"{{{DS}}}KeyInfo/{{{DS}}}X509Data")
        etree.SubElement(data, f"{{{DS}}}X509Certificate").text = self.certificate
        context = xmlsec.SignatureContext()
        context.key = self.key
        context.sign(node)
        return etree.tostring(root, encoding="UTF-8")

    def theirs(self, xml):
        root = etree.fromstring(xml)
        context = xmlsec.SignatureContext()
        context.key = self.key
        try:
            context.verify(xmlsec.tree.find_node(root, xmlsec.Node.SIGNATURE))
        except xmlsec.Error:
            return "invalid"
        return "valid"

    def ours(self, xml):
        return notification.check_signature(xml, at=signing.NOW)

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LAYOUTS)
    def test_d15_every_layout_that_xmlsec_signs_is_verified(self, layout):
        verdict = self.ours(self.signed(layout))
        self.assertEqual((verdict.state, verdict.code), ("valid", ""))

    @settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LAYOUTS.filter(lambda layout: b"Object" not in layout))
    def test_d15_object_in_no_namespace(self, layout):
        signed = self.signed(layout)
        end = signed.rindex(b"KeyInfo>") + len(b"KeyInfo>")
        verdict = self.ours(signed[:end] + UNQUALIFIED + signed[end:])
        self.assertEqual((verdict.state, verdict.code), ("valid", ""))

    @settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
    @given(LAYOUTS, st.sampled_from(NAMESPACES[1:]))
    def test_d15_what_is_added_around_later_counts_for_both(self, layout, added):
        """A namespace or an ``xml:`` attribute on the root reaches SignedInfo by inclusive canonicalisation."""
        signed = self.signed(layout)
        changed = signed.replace(b"<n0", b"<n0" + added.encode(), 1)
        try:
            etree.fromstring(changed)
        except etree.XMLSyntaxError:
            return  # the root had it already
        self.assertEqual(self.ours(changed).state, self.theirs(changed))
