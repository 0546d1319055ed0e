"""J: following many dossiers by few questions, over a real connection: whatever an answer lacks, doubles or adds, each
registration follows its own word and no other.
"""

import json
from datetime import timedelta
from unittest.mock import patch

from odoo import fields
from odoo.tests import tagged
from odoo.tools import mute_logger

from ..models import reservations
from ..tools import gateways
from .common import progress
from .companies import ManyRows
from .samples import http_server
from .samples.http_server import reply
from .test_gateway_promises import FOLLOWING, PROVIDER, Office

NOTHING = reply(500, raw=b"")


class ManyOffice(Office):
    """Answers about many as well. `states`: by reference, those that it knows. `many` bends `(status, body)` of the
    answer about many, `versions`: whether answers have one. `asked` has the references of each question, with the
    version that each named.
    """

    def __init__(self):
        super().__init__()
        self.states = {}
        self.many = None
        self.versions = False
        self.asked = []

    def answer(self, connection):
        request = self.server.requests[-1]
        if request.method == "GET":
            reference = request.path.rpartition("/")[2]
            version = request.headers.get("if-none-match", "").strip('"')
            self.asked.append({reference: version})
            given = self.get(200, self.entry(reference, version)) if self.get else self.one(reference, version)
        else:
            questions = json.loads(request.body)["dossiers"]
            self.asked.append({question["client_reference"]: question["version"] or "" for question in questions})
            entries = [self.entry(reference, version) for reference, version in self.asked[-1].items()]
            given = self.many(200, {"dossiers": entries}) if self.many else reply(200, {"dossiers": entries})
        given(connection)

    def one(self, reference, version):
        entry = self.entry(reference, version)
        status = {"not_found": 404, "unchanged": 304}.get(entry.get("code"), 200)
        return reply(status, raw=b"") if status == 304 else reply(status, entry)

    def entry(self, reference, version=""):
        if reference not in self.states:
            return {"client_reference": reference, "code": "not_found"}
        self.state = self.states[reference]
        today = f"v-{self.state}" if self.versions else None
        if version and version == today:
            return {"client_reference": reference, "code": "unchanged"}
        return {**self.progress(reference), "dossier_number": None, "version": today}

    def calls(self):
        """How many dossiers each question was about, since this was asked last."""
        counts = [len(asked) for asked in self.asked]
        self.asked.clear()
        return counts


