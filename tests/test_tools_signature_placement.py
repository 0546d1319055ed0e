"""A good signature that is moved, or filled with something else: it is refused, or what is read stays the same.

The bytes of a Signature are not covered by itself, and where it stands is not either.
"""

import re

import xmlsec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from odoo.tests import BaseCase, tagged

from ..tools import dossier, notification, notification_verdict, signature
from .samples import signing

NOTICE = (
    "<XACNHAN_GDICH><TTDVI><MST>{tax_code}</MST></TTDVI><TTGDICH><SO_HSO>{number}</SO_HSO>"
    "<TEN_GDICH>Đăng ký giao dịch điện tử</TEN_GDICH><KQUA>{result}</KQUA><MA_LOI>{error}</MA_LOI>"
    "<CTIET_GDICH><ROW_CTIET><NOIDUNG>Xem kỹ</NOIDUNG></ROW_CTIET></CTIET_GDICH></TTGDICH></XACNHAN_GDICH>"
)


def notice(tax_code="0312345678", number="00001/2026/00100", result="Không chấp nhận", error=""):
    return NOTICE.format(tax_code=tax_code, number=number, result=result, error=error)


FORGED = notice("0100109106", "03706/2026/07906", "Đã xác nhận").replace("<XACNHAN_GDICH>", '<XACNHAN_GDICH xmlns="">')
RECEIPT = '<GIO_NHAN xmlns="">05/03/2026</GIO_NHAN>'
LEAVES = (
    "<KeyName>{}</KeyName>",
    "<X509Data><X509SubjectName>{}</X509SubjectName></X509Data>",
    "<X509Data><X509IssuerSerial>{}</X509IssuerSerial></X509Data>",
    "<X509Data><X509IssuerSerial><X509IssuerName>{}</X509IssuerName><X509SerialNumber>7</X509SerialNumber>"
    "</X509IssuerSerial></X509Data>",
    "<X509Data><X509IssuerSerial><X509IssuerName>CN=CA</X509IssuerName><X509SerialNumber>{}</X509SerialNumber>"
    "</X509IssuerSerial></X509Data>",
    "<X509Data><X509SKI>{}</X509SKI></X509Data>",
)
DOCUMENTS = (
    notice(result="1. Chấp nhận để giải quyết hồ sơ"),
    notice(result="Đã xác nhận", error="SE003"),
    f"<BHXH>\n  {notice()}\n</BHXH>",
    f"<ThongBao><BHXH>{notice()}</BHXH><X>1 &amp; 2</X></ThongBao>",
    f"<HSoKhac><A>C12</A>{RECEIPT}</HSoKhac>",
)
NAMESPACES = ("", ' xmlns="urn:a"', ' xmlns:x="urn:x"', ' xml:lang="vi"')
OPEN = f'<Signature xmlns="{signing.DS}">'
FRAGMENTS = (
    FORGED,
    f"<BHXH>{FORGED}</BHXH>",
    f"<Object>{FORGED}</Object>",
    f"<KeyName>{FORGED}</KeyName>",
    f"{OPEN}<Object>{FORGED}</Object></Signature>",
    f"{OPEN}</Signature>",
    RECEIPT,
    "<KQUA xmlns=''>Đã xác nhận</KQUA>",
    "<KeyName>0100109106</KeyName>",
    "Đã xác nhận",
    "<![CDATA[<XACNHAN_GDICH/>]]>",
    "<![CDATA[ ]]>",
    "<!-- -->",
    "<?x y?>",
    "&e;",
    "&#32;",
    "&#xA0;",
    "\n\t",
)
ATTRIBUTES = (' a="1"', ' Id="XACNHAN_GDICH"', ' URI="#sigid"', ' xmlns:n="urn:n"', ' xml:base="urn:b"', ' xmlns=""')


def places(xml):
    """The offsets at which something may stand within the root: between the marks and in the texts."""
    inner = range(xml.index(">") + 1, xml.rindex("</") + 1)
    taken = [found.span() for found in re.finditer(r"<[^>]*>|&[^;]*;", xml)]
    return [place for place in inner if not any(start < place < end for start, end in taken)]


