"""Only a known form is signed, and only one that has no hidden corners."""

from __future__ import annotations

from pathlib import Path

import pytest
from forms import EXTRA, HEAD, form
from lxml import etree

from ibhxh_agent import document
from ibhxh_agent.errors import SigningError


@pytest.mark.parametrize("kind", ["04", "05", "06"])
def test_the_known_forms_are_recognised(kind):
    read = document.read(form(kind))
    assert read.form == kind and read.values == tuple({**HEAD, **EXTRA[kind]}.values())
    assert (read["TenDoiTuong"], read["MaSoThue"]) == (HEAD["TenDoiTuong"], HEAD["MaSoThue"])
    assert read["KhongCo"] == ""


@pytest.mark.parametrize(
    "sample", sorted(Path(__file__).with_name("samples").glob("*.xml")), ids=lambda path: path.name
)
def test_what_the_addon_builds_is_read_and_written_again_to_the_byte(sample):
    """The files are written by the addon's builder (its tests/test_agent_reads_dossier.py checks them against it)."""
    data = sample.read_bytes()
    read = document.read(data)
    assert read.form == sample.name[:2] and document.rebuild(read.form, read.values) == data


def changed(edit):
    root = etree.fromstring(form())
    edit(root)
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)


def add_extra(root):
    etree.SubElement(root[0], "SoTien").text = "1000000000"


def reorder(root):
    root[0].insert(3, root[0][0])


def nested(root):
    etree.SubElement(root[0][0], "x")


def attribute(root):
    root[0].set("a", "b")


def sibling(root):
    etree.SubElement(root, "HopDong")


def signed(root):
    etree.SubElement(root[1], "Signature")


def text_where_the_signature_goes(root):
    root[1].text = "x"


def odd_attachment(root):
    etree.SubElement(root[0][-1], "FileKhac")


@pytest.mark.parametrize(
    "edit",
    [
        add_extra,
        reorder,
        nested,
        attribute,
        sibling,
        signed,
        text_where_the_signature_goes,
        odd_attachment,
        lambda root: root[0].remove(root[0][0]),
        lambda root: root.append(etree.Comment("c")),
        lambda root: root[0][0].append(etree.ProcessingInstruction("p", "x")),
        lambda root: setattr(root, "tag", "HopDong"),
        lambda root: setattr(root, "tag", "{urn:x}Hoso"),
        lambda root: root.addprevious(etree.Comment("before")),
        lambda root: root.addnext(etree.ProcessingInstruction("after", "x")),
    ],
)
def test_anything_else_is_refused(edit):
    with pytest.raises(SigningError) as caught:
        document.read(changed(edit))
    assert caught.value.code == "refused"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not xml",
        b"<Hoso>",
        b"\xff\xfe\x00",
        b'<!DOCTYPE Hoso [<!ENTITY a "b">]>' + form().split(b"?>", 1)[1],
        b'<!DOCTYPE Hoso SYSTEM "http://127.0.0.1:1/x.dtd">' + form().split(b"?>", 1)[1],
        b'<!DOCTYPE Hoso [<!ENTITY a SYSTEM "file:///etc/passwd">]><Hoso>&a;</Hoso>',
        b"<a>" * 5000 + b"</a>" * 5000,
        b"<contract><amount>1000000000</amount></contract>",
    ],
)
def test_hostile_bytes_are_refused(data):
    with pytest.raises(SigningError) as caught:
        document.read(data)
    assert caught.value.code == "refused"


def test_a_huge_document_is_refused_unread():
    with pytest.raises(SigningError) as caught:
        document.read(form(attachment="x" * document.MAX_BYTES))
    assert "quá lớn" in caught.value.message
