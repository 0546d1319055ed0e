"""What remote signing services may answer, and what never comes of it: `tools.remote` over real connections."""

import base64
import gzip
import itertools
import json
import os
import socket
import tempfile
import traceback
from pathlib import Path
from unittest.mock import patch

import requests
from cryptography.hazmat.primitives.asymmetric import ec
from odoo.tests import BaseCase, tagged

from ..tools import dossier, remote, signature
from ..tools.remote import client as remote_client
from ..tools.remote import csc
from .samples import signing
from .samples.http_server import FaultyServer, close, drip, reply, reset, self_signed, silence
from .test_tools_gateway_answers import BENDS, encoded, with_change
from .test_tools_remote_layout import raw, xmlsec_accepts

SEND = requests.Session.send
REFERENCE = "0b8e0a5e-3f0c-4a63-9d0f-1c2d3e4f5a6b"
OWN_ID = "9a0c6c2e-7a39-4c3e-8f7e-000000000001"
USER = "001099012345"
PASSWORD = "mat-khau-sp-769"
TOKEN = "token.of.the.service-123456"
SAD = "activation.data-of-the-person-42"
CREDENTIAL = "d5b1a6f0-credential"


def b64(content):
    return base64.b64encode(content).decode()


class Script:
    """Answers by the end of the path, the last of each for ever; `calls` is what was asked."""

    def __init__(self, **answers):
        self.calls = []
        self._answers = {name: list(given) if isinstance(given, list) else [given] for name, given in answers.items()}

    def __call__(self, path):
        self.calls.append(path)
        name = next(name for name in self._answers if path.endswith(name.replace("__", "/")))
        left = self._answers[name]
        return left.pop(0) if len(left) > 1 else left[0]


