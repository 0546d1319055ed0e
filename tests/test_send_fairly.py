"""One I-VAN that does not answer, or one dossier that it cannot take, keeps no other waiting."""

import time
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged

from ..models import l10n_vn_ibhxh_registration_sending as sending
from ..tools import gateways
from .common import TestGateway
from .companies import ManyCompanies

TIMEOUT = gateways.UnknownOutcome("no answer", reason=gateways.Reason.TIMEOUT)


class HangingGateway(TestGateway):
    """Takes 35 seconds over each dossier but those in `taken`, and does not say what became of it."""

    def __init__(self, case, error):
        super().__init__()
        self.case, self.error = case, error
        self.taken = set()

    def submit(self, dossier, client_reference):
        if client_reference in self.taken:
            return super().submit(dossier, client_reference)
        self.calls.append(client_reference)
        self.case.moved += 35
        raise self.error

    def progress(self, client_reference):
        return self.submit(None, client_reference) and None


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSendFairly(ManyCompanies):
    COUNT = 5

    def setUp(self):
        super().setUp()
        self.moved = 0
        clock = time.monotonic
        self.startPatcher(patch.object(time, "monotonic", lambda: clock() + self.moved))
        self.startPatcher(patch.object(sending, "SEND_BATCH", 2))
        companies = self._new_companies(self.COUNT)
        self._plug_in_tokens(companies)
        self.registrations = self.env["l10n_vn_ibhxh.registration"].union(
            *(self._registered(company) for company in companies)
        )
        self._sign_all()

    def _registered(self, company):
        action = self._wizard(company_id=company.id).action_register()
        return self.env[action["res_model"]].browse(action["res_id"])

    def _scheduled(self):
        """The scheduler gives a run ten seconds before it goes on with others."""
        crons, end = type(self.env["ir.cron"]), time.monotonic() + 10
        commit = crons._commit_progress

        def commit_in_time(*args, **kwargs):
            commit(*args, **kwargs)
            return max(end - time.monotonic(), 0)

        return patch.object(crons, "_commit_progress", commit_in_time)

    def _hang(self, error):
        """The I-VAN of the many does not answer any more; return its gateway."""
        hanging, hanging_id = HangingGateway(self, error), self.provider.id
        self.startPatcher(
            patch.object(
                type(self.provider), "_gateway", lambda ivan: hanging if ivan.id == hanging_id else self.gateway
            )
        )
        return hanging

    def test_s4_an_ivan_that_hangs_keeps_no_other_waiting(self):
        other = self.provider.copy({"code": "11111"})
        self.company.l10n_vn_ibhxh_provider_id = other
        last = self._registered(self.company)
        self._sign_all()
        self.assertGreater(last.id, max(self.registrations.ids))
        self._hang(gateways.UnknownOutcome("lost"))
        waited, submit = [], self.gateway.submit
        self.gateway.submit = lambda *args: waited.append(self.moved) or submit(*args)
        with self._scheduled():
            self._send()
        self.assertEqual(last.state, "sent")
        self.assertLessEqual(waited, [35], "no more than one call of the other I-VAN was waited for")
        self.assertEqual(set(self.registrations.mapped("state")), {"to_send"})

    def test_s4_an_ivan_that_hangs_is_called_once_in_a_run(self):
        gateway = self._hang(TIMEOUT)
        self._send()
        self.assertEqual(len(gateway.calls), 1)
        self.assertTrue(all(at > fields.Datetime.now() for at in self.registrations.mapped("retry_at")))
        tried = self.registrations.filtered("attempted_at")
        self.assertEqual(len(tried), 1, "the others can be cancelled")
        asks = self.registrations.filtered(lambda r: "before it sends again" in r.error_message)
        self.assertEqual(asks, tried, "nothing is asked about what was never handed over")

    def test_s4_a_dossier_that_always_times_out_keeps_no_other_waiting(self):
        gateway = self._hang(TIMEOUT)
        gateway.taken = set(self.registrations.sorted("id")[1:].mapped("client_reference"))
        self._send()
        with self._later(minutes=2):
            self._send()
        self.assertEqual(self.registrations.mapped("state"), ["to_send", *["sent"] * (self.COUNT - 1)])
