"""What is signed is what is shown: findings S1 and S14, and the rule behind them for any bytes at all."""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import unicodedata

import pki
import pytest
from forms import EXTRA, HEAD, form
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree
from people import Box, LeaseBook, Person, claimed

from ibhxh_agent import document, xmlsign
from ibhxh_agent.batch import BatchSigner, check
from ibhxh_agent.certificate import TokenCertificate
from ibhxh_agent.document import FORMS, rebuild
from ibhxh_agent.errors import SigningError
from ibhxh_agent.prompt.base import Decision

CERTIFICATE = TokenCertificate.from_der(pki.certificate(pki.key(0), name="CÔNG TY TNHH HOA SEN & ĐỐI TÁC"))
FUZZ = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": list(HealthCheck),
    "max_examples": 400,
}
CONTRACT = "Bên A vay của bên B một tỷ đồng, lãi suất 20 % một tháng."


def refusal(data: bytes) -> str:
    with pytest.raises(SigningError) as caught:
        document.read(data)
    assert caught.value.code == "refused"
    return caught.value.message


# -- S1: places where something could hide ----------------------------------------------------------------------------


PLACES = [
    "<Hoso>",
    "<NoiDung>",
    "</TenCoQuan>",
    "</Email>",
    "</PTNhanKetQua>",
    "<ToKhais/>",
    "</NoiDung>",
    "<CKy_Dvi/>",
]


@pytest.mark.parametrize("hidden", [CONTRACT, " ", "\n  ", "\u200b"])
@pytest.mark.parametrize("place", PLACES)
def test_s1_text_between_elements_is_refused(place, hidden):
    data = form().decode().replace(place, place + hidden, 1).encode()
    assert data != form() and "các ô được hiện ra" in refusal(data)


@pytest.mark.parametrize("filled", ["<ToKhais>{}</ToKhais>", "<CKy_Dvi>{}</CKy_Dvi>"])
def test_s1_text_in_empty_elements_is_refused(filled):
    name = filled[1 : filled.index(">")]
    refusal(form().replace(f"<{name}/>".encode(), filled.format(CONTRACT).encode()))


def test_s1_text_behind_the_root_is_refused():
    refusal(form() + CONTRACT.encode())
    assert "các ô được hiện ra" in refusal(form() + b"\n")


def test_s1_attachments_are_refused():
    assert "đính kèm" in refusal(form(attachment="<HopDong/>"))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "utf-7", "latin-1", "utf-8-sig"])
def test_s1_other_encodings_are_refused(encoding):
    text = form(**{name: "Ha Noi" for name in ("TenCoQuan", "TenDoiTuong", "NguoiLienHe", "DiaChi", "DiaChiLienHe")})
    refusal(text.decode().replace("UTF-8", encoding).encode(encoding))
    if encoding in ("utf-7", "latin-1"):
        refusal(text.replace(b"UTF-8", encoding.encode()))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"<Hoso>", b"<Hoso><!-- x -->"),
        (b"TS24", b"TS<!-- x -->24"),
        (b"TS24", b"<![CDATA[TS24]]>"),
        (b"TS24", b"TS<?x y?>24"),
        (b"TS24", b"&#84;S24"),
        (b"&amp;", b"&#38;"),
        (b"<Hoso>", b"<!DOCTYPE Hoso><Hoso>"),
        (b"<Hoso>", b'<Hoso a="b">'),
        (b"<Hoso>", b"<Hoso >"),
        (b"<ToKhais/>", b"<ToKhais></ToKhais>"),
        (b"'1.0'", b'"1.0"'),
        (b"<?xml version='1.0' encoding='UTF-8'?>\n", b""),
        (b"<?xml version='1.0' encoding='UTF-8'?>", b"<?xml version='1.0' encoding='UTF-8' standalone='yes'?>"),
        (b"<Hoso>", b"<Hoso xmlns:a='urn:a'>"),
        (b"<Hoso>", b"<Hoso xmlns='urn:a'>"),
        (b"\n", b"\r\n"),
    ],
)
def test_s1_every_other_way_to_write_the_same_is_refused(old, new):
    assert old in form()
    refusal(form().replace(old, new, 1))


