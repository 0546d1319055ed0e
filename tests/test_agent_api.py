import base64

from odoo import fields
from odoo.tests import tagged

from .agent_calls import AgentCalls
from .samples import signing


@tagged("post_install_l10n", "post_install", "-at_install")
class TestAgentApi(AgentCalls):
    def _pair(self):
        body = {"code": self._code(), "name": "PC-MOI", "os": "Windows 11", "version": "1.0.0"}
        answer = self._call("pair", body)
        self.assertEqual(answer.status_code, 200, answer.text)
        paired = answer.json()
        return {"key": paired["key"], "agent": paired["agent"]}

    def test_whole_life(self):
        credentials = self._pair()
        agent = self.env["l10n_vn_ibhxh.agent"].search([("device", "=", credentials["agent"])])
        self.assertEqual((agent.user_id, agent.name), (self.user, "PC-MOI"))
        self.agent.sudo().certificate_ids = False
        registration = self._register(certificate_id=self.certificate.id)
        beat = self._call(
            "heartbeat", {"certificates": [base64.b64encode(self.der).decode()], "tokens": []}, **credentials
        ).json()
        self.assertEqual(beat["pending"], 1)
        self.assertTrue(beat["doorbell"].startswith("l10n_vn_ibhxh."))
        (claimed,) = self._call(
            "requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials
        ).json()
        self.assertEqual(claimed["company"], self.company.name)
        self.assertEqual(claimed["requested_by"], self.user.name)
        document = base64.b64decode(claimed["document"])
        self.assertEqual(document, base64.b64decode(registration.document))
        signed = base64.b64encode(signing.sign(document, self.der)).decode()
        for _delivery in range(2):
            answer = self._call(f"requests/{claimed['id']}/signed", {"document": signed}, **credentials)
            self.assertEqual((answer.status_code, answer.json()), (200, {"state": "signed"}))
        self.assertEqual(registration.state, "to_send")

    def _claimed_by_companies(self, credentials, count):
        """Register `count` further companies with the same certificate and return what the computer then claims."""
        for number in range(count):
            other = self.env["res.company"].create(
                {
                    "name": f"Đơn vị {number}",
                    "parent_id": self.company.id,
                    "vat": self.company.vat,
                    "l10n_vn_ibhxh_unit_code": f"TZH49{number}L",
                }
            )
            other.write({"l10n_vn_ibhxh_provider_id": self.provider.id, "l10n_vn_ibhxh_agency_id": self.agency.id})
            self.user.company_ids += other
            self.certificate._update_companies()
            self._wizard(company_id=other.id, email="b@example.com", phone="0912345678").action_register()
        return self._call("requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials).json()

    def test_several_are_delivered_together_and_judged_each_by_itself(self):
        credentials = self._pair()
        beat = self._call("heartbeat", {"certificates": [base64.b64encode(self.der).decode()]}, **credentials).json()
        self.assertGreaterEqual(beat["deliveries"], 4)
        claimed = self._claimed_by_companies(credentials, 3)
        good, other, bad = (base64.b64decode(entry["document"]) for entry in claimed)
        signed = {
            claimed[0]["id"]: signing.sign(good, self.der),
            claimed[1]["id"]: signing.sign(other, self.der),
            claimed[2]["id"]: bad,
            2**31 - 1: b"x",
        }
        body = {"signed": [{"id": key, "document": base64.b64encode(value).decode()} for key, value in signed.items()]}
        for state in ({"state": "signed"}, {"state": "signed"}):
            answers = self._call("requests/signed", body, **credentials).json()
            self.assertEqual(answers[:2], [state, state])
        self.assertEqual([answer["error"] for answer in answers[2:]], ["lease_lost", "not_found"])
        requests = self.env["l10n_vn_ibhxh.signing.request"].browse([entry["id"] for entry in claimed])
        self.assertEqual(requests.mapped("state"), ["signed", "signed", "failed"])
        registrations = [self.env[request.res_model].browse(request.res_id) for request in requests]
        self.assertEqual([registration.state for registration in registrations], ["to_send", "to_send", "draft"])

    def test_one_of_several_that_cannot_be_stored_leaves_the_others(self):
        credentials = self._pair()
        self._call("heartbeat", {"certificates": [base64.b64encode(self.der).decode()]}, **credentials)
        claimed = self._claimed_by_companies(credentials, 2)
        body = {
            "signed": [
                {
                    "id": entry["id"],
                    "document": base64.b64encode(signing.sign(base64.b64decode(entry["document"]), self.der)).decode(),
                }
                for entry in claimed
            ]
        }
        requests = self.env["l10n_vn_ibhxh.signing.request"].browse([entry["id"] for entry in claimed])
        self.env[requests[0].res_model].browse(requests[0].res_id).sudo().signing_request_id = False
        self.env.flush_all()
        self.env.cr.execute("DELETE FROM l10n_vn_ibhxh_registration WHERE id = %s", [requests[0].res_id])
        self.env.invalidate_all()
        with self.assertLogs("odoo.addons.l10n_vn_ibhxh.controllers.agent", level="ERROR"):
            answers = self._call("requests/signed", body, **credentials).json()
        self.assertEqual([answers[0].get("error"), answers[1].get("state")], ["server_error", "signed"])
        self.assertEqual(requests.mapped("state"), ["claimed", "signed"])

    def test_several_that_are_none(self):
        credentials = self._pair()
        for signed in (None, [], "x", [1], [{"id": "1", "document": ""}], [{"id": 0, "document": ""}],
                       [{"id": 2**31, "document": ""}], [{"id": 1}], [{"id": 1, "document": "?"}],
                       [{"id": 1, "document": ""}] * 21):  # fmt: skip
            with self.subTest(signed=str(signed)[:40]):
                answer = self._call("requests/signed", {"signed": signed}, **credentials)
                self.assertEqual((answer.status_code, answer.json()["error"]), (400, "bad_request"))

    def test_refusal_and_bad_signature(self):
        credentials = self._pair()
        self._call("heartbeat", {"certificates": [base64.b64encode(self.der).decode()]}, **credentials)
        registration = self._register()
        (claimed,) = self._call(
            "requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials
        ).json()
        renewed = self._call(f"requests/{claimed['id']}/renew", **credentials)
        self.assertGreater(renewed.json()["lease_until"], fields.Datetime.now().isoformat())
        answer = self._call(f"requests/{claimed['id']}/signed", {"document": claimed["document"]}, **credentials)
        self.assertEqual((answer.status_code, answer.json()["reason"]), (422, "no_signature"))
        self.assertEqual(registration.state, "draft")
        registration.action_request_signature()
        (claimed,) = self._call(
            "requests/claim", {"fingerprints": [self.certificate.fingerprint]}, **credentials
        ).json()
        answer = self._call(f"requests/{claimed['id']}/failed", {"code": "refused", "message": "Không"}, **credentials)
        self.assertEqual(answer.json(), {"state": "failed"})
        self.assertEqual(registration.error_code, "refused")

    def test_pairing_code_works_once_and_ten_minutes(self):
        code = self._code()
        self.assertEqual(self._call("pair", {"code": code.lower().replace("-", " ")}).status_code, 200)
        self.assertEqual(self._call("pair", {"code": code}).json()["error"], "invalid_code")
        code = self._code()
        with self._later(minutes=11):
            self.assertEqual(self._call("pair", {"code": code}).json()["error"], "invalid_code")

    def test_guessing_is_throttled(self):
        answers = [self._call("pair", {"code": f"AAAA-AAA{letter}"}).json()["error"] for letter in "BCDEFGHJKMN"]
        self.assertEqual(answers, ["invalid_code"] * 10 + ["throttled"])
        self.assertEqual(self._call("pair", {"code": self._code()}).status_code, 429, "even the right code waits")

    def test_keys_open_only_with_their_own_computer(self):
        credentials = self._pair()
        apikeys = self.env["res.users.apikeys"].with_user(self.user).sudo()
        general = apikeys._generate(None, "general", fields.Datetime.add(fields.Datetime.now(), days=1))
        cases = {
            "no key": ({}, 401),
            "wrong key": ({"key": "0" * 40, "agent": credentials["agent"]}, 401),
            "general key": ({"key": general, "agent": credentials["agent"]}, 403),
            "no computer": ({"key": credentials["key"]}, 403),
            "another computer": ({"key": credentials["key"], "agent": self.agent.device}, 403),
        }
        for name, (headers, status) in cases.items():
            with self.subTest(name):
                self.assertEqual(self._call("heartbeat", **headers).status_code, status)
        self.assertEqual(self._call("heartbeat", **credentials).status_code, 200)

    def test_revoked_computer_is_told_so(self):
        credentials = self._pair()
        self.env["l10n_vn_ibhxh.agent"].search([("device", "=", credentials["agent"])]).action_revoke()
        self.assertEqual(self._call("heartbeat", **credentials).status_code, 401)

    def test_key_is_renewed_and_the_old_one_dies(self):
        credentials = self._pair()
        new = {**credentials, "key": self._call("key", **credentials).json()["key"]}
        self.assertEqual(self._call("heartbeat", **credentials).status_code, 200, "until the new one is used")
        self.assertEqual(self._call("heartbeat", **new).status_code, 200)
        self.assertEqual(self._call("heartbeat", **credentials).status_code, 401)
        self.assertEqual(self._call("heartbeat", **new).status_code, 200)

    def test_garbage_is_answered_without_a_traceback(self):
        credentials = self._pair()
        cases = [
            ("heartbeat", b"{"),
            ("heartbeat", b"[]"),
            ("heartbeat", b'{"certificates": "x"}'),
            ("heartbeat", b'{"certificates": ["%%%"]}'),
            ("heartbeat", b'{"tokens": 1}'),
            ("requests/claim", b'{"fingerprints": [1]}'),
            ("requests/claim", b'{"limit": "x"}'),
            ("requests/claim", b'{"limit": 501}'),
            ("requests/1/signed", b"{}"),
            ("requests/1/failed", b'{"code": 1}'),
            ("heartbeat", b'{"a":' * 5000),
        ]
        for path, raw in cases:
            with self.subTest(path=path, raw=raw[:40]):
                answer = self._call(path, raw=raw, **credentials)
                self.assertEqual((answer.status_code, answer.json()["error"]), (400, "bad_request"))
                self.assertNotIn("Traceback", answer.text)

    def test_requests_of_others_do_not_exist(self):
        credentials = self._pair()
        other = self.env["res.company"].create({"name": "X", "vat": "0312345678"})
        stranger = self._new_user("stranger", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user", other)
        registration = self._register()
        self.env["l10n_vn_ibhxh.agent"].search([("device", "=", credentials["agent"])]).sudo().user_id = stranger
        self.env["res.users.apikeys"].sudo().search([("name", "ilike", credentials["agent"])]).unlink()
        request = registration.sudo().signing_request_id
        self.assertEqual(self._call(f"requests/{request.id}/renew", **credentials).status_code, 401)
