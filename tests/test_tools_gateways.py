"""The HTTP gateway against a server that behaves, misbehaves or is not there; the other adapters; the registry."""

import base64
import gzip
import hashlib
import json
import logging
import socket
import ssl
import stat
import tempfile
import traceback
import zlib
from datetime import datetime, timedelta, timezone
from pathlib import Path
from unittest.mock import patch

from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
from odoo.tests import BaseCase, tagged

from ..tools import gateways
from ..tools.gateways import transport
from .samples import http_server, signing
from .samples.http_server import FaultyServer, reply
from .samples.signing import NOW

REFERENCE = "6f2c1c0e-8f2b-4a53-9a52-0d6a5f0f3c11"
SECRET = "s3cret-với-dấu"
DOSSIER = gateways.SignedDossier(
    form="04", document="<Hồ sơ/>".encode(), agency_code="001", tax_code="0100109106", unit_code=None
)
RECEIPT = {
    "client_reference": REFERENCE,
    "accepted_at": "2026-03-02T03:04:05Z",
    "dossier_number": "03706/2026/07906",
    "state": "received",
    "more": {"unknown": 1},
}
PROGRESS = {
    "client_reference": REFERENCE,
    "form": "04",
    "dossier_number": None,
    "accepted_at": "2026-03-02T03:04:05Z",
    "state": "processing",
    "needs_activation": True,
    "steps": [
        {"step": 1, "at": "2026-03-02T03:04:05.25Z", "code": "OK", "description": "Đã nhận", "passed": True},
        {"step": 2, "at": "2026-03-02T03:05:05Z", "code": "SE003", "description": "Sai", "passed": False, "x": 1},
    ],
    "holder": {"code": "00050", "name": "Viettel"},
    "notification": base64.b64encode(b"<x/>").decode(),
}


def gateway(server, **settings):
    url = server if isinstance(server, str) else server.url
    return gateways.make("http", **{"base_url": url, "client_id": "00001", "secret": SECRET, **settings})