# -- S1: fields --------------------------------------------------------------------------------------------------------


def test_s1_every_field_is_shown():
    for kind, fields in FORMS.items():
        values = {**HEAD, **EXTRA[kind]}
        assert [field.name for field in fields] == list(values)
        rows = document.read(form(kind)).rows()
        assert [row.value for row in rows] == list(values.values())
        assert len({row.label for row in rows}) == len(rows)
        tags = [element.tag for element in etree.fromstring(form(kind))[0]]
        assert tags == [*(field.name for field in fields), "ToKhais"]


LINES = ("TenCoQuan", "TenDoiTuong", "NguoiLienHe", "DiaChi", "DiaChiLienHe", "TenIVan", "NhaCungCapMoi")


@pytest.mark.parametrize("name", [*LINES, "NoiDungThayDoi"])
def test_s1_what_is_too_long_to_be_shown_is_refused_not_cut(name):
    (field,) = [field for field in FORMS["05"] if field.name == name]
    whole = "x" * field.longest
    assert document.read(form("05", **{name: whole}))[name] == whole
    message = refusal(form("05", **{name: whole + "x"}))
    assert field.label in message and str(field.longest) in message


#: Nothing to see, or something else than there is.
HIDDEN = {
    "zero width": "\u200b",
    "right to left override": "\u202e",
    "isolate": "\u2066",
    "soft hyphen": "\u00ad",
    "byte order mark": "\ufeff",
    "no-break space": "\u00a0",
    "thin space": "\u2009",
    "line separator": "\u2028",
    "paragraph separator": "\u2029",
    "next line": "\u0085",
    "escape of 8 bits": "\u009b",
    "delete": "\u007f",
    "tag": "\U000e0041",
    "variation selector": "\ufe0f",
    "stacking mark": "\u0301",
    "Hangul filler": "\u3164",
    "Braille blank": "\u2800",
    "Cyrillic а": "\u0430",
    "Greek ο": "\u03bf",
    "Armenian о": "\u0585",
    "Cherokee Ꭺ": "\u13aa",
    "full-width а": "\uff41",
    "mathematical 𝐚": "\U0001d41a",
    "private": "\ue000",
    "Arabic digit": "\u0664",
    "not a character": "\ufdd0",
    "Kelvin": "\u212a",
    "line break": "\n",
    "tab": "\t",
}


