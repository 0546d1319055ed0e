"""What the gateway reads as a dossier and what it refuses: structure, hostile XML, signature."""

import base64
import hashlib
import subprocess
from datetime import datetime, timezone

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from ibhxh_sandbox import documents, example, signatures
from ibhxh_sandbox.problems import Refusal

NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)
DS = f"{{{signatures.DS}}}"


@pytest.fixture(scope="module")
def identity():
    return example.make_identity()


@pytest.mark.parametrize("form", ["04", "05", "06"])
def test_each_form_is_read(form, identity):
    document = documents.read(form, example.sign(example.unsigned(form), identity))

    assert document.fields["TenDoiTuong"] == "Công ty TNHH Ví Dụ"
    assert document.date("NgayLap").isoformat() == "2026-03-02"
    assert signatures.verify(document.root, NOW).tax_codes == (example.HEAD["MaSoThue"],)


@pytest.mark.parametrize(("form", "other"), [("04", "05"), ("05", "04"), ("06", "05"), ("04", "06")])
def test_a_form_is_not_another_form(form, other):
    with pytest.raises(Refusal, match="CE009"):
        documents.read(form, example.to_bytes(example.unsigned(other)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("MaCoQuan", "01"),
        ("MaSoThue", "01-1"),
        ("Email", "a@b@c"),
        ("Email", ""),
        ("DienThoai", "không có"),
        ("NgayLap", "2026-03-02"),
        ("NgayLap", "31/02/2026"),
        ("MaIVan", "1"),
        ("TenDoiTuong", "   "),
    ],
)
def test_a_wrong_field_is_refused(name, text):
    with pytest.raises(Refusal, match="CE009"):
        documents.read("04", example.to_bytes(example.unsigned("04", {name: text})))


def test_element_order_counts():
    root = example.unsigned("04")
    content = root.find("NoiDung")
    content.insert(0, content.find("Email"))
    with pytest.raises(Refusal, match="CE009"):
        documents.read("04", example.to_bytes(root))


ATTACHMENT = {"MaToKhai": "TK1", "MoTaToKhai": "Giấy", "TenFile": "a.pdf", "LoaiFile": ".pdf"}


@pytest.mark.parametrize(("length", "text", "good"), [("8", "MTIzNA==", True), ("4", "MTIzNA==", False)])
def test_the_length_of_an_attachment_is_that_of_its_base64(length, text, good):
    root = example.unsigned("04")
    attachment = etree.SubElement(root.find("NoiDung/ToKhais"), "FileToKhai")
    for name, value in {**ATTACHMENT, "DoDaiFile": length, "NoiDungFile": text}.items():
        etree.SubElement(attachment, name).text = value
    if good:
        assert documents.read("04", example.to_bytes(root))
    else:
        with pytest.raises(Refusal, match="DoDaiFile"):
            documents.read("04", example.to_bytes(root))


def dossier_text() -> str:
    return example.to_bytes(example.unsigned("04")).decode().partition("?>")[2].strip()