class ServerCase(BaseCase):
    def outcome(self, answer, call, **settings):
        """What ``call(gateway)`` gives or raises when the server answers so."""
        with FaultyServer(answer) as server:
            try:
                return call(gateway(server, **settings))
            except gateways.GatewayError as error:
                return error

    def submitted(self, answer, **settings):
        return self.outcome(answer, lambda gateway: gateway.submit(DOSSIER, REFERENCE), **settings)

    def asked(self, answer, **settings):
        return self.outcome(answer, lambda gateway: gateway.progress(REFERENCE), **settings)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestContract(ServerCase):
    def test_submit_sends_what_the_contract_says(self):
        with FaultyServer(reply(201, RECEIPT)) as server:
            receipt = gateway(server).submit(DOSSIER, REFERENCE.upper())
        (request,) = server.requests
        self.assertEqual((request.method, request.path), ("POST", "/ivan/v1/dossiers"))
        self.assertEqual(request.headers["idempotency-key"], REFERENCE)
        self.assertEqual(request.headers["content-type"], "application/json")
        credentials = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        self.assertEqual(credentials, f"00001:{SECRET}")
        self.assertEqual(
            json.loads(request.body),
            {
                "client_reference": REFERENCE,
                "form": "04",
                "agency_code": "001",
                "tax_code": "0100109106",
                "unit_code": None,
                "document": base64.b64encode(DOSSIER.document).decode(),
                "sha256": hashlib.sha256(DOSSIER.document).hexdigest(),
            },
        )
        self.assertEqual(receipt.accepted_at, datetime(2026, 3, 2, 3, 4, 5, tzinfo=timezone.utc))
        self.assertEqual(receipt.dossier_number, "03706/2026/07906")
        self.assertEqual(receipt.raw["more"], {"unknown": 1})

    def test_repeated_submission_is_a_receipt_too(self):
        receipt = self.submitted(reply(200, {**RECEIPT, "dossier_number": None}))
        self.assertIsNone(receipt.dossier_number)

    def test_progress_is_read_whole(self):
        with FaultyServer(reply(200, PROGRESS)) as server:
            progress = gateway(server).progress(REFERENCE)
        self.assertEqual(server.requests[0].path, f"/ivan/v1/dossiers/{REFERENCE}")
        self.assertEqual(progress.state, "processing")
        self.assertTrue(progress.needs_activation)
        steps = [(step.number, step.code, step.passed) for step in progress]
        self.assertEqual(steps, [(1, "OK", True), (2, "SE003", False)])
        self.assertEqual(progress.steps[0].at, datetime(2026, 3, 2, 3, 4, 5, 250000, tzinfo=timezone.utc))
        self.assertEqual((progress.holder, progress.notification), ("00050 Viettel", b"<x/>"))

    def test_never_heard_of(self):
        self.assertIsNone(self.asked(reply(404, {"code": "not_found", "description": ""})))

    def test_not_found_by_a_stranger_is_not_never_heard_of(self):
        """None means that the dossier may be sent again, so somebody else's 404 must not read as None."""
        for answer in (reply(404, raw=b"<html>"), reply(404, {"code": "no_route", "description": ""}), reply(404, {})):
            self.assertIsInstance(self.asked(answer), gateways.GatewayError)

    def test_refusals_carry_code_description_and_holder(self):
        body = {"code": "SE006", "description": "Thuộc I-VAN khác", "holder": {"code": "00050", "name": "Viettel"}}
        error = self.submitted(reply(422, body))
        self.assertIsInstance(error, gateways.Refused)
        self.assertEqual((error.code, error.description, error.holder), ("SE006", "Thuộc I-VAN khác", "00050 Viettel"))
        codes = {400: "bad_request", 409: "conflict", 413: "too_large", 415: "unsupported_media_type"}
        for status, code in codes.items():
            error = self.submitted(reply(status, {"code": code, "description": "x"}))
            self.assertIsInstance(error, gateways.Refused, status)
            self.assertEqual((error.code, error.holder), (code, None))

    def test_resend_code(self):
        with FaultyServer(reply(202, {"sent_at": "2026-03-02T03:04:05Z"})) as server:
            self.assertIsNone(gateway(server).resend_code(REFERENCE))
        self.assertEqual(server.requests[0].path, f"/ivan/v1/dossiers/{REFERENCE}/resend-code")
        answer = reply(409, {"code": "not_waiting", "description": "x"})
        error = self.outcome(answer, lambda gateway: gateway.resend_code(REFERENCE))
        self.assertEqual((type(error), error.code), (gateways.Refused, "not_waiting"))

    def test_check_tells_provider_and_clock(self):
        provider = {"code": "00001", "name": "TS24"}
        body = {"status": "ok", "time": "2026-03-02T05:04:05Z", "provider": provider}
        with patch.object(gateways.http, "datetime", wraps=datetime) as clock:
            clock.now.side_effect = [NOW, NOW + timedelta(seconds=3)]
            health = self.outcome(reply(200, body), lambda gateway: gateway.check())
        self.assertTrue(health.ok)
        self.assertEqual(health.clock_skew_seconds, 7198.5)
        self.assertEqual(health.message, "00001 TS24")

    def test_check_never_raises(self):
        down = reply(503, {"code": "SE999", "description": ""})
        for answer in (reply(500), reply(200, {}), reply(401, {}), down, http_server.reset):
            health = self.outcome(answer, lambda gateway: gateway.check())
            self.assertEqual((health.ok, health.clock_skew_seconds), (False, None))
            self.assertTrue(health.message)
        health = self.outcome(reply(401, {}), lambda gateway: gateway.check())
        self.assertIn("client code", health.message)

    def test_connection_is_reused_and_renewed(self):
        """Many questions after one another on one gateway, while the server closes each connection."""
        with FaultyServer(reply(200, PROGRESS)) as server:
            asked = gateway(server)
            for _turn in range(3):
                self.assertEqual(asked.progress(REFERENCE).state, "processing")
        self.assertEqual(len(server.requests), 3)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCertainlyNotAccepted(ServerCase):
    def test_nobody_listens(self):
        # Bound and not listening: nobody else can take the port meanwhile.
        with socket.socket() as deaf, self.assertRaises(gateways.Unreachable):
            deaf.bind(("127.0.0.1", 0))
            gateway(f"http://127.0.0.1:{deaf.getsockname()[1]}/").submit(DOSSIER, REFERENCE)

    def test_unknown_host(self):
        with self.assertRaises(gateways.Unreachable):
            gateway("https://gateway.invalid/ivan/v1").submit(DOSSIER, REFERENCE)

    def test_connection_time_out(self):
        """A listener whose queue is full takes no further connection."""
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            address = full.getsockname()
            waiting = []
            for _turn in range(3):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(address)
                waiting.append(client)
            try:
                with self.assertRaises(gateways.Unreachable):
                    gateway(f"http://127.0.0.1:{address[1]}", timeout=(0.1, 1)).submit(DOSSIER, REFERENCE)
            finally:
                for client in waiting:
                    client.close()

    def test_tls_with_somebody_who_speaks_none(self):
        with FaultyServer(http_server.close) as server:
            url = server.url.replace("http://", "https://")
            with self.assertRaises(gateways.Unreachable):
                gateway(url, timeout=(1, 1)).submit(DOSSIER, REFERENCE)

    def test_service_down(self):
        body = {"code": "SE999", "description": "Hệ thống tạm ngưng"}
        error = self.submitted(reply(503, body, headers={"Retry-After": "120"}))
        self.assertEqual((type(error), error.retry_after), (gateways.Unreachable, 120))
        for header, seconds in (("Mon, 02 Mar 2026 03:04:05 GMT", 0), ("-1", None), ("²", None)):
            error = self.submitted(reply(503, body, headers={"Retry-After": header.encode().decode("latin-1")}))
            self.assertEqual((type(error), error.retry_after), (gateways.Unreachable, seconds))
        self.assertEqual(self.submitted(reply(429, {}, headers={"Retry-After": "999999999"})).retry_after, 86400)

    def test_wrong_address_or_credentials(self):
        for status in (401, 403, 404, 405, 407):
            error = self.submitted(reply(status, raw=b"<html>not a gateway</html>"))
            self.assertIsInstance(error, gateways.Misconfigured, status)

    def test_o9_redirects_are_not_followed_and_named(self):
        with FaultyServer(reply(200, RECEIPT)) as other:
            for status in (301, 302, 303, 307, 308):
                answer = reply(status, {}, headers={"Location": other.url + "/dossiers"})
                for error in (self.submitted(answer), self.asked(answer)):
                    self.assertIsInstance(error, gateways.Misconfigured)
                    self.assertEqual((error.reason, error.detail), (gateways.Reason.REDIRECT, "127.0.0.1"))
        self.assertEqual(other.requests, [])
        for location in ("", "/elsewhere", "https://[::1", "http://a<b>.example/", "https://u:p@x.example/"):
            error = self.submitted(reply(302, {}, headers={"Location": location}))
            self.assertEqual(error.reason, gateways.Reason.REDIRECT)
            self.assertIn(error.detail, ("", "x.example"))

    def test_o2_retry_after_in_seconds_and_as_a_date(self):
        """B4, O2: at POST and GET, from whatever answer, of at most a day; a date by the gateway's own clock."""
        date = "Mon, 02 Mar 2026 03:14:05 GMT"
        for header, seconds in (
            ({"Retry-After": "600"}, 600),
            ({"Retry-After": "0"}, 0),
            ({"Retry-After": date, "Date": "Mon, 02 Mar 2026 03:04:05 GMT"}, 600),
            ({"Retry-After": date, "Date": "Mon, 02 Mar 2026 03:24:05 GMT"}, 0),
            ({"Retry-After": "Fri, 31 Dec 9999 23:59:59 GMT"}, 86400),
            ({"Retry-After": "Monday"}, None),
            ({}, None),
        ):
            for status in (429, 503, 500, 502):
                answer = reply(status, {"code": "SE999", "description": ""}, headers=header)
                with self.subTest(str(header), status=status):
                    self.assertEqual(self.submitted(answer).retry_after, seconds)
                    self.assertEqual(self.asked(answer).retry_after, seconds)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestUnknownOutcome(ServerCase):
    """After any of these the dossier may have been accepted."""

    def assert_unknown(self, answer, **settings):
        for result in (self.submitted(answer, **settings), self.asked(answer, **settings)):
            self.assertIs(type(result), gateways.UnknownOutcome, result)

    def test_time_out_after_sending(self):
        self.assert_unknown(http_server.silence, timeout=(60, 0.1))

    def test_slow_drip(self):
        self.assert_unknown(http_server.drip, timeout=(2, 0.2))

    def test_reset_and_close(self):
        self.assert_unknown(http_server.reset)
        self.assert_unknown(http_server.close)

    def test_server_errors(self):
        for status in (500, 502, 504, 503):
            self.assert_unknown(reply(status, {"code": "x", "description": ""}))
        self.assert_unknown(reply(503, raw=b"<html>proxy</html>"))

    def test_garbage(self):
        texts = (b"", b"OK", b"<html>", b"\xff\xfe", b"[]", b"null", b"1", b"NaN", b"[" * 100_000, b'{"a": Infinity}')
        for raw in texts:
            for status in (200, 201):
                self.assert_unknown(reply(status, raw=raw))
        self.assert_unknown(lambda connection: connection.sendall(b"\0\1\2\3\r\n\r\n"))

    def test_truncated(self):
        content = json.dumps(RECEIPT).encode()
        self.assert_unknown(reply(201, raw=content[:-10], headers={"Content-Length": str(len(content))}))
        self.assert_unknown(reply(201, raw=content, headers={"Content-Length": str(len(content) + 1)}))
        chunked = {"Transfer-Encoding": "chunked", "Content-Length": "0"}
        self.assert_unknown(reply(201, raw=b"ff\r\n{", headers=chunked))

    def test_huge(self):
        padding = b" " * transport.MAX_REPLY_BYTES
        self.assert_unknown(reply(201, raw=json.dumps(RECEIPT).encode() + padding))

    def test_o3_packed_answers_are_unpacked_within_bounds(self):
        content = json.dumps(RECEIPT).encode()
        for encoding, packed in (("gzip", gzip.compress(content)), ("deflate", zlib.compress(content))):
            receipt = self.submitted(reply(201, raw=packed, headers={"Content-Encoding": encoding}))
            self.assertEqual(receipt.dossier_number, "03706/2026/07906")
        bomb = gzip.compress(b" " * (transport.MAX_REPLY_BYTES + 1))
        self.assert_unknown(reply(200, raw=bomb, headers={"Content-Encoding": "gzip"}))
        self.assert_unknown(reply(200, raw=gzip.compress(content)[:-9], headers={"Content-Encoding": "gzip"}))
        self.assert_unknown(reply(200, raw=content, headers={"Content-Encoding": "gzip"}))
        error = self.submitted(reply(201, raw=content, headers={"Content-Encoding": "br"}))
        self.assertEqual((error.reason, error.detail), (gateways.Reason.COMPRESSION, "br"))

    def test_receipt_of_another_dossier(self):
        """Only the reference proves that the answer is about this dossier: `progress` decides then."""
        for reference in ("6f2c1c0e-8f2b-4a53-9a52-000000000000", 7, None, "", "x" * 5000, ["a"], "\0"):
            body = {**RECEIPT, "client_reference": reference}
            error = self.submitted(reply(201, body))
            self.assertIs(type(error), gateways.UnknownOutcome, body)
            self.assertEqual((error.reason, error.detail), (gateways.Reason.MEMBER, "client_reference"))
        self.assertIs(type(self.submitted(reply(201, {}))), gateways.UnknownOutcome)
        self.assertIs(type(self.asked(reply(200, {**PROGRESS, "client_reference": "other"}))), gateways.UnknownOutcome)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSecretsAndSettings(ServerCase):
    def test_nothing_shows_the_secret(self):
        basic = base64.b64encode(f"00001:{SECRET}".encode()).decode()
        texts = []
        with self.assertLogs(level=logging.DEBUG) as logs:
            logging.getLogger("test").debug("there is always one line")
            echo = SECRET.encode()
            echoes = (reply(500, {"echo": SECRET}), reply(401, raw=echo), reply(200, raw=b"{" + echo))
            for answer in (http_server.reset, *echoes):
                with FaultyServer(answer) as server:
                    made = gateway(server)
                    texts += [repr(made), str(made)]
                    try:
                        made.submit(DOSSIER, REFERENCE)
                    except gateways.GatewayError as error:
                        texts += [str(error), repr(error), "".join(traceback.format_exception(error))]
        with self.assertRaises(gateways.GatewayError) as caught:
            gateways.make("http", base_url="https://x.example", client_id="00001", secret=SECRET, colour=SECRET)
        texts += [str(caught.exception), *logs.output, repr(DOSSIER)]
        for text in texts:
            self.assertNotIn(SECRET, text)
            self.assertNotIn(basic, text)
            self.assertNotIn("Hồ sơ", text)

    def test_addresses_that_are_refused(self):
        for url in (
            "http://gateway.example.com/ivan/v1",
            "http://127.0.0.1.evil.example/",
            "ftp://127.0.0.1/",
            "https://user:password@gateway.example.com/",
            "https://gateway.example.com/?a=1",
            "https://gateway.example.com/#x",
            "https:///path",
            "https://gateway.example.com:99999/",
            "https://gateway.example.com:0/",
            "https://[::1",
            "gateway.example.com",
            "",
        ):
            with self.subTest(url), self.assertRaises(gateways.Misconfigured):
                gateway(url)

    def test_reference_must_be_a_uuid(self):
        made = gateway("https://gateway.example.com/")
        for reference in ("", "../../admin", "1", None):
            with self.assertRaises(gateways.GatewayError) as caught:
                made.progress(reference)
            self.assertIn("UUID", caught.exception.message)

    def test_sandbox_stays_on_this_computer(self):
        settings = {"client_id": "00001", "secret": SECRET}
        with self.assertRaises(gateways.Misconfigured):
            gateways.make("sandbox", base_url="https://gateway.example.com/ivan/v1", **settings)
        with FaultyServer(reply(200, PROGRESS)) as server:
            made = gateways.make("sandbox", base_url=server.url, **settings)
            self.assertEqual(made.progress(REFERENCE).state, "processing")

    def test_environment_proxy_is_not_asked_for_this_computer(self):
        with (
            FaultyServer(reply(200, {})) as proxy,
            FaultyServer(reply(200, PROGRESS)) as server,
            patch.dict("os.environ", http_proxy=proxy.url, no_proxy=""),
        ):
            self.assertEqual(gateway(server).progress(REFERENCE).state, "processing")
        self.assertEqual(proxy.requests, [])