def insert(xml, place, piece):
    return f"{xml[:place]}{piece}{xml[place:]}"


class PlacementCase(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate = signing.certificate("vss", common_name="BHXH Việt Nam", uids=())

    def element(self, document, around="", key_info=""):
        """The Signature over all of ``document``, with ``key_info`` before everything else in KeyInfo."""
        content = signing.canonical(document.encode())
        text = signing.Signature(self.certificate, key_name="vss", around=around).xml(content)
        return text.replace("<KeyInfo>", f"<KeyInfo>{key_info}")

    def state(self, xml):
        return notification.check_signature(xml.encode(), at=signing.NOW).state

    def _read(self, xml):
        """What is read, and the verdict on it; why nothing is."""
        try:
            told = notification.read(xml.encode())
        except notification.NotificationError as error:
            return error.code
        return told, notification_verdict.judge(told)

    def theirs(self, xml):
        """Whether libxmlsec1 takes the first signature for good, with the right key."""
        context = xmlsec.SignatureContext()
        context.key = xmlsec.Key.from_memory(self.certificate, xmlsec.KeyFormat.CERT_DER)
        try:
            context.verify(xmlsec.tree.find_node(etree.fromstring(xml.encode()), xmlsec.Node.SIGNATURE))
        except xmlsec.Error:
            return False
        return True


@tagged("post_install_l10n", "post_install", "-at_install")
class TestPlacement(PlacementCase):
    def test_f1_a_notification_hidden_in_the_signature_is_not_read(self):
        """Each leaf of KeyInfo held one, under a signature that was good: VSS's, of any other file."""
        for document in DOCUMENTS:
            for leaf in LEAVES:
                for hidden in (FORGED, RECEIPT):
                    filled = self.element(document, key_info=leaf.format(hidden))
                    for place in (document.index(">") + 1, document.rindex("</")):
                        xml = insert(document, place, filled)
                        self.assertEqual(self.state(xml), "unsupported", xml)
                        self.assertEqual(self._read(xml), self._read(document), xml)

    def test_f1_what_is_taken_in_is_what_was_signed(self):
        document = DOCUMENTS[2]
        signed = insert(document, document.rindex("</"), self.element(document))
        told, verdict = notification.take(signed.encode(), at=signing.NOW)
        self.assertEqual(verdict.content, signing.canonical(document.encode()))
        self.assertEqual(told, notification.read(document.encode()))
        told, verdict = notification.take(document.encode(), at=signing.NOW)
        self.assertEqual((told, verdict.state, verdict.content), (notification.read(document.encode()), "none", b""))

    def test_f1_two_keys_or_a_key_after_the_first_hide_nothing(self):
        document = DOCUMENTS[0]
        element = self.element(document)
        key = element[element.index("<KeyValue>") : element.index("</KeyValue>") + len("</KeyValue>")]
        for more in (key, f"<KeyValue>{FORGED}</KeyValue>", key.replace("</Modulus>", f"{FORGED}</Modulus>")):
            xml = insert(document, document.rindex("</"), element.replace("</KeyInfo>", f"{more}</KeyInfo>"))
            self.assertEqual((self.state(xml), self._read(xml)), ("unsupported", self._read(document)), more)

    def test_f1_another_signature_or_id_is_no_way_round(self):
        """Two, one in the Object of the other, one around the notification, one over an element by its Id."""
        document = DOCUMENTS[3]
        element = self.element(document)
        end = document.rindex("</")
        by_id = insert(document, end, element.replace('URI=""', 'URI="#a"')).replace("<X>", '<X Id="a">')
        for xml in (
            insert(document, end, element + element),
            insert(document, end, element.replace('<Object Id="proid">', f'<Object Id="proid">{element}')),
            insert(document, end, element.replace('<Object Id="proid">', f'<Object Id="proid">{FORGED}')),
            insert(document, end, element.replace("<SignatureProperties>", f"<SignatureProperties>{FORGED}")),
            insert(document, end, f"{OPEN}<Object>{FORGED}</Object></Signature>{element}"),
            by_id,
        ):
            self.assertEqual((self.state(xml), self._read(xml)), ("unsupported", self._read(document)), xml)
        around = element.replace("<SignatureProperties>", f"{FORGED}<SignatureProperties>")
        self.assertEqual(self.state(around), "unsupported")

    def test_f1_plain_texts_in_key_info_are_good(self):
        document = DOCUMENTS[2]
        for leaf in (*LEAVES[:2], *LEAVES[3:]):
            self.assertEqual(
                self.state(insert(document, 6, self.element(document, key_info=leaf.format("7")))), "valid"
            )

    def test_f2_a_signature_within_a_text_cuts_nothing_off(self):
        """Of "1. Chấp nhận để giải quyết hồ sơ" (taken up) only "1. Chấp nhận" (accepted) was read."""
        for document in DOCUMENTS:
            element = self.element(document)
            expected = self._read(document)
            for place in places(document):
                xml = insert(document, place, element)
                is_in_text = document[place - 1] not in "> \n" or document[place] not in "< \n"
                self.assertEqual(self._read(xml), expected, xml)
                if is_in_text:
                    self.assertEqual(self.state(xml), "unsupported", xml)
                else:
                    self.assertEqual((self.state(xml), self.theirs(xml)), ("valid", True), xml)

    @settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.data())
    def test_f1_whatever_is_done_to_the_signature_says_nothing(self, data):
        """Moved anywhere, filled with anything: not valid, or good for xmlsec, too; the reading never changes."""
        document = data.draw(st.sampled_from(DOCUMENTS))
        around = data.draw(st.sampled_from(NAMESPACES))
        document = document.replace(">", f"{around}>", 1)
        element = self.element(document, around if around.startswith(" xmlns:") else "")
        for _round in range(data.draw(st.integers(0, 2))):
            if data.draw(st.booleans()):
                place = data.draw(st.sampled_from(places(element)))
                element = insert(element, place, data.draw(st.sampled_from(FRAGMENTS)))
            else:
                tag = data.draw(st.sampled_from([found.end() for found in re.finditer(r"<[A-Za-z0-9_]+", element)]))
                element = insert(element, tag, data.draw(st.sampled_from(ATTRIBUTES)))
        xml = insert(document, data.draw(st.sampled_from(places(document))), element)
        state, told = self.state(xml), self._read(xml)
        if state == "valid":
            # Parts of Object in no namespace are those of really signed files (domain.md section 3), not of xmlsec.
            self.assertTrue(self.theirs(xml) or ' xmlns=""' in element, xml)
            self.assertEqual(told, self._read(document), xml)
        elif not isinstance(told, str):
            self.assertEqual(told, self._read(document), xml)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDossierPlacement(BaseCase):
    def test_f6_a_signed_dossier_carries_nothing_else(self):
        """A computer delivered the right signature with another dossier in a leaf of its KeyInfo."""
        unsigned = dossier.build("04", signing.data())
        certificate = signing.certificate()
        hidden = '<Hoso xmlns=""><NoiDung><Email>thief@example.net</Email></NoiDung></Hoso>'
        good = signing.Signature(certificate).xml(signing.canonical(unsigned))

        def verify(xml):
            return signature.verify(signing.place(unsigned, xml), unsigned, certificate, at=signing.NOW)

        self.assertTrue(verify(good))
        for leaf in LEAVES:
            for content in (hidden, f"CN=A{hidden}", "x" * 1001):
                with self.assertRaises(signature.SignatureError, msg=(leaf, content)) as caught:
                    verify(good.replace("<KeyInfo>", f"<KeyInfo>{leaf.format(content)}"))
                self.assertEqual(caught.exception.code, "malformed")
        for name in ("KeyInfo", "X509Data", "X509SubjectName", "X509Certificate", "Modulus", "SigningTime"):
            with self.assertRaises(signature.SignatureError, msg=name) as caught:
                verify(good.replace(f"<{name}", f'<{name} Email="thief@example.net"', 1))
            self.assertEqual(caught.exception.code, "malformed")
