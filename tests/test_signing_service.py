import base64
import hashlib
from unittest.mock import patch

from odoo.tests import tagged

from .common import IbhxhCommon
from .samples import signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSigningService(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.registration = self._register()
        self.request = self.registration.sudo().signing_request_id
        self.document = base64.b64decode(self.request.document)

    def test_signed_and_verified(self):
        self.assertEqual(self._sign(self.registration), ("signed", None))
        self.assertEqual(self.registration.state, "to_send")
        signed = base64.b64decode(self.registration.signed_document)
        self.assertEqual(self.request.signed_sha256, hashlib.sha256(signed).hexdigest())
        self.assertEqual(self.registration.signed_by_id, self.user)
        self.assertEqual(self.registration.signed_on, "PC-KETOAN")

    def test_same_delivery_twice_answers_the_same(self):
        self._claim()
        signed = signing.sign(self.document, self.der)
        self.assertEqual(self.request._deliver(self.agent, signed)[0], "signed")
        self.assertEqual(self.request._deliver(self.agent, signed)[0], "signed")
        other = signing.sign(self.document, self.der, signing_time="2026-03-02T09:09:09Z")
        self.assertEqual(self.request._deliver(self.agent, other)[0], "already_done")
        self.assertEqual(base64.b64decode(self.registration.signed_document), signed)

    def test_refused_signatures_leave_the_registration_in_draft(self):
        other_content = signing.sign(self.document.replace(b"An Ph", b"An Tr"), self.der)
        same_subject = self._new_certificate("stranger")
        cases = {
            "content_changed": other_content,
            "wrong_certificate": signing.sign(self.document, same_subject, key_name="stranger"),
            "invalid": signing.sign(self.document, self.der, key_name="stranger", key_value_of="unit"),
            "no_signature": self.document,
            "malformed": b'<?xml version="1.0"?><!DOCTYPE Hoso [<!ENTITY x "y">]><Hoso>&x;</Hoso>',
        }
        for code, signed in cases.items():
            with self.subTest(code):
                if self.registration.state == "draft":
                    self.registration.action_request_signature()
                request = self.registration.sudo().signing_request_id
                self._claim()
                self.assertEqual(request._deliver(self.agent, signed), ("rejected", code))
                self.assertEqual(request.state, "failed")
                self.assertEqual(self.registration.state, "draft")
                self.assertEqual(self.registration.error_code, "invalid_signature")
                self.assertFalse(self.registration.signed_document)

    def test_s16_what_cannot_be_canonicalised_ends_the_request(self):
        """No error 500, no request that stays at the computer: the person reads that the signature was refused."""
        signed = signing.sign(self.document, self.der)
        bomb = b"<x " + b" ".join(b'xmlns:n%d="urn:%d"' % (number, number) for number in range(300)) + b"/>"
        for bent in (signed.replace(b"<NoiDung>", b"<NoiDung xmlns:n='u'>"), signed.replace(b"<NoiDung>", bomb)):
            if self.registration.state == "draft":
                self.registration.action_request_signature()
            request = self.registration.sudo().signing_request_id
            self._claim()
            self.assertEqual(request._deliver(self.agent, bent), ("rejected", "malformed"))
            self.assertEqual((request.state, self.registration.state), ("failed", "draft"))

    def test_s3_the_row_is_not_locked_while_the_signature_is_checked(self):
        self._claim()
        steps = []
        requests = type(self.request)
        lock, refusal = requests.lock_for_update, requests._refusal
        with (
            patch.object(requests, "lock_for_update", lambda *args, **kw: steps.append("lock") or lock(*args, **kw)),
            patch.object(requests, "_refusal", lambda *args: steps.append("verify") or refusal(*args)),
        ):
            self.request._deliver(self.agent, signing.sign(self.document, self.der))
        self.assertEqual(steps[:2], ["verify", "lock"])

    def test_refusal_says_what_to_do_and_signing_again_works(self):
        self._claim()
        self.assertTrue(self.request._refuse(self.agent, "pin_incorrect", "CKR_PIN_INCORRECT"))
        self.assertEqual(self.registration.state, "draft")
        self.assertEqual(self.registration.error_code, "pin_incorrect")
        self.assertIn("PIN", self.registration.error_message)
        self.registration.action_request_signature()
        self.assertEqual(self._sign(self.registration)[0], "signed")

    def test_a_lease_is_for_one_computer(self):
        second = self._new_agent(self.user, "PC-2")
        self._plug_in(second, self.der)
        self.assertEqual(self._claim(), self.request)
        self.assertFalse(self._claim(second))
        with self._later(seconds=121):
            self.assertEqual(self._claim(second), self.request)
            signed = signing.sign(self.document, self.der)
            self.assertEqual(self.request._deliver(self.agent, signed)[0], "lease_lost")
            self.assertEqual(self.request._deliver(second, signed)[0], "signed")

    def test_renewed_lease_does_not_lapse(self):
        self._claim()
        with self._later(seconds=100):
            self.assertTrue(self.request._renew(self.agent))
            with self._later(seconds=100):
                self.assertFalse(self._claim(self._second_agent()))

    def test_lapsed_lease_returns_to_pending_and_its_holder_may_still_deliver(self):
        self._claim()
        with self._later(seconds=121):
            self._follow()
            self.assertEqual(self.request.state, "pending")
            self.assertEqual(self.request._deliver(self.agent, signing.sign(self.document, self.der))[0], "signed")

    def test_after_a_restart_own_leases_come_back_at_once(self):
        requests = self.env["l10n_vn_ibhxh.signing.request"].sudo()
        fingerprints = [self.certificate.fingerprint]
        self._claim()
        self.assertFalse(requests._claim(self.agent, fingerprints, 20))
        self.assertEqual(requests._claim(self.agent, fingerprints, 20, resume=True), self.request)

    def test_release_gives_it_to_the_next(self):
        self._claim()
        self.assertTrue(self.request._release(self.agent))
        self.assertEqual(self._claim(self._second_agent()), self.request)

    def test_computers_of_other_companies_get_nothing(self):
        stranger = self._new_user("stranger", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", self.env.company)
        agent = self._new_agent(stranger, "PC-X")
        self._plug_in(agent, self.der)
        self.assertFalse(self._claim(agent))
        self.assertEqual(self.request._deliver(agent, signing.sign(self.document, self.der))[0], "lease_lost")

    def test_expired_since_it_was_asked_for(self):
        self._claim()
        with self._later(days=300):
            self.request.lease_until = False
            self.assertEqual(self._sign(self.registration), ("rejected", "certificate_not_valid"))

    def test_asking_again_for_the_same_returns_the_open_request(self):
        again = self.env["l10n_vn_ibhxh.signing.request"]._request(
            self.registration, self.document, self.certificate, "title"
        )
        self.assertEqual(again, self.request)

    def test_withdrawn_request_takes_no_signature(self):
        self._claim()
        self.registration.action_withdraw()
        signed = signing.sign(self.document, self.der)
        self.assertEqual(self.request._deliver(self.agent, signed)[0], "lease_lost")
        self.assertEqual(self.registration.state, "draft")

    def test_revoking_gives_the_work_back(self):
        self._claim()
        second = self._second_agent()
        self.agent.with_user(self.user).action_revoke()
        self.assertFalse(self.agent.present_certificate_ids)
        self.assertEqual(self.request.state, "pending")
        self.assertEqual(self._claim(second), self.request)

    def _second_agent(self):
        agent = self._new_agent(self.user, "PC-2")
        self._plug_in(agent, self.der)
        return agent
