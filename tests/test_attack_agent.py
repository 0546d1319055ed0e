"""Attacks on the agent's API: foreign keys, guessed codes, and whatever JSON can say."""

import base64
import json

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from odoo import fields
from odoo.http import Request
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..wizards.l10n_vn_ibhxh_agent_pairing import ALPHABET, CODE_LENGTH
from .agent_calls import PREFIX, AgentCalls
from .samples import signing

ROUTES = (
    *("pair", "heartbeat", "requests/claim", "requests/signed"),
    *("release", "release/installer"),
    *("requests/1/renew", "requests/1/signed", "requests/1/failed", "key"),
)
# The same examples in every run: what was found by chance belongs into an @example, and not into a run of CI.
FUZZ = {"deadline": None, "derandomize": True, "database": None, "suppress_health_check": list(HealthCheck)}
ANSWERS = {200, 400, 401, 403, 404, 409, 413, 415, 422, 429}

TEXT = st.text(max_size=40) | st.sampled_from(["\x00", "\ud800", "²", "٣", "'; --", "../..", "0" * 70, "==", "YQ=="])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    "certificates",
    "tokens",
    "version",
    "fingerprints",
    "limit",
    "resume",
    "document",
    "signed",
    "code",
    "message",
    "name",
    "diagnosis",
    "platform",
    "kind",
)
TOKENS = st.lists(
    st.dictionaries(st.sampled_from(["label", "serial", "pin_flags", "x"]), TEXT | st.lists(TEXT, max_size=3)),
    max_size=3,
)
BODIES = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=5) | st.fixed_dictionaries({"tokens": TOKENS})