@tagged("post_install_l10n", "post_install", "-at_install")
class FollowManyCase(ManyRows):
    COUNT = 5

    def setUp(self):
        super().setUp()
        self.office = ManyOffice()
        self.office.server.__enter__()
        self.addCleanup(self.office.server.__exit__)
        self.gateway = gateways.make("http", base_url=self.office.server.url, client_id="00001", secret="s3cret")
        self.registrations = self._new_registrations(self._new_companies(self.COUNT)).sudo()
        self.references = self.registrations.mapped("client_reference")
        self.office.states = dict.fromkeys(self.references, "accepted")
        self.registrations.write({"poll_at": fields.Datetime.now(), "activation_reminded": True})
        self.env.flush_all()

    def look(self):
        """Let all be due, and the scheduled action ask; return how many dossiers each question was about."""
        self.office.asked.clear()
        self.registrations.poll_at = fields.Datetime.now()
        with mute_logger(FOLLOWING, PROVIDER):
            self._follow()
        return self.office.calls()

    def refuse(self, *numbers):
        for number in numbers:
            self.office.states[self.references[number]] = "rejected"

    def states(self):
        return self.registrations.mapped("state")


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFollowMany(FollowManyCase):
    def test_j_one_question_for_many(self):
        self.refuse(1)
        self.office.states[self.references[2]] = "confirmed"
        del self.office.states[self.references[3]]
        self.assertEqual(self.look(), [5])
        self.assertEqual(self.states(), ["to_activate", "rejected", "confirmed", "to_activate", "to_activate"])
        self.assertEqual(self.registrations[1].error_code, "SE004")
        self.assertEqual(self.registrations[3].activity_ids.mapped("summary"), ["The I-VAN does not know this dossier"])
        self.assertFalse((self.registrations - self.registrations[3])[0].activity_ids)
        self.assertTrue(all(at > fields.Datetime.now() for at in self.registrations.mapped("poll_at")))

    def test_s9_one_left_over_is_asked_about_as_the_others(self):
        """Questions about two each, which the gateway does not offer: the fifth is a question about one."""
        self.office.states = dict.fromkeys(self.references, "confirmed")
        self.office.many = lambda _status, _body: reply(501, {})
        with patch.object(type(self.gateway), "most_at_once", 2):
            self.look()
        self.assertEqual(self.states(), ["confirmed"] * self.COUNT)

    def test_j_so_many_at_once_and_one_alone(self):
        with patch.object(type(self.gateway), "most_at_once", 2):
            self.assertEqual(sorted(self.look()), [1, 2, 2])

    def test_j_not_offered(self):
        """Asked one by one in the same run, and for a day; then the question is tried again."""
        self.refuse(0)
        for status in (404, 405, 501, 403, 302):
            with self.subTest(status=status):
                self.provider.singly_until = False
                self.office.many = lambda *_proper, s=status: reply(s, raw=b"<html>")
                counts = self.look()
                self.assertEqual((counts[0], sum(counts[1:])), (5 - (status != 404), 5 - (status != 404)))
                self.assertEqual(self.states(), ["rejected"] + ["to_activate"] * 4)
                self.assertEqual(self.provider.singly_until, fields.Datetime.now() + timedelta(days=1))
                self.assertFalse(self.provider.connection_fault, "the address is not wrong")
        self.assertEqual(self.look(), [1] * 4)
        with self._later(hours=4, minutes=1):
            self.assertEqual(self.look(), [1] * 4)
        self.registrations.activation_expires_at = fields.Datetime.now() + timedelta(days=3)
        with self._later(hours=24):
            self.office.many = None
            self.assertEqual(self.look(), [4])

    def test_j_the_question_fails(self):
        """Nothing is learnt from it but to ask one by one, for an hour: at once, and nobody is refused by it."""
        for name, answer in {
            "500": lambda status, body: NOTHING,
            "503 of a proxy": lambda status, body: reply(503, raw=b""),
            "bad request": lambda status, body: reply(400, {"code": "bad_request", "description": "x"}),
            "connection lost": lambda status, body: http_server.reset,
            "no answer": lambda status, body: http_server.close,
            "cut short": lambda status, body: reply(
                200, raw=json.dumps(body).encode()[:90], headers={"Content-Length": "9999"}
            ),
            "no list": lambda status, body: reply(200, {"dossiers": {}}),
            "a list": lambda status, body: reply(200, body["dossiers"]),
            "a page": lambda status, body: reply(200, raw=b"<html>"),
            "UTF-16": lambda status, body: reply(200, raw=json.dumps(body).encode("utf-16")),
            "a refusal": lambda status, body: reply(422, {"code": "SE003", "description": "x"}),
        }.items():
            with self.subTest(name):
                self.provider.singly_until = False
                self.office.many = answer
                self.assertEqual(self.look(), [5] + [1] * 5)
                self.assertEqual(self.states(), ["to_activate"] * 5)
                self.assertEqual(self.provider.singly_until, fields.Datetime.now() + timedelta(hours=1))
        with patch.object(type(self.gateway), "progress_of", side_effect=TypeError("ours")):
            self.provider.singly_until = False
            self.registrations.poll_at = fields.Datetime.now()
            self.office.asked.clear()
            with mute_logger(FOLLOWING), self.assertLogs(PROVIDER, "ERROR") as logs:
                self._follow()
            self.assertIn("TypeError", logs.output[0])
            self.assertEqual(self.office.calls(), [])
        self.assertTrue(self.provider.singly_until)

    def test_j_no_time_is_left_after_the_question_failed(self):
        """Then the next run asks one by one, and nothing counts as asked."""
        self.office.many = lambda *_proper: NOTHING
        due = self.registrations.mapped("poll_at")
        with patch(f"{FOLLOWING}.time.monotonic", return_value=1.0), mute_logger(PROVIDER):
            answers = self.registrations._ask_gateways(1.0)
        self.assertEqual((answers, self.office.calls()), ({}, [5]))
        self.assertEqual(self.registrations.mapped("poll_at"), due)
        self.assertEqual(self.look(), [1] * 5)

    def test_j_what_an_answer_lacks_doubles_or_adds(self):
        """A dossier that is not named once and clearly is asked about by itself, in the same run."""
        stranger = self._new_registrations(self._new_companies(1, first=self.COUNT)).sudo()
        stranger.poll_at = fields.Datetime.now() + timedelta(hours=1)
        self.env.flush_all()

        def refused(reference):
            entry = self.office.entry(reference)
            return {**entry, "state": "rejected"}

        first, second = self.references[:2]
        for name, bend, again, is_reported in (
            ("lacks one", lambda entries: entries[1:], [1], False),
            ("lacks all", lambda entries: [], [1] * 5, False),
            ("doubles one", lambda entries: [refused(first), *entries], [1], True),
            ("another one's word", lambda entries: [refused(second), *entries[1:]], [1, 1], True),
            ("a stranger", lambda entries: [refused(stranger.client_reference), *entries[1:]], [1], True),
            ("unclear", lambda entries: [{**refused(first), "code": "not_found"}, *entries[1:]], [1], True),
            ("unchanged", lambda entries: [{**entries[0], "code": "unchanged"}, *entries[1:]], [1], True),
        ):
            with self.subTest(name):
                self.provider.activity_ids.unlink()
                self.office.many = lambda status, body, b=bend: reply(status, {"dossiers": b(body["dossiers"])})
                self.assertEqual(self.look(), [5, *again])
                self.assertEqual(self.states(), ["to_activate"] * 5)
                self.assertEqual(stranger.state, "to_activate")
                self.assertFalse(stranger.step_ids)
                self.assertFalse(self.registrations.activity_ids)
                self.assertEqual(bool(self.provider.activity_ids), is_reported)
                self.assertFalse(self.provider.singly_until)

    def test_j_one_bent_entry_is_its_own(self):
        """Named at its dossier; the others are read as ever."""
        self.refuse(1)
        self.office.many = lambda status, body: reply(
            status, {"dossiers": [{**body["dossiers"][0], "state": 7, "steps": "x"}, *body["dossiers"][1:]]}
        )
        self.assertEqual(self.look(), [5])
        self.assertEqual(self.states(), ["to_activate", "rejected"] + ["to_activate"] * 3)
        self.assertIn("steps", self.registrations[0].odd_answer)
        self.assertFalse(any(self.registrations[1:].mapped("odd_answer")))

    def test_j_a_wrong_password_is_tried_once(self):
        self.office.many = self.office.get = lambda *_proper: reply(401, {})
        with patch.object(type(self.gateway), "most_at_once", 2):
            self.assertEqual(self.look(), [2])
        self.assertEqual(self.provider.connection_fault, "GW-CREDENTIALS")
        self.assertEqual(set(self.registrations.mapped("poll_at")), {fields.Datetime.now() + timedelta(hours=1)})
        self.assertFalse(self.provider.singly_until)

    def test_j_what_fails_while_it_is_stored_is_asked_again(self):
        broken = self.registrations[1]
        self.refuse(1, 2)
        apply = type(broken)._apply_progress

        def fails(registration, answer):
            if registration == broken:
                raise ValueError("broken")
            return apply(registration, answer)

        with (
            patch.object(type(broken), "_apply_progress", fails),
            mute_logger("odoo.addons.l10n_vn_ibhxh.models.reminders"),
        ):
            self.look()
        self.assertEqual(self.states(), ["to_activate", "to_activate", "rejected", "to_activate", "to_activate"])
        self.assertEqual(self.look(), [4])
        self.assertEqual(broken.state, "rejected")

    def test_j_killed_between_answer_and_storing(self):
        """Only questions are lost."""
        self.refuse(0)
        with (
            patch.object(type(self.registrations), "_take_answers", side_effect=KeyboardInterrupt),
            self.assertRaises(KeyboardInterrupt),
        ):
            self.look()
        self.env.invalidate_all()
        self.assertEqual(self.states(), ["to_activate"] * 5)
        self.assertEqual(self.look(), [5])
        self.assertEqual(self.registrations[0].state, "rejected")

    def test_j_one_host_at_a_time_asks_an_i_van(self):
        """Past the scheduler, as by a button: the second one leaves the I-VAN to the first."""
        with self.registry.cursor() as other:
            taken = self.provider.with_env(self.env(cr=other))
            with reservations.reserved(taken) as reserved:
                self.assertEqual(reserved, taken)
                self.assertEqual(self.look(), [])
                self.assertTrue(all(at <= fields.Datetime.now() for at in self.registrations.mapped("poll_at")))
        self.assertEqual(self.look(), [5])