@pytest.mark.parametrize("name", ["TenDoiTuong", "Email", "TenIVan", "DiaChi", "MaIVan", "DienThoai", "NoiDungThayDoi"])
@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_s1_hidden_characters_and_look_alikes_are_refused_in_every_field(name, hidden):
    value = {**HEAD, **EXTRA["05"]}[name]
    for at in (0, len(value) // 2, len(value)):
        if hidden == "\n" and name == "NoiDungThayDoi" and 0 < at < len(value):
            continue
        refusal(form("05", **{name: value[:at] + hidden + value[at:]}))


@pytest.mark.parametrize("value", ["Hai  dấu cách", " trước", "sau ", "dòng \nhai", "dòng\n hai", "\nhai", "một\n"])
def test_s1_blanks_that_nobody_sees_are_refused(value):
    refusal(form("05", NoiDungThayDoi=value))
    if "\n" not in value:
        refusal(form("05", TenDoiTuong=value))


@pytest.mark.parametrize(
    "address",
    [
        "ké.toan@example.com",
        "a@ex\u0430mple.com",
        "a@b",
        "a b@c.vn",
        "a@b.vn, c@d.vn",
        "@b.vn",
        "a@b..vn",
        '"a b"@c.vn',
        "a",
    ],
)
def test_s1_an_e_mail_address_is_ascii_and_one(address):
    refusal(form(Email=address))


GOOD = [
    ("MaSoThue", "0100109106-001"),
    ("MaSoThue", "001099012345"),
    ("MaSoThue", "N1234"),
    ("LoaiDoiTuong", "0"),
    ("PTNhanKetQua", "1"),
    ("PTNhanKetQua", "12"),
    ("DienThoai", "0912345678"),
    ("DienThoai", "024 3942 1234"),
    ("DienThoai", "(024) 3942.1234"),
    ("MaCoQuan", "07906"),
    ("Email", "o'brien+bhxh@sub.example-1.com.vn"),
    ("NguoiLienHe", ""),
    ("DiaChi", ""),
    ("DiaChiLienHe", ""),
    ("DienThoaiLienHe", ""),
    ("NguoiLienHe", "김철수"),
    ("NguoiLienHe", "田中 一郎"),
    ("TenDoiTuong", "CÔNG TY “A&B” <TNHH> – №1 (Việt Nam)™, \"C\" 'D' ƯỚC ĐỘ Ợ"),
    ("DiaChi", "Số 1/2, ngõ 3; P. 4–5 @ “Tòa nhà”"),
]


@pytest.mark.parametrize(("name", "value"), GOOD)
def test_what_real_forms_hold_is_read(name, value):
    assert (
        document.read(form(**{name: value}).replace(f"<{name}/>".encode(), f"<{name}></{name}>".encode()))[name]
        == value
    )


@pytest.mark.parametrize("name", [field.name for field in FORMS["06"] if field.required])
def test_a_required_field_is_not_empty(name):
    (field,) = [field for field in FORMS["06"] if field.name == name]
    assert field.label in refusal(form("06", **{name: ""}))


@pytest.mark.parametrize("name", ["MaLyDo", "SoChungThuCu"])
def test_what_may_be_empty_may(name):
    kind = "06" if name == "MaLyDo" else "05"
    assert document.read(form(kind, **{name: ""}).replace(f"<{name}/>".encode(), f"<{name}></{name}>".encode()))


def test_the_alphabet_holds_nothing_that_cannot_be_seen():
    """Whatever version of Unicode this Python knows; and the composed form is the only one of each letter."""
    field = FORMS["04"][0]
    taken = []
    for code in range(0x110000):
        try:
            field.check(f"a{chr(code)}a")
        except SigningError:
            continue
        taken.append(chr(code))
    assert {unicodedata.category(c) for c in taken} & {"Cc", "Cf", "Cs", "Co", "Mn", "Mc", "Me", "Zl", "Zp"} == set()
    assert [c for c in taken if unicodedata.category(c) == "Zs"] == [" "]
    assert all(unicodedata.normalize("NFC", c) == c for c in taken)
    scripts = {unicodedata.name(c).split()[0] for c in taken if c.isalpha() and ord(c) > 127}
    assert scripts <= {
        "LATIN",
        "CJK",
        "HANGUL",
        "HIRAGANA",
        "KATAKANA",
        "KATAKANA-HIRAGANA",
        "FEMININE",
        "MASCULINE",
        "MICRO",
    }
    vietnamese = "aăâbcdđeêghiklmnoôơpqrstuưvxy" + "".join(
        unicodedata.normalize("NFC", vowel + tone)
        for vowel in "aăâeêioôơuưy"
        for tone in "\u0300\u0301\u0303\u0309\u0323"
    )
    assert set(vietnamese) | set(vietnamese.upper()) <= set(taken)


def test_s1_a_company_name_that_is_not_in_the_certificate_is_pointed_out():
    assert CERTIFICATE.names("Công ty TNHH Hoa Sen & Đối tác") and CERTIFICATE.names("CONG TY TNHH HOA SEN")
    assert not CERTIFICATE.names("Công ty TNHH Hoa Mai")


# -- bounded work ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"<a>" * 2_000_000,
        b"<a " + b" ".join(b"xmlns:a%d='urn:%d'" % (n, n) for n in range(1500)) + b">" + b"<b/>" * 2000 + b"</a>",
        form().replace(b"TS24", b"x" * 5_000_000),
        b"<!DOCTYPE a [" + b"<!ENTITY a 'a'>" * 3000 + b"]><a/>",
        form() + b"\0",
    ],
    ids=["size", "namespaces", "long value", "entities", "zero"],
)
def test_costly_bytes_do_not_reach_the_parser(data, monkeypatch):
    monkeypatch.setattr(document.etree, "fromstring", lambda *_: pytest.fail("parsed"))
    refusal(data[: 5 * 2**20])


