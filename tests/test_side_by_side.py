"""Calls to several servers at once."""

import threading
from unittest.mock import patch

from odoo.tests import BaseCase, tagged

from ..tools import gateways, side_by_side
from .common import TestGateway
from .companies import ManyRows


@tagged("post_install_l10n", "post_install", "-at_install")
class TestSideBySide(BaseCase):
    def outcomes(self, *lanes, **keywords):
        found = {}
        for some in side_by_side.run(list(lanes), **keywords):
            self.assertTrue(some)
            found.update(some)
        return found

    def test_j_no_more_at_once_than_allowed(self):
        barrier, together = threading.Barrier(3), []

        def call():
            together.append(barrier.wait(30))
            return len(together)

        found = self.outcomes(side_by_side.Lane(3, dict.fromkeys(range(6), call)))
        self.assertEqual(sorted(found), list(range(6)))
        self.assertEqual(sorted(together), [0, 0, 1, 1, 2, 2], "three wait for each other, twice")

    def test_j_one_at_a_time_needs_no_thread(self):
        thread = threading.current_thread()
        found = self.outcomes(side_by_side.Lane(1, {1: threading.current_thread, 2: threading.current_thread}))
        self.assertEqual({outcome.value for outcome in found.values()}, {thread})

    def test_j_an_error_is_an_outcome_of_its_own(self):
        def fails():
            raise ZeroDivisionError

        found = self.outcomes(side_by_side.Lane(2, {"a": fails, "b": lambda: 1}), side_by_side.Lane(1, {"c": fails}))
        self.assertIsInstance(found["a"].error, ZeroDivisionError)
        self.assertIsInstance(found["c"].error, ZeroDivisionError)
        self.assertEqual(found["b"].value, 1)

    def test_j_nothing_is_begun_after_the_end(self):
        for at_once in (1, 2):
            made = []
            calls = {number: (lambda number=number, made=made: made.append(number)) for number in range(5)}
            found = self.outcomes(side_by_side.Lane(at_once, calls), end=0.0)
            self.assertEqual(made, [0], "the first in any case")
            self.assertEqual([key for key in sorted(found) if found[key].is_late], [1, 2, 3, 4])

    def test_j_who_turns_away_has_nothing_more_called(self):
        made, go_on = [], threading.Event()
        calls = {0: lambda: None} | {number: (lambda: (made.append(1), go_on.wait(30))) for number in range(1, 20)}
        running = side_by_side.run([side_by_side.Lane(2, calls)])
        next(running)
        go_on.set()
        running.close()
        self.assertLess(len(made), 20)


class Crowded(TestGateway):
    """Answers only when so many ask at the same time."""

    def __init__(self, barrier):
        super().__init__()
        self.barrier = barrier

    def progress(self, client_reference):
        self.calls.append("progress")
        if len(self.calls) > 1:
            self.barrier.wait(30)
        return gateways.Progress(state="processing", dossier_number=None, steps=())


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFollowingTogether(ManyRows):
    def asked(self, gateway, count):
        companies = self._new_companies(count)
        registrations = self._new_registrations(companies).sudo()
        with patch.object(type(self.provider), "_gateway", lambda _provider: gateway):
            return registrations._ask_gateways(float("inf"))

    def test_j_several_are_asked_at_the_same_time(self):
        """The first alone, then as many as the I-VAN allows."""
        self.provider.calls_at_once = 4
        answers = self.asked(Crowded(threading.Barrier(4)), 9)
        self.assertEqual({answer.state for answer in answers.values()}, {"processing"})

    def test_j_a_wrong_password_is_tried_once(self):
        gateway = TestGateway()
        gateway.fail_before = gateways.Misconfigured("wrong", reason=gateways.Reason.CREDENTIALS)
        answers = self.asked(gateway, 9)
        self.assertEqual(gateway.calls, ["progress"])
        self.assertEqual(set(answers.values()), {gateway.fail_before})
