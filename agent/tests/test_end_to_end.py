"""The real command, a real token (SoftHSM2), a server that speaks protocol v1."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import softhsm
from forms import form
from lxml import etree
from private import is_private
from signxml import SignatureConfiguration, XMLVerifier
from signxml.algorithms import CanonicalizationMethod

from ibhxh_agent.config import Folder
from ibhxh_agent.secretstore import SecretStore


def xmlsec_accepts(document: bytes, certificate: bytes, folder: Path) -> bool:
    """The verdict of an implementation that is not ours."""
    (folder / "signed.xml").write_bytes(document)
    (folder / "certificate.der").write_bytes(certificate)
    command = ["xmlsec1", "--verify", "--pubkey-cert-der", "certificate.der", "--id-attr:Id", "Signature", "signed.xml"]
    return subprocess.run(command, cwd=folder, capture_output=True).returncode == 0


def test_a_request_is_signed_and_delivered(agent, paired, hsm, first_certificate, tmp_path):
    unsigned = form()
    waiting = paired.add(unsigned, first_certificate.fingerprint)
    process = agent("run", "--once", pin=softhsm.PIN)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert waiting.state == "signed", err
    assert xmlsec_accepts(waiting.signed, first_certificate.der, tmp_path)
    verifier = XMLVerifier()
    # lxml writes xmlns="" into the inclusive C14N of an inner element whose default namespace is inherited.
    verifier.excise_empty_xmlns_declarations = True
    verified = verifier.verify(
        waiting.signed,
        x509_cert=_pem(first_certificate.der),
        expect_config=SignatureConfiguration(default_reference_c14n_method=CanonicalizationMethod.CANONICAL_XML_1_0),
    )
    assert verified.signed_xml.tag == "Hoso"
    tampered = waiting.signed.replace(b"Hoa Sen", b"Hoa Mai")
    assert not xmlsec_accepts(tampered, first_certificate.der, tmp_path)
    assert waiting.deliveries == 1


def test_the_signature_has_the_layout_of_a_real_one_and_changes_nothing_else(agent, paired, hsm, first_certificate):
    unsigned = form("05")
    waiting = paired.add(unsigned, first_certificate.fingerprint, form="05")
    process = agent("run", "--once", pin=softhsm.PIN)
    process.communicate(timeout=120)
    assert waiting.signed.startswith(b"<?xml version='1.0' encoding='UTF-8'?>")
    root = etree.fromstring(waiting.signed)
    signature = root.find("CKy_Dvi")[0]
    ds = "{http://www.w3.org/2000/09/xmldsig#}"
    assert signature.tag == f"{ds}Signature" and signature.prefix is None and signature.get("Id") == "sigid"
    assert [child.tag for child in signature] == [
        f"{ds}{n}" for n in ("SignedInfo", "SignatureValue", "KeyInfo", "Object")
    ]
    algorithms = {e.tag.removeprefix(ds): e.get("Algorithm") for e in signature.iter() if e.get("Algorithm")}
    assert algorithms == {
        "CanonicalizationMethod": "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
        "SignatureMethod": "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
        "Transform": "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
        "DigestMethod": "http://www.w3.org/2001/04/xmlenc#sha256",
    }
    assert [r.get("URI") for r in signature.iter(f"{ds}Reference")] == [""]
    assert len(list(signature.iter(f"{ds}Transform"))) == 1
    key_info = signature.find(f"{ds}KeyInfo")
    assert [e.tag.removeprefix(ds) for e in key_info.iter()] == [
        *("KeyInfo", "KeyValue", "RSAKeyValue", "Modulus", "Exponent", "X509Data", "X509SubjectName", "X509Certificate")
    ]
    subject = key_info.findtext(f".//{ds}X509SubjectName")
    assert subject.startswith("C=VN,ST=Hà Nội,L=Ba Đình,CN=") and subject.endswith(",UID=MST:0100109106")
    assert "\n" not in key_info.findtext(f".//{ds}X509Certificate")
    holder = signature.find(f"{ds}Object")
    signature_property = holder.find(f"{ds}SignatureProperties/{ds}SignatureProperty")
    assert holder.get("Id") == "proid" and signature_property.get("Target") == "#sigid"
    assert len(signature_property.findtext("{*}SigningTime")) == len("2026-03-05T10:00:00Z")
    root.find("CKy_Dvi").remove(signature)
    assert etree.tostring(root, method="c14n") == etree.tostring(etree.fromstring(unsigned), method="c14n")


def test_a_wrong_pin_reaches_the_token_exactly_once(agent, paired, own_hsm, first_certificate, tmp_path):
    import pki

    own_hsm.add("Kế toán", [(pki.key(0), first_certificate.der)])
    own_hsm.add("Token khác", [(pki.key(1), pki.certificate(pki.key(1), "0100686174"))])
    requests = [paired.add(form(), first_certificate.fingerprint) for _ in range(3)]
    log = tmp_path / "spy.log"
    spied = {"PKCS11SPY": softhsm.LIBRARY, "PKCS11SPY_OUTPUT": str(log)}
    process = agent("run", "--once", "--token", "Kế toán", pin="000000", library=softhsm.SPY, **spied)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert [entry.state for entry in requests] == ["failed"] * 3
    assert {entry.code for entry in requests} == {"pin_incorrect"}
    assert "PIN" in requests[0].message
    assert log.read_text(encoding="utf-8", errors="replace").count("C_Login\n") == 1


def test_certificates_are_listed(agent, hsm, first_certificate):
    process = agent("certificates", "--json")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    (row,) = json.loads(out)
    assert row["fingerprint"] == first_certificate.fingerprint
    assert row["tax_codes"] == ["0100109106"] and row["token"] == "Kế toán" and row["issuer"] == "TEST-CA SHA-256"


def test_pairing_keeps_the_key_out_of_the_settings(agent, odoo, tmp_path):
    process = agent("pair", "--server", odoo.url, "--name", "PC-KETOAN", "--code", odoo.code)
    out, err = process.communicate(timeout=90)
    assert process.returncode == 0 and "Kế toán" in out, err
    config = tmp_path / "config"
    (_, sent), *_ = odoo.calls
    assert sent["name"] == "PC-KETOAN" and sent["version"]
    settings = json.loads((config / "settings.json").read_text(encoding="utf-8"))
    assert settings["pairing"]["database"] == odoo.database and settings["pairing"]["server"] == odoo.url
    assert odoo.key not in (config / "settings.json").read_text(encoding="utf-8")
    assert SecretStore(Folder(config)).get(odoo.agent) == odoo.key
    on_windows = sys.platform == "win32"  # where it is encrypted (W19)
    assert (odoo.key in (config / "secrets.json").read_text(encoding="utf-8")) is not on_windows
    assert all(is_private(config / name) for name in ("settings.json", "secrets.json"))


@pytest.mark.parametrize("code", ["WRNG-CODE", "abcdefgh"])
def test_a_wrong_code_is_told_and_a_sloppy_one_accepted(agent, odoo, code):
    process = agent("pair", "--server", odoo.url, "--code", code)
    _, err = process.communicate(timeout=90)
    accepted = code == "abcdefgh"
    assert process.returncode == (0 if accepted else 1)
    assert ("Mã không đúng" in err) is not accepted


def _pem(der: bytes) -> str:
    import ssl

    return ssl.DER_cert_to_PEM_cert(der)
