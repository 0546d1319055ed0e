"""O1-O9: every answer that outsiders' gateways gave, and each member bent in each way, read over a real connection.

What is readable is read, what is not is named by its member, and nothing but the agreed errors ever comes out.
"""

import base64
import gzip
import json
from datetime import datetime, timedelta, timezone

from odoo.tests import BaseCase, tagged

from ..tools import gateways
from ..tools.gateways import Reason, replies
from .samples import http_server
from .samples.http_server import FaultyServer, reply
from .test_tools_gateways import DOSSIER, PROGRESS, RECEIPT, REFERENCE, gateway

NOT_JSON = (b"", b"OK", b"<html><h1>422</h1>", b"NaN", b"[" * 100_000)
MISSING = object()
LONG = "x" * 5000
NUL = "a\0b"
SURROGATE = "a\ud800b"
OTHER_ENCODING = "ti\udce9p"  # becomes the byte E9 alone, as of Latin-1
BENDS = {
    "missing": MISSING,
    "null": None,
    "integer": 7,
    "float": 1.5,
    "truth": True,
    "list": ["x"],
    "object": {"x": 1},
    "empty": "",
    "too long": LONG,
    "NUL": NUL,
    "surrogate": SURROGATE,
    "other encoding": OTHER_ENCODING,
    "infinity": float("inf"),
}
TIMES = {
    "offset": ("2026-03-02T10:04:05+07:00", []),
    "offset without colon": ("2026-03-02T10:04:05+0700", []),
    "offset of hours": ("2026-03-02 10:04:05.5 +07", []),
    "small letters": ("2026-03-02t03:04:05z".replace("t", "T"), []),
    "nanoseconds": ("2026-03-02T03:04:05.123456789Z", []),
    "local": ("2026-03-02T10:04:05", ["zone"]),
    "in 9999": ("9999-12-31T23:59:59Z", ["time"]),
    "in 9999 behind": ("9999-12-31T23:59:59-07:00", ["time"]),
    "in 0001": ("0001-01-01T00:00:00Z", ["time"]),
    "in 0001 ahead": ("0001-01-01T00:00:00+07:00", ["time"]),
    "in 0000": ("0000-01-01T00:00:00Z", ["time"]),
    "in 1970": ("1970-01-01T00:00:00Z", ["time"]),
    "31 February": ("2026-02-31T03:04:05Z", ["time"]),
    "25 o'clock": ("2026-03-02T25:04:05Z", ["time"]),
    "offset of a day": ("2026-03-02T03:04:05+24:00", ["time"]),
    "day only": ("2026-03-02", ["time"]),
    "other digits": ("２０２６-03-02T03:04:05Z", ["time"]),
    "a day ahead": ((datetime.now(timezone.utc) + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M:%SZ"), ["time"]),
}


def encoded(body):
    """JSON whose odd characters stand as they are: a lone surrogate as escape, U+DCxx as the byte xx."""
    text = json.dumps(body).replace("\\udce9", "\udce9")
    return text.encode("utf-8", "surrogateescape")


def with_change(body, path, value):
    """A copy of `body` with `value` at `path`, or nothing there."""
    copy = json.loads(json.dumps(body))
    *parents, last = path
    target = copy
    for key in parents:
        target = target[key]
    if value is MISSING:
        del target[last]
    else:
        target[last] = value
    return copy


def member(path):
    """How a fault names the member at `path`."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
    return text.removeprefix(".")


@tagged("post_install_l10n", "post_install", "-at_install")
class AnswersCase(BaseCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server = FaultyServer(lambda connection: cls.answer(connection))
        cls.server.__enter__()
        cls.addClassCleanup(cls.server.__exit__)
        cls.gateway = gateway(cls.server)

    def outcome(self, call, answer):
        type(self).answer = staticmethod(answer)
        try:
            return call(self.gateway)
        except gateways.GatewayError as error:
            return error

    def submitted(self, answer):
        return self.outcome(lambda gateway: gateway.submit(DOSSIER, REFERENCE), answer)

    def asked(self, answer):
        return self.outcome(lambda gateway: gateway.progress(REFERENCE), answer)

    def kinds(self, result, name):
        """The kinds of fault that the result names for a member (or for what is inside it)."""
        return [
            f.kind.value for f in result.faults if f.member == name or f.member.startswith((name + ".", name + "["))
        ]

    def assert_storable(self, text):
        text.encode()
        self.assertNotIn("\0", text)
        self.assertLessEqual(len(text), replies.MAX_TEXT)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestLodging(AnswersCase):
    def test_o3_o5_times(self):
        for name, (text, kinds) in TIMES.items():
            with self.subTest(name):
                before = datetime.now(timezone.utc)
                receipt = self.submitted(reply(201, {**RECEIPT, "accepted_at": text}))
                self.assertEqual(self.kinds(receipt, "accepted_at"), kinds)
                if kinds == ["time"]:
                    self.assertLessEqual(before, receipt.accepted_at)
                    self.assertLessEqual(receipt.accepted_at, datetime.now(timezone.utc))
                else:
                    exact = datetime(2026, 3, 2, 3, 4, 5, tzinfo=timezone.utc)
                    self.assertEqual(receipt.accepted_at.replace(microsecond=0), exact)

    def test_o3_receipt_with_each_member_bent_in_each_way(self):
        """A 201 is a promise: whatever else it says, it is a receipt as long as it names the dossier."""
        for path in (("accepted_at",), ("dossier_number",), ("state",), ("more",), ("more", "unknown")):
            for name, value in BENDS.items():
                with self.subTest(member(path), bend=name):
                    receipt = self.submitted(reply(201, raw=encoded(with_change(RECEIPT, path, value))))
                    self.assertIsInstance(receipt, gateways.Receipt)
                    self.assert_storable(json.dumps(receipt.raw, ensure_ascii=False)[: replies.MAX_TEXT])
                    number = receipt.dossier_number
                    if path == ("dossier_number",):
                        harmless = name in ("missing", "null", "integer", "empty")
                        self.assertEqual(self.kinds(receipt, "dossier_number"), [] if harmless else [_kind(name)])
                        self.assertEqual(number, "7" if name == "integer" else None)
                    else:
                        self.assertEqual(number, RECEIPT["dossier_number"])
                    if path == ("accepted_at",):
                        kind = {"integer": "time", "empty": "time"}.get(name) or _kind(name)
                        self.assertIn(kind, self.kinds(receipt, "accepted_at"))

    def test_o3_whole_answers(self):
        content = json.dumps(RECEIPT, ensure_ascii=False).encode()
        for name, raw, headers in (
            ("BOM", b"\xef\xbb\xbf" + content, {}),
            ("packed", gzip.compress(content), {"Content-Encoding": "gzip"}),
            ("packed, old name", gzip.compress(content), {"Content-Encoding": "x-gzip"}),
            ("text/plain", content, {"Content-Type": "text/plain"}),
            ("blank lines", b"\r\n \n" + content + b"\n\n", {}),
            ("reference in capitals", content.replace(REFERENCE.encode(), REFERENCE.upper().encode()), {}),
            ("reference in braces", content.replace(REFERENCE.encode(), f"{{{REFERENCE}}}".encode()), {}),
        ):
            with self.subTest(name):
                receipt = self.submitted(reply(201, raw=raw, headers=headers))
                self.assertIsInstance(receipt, gateways.Receipt)
                self.assertEqual((receipt.dossier_number, receipt.faults), (RECEIPT["dossier_number"], ()))
        text = content.decode()
        for name, raw, reason, detail in (
            ("UTF-16", text.encode("utf-16"), Reason.ENCODING, "UTF-16"),
            ("UTF-16 without BOM", text.encode("utf-16-le"), Reason.ENCODING, "UTF-16"),
            ("UTF-32", text.encode("utf-32-be"), Reason.ENCODING, "UTF-16"),
            ("list", b"[" + content + b"]", Reason.JSON, "list"),
            ("text", json.dumps(text).encode(), Reason.JSON, "str"),
            ("wrapper", b'{"data": ' + content + b"}", Reason.MEMBER, "client_reference"),
            *((f"no JSON: {raw[:9]}", raw, Reason.JSON, None) for raw in NOT_JSON),
        ):
            for status in (200, 201):
                with self.subTest(name, status=status):
                    error = self.submitted(reply(status, raw=raw))
                    self.assertIs(type(error), gateways.UnknownOutcome)
                    self.assertEqual(error.reason, reason)
                    if detail is not None:
                        self.assertEqual(error.detail, detail)

    def test_o3_o7_answers_that_are_no_receipt(self):
        """Final ones end with a reason, no matter who gives them; the gateway's own refusals are told from VSS's."""
        vss, own = {"by_gateway": False}, {"by_gateway": True}
        problem = {"code": "SE003", "description": "Sai", "holder": None}
        page = b"<html><body>Request Entity Too Large</body></html>"
        refused, unknown = gateways.Refused, gateways.UnknownOutcome
        misconfigured, unreachable = gateways.Misconfigured, gateways.Unreachable
        for status, raw, kind, expected in (
            (422, encoded(problem), refused, {"code": "SE003", "description": "Sai", **vss}),
            (422, encoded({**problem, "code": 17}), refused, {"code": "17", "description": "Sai", **vss}),
            (422, encoded({"code": "SE003"}), refused, {"code": "SE003", "description": "", **vss}),
            (422, encoded({**problem, "code": None}), refused, {"code": "", "description": "Sai", **vss}),
            (422, encoded({**problem, "description": None}), refused, {"code": "SE003", "description": "", **vss}),
            (422, encoded({"code": "", "description": ""}), refused, {"code": "", "description": "", **vss}),
            (422, page, refused, {"code": "", "description": "", **vss}),
            (422, b"", refused, {"code": "", "description": "", **vss}),
            (422, b"\xff\xfe<", refused, {"code": "", **vss}),
            (422, encoded([problem]), refused, {"code": "", **vss}),
            (422, encoded({**problem, "holder": {"code": "00050", "name": "X"}}), refused, {"holder": "00050 X"}),
            (422, encoded({**problem, "holder": "00050 X"}), refused, {"holder": "00050 X"}),
            (422, encoded({**problem, "holder": {"code": 50}}), refused, {"holder": "50"}),
            (422, encoded({**problem, "holder": [1]}), refused, {"holder": None}),
            (422, encoded({**problem, "description": LONG}), refused, {"description": "x" * 3999 + "…"}),
            (422, encoded({**problem, "description": NUL}), refused, {"description": "a\ufffdb"}),
            (422, encoded({**problem, "description": SURROGATE}), refused, {"description": "a\ufffdb"}),
            (422, encoded({**problem, "description": OTHER_ENCODING}), refused, {"description": "ti\ufffdp"}),
            (422, encoded({**problem, "description": "<a href='x'>y</a>"}), refused, {"code": "SE003"}),
            (413, page, refused, {"code": "", "status": 413, **own}),
            (413, encoded({"code": "too_large", "description": "x"}), refused, {"code": "too_large", **own}),
            (400, encoded({"code": "bad_request", "description": "x"}), refused, {"code": "bad_request", **own}),
            (400, page, refused, {"code": "", "status": 400, **own}),
            (409, encoded({"code": "conflict", "description": "x"}), refused, {"code": "conflict", **own}),
            (415, page, refused, {"status": 415, **own}),
            (406, page, refused, {"status": 406, **own}),
            (418, b"", refused, {"status": 418, **own}),
            (451, page, refused, {"status": 451, **own}),
            (401, page, misconfigured, {"reason": Reason.CREDENTIALS}),
            (401, encoded({"code": "unauthorized", "description": "x"}), misconfigured, {"reason": Reason.CREDENTIALS}),
            (403, page, misconfigured, {"reason": Reason.FORBIDDEN}),
            (403, encoded(problem), misconfigured, {"reason": Reason.FORBIDDEN}),
            (404, page, misconfigured, {"reason": Reason.NOT_FOUND}),
            (404, encoded({"code": "not_found", "description": "x"}), misconfigured, {"reason": Reason.NOT_FOUND}),
            (404, encoded({"code": "unknown_path", "description": "x"}), misconfigured, {"reason": Reason.NOT_FOUND}),
            (405, page, misconfigured, {"reason": Reason.NOT_FOUND}),
            (407, page, misconfigured, {"reason": Reason.PROXY}),
            (410, page, misconfigured, {"reason": Reason.NOT_FOUND}),
            (302, page, misconfigured, {"reason": Reason.REDIRECT}),
            (307, b"", misconfigured, {"reason": Reason.REDIRECT}),
            (429, b"", unreachable, {"reason": Reason.BUSY}),
            (503, encoded({"code": "SE999", "description": ""}), unreachable, {"reason": Reason.DOWN}),
            (503, encoded({"code": "SE999"}), unreachable, {"reason": Reason.DOWN}),
            (503, encoded({"code": "ZZ", "description": ""}), unknown, {"detail": "503"}),
            (503, page, unknown, {"detail": "503"}),
            (500, encoded(problem), unknown, {"detail": "500"}),
            (500, page, unknown, {"detail": "500"}),
            (502, page, unknown, {"detail": "502"}),
            (504, b"", unknown, {"detail": "504"}),
            (408, b"", unknown, {"detail": "408"}),
            (425, b"", unknown, {"detail": "425"}),
            (202, encoded(RECEIPT), unknown, {"reason": Reason.STATUS, "detail": "202"}),
            (204, b"", unknown, {"reason": Reason.STATUS, "detail": "204"}),
            (206, encoded(RECEIPT), unknown, {"detail": "206"}),
        ):
            with self.subTest(status=status, raw=raw[:60]):
                error = self.submitted(reply(status, raw=raw))
                self.assertIs(type(error), kind, repr(error))
                found = {name: getattr(error, name) for name in expected}
                self.assertEqual(found, expected)

    def test_o3_refusals_with_each_member_bent_in_each_way(self):
        body = {"code": "SE006", "description": "Thuộc I-VAN khác", "holder": {"code": "00050", "name": "Viettel"}}
        for path in (("code",), ("description",), ("holder",), ("holder", "code"), ("holder", "name")):
            for name, value in BENDS.items():
                with self.subTest(member(path), bend=name):
                    error = self.submitted(reply(422, raw=encoded(with_change(body, path, value))))
                    self.assertIs(type(error), gateways.Refused)
                    for text in (error.code, error.description, error.holder or ""):
                        self.assert_storable(text)
                    if path != ("code",):
                        self.assertEqual(error.code, "SE006")
                    if path != ("description",):
                        self.assertEqual(error.description, "Thuộc I-VAN khác")
                    if name not in ("missing", "null", "integer", "empty") and (path, name) != (("holder",), "object"):
                        self.assertIn(_kind(name), self.kinds(error, member(path)), error.faults)

    def test_connection_that_fails(self):
        for answer in (http_server.reset, http_server.close):
            error = self.submitted(answer)
            self.assertEqual((type(error), error.reason), (gateways.UnknownOutcome, Reason.LOST))


@tagged("post_install_l10n", "post_install", "-at_install")
class TestFollowing(AnswersCase):
    def progress(self, **changes):
        result = self.asked(reply(200, raw=encoded({**PROGRESS, **changes})))
        self.assertIsInstance(result, gateways.Progress, repr(result))
        return result

    def step(self, **changes):
        return {**PROGRESS["steps"][0], **changes}

    def test_o4_progress_with_each_member_bent_in_each_way(self):
        """The other members are read, and the bent one is named."""
        names = ("client_reference", "form", "dossier_number", "accepted_at", "state", "needs_activation", "steps")
        for path in (*((name,) for name in (*names, "holder", "notification")), ("holder", "code"), ("holder", "name")):
            for name, value in BENDS.items():
                with self.subTest(member(path), bend=name):
                    result = self.asked(reply(200, raw=encoded(with_change(PROGRESS, path, value))))
                    if path == ("client_reference",) and name not in ("missing", "null"):
                        self.assertIs(type(result), gateways.UnknownOutcome)
                        continue
                    self.assertIsInstance(result, gateways.Progress, repr(result))
                    read = {
                        "state": result.state == "processing",
                        "steps": [step.number for step in result.steps] == [1, 2],
                        "notification": result.notification == b"<x/>",
                        "holder": result.holder == "00050 Viettel",
                        "dossier_number": result.dossier_number is None,
                    }
                    self.assertEqual({key for key, good in read.items() if not good} - {path[0]}, set())
                    if path[0] in ("form", "accepted_at"):
                        continue  # of no use to Odoo
                    is_optional = path[0] in ("holder", "notification", "dossier_number") and len(path) == 1
                    if is_optional and name in ("missing", "null"):
                        self.assertEqual(result.faults, ())
                    elif name == "empty" and path[0] in ("dossier_number", "holder", "notification"):
                        continue
                    elif path == ("notification",) and name == "too long":
                        continue  # base64 as any other
                    elif (path, name) not in ((("dossier_number",), "integer"), (("steps",), "list")):
                        is_number = name == "integer" and path[0] == "holder" and len(path) == 2
                        is_flag = path == ("needs_activation",) and name == "truth"
                        is_object = path == ("holder",) and name == "object"
                        if not (is_number or is_flag or is_object):
                            self.assertTrue(self.kinds(result, member(path)), result.faults)

    def test_o4_step_with_each_member_bent_in_each_way(self):
        for key in ("step", "at", "code", "description", "passed"):
            for name, value in BENDS.items():
                with self.subTest(key, bend=name):
                    steps = with_change({"steps": PROGRESS["steps"]}, ("steps", 1, key), value)["steps"]
                    result = self.progress(steps=steps, state="rejected")
                    first, second = result.steps
                    self.assertEqual((first.number, first.code, first.passed), (1, "OK", True))
                    self.assertEqual(second.passed, key == "passed" and name == "truth")
                    self.assertIn(second.number, (2, 7))
                    self.assert_storable(second.code)
                    self.assert_storable(second.description)
                    is_good = (key, name) in {
                        ("step", "integer"), ("code", "integer"), ("description", "integer"), ("code", "empty"),
                        ("description", "empty"), ("passed", "truth"),
                    }  # fmt: skip
                    self.assertEqual(bool(self.kinds(result, f"steps[1].{key}")), not is_good, result.faults)

    def test_o4_following_cases(self):
        ok = self.step()
        many = [self.step(step=number + 1, description=str(number)) for number in range(150)]
        html = "<a href='https://vss.gov.vn.evil.com'>x</a>"
        failed = self.step(step=2, code="SE003", passed=False)
        for name, changes, check in (
            ("repeated numbers", {"steps": [ok, ok, ok]}, lambda p: [s.number for s in p.steps] == [1, 2, 3]),
            ("number 0", {"steps": [self.step(step=0)]}, lambda p: p.steps[0].number == 1),
            ("number below 0", {"steps": [self.step(step=-1)]}, lambda p: p.steps[0].number == 1),
            ("number of 10^30", {"steps": [self.step(step=10**30)]}, lambda p: p.steps[0].number == 1),
            ("number as text", {"steps": [self.step(step="2")]}, lambda p: p.steps[0].number == 2),
            ("150 steps", {"steps": many}, lambda p: len(p.steps) == 100 and p.steps[-1].description == "149"),
            ("code as number", {"steps": [self.step(code=0)]}, lambda p: p.steps[0].code == "0"),
            ("no steps", {"steps": []}, lambda p: p.steps == ()),
            ("a text among steps", {"steps": ["x", ok]}, lambda p: [s.number for s in p.steps] == [1]),
            ("passed as text", {"steps": [self.step(passed="false")]}, lambda p: not p.steps[0].passed),
            ("passed as 1", {"steps": [self.step(passed=1)]}, lambda p: p.steps[0].passed),
            ("HTML", {"steps": [self.step(description=html)]}, lambda p: p.steps[0].description == html),
            ("long", {"steps": [self.step(description=LONG)]}, lambda p: p.steps[0].description.endswith("x…")),
            ("NUL", {"steps": [self.step(description=NUL)]}, lambda p: p.steps[0].description == "a\ufffdb"),
            ("rejected, long", {"state": "rejected", "steps": [self.step(description=LONG, passed=False)]},
             lambda p: p.state == "rejected" and len(p.steps[0].description) == 4000),
            ("rejected without steps", {"state": "rejected", "steps": []}, lambda p: p.state == "rejected"),
            ("rejected, not said which", {"state": "rejected", "steps": [self.step(passed=None)]},
             lambda p: not p.steps[0].passed),
            ("holder as text", {"holder": "00050 Viettel"}, lambda p: p.holder == "00050 Viettel"),
            ("holder without name", {"holder": {"code": "00050"}}, lambda p: p.holder == "00050"),
            ("holder empty", {"holder": {}}, lambda p: p.holder is None),
            ("state in capitals", {"state": "Confirmed"}, lambda p: p.state == "confirmed"),
            ("unknown state", {"state": "new", "steps": [ok, failed]}, lambda p: p.state is None and len(p.steps) == 2),
            ("state null", {"state": None}, lambda p: p.state is None and len(p.steps) == 2),
            ("notification in lines", {"notification": base64.encodebytes(b"x" * 99).decode()},
             lambda p: p.notification == b"x" * 99),
            ("notification of another alphabet", {"notification": "_-8="}, lambda p: p.notification is None),
            ("number as integer", {"dossier_number": 3706}, lambda p: p.dossier_number == "3706"),
            ("number with blanks", {"dossier_number": " 1/2026/001 "}, lambda p: p.dossier_number == "1/2026/001"),
        ):  # fmt: skip
            with self.subTest(name):
                result = self.progress(**changes)
                self.assertTrue(check(result), result)
        for name, (text, kinds) in TIMES.items():
            with self.subTest(name):
                result = self.progress(steps=[self.step(at=text)])
                self.assertEqual(self.kinds(result, "steps"), kinds)
                self.assertEqual(result.steps[0].at is None, kinds == ["time"])

    def test_faults_are_bounded_and_name_no_content(self):
        result = self.progress(steps=[self.step(code=LONG, at="SECRET", passed="SECRET") for _ in range(100)])
        self.assertLessEqual(len(result.faults), 20)
        self.assertNotIn("SECRET", str([str(fault) for fault in result.faults]))

    def test_o3_asking_never_refuses(self):
        """An error to a question says nothing about the dossier: it is neither refused nor unknown to the gateway."""
        problem = encoded({"code": "bad_request", "description": "x"})
        for status in (400, 409, 413, 415, 418, 422, 500, 502, 503, 504, 408, 202, 204, 206):
            error = self.asked(reply(status, raw=b"" if status == 204 else problem))
            self.assertEqual((type(error), error.detail), (gateways.UnknownOutcome, str(status)))
        for status in (401, 403, 405, 407, 410, 302):
            self.assertIsInstance(self.asked(reply(status, raw=problem)), gateways.Misconfigured)
        for raw in (*NOT_JSON, problem, encoded({"code": None}), encoded({"code": "NOT_FOUND_PAGE"})):
            error = self.asked(reply(404, raw=raw))
            self.assertEqual((type(error), error.reason), (gateways.Misconfigured, Reason.NOT_FOUND))
        for raw in NOT_JSON:
            error = self.asked(reply(200, raw=raw))
            self.assertEqual((type(error), error.reason), (gateways.UnknownOutcome, Reason.JSON))

    def test_o5_health_with_each_member_bent_in_each_way(self):
        body = {"status": "ok", "time": "2026-03-02T03:04:05Z", "provider": {"code": "00001", "name": "TS24"}}
        paths = (("status",), ("time",), ("provider",), ("provider", "code"), ("provider", "name"))
        for path in paths:
            for name, value in BENDS.items():
                with self.subTest(member(path), bend=name):
                    answer = reply(200, raw=encoded(with_change(body, path, value)))
                    health = self.outcome(lambda gateway: gateway.check(), answer)
                    self.assertEqual(health.ok, path != ("status",))
                    self.assertTrue(health.message or path == ("provider",) or name in ("empty", "integer"))
                    if path == ("time",):
                        self.assertIsNone(health.clock_skew_seconds)
                        self.assertTrue(self.kinds(health, "time"))
        for text in ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z", "2026-03-02T10:04:05+07:00"):
            health = self.outcome(lambda gateway: gateway.check(), reply(200, {**body, "time": text}))
            self.assertGreater(abs(health.clock_skew_seconds), 60)
            self.assertEqual(health.provider_code, "00001")


def _kind(bend):
    """The kind of fault that a text bent like that has."""
    return {
        "missing": "missing",
        "null": "missing",
        "too long": "length",
        "NUL": "characters",
        "surrogate": "characters",
        "other encoding": "characters",
    }.get(bend, "type")