@tagged("post_install_l10n", "post_install", "-at_install")
class RemoteCase(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.certificate = signing.certificate()
        cls.serial = f"{0x5404FFFEB7033FB316D672201B7BA4FE:x}"
        cls.documents = [dossier.build("04", signing.data(contact_name=name)) for name in ("Nguyễn A", "Trần B")]
        cls.prepared = [remote.prepare(document) for document in cls.documents]
        cls.items = [
            remote.Item(f"BHXH-{number}", prepared.digest, "04") for number, prepared in enumerate(cls.prepared)
        ]
        cls.values = {item.doc_id: raw(item.digest) for item in cls.items}
        cls.script = Script()
        cls.server = FaultyServer(lambda connection: cls.script(cls.server.requests[-1].path)(connection))
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)

    def setUp(self):
        super().setUp()
        self.server.requests.clear()

    def play(self, **answers):
        type(self).script = Script(**answers)

    def vnpt(self, profile="vnpt"):
        client = remote.HttpClient(self.server.url)
        return remote.make("smartca", client, profile=profile, client_id="sp", client_secret=PASSWORD)

    def csc(self, version, login="token", secret=TOKEN):
        return remote.make(
            f"csc{version}", remote.HttpClient(self.server.url), login=login, client_id="me", client_secret=secret
        )

    def outcome(self, call):
        try:
            return call()
        except remote.RemoteError as error:
            self.assert_harmless(error)
            return error

    def assert_harmless(self, error):
        """Nothing of an error, its cause or its traceback shows a secret or breaks a line of a log."""
        shown = "".join(traceback.format_exception(error)) + repr(error) + str(error)
        for secret in (PASSWORD, TOKEN, SAD, USER):
            self.assertNotIn(secret, shown)
        self.assertNotRegex(str(error), r"[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
        self.assertLess(len(str(error)), 500)

    def assert_refused(self, found, code):
        self.assertIsInstance(found, remote.ServiceRefused)
        self.assertEqual(found.code, code)

    def signed(self, number, value):
        return remote.finish(
            self.documents[number], self.prepared[number].signed_info, value, self.certificate, signing.NOW
        )

    def is_accepted(self, number, value):
        try:
            signature.verify(self.signed(number, value), self.documents[number], self.certificate, at=signing.NOW)
        except signature.SignatureError:
            return False
        return True


# What the services answer when all is well.


def listed(certificate, serial):
    row = {
        "service_type": "SMARTCA",
        "cert_id": OWN_ID,
        "cert_status": "Đang hoạt động",
        "cert_status_code": "VALID",
        "serial_number": serial,
        "cert_data": b64(certificate)[:70] + "\r\n" + b64(certificate)[70:],
        "chain_data": None,
    }
    return {"status_code": 200, "message": "SUCCESS", "data": {"user_certificates": [row]}}


STARTED = {
    "status_code": 200,
    "message": "sig_wait_for_user_confirm",
    "data": {"transaction_id": REFERENCE, "tran_code": OWN_ID, "expired_in": 300},
}
PENDING = {"status_code": 200, "message": "PENDING", "data": {"transaction_id": REFERENCE, "signatures": None}}


def done(values, **data):
    rows = [
        {"doc_id": name, "signature_value": b64(value), "timestamp_signature": None} for name, value in values.items()
    ]
    return {"status_code": 200, "message": "SUCCESS", "data": {"transaction_id": REFERENCE, "signatures": rows, **data}}


def said(code, message, **more):
    return {"status_code": code, "message": message, "data": None, **more}


def credential(certificate, **changes):
    return {
        "key": {"status": "enabled", "algo": [csc.RSA, csc.SHA256_WITH_RSA], "len": 2048},
        "cert": {"status": "valid", "certificates": [b64(certificate)]},
        "authMode": "implicit",
        "SCAL": "2",
        "multisign": 10,
        **changes,
    }


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSmartCa(RemoteCase):
    def start(self, profile="vnpt"):
        return self.outcome(lambda: self.vnpt(profile).start(REFERENCE, USER, self.serial, self.items, "BHXH: 2"))

    def poll(self, handle=None, profile="vnpt"):
        return self.outcome(lambda: self.vnpt(profile).poll(REFERENCE, USER, self.items, handle or {}))

    def list(self):
        return self.outcome(lambda: self.vnpt().certificates(USER))

    def test_from_the_list_to_a_signature_that_xmlsec_accepts(self):
        self.play(
            get_certificate=reply(200, listed(self.certificate, self.serial)),
            signatures__sign=reply(200, STARTED),
            status=[reply(200, PENDING), reply(200, done(self.values))],
        )
        (found,) = self.list()
        self.assertEqual((found.reference, found.der, found.is_usable), (self.serial, self.certificate, True))
        waiting = self.start()
        self.assertEqual((waiting.handle, waiting.expires_in), ({"tran_code": OWN_ID}, 300))
        self.assertEqual(self.poll(waiting.handle), remote.Waiting(waiting.handle))
        values = self.poll(waiting.handle).values
        for number, item in enumerate(self.items):
            self.assertTrue(self.is_accepted(number, values[item.doc_id]))
            self.assertTrue(xmlsec_accepts(self.signed(number, values[item.doc_id]), self.certificate))

    def test_digests_in_the_encoding_of_each_provider(self):
        self.play(sign=reply(200, STARTED))
        for profile, encode in (("vnpt", bytes.hex), ("ca2", b64)):
            self.start(profile)
            body = json.loads(self.server.requests[-1].body)
            self.assertEqual(
                [one["data_to_be_signed"] for one in body["sign_files"]], [encode(i.digest) for i in self.items]
            )
            self.assertEqual({one["sign_type"] for one in body["sign_files"]}, {"hash"})
            self.assertEqual(body["transaction_id"], REFERENCE)

    def test_the_poll_carries_credentials_only_where_they_are_needed(self):
        self.play(status=reply(200, PENDING))
        self.poll()
        self.assertEqual(json.loads(self.server.requests[-1].body), {})
        self.assertTrue(self.server.requests[-1].path.endswith(f"/v1/signatures/sign/{REFERENCE}/status"))
        self.poll(profile="ca2")
        body = json.loads(self.server.requests[-1].body)
        self.assertEqual((body["sp_password"], body["transaction_id"]), (PASSWORD, REFERENCE))

    def test_refusals_of_a_start(self):
        cases = [
            ((200, said(401, "SP_CREDENTIAL_INVALID")), "service_settings"),
            ((401, said(401, "SP_CREDENTIAL_INVALID")), "service_settings"),
            ((403, said(403, "CREDENTIAL_STATUS_INVALID")), "certificate_suspended"),
            ((200, said(403, "CREDENTIAL_STATUS_INVALID")), "certificate_suspended"),
            ((200, said(400, "SERVICE_PACK_EXEED_OR_INVALID")), "quota"),
            ((400, said(400, "BAD_REQUEST")), "service_failed"),
            ((200, said("400", "BAD_REQUEST")), "service_failed"),
            ((404, None), "service_settings"),
            ((405, said(405, "x")), "service_settings"),
        ]
        for (status, body), code in cases:
            with self.subTest(status=status, body=body):
                self.play(sign=reply(status, body))
                self.assert_refused(self.start(), code)

    def test_a_start_without_a_clear_answer_is_not_taken_for_either(self):
        """A second push could make the person sign twice: what may have arrived is asked about, never sent again."""
        page = b"<html>B\xe1\xba\xa3o tr\xc3\xac</html>"
        for name, answer in {
            "500": reply(500, said(500, "SERVER_INTERNAL_ERROR")),
            "500 in the body": reply(200, said(500, "SERVER_INTERNAL_ERROR")),
            "503": reply(503, None),
            "page": reply(200, raw=page),
            "no status_code": reply(200, {"message": "SUCCESS"}),
            "contradiction": reply(400, said(200, "SUCCESS")),
            "another transaction": reply(200, with_change(STARTED, ("data", "transaction_id"), OWN_ID)),
            "close": close,
            "reset": reset,
        }.items():
            with self.subTest(name):
                self.play(sign=answer)
                self.assertIsInstance(self.start(), remote.Unanswered)
                self.assertEqual(len(self.script.calls), 1)

    def test_a_start_that_certainly_did_not_arrive(self):
        self.play(sign=reply(429, said(429, "slow down"), headers={"Retry-After": "7"}))
        found = self.start()
        self.assertIsInstance(found, remote.NotSent)
        self.assertEqual(found.retry_after, 7)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        client = remote.HttpClient(f"http://127.0.0.1:{port}")
        nobody = remote.make("smartca", client, profile="vnpt", client_id="sp", client_secret=PASSWORD)
        found = self.outcome(lambda: nobody.start(REFERENCE, USER, self.serial, self.items, ""))
        self.assertIsInstance(found, remote.NotSent)

    def test_ends_of_a_poll(self):
        for (status, body), code in [
            ((200, said(400, "REJECTED")), "refused"),
            ((400, said(400, "user_rejected")), "refused"),
            ((200, said(200, "CANCELLED")), "refused"),
            ((200, said(400, "EXPIRED")), "expired"),
            ((200, said(200, "TIMEOUT")), "expired"),
            ((200, said(401, "SP_CREDENTIAL_INVALID")), "service_settings"),
            ((200, said(403, "CREDENTIAL_STATUS_INVALID")), "certificate_suspended"),
        ]:
            with self.subTest(status=status, body=body):
                self.play(status=reply(status, body))
                self.assert_refused(self.poll(), code)

    def test_a_poll_that_says_nothing_ends_nothing(self):
        """What a proxy or a server in trouble says is no decision of the person's, whatever words are in it."""
        page = b"<html>404 NOT FOUND: REJECTED</html>"
        for name, answer in {
            "page": reply(200, raw=page),
            "page 404": reply(404, raw=page),
            "page 403": reply(403, raw=page),
            "page 401": reply(401, raw=page),
            "redirect": reply(302, raw=b"", headers={"Location": "http://127.0.0.1:9/"}),
            "gateway time-out": reply(504, said(504, "GATEWAY TIMEOUT")),
            "request time-out": reply(408, said(408, "REQUEST TIMEOUT")),
            "500 in the body": reply(200, said(500, "EXPIRED cache")),
            "429": reply(429, said(429, "x")),
            "another transaction": reply(200, done(self.values, transaction_id=OWN_ID)),
            "another's refusal": reply(200, said(400, "REJECTED", data={"transaction_id": OWN_ID})),
            "close": close,
        }.items():
            with self.subTest(name):
                self.play(status=answer)
                self.assertIsInstance(self.poll(), remote.Unanswered)

    def test_waiting_in_every_form(self):
        empty = {"doc_id": "BHXH-0", "signature_value": ""}
        for body, profile in (
            (PENDING, "vnpt"),
            ({"status_code": 200, "message": "x", "data": None}, "vnpt"),
            ({"status_code": 200, "message": "x", "data": {"expired_in": 200}}, "vnpt"),
            ({"status_code": 200, "message": "x", "data": {"signatures": [empty]}}, "ca2"),
            ({"status_code": 1001, "message": "chờ"}, "ca2"),
            ({"status_code": 102, "message": "đang xử lý"}, "ca2"),
        ):
            with self.subTest(body):
                self.play(status=reply(200, body))
                self.assertEqual(self.poll(profile=profile), remote.Waiting({}))

    def test_the_services_own_id_is_tried_once_and_remembered(self):
        self.play(status=[reply(404, said(404, "TRANSACTION_NOT_FOUND")), reply(200, PENDING)])
        waiting = self.poll({"tran_code": OWN_ID})
        self.assertEqual(waiting.handle, {"tran_code": OWN_ID, "by": OWN_ID})
        self.assertEqual([path.split("/")[-2] for path in self.script.calls], [REFERENCE, OWN_ID])
        self.play(status=reply(404, said(404, "TRANSACTION_NOT_FOUND")))
        self.assertIsInstance(self.poll(waiting.handle), remote.NotKnown)
        self.assertEqual([path.split("/")[-2] for path in self.script.calls], [OWN_ID])

    def test_an_id_of_the_service_leads_to_no_other_path(self):
        for bad in ("../../admin", "a/b", "a?x=1", "a#b", "%2e%2e", "a b", "ễ", "x" * 600, "a\r\nHost: b"):
            self.play(
                signatures__sign=reply(200, with_change(STARTED, ("data", "tran_code"), bad)),
                status=reply(404, said(404, "NOT_FOUND")),
            )
            handle = self.start().handle
            self.assertIsInstance(self.poll(handle), remote.NotKnown)
            self.assertEqual({path.split("/")[-2] for path in self.script.calls[1:]}, {REFERENCE})

    def test_doc_ids_swapped_repeated_missing_or_foreign(self):
        first, second = self.items
        swapped = {first.doc_id: self.values[second.doc_id], second.doc_id: self.values[first.doc_id]}
        self.play(status=reply(200, done(swapped)))
        found = self.poll().values
        self.assertFalse(any(self.is_accepted(number, found[item.doc_id]) for number, item in enumerate(self.items)))

        body = done(self.values)
        body["data"]["signatures"] += done({first.doc_id: b"x" * 256})["data"]["signatures"]
        self.play(status=reply(200, body))
        self.assertEqual(self.poll().values, {second.doc_id: self.values[second.doc_id]})

        body = done(self.values)
        body["data"]["signatures"] *= 3
        self.play(status=reply(200, body))
        self.assertEqual(self.poll().values, self.values)

        self.play(status=reply(200, done({first.doc_id: self.values[first.doc_id], "other": b"x" * 256})))
        self.assertEqual(self.poll().values, {first.doc_id: self.values[first.doc_id]})

        self.play(status=reply(200, done({"other": b"x" * 256})))
        self.assertEqual(self.poll().values, {})

    def test_each_member_of_a_list_bent_in_each_way(self):
        good = listed(self.certificate, self.serial)
        self.bend(good, lambda: self.list(), "get_certificate", lambda found: isinstance(found, list))

    def test_each_member_of_a_start_bent_in_each_way(self):
        self.bend(STARTED, self.start, "sign", lambda found: isinstance(found, remote.Waiting))

    def test_each_member_of_a_poll_bent_in_each_way(self):
        def is_fit(found):
            if isinstance(found, remote.Signed):
                return all(name in self.values and isinstance(value, bytes) for name, value in found.values.items())
            return isinstance(found, remote.Waiting)

        self.bend(done(self.values), self.poll, "status", is_fit)
        self.bend(PENDING, self.poll, "status", is_fit)

    def bend(self, good, call, path, is_fit):
        """Whatever a member is: an answer of the agreed kinds, which can be stored, or an agreed error."""
        for at in paths(good):
            for name, value in BENDS.items():
                with self.subTest(at, bend=name):
                    self.play(**{path: reply(200, raw=encoded(with_change(good, at, value)))})
                    found = call()
                    self.assertTrue(is_fit(found) or isinstance(found, remote.RemoteError), found)
                    if isinstance(found, remote.Waiting):
                        self.assertLess(len(json.dumps(dict(found.handle))), 2000)
                        self.assertNotIn("\\u0000", json.dumps(dict(found.handle)))
                        self.assertTrue(found.expires_in is None or 0 < found.expires_in <= 3600)
        for content in (b"", b"null", b"[]", b"7", b'"x"', b"{}", b'{"data": []}', b"\xff\xfe{}", b"[" * 100_000):
            with self.subTest(content[:20]):
                self.play(**{path: reply(200, raw=content)})
                found = call()
                self.assertIsInstance(found, remote.Unanswered)

    def test_foreign_and_unusable_certificates_are_left_out(self):
        other = signing.certificate("other", serial=77)
        authority = signing.certificate(
            extensions=(signing.x509.BasicConstraints(ca=True, path_length=None),), serial=78
        )
        curve = signing.certificate(public_key=ec.generate_private_key(ec.SECP256R1()).public_key(), serial=79)
        rows = [
            listed(der, serial)["data"]["user_certificates"][0]
            for der, serial in (
                (other, self.serial),  # a certificate under the serial number of another one
                (authority, "4e"),
                (curve, "4f"),
                (b"x" * 70_000, "50"),
                (self.certificate, "00" + self.serial.upper()),
                (self.certificate, self.serial + "0"),
                *((der, "51") for der in signing.odd_certificates()),
            )
        ]
        self.play(get_certificate=reply(200, said(200, "SUCCESS", data={"user_certificates": rows})))
        self.assertEqual([found.reference for found in self.list()], ["00" + self.serial.upper()])
        rows = [rows[4]] * 5000
        self.play(get_certificate=reply(200, raw=gzip.compress(b" "), headers={"Content-Encoding": "gzip"}))
        self.assertIsInstance(self.list(), remote.Unanswered)

    def test_a_suspended_certificate_is_listed_as_such(self):
        body = with_change(
            listed(self.certificate, self.serial), ("data", "user_certificates", 0, "cert_status_code"), "SUSPENDED"
        )
        self.play(get_certificate=reply(200, body))
        self.assertFalse(self.list()[0].is_usable)


def paths(body, so_far=()):
    """The path of each member, however deep."""
    members = body.items() if isinstance(body, dict) else enumerate(body)
    for key, value in members:
        if not isinstance(key, int):
            yield (*so_far, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*so_far, key))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestCsc(RemoteCase):
    def well(self, **changes):
        """Answers of a service with which all is well."""
        return {
            "credentials__list": reply(200, {"credentialIDs": [CREDENTIAL]}),
            "credentials__info": reply(200, credential(self.certificate)),
            "credentials__authorize": reply(200, {"SAD": SAD, "expiresIn": 3600}),
            "authorizeCheck": reply(200, {"SAD": SAD}),
            "signHash": reply(200, {"signatures": [b64(value) + "\r\n" for value in self.values.values()]}),
            "auth__login": reply(200, {"access_token": TOKEN}),
            "oauth2__token": reply(200, {"access_token": TOKEN}),
            "v1__login": reply(200, {"access_token": TOKEN, "expires_in": "3600"}),
            **changes,
        }

    def start(self, version=1, **options):
        service = self.csc(version, **options)
        return self.outcome(lambda: service.start(REFERENCE, USER, CREDENTIAL, self.items, "BHXH: 2"))

    def poll(self, handle):
        return self.outcome(lambda: self.csc(2).poll(REFERENCE, USER, self.items, handle))

    HANDLE = {"handle": "h-1", "certificate": CREDENTIAL, "algorithm": csc.SHA256_WITH_RSA}

    def test_version_1_from_the_list_to_a_signature_that_xmlsec_accepts(self):
        self.play(**self.well())
        (found,) = self.csc(1).certificates(USER)
        self.assertEqual((found.reference, found.der, found.digest_limit), (CREDENTIAL, self.certificate, 10))
        values = self.start().values
        for number, item in enumerate(self.items):
            self.assertTrue(xmlsec_accepts(self.signed(number, values[item.doc_id]), self.certificate))
        sent = json.loads(self.server.requests[-1].body)
        self.assertEqual((sent["SAD"], sent["signAlgo"]), (SAD, csc.SHA256_WITH_RSA))

    def test_version_2_waits_with_a_handle(self):
        self.play(
            **self.well(
                credentials__authorize=reply(202, {"handle": "h-1", "expiresIn": "300"}),
                authorizeCheck=[
                    reply(202, {"handle": "h-1"}),
                    reply(
                        400, {"error": "x", "error_description": "Previous asynchronous request is still processing"}
                    ),
                    reply(200, {"SAD": SAD}),
                ],
            )
        )
        waiting = self.start(2)
        self.assertEqual((waiting.handle, waiting.expires_in), (self.HANDLE, 300))
        self.assertNotIn(SAD, json.dumps(dict(waiting.handle)))
        self.assertEqual(self.poll(waiting.handle), remote.Waiting(self.HANDLE))
        self.assertEqual(self.poll(waiting.handle), remote.Waiting(self.HANDLE))
        self.assertEqual(self.poll(waiting.handle).values, self.values)

    def test_logins(self):
        for login, header in (
            ("token", f"Bearer {TOKEN}"),
            ("basic", f"Bearer {TOKEN}"),
            ("client", f"Bearer {TOKEN}"),
            ("viettel", f"Bearer {TOKEN}"),
        ):
            with self.subTest(login):
                self.server.requests.clear()
                self.play(**self.well())
                self.csc(1, login, TOKEN if login == "token" else PASSWORD).certificates(USER)
                self.assertEqual(self.server.requests[-1].headers["authorization"], header)
        login = self.server.requests[0]
        self.assertEqual(login.path, "/v1/login")
        self.assertEqual(json.loads(login.body)["user_id"], USER)
        self.play(**self.well())
        self.server.requests.clear()
        self.csc(1, "client", PASSWORD).certificates(USER)
        # RFC 6749, section 4.4.2
        self.assertEqual(self.server.requests[0].headers["content-type"], "application/x-www-form-urlencoded")
        self.assertIn(b"grant_type=client_credentials", self.server.requests[0].body)

    def test_a_login_that_fails_starts_nothing(self):
        for answer, kind in (
            (reply(500, {}), remote.NotSent),
            (reply(200, {"access_token": "a\r\nX: y"}), remote.NotSent),
            (reply(200, {"access_token": ["x"]}), remote.NotSent),
            (close, remote.NotSent),
            (reply(401, {"error": "invalid_client", "error_description": PASSWORD}), remote.ServiceRefused),
        ):
            self.play(**self.well(oauth2__token=answer))
            self.assertIsInstance(self.start(login="client", secret=PASSWORD), kind)
            self.assertEqual(len(self.script.calls), 1)

    def test_refusals(self):
        for version, path in ((1, "credentials__authorize"), (2, "credentials__authorize")):
            for body, code in (
                ({"error": "access_denied"}, "refused"),
                ({"error": "invalid_request", "error_description": "Credential is disabled"}, "certificate_suspended"),
                ({"error": "invalid_request", "error_description": "x"}, "service_failed"),
                ({"error": "4005"}, "quota"),
                ({"error": 4001}, "expired"),
                ({"error": "invalid_token"}, "service_settings"),
            ):
                with self.subTest(version=version, body=body):
                    self.play(**self.well(**{path: reply(400, body)}))
                    self.assert_refused(self.start(version), code)

    def test_a_lost_answer_is_not_a_refusal(self):
        for version in (1, 2):
            for answer in (close, reply(500, {}), reply(200, raw=b"<html>"), reply(200, {}), reply(202, {"handle": 7})):
                self.play(**self.well(credentials__authorize=answer))
                self.assertIsInstance(self.start(version), remote.Unanswered)
                self.assertEqual(self.script.calls.count("/ivan/v1/credentials/authorize"), 1)
        for answer in (
            close,
            reply(503, {}),
            reply(404, raw=b"<html>"),
            reply(403, raw=b"<html>"),
            reply(302, raw=b""),
        ):
            self.play(**self.well(authorizeCheck=answer))
            self.assertIsInstance(self.poll(self.HANDLE), remote.Unanswered)
            self.play(**self.well(signHash=answer))
            self.assertIsInstance(self.poll(self.HANDLE), remote.Unanswered)
            # The same digests under the same activation data: nobody is asked a second time.
            self.play(**self.well())
            self.assertEqual(self.poll(self.HANDLE).values, self.values)

    def start_cut(self, version, times):
        """Start, and have no connection when what the person confirmed is to be signed, so many times."""
        self.play(**self.well())
        service, left = self.csc(version), iter(range(times))
        post = service._client.post

        def cut(path, *args, **kwargs):
            if path == "signatures/signHash" and next(left, None) is not None:
                raise remote.NotSent("no connection")
            return post(path, *args, **kwargs)

        with patch.object(service._client, "post", cut):
            return self.outcome(lambda: service.start(REFERENCE, USER, CREDENTIAL, self.items, "BHXH: 2"))

    def test_sc_no_connection_after_the_person_confirmed_is_not_called_unsent(self):
        for version in (1, 2):
            self.assertIsInstance(self.start_cut(version, 9), remote.Unanswered)

    def test_sc_what_the_person_confirmed_is_signed_at_the_second_try(self):
        for version in (1, 2):
            self.assertEqual(self.start_cut(version, 1).values, self.values)

    def test_what_cannot_be_asked_about(self):
        self.assert_refused(self.outcome(lambda: self.csc(1).poll(REFERENCE, USER, self.items, {})), "lost")
        for handle in ({}, {"handle": "h"}, {"certificate": "c"}):
            self.assert_refused(self.poll(handle), "lost")
        self.play(**self.well(authorizeCheck=reply(404, {"error": "invalid_request"})))
        self.assertIsInstance(self.poll(self.HANDLE), remote.NotKnown)

    def test_nobody_is_asked_for_what_cannot_be_signed(self):
        for changes, code in (
            ({"authMode": "explicit"}, "service_failed"),
            ({"authMode": "oauth2code"}, "service_failed"),
            ({"authMode": None, "auth": {"mode": "explicit"}}, "service_failed"),
            ({"PIN": {"presence": "true"}}, "service_failed"),
            ({"OTP": {"presence": True}}, "service_failed"),
            ({"multisign": 1}, "service_failed"),
            ({"multisign": "1"}, "service_failed"),
            ({"key": {"status": "disabled"}}, "certificate_suspended"),
            ({"cert": {"status": "revoked"}}, "certificate_suspended"),
        ):
            for version in (1, 2):
                with self.subTest(changes, version=version):
                    self.play(**self.well(credentials__info=reply(200, credential(self.certificate, **changes))))
                    self.assert_refused(self.start(version), code)
                    self.assertNotIn("/ivan/v1/credentials/authorize", self.script.calls)

    def test_the_wrong_number_of_signatures_is_none(self):
        values = [b64(value) for value in self.values.values()]
        for given in ([], values[:1], values * 2, "x", None, {"a": 1}):
            self.play(**self.well(signHash=reply(200, {"signatures": given})))
            self.assert_refused(self.start(), "service_failed")
        self.play(**self.well(signHash=reply(200, {"signatures": [values[0], 7]})))
        self.assertEqual(list(self.start().values), ["BHXH-0"])
        self.play(**self.well(signHash=reply(200, {"signatures": values[::-1]})))
        found = self.start().values
        self.assertFalse(any(self.is_accepted(number, found[item.doc_id]) for number, item in enumerate(self.items)))

    def test_each_member_bent_in_each_way(self):
        good = {
            "credentials__list": {"credentialIDs": [CREDENTIAL], "nextPageToken": "x"},
            "credentials__info": credential(self.certificate, PIN={"presence": "false"}),
            "credentials__authorize": {"SAD": SAD, "expiresIn": 3600, "handle": "h-1"},
            "authorizeCheck": {"SAD": SAD, "expiresIn": 3600},
            "signHash": {"signatures": [b64(value) for value in self.values.values()]},
            "auth__login": {"access_token": TOKEN, "expires_in": 3600},
        }
        calls = (
            lambda: self.csc(1, "basic", PASSWORD).certificates(USER),
            lambda: self.start(1, login="basic", secret=PASSWORD),
            lambda: self.start(2, login="basic", secret=PASSWORD),
            lambda: self.poll(self.HANDLE),
        )
        for path, body in good.items():
            for at, (name, value), call in itertools.product(paths(body), BENDS.items(), calls):
                with self.subTest(path, at=at, bend=name):
                    self.play(**self.well(**{path: reply(200, raw=encoded(with_change(body, at, value)))}))
                    found = self.outcome(call)
                    self.assertIsInstance(found, list | remote.Signed | remote.Waiting | remote.RemoteError)
                    if isinstance(found, remote.Signed):
                        self.assertLessEqual(found.values.keys(), self.values.keys())

    def test_a_chain_in_any_order_gives_its_holder(self):
        authority = signing.certificate("ca", extensions=(signing.x509.BasicConstraints(ca=True, path_length=None),))
        chain = {"status": "valid", "certificates": [b64(authority), 7, "x", b64(self.certificate)]}
        self.play(**self.well(credentials__info=reply(200, credential(self.certificate, cert=chain))))
        self.assertEqual([found.der for found in self.csc(1).certificates(USER)], [self.certificate])

    def test_a_service_without_certificate_details(self):
        """certomancer-csc-dummy answers 501 when it is asked for them, another server gives no certificate without."""
        self.play(**self.well(credentials__info=[reply(501, raw=b"no"), reply(200, credential(self.certificate))]))
        self.assertEqual(len(self.csc(1).certificates(USER)), 1)
        asked = [json.loads(one.body)["certInfo"] for one in self.server.requests if one.path.endswith("info")]
        self.assertEqual(asked, [True, False])

    def test_a_long_list_takes_bounded_time_and_calls(self):
        self.play(**self.well(credentials__list=reply(200, {"credentialIDs": [f"c{n}" for n in range(5000)]})))
        self.assertEqual(len(self.csc(1).certificates(USER)), csc.MAX_CREDENTIALS)
        self.assertEqual(len(self.script.calls), csc.MAX_CREDENTIALS + 1)
        self.play(**self.well(credentials__info=silence))
        with patch.object(csc, "LIST_SECONDS", 0.05), patch.object(remote_client, "CONNECT_SECONDS", 0.2):
            self.assertIsInstance(self.outcome(lambda: self.csc(1).certificates(USER)), remote.Unanswered)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSignatures(RemoteCase):
    """A hostile service makes no signature pass that is not this document's by this certificate."""

    def test_only_the_right_signature_passes(self):
        digest = self.prepared[0].digest
        key, padding, hashes = signing.key(), signing.padding, signing.hashes
        block = hashes.SHA256()
        good = raw(digest)
        self.assertTrue(self.is_accepted(0, good))
        for name, value in {
            "other key": raw(digest, "other"),
            "other document": raw(self.prepared[1].digest),
            "content's digest, not SignedInfo's": raw(remote.digest_of(self.documents[0])),
            "hashed twice": key.sign(digest, padding.PKCS1v15(), block),
            "PSS": key.sign(self.prepared[0].signed_info, padding.PSS(padding.MGF1(block), 32), block),
            "SHA-512": key.sign(self.prepared[0].signed_info, padding.PKCS1v15(), hashes.SHA512()),
            "PKCS#7 around it": b"\x30\x82\x01\x04\x04\x82\x01\x00" + good,
            "255 bytes": good[:-1],
            "a zero before": b"\0" + good,
            "a byte after": good + b"\0",
            "zeros": bytes(256),
            "one": bytes(255) + b"\1",
            "digest itself": digest,
            "nothing": b"",
            "long": good * 4,
        }.items():
            with self.subTest(name):
                self.assertFalse(self.is_accepted(0, value))
                self.assertFalse(xmlsec_accepts(self.signed(0, value), self.certificate))

    def test_another_certificate_does_not_pass(self):
        other = signing.certificate("other")
        document, prepared = self.documents[0], self.prepared[0]
        signed = remote.finish(document, prepared.signed_info, raw(prepared.digest, "other"), other, signing.NOW)
        with self.assertRaises(signature.SignatureError):
            signature.verify(signed, document, self.certificate, at=signing.NOW)
        # The other's certificate beside a signature of ours, and a renewed certificate of the same key.
        renewed = signing.certificate(serial=99)
        for wrong in (other, renewed):
            signed = remote.finish(document, prepared.signed_info, raw(prepared.digest), wrong, signing.NOW)
            with self.assertRaises(signature.SignatureError):
                signature.verify(signed, document, self.certificate, at=signing.NOW)

    def test_other_signed_info_does_not_pass(self):
        document, prepared = self.documents[0], self.prepared[0]
        for other in (
            self.prepared[1].signed_info,
            prepared.signed_info.replace(b'URI=""', b'URI="#proid"'),
            prepared.signed_info.replace(b"xmldsig#enveloped-signature", b"xmldsig#base64"),
        ):
            value = raw(remote.digest_of(other))
            signed = remote.finish(document, other, value, self.certificate, signing.NOW)
            with self.assertRaises(signature.SignatureError):
                signature.verify(signed, document, self.certificate, at=signing.NOW)

    def test_documents_without_a_place_for_a_signature(self):
        document = self.documents[0]
        for wrong in (
            b"",
            b"<a/>",
            document.replace(b"<CKy_Dvi/>", b""),
            document.replace(b"<CKy_Dvi/>", b"<CKy_Dvi>x</CKy_Dvi>"),
            self.signed(0, self.values["BHXH-0"]),
            b'<!DOCTYPE a [<!ENTITY x "y">]>' + document,
        ):
            with self.assertRaises(remote.LayoutError):
                remote.prepare(wrong)
            with self.assertRaises(remote.LayoutError):
                remote.finish(wrong, self.prepared[0].signed_info, b"x", self.certificate, signing.NOW)
        curve = signing.certificate(public_key=ec.generate_private_key(ec.SECP256R1()).public_key())
        with self.assertRaises(remote.LayoutError):
            remote.finish(document, self.prepared[0].signed_info, b"x", curve, signing.NOW)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestClient(RemoteCase):
    @classmethod
    def _request_handler(cls, s, r, /, **kw):
        """Odoo's tests stop calls of other hosts before the client does, whose own refusal is what is tested here.

        A call with a proxy or an address that is allowed leads to a server of the test on this computer.
        """
        return SEND(s, r, **kw)

    def post(self, base=None, seconds=5.0, **options):
        client = remote.HttpClient(base or self.server.url, **options)
        secrets = (PASSWORD, USER)
        return self.outcome(lambda: client.post("call", {"sp_password": PASSWORD}, seconds=seconds, secrets=secrets))

    def test_redirects_are_not_followed(self):
        with FaultyServer(reply(200, {})) as elsewhere:
            for status in (301, 302, 303, 307, 308):
                self.play(call=reply(status, raw=b"", headers={"Location": elsewhere.url}))
                self.assertEqual(self.post().status, status)
                self.play(sign=reply(status, raw=b"", headers={"Location": elsewhere.url}))
                found = self.outcome(lambda: self.vnpt().start(REFERENCE, USER, self.serial, self.items, ""))
                self.assert_refused(found, "service_settings")
            self.assertEqual(elsewhere.requests, [])

    def test_addresses_that_passwords_are_not_sent_to(self):
        for base in (
            "http://rm.example",
            "ftp://127.0.0.1",
            "file:///etc/passwd",
            "https://user:secret@rm.example",
            "https://rm.example/?x",
            "https://rm.example/#x",
            "https://",
            "https://[::1",
            "rm.example",
            "",
        ):
            with self.subTest(base):
                self.assert_refused(self.post(base or " "), "service_settings")

    def test_only_addresses_of_the_internet_are_connected_to(self):
        """The server itself and its neighbours in every spelling, and a name that leads there."""
        port = self.server.url.split(":")[2].split("/")[0]
        for host in (
            "127.0.0.1.nip", "2130706433", "127.1", "0x7f.1", "0.0.0.0", "[::ffff:127.0.0.1]", "10.0.0.1",
            "169.254.169.254", "192.168.1.1", "[fe80::1]", "[fd00::1]", "100.64.0.1",
        ):  # fmt: skip
            with self.subTest(host), patch.object(socket, "getaddrinfo", resolving({"127.0.0.1.nip": "127.0.0.1"})):
                self.assert_refused(self.post(f"https://{host}:{port}"), "service_settings")
        self.assertEqual(self.server.requests, [])

    def test_an_address_of_this_computer_leads_to_this_computer_only(self):
        with patch.object(socket, "getaddrinfo", resolving({"localhost": "10.0.0.1"})):
            self.assert_refused(self.post("http://localhost:9"), "service_settings")

    def test_the_address_that_was_judged_is_the_one_that_is_called(self):
        """A name that leads elsewhere when it is asked for a second time has no second time."""
        asked = []

        def rebinding(host, *args, **kwargs):
            asked.append(host)
            return resolve("127.0.0.1" if len(asked) == 1 else "127.0.0.2", *args, **kwargs)

        resolve = socket.getaddrinfo
        self.play(call=reply(200, {"a": 1}))
        with patch.object(socket, "getaddrinfo", rebinding):
            self.assertEqual(self.post(is_allowed=lambda address: address == "127.0.0.1").body, {"a": 1})
        self.assertEqual(len(asked), 1)

    def test_through_a_proxy(self):
        """The proxy connects, but is not asked for what leads to this machine either; no password reaches it."""
        with FaultyServer(reply(502, raw=b"")) as proxy:
            address = proxy.url.removesuffix("/ivan/v1")
            with patch.dict(os.environ, {"https_proxy": address, "no_proxy": ""}):
                self.assert_refused(self.post("https://10.0.0.1"), "service_settings")
                self.assertEqual(proxy.requests, [])
                with patch.object(socket, "getaddrinfo", resolving({"rm.example": "203.0.114.7"})):
                    self.assertIsInstance(self.post("https://rm.example"), remote.NotSent)
        (request,) = proxy.requests
        self.assertEqual((request.method, request.path), ("CONNECT", "rm.example:443"))
        self.assertNotIn(PASSWORD, repr(proxy.requests))

    def test_a_certificate_that_nobody_trusts_gets_no_password(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "tls.pem"
            path.write_bytes(self_signed())
            with FaultyServer(reply(200, {}), certificate=str(path)) as server:
                self.assert_refused(self.post(server.url), "service_settings")
                self.assertEqual(server.requests, [])

    def test_a_password_of_netrc_replaces_nothing(self):
        self.play(call=reply(200, {}))
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "netrc"
            path.write_text("default login a password b\n", encoding="utf-8")
            path.chmod(0o600)
            with patch.dict(os.environ, {"NETRC": str(path)}):
                client = remote.HttpClient(
                    self.server.url.replace("127.0.0.1", "localhost"), is_allowed=lambda _address: True
                )
                client.post("call", {}, {"Authorization": f"Bearer {TOKEN}"})
        self.assertEqual(self.server.requests[-1].headers["authorization"], f"Bearer {TOKEN}")

    def test_huge_slow_and_broken_answers(self):
        huge = b'{"a": "' + b"x" * (remote_client.MAX_BYTES + 1) + b'"}'
        for name, answer in {
            "huge": reply(200, raw=huge),
            "packed bomb": reply(200, raw=gzip.compress(huge), headers={"Content-Encoding": "gzip"}),
            "cut": reply(200, raw=b"{}", headers={"Content-Length": "50"}),
            "close": close,
            "reset": reset,
        }.items():
            with self.subTest(name):
                self.play(call=answer)
                self.assertIsInstance(self.post(), remote.Unanswered)
        for answer in (drip, silence):
            self.play(call=answer)
            with patch.object(remote_client, "CONNECT_SECONDS", 0.2):
                self.assertIsInstance(self.post(seconds=0.3), remote.Unanswered)

    def test_bodies_that_are_no_json_of_ours(self):
        for body in (
            b"",
            b"<html>",
            b"[" * 200_000,
            b"NaN",
            b"Infinity",
            b"1e999",
            b"9" * 500_000,
            b"0." + b"1" * 99,
            b"\xff",
        ):
            self.play(call=reply(200, raw=body))
            self.assertIsNone(self.post().body, body[:20])
        self.play(call=reply(200, raw=b'\xef\xbb\xbf{"a": 1.5}'))
        self.assertEqual(self.post().body, {"a": 1.5})

    def test_secrets_that_a_service_repeats_reach_no_log(self):
        """Whole, in part or in other letters, in whatever member of whatever answer."""
        for shown in (PASSWORD, PASSWORD.upper(), PASSWORD[3:], USER, f"x\n{PASSWORD}\n"):
            message = f"bad password {shown}\nERROR fake line \u202e \x1b[31m"
            self.play(
                sign=reply(400, said(400, message)),
                status=reply(400, said(400, message + "REJECTED")),
                get_certificate=reply(401, said(401, message)),
                credentials__info=reply(400, {"error": message, "error_description": TOKEN}),
            )
            for call in (
                lambda: self.vnpt().start(REFERENCE, USER, self.serial, self.items, ""),
                lambda: self.vnpt("ca2").poll(REFERENCE, USER, self.items, {}),
                lambda: self.vnpt().certificates(USER),
                lambda: self.csc(1).start(REFERENCE, USER, CREDENTIAL, self.items, ""),
            ):
                found = self.outcome(call)
                self.assertIsInstance(found, remote.RemoteError)
                self.assertNotIn(shown[:6].casefold(), str(found).casefold())
        self.play(sign=reply(400, said(400, "BAD_REQUEST: số CCCD")))
        found = self.outcome(lambda: self.vnpt().start(REFERENCE, USER, self.serial, self.items, ""))
        self.assertEqual(str(found), "service_failed: HTTP 400 BAD_REQUEST: số CCCD")

    def test_representations_show_no_secret(self):
        shown = repr(
            [
                self.vnpt(),
                self.csc(2),
                remote.HttpClient(self.server.url),
                remote.Signed({"a": SAD.encode()}),
                remote.RemoteCertificate("a", SAD.encode()),
                remote_client.Answer(200, {"access_token": TOKEN}, None, (PASSWORD,)),
            ]
        )
        for secret in (PASSWORD, TOKEN, SAD):
            self.assertNotIn(secret, shown)
        for wrong in ({"profile": "x"}, {"unknown": PASSWORD}):
            with self.assertRaises(remote.RemoteError) as caught:
                remote.make("smartca", None, client_id="a", client_secret=PASSWORD, **wrong)
            self.assert_harmless(caught.exception)


def resolving(names):
    """A look-up of names that knows these; addresses in all their spellings lead where they lead."""
    resolve = socket.getaddrinfo
    return lambda host, *args, **kwargs: resolve(names.get(host, host), *args, **kwargs)
