"""B2-B4, B15, O1-O10: what a gateway answers, over a real connection, and what becomes of the registration.

Nothing that was accepted gets stuck, nothing is lodged twice, and what is wrong is named to the person, to those who
manage the connection, and to the log.
"""

import base64
import json
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import gateway_texts
from ..models.l10n_vn_ibhxh_provider import L10n_Vn_IbhxhProvider
from ..tools import gateways
from .common import NOW, IbhxhCommon, progress, step
from .samples import http_server
from .samples.http_server import FaultyServer, reply
from .test_tools_gateway_answers import BENDS, LONG, MISSING, TIMES, encoded, member, with_change

SENDING = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_registration_sending"
FOLLOWING = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_registration_following"
PROVIDER = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_provider"
STAMP = "2026-03-02T03:04:05Z"


class Office:
    """A gateway's server: takes dossiers in, and answers as the test wants it.

    `post` and `get` turn the proper answer (status, body) into the one that is given; None: as it is. `accepts` says
    whether a dossier is taken in at all.
    """

    def __init__(self):
        self.accepted = {}
        self.posts = 0
        self.gets = 0
        self.accepts = True
        self.post = self.get = None
        self.state = "processing"
        self.server = FaultyServer(self.answer)

    def answer(self, connection):
        request = self.server.requests[-1]
        if request.method == "POST":
            self.posts += 1
            reference = json.loads(request.body).get("client_reference", "")
            is_new = self.accepts and reference not in self.accepted
            if self.accepts:
                self.accepted[reference] = self.accepted.get(reference, 0) + 1
            proper = 201 if is_new else 200, self.receipt(reference)
            bend = self.post
        else:
            self.gets += 1
            reference = request.path.rpartition("/")[2]
            if reference in self.accepted:
                proper = 200, self.progress(reference)
            else:
                proper = 404, {"code": "not_found", "description": "không có"}
            bend = self.get
        given = bend(*proper) if bend else reply(*proper)
        given(connection)

    def receipt(self, reference):
        return {
            "client_reference": reference,
            "accepted_at": STAMP,
            "dossier_number": "03706/2026/001",
            "state": "received",
        }

    def progress(self, reference):
        steps = [{"step": 1, "at": STAMP, "code": "00", "description": "Đã nhận", "passed": True}]
        if self.state == "rejected":
            steps.append({"step": 2, "at": STAMP, "code": "SE004", "description": "Sai cơ quan", "passed": False})
        return {
            **self.receipt(reference),
            "form": "04",
            "state": self.state,
            "needs_activation": False,
            "steps": steps,
            "holder": None,
            "notification": None,
        }


