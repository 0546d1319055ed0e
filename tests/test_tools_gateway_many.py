"""J: questions about several dossiers in one call, over a real connection: what is believed of the answers."""

import json
import uuid

from odoo.tests import tagged

from ..tools import gateways
from ..tools.gateways import Reason, replies
from .samples import http_server
from .samples.http_server import reply
from .test_tools_gateway_answers import BENDS, NOT_JSON, AnswersCase, encoded, member, with_change
from .test_tools_gateways import PROGRESS, REFERENCE

SECOND = "0b6f2c1c-8f2b-4a53-9a52-0d6a5f0f3c11"
THIRD = "1b6f2c1c-8f2b-4a53-9a52-0d6a5f0f3c11"
STRANGER = "eeeeeeee-8f2b-4a53-9a52-0d6a5f0f3c11"
VERSIONS = {REFERENCE: "", SECOND: "v1", THIRD: ""}


def about(reference, **changes):
    return {**PROGRESS, "client_reference": reference, **changes}


ENTRIES = [about(REFERENCE), {"client_reference": SECOND, "code": "unchanged"}, about(THIRD, state="rejected")]


@tagged("post_install_l10n", "post_install", "-at_install")
class TestMany(AnswersCase):
    def asked_of(self, answer, versions=None):
        return self.outcome(lambda gateway: gateway.progress_of(VERSIONS if versions is None else versions), answer)

    def listed(self, *entries):
        result = self.asked_of(reply(200, {"dossiers": entries}))
        self.assertIsInstance(result, gateways.Answers, repr(result))
        return result

    def test_j_one_call_for_all(self):
        self.server.requests.clear()
        result = self.listed(*ENTRIES)
        [request] = self.server.requests
        self.assertEqual((request.method, request.path.rpartition("/")[2]), ("POST", "progress"))
        asked = json.loads(request.body)["dossiers"]
        self.assertEqual([(one["client_reference"], one["version"] or "") for one in asked], [*VERSIONS.items()])
        self.assertEqual(result.found[REFERENCE], self.asked(reply(200, PROGRESS)), "as if asked about alone")
        self.assertEqual(result.found[SECOND], gateways.Unchanged())
        self.assertEqual(result.found[THIRD].state, "rejected")
        self.assertEqual(result.faults, ())

    def test_j_unknown_is_one_dossier(self):
        result = self.listed(ENTRIES[0], {"client_reference": THIRD, "code": "not_found", "description": "x"})
        self.assertEqual(set(result.found), {REFERENCE, THIRD})
        self.assertIsNone(result.found[THIRD])
        self.assertEqual(result.faults, ())

    def test_j_nothing_is_believed_of_other_entries(self):
        """Left out, so that each is asked about by itself: never taken as unknown, unchanged or refused."""
        rest = ENTRIES[1:]
        for name, entries, fault in (
            ("left out", rest, None),
            ("nothing", [], None),
            ("twice the same", [about(REFERENCE), about(REFERENCE), *rest], "dossiers[].client_reference"),
            ("twice, refused", [about(REFERENCE), about(REFERENCE.upper(), state="rejected"), *rest], "dossiers"),
            ("a stranger", [about(STRANGER, state="rejected"), *rest], "dossiers[].client_reference"),
            ("no reference", [about(None, state="rejected"), *rest], "dossiers[].client_reference"),
            ("another reference", [about("x"), *rest], "dossiers[].client_reference"),
            ("a number", [7, *rest], "dossiers[].client_reference"),
            ("null", [None, *rest], "dossiers[].client_reference"),
            ("a list", [[about(REFERENCE)], *rest], "dossiers[].client_reference"),
            ("unchanged unasked", [{"client_reference": REFERENCE, "code": "unchanged"}, *rest], "dossiers[].code"),
            ("an error", [{"client_reference": REFERENCE, "code": "SE999"}, *rest], "dossiers[].code"),
            ("no code", [{"client_reference": REFERENCE, "code": []}, *rest], "dossiers[].code"),
            ("unknown and refused", [about(REFERENCE, code="not_found", state="rejected"), *rest], "dossiers[].code"),
            ("NOT_FOUND", [{"client_reference": REFERENCE, "code": "NOT_FOUND"}, *rest], "dossiers[].code"),
        ):
            with self.subTest(name):
                result = self.listed(*entries)
                self.assertNotIn(REFERENCE, result.found)
                self.assertNotIn(STRANGER, result.found)
                self.assertLessEqual(set(result.found), set(VERSIONS))
                self.assertEqual(bool(result.faults), bool(fault))
                if fault:
                    self.assertTrue(self.kinds(result, fault) or self.kinds(result, "dossiers[]"), result.faults)

    def test_j_entries_with_each_member_bent_in_each_way(self):
        """Read and blamed as the answer about one; the other entries are untouched by it."""
        names = (
            "form",
            "dossier_number",
            "accepted_at",
            "state",
            "needs_activation",
            "steps",
            "holder",
            "notification",
        )
        inner = (("steps", 1, key) for key in ("step", "at", "code", "description", "passed"))
        for path in (*((name,) for name in names), ("version",), *inner):
            for name, value in BENDS.items():
                with self.subTest(member(path), bend=name):
                    entry = with_change({**PROGRESS, "version": "v"}, path, value)
                    alone = self.asked(reply(200, raw=encoded(entry)))
                    result = self.asked_of(reply(200, raw=encoded({"dossiers": [*ENTRIES[1:], entry]})))
                    self.assertEqual(result.found[REFERENCE], alone)
                    self.assertEqual((result.found[THIRD].state, result.faults), ("rejected", ()))

    def test_j_versions(self):
        for given, version, is_odd in (
            ("v1", "v1", False), ("!#[]~", "!#[]~", False), ("x" * 64, "x" * 64, False), (7, "7", False),
            ("x" * 65, "", True), ('a"b', "", True), ("a\\b", "", True), ("a b", "", True), ("é", "", True),
            ("a\r\nX: y", "", True), ("", "", False), (None, "", False), (True, "", True), (["v"], "", True),
        ):  # fmt: skip
            with self.subTest(given=given):
                result = self.asked(reply(200, {**PROGRESS, "version": given}))
                self.assertEqual((result.version, bool(self.kinds(result, "version"))), (version, is_odd))

    def test_j_one_dossier_is_asked_about_by_its_own_call(self):
        for version, status, headers in (("", 200, None), ("v1", 200, '"v1"'), ("v1", 304, '"v1"')):
            self.server.requests.clear()
            answer = reply(status, PROGRESS) if status == 200 else reply(304, raw=b"", headers={"Content-Length": "99"})
            result = self.asked_of(answer, {REFERENCE: version})
            [request] = self.server.requests
            self.assertEqual((request.method, request.headers.get("if-none-match")), ("GET", headers))
            self.assertIsInstance(result.found[REFERENCE], gateways.Unchanged if status == 304 else gateways.Progress)

    def test_j_304_unasked_is_no_answer(self):
        error = self.asked_of(reply(304, raw=b""), {REFERENCE: ""})
        self.assertIs(type(error), gateways.Misconfigured)

    def test_j_not_offered_is_not_a_wrong_address(self):
        for status, raw in (
            *((404, raw) for raw in (*NOT_JSON, encoded({"code": "unknown_path"}), encoded({"code": "not_found"}))),
            *((status, b"<html>") for status in (301, 302, 304, 403, 405, 410, 501)),
        ):
            with self.subTest(status=status, raw=raw[:20]):
                self.assertIs(
                    type(self.asked_of(reply(status, raw=b"" if status == 304 else raw))), gateways.Unsupported
                )

    def test_j_errors_say_the_same_as_elsewhere(self):
        down = encoded({"code": "SE999", "description": ""})
        for status, raw, kind, reason in (
            (401, b"", gateways.Misconfigured, Reason.CREDENTIALS),
            (407, b"", gateways.Misconfigured, Reason.PROXY),
            (429, b"", gateways.Unreachable, Reason.BUSY),
            (503, down, gateways.Unreachable, Reason.DOWN),
            (503, b"", gateways.UnknownOutcome, Reason.STATUS),
            (500, b"", gateways.UnknownOutcome, Reason.STATUS),
            (400, down, gateways.UnknownOutcome, Reason.STATUS),
            (413, b"", gateways.UnknownOutcome, Reason.STATUS),
            (422, down, gateways.UnknownOutcome, Reason.STATUS),
            (202, b"", gateways.UnknownOutcome, Reason.STATUS),
        ):
            with self.subTest(status=status):
                error = self.asked_of(reply(status, raw=raw, headers={"Retry-After": "60"}))
                self.assertEqual((type(error), error.reason, error.retry_after), (kind, reason, 60))

    def test_j_answers_that_are_none(self):
        for raw in (*NOT_JSON, encoded(ENTRIES)):
            error = self.asked_of(reply(200, raw=raw))
            self.assertEqual((type(error), error.reason), (gateways.UnknownOutcome, Reason.JSON))
        for value in (None, 7, "x", {}, {REFERENCE: PROGRESS}, True):
            error = self.asked_of(reply(200, {"dossiers": value}))
            self.assertEqual((type(error), error.reason), (gateways.UnknownOutcome, Reason.MEMBER))
        for answer in (http_server.reset, http_server.close):
            error = self.asked_of(answer)
            self.assertEqual((type(error), error.reason), (gateways.UnknownOutcome, Reason.LOST))

    def test_j_an_endless_list_is_not_read_to_its_end(self):
        many = [about(str(uuid.UUID(int=number))) for number in range(2 * replies.MAX_DOSSIERS)]
        result = self.listed(*many, *ENTRIES)
        self.assertEqual(result.found, {})
        self.assertEqual(self.kinds(result, "dossiers"), ["count", "value"])

    def test_j_an_adapter_that_knows_of_one_dossier_only(self):
        class Plain(gateways.manual.ManualGateway):
            def progress(self, client_reference):
                return gateways.Progress("received", client_reference, ())

        self.assertEqual(Plain.most_at_once, 1)
        self.assertEqual(Plain().progress_of({"a": "v"}).found["a"].dossier_number, "a")