HOSTILE = {
    "nothing": b"",
    "not XML": b"\x00\xff binary",
    "cut off": example.to_bytes(example.unsigned("04"))[:200],
    "doctype": f"<!DOCTYPE Hoso>{dossier_text()}".encode(),
    "doctype in UTF-16": f'<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE Hoso>{dossier_text()}'.encode("utf-16"),
    "other encoding": f'<?xml version="1.0" encoding="UTF-16"?>{dossier_text()}'.encode("utf-16"),
    "external entity": b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><Hoso>&x;</Hoso>',
    "entity bomb": b"<!DOCTYPE a [<!ENTITY a '"
    + b"a" * 1000
    + b"'><!ENTITY b '"
    + b"&a;" * 1000
    + b"'><!ENTITY c '"
    + b"&b;" * 1000
    + b"'>]><Hoso>&c;</Hoso>",
    "comment": example.to_bytes(example.unsigned("04")).replace(b"vidu.example", b"vidu.example<!-- -->.evil.example"),
    "processing instruction": example.to_bytes(example.unsigned("04")).replace(b"<NoiDung>", b"<NoiDung><?x y?>"),
    "deep": b"<Hoso>" + b"<a>" * 200 + b"</a>" * 200 + b"</Hoso>",
    "deep where anything goes": example.to_bytes(example.unsigned("04")).replace(
        b"<CKy_Dvi/>",
        f'<CKy_Dvi><Signature xmlns="{signatures.DS}">'.encode()
        + b"<a>" * 100
        + b"</a>" * 100
        + b"</Signature></CKy_Dvi>",
    ),
    "very deep": b"<a>" * 100_000,
    "too large": b"<Hoso>" + b" " * documents.MAX_BYTES + b"</Hoso>",
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_xml_is_refused(data):
    with pytest.raises(Refusal, match="CE009"):
        documents.read("04", data)


# ---- the signature ------------------------------------------------------------------------------------------------


def signed(identity, form="04"):
    return etree.fromstring(example.sign(example.unsigned(form), identity))


def refused(root):
    with pytest.raises(Refusal) as caught:
        signatures.verify(etree.fromstring(etree.tostring(root)), NOW)
    assert caught.value.code == "CE009"
    return caught.value.description


def test_the_xmlsec1_program_agrees(identity, tmp_path):
    (tmp_path / "dossier.xml").write_bytes(example.sign(example.unsigned("04"), identity))
    key = identity.certificate.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (tmp_path / "key.pem").write_bytes(key)
    command = ["xmlsec1", "--verify", "--pubkey-pem", tmp_path / "key.pem", tmp_path / "dossier.xml"]

    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_changed_content_is_refused(identity):
    root = signed(identity)
    root.find("NoiDung/Email").text = "ke.trom@vidu.example"
    assert "thay đổi" in refused(root)


def test_changed_signature_value_is_refused(identity):
    root = signed(identity)
    value = root.find(f".//{DS}SignatureValue")
    value.text = value.text[:-8] + ("AAAAAA==" if value.text[-8:] != "AAAAAA==" else "BBBBBB==")
    assert "thay đổi" in refused(root)


def test_the_certificate_of_somebody_else_is_refused(identity):
    root = signed(identity)
    der = example.make_identity().certificate.public_bytes(Encoding.DER)
    root.find(f".//{DS}X509Certificate").text = base64.b64encode(der).decode()
    assert "thay đổi" in refused(root)


def test_a_certificate_of_a_version_that_does_not_exist_is_refused(identity):
    root = signed(identity)
    der = identity.certificate.public_bytes(Encoding.DER).replace(b"\xa0\3\2\1\2", b"\xa0\3\2\1\x09", 1)
    root.find(f".//{DS}X509Certificate").text = base64.b64encode(der).decode()
    assert "chứng thư" in refused(root)


def test_no_signature_is_refused():
    assert "chưa được ký" in refused(example.unsigned("04"))


def test_two_signatures_are_refused(identity):
    root = signed(identity)
    root.append(signed(identity).find(f".//{DS}Signature"))
    assert "nhiều hơn một" in refused(root)


def test_a_signature_elsewhere_is_refused(identity):
    root = signed(identity)
    root.append(root.find(f"CKy_Dvi/{DS}Signature"))
    assert "CKy_Dvi" in refused(root)


def test_a_wrapped_document_is_refused(identity):
    """The signed dossier hidden inside another one: the signature is not where the outer dossier has its own."""
    outer, inner = example.unsigned("04", {"Email": "ke.trom@vidu.example"}), signed(identity)
    outer.find("CKy_Dvi").append(inner)
    assert "CKy_Dvi" in refused(outer)


def set_attribute(element, name, value):
    return lambda root: root.find(f".//{DS}{element}").set(name, value)


def duplicate(element):
    def change(root):
        found = root.find(f".//{DS}{element}")
        found.addnext(etree.fromstring(etree.tostring(found)))

    return change


def add_transform(root):
    transforms = root.find(f".//{DS}Transforms")
    etree.SubElement(transforms, f"{DS}Transform", Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116")


LAYOUTS = {
    "only a part": (set_attribute("Reference", "URI", "#part"), "toàn bộ"),
    "no URI": (lambda root: root.find(f".//{DS}Reference").attrib.pop("URI"), "toàn bộ"),
    "two references": (duplicate("Reference"), "toàn bộ"),
    "two SignedInfo": (duplicate("SignedInfo"), "SignedInfo"),
    "two certificates": (duplicate("X509Certificate"), "X509Certificate"),
    "XPath": (add_transform, "enveloped"),
    "no transform": (lambda root: root.find(f".//{DS}Transforms").clear(), "enveloped"),
    "SHA-1 signature": (set_attribute("SignatureMethod", "Algorithm", f"{signatures.DS}rsa-sha1"), "thuật toán ký"),
    "HMAC": (set_attribute("SignatureMethod", "Algorithm", f"{signatures.DS}hmac-sha1"), "thuật toán ký"),
    "SHA-1 digest": (set_attribute("DigestMethod", "Algorithm", f"{signatures.DS}sha1"), "thuật toán băm"),
    "other c14n": (
        set_attribute("CanonicalizationMethod", "Algorithm", "http://www.w3.org/2001/10/xml-exc-c14n#"),
        "CanonicalizationMethod",
    ),
    "no method": (
        lambda root: root.find(f".//{DS}DigestMethod").getparent().remove(root.find(f".//{DS}DigestMethod")),
        "",
    ),
    "certificate unreadable": (lambda root: setattr(root.find(f".//{DS}X509Certificate"), "text", "AAAA"), "chứng thư"),
}


@pytest.mark.parametrize(("change", "words"), LAYOUTS.values(), ids=LAYOUTS)
def test_another_layout_is_refused(identity, change, words):
    root = signed(identity)
    change(root)
    assert words in refused(root)


def test_a_weak_key_is_refused():
    assert "2048" in refused(signed(example.make_identity(bits=1024)))


@pytest.mark.parametrize(
    "start", [datetime(2026, 3, 3, tzinfo=timezone.utc), datetime(2024, 3, 1, tzinfo=timezone.utc)]
)
def test_a_certificate_outside_its_life_is_refused(start):
    assert "hiệu lực" in refused(signed(example.make_identity(start=start, days=365)))


def test_the_certificates_life_is_measured_at_the_sandboxs_clock(sandbox):
    identity = example.make_identity(start=datetime(2026, 3, 1, tzinfo=timezone.utc), days=30)
    assert sandbox.submit(identity=identity).status_code == 201
    sandbox.control("clock", {"advance_seconds": 31 * 86400})

    assert "hết hạn" in sandbox.submit(identity=identity).json()["description"]


def test_the_digest_of_an_example_is_over_the_document_without_its_signature(identity):
    data = example.sign(example.unsigned("04"), identity)
    root = etree.fromstring(data)
    stated = root.findtext(f".//{DS}DigestValue")
    root.find("CKy_Dvi").clear()
    assert stated == base64.b64encode(hashlib.sha256(etree.tostring(root, method="c14n")).digest()).decode()
