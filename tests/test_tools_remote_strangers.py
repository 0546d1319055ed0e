"""Remote signing with programs that nobody here wrote, and with the stand-in: real processes and connections.

certomancer-csc-dummy is a server, pyHanko has a client; both were written from the Cloud Signature Consortium's
specification by somebody else. The program xmlsec1 judges what comes of it.
"""

import asyncio
import base64
import json
import subprocess
import sys
import tempfile
import threading
import uuid
from pathlib import Path

import aiohttp
import requests
from aiohttp import web
from certomancer.registry import CertomancerConfig
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from csc_dummy.csc_dummy_server import CSCWithCertomancer
from odoo.tests import BaseCase, tagged
from pyhanko.sign.signers import csc_signer

from ..tools import dossier, remote, signature
from .samples import signing

TAX_CODE = signing.TAX_CODE
USER = "001099012345"
CLIENT, SECRET, TOKEN = "demo-sp", "sp-secret-of-the-sandbox", "token-of-the-sandbox"
SETTINGS = {
    "remote_person": "confirm",
    "remote_seconds": 300,
    "remote_algorithms": "both",
    "remote_confirmation": "app",
    "remote_polled_by": "transaction_id",
    "remote_waiting": "plain",
}
PATIENCE = 120
FOLDER = Path(__file__).parent