@tagged("post_install_l10n", "post_install", "-at_install")
class TestVersions(FollowManyCase):
    def setUp(self):
        super().setUp()
        self.office.versions = True

    def versions(self):
        """The versions that the questions of a look name."""
        self.registrations.poll_at = fields.Datetime.now()
        self.office.asked.clear()
        with mute_logger(FOLLOWING, PROVIDER):
            self._follow()
        return {reference: version for asked in self.office.asked for reference, version in asked.items()}

    def test_j_unchanged_stores_nothing(self):
        self.assertEqual(set(self.versions().values()), {""})
        self.assertEqual(set(self.registrations.mapped("progress_version")), {"v-accepted"})
        steps = self.registrations.step_ids
        steps.code = "x"
        self.env.flush_all()
        with patch.object(type(self.registrations), "_apply_progress", side_effect=AssertionError("nothing is new")):
            self.assertEqual(set(self.versions().values()), {"v-accepted"})
        self.assertEqual(set(steps.mapped("code")), {"x"})
        self.assertTrue(all(at > fields.Datetime.now() for at in self.registrations.mapped("poll_at")))
        self.refuse(0)
        self.versions()
        self.assertEqual(self.states(), ["rejected"] + ["to_activate"] * 4)
        self.assertFalse(self.registrations[0].progress_version)

    def test_j_one_by_one_too(self):
        self.provider.singly_until = fields.Datetime.now() + timedelta(days=2)
        self.assertEqual(set(self.versions().values()), {""})
        self.assertEqual(set(self.versions().values()), {"v-accepted"})
        self.assertEqual(self.states(), ["to_activate"] * 5)
        self.refuse(0)
        self.versions()
        self.assertEqual(self.states(), ["rejected"] + ["to_activate"] * 4)

    def test_j_whole_answers_where_they_matter(self):
        """While VSS has not answered, in the last hour of the code, and when a person asks: a gateway whose versions
        never change hides nothing for long."""
        self.versions()
        self.office.many = lambda status, body: reply(
            status, {"dossiers": [{"client_reference": r, "code": "unchanged"} for r in self.references]}
        )
        self.refuse(*range(5))
        self.versions()
        self.assertEqual(self.states(), ["to_activate"] * 5, "it says so")
        self.registrations[0].action_refresh()
        self.assertEqual(self.registrations[0].state, "rejected")
        self.office.many = None
        with self._later(hours=4):
            self.assertEqual(set(self.versions().values()), {""})
        self.assertEqual(self.states(), ["rejected"] * 5)

    def test_j_the_end_of_the_code_moves_on_while_vss_has_not_answered(self):
        self.office.states = dict.fromkeys(self.references, "processing")
        self.registrations.write({"state": "sent"})
        self.versions()
        with self._later(hours=2):
            self.assertEqual(set(self.versions().values()), {""})
            ends = set(self.registrations.mapped("activation_expires_at"))
            self.assertEqual(ends, {fields.Datetime.now() + timedelta(hours=24)})

    def test_j_what_was_not_stored_in_whole_is_asked_for_again(self):
        notifications = type(self.env["l10n_vn_ibhxh.notification"])
        proper = self.office.entry
        self.office.entry = lambda *given: {**proper(*given), "notification": "PHgvPg=="}
        with patch.object(notifications, "_from_gateway", side_effect=ValueError):
            self.versions()
        self.assertFalse(any(self.registrations.mapped("progress_version")))
        self.office.entry = lambda *given: {**proper(*given), "holder": 7}
        self.versions()
        self.assertFalse(any(self.registrations.mapped("progress_version")))

    def test_j_a_version_belongs_to_one_dossier_at_one_gateway(self):
        self.versions()
        manager = self._new_user("quanly", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        self.provider.company_id = self.company
        self.provider.with_user(manager).client_id = "other"
        self.assertFalse(any(self.registrations.mapped("progress_version")))
        self.versions()
        self.refuse(0)
        self.versions()
        again = self.registrations[0]
        again.progress_version = "v"
        with patch.object(type(again), "_check_sendable_again"):
            again._send_again()
        self.assertFalse(again.progress_version)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestWhenToAsk(FollowManyCase):
    def test_j_next_look(self):
        """By age; towards the end of the code more often, and when it ends."""
        now = fields.Datetime.now()
        registration = self.registrations[0]
        for age, left, minutes in (
            (0, 1440, 1), (9, 1431, 1), (10, 1430, 5), (119, 1321, 5), (120, 1320, 30), (1380, 61, 30), (1380, 60, 30),
            (1400, 40, 20), (1420, 20, 10), (1430, 10, 5), (1436, 4, 4), (1439, 1, 1), (1440, 0, 120), (1500, -60, 120),
            (2, 3, 1), (30, None, 5), (1500, None, 120), (1500, 1440, 120),
        ):  # fmt: skip
            with self.subTest(age=age, left=left):
                registration.submitted_at = now - timedelta(minutes=age)
                registration.activation_expires_at = left is not None and now + timedelta(minutes=left)
                self.assertEqual(registration._next_poll(), now + timedelta(minutes=minutes))

    def test_j_the_end_of_the_code_is_asked_about_before_it_counts(self):
        """VSS may have confirmed after the last look."""
        self.registrations.submitted_at = fields.Datetime.now() - timedelta(hours=23, minutes=58)
        self.registrations.activation_expires_at = fields.Datetime.now() + timedelta(minutes=2)
        self.look()
        with self._later(minutes=2):
            self.office.states[self.references[0]] = "confirmed"
            self._follow()
            self.assertEqual(self.states(), ["confirmed"] + ["expired"] * 4)

    def test_j_an_i_van_that_asks_to_wait_is_left_alone(self):
        """All of its registrations, in this run and in others; not by a person, and not when the settings change."""
        answer = reply(429, raw=b"", headers={"Retry-After": "1800"})
        self.office.many = self.office.get = lambda *_proper: answer
        late = self.registrations[4]
        late.poll_at = fields.Datetime.now() + timedelta(minutes=5)
        self.env.flush_all()
        with mute_logger(FOLLOWING, PROVIDER):
            self._follow()
        self.assertEqual(self.office.calls(), [4])
        until = fields.Datetime.now() + timedelta(minutes=30)
        self.assertEqual(self.provider.quiet_until, until)
        self.office.many = self.office.get = None
        with self._later(minutes=29):
            self._follow()
            self.assertEqual(self.office.calls(), [])
            self.assertEqual(late.state, "to_activate")
            late.action_refresh()
            self.assertEqual(self.office.calls(), [1])
            self.assertEqual(self.provider.quiet_until, until, "a person's question does not end it")
            late.poll_at = fields.Datetime.now()
        with self._later(minutes=31):
            self._follow()
            self.assertEqual(self.office.calls(), [5])
            self.assertFalse(self.provider.quiet_until)

    def test_j_a_repeated_run_whose_time_is_over_asks_nothing(self):
        """The scheduler repeats a run ten times; each would wait for one more answer, and do its work for that."""
        left = []

        def over(_crons, done=0, *, remaining=None):
            left.append(remaining)
            return 0.0

        with patch.object(type(self.env["ir.cron"]), "_commit_progress", over):
            self.registrations._cron_follow()
        self.assertEqual(self.office.calls(), [])
        self.assertEqual(left[-1], 1, "the scheduler begins again at once")

    def test_j_a_change_of_the_connection_ends_the_wait(self):
        self.provider.write({"quiet_until": "2099-01-01", "singly_until": "2099-01-01"})
        self.assertEqual(self.look(), [])
        manager = self._new_user("quanly", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        self.provider.company_id = self.company
        self.provider.with_user(manager).client_id = "other"
        self.assertEqual(self.look(), [5])

    def test_j_waits_of_one_i_van_are_no_waits_of_another(self):
        other = self.provider.copy({"code": "00098", "name": "Khác"})
        self.registrations[0].provider_id = other
        self.provider.quiet_until = fields.Datetime.now() + timedelta(hours=1)
        self.assertEqual(self.look(), [1])

    def test_j_a_code_ends_while_the_gateway_wants_to_be_left_alone(self):
        """As after any other question without an answer."""
        self.provider.quiet_until = fields.Datetime.now() + timedelta(days=1)
        with self._later(hours=6):
            self._follow()
        self.assertEqual(self.states(), ["expired"] * 5)

    def test_j_short_waits_are_not_noted(self):
        for header in ("1", "60"):
            self.office.many = lambda *_proper, h=header: reply(429, raw=b"", headers={"Retry-After": h})
            self.look()
            self.assertFalse(self.provider.quiet_until)

    def test_j_answers_of_another_adapter(self):
        """One that knows nothing of many is asked as ever."""
        asked = []

        class Plain(gateways.manual.ManualGateway):
            def progress(self, client_reference):
                asked.append(client_reference)
                return progress("confirmed")

        self.gateway = Plain()
        self.look()
        self.assertEqual(sorted(asked), sorted(self.references))
        self.assertEqual(self.states(), ["confirmed"] * 5)
