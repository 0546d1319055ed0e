"""Chain and revocation of a certificate; the fetcher."""

import base64
import os
import socket
import tempfile
import threading
from datetime import timedelta
from unittest.mock import patch

from cryptography import x509
from cryptography.x509 import ocsp
from odoo.tests import BaseCase, tagged

from ..tools import fetching, validation
from .samples import pki
from .samples.http_server import FaultyServer, close, drip, reply, reset, self_signed, silence
from .samples.signing import NOW, certificate


@tagged("post_install_l10n", "post_install", "-at_install")
class TestChain(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.root = pki.issue("root", "root", is_ca=True, serial=1)
        cls.intermediate = pki.issue("intermediate", "root", is_ca=True, serial=2)
        cls.unit = pki.issue("unit", "intermediate")

    def check(self, unit=None, *, roots=None, intermediates=None, at=NOW, mode="soft", fetch=None, **responder):
        self.fetch = fetch or pki.Responder(self.unit, self.intermediate, at=at, **responder)
        findings = validation.check_chain(
            unit or pki.der(self.unit),
            [pki.der(self.root)] if roots is None else roots,
            [pki.der(self.intermediate)] if intermediates is None else intermediates,
            at=at,
            mode=mode,
            fetch=self.fetch,
        )
        return [(finding.level, finding.code) for finding in findings]

    GOOD = [("passed", "chain"), ("passed", "revocation")]

    def test_good_certificate(self):
        for mode in ("soft", "hard"):
            self.assertEqual(self.check(mode=mode), self.GOOD)
        self.assertEqual(self.fetch.asked, [pki.OCSP_URL, pki.ROOT_CRL_URL])

    def test_crl_is_asked_when_ocsp_is_silent(self):
        self.assertEqual(self.check(mode="hard", use_ocsp=False), self.GOOD)
        self.assertEqual(self.fetch.asked, [pki.OCSP_URL, pki.CRL_URL, pki.ROOT_CRL_URL])

    def test_crl_is_asked_when_ocsp_declines(self):
        self.assertEqual(self.check(mode="hard", unauthorized=True), self.GOOD)
        self.assertEqual(self.fetch.asked, [pki.OCSP_URL, pki.CRL_URL, pki.ROOT_CRL_URL])

    def test_revoked(self):
        for mode in ("soft", "hard"):
            for use_ocsp in (True, False):
                for revoked in (self.unit, self.intermediate):
                    with self.subTest(mode=mode, ocsp=use_ocsp, revoked=revoked.serial_number):
                        found = self.check(mode=mode, use_ocsp=use_ocsp, revoked=(revoked,))
                        self.assertEqual(found, [("passed", "chain"), ("blocking", "revoked")])

    def test_nothing_to_be_found_out(self):
        silent = {"use_ocsp": False, "use_crl": False}
        self.assertEqual(self.check(mode="soft", **silent)[1], ("warning", "revocation_unknown"))
        self.assertEqual(self.check(mode="hard", **silent)[1], ("blocking", "revocation_unknown"))
        unit = pki.der(pki.issue("unit", "intermediate", urls=False))
        self.assertEqual(self.check(unit, mode="hard")[1], ("blocking", "revocation_unknown"))

    def test_answers_that_prove_nothing(self):
        def lying(content):
            return lambda url, body, content_type: content

        for content in (b"", b"<html>", b"\x30\x03\x0a\x01\x06", b"\x30" * 1000):
            self.assertEqual(self.check(mode="hard", fetch=lying(content))[1], ("blocking", "revocation_unknown"))
        forged = self.check(mode="hard", signer="thief", ocsp_forged=True)
        self.assertEqual(forged[1], ("blocking", "revocation_unknown"))
        stale = pki.Responder(self.unit, self.intermediate, at=NOW - timedelta(days=30))
        self.assertEqual(self.check(mode="hard", fetch=stale)[1], ("blocking", "revocation_unknown"))

    def test_untrusted_certificate_makes_the_server_call_nobody(self):
        for unit in (
            pki.der(pki.issue("unit", "stranger")),
            pki.der(pki.issue("unit", "intermediate", issuer_key="thief")),
            certificate(),
        ):
            found = self.check(unit)
            self.assertEqual(found[0][0], "blocking")
            self.assertIn(found[0][1], ("untrusted", "chain_invalid"))
            self.assertEqual(self.fetch.asked, [])

    def test_missing_intermediate(self):
        self.assertEqual(self.check(intermediates=[]), [("blocking", "untrusted")])

    def test_end_entity_is_no_authority(self):
        below = pki.der(pki.issue("below", "unit"))
        found = self.check(below, intermediates=[pki.der(self.intermediate), pki.der(self.unit)])
        self.assertEqual(found[0][0], "blocking")

    def test_validity(self):
        self.assertEqual(self.check(at=NOW + timedelta(days=101)), [("blocking", "expired")])
        self.assertEqual(self.check(at=NOW - timedelta(days=101)), [("blocking", "not_yet_valid")])

    def test_no_roots(self):
        self.assertEqual(self.check(roots=[]), [("warning", "no_roots")])
        self.assertEqual(self.check(roots=[], mode="hard"), [("blocking", "no_roots")])

    def test_unreadable(self):
        self.assertEqual(self.check(b"junk"), [("blocking", "unreadable")])
        self.assertEqual(self.check(roots=[b"junk"]), [("blocking", "unreadable")])

    def test_s21_an_unusable_ocsp_answer_is_none(self):
        """Stale, signed by a stranger, or unknown: the CRL is asked, and what it says holds."""
        asked = [pki.OCSP_URL, pki.CRL_URL, pki.ROOT_CRL_URL]
        for unusable in (
            {"ocsp_at": NOW - timedelta(days=30)},
            {"ocsp_at": NOW + timedelta(days=30)},
            {"ocsp_stranger": True},
            {"ocsp_forged": True},
            {"ocsp_status": ocsp.OCSPCertStatus.UNKNOWN},
        ):
            with self.subTest(unusable):
                self.assertEqual(self.check(mode="hard", **unusable), self.GOOD)
                self.assertEqual(self.fetch.asked, asked)
                for mode in ("soft", "hard"):
                    found = self.check(mode=mode, revoked=(self.unit,), **unusable)
                    self.assertEqual(found[1], ("blocking", "revoked"))

    def test_s21_answers_about_another_certificate(self):
        other = pki.Responder(pki.issue("unit", "intermediate", serial=6), self.intermediate)
        self.assertEqual(self.check(mode="hard", fetch=other), self.GOOD)
        self.assertEqual(other.asked, [pki.OCSP_URL, pki.CRL_URL, pki.ROOT_CRL_URL])

    def test_s21_a_revoked_authority_above_one_that_cannot_be_asked_about(self):
        found = self.check(ocsp_forged=True, signer="thief", revoked=(self.intermediate,))
        self.assertEqual(found[1], ("blocking", "revoked"))

    def test_s21_purposes(self):
        usage = x509.ExtendedKeyUsageOID
        for purposes, fits in (
            ((usage.SERVER_AUTH,), False),
            ((usage.OCSP_SIGNING,), False),
            ((usage.SERVER_AUTH, usage.OCSP_SIGNING, usage.TIME_STAMPING), False),
            ((usage.CODE_SIGNING,), False),
            ((usage.CLIENT_AUTH, usage.EMAIL_PROTECTION), True),
            ((usage.SERVER_AUTH, usage.EMAIL_PROTECTION), True),
            ((x509.ObjectIdentifier("1.3.6.1.4.1.311.10.3.12"),), True),  # document signing, Microsoft
            ((usage.ANY_EXTENDED_KEY_USAGE,), True),
        ):
            unit = pki.der(pki.issue("unit", "intermediate", purposes=purposes))
            found = self.check(unit, mode="hard")
            self.assertEqual(found, self.GOOD if fits else [("blocking", "not_for_signing")], purposes)

    def test_s21_an_authority_signs_no_documents(self):
        for authority in (self.root, self.intermediate, pki.issue("unit", "intermediate", is_ca=True)):
            self.assertEqual(self.check(pki.der(authority)), [("blocking", "not_for_signing")])
            self.assertEqual(self.fetch.asked, [])

    def test_s21_roots_own_end(self):
        """A manager's root is trusted for as long as it says itself."""
        for dates, code in (
            ({"not_after": NOW - timedelta(days=1)}, "expired"),
            ({"not_before": NOW + timedelta(days=1)}, "not_yet_valid"),
        ):
            root = pki.der(pki.issue("root", "root", is_ca=True, serial=1, **dates))
            self.assertEqual(self.check(roots=[root]), [("blocking", code)])
            self.assertEqual(self.check(roots=[root, pki.der(self.root)]), self.GOOD)

    def test_s21_roots_own_path_length(self):
        root = pki.der(pki.issue("root", "root", is_ca=True, serial=1, path_length=0))
        self.assertEqual(self.check(roots=[root]), [("blocking", "chain_invalid")])
        direct = pki.der(pki.issue("unit", "root"))
        self.assertEqual(self.check(direct, roots=[root])[0], ("passed", "chain"))
        root = pki.der(pki.issue("root", "root", is_ca=True, serial=1, path_length=1))
        self.assertEqual(self.check(roots=[root]), self.GOOD)

    def test_s21_roots_own_names_and_policies(self):
        """Names that the root excludes are refused; the policies that it names are no bound on those below it."""
        directory = x509.DirectoryName(pki.issue("unit", "unit").subject)
        for extension, expected in (
            (x509.NameConstraints(None, [directory]), [("blocking", "chain_invalid")]),
            (x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3"), None)]), self.GOOD),
        ):
            root = pki.der(pki.issue("root", "root", is_ca=True, serial=1, extensions=(extension,)))
            self.assertEqual(self.check(roots=[root]), expected)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFetching(BaseCase):
    def fetch(self, url, body=None, content_type="", **limits):
        """From a server of this machine, which only tests may do."""
        return fetching.over_http(is_allowed=lambda _address: True, **limits)(url, body, content_type)

    def test_get_and_post(self):
        with FaultyServer(reply(200, raw=b"\x30\x00")) as server:
            address = server.url.split("/")[2]
            self.assertEqual(self.fetch(server.url + "?a=b%20c#d"), b"\x30\x00")
            self.assertEqual(self.fetch(server.url, b"ask", "application/ocsp-request"), b"\x30\x00")
        get, post = server.requests
        self.assertEqual((get.method, get.path, post.method, post.body), ("GET", "/ivan/v1?a=b%20c", "POST", b"ask"))
        self.assertEqual(post.headers["content-type"], "application/ocsp-request")
        self.assertEqual(get.headers["host"], address)

    def test_faults(self):
        for answer in (
            reply(404),
            reply(302, headers={"Location": "http://127.0.0.1:1/"}),
            reply(200, raw=b"x", headers={"Content-Length": "5"}),
            reply(200, raw=b"x", headers={"Content-Encoding": "gzip"}),
            reply(200, raw=b"x" * (fetching.MAX_BYTES + 1)),
            drip,
            silence,
            reset,
            close,
            lambda connection: connection.sendall(b"junk\r\n\r\n"),
        ):
            with FaultyServer(answer) as server, self.assertRaises(fetching.FetchError):
                self.fetch(server.url, connect=0.1, total=0.3)

    def test_addresses_that_are_none(self):
        for url in (
            "",
            "ftp://x/",
            "http://",
            "http://[::1",
            "http://a b/",
            "http://x:99999/",
            "ldap://x",
            "http://\n/",
        ):
            with self.assertRaises(fetching.FetchError):
                self.fetch(url)

    def test_tls_is_verified(self):
        with tempfile.NamedTemporaryFile(suffix=".pem") as pem:
            pem.write(self_signed())
            pem.flush()
            with FaultyServer(reply(200, raw=b"x"), pem.name) as server:
                with self.assertRaises(fetching.FetchError) as caught:
                    self.fetch(server.url)
                self.assertIn("Verification", str(caught.exception))
                with patch.object(fetching, "DEFAULT_CA_BUNDLE_PATH", pem.name):
                    self.assertEqual(self.fetch(server.url), b"x")

    def test_s22_only_public_addresses(self):
        for address in (
            *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0"),
            *("224.0.0.1", "255.255.255.255", "::", "::1", "fe80::1", "fe80::1%eth0", "fd00::1", "ff0e::1"),
            *("::ffff:127.0.0.1", "::ffff:169.254.169.254", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe"),
        ):
            self.assertFalse(fetching.is_public(address), address)
        for address in ("8.8.8.8", "2001:4860:4860::8888", "64:ff9b::808:808"):
            self.assertTrue(fetching.is_public(address), address)

    def test_s22_nothing_is_sent_to_the_server_itself_or_its_neighbours(self):
        """The decimal and the short way to write 127.0.0.1, and a name for it, are resolved before they are judged."""
        with FaultyServer(reply(200, raw=b"x")) as server:
            port = server.url.split(":")[2].split("/")[0]
            for host in ("127.0.0.1", "localhost", "2130706433", "127.1", "0x7f.1", "[::ffff:127.0.0.1]", "0.0.0.0"):
                with self.assertRaises(fetching.FetchError) as caught:
                    fetching.over_http()(f"http://{host}:{port}/", None, "")
                self.assertEqual(str(caught.exception), "not a public address", host)
        self.assertEqual(server.requests, [])

    def test_s22_the_address_that_was_checked_is_the_one_that_is_called(self):
        """A name that leads elsewhere when it is asked for a second time has no second time."""
        asked = []

        def rebinding(host, *args, **kwargs):
            asked.append(host)
            return resolve("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **kwargs)

        resolve = socket.getaddrinfo
        with FaultyServer(reply(200, raw=b"x")) as server, patch.object(socket, "getaddrinfo", rebinding):
            url = server.url.replace("127.0.0.1", "crl.example")
            fetch = fetching.over_http(is_allowed=lambda address: address == "127.0.0.1")
            self.assertEqual(fetch(url, None, ""), b"x")
        self.assertEqual(asked, ["crl.example"])
        self.assertTrue(server.requests[0].headers["host"].startswith("crl.example:"))

    def test_s22_of_several_addresses_only_public_ones_are_called(self):
        resolve = socket.getaddrinfo
        with (
            FaultyServer(reply(200, raw=b"x")) as server,
            patch.object(
                socket,
                "getaddrinfo",
                lambda host, *args, **kw: resolve("127.0.0.2", *args, **kw) + resolve(host, *args, **kw),
            ),
        ):
            fetch = fetching.over_http(is_allowed=lambda address: address == "127.0.0.1")
            self.assertEqual(fetch(server.url, None, ""), b"x")

    def test_s22_through_a_proxy(self):
        """The proxy connects, but is not asked for what leads to this machine either."""
        with FaultyServer(reply(200, raw=b"x")) as proxy:
            address = proxy.url.replace("http://", "http://user:p%40ss@").removesuffix("/ivan/v1")
            with patch.dict(os.environ, {"http_proxy": address, "no_proxy": ""}):
                self.assertEqual(fetching.over_http()("http://crl.invalid/a?b", None, ""), b"x")
                for host in ("localhost", "127.0.0.1", "169.254.169.254"):
                    with self.assertRaisesRegex(fetching.FetchError, "not a public"):
                        fetching.over_http()(f"http://{host}/", None, "")
        (request,) = proxy.requests
        self.assertEqual((request.method, request.path), ("GET", "http://crl.invalid/a?b"))
        self.assertEqual(request.headers["host"], "crl.invalid")
        secret = base64.b64encode(b"user:p@ss").decode()
        self.assertEqual(request.headers["proxy-authorization"], f"Basic {secret}")

    def test_b8_bounded_in_total(self):
        """Whatever drips, hangs or cannot be looked up: the time of one fetch, and of all of them, is bounded."""
        with FaultyServer(silence) as server:
            fetch = fetching.over_http(is_allowed=lambda _address: True, total=0.2)
            with self.assertRaisesRegex(fetching.FetchError, "time-out"):
                fetch(server.url, None, "")
            with self.assertRaisesRegex(fetching.FetchError, "did not answer before"):
                fetch(server.url + "/other", None, "")
        with self.assertRaisesRegex(fetching.FetchError, "time-out"):
            self.fetch("http://another.example/", overall=0)
        with FaultyServer(reply(404)) as server:
            fetch = fetching.over_http(is_allowed=lambda _address: True)
            for _time in range(2):
                with self.assertRaisesRegex(fetching.FetchError, "answer 404"):
                    fetch(server.url, None, "")
            server.answer = reply(200, raw=b"x")
            self.assertEqual(fetch(server.url, None, ""), b"x")
        hanging = threading.Event()

        def unresolved(*_args, **_kwargs):
            hanging.wait(60)
            raise OSError

        with patch.object(socket, "getaddrinfo", unresolved):
            with self.assertRaisesRegex(fetching.FetchError, "time-out"):
                self.fetch("http://crl.example/", total=0.1)
            hanging.set()
