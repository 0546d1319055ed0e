"""Attacks on the employer's signature. Each test is one trick; the message of a failure says which got through."""

import base64
import hashlib
import re
from datetime import datetime, timedelta, timezone

from cryptography.hazmat.primitives import hashes, hmac
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree
from odoo.tests import BaseCase, tagged

from ..tools import dossier, signature
from .samples import signing
from .samples.signing import DS, ENVELOPED, NOW, SHA256


class SignatureCase(BaseCase):
    """One good signed dossier, and what its refusal must say."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.unsigned = dossier.build("04", signing.data())
        cls.certificate = signing.certificate()
        cls.signed = signing.sign(cls.unsigned, cls.certificate)
        cls.evil = dossier.build("04", signing.data(email="thief@example.net"))

    def verify(self, signed, unsigned=None, certificate=None, at=NOW):
        return signature.verify(signed, unsigned or self.unsigned, certificate or self.certificate, at=at)

    def assert_refused(self, code, signed, **kwargs):
        with self.assertRaises(signature.SignatureError) as caught:
            self.verify(signed, **kwargs)
        self.assertEqual(caught.exception.code, code, str(caught.exception))

    def resigned(self, **knobs):
        """The right document, signed by the right key, with some parts bent."""
        return signing.sign(self.unsigned, self.certificate, **knobs)

    def tree(self):
        """Root, NoiDung, CKy_Dvi and Signature of the good document."""
        root = etree.fromstring(self.signed)
        return root, root[0], root[1], root[1][0]

    def evil_content(self):
        return etree.fromstring(self.evil)[0]


@tagged("post_install_l10n", "post_install", "-at_install")
class TestGoodSignature(SignatureCase):
    def test_good_signature_tells_signer_and_time(self):
        info = self.verify(self.signed)
        self.assertEqual(info.signed_at, datetime(2026, 3, 2, 3, 4, 5, tzinfo=timezone.utc))
        self.assertEqual(info.fingerprint, hashlib.sha256(self.certificate).hexdigest())
        self.assertEqual(info.serial, "5404FFFEB7033FB316D672201B7BA4FE")
        self.assertIn("MST:0100109106", info.subject)
        value = etree.fromstring(self.signed).findtext(f".//{{{DS}}}SignatureValue")
        self.assertEqual(info.signature_value_sha256, hashlib.sha256(base64.b64decode(value)).hexdigest())

    def test_every_form_verifies(self):
        day = NOW.date()
        changes = {
            "05": {
                "new_certificate_serial": "AB12",
                "new_certificate_issuer": "CA",
                "new_certificate_from": day,
                "new_certificate_to": day,
                "change_text": "Đổi chứng thư\nvà e-mail",
            },
            "06": {"stop_date": day, "stop_reason": "Giải thể"},
        }
        for form, extra in changes.items():
            with self.subTest(form=form):
                unsigned = dossier.build(form, signing.data(**extra))
                signed = signing.sign(unsigned, self.certificate)
                self.assertEqual(dossier.validate(form, signed), [])
                self.verify(signed, unsigned=unsigned)

    def test_prefixed_signature_of_another_signer_program_verifies(self):
        """The same signature with the prefix ds: instead of a default namespace is as good."""
        plain = signing.Signature(self.certificate).xml(signing.canonical(self.unsigned))
        prefixed = re.sub(r"<(/?)(\w)", r"<\1ds:\2", plain).replace("xmlns=", "xmlns:ds=")
        signed_info = etree.tostring(etree.fromstring(prefixed)[0], method="c14n", exclusive=True)
        value = base64.b64encode(signing.key().sign(signed_info, padding.PKCS1v15(), hashes.SHA256())).decode()
        prefixed = re.sub(r"(<ds:SignatureValue>)[^<]*", rf"\g<1>{value}", prefixed)
        self.verify(signing.place(self.unsigned, prefixed))

    def test_line_breaks_in_base64_are_no_fault(self):
        wrapped = "\n".join(_chunks(base64.b64encode(self.certificate).decode(), 64))
        self.verify(self.resigned(x509=wrapped))

    def test_unknown_signing_time_is_no_time(self):
        for text in ("", "yesterday", "2026-02-31T00:00:00Z", "2026-03-02T10:04:05+07:00"):
            self.assertIsNone(self.verify(self.resigned(signing_time=text)).signed_at, text)
        self.assertIsNone(self.verify(self.resigned(objects="")).signed_at)

    def test_stronger_hashes_are_accepted(self):
        self.verify(
            self.resigned(
                method="http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
                hash_name="sha512",
                digest_method="http://www.w3.org/2001/04/xmlenc#sha512",
                digest_hash="sha512",
            )
        )

    def test_now_is_the_default_time_of_validity(self):
        before = datetime.now(timezone.utc)
        dates = {"not_before": before - timedelta(days=2), "not_after": before + timedelta(days=2)}
        certificate = signing.certificate(**dates)
        signature.verify(signing.sign(self.unsigned, certificate), self.unsigned, certificate)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestWrapping(SignatureCase):
    """An attacker without the key moves or surrounds a good signature so that other content is read as signed."""

    def test_1_evil_document_around_the_signed_one(self):
        root = etree.fromstring(self.evil)
        root[1].append(etree.fromstring(self.signed))
        self.assert_refused("wrong_place", etree.tostring(root))

    def test_2_evil_document_with_the_signed_one_in_an_object(self):
        root, content, _place, node = self.tree()
        holder = etree.SubElement(node, f"{{{DS}}}Object")
        holder.append(content)
        root.insert(0, self.evil_content())
        self.assert_refused("malformed", etree.tostring(root))

    def test_3_evil_content_before_the_signed_content(self):
        root, *_ = self.tree()
        root.insert(0, self.evil_content())
        self.assert_refused("content_changed", etree.tostring(root))

    def test_4_evil_content_after_the_signed_content(self):
        root, *_ = self.tree()
        root.append(self.evil_content())
        self.assert_refused("content_changed", etree.tostring(root))

    def test_5_signed_content_moved_into_an_extension_of_the_evil_one(self):
        root, content, *_ = self.tree()
        evil = self.evil_content()
        etree.SubElement(evil, "Extensions").append(content)
        root.insert(0, evil)
        self.assert_refused("content_changed", etree.tostring(root))

    def test_6_signed_content_beside_the_signature(self):
        root, content, place, _ = self.tree()
        place.append(content)
        root.insert(0, self.evil_content())
        self.assert_refused("wrong_place", etree.tostring(root))

    def test_7_signature_moved_into_the_evil_content(self):
        root, content, _place, node = self.tree()
        evil = self.evil_content()
        evil.append(node)
        root.replace(content, evil)
        self.assert_refused("wrong_place", etree.tostring(root))

    def test_8_signature_around_the_signed_document(self):
        root, content, _place, node = self.tree()
        inner = etree.fromstring(self.unsigned)
        holder = node.find(f"{{{DS}}}Object")
        holder.clear()
        holder.append(inner)
        root.replace(content, self.evil_content())
        self.assert_refused("malformed", etree.tostring(root))

    def test_signature_as_root(self):
        *_, node = self.tree()
        self.assert_refused("wrong_place", etree.tostring(node))

    def test_second_place_for_the_signature(self):
        root, _, _place, node = self.tree()
        second = etree.SubElement(root, "CKy_Dvi")
        second.append(node)
        self.assert_refused("content_changed", etree.tostring(root))

    def test_place_deeper_in_the_document(self):
        root, content, place, _ = self.tree()
        content.append(place)
        self.assert_refused("wrong_place", etree.tostring(root))

    def test_another_root(self):
        self.assert_refused("wrong_place", self.signed.replace(b"Hoso>", b"HoSo>"))

    def test_text_beside_the_signature(self):
        self.assert_refused("wrong_place", self.signed.replace(b"</Signature>", b"</Signature>x"))
        self.assert_refused("wrong_place", self.signed.replace(b"<CKy_Dvi>", b"<CKy_Dvi> "))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestContent(SignatureCase):
    """The document is not the one that was to be signed."""

    def test_changed_after_signing(self):
        self.assert_refused("content_changed", self.signed.replace(b"ke.toan@example.com", b"thief@example.net"))

    def test_another_document_properly_signed(self):
        self.assert_refused("content_changed", signing.sign(self.evil, self.certificate))

    def test_another_form_properly_signed(self):
        other = dossier.build("06", signing.data(stop_date=NOW.date(), stop_reason="x"))
        self.assert_refused("content_changed", signing.sign(other, self.certificate))

    def test_same_content_with_a_wrong_digest(self):
        self.assert_refused("invalid", self.resigned(digest=hashlib.sha256(b"other").digest()))

    def test_digest_cut_short(self):
        digest = hashlib.sha256(signing.canonical(self.unsigned)).digest()
        self.assert_refused("invalid", self.resigned(digest=digest[:8]))
        self.assert_refused("invalid", self.resigned(digest=b""))

    def test_s3_canonicalisation_bomb(self):
        """28 KB of namespaces kept a worker busy for seconds, with the request's row locked."""
        bomb = b"<a " + b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(800)) + b">"
        bomb += b"<b/>" * 2_000 + b"</a>"
        with self.assertRaisesRegex(signature.SignatureError, "too_complex"):
            self.verify(self.signed.replace(b"<NoiDung>", bomb + b"<NoiDung>"))

    def test_s16_what_cannot_be_canonicalised_is_refused(self):
        for part in (b"<NoiDung>", b"<CKy_Dvi>", b"<KeyInfo>", b"<SignedInfo>"):
            bent = part[:-1] + b" xmlns:n='u'>"
            self.assert_refused("malformed", self.signed.replace(part, bent))

    def test_blanks_between_elements_are_content(self):
        self.assert_refused("content_changed", self.signed.replace(b"<MaCoQuan>", b"\n<MaCoQuan>"))

    def test_added_attribute_and_namespace(self):
        self.assert_refused("content_changed", self.signed.replace(b"<NoiDung>", b'<NoiDung a="1">'))
        self.assert_refused("malformed", self.signed.replace(b"<Hoso>", b'<Hoso xmlns:x="urn:x">'))

    def test_comment_splits_a_value(self):
        """Canonicalisation drops comments, so the digest fits; a reader of .text would see half of the tax code."""
        self.assert_refused("malformed", self.signed.replace(b"0100109106</MaSo", b"01001<!-- -->09106</MaSo"))

    def test_processing_instruction(self):
        self.assert_refused("malformed", self.signed.replace(b"<NoiDung>", b"<?x y?><NoiDung>"))
        self.assert_refused("malformed", self.signed.replace(b"<Hoso>", b"<?xml-stylesheet href='x'?><Hoso>"))

    def test_dtd_and_entities(self):
        entity = b'<!DOCTYPE Hoso [<!ENTITY e "0100109106">]><Hoso>'
        self.assert_refused("malformed", self.signed.replace(b"<Hoso>", entity).replace(b">0100109106<", b">&e;<"))
        external = b'<!DOCTYPE Hoso SYSTEM "file:///etc/passwd"><Hoso>'
        self.assert_refused("malformed", self.signed.replace(b"<Hoso>", external))

    def test_cdata_and_character_references_are_the_same_content(self):
        """Other bytes, the same document: what canonicalisation makes equal is equal."""
        self.verify(self.signed.replace(b">0100109106</MaSo", b"><![CDATA[0100109106]]></MaSo"))
        self.verify(self.signed.replace(b">0100109106</MaSo", b">&#48;100109106</MaSo"))

    def test_huge_and_deep_documents(self):
        self.assert_refused("malformed", self.signed.replace(b"</NoiDung>", b" " * (5 * 2**20) + b"</NoiDung>"))
        self.assert_refused("malformed", self.signed.replace(b"<ToKhais/>", b"<a>" * 200 + b"</a>" * 200))
        self.assert_refused("malformed", self.signed.replace(b"<ToKhais/>", b"<a>" * 100_000 + b"</a>" * 100_000))

    def test_not_xml(self):
        for junk in (b"", b"%PDF-1.7", self.signed[:-20], self.signed + b"<x/>", self.signed.decode().encode("utf-16")):
            self.assert_refused("malformed", junk)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSignatureElement(SignatureCase):
    """The document is right; the Signature is not of the one accepted shape."""

    def test_stripped(self):
        self.assert_refused("no_signature", self.unsigned)
        self.assert_refused("no_signature", self.signed.replace(DS.encode(), b"urn:not-dsig"))

    def test_doubled(self):
        root, _, place, node = self.tree()
        place.append(etree.fromstring(etree.tostring(node)))
        self.assert_refused("multiple_signatures", etree.tostring(root))

    def test_second_signature_hidden_in_an_object(self):
        root, _, _, node = self.tree()
        holder = node.find(f"{{{DS}}}Object")
        holder.append(etree.fromstring(etree.tostring(node)))
        self.assert_refused("multiple_signatures", etree.tostring(root))

    def test_reference_to_another_id(self):
        self.assert_refused("not_whole_document", self.resigned(reference_uri=' URI="#sigid"'))
        self.assert_refused("not_whole_document", self.resigned(reference_uri=' URI="#xpointer(/)"'))

    def test_reference_to_outside(self):
        self.assert_refused("not_whole_document", self.resigned(reference_uri=' URI="http://127.0.0.1/x.xml"'))
        self.assert_refused("not_whole_document", self.resigned(reference_uri=' URI="file:///etc/passwd"'))

    def test_reference_without_uri_or_with_a_type(self):
        self.assert_refused("not_whole_document", self.resigned(reference_uri=""))
        manifest = f' URI="" Type="{DS}Manifest"'
        self.assert_refused("not_whole_document", self.resigned(reference_uri=manifest))

    def test_several_references(self):
        more = (
            f'<Reference URI="#proid"><DigestMethod Algorithm="{SHA256}"></DigestMethod>'
            "<DigestValue>AA==</DigestValue></Reference>"
        )
        self.assert_refused("not_whole_document", self.resigned(more_references=more))

    def test_no_transform(self):
        self.assert_refused("not_whole_document", self.resigned(transforms=""))

    def test_xpath_transform(self):
        xpath = (
            '<Transform Algorithm="http://www.w3.org/TR/1999/REC-xpath-19991116">'
            "<XPath>not(ancestor-or-self::Email)</XPath></Transform>"
        )
        self.assert_refused("not_whole_document", self.resigned(transforms=xpath))
        both = f'<Transform Algorithm="{ENVELOPED}"></Transform>{xpath}'
        self.assert_refused("not_whole_document", self.resigned(transforms=both))

    def test_xpath_filter2_transform(self):
        filter2 = (
            '<Transform Algorithm="http://www.w3.org/2002/06/xmldsig-filter2"><XPath '
            'xmlns="http://www.w3.org/2002/06/xmldsig-filter2" Filter="subtract">//Email</XPath></Transform>'
        )
        self.assert_refused("not_whole_document", self.resigned(transforms=filter2))

    def test_xslt_transform(self):
        xslt = (
            '<Transform Algorithm="http://www.w3.org/TR/1999/REC-xslt-19991116">'
            '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0"></x:stylesheet></Transform>'
        )
        self.assert_refused("not_whole_document", self.resigned(transforms=xslt))

    def test_base64_transform(self):
        base64_transform = f'<Transform Algorithm="{DS}base64"></Transform>'
        self.assert_refused("not_whole_document", self.resigned(transforms=base64_transform))

    def test_canonicalisation_as_an_extra_transform(self):
        extra = f'<Transform Algorithm="{ENVELOPED}"></Transform><Transform Algorithm="{signing.C14N}"></Transform>'
        self.assert_refused("not_whole_document", self.resigned(transforms=extra))

    def test_enveloped_transform_with_parameters(self):
        bent = f'<Transform Algorithm="{ENVELOPED}"><XPath>1</XPath></Transform>'
        self.assert_refused("malformed", self.resigned(transforms=bent))

    def test_other_canonicalisation_of_signed_info(self):
        for algorithm in (
            signing.C14N + "#WithComments",
            "http://www.w3.org/2006/12/xml-c14n11",
            "http://www.w3.org/2001/10/xml-exc-c14n#",
            "http://www.w3.org/TR/1999/REC-xslt-19991116",
            "",
        ):
            self.assert_refused("malformed", self.resigned(c14n=algorithm))

    def test_hidden_namespace_in_signed_info(self):
        """Inclusive C14N would sign it, exclusive would not: no room for the difference."""
        bent = self.signed.replace(b"<SignedInfo>", b'<SignedInfo xmlns:x="urn:x">')
        self.assert_refused("malformed", bent)

    def test_attributes_on_signed_parts(self):
        for name in (b"SignedInfo", b"Transforms", b"KeyValue"):
            bent = self.signed.replace(b"<%s>" % name, b'<%s xml:base="http://x/">' % name)
            self.assert_refused("malformed", bent)

    def test_more_in_objects_than_the_time(self):
        for objects in (
            "<Object><Hoso xmlns=''></Hoso></Object>",
            "<Object></Object>",
            "<Object><Manifest></Manifest></Object>",
            "<Object><SignatureProperties><SignatureProperty><SigningTime>x<b></b></SigningTime></SignatureProperty>"
            "</SignatureProperties></Object>",
            "<Object><SignatureProperties><SignatureProperty><SigningTime></SigningTime><Email></Email>"
            "</SignatureProperty></SignatureProperties></Object>",
            "<Object></Object><Object></Object>",
        ):
            self.assert_refused("malformed", self.resigned(objects=objects))

    def test_base64_junk(self):
        text = etree.fromstring(self.signed).findtext(f".//{{{DS}}}SignatureValue").encode()
        for junk in (b"!!!!" + text, text + b"=", "ă".encode(), text[:-3]):
            self.assert_refused("malformed", self.signed.replace(text, junk))

    def test_s20_only_the_four_blanks_of_xml_stand_in_base64(self):
        for blank in ("&#xA0;", "&#x85;", "&#x2003;", "&#x2028;", "\u00a0"):
            self.assert_refused("malformed", self.signed.replace(b"<DigestValue>", b"<DigestValue>" + blank.encode()))
        self.verify(self.signed.replace(b"<SignatureValue>", b"<SignatureValue>&#xD;&#xA;\t "))

    def test_s20_blanks_between_the_parts(self):
        bent = self.signed.replace(b"<KeyInfo>", b"<KeyInfo>&#xA0;")
        self.assert_refused("malformed", bent)
        self.assert_refused("malformed", self.signed.replace(b"<X509Data>", b"<X509Data>trusted"))
        self.assert_refused("malformed", self.signed.replace(b"</KeyInfo>", b"</KeyInfo>&#x2003;"))

    def test_signing_time_is_no_place_for_a_text(self):
        self.assert_refused("malformed", self.resigned(signing_time="x" * 65))

    def test_elements_inside_of_values(self):
        for name in (b"SignatureValue", b"DigestValue", b"X509Certificate"):
            bent = self.signed.replace(b"</%s>" % name, b"<b></b></%s>" % name)
            self.assert_refused("malformed", bent)

    def test_missing_parts(self):
        for name in (b"SignatureValue", b"KeyInfo", b"SignedInfo"):
            start, end = self.signed.index(b"<%s>" % name), self.signed.index(b"</%s>" % name) + len(name) + 3
            self.assert_refused("malformed", self.signed[:start] + self.signed[end:])


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAlgorithmsAndKeys(SignatureCase):
    def test_sha1(self):
        method = DS + "rsa-sha1"
        self.assert_refused("weak_algorithm", self.resigned(method=method, hash_name="sha1"))
        self.assert_refused("weak_algorithm", self.resigned(digest_method=DS + "sha1", digest_hash="sha1"))

    def test_md5(self):
        more = "http://www.w3.org/2001/04/xmldsig-more#"
        self.assert_refused("weak_algorithm", self.resigned(method=more + "rsa-md5", hash_name="md5"))
        self.assert_refused("weak_algorithm", self.resigned(digest_method=more + "md5", digest_hash="md5"))

    def test_hmac_with_the_public_key_as_secret(self):
        """The verifier must not take the certificate's key, known to all, for a shared secret."""
        method = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
        public = signing.key().public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        mac = hmac.HMAC(public, hashes.SHA256())
        mac.update(b"signed info")
        self.assert_refused("weak_algorithm", self.resigned(method=method, signature_value=mac.finalize()))

    def test_hmac_output_length(self):
        length = "<HMACOutputLength>1</HMACOutputLength>"
        self.assert_refused("malformed", self.resigned(method_content=length))

    def test_unknown_method(self):
        self.assert_refused("weak_algorithm", self.resigned(method="none"))

    def test_weak_rsa_key(self):
        certificate = signing.certificate("weak", bits=1024)
        signed = signing.sign(self.unsigned, certificate, key_name="weak", bits=1024)
        self.assert_refused("weak_algorithm", signed, certificate=certificate)

    def test_certificate_of_an_elliptic_curve_key(self):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = signing.certificate(public_key=key.public_key())
        self.assert_refused("weak_algorithm", signing.sign(self.unsigned, certificate), certificate=certificate)

    def test_another_certificate_of_the_same_subject(self):
        """Same name, serial and tax code, another key: an impostor CA or a key that was replaced."""
        other = signing.certificate("other")
        self.assert_refused("wrong_certificate", signing.sign(self.unsigned, other, key_name="other"))

    def test_signed_by_another_key_in_the_name_of_the_certificate(self):
        signed = self.resigned(key_name="other", key_value_of="unit")
        self.assert_refused("invalid", signed)

    def test_renewed_certificate_of_the_same_key(self):
        renewed = signing.certificate(serial=77)
        self.assert_refused("wrong_certificate", signing.sign(self.unsigned, renewed))

    def test_key_value_of_another_key(self):
        self.assert_refused("wrong_certificate", self.resigned(key_value_of="other"))

    def test_no_or_several_certificates_in_key_info(self):
        x509 = f"<X509Certificate>{base64.b64encode(self.certificate).decode()}</X509Certificate>"
        for parts in ("", x509 + x509):
            key_info = f"<KeyInfo><X509Data>{parts}</X509Data></KeyInfo>"
            self.assert_refused("wrong_certificate", self.resigned(key_info=key_info))

    def test_retrieval_method_and_junk_in_key_info(self):
        retrieval = '<RetrievalMethod URI="http://127.0.0.1/"></RetrievalMethod>'
        for part in (retrieval, "<X509Data><X509CRL>AA==</X509CRL></X509Data>"):
            self.assert_refused("malformed", self.resigned(key_info=f"<KeyInfo>{part}</KeyInfo>"))

    def test_chosen_certificate_is_unreadable(self):
        newer = self.certificate.replace(bytes.fromhex("a003020102"), bytes.fromhex("a003020109"), 1)
        for certificate in (b"no DER", newer):
            self.assert_refused("wrong_certificate", self.signed, certificate=certificate)

    def test_expired_and_not_yet_valid_certificate(self):
        self.assert_refused("certificate_not_valid", self.signed, at=NOW + timedelta(days=400))
        self.assert_refused("certificate_not_valid", self.signed, at=NOW - timedelta(days=400))

    def test_signature_value_of_wrong_length(self):
        self.assert_refused("invalid", self.resigned(signature_value=b""))
        self.assert_refused("invalid", self.resigned(signature_value=b"\0" * 256))
        self.assert_refused("invalid", self.resigned(signature_value=b"\xff" * 10_000))


def _chunks(text, size):
    return [text[i : i + size] for i in range(0, len(text), size)]