def test_the_longest_form_that_can_be_shown_fits_the_bound():
    longest = {field.name: "&" * field.longest for field in FORMS["05"] if field.pattern == document._ANYTHING}
    assert len(longest) == 8 and len(form("05", **longest)) < document.MAX_BYTES


# -- the rule ----------------------------------------------------------------------------------------------------------


def shown_bytes(data: bytes) -> bytes | None:
    """What follows from the values that a person sees, when the agent would sign these bytes; else nothing."""
    entry = {"id": 1, "document": _base64(data), "sha256": hashlib.sha256(data).hexdigest()}
    try:
        job = check(entry, CERTIFICATE)
    except SigningError as error:
        assert error.code == "refused"
        return None
    item = job.item()
    fields = [f.name for f in FORMS[item.form]]
    # Not the agent's own writer, so that it is not measured with itself: lxml's.
    root = etree.Element("Hoso")
    content = etree.SubElement(root, "NoiDung")
    for name, row in zip(fields, item.rows, strict=True):
        etree.SubElement(content, name).text = row.value
    etree.SubElement(content, "ToKhais")
    etree.SubElement(root, "CKy_Dvi")
    return bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()


KINDS = st.sampled_from(sorted(FORMS))
PIECES = st.one_of(
    st.binary(max_size=6),
    st.text(max_size=6).map(lambda t: t.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [
            *(
                b"<a/>",
                b"<!--x-->",
                b"<?x?>",
                b"&amp;",
                b"&#32;",
                b" ",
                b"\n",
                b"\r",
                b"\t",
                b"<![CDATA[x]]>",
                b"</Hoso>",
            ),
            *(b"<ToKhais/>", b"<Email>a@b.vn</Email>", b' a="b"', b" xmlns='u'", "\u202e".encode(), "\u0430".encode()),
            b"\0",
        ]
    ),
)


@st.composite
def mutants(draw):
    """A form with up to three pieces put in, taken out or repeated anywhere."""
    data = form(draw(KINDS))
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 2, 10, 60])))
        data = data[:start] + draw(PIECES | st.just(data[start:end] * 2)) + data[end:]
    return data


@given(mutants())
@settings(**FUZZ)
@example(form())
def test_no_byte_string_that_differs_from_the_displayed_values_is_signed(data):
    assert shown_bytes(data) in (None, data)


@given(KINDS, st.data())
@settings(**FUZZ)
def test_no_value_is_signed_otherwise_than_it_is_shown(kind, data):
    names = [field.name for field in FORMS[kind]]
    value = data.draw(st.text(max_size=30) | st.from_regex(r"[ -~À-ỹ]{0,40}", fullmatch=True))
    values = [*{**HEAD, **EXTRA[kind]}.values()]
    values[data.draw(st.integers(0, len(values) - 1))] = value
    try:
        given_bytes = rebuild(kind, values)
    except UnicodeEncodeError:
        return
    assert shown_bytes(given_bytes) in (None, given_bytes)
    assert len(values) == len(names)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda t: t.encode("utf-8", "replace")))
@settings(**FUZZ)
def test_nothing_else_is_signed(data):
    assert shown_bytes(data) is None


@pytest.mark.parametrize("kind", sorted(FORMS))
def test_the_signature_covers_the_shown_document_and_adds_nothing_else(kind):
    data = form(kind)
    signed = xmlsign.sign(data, CERTIFICATE, pki.key(0), dt.datetime(2026, 3, 5, tzinfo=dt.timezone.utc))
    without = re.sub(rb"<Signature.*</Signature>", b"", signed, flags=re.DOTALL)
    assert without.replace(b"<CKy_Dvi></CKy_Dvi>", b"<CKy_Dvi/>") == data


# -- S14: batches ------------------------------------------------------------------------------------------------------


class OneToken:
    """A token with the certificate; anyone who logs in gets the key."""

    def __init__(self):
        from ibhxh_agent.tokens.manager import Token

        self.logins = 0
        self.token = Token("lib", 1, "Token", "1", "m", "M", frozenset(), (CERTIFICATE,))
        self.tokens = (self.token,)

    def find(self, _fingerprint):
        return self.token

    def signing_key(self, _token, certificate, _pin, *, warned):
        from contextlib import nullcontext

        self.logins += 1
        return nullcontext(pki.key(0))


