"""The dialog that pairs a computer, and what a computer says about why its token is not seen."""

import base64
import json
import re
from pathlib import Path

from odoo.exceptions import AccessError
from odoo.tests import tagged

from ..models import diagnosis_texts
from ..models.diagnosis_texts import DIAGNOSES, MAX_DETAIL, MAX_ENTRIES
from ..wizards.l10n_vn_ibhxh_agent_pairing import L10n_Vn_IbhxhAgentPairing
from .test_attack_agent import AttackCase

ROOT = Path(__file__).resolve().parents[1]
USER = "l10n_vn_ibhxh.group_l10n_vn_ibhxh_user"


class PairingCase(AttackCase):
    def _dialog(self, user=None):
        """Open the dialog; return the pairing as its user, and the code."""
        pairings = self.env["l10n_vn_ibhxh.agent.pairing"].with_user(user or self.user)
        context = L10n_Vn_IbhxhAgentPairing.action_new_code.__wrapped__(pairings)["context"]
        return pairings.browse(context["l10n_vn_ibhxh_pairing_id"]), context["default_code"]

    def _pair_with(self, code):
        answer = self._call("pair", {"code": code, "name": "PC-MOI", "os": "Windows 11", "version": "1.0.0"}).json()
        return {"key": answer["key"], "agent": answer["agent"]}

    def _beat(self, credentials, *ders, **more):
        body = {"certificates": [base64.b64encode(der).decode() for der in ders], "version": "1.0.0", **more}
        return self._call("heartbeat", body, **credentials)