def xmlsec1(signed, certificate):
    """What the program says: whether it accepts the one reference and the signature with this certificate's key."""
    key = x509.load_der_x509_certificate(certificate).public_key()
    with tempfile.TemporaryDirectory() as folder:
        pem, document = Path(folder) / "key.pem", Path(folder) / "signed.xml"
        pem.write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
        document.write_bytes(signed)
        command = ["xmlsec1", "--verify", "--pubkey-pem", str(pem), str(document)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode == 0 and "1/1" in done.stdout + done.stderr


class Dossiers(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.documents = [dossier.build("04", signing.data(contact_name=name)) for name in ("Nguyễn A", "Trần B")]
        cls.prepared = [remote.prepare(document) for document in cls.documents]
        cls.items = [
            remote.Item(f"BHXH-{remote.short_code(one.digest).replace(' ', '')}", one.digest, "04")
            for one in cls.prepared
        ]

    def assert_signed(self, values, certificate):
        """Each value makes a signed dossier that this addon's verifier and xmlsec1 accept."""
        at = x509.load_der_x509_certificate(certificate).not_valid_before_utc
        self.assertEqual(values.keys(), {item.doc_id for item in self.items})
        for document, prepared, item in zip(self.documents, self.prepared, self.items, strict=True):
            signed = remote.finish(document, prepared.signed_info, values[item.doc_id], certificate, at)
            signature.verify(signed, document, certificate, at=at)
            self.assertTrue(xmlsec1(signed, certificate))
            self.assertFalse(xmlsec1(signed.replace(b"ke.toan@", b"ke.hai@@"), certificate))


CERTOMANCER = """
keysets:
  keys:
    path-prefix: {folder}
    keys:
      root: {{path: root.pem}}
      signer1: {{path: signer1.pem}}
      signer2: {{path: signer2.pem}}
pki-architectures:
  testing-ca:
    keyset: keys
    entity-defaults: {{country-name: VN}}
    entities:
      root: {{common-name: Somebody's root}}
      signer1: {{common-name: CÔNG TY THỬ, user-id: 'MST:{tax_code}'}}
      signer2: {{common-name: CÔNG TY KHÁC, user-id: 'MST:0101234567'}}
    certs:
      root:
        subject: root
        issuer: root
        validity: &validity {{valid-from: '2026-01-01T00:00:00+0000', valid-to: '2046-01-01T00:00:00+0000'}}
        profiles: [simple-ca]
      signer1: {{subject: signer1, issuer: root, validity: *validity, profiles: [digsig-commitment]}}
      signer2: {{subject: signer2, issuer: root, validity: *validity, profiles: [digsig-commitment]}}
"""


@tagged("post_install_l10n", "post_install", "-at_install")
class TestTheirServer(Dossiers):
    """Our client of version 1 with certomancer-csc-dummy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = cls.enterClassContext(tempfile.TemporaryDirectory())
        for name in ("root", "signer1", "signer2"):
            key = signing.key(name).private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
            (Path(folder) / f"{name}.pem").write_bytes(key)
        config = Path(folder) / "certomancer.yml"
        config.write_text(CERTOMANCER.format(folder=folder, tax_code=TAX_CODE), encoding="utf-8")
        cls.url = cls.serve(CSCWithCertomancer(CertomancerConfig.from_file(str(config))))
        cls.service = remote.make("csc1", remote.HttpClient(cls.url), login="none")

    @classmethod
    def serve(cls, server):
        """Serve in a thread until the class is done; the address of version 1."""
        server.register_routes()
        loop = asyncio.new_event_loop()
        runner = web.AppRunner(server.app, access_log=None)
        loop.run_until_complete(runner.setup())
        loop.run_until_complete(web.TCPSite(runner, "127.0.0.1", 0).start())
        thread = threading.Thread(target=loop.run_forever)
        thread.start()

        def stop():
            asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(PATIENCE)
            loop.close()

        cls.addClassCleanup(stop)
        return f"http://127.0.0.1:{runner.addresses[0][1]}/csc/v1"

    def test_its_certificates_without_its_authority(self):
        found = {one.reference: one for one in self.service.certificates(USER)}
        self.assertEqual(found.keys(), {"testing-ca/signer1", "testing-ca/signer2"})
        self.assertTrue(found["testing-ca/signer1"].is_usable)
        self.assertEqual(found["testing-ca/signer1"].digest_limit, 10)
        subject = x509.load_der_x509_certificate(found["testing-ca/signer1"].der).subject.rfc4514_string()
        self.assertIn(f"MST:{TAX_CODE}", subject)

    def test_its_signatures_are_good(self):
        found = {one.reference: one for one in self.service.certificates(USER)}
        done = self.service.start("reference", USER, "testing-ca/signer1", self.items, "BHXH")
        self.assert_signed(done.values, found["testing-ca/signer1"].der)

    def test_its_refusals_in_plain_text(self):
        """It answers 404 to a credential that is unknown, 400 to activation data of other hashes, in plain text."""
        for name in ("testing-ca/nobody", "x"):
            with self.assertRaises(remote.ServiceRefused) as caught:
                self.service.start("reference", USER, name, self.items, "BHXH")
            self.assertEqual(caught.exception.code, "service_settings")
        answer = requests.post(
            f"{self.url}/credentials/authorize",
            json={
                "credentialID": "testing-ca/signer1",
                "numSignatures": 1,
                "hash": [base64.b64encode(self.items[0].digest).decode()],
            },
            timeout=PATIENCE,
        )
        sad = answer.json()["SAD"]
        with (
            self.assertLogs("csc_dummy.csc_dummy_server", "ERROR"),
            self.assertRaises(remote.ServiceRefused) as caught,
        ):
            self.service._sign(USER, "testing-ca/signer1", remote.csc.SHA256_WITH_RSA, sad, self.items[1:])
        self.assertEqual(caught.exception.code, "service_failed")


class StandIn(Dossiers):
    """The sandbox, in a process of its own, with one person."""

    certificate = b""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        folder = Path(cls.enterClassContext(tempfile.TemporaryDirectory()))
        (folder / "secret").write_text("secret", encoding="utf-8")
        command = [sys.executable, "-m", "ibhxh_sandbox.cli", "--secret-file", str(folder / "secret")]
        process = cls.enterClassContext(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
        cls.addClassCleanup(process.terminate)
        cls.origin = json.loads(process.stdout.readline())["portal"].rstrip("/")

    def setUp(self):
        super().setUp()
        # A key takes its time: all tests use one, but for what exchanges it.
        self.control("settings", SETTINGS)
        if not self.certificate:
            type(self).certificate = self.new_certificate()
        self.starts = self.control("remote/requests")["starts"]

    def new_certificate(self):
        self.control("reset", {})
        person = self.control("remote/people", {"user": USER, "tax_code": TAX_CODE, "name": "CÔNG TY THỬ"})
        return base64.b64decode(person["certificate"])

    def count_starts(self):
        """How many requests this test has put on the phone."""
        return self.control("remote/requests")["starts"] - self.starts

    def control(self, path, body=None):
        url = f"{self.origin}/_sandbox/{path}"
        answer = (
            requests.get(url, timeout=PATIENCE) if body is None else requests.post(url, json=body, timeout=PATIENCE)
        )
        self.assertTrue(answer.ok, answer.text)
        return answer.json()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestTheirClient(StandIn):
    """pyHanko's client with our stand-in."""

    class Manager(csc_signer.CSCAuthorizationManager):
        """Asks for the activation data of given digests; how that is done is left to the client's user."""

        def __init__(self, session, *args):
            super().__init__(*args)
            self.session = session

        async def authorize_signature(self, hash_b64s):
            body = self.format_csc_auth_request(num_signatures=len(hash_b64s), hash_b64s=hash_b64s, description="BHXH")
            url = self.csc_session_info.endpoint_url("credentials/authorize")
            async with self.session.post(url, headers=self.auth_headers, json=body, raise_for_status=True) as answer:
                return self.parse_csc_auth_response(await answer.json())

    async def confirm(self, session):
        """A person who confirms what comes to the phone."""
        while True:
            async with session.get(f"{self.origin}/_sandbox/remote/requests") as answer:
                waiting = (await answer.json())["waiting"]
            for row in waiting:
                body = {"reference": row["reference"], "state": "confirmed"}
                async with session.post(f"{self.origin}/phone/decide", json=body, raise_for_status=True):
                    return row

    async def sign(self):
        async with aiohttp.ClientSession() as session:
            credential = remote.make(
                "csc1", remote.HttpClient(f"{self.origin}/remote/csc/v1"), login="token", client_secret=TOKEN
            ).certificates(USER)[0]
            info = csc_signer.CSCServiceSessionInfo(f"{self.origin}/remote", credential.reference, TOKEN)
            known = await csc_signer.fetch_certs_in_csc_credential(session, info)
            signer = csc_signer.CSCSigner(session, self.Manager(session, info, known), batch_size=2)
            *values, shown = await asyncio.gather(
                *(signer.async_sign_raw(one.signed_info, "sha256") for one in self.prepared), self.confirm(session)
            )
            return known, values, shown

    def test_it_signs_two_dossiers_with_one_confirmation(self):
        self.control("settings", {"remote_person": "phone"})
        for algorithms in ("both", "sha256_with_rsa"):
            self.control("settings", {"remote_algorithms": algorithms})
            known, values, shown = asyncio.run(self.sign())
            self.assertEqual(shown["documents"], ["1", "2"])
            self.assertEqual(known.signing_cert.dump(), self.certificate)
            self.assertEqual((known.max_batch_size, known.hash_pinning_required), (10, True))
            self.assert_signed(dict(zip((i.doc_id for i in self.items), values, strict=True)), self.certificate)
        self.assertEqual(self.count_starts(), 2)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestStandIn(StandIn):
    """Our adapters with our stand-in: each dialect, each fault."""

    SERVICES = {
        "vnpt": ("smartca", "/remote/vnpt", {"profile": "vnpt"}),
        "ca2": ("smartca", "/remote/ca2", {"profile": "ca2"}),
        "csc1": ("csc1", "/remote/csc/v1", {"login": "basic"}),
        "csc2": ("csc2", "/remote/csc/v2", {"login": "client"}),
        "viettel": ("csc1", "/remote/viettel/ras/csc/v1", {"login": "viettel"}),
    }
    ASKED = {"vnpt": "remote_poll", "ca2": "remote_poll", "csc2": "remote_poll"}

    def make(self, name):
        adapter, path, settings = self.SERVICES[name]
        client = remote.HttpClient(self.origin + path)
        return remote.make(adapter, client, client_id=CLIENT, client_secret=SECRET, **settings)

    def fault(self, kind, endpoint="remote", **options):
        self.control("faults", {"endpoint": endpoint, "kind": kind, **options})

    def begin(self, name, **faults):
        """Start; (service, certificate, reference, what came of it)."""
        service = self.make(name)
        (certificate,) = service.certificates(USER)
        reference = str(uuid.uuid4())
        for kind, options in faults.items():
            self.fault(kind, **options)
        try:
            found = service.start(reference, USER, certificate.reference, self.items, "BHXH: 2 tờ khai")
        except remote.RemoteError as error:
            found = error
        return service, certificate, reference, found

    def outcome(self, name, **faults):
        """Start and ask once."""
        service, certificate, reference, found = self.begin(name, **faults)
        if isinstance(found, remote.Waiting):
            try:
                found = service.poll(reference, USER, self.items, found.handle)
            except remote.RemoteError as error:
                found = error
        return certificate, found

    def test_each_dialect_signs(self):
        for name in self.SERVICES:
            with self.subTest(name):
                certificate, found = self.outcome(name)
                self.assertEqual(certificate.der, self.certificate)
                self.assert_signed(found.values, self.certificate)

    def test_each_key_algorithm_is_met(self):
        for algorithms in ("rsa", "sha256_with_rsa"):
            self.control("settings", {"remote_algorithms": algorithms})
            for name in ("csc1", "csc2"):
                self.assert_signed(self.outcome(f"{name}")[1].values, self.certificate)

    def test_the_person_refuses_or_does_not_answer(self):
        for person, seconds, code in (("refuse", 300, "refused"), ("phone", 0, "expired")):
            self.control("settings", {"remote_person": person, "remote_seconds": seconds})
            for name in self.SERVICES:
                with self.subTest(name, person=person):
                    _certificate, found = self.outcome(name)
                    self.assertIsInstance(found, remote.ServiceRefused)
                    self.assertEqual(found.code, code)

    def test_waiting_however_it_is_said(self):
        self.control("settings", {"remote_person": "phone"})
        for waiting in ("plain", "left", "code"):
            self.control("settings", {"remote_waiting": waiting})
            for name in self.ASKED:
                with self.subTest(name, waiting=waiting):
                    self.assertIsInstance(self.outcome(name)[1], remote.Waiting)

    def test_polled_by_the_services_own_id(self):
        self.control("settings", {"remote_polled_by": "tran_code"})
        self.assert_signed(self.outcome("vnpt")[1].values, self.certificate)

    def test_refusals_start_nothing(self):
        for kind, code in (
            ("credentials_refused", "service_settings"),
            ("quota", "quota"),
            ("suspended", "certificate_suspended"),
        ):
            for name in self.SERVICES:
                with self.subTest(name, kind=kind):
                    *_others, found = self.begin(name, **{kind: {}})
                    self.assertIsInstance(found, remote.ServiceRefused)
                    self.assertEqual(found.code, code)
                    self.assertEqual(self.count_starts(), 0)

    def test_a_secret_that_is_repeated_stays_out(self):
        for name in self.SERVICES:
            with self.subTest(name):
                *_others, found = self.begin(name, repeats_secret={})
                self.assertIsInstance(found, remote.ServiceRefused)
                for secret in (SECRET, TOKEN, USER):
                    self.assertNotIn(secret, f"{found} {found!r}")

    def test_a_lost_answer_to_the_start_is_asked_about(self):
        """The request is on the phone once, and what the person confirms there is not lost."""
        for kind, options in {
            "close": {},
            "reset": {},
            "html": {},
            "garbage": {},
            "truncated": {},
            "wrong_json": {},
            "huge": {"size": 4 * 2**20},
            "odd": {"members": {"status_code": 500}},
        }.items():
            for name in ("vnpt", "ca2"):
                with self.subTest(name, kind=kind):
                    fault = {"endpoint": "remote_start", "when": "after", **options}
                    service, _certificate, reference, found = self.begin(name, **{kind: fault})
                    self.assertIsInstance(found, remote.Unanswered)
                    done = service.poll(reference, USER, self.items, {})
                    self.assert_signed(done.values, self.certificate)
                    self.assertEqual(self.count_starts(), 1)
                    self.starts += 1

    def test_a_poll_that_fails_loses_nothing(self):
        for kind, options in {
            "close": {},
            "status": {"status": 500},
            "html": {},
            "redirect": {},
            "huge": {"size": 4 * 2**20},
            "other_transaction": {"endpoint": "remote"},
        }.items():
            for name in ("vnpt", "csc2"):
                if (name, kind) == ("csc2", "other_transaction"):
                    continue
                with self.subTest(name, kind=kind):
                    service, _certificate, reference, waiting = self.begin(name)
                    self.fault(kind, **{"endpoint": "remote_poll", **options})
                    with self.assertRaises(remote.Unanswered):
                        service.poll(reference, USER, self.items, waiting.handle)
                    done = service.poll(reference, USER, self.items, waiting.handle)
                    self.assert_signed(done.values, self.certificate)

    def test_false_values_are_none(self):
        """Whatever the service makes of a confirmation, only a true signature of this very dossier passes."""
        kinds = ("wrong_key", "exchanged_certificate", "hashed_twice", "pkcs7", "short_value", "no_base64")
        names = ("wrong_doc_id", "missing_doc_id", "repeated_doc_id", "swapped_values")
        for kind in (*kinds, *names):
            for name in ("vnpt", "ca2", "csc1", "csc2", "viettel"):
                with self.subTest(name, kind=kind):
                    certificate, found = self.outcome(name, **{kind: {}})
                    values = found.values if isinstance(found, remote.Signed) else {}
                    accepted = [number for number in (0, 1) if self.is_accepted(number, values, certificate.der)]
                    # CSC has no names: the order counts, and a list of another length is none.
                    left = {"missing_doc_id": [1], "repeated_doc_id": [1], "no_base64": [1]}
                    left = left if name in ("vnpt", "ca2") else {"wrong_doc_id": [0, 1]}
                    self.assertEqual(accepted, left.get(kind, []))
                    if kind == "exchanged_certificate":
                        type(self).certificate = self.new_certificate()

    def is_accepted(self, number, values, certificate):
        value = values.get(self.items[number].doc_id)
        if value is None:
            return False
        at = x509.load_der_x509_certificate(certificate).not_valid_before_utc
        document, prepared = self.documents[number], self.prepared[number]
        signed = remote.finish(document, prepared.signed_info, value, certificate, at)
        try:
            signature.verify(signed, document, certificate, at=at)
        except signature.SignatureError:
            self.assertFalse(xmlsec1(signed, certificate))
            return False
        return xmlsec1(signed, certificate)

    def test_a_credential_that_wants_a_pin_is_left_alone(self):
        self.control("settings", {"remote_confirmation": "pin"})
        for name in ("csc1", "csc2", "viettel"):
            self.assertFalse(self.make(name).certificates(USER)[0].is_usable)
            self.assertIsInstance(self.begin(name)[-1], remote.ServiceRefused)
        self.assertEqual(self.count_starts(), 0)

    def test_a_person_whom_the_service_does_not_know(self):
        self.assertEqual(self.make("vnpt").certificates("999"), [])
        self.assertEqual(self.make("csc2").certificates("999"), [])
        with self.assertRaises(remote.ServiceRefused):
            self.make("viettel").certificates("999")
