"""Notifications in the layouts of really signed files, and the ones that share the root of 01/TB-GD."""

import base64
import hashlib

import pytest
import xmlsec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from lxml import etree

from ibhxh_sandbox.signing import DS, PROPERTIES


def canonical(element):
    return etree.tostring(etree.fromstring(etree.tostring(element)), method="c14n")


def latest(sandbox, layout):
    sandbox.control("settings", {"notice_layout": layout})
    reference = sandbox.submit().json()["client_reference"]
    return etree.fromstring(base64.b64decode(sandbox.progress(reference)["notification"]))


@pytest.mark.parametrize("layout", ["signed_files", "template"])
def test_libxmlsec1_verifies_the_signature(sandbox, layout):
    root = latest(sandbox, layout)
    context = xmlsec.SignatureContext()
    context.key = xmlsec.Key.from_memory(sandbox.sandbox.vss_key.certificate, xmlsec.constants.KeyDataFormatCertPem)
    context.verify(root.find(f"{{{DS}}}Signature"))
    root.find("XACNHAN_GDICH/TTDVI/MST").text = "0"
    with pytest.raises(xmlsec.Error):
        context.verify(root.find(f"{{{DS}}}Signature"))


@pytest.mark.parametrize("layout", ["signed_files", "signed_files_object"])
def test_digest_and_value_are_right_whatever_stands_in_object(sandbox, layout):
    """libxmlsec1 takes no Object without a namespace, so this is reckoned by hand."""
    root = latest(sandbox, layout)
    signature = root.find(f"{{{DS}}}Signature")
    info = signature.find(f"{{{DS}}}SignedInfo")
    value = base64.b64decode(signature.findtext(f"{{{DS}}}SignatureValue"))
    key = sandbox.sandbox.vss_key.issued.public_key()
    key.verify(value, canonical(info), padding.PKCS1v15(), hashes.SHA256())
    digest = info.findtext(f".//{{{DS}}}DigestValue")
    root.remove(signature)
    assert base64.b64decode(digest) == hashlib.sha256(canonical(root)).digest()


def test_the_layout_of_five_really_signed_files(sandbox):
    signature = latest(sandbox, "signed_files").find(f"{{{DS}}}Signature")

    assert signature.get("Id") == "sigid"
    for path in (
        f"{{{DS}}}KeyInfo/{{{DS}}}KeyValue/{{{DS}}}RSAKeyValue/{{{DS}}}Modulus",
        f"{{{DS}}}KeyInfo/{{{DS}}}X509Data/{{{DS}}}X509SubjectName",
        f"{{{DS}}}Object[@Id='proid']/SignatureProperties/SignatureProperty[@Target='#sigid']",
    ):
        assert signature.find(path) is not None, path
    time = signature.find(f".//SignatureProperty/{{{PROPERTIES}}}SigningTime")
    assert time.text == "2026-03-02T02:00:00Z"
    assert b'<SignatureProperties xmlns="">' in etree.tostring(signature)
    certificate = signature.findtext(f".//{{{DS}}}X509Certificate")
    assert len(certificate.split()) == 1


def test_the_one_with_object_in_no_namespace(sandbox):
    signature = latest(sandbox, "signed_files_object").find(f"{{{DS}}}Signature")

    time = signature.find(f"Object/SignatureProperties/SignatureProperty/{{{PROPERTIES}}}SigningTime")
    assert time.text == "2026-03-02T02:00:00"
    assert b'<Object xmlns="" Id="proid">' in etree.tostring(signature)


def test_dossiers_signed_in_the_layout_of_real_files_are_taken(sandbox):
    sandbox.register()
    assert sandbox.control("dossiers")[0]["state"] == "confirmed"