@pytest.fixture
def batch():
    box, person, manager = Box(), Person(pins=["1"] * 9), OneToken()
    return BatchSigner(manager, person, box, LeaseBook(), "https://odoo.example"), person, box, manager


def test_s14_one_that_differs_is_set_apart_and_asked_for_by_itself(batch):
    signer, person, box, manager = batch
    documents = [form(NguoiLienHe=f"Hoa {number}") for number in range(40)]
    documents[26] = form("06", Email="thief@evil.example")
    documents[30] = form(Email="thief@evil.example")
    documents[31] = form(MaIVan="66666")
    documents[32] = form(TenIVan="TS25")
    documents[33] = form("06", MaLyDo="8")
    signer.work(claimed(documents, CERTIFICATE.fingerprint))
    assert sorted(len(question.items) for question in person.questions) == [1, 1, 1, 1, 1, 35]
    assert len(person.questions[0].items) == 35 and manager.logins == 6
    assert [(question.part, question.parts) for question in person.questions] == [(n, 6) for n in range(1, 7)]
    assert "Phần 2/6" in person.questions[1].notes()[0]
    assert box.kinds() == ["signed"] * 40


def test_s14_refusing_one_part_leaves_the_others(batch):
    signer, person, box, _manager = batch
    person.decisions = [Decision.SIGN, Decision.REFUSE, Decision.SIGN]
    signer.work(claimed([form(), form(), form(Email="x@evil.example"), form("06")], CERTIFICATE.fingerprint))
    assert [box.deliveries[str(n)].kind for n in (1, 2, 3, 4)] == ["signed", "signed", "failed", "signed"]
    assert box.deliveries["3"].code == "refused"


def test_s14_later_is_later_for_all(batch):
    signer, person, box, manager = batch
    person.decisions = [Decision.SIGN, Decision.LATER]
    signer.work(claimed([form(), form(), form(Email="x@evil.example"), form("06")], CERTIFICATE.fingerprint))
    assert [delivery.code for delivery in box.deliveries.values()] == ["", "", "pin_cancelled", "pin_cancelled"]
    assert len(person.questions) == 2 and manager.logins == 1


def test_s14_what_a_batch_shares_and_what_each_has_of_its_own(batch):
    signer, person, _box, _manager = batch
    signer.work(claimed([form(NguoiLienHe="Hoa"), form(NguoiLienHe="Mai", DiaChi="2 Phố")], CERTIFICATE.fingerprint))
    (question,) = person.questions
    own = [[(row.label, row.value) for row in rows] for rows in question.own()]
    assert own == [
        [("Người liên hệ", "Hoa"), ("Địa chỉ", "1 Tràng Tiền, Hà Nội")],
        [("Người liên hệ", "Mai"), ("Địa chỉ", "2 Phố")],
    ]
    assert len(question.shared()) + 2 == len(question.items[0].shown())


def test_s1_foreign_company_names_are_warned_of(batch):
    signer, person, _box, _manager = batch
    names = ["Công ty TNHH Hoa Sen & Đối tác", *(f"Công ty khác {number}" for number in range(9))]
    signer.work(claimed([form(TenDoiTuong=name) for name in names], CERTIFICATE.fingerprint))
    warnings = person.questions[0].warnings
    assert len(warnings) == 3 and all("Công ty khác" in warning for warning in warnings)


def test_s1_two_documents_under_one_number_are_not_mixed_up(batch):
    signer, person, box, _manager = batch
    one, other = claimed([form(), form(NguoiLienHe="Mai")], CERTIFICATE.fingerprint)
    box.put = lambda delivery: box.deliveries.setdefault(f"{delivery.request}{len(box.deliveries)}", delivery)
    signer.work([one, {**other, "id": one["id"]}])
    assert len(person.questions[0].items) == 2
    for delivery in box.deliveries.values():
        assert delivery.kind == "failed"
