"""Whatever bytes come from outside: refused in the agreed way or read, never another exception."""

import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from lxml import etree
from odoo.tests import BaseCase, tagged
from odoo.tools import mute_logger

from ..tools import certificate, contact, dossier, notification, signature, untrusted_xml, validation, vss_mail
from ..tools.gateways import UnknownOutcome, replies
from ..tools.gateways.transport import Reply
from .samples import mails, pki, signing

FUZZ = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)

UNSIGNED = dossier.build("04", signing.data())
CERTIFICATE = signing.certificate()
SIGNED = signing.sign(UNSIGNED, CERTIFICATE)
NAMES = (
    "client_reference",
    "dossiers",
    "version",
    "accepted_at",
    "state",
    "steps",
    "step",
    "at",
    "code",
    "holder",
    "needs_activation",
    "time",
    "provider",
    "description",
    "passed",
    "name",
    "status",
)
REFERENCE = "6f2c1c0e-8f2b-4a53-9a52-0d6a5f0f3c11"
SEEDS = (b"", b"<", b"\0", b"\r\n", b"--", b"=?utf-8?b?", b"&x;", b"<!DOCTYPE a>", b'xmlns="x"')
ROOT = pki.issue("root", "root", is_ca=True, serial=1)
AUTHORITY = pki.issue("intermediate", "root", is_ca=True, serial=2)
UNIT = pki.issue("unit", "intermediate")
REVOCATION = [
    *(pki.Responder(UNIT, AUTHORITY, **options).answer(pki.OCSP_URL) for options in ({}, {"ocsp_stranger": True})),
    *(pki.Responder(UNIT, AUTHORITY).answer(url) for url in (pki.CRL_URL, pki.ROOT_CRL_URL)),
]
MAILS = [sample.source for sample in mails.samples()]


@st.composite
def bent(draw, originals):
    """One of the originals with pieces cut out, doubled, swapped in from elsewhere or overwritten."""
    data = bytearray(draw(st.sampled_from(originals)))
    for _turn in range(draw(st.integers(1, 6))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 80)))
        piece = draw(
            st.one_of(
                st.binary(max_size=20),
                st.just(bytes(data[start:end]) * 2),
                st.sampled_from(SEEDS),
            )
        )
        data[start:end] = piece
    return bytes(data)


