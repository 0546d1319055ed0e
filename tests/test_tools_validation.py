"""Chain and revocation of a certificate; the fetcher."""

from datetime import timedelta

from odoo.tests import BaseCase, tagged

from ..tools import fetching, validation
from .samples import pki
from .samples.http_server import FaultyServer, drip, reply
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
        forged = self.check(mode="hard", signer="thief")
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

    def test_root_itself(self):
        self.assertEqual(self.check(pki.der(self.root))[0], ("passed", "chain"))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFetching(BaseCase):
    def test_get_and_post(self):
        with FaultyServer(reply(200, raw=b"\x30\x00")) as server:
            fetch = fetching.over_http()
            self.assertEqual(fetch(server.url, None, ""), b"\x30\x00")
            self.assertEqual(fetch(server.url, b"ask", "application/ocsp-request"), b"\x30\x00")
        get, post = server.requests
        self.assertEqual((get.method, post.method, post.body), ("GET", "POST", b"ask"))
        self.assertEqual(post.headers["content-type"], "application/ocsp-request")

    def test_faults(self):
        for answer in (reply(404), reply(302, headers={"Location": "http://127.0.0.1:1/"}), drip):
            with FaultyServer(answer) as server, self.assertRaises(fetching.FetchError):
                fetching.over_http(connect=0.1, total=0.2)(server.url, None, "")