@tagged("post_install_l10n", "post_install", "-at_install")
class TestTls(BaseCase):
    """A server with a certificate that nobody but the test trusts."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.bundle = f"{folder.name}/server.pem"
        Path(cls.bundle).write_bytes(http_server.self_signed())

    def test_unknown_certificate_is_refused_before_anything_is_sent(self):
        server = FaultyServer(reply(201, RECEIPT), certificate=self.bundle)
        with server, self.assertRaises(gateways.Unreachable):
            gateway(server).submit(DOSSIER, REFERENCE)
        self.assertEqual(server.requests, [])

    def test_certificate_of_a_bundle_is_trusted(self):
        with FaultyServer(reply(201, RECEIPT), certificate=self.bundle) as server:
            receipt = gateway(server, verify=self.bundle).submit(DOSSIER, REFERENCE)
        self.assertEqual(receipt.dossier_number, "03706/2026/07906")

    def test_failure_after_the_handshake_is_an_unknown_outcome(self):
        # Time enough for the handshake, whose end is what this is about; only the drip waits until it is over.
        for answer, seconds in ((http_server.reset, 60), (http_server.close, 60), (http_server.drip, 5)):
            server = FaultyServer(answer, certificate=self.bundle)
            with server, self.assertRaises(gateways.UnknownOutcome):
                gateway(server, verify=self.bundle, timeout=(seconds, 0.2)).submit(DOSSIER, REFERENCE)
            self.assertEqual(len(server.requests), 1)

    def refused(self, **settings):
        """The error of an exchange with the server of `bundle`, or of making the gateway."""
        with FaultyServer(reply(201, RECEIPT), certificate=self.bundle) as server:
            try:
                return gateway(server, **settings).submit(DOSSIER, REFERENCE)
            except gateways.GatewayError as error:
                self.assertEqual(server.requests, [])
                return error

    def test_o9_reason_of_tls_is_named(self):
        folder = Path(self.bundle).parent
        for name, settings, reason in (
            ("issuer", {}, gateways.Reason.TLS_ISSUER),
            ("expired", {"days": (-3, -1)}, gateways.Reason.TLS_EXPIRED),
            ("future", {"days": (1, 3)}, gateways.Reason.TLS_EXPIRED),
            ("other address", {"address": "127.0.0.2"}, gateways.Reason.TLS_NAME),
        ):
            pem = http_server.self_signed(**settings)
            (folder / name).write_bytes(pem)
            ca = "" if name == "issuer" else split(pem)[1]
            with FaultyServer(reply(201, RECEIPT), certificate=str(folder / name)) as server:
                for call in (lambda made: made.submit(DOSSIER, REFERENCE), lambda made: made.progress(REFERENCE)):
                    with self.subTest(name), self.assertRaises(gateways.Misconfigured) as caught:
                        call(gateway(server, ca=ca))
                    self.assertEqual(caught.exception.reason, reason)
                    self.assertTrue(caught.exception.detail)
            self.assertEqual(server.requests, [])

    def test_o9_plain_http_behind_https(self):
        with FaultyServer(reply(200, PROGRESS)) as server:
            url = server.url.replace("http://", "https://")
            answer = reply(400, raw=b"")
            server.answer = answer
            with self.assertRaises(gateways.Unreachable):
                gateway(url, timeout=(1, 1)).submit(DOSSIER, REFERENCE)

    def test_o9_certificates_of_a_gateways_own(self):
        """Only the named authorities are trusted then, whatever the environment says."""
        certificate = split(Path(self.bundle).read_bytes())[1]
        self.assertEqual(self.refused(ca=certificate).dossier_number, "03706/2026/07906")
        stranger = split(http_server.self_signed(key_name="stranger", address="127.0.0.2"))[1]
        with patch.dict("os.environ", REQUESTS_CA_BUNDLE=self.bundle, CURL_CA_BUNDLE=self.bundle):
            self.assertEqual(self.refused(ca=stranger).reason, gateways.Reason.TLS_ISSUER)
            self.assertEqual(self.refused(ca=stranger + certificate).dossier_number, "03706/2026/07906")
        for ca in ("no PEM", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", " ", "à"):
            error = self.refused(ca=ca)
            self.assertEqual((type(error), error.reason), (gateways.Misconfigured, gateways.Reason.TLS_ISSUER), ca)

    def test_o9_client_certificate(self):
        key, certificate = split(http_server.self_signed(key_name="client"))
        other_key, other = split(http_server.self_signed(key_name="stranger"))
        ca = split(Path(self.bundle).read_bytes())[1]
        with FaultyServer(reply(201, RECEIPT), certificate=self.bundle, client_ca=certificate) as server:
            made = gateway(server, ca=ca, certificate=certificate, key=key)
            self.assertEqual(made.submit(DOSSIER, REFERENCE).dossier_number, "03706/2026/07906")
            self.assertEqual(len(server.requests), 1)
            for settings in ({}, {"certificate": other, "key": other_key}):
                with self.assertRaises(gateways.GatewayError) as caught:
                    gateway(server, ca=ca, **settings).submit(DOSSIER, REFERENCE)
                # The server may have hung up before its alert was read.
                reasons = (gateways.Reason.CLIENT_CERTIFICATE, gateways.Reason.CONNECTION, gateways.Reason.LOST)
                self.assertIn(caught.exception.reason, reasons)
            self.assertEqual(len(server.requests), 1)

    def test_o9_unusable_client_certificates(self):
        key, certificate = split(http_server.self_signed(key_name="client"))
        other_key = split(http_server.self_signed(key_name="stranger"))[0]
        encrypted = signing.key("client").private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
        )
        for pair in (
            (certificate, ""),
            ("", key),
            (certificate, other_key),
            (certificate, encrypted.decode()),
            (certificate, "-"),
            ("à", key),
        ):
            error = self.refused(certificate=pair[0], key=pair[1])
            self.assertEqual((type(error), error.reason), (gateways.Misconfigured, gateways.Reason.CLIENT_CERTIFICATE))
            self.assertNotIn("PRIVATE", "".join(traceback.format_exception(error)))

    def test_o9_no_key_is_left_on_disk(self):
        """While OpenSSL reads it, only our own user may."""
        key, certificate = split(http_server.self_signed(key_name="client"))
        load = ssl.SSLContext.load_cert_chain
        seen = []

        def noting(context, path, *args, **kwargs):
            seen.extend((path, stat.S_IMODE(path.stat().st_mode), stat.S_IMODE(path.parent.stat().st_mode)))
            return load(context, path, *args, **kwargs)

        with patch.object(ssl.SSLContext, "load_cert_chain", noting):
            gateway("https://gateway.example.com", certificate=certificate, key=key)
            with self.assertRaises(gateways.Misconfigured):
                gateway("https://gateway.example.com", certificate=certificate, key=key[:-60])
        for path, mode, folder_mode in (seen[:3], seen[3:]):
            self.assertEqual((mode, folder_mode), (0o600, 0o700))
            self.assertFalse(path.parent.exists())


def split(pem):
    """Key and certificate of `self_signed()` as texts."""
    key, begin, rest = pem.decode().partition("-----BEGIN CERTIFICATE-----")
    return key, begin + rest


@tagged("post_install_l10n", "post_install", "-at_install")
class TestOtherAdapters(BaseCase):
    def test_manual_leaves_every_step_to_a_person(self):
        manual = gateways.make("manual")
        self.assertFalse(manual.can_submit or manual.can_resend)
        for call in (lambda: manual.submit(DOSSIER, REFERENCE), lambda: manual.progress(REFERENCE)):
            with self.assertRaises(gateways.Unsupported):
                call()
        with self.assertRaises(gateways.Unsupported):
            manual.resend_code(REFERENCE)
        self.assertTrue(manual.check().ok)

    def test_registry(self):
        self.assertLessEqual({"http", "manual", "sandbox"}, set(gateways.names()))
        with self.assertRaises(gateways.GatewayError):
            gateways.make("pigeon")

        @gateways.register("test_tools_gateways")
        class Other(type(gateways.make("manual"))):
            pass

        self.assertIsInstance(gateways.make("test_tools_gateways"), Other)