@st.composite
def trees(draw):
    """The signed document with elements moved about: what wrapping attacks are made of."""
    root = etree.fromstring(SIGNED)
    for _turn in range(draw(st.integers(1, 4))):
        elements = list(root.iter())
        child, parent = draw(st.sampled_from(elements)), draw(st.sampled_from(elements))
        if child is not root and child not in parent.iterancestors() and child is not parent:
            parent.insert(draw(st.integers(0, len(parent))), child)
    return etree.tostring(root)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFuzz(BaseCase):
    @FUZZ
    @given(st.one_of(st.binary(max_size=2000), bent(MAILS)))
    @example(b"To: " + b"(" * 4000)
    @example(b"Content-Type: text/plain; charset=punycode\n\n\xc3")
    @example(b"Content-Type: multipart/mixed; boundary=a\n\n--a\nContent-Type: message/rfc822\n\n--a--")
    def test_no_mail_makes_the_reader_raise(self, source):
        reading = vss_mail.read(source)
        self.assertIn(reading.does, ("brings_code", "confirms", "refuses", "informs", ""))
        self.assertTrue(reading.readable)
        self.assertFalse(any(len(code) != 10 for code in reading.codes))
        reading.is_authenticated_by("mx.example.com")

    @FUZZ
    @given(st.lists(st.tuples(st.text(max_size=20), st.text(max_size=200)), max_size=8), st.text(max_size=200))
    def test_no_headers_make_the_reader_raise(self, headers, body):
        lines = [f"{name}: {value}" for name, value in headers]
        source = "\n".join([*lines, "", body]).encode("utf-8", "surrogatepass")
        self.assertIsInstance(vss_mail.read(source), vss_mail.MailReading)

    @FUZZ
    @given(st.text(max_size=500))
    def test_redaction_leaves_nothing_to_find(self, text):
        hidden = vss_mail.redact(f"{text}\nMã kích hoạt: BV2VLHCKRA\n{mails.LINK}\n{text}")
        self.assertNotIn("BV2VLHCKRA", hidden)
        self.assertNotIn(mails.HEX, hidden)

    @FUZZ
    @given(st.one_of(st.binary(max_size=500), bent([SIGNED, UNSIGNED, mails.notification()])))
    def test_xml_readers_refuse_in_their_own_words(self, xml):
        for call, error in (
            (untrusted_xml.parse, untrusted_xml.UntrustedXmlError),
            (dossier.read, dossier.DossierError),
            (notification.read, notification.NotificationError),
        ):
            try:
                call(xml)
            except error as refused:
                self.assertTrue(refused.code)
        dossier.validate("04", xml)
        notification.check_signature(xml, at=signing.NOW)

    @FUZZ
    @given(st.one_of(st.binary(max_size=500), bent([SIGNED]), trees()))
    def test_only_the_agreed_content_ever_verifies(self, signed):
        try:
            signature.verify(signed, UNSIGNED, CERTIFICATE, at=signing.NOW)
        except signature.SignatureError:
            return
        root = etree.fromstring(signed)
        (node,) = root.iter(f"{{{signing.DS}}}Signature")
        node.getparent().remove(node)
        self.assertEqual(etree.tostring(root, method="c14n"), signing.canonical(UNSIGNED))

    @FUZZ
    @given(bent(REVOCATION))
    @example(REVOCATION[0].replace(bytes.fromhex("2b0e03021a"), bytes.fromhex("2b0e03020c")))  # an unknown hash
    def test_s21_answers_about_revocation_settle_or_do_not(self, answer):
        with mute_logger("pyhanko_certvalidator.revinfo.validate_crl"):
            found = validation.check_chain(
                pki.der(UNIT), [pki.der(ROOT)], [pki.der(AUTHORITY)], at=signing.NOW, fetch=lambda *_question: answer
            )
        self.assertEqual(found[0].code, "chain")
        self.assertEqual(found[1].code, "revocation_unknown", "no one answer is about both certificates")

    @FUZZ
    @given(st.one_of(st.binary(max_size=300), bent([CERTIFICATE])))
    def test_certificates_are_read_or_refused(self, der):
        try:
            info = certificate.load(der)
        except certificate.CertificateError:
            return
        self.assertEqual(info.der, der)

    @FUZZ
    @given(st.text(max_size=60))
    def test_what_people_type_is_normalised_or_refused(self, text):
        for normalise in (contact.email, contact.phone, contact.unit_code, contact.tax_code):
            try:
                value = normalise(text)
            except contact.ContactError:
                continue
            self.assertEqual(normalise(value), value)

    @FUZZ
    @given(
        st.recursive(
            st.none() | st.booleans() | st.floats() | st.text(max_size=20),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
        )
    )
    def test_replies_are_read_or_unknown(self, body):
        reply = Reply(200, json.dumps(body).encode(), None)
        entry = {**(body if isinstance(body, dict) else {}), "client_reference": REFERENCE}
        many = Reply(200, json.dumps({"dossiers": [body, entry]}).encode(), None)
        for read in (
            lambda: replies.receipt(reply, "x"),
            lambda: replies.progress(reply, "x"),
            lambda: replies.progress_of(reply, {"x": "", REFERENCE: "1"}),
            lambda: replies.progress_of(many, {"x": "", REFERENCE: "1"}),
            lambda: replies.health(reply),
            lambda: replies.problem(reply),
        ):
            try:
                read()
            except UnknownOutcome as error:
                self.assertLess(len(error.message), 200)

    @FUZZ
    @given(st.text(min_size=1, max_size=200), st.sampled_from(["subject_name", "address", "contact_name"]))
    def test_texts_survive_a_dossier(self, text, field):
        try:
            xml = dossier.build("04", signing.data(**{field: text}))
        except dossier.DossierError as error:
            self.assertIn(error.code, ("missing", "bad_text"))
            return
        if not dossier.validate("04", xml):
            form, data = dossier.read(xml)
            self.assertEqual((form, dossier.build("04", data)), ("04", xml))
