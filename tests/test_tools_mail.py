"""The mail reader: the corpus, hostile and odd mails, what counts as the sender, redaction, editable patterns."""

import time
from datetime import datetime, timezone
from email import message_from_bytes
from email.policy import SMTP

from odoo.tests import BaseCase, tagged

from ..tools import mail_patterns, vss_mail
from .samples import mails

EMPTY = {"codes": (), "urls": (), "dossier_numbers": (), "unit_codes": (), "tax_codes": (), "notifications": ()}


def source(body, subject="x", headers=""):
    """A small plain mail."""
    return (
        f"From: a@baohiemxahoi.gov.vn\nTo: ke.toan@example.com\nSubject: {subject}\n{headers}"
        f"MIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n{body}"
    ).encode()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCorpus(BaseCase):
    def test_every_sample_reads_as_expected(self):
        count = 0
        for sample in mails.samples():
            reading = vss_mail.read(sample.source)
            for name, value in {**EMPTY, **sample.expected}.items():
                with self.subTest(sample.name, field=name):
                    self.assertEqual(getattr(reading, name), value)
            count += 1
        self.assertGreaterEqual(count, 60)

    def test_parsed_messages_read_like_their_bytes(self):
        """Odoo hands over a message under the modern policy."""
        for sample in mails.samples():
            with self.subTest(sample.name):
                message = message_from_bytes(sample.source, policy=SMTP)
                self.assertEqual(vss_mail.read(message), vss_mail.read(sample.source))

    def test_no_code_survives_redaction(self):
        for sample in mails.samples():
            with self.subTest(sample.name):
                message = message_from_bytes(sample.source, policy=SMTP)
                for part in message.walk():
                    if part.get_content_type() not in ("text/plain", "text/html") or part.get_filename():
                        continue
                    payload = part.get_payload(decode=True)
                    hidden = vss_mail.redact(payload.decode(errors="replace"))
                    self.assertNotIn("BV2VLHCKRA", hidden)
                    self.assertNotIn("AAAA11BBBB", hidden)
                    self.assertNotIn(mails.HEX, hidden)
                    left = vss_mail.read_text(hidden)
                    self.assertEqual((left.codes, left.urls), ((), ()))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestReading(BaseCase):
    def test_envelope(self):
        reading = vss_mail.read(next(mails.samples()).source)
        self.assertEqual(reading.sender, "noreply@baohiemxahoi.gov.vn")
        self.assertEqual(reading.sender_domain, "baohiemxahoi.gov.vn")
        self.assertEqual(reading.sent_at, datetime(2026, 3, 2, 3, 4, 5, tzinfo=timezone.utc))
        self.assertEqual(reading.message_id, "<1@baohiemxahoi.gov.vn>")
        self.assertEqual(reading.subject, "Mã kích hoạt đăng ký giao dịch điện tử")

    def test_confirmation_that_quotes_the_code_mail_is_a_confirmation(self):
        quoted = "> Mã kích hoạt: BV2VLHCKRA\n> " + mails.LINK
        body = f"Đơn vị đã đăng ký thành công. MST: 0100109106\n\nNgày 2/3 đã viết:\n{quoted}\n"
        reading = vss_mail.read(source(body))
        self.assertEqual((reading.kind, reading.codes, reading.urls), ("confirmation", (), ()))
        self.assertEqual(reading.tax_codes, ("0100109106",))

    def test_code_of_digits_or_of_letters_only(self):
        for code in ("1234567890", "ABCDEFGHIJ"):
            self.assertEqual(vss_mail.read_text(f"Mã xác nhận của đơn vị là: {code}.").codes, (code,))

    def test_numbers_near_a_label_are_no_codes(self):
        for text in (
            "Mã kích hoạt gửi đến số điện thoại 0901234567",
            "Mã kích hoạt của MST 0100109106",
            "Mã kích hoạt: xem bên dưới\nMã số thuế: 0100109106",
            "Mã kích hoạt có hiệu lực 24 giờ. CÔNG TY ABCDEFGHIJ",
            "mã kích hoạt: bv2vlhckra",
            "Mã kích hoạt: BV2VLHCKRAX",
        ):
            with self.subTest(text):
                self.assertEqual(vss_mail.read_text(text).codes, ())

    def test_link_without_a_labelled_code(self):
        reading = vss_mail.read_text(f"{mails.LINK}\nMã của quý vị: BV2VLHCKRA")
        self.assertEqual((reading.kind, reading.codes), ("activation", ("BV2VLHCKRA",)))

    def test_links_that_are_no_activation_links(self):
        for link in (
            mails.LINK.replace("https", "http"),
            mails.LINK.replace("https", "javascript"),
            mails.LINK[:-1],
            mails.LINK + "0",
            mails.LINK.replace("#/kich-hoat", "#/khac"),
        ):
            self.assertEqual(vss_mail.read_text(link).urls, (), link)

    def test_link_to_a_stand_in_on_this_computer(self):
        link = f"http://127.0.0.1:8099/#/kich-hoat/{mails.HEX}"
        self.assertEqual(vss_mail.read_text(link).urls, (link,))
        self.assertEqual(vss_mail.read_text(link.replace("127.0.0.1", "127.0.0.1.evil.example")).urls, ())

    def test_foreign_hosts_are_reported_as_they_are(self):
        """The reader shows what stands there; whether the host is a portal's is the caller's list."""
        link = f"https://baohiemxahoi.gov.vn.evil.example/#/kich-hoat/{mails.HEX}"
        self.assertEqual(vss_mail.read_text(link).urls, (link,))

    def test_notification_of_an_error_is_no_confirmation(self):
        base = mails.Base(
            "x", "x", "Đơn vị đã đăng ký thành công.", {}, mails.notification(error="SE003", description="Sai MST")
        )
        for attachment, kind in ((base.attachment, "notification"), (mails.notification(), "confirmation")):
            sample = mails.SHAPES["plain"](mails.Base("x", "x", base.text, {}, attachment))
            reading = vss_mail.read(sample.as_bytes(policy=SMTP))
            self.assertEqual((reading.kind, reading.notifications), (kind, (attachment,)))

    def test_encoded_words_cannot_pose_as_addresses(self):
        reading = vss_mail.read(b"From: =?utf-8?q?a=40baohiemxahoi=2Egov=2Evn?= <x@evil.example>\nTo: y\n\n")
        self.assertEqual(reading.sender_domain, "evil.example")
        self.assertEqual(reading.recipients, ())

    def test_files_are_not_the_mail(self):
        for kind in ('text/plain; name="a.txt"', "application/octet-stream", 'text/html; name="a.html"'):
            disposition = "" if "name" not in kind else "Content-Disposition: attachment; filename=a.txt\n"
            part = f"--b\nContent-Type: {kind}\n{disposition}\nMã kích hoạt: BV2VLHCKRA\n--b--"
            mail = f"Content-Type: multipart/mixed; boundary=b\n\n{part}".encode()
            self.assertEqual(vss_mail.read(mail).codes, (), kind)

    def test_mail_in_a_mail_in_a_mail_ends_somewhere(self):
        inner = source(f"Mã kích hoạt: BV2VLHCKRA\n{mails.LINK}")
        for _level in range(60):
            inner = b"To: a@b.vn\nContent-Type: message/rfc822\n\n" + inner
        self.assertEqual(vss_mail.read(inner).kind, "unknown")

    def test_ten_thousand_parts(self):
        body = b"".join(b"--b\n\nMa kich hoat: BV2VLHCKRA\n" for _ in range(10_000))
        reading = vss_mail.read(b"Content-Type: multipart/mixed; boundary=b\n\n" + body)
        self.assertEqual(reading.codes, ("BV2VLHCKRA",))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestHostileMails(BaseCase):
    """No mail makes the reader raise or think for long."""

    def test_costly_texts_are_read_in_time(self):
        texts = (
            "mã kích hoạt " * 10_000,
            ("mã kích hoạt " + "của " * 39) * 1000,
            "đăng ký " * 15_000,
            "thay đổi " * 15_000 + "không",
            "MST " * 30_000,
            "https://" * 15_000,
            "https://" + "a" * 100_000,
            "> " * 60_000,
            "_" * 120_000,
            "A1" * 60_000,
            "to: " + "a@" * 50_000,
            "<a href='" * 20_000,
            "<div>" * 50_000,
            "&" * 100_000,
        )
        for text in texts:
            for subtype in ("plain", "html"):
                with self.subTest(text[:10], subtype=subtype):
                    mail = source(text).replace(b"text/plain", f"text/{subtype}".encode())
                    start = time.process_time()
                    vss_mail.redact(text)
                    self.assertTrue(vss_mail.read(mail).readable)
                    self.assertLess(time.process_time() - start, 2)

    def test_headers_that_break_parsers(self):
        for header in (
            b"To: " + b"(" * 5000,
            b"To: <" * 2000,
            b"From: =?utf-8?b?====?= <a@b>",
            b"From: \xff\xfe\xfd",
            b"Date: Mon, 99 Foo 20260 99:99:99 +9999",
            b"Date: Mon, 2 Mar 2026 10:00:00 +9960",
            b"Date: Mon, 1 Jan 0001 00:00:00 +2300",
            b"Content-Type: text/plain; charset*0*=x''%ff; charset=punycode",
            b"Content-Type: multipart/mixed",
            b"Content-Type: message/rfc822",
            b"Content-Transfer-Encoding: base64",
            b"Content-Transfer-Encoding: x-uuencode",
            b"Content-Disposition: attachment; filename*0*=''%; filename*x=1",
            b"Subject: =?x-unknown?q?=FF?= =?utf-8?z?a?=",
        ):
            with self.subTest(header[:40]):
                reading = vss_mail.read(header + b"\n\nbegin 644 x\nMa kich hoat: BV2VLHCKRA\n")
                self.assertTrue(reading.readable)

    def test_odd_charsets_are_not_obeyed(self):
        for charset in ("punycode", "idna", "rot13", "zlib", "hex", "unicode_escape", "utf-7", "x" * 5000):
            mail = f"Content-Type: text/plain; charset={charset}\n\nMã kích hoạt: BV2VLHCKRA".encode()
            self.assertEqual(vss_mail.read(mail).codes, ("BV2VLHCKRA",), charset[:20])

    def test_what_cannot_be_taken_apart_goes_to_a_person(self):
        class Broken:
            def __deepcopy__(self, memo):
                raise ValueError("no")

        self.assertEqual(vss_mail.read(Broken()), vss_mail.MailReading(readable=False))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAuthentication(BaseCase):
    def authenticated(self, *headers, server="mx.example.com"):
        lines = "".join(f"Authentication-Results: {header}\n" for header in headers)
        return vss_mail.read(source("x", headers=lines)).is_authenticated_by(server)

    def test_dmarc_or_dkim_of_the_sender(self):
        self.assertTrue(self.authenticated("mx.example.com; spf=fail; dmarc=pass header.from=baohiemxahoi.gov.vn"))
        self.assertTrue(self.authenticated("MX.example.com 1; dkim=pass header.d=baohiemxahoi.gov.vn header.s=x"))
        self.assertTrue(self.authenticated("mx.example.com;\n\tdkim=pass (good) header.d=gov.vn"))

    def test_other_results_count_for_nothing(self):
        for header in (
            "mx.example.com; spf=pass",
            "mx.example.com; dkim=pass header.d=evil.example",
            "mx.example.com; dkim=pass header.d=xahoi.gov.vn",
            "mx.example.com; dmarc=fail; dkim=none header.d=baohiemxahoi.gov.vn",
            "mx.example.com; dmarc=pass-ish",
            "mx.example.com; spf=fail (dmarc=pass; dmarc=pass)",
            'mx.example.com; spf=fail smtp.mailfrom="a; dmarc=pass"@evil.example',
            "other.example.com; dmarc=pass",
            "mx.example.com.evil.example; dmarc=pass",
            "; dmarc=pass",
            "",
        ):
            with self.subTest(header):
                self.assertFalse(self.authenticated(header))

    def test_only_the_topmost_header_of_the_server_counts(self):
        self.assertFalse(self.authenticated("mx.example.com; dmarc=fail", "mx.example.com; dmarc=pass"))
        self.assertTrue(self.authenticated("inner.example.com; none", "mx.example.com; dmarc=pass"))

    def test_headers_of_an_attached_mail_do_not_count(self):
        inner = source("x", headers="Authentication-Results: mx.example.com; dmarc=pass\n")
        mail = b"From: a@evil.example\nContent-Type: message/rfc822\n\n" + inner
        self.assertFalse(vss_mail.read(mail).is_authenticated_by("mx.example.com"))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestPatterns(BaseCase):
    def test_changed_patterns_are_used(self):
        changes = {"code_labels": ["Mật mã"], "code_value": r"[A-Z]{3}-\d{3}", "unit_labels": []}
        patterns = vss_mail.from_mapping(changes)
        reading = vss_mail.read_text("Mật mã: ABC-123. Mã đơn vị: TZH490L", patterns)
        self.assertEqual((reading.codes, reading.unit_codes), (("ABC-123",), ("TZH490L",)))
        self.assertEqual(vss_mail.read_text("Mã kích hoạt: ABC-123", patterns).codes, ())

    def test_words_are_no_regular_expressions(self):
        patterns = vss_mail.from_mapping({"code_labels": ["mã (kích|hoạt)+"]})
        self.assertEqual(vss_mail.read_text("Mã (kích|hoạt)+: BV2VLHCKRA", patterns).codes, ("BV2VLHCKRA",))
        self.assertEqual(vss_mail.read_text("Mã kích: BV2VLHCKRA", patterns).codes, ())

    def test_refused_patterns(self):
        for field, value, code in (
            ("code_value", "(a+)+$", "syntax"),
            ("code_value", "[A-Z]*", "syntax"),
            ("code_value", "[A-Z]+", "syntax"),
            ("code_value", ".{10}", "syntax"),
            ("code_value", r"(?P<x>a)\1", "syntax"),
            ("code_value", "(?:a{1,50}){2}", "syntax"),
            ("code_value", "[z-a]", "syntax"),
            ("code_value", "(?:a", "syntax"),
            ("code_value", "[A-Z]{1,100}[0-9]{1,100}", "too_costly"),
            ("code_value", "(?:a?b?c?d?e?)?(?:a?b?c?d?e?)?", "too_costly"),
            ("code_value", "A" * 200, "too_long"),
            ("code_labels", ["x" * 200], "too_long"),
            ("code_labels", ["a*b*c*d"], "too_long"),
            ("code_labels", ["*"], "syntax"),
            ("code_labels", ["ma"] * 100, "too_many"),
            ("link_path", "x" * 200, "too_long"),
            ("no_such", "x", "syntax"),
        ):
            with self.subTest(field, value=str(value)[:30]), self.assertRaises(vss_mail.PatternError) as caught:
                vss_mail.from_mapping({field: value})
            self.assertEqual((caught.exception.code, caught.exception.field), (code, field))

    def test_costly_but_allowed_patterns_end_in_time(self):
        values = {"unit_value": "[A-Z]{1,30}[A-Z]{1,30}-", "tax_value": "[0-9]{1,30}[0-9]{1,30}-"}
        patterns = vss_mail.from_mapping(values)
        start = time.process_time()
        vss_mail.read_text("mã đơn vị " + "A" * 100_000, patterns)
        vss_mail.read_text("MST 1" * 20_000, patterns)
        self.assertLess(time.process_time() - start, 2)

    def test_defaults_are_sound(self):
        mail_patterns.compile_patterns(vss_mail.DEFAULT)
        self.assertEqual(vss_mail.from_mapping({}), vss_mail.DEFAULT)