@tagged("post_install_l10n", "post_install", "-at_install")
class PromisesCase(IbhxhCommon):
    def setUp(self):
        super().setUp()
        self.office = Office()
        self.office.server.__enter__()
        self.addCleanup(self.office.server.__exit__)
        self.gateway = gateways.make("http", base_url=self.office.server.url, client_id="00001", secret="s3cret")
        self.registration = self._register()
        self._sign(self.registration)
        self.manager = self._new_user("quanly", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        self.provider.company_id = self.company

    def told(self, user=None):
        """The activities of the I-VAN."""
        return self.provider.activity_ids.filtered(lambda a: a.user_id == (user or self.manager))

    def again(self, state="to_send"):
        """Put the registration back to where it was before it was sent, under a new reference."""
        self.registration.sudo().step_ids.unlink()
        self.provider.activity_ids.unlink()
        self.registration.activity_ids.unlink()
        vals = dict.fromkeys(
            ("attempted_at", "submitted_at", "dossier_number", "retry_at", "error_code", "error_message", "odd_answer",
             "poll_at", "activation_expires_at", "holder_name"), False,
        )  # fmt: skip
        self.office.accepted.clear()
        self.office.post = self.office.get = None
        reference = f"6f2c1c0e-8f2b-4a53-9a52-{self.office.posts:012d}"
        self.registration.sudo().write({**vals, "state": "to_send", "client_reference": reference, "retry_count": 0})
        if state == "sent":
            self.try_to_send()
            self.assertEqual(self.registration.state, "sent")

    @mute_logger(SENDING, PROVIDER)
    def try_to_send(self):
        self.registration.sudo()._try_to_send()

    @mute_logger(SENDING, PROVIDER)
    def look(self):
        registration = self.registration.sudo()
        registration._take_answers(registration._ask_gateways(float("inf")))
        self.env.flush_all()
        self.env.invalidate_all()

    def due(self):
        self.registration.sudo().poll_at = fields.Datetime.now()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMisconfigured(PromisesCase):
    WRONG = {
        "GW-CREDENTIALS": reply(401, {"code": "unauthorized", "description": "x"}),
        "GW-FORBIDDEN": reply(403, raw=b"<html>"),
        "GW-NOT-FOUND": reply(404, raw=b"<html>"),
        "GW-PROXY": reply(407, raw=b""),
        "GW-REDIRECT": reply(302, raw=b"", headers={"Location": "https://elsewhere.example/ivan"}),
    }

    def test_b2_o1_lodging(self):
        """Not VSS's SE999, but a code and words of its own; who manages the connection gets an activity."""
        for code, answer in self.WRONG.items():
            with self.subTest(code):
                self.again()
                self.provider.connection_fault = False
                self.office.accepts = False
                self.office.post = lambda *_proper, answer=answer: answer
                with self.assertLogs(PROVIDER, "WARNING") as logs:
                    self.registration.sudo()._try_to_send()
                self.assertEqual((self.registration.state, self.registration.error_code), ("to_send", code))
                self.assertIn(self.provider.name, self.registration.error_message)
                self.assertNotIn("cannot be reached", self.registration.error_message)
                self.assertEqual(self.registration.retry_at, fields.Datetime.now() + timedelta(hours=1))
                self.assertEqual(len(self.told()), 1)
                self.assertIn("does not work", self.told().summary)
                self.assertFalse(self.told(self.user), "the clerk cannot correct it")
                self.assertNotIn("s3cret", str(logs.output))
                with self._later(hours=2):
                    self.office.get = self.office.post
                    self.try_to_send()
                    self.assertEqual(len(self.told()), 1, "once, as long as it lasts")
                    self.office.post = self.office.get = None
                    self.office.accepts = True
                    self.registration.sudo().retry_at = False
                    self._send()
                    self.assertEqual(self.registration.state, "sent")
                    self.assertEqual(list(self.office.accepted.values()), [1])
                    self._follow()
                    self.assertFalse(self.told(), "it is settled")

    def test_o1_following(self):
        for code, answer in self.WRONG.items():
            with self.subTest(code):
                self.again("sent")
                self.provider.connection_fault = False
                self.office.get = lambda *_proper, answer=answer: answer
                self.due()
                self.look()
                self.assertEqual(self.registration.state, "sent")
                self.assertEqual(self.registration.poll_at, fields.Datetime.now() + timedelta(hours=1))
                self.assertEqual(self.provider.connection_fault, code)
                self.assertEqual(len(self.told()), 1)

    def test_o1_one_wrong_password_is_tried_once_in_a_run(self):
        self.provider.company_id = False
        other = self.env["res.company"].create({"name": "Công ty B", "vat": "0300588569"})
        second = self.registration.sudo().copy({"company_id": other.id})
        second.state = "to_send"
        both = self.registration.sudo() | second
        second.write({"signed_document": self.registration.sudo().signed_document})
        for name in ("document_sha256", "signed_at", "certificate_id"):
            second[name] = self.registration.sudo()[name]
        self.office.post = lambda *_proper: self.WRONG["GW-CREDENTIALS"]
        self.office.accepts = False
        with mute_logger(SENDING, PROVIDER):
            self._send()
        self.assertEqual(self.office.posts, 1)
        self.assertEqual(both.mapped("error_code"), ["GW-CREDENTIALS"] * 2)
        self.assertEqual(len(both.filtered("attempted_at")), 1, "what was not tried can be cancelled")

    def test_b3_no_address(self):
        """In words, never a traceback; what was never tried can be cancelled."""
        self.patch(type(self.env["l10n_vn_ibhxh.provider"]), "_gateway", L10n_Vn_IbhxhProvider._gateway)
        self.provider.sudo().with_context(tracking_disable=True).url = False
        self.try_to_send()
        self.assertEqual(self.registration.error_code, "GW-NO-ADDRESS")
        self.assertIn("no gateway address", self.registration.error_message)
        self.assertFalse(self.registration.attempted_at)
        self.assertIn("no gateway address", self.told().note)
        kind, message = self.provider._checked()
        self.assertEqual((kind, "no gateway address" in message), ("danger", True))
        self.provider.sudo().gateway, self.provider.url = "sandbox", self.office.server.url
        self.assertFalse(self.told())
        self.assertFalse(self.registration.retry_at)
        self._send()
        self.assertEqual(self.registration.state, "sent")

    def test_o1_a_change_of_the_connection_is_tried_at_once(self):
        self.office.post = lambda *_proper: self.WRONG["GW-CREDENTIALS"]
        self.office.accepts = False
        self.try_to_send()
        self.assertTrue(self.registration.retry_at)
        self.provider.with_user(self.manager).client_secret_input = "right"
        self.assertFalse(self.registration.retry_at)
        self.assertFalse(self.told())
        self.again("sent")
        self.office.get = lambda *_proper: self.WRONG["GW-FORBIDDEN"]
        self.due()
        self.look()
        self.assertGreater(self.registration.poll_at, fields.Datetime.now())
        self.provider.with_user(self.manager).client_id = "other"
        self.assertEqual(self.registration.poll_at, fields.Datetime.now())

    def test_who_is_told(self):
        """Of a connection that all companies share: only those who have all companies."""
        self.provider.company_id = False
        self.assertNotIn(self.manager, self.provider._responsible_users())
        everything = self.env["res.company"].search([])
        admin = self._new_user("quantri", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", everything)
        admin.company_ids = everything
        self.assertIn(admin, self.provider._responsible_users())
        self.provider.company_id = self.company
        self.assertIn(self.manager, self.provider._responsible_users())
        self.assertNotIn(self.user, self.provider._responsible_users())

    def test_person_who_asks_is_told(self):
        self.again("sent")
        self.office.get = lambda *_proper: self.WRONG["GW-CREDENTIALS"]
        with mute_logger(PROVIDER):
            action = self.registration.action_refresh()
        self.assertIn("client code", action["params"]["message"])
        self.office.post = lambda *_proper: self.WRONG["GW-CREDENTIALS"]
        with self.assertRaisesRegex(UserError, "client code"):
            self.registration.action_resend_code()
        self.office.get = None
        self.assertIs(self.registration.action_refresh(), True)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestWaiting(PromisesCase):
    def test_b4_o2_retry_after(self):
        down = {"code": "SE999", "description": "bận"}
        for header, seconds in (
            ("600", 600),
            ("1800", 1800),
            ("7200", 7200),
            ("Mon, 02 Mar 2026 03:34:05 GMT", 1800),
            ("999999999", 86400),
            ("1", 60),
            ("0", 60),
            ("Fri, 01 Jan 2010 00:00:00 GMT", 60),
        ):
            for status, body in ((503, down), (429, {}), (500, {}), (403, {})):
                with self.subTest(header, status=status):
                    headers = {"Retry-After": header, "Date": "Mon, 02 Mar 2026 03:04:05 GMT"}
                    answer = reply(status, body, headers=headers)
                    least = 3600 if status == 403 else 60
                    self.again()
                    self.office.accepts = False
                    self.office.post = lambda *_proper, answer=answer: answer
                    self.try_to_send()
                    wait = self.registration.retry_at - fields.Datetime.now()
                    self.assertEqual(wait.total_seconds(), max(seconds, least))
                    self.office.accepts = True
                    self.again("sent")
                    self.office.get = lambda *_proper, answer=answer: answer
                    self.due()
                    self.look()
                    wait = self.registration.poll_at - fields.Datetime.now()
                    self.assertEqual(wait.total_seconds(), max(seconds, least))

    def test_o2_one_that_asks_to_wait_is_left_alone_for_the_run(self):
        run = {}
        error = gateways.Unreachable("busy", 600)
        self.provider._end_run(run, error)
        with self.assertRaises(gateways.Unreachable):
            self.provider._gateway_of(run)
        run = {}
        self.provider._end_run(run, gateways.Unreachable("down"))
        self.assertEqual(self.provider._gateway_of(run), self.gateway)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestOddAnswers(PromisesCase):
    def assert_told(self, name):
        """The member is named to the person, on the record, and to who manages the connection."""
        self.assertIn(name, self.registration.odd_answer)
        bodies = " ".join(self.registration.sudo().message_ids.mapped(lambda m: str(m.body)))
        self.assertIn(name, bodies)
        self.assertTrue(self.told().filtered(lambda a: name in a.note), self.told().mapped("note"))

    def test_o3_lodging_with_each_member_bent_in_each_way(self):
        """Sent at once where the answer names the dossier, else after a question; accepted once in any case."""
        for path in (("client_reference",), ("accepted_at",), ("dossier_number",), ("state",)):
            for name, value in BENDS.items():
                with self.subTest(member(path), bend=name):
                    self.again()
                    self.office.post = lambda status, body, p=path, v=value: reply(
                        status, raw=encoded(with_change(body, p, v))
                    )
                    self.try_to_send()
                    if path == ("client_reference",):
                        self.assertEqual(self.registration.state, "to_send")
                        self.assertEqual(self.registration.error_code, "GW-MEMBER")
                        self.assertIn("client_reference", self.registration.error_message)
                        self.assertIn("client_reference", self.told().note)
                        self.try_to_send()
                    self.assertEqual(self.registration.state, "sent")
                    self.assertEqual(self.registration.submitted_at, fields.Datetime.now())
                    self.assertEqual(list(self.office.accepted.values()), [1])
                    harmless = name in ("missing", "null", "integer", "empty") or path == ("state",)
                    if path == ("dossier_number",) and not harmless:
                        self.assert_told("dossier_number")
                    if path == ("accepted_at",):
                        self.assert_told("accepted_at")

    def test_o3_unreadable_answers_are_followed_by_a_question(self):
        for name, given, code in (
            ("UTF-16", lambda status, body: reply(status, raw=json.dumps(body).encode("utf-16")), "GW-ENCODING"),
            ("list", lambda status, body: reply(status, [body]), "GW-JSON"),
            ("wrapper", lambda status, body: reply(status, {"data": body}), "GW-MEMBER"),
            ("page", lambda status, body: reply(status, raw=b"<html>"), "GW-JSON"),
            ("nothing", lambda status, body: reply(status, raw=b""), "GW-JSON"),
            ("202", lambda status, body: reply(202, body), "GW-STATUS"),
            ("204", lambda status, body: reply(204, raw=b""), "GW-STATUS"),
            ("500", lambda status, body: reply(500, body), "GW-STATUS"),
            ("br", lambda status, body: reply(status, body, headers={"Content-Encoding": "br"}), "GW-COMPRESSION"),
            ("reset", lambda status, body: http_server.reset, "GW-LOST"),
            ("close", lambda status, body: http_server.close, "GW-LOST"),
        ):
            with self.subTest(name):
                self.again()
                self.office.post = given
                posts = self.office.posts
                for _turn in range(3):
                    self.office.get = given
                    self.try_to_send()
                    self.assertEqual(self.registration.error_code, code)
                self.assertEqual(self.office.posts, posts + 1, "asked, not lodged again")
                self.office.get = None
                self.try_to_send()
                self.assertEqual(self.registration.state, "sent")
                self.assertEqual(list(self.office.accepted.values()), [1])

    def test_o3_o7_final_answers_end_the_retries_with_a_reason(self):
        for status, raw, code, words in (
            (413, b"<html>Request Entity Too Large</html>", "GW-413", "413"),
            (400, encoded({"code": "bad_request", "description": "x <b>"}), "GW-400", "bad_request: x <b>"),
            (409, encoded({"code": "conflict", "description": "trùng"}), "GW-409", "conflict: trùng"),
            (415, b"", "GW-415", "none given"),
            (422, b"<html>", "", "without a reason"),
            (422, encoded({"code": "", "description": ""}), "", "without a reason"),
            (422, encoded({"code": 17, "description": "Sai"}), "17", "Sai"),
            (422, encoded({"code": "SE004"}), "SE004", "agency"),
            (422, encoded({"code": "ZZ1", "description": LONG}), "ZZ1", "x…"),
            (422, encoded({"code": "ZZ1", "description": "a\0b"}), "ZZ1", "a\ufffdb"),
        ):
            with self.subTest(status=status, raw=raw[:40]):
                self.again()
                self.office.accepts = False
                self.office.post = lambda *_proper, s=status, r=raw: reply(s, raw=r)
                posts = self.office.posts
                self.try_to_send()
                self.assertEqual(self.registration.state, "rejected")
                self.assertEqual(self.registration.error_code or "", code)
                self.assertIn(words, self.registration.error_message)
                by_vss = status == 422
                summary = self.registration.activity_ids.summary
                self.assertEqual("gateway did not take" in summary, not by_vss, summary)
                self.assertFalse(summary.endswith(": "))
                self._send()
                self.assertEqual(self.office.posts, posts + 1)
                self.office.accepts = True

    def test_o4_following_with_each_member_bent_in_each_way(self):
        """A refusal arrives whatever else is odd; where the state itself is, the rest is stored and the person told."""
        names = ("client_reference", "dossier_number", "accepted_at", "state", "needs_activation", "steps", "holder")
        inner = (("steps", 1, key) for key in ("step", "at", "code", "description", "passed"))
        for path in (*((name,) for name in names), ("notification",), ("steps", 1), *inner):
            for name, value in BENDS.items():
                if path == ("steps", 1) and value is MISSING:
                    continue
                with self.subTest(member(path), bend=name):
                    self.again("sent")
                    self.office.state = "rejected"
                    self.office.get = lambda status, body, p=path, v=value: reply(
                        status, raw=encoded(with_change(body, p, v))
                    )
                    self.due()
                    self.look()
                    is_about_another = path == ("client_reference",) and name not in ("missing", "null")
                    if is_about_another or path == ("state",):
                        self.assertEqual(self.registration.state, "sent")
                        self.assert_told(path[0])
                        self.assertEqual(len(self.registration.step_ids), 0 if is_about_another else 2)
                        messages = len(self.registration.sudo().message_ids)
                        self.due()
                        self.look()
                        self.assertEqual(len(self.registration.sudo().message_ids), messages, "told once")
                        self.office.get = None
                        self.due()
                        self.look()
                    self.assertEqual(self.registration.state, "rejected")
                    if path not in (("steps",), ("steps", 1), ("steps", 1, "code")):
                        passed = path[-1] == "passed" and name == "truth"
                        self.assertEqual(self.registration.error_code or "", "" if passed else "SE004")

    def test_o4_following_cases(self):
        one = {"step": 1, "at": STAMP, "code": "SE004", "description": "Sai", "passed": False}
        many = [{**one, "step": number, "description": str(number)} for number in range(1, 151)]
        for name, steps, count in (
            ("repeated numbers", [one, one, one], 3),
            ("150 steps", many, 100),
            ("NUL", [{**one, "description": "a\0b"}], 1),
            ("NUL in the code", [{**one, "code": "SE\0"}], 1),
            ("surrogate", [{**one, "description": "a\ud800b"}], 1),
            ("long", [{**one, "description": LONG}], 1),
            ("no steps", [], 0),
            ("null", None, 0),
            ("texts", ["x"], 0),
        ):
            with self.subTest(name):
                self.again("sent")
                self.office.state = "rejected"
                self.office.get = lambda status, body, s=steps: reply(status, {**body, "steps": s})
                self.due()
                self.look()
                self.assertEqual(self.registration.state, "rejected")
                self.assertEqual(len(self.registration.step_ids), count)
                self.assertTrue(self.registration.activity_ids)
                if steps:
                    self.assertEqual(bool(self.registration.odd_answer), True)

    def test_o4_steps_of_another_adapter_that_repeat(self):
        self.again("sent")
        self.registration.sudo()._apply_progress(progress("processing", step(1), step(1, "x"), step(2)))
        self.assertEqual(self.registration.step_ids.mapped("code"), ["x", "OK"])

    def test_o4_a_notification_that_breaks_its_reader_undoes_nothing(self):
        self.again("sent")
        self.office.state = "confirmed"
        self.office.get = lambda status, body: reply(status, {**body, "notification": "PHgvPg=="})
        broken = patch.object(type(self.env["l10n_vn_ibhxh.notification"]), "_from_gateway", side_effect=ValueError)
        self.due()
        with broken, self.assertLogs(FOLLOWING, "ERROR"):
            self.look()
        self.assertEqual(self.registration.state, "confirmed")
        self.assertEqual(len(self.registration.step_ids), 1)

    def test_o5_times_that_cannot_be(self):
        """Corrected to the present and told: nothing is overdue since 1970, nothing waits until 9999."""
        for name, (text, kinds) in TIMES.items():
            with self.subTest(name):
                self.again()
                self.office.post = lambda status, body, t=text: reply(status, {**body, "accepted_at": t})
                self.try_to_send()
                self.assertEqual(self.registration.state, "sent")
                self.assertEqual(self.registration.submitted_at, fields.Datetime.now())
                self.assertEqual(self.registration.activation_expires_at, fields.Datetime.now() + timedelta(hours=24))
                if kinds:
                    self.assert_told("accepted_at")
                self.office.state = "confirmed"
                self.office.get = lambda status, body, t=text: reply(
                    status, {**body, "steps": [{**body["steps"][0], "at": t}]}
                )
                self.due()
                self.look()
                self.assertEqual(self.registration.state, "confirmed")
                self.assertEqual(self.registration.confirmed_at, fields.Datetime.now())
                self.office.state = "processing"

    def test_o5_accepted_before_it_was_sent(self):
        self.office.post = lambda status, body: reply(status, {**body, "accepted_at": "2026-03-01T00:00:00Z"})
        self.try_to_send()
        self.assertEqual(self.registration.submitted_at, datetime.fromisoformat(NOW))
        self.assert_told("accepted_at")

    def test_o6_s19_texts_of_gateways_are_text(self):
        html = "<a href='https://vss.gov.vn.evil.com'>Xem</a><img src='x'>"
        self.office.accepts = False
        self.office.post = lambda *_proper: reply(422, {"code": "ZZ1", "description": html})
        self.try_to_send()
        note = str(self.registration.activity_ids.note)
        self.assertNotIn("<a", note)
        self.assertNotIn("<img", note)
        self.assertIn("&lt;a href", note)
        self.assertEqual(self.registration.error_message, html)
        self.provider.name = "<b>I-VAN</b>"
        with mute_logger(PROVIDER):
            self.provider._connection_failed(gateways.Misconfigured("x", reason=gateways.Reason.CREDENTIALS))
        self.assertNotIn("<b>", str(self.told().note))

    def test_faults_name_no_secret(self):
        self.office.post = lambda status, body: reply(status, {**body, "accepted_at": "TOP-SECRET", "x": "TOP-SECRET"})
        with self.assertLogs(SENDING, "WARNING") as logs:
            self.registration.sudo()._try_to_send()
        self.assertIn("accepted_at (time)", str(logs.output))
        self.assertNotIn("TOP-SECRET", str(logs.output))
        self.assertNotIn("TOP-SECRET", self.registration.odd_answer)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSendingAgain(PromisesCase):
    def refused(self, code="SE999"):
        """A registration that VSS refused after it was accepted."""
        self.again("sent")
        self.office.state = "rejected"
        self.office.get = lambda status, body: reply(
            status, {**body, "steps": [{"step": 1, "at": STAMP, "code": code, "description": "x", "passed": False}]}
        )
        self.due()
        self.look()
        self.assertEqual(self.registration.state, "rejected")
        return self.registration.client_reference

    def test_o8_a_passing_code_in_a_final_refusal_is_for_a_person(self):
        reference = self.refused()
        for _turn in range(3):
            self._send()
            self._follow()
        self.assertEqual(self.registration.state, "rejected")
        self.assertEqual(list(self.office.accepted), [reference])
        self.assertIn("Send again", self.registration.remedy)

    def test_b15_send_again_sends_the_same_bytes_as_a_new_dossier(self):
        reference, signed = self.refused(), self.registration.sudo().signed_document
        self.assertTrue(self.registration.action_remedy())
        self.assertEqual(self.registration.state, "to_send")
        self.assertFalse(self.registration.activity_ids)
        self.office.state, self.office.get = "processing", None
        self._send()
        self.assertEqual(self.registration.state, "sent")
        self.assertEqual(sorted(self.office.accepted.values()), [1, 1])
        self.assertNotEqual(self.registration.client_reference, reference)
        document = json.loads([r for r in self.office.server.requests if r.method == "POST"][-1].body)["document"]
        self.assertEqual(base64.b64decode(document), base64.b64decode(signed))
        self.assertIn(reference, str(self.registration.sudo().message_ids.mapped("body")))

    def test_o8_a_gateway_that_healed_itself_keeps_the_first_dossier(self):
        reference = self.refused()
        self.office.state, self.office.get = "processing", None
        self.registration.action_remedy()
        self.assertEqual(self.registration.state, "sent")
        self._send()
        self.assertEqual(list(self.office.accepted), [reference])
        self.office.state = "confirmed"
        self.due()
        self.look()
        self.assertEqual(self.registration.state, "confirmed")

    def test_b15_what_was_never_accepted_keeps_its_reference(self):
        self.office.accepts = False
        self.office.post = lambda *_proper: reply(422, {"code": "CE009", "description": "x"})
        self.try_to_send()
        reference = self.registration.client_reference
        self.assertEqual(self.registration.state, "rejected")
        self.registration.with_context(x=1)._send_again()
        self.office.accepts, self.office.post = True, None
        self._send()
        self.assertEqual((self.registration.state, self.registration.client_reference), ("sent", reference))

    def test_b15_nothing_is_sent_without_a_clear_word_on_the_first(self):
        reference = self.refused()
        for given in (
            lambda *_proper: reply(500, raw=b""),
            lambda *_proper: reply(401, raw=b""),
            lambda status, body: reply(status, {**body, "state": "odd"}),
            lambda *_proper: http_server.reset,
        ):
            self.office.get = given
            with self.assertRaises(UserError):
                self.registration.action_remedy()
            self.assertEqual((self.registration.state, self.registration.client_reference), ("rejected", reference))

    def test_b15_another_registration_is_open(self):
        self.refused()
        self.registration.sudo().copy({"company_id": self.company.id})
        with self.assertRaisesRegex(UserError, "open registration"):
            self.registration.action_remedy()
        self.assertEqual(self.registration.state, "rejected")

    def test_b15_the_certificate_has_ended(self):
        self.refused()
        with self._later(days=400), self.assertRaisesRegex(UserError, "certificate of this dossier has expired"):
            self.registration.action_remedy()


@tagged("post_install_l10n", "post_install", "-at_install")
class TestConnection(PromisesCase):
    def setUp(self):
        super().setUp()
        self.patch(type(self.env["l10n_vn_ibhxh.provider"]), "_gateway", L10n_Vn_IbhxhProvider._gateway)
        pem = http_server.self_signed().decode()
        self.key, begin, rest = pem.partition("-----BEGIN CERTIFICATE-----")
        self.certificate_pem = begin + rest
        self.managed = self.provider.with_user(self.manager)

    def test_o9_certificates_reach_the_gateway(self):
        self.managed.write(
            {
                "gateway": "http",
                "url": "https://127.0.0.1:9/ivan",
                "ca_certificates": self.certificate_pem,
                "client_certificate": self.certificate_pem,
                "client_key_input": self.key,
            }
        )
        self.env.invalidate_all()
        self.assertTrue(self.managed.has_client_key)
        made = self.provider.with_user(self.user)._gateway()
        self.assertTrue(made._transport._adapter._context)

    def test_o9_the_key_can_be_replaced_and_never_read(self):
        self.managed.write({"client_certificate": self.certificate_pem, "client_key_input": self.key})
        self.env.invalidate_all()
        self.assertFalse(self.managed.client_key_input)
        self.assertNotIn("PRIVATE", str(self.managed.read()))
        admin = self.provider.with_user(self.env.ref("base.user_admin"))
        for user_provider in (self.managed, admin):
            with self.assertRaises(AccessError):
                user_provider.read(["client_key"])
            with self.assertRaises(AccessError):
                user_provider.search([("client_key", "like", "PRIVATE")])
            with self.assertRaises(AccessError):
                user_provider.write({"client_key": "x"})
        for name in ("client_key_input", "client_certificate", "ca_certificates", "client_secret"):
            with self.assertRaises(AccessError):
                self.provider.with_user(self.user).read([name])
        copied = self.managed.copy({"code": "77"})
        self.assertFalse(copied.sudo().client_key or copied.sudo().client_certificate)
        other = self.provider.sudo().client_key
        self.managed.name = "Khác"
        self.assertEqual(self.provider.sudo().client_key, other, "other changes keep it")

    def test_o9_unusable_certificates_are_refused_in_words(self):
        for vals in (
            {"ca_certificates": "no PEM"},
            {"client_certificate": self.certificate_pem},
            {"client_key_input": self.key},
            {"client_certificate": self.certificate_pem, "client_key_input": "x"},
        ):
            with self.assertRaises(ValidationError), self.env.cr.savepoint():
                self.managed.write(vals)
            self.env.invalidate_all()

    def test_o5_o10_health(self):
        answer = {"status": "ok", "time": STAMP, "provider": {"code": self.provider.code, "name": "X"}}
        self.managed.sudo().url = self.office.server.url
        now = fields.Datetime.now()
        for body, kind, words in (
            (answer, "success", "answers"),
            ({**answer, "time": (now + timedelta(days=1)).isoformat() + "Z"}, "warning", "1440 minutes ahead"),
            ({**answer, "time": (now - timedelta(hours=7)).isoformat() + "Z"}, "warning", "420 minutes behind"),
            ({**answer, "time": 7}, "warning", "time is not a possible time"),
            ({**answer, "provider": {"code": "00050", "name": "Y"}}, "warning", "00050 Y"),
            ({**answer, "status": "down"}, "danger", "no clear answer"),
            ([answer], "danger", "JSON"),
        ):
            with self.subTest(words):
                self.office.get = lambda *_proper, b=body: reply(200, b)
                params = self.managed.action_check()["params"]
                self.assertEqual(params["type"], kind, params)
                self.assertIn(words, params["message"])
        self.office.get = lambda *_proper: reply(401, {})
        self.assertIn("client code or the password", self.managed.action_check()["params"]["message"])

    def test_o10_sentences_for_every_reason_and_fault(self):
        """No text of the tools reaches a person: each reason has a sentence, and all placeholders are filled."""
        for reason in gateways.Reason:
            error = gateways.UnknownOutcome("internal words", reason=reason, detail="7")
            sentence = gateway_texts.reason(self.env, self.provider, error)
            self.assertNotIn("internal words", sentence)
            self.assertNotIn("%(", sentence)
        for kind in gateways.FaultKind:
            sentence = gateway_texts.faults(self.env, self.provider, (gateways.Fault("steps[1].at", kind),))
            self.assertIn("steps[1].at", sentence)
        for error in (gateways.Misconfigured("x"), gateways.Unreachable("x"), gateways.UnknownOutcome("x")):
            self.assertNotIn("x", gateway_texts.reason(self.env, self.provider, error).split())

    def test_certificates_leave_a_copied_database(self):
        self.managed.write({"client_certificate": self.certificate_pem, "client_key_input": self.key})
        self.env.flush_all()
        script = (Path(__file__).parents[1] / "data" / "neutralize.sql").read_text(encoding="utf-8")
        self.env.cr.execute(script)
        self.env.invalidate_all()
        self.assertFalse(self.provider.sudo().client_key or self.provider.sudo().client_certificate)
