"""I: signing on the phone, over real connections with the sandbox's remote signing service."""

import base64
import logging
import runpy
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import freeze_time, tagged
from odoo.tools import mute_logger

from ..models.const import REMOTE_FAILURES, REMOTE_LOOPBACK
from ..tools import remote, signature
from .common import TAX_CODE, IbhxhCommon
from .samples.remote_stand_in import CLIENT, SECRET, StandIn

NUMBER = "001085012345"
REQUESTS = "odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_signing_request_remote"


class RemoteCase(IbhxhCommon):
    """A company whose user has a token and an account at a remote signing service."""

    frozen_at = None
    path = "vnpt"
    settings = {"adapter": "smartca", "profile": "vnpt"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stand_in = StandIn()
        cls.stand_in.__enter__()
        cls.addClassCleanup(cls.stand_in.__exit__)
        cls.env["ir.config_parameter"].set_param(REMOTE_LOOPBACK, "True")
        cls.service = cls.env["l10n_vn_ibhxh.remote.service"].create(
            {
                "name": "SmartCA thử",
                **cls.settings,
                "url": f"{cls.stand_in.base}/{cls.path}",
                "client_id": CLIENT,
                "client_secret_input": SECRET,
                "company_id": False,
            }
        )
        cls.provider.remote_service_ids = cls.service
        cls.remote_der = cls.stand_in.add_person(NUMBER, TAX_CODE, "Nguyễn Thị An")
        cls.account = (
            cls.env["l10n_vn_ibhxh.remote.account"]
            .with_user(cls.user)
            .create({"service_id": cls.service.id, "identity": NUMBER})
        )
        cls.account.action_read_certificates()
        cls.phone_certificate = cls.account.certificate_ids

    def setUp(self):
        super().setUp()
        self.now = fields.Datetime.now()
        self.stand_in.mend()
        self.stand_in.decide("refused")
        self.starts = self.stand_in.starts

    def later(self, seconds):
        """Let the scheduled action run so many seconds after the last time."""
        self.now += timedelta(seconds=seconds)
        with freeze_time(self.now):
            self._run("remote")

    def started(self):
        """How many requests this test put on the phone."""
        return self.stand_in.starts - self.starts

    def prepared(self, **vals):
        return self._register(certificate_id=self.phone_certificate.id, **vals)

    def sent(self, **vals):
        """A registration whose request was sent to the phone."""
        registration = self.prepared(**vals)
        registration.action_send_to_phone()
        self.later(0)
        return registration


@tagged("post_install_l10n", "post_install", "-at_install")
class TestRemoteSigning(RemoteCase):
    def test_i_without_token_press_confirm_done(self):
        """The person sees what is signed and a code, the app shows the same code, the verifier accepts."""
        registration = self.prepared()
        request = registration.sudo().signing_request_id
        self.assertEqual((registration.state, request.state), ("to_sign", "pending"))
        shown = registration.phone_signing
        self.assertEqual((shown["state"], shown["service"]), ("prepared", "SmartCA thử"))
        self.assertIn(["Tax code", TAX_CODE], shown["content"])
        self.later(60)
        self.assertEqual(self.started(), 0, "Nothing is sent before the person has compared it.")
        registration.action_send_to_phone()
        self.assertEqual(self.started(), 0, "The page's own transaction calls nobody.")
        self.later(0)
        [on_phone] = self.stand_in.waiting
        self.assertIn(request.short_code, on_phone["description"])
        self.assertEqual(on_phone["documents"], [f"BHXH-{request.short_code.replace(' ', '')}"])
        self.assertEqual(request.remote_state, "waiting")
        self.assertIn(request.short_code, registration.signing_hint)
        self.later(5)
        self.assertEqual(registration.state, "to_sign")
        self.stand_in.decide()
        self.later(5)
        self.assertEqual((registration.state, request.state), ("to_send", "signed"))
        self.assertEqual((request.signed_by_id, request.signed_on), (self.user, "SmartCA thử"))
        signed = base64.b64decode(registration.sudo().signed_document)
        signature.verify(signed, base64.b64decode(registration.sudo().document), self.remote_der)
        self.assertEqual(self.started(), 1)
        self.later(600)
        self.assertFalse(request.ask_at)

    def test_i_sent_twice_by_the_person_is_started_once(self):
        registration = self.sent()
        with self.assertRaises(UserError):
            registration.action_send_to_phone()
        registration.sudo().signing_request_id._send_to_phone()
        self.later(5)
        self.later(10)
        self.assertEqual(self.started(), 1)

    def test_i_computers_are_never_offered_what_a_phone_signs_and_the_reverse(self):
        self._plug_in(self.agent, self.der, self.remote_der)
        registration = self.prepared()
        request = registration.sudo().signing_request_id
        self.assertFalse(self._claim())
        self.assertFalse(request._holders())
        self.assertFalse(self.env["l10n_vn_ibhxh.signing.request"].sudo()._count_for(self.agent))
        registration.action_send_to_phone()
        self.later(0)
        self.assertFalse(self._claim())
        # A lease of a phone's request does not return to anybody.
        with freeze_time(self.now + timedelta(seconds=3600)):
            request._return_lapsed()
        self.assertEqual(request.state, "claimed")
        registration.action_withdraw()
        registration.certificate_id = self.certificate
        registration.action_request_signature()
        by_token = registration.sudo().signing_request_id
        self.assertFalse(by_token.remote_account_id)
        self.assertFalse(registration.can_send_to_phone)
        by_token._send_to_phone()
        self.later(60)
        self.assertEqual((by_token.state, self.started()), ("pending", 1))
        self.assertEqual(self._claim(), by_token)

    def test_i_wizard_shows_token_and_phone_side_by_side(self):
        wizard = self._wizard()
        self.assertEqual(wizard.available_certificate_ids, self.certificate | self.phone_certificate)
        names = dict(wizard.available_certificate_ids.mapped(lambda c: (c.is_remote, c.display_name)))
        self.assertIn("on the phone", names[True])
        self.assertNotIn("on the phone", names[False])

    def test_i_the_ivan_has_to_take_the_services_signatures(self):
        self.provider.remote_service_ids = False
        wizard = self._wizard(certificate_id=self.phone_certificate.id)
        self.assertTrue(wizard.is_blocked)
        self.assertIn("certificate_service_unknown", [row["code"] for row in wizard.preflight])
        with self.assertRaisesRegex(ValidationError, "It is not known whether"):
            wizard.action_register()
        wizard.certificate_id = self.certificate
        self.assertFalse(wizard.is_blocked)

    def test_i_from_token_to_phone_proposes_form_05(self):
        registration = self._register(certificate_id=self.certificate.id)
        self._sign(registration)
        self._send()
        registration.sudo()._confirm(fields.Datetime.now())
        self.assertEqual(self.company.l10n_vn_ibhxh_certificate_id, self.certificate)
        self.env["res.company"]._l10n_vn_ibhxh_find_newer(self.now)
        found = self.env["res.company"]._l10n_vn_ibhxh_find_newer(self.now)
        self.assertEqual(found.get(self.company.id), self.phone_certificate.id)
        wizard = self._wizard(certificate_id=self.phone_certificate.id)
        self.assertEqual(wizard.form, "05")
        self.assertIn(self.phone_certificate.serial, wizard.change_text)
        # To stop with it is refused: VSS has the other one on record. Form 05 is one click away.
        stop = self._wizard(certificate_id=self.phone_certificate.id, form="06", stop_reason_code="9")
        [row] = [row for row in stop.preflight if row["code"] == "certificate_not_registered"]
        self.assertEqual(row["action"], "action_amend_first")

    def test_i_cancelled_here_and_confirmed_there_is_discarded_and_noted(self):
        registration = self.sent()
        request = registration.sudo().signing_request_id
        registration.action_withdraw()
        self.assertEqual((registration.state, request.state), ("draft", "cancelled"))
        self.stand_in.decide()
        with mute_logger(REQUESTS):
            self.later(10)
            self.later(10)
        self.assertEqual((registration.state, request.state), ("draft", "cancelled"))
        self.assertFalse(registration.sudo().signed_document)
        notes = [body for body in registration.sudo().message_ids.mapped("body") if "discarded" in body]
        self.assertEqual(len(notes), 1)
        self.assertFalse(request.ask_at)

    def test_s7_cancelled_while_its_signature_is_checked_is_noted_and_settled(self):
        registration = self.sent()
        request = registration.sudo().signing_request_id
        self.stand_in.decide()
        with patch.object(type(request), "_take_values"):
            self.later(5)
        self.assertEqual(request.remote_state, "received")
        with mute_logger(REQUESTS):
            registration.action_withdraw()
        self.later(600)
        self.assertEqual((registration.state, request.state), ("draft", "cancelled"))
        self.assertFalse(request.ask_at, "nothing is asked about any more")
        self.assert_discarded(registration)

    def test_sc_what_comes_after_the_request_ended_is_noted(self):
        registration = self.sent()
        request = registration.sudo().signing_request_id
        request._fail("lost", "")
        with mute_logger(REQUESTS):
            request._take_outcome(remote.Signed({request.remote_doc_id: b"x"}), is_start=True)
        self.assertEqual(request.state, "failed")
        self.assert_discarded(registration)

    def test_sc_a_start_is_not_given_up_before_it_can_have_ended(self):
        """Login and questions come before the person is asked, the signature after."""
        request = self.prepared().sudo().signing_request_id
        for name, seconds in (
            ("csc1", remote.CALL_SECONDS + remote.CONFIRM_SECONDS),
            ("csc2", remote.CALL_SECONDS),
        ):
            with self.subTest(name):
                adapter = remote.make(name, remote.HttpClient("https://sca.example"), login="none")
                request._mark_started(adapter)
                self.assertGreaterEqual(request.ask_at, request.started_at + timedelta(seconds=seconds))

    def assert_discarded(self, registration):
        notes = [body for body in registration.sudo().message_ids.mapped("body") if "discarded" in body]
        self.assertEqual(len(notes), 1)

    def test_i_cancelled_before_it_was_sent_never_reaches_the_phone(self):
        registration = self.prepared()
        registration.action_send_to_phone()
        registration.action_withdraw()
        self.later(0)
        self.assertEqual(self.started(), 0)

    def test_i_refused_or_run_out_is_said_and_sent_again_by_one_press(self):
        registration = self.sent()
        self.stand_in.decide("refused")
        self.later(5)
        self.assertEqual((registration.state, registration.error_code), ("draft", "refused"))
        self.assertIn("refused in the app", registration.error_message)
        self.assertTrue(registration.can_send_again)
        registration.action_send_again()
        self.later(0)
        self.assertEqual((registration.state, self.started()), ("to_sign", 2))
        for _turn in range(12):
            self.later(40)
        self.assertEqual((registration.state, registration.error_code), ("draft", "expired"))
        self.assertEqual(self.started(), 2)
        registration.action_send_again()
        self.later(0)
        self.stand_in.decide()
        self.later(5)
        self.assertEqual(registration.state, "to_send")

    def test_i_several_dossiers_of_one_key_are_one_confirmation(self):
        units = self.company
        for number in range(2):
            units += self.env["res.company"].create(
                {
                    "name": f"Chi nhánh {number}",
                    "parent_id": self.company.id,
                    "vat": TAX_CODE,
                    "l10n_vn_ibhxh_unit_code": f"TZ000{number}A",
                    "l10n_vn_ibhxh_provider_id": self.provider.id,
                    "l10n_vn_ibhxh_agency_id": self.agency.id,
                }
            )
        units.partner_id.write({"email": "ke.toan@example.com", "phone": "0912 345 678"})
        self.company.l10n_vn_ibhxh_unit_code = "TZ0009A"
        self.user.company_ids = units
        batches = self.env["l10n_vn_ibhxh.batch"].with_user(self.user).with_context(allowed_company_ids=units.ids)
        batch = batches._from_companies(units)
        self.assertEqual(batch.line_ids.certificate_id, self.phone_certificate, batch.line_ids.mapped("blockers"))
        batch.action_register()
        self.assertEqual(batch.to_phone_count, 3)
        self.assertEqual(len(set(batch.line_ids.mapped("short_code"))), 3)
        batch.action_send_to_phone()
        self.later(0)
        [on_phone] = self.stand_in.waiting
        self.assertEqual((len(on_phone["documents"]), self.started()), (3, 1))
        self.stand_in.decide()
        self.later(5)
        self.assertEqual(set(batch.line_ids.mapped("registration_state")), {"to_send"})

    def test_i_the_signature_is_kept_when_somebody_else_works_on_the_record(self):
        registration = self.sent()
        request = registration.sudo().signing_request_id
        self.stand_in.decide()
        registrations = type(self.env["l10n_vn_ibhxh.registration"])
        busy = patch.object(registrations, "_on_all_signed", side_effect=UserError("locked"))
        with busy:
            self.later(5)
        self.assertEqual((request.state, request.remote_state), ("claimed", "received"))
        self.stand_in.fault("any", "status", count=5)
        self.later(90)
        self.assertEqual((registration.state, self.started()), ("to_send", 1))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestRemoteFaults(RemoteCase):
    """Each fault, where it can happen: nothing lost, nothing signed twice, and the person knows."""

    # (kind, when): what becomes of it. Before: the service never looked at it; after: it worked, the answer is spoilt.
    WIRE_AT_START = {
        ("status", "before"): "unreachable",
        ("status", "after"): "signed",
        ("close", "before"): "unreachable",
        ("close", "after"): "signed",
        ("html", "before"): "unreachable",
        ("html", "after"): "signed",
        ("garbage", "after"): "signed",
        ("huge", "after"): "signed",
        ("truncated", "after"): "signed",
    }
    SAID_AT_START = {
        "credentials_refused": "service_settings",
        "repeats_secret": "service_failed",
        "quota": "quota",
        "suspended": "certificate_suspended",
    }
    WIRE_WHILE_WAITING = ("status", "close", "html", "garbage", "huge", "truncated", "redirect", "reset")
    SAID_WHILE_WAITING = {
        "wrong_key": "invalid_signature",
        "hashed_twice": "invalid_signature",
        "pkcs7": "invalid_signature",
        "short_value": "invalid_signature",
        "wrong_doc_id": "service_failed",
        "missing_doc_id": "signed",
        "forgotten": "lost",
    }

    def outcome(self, registration):
        return registration.error_code or ("signed" if registration.state == "to_send" else registration.state)

    def check(self, registration, expected):
        self.assertEqual(self.outcome(registration), expected)
        request = registration.sudo().signing_request_id
        if expected == "signed":
            signed = base64.b64decode(registration.sudo().signed_document)
            signature.verify(signed, base64.b64decode(registration.sudo().document), self.remote_der)
            return
        self.assertEqual((registration.state, request.state), ("draft", "failed"))
        self.assertEqual(registration.error_message, self.env._(REMOTE_FAILURES[expected]))
        self.assertFalse(registration.sudo().signed_document)
        # And from there it goes on.
        registration.action_send_again()
        self.later(0)
        self.stand_in.decide()
        self.later(10)
        self.assertEqual(registration.state, "to_send")

    @contextmanager
    def undone(self):
        """One case: afterwards the database is as before."""
        with self.env.cr.savepoint(flush=False) as savepoint:
            yield
            self.stand_in.mend()
            self.stand_in.decide("refused")
            savepoint.rollback()
            self.env.invalidate_all()

    @mute_logger(REQUESTS)
    def test_i_faults_at_the_start(self):
        wire = [("remote_start", kind, {"when": when}, what) for (kind, when), what in self.WIRE_AT_START.items()]
        said = [("remote", kind, {}, what) for kind, what in self.SAID_AT_START.items()]
        for endpoint, kind, options, expected in [*wire, *said]:
            with self.subTest(kind, **options), self.undone():
                before = self.stand_in.starts
                self.stand_in.fault(endpoint, kind, **options)
                registration = self.prepared()
                registration.action_send_to_phone()
                self.later(0)
                self.stand_in.decide()
                for _turn in range(3):
                    self.later(40)
                self.assertEqual(self.stand_in.starts - before, int(expected == "signed"))
                self.check(registration, expected)

    @mute_logger(REQUESTS)
    def test_i_faults_while_the_person_decides(self):
        wire = [
            ("remote_poll", kind, {"when": when}, "signed")
            for kind in self.WIRE_WHILE_WAITING
            for when in ("before", "after")
        ]
        said = [("remote", kind, {}, what) for kind, what in self.SAID_WHILE_WAITING.items()]
        for endpoint, kind, options, expected in [*wire, *said]:
            with self.subTest(kind, **options), self.undone():
                before = self.stand_in.starts
                registration = self.sent()
                self.stand_in.decide()
                self.stand_in.fault(endpoint, kind, **options)
                self.later(10)
                self.later(20)
                self.assertEqual(self.stand_in.starts - before, 1)
                self.check(registration, expected)

    @mute_logger(REQUESTS)
    def test_i_killed_between_commit_and_call(self):
        """The request counts as sent, and is asked about; it never was, so the person hears that, and starts again."""
        registration = self.prepared()
        registration.action_send_to_phone()
        killed = patch.object(
            type(self.env["l10n_vn_ibhxh.signing.request"]), "_run_calls", lambda *arguments, **named: None
        )
        with killed:
            self.later(0)
        request = registration.sudo().signing_request_id
        self.assertEqual((request.state, request.remote_state), ("claimed", "sending"))
        self.later(30)
        self.assertEqual((request.state, self.started()), ("claimed", 0))
        self.later(remote.CALL_SECONDS)
        self.check(registration, "unreachable")

    @mute_logger(REQUESTS)
    def test_i_killed_after_the_call(self):
        """The phone has it, Odoo lost the answer: it is asked, not sent again."""
        registration = self.prepared()
        registration.action_send_to_phone()
        killed = patch.object(
            type(self.env["l10n_vn_ibhxh.signing.request"]), "_store_outcome", lambda *arguments: None
        )
        with killed:
            self.later(0)
        self.assertEqual(self.started(), 1)
        self.stand_in.decide()
        self.later(30)
        self.later(remote.CALL_SECONDS)
        self.check(registration, "signed")
        self.assertEqual(self.started(), 1)

    @mute_logger(REQUESTS)
    def test_i_killed_while_asking(self):
        registration = self.sent()
        self.stand_in.decide()
        killed = patch.object(
            type(self.env["l10n_vn_ibhxh.signing.request"]), "_store_outcome", lambda *arguments: None
        )
        with killed:
            self.later(5)
        self.assertEqual(registration.state, "to_sign")
        self.later(91)
        self.check(registration, "signed")
        self.assertEqual(self.started(), 1)

    @mute_logger(REQUESTS)
    def test_i_a_service_that_is_silent_for_long_is_asked_for_an_hour(self):
        registration = self.sent()
        self.stand_in.decide()
        self.stand_in.fault("remote_poll", "status", count=1000)
        for _turn in range(20):
            self.later(90)
        self.assertEqual(registration.sudo().signing_request_id.state, "claimed")
        self.assertEqual(registration.state, "to_sign")
        self.stand_in.mend()
        self.later(900)
        self.check(registration, "signed")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestRemoteExchange(RemoteCase):
    @mute_logger(REQUESTS)
    def test_i_a_certificate_that_is_exchanged_meanwhile_signs_nothing(self):
        """What was chosen and shown is what signs; the new certificate is read, and is another one to VSS."""
        registration = self.sent()
        self.stand_in.decide()
        self.stand_in.fault("remote", "exchanged_certificate")
        self.later(10)
        self.assertEqual((registration.state, registration.error_code), ("draft", "invalid_signature"))
        self.account.action_read_certificates()
        new = self.account.certificate_ids
        self.assertTrue(new)
        self.assertNotEqual(new, self.phone_certificate)
        self.assertIn("certificate_account_gone", [row["code"] for row in registration.preflight])
        registration.certificate_id = new
        registration.action_request_signature()
        registration.action_send_to_phone()
        self.later(0)
        self.stand_in.decide()
        self.later(10)
        self.assertEqual(registration.state, "to_send")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestRemoteSecurity(RemoteCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        group = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_"
        cls.other_company = cls.env["res.company"].create({"name": "Công ty khác", "vat": "0312345678"})
        cls.stranger = cls._new_user("stranger", f"{group}user", cls.other_company)
        cls.manager = cls._new_user("manager", f"{group}manager", cls.company)
        cls.other_manager = cls._new_user("other", f"{group}manager", cls.other_company)

    def test_i_another_companys_service_is_not_to_be_used(self):
        self.service.company_id = self.company
        accounts = self.env["l10n_vn_ibhxh.remote.account"]
        with self.assertRaises(AccessError):
            accounts.with_user(self.stranger).create({"service_id": self.service.id, "identity": "1" * 12})
        with self.assertRaises(AccessError):
            self.service.with_user(self.other_manager).write({"url": "https://elsewhere.example"})
        with self.assertRaises(ValidationError):
            accounts.create({"service_id": self.service.id, "identity": "1" * 12, "user_id": self.stranger.id})
        # It was shared, and others had accounts: these count no more.
        self.service.company_id = self.other_company
        self.assertFalse(self.phone_certificate._remote_account(self.company))
        self.assertNotIn(self.company, self.phone_certificate.company_ids)

    def test_i_another_persons_account_is_not_to_be_read_or_changed(self):
        for user in (self.stranger, self.other_manager):
            account = self.account.with_user(user)
            for door in (
                lambda account=account: account.read(["identity"]),
                lambda account=account: account.write({"active": False}),
                lambda account=account: account.action_read_certificates(),
            ):
                with self.subTest(user.login), self.assertRaises(AccessError):
                    door()
        with self.assertRaises(AccessError):
            self.env["l10n_vn_ibhxh.remote.account"].with_user(self.manager).create(
                {"service_id": self.service.id, "identity": "1" * 12, "user_id": self.stranger.id}
            )

    def test_i_another_companys_service_takes_no_certificate_over(self):
        """What a service of another company claims to hold changes nothing for this one."""
        evil = self.env["l10n_vn_ibhxh.remote.service"].create(
            {
                "name": "Dịch vụ khác",
                "url": self.service.url,
                "company_id": self.other_company.id,
            }
        )
        self.other_company.vat = TAX_CODE
        account = self.env["l10n_vn_ibhxh.remote.account"].create(
            {"service_id": evil.id, "identity": "9" * 12, "user_id": self.stranger.id}
        )
        claimed = remote.RemoteCertificate("1", self.der)
        self.env["l10n_vn_ibhxh.certificate"]._from_remote(account, [claimed])
        self.assertTrue(self.certificate._remote_account(self.other_company))
        self.assertFalse(self.certificate._remote_account(self.company))
        self.assertFalse(self.certificate.with_company(self.company).with_user(self.user).is_remote)
        self.env["l10n_vn_ibhxh.certificate"]._from_remote(account, [])
        self.assertFalse(account.certificate_ids)

    def test_i_certificates_of_others_are_not_collected(self):
        self.stand_in.add_person("002", "0312345678", "Người khác")
        account = self.env["l10n_vn_ibhxh.remote.account"].with_user(self.user)
        account = account.create({"service_id": self.service.id, "identity": "002"})
        before = self.env["l10n_vn_ibhxh.certificate"].search_count([])
        answer = account.action_read_certificates()
        self.assertEqual(answer["params"]["type"], "warning")
        self.assertFalse(account.certificate_ids)
        self.assertEqual(self.env["l10n_vn_ibhxh.certificate"].search_count([]), before)

    def test_i_another_number_forgets_what_was_read(self):
        self.account.identity = "001085099999"
        self.assertFalse(self.account.certificate_ids or self.account.listed_at or self.account.references)
        self.assertNotIn(self.company, self.phone_certificate.company_ids)

    def test_i_an_account_that_ended_signs_no_more(self):
        registration = self.prepared()
        self.account.active = False
        registration.action_send_to_phone()
        self.later(0)
        self.assertEqual((registration.state, registration.error_code), ("draft", "account_gone"))
        self.assertEqual(self.started(), 0)
        self.assertIn("certificate_account_gone", [row["code"] for row in registration.preflight])

    def test_i_addresses(self):
        services = self.env["l10n_vn_ibhxh.remote.service"]
        for url in (
            "http://sca.example",
            "ftp://sca.example",
            "https://u:p@sca.example",
            "https://",
            "x",
            "https://[x",
        ):
            with self.subTest(url), self.assertRaises(ValidationError):
                services.create({"name": "x", "url": url})
        self.env["ir.config_parameter"].set_param(REMOTE_LOOPBACK, False)
        for url in ("http://127.0.0.1:8069", "https://localhost", "https://127.8.8.8", "https://[::1]"):
            with self.subTest(url), self.assertRaises(ValidationError):
                services.create({"name": "x", "url": url})
        with self.assertRaises(UserError):
            self.account.action_read_certificates()
        inside = services.create({"name": "x", "url": "https://10.1.2.3/x"})
        account = self.env["l10n_vn_ibhxh.remote.account"].create(
            {"service_id": inside.id, "identity": "123", "user_id": self.user.id}
        )
        with mute_logger("odoo.addons.l10n_vn_ibhxh.models.l10n_vn_ibhxh_remote_account"), self.assertRaises(UserError):
            account.action_read_certificates()

    def test_i_an_upgrade_opens_certificates_of_own_accounts(self):
        """Rules are not updated by data."""
        path = Path(__file__).parent.parent / "migrations" / "19.0.2.0.0" / "post-remote-certificate-rule.py"
        migration = runpy.run_path(str(path))
        rule = self.env.ref("l10n_vn_ibhxh.certificate_rule_company")
        self.assertEqual(rule.domain_force, migration["NEW"])
        rule.domain_force = migration["OLD"]
        for _time in range(2):
            self.env.flush_all()
            migration["migrate"](self.env.cr, "19.0.1.1.0")
            self.env.invalidate_all()
            self.assertEqual(rule.domain_force, migration["NEW"])

    def test_i_secrets_are_nowhere(self):
        """Passwords in no log, message, error or export, whatever fails; gone after neutralising."""
        handler = _Collecting()
        root = logging.getLogger()
        level = root.level
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            self.service.client_secret_input = SECRET
            registration = self.sent()
            self.stand_in.fault("remote_poll", "status", when="after")
            self.later(5)
            self.stand_in.fault("remote_poll", "redirect")
            self.later(10)
            self.stand_in.decide("refused")
            self.later(10)
            self.stand_in.fault("remote", "repeats_secret")
            registration.action_send_again()
            self.later(0)
        finally:
            root.removeHandler(handler)
            root.setLevel(level)
        reference = registration.sudo().signing_request_id.remote_reference
        self.assertTrue(reference)
        admin = self.env.ref("base.user_admin")
        admin.company_ids += self.company
        texts = [
            *handler.lines,
            *registration.sudo().message_ids.mapped("body"),
            registration.error_message,
            str(registration.read()),
            str(self.service.with_user(admin).read()),
            str(self.service.with_user(admin).copy_data()),
            str(registration.sudo().signing_request_id.with_user(self.user).read()),
        ]
        for text in texts:
            self.assertNotIn(SECRET, text)
        for field in ("client_secret",):
            with self.assertRaises(AccessError):
                self.service.with_user(admin).export_data([field])

    def test_i_another_addon_adds_an_adapter(self):
        """A class in the registry and a value of the selection are all that it takes."""
        key_of_person = []

        @remote.register("third")
        class Third(remote.RemoteService):
            def __init__(self, client, *, client_id, client_secret):
                self.credentials = (client_id, client_secret)

            def certificates(self, user):
                return []

            def start(self, reference, user, certificate, items, description):
                key_of_person.append((reference, user, certificate, [item.doc_id for item in items]))
                return remote.Waiting({"n": "1"})

            def poll(self, reference, user, items, handle):
                raise remote.ServiceRefused("quota")

        field = self.env["l10n_vn_ibhxh.remote.service"]._fields["adapter"]
        selection = [*field.selection, ("third", "Third")]
        self.startPatcher(patch.multiple(field, selection=selection, _selection=dict(selection)))
        self.service.write({"adapter": "third", "url": "https://third.example"})
        registration = self.sent()
        self.assertEqual(registration.signing_request_id.sudo().remote_state, "waiting")
        [(_reference, user, _certificate, documents)] = key_of_person
        self.assertEqual((user, len(documents)), (NUMBER, 1))
        self.later(10)
        self.assertEqual((registration.state, registration.error_code), ("draft", "quota"))


class _Collecting(logging.Handler):
    def __init__(self):
        super().__init__(logging.DEBUG)
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@tagged("post_install_l10n", "post_install", "-at_install")
class TestRemoteCa2(RemoteCase):
    path = "ca2"
    settings = {"adapter": "smartca", "profile": "ca2"}

    def test_i_other_dialects_sign_too(self):
        registration = self.sent()
        self.later(5)
        self.assertEqual(registration.state, "to_sign")
        self.stand_in.decide()
        self.later(10)
        self.assertEqual((registration.state, self.started()), ("to_send", 1))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestRemoteCsc2(TestRemoteCa2):
    path = "csc/v2"
    settings = {"adapter": "csc2", "login": "basic"}

    def test_i_what_was_cancelled_is_not_asked_for(self):
        """The service signs only when it is asked: nobody asks for a cancelled one."""
        registration = self.sent()
        registration.action_withdraw()
        self.assertFalse(registration.sudo().signing_request_id.ask_at)