@tagged("post_install_l10n", "post_install", "-at_install")
class TestPairing(PairingCase):
    def test_the_dialog_follows_from_the_code_to_the_token(self):
        pairing, code = self._dialog()
        live = pairing.get_live()
        self.assertEqual((live["state"], live["computer"]), ("waiting", False))
        self.assertTrue(590 < live["seconds_left"] <= 600 and live["look_again"] == live["seconds_left"])
        credentials = self._pair_with(code)
        live = pairing.get_live()
        self.assertEqual(live["state"], "paired")
        self.assertEqual((live["computer"]["name"], live["computer"]["user"]), ("PC-MOI", self.user.name))
        self.assertEqual((live["computer"]["online"], live["computer"]["has_reported"]), (True, False))
        self._beat(credentials, diagnosis=[{"code": "no_token", "detail": ""}])
        live = pairing.get_live()
        self.assertTrue(live["computer"]["has_reported"])
        self.assertEqual(live["computer"]["problems"], [str(DIAGNOSES["no_token"])])
        self._beat(credentials, self.der, diagnosis=[])
        live = pairing.get_live()
        self.assertEqual(live["computer"]["problems"], [])
        (certificate,) = live["computer"]["certificates"]
        self.assertEqual((certificate["tax_code"], certificate["is_valid"]), (self.company.vat, True))
        with self._later(minutes=3):
            live = pairing.get_live()
            self.assertFalse(live["computer"]["online"])

    def test_w16_nobody_has_to_type_a_command(self):
        """The dialog offers a program and a link; the command stands folded away, for those who look for it."""
        arch = self.env.ref("l10n_vn_ibhxh.l10n_vn_ibhxh_agent_pairing_view_form").arch
        self.assertNotIn("ibhxh-agent pair", arch.partition("<details")[0] + arch.partition("</details>")[2])
        shown = arch + (ROOT / "static/src/pairing/pairing_widget.xml").read_text(encoding="utf-8")
        self.assertNotIn("pipx", shown)
        self.assertIn('t-att-href="link"', shown)

    def test_h7_no_page_of_odoo_names_a_command_but_the_folded_one(self):
        """Nothing is on the path of a Windows computer: an accountant can type it nowhere."""
        command = re.compile(
            r"ibhxh-agent(-cli)? (open|start|run|pair|link|stop|status|doctor|install|uninstall)\b|pipx"
        )
        named = set()
        for folder in ("static/src", "views", "wizards", "models", "controllers", "report", "data", "tools"):
            for path in (ROOT / folder).rglob("*"):
                if path.suffix in (".xml", ".js", ".py"):
                    shown = re.sub(r"<details.*?</details>", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
                    named |= {(path.name, found[0]) for found in command.finditer(shown)}
        self.assertFalse(named)

    def test_a_code_whose_time_is_over_and_one_that_was_replaced(self):
        pairing, _code = self._dialog()
        with self._later(minutes=11):
            live = pairing.get_live()
            self.assertEqual((live["state"], live["seconds_left"], live["look_again"]), ("expired", 0, False))
        newer, code = self._dialog()
        self.assertEqual(pairing.get_live()["state"], "replaced")
        self.assertEqual(pairing.browse().get_live()["state"], "replaced", "a dialog that was opened otherwise")
        self._agent(self._pair_with(code)).action_revoke()
        self.assertEqual(newer.get_live()["state"], "replaced")

    def test_nobody_follows_somebody_elses_pairing(self):
        pairing, code = self._dialog()
        colleague = self._new_user("colleague", USER, self.company)
        boss = self._new_user("boss", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        plain = self._new_user("plain", "", self.company)
        for _state in ("waiting", "paired"):
            for user in (colleague, boss, plain):
                self.env.invalidate_all()
                with self.subTest(user.login), self.assertRaises(AccessError):
                    pairing.with_user(user).get_live()
            code = code and self._pair_with(code) and None

    def test_the_page_hears_of_the_computer_and_of_each_new_diagnosis(self):
        _pairing, code = self._dialog()
        self._told()
        credentials = self._pair_with(code)
        self.assertIn(("l10n_vn_ibhxh/tokens", self.user), self._told())
        entry = [{"code": "no_token", "detail": ""}]
        for diagnosis, is_news in ((entry, True), (entry, False), ([], True), ([], False), (entry, True)):
            self._beat(credentials, diagnosis=diagnosis)
            self.assertEqual(("l10n_vn_ibhxh/tokens", self.user) in self._told(), is_news, diagnosis)

    def _told(self):
        """Return `(type, user)` of what was told over the bus since the last time."""
        self.env.cr.precommit.run()
        rows = self.env["bus.bus"].sudo().search([])
        told = [
            (json.loads(row.message)["type"], self.env["res.users"].search([("partner_id", "=", channel[-1])]))
            for row in rows
            if isinstance(channel := json.loads(row.channel), list) and channel[1] == "res.partner"
        ]
        rows.unlink()
        return told


@tagged("post_install_l10n", "post_install", "-at_install")
class TestDiagnosis(PairingCase):
    def test_an_administrator_sees_why_a_colleagues_token_is_not_seen(self):
        credentials = self._pair()
        boss = self._new_user("boss", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        self._beat(
            credentials,
            diagnosis=[{"code": "library_died", "detail": "BkavCA.dll"}, {"code": "no_token", "detail": ""}],
        )
        agent = self._agent(credentials).with_user(boss)
        first, second = agent.diagnosis_text.splitlines()
        self.assertIn("BkavCA.dll crashed", first)
        self.assertIn("No token is seen", second)
        self._beat(credentials, diagnosis=[])
        self.assertFalse(agent.diagnosis_text)
        with self._later(minutes=3):
            self._agent(credentials).sudo().diagnosis = [{"code": "no_token", "detail": ""}]
            self.assertFalse(agent.diagnosis_text, "what a computer said before it was switched off")

    def test_the_pages_of_those_who_may_read_the_computer_say_it_too(self):
        credentials = self._pair()
        self._beat(credentials, self.der, diagnosis=[{"code": "token_locked", "detail": "VNPT"}])
        colleague = self._new_user("colleague", USER, self.company)
        boss = self._new_user("boss", "l10n_vn_ibhxh.group_l10n_vn_ibhxh_manager", self.company)
        for user, is_told in ((self.user, True), (boss, True), (colleague, False)):
            self.env.invalidate_all()
            live = self.env["l10n_vn_ibhxh.agent"].with_user(user).get_live(self.company.id)["computers"]
            (computer,) = [one for one in live if one["id"] == self._agent(credentials).id]
            with self.subTest(user.login):
                self.assertEqual(bool(computer["problems"]), is_told)

    def test_an_older_agent_says_nothing_and_works(self):
        credentials = self._pair()
        answer = self._call("heartbeat", {"certificates": [], "tokens": [], "version": "1.0.0"}, **credentials)
        self.assertEqual(answer.status_code, 200)
        self.assertFalse(self._agent(credentials).diagnosis_text)

    def test_codes_of_a_newer_agent_are_ignored(self):
        credentials = self._pair()
        diagnosis = [{"code": "from_the_future", "detail": "x"}, {"code": "no_token"}, {"x": "y"}]
        self.assertEqual(self._beat(credentials, diagnosis=diagnosis).status_code, 200)
        self.assertEqual(self._agent(credentials).diagnosis, [{"code": "no_token", "detail": ""}])

    def test_a_hostile_computer_gets_neither_markup_nor_length_nor_lines_in(self):
        credentials = self._pair()
        detail = "<b>x</b>\n\u202e\x00%(code)s" + "y" * 5000
        self._beat(credentials, diagnosis=[{"code": "not_pkcs11", "detail": detail, "html": "<script>"}])
        agent = self._agent(credentials)
        (entry,) = agent.diagnosis
        self.assertEqual(set(entry), {"code", "detail"})
        self.assertLessEqual(len(entry["detail"]), MAX_DETAIL)
        self.assertFalse(set(entry["detail"]) & set("\n\u202e\x00"))
        self.assertEqual(len(agent.diagnosis_text.splitlines()), 1)
        self.assertEqual(agent._fields["diagnosis_text"].type, "text", "shown as it is, never as markup")
        for bad in (1, "no_token", {}, ["no_token"], [[]], [{"code": 1}], [{"code": "no_token", "detail": []}],
                    [{"code": "no_token"}] * (MAX_ENTRIES + 1)):  # fmt: skip
            with self.subTest(str(bad)[:40]):
                answer = self._beat(credentials, diagnosis=bad)
                self.assertEqual((answer.status_code, answer.json()["error"]), (400, "bad_request"))

    def test_every_code_has_a_sentence_with_its_detail_only(self):
        entries = [{"code": code, "detail": "DETAIL"} for code in DIAGNOSES]
        sentences = diagnosis_texts.sentences(self.env, entries)
        self.assertEqual(len(sentences), len(DIAGNOSES))
        for sentence in sentences:
            self.assertFalse(re.search(r"%[(sd]", sentence), sentence)
            self.assertRegex(sentence, r"^[A-Z“].*[.]$")

    def test_agent_odoo_and_the_protocol_page_know_the_same_codes(self):
        source = (ROOT / "agent/ibhxh_agent/diagnosis.py").read_text(encoding="utf-8")
        listed = re.search(r"^CODES = frozenset\(\s*(.*?)^\)", source, re.MULTILINE | re.DOTALL)[1]
        self.assertEqual(set(re.findall(r'"(\w+)"', listed)), set(DIAGNOSES))
        page = (ROOT / "docs/agent-protocol.md").read_text(encoding="utf-8")
        section = page.partition("### Diagnosis")[2].partition("\n## ")[0]
        self.assertEqual(set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)), set(DIAGNOSES))

    def test_the_protocol_page_shows_every_member_of_the_heartbeat(self):
        credentials = self._pair()
        answer = self._beat(credentials).json()
        page = (ROOT / "docs/agent-protocol.md").read_text(encoding="utf-8")
        section = page.partition("\n## heartbeat")[2].partition("\n## ")[0]
        example = section.partition("← ")[2].partition("```")[0]
        self.assertEqual(set(re.findall(r'"(\w+)": ', example)) - {"version"}, set(answer))