class AttackCase(AgentCalls):
    def _pair(self, user=None):
        answer = self._call("pair", {"code": self._code(user), "name": "PC"}).json()
        return {"key": answer["key"], "agent": answer["agent"]}

    def _agent(self, credentials):
        return self.env["l10n_vn_ibhxh.agent"].search([("device", "=", credentials["agent"])])

    def _waiting_request(self, credentials):
        """Return the id of a request that the computer of these credentials may sign."""
        self._call("heartbeat", {"certificates": [base64.b64encode(self.der).decode()]}, **credentials)
        return self._register().sudo().signing_request_id.id


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAttackKeys(AttackCase):
    def _colleague(self):
        """A user of the same company, whose computer reported nothing."""
        return self._new_user("colleague", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.company)

    def test_key_and_computer_of_two_people_do_not_mix(self):
        mine, theirs = self._pair(), self._pair(self._colleague())
        answer = self._call("heartbeat", key=theirs["key"], agent=mine["agent"])
        self.assertEqual((answer.status_code, answer.json()["error"]), (403, "wrong_device"))

    def test_two_computers_of_one_person_do_not_mix(self):
        office, home = self._pair(), self._pair()
        answer = self._call("heartbeat", key=home["key"], agent=office["agent"])
        self.assertEqual((answer.status_code, answer.json()["error"]), (403, "wrong_device"))

    def test_an_expired_key_opens_nothing(self):
        credentials = self._pair()
        self.env.cr.execute(
            "UPDATE res_users_apikeys SET expiration_date = now() at time zone 'utc' - interval '1 second' "
            "WHERE scope = 'l10n_vn_ibhxh.agent' AND user_id = %s",
            [self.user.id],
        )
        self.assertEqual(self._call("heartbeat", **credentials).status_code, 401)

    def test_a_key_of_a_user_who_left_opens_nothing(self):
        credentials = self._pair()
        self.user.active = False
        self.assertEqual(self._call("heartbeat", **credentials).status_code, 401)

    def test_a_key_of_a_user_who_lost_the_group_opens_nothing(self):
        credentials = self._pair()
        request = self._waiting_request(credentials)
        self.user.group_ids -= self.env.ref("l10n_vn_ibhxh.group_l10n_vn_ibhxh_user")
        for path in ("heartbeat", "requests/claim", f"requests/{request}/signed", "key"):
            with self.subTest(path):
                answer = self._call(path, **credentials)
                self.assertEqual((answer.status_code, answer.json()["error"]), (403, "revoked"))

    def test_the_key_opens_nothing_else(self):
        credentials = self._pair()
        headers = {"Authorization": f"Bearer {credentials['key']}", "Content-Type": "application/json"}
        answer = self.url_open("/json/2/res.partner/search", data=b'{"domain": []}', headers=headers)
        self.assertEqual(answer.status_code, 401)

    def test_a_colleague_cannot_sign_with_a_certificate_that_his_computer_never_had(self):
        request = self._waiting_request(self._pair())
        theirs = self._pair(self._colleague())
        claimed = self._call("requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **theirs)
        self.assertEqual(claimed.json(), [])
        for path in ("renew", "release", "signed", "failed"):
            with self.subTest(path):
                answer = self._call(f"requests/{request}/{path}", {"document": "", "code": "refused"}, **theirs)
                self.assertEqual((answer.status_code, answer.json()["error"]), (404, "not_found"))
        answer = self._call("requests/signed", {"signed": [{"id": request, "document": ""}]}, **theirs)
        self.assertEqual([one["error"] for one in answer.json()], ["not_found"])

    def test_the_public_certificate_alone_signs_nothing(self):
        """Anybody can report a colleague's public certificate. He can stall a request, but not sign it."""
        request = self._waiting_request(self._pair())
        theirs = self._pair(self._colleague())
        self._call("heartbeat", {"certificates": [base64.b64encode(self.der).decode()]}, **theirs)
        (claimed,) = self._call("requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **theirs).json()
        self.assertEqual(claimed["id"], request)
        own = signing.Signature(self.der, key_name="intruder")
        document = base64.b64decode(claimed["document"])
        forged = signing.place(document, own.xml(signing.canonical(document)))
        answer = self._call(f"requests/{request}/signed", {"document": base64.b64encode(forged).decode()}, **theirs)
        self.assertEqual(answer.status_code, 422)
        registration = self.env["l10n_vn_ibhxh.registration"].search([("company_id", "=", self.company.id)])
        self.assertFalse(registration.signed_document)
        self.assertTrue(registration.error_message, "the person is told")

    def test_a_delivery_is_replayed(self):
        """The same bytes answer the same, other bytes are refused, and the registration moves once."""
        credentials = self._pair()
        request = self._waiting_request(credentials)
        (claimed,) = self._call(
            "requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials
        ).json()
        document = base64.b64decode(claimed["document"])
        first = base64.b64encode(signing.sign(document, self.der)).decode()
        second = base64.b64encode(signing.sign(document, self.der, signing_time="2026-03-02T09:09:09Z")).decode()
        answers = [
            self._call(f"requests/{request}/signed", {"document": given}, **credentials).status_code
            for given in (first, first, second)
        ]
        self.assertEqual(answers, [200, 200, 409])
        registration = self.env["l10n_vn_ibhxh.registration"].search([("company_id", "=", self.company.id)])
        self.assertEqual(registration.signed_document, first.encode())

    def test_a_signature_of_yesterdays_dossier_is_not_one_of_todays(self):
        credentials = self._pair()
        request = self._waiting_request(credentials)
        (claimed,) = self._call(
            "requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials
        ).json()
        other = base64.b64decode(claimed["document"]).replace(b"ke.toan@", b"ke.gian@")
        signed = base64.b64encode(signing.sign(other, self.der)).decode()
        answer = self._call(f"requests/{request}/signed", {"document": signed}, **credentials)
        self.assertEqual((answer.status_code, answer.json()["reason"]), (422, "content_changed"))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAttackPairing(AttackCase):
    @mute_logger("odoo.addons.base.models.res_users")
    def test_guesses_are_few(self):
        """So many wrong codes, then nothing for as long as a code lives."""
        code = self._code()
        guesses = 0
        while self._call("pair", {"code": f"ZZZZ-ZZZ{ALPHABET[guesses]}"}).status_code == 403:
            guesses += 1
        self.assertEqual(guesses, 10)
        self.assertEqual(self._call("pair", {"code": code}).status_code, 429, "the right one waits too")
        with self._later(minutes=9, seconds=59):
            self.assertEqual(self._call("pair", {"code": code}).status_code, 429)
        # A code lives ten minutes: at most two windows of guesses, from one address and one process.
        self.assertLess(2 * 10 / len(ALPHABET) ** CODE_LENGTH, 1e-10)

    def test_s15_wrong_codes_lock_nobodys_log_in_and_log_ins_lift_nothing(self):
        """A web page that a colleague has open must not lock the office out; own log-ins must not clear the count."""
        guesses = []
        for number in range(12):
            guesses.append(self._call("pair", {"code": f"ZZZZ-ZZZ{ALPHABET[number]}"}).status_code)
            self.authenticate(None, None)
            body = {
                "login": self.user.login,
                "password": self.user.login + "xx",
                "csrf_token": Request.csrf_token(self),
            }
            page = self.url_open("/web/login", data=body)
            self.assertNotIn("/web/login", page.url)
        self.assertEqual(guesses, [403] * 10 + [429] * 2)
        self.assertEqual(self._call("pair", {"code": self._code()}).status_code, 429)

    def test_s15_own_pairings_lift_nothing(self):
        for number in range(10):
            self.assertEqual(self._call("pair", {"code": f"ZZZZ-ZZZ{ALPHABET[number]}"}).status_code, 403)
            if number < 9:
                self._pair()
        self.assertEqual(self._call("pair", {"code": self._code()}).status_code, 429)

    def test_s15_only_json_is_read(self):
        """What any web page can have a browser post across origins is refused before it counts."""
        credentials = self._pair()
        headers = {"Authorization": f"Bearer {credentials['key']}", "X-Ibhxh-Agent": credentials["agent"]}
        for kind in (
            "text/plain",
            "text/plain; application/json",
            "application/x-www-form-urlencoded",
            "multipart/form-data; boundary=b",
            "application/jsonp",
            "",
            None,
        ):
            for path in ROUTES:
                headers["Content-Type"] = kind
                answer = self.url_open(f"{PREFIX}/{path}", data='{"code": "ZZZZ-ZZZZ"}', headers=headers)
                self.assertEqual((answer.status_code, answer.json()["error"]), (415, "not_json"), (kind, path))
        for kind in ("application/json; charset=utf-8", "Application/JSON"):
            headers["Content-Type"] = kind
            answer = self.url_open(f"{PREFIX}/heartbeat", data="{}", headers=headers)
            self.assertEqual(answer.status_code, 200)
        self.assertEqual(self._call("pair", {"code": self._code()}).status_code, 200, "none of these was a guess")

    def test_a_new_code_replaces_the_old_one(self):
        old, new = self._code(), self._code()
        self.assertEqual(self._call("pair", {"code": old}).status_code, 403)
        self.assertEqual(self._call("pair", {"code": new}).status_code, 200)

    def test_the_code_is_kept_as_a_keyed_hash_only(self):
        code = self._code().replace("-", "")
        self.env.flush_all()
        self.env.cr.execute("SELECT t::text FROM l10n_vn_ibhxh_agent_pairing t")
        self.assertNotIn(code, str(self.env.cr.fetchall()))

    def test_a_code_that_was_used_leaves_no_hash(self):
        credentials = self._pair()
        pairing = self.env["l10n_vn_ibhxh.agent.pairing"].search([("user_id", "=", self.user.id)])
        self.assertEqual((pairing.agent_id, pairing.code_hash), (self._agent(credentials), False))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFuzzAgentApi(AttackCase):
    """Never an error 5xx, never a traceback, always JSON."""

    def _check(self, path, raw, credentials):
        with mute_logger("odoo.addons.base.models.res_users", "odoo.http"):
            answer = self._call(path, raw=raw, **({} if path == "pair" else credentials))
        self.assertIn(answer.status_code, ANSWERS, f"{path} {raw[:300]!r}: {answer.text[:300]}")
        self.assertNotIn("Traceback", answer.text)
        self.assertEqual(answer.headers["Content-Type"].split(";")[0], "application/json")

    def test_random_json(self):
        credentials = self._pair()

        @settings(max_examples=150, **FUZZ)
        @given(path=st.sampled_from(ROUTES), body=BODIES | VALUES)
        @example(path="heartbeat", body={"version": "²"})
        @example(path="heartbeat", body={"version": "1.\ud800"})
        @example(path="heartbeat", body={"tokens": [{"label": "\x00"}]})
        @example(path="heartbeat", body={"tokens": [{"label": "\udfff"}]})
        @example(path="heartbeat", body={"tokens": [float("nan"), float("inf")]})
        @example(path="heartbeat", body={"tokens": [{"pin_flags": ["\x00", "\ud800"]}]})
        @example(path="requests/claim", body={"fingerprints": ["\x00"]})
        @example(path="requests/claim", body={"fingerprints": ["\ud800"]})
        @example(path="requests/1/failed", body={"code": "\ud800", "message": "\x00\udfff"})
        def run(path, body):
            self._check(path, json.dumps(body).encode(), credentials)

        run()

    def test_what_ended_in_an_error_500_before(self):
        credentials = self._pair()
        request = self._waiting_request(credentials)
        self._call("requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials)
        self._check(f"requests/{request}/failed", b'{"code": "refused", "message": "\\ud800 \\u0000"}', credentials)
        self._check("pair", json.dumps({"code": self._code(), "name": "\x00\ud800", "os": "\udfff"}).encode(), {})
        self._check("requests/99999999999999999999/renew", b"{}", credentials)

    def test_random_bytes(self):
        credentials = self._pair()

        @settings(max_examples=40, **FUZZ)
        @given(path=st.sampled_from(ROUTES), raw=st.binary(min_size=1, max_size=200))
        @example(path="heartbeat", raw=b'{"a": ' + b"9" * 5000 + b"}")
        @example(path="heartbeat", raw=b"[" * 20000)
        @example(path="heartbeat", raw=b'{"a": 1e999}')
        def run(path, raw):
            self._check(path, raw, credentials)

        run()

    def test_bent_certificates(self):
        credentials = self._pair()
        der = self.der

        @settings(max_examples=60, **FUZZ)
        @given(position=st.integers(0, len(der) - 1), value=st.integers(0, 255), cut=st.integers(0, 3))
        def run(position, value, cut):
            bent = bytearray(der)
            bent[position] = value
            encoded = base64.b64encode(bytes(bent[: len(bent) - cut])).decode()
            self._check("heartbeat", json.dumps({"certificates": [encoded]}).encode(), credentials)

        run()

    def test_s16_certificates_whose_faults_show_on_access(self):
        credentials = self._pair()
        for der in self._odd_certificates():
            body = {"certificates": [base64.b64encode(der).decode(), base64.b64encode(self.der).decode()]}
            answer = self._call("heartbeat", body, **credentials)
            self.assertEqual(answer.status_code, 200)
            self.assertEqual(self._agent(credentials).present_certificate_ids, self.certificate)

    def _odd_certificates(self):
        self._frozen.stop()
        try:
            return signing.odd_certificates()
        finally:
            self._frozen.start()

    def test_s16_hostile_documents_are_refused(self):
        """Neither an error 500 nor a request that stays at the computer."""
        credentials = self._pair()
        self.agent.sudo().certificate_ids = False
        requests = self.env["l10n_vn_ibhxh.signing.request"]
        bomb = b"<x " + b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(300)) + b"/>"
        for inserted in (b"<x xmlns='u'/>", bomb, b"\xff", b"&#xA0;"):
            request = requests.browse(self._waiting_request(credentials))
            (claimed,) = self._call(
                "requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials
            ).json()
            signed = signing.sign(base64.b64decode(claimed["document"]), self.der)
            bent = base64.b64encode(signed.replace(b"<DigestValue>", b"<DigestValue>" + inserted)).decode()
            answer = self._call(f"requests/{request.id}/signed", {"document": bent}, **credentials)
            self.assertEqual((answer.status_code, answer.json()["reason"]), (422, "malformed"), inserted[:20])
            self.assertEqual(request.state, "failed")
            self.env[request.res_model].browse(request.res_id).sudo().unlink()

    def test_certificates_with_odd_names(self):
        credentials = self._pair()
        names = {
            "NUL": "A\x00B",
            "right to left": "\u202eBHXH",
            "markup": "<script>alert(1)</script>",
            "long": "Ố" * 20,
        }
        for what, name in names.items():
            with self.subTest(what):
                der = self._new_certificate("unit", common_name=name)
                body = {"certificates": [base64.b64encode(der).decode()]}
                self._check("heartbeat", json.dumps(body).encode(), credentials)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAttackKeyLife(AttackCase):
    def test_a_key_that_was_replaced_is_dead_after_the_first_use_of_the_new_one(self):
        credentials = self._pair()
        new = {**credentials, "key": self._call("key", **credentials).json()["key"]}
        self.assertEqual(self._call("heartbeat", **new).status_code, 200)
        self.assertEqual(self._call("heartbeat", **credentials).status_code, 401, "replayed")
        self.assertFalse(self._agent(new).next_key_hash)
        self.assertGreater(self._agent(new).key_expires_at, fields.Datetime.now())
